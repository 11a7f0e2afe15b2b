//! What the worker does to webhooks: who has something to hear, who tells it, and what came of it.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::json;

use super::events::{self, Event, NewEvent};
use super::webhook_details::{self, Details};
use super::webhooks::{Row, Webhook};
use super::{StoreError, Tx, execute, on, rows};
use crate::model::id::{AsideId, EventId, WebhookDeliveryId, WebhookId};
use crate::model::webhook::{AsideKind, DisabledReason, TryOutcome, WebhookState};

/// A webhook that may have something to hear.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Waiting {
    /// Which.
    pub id: WebhookId,
    /// The number of the last event that is done with.
    pub cursor: i64,
    /// The number of the last event that there is.
    pub last: i64,
    /// Whether it is enabled and its time has come.
    pub is_due: bool,
    /// How many events beside its turn are due.
    pub asides: i64,
}

/// Webhooks that may have something to hear at `now`.
///
/// # Errors
/// When the database fails.
pub async fn waiting(tx: &mut Tx, now: Timestamp) -> Result<Vec<Waiting>, StoreError> {
    const SQL: &str = "SELECT * FROM (SELECT w.id, w.cursor, l.last, w.state = 'enabled' AND w.due_at <= $1 AND w.cursor < l.last AS is_due,
          (SELECT COUNT(*) FROM webhook_aside AS a WHERE a.webhook_id = w.id AND a.due_at <= $1 AND (a.kind = 'test' OR w.state = 'enabled')) AS asides
        FROM webhook AS w CROSS JOIN (SELECT COALESCE(MAX(seq), 0) AS last FROM event WHERE seq IS NOT NULL) AS l) AS all_of_them
        WHERE is_due OR asides > 0 ORDER BY id";
    on!(tx, conn => sqlx::query_as(SQL).bind(now.as_millisecond()).fetch_all(conn).await)
}

/// The right to tell a webhook, until it runs out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease {
    /// What is written later must carry it.
    pub fence: i64,
    /// When it runs out.
    pub until: Timestamp,
}

/// Takes or extends the right of `owner` to tell the webhook, unless another process has it.
///
/// # Errors
/// When the database fails.
pub async fn claim(
    tx: &mut Tx,
    id: &WebhookId,
    owner: &str,
    until: Timestamp,
    now: Timestamp,
) -> Result<Option<Lease>, StoreError> {
    // On SQLite there is one process: a lease of another is one that is dead.
    const SQL: &str = "UPDATE webhook SET lease_owner = $2, lease_until = $3, fence = CASE WHEN lease_owner = $2 THEN fence ELSE fence + 1 END
        WHERE id = $1 AND (lease_owner IS NULL OR lease_owner = $2 OR lease_until <= $4 OR CAST($5 AS BOOLEAN)) RETURNING fence";
    let is_alone = matches!(tx, Tx::Sqlite(_));
    let fence: Option<i64> = on!(tx, conn => sqlx::query_scalar(SQL).bind(id).bind(owner).bind(until.as_millisecond())
        .bind(now.as_millisecond()).bind(is_alone).fetch_optional(conn).await)?;
    Ok(fence.map(|fence| Lease { fence, until }))
}

/// Gives back what `owner` leased, so that another process need not wait.
///
/// # Errors
/// When the database fails.
pub async fn release(tx: &mut Tx, owner: &str) -> Result<(), StoreError> {
    const SQL: &str =
        "UPDATE webhook SET lease_owner = NULL, lease_until = NULL WHERE lease_owner = $1";
    execute!(tx, sqlx::query(SQL).bind(owner)).map(|_| ())
}

/// An event that goes to a webhook beside its turn.
#[derive(Clone, Debug)]
pub struct Aside {
    /// Its id.
    pub id: AsideId,
    /// Why.
    pub kind: AsideKind,
    /// Refusals so far.
    pub tries: i64,
    /// When it was put aside or asked for.
    pub first_at: Timestamp,
    /// The event; `None` when it is kept no more.
    pub event: Option<Event>,
    /// The event's id.
    pub event_id: EventId,
}

/// What a webhook is to hear now.
#[derive(Clone, Debug)]
pub struct Material {
    /// The webhook.
    pub webhook: Webhook,
    /// What is due beside its turn.
    pub asides: Vec<Aside>,
    /// How many wait beside its turn after refusals, due or not.
    pub refused: i64,
    /// What follows its cursor, whatever its filter says.
    pub events: Vec<Event>,
    /// What it is told beyond ids and states, if it asked for more.
    pub details: BTreeMap<EventId, Details>,
}

