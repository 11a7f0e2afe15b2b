//! What became of those a campaign reaches, and how what has not left is called back.

use jiff::Timestamp;

use super::campaigns::{Campaign, Counts};
use super::messages::told;
use super::{StoreError, Tx, events, execute, on, rows};
use crate::model::id::MessageId;

/// How far a campaign is, in reminders.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Wait for their moment.
    pub planned: i64,
    /// Became a message or a task.
    pub composed: i64,
    /// Were planned anew or called back.
    pub superseded: i64,
    /// Were not sent, by reason.
    pub skipped: Counts,
    /// The messages, by state.
    pub messages: Counts,
}

/// How far it is.
///
/// # Errors
/// When the database fails.
pub async fn of(tx: &mut Tx, campaign: &Campaign) -> Result<Progress, StoreError> {
    const REMINDERS: &str = "SELECT state, COALESCE(reason, ''), COUNT(*) FROM reminder WHERE rule_id = $1 AND occurrence = $2
        GROUP BY state, COALESCE(reason, '')";
    const MESSAGES: &str =
        "SELECT m.state, COUNT(*) FROM reminder AS r JOIN message AS m ON m.id = r.message_id
        WHERE r.rule_id = $1 AND r.occurrence = $2 AND r.state = 'composed' GROUP BY m.state";
    let mut progress = Progress::default();
    if campaign.occurrence.is_empty() {
        return Ok(progress);
    }
    let (rule, occurrence) = (&campaign.rule, &campaign.occurrence);
    let found: Vec<(String, String, i64)> = on!(&mut *tx, conn => sqlx::query_as(REMINDERS).bind(rule).bind(occurrence).fetch_all(conn).await)?;
    for (state, reason, n) in found {
        match state.as_str() {
            "planned" => progress.planned += n,
            "composed" => progress.composed += n,
            "superseded" => progress.superseded += n,
            _ => *progress.skipped.entry(reason).or_default() += n,
        }
    }
    let found: Vec<(String, i64)> = on!(tx, conn => sqlx::query_as(MESSAGES).bind(rule).bind(occurrence).fetch_all(conn).await)?;
    progress.messages = found.into_iter().collect();
    Ok(progress)
}

/// Supersedes what an earlier timing of the rule planned for this campaign and the present one did not confirm.
///
/// # Errors
/// When the database fails.
pub async fn supersede_others(
    tx: &mut Tx,
    campaign: &Campaign,
    now: Timestamp,
) -> Result<u64, StoreError> {
    const SQL: &str =
        "UPDATE reminder SET state = 'superseded', reason = 'superseded', updated_at = $4
        WHERE rule_id = $1 AND occurrence = $2 AND state = 'planned' AND timing <> $3";
    execute!(
        tx,
        sqlx::query(SQL)
            .bind(&campaign.rule)
            .bind(&campaign.occurrence)
            .bind(&campaign.timing)
            .bind(now.as_millisecond())
    )
}

/// Has campaigns of `rule` planned anew that are not done yet: its timing changed, or it goes off.
///
/// # Errors
/// When the database fails.
pub async fn reopen(tx: &mut Tx, rule: &str, now: Timestamp) -> Result<u64, StoreError> {
    const SQL: &str = "UPDATE campaign SET state = 'planning', walk_after = NULL, updated_at = $2 WHERE rule_id = $1
        AND (state = 'planning' OR (state = 'planned' AND EXISTS (SELECT 1 FROM reminder AS r
          WHERE r.rule_id = campaign.rule_id AND r.state = 'planned' AND r.occurrence = campaign.occurrence)))";
    execute!(tx, sqlx::query(SQL).bind(rule).bind(now.as_millisecond()))
}

/// Supersedes what is planned and withdraws what waits in the queue; says how many of each.
pub(super) async fn withdraw(
    tx: &mut Tx,
    campaign: &Campaign,
    now: Timestamp,
) -> Result<(u64, usize), StoreError> {
    const REMINDERS: &str =
        "UPDATE reminder SET state = 'superseded', reason = 'cancelled', updated_at = $3
        WHERE rule_id = $1 AND occurrence = $2 AND state = 'planned'";
    // Taking the rows first makes a worker that journals an attempt at this moment come wholly before or after us.
    const LOCK: &str = "UPDATE dispatch SET fence = fence WHERE message_id IN (SELECT r.message_id FROM reminder AS r
        WHERE r.rule_id = $1 AND r.occurrence = $2 AND r.state = 'composed' AND r.message_id IS NOT NULL)";
    // What may have gone out once ends in `unconfirmed`, since `cancelled` would claim that nothing did.
    const MESSAGES: &str = "UPDATE message SET reason = 'cancelled', updated_at = $3, state = CASE WHEN EXISTS
            (SELECT 1 FROM attempt AS a WHERE a.message_id = message.id AND a.phase = 'unknown') THEN 'unconfirmed' ELSE 'cancelled' END
        WHERE id IN (SELECT r.message_id FROM reminder AS r
          WHERE r.rule_id = $1 AND r.occurrence = $2 AND r.state = 'composed' AND r.message_id IS NOT NULL)
        AND CAST(state AS TEXT) IN ('scheduled', 'queued', 'held', 'sending')
        AND NOT EXISTS (SELECT 1 FROM attempt AS a WHERE a.message_id = message.id AND a.phase = 'prepared')
        RETURNING id, state, reference";
    const LAST: &str = "UPDATE message SET no_resend = TRUE, updated_at = $3
        WHERE id IN (SELECT r.message_id FROM reminder AS r
          WHERE r.rule_id = $1 AND r.occurrence = $2 AND r.state = 'composed' AND r.message_id IS NOT NULL)
        AND CAST(state AS TEXT) IN ('sending', 'uncertain')";
    const DISPATCH: &str = "DELETE FROM dispatch WHERE message_id IN (SELECT j.value ->> 'id' FROM json_each($1) AS j)";
    if campaign.occurrence.is_empty() {
        return Ok((0, 0));
    }
    let (rule, occurrence, at) = (&campaign.rule, &campaign.occurrence, now.as_millisecond());
    let superseded = execute!(
        &mut *tx,
        sqlx::query(REMINDERS).bind(rule).bind(occurrence).bind(at)
    )?;
    execute!(&mut *tx, sqlx::query(LOCK).bind(rule).bind(occurrence))?;
    let stopped: Vec<(MessageId, String, Option<String>)> = on!(&mut *tx, conn => sqlx::query_as(MESSAGES).bind(rule).bind(occurrence).bind(at).fetch_all(conn).await)?;
    execute!(
        &mut *tx,
        sqlx::query(LAST).bind(rule).bind(occurrence).bind(at)
    )?;
    let gone: Vec<super::Id<'_>> = stopped
        .iter()
        .map(|(id, ..)| super::Id { id: id.as_str() })
        .collect();
    execute!(&mut *tx, sqlx::query(DISPATCH).bind(rows(&gone)))?;
    let news: Vec<_> = stopped
        .iter()
        .map(|(id, state, reference)| told(id, state, Some("cancelled"), reference.as_deref()))
        .collect();
    events::add(tx, &news, now).await?;
    Ok((superseded, stopped.len()))
}
