//! When, as sentences: where a lead points, what is late, and what moves it.

use jiff::Timestamp;
use jiff::civil::Date;

use crate::rules::explain::language::Language;
use crate::rules::explain::{Said, Section};
use crate::rules::lead::{Distance, Lead, Unit};
use crate::rules::note::{Late, Moved};
use crate::rules::rule::Rule;

/// Where a lead points, counted from the occurrence.
pub(super) fn lead(
    lead: Lead,
    (from, day): (Timestamp, Date),
    due: Timestamp,
    rule: &Rule,
    language: Language,
) -> Said {
    let due_shown = language.moment(due, &rule.timezone);
    let clock = language.clock(rule.timezone.to_datetime(due).time());
    let from = language.moment(from, &rule.timezone);
    let text = lead_sum(lead, day, &from, &clock, language);
    let text = language.pick(
        format!("{text}，即{due_shown}。"),
        format!("{text} is {due_shown}."),
    );
    Said::yes(Section::Timing, "due", text).by(lead).at(due)
}

/// The left side of the sum: how much, and from when.
fn lead_sum(lead: Lead, day: Date, from: &str, clock: &str, language: Language) -> String {
    let by_day =
        |distance: &Distance| matches!(distance.unit, Unit::Months | Unit::Weeks | Unit::Days);
    let day = language.day(day);
    let (base, clock) = match lead {
        Lead::Before(distance) | Lead::After(distance) if by_day(&distance) => {
            let clock = language.pick(format!("的{clock}"), format!(", at {clock},"));
            (day.as_str(), clock)
        }
        Lead::Created | Lead::Moved | Lead::Now | Lead::Before(_) | Lead::After(_) => {
            (from, language.word("", ""))
        }
    };
    match lead {
        Lead::Before(distance) if distance.count == 0 => {
            language.pick(format!("{day}当天"), format!("The same day, {day}"))
        }
        Lead::After(distance) if distance.count == 0 => {
            language.pick(format!("{day}当天"), format!("The same day, {day}"))
        }
        Lead::Before(distance) => {
            let much = language.distance(distance);
            language.pick(
                format!("{base}之前{much}{clock}"),
                format!("{much} before {base}{clock}"),
            )
        }
        Lead::After(distance) => {
            let much = language.distance(distance);
            language.pick(
                format!("{base}之后{much}{clock}"),
                format!("{much} after {base}{clock}"),
            )
        }
        Lead::Created => language.word("登记或改期的那一刻", "The moment it was booked or moved"),
        Lead::Moved => language.word("改期的那一刻", "The moment it was moved"),
        Lead::Now => language.word("就在那一刻", "That very moment"),
    }
}

/// What comes of a lead that is past.
pub(super) fn late(late: Late, rule: &Rule, language: Language) -> Said {
    let shown = |at| language.moment(at, &rule.timezone);
    let no = |reason, text| Said::no(Section::Timing, reason, text);
    match late {
        Late::Missed { due, at } => {
            let (was, at) = (shown(due), shown(at));
            let text = language.pick(
                format!("错过：{was}到了{at}已经过去。"),
                format!("Missed: {was} was past already on {at}."),
            );
            no("missed", text).at(due)
        }
        Late::CatchUp { at } => {
            let text = language.pick(
                format!("各次提醒都已错过，而这次安排还什么都没发，因此补发一次：{}。", shown(at)),
                format!(
                    "All its times were missed and nothing was sent yet, so one late reminder makes up for them: {}.",
                    shown(at)
                ),
            );
            Said::yes(Section::Timing, "catch_up", text).at(at)
        }
        Late::NoCatchUpSent => no(
            "missed",
            language.word(
                "各次提醒都已错过；此前已经发过消息，不再补发。",
                "All its times were missed; something was sent before, so nothing makes up for them.",
            ),
        ),
        Late::TooLittleLeft { end, min_useful } => {
            let least = language.duration(min_useful);
            let text = language.pick(
                format!("离{}不到{least}，补发也来不及。", shown(end)),
                format!(
                    "Less than {least} are left before {}: too late to make up for it.",
                    shown(end)
                ),
            );
            no("too_late", text).at(end)
        }
        Late::NoCreation => no(
            "missed",
            language.word(
                "首次导入前就有的安排，没有“登记的那一刻”。",
                "It was there before the first import, so there was no moment of booking.",
            ),
        ),
        // No reason why anything is not sent.
        Late::NeverMoved => Said::yes(
            Section::Timing,
            "never_moved",
            language.word("没有改期过。", "It was never moved.").to_owned(),
        ),
        Late::NoCatchUp { is_old: true } => no(
            "missed",
            language.word(
                "各次提醒都已错过；首次导入前就有的安排不补发。",
                "All its times were missed; what was there before the first import gets no late reminder.",
            ),
        ),
        Late::NoCatchUp { is_old: false } => no(
            "missed",
            language.word(
                "各次提醒都已错过；这类消息或这类日子不补发。",
                "All its times were missed; for this kind of message or day nothing makes up for them.",
            ),
        ),
    }
}