/// What webhook `id` is to hear at `now`: up to `most` events after its cursor, or after `seen` where that is later.
///
/// # Errors
/// When the database fails or a row cannot be read.
pub async fn material(
    tx: &mut Tx,
    id: &WebhookId,
    seen: i64,
    most: i64,
    now: Timestamp,
) -> Result<Option<Material>, StoreError> {
    const SQL: &str = "SELECT * FROM webhook WHERE id = $1";
    const REFUSED: &str =
        "SELECT COUNT(*) FROM webhook_aside WHERE webhook_id = $1 AND kind = 'retry'";
    let row: Option<Row> =
        on!(&mut *tx, conn => sqlx::query_as(SQL).bind(id).fetch_optional(conn).await)?;
    let Some(webhook) = row.map(Row::read).transpose()? else {
        return Ok(None);
    };
    let is_enabled = webhook.state == WebhookState::Enabled;
    let refused: i64 =
        on!(&mut *tx, conn => sqlx::query_scalar(REFUSED).bind(id).fetch_one(conn).await)?;
    let asides = asides(tx, id, is_enabled, now).await?;
    let events = if is_enabled && webhook.due_at <= now {
        events::after(tx, webhook.cursor.max(seen), most).await?
    } else {
        Vec::new()
    };
    let details = if webhook.wish.include.is_empty() {
        BTreeMap::new()
    } else {
        let filter = &webhook.wish.filter;
        let beside = asides.iter().filter_map(|aside| aside.event.as_ref());
        let wanted = beside.chain(events.iter().filter(|event| filter.takes(&event.kind)));
        webhook_details::of(tx, &wanted.collect::<Vec<_>>()).await?
    };
    Ok(Some(Material {
        webhook,
        asides,
        refused,
        events,
        details,
    }))
}

#[derive(sqlx::FromRow)]
struct AsideRow {
    id: AsideId,
    kind: String,
    tries: i64,
    first_at: i64,
    event_id: EventId,
    seq: Option<i64>,
    #[sqlx(rename = "type")]
    event_type: Option<String>,
    at: Option<i64>,
    data: Option<String>,
}

/// How many events beside its turn a webhook hears of at once.
const ASIDES: i64 = 5;

async fn asides(
    tx: &mut Tx,
    id: &WebhookId,
    is_enabled: bool,
    now: Timestamp,
) -> Result<Vec<Aside>, StoreError> {
    const SQL: &str = "SELECT a.id, a.kind, a.tries, a.first_at, a.event_id, e.seq, e.type, e.at, e.data
        FROM webhook_aside AS a LEFT JOIN event AS e ON e.id = a.event_id
        WHERE a.webhook_id = $1 AND a.due_at <= $2 AND (a.kind = 'test' OR CAST($3 AS BOOLEAN)) ORDER BY a.due_at, a.id LIMIT $4";
    let found: Vec<AsideRow> = on!(tx, conn => sqlx::query_as(SQL).bind(id).bind(now.as_millisecond()).bind(is_enabled).bind(ASIDES).fetch_all(conn).await)?;
    let bad = |what| StoreError::BadRow {
        table: "webhook_aside",
        what,
    };
    let instant = |ms| Timestamp::from_millisecond(ms).map_err(|_| bad("an instant"));
    found
        .into_iter()
        .map(|row| {
            let event = match (row.event_type, row.at, row.data) {
                (Some(kind), Some(at), Some(data)) => Some(Event {
                    seq: row.seq.unwrap_or_default(),
                    id: row.event_id.clone(),
                    kind,
                    at: instant(at)?,
                    data: serde_json::from_str(&data).map_err(|_| bad("data"))?,
                }),
                (_, _, _) => None,
            };
            Ok(Aside {
                id: row.id,
                kind: AsideKind::parse(&row.kind).ok_or(bad("kind"))?,
                tries: row.tries,
                first_at: instant(row.first_at)?,
                event,
                event_id: row.event_id,
            })
        })
        .collect()
}

/// One try, for the log.
#[derive(Clone, Debug, Serialize)]
pub struct Try {
    /// Its id.
    pub id: WebhookDeliveryId,
    /// The event.
    pub event_id: EventId,
    /// The event's type.
    pub event_type: String,
    /// Which try it was, from 1.
    #[serde(rename = "try")]
    pub number: i64,
    /// When.
    pub at: i64,
    /// How long it took.
    pub took_ms: i64,
    /// What came of it.
    pub outcome: TryOutcome,
    /// What was wrong.
    pub problem: Option<String>,
    /// The status of the answer.
    pub status: Option<i64>,
}

