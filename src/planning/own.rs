//! Patients' own settings as the store keeps them, read for the rules.

use crate::rules::overrides::Override;
use crate::store::overrides::Setting;

/// The settings that can be read; one that cannot was never written by us, and the rule's own word stands.
pub(crate) fn settings(stored: Vec<Setting>) -> Vec<Override> {
    stored.iter().filter_map(read).collect()
}

fn read(stored: &Setting) -> Option<Override> {
    let words = (stored.before.as_deref(), stored.by.as_deref());
    Override::read(&stored.rule, stored.off, words.0, words.1).ok()
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
