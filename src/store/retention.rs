//! What is kept how long: rows are walked once in the order of their ids, and blanked or deleted after their time.
//!
//! What is old but still open, or ended lately, is written down to be looked at again, so that no walk begins anew.

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::{Id, Store, StoreError, Tx, execute, on, rows};

/// A row that is still open is looked at again after this long.
const AGAIN: SignedDuration = SignedDuration::from_hours(24);

/// One kind of rows, and what is done with them.
#[derive(Debug)]
pub struct Kind {
    /// Its name, in metrics and reports.
    pub what: &'static str,
    /// What is done, for people.
    pub act: &'static str,
    /// Id, when it was made, and when it ended (null: it is open), after an id.
    page: &'static str,
    /// The same for rows that are to be looked at again; null where the row is gone.
    later: &'static str,
    /// How many between an id and a moment.
    count: &'static str,
    /// What is done with those whose time is over; each takes their ids.
    acts: &'static [&'static str],
}

/// The final states of a message, as the statements below name them.
#[cfg(test)]
const FINAL: &str = "('sent', 'delivered', 'undelivered', 'failed', 'expired', 'suppressed', 'cancelled', 'unconfirmed')";

/// Spells the statements of a kind: its table, when a row was made, and when it ended.
macro_rules! kind {
    ($what:literal, $act:literal, $table:literal, $made:literal, $ended:literal, [$($sql:literal),+ $(,)?]) => {
        Kind {
            what: $what,
            act: $act,
            page: concat!("SELECT t.id, t.", $made, ", ", $ended, " FROM ", $table, " AS t WHERE t.id > $1 ORDER BY t.id LIMIT $2"),
            later: concat!("SELECT l.id, t.", $made, ", ", $ended, " FROM retention_later AS l LEFT JOIN ", $table,
                " AS t ON t.id = l.id WHERE l.what = '", $what, "' AND l.look_at <= $1 ORDER BY l.look_at LIMIT $2"),
            count: concat!("SELECT COUNT(*) FROM ", $table, " AS t WHERE t.id > $1 AND t.", $made, " <= $2 AND ", $ended, " <= $2"),
            acts: &[$(concat!($sql, " IN (SELECT j.value ->> 'id' FROM json_each($1) AS j)")),+],
        }
    };
}

/// Texts and addresses of messages.
pub static MESSAGES: Kind = kind!(
    "messages",
    "text and address blanked",
    "message",
    "created_at",
    "CASE WHEN t.state IN ('sent', 'delivered', 'undelivered', 'failed', 'expired', 'suppressed', 'cancelled', 'unconfirmed') THEN t.updated_at END",
    [
        "UPDATE reminder SET data = NULL, answer_to = NULL WHERE message_id",
        "UPDATE message SET addresses = '{}', bodies = '{}' WHERE id",
    ]
);
/// What patients wrote.
pub static REPLIES: Kind = kind!(
    "replies",
    "text and address blanked",
    "reply",
    "received_at",
    "t.handled_at",
    ["UPDATE reply SET address = '', text = '', slots = '{}' WHERE id"]
);
/// What came in, as it came.
pub static INBOX: Kind = kind!(
    "inbox",
    "deleted",
    "inbox",
    "received_at",
    "CASE WHEN t.state = 'done' OR t.kind = 'receipt' THEN t.received_at END",
    ["DELETE FROM inbox WHERE id"]
);
/// Work of staff that is done.
pub static TASKS: Kind = kind!(
    "tasks",
    "title and text blanked",
    "task",
    "created_at",
    "t.done_at",
    ["UPDATE task SET title = '', text = '' WHERE id"]
);
/// Wishes of patients that were answered.
pub static CHANGE_REQUESTS: Kind = kind!(
    "change_requests",
    "wished times blanked",
    "change_request",
    "created_at",
    "CASE WHEN t.state <> 'new' THEN COALESCE(t.answered_at, t.created_at) END",
    ["UPDATE change_request SET slots = '{}' WHERE id"]
);
/// The journal of attempts.
pub static ATTEMPTS: Kind = kind!(
    "attempts",
    "deleted",
    "attempt",
    "created_at",
    "t.settled_at",
    [
        "DELETE FROM attempt_part WHERE attempt_id",
        "DELETE FROM attempt WHERE id"
    ]
);
/// What was told to everybody.
pub static EVENTS: Kind = kind!(
    "events",
    "deleted",
    "event",
    "at",
    "CASE WHEN t.seq <= (SELECT MIN(o.cursor) FROM outbox AS o) THEN t.at END",
    ["DELETE FROM event WHERE id"]
);
/// Who did what.
pub static AUDIT: Kind = kind!(
    "audit",
    "deleted",
    "audit",
    "at",
    "t.at",
    ["DELETE FROM audit WHERE id"]
);
/// Keys by which other systems repeat a request.
pub static IDEMPOTENCY_KEYS: Kind = kind!(
    "idempotency_keys",
    "forgotten",
    "message",
    "created_at",
    "t.created_at",
    [
        "UPDATE message SET dedupe_key = id, body_hash = '' WHERE (source = 'cli' OR source LIKE 'api:%' OR source LIKE 'amqp:%') AND id"
    ]
);

