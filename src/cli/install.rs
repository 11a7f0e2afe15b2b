//! `carebell rules apply`: a folder of rules is checked whole, held against what is in force, and installed.
//!
//! Rules are files that the daemon reads at its start. Nothing is installed when one of them has a fault.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::Path;

use anyhow::Context as _;
use jiff::Timestamp;
use serde_json::json;

use crate::app::House;
use crate::cli::CANNOT_RUN;
use crate::planning::book::Book;
use crate::rules::document;
use crate::rules::rule::{Mode, Rule};
use crate::store::audits::{self, NewAudit};
use crate::store::{documents, rule_plans, rule_switches};

/// Who it was, where nobody gives a name.
const ACTOR: &str = "cli";

/// What is to be installed.
pub(super) struct Order<'a> {
    pub(super) dir: &'a Path,
    pub(super) is_dry: bool,
    pub(super) prunes: bool,
    /// Who it is, where they say so.
    pub(super) by: Option<&'a str>,
}

/// What installing a rule changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Change {
    Added,
    /// It plans otherwise.
    Timing,
    /// It goes on or off, or into the shadow.
    Mode,
    /// It says something else, at the same moments.
    Wording,
    Removed,
    None,
}

impl Change {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Timing => "timing",
            Self::Mode => "mode",
            Self::Wording => "wording",
            Self::Removed => "removed",
            Self::None => "unchanged",
        }
    }

    const fn in_words(self) -> &'static str {
        match self {
            Self::Added => "is new",
            Self::Timing => "changes when or to whom",
            Self::Mode => "changes its mode",
            Self::Wording => "changes its wording",
            Self::Removed => "goes",
            Self::None => "stays",
        }
    }

    /// From what is in force to what is in the folder.
    fn of(now: Option<&Rule>, then: &Rule) -> Self {
        match now {
            None => Self::Added,
            Some(now) if now.timing_hash() != then.timing_hash() => Self::Timing,
            Some(now) if now.mode != then.mode => Self::Mode,
            Some(now) if now.version != then.version => Self::Wording,
            Some(_) => Self::None,
        }
    }
}

/// Shows what the folder changes and installs it; 1 when something in it is wrong.
pub(super) async fn apply(
    order: &Order<'_>,
    house: &House,
    now: Timestamp,
    json: bool,
    out: &mut impl Write,
) -> anyhow::Result<u8> {
    if !order.dir.is_dir() {
        let dir = order.dir.display();
        writeln!(
            std::io::stderr(),
            "{dir}: cannot be read: expected a folder of rules, RULE.toml each"
        )?;
        return Ok(CANNOT_RUN);
    }
    let config = &house.config;
    let (target, templates) = (
        config.path(&config.rules.dir),
        config.path(&config.templates.dir),
    );
    let (new, problems) = Book::load(order.dir, &templates, &house.site);
    for problem in &problems {
        let severity = if problem.is_warning {
            "warning"
        } else {
            "error"
        };
        if json {
            writeln!(
                out,
                "{}",
                json!({"severity": severity, "text": problem.text})
            )?;
        } else {
            writeln!(out, "{severity}: {problem}")?;
        }
    }
    if problems.iter().any(|problem| !problem.is_warning) {
        writeln!(
            std::io::stderr(),
            "nothing was installed: the folder has faults"
        )?;
        return Ok(1);
    }
    let in_force = in_force(house).await?;
    let waiting = rule_plans::waiting(&mut house.store.read().await?).await?;
    let changes = changes(&new, &in_force, &waiting, order.prunes);
    tell(&changes, json, out)?;
    let removed: Vec<&str> = changes
        .iter()
        .filter(|(_, change, _)| *change == Change::Removed)
        .map(|(id, ..)| *id)
        .collect();
    if order.is_dry {
        if !json {
            writeln!(out, "Nothing was installed.")?;
        }
        return Ok(0);
    }
    install(order.dir, &target, &new, &removed)?;
    keep_who(house, &changes, order.by.unwrap_or(ACTOR), now).await?;
    if !json {
        writeln!(
            out,
            "Installed in {}; a running `serve` goes by it from its next start.",
            target.display()
        )?;
    }
    Ok(0)
}

