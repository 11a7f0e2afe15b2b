//! What comes of it, in one sentence.

use jiff::Timestamp;
use serde::Serialize;

use crate::model::campaign::SwitchState;
use crate::model::class::{Channel, Role};
use crate::model::message::MessageState;
use crate::model::reminder::{ReminderState, SkipReason};
use crate::planning::explain::{Case, history, is_for_people};
use crate::rules::explain::{Explanation, Line, Section};
use crate::rules::plan::PlannedReminder;
use crate::rules::rule::Mode;
use crate::store::reminder_history::Past;

/// What comes of it.
#[derive(Clone, Debug, Serialize)]
pub struct Outcome {
    /// In a word.
    pub state: State,
    /// When the next message goes out.
    pub at: Option<Timestamp>,
    /// To whom.
    pub to: Option<Role>,
    /// By what.
    pub channel: Option<Channel>,
    /// Why nothing does.
    pub reason: Option<String>,
    /// For people.
    pub text: String,
}

crate::model::words::words! {
    /// What comes of it, in a word.
    State {
        /// A message to patient or family.
        Message = "message",
        /// A message is planned, and the rule must not act yet.
        Waiting = "waiting",
        /// Something for staff, nothing for patient or family.
        Staff = "staff",
        /// It was sent, and nothing more is to come.
        Done = "done",
        /// Nothing.
        Nothing = "nothing",
    }
}

/// What comes of `explained`, where the last moment would say no to each planned reminder that has a reason.
pub(super) fn of(
    case: &Case<'_>,
    explained: &Explanation,
    verdicts: &[Option<SkipReason>],
    past: &[Past],
) -> Outcome {
    let rule = case.question.rule;
    match rule.mode {
        Mode::Off => return nothing(case, SkipReason::RuleOff.as_str(), None),
        Mode::Shadow => return nothing(case, SkipReason::Shadow.as_str(), None),
        Mode::Live => {}
    }
    let pairs = || explained.plan.reminders.iter().zip(verdicts);
    let goes = || {
        pairs()
            .filter(|(_, no)| no.is_none())
            .map(|(planned, _)| planned)
    };
    if let Some(next) = goes()
        .filter(|planned| is_for_people(planned))
        .min_by_key(|planned| planned.due_at)
    {
        return message(case, next);
    }
    if let Some(next) = goes().min_by_key(|planned| planned.due_at)
        && held(case).is_some()
    {
        return message(case, next);
    }
    let has_people = rule.steps.iter().any(|step| step.to != Role::Staff);
    // What stands in for the patient tells more than what staff get anyway.
    let next = goes().min_by_key(|planned| (!planned.stands_in, planned.due_at));
    let refused = pairs()
        .filter(|(planned, _)| is_for_people(planned))
        .find_map(|(_, no)| *no);
    let line = deciding(&explained.lines, case.question.at);
    let is_done = line.is_none_or(|line| line.reason == SkipReason::Duplicate.as_str());
    if refused.is_none()
        && is_done
        && let Some(last) = past.iter().rev().find(|one| was_sent(one))
    {
        return done(case, last);
    }
    let reason = refused.map(SkipReason::as_str);
    let reason = reason.or(line.map(|line| line.reason)).unwrap_or("nothing");
    match next {
        Some(next) if has_people => staff(case, next, Some((reason, line))),
        Some(next) => staff(case, next, None),
        None => nothing(case, reason, line.filter(|_| refused.is_none())),
    }
}

fn was_sent(one: &Past) -> bool {
    one.state == ReminderState::Composed && one.role != Role::Staff && one.message.is_some()
}

/// The line that ended the way: of the next occurrence, else of the last one; a patient's step counts before staff's.
fn deciding(lines: &[Line], at: Timestamp) -> Option<&Line> {
    let found = || {
        lines
            .iter()
            .filter(|line| line.section == Section::Trigger && !line.occurrence.is_empty())
    };
    let next = found().find(|line| line.at.is_some_and(|start| start >= at));
    let chosen = next.or(found().next_back());
    let nos = || lines.iter().filter(|line| line.is_no);
    match chosen {
        Some(chosen) => nos().rfind(|line| line.occurrence == chosen.occurrence),
        None => nos().next_back(),
    }
}

/// Why a rule that is in use must not act yet, after "because".
fn held(case: &Case<'_>) -> Option<(&'static str, &'static str)> {
    let language = case.language;
    match case.switch?.state {
        SwitchState::Checking => Some((
            "checking",
            language.pick(
                "规则刚启用或修改过，还在排计划",
                "the rule was just switched on or changed and is still being planned",
            ),
        )),
        SwitchState::Waiting => Some((
            "waiting",
            language.pick(
                "规则会一次发给很多人，要等另一个人同意",
                "the rule would tell many at once and waits until another person agrees",
            ),
        )),
        SwitchState::Open | SwitchState::Approved => None,
    }
}

