//! The plan as a difference to what stands: planning twice plans once.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;

use super::bulk::{Cell, Insert};
use super::reminders::{NewReminder, channels};
use super::{Id, StoreError, Tx, execute, rows};
use crate::model::id::{OccasionId, PatientId, RelationId, ReminderId};
use crate::model::message::Ask;
use crate::model::reminder::Unless;

/// What a plan speaks of.
#[derive(Clone, Copy, Debug)]
pub enum Of<'a> {
    /// Everything of these patients.
    Patients(&'a [PatientId]),
    /// What hangs on these occasions, whosever they are or were.
    Occasions(&'a [OccasionId]),
}

/// Which planned reminders a plan speaks of: what it does not look at it never supersedes.
#[derive(Clone, Debug)]
pub struct Scope<'a> {
    /// Of these patients or occasions.
    pub of: Of<'a>,
    /// Of these rules, each as far as it was looked ahead.
    pub rules: Vec<(&'a str, Timestamp)>,
}

/// What a plan changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Changed {
    /// New, moved or come back.
    pub planned: usize,
    /// Vanished.
    pub superseded: usize,
}

/// Brings the reminders of `scope` to what `planned` says: new ones are inserted, changed ones moved,
/// vanished ones superseded, superseded ones brought back. What was composed or skipped is left.
///
/// # Errors
/// When the database fails.
pub async fn apply(
    tx: &mut Tx,
    scope: &Scope<'_>,
    planned: &[NewReminder],
    now: Timestamp,
) -> Result<Changed, StoreError> {
    #[derive(Serialize)]
    struct Rule<'a> {
        id: &'a str,
        until: i64,
    }
    #[derive(Serialize)]
    struct Key<'a> {
        key: &'a str,
    }
    // What vanished since its recipient refused it says so; it comes back when they want to hear from us again.
    macro_rules! supersede {
        ($of:literal) => {
            concat!(
                "UPDATE reminder SET state = 'superseded', updated_at = $4,
                   reason = CASE WHEN role <> 'staff' AND EXISTS (SELECT 1 FROM consent AS c WHERE c.patient_id = reminder.patient_id
                       AND c.relation_id = COALESCE(reminder.relation_id, '') AND c.granted = FALSE AND c.scope IN ('all', reminder.class))
                     THEN 'opted_out' ELSE 'superseded' END
                 WHERE state = 'planned' AND ",
                $of,
                " IN (SELECT j.value ->> 'id' FROM json_each($1) AS j)
                  AND EXISTS (SELECT 1 FROM json_each($2) AS r
                    WHERE r.value ->> 'id' = reminder.rule_id AND reminder.due_at < CAST(r.value ->> 'until' AS BIGINT))
                  AND plan_key NOT IN (SELECT k.value ->> 'key' FROM json_each($3) AS k)"
            )
        };
    }
    const OF_PATIENTS: &str = supersede!("patient_id");
    const OF_OCCASIONS: &str = supersede!("occasion_id");
    let written = write(tx, planned, now).await?;
    let (sql, of) = match scope.of {
        Of::Patients(ids) => (OF_PATIENTS, super::patients::ids(ids)),
        Of::Occasions(ids) => {
            let ids: Vec<Id<'_>> = ids.iter().map(|id| Id { id: id.as_str() }).collect();
            (OF_OCCASIONS, rows(&ids))
        }
    };
    let rules: Vec<Rule<'_>> = scope
        .rules
        .iter()
        .map(|(id, until)| Rule {
            id,
            until: until.as_millisecond(),
        })
        .collect();
    let keys: Vec<Key<'_>> = planned
        .iter()
        .map(|plan| Key {
            key: &plan.plan_key,
        })
        .collect();
    let (rules, keys) = (rows(&rules), rows(&keys));
    let superseded = execute!(
        tx,
        sqlx::query(sql)
            .bind(&of)
            .bind(&rules)
            .bind(&keys)
            .bind(now.as_millisecond())
    )?;
    Ok(Changed {
        planned: written,
        superseded: usize::try_from(superseded).unwrap_or(usize::MAX),
    })
}

