//! Reading config, rules, templates and reply words anew while it runs: all of it or nothing.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use thiserror::Error;
use tokio::time::timeout;
use tracing::{info, warn};

use super::broker::Broker;
use super::lines::Lines;
use super::{App, House, look_at_disk};
use crate::config::Config;
use crate::scheduler::switching;
use crate::telemetry::{self, metrics};

/// How long the passes that run may take to end.
const PASS_WITHIN: Duration = Duration::from_secs(30);

/// Why everything stayed as it was.
#[derive(Debug, Error)]
#[error("nothing was changed: {}", .0.join("; "))]
pub struct Refused(pub Vec<String>);

impl App {
    /// Goes by `config` and what it leads to from now on; what needs a restart keeps its old value, and is told.
    ///
    /// # Errors
    /// When anything in it is wrong, each with its place. Nothing has changed then.
    pub async fn reload(&mut self, config: Config) -> Result<(), Refused> {
        let done = self.renew(config).await;
        let outcome = if done.is_ok() { "applied" } else { "refused" };
        metrics::RELOADS.one(&[outcome]);
        done
    }

    async fn renew(&mut self, mut config: Config) -> Result<(), Refused> {
        let kept = keep_what_needs_a_restart(&self.house.config, &mut config);
        let new = self.house.renewed(config).await.map_err(refused)?;
        let faults = new.problems.iter().filter(|problem| !problem.is_warning);
        let faults: Vec<String> = faults.map(ToString::to_string).collect();
        if !faults.is_empty() {
            return Err(Refused(faults));
        }
        Lines::check(&new).map_err(refused)?;
        Broker::check(&new).map_err(refused)?;
        self.change_to(&new).await.map_err(refused)?;
        for key in kept {
            warn!("{key} has changed: that takes a restart, until then the old value holds");
        }
        telemetry::follow(&new.config.log);
        self.writer.follow(Arc::clone(&new.desk));
        self.lines.follow(&new);
        self.broker.follow(&new).await;
        look_at_disk(&new, &self.writer);
        self.web.renewer().renew(&new);
        let rules = new.book.rules().count();
        info!("Config, {rules} rules, templates and reply words are read anew and in force");
        self.house = new;
        for bell in [&self.bells.plan, &self.bells.compose, &self.bells.send] {
            bell.ring();
        }
        Ok(())
    }

    /// Between two passes: what the new rules hold back is held back before anything is composed by them.
    async fn change_to(&self, new: &House) -> anyhow::Result<()> {
        let mut current = timeout(PASS_WITHIN, self.current.write())
            .await
            .context("a stage does not come to the end of its pass: see /livez")?;
        let now = self.clock.now();
        new.book.provision(&new.store, now).await?;
        let words = (&new.config.scheduler, new.plans.language.as_str());
        switching::at_start(&new.store, &new.book, words, now).await?;
        // How the providers stand is known: the new routes need not learn it first.
        new.desk.routes.stand(current.desk.routes.live());
        *current = new.clone();
        Ok(())
    }
}

fn refused(why: impl Into<anyhow::Error>) -> Refused {
    Refused(vec![format!("{:#}", why.into())])
}

/// Puts back what cannot change while it runs; says which keys had changed.
fn keep_what_needs_a_restart(old: &Config, new: &mut Config) -> Vec<&'static str> {
    let mut kept = Vec::new();
    if old.http.listen != new.http.listen {
        kept.push("http.listen");
        new.http.listen = old.http.listen;
    }
    if old.metrics.listen != new.metrics.listen {
        kept.push("metrics.listen");
        new.metrics.listen = old.metrics.listen;
    }
    if old.database.url != new.database.url {
        kept.push("database.url");
        new.database.url.clone_from(&old.database.url);
    }
    if old.site.country != new.site.country {
        // Numbers are kept and found as they are read by it.
        kept.push("site.country");
        new.site.country.clone_from(&old.site.country);
    }
    if old.log.format != new.log.format {
        kept.push("log.format");
        new.log.format = old.log.format;
    }
    kept
}
