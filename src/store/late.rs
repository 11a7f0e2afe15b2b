//! Answers that came after we had given up waiting (T18, T31): facts that stop a resend.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::messages::Desk;
use super::outcome::{self, Change};
use super::settle::{Next, Settlement, insert_parts};
use super::{Id, StoreError, Tx, execute, on, rows};
use crate::model::id::{AttemptId, MessageId};
use crate::model::message::{AttemptPhase, MessageState};
use crate::model::receipt::ReceiptStatus;

/// An answer to an attempt that was settled as unknown, or is about to be.
#[derive(Clone, Debug)]
pub struct LateAnswer {
    /// The attempt.
    pub attempt: AttemptId,
    /// Who answered.
    pub provider: String,
    /// Parts it took: number and its id. Empty: it refused.
    pub parts: Vec<(u8, String)>,
}

/// Applies `all`. A late yes moves the message on and stops its resend; a late no lets it go again at once.
///
/// # Errors
/// When the database fails.
pub async fn apply(
    tx: &mut Tx,
    all: &[LateAnswer],
    desk: &Desk,
    now: Timestamp,
) -> Result<(), StoreError> {
    let found = attempts(tx, all).await?;
    let (mut changes, mut refused, mut taken) = (Vec::new(), Vec::new(), Vec::new());
    for late in all {
        let Some((message, phase)) = found.get(&late.attempt) else {
            continue;
        };
        if late.parts.is_empty() {
            refused.push(Id {
                id: late.attempt.as_str(),
            });
            continue;
        }
        taken.push(settlement(late, message));
        changes.push(Change {
            attempt: late.attempt.clone(),
            message: message.clone(),
            phase: *phase,
            by_part: false,
            status: ReceiptStatus::EnRoute,
            error: None,
        });
    }
    insert_parts(tx, &taken).await?;
    outcome::apply(tx, &changes, desk, now).await?;
    requeue_refused(tx, &refused, now).await?;
    let early: Vec<_> = taken
        .iter()
        .flat_map(|s| {
            s.parts.iter().map(|(_, id)| super::receipts::Early {
                provider: &s.provider,
                provider_id: id,
            })
        })
        .collect();
    super::receipts::apply_early(tx, &early, desk, now).await
}

async fn attempts(
    tx: &mut Tx,
    all: &[LateAnswer],
) -> Result<BTreeMap<AttemptId, (MessageId, AttemptPhase)>, StoreError> {
    const SQL: &str = "SELECT id, message_id, phase FROM attempt
        WHERE phase IN ('prepared', 'unknown') AND id IN (SELECT j.value ->> 'id' FROM json_each($1) AS j)";
    let ids: Vec<Id<'_>> = all
        .iter()
        .map(|late| Id {
            id: late.attempt.as_str(),
        })
        .collect();
    let found: Vec<(AttemptId, MessageId, String)> =
        on!(tx, conn => sqlx::query_as(SQL).bind(rows(&ids)).fetch_all(conn).await)?;
    let phase = |word: &str| AttemptPhase::parse(word).unwrap_or(AttemptPhase::Unknown);
    Ok(found
        .into_iter()
        .map(|(attempt, message, word)| (attempt, (message, phase(&word))))
        .collect())
}

fn settlement(late: &LateAnswer, message: &MessageId) -> Settlement {
    Settlement {
        attempt: late.attempt.clone(),
        message: message.clone(),
        fence: 0,
        provider: late.provider.clone(),
        phase: AttemptPhase::ResolvedSent,
        error: None,
        parts: late.parts.clone(),
        state: MessageState::Submitted,
        reason: None,
        next: Next::Nothing,
        counts: false,
        switch: None,
        reroute: None,
        reference: None,
    }
}

/// A refused attempt did not leave: its message goes again now, and no copy needs to be feared.
async fn requeue_refused(
    tx: &mut Tx,
    refused: &[Id<'_>],
    now: Timestamp,
) -> Result<(), StoreError> {
    const ATTEMPT: &str = "UPDATE attempt SET phase = 'resolved_not_sent', settled_at = $2
        WHERE phase = 'unknown' AND id IN (SELECT j.value ->> 'id' FROM json_each($1) AS j) RETURNING message_id";
    const MESSAGE: &str = "UPDATE message SET state = 'queued', possible_dup = FALSE, attempts = attempts + 1, updated_at = $2
        WHERE state = 'uncertain' AND id IN (SELECT j.value ->> 'id' FROM json_each($1) AS j)";
    const DISPATCH: &str = "UPDATE dispatch SET work = 'send', due_at = $2, fence = fence + 1
        WHERE work = 'deadline' AND message_id IN (SELECT j.value ->> 'id' FROM json_each($1) AS j)";
    if refused.is_empty() {
        return Ok(());
    }
    let now = now.as_millisecond();
    let ids: Vec<(String,)> = on!(&mut *tx, conn => sqlx::query_as(ATTEMPT).bind(rows(refused)).bind(now).fetch_all(conn).await)?;
    let ids: Vec<Id<'_>> = ids.iter().map(|id| Id { id: &id.0 }).collect();
    execute!(&mut *tx, sqlx::query(MESSAGE).bind(rows(&ids)).bind(now))?;
    execute!(tx, sqlx::query(DISPATCH).bind(rows(&ids)).bind(now))?;
    Ok(())
}
