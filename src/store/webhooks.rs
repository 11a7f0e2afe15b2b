//! Webhooks as they are kept: made, looked at, changed, taken away.

use jiff::Timestamp;
use serde_json::json;

use super::audits::{self, NewAudit};
use super::message_view::{Place, instant};
use super::{StoreError, Tx, execute, on};
use crate::model::id::WebhookId;
use crate::model::webhook::{DisabledReason, EventFilter, Include, Secret, WebhookState};

/// What somebody wants of a webhook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wish {
    /// What people call it.
    pub name: String,
    /// Where it listens.
    pub url: String,
    /// Which events it hears of.
    pub filter: EventFilter,
    /// What bodies tell beyond ids and states.
    pub include: Vec<Include>,
    /// How many requests at once; 1 keeps the order.
    pub in_flight: i64,
}

/// A webhook as it is kept.
#[derive(Clone, Debug)]
pub struct Webhook {
    /// Its id.
    pub id: WebhookId,
    /// What it is for.
    pub wish: Wish,
    /// What its bodies are signed with.
    pub secret: Secret,
    /// What they are signed with as well, and until when.
    pub old_secret: Option<(Secret, Timestamp)>,
    /// Whether it is told of events.
    pub state: WebhookState,
    /// Why not.
    pub disabled_reason: Option<DisabledReason>,
    /// The number of the last event that is done with.
    pub cursor: i64,
    /// Refusals of the next event so far.
    pub tries: i64,
    /// Not before.
    pub due_at: Timestamp,
    /// The first failure since something was taken.
    pub failing_since: Option<Timestamp>,
    /// When it last took something.
    pub last_taken_at: Option<Timestamp>,
    /// What the last failure was, while it fails, and the status of the answer if there was one.
    pub problem: Option<(String, Option<i64>)>,
    /// Who made it.
    pub created_by: String,
    /// When.
    pub created_at: Timestamp,
    /// When it was last changed by a person.
    pub updated_at: Timestamp,
}

impl Webhook {
    /// The secrets that count at `now`, the new one first.
    pub fn secrets(&self, now: Timestamp) -> impl Iterator<Item = &Secret> {
        let old = self.old_secret.as_ref().filter(|(_, until)| *until > now);
        std::iter::once(&self.secret).chain(old.map(|(secret, _)| secret))
    }
}

#[derive(sqlx::FromRow)]
pub(super) struct Row {
    id: WebhookId,
    name: String,
    url: String,
    types: String,
    include: String,
    in_flight: i64,
    secret: String,
    old_secret: Option<String>,
    old_secret_until: Option<i64>,
    state: String,
    disabled_reason: Option<String>,
    cursor: i64,
    tries: i64,
    due_at: i64,
    failing_since: Option<i64>,
    last_taken_at: Option<i64>,
    problem: Option<String>,
    problem_status: Option<i64>,
    created_by: String,
    created_at: i64,
    updated_at: i64,
}

impl Row {
    pub(super) fn read(self) -> Result<Webhook, StoreError> {
        let bad = |what| StoreError::BadRow {
            table: "webhook",
            what,
        };
        let at = |ms| instant("webhook", ms);
        let types: Vec<String> = serde_json::from_str(&self.types).map_err(|_| bad("types"))?;
        let secret = |text: &str| Secret::parse(text).ok_or(bad("secret"));
        let old_secret = match (self.old_secret, self.old_secret_until) {
            (Some(old), Some(until)) => Some((secret(&old)?, at(until)?)),
            (Some(_) | None, _) => None,
        };
        let reason = self.disabled_reason.as_deref();
        Ok(Webhook {
            id: self.id,
            wish: Wish {
                name: self.name,
                url: self.url,
                filter: EventFilter::read(&types).ok_or(bad("types"))?,
                include: serde_json::from_str(&self.include).map_err(|_| bad("include"))?,
                in_flight: self.in_flight,
            },
            secret: secret(&self.secret)?,
            old_secret,
            state: WebhookState::parse(&self.state).ok_or(bad("state"))?,
            disabled_reason: reason
                .map(|word| DisabledReason::parse(word).ok_or(bad("disabled_reason")))
                .transpose()?,
            cursor: self.cursor,
            tries: self.tries,
            due_at: at(self.due_at)?,
            failing_since: self.failing_since.map(at).transpose()?,
            last_taken_at: self.last_taken_at.map(at).transpose()?,
            problem: self.problem.map(|word| (word, self.problem_status)),
            created_by: self.created_by,
            created_at: at(self.created_at)?,
            updated_at: at(self.updated_at)?,
        })
    }
}

