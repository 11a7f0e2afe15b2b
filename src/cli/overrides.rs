//! `carebell override`: what one patient has of a rule that others have not.

use std::io::Write;

use clap::Subcommand;
use jiff::Timestamp;
use serde_json::json;

use crate::model::id::PatientId;
use crate::planning::book::Book;
use crate::planning::own;
use crate::rules::overrides::Override;
use crate::rules::reader::nearest;
use crate::store::overrides::{self, Kept};
use crate::store::{Store, patients};

/// Who it was, where nobody gives a name.
const ACTOR: &str = "cli";

/// What to do with a patient's settings. They win over the rule, and outlive its edits and new imports.
#[derive(Debug, Subcommand)]
pub enum OverrideVerb {
    /// Set one; the patient is planned again at once.
    Set {
        /// Whose: SOURCE/KEY or pat_….
        patient: String,
        /// The rule.
        rule: String,
        /// Nothing of the rule for this patient.
        #[arg(long, conflicts_with_all = ["before", "by"])]
        off: bool,
        /// Other leads for what goes to patient and family before the occasion, such as 5d,1d.
        #[arg(long, value_delimiter = ',', value_name = "LEADS")]
        before: Option<Vec<String>>,
        /// Other channels for what goes to patient and family, in this order, such as voice,sms.
        #[arg(long, value_delimiter = ',', value_name = "CHANNELS")]
        by: Option<Vec<String>>,
        /// Who sets it.
        #[arg(long, value_name = "NAME")]
        by_whom: Option<String>,
    },
    /// The settings of one patient.
    List {
        /// Whose: SOURCE/KEY or pat_….
        patient: String,
    },
    /// Take one back: the rule's own word counts again.
    Remove {
        /// Whose: SOURCE/KEY or pat_….
        patient: String,
        /// The rule.
        rule: String,
        /// Who takes it back.
        #[arg(long, value_name = "NAME")]
        by_whom: Option<String>,
    },
}

/// Does it; exit 1 when there is no such rule or patient, or the setting cannot be read.
///
/// # Errors
/// When the database fails or nobody reads the output.
pub async fn run(
    verb: &OverrideVerb,
    store: &Store,
    book: &Book,
    now: Timestamp,
    json: bool,
    out: &mut impl Write,
) -> anyhow::Result<u8> {
    let (OverrideVerb::Set { patient, .. }
    | OverrideVerb::List { patient }
    | OverrideVerb::Remove { patient, .. }) = verb;
    let Some(id) = find(store, patient).await? else {
        let words = "There is no such patient: expected SOURCE/KEY or pat_….";
        return say(1, "unknown_patient", words, json, out);
    };
    match verb {
        OverrideVerb::Set {
            rule,
            off,
            before,
            by,
            by_whom,
            ..
        } => {
            if book.rule(rule).is_none() {
                return say(1, "unknown_rule", &no_rule(book, rule), json, out);
            }
            let set = match Override::read(rule, *off, before.as_deref(), by.as_deref()) {
                Ok(set) => set,
                Err(problem) => return say(1, "invalid", &problem.to_string(), json, out),
            };
            let mut tx = store.write().await?;
            let actor = by_whom.as_deref().unwrap_or(ACTOR);
            let is_new = overrides::set(&mut tx, &id, &own::stored(&set), actor, now).await?;
            tx.commit().await?;
            if is_new {
                say(
                    0,
                    "set",
                    "It is set; the patient is planned again.",
                    json,
                    out,
                )
            } else {
                say(0, "unchanged", "The same one stood before.", json, out)
            }
        }
        OverrideVerb::List { .. } => {
            let kept = overrides::list(&mut store.read().await?, &id).await?;
            for one in &kept {
                list_one(one, json, out)?;
            }
            Ok(0)
        }
        OverrideVerb::Remove { rule, by_whom, .. } => {
            let mut tx = store.write().await?;
            let actor = by_whom.as_deref().unwrap_or(ACTOR);
            let was_there = overrides::remove(&mut tx, &id, rule, actor, now).await?;
            tx.commit().await?;
            if was_there {
                say(
                    0,
                    "removed",
                    "It is taken back; the patient is planned again.",
                    json,
                    out,
                )
            } else {
                say(1, "not_found", "There is none for that rule.", json, out)
            }
        }
    }
}

/// There is no such rule: the nearest name, or where to look.
pub(super) fn no_rule(book: &Book, id: &str) -> String {
    match nearest(id, book.rules().map(|rule| rule.id.as_str())) {
        Some(near) => format!("There is no rule `{id}`; did you mean `{near}`?"),
        None => format!("There is no rule `{id}`; `carebell rules list` shows all."),
    }
}

async fn find(store: &Store, name: &str) -> anyhow::Result<Option<PatientId>> {
    if let Some(id) = PatientId::parse(name) {
        let known = patients::load(&mut store.read().await?, std::slice::from_ref(&id)).await?;
        return Ok((!known.is_empty()).then_some(id));
    }
    let Some((source, key)) = name.split_once('/') else {
        return Ok(None);
    };
    Ok(patients::find(&mut store.read().await?, source, key).await?)
}

fn list_one(kept: &Kept, json: bool, out: &mut impl Write) -> std::io::Result<()> {
    let set = &kept.setting;
    if json {
        let line = json!({"rule": set.rule, "off": set.off, "before": set.before, "by": set.by, "set_by": kept.set_by, "updated_at": kept.updated_at});
        return writeln!(out, "{line}");
    }
    let mut words = Vec::new();
    if set.off {
        words.push("off".to_owned());
    }
    words.extend(
        set.before
            .as_ref()
            .map(|leads| format!("before {}", leads.join(","))),
    );
    words.extend(set.by.as_ref().map(|by| format!("by {}", by.join(","))));
    writeln!(
        out,
        "{}  {}  set by {}",
        set.rule,
        words.join("  "),
        kept.set_by
    )
}

fn say(code: u8, word: &str, words: &str, json: bool, out: &mut impl Write) -> anyhow::Result<u8> {
    match (json, code) {
        (true, 0) => writeln!(out, "{}", json!({"outcome": word}))?,
        (true, _) => writeln!(out, "{}", json!({"error": word, "detail": words}))?,
        (false, _) => writeln!(out, "{words}")?,
    }
    Ok(code)
}
