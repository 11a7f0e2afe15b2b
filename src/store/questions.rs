//! What we asked, bound to the address that was asked, so that a bare "1" finds its booking.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::events::{self, NewEvent};
use super::{StoreError, Tx, execute, on, rows};
use crate::model::id::{MessageId, OccasionId, PatientId, QuestionId, RelationId};
use crate::model::message::Ask;

/// People answer a survey when they find the time.
const A_WEEK: SignedDuration = SignedDuration::from_hours(24 * 7);

/// One occasion that is asked about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// Its id.
    pub id: OccasionId,
    /// The date that was asked about: an answer to another epoch counts for nothing.
    pub epoch: i64,
}

/// A question that goes out with a message.
#[derive(Clone, Debug)]
pub struct NewQuestion {
    /// The message that asks.
    pub message: MessageId,
    /// The address it goes to first.
    pub address_hash: String,
    /// Who it is about.
    pub patient: PatientId,
    /// The relation that is asked, for family.
    pub relation: Option<RelationId>,
    /// What is asked about; "1" confirms all.
    pub occasions: Vec<Asked>,
    /// What is asked.
    pub kind: Ask,
    /// What may be chosen, for `choice`.
    pub options: Vec<String>,
    /// An answer that comes later is not one.
    pub expires_at: Timestamp,
}

impl NewQuestion {
    /// How long it is open: to the booking it asks about; where it asks about none that comes, a week at least.
    fn open_until(&self, now: Timestamp) -> Timestamp {
        if self.kind != Ask::Survey && !self.occasions.is_empty() {
            return self.expires_at;
        }
        let week = now.saturating_add(A_WEEK).unwrap_or(self.expires_at);
        self.expires_at.max(week)
    }
}

/// A question that was asked.
#[derive(Clone, Debug)]
pub struct Question {
    /// Its id.
    pub id: QuestionId,
    /// The message that asks.
    pub message: MessageId,
    /// Who it is about.
    pub patient: PatientId,
    /// The relation that is asked, for family.
    pub relation: Option<RelationId>,
    /// What is asked about.
    pub occasions: Vec<Asked>,
    /// What is asked.
    pub kind: Ask,
    /// What may be chosen, for `choice`.
    pub options: Vec<String>,
    /// When it was asked.
    pub asked_at: Timestamp,
    /// An answer that comes later is not one.
    pub expires_at: Timestamp,
}

/// Asks `questions` and sets the occasions nobody asked about before to `awaiting`.
///
/// # Errors
/// When the database fails.
pub async fn ask(tx: &mut Tx, questions: &[NewQuestion], now: Timestamp) -> Result<(), StoreError> {
    const INSERT: &str = "INSERT INTO question (id, message_id, address_hash, patient_id, relation_id, occasions, kind, options, state,
          asked_at, expires_at)
        SELECT j.value ->> 'id', j.value ->> 'message_id', j.value ->> 'address_hash', j.value ->> 'patient_id', j.value ->> 'relation_id',
          j.value ->> 'occasions', j.value ->> 'kind', j.value ->> 'options', 'open', $2, CAST(j.value ->> 'expires_at' AS BIGINT)
        FROM json_each($1) AS j";
    // Only `none` becomes `awaiting` when a question goes out: `Confirmation::after`.
    const AWAIT: &str = "UPDATE occasion SET confirmation = 'awaiting' WHERE confirmation = 'none' AND (id, epoch) IN
          (SELECT j.value ->> 'id', CAST(j.value ->> 'epoch' AS BIGINT) FROM json_each($1) AS j)
        RETURNING id, patient_id, epoch, source, source_key";
    #[derive(Serialize)]
    struct Row<'a> {
        id: QuestionId,
        message_id: &'a MessageId,
        address_hash: &'a str,
        patient_id: &'a PatientId,
        relation_id: Option<&'a RelationId>,
        occasions: String,
        kind: Ask,
        options: String,
        expires_at: i64,
    }
    if questions.is_empty() {
        return Ok(());
    }
    let json =
        |value: Result<String, serde_json::Error>| value.expect("ids and words are plain JSON");
    let set: Vec<Row<'_>> = questions
        .iter()
        .map(|q| Row {
            id: QuestionId::generate(),
            message_id: &q.message,
            address_hash: &q.address_hash,
            patient_id: &q.patient,
            relation_id: q.relation.as_ref(),
            occasions: json(serde_json::to_string(&q.occasions)),
            kind: q.kind,
            options: json(serde_json::to_string(&q.options)),
            expires_at: q.open_until(now).as_millisecond(),
        })
        .collect();
    execute!(
        &mut *tx,
        sqlx::query(INSERT)
            .bind(rows(&set))
            .bind(now.as_millisecond())
    )?;
    let confirms = questions
        .iter()
        .filter(|q| matches!(q.kind, Ask::Confirm | Ask::Rsvp));
    let occasions: Vec<&Asked> = confirms.flat_map(|q| &q.occasions).collect();
    if occasions.is_empty() {
        return Ok(());
    }
    let awaiting: Vec<(OccasionId, PatientId, i64, String, String)> =
        on!(&mut *tx, conn => sqlx::query_as(AWAIT).bind(rows(&occasions)).fetch_all(conn).await)?;
    let told: Vec<NewEvent> = awaiting.into_iter().map(|(id, patient, epoch, source, key)| NewEvent {
        kind: "occasion.awaiting".to_owned(),
        data: serde_json::json!({"occasion": id, "patient": patient, "epoch": epoch, "source": source, "source_key": key}),
    }).collect();
    events::add(tx, &told, now).await
}

