//! A patient's own setting, as a sentence: what differs, who set it and when.

use crate::model::class::Channel;
use crate::rules::explain::language::Language;
use crate::rules::explain::{Said, Section};
use crate::rules::lead::{Distance, Lead};
use crate::rules::overrides::Override;
use crate::rules::rule::Rule;

/// What one patient has of the rule that others have not.
pub(super) fn own(set: &Override, rule: &Rule, language: Language) -> Said {
    let by = set.set.as_ref().map(|by| {
        let at = language.moment(by.at, &rule.timezone);
        (language.actor(&by.name), at)
    });
    if set.off {
        let text = match by {
            Some((who, at)) => language.pick(
                format!("{who}于{at}为这位患者单独关闭了这条规则，因此什么也不发。"),
                format!(
                    "{who} switched this rule off for this patient on {at}, so nothing of it is sent."
                ),
            ),
            None => language.word(
                "这位患者单独关闭了这条规则，因此什么也不发。",
                "This rule is switched off for this patient, so nothing of it is sent.",
            ),
        };
        return Said::no(Section::Own, "overridden", capital(text)).by("off");
    }
    let leads = set.before.as_deref().map(|leads| leads_of(leads, language));
    let ways = set.by.as_deref().map(|ways| ways_of(ways, language));
    let what: Vec<String> = leads.into_iter().chain(ways).collect();
    let what = what.join(language.pick("，", ", "));
    let by = match by {
        Some((who, at)) => language.pick(
            format!("由{who}于{at}设定，"),
            format!("Set by {who} on {at}; it wins"),
        ),
        None => language.word("", "It wins"),
    };
    let text = language.pick(
        format!(
            "这位患者有单独的设置：给本人和家属的提醒{what}。{by}优先于规则本身；给科室的提醒不变。"
        ),
        format!(
            "This patient has a setting of their own: what goes to patient and family goes {what}. {by} over the rule, and what goes to staff stays as it is."
        ),
    );
    Said::yes(Section::Own, "own_setting", text).by(words(set))
}

fn leads_of(leads: &[Distance], language: Language) -> String {
    let each = leads
        .iter()
        .map(|distance| language.lead(Lead::Before(*distance)));
    let each: Vec<String> = each.collect();
    let each = each.join(language.pick("、", " and "));
    language.pick(format!("改为{each}发"), each)
}

fn ways_of(ways: &[Channel], language: Language) -> String {
    let ways = language.channels(ways);
    language.pick(format!("用{ways}"), format!("by {ways}"))
}

/// The setting as it was written.
fn words(set: &Override) -> String {
    let leads = set.before_words().map(|leads| leads.join(","));
    let ways = set.by.as_ref().map(|ways| {
        let ways: Vec<&str> = ways.iter().map(|way| way.as_str()).collect();
        ways.join(",")
    });
    let words: Vec<String> = leads.into_iter().chain(ways).collect();
    words.join(" ")
}

/// A sentence begins with a capital letter.
fn capital(sentence: String) -> String {
    let mut letters = sentence.chars();
    match letters.next() {
        Some(first) => first.to_uppercase().chain(letters).collect(),
        None => sentence,
    }
}
