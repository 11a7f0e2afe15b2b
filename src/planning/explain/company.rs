//! What goes out in one message with a planned reminder, in words.

use jiff::Timestamp;

use crate::model::class::Role;
use crate::model::occasion::{Occasion, OccasionTime};
use crate::planning::book::Book;
use crate::planning::company::{self, Goer};
use crate::planning::context::About;
use crate::planning::decide::{Horizon, WHOLE, decide};
use crate::planning::explain::Case;
use crate::planning::preview::as_reminder;
use crate::planning::spread::known;
use crate::planning::subject::Subject;
use crate::rules::explain::language::Language;
use crate::rules::explain::{Said, Section};
use crate::rules::rule::{Mode, Rule};
use crate::store::reminders::Reminder;

/// What all rules in use have for the patient about bookings: some of it may go together.
#[derive(Debug)]
pub(super) struct Beside {
    pub(super) reminders: Vec<Reminder>,
}

impl Beside {
    /// As of `at`; nothing where `rule` sends nothing, or the patient has no two bookings of one day.
    pub(super) fn of(book: &Book, rule: &Rule, subject: &Subject, at: Timestamp) -> Self {
        let mut days: Vec<_> = subject.occasions.iter().map(|o| o.when.date()).collect();
        let all = days.len();
        days.sort_unstable();
        days.dedup();
        if rule.mode != Mode::Live || days.len() == all {
            return Self {
                reminders: Vec::new(),
            };
        }
        let horizon = Horizon {
            now: at,
            ahead: WHOLE,
            looks_back: true,
            to: Some(at.saturating_add(WHOLE).unwrap_or(Timestamp::MAX)),
        };
        let live = book.rules().filter(|rule| rule.mode == Mode::Live);
        let decided = decide(live, subject, &horizon).reminders;
        let known = known(std::slice::from_ref(subject));
        let may = decided
            .iter()
            .filter(|plan| plan.occasion.is_some() && plan.role != Role::Staff);
        let reminders = may.map(|plan| {
            let before = known.get(plan.plan_key.as_str());
            before.map_or_else(|| as_reminder(plan, at), |before| (*before).clone())
        });
        Self {
            reminders: reminders.collect(),
        }
    }
}

/// What else its message tells of, or why it does not tell of what else is on that day. Gives all that it tells of;
/// nothing where it tells of its own alone.
pub(super) fn say<'a>(
    reminder: &Reminder,
    case: &Case<'a>,
    said: &mut Vec<Said>,
) -> Vec<&'a Occasion> {
    let goers: Vec<Goer<'_>> = case
        .beside
        .reminders
        .iter()
        .map(|one| goer(one, case))
        .filter(|one| company::may_merge(&one.about))
        .collect();
    let key = &reminder.plan.plan_key;
    let is_this = |one: &Goer<'_>| one.about.reminder.plan.plan_key == *key;
    let Some(place) = goers.iter().position(is_this) else {
        return Vec::new();
    };
    let grouped = company::group(&goers, &case.house.timezone);
    let language = case.language;
    let Some(group) = grouped.groups.iter().find(|group| group.contains(&place)) else {
        let text = language.word(
            "同时有一条改期通知，内容已经包括在内，因此只发那一条。",
            "A notice of the move goes out at the same time and says all of this, so only that one is sent.",
        );
        said.push(Said::yes(Section::Plan, "merged", text));
        return Vec::new();
    };
    let members: Vec<Goer<'_>> = group
        .iter()
        .filter_map(|at| goers.get(*at).copied())
        .collect();
    let occasions = company::occasions(&members);
    let own = reminder.plan.occasion.as_ref();
    let others = occasions.iter().filter(|one| Some(&one.id) != own);
    let others: Vec<String> = others.map(|one| booking(one, language)).collect();
    if others.is_empty() {
        return Vec::new();
    }
    let others = others.join(language.pick("、", "; "));
    let words = (case.book, case.material, case.house);
    if company::can_list(&members, &occasions, words) {
        let text = language.pick(
            format!("与同一天的其他安排合成一条消息发出，一起提到的还有：{others}。"),
            format!("It goes out in one message with what else is on that day: {others}."),
        );
        said.push(Said::yes(Section::Plan, "merged", text).by(occasions.len()));
        return occasions;
    }
    let text = language.pick(
        format!("同一天还有：{others}；但这些消息的写法放不下几项安排，因此各发各的。"),
        format!(
            "There is more on that day: {others}. The wording has no place for several, so each gets its own message."
        ),
    );
    said.push(Said::yes(Section::Plan, "not_merged", text).by(occasions.len()));
    Vec::new()
}

fn goer<'a>(reminder: &'a Reminder, case: &Case<'a>) -> Goer<'a> {
    let plan = &reminder.plan;
    let about = About::of(reminder, case.book.rule(&plan.rule), case.material);
    Goer {
        about,
        ask: case.book.ask(plan),
        way: company::first_way(&about),
        template: case.book.template(plan),
        at: plan.due_at.max(case.question.at),
    }
}

fn booking(one: &Occasion, language: Language) -> String {
    told(&one.kind, one.when, language)
}

/// A booking by its kind and time.
pub(super) fn told(kind: &str, when: OccasionTime, language: Language) -> String {
    let kind = language.kind(kind);
    let at = match when {
        OccasionTime::At(at) => language.wall(at),
        OccasionTime::On(day) => language.day(day),
    };
    language.pick(format!("{at}的{kind}"), format!("{kind} on {at}"))
}