type Found = (String, Option<i64>, Option<i64>);

/// What a page holds.
#[derive(Debug, Default)]
pub struct Looked {
    /// Whose time is over.
    over: Vec<String>,
    /// To be looked at again, and when.
    later: Vec<(String, i64)>,
    /// How far the walk came.
    after: Option<String>,
}

impl Looked {
    /// How many rows it holds.
    pub fn len(&self) -> usize {
        self.over.len() + self.later.len()
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0 && self.after.is_none()
    }

    /// How many will be blanked or deleted.
    pub fn over(&self) -> usize {
        self.over.len()
    }
}

/// Looks at the next rows of `kind` that were made before `now` less `keep`, and at those to be looked at again.
///
/// # Errors
/// When the database fails.
pub async fn look(
    tx: &mut Tx,
    kind: &Kind,
    keep: SignedDuration,
    most: i64,
    now: Timestamp,
) -> Result<Looked, StoreError> {
    let (now, before) = (now.as_millisecond(), (now - keep).as_millisecond());
    let mut looked = Looked::default();
    let keep = i64::try_from(keep.as_millis()).unwrap_or(i64::MAX / 4);
    let mut sort = |id: String, ended: Option<i64>| match ended {
        Some(ended) if ended <= before => looked.over.push(id),
        Some(ended) => looked.later.push((id, ended.saturating_add(keep))),
        None => looked.later.push((
            id,
            now + i64::try_from(AGAIN.as_millis()).unwrap_or(i64::MAX / 4),
        )),
    };
    let again: Vec<Found> = on!(&mut *tx, conn => sqlx::query_as(kind.later).bind(now).bind(most).fetch_all(conn).await)?;
    for (id, made, ended) in again {
        // One that is gone counts as over: there is nothing left to do but to forget it.
        let ended = if made.is_none() { Some(before) } else { ended };
        sort(id, ended);
    }
    let after = after(tx, kind).await?;
    let page: Vec<Found> =
        on!(tx, conn => sqlx::query_as(kind.page).bind(&after).bind(most).fetch_all(conn).await)?;
    // Ids rise with time: what comes after the first that is too young is younger still.
    let mut reached = None;
    for (id, made, ended) in page {
        if made.is_none_or(|made| made > before) {
            break;
        }
        reached = Some(id.clone());
        sort(id, ended);
    }
    looked.after = reached;
    Ok(looked)
}

async fn after(tx: &mut Tx, kind: &Kind) -> Result<String, StoreError> {
    const SQL: &str = "SELECT after FROM retention_walk WHERE what = $1";
    let after: Option<String> =
        on!(tx, conn => sqlx::query_scalar(SQL).bind(kind.what).fetch_optional(conn).await)?;
    Ok(after.unwrap_or_default())
}

