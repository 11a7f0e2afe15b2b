//! `carebell rules list|show|approve|apply`: the rules as they stand, and how a folder of them comes into force.

use std::io::Write;
use std::path::PathBuf;

use clap::Subcommand;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::app::House;
use crate::cli::install;
use crate::cli::overrides::no_rule;
use crate::model::campaign::SwitchState;
use crate::rules::rule::{Mode, Rule};
use crate::store::rule_switches::{self, Agreed, Switch};
use crate::store::{documents, rule_plans};

/// What to do with rules.
#[derive(Debug, Subcommand)]
pub enum BookVerb {
    /// Every rule: whose, what starts it, how far it is planned, whether it waits for a person.
    List,
    /// One rule with every default filled in, and its versions.
    Show {
        /// The rule.
        rule: String,
    },
    /// Let a rule act that was switched on and reaches many at once.
    Approve {
        /// The rule.
        rule: String,
        /// Who agrees.
        #[arg(long, value_name = "NAME")]
        by: String,
    },
    /// Check a folder of rules, show what it would change, and install it.
    Apply {
        /// The folder.
        dir: PathBuf,
        /// Only show.
        #[arg(long)]
        dry_run: bool,
        /// Take away rules that the folder lacks.
        #[arg(long)]
        prune: bool,
        /// Who installs them: where one reaches many, another person has to agree.
        #[arg(long, value_name = "NAME")]
        by: Option<String>,
    },
}

/// Does it; exit 1 when there is no such rule, it does not wait, or the folder has faults.
///
/// # Errors
/// When the database fails, a file cannot be written or nobody reads the output.
pub async fn run(
    verb: &BookVerb,
    house: &House,
    now: Timestamp,
    json: bool,
    out: &mut impl Write,
) -> anyhow::Result<u8> {
    match verb {
        BookVerb::List => list(house, json, out).await,
        BookVerb::Show { rule } => show(house, rule, json, out).await,
        BookVerb::Approve { rule, by } => approve(house, rule, by.trim(), now, json, out).await,
        BookVerb::Apply {
            dir,
            dry_run,
            prune,
            by,
        } => {
            let order = install::Order {
                dir,
                is_dry: *dry_run,
                prunes: *prune,
                by: by.as_deref().map(str::trim).filter(|by| !by.is_empty()),
            };
            install::apply(&order, house, now, json, out).await
        }
    }
}

async fn list(house: &House, json: bool, out: &mut impl Write) -> anyhow::Result<u8> {
    let mut tx = house.store.read().await?;
    let switches = rule_switches::all(&mut tx).await?;
    let plans = rule_plans::all(&mut tx).await?;
    let waiting = rule_plans::waiting(&mut tx).await?;
    for rule in house.book.rules() {
        let plan = plans.iter().find(|plan| plan.rule == rule.id);
        let until = plan.map(|plan| plan.until).filter(|_| {
            // Occasions are planned whole.
            !matches!(
                rule.trigger,
                crate::rules::trigger::Trigger::Occasion { .. }
            )
        });
        let (count, next) = waiting.get(&rule.id).copied().unwrap_or((0, None));
        let switch = switches
            .get(&rule.id)
            .filter(|s| s.state == SwitchState::Waiting);
        if json {
            let line = json!({
                "id": rule.id, "title": rule.title, "department": rule.department, "class": rule.class,
                "trigger": rule.trigger.in_words(), "mode": rule.mode, "version": rule.version, "planned_until": until,
                "planned": count, "next_due_at": next, "waits_for_approval": switch.is_some(), "reach": switch.map(|s| s.reach),
            });
            writeln!(out, "{line}")?;
        } else {
            writeln!(out, "{}", line(rule, until, (count, next), switch))?;
        }
    }
    for broken in house.book.broken() {
        if json {
            writeln!(out, "{}", json!({"id": broken, "error": "rule_fault"}))?;
        } else {
            writeln!(out, "{broken}  CANNOT BE READ: see carebell check")?;
        }
    }
    Ok(0)
}

