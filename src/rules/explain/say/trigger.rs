//! What the trigger found, as sentences.

use crate::model::occasion::{OccasionStatus, OccasionTime};
use crate::rules::explain::language::Language;
use crate::rules::explain::refusal::refusal;
use crate::rules::explain::{Said, Section};
use crate::rules::rule::Rule;
use crate::rules::trigger::Trigger;
use crate::rules::triggers::{Closed, Occurrence};

/// The trigger came up.
pub(super) fn occurrence(found: &Occurrence<'_>, rule: &Rule, language: Language) -> Said {
    let zone = &rule.timezone;
    let Some(occasion) = found.occasion else {
        let what = match &rule.trigger {
            Trigger::Holiday { id, .. } => language.kind(id),
            other => language.kind(other.word()),
        };
        let day = if rule.trigger.is_a_moment() {
            language.moment(found.start, zone)
        } else {
            language.day(found.day)
        };
        let text = language.pick(
            format!("找到：{what}，{day}。"),
            format!("Found: {what} on {day}."),
        );
        return Said::yes(Section::Trigger, "found", text)
            .by(&found.key)
            .at(found.start);
    };
    let what = language.kind(&occasion.kind);
    let day = match occasion.when {
        OccasionTime::At(_) => language.moment(found.start, zone),
        OccasionTime::On(day) => language.day(day),
    };
    let mut text = language.pick(
        format!("找到：{what}，{day}"),
        format!("Found: {what} on {day}"),
    );
    match (occasion.created_at, occasion.moved_at) {
        (_, Some(at)) => {
            let at = language.moment(at, zone);
            text.push_str(&language.pick(format!("（{at}改期）"), format!(" (moved on {at})")));
        }
        (Some(at), None) => {
            let at = language.moment(at, zone);
            text.push_str(&language.pick(format!("（{at}登记）"), format!(" (booked on {at})")));
        }
        (None, None) => text.push_str(language.pick(
            "（首次导入前就有，登记时间不详）",
            " (it was there before the first import; nobody knows when it was booked)",
        )),
    }
    text.push_str(match occasion.status {
        OccasionStatus::Booked | OccasionStatus::Cancelled | OccasionStatus::NoShow => "",
        OccasionStatus::Arrived => language.pick("，患者已到院", "; the patient has arrived"),
        OccasionStatus::Fulfilled => language.pick("，已经完成", "; it took place"),
    });
    text.push_str(language.pick("。", "."));
    Said::yes(Section::Trigger, "found", text)
        .by(occasion.when.to_text())
        .at(found.start)
}

/// An occasion that plans nothing.
pub(super) fn closed(closed: &Closed, rule: &Rule, language: Language) -> Said {
    let at = language.moment(closed.at, &rule.timezone);
    let what = language.kind(rule.trigger.word());
    let why = refusal(closed.reason, language);
    let text = language.pick(
        format!("{at}的{what}不再提醒：{why}。"),
        format!("Nothing for the {what} on {at}: {why}."),
    );
    Said::no(Section::Trigger, closed.reason.as_str(), text)
        .by(closed.reason)
        .at(closed.at)
}
