//! The outbox: events get their numbers after their commit, and each sink keeps how far it has been told.

use std::collections::BTreeMap;

use super::{Id, StoreError, Tx, events, execute, on, rows};

/// The row that holds the last number given; its lock keeps two publishers apart.
const NUMBERING: &str = "numbering";

/// Whether any committed event waits for its number.
///
/// # Errors
/// When the database fails.
pub async fn has_fresh(tx: &mut Tx) -> Result<bool, StoreError> {
    const SQL: &str = "SELECT id FROM event WHERE seq IS NULL ORDER BY id LIMIT 1";
    let first: Option<String> =
        on!(tx, conn => sqlx::query_scalar(SQL).fetch_optional(conn).await)?;
    Ok(first.is_some())
}

/// Events that got their numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Numbered {
    /// The last number before them.
    pub after: i64,
    /// How many they are.
    pub count: u64,
}

/// Numbers up to `most` committed events in the order of their ids.
///
/// A number is given only to what is committed already, so a reader who has seen number n will never
/// find a smaller one later, however late a transaction commits.
/// # Errors
/// When the database fails.
pub async fn number(tx: &mut Tx, most: i64) -> Result<Numbered, StoreError> {
    const ROW: &str =
        "INSERT INTO outbox (sink, cursor) VALUES ($1, 0) ON CONFLICT (sink) DO NOTHING";
    // Writing the row locks it until the commit; on PostgreSQL the next statement then sees what the
    // former holder committed.
    const LOCK: &str = "UPDATE outbox SET cursor = cursor WHERE sink = $1 RETURNING cursor";
    const NUMBER: &str = "UPDATE event SET seq = fresh.n + $1
        FROM (SELECT e.id AS fresh_id, ROW_NUMBER() OVER (ORDER BY e.id) AS n FROM event AS e WHERE e.seq IS NULL ORDER BY e.id LIMIT $2) AS fresh
        WHERE event.id = fresh.fresh_id";
    const KEEP: &str = "UPDATE outbox SET cursor = $2 WHERE sink = $1";
    execute!(&mut *tx, sqlx::query(ROW).bind(NUMBERING))?;
    let last: i64 =
        on!(&mut *tx, conn => sqlx::query_scalar(LOCK).bind(NUMBERING).fetch_one(conn).await)?;
    let numbered = execute!(&mut *tx, sqlx::query(NUMBER).bind(last).bind(most))?;
    let step = i64::try_from(numbered).map_err(|_| StoreError::BadRow {
        table: "outbox",
        what: "more events than numbers",
    })?;
    execute!(
        &mut *tx,
        sqlx::query(KEEP).bind(NUMBERING).bind(last + step)
    )?;
    Ok(Numbered {
        after: last,
        count: numbered,
    })
}

/// How many messages came to each state, by channel, class and state, as `numbered` events tell.
///
/// # Errors
/// When the database fails.
pub async fn tally(
    tx: &mut Tx,
    numbered: Numbered,
) -> Result<BTreeMap<(String, String, String), u64>, StoreError> {
    const SQL: &str = "SELECT m.id, m.channel, m.class FROM json_each($1) AS j CROSS JOIN message m WHERE m.id = j.value ->> 'id'";
    let most = i64::try_from(numbered.count).unwrap_or(i64::MAX);
    let told = events::after(tx, numbered.after, most).await?;
    let of_messages: Vec<(&str, &str)> = told
        .iter()
        .filter_map(|event| {
            let state = event.kind.strip_prefix("message.")?;
            Some((event.data.get("id")?.as_str()?, state))
        })
        .collect();
    let ids: Vec<Id<'_>> = of_messages.iter().map(|(id, _)| Id { id }).collect();
    let mut counts = BTreeMap::new();
    if ids.is_empty() {
        return Ok(counts);
    }
    let found: Vec<(String, String, String)> =
        on!(tx, conn => sqlx::query_as(SQL).bind(rows(&ids)).fetch_all(conn).await)?;
    let kinds = found
        .into_iter()
        .map(|(id, channel, class)| (id, (channel, class)));
    let kinds: BTreeMap<String, (String, String)> = kinds.collect();
    for (id, state) in of_messages {
        if let Some((channel, class)) = kinds.get(id) {
            let key = (channel.clone(), class.clone(), state.to_owned());
            *counts.entry(key).or_default() += 1;
        }
    }
    Ok(counts)
}
