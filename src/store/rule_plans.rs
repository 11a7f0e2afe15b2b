//! How far each rule is planned, and where a walk over its candidates stands.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{StoreError, Tx, execute, on};
use crate::model::id::PatientId;

/// How far one rule is planned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RulePlan {
    /// The rule.
    pub rule: String,
    /// The timing it was planned by; another one in the book means to plan it anew.
    pub timing: String,
    /// Everything that is due before is planned.
    pub until: Timestamp,
    /// The walk that runs.
    pub walk: Option<Walk>,
}

/// A walk over the candidates of a window, in the order of their ids.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Walk {
    /// The window's first moment.
    pub from: Timestamp,
    /// The first moment after it.
    pub to: Timestamp,
    /// The last patient it did.
    pub after: Option<PatientId>,
}

#[derive(sqlx::FromRow)]
struct Row {
    rule_id: String,
    timing: String,
    until_at: i64,
    walk_from: Option<i64>,
    walk_to: Option<i64>,
    walk_after: Option<PatientId>,
}

/// All of them.
///
/// # Errors
/// When the database fails or a row cannot be read.
pub async fn all(tx: &mut Tx) -> Result<Vec<RulePlan>, StoreError> {
    const SQL: &str = "SELECT rule_id, timing, until_at, walk_from, walk_to, walk_after FROM rule_plan ORDER BY rule_id";
    let found: Vec<Row> = on!(tx, conn => sqlx::query_as(SQL).fetch_all(conn).await)?;
    let instant = |ms| {
        Timestamp::from_millisecond(ms).map_err(|_| StoreError::BadRow {
            table: "rule_plan",
            what: "an instant",
        })
    };
    found
        .into_iter()
        .map(|row| {
            let walk = match (row.walk_from, row.walk_to) {
                (Some(from), Some(to)) => Some(Walk {
                    from: instant(from)?,
                    to: instant(to)?,
                    after: row.walk_after,
                }),
                (None | Some(_), None) | (None, Some(_)) => None,
            };
            Ok(RulePlan {
                rule: row.rule_id,
                timing: row.timing,
                until: instant(row.until_at)?,
                walk,
            })
        })
        .collect()
}

/// Writes one.
///
/// # Errors
/// When the database fails.
pub async fn put(tx: &mut Tx, plan: &RulePlan) -> Result<(), StoreError> {
    const SQL: &str = "INSERT INTO rule_plan (rule_id, timing, until_at, walk_from, walk_to, walk_after) VALUES ($1, $2, $3, $4, $5, $6)
        ON CONFLICT (rule_id) DO UPDATE SET timing = excluded.timing, until_at = excluded.until_at, walk_from = excluded.walk_from,
          walk_to = excluded.walk_to, walk_after = excluded.walk_after";
    let walk = plan.walk.as_ref();
    let (from, to) = (
        walk.map(|w| w.from.as_millisecond()),
        walk.map(|w| w.to.as_millisecond()),
    );
    let after = walk.and_then(|w| w.after.as_ref());
    let until = plan.until.as_millisecond();
    execute!(
        tx,
        sqlx::query(SQL)
            .bind(&plan.rule)
            .bind(&plan.timing)
            .bind(until)
            .bind(from)
            .bind(to)
            .bind(after)
    )?;
    Ok(())
}

/// By rule how many reminders wait for their moment, and the first of these.
///
/// # Errors
/// When the database fails or a row cannot be read.
pub async fn waiting(
    tx: &mut Tx,
) -> Result<BTreeMap<String, (i64, Option<Timestamp>)>, StoreError> {
    const SQL: &str = "SELECT rule_id, COUNT(*), MIN(due_at) FROM reminder WHERE state = 'planned' GROUP BY rule_id";
    let found: Vec<(String, i64, i64)> =
        on!(tx, conn => sqlx::query_as(SQL).fetch_all(conn).await)?;
    let waiting = found.into_iter();
    Ok(waiting
        .map(|(rule, n, at)| (rule, (n, Timestamp::from_millisecond(at).ok())))
        .collect())
}

/// Forgets a rule that is gone.
///
/// # Errors
/// When the database fails.
pub async fn remove(tx: &mut Tx, rule: &str) -> Result<(), StoreError> {
    const SQL: &str = "DELETE FROM rule_plan WHERE rule_id = $1";
    execute!(tx, sqlx::query(SQL).bind(rule))?;
    Ok(())
}