/// The number of the last event that has one.
///
/// # Errors
/// When the database fails.
pub async fn last_event(tx: &mut Tx) -> Result<i64, StoreError> {
    const SQL: &str = "SELECT COALESCE(MAX(seq), 0) FROM event WHERE seq IS NOT NULL";
    on!(tx, conn => sqlx::query_scalar(SQL).fetch_one(conn).await)
}

/// Makes a webhook that hears of what happens from now on. Written into the audit.
///
/// # Errors
/// When the database fails.
pub async fn add(
    tx: &mut Tx,
    wish: &Wish,
    secret: &Secret,
    actor: &str,
    now: Timestamp,
) -> Result<WebhookId, StoreError> {
    const SQL: &str = "INSERT INTO webhook (id, name, url, types, include, in_flight, secret, state, cursor, tries, due_at, fence, created_by, created_at, updated_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, 'enabled', $8, 0, $9, 0, $10, $9, $9)";
    let id = WebhookId::generate();
    let last = last_event(tx).await?;
    execute!(
        &mut *tx,
        sqlx::query(SQL)
            .bind(&id)
            .bind(&wish.name)
            .bind(&wish.url)
            .bind(json!(wish.filter.patterns()).to_string())
            .bind(json!(wish.include).to_string())
            .bind(wish.in_flight)
            .bind(secret.as_written().reveal())
            .bind(last)
            .bind(now.as_millisecond())
            .bind(actor)
    )?;
    audit(tx, actor, "webhook.create", &id, of_wish(wish), now).await?;
    Ok(id)
}

/// What the audit keeps of a wish. The URL may hold a key of the other side: its host is enough.
fn of_wish(wish: &Wish) -> serde_json::Value {
    let rest = wish.url.split_once("://").map_or("", |(_, rest)| rest);
    let host = rest.split(['/', '?']).next().unwrap_or_default();
    json!({"name": wish.name, "host": host, "types": wish.filter.patterns(), "include": wish.include, "in_flight": wish.in_flight})
}

async fn audit(
    tx: &mut Tx,
    actor: &str,
    action: &str,
    id: &WebhookId,
    detail: serde_json::Value,
    now: Timestamp,
) -> Result<(), StoreError> {
    let act = NewAudit {
        actor,
        action,
        target: id.as_str(),
        detail,
    };
    audits::add(tx, &act, now).await
}

/// The webhook called `id`.
///
/// # Errors
/// When the database fails or the row cannot be read.
pub async fn find(tx: &mut Tx, id: &WebhookId) -> Result<Option<Webhook>, StoreError> {
    const SQL: &str = "SELECT * FROM webhook WHERE id = $1";
    let row: Option<Row> =
        on!(tx, conn => sqlx::query_as(SQL).bind(id).fetch_optional(conn).await)?;
    row.map(Row::read).transpose()
}

/// One page of all webhooks, newest first.
///
/// # Errors
/// When the database fails or a row cannot be read.
pub async fn list(
    tx: &mut Tx,
    after: Option<&Place>,
    most: i64,
) -> Result<Vec<Webhook>, StoreError> {
    const SQL: &str = "SELECT * FROM webhook WHERE (created_at, id) < ($1, $2) ORDER BY created_at DESC, id DESC LIMIT $3";
    let (at, id) = after.map_or((i64::MAX, "zzzz"), |place| (place.at, place.id.as_str()));
    let rows: Vec<Row> =
        on!(tx, conn => sqlx::query_as(SQL).bind(at).bind(id).bind(most).fetch_all(conn).await)?;
    rows.into_iter().map(Row::read).collect()
}