/// Inserts what is new, moves what changed, brings back what was superseded; says how many.
///
/// # Errors
/// When the database fails.
pub async fn write(
    tx: &mut Tx,
    planned: &[NewReminder],
    now: Timestamp,
) -> Result<usize, StoreError> {
    // What is planned already as it is stays untouched: nothing is written for it.
    static INSERT: Insert = Insert::new(
        "INSERT INTO reminder (id, plan_key, rule_id, rule_version, timing, class, patient_id, relation_id, occasion_id, epoch,
          occurrence, step, lead, role, department, channels, template, ask, unless, catch_up, due_at, expires_at, state,
          created_at, updated_at) VALUES",
        "(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'planned', $1, $1)",
        "ON CONFLICT (plan_key) DO UPDATE SET rule_version = excluded.rule_version, timing = excluded.timing, class = excluded.class,
          relation_id = excluded.relation_id, department = excluded.department, channels = excluded.channels, template = excluded.template,
          ask = excluded.ask, unless = excluded.unless, catch_up = excluded.catch_up, due_at = excluded.due_at,
          expires_at = excluded.expires_at, state = 'planned', reason = NULL, updated_at = excluded.updated_at,
          planned_for = CASE WHEN reminder.due_at = excluded.due_at THEN reminder.planned_for END
        WHERE reminder.state = 'superseded' OR (reminder.state = 'planned' AND (reminder.due_at <> excluded.due_at
          OR reminder.expires_at <> excluded.expires_at OR reminder.timing <> excluded.timing OR reminder.channels <> excluded.channels
          OR reminder.template <> excluded.template OR reminder.class <> excluded.class OR reminder.ask IS DISTINCT FROM excluded.ask
          OR reminder.unless IS DISTINCT FROM excluded.unless OR reminder.relation_id IS DISTINCT FROM excluded.relation_id
          OR reminder.department IS DISTINCT FROM excluded.department))",
    );
    // In one order always, so that two planners never wait for each other; of equal keys the first one counts.
    let mut set: BTreeMap<&str, New<'_>> = BTreeMap::new();
    for plan in planned {
        set.entry(&plan.plan_key).or_insert_with(|| New::of(plan));
    }
    let set: Vec<New<'_>> = set.into_values().collect();
    let shared = [Cell::Number(now.as_millisecond())];
    let written = INSERT.run(tx, &shared, &set, New::cells).await?;
    Ok(usize::try_from(written).unwrap_or(usize::MAX))
}

/// A row that is new, unless its key is there.
struct New<'a> {
    id: ReminderId,
    channels: String,
    plan: &'a NewReminder,
}

impl<'a> New<'a> {
    fn of(plan: &'a NewReminder) -> Self {
        Self {
            id: ReminderId::generate(),
            channels: channels(&plan.channels),
            plan,
        }
    }

    fn cells(&'a self, cells: &mut Vec<Cell<'a>>) {
        let plan = self.plan;
        cells.extend([
            Cell::Text(self.id.as_str()),
            Cell::Text(&plan.plan_key),
            Cell::Text(&plan.rule),
            Cell::Text(&plan.rule_version),
            Cell::Text(&plan.timing),
            Cell::Text(plan.class.as_str()),
            Cell::Told(plan.patient.as_ref().map(PatientId::as_str)),
            Cell::Told(plan.relation.as_ref().map(RelationId::as_str)),
            Cell::Told(plan.occasion.as_ref().map(OccasionId::as_str)),
            Cell::Number(plan.epoch),
            Cell::Text(&plan.occurrence),
            Cell::Text(&plan.step),
            Cell::Text(&plan.lead),
            Cell::Text(plan.role.as_str()),
            Cell::Told(plan.department.as_deref()),
            Cell::Text(&self.channels),
            Cell::Text(&plan.template),
            Cell::Told(plan.ask.map(Ask::as_str)),
            Cell::Told(plan.unless.map(Unless::as_str)),
            Cell::Flag(plan.catch_up),
            Cell::Number(plan.due_at.as_millisecond()),
            Cell::Number(plan.expires_at.as_millisecond()),
        ]);
    }
}

