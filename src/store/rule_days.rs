//! Which day a patient has of a rule with a daily cap, and how many a day has: a day once given stays.

use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;
use jiff::civil::Date;
use serde::Serialize;

use super::patients::ids;
use super::{StoreError, Tx, execute, on, rows};
use crate::model::id::{PatientId, ReminderId};

/// What is spread: one patient's part of an occurrence that would be due on one day.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct Part {
    /// The rule.
    #[serde(rename = "rule_id")]
    pub rule: String,
    /// Whose.
    #[serde(rename = "patient_id")]
    pub patient: PatientId,
    /// The occurrence, as reminders have it.
    pub occurrence: String,
    /// The day it would be without a cap, or another word that tells its parts apart.
    pub part: String,
}

/// A day that was given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Slot {
    /// What it was given to.
    #[serde(flatten)]
    pub part: Part,
    /// The day.
    pub day: Date,
    /// The cap at that time.
    pub cap: u32,
}

fn bad(what: &'static str) -> StoreError {
    StoreError::BadRow {
        table: "rule_slot",
        what,
    }
}

/// The days that these patients have of `rule`.
///
/// # Errors
/// When the database fails or a row cannot be read.
pub async fn of(
    tx: &mut Tx,
    rule: &str,
    patients: &[PatientId],
) -> Result<HashMap<Part, Date>, StoreError> {
    const SQL: &str = "SELECT s.patient_id, s.occurrence, s.part, s.day FROM json_each($2) AS j CROSS JOIN rule_slot AS s
        WHERE s.rule_id = $1 AND s.patient_id = j.value ->> 'id'";
    if patients.is_empty() {
        return Ok(HashMap::new());
    }
    let found: Vec<(PatientId, String, String, String)> =
        on!(tx, conn => sqlx::query_as(SQL).bind(rule).bind(ids(patients)).fetch_all(conn).await)?;
    found
        .into_iter()
        .map(|(patient, occurrence, part, day)| {
            let part = Part {
                rule: rule.to_owned(),
                patient,
                occurrence,
                part,
            };
            Ok((part, day.parse().map_err(|_| bad("day"))?))
        })
        .collect()
}

/// How many patients each day of `rule` has, from `first` on.
///
/// # Errors
/// When the database fails or a row cannot be read.
pub async fn counts(
    tx: &mut Tx,
    rule: &str,
    first: Date,
) -> Result<BTreeMap<Date, u32>, StoreError> {
    const SQL: &str = "SELECT day, n FROM rule_day WHERE rule_id = $1 AND day >= $2 ORDER BY day";
    let found: Vec<(String, i64)> = on!(tx, conn => sqlx::query_as(SQL).bind(rule).bind(first.to_string()).fetch_all(conn).await)?;
    found
        .into_iter()
        .map(|(day, n)| {
            let day = day.parse().map_err(|_| bad("day"))?;
            Ok((day, u32::try_from(n).map_err(|_| bad("n"))?))
        })
        .collect()
}

/// Gives days, in place of earlier ones, and counts them.
///
/// # Errors
/// When the database fails.
pub async fn give(tx: &mut Tx, slots: &[Slot]) -> Result<(), StoreError> {
    const SLOTS: &str = "INSERT INTO rule_slot (rule_id, occurrence, part, patient_id, day, cap)
        SELECT j.value ->> 'rule_id', j.value ->> 'occurrence', j.value ->> 'part', j.value ->> 'patient_id', j.value ->> 'day',
          CAST(j.value ->> 'cap' AS BIGINT) FROM json_each($1) AS j WHERE TRUE
        ON CONFLICT (rule_id, patient_id, occurrence, part) DO UPDATE SET day = excluded.day, cap = excluded.cap";
    const DAYS: &str = "INSERT INTO rule_day (rule_id, day, n)
        SELECT j.value ->> 'rule_id', j.value ->> 'day', COUNT(*) FROM json_each($1) AS j WHERE TRUE
        GROUP BY j.value ->> 'rule_id', j.value ->> 'day'
        ON CONFLICT (rule_id, day) DO UPDATE SET n = rule_day.n + excluded.n";
    if slots.is_empty() {
        return Ok(());
    }
    let set = rows(slots);
    execute!(&mut *tx, sqlx::query(SLOTS).bind(&set))?;
    execute!(tx, sqlx::query(DAYS).bind(&set))?;
    Ok(())
}

