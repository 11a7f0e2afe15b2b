//! Patients' own settings as the store keeps them, read for the rules.

use crate::rules::overrides::{Override, SetBy};
use crate::store::overrides::{Kept, Setting};

/// The settings that can be read; one that cannot was never written by us, and the rule's own word stands.
pub(crate) fn settings(stored: Vec<Kept>) -> Vec<Override> {
    stored.into_iter().filter_map(read).collect()
}

fn read(kept: Kept) -> Option<Override> {
    let stored = &kept.setting;
    let words = (stored.before.as_deref(), stored.by.as_deref());
    let read = Override::read(&stored.rule, stored.off, words.0, words.1).ok()?;
    Some(Override {
        set: Some(SetBy {
            name: kept.set_by,
            at: kept.updated_at,
        }),
        ..read
    })
}

/// The setting as the store keeps it.
pub fn stored(set: &Override) -> Setting {
    Setting {
        rule: set.rule.clone(),
        off: set.off,
        before: set.before_words(),
        by: set.by.as_ref().map(|by| {
            let words = by.iter().map(|channel| channel.as_str().to_owned());
            words.collect()
        }),
    }
}
