//! How far the work is, and how much there is of everything: for the demo's proofs and for those who operate it.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{Confirmation, StoreError, Tx, on};
use crate::store::board::rows::read;

/// Work that is not done yet; all zero means that everything that can be done by now is done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, sqlx::FromRow)]
pub struct Standing {
    /// Patients to be planned again.
    pub to_plan: i64,
    /// Rules whose coming days are not planned whole.
    pub to_walk: i64,
    /// Reminders that are due.
    pub to_compose: i64,
    /// Messages that wait, are being sent, or owe a receipt.
    pub on_the_way: i64,
    /// Texts and receipts that came in and were not read.
    pub to_read: i64,
}

/// What is still to be done at `now`.
///
/// # Errors
/// When the database refuses.
pub async fn standing(tx: &mut Tx, now: Timestamp) -> Result<Standing, StoreError> {
    const SQL: &str = "SELECT
        (SELECT CAST(COUNT(*) AS BIGINT) FROM plan_mark) + (SELECT CAST(COUNT(*) AS BIGINT) FROM plan_mark_occasion) AS to_plan,
        (SELECT CAST(COUNT(*) AS BIGINT) FROM rule_plan WHERE walk_to IS NOT NULL OR until_at < $1) AS to_walk,
        (SELECT CAST(COUNT(*) AS BIGINT) FROM reminder WHERE state = 'planned' AND due_at <= $1) AS to_compose,
        (SELECT CAST(COUNT(*) AS BIGINT) FROM message WHERE state IN ('queued', 'sending', 'uncertain', 'submitted')) AS on_the_way,
        (SELECT CAST(COUNT(*) AS BIGINT) FROM inbox WHERE state = 'new') AS to_read";
    on!(tx, conn => sqlx::query_as(SQL).bind(now.as_millisecond()).fetch_one(conn).await)
}

impl Standing {
    /// Whether nothing is to be done.
    pub fn is_done(&self) -> bool {
        *self == Self::default()
    }
}

/// How many rows of each kind there are, by words such as `patients`, `messages.delivered`, `reminders.planned`.
///
/// # Errors
/// When the database refuses.
pub async fn totals(tx: &mut Tx) -> Result<BTreeMap<String, i64>, StoreError> {
    const SQL: &str = "SELECT 'patients' AS word, CAST(COUNT(*) AS BIGINT) AS n FROM patient
        UNION ALL SELECT 'relations', CAST(COUNT(*) AS BIGINT) FROM relation
        UNION ALL SELECT 'facts', CAST(COUNT(*) AS BIGINT) FROM fact
        UNION ALL SELECT 'occasions', CAST(COUNT(*) AS BIGINT) FROM occasion
        UNION ALL SELECT 'staff', CAST(COUNT(*) AS BIGINT) FROM staff
        UNION ALL SELECT 'replies', CAST(COUNT(*) AS BIGINT) FROM reply
        UNION ALL SELECT 'attempts', CAST(COUNT(*) AS BIGINT) FROM attempt
        UNION ALL SELECT 'suppressions', CAST(COUNT(*) AS BIGINT) FROM suppression WHERE lifted_at IS NULL
        UNION ALL SELECT 'tasks', CAST(COUNT(*) AS BIGINT) FROM task
        UNION ALL SELECT 'change_requests', CAST(COUNT(*) AS BIGINT) FROM change_request
        UNION ALL SELECT 'reminders.' || state, CAST(COUNT(*) AS BIGINT) FROM reminder GROUP BY state
        UNION ALL SELECT 'messages.' || state, CAST(COUNT(*) AS BIGINT) FROM message GROUP BY state
        UNION ALL SELECT 'confirmations.' || confirmation, CAST(COUNT(*) AS BIGINT) FROM occasion GROUP BY confirmation";
    let rows: Vec<(String, i64)> = on!(tx, conn => sqlx::query_as(SQL).fetch_all(conn).await)?;
    Ok(rows.into_iter().collect())
}

/// An occasion as one who asks for it by the source's key sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// Our own id.
    pub id: String,
    /// What the patient said.
    pub confirmation: Confirmation,
    /// Counts the moves.
    pub epoch: i64,
    /// Open wishes about it: `cancel`, `reschedule`.
    pub wishes: Vec<String>,
    /// Its reminders to the patient or family: state and reason, by their moment.
    pub reminders: Vec<(String, Option<String>)>,
}

/// What was said of the occasion that a source knows by `key`, and what became of its reminders.
///
/// # Errors
/// When the database refuses or a row cannot be read.
pub async fn said(tx: &mut Tx, source: &str, key: &str) -> Result<Option<Said>, StoreError> {
    const OCCASION: &str =
        "SELECT id, confirmation, epoch FROM occasion WHERE source = $1 AND source_key = $2";
    const WISHES: &str = "SELECT wish FROM change_request WHERE occasion_id = $1 AND state = 'new' ORDER BY created_at LIMIT 20";
    const REMINDERS: &str = "SELECT state, reason FROM reminder WHERE occasion_id = $1 AND role <> 'staff' AND rule_id <> ''
        ORDER BY due_at, id LIMIT 100";
    let found: Option<(String, String, i64)> = on!(&mut *tx, conn => sqlx::query_as(OCCASION).bind(source).bind(key).fetch_optional(conn).await)?;
    let Some((id, confirmation, epoch)) = found else {
        return Ok(None);
    };
    let wishes = on!(&mut *tx, conn => sqlx::query_scalar(WISHES).bind(&id).fetch_all(conn).await)?;
    let reminders = on!(tx, conn => sqlx::query_as(REMINDERS).bind(&id).fetch_all(conn).await)?;
    let confirmation = read("occasion", &confirmation, Confirmation::parse)?;
    Ok(Some(Said {
        id,
        confirmation,
        epoch,
        wishes,
        reminders,
    }))
}