/// A reminder that goes on another day, in ms.
#[derive(Clone, Debug, Serialize)]
pub struct Again {
    /// Which.
    pub id: ReminderId,
    /// When it was due.
    pub was: i64,
    /// When it is due now.
    pub due_at: i64,
    /// After that it is useless.
    pub expires_at: i64,
}

/// Puts reminders on other days, so far as they are planned for the old ones still; says how many.
///
/// # Errors
/// When the database fails.
pub async fn move_on(tx: &mut Tx, all: &[Again], now: Timestamp) -> Result<usize, StoreError> {
    const SQL: &str = "UPDATE reminder SET due_at = CAST(j.value ->> 'due_at' AS BIGINT), expires_at = CAST(j.value ->> 'expires_at' AS BIGINT),
          planned_for = COALESCE(planned_for, reminder.due_at), updated_at = $2
        FROM json_each($1) AS j
        WHERE reminder.id = j.value ->> 'id' AND reminder.state || '' = 'planned' AND reminder.due_at = CAST(j.value ->> 'was' AS BIGINT)";
    if all.is_empty() {
        return Ok(0);
    }
    let moved = execute!(
        tx,
        sqlx::query(SQL).bind(rows(all)).bind(now.as_millisecond())
    )?;
    Ok(usize::try_from(moved).unwrap_or(usize::MAX))
}

/// Which days are taken back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// Those that were given under another cap.
    OtherCaps,
    /// Those that no reminder uses.
    Unused,
}

/// Takes back the days after `today` as `which` says, and counts anew.
///
/// # Errors
/// When the database fails.
pub async fn renew(
    tx: &mut Tx,
    rule: &str,
    cap: u32,
    today: Date,
    which: Which,
) -> Result<(), StoreError> {
    const OTHERS: &str = "DELETE FROM rule_slot WHERE rule_id = $1 AND day > $2 AND cap <> $3";
    const UNUSED: &str =
        "DELETE FROM rule_slot WHERE rule_id = $1 AND day > $2 AND cap >= $3 AND NOT EXISTS
        (SELECT 1 FROM reminder AS r WHERE r.patient_id = rule_slot.patient_id AND r.rule_id = $1
          AND r.occurrence = rule_slot.occurrence AND r.state <> 'superseded')";
    const FORGET: &str = "DELETE FROM rule_day WHERE rule_id = $1 AND day > $2";
    const COUNT: &str = "INSERT INTO rule_day (rule_id, day, n)
        SELECT rule_id, day, COUNT(*) FROM rule_slot WHERE rule_id = $1 AND day > $2 GROUP BY rule_id, day";
    let today = today.to_string();
    let (sql, cap) = match which {
        Which::OtherCaps => (OTHERS, i64::from(cap)),
        Which::Unused => (UNUSED, 0),
    };
    let gone = execute!(&mut *tx, sqlx::query(sql).bind(rule).bind(&today).bind(cap))?;
    if gone > 0 {
        execute!(&mut *tx, sqlx::query(FORGET).bind(rule).bind(&today))?;
        execute!(tx, sqlx::query(COUNT).bind(rule).bind(&today))?;
    }
    Ok(())
}

/// A reminder that was spread keeps the moment it would have had.
#[derive(Clone, Debug, Serialize)]
pub struct Moved<'a> {
    /// The reminder's key.
    pub key: &'a str,
    /// The moment without a cap, in ms.
    pub planned_for: i64,
}

/// Notes for reminders that were spread which moment they would have had.
///
/// # Errors
/// When the database fails.
pub async fn note(tx: &mut Tx, moved: &[Moved<'_>]) -> Result<(), StoreError> {
    const SQL: &str = "UPDATE reminder SET planned_for = CAST(j.value ->> 'planned_for' AS BIGINT) FROM json_each($1) AS j
        WHERE reminder.plan_key = j.value ->> 'key' AND reminder.state = 'planned' AND reminder.planned_for IS NULL";
    if moved.is_empty() {
        return Ok(());
    }
    execute!(tx, sqlx::query(SQL).bind(rows(moved)))?;
    Ok(())
}