/// Supersedes these reminders, so far as they are planned still.
///
/// # Errors
/// When the database fails.
pub async fn supersede(
    tx: &mut Tx,
    reminders: &[&ReminderId],
    now: Timestamp,
) -> Result<u64, StoreError> {
    const SQL: &str =
        "UPDATE reminder SET state = 'superseded', reason = 'superseded', updated_at = $2
        WHERE id IN (SELECT j.value ->> 'id' FROM json_each($1) AS j) AND state || '' = 'planned'";
    if reminders.is_empty() {
        return Ok(0);
    }
    let set: Vec<Id<'_>> = reminders.iter().map(|id| Id { id: id.as_str() }).collect();
    execute!(
        tx,
        sqlx::query(SQL).bind(rows(&set)).bind(now.as_millisecond())
    )
}

/// Supersedes what is planned by these rules whatever the patient: a rule that is off or gone.
///
/// # Errors
/// When the database fails.
pub async fn supersede_rule(tx: &mut Tx, rule: &str, now: Timestamp) -> Result<u64, StoreError> {
    const SQL: &str = "UPDATE reminder SET state = 'superseded', reason = 'superseded', updated_at = $2 WHERE rule_id = $1 AND state = 'planned'";
    execute!(tx, sqlx::query(SQL).bind(rule).bind(now.as_millisecond()))
}

/// Supersedes what an earlier timing of a rule planned and the present one did not confirm.
///
/// # Errors
/// When the database fails.
pub async fn supersede_timing(
    tx: &mut Tx,
    rule: &str,
    timing: &str,
    now: Timestamp,
) -> Result<u64, StoreError> {
    const SQL: &str =
        "UPDATE reminder SET state = 'superseded', reason = 'superseded', updated_at = $3
        WHERE rule_id = $1 AND state = 'planned' AND timing <> $2";
    execute!(
        tx,
        sqlx::query(SQL)
            .bind(rule)
            .bind(timing)
            .bind(now.as_millisecond())
    )
}

#[cfg(test)]
mod tests {
    use jiff::{SignedDuration, Timestamp};

    use super::{Changed, Of, Scope, apply, supersede_timing};
    use crate::model::class::{Channel, Class, Role};
    use crate::model::id::{MessageId, PatientId};
    use crate::model::reminder::{ReminderState, SkipReason};
    use crate::store::due::{Outcome, due, settle};
    use crate::store::reminders::{NewReminder, of};
    use crate::store::{StoreError, Tx, testing};

    fn at(hours: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + SignedDuration::from_hours(1000 + hours)
    }

    fn plan(patient: &PatientId, key: &str, hours: i64) -> NewReminder {
        NewReminder {
            plan_key: format!("{patient}/{key}"),
            rule: "recheck".to_owned(),
            rule_version: "v1".to_owned(),
            timing: "t1".to_owned(),
            class: Class::Appointment,
            patient: Some(patient.clone()),
            relation: None,
            occasion: None,
            epoch: 0,
            occurrence: "2026-07-24".to_owned(),
            step: "patient_1".to_owned(),
            lead: key.to_owned(),
            role: Role::Patient,
            department: None,
            channels: vec![Channel::Sms],
            template: "recheck".to_owned(),
            ask: None,
            unless: None,
            catch_up: false,
            due_at: at(hours),
            expires_at: at(hours + 100),
        }
    }

    async fn replan(
        tx: &mut Tx,
        patient: &PatientId,
        planned: &[NewReminder],
    ) -> Result<Changed, StoreError> {
        let scope = Scope {
            of: Of::Patients(std::slice::from_ref(patient)),
            rules: vec![("recheck", at(1000))],
        };
        apply(tx, &scope, planned, at(0)).await
    }

