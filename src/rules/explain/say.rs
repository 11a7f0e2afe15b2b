//! Notes as sentences: trigger, audience, stop, and when. To whom is `say_whom`'s.

use jiff::civil::Date;

use crate::model::occasion::{OccasionStatus, OccasionTime};
use crate::model::patient::Sex;
use crate::model::reminder::SkipReason;
use crate::rules::explain::language::Language;
use crate::rules::explain::refusal::refusal;
use crate::rules::explain::{Said, Section, say_whom};
use crate::rules::lead::{Distance, Lead, Unit};
use crate::rules::note::{Asked, Late, Moved, Note};
use crate::rules::plan::Decision;
use crate::rules::rule::Rule;
use crate::rules::trigger::Trigger;
use crate::rules::triggers::{Closed, Occurrence};

/// What `note` says.
pub(crate) fn say(note: &Note<'_>, rule: &Rule, language: Language) -> Said {
    match *note {
        Note::Occurrence(found) => occurrence(found, rule, language),
        Note::Closed(closed) => self::closed(closed, rule, language),
        Note::Asked(asked) => audience(asked, language),
        Note::Stop { fact, since, found } => stop(fact, since, found, language),
        Note::Lead {
            lead,
            from,
            day,
            due,
        } => {
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
        Note::Late(late) => self::late(late, rule, language),
        Note::Moved(moved) => shifted(moved, rule, language),
        Note::Chosen(chosen) => say_whom::chosen(chosen, language),
        Note::NotChosen(why) => say_whom::not_chosen(why, language),
        Note::Channel {
            role,
            channel,
            reach,
        } => say_whom::channel(role, channel, reach, rule.class, language),
        Note::Refused(decision) => refused(decision, language),
        Note::Planned(reminder) => say_whom::planned(reminder, rule, language),
    }
}

fn occurrence(found: &Occurrence<'_>, rule: &Rule, language: Language) -> Said {
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

fn closed(closed: &Closed, rule: &Rule, language: Language) -> Said {
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

fn sex(sex: Sex, language: Language) -> &'static str {
    match sex {
        Sex::Female => language.pick("女", "female"),
        Sex::Male => language.pick("男", "male"),
        Sex::Other => language.pick("其他", "other"),
        Sex::Unknown => language.pick("不详", "unknown"),
    }
}

/// What was asked of the patient, and what the record has.
#[expect(
    clippy::too_many_lines,
    reason = "a sentence for each variant, in two languages"
)]
fn audience(asked: Asked<'_>, language: Language) -> Said {
    const NO: &str = "not_in_audience";
    let said = |holds: bool, reason: &'static str, text: String| {
        if holds {
            Said::yes(Section::Audience, reason, text)
        } else {
            Said::no(Section::Audience, NO, text)
        }
    };
    match asked {
        Asked::Diagnosis { asked, found } => {
            let codes = asked.join(language.pick("、", " or "));
            let text = match found {
                Some(code) => language.pick(
                    format!("要求有以{codes}开头的诊断：病历中有{code}，符合。"),
                    format!(
                        "Asks for a diagnosis that begins with {codes}: the record has {code}."
                    ),
                ),
                None => language.pick(
                    format!("要求有以{codes}开头的诊断：病历中一个也没有。"),
                    format!("Asks for a diagnosis that begins with {codes}: the record has none."),
                ),
            };
            said(found.is_some(), "diagnosis", text).by(found.unwrap_or("none"))
        }
        Asked::Age { min, max, day, age } => {
            let holds = age.is_some_and(|age| {
                min.is_none_or(|min| age >= min) && max.is_none_or(|max| age <= max)
            });
            let asked = ages(min, max, language);
            let day = language.day(day);
            let has = age.map_or_else(
                || language.word("没有登记出生日期", "there is no date of birth on record"),
                |age| {
                    language.pick(
                        format!("患者当天{age}岁"),
                        format!("the patient is {age} on that day"),
                    )
                },
            );
            let text = language.pick(
                format!(
                    "要求{day}时{asked}：{has}，{}。",
                    if holds { "符合" } else { "不符合" }
                ),
                format!(
                    "Asks for {asked} on {day}: {has}{}.",
                    if holds { "" } else { ", so no" }
                ),
            );
            let value = age.map_or_else(|| "unknown".to_owned(), |age| age.to_string());
            said(holds, "age", text).by(value)
        }
        Asked::Sex { asked, found } => {
            let has = sex(found.unwrap_or(Sex::Unknown), language);
            let asked_word = sex(asked, language);
            let holds = found == Some(asked);
            let text = language.pick(
                format!(
                    "要求性别为{asked_word}：登记为{has}，{}。",
                    if holds { "符合" } else { "不符合" }
                ),
                format!(
                    "Asks for sex {asked_word}: the record says {has}{}.",
                    if holds { "" } else { ", so no" }
                ),
            );
            said(holds, "sex", text).by(found.unwrap_or(Sex::Unknown))
        }
        Asked::Tag { asked, found } => {
            let text = language.pick(
                format!(
                    "要求有标记“{asked}”：{}。",
                    if found { "有，符合" } else { "没有" }
                ),
                format!(
                    "Asks for the mark \"{asked}\": {}.",
                    if found {
                        "it is there"
                    } else {
                        "it is not there"
                    }
                ),
            );
            said(found, "tag", text).by(asked)
        }
        Asked::Where { source, outcome } => condition(source, outcome, language),
        Asked::Everybody => said(
            true,
            "everybody",
            language.word("规则面向所有患者。", "The rule is for every patient."),
        ),
    }
}