/// Keeps who installed what: another person has to agree where it reaches many.
async fn keep_who(
    house: &House,
    changes: &[(&str, Change, i64)],
    actor: &str,
    now: Timestamp,
) -> anyhow::Result<()> {
    let mut tx = house.store.write().await?;
    for (rule, change, _) in changes {
        let act = NewAudit {
            actor,
            action: rule_switches::APPLIED,
            target: rule,
            detail: json!({"change": change.as_str()}),
        };
        audits::add(&mut tx, &act, now).await?;
    }
    Ok(tx.commit().await?)
}

/// What each rule changes, and how many planned reminders that looks at anew.
fn changes<'a>(
    new: &'a Book,
    in_force: &'a BTreeMap<String, Rule>,
    waiting: &BTreeMap<String, (i64, Option<Timestamp>)>,
    prunes: bool,
) -> Vec<(&'a str, Change, i64)> {
    let planned = |rule: &str| waiting.get(rule).map_or(0, |(count, _)| *count);
    let of_rule = |rule: &'a Rule| {
        let change = Change::of(in_force.get(&rule.id), rule);
        let moves = match change {
            Change::Timing => planned(&rule.id),
            Change::Mode if rule.mode == Mode::Off => planned(&rule.id),
            Change::Added | Change::Mode | Change::Wording | Change::Removed | Change::None => 0,
        };
        (rule.id.as_str(), change, moves)
    };
    let lacks = |id: &&String| prunes && new.rule(id).is_none();
    let gone = in_force.keys().filter(lacks);
    let gone = gone.map(|id| (id.as_str(), Change::Removed, planned(id)));
    let all = new.rules().map(of_rule).chain(gone);
    all.filter(|(_, change, _)| *change != Change::None)
        .collect()
}

fn tell(changes: &[(&str, Change, i64)], json: bool, out: &mut impl Write) -> std::io::Result<()> {
    for (id, change, moves) in changes {
        let words = change.in_words();
        if json {
            let line = json!({"rule": id, "change": change.as_str(), "planned": moves});
            writeln!(out, "{line}")?;
        } else if *moves > 0 {
            writeln!(
                out,
                "{id}  {words}; {moves} planned reminders are looked at anew"
            )?;
        } else {
            writeln!(out, "{id}  {words}")?;
        }
    }
    Ok(())
}

/// The rules that the daemon went by last; those of the folder where it never ran.
async fn in_force(house: &House) -> anyhow::Result<BTreeMap<String, Rule>> {
    let kept = documents::active(&mut house.store.read().await?, "rule").await?;
    if kept.is_empty() {
        let rules = house.book.rules();
        return Ok(rules.map(|rule| (rule.id.clone(), rule.clone())).collect());
    }
    // One that this program cannot read any more counts as none.
    let read = |(id, _, body): (String, String, String)| {
        let rule = document::parse(&id, &id, &body, &house.site).ok()?;
        Some((id, rule))
    };
    Ok(kept.into_iter().filter_map(read).collect())
}

/// Each file is written beside its place and put there in one step, so that nobody reads half of one.
fn install(from: &Path, target: &Path, new: &Book, removed: &[&str]) -> anyhow::Result<()> {
    let same = |dir: &Path| fs::canonicalize(dir).ok();
    if same(from).is_some() && same(from) == same(target) {
        return remove(target, removed);
    }
    fs::create_dir_all(target).with_context(|| target.display().to_string())?;
    let mut ready = Vec::new();
    for rule in new.rules() {
        let name = format!("{}.toml", rule.id);
        let (source, place) = (from.join(&name), target.join(&name));
        let beside = target.join(format!(".{name}.new"));
        let text = fs::read(&source).with_context(|| source.display().to_string())?;
        let mut file = fs::File::create(&beside).with_context(|| beside.display().to_string())?;
        file.write_all(&text)
            .and_then(|()| file.sync_all())
            .with_context(|| beside.display().to_string())?;
        ready.push((beside, place));
    }
    // All of them can be written: now they take their places.
    for (beside, place) in ready {
        fs::rename(&beside, &place).with_context(|| place.display().to_string())?;
    }
    remove(target, removed)
}

fn remove(target: &Path, removed: &[&str]) -> anyhow::Result<()> {
    for id in removed {
        let file = target.join(format!("{id}.toml"));
        match fs::remove_file(&file) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(error).with_context(|| file.display().to_string());
            }
            Ok(()) | Err(_) => {}
        }
    }
    Ok(())
}
