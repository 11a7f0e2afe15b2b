//! Retention on both databases, by a clock set by hand.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::{BITE, FEWEST, Keep, MOST, Memory, Retention, Settings, next};
use crate::clock::Clock;
use crate::store::testing::TestStore;
use crate::store::{StoreError, on, testing};

const NOW: &str = "2026-06-01T12:00:00Z";

/// Messages, one line each: id, source, key, state, days since it was made and since it last changed.
const MESSAGES: &str = "INSERT INTO message (id, source, dedupe_key, body_hash, class, lane, state, role, channels, channel_index,
      channel, addresses, address_hash, bodies, segments, attempts, uncertain_resends, possible_dup, no_resend, concat_ref,
      send_at, expires_at, created_at, updated_at)
    SELECT j.value ->> 'id', j.value ->> 'source', j.value ->> 'key', 'hash', 'clinical', 'normal', j.value ->> 'state', 'patient',
      '[\"sms\"]', 0, 'sms', '{\"sms\":\"+8613800000001\"}', 'h', '{\"sms\":{\"text\":\"plumbago\",\"subject\":null,\"segments\":1}}',
      1, 0, 0, FALSE, FALSE, 1, 0, 0, CAST(j.value ->> 'made' AS BIGINT), CAST(j.value ->> 'changed' AS BIGINT)
    FROM json_each($1) AS j";

#[derive(serde::Serialize)]
struct Row<'a> {
    id: &'a str,
    source: &'a str,
    key: String,
    state: &'a str,
    made: i64,
    changed: i64,
}

fn days_ago(now: Timestamp, days: i64) -> i64 {
    (now - SignedDuration::from_hours(24 * days)).as_millisecond()
}

async fn write(test: &TestStore, all: &[(&str, &str, &str, i64, i64)]) -> Result<(), StoreError> {
    let now: Timestamp = NOW.parse().expect("an instant");
    let set: Vec<Row<'_>> = all
        .iter()
        .map(|(id, source, state, made, changed)| Row {
            id,
            source,
            key: format!("key of {id}"),
            state,
            made: days_ago(now, *made),
            changed: days_ago(now, *changed),
        })
        .collect();
    let mut tx = test.store.write().await?;
    on!(&mut tx, conn => sqlx::query(MESSAGES).bind(crate::store::rows(&set)).execute(conn).await.map(|_| ()))?;
    tx.commit().await
}

fn stage(test: &TestStore, clock: &Clock, settings: Settings) -> Retention {
    Retention {
        store: test.store.clone(),
        clock: clock.clone(),
        settings,
        memory: Memory::default(),
    }
}

async fn until_done(stage: &Retention) -> Result<(), StoreError> {
    while stage.pass().await? > 0 {}
    Ok(())
}

/// The ids of messages that still have their text.
async fn with_text(test: &TestStore) -> Result<Vec<String>, StoreError> {
    const SQL: &str =
        "SELECT id FROM message WHERE bodies <> '{}' AND addresses <> '{}' ORDER BY id";
    let mut tx = test.store.read().await?;
    on!(&mut tx, conn => sqlx::query_scalar(SQL).fetch_all(conn).await)
}

async fn all(test: &TestStore, sql: &'static str) -> Result<Vec<String>, StoreError> {
    let mut tx = test.store.read().await?;
    on!(&mut tx, conn => sqlx::query_scalar(sql).fetch_all(conn).await)
}

fn by_hand() -> Clock {
    Clock::by_hand(NOW.parse().expect("an instant"))
}

#[tokio::test]
async fn texts_go_ninety_days_after_the_end_and_never_before() -> Result<(), StoreError> {
    for test in testing::stores().await {
        let clock = by_hand();
        write(
            &test,
            &[
                ("msg_1", "rule", "delivered", 200, 91),
                ("msg_2", "rule", "delivered", 200, 89),
                ("msg_3", "rule", "scheduled", 200, 200),
                ("msg_4", "rule", "uncertain", 200, 199),
                ("msg_5", "rule", "suppressed", 100, 100),
                ("msg_6", "rule", "failed", 50, 50),
            ],
        )
        .await?;
        let stage = stage(&test, &clock, Settings::default());
        until_done(&stage).await?;
        assert_eq!(
            with_text(&test).await?,
            ["msg_2", "msg_3", "msg_4", "msg_6"]
        );
        // What ended later goes later; what is open stays however long that is.
        clock.advance(SignedDuration::from_hours(24 * 2));
        until_done(&stage).await?;
        assert_eq!(with_text(&test).await?, ["msg_3", "msg_4", "msg_6"]);
        clock.advance(SignedDuration::from_hours(24 * 365));
        until_done(&stage).await?;
        assert_eq!(with_text(&test).await?, ["msg_3", "msg_4"]);
        // Once it has ended its ninety days begin.
        let mut tx = test.store.write().await?;
        let at = clock.now().as_millisecond();
        const END: &str =
            "UPDATE message SET state = 'expired', updated_at = $1 WHERE id = 'msg_3'";
        on!(&mut tx, conn => sqlx::query(END).bind(at).execute(conn).await.map(|_| ()))?;
        tx.commit().await?;
        clock.advance(SignedDuration::from_hours(24 * 89));
        until_done(&stage).await?;
        assert_eq!(with_text(&test).await?, ["msg_3", "msg_4"]);
        clock.advance(SignedDuration::from_hours(24 * 2));
        until_done(&stage).await?;
        assert_eq!(with_text(&test).await?, ["msg_4"]);
    }
    Ok(())
}