/// Where a webhook stands after a turn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// As before: nothing was sent, or beside its turn only.
    Same,
    /// Everything was taken.
    Well,
    /// The next event was refused, and is tried again.
    Waits {
        /// How often so far.
        tries: i64,
        /// When.
        due_at: Timestamp,
    },
    /// The last event was put aside: the next one is tried at once.
    PutAside,
    /// It is told nothing more.
    Disabled(DisabledReason),
}

/// What becomes of an event beside its turn.
#[derive(Clone, Debug)]
pub enum AsideEnd {
    /// It is done with.
    Done(AsideId),
    /// It is tried again.
    Again {
        /// Which.
        id: AsideId,
        /// Which event.
        event: EventId,
        /// Refusals so far.
        tries: i64,
        /// When.
        due_at: Timestamp,
    },
    /// An event of its turn is put aside.
    Put {
        /// Which event.
        event: EventId,
        /// Refusals so far.
        tries: i64,
        /// When it is tried again.
        due_at: Timestamp,
    },
}

/// What came of a turn.
#[derive(Clone, Debug)]
pub struct Turn {
    /// Whose.
    pub id: WebhookId,
    /// The right it was told by.
    pub fence: i64,
    /// Where the cursor stood.
    pub from: i64,
    /// Where it stands now.
    pub to: i64,
    /// Where the webhook stands.
    pub standing: Standing,
    /// What the last failure was, and the status of the answer.
    pub problem: Option<(&'static str, Option<i64>)>,
    /// What becomes of events beside its turn.
    pub asides: Vec<AsideEnd>,
    /// Every try.
    pub tries: Vec<Try>,
}

/// What became of a turn's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settled {
    /// Another process has taken over: nothing of it is kept.
    Lost,
    /// It is kept. The cursor is left alone where somebody moved it meanwhile.
    Kept,
    /// It is kept, and the webhook is disabled by it.
    Disabled,
}

/// Keeps what came of a turn.
///
/// # Errors
/// When the database fails.
pub async fn settle(tx: &mut Tx, turn: &Turn, now: Timestamp) -> Result<Settled, StoreError> {
    const HELD: &str = "UPDATE webhook SET fence = fence WHERE id = $1 AND fence = $2";
    if execute!(&mut *tx, sqlx::query(HELD).bind(&turn.id).bind(turn.fence))? == 0 {
        return Ok(Settled::Lost);
    }
    log(tx, &turn.id, &turn.tries).await?;
    settle_asides(tx, turn, now).await?;
    let moved = stand(tx, turn, now).await?;
    if let Standing::Disabled(reason) = turn.standing
        && moved
    {
        let data = json!({"id": turn.id, "reason": reason});
        let kind = "webhook.disabled".to_owned();
        events::add(tx, &[NewEvent { kind, data }], now).await?;
        return Ok(Settled::Disabled);
    }
    Ok(Settled::Kept)
}

async fn log(tx: &mut Tx, id: &WebhookId, tries: &[Try]) -> Result<(), StoreError> {
    const SQL: &str = "INSERT INTO webhook_delivery (id, webhook_id, event_id, event_type, try, at, took_ms, outcome, problem, status)
        SELECT j.value ->> 'id', $2, j.value ->> 'event_id', j.value ->> 'event_type', CAST(j.value ->> 'try' AS BIGINT),
          CAST(j.value ->> 'at' AS BIGINT), CAST(j.value ->> 'took_ms' AS BIGINT), j.value ->> 'outcome', j.value ->> 'problem',
          CAST(j.value ->> 'status' AS BIGINT) FROM json_each($1) AS j";
    if tries.is_empty() {
        return Ok(());
    }
    execute!(tx, sqlx::query(SQL).bind(rows(tries)).bind(id)).map(|_| ())
}

