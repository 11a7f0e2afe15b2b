//! Digests for staff: what waits to be told together, and which went out already.

use std::collections::{BTreeSet, HashSet};

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use serde_json::json;

use super::reminders::{Reminder, ReminderRow};
use super::{StoreError, Tx, execute, on, rows};
use crate::model::id::ReminderId;

/// How long it is kept in mind that a digest went out.
const KEEP: SignedDuration = SignedDuration::from_hours(24 * 40);

/// A step whose reminders are told together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct DigestStep<'a> {
    /// The rule's id.
    pub rule: &'a str,
    /// The step's.
    pub step: &'a str,
}

/// What is due of these steps, the longest waiting first, but for `known`.
///
/// # Errors
/// When the database fails or a row cannot be read.
pub async fn due(
    tx: &mut Tx,
    steps: &[DigestStep<'_>],
    known: &[Reminder],
    now: Timestamp,
    limit: i64,
) -> Result<Vec<Reminder>, StoreError> {
    const SQL: &str = "SELECT r.id, r.plan_key, r.rule_id, r.rule_version, r.timing, r.class, r.patient_id, r.relation_id, r.occasion_id,
          r.epoch, r.occurrence, r.step, r.lead, r.role, r.department, r.channels, r.template, r.ask, r.unless, r.catch_up, r.due_at,
          r.planned_for, r.expires_at, r.state, r.reason, r.answer_to, r.data, r.created_at
        FROM json_each($1) AS j CROSS JOIN reminder AS r WHERE r.rule_id = j.value ->> 'rule' AND r.state = 'planned' AND r.due_at <= $2
          AND r.step = j.value ->> 'step' ORDER BY r.due_at, r.id LIMIT $3";
    let found: Vec<ReminderRow> = on!(tx, conn => sqlx::query_as(SQL).bind(rows(steps)).bind(now.as_millisecond()).bind(limit).fetch_all(conn).await)?;
    let known: HashSet<&ReminderId> = known.iter().map(|reminder| &reminder.id).collect();
    let mut all = Vec::new();
    for row in found {
        let reminder = row.into_reminder()?;
        if !known.contains(&reminder.id) {
            all.push(reminder);
        }
    }
    Ok(all)
}

/// The digests of these minutes that went out.
///
/// # Errors
/// When the database fails.
pub async fn made(
    tx: &mut Tx,
    minutes: &BTreeSet<Timestamp>,
) -> Result<HashSet<String>, StoreError> {
    const SQL: &str = "SELECT d.key FROM json_each($1) AS j CROSS JOIN digest AS d WHERE d.due_at = CAST(j.value ->> 'at' AS BIGINT)";
    if minutes.is_empty() {
        return Ok(HashSet::new());
    }
    let set: Vec<_> = minutes
        .iter()
        .map(|at| json!({"at": at.as_millisecond()}))
        .collect();
    let found: Vec<String> =
        on!(tx, conn => sqlx::query_scalar(SQL).bind(rows(&set)).fetch_all(conn).await)?;
    Ok(found.into_iter().collect())
}

/// Keeps in mind that these went out, each with its minute.
///
/// # Errors
/// When the database fails.
pub async fn add(
    tx: &mut Tx,
    digests: &[(String, Timestamp)],
    now: Timestamp,
) -> Result<(), StoreError> {
    const INSERT: &str = "INSERT INTO digest (key, due_at, made_at)
        SELECT j.value ->> 'key', CAST(j.value ->> 'at' AS BIGINT), $2 FROM json_each($1) AS j WHERE TRUE ON CONFLICT (key) DO NOTHING";
    const FORGET: &str = "DELETE FROM digest WHERE due_at < $1";
    if digests.is_empty() {
        return Ok(());
    }
    let set: Vec<_> = digests
        .iter()
        .map(|(key, at)| json!({"key": key, "at": at.as_millisecond()}))
        .collect();
    let oldest = now.saturating_sub(KEEP).unwrap_or(Timestamp::MIN);
    execute!(
        &mut *tx,
        sqlx::query(INSERT)
            .bind(rows(&set))
            .bind(now.as_millisecond())
    )?;
    execute!(tx, sqlx::query(FORGET).bind(oldest.as_millisecond()))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use jiff::{SignedDuration, Timestamp};

    use super::{KEEP, add, made};
    use crate::store::{StoreError, testing};

    #[tokio::test]
    async fn what_went_out_is_kept_in_mind_for_a_while() -> Result<(), StoreError> {
        for test in testing::stores().await {
            let at = Timestamp::UNIX_EPOCH;
            let other = at + SignedDuration::from_hours(1);
            let minutes = BTreeSet::from([at]);
            let mut tx = test.store.write().await?;
            add(
                &mut tx,
                &[("a".to_owned(), at), ("b".to_owned(), other)],
                at,
            )
            .await?;
            add(&mut tx, &[("a".to_owned(), at)], at).await?;
            assert_eq!(Vec::from_iter(made(&mut tx, &minutes).await?), ["a"]);
            let later = at + KEEP + SignedDuration::from_mins(1);
            add(&mut tx, &[("c".to_owned(), later)], later).await?;
            assert!(made(&mut tx, &minutes).await?.is_empty());
        }
        Ok(())
    }
}
