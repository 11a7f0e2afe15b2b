//! Whether what a rule planned may go out: one that was switched on and reaches many waits for a second person.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::json;

use super::audits::{self, NewAudit};
use super::{StoreError, Tx, execute, on};
use crate::model::campaign::{SwitchState, person};

/// One rule as it was switched on last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Switch {
    /// The rule.
    pub rule: String,
    /// The timing it was switched on with.
    pub timing: String,
    /// `live` or `shadow`.
    pub mode: String,
    /// Whether it may act.
    pub state: SwitchState,
    /// How many patients had something of it due within a day before.
    pub baseline: i64,
    /// How many more there were after.
    pub reach: i64,
    /// Who agreed.
    pub approver: Option<String>,
    /// When it was switched on.
    pub since: Timestamp,
    /// When they agreed.
    pub approved_at: Option<Timestamp>,
}

/// All of them, by rule.
///
/// # Errors
/// When the database fails or a row cannot be read.
pub async fn all(tx: &mut Tx) -> Result<BTreeMap<String, Switch>, StoreError> {
    type Row = (
        String,
        String,
        String,
        String,
        i64,
        i64,
        Option<String>,
        i64,
        Option<i64>,
    );
    const SQL: &str = "SELECT rule_id, timing, mode, state, baseline, reach, approver, since, at FROM rule_switch ORDER BY rule_id";
    let found: Vec<Row> = on!(tx, conn => sqlx::query_as(SQL).fetch_all(conn).await)?;
    let bad = |what| StoreError::BadRow {
        table: "rule_switch",
        what,
    };
    found
        .into_iter()
        .map(
            |(rule, timing, mode, state, baseline, reach, approver, since, at)| {
                let at = at.map(Timestamp::from_millisecond).transpose();
                let switch = Switch {
                    rule: rule.clone(),
                    timing,
                    mode,
                    state: SwitchState::parse(&state).ok_or(bad("state"))?,
                    baseline,
                    reach,
                    approver,
                    since: Timestamp::from_millisecond(since).map_err(|_| bad("since"))?,
                    approved_at: at.map_err(|_| bad("at"))?,
                };
                Ok((rule, switch))
            },
        )
        .collect()
}

/// The rules of which nothing goes out now, and those in `broken`.
///
/// # Errors
/// When the database fails.
pub async fn held(tx: &mut Tx, broken: &[String]) -> Result<Vec<String>, StoreError> {
    const SQL: &str = "SELECT rule_id FROM rule_switch WHERE state IN ('checking', 'waiting')";
    let mut held: Vec<String> = on!(tx, conn => sqlx::query_scalar(SQL).fetch_all(conn).await)?;
    held.extend_from_slice(broken);
    Ok(held)
}

/// Writes one.
///
/// # Errors
/// When the database fails.
pub async fn put(tx: &mut Tx, switch: &Switch) -> Result<(), StoreError> {
    const SQL: &str = "INSERT INTO rule_switch (rule_id, timing, mode, state, baseline, reach, approver, since)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
        ON CONFLICT (rule_id) DO UPDATE SET timing = excluded.timing, mode = excluded.mode, state = excluded.state,
          baseline = excluded.baseline, reach = excluded.reach, approver = excluded.approver, since = excluded.since, at = NULL";
    execute!(
        tx,
        sqlx::query(SQL)
            .bind(&switch.rule)
            .bind(&switch.timing)
            .bind(&switch.mode)
            .bind(switch.state.as_str())
            .bind(switch.baseline)
            .bind(switch.reach)
            .bind(&switch.approver)
            .bind(switch.since.as_millisecond())
    )?;
    Ok(())
}

/// Forgets a rule that is off or gone: when it comes back it is switched on anew.
///
/// # Errors
/// When the database fails.
pub async fn remove(tx: &mut Tx, rule: &str) -> Result<(), StoreError> {
    const SQL: &str = "DELETE FROM rule_switch WHERE rule_id = $1";
    execute!(tx, sqlx::query(SQL).bind(rule))?;
    Ok(())
}

/// How many patients a rule has something planned for that is due before `until`.
///
/// # Errors
/// When the database fails.
pub async fn due_before(tx: &mut Tx, rule: &str, until: Timestamp) -> Result<i64, StoreError> {
    const SQL: &str = "SELECT COUNT(DISTINCT patient_id) FROM reminder WHERE rule_id = $1 AND state = 'planned' AND due_at < $2";
    on!(tx, conn => sqlx::query_scalar(SQL).bind(rule).bind(until.as_millisecond()).fetch_one(conn).await)
}

/// What an audit says of who installed a rule.
pub const APPLIED: &str = "rule.apply";

/// What came of agreeing to a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Agreed {
    /// It may act.
    Done,
    /// It is the one who installed it: another person has to agree.
    SamePerson,
    /// It does not wait.
    NotWaiting,
}

/// Lets a rule that waits act, for `approver`, who must not be the one that installed it last, where that is known.
///
/// # Errors
/// When the database fails.
pub async fn approve(
    tx: &mut Tx,
    rule: &str,
    approver: &str,
    now: Timestamp,
) -> Result<Agreed, StoreError> {
    const SQL: &str = "UPDATE rule_switch SET state = 'approved', approver = $2, at = $3 WHERE rule_id = $1 AND state = 'waiting'";
    const WAITS: &str = "SELECT COUNT(*) FROM rule_switch WHERE rule_id = $1 AND state = 'waiting'";
    const FIRST: &str = "SELECT actor FROM audit WHERE target = $1 AND action = $2 ORDER BY at DESC, id DESC LIMIT 1";
    let waits: i64 =
        on!(&mut *tx, conn => sqlx::query_scalar(WAITS).bind(rule).fetch_one(conn).await)?;
    if waits == 0 {
        return Ok(Agreed::NotWaiting);
    }
    let first: Option<String> = on!(&mut *tx, conn => sqlx::query_scalar(FIRST).bind(rule).bind(APPLIED).fetch_optional(conn).await)?;
    if first.is_some_and(|first| person(&first) == person(approver)) {
        return Ok(Agreed::SamePerson);
    }
    let at = now.as_millisecond();
    execute!(
        &mut *tx,
        sqlx::query(SQL).bind(rule).bind(approver).bind(at)
    )?;
    let act = NewAudit {
        actor: approver,
        action: "rule.approve",
        target: rule,
        detail: json!({}),
    };
    audits::add(tx, &act, now).await?;
    Ok(Agreed::Done)
}