/// The open questions that an address was asked, the latest first.
///
/// # Errors
/// When the database fails or a row cannot be read.
pub async fn open(
    tx: &mut Tx,
    address_hash: &str,
    now: Timestamp,
) -> Result<Vec<Question>, StoreError> {
    read(tx, address_hash, "open", now).await
}

async fn read(
    tx: &mut Tx,
    address_hash: &str,
    state: &str,
    now: Timestamp,
) -> Result<Vec<Question>, StoreError> {
    #[derive(sqlx::FromRow)]
    struct Row {
        id: QuestionId,
        message_id: MessageId,
        patient_id: PatientId,
        relation_id: Option<RelationId>,
        occasions: String,
        kind: String,
        options: String,
        asked_at: i64,
        expires_at: i64,
    }
    const SQL: &str = "SELECT id, message_id, patient_id, relation_id, occasions, kind, options, asked_at, expires_at FROM question
        WHERE id IN (SELECT q.id FROM question q WHERE q.address_hash = $1 UNION SELECT a.question_id FROM question_reach a WHERE a.address_hash = $1)
          AND expires_at > $2 AND state = $3 ORDER BY asked_at DESC, id DESC";
    let found: Vec<Row> = on!(tx, conn => sqlx::query_as(SQL).bind(address_hash).bind(now.as_millisecond()).bind(state).fetch_all(conn).await)?;
    let bad = |what| StoreError::BadRow {
        table: "question",
        what,
    };
    found
        .into_iter()
        .map(|row| {
            Ok(Question {
                id: row.id,
                message: row.message_id,
                patient: row.patient_id,
                relation: row.relation_id,
                occasions: serde_json::from_str(&row.occasions).map_err(|_| bad("occasions"))?,
                kind: Ask::parse(&row.kind).ok_or(bad("kind"))?,
                options: serde_json::from_str(&row.options).map_err(|_| bad("options"))?,
                asked_at: Timestamp::from_millisecond(row.asked_at).map_err(|_| bad("asked_at"))?,
                expires_at: Timestamp::from_millisecond(row.expires_at)
                    .map_err(|_| bad("expires_at"))?,
            })
        })
        .collect()
}

/// Notes that a question was answered. False when it was not open any more.
///
/// # Errors
/// When the database fails.
pub async fn answered(tx: &mut Tx, question: &QuestionId) -> Result<bool, StoreError> {
    const SQL: &str = "UPDATE question SET state = 'answered' WHERE id = $1 AND state = 'open'";
    Ok(execute!(tx, sqlx::query(SQL).bind(question))? > 0)
}

/// Binds the questions of messages to the addresses that these went on to, each a message and a hash.
///
/// The first address stays bound: what did not arrive as far as the network knows may have been read all the same.
/// # Errors
/// When the database fails.
pub(super) async fn follow(tx: &mut Tx, switched: &[(&MessageId, &str)]) -> Result<(), StoreError> {
    #[derive(Serialize)]
    struct Row<'a> {
        id: &'a MessageId,
        address_hash: &'a str,
    }
    const SQL: &str = "INSERT INTO question_reach (address_hash, question_id)
        SELECT j.value ->> 'address_hash', q.id FROM json_each($1) AS j CROSS JOIN question q
        WHERE q.message_id = j.value ->> 'id' AND q.address_hash <> j.value ->> 'address_hash'
        ON CONFLICT (address_hash, question_id) DO NOTHING";
    if switched.is_empty() {
        return Ok(());
    }
    let set: Vec<Row<'_>> = switched
        .iter()
        .map(|(id, address_hash)| Row { id, address_hash })
        .collect();
    execute!(tx, sqlx::query(SQL).bind(rows(&set)))?;
    Ok(())
}

/// Closes the open questions of a message that will not be read any more.
///
/// # Errors
/// When the database fails.
pub async fn close(tx: &mut Tx, message: &MessageId) -> Result<(), StoreError> {
    const SQL: &str =
        "UPDATE question SET state = 'closed' WHERE message_id = $1 AND state = 'open'";
    execute!(tx, sqlx::query(SQL).bind(message))?;
    Ok(())
}

/// Questions that an address answered already and whose time lasts, the latest first: people change their minds.
///
/// # Errors
/// When the database fails or a row cannot be read.
pub async fn answered_before(
    tx: &mut Tx,
    address_hash: &str,
    now: Timestamp,
) -> Result<Vec<Question>, StoreError> {
    read(tx, address_hash, "answered", now).await
}

#[cfg(test)]
mod tests;