async fn settle_asides(tx: &mut Tx, turn: &Turn, now: Timestamp) -> Result<(), StoreError> {
    const DONE: &str =
        "DELETE FROM webhook_aside WHERE id IN (SELECT j.value ->> 'id' FROM json_each($1) AS j)";
    const PUT: &str = "INSERT INTO webhook_aside (id, webhook_id, event_id, kind, tries, due_at, first_at)
        SELECT j.value ->> 'id', $2, j.value ->> 'event_id', 'retry', CAST(j.value ->> 'tries' AS BIGINT), CAST(j.value ->> 'due_at' AS BIGINT), $3
        FROM json_each($1) AS j WHERE TRUE
        ON CONFLICT (id) DO UPDATE SET tries = excluded.tries, due_at = excluded.due_at";
    #[derive(Serialize)]
    struct Kept<'a> {
        id: AsideId,
        event_id: &'a EventId,
        tries: i64,
        due_at: i64,
    }
    let (mut done, mut kept) = (Vec::new(), Vec::new());
    for end in &turn.asides {
        match end {
            AsideEnd::Done(id) => done.push(super::Id { id: id.as_str() }),
            AsideEnd::Again {
                id,
                event,
                tries,
                due_at,
            } => kept.push(Kept {
                id: id.clone(),
                event_id: event,
                tries: *tries,
                due_at: due_at.as_millisecond(),
            }),
            AsideEnd::Put {
                event,
                tries,
                due_at,
            } => kept.push(Kept {
                id: AsideId::generate(),
                event_id: event,
                tries: *tries,
                due_at: due_at.as_millisecond(),
            }),
        }
    }
    if !done.is_empty() {
        execute!(&mut *tx, sqlx::query(DONE).bind(rows(&done)))?;
    }
    if !kept.is_empty() {
        execute!(
            &mut *tx,
            sqlx::query(PUT)
                .bind(rows(&kept))
                .bind(&turn.id)
                .bind(now.as_millisecond())
        )?;
    }
    Ok(())
}

/// Moves the cursor and the standing; false when somebody moved the cursor or disabled the webhook meanwhile.
async fn stand(tx: &mut Tx, turn: &Turn, now: Timestamp) -> Result<bool, StoreError> {
    const SAME: &str = "UPDATE webhook SET cursor = $3 WHERE id = $1 AND cursor = $2";
    const WELL: &str = "UPDATE webhook SET cursor = $3, tries = 0, failing_since = NULL, problem = NULL, problem_status = NULL, last_taken_at = $4
        WHERE id = $1 AND cursor = $2";
    const BAD: &str = "UPDATE webhook SET cursor = $3, tries = $5, due_at = $6, failing_since = CASE WHEN CAST($9 AS BOOLEAN) THEN $4 ELSE COALESCE(failing_since, $4) END,
          last_taken_at = CASE WHEN CAST($9 AS BOOLEAN) THEN $4 ELSE last_taken_at END, problem = $7, problem_status = $8
        WHERE id = $1 AND cursor = $2";
    const DISABLE: &str = "UPDATE webhook SET state = 'disabled', disabled_reason = $5, problem = $6, problem_status = $7, failing_since = COALESCE(failing_since, $4),
          cursor = $3, updated_at = $4 WHERE id = $1 AND state = 'enabled' AND cursor = $2";
    let (problem, status) = (
        turn.problem.map(|(problem, _)| problem),
        turn.problem.and_then(|(_, status)| status),
    );
    let at = now.as_millisecond();
    // Something of this turn was taken before the failure, beside its turn or not.
    let is_partly_taken = turn
        .tries
        .iter()
        .any(|one| one.outcome == TryOutcome::Taken);
    let moved = match &turn.standing {
        Standing::Same => execute!(
            tx,
            sqlx::query(SAME)
                .bind(&turn.id)
                .bind(turn.from)
                .bind(turn.to)
        )?,
        Standing::Well => execute!(
            tx,
            sqlx::query(WELL)
                .bind(&turn.id)
                .bind(turn.from)
                .bind(turn.to)
                .bind(at)
        )?,
        Standing::Waits { .. } | Standing::PutAside => {
            let (tries, due_at) = if let Standing::Waits { tries, due_at } = &turn.standing {
                (*tries, due_at.as_millisecond())
            } else {
                (0, at)
            };
            execute!(
                tx,
                sqlx::query(BAD)
                    .bind(&turn.id)
                    .bind(turn.from)
                    .bind(turn.to)
                    .bind(at)
                    .bind(tries)
                    .bind(due_at)
                    .bind(problem)
                    .bind(status)
                    .bind(is_partly_taken)
            )?
        }
        Standing::Disabled(reason) => execute!(
            tx,
            sqlx::query(DISABLE)
                .bind(&turn.id)
                .bind(turn.from)
                .bind(turn.to)
                .bind(at)
                .bind(reason.as_str())
                .bind(problem)
                .bind(status)
        )?,
    };
    Ok(moved > 0)
}

#[cfg(test)]
mod tests;