fn message(case: &Case<'_>, next: &PlannedReminder) -> Outcome {
    let language = case.language;
    let at = language.moment(next.due_at, &case.question.rule.timezone);
    let who = match (next.role, &next.department) {
        (Role::Staff, Some(department)) => case.names.department(department, language),
        (role, _) => language.role(role).to_owned(),
    };
    let channel = next.channels.first().copied();
    let by = channel.map_or("", |channel| language.channel(channel));
    let held = held(case);
    let text = match held {
        None => language.pick(
            format!("下一条消息将于{at}以{by}发给{who}。"),
            format!("The next message goes out on {at} by {by} to {who}."),
        ),
        Some((_, why)) => language.pick(
            format!("目前什么也不发，因为{why}；若能放行，下一条将于{at}以{by}发给{who}。"),
            format!(
                "Nothing goes out for now, because {why}; once it may act, the next one goes out on {at} by {by} to {who}."
            ),
        ),
    };
    Outcome {
        state: if held.is_some() {
            State::Waiting
        } else {
            State::Message
        },
        at: Some(next.due_at),
        to: Some(next.role),
        channel,
        reason: held.map(|(reason, _)| reason.to_owned()),
        text,
    }
}

/// Why not, after "because": the sentence of the line where it has a value, else the reason in general.
fn why(case: &Case<'_>, reason: &str, line: Option<&Line>) -> String {
    let language = case.language;
    let general = SkipReason::parse(reason)
        .map(|reason| crate::rules::explain::refusal(reason, language).to_owned());
    match (general, line) {
        (Some(general), Some(line))
            if line.section == Section::Audience && line.decided_by.is_some() =>
        {
            let detail = clause(&line.text);
            language.pick(
                format!("{general}（{detail}）"),
                format!("{general} ({detail})"),
            )
        }
        (Some(general), _) => general,
        (None, Some(line)) => clause(&line.text),
        (None, None) => language.word("没有找到可提醒的内容", "there is nothing to remind of"),
    }
}

/// A sentence as a part of another.
fn clause(sentence: &str) -> String {
    let plain = sentence.trim_end_matches(['。', '.']);
    let mut letters = plain.chars();
    match letters.next() {
        Some(first) => first.to_lowercase().chain(letters).collect(),
        None => String::new(),
    }
}

fn staff(
    case: &Case<'_>,
    next: &PlannedReminder,
    refused: Option<(&str, Option<&Line>)>,
) -> Outcome {
    let language = case.language;
    let at = language.moment(next.due_at, &case.question.rule.timezone);
    let channel = next.channels.first().copied();
    let by = channel.map_or("", |channel| language.channel(channel));
    let who = next.department.as_deref().unwrap_or_default();
    let who = case.names.department(who, language);
    let text = match refused {
        Some((reason, line)) => {
            let why = why(case, reason, line);
            language.pick(
                format!("不会给患者或家属发送消息，因为{why}；{who}将于{at}收到{by}。"),
                format!(
                    "Nothing goes to the patient or the family, because {why}; {who} gets a {by} on {at}."
                ),
            )
        }
        None => language.pick(
            format!("{who}将于{at}收到{by}。"),
            format!("Next, {who} gets a {by} on {at}."),
        ),
    };
    Outcome {
        state: State::Staff,
        at: Some(next.due_at),
        to: Some(Role::Staff),
        channel,
        reason: refused.map(|(reason, _)| reason.to_owned()),
        text,
    }
}

fn done(case: &Case<'_>, last: &Past) -> Outcome {
    let language = case.language;
    let at = language.moment(last.due_at, &case.question.rule.timezone);
    let state = last.message.as_ref().map(|message| message.state);
    let state = history::state(state.unwrap_or(MessageState::Sent), language);
    let text = language.pick(
        format!("不会再发送，因为该发的都已处理：{at}的那条消息{state}。"),
        format!("Nothing more will be sent, because all is done: the message of {at} {state}."),
    );
    Outcome {
        state: State::Done,
        at: Some(last.due_at),
        to: Some(last.role),
        channel: last.message.as_ref().map(|message| message.channel),
        reason: None,
        text,
    }
}

fn nothing(case: &Case<'_>, reason: &str, line: Option<&Line>) -> Outcome {
    let language = case.language;
    let why = why(case, reason, line);
    Outcome {
        state: State::Nothing,
        at: None,
        to: None,
        channel: None,
        reason: Some(reason.to_owned()),
        text: language.pick(
            format!("不会发送任何消息，因为{why}。"),
            format!("Nothing will be sent, because {why}."),
        ),
    }
}
