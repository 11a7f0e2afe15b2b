//! `carebell retention`: what is kept how long, and what is past its keep date. `--now` does it at once.

use std::io::Write;

use clap::Args;
use serde_json::json;

use crate::app::House;
use crate::clock::Clock;
use crate::retention::{Memory, Retention};
use crate::store::retention as rows;

/// Whether to do it.
#[derive(Debug, Args)]
pub struct RetentionArgs {
    /// Do it now, in small bites; without it nothing is changed.
    #[arg(long)]
    now: bool,
}

/// Shows it, or does it.
///
/// # Errors
/// When the database fails or nobody reads the output.
pub async fn run(
    args: &RetentionArgs,
    house: &House,
    clock: &Clock,
    json: bool,
    out: &mut impl Write,
) -> anyhow::Result<u8> {
    let settings = &house.config.retention;
    if args.now {
        let stage = Retention {
            store: house.store.clone(),
            clock: clock.clone(),
            settings: settings.clone(),
            memory: Memory::default(),
        };
        while stage.pass().await? > 0 {}
    }
    let now = clock.now();
    for (kind, keep) in settings.all() {
        let mut tx = house.store.read().await?;
        let (over, later) = match keep.time() {
            Some(time) => rows::count(&mut tx, kind, time, now).await?,
            None => (0, 0),
        };
        let (what, act) = (kind.what, kind.act);
        if json {
            let line = json!({"what": what, "kept": keep.to_string(), "over": over, "open": later});
            writeln!(out, "{line}")?;
        } else {
            writeln!(
                out,
                "{what:<17} kept {keep:<7} then {act:<25} {over:>9} over now, {later} old ones looked at again later"
            )?;
        }
    }
    Ok(0)
}