/// What moves a lead away from where it points, or drops it.
#[expect(
    clippy::too_many_lines,
    reason = "a sentence for each variant, in two languages"
)]
pub(super) fn shifted(moved: Moved, rule: &Rule, language: Language) -> Said {
    let shown = |at| language.moment(at, &rule.timezone);
    match moved {
        Moved::Workday { was, due } => {
            let text = language.pick(
                format!("{}不是工作日，提前到{}。", shown(was), shown(due)),
                format!(
                    "{} is no working day: moved back to {}.",
                    shown(was),
                    shown(due)
                ),
            );
            Said::yes(Section::Timing, "workday", text).at(due)
        }
        Moved::Quiet {
            hours,
            was,
            due,
            is_back,
        } => {
            let (hours, was, due_shown) = (language.hours(hours), shown(was), shown(due));
            let text = if is_back {
                language.pick(
                    format!("{was}在免打扰时间（{hours}）内，等到结束又太晚，提前到前一晚：{due_shown}。"),
                    format!(
                        "{was} lies in quiet hours ({hours}) and their end is too late: brought forward to the evening before, {due_shown}."
                    ),
                )
            } else {
                language.pick(
                    format!("{was}在免打扰时间（{hours}）内，推迟到{due_shown}。"),
                    format!("{was} lies in quiet hours ({hours}): put off to {due_shown}."),
                )
            };
            Said::yes(Section::Timing, "quiet_shift", text)
                .by(hours)
                .at(due)
        }
        Moved::QuietDrop {
            hours,
            was,
            end,
            evening,
        } => {
            let hours = language.hours(hours);
            let text = language.pick(
                format!(
                    "{}在免打扰时间（{hours}）内；推迟到{}太晚，提前到{}又已过去，因此不发。",
                    shown(was),
                    shown(end),
                    shown(evening)
                ),
                format!(
                    "{} lies in quiet hours ({hours}); their end, {}, is too late, and the evening before, {}, is past. So nothing.",
                    shown(was),
                    shown(end),
                    shown(evening)
                ),
            );
            Said::no(Section::Timing, "quiet_hours", text)
                .by(hours)
                .at(was)
        }
        Moved::NotEffective { due, from } => {
            let from_shown = language.day(from);
            let text = language.pick(
                format!("{}早于规则生效的日期{from_shown}。", shown(due)),
                format!(
                    "{} is before the rule's first day, {from_shown}.",
                    shown(due)
                ),
            );
            Said::no(Section::Timing, "not_effective", text)
                .by(from)
                .at(due)
        }
        Moved::AfterOccasion { due, end } => {
            let text = language.pick(
                format!("{}已在安排（{}）之后，没有用了。", shown(due), shown(end)),
                format!(
                    "{} falls after it, {}, and is of no use.",
                    shown(due),
                    shown(end)
                ),
            );
            Said::no(Section::Timing, "too_late", text).at(due)
        }
    }
}