#[tokio::test]
async fn a_restart_goes_on_where_it_stopped_and_nothing_is_left_in_the_file()
-> Result<(), StoreError> {
    for test in testing::stores().await {
        let clock = by_hand();
        let ids: Vec<String> = (0..1500).map(|n| format!("msg_{n:05}")).collect();
        let rows: Vec<_> = ids
            .iter()
            .map(|id| (id.as_str(), "rule", "delivered", 200, 150))
            .collect();
        write(&test, &rows).await?;
        stage(&test, &clock, Settings::default()).pass().await?;
        let left = with_text(&test).await?.len();
        assert!(left > 0 && left < 1500, "a bite is small: {left}");
        // Another process: it knows nothing but what is in the database.
        until_done(&stage(&test, &clock, Settings::default())).await?;
        assert_eq!(with_text(&test).await?, [] as [String; 0]);
        if let crate::store::Store::Sqlite { file, .. } = &test.store {
            for ending in ["", "-wal"] {
                let path = format!("{}{ending}", file.display());
                let bytes = std::fs::read(&path).unwrap_or_default();
                let text = String::from_utf8_lossy(&bytes);
                assert!(!text.contains("plumbago"), "{path} still tells");
                assert!(!text.contains("13800000001"), "{path} still tells");
            }
        }
    }
    Ok(())
}

#[tokio::test]
async fn keys_journals_events_and_audit_have_times_of_their_own() -> Result<(), StoreError> {
    for test in testing::stores().await {
        let clock = by_hand();
        write(
            &test,
            &[
                ("msg_1", "api:one", "delivered", 31, 31),
                ("msg_2", "rule", "delivered", 31, 31),
                ("msg_3", "api:one", "delivered", 29, 29),
            ],
        )
        .await?;
        let ago = |days| days_ago(clock.now(), days);
        let mut tx = test.store.write().await?;
        const EVENTS: &str = "INSERT INTO event (id, seq, type, at, data) VALUES ('evt_1', 1, 'x', $1, '{}'), ('evt_2', 2, 'x', $1, '{}'), ('evt_3', NULL, 'x', $1, '{}'), ('evt_4', 4, 'x', $2, '{}')";
        on!(&mut tx, conn => sqlx::query(EVENTS).bind(ago(91)).bind(ago(1)).execute(conn).await.map(|_| ()))?;
        tx.run("INSERT INTO outbox (sink, cursor) VALUES ('numbering', 4), ('hospital', 1)")
            .await?;
        const AUDIT: &str = "INSERT INTO audit (id, at, actor, action, target, detail) VALUES ('aud_1', $1, 'a', 'b', 'c', '{}'), ('aud_2', $2, 'a', 'b', 'c', '{}')";
        on!(&mut tx, conn => sqlx::query(AUDIT).bind(ago(2191)).bind(ago(2189)).execute(conn).await.map(|_| ()))?;
        tx.commit().await?;
        until_done(&stage(&test, &clock, Settings::default())).await?;
        assert_eq!(
            all(&test, "SELECT dedupe_key FROM message ORDER BY id").await?,
            ["msg_1", "key of msg_2", "key of msg_3"]
        );
        // Who has not been told yet keeps his events.
        assert_eq!(
            all(&test, "SELECT id FROM event ORDER BY id").await?,
            ["evt_2", "evt_3", "evt_4"]
        );
        assert_eq!(all(&test, "SELECT id FROM audit").await?, ["aud_2"]);
        let mut tx = test.store.write().await?;
        tx.run("UPDATE outbox SET cursor = 4").await?;
        tx.commit().await?;
        clock.advance(SignedDuration::from_hours(25));
        until_done(&stage(&test, &clock, Settings::default())).await?;
        assert_eq!(
            all(&test, "SELECT id FROM event ORDER BY id").await?,
            ["evt_3", "evt_4"]
        );
    }
    Ok(())
}

#[test]
fn bites_keep_to_their_time() {
    assert_eq!(next(100, BITE * 2), 50);
    assert_eq!(next(100, BITE / 10), 150);
    assert_eq!(next(100, BITE / 2), 100);
    assert_eq!(next(FEWEST, Duration::from_secs(1)), FEWEST);
    assert_eq!(next(MOST, Duration::ZERO), MOST);
}

#[test]
fn what_is_kept_always_is_said_so() {
    let read = |text: &str| toml::from_str::<Settings>(text);
    let settings = read("audit = \"always\"\ntexts = \"30d\"\n").expect("settings");
    assert_eq!(
        (settings.audit.time(), settings.texts),
        (None, Keep::days(30))
    );
    let wrong = read("texts = \"soon\"\n").expect_err("no time").to_string();
    assert!(wrong.contains("90d"), "{wrong}");
}
