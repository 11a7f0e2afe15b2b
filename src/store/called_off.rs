//! Messages that were called off by their idempotency key before they came: queues may let a word overtake
//! the one that it is about.

use jiff::{SignedDuration, Timestamp};

use super::lookups::SourceKey;
use super::{StoreError, Tx, execute, on, rows};

/// How long it is kept in mind: as long as the keys themselves.
const KEPT: SignedDuration = SignedDuration::from_hours(30 * 24);

/// Notes that the messages with these keys must not go out, should they come.
///
/// Whoever stores a message looks for its note afterwards, and whoever notes looks for the message
/// afterwards: one of the two sees the other.
/// # Errors
/// When the database fails.
pub async fn add(tx: &mut Tx, keys: &[SourceKey<'_>], now: Timestamp) -> Result<(), StoreError> {
    const OLD: &str = "DELETE FROM called_off WHERE created_at < $1";
    const ADD: &str = "INSERT INTO called_off (source, dedupe_key, created_at)
        SELECT j.value ->> 'source', j.value ->> 'key', $2 FROM json_each($1) AS j
        WHERE TRUE ON CONFLICT (source, dedupe_key) DO NOTHING";
    if keys.is_empty() {
        return Ok(());
    }
    let oldest = now.saturating_sub(KEPT).unwrap_or(Timestamp::MIN);
    execute!(&mut *tx, sqlx::query(OLD).bind(oldest.as_millisecond()))?;
    execute!(
        tx,
        sqlx::query(ADD).bind(rows(keys)).bind(now.as_millisecond())
    )
    .map(|_| ())
}

/// Which of these keys were called off.
///
/// # Errors
/// When the database fails.
pub async fn among(
    tx: &mut Tx,
    keys: &[SourceKey<'_>],
) -> Result<Vec<(String, String)>, StoreError> {
    const ANY: &str = "SELECT source FROM called_off LIMIT 1";
    const SQL: &str = "SELECT c.source, c.dedupe_key FROM json_each($1) AS j
        CROSS JOIN called_off AS c WHERE c.source = j.value ->> 'source' AND c.dedupe_key = j.value ->> 'key'";
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    // Mostly there is none at all.
    let any: Option<String> =
        on!(&mut *tx, conn => sqlx::query_scalar(ANY).fetch_optional(conn).await)?;
    if any.is_none() {
        return Ok(Vec::new());
    }
    on!(tx, conn => sqlx::query_as(SQL).bind(rows(keys)).fetch_all(conn).await)
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::{add, among};
    use crate::store::lookups::SourceKey;
    use crate::store::{StoreError, testing};

    #[tokio::test]
    async fn a_key_that_was_called_off_is_known_for_thirty_days_to_its_own_client()
    -> Result<(), StoreError> {
        let key = |source, key| SourceKey { source, key };
        for test in testing::stores().await {
            let mut tx = test.store.write().await?;
            let asked = [
                key("amqp:his", "k1"),
                key("amqp:lab", "k1"),
                key("amqp:his", "k2"),
            ];
            assert_eq!(among(&mut tx, &asked).await?, []);
            let start = Timestamp::UNIX_EPOCH;
            add(&mut tx, &[key("amqp:his", "k1")], start).await?;
            add(&mut tx, &[key("amqp:his", "k1")], start).await?;
            let known = [("amqp:his".to_owned(), "k1".to_owned())];
            assert_eq!(among(&mut tx, &asked).await?, known);
            let later = start + jiff::SignedDuration::from_hours(31 * 24);
            add(&mut tx, &[key("amqp:his", "k3")], later).await?;
            assert_eq!(among(&mut tx, &asked).await?, []);
            tx.commit().await?;
        }
        Ok(())
    }
}
