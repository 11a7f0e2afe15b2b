//! Calls off what has not left: for an address that is refused, an occasion that is declined, moved or cancelled.

use jiff::Timestamp;
use serde::Serialize;

use super::events;
use super::messages::told;
use super::patients::ids;
use super::{Id, StoreError, Tx, execute, on, rows};
use crate::model::id::{MessageId, OccasionId, PatientId, RelationId};
use crate::model::reminder::SkipReason;

/// A message `m` that has not left and is no answer of ours.
///
/// The state is cast so that no index goes by it: SQLite would walk all that wait, whoever they are for.
macro_rules! waits {
    () => {
        "m.class <> 'reply' AND m.role <> 'staff' AND CAST(m.state AS TEXT) IN ('scheduled', 'queued', 'held', 'sending', 'uncertain')"
    };
}

/// The words that are classes, as scopes of consent beside `all` and channels.
macro_rules! classes {
    () => {
        "'urgent', 'appointment', 'clinical', 'survey', 'health_tip', 'invitation', 'greeting', 'promotion'"
    };
}

/// Stops what has not left for an address (T35), but for our own answers; for one patient alone, if given.
///
/// # Errors
/// When the database fails.
pub async fn stop_address(
    tx: &mut Tx,
    address_hash: &str,
    patient: Option<&PatientId>,
    reason: &str,
    now: Timestamp,
) -> Result<usize, StoreError> {
    const FIND: &str = "SELECT id FROM message WHERE address_hash = $1 AND class <> 'reply' AND ($2 = '' OR patient_id = $2)
        AND state IN ('scheduled', 'queued', 'held', 'sending', 'uncertain')";
    let of = patient.map_or("", PatientId::as_str);
    let found: Vec<(MessageId,)> = on!(&mut *tx, conn => sqlx::query_as(FIND).bind(address_hash).bind(of).fetch_all(conn).await)?;
    let ended = end(tx, &found, "suppressed", reason, now).await?;
    Ok(ended.len())
}

/// Calls off what has not left about an occasion for patient and family (T5): they declined.
///
/// # Errors
/// When the database fails.
pub async fn withdraw_occasion(
    tx: &mut Tx,
    occasion: &OccasionId,
    now: Timestamp,
) -> Result<usize, StoreError> {
    const FIND: &str = "SELECT id FROM message WHERE occasion_id = $1 AND class <> 'reply' AND role <> 'staff'
          AND CAST(state AS TEXT) IN ('scheduled', 'queued', 'held', 'sending', 'uncertain')
        UNION SELECT m.id FROM reminder r CROSS JOIN message m WHERE r.occasion_id = $1 AND CAST(r.state AS TEXT) = 'skipped'
          AND m.id = r.message_id AND m.role <> 'staff' AND CAST(m.state AS TEXT) IN ('scheduled', 'queued', 'held', 'sending', 'uncertain')";
    let found: Vec<(MessageId,)> =
        on!(&mut *tx, conn => sqlx::query_as(FIND).bind(occasion).fetch_all(conn).await)?;
    let ended = end(tx, &found, "cancelled", "declined", now).await?;
    recall(tx, &ended, now).await?;
    Ok(ended.len())
}

/// Calls off what has not left about occasions that are cancelled (T5), and reminders of a time that they moved from.
///
/// What such a text told of other occasions is told anew.
/// # Errors
/// When the database fails.
pub async fn withdraw_stale(
    tx: &mut Tx,
    occasions: &[OccasionId],
    now: Timestamp,
) -> Result<(), StoreError> {
    const FIND: &str = concat!(
        "SELECT m.id, o.status = 'cancelled' FROM json_each($1) AS j CROSS JOIN occasion o CROSS JOIN message m
          WHERE o.id = j.value ->> 'id' AND m.occasion_id = o.id AND ",
        waits!(),
        " AND (o.status = 'cancelled' OR (m.reminder_id IS NOT NULL AND m.occasion_epoch < o.epoch))
        UNION SELECT m.id, o.status = 'cancelled' FROM json_each($1) AS j CROSS JOIN occasion o CROSS JOIN reminder r CROSS JOIN message m
          WHERE o.id = j.value ->> 'id' AND r.occasion_id = o.id AND CAST(r.state AS TEXT) = 'skipped' AND m.id = r.message_id AND ",
        waits!(),
        " AND (o.status = 'cancelled' OR r.epoch < o.epoch)"
    );
    if occasions.is_empty() {
        return Ok(());
    }
    let ids: Vec<Id<'_>> = occasions.iter().map(|id| Id { id: id.as_str() }).collect();
    let found: Vec<(MessageId, bool)> =
        on!(&mut *tx, conn => sqlx::query_as(FIND).bind(rows(&ids)).fetch_all(conn).await)?;
    let of = |is_cancelled| {
        let chosen = found
            .iter()
            .filter(move |(_, cancelled)| *cancelled == is_cancelled);
        chosen.map(|(id, _)| (id.clone(),)).collect::<Vec<_>>()
    };
    let why = SkipReason::Cancelled.as_str();
    let mut ended = end(tx, &of(true), "cancelled", why, now).await?;
    let why = SkipReason::Superseded.as_str();
    ended.extend(end(tx, &of(false), "cancelled", why, now).await?);
    recall(tx, &ended, now).await
}