/// Gives a webhook another wish; false when there is none of that id. Written into the audit.
///
/// # Errors
/// When the database fails.
pub async fn change(
    tx: &mut Tx,
    id: &WebhookId,
    wish: &Wish,
    actor: &str,
    now: Timestamp,
) -> Result<bool, StoreError> {
    const SQL: &str = "UPDATE webhook SET name = $2, url = $3, types = $4, include = $5, in_flight = $6, updated_at = $7 WHERE id = $1";
    let changed = execute!(
        &mut *tx,
        sqlx::query(SQL)
            .bind(id)
            .bind(&wish.name)
            .bind(&wish.url)
            .bind(json!(wish.filter.patterns()).to_string())
            .bind(json!(wish.include).to_string())
            .bind(wish.in_flight)
            .bind(now.as_millisecond())
    )?;
    if changed > 0 {
        audit(tx, actor, "webhook.change", id, of_wish(wish), now).await?;
    }
    Ok(changed > 0)
}

/// Has a webhook told of events again, from where it stopped; false when there is none of that id.
///
/// # Errors
/// When the database fails.
pub async fn enable(
    tx: &mut Tx,
    id: &WebhookId,
    actor: &str,
    now: Timestamp,
) -> Result<bool, StoreError> {
    // One that is enabled and waits for its next try need not wait any more.
    const SQL: &str = "UPDATE webhook SET state = 'enabled', disabled_reason = NULL, tries = 0, due_at = $2, failing_since = NULL,
          problem = NULL, problem_status = NULL, updated_at = $2 WHERE id = $1";
    let found = execute!(
        &mut *tx,
        sqlx::query(SQL).bind(id).bind(now.as_millisecond())
    )? > 0;
    if found {
        audit(tx, actor, "webhook.enable", id, json!({}), now).await?;
    }
    Ok(found)
}

/// Has a webhook told of nothing until it is enabled again; false when there is none of that id.
///
/// # Errors
/// When the database fails.
pub async fn disable(
    tx: &mut Tx,
    id: &WebhookId,
    actor: &str,
    now: Timestamp,
) -> Result<bool, StoreError> {
    const SQL: &str = "UPDATE webhook SET state = 'disabled', disabled_reason = 'person', updated_at = $2 WHERE id = $1";
    let found = execute!(
        &mut *tx,
        sqlx::query(SQL).bind(id).bind(now.as_millisecond())
    )? > 0;
    if found {
        audit(tx, actor, "webhook.disable", id, json!({}), now).await?;
    }
    Ok(found)
}

/// Takes a webhook away with all that is kept of it; false when there is none of that id.
///
/// # Errors
/// When the database fails.
pub async fn remove(
    tx: &mut Tx,
    id: &WebhookId,
    actor: &str,
    now: Timestamp,
) -> Result<bool, StoreError> {
    const ASIDE: &str = "DELETE FROM webhook_aside WHERE webhook_id = $1";
    const LOG: &str = "DELETE FROM webhook_delivery WHERE webhook_id = $1";
    const SQL: &str = "DELETE FROM webhook WHERE id = $1";
    execute!(&mut *tx, sqlx::query(ASIDE).bind(id))?;
    execute!(&mut *tx, sqlx::query(LOG).bind(id))?;
    let found = execute!(&mut *tx, sqlx::query(SQL).bind(id))? > 0;
    if found {
        audit(tx, actor, "webhook.remove", id, json!({}), now).await?;
    }
    Ok(found)
}

/// Gives a webhook a new secret; the present one signs as well until `old_until`. False when there is none of that id.
///
/// # Errors
/// When the database fails.
pub async fn rotate(
    tx: &mut Tx,
    id: &WebhookId,
    secret: &Secret,
    old_until: Timestamp,
    actor: &str,
    now: Timestamp,
) -> Result<bool, StoreError> {
    const SQL: &str = "UPDATE webhook SET old_secret = secret, old_secret_until = $3, secret = $2, updated_at = $4 WHERE id = $1";
    let found = execute!(
        &mut *tx,
        sqlx::query(SQL)
            .bind(id)
            .bind(secret.as_written().reveal())
            .bind(old_until.as_millisecond())
            .bind(now.as_millisecond())
    )? > 0;
    if found {
        audit(
            tx,
            actor,
            "webhook.rotate_secret",
            id,
            json!({"old_until": old_until}),
            now,
        )
        .await?;
    }
    Ok(found)
}
