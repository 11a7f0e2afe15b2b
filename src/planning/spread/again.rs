//! A day that went by: nobody was there to send, or the rule waited for a person. Whoever had it gets another one.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::Days;
use crate::calendar::wall;
use crate::model::id::PatientId;
use crate::planning::book::Book;
use crate::rules::rule::Rule;
use crate::rules::trigger::Trigger;
use crate::store::reminders::Reminder;
use crate::store::rule_days::{self, Again};
use crate::store::{StoreError, Tx};

/// Those of `reminders` whose day went by while another may be of use: of rules with a daily cap, and of seasons.
pub fn gone_by<'r>(book: &Book, reminders: &'r [Reminder], now: Timestamp) -> Vec<&'r Reminder> {
    let is_of_use = |reminder: &&Reminder| {
        let plan = &reminder.plan;
        let rule = book.rule(&plan.rule);
        plan.patient.is_some()
            && plan.expires_at < now
            && book.rests(&plan.rule).is_none()
            && rule.is_some_and(|rule| rule.daily_cap.is_some() || is_season(rule))
    };
    reminders.iter().filter(is_of_use).collect()
}

fn is_season(rule: &Rule) -> bool {
    matches!(rule.trigger, Trigger::Season { .. })
}

/// Gives another day to each of `late` for which there is one; says how many got one.
///
/// # Errors
/// When the database fails.
pub async fn give_again(
    tx: &mut Tx,
    book: &Book,
    late: &[&Reminder],
    now: Timestamp,
) -> Result<usize, StoreError> {
    let mut moved = Vec::new();
    let rules: BTreeSet<&str> = late.iter().map(|one| one.plan.rule.as_str()).collect();
    for rule in rules.into_iter().filter_map(|id| book.rule(id)) {
        let of_rule = late.iter().filter(|one| one.plan.rule == rule.id);
        let of_rule: Vec<&Reminder> = of_rule.copied().collect();
        let patients: BTreeSet<PatientId> = of_rule
            .iter()
            .filter_map(|one| one.plan.patient.clone())
            .collect();
        let mut days = Days::open(tx, rule, now).await?;
        let patients: Vec<PatientId> = patients.into_iter().collect();
        days.know(tx, &patients).await?;
        moved.extend(of_rule.into_iter().filter_map(|one| days.again(one, now)));
        if rule.daily_cap.is_some() {
            rule_days::give(tx, &days.fresh).await?;
        }
    }
    rule_days::move_on(tx, &moved, now).await
}

impl Days<'_> {
    /// Another day for a reminder whose own went by, if one is left.
    fn again(&mut self, reminder: &Reminder, now: Timestamp) -> Option<Again> {
        let plan = &reminder.plan;
        let zone = &self.rule.timezone;
        let original = zone.to_datetime(reminder.planned_for.unwrap_or(plan.due_at));
        let part = self.part(plan, original.date())?;
        let last = self.last_day(plan, original.date());
        let kept = self.given.get(&part).copied();
        let day = match kept.filter(|day| *day >= self.today) {
            Some(day) => day,
            None => self.give(part, self.earliest(original, now), last)?,
        };
        let expires_at = wall::end_of_day(&self.rule.timezone, day);
        let due_at = wall::instant(&self.rule.timezone, day.to_datetime(original.time()));
        (expires_at > now).then(|| Again {
            id: reminder.id.clone(),
            was: plan.due_at.as_millisecond(),
            due_at: due_at.as_millisecond(),
            expires_at: expires_at.as_millisecond(),
        })
    }
}