    #[tokio::test]
    async fn planning_twice_plans_once() -> Result<(), StoreError> {
        for test in testing::stores().await {
            let mut tx = test.store.write().await?;
            let (ana, bo) = (PatientId::generate(), PatientId::generate());
            replan(&mut tx, &bo, &[plan(&bo, "3d", 10)]).await?;
            let first = [plan(&ana, "3d", 10), plan(&ana, "1d", 20)];
            assert_eq!(
                replan(&mut tx, &ana, &first).await?,
                Changed {
                    planned: 2,
                    superseded: 0
                }
            );
            assert_eq!(replan(&mut tx, &ana, &first).await?, Changed::default());
            // One moves, one vanishes, and what nobody looked at stays.
            assert_eq!(
                replan(&mut tx, &ana, &[plan(&ana, "3d", 11)]).await?,
                Changed {
                    planned: 1,
                    superseded: 1
                }
            );
            assert_eq!(
                replan(&mut tx, &ana, &first).await?,
                Changed {
                    planned: 2,
                    superseded: 0
                }
            );
            assert_eq!(
                of(&mut tx, &[ana.clone(), bo.clone()], at(0))
                    .await?
                    .values()
                    .map(Vec::len)
                    .collect::<Vec<_>>(),
                [2, 1]
            );
            let other = Scope {
                of: Of::Patients(std::slice::from_ref(&ana)),
                rules: vec![("birthday", at(1000)), ("recheck", at(15))],
            };
            assert_eq!(
                apply(&mut tx, &other, &[], at(0)).await?,
                Changed {
                    planned: 0,
                    superseded: 1
                }
            );
            assert_eq!(supersede_timing(&mut tx, "recheck", "t2", at(0)).await?, 2);
        }
        Ok(())
    }

    #[tokio::test]
    async fn what_was_composed_or_skipped_is_left() -> Result<(), StoreError> {
        for test in testing::stores().await {
            let mut tx = test.store.write().await?;
            let ana = PatientId::generate();
            let planned = [
                plan(&ana, "3d", 10),
                plan(&ana, "2d", 20),
                plan(&ana, "1d", 30),
            ];
            replan(&mut tx, &ana, &planned).await?;
            assert!(
                due(&mut tx, &["recheck".to_owned()], at(25), 10)
                    .await?
                    .is_empty()
            );
            let ready = due(&mut tx, &[], at(25), 10).await?;
            let outcomes = [
                (ready[0].id.clone(), Outcome::Message(MessageId::generate())),
                (ready[1].id.clone(), Outcome::Skipped(SkipReason::Held)),
            ];
            assert_eq!(settle(&mut tx, &outcomes, at(25)).await?.len(), 2);
            assert!(
                settle(&mut tx, &outcomes, at(25)).await?.is_empty(),
                "nobody settles twice"
            );
            assert_eq!(replan(&mut tx, &ana, &planned).await?, Changed::default());
            assert_eq!(
                replan(&mut tx, &ana, &[]).await?,
                Changed {
                    planned: 0,
                    superseded: 1
                }
            );
            let states: Vec<ReminderState> = of(&mut tx, std::slice::from_ref(&ana), at(0))
                .await?
                .remove(&ana)
                .unwrap()
                .into_iter()
                .map(|r| r.state)
                .collect();
            assert_eq!(states, [ReminderState::Composed, ReminderState::Skipped]);
        }
        Ok(())
    }

    #[tokio::test]
    async fn what_is_put_off_keeps_the_moment_it_was_planned_for() -> Result<(), StoreError> {
        for test in testing::stores().await {
            let mut tx = test.store.write().await?;
            let ana = PatientId::generate();
            replan(&mut tx, &ana, &[plan(&ana, "3d", 10)]).await?;
            let ready = due(&mut tx, &[], at(10), 10).await?;
            settle(
                &mut tx,
                &[(ready[0].id.clone(), Outcome::PutOff(at(20)))],
                at(10),
            )
            .await?;
            assert!(due(&mut tx, &[], at(19), 10).await?.is_empty());
            let again = due(&mut tx, &[], at(20), 10).await?;
            assert_eq!(
                (again[0].plan.due_at, again[0].planned_for),
                (at(20), Some(at(10)))
            );
        }
        Ok(())
    }
}
