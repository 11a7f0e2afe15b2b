//! Notes as sentences, one file for each kind of note.

mod audience;
mod own;
mod timing;
mod trigger;
mod whom;

use crate::model::reminder::SkipReason;
use crate::rules::explain::language::{Language, Names};
use crate::rules::explain::refusal::refusal;
use crate::rules::explain::{Said, Section};
use crate::rules::note::Note;
use crate::rules::plan::Decision;
use crate::rules::rule::Rule;

/// What `note` says.
pub(crate) fn say(note: &Note<'_>, rule: &Rule, language: Language, names: &Names) -> Said {
    match *note {
        Note::Own(set) => own::own(set, rule, language),
        Note::Occurrence(found) => trigger::occurrence(found, rule, language),
        Note::Closed(closed) => trigger::closed(closed, rule, language),
        Note::Asked(asked) => audience::audience(asked, language),
        Note::Stop { fact, since, found } => audience::stop(fact, since, found, language),
        Note::Lead {
            lead,
            from,
            day,
            due,
        } => timing::lead(lead, (from, day), due, rule, language),
        Note::Late(late) => timing::late(late, rule, language),
        Note::Moved(moved) => timing::shifted(moved, rule, language),
        Note::Chosen(chosen) => whom::chosen(chosen, language, names),
        Note::NotChosen(why) => whom::not_chosen(why, language),
        Note::Channel {
            role,
            channel,
            reach,
        } => whom::channel(role, channel, reach, rule.class, language),
        Note::Refused(decision) => refused(decision, language),
        Note::Planned(reminder) => whom::planned(reminder, rule, language, names),
    }
}

fn refused(decision: &Decision, language: Language) -> Said {
    let why = refusal(decision.reason, language);
    let text = language.pick(
        format!("不发送：{why}。"),
        format!("Nothing goes out: {why}."),
    );
    let is_person = matches!(
        decision.reason,
        SkipReason::Deceased | SkipReason::Sensitive
    );
    let section = if is_person {
        Section::Audience
    } else {
        Section::Plan
    };

    let said = Said::no(section, decision.reason.as_str(), text);
    match decision.at {
        Some(at) => said.at(at),
        None => said,
    }
}
