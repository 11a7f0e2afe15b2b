//! Patients' wishes about their bookings, for the hospital system or a clerk to answer.

use jiff::Timestamp;

use super::events::{self, NewEvent};
use super::message_view::{Place, instant};
use super::{StoreError, Tx, audits, marks, on};
use crate::model::id::{ChangeRequestId, OccasionId, PatientId, ReplyId};

/// A wish as it stands.
#[derive(Clone, Debug)]
pub struct ChangeRequest {
    /// Its id.
    pub id: ChangeRequestId,
    /// The booking.
    pub occasion: OccasionId,
    /// The system the booking is from, and its key there; none when the booking is gone.
    pub booking: Option<(String, String)>,
    /// The booking's epoch when the patient wrote.
    pub epoch: i64,
    /// Whose it is.
    pub patient: PatientId,
    /// The reply that says so.
    pub reply: Option<ReplyId>,
    /// `cancel` or `reschedule`.
    pub wish: String,
    /// The time they would like, as far as it could be read.
    pub slots: serde_json::Value,
    /// `new`, `accepted`, `rejected` or `superseded`.
    pub state: String,
    /// What was said with the answer.
    pub reason: Option<String>,
    /// When it came up.
    pub created_at: Timestamp,
    /// When it was answered.
    pub answered_at: Option<Timestamp>,
}

/// What a wish is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It will be so.
    Accepted,
    /// It will not.
    Rejected,
}

impl Answer {
    /// The state that it leads to.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Rejected => "rejected",
        }
    }
}

/// What became of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answered {
    /// It stands, now or since before.
    Done,
    /// Another answer came first, or a newer wish.
    Otherwise {
        /// Where it stands.
        state: String,
    },
    /// There is no such wish.
    NotFound,
}

type Row = (
    ChangeRequestId,
    OccasionId,
    Option<String>,
    Option<String>,
    i64,
    PatientId,
    Option<ReplyId>,
    String,
    String,
    String,
    Option<String>,
    i64,
    Option<i64>,
);

/// One page of wishes, newest first; `state` empty for all.
///
/// # Errors
/// When the database fails or a row cannot be read.
pub async fn list(
    tx: &mut Tx,
    state: &str,
    after: Option<&Place>,
    most: i64,
) -> Result<Vec<ChangeRequest>, StoreError> {
    const SQL: &str = "SELECT c.id, c.occasion_id, o.source, o.source_key, c.epoch, c.patient_id, c.reply_id, c.wish, c.slots, c.state, c.reason,
          c.created_at, c.answered_at
        FROM change_request AS c LEFT JOIN occasion AS o ON o.id = c.occasion_id
        WHERE ($1 = '' OR c.state = $1) AND (c.created_at, c.id) < ($2, $3) ORDER BY c.created_at DESC, c.id DESC LIMIT $4";
    let (at, id) = after.map_or((i64::MAX, "zzzz"), |place| (place.at, place.id.as_str()));
    let rows: Vec<Row> = on!(tx, conn => sqlx::query_as(SQL).bind(state).bind(at).bind(id).bind(most).fetch_all(conn).await)?;
    rows.into_iter().map(read).collect()
}

/// Answers a wish for `actor`; its patient is planned again.
///
/// # Errors
/// When the database fails.
pub async fn answer(
    tx: &mut Tx,
    id: &ChangeRequestId,
    answer: Answer,
    reason: Option<&str>,
    actor: &str,
    now: Timestamp,
) -> Result<Answered, StoreError> {
    const SQL: &str = "UPDATE change_request SET state = $2, reason = $3, answered_at = $4 WHERE id = $1 AND state = 'new'
        RETURNING occasion_id, patient_id";
    const READ: &str = "SELECT state FROM change_request WHERE id = $1";
    let (word, at) = (answer.as_str(), now.as_millisecond());
    let changed: Option<(OccasionId, PatientId)> = on!(&mut *tx, conn => sqlx::query_as(SQL).bind(id).bind(word).bind(reason).bind(at).fetch_optional(conn).await)?;
    let Some((occasion, patient)) = changed else {
        let state: Option<String> =
            on!(&mut *tx, conn => sqlx::query_scalar(READ).bind(id).fetch_optional(conn).await)?;
        return Ok(match state {
            None => Answered::NotFound,
            Some(state) if state == word => Answered::Done,
            Some(state) => Answered::Otherwise { state },
        });
    };
    let data =
        serde_json::json!({"id": id, "occasion": occasion, "patient": patient, "state": word});
    events::add(
        tx,
        &[NewEvent {
            kind: format!("change_request.{word}"),
            data,
        }],
        now,
    )
    .await?;
    let detail = serde_json::json!({"answer": word});
    audits::add(
        tx,
        &audits::NewAudit {
            actor,
            action: "change_request.answer",
            target: id.as_str(),
            detail,
        },
        now,
    )
    .await?;
    marks::add(tx, &[patient], now).await?;
    Ok(Answered::Done)
}

fn read(row: Row) -> Result<ChangeRequest, StoreError> {
    let (
        id,
        occasion,
        source,
        key,
        epoch,
        patient,
        reply,
        wish,
        slots,
        state,
        reason,
        created_at,
        answered_at,
    ) = row;
    let bad = |what| StoreError::BadRow {
        table: "change_request",
        what,
    };
    Ok(ChangeRequest {
        id,
        occasion,
        booking: source.zip(key),
        epoch,
        patient,
        reply,
        wish,
        slots: serde_json::from_str(&slots).map_err(|_| bad("slots"))?,
        state,
        reason,
        created_at: instant("change_request", created_at)?,
        answered_at: answered_at
            .map(|at| instant("change_request", at))
            .transpose()?,
    })
}
