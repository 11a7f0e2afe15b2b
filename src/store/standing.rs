//! How much waits, for metrics: told by indexes alone, however many rows there are.

use jiff::Timestamp;
use serde::Serialize;

use super::{StoreError, Tx, on, rows};
use crate::model::class::Lane;

/// What waits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// Lane, how many of it are due, and when the first of them was (ms).
    pub lanes: Vec<(String, i64, Option<i64>)>,
    /// Messages whose fate is unknown, by provider.
    pub uncertain: Vec<(String, i64)>,
    /// When the oldest event happened that is still to be told (ms).
    pub untold_since: Option<i64>,
}

/// Due messages of each lane: the providers are stepped through by the index, so that what is due later costs nothing.
const READY: &str = "WITH RECURSIVE p (name) AS (
      SELECT (SELECT d.provider FROM dispatch d WHERE d.lease_owner IS NULL ORDER BY d.provider LIMIT 1)
      UNION ALL
      SELECT (SELECT d.provider FROM dispatch d WHERE d.lease_owner IS NULL AND d.provider > p.name ORDER BY d.provider LIMIT 1)
        FROM p WHERE p.name IS NOT NULL)
    SELECT d.lane, COUNT(*), MIN(d.due_at) FROM p CROSS JOIN json_each($2) AS j CROSS JOIN dispatch d
    WHERE d.provider = p.name AND d.lane = j.value ->> 'lane' AND d.work = 'send' AND d.lease_owner IS NULL AND d.due_at <= $1
    GROUP BY d.lane";
const UNCERTAIN: &str = "SELECT COALESCE(provider, ''), COUNT(*) FROM message WHERE state = 'uncertain' GROUP BY provider";
/// Not numbered yet, or numbered and still to be told to a sink.
const UNTOLD: &str = "SELECT MIN(t.at) FROM (
      SELECT (SELECT e.at FROM event e WHERE e.seq IS NULL ORDER BY e.id LIMIT 1) AS at
      UNION ALL SELECT (SELECT e.at FROM event e WHERE e.seq = o.cursor + 1) FROM outbox o WHERE o.sink <> 'numbering') AS t";

/// How much waits at `now`.
///
/// # Errors
/// When the database fails.
pub async fn read(tx: &mut Tx, now: Timestamp) -> Result<Standing, StoreError> {
    let now = now.as_millisecond();
    let found: Vec<(String, i64, Option<i64>)> =
        on!(&mut *tx, conn => sqlx::query_as(READY).bind(now).bind(lanes()).fetch_all(conn).await)?;
    let lane = |lane: &Lane| {
        let of = found.iter().find(|(name, ..)| name == lane.as_str());
        of.cloned()
            .unwrap_or_else(|| (lane.as_str().to_owned(), 0, None))
    };
    Ok(Standing {
        lanes: Lane::ALL.iter().map(lane).collect(),
        uncertain: on!(&mut *tx, conn => sqlx::query_as(UNCERTAIN).fetch_all(conn).await)?,
        untold_since: on!(&mut *tx, conn => sqlx::query_scalar(UNTOLD).fetch_one(conn).await)?,
    })
}

fn lanes() -> String {
    #[derive(Serialize)]
    struct Row {
        lane: Lane,
    }
    let all: Vec<Row> = Lane::ALL.iter().map(|lane| Row { lane: *lane }).collect();
    rows(&all)
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::{READY, UNTOLD, lanes};
    use crate::store::{Store, StoreError, on, testing};

    /// Many that are due later, and a few of two providers that are due.
    const MANY: &str = "INSERT INTO dispatch (message_id, provider, lane, work, due_at, fence)
        WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 50000)
        SELECT 'msg_' || i, CASE WHEN i % 2 = 0 THEN 'main' ELSE 'other' END,
          CASE WHEN i % 100 = 0 THEN 'urgent' ELSE 'bulk' END, 'send', CASE WHEN i <= 300 THEN i ELSE 5000000 + i END, 0 FROM n";
    const EVENTS: &str = "INSERT INTO event (id, seq, type, at, data) VALUES ('evt_1', 1, 'x', 100, '{}'), ('evt_2', 2, 'x', 200, '{}'), ('evt_3', NULL, 'x', 300, '{}')";

    #[tokio::test]
    async fn what_waits_is_told_without_looking_at_what_is_due_later() -> Result<(), StoreError> {
        for test in testing::stores().await {
            let mut tx = test.store.write().await?;
            tx.run(MANY).await?;
            tx.run(EVENTS).await?;
            tx.run("ANALYZE").await?;
            tx.commit().await?;
            let mut tx = test.store.read().await?;
            let now = Timestamp::from_millisecond(1_000_000).expect("an instant");
            let standing = super::read(&mut tx, now).await?;
            let lane = |name: &str, count, since| (name.to_owned(), count, since);
            assert_eq!(
                standing.lanes,
                [
                    lane("urgent", 3, Some(100)),
                    lane("normal", 0, None),
                    lane("bulk", 297, Some(1))
                ]
            );
            assert_eq!(standing.untold_since, Some(300));
            drop(tx);
            let mut tx = test.store.write().await?;
            tx.run("INSERT INTO outbox (sink, cursor) VALUES ('numbering', 2), ('amqp', 1)")
                .await?;
            let standing = super::read(&mut tx, now).await?;
            assert_eq!(standing.untold_since, Some(200));
            tx.commit().await?;
            if let Store::Sqlite { .. } = &test.store {
                for (sql, index) in [(READY, "dispatch_ready"), (UNTOLD, "event_seq")] {
                    let mut tx = test.store.read().await?;
                    let sql = sqlx::AssertSqlSafe(format!("EXPLAIN QUERY PLAN {sql}"));
                    let plan: Vec<(i64, i64, i64, String)> = on!(&mut tx, conn => sqlx::query_as(sql).bind(1_000_000_i64).bind(lanes()).fetch_all(conn).await)?;
                    let plan: Vec<String> = plan.into_iter().map(|row| row.3).collect();
                    assert!(plan.iter().any(|line| line.contains(index)), "{plan:#?}");
                    let scans = plan
                        .iter()
                        .filter(|line| line.starts_with("SCAN d") || line.starts_with("SCAN e"));
                    assert!(
                        scans.clone().all(|line| line.contains("USING")),
                        "{plan:#?}"
                    );
                }
            }
        }
        Ok(())
    }
}
