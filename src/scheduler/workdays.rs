//! Says so when staff are reminded by working days of a year that no table knows.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};

use crate::model::class::{Channel, Role};
use crate::model::id::TaskId;
use crate::model::task::{Priority, TaskKind};
use crate::planning::House;
use crate::planning::book::Book;
use crate::scheduler::{Settings, notes};
use crate::store::reminders::NewReminder;
use crate::store::tasks::{self, NewTask};
use crate::store::{StoreError, Tx};

/// A day moved back over New Year has left the year that counts; the longest holidays are shorter than this.
const OVER_NEW_YEAR: SignedDuration = SignedDuration::from_hours(24 * 10);

/// Warns of each zone and year that `planned` goes by and no table knows: in the log and by a task, once.
pub(crate) async fn warn(
    tx: &mut Tx,
    book: &Book,
    house: &House,
    settings: &Settings,
    planned: &[NewReminder],
    now: Timestamp,
) -> Result<(), StoreError> {
    let missing: BTreeSet<(&str, i16)> = planned
        .iter()
        .filter(|plan| plan.role == Role::Staff)
        .filter_map(|plan| Some((book.rule(&plan.rule)?, book.step(plan)?, plan.due_at)))
        .filter(|(_, step, _)| step.previous_workday)
        .flat_map(|(rule, _, due_at)| {
            let day = |at: Timestamp| rule.timezone.to_datetime(at).date();
            let late = due_at.saturating_add(OVER_NEW_YEAR).unwrap_or(due_at);
            let years = rule.missing_workday_years(day(due_at), day(late));
            let zone = rule.timezone.iana_name().unwrap_or_default();
            years.into_iter().map(move |year| (zone, year))
        })
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let keys: Vec<String> = missing
        .iter()
        .map(|(zone, year)| format!("workdays:{zone}:{year}"))
        .collect();
    let known: Vec<&str> = keys.iter().map(String::as_str).collect();
    let known = tasks::known(tx, &known).await?;
    let mut told = Vec::new();
    for ((zone, year), key) in missing.into_iter().zip(keys) {
        if known.contains(&key) {
            continue;
        }
        tracing::warn!(
            year,
            "The table of working days for {zone} lacks {year}: Monday to Friday count until it is given under [calendar]"
        );
        let note = notes::missing_workdays(&house.language, zone, year);
        told.push(NewTask {
            id: TaskId::generate(),
            dedupe_key: key,
            channel: Channel::Task,
            kind: TaskKind::Fault,
            priority: Priority::Normal,
            department: settings.department.clone(),
            staff: None,
            title: note.title.into(),
            text: note.text.into(),
            patient: None,
            occasion: None,
            reminder: None,
            reply: None,
            count: 1,
        });
    }
    tasks::add(tx, &told, now).await?;
    Ok(())
}