/// Blanks or deletes what is over, keeps what is for later, and how far the walk came: all or nothing.
///
/// # Errors
/// When the database fails.
pub async fn settle(tx: &mut Tx, kind: &Kind, looked: &Looked) -> Result<(), StoreError> {
    const LATER: &str = "INSERT INTO retention_later (what, id, look_at) SELECT $2, j.value ->> 'id', CAST(j.value ->> 'look_at' AS BIGINT)
        FROM json_each($1) AS j WHERE TRUE ON CONFLICT (what, id) DO UPDATE SET look_at = EXCLUDED.look_at";
    const DONE: &str = "DELETE FROM retention_later WHERE what = $2 AND id IN (SELECT j.value ->> 'id' FROM json_each($1) AS j)";
    const WALK: &str = "INSERT INTO retention_walk (what, after) VALUES ($1, $2) ON CONFLICT (what) DO UPDATE SET after = EXCLUDED.after";
    #[derive(Serialize)]
    struct Later<'a> {
        id: &'a str,
        look_at: i64,
    }
    if !looked.over.is_empty() {
        let over: Vec<Id<'_>> = looked.over.iter().map(|id| Id { id }).collect();
        let over = rows(&over);
        for sql in kind.acts {
            execute!(&mut *tx, sqlx::query(*sql).bind(&over))?;
        }
        execute!(&mut *tx, sqlx::query(DONE).bind(&over).bind(kind.what))?;
    }
    if !looked.later.is_empty() {
        let later = looked.later.iter();
        let later: Vec<Later<'_>> = later
            .map(|(id, look_at)| Later {
                id,
                look_at: *look_at,
            })
            .collect();
        execute!(
            &mut *tx,
            sqlx::query(LATER).bind(rows(&later)).bind(kind.what)
        )?;
    }
    if let Some(after) = &looked.after {
        execute!(&mut *tx, sqlx::query(WALK).bind(kind.what).bind(after))?;
    }
    Ok(())
}

/// How many rows of `kind` are over by now, and how many wait to be looked at again. Walks them: not for hot paths.
///
/// # Errors
/// When the database fails.
pub async fn count(
    tx: &mut Tx,
    kind: &Kind,
    keep: SignedDuration,
    now: Timestamp,
) -> Result<(i64, i64), StoreError> {
    const WAITING: &str = "SELECT COUNT(*) FROM retention_later WHERE what = $1";
    let after = after(tx, kind).await?;
    let before = (now - keep).as_millisecond();
    let over: i64 = on!(&mut *tx, conn => sqlx::query_scalar(kind.count).bind(&after).bind(before).fetch_one(conn).await)?;
    let waiting: i64 =
        on!(tx, conn => sqlx::query_scalar(WAITING).bind(kind.what).fetch_one(conn).await)?;
    Ok((over, waiting))
}

/// Makes sure that what was blanked is in no file any more: empties SQLite's journal, where old pages stay until they
/// are written over; PostgreSQL is asked to clean the tables. Says whether it could: readers may be in the way.
///
/// # Errors
/// When the database refuses.
pub async fn scrub(store: &Store) -> Result<bool, StoreError> {
    match store {
        Store::Sqlite { write, log, .. } => log.try_empty(write).await,
        Store::Postgres { pool } => {
            sqlx::query("VACUUM (SKIP_LOCKED) message, reply, inbox, task, change_request, reminder, attempt, attempt_part, event, audit")
                .execute(pool)
                .await?;
            Ok(true)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{FINAL, MESSAGES};
    use crate::model::message::MessageState;

    #[test]
    fn the_final_states_are_those_of_the_state_machine() {
        let states = MessageState::ALL.iter().filter(|state| state.is_final());
        let words: Vec<String> = states.map(|state| format!("'{state}'")).collect();
        for word in &words {
            assert!(FINAL.contains(word), "{word}");
        }
        assert_eq!(FINAL.matches(',').count() + 1, words.len());
        assert!(MESSAGES.page.contains(FINAL));
    }
}
