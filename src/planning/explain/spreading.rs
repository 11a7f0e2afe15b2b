//! Which day a patient has of a rule with a daily cap, and what was put off, in words.

use jiff::Timestamp;

use crate::calendar::wall;
use crate::model::reminder::SkipReason;
use crate::planning::explain::Case;
use crate::planning::spread::{Days, Placed, known};
use crate::planning::subject::Subject;
use crate::rules::explain::{Said, Section};
use crate::rules::rule::Rule;
use crate::store::reminders::Reminder;
use crate::store::{StoreError, Tx};

/// What became of the moment of a reminder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// It stands.
    Stays,
    /// The rule's daily cap gave it another day, or none.
    Capped(Placed),
    /// It was due at this moment and was put off.
    PutOff(Timestamp),
}

/// Puts `reminders` on the days that the rule's daily cap gives them. Keeps nothing.
pub(super) async fn place(
    tx: &mut Tx,
    rule: &Rule,
    subject: &Subject,
    reminders: &mut [Reminder],
    now: Timestamp,
) -> Result<Vec<Place>, StoreError> {
    let put_off = |reminder: &Reminder| match reminder.planned_for {
        Some(was) if was != reminder.plan.due_at => Place::PutOff(was),
        Some(_) | None => Place::Stays,
    };
    let Some(mut days) = Days::load(tx, rule, now).await? else {
        return Ok(reminders.iter().map(put_off).collect());
    };
    days.know(tx, std::slice::from_ref(&subject.patient.id))
        .await?;
    let known = known(std::slice::from_ref(subject));
    let each = reminders.iter_mut().map(|reminder| {
        let before = known.get(reminder.plan.plan_key.as_str()).copied();
        Place::Capped(days.place(&mut reminder.plan, before, now))
    });
    Ok(each.collect())
}

/// What became of its moment; the reason if that ends the way.
pub(super) fn say(
    place: &Place,
    reminder: &Reminder,
    case: &Case<'_>,
    said: &mut Vec<Said>,
) -> Option<SkipReason> {
    let (rule, language) = (case.question.rule, case.language);
    let cap = rule.daily_cap.unwrap_or_default();
    let due = reminder.plan.due_at;
    let now = language.moment(due, &rule.timezone);
    match place {
        Place::Stays | Place::Capped(Placed::Stays) => None,
        Place::PutOff(was) => {
            let was = language.moment(*was, &rule.timezone);
            let text = language.pick(
                format!("原定{was}，到时发不了，推迟到{now}。"),
                format!("It was due on {was} and could not go then: put off to {now}."),
            );
            said.push(Said::yes(Section::Plan, "put_off", text).at(due));
            None
        }
        Place::Capped(Placed::Moved(from)) => {
            let day = language.day(wall::date(&rule.timezone, *from));
            let text = language.pick(
                format!("这条规则一天最多发给{cap}位患者，{day}轮不到这位患者，改在{now}发。"),
                format!(
                    "The rule tells at most {cap} patients a day. {day} has no room for this patient, so it goes on {now}."
                ),
            );
            said.push(Said::yes(Section::Plan, "daily_cap", text).by(cap).at(due));
            None
        }
        Place::Capped(Placed::NoRoom(last)) => {
            let last = language.day(*last);
            let text = language.pick(
                format!("这条规则一天最多发给{cap}位患者，到{last}为止每天都排满了，再晚就没有用了，因此不发。"),
                format!(
                    "The rule tells at most {cap} patients a day, and every day up to {last}, the last one of use, is full. So nothing goes out."
                ),
            );
            said.push(Said::no(Section::Plan, "daily_cap", text).by(cap));
            Some(SkipReason::TooLate)
        }
    }
}
