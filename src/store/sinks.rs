//! How far each sink has been told of what happened, and which process tells it.

use jiff::{SignedDuration, Timestamp};

use super::{StoreError, Tx, execute, on};

/// Makes the row of `sink`. One that is new begins with what happens from now on: after the last number given.
///
/// # Errors
/// When the database fails.
pub async fn begin(tx: &mut Tx, sink: &str) -> Result<(), StoreError> {
    const SQL: &str = "INSERT INTO outbox (sink, cursor)
        SELECT $1, COALESCE((SELECT cursor FROM outbox WHERE sink = 'numbering'), 0)
        WHERE TRUE ON CONFLICT (sink) DO NOTHING";
    execute!(tx, sqlx::query(SQL).bind(sink)).map(|_| ())
}

/// Whether there is anything that `sink` was not told.
///
/// # Errors
/// When the database fails.
pub async fn is_behind(tx: &mut Tx, sink: &str) -> Result<bool, StoreError> {
    const SQL: &str = "SELECT e.seq FROM event AS e
        WHERE e.seq > (SELECT cursor FROM outbox WHERE sink = $1) ORDER BY e.seq LIMIT 1";
    let next: Option<i64> =
        on!(tx, conn => sqlx::query_scalar(SQL).bind(sink).fetch_optional(conn).await)?;
    Ok(next.is_some())
}

/// Takes or keeps the turn to tell `sink` for `owner`, and says how far it was told; `None` while another
/// process has it.
///
/// A process that works alone need not wait for its predecessor's turn to end.
/// # Errors
/// When the database fails.
pub async fn claim(
    tx: &mut Tx,
    sink: &str,
    owner: &str,
    now: Timestamp,
    lease: SignedDuration,
) -> Result<Option<i64>, StoreError> {
    const CLAIM: &str = "UPDATE outbox SET lease_owner = $2, lease_until = $4
        WHERE sink = $1 AND (lease_owner IS NULL OR lease_owner = $2 OR lease_until < $3) RETURNING cursor";
    // Alone: whoever had the turn is gone.
    let free_before = match tx {
        Tx::Sqlite(_) => i64::MAX,
        Tx::Postgres(_) => now.as_millisecond(),
    };
    let until = now.saturating_add(lease).unwrap_or(now).as_millisecond();
    let cursor: Option<i64> = on!(tx, conn => sqlx::query_scalar(CLAIM).bind(sink).bind(owner)
        .bind(free_before).bind(until).fetch_optional(conn).await)?;
    Ok(cursor)
}

/// Keeps that `sink` was told up to event number `cursor`, and the turn of `owner` a while longer. False when
/// another process took the turn over; then nothing is kept.
///
/// # Errors
/// When the database fails.
pub async fn advance(
    tx: &mut Tx,
    sink: &str,
    owner: &str,
    cursor: i64,
    until: Timestamp,
) -> Result<bool, StoreError> {
    const SQL: &str =
        "UPDATE outbox SET cursor = $3, lease_until = $4 WHERE sink = $1 AND lease_owner = $2";
    let kept = execute!(
        tx,
        sqlx::query(SQL)
            .bind(sink)
            .bind(owner)
            .bind(cursor)
            .bind(until.as_millisecond())
    )?;
    Ok(kept > 0)
}

/// Gives the turn of `owner` back, so that another process need not wait.
///
/// # Errors
/// When the database fails.
pub async fn release(tx: &mut Tx, sink: &str, owner: &str) -> Result<(), StoreError> {
    const SQL: &str = "UPDATE outbox SET lease_owner = NULL, lease_until = NULL WHERE sink = $1 AND lease_owner = $2";
    execute!(tx, sqlx::query(SQL).bind(sink).bind(owner)).map(|_| ())
}

/// Writes a row as it is: whoever can commit this has a database that takes writes.
///
/// # Errors
/// When the database does not.
pub async fn touch(tx: &mut Tx) -> Result<(), StoreError> {
    const ROW: &str =
        "INSERT INTO outbox (sink, cursor) VALUES ('numbering', 0) ON CONFLICT (sink) DO NOTHING";
    const SQL: &str = "UPDATE outbox SET cursor = cursor WHERE sink = 'numbering'";
    execute!(&mut *tx, sqlx::query(ROW))?;
    execute!(tx, sqlx::query(SQL)).map(|_| ())
}

#[cfg(test)]
mod tests {
    use jiff::{SignedDuration, Timestamp};
    use serde_json::json;

    use super::{advance, begin, claim, is_behind, release};
    use crate::store::{StoreError, events, outbox, testing};

    const TURN: SignedDuration = SignedDuration::from_secs(30);

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("a moment")
    }

    async fn tell(store: &crate::store::Store) -> Result<(), StoreError> {
        let event = events::NewEvent {
            kind: "message.queued".to_owned(),
            data: json!({}),
        };
        let mut tx = store.write().await?;
        events::add(&mut tx, &[event], at(0)).await?;
        outbox::number(&mut tx, 10).await?;
        tx.commit().await
    }

    #[tokio::test]
    async fn a_new_sink_begins_with_what_happens_from_then_on() -> Result<(), StoreError> {
        for test in testing::stores().await {
            tell(&test.store).await?;
            let mut tx = test.store.write().await?;
            begin(&mut tx, "amqp").await?;
            assert!(!is_behind(&mut tx, "amqp").await?);
            tx.commit().await?;
            tell(&test.store).await?;
            let mut tx = test.store.write().await?;
            begin(&mut tx, "amqp").await?;
            assert!(is_behind(&mut tx, "amqp").await?);
            assert_eq!(claim(&mut tx, "amqp", "a", at(0), TURN).await?, Some(1));
            assert!(advance(&mut tx, "amqp", "a", 2, at(30)).await?);
            assert!(!is_behind(&mut tx, "amqp").await?);
            tx.commit().await?;
        }
        Ok(())
    }

    #[tokio::test]
    async fn one_process_tells_a_sink_and_a_dead_one_is_followed_when_its_turn_is_over()
    -> Result<(), StoreError> {
        for test in testing::stores().await {
            let mut tx = test.store.write().await?;
            begin(&mut tx, "amqp").await?;
            assert_eq!(claim(&mut tx, "amqp", "a", at(0), TURN).await?, Some(0));
            // A file has one process at a time: whoever had the turn is gone.
            let early = (!test.store.is_shared()).then_some(0);
            assert_eq!(claim(&mut tx, "amqp", "b", at(29), TURN).await?, early);
            assert_eq!(claim(&mut tx, "amqp", "b", at(31), TURN).await?, Some(0));
            assert!(!advance(&mut tx, "amqp", "a", 5, at(60)).await?);
            assert!(advance(&mut tx, "amqp", "b", 5, at(60)).await?);
            release(&mut tx, "amqp", "b").await?;
            assert_eq!(claim(&mut tx, "amqp", "a", at(32), TURN).await?, Some(5));
            tx.commit().await?;
        }
        Ok(())
    }
}
