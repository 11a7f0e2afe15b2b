//! What a recipient was told and answered before: it decides about later steps.

use std::collections::HashMap;

use jiff::Timestamp;
use serde::Serialize;

use super::{Id, StoreError, Tx, on, rows};
use crate::model::id::ReminderId;
use crate::model::occasion::OccasionTime;

/// One of the steps whose messages are looked at for a reminder.
#[derive(Clone, Debug, Serialize)]
pub struct Sibling {
    /// The reminder that is to be decided.
    pub id: ReminderId,
    /// The step's id.
    pub step: String,
}

/// What became of the messages of other steps for the same occurrence.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Heard {
    /// Whether a question of one of them was answered.
    pub is_answered: bool,
    /// Whether the answer was that they will come.
    pub is_confirmed: bool,
    /// When the first of them was made, if one went out.
    pub first_at: Option<Timestamp>,
}

/// What became of the messages of `siblings`: same patient, rule, occurrence and epoch.
///
/// # Errors
/// When the database fails.
pub async fn heard(
    tx: &mut Tx,
    siblings: &[Sibling],
) -> Result<HashMap<ReminderId, Heard>, StoreError> {
    const SQL: &str = "SELECT r.id, CAST(MAX(CASE WHEN q.state = 'answered' THEN 1 ELSE 0 END) AS BIGINT),
          CAST(MAX(CASE WHEN q.state = 'answered' AND EXISTS (SELECT 1 FROM reply p WHERE p.message_id = m.id AND p.intent = 'confirm') THEN 1 ELSE 0 END) AS BIGINT),
          MIN(CASE WHEN m.state NOT IN ('suppressed', 'cancelled', 'failed', 'expired') THEN m.created_at END)
        FROM json_each($1) AS j CROSS JOIN reminder r CROSS JOIN reminder e CROSS JOIN message m LEFT JOIN question q ON q.message_id = m.id
        WHERE r.id = j.value ->> 'id' AND e.patient_id = r.patient_id AND e.rule_id = r.rule_id AND e.occurrence = r.occurrence
          AND e.epoch = r.epoch AND e.step = j.value ->> 'step' AND e.id <> r.id AND m.id = e.message_id
        GROUP BY r.id";
    if siblings.is_empty() {
        return Ok(HashMap::new());
    }
    let found: Vec<(ReminderId, i64, i64, Option<i64>)> =
        on!(tx, conn => sqlx::query_as(SQL).bind(rows(siblings)).fetch_all(conn).await)?;
    Ok(found
        .into_iter()
        .map(|(id, answered, confirmed, first)| {
            let heard = Heard {
                is_answered: answered > 0,
                is_confirmed: confirmed > 0,
                first_at: first.and_then(|ms| Timestamp::from_millisecond(ms).ok()),
            };
            (id, heard)
        })
        .collect())
}

/// Those of `reminders` whose recipient was told of the occasion in an earlier epoch, by a message that may have
/// been read, with the date that they were told, where it is known.
///
/// # Errors
/// When the database fails.
pub async fn told(
    tx: &mut Tx,
    reminders: &[&ReminderId],
) -> Result<HashMap<ReminderId, Option<OccasionTime>>, StoreError> {
    macro_rules! may_be_read {
        () => {
            "m.role <> 'staff' AND CAST(m.state AS TEXT) IN ('sending', 'uncertain', 'submitted', 'sent', 'delivered', 'unconfirmed')"
        };
    }
    const SQL: &str = concat!(
        "SELECT r.id, m.occasion_epoch, d.local_at
          FROM json_each($1) AS j CROSS JOIN reminder r CROSS JOIN message m
            LEFT JOIN occasion_date d ON d.occasion_id = m.occasion_id AND d.epoch = m.occasion_epoch
          WHERE r.id = j.value ->> 'id' AND m.occasion_id = r.occasion_id AND m.occasion_epoch < r.epoch
            AND m.patient_id = r.patient_id AND m.relation_id IS NOT DISTINCT FROM r.relation_id AND ",
        may_be_read!(),
        " UNION ALL SELECT r.id, e.epoch, d.local_at
          FROM json_each($1) AS j CROSS JOIN reminder r CROSS JOIN reminder e CROSS JOIN message m
            LEFT JOIN occasion_date d ON d.occasion_id = e.occasion_id AND d.epoch = e.epoch
          WHERE r.id = j.value ->> 'id' AND e.occasion_id = r.occasion_id AND e.epoch < r.epoch AND e.patient_id = r.patient_id
            AND e.relation_id IS NOT DISTINCT FROM r.relation_id AND m.id = e.message_id AND ",
        may_be_read!(),
        " ORDER BY 1, 2"
    );
    if reminders.is_empty() {
        return Ok(HashMap::new());
    }
    let set: Vec<Id<'_>> = reminders.iter().map(|id| Id { id: id.as_str() }).collect();
    let found: Vec<(ReminderId, i64, Option<String>)> =
        on!(tx, conn => sqlx::query_as(SQL).bind(rows(&set)).fetch_all(conn).await)?;
    // In the order of epochs: the last one told is the one that counts.
    Ok(found
        .into_iter()
        .map(|(id, _, at)| (id, at.as_deref().and_then(OccasionTime::parse)))
        .collect())
}

/// Keeps the dates of occasions of `source` that are about to change: one that was told may have to be named.
///
/// `changes` are keys and new dates.
/// # Errors
/// When the database fails.
pub(crate) async fn keep_dates(
    tx: &mut Tx,
    source: &str,
    changes: &[(&str, &str)],
) -> Result<(), StoreError> {
    #[derive(Serialize)]
    struct Change<'a> {
        key: &'a str,
        local_at: &'a str,
    }
    const SQL: &str = "INSERT INTO occasion_date (occasion_id, epoch, local_at)
        SELECT o.id, o.epoch, o.local_at FROM json_each($2) AS j CROSS JOIN occasion o
        WHERE o.source = $1 AND o.source_key = j.value ->> 'key' AND o.local_at <> j.value ->> 'local_at'
        ON CONFLICT (occasion_id, epoch) DO NOTHING";
    let set: Vec<Change<'_>> = changes
        .iter()
        .map(|(key, local_at)| Change { key, local_at })
        .collect();
    super::execute!(tx, sqlx::query(SQL).bind(source).bind(rows(&set)))?;
    Ok(())
}