fn line(
    rule: &Rule,
    until: Option<Timestamp>,
    (count, next): (i64, Option<Timestamp>),
    waits: Option<&Switch>,
) -> String {
    let clock = |at: Timestamp| {
        let at = at.to_zoned(rule.timezone.clone());
        at.strftime("%Y-%m-%dT%H:%M").to_string()
    };
    let mut words = format!(
        "{}  {}  {}  {}  {}  {}",
        rule.id,
        rule.title,
        rule.department.as_deref().unwrap_or("-"),
        rule.class,
        rule.trigger.in_words(),
        rule.mode
    );
    words += &format!("  {count} planned");
    if let Some(next) = next {
        words += &format!(", next {}", clock(next));
    }
    if let Some(until) = until.filter(|_| rule.mode != Mode::Off) {
        words += &format!(", up to {}", clock(until));
    }
    if let Some(switch) = waits {
        words += &format!(
            "  WAITS FOR APPROVAL ({} patients within a day): carebell rules approve {} --by NAME",
            switch.reach, rule.id
        );
    }
    words
}

async fn show(house: &House, id: &str, json: bool, out: &mut impl Write) -> anyhow::Result<u8> {
    let Some(rule) = house.book.rule(id) else {
        return say(1, "not_found", &no_rule(&house.book, id), json, out);
    };
    let mut tx = house.store.read().await?;
    let versions = documents::versions(&mut tx, "rule", id).await?;
    let switch = rule_switches::all(&mut tx).await?.remove(id);
    let versions: Vec<Value> = versions
        .iter()
        .map(|version| {
            json!({"version": version.version, "state": version.state, "origin": version.origin, "created_at": version.created_at})
        })
        .collect();
    if json {
        let approval = switch.map(|s| json!({"state": s.state, "reach": s.reach, "approver": s.approver, "since": s.since}));
        let all = json!({"id": id, "version": rule.version, "document": rule.written(), "versions": versions, "switch": approval});
        writeln!(out, "{all}")?;
        return Ok(0);
    }
    writeln!(out, "# rule {id}, version {}", rule.version)?;
    if let Some(switch) = switch {
        let approver = switch
            .approver
            .map(|by| format!(" by {by}"))
            .unwrap_or_default();
        writeln!(
            out,
            "# switched on {}: {}{approver}",
            switch.since, switch.state
        )?;
    }
    writeln!(out, "{}", toml::to_string(&rule.written())?.trim_end())?;
    writeln!(out)?;
    for version in versions {
        let word = |key: &str| version[key].as_str().unwrap_or_default().to_owned();
        writeln!(
            out,
            "# version {}  {}  {}  {}",
            word("version"),
            word("state"),
            word("origin"),
            word("created_at")
        )?;
    }
    Ok(0)
}

async fn approve(
    house: &House,
    rule: &str,
    by: &str,
    now: Timestamp,
    json: bool,
    out: &mut impl Write,
) -> anyhow::Result<u8> {
    if by.is_empty() {
        return say(1, "no_name", "Who agrees? Expected --by NAME.", json, out);
    }
    if house.book.rule(rule).is_none() {
        let words = no_rule(&house.book, rule);
        return say(1, "not_found", &words, json, out);
    }
    let mut tx = house.store.write().await?;
    let done = rule_switches::approve(&mut tx, rule, by, now).await?;
    tx.commit().await?;
    match done {
        Agreed::Done => {
            let words = format!("{rule}  approved by {by}");
            say(0, "approved", &words, json, out)
        }
        Agreed::SamePerson => {
            let words = format!(
                "{by} installed the rule `{rule}`: another person has to agree. Expected --by with another name."
            );
            say(1, "same_person", &words, json, out)
        }
        Agreed::NotWaiting => {
            let words = format!(
                "The rule `{rule}` does not wait for anybody; `carebell rules list` says which do."
            );
            say(1, "not_waiting", &words, json, out)
        }
    }
}

fn say(code: u8, word: &str, words: &str, json: bool, out: &mut impl Write) -> anyhow::Result<u8> {
    match (json, code) {
        (true, 0) => writeln!(out, "{}", json!({"outcome": word}))?,
        (true, _) => writeln!(out, "{}", json!({"error": word, "detail": words}))?,
        (false, _) => writeln!(out, "{words}")?,
    }
    Ok(code)
}
