//! `carebell demo`: a made-up hospital, the built-in carrier and patients' phones, all on this machine; or, with
//! `--headless`, the same story on a quick clock, each step with its proof.

mod hospital;
mod people;
mod proofs;
mod set;
mod story;

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};

use super::serve::asked_to_stop;
use crate::clock::Clock;
use crate::config::Config;
use crate::model::private::Private;
use crate::simulator::conduct::{Conduct, Receipts, Texts};
use crate::simulator::script::{Line, Script};
use people::person;
use set::{Place, Set};

/// A made-up hospital with its patients' phones, all on this machine.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Play the story on a quick clock, print each step with its proof, and end.
    #[arg(long)]
    pub headless: bool,
    /// Where the pages are.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080")]
    pub listen: SocketAddr,
    /// Keep the demo's files and database here; the folder must be empty or new. Without it they go when the demo ends.
    #[arg(long, value_name = "FOLDER")]
    pub folder: Option<PathBuf>,
}

/// The day the quick story plays on: a Wednesday with no holiday near.
const STORY_DAY: Date = jiff::civil::date(2026, 6, 10);

/// Runs the demo.
///
/// # Errors
/// When it cannot run at all: no rules, a port taken, a folder that cannot be written.
pub async fn run(config: &Config, args: Args, json: bool) -> anyhow::Result<u8> {
    let folder = Folder::open(args.folder.clone())?;
    let (rules, templates) = (
        full(&config.path(&config.rules.dir))?,
        full(&config.path(&config.templates.dir))?,
    );
    let place = |today, clock, listen| Place {
        folder: folder.path.clone(),
        today,
        clock,
        listen,
        rules,
        templates,
    };
    if args.headless {
        let evening = instant(STORY_DAY, -1, "18:00:00")?;
        let listen = SocketAddr::from(([127, 0, 0, 1], 0));
        return story::play(place(STORY_DAY, Clock::by_hand(evening), listen), json).await;
    }
    free(args.listen).await?;
    let today = Clock::System.now().to_zoned(zone()?).date();
    let clock = Clock::running_from(instant(today, -1, "18:00:00")?);
    show(place(today, clock, args.listen)).await
}

/// The demo for people: it begins on the evening before, then it is nine o'clock in the morning.
async fn show(place: Place) -> anyhow::Result<u8> {
    let mut out = std::io::stdout();
    writeln!(out, "Carebell demo: opening the hospital …")?;
    let morning = instant(place.today, 0, "08:59:55")?;
    let receipts = Receipts {
        after: Duration::from_millis(1500),
        spread: Duration::from_secs(2),
        ..Receipts::default()
    };
    let conduct = Conduct {
        receipts,
        texts: Texts {
            after: Duration::from_millis(300),
            ..Texts::default()
        },
        ..Conduct::default()
    };
    let set = Set::open(place, conduct).await?;
    set.import_books().await?;
    set.settle().await?;
    set.carrier.set_script(script());
    set.place.clock.set(morning);
    set.import_morning().await?;
    guide(&set)?;
    asked_to_stop().await?;
    writeln!(out, "\nClosing the hospital …")?;
    set.close().await;
    Ok(0)
}

fn guide(set: &Set) -> anyhow::Result<()> {
    let address = set.app().address;
    writeln!(
        std::io::stdout(),
        "\n  The hospital's pages   http://{address}/\n  Patients' phones       http://{address}/phones\n\n\
        It is shortly before nine in the hospital: the morning's reminders are about to leave, over real SMPP, to made-up\n\
        numbers on a carrier inside this program. Some patients answer by themselves. Things to try:\n\n\
        \x20 1  Open a phone that has a text and answer 1, 2 or 3: its booking is confirmed, declined or asks for a change.\n\
        \x20 2  Answer STOP or 退订, 打错了, or anything in your own words: see what staff are told.\n\
        \x20 3  Switch a phone off, and on again later.\n\n\
        The files it was made of, and its config, are in {}\nCtrl-C ends it.",
        set.place.folder.display(),
    )?;
    Ok(())
}

/// Who answers by themselves, so that there is something to see at once.
fn script() -> Script {
    let line = |key: &str, seconds: u64, say: &str| {
        let number = Private::new(person(key).number().unwrap_or_default());
        Line {
            number,
            on: String::new(),
            after: Duration::from_secs(seconds),
            say: Private::new(say.to_owned()),
        }
    };
    Script::new(vec![
        line("P02", 7, "1"),
        line("E03", 11, "Yes, see you then"),
        line("P06", 16, "2"),
        line("P11", 22, "好的，收到"),
        line("E05", 29, "3"),
        line("P26", 37, "请问需要空腹吗？"),
        line("P13", 45, "谢谢你们！"),
        line("E06", 55, "1"),
    ])
}

/// The demo's folder; one of our own goes when the demo ends.
struct Folder {
    path: PathBuf,
    keep: bool,
}

impl Folder {
    fn open(wanted: Option<PathBuf>) -> anyhow::Result<Self> {
        let keep = wanted.is_some();
        let path = wanted.unwrap_or_else(|| {
            std::env::temp_dir().join(format!("carebell-demo-{}", uuid::Uuid::now_v7().simple()))
        });
        std::fs::create_dir_all(&path).with_context(|| path.display().to_string())?;
        let mut entries = std::fs::read_dir(&path).with_context(|| path.display().to_string())?;
        anyhow::ensure!(
            entries.next().is_none(),
            "{}: the demo wants a folder of its own; this one is not empty",
            path.display()
        );
        Ok(Self {
            path: full(&path)?,
            keep,
        })
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if !self.keep {
            // What cannot be removed is left to the temporary folder's own fate.
            let _ = std::fs::remove_dir_all(&self.path);
        }
    }
}

fn full(path: &Path) -> anyhow::Result<PathBuf> {
    let advice = || {
        format!(
            "{}: not there; start the demo where `rules` and `templates` lie, or name them in a config",
            path.display()
        )
    };
    path.canonicalize().with_context(advice)
}

/// Sees that the pages' port is free before anything is opened.
async fn free(listen: SocketAddr) -> anyhow::Result<()> {
    let advice = || {
        format!(
            "{listen} cannot be listened on: stop what is there, or choose another with --listen {}:8090",
            listen.ip()
        )
    };
    tokio::net::TcpListener::bind(listen)
        .await
        .map(drop)
        .with_context(advice)
}

fn zone() -> anyhow::Result<TimeZone> {
    Ok(TimeZone::get(hospital::ZONE)?)
}

/// `clock`, so many days from `today`, on the hospital's wall clock.
fn instant(today: Date, days: i64, clock: &str) -> anyhow::Result<Timestamp> {
    let day = today.checked_add(days.days())?;
    let wall: jiff::civil::DateTime = format!("{day}T{clock}").parse()?;
    Ok(wall.to_zoned(zone()?)?.timestamp())
}