/// Which of the messages to relations are called off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// All: the relation is no more.
    All,
    /// Those of a class that there is no consent for.
    WithoutConsent,
}

/// Calls off what has not left for these relations (T35), so that the reminders are looked at anew.
///
/// # Errors
/// When the database fails.
pub async fn withdraw_from_relations(
    tx: &mut Tx,
    relations: &[RelationId],
    which: Which,
    now: Timestamp,
) -> Result<(), StoreError> {
    // The classes that a consent is for are rows; without any it is for all (`Relation::may_hear`).
    const FIND: &str = concat!(
        "SELECT m.id FROM json_each($1) AS j CROSS JOIN relation r CROSS JOIN message m
          WHERE r.id = j.value ->> 'id' AND m.patient_id = r.patient_id AND m.relation_id = r.id AND ",
        waits!(),
        " AND ($2 = 'all' OR r.consented = FALSE OR (
            EXISTS (SELECT 1 FROM consent c WHERE c.patient_id = r.patient_id AND c.relation_id = r.id AND c.granted = TRUE AND c.scope IN (",
        classes!(),
        ")) AND NOT EXISTS (SELECT 1 FROM consent c WHERE c.patient_id = r.patient_id AND c.relation_id = r.id AND c.granted = TRUE
            AND c.scope = m.class)))"
    );
    if relations.is_empty() {
        return Ok(());
    }
    let ids: Vec<Id<'_>> = relations.iter().map(|id| Id { id: id.as_str() }).collect();
    let which = match which {
        Which::All => "all",
        Which::WithoutConsent => "without_consent",
    };
    let found: Vec<(MessageId,)> = on!(&mut *tx, conn => sqlx::query_as(FIND).bind(rows(&ids)).bind(which).fetch_all(conn).await)?;
    let ended = end(
        tx,
        &found,
        "suppressed",
        SkipReason::NoConsent.as_str(),
        now,
    )
    .await?;
    recall(tx, &ended, now).await
}

/// Calls off what has not left for patients who refuse it or who are held by now (T35); the reminders are looked at anew.
///
/// # Errors
/// When the database fails.
pub async fn withdraw_refused(
    tx: &mut Tx,
    patients: &[PatientId],
    now: Timestamp,
) -> Result<(), StoreError> {
    const FIND: &str = concat!(
        "SELECT m.id, p.held FROM json_each($1) AS j CROSS JOIN patient p CROSS JOIN message m
          WHERE p.id = j.value ->> 'id' AND m.patient_id = p.id AND ",
        waits!(),
        " AND (p.held = TRUE OR EXISTS (SELECT 1 FROM consent c WHERE c.patient_id = p.id AND c.relation_id = COALESCE(m.relation_id, '')
            AND c.granted = FALSE AND c.scope IN ('all', m.class, m.channel)))"
    );
    let found: Vec<(MessageId, bool)> =
        on!(&mut *tx, conn => sqlx::query_as(FIND).bind(ids(patients)).fetch_all(conn).await)?;
    for (is_held, why) in [(true, SkipReason::Held), (false, SkipReason::OptedOut)] {
        let of_one = found.iter().filter(|(_, held)| *held == is_held);
        let of_one: Vec<(MessageId,)> = of_one.map(|(id, _)| (id.clone(),)).collect();
        let ended = end(tx, &of_one, "suppressed", why.as_str(), now).await?;
        recall(tx, &ended, now).await?;
    }
    Ok(())
}

/// A patient, and a rule whose messages their record may have made needless.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Needless {
    /// Whose record.
    pub patient: PatientId,
    /// The rule's id.
    pub rule: String,
}

/// Calls off what has not left of rules that a record may have made needless (T5): the reminders are looked at anew,
/// and what is still of use is told after all.
///
/// # Errors
/// When the database fails.
pub async fn withdraw_needless(
    tx: &mut Tx,
    needless: &[Needless],
    now: Timestamp,
) -> Result<(), StoreError> {
    const FIND: &str = concat!(
        "SELECT m.id FROM json_each($1) AS j CROSS JOIN message m
          WHERE m.patient_id = j.value ->> 'patient' AND m.reminder_id IS NOT NULL AND ",
        waits!(),
        " AND (m.rule_id = j.value ->> 'rule' OR EXISTS (SELECT 1 FROM reminder r WHERE r.occasion_id IS NOT NULL AND r.patient_id = m.patient_id
            AND r.message_id = m.id AND r.rule_id = j.value ->> 'rule'))"
    );
    if needless.is_empty() {
        return Ok(());
    }
    let mut found: Vec<(MessageId,)> =
        on!(&mut *tx, conn => sqlx::query_as(FIND).bind(rows(needless)).fetch_all(conn).await)?;
    found.sort_unstable();
    found.dedup();
    let ended = end(tx, &found, "cancelled", SkipReason::Done.as_str(), now).await?;
    recall(tx, &ended, now).await
}