fn ages(min: Option<i64>, max: Option<i64>, language: Language) -> String {
    match (min, max) {
        (Some(min), Some(max)) => language.pick(
            format!("年龄在{min}至{max}岁之间"),
            format!("an age from {min} to {max}"),
        ),
        (Some(min), None) => {
            language.pick(format!("年满{min}岁"), format!("an age of {min} or more"))
        }
        (None, max) => {
            let max = max.unwrap_or_default();
            language.pick(format!("不超过{max}岁"), format!("an age of {max} or less"))
        }
    }
}

fn condition(source: &str, outcome: Result<bool, &str>, language: Language) -> Said {
    let asked = language.pick(
        format!("附加条件“{source}”"),
        format!("The further condition `{source}`"),
    );
    match outcome {
        Ok(true) => Said::yes(
            Section::Audience,
            "where",
            language.pick(format!("{asked}：成立。"), format!("{asked} holds.")),
        )
        .by("true"),
        Ok(false) => Said::no(
            Section::Audience,
            "not_in_audience",
            language.pick(
                format!("{asked}：不成立。"),
                format!("{asked} does not hold."),
            ),
        )
        .by("false"),
        Err(why) => Said::no(
            Section::Audience,
            "rule_fault",
            language.pick(
                format!("{asked}无法判断，规则需要修改：{why}。"),
                format!("{asked} cannot be worked out, so the rule needs repair: {why}."),
            ),
        )
        .by(why),
    }
}

fn stop(fact: &str, since: Date, found: Option<Date>, language: Language) -> Said {
    let (what, since) = (language.kind(fact), language.day(since));
    match found {
        Some(day) => {
            let shown = language.day(day);
            let text = language.pick(
                format!("病历中已有{shown}的{what}（{since}以后的都算），其余提醒不再需要。"),
                format!(
                    "The record has a {what} of {shown} (any since {since} counts), so the rest is needless."
                ),
            );
            Said::no(Section::Stop, "done", text).by(day)
        }
        None => {
            let text = language.pick(
                format!("病历中没有{since}以后的{what}，提醒照常。"),
                format!("The record has no {what} since {since}, so it goes on."),
            );
            Said::yes(Section::Stop, "not_done", text)
        }
    }
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
fn late(late: Late, rule: &Rule, language: Language) -> Said {
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
            let minutes = min_useful.as_mins();
            let text = language.pick(
                format!("离{}不到{minutes}分钟，补发也来不及。", shown(end)),
                format!(
                    "Less than {minutes} minutes are left before {}: too late to make up for it.",
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
fn shifted(moved: Moved, rule: &Rule, language: Language) -> Said {
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