/// Plans anew what messages that were called off before they left told of occasions that still stand.
async fn recall(tx: &mut Tx, ended: &[MessageId], now: Timestamp) -> Result<(), StoreError> {
    const BACK: &str = "UPDATE reminder SET state = 'planned', reason = NULL, message_id = NULL, updated_at = $2
        WHERE message_id IN (SELECT j.value ->> 'id' FROM json_each($1) AS j) AND rule_id <> ''
          AND EXISTS (SELECT 1 FROM message m WHERE m.id = reminder.message_id AND m.state IN ('cancelled', 'suppressed'))
          AND (occasion_id IS NULL OR EXISTS (SELECT 1 FROM occasion o WHERE o.id = reminder.occasion_id AND o.epoch = reminder.epoch
            AND o.status <> 'cancelled' AND o.confirmation <> 'declined'))";
    // The key is free again for the message that takes its place.
    const FREE: &str = "UPDATE message SET dedupe_key = dedupe_key || '#' || id
        WHERE source = 'rule' AND id IN (SELECT j.value ->> 'id' FROM json_each($1) AS j)";
    if ended.is_empty() {
        return Ok(());
    }
    let ids: Vec<Id<'_>> = ended.iter().map(|id| Id { id: id.as_str() }).collect();
    let json = rows(&ids);
    let back = execute!(
        &mut *tx,
        sqlx::query(BACK).bind(&json).bind(now.as_millisecond())
    )?;
    if back > 0 {
        execute!(tx, sqlx::query(FREE).bind(&json))?;
    }
    Ok(())
}

/// Ends messages that have not left. One that may have left ends as `unconfirmed`; one on the wire is left to its answer.
async fn end(
    tx: &mut Tx,
    found: &[(MessageId,)],
    state: &str,
    reason: &str,
    now: Timestamp,
) -> Result<Vec<MessageId>, StoreError> {
    // The dispatch row first: a worker that journals at this moment comes wholly before or after us.
    const LOCK: &str = "UPDATE dispatch SET fence = fence WHERE message_id IN (SELECT j.value ->> 'id' FROM json_each($1) AS j)";
    const HOLD: &str = "UPDATE message SET no_resend = TRUE WHERE state = 'uncertain' AND id IN (SELECT j.value ->> 'id' FROM json_each($1) AS j)";
    // The state is cast so that no index goes by it: SQLite would walk all that wait, whoever they are for.
    const END: &str = "UPDATE message SET reason = $3, updated_at = $4, state = CASE WHEN EXISTS
            (SELECT 1 FROM attempt a WHERE a.message_id = message.id AND a.phase = 'unknown') THEN 'unconfirmed' ELSE $2 END
        WHERE id IN (SELECT j.value ->> 'id' FROM json_each($1) AS j)
          AND (CAST(state AS TEXT) IN ('scheduled', 'queued', 'held') OR (CAST(state AS TEXT) = 'sending' AND NOT EXISTS
            (SELECT 1 FROM attempt a WHERE a.message_id = message.id AND a.phase = 'prepared')))
        RETURNING id, state, reference";
    const UNASKED: &str = "UPDATE question SET state = 'closed' WHERE state = 'open' AND message_id IN (SELECT j.value ->> 'id' FROM json_each($1) AS j)
        AND NOT EXISTS (SELECT 1 FROM attempt a WHERE a.message_id = question.message_id AND a.phase NOT IN ('not_sent', 'rejected'))";
    const GONE: &str = "DELETE FROM dispatch WHERE message_id IN (SELECT j.value ->> 'id' FROM json_each($1) AS j)";
    if found.is_empty() {
        return Ok(Vec::new());
    }
    let ids: Vec<Id<'_>> = found.iter().map(|id| Id { id: id.0.as_str() }).collect();
    let json = rows(&ids);
    execute!(&mut *tx, sqlx::query(LOCK).bind(&json))?;
    execute!(&mut *tx, sqlx::query(HOLD).bind(&json))?;
    let ended: Vec<(MessageId, String, Option<String>)> = on!(&mut *tx, conn => sqlx::query_as(END).bind(&json).bind(state).bind(reason).bind(now.as_millisecond()).fetch_all(conn).await)?;
    #[derive(Serialize)]
    struct Gone<'a> {
        id: &'a MessageId,
    }
    let gone: Vec<Gone<'_>> = ended.iter().map(|(id, ..)| Gone { id }).collect();
    execute!(&mut *tx, sqlx::query(GONE).bind(rows(&gone)))?;
    // What never left was never asked; a reply means something else.
    let unasked: Vec<Gone<'_>> = ended
        .iter()
        .filter(|(_, state, _)| state != "unconfirmed")
        .map(|(id, ..)| Gone { id })
        .collect();
    execute!(&mut *tx, sqlx::query(UNASKED).bind(rows(&unasked)))?;
    let news: Vec<_> = ended
        .iter()
        .map(|(id, state, reference)| told(id, state, Some(reason), reference.as_deref()))
        .collect();
    events::add(tx, &news, now).await?;
    Ok(ended.into_iter().map(|(id, ..)| id).collect())
}
