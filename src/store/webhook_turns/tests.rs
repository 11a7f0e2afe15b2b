//! Webhooks on both databases: who may tell one, what a turn leaves, where a replay begins.

use std::slice::from_ref;

use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::{
    AsideEnd, Lease, Settled, Standing, Try, Turn, claim, material, release, settle, waiting,
};
use crate::model::id::{EventId, WebhookDeliveryId, WebhookId};
use crate::model::webhook::{
    AsideKind, DisabledReason, EventFilter, Include, Secret, TryOutcome, WebhookState,
};
use crate::store::events::{self, Event, NewEvent};
use crate::store::testing::stores;
use crate::store::webhooks::{self, Wish};
use crate::store::{Store, StoreError, Tx, outbox, webhook_admin, webhook_log};

const T0: Timestamp = Timestamp::UNIX_EPOCH;

fn after(seconds: i64) -> Timestamp {
    T0 + SignedDuration::from_secs(seconds)
}

async fn add(tx: &mut Tx) -> Result<WebhookId, StoreError> {
    let wish = Wish {
        name: "HIS".to_owned(),
        url: "https://his.example.org/".to_owned(),
        filter: EventFilter::read(&["message.*"]).unwrap(),
        include: vec![Include::Keys],
        in_flight: 1,
    };
    webhooks::add(tx, &wish, &Secret::generate(), "test", T0).await
}

/// Events at these seconds, numbered.
async fn tell(store: &Store, seconds: &[i64]) -> Result<(), StoreError> {
    let mut tx = store.write().await?;
    for second in seconds {
        let event = NewEvent {
            kind: "message.queued".to_owned(),
            data: json!({"id": "msg_1"}),
        };
        events::add(&mut tx, from_ref(&event), after(*second)).await?;
        outbox::number(&mut tx, 1).await?;
    }
    tx.commit().await
}

fn turn(id: &WebhookId, lease: Lease, from: i64, to: i64, standing: Standing) -> Turn {
    Turn {
        id: id.clone(),
        fence: lease.fence,
        from,
        to,
        standing,
        problem: None,
        asides: Vec::new(),
        tries: Vec::new(),
    }
}

async fn leased(
    tx: &mut Tx,
    id: &WebhookId,
    owner: &str,
    from: i64,
) -> Result<Option<Lease>, StoreError> {
    claim(tx, id, owner, after(from + 60), after(from)).await
}

#[tokio::test]
async fn one_process_has_a_webhook_until_its_lease_runs_out_or_is_given_back()
-> Result<(), StoreError> {
    for test in stores().await {
        let mut tx = test.store.write().await?;
        let id = add(&mut tx).await?;
        let first = leased(&mut tx, &id, "a", 0).await?.unwrap();
        // Taking it again is keeping it.
        let again = leased(&mut tx, &id, "a", 30).await?.unwrap();
        assert_eq!((again.fence, again.until), (first.fence, after(90)));
        let other = leased(&mut tx, &id, "b", 31).await?;
        if test.store.is_shared() {
            assert_eq!(other, None);
            let other = leased(&mut tx, &id, "b", 90).await?.unwrap();
            assert!(other.fence > first.fence);
            // What the first one tells late does not count.
            let late = turn(&id, first, 0, 5, Standing::Well);
            assert_eq!(settle(&mut tx, &late, after(91)).await?, Settled::Lost);
            release(&mut tx, "b").await?;
            assert!(leased(&mut tx, &id, "c", 92).await?.is_some());
        } else {
            // There is one process: another owner was one that died.
            assert!(other.is_some_and(|other| other.fence > first.fence));
        }
        tx.rollback().await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_turn_moves_the_cursor_unless_somebody_else_moved_it() -> Result<(), StoreError> {
    for test in stores().await {
        tell(&test.store, &[0, 0]).await?;
        let mut tx = test.store.write().await?;
        let id = add(&mut tx).await?;
        tx.commit().await?;
        tell(&test.store, &[10, 20, 30]).await?;
        let mut tx = test.store.write().await?;
        let due = waiting(&mut tx, after(40)).await?;
        assert_eq!(
            (due.len(), due[0].cursor, due[0].last, due[0].is_due),
            (1, 2, 5, true)
        );
        let lease = leased(&mut tx, &id, "a", 40).await?.unwrap();
        assert_eq!(
            settle(&mut tx, &turn(&id, lease, 2, 4, Standing::Well), after(41)).await?,
            Settled::Kept
        );
        let found = webhooks::find(&mut tx, &id).await?.unwrap();
        assert_eq!((found.cursor, found.last_taken_at), (4, Some(after(41))));

        let waits = Standing::Waits {
            tries: 1,
            due_at: after(60),
        };
        let mut bad = turn(&id, lease, 4, 4, waits);
        bad.problem = Some(("status", Some(500)));
        settle(&mut tx, &bad, after(42)).await?;
        assert!(waiting(&mut tx, after(59)).await?.is_empty());
        assert_eq!(waiting(&mut tx, after(60)).await?.len(), 1);
        let found = webhooks::find(&mut tx, &id).await?.unwrap();
        assert_eq!((found.tries, found.failing_since), (1, Some(after(42))));
        assert_eq!(found.problem, Some(("status".to_owned(), Some(500))));

        // Set back while a turn is under way: what the turn told counts, where it ended does not.
        assert_eq!(
            webhook_admin::replay(&mut tx, &id, after(10), "test", after(70)).await?,
            Some(3)
        );
        assert_eq!(
            settle(&mut tx, &turn(&id, lease, 4, 5, Standing::Well), after(71)).await?,
            Settled::Kept
        );
        let found = webhooks::find(&mut tx, &id).await?.unwrap();
        assert_eq!(found.cursor, 2);
        assert_eq!(
            material(&mut tx, &id, 0, 100, after(72))
                .await?
                .unwrap()
                .events
                .len(),
            3
        );
        tx.rollback().await?;
    }
    Ok(())
}

/// A third try that came to nothing.
fn refused(event: &Event) -> Try {
    Try {
        id: WebhookDeliveryId::generate(),
        event_id: event.id.clone(),
        event_type: event.kind.clone(),
        number: 3,
        at: 1_000,
        took_ms: 5,
        outcome: TryOutcome::Refused,
        problem: Some("status".to_owned()),
        status: Some(500),
    }
}

#[tokio::test]
async fn what_is_put_aside_comes_again_when_it_is_due_and_goes_when_it_is_done()
-> Result<(), StoreError> {
    for test in stores().await {
        tell(&test.store, &[0]).await?;
        let mut tx = test.store.write().await?;
        let id = add(&mut tx).await?;
        let lease = leased(&mut tx, &id, "a", 0).await?.unwrap();
        let event = events::after(&mut tx, 0, 1).await?.remove(0);
        let mut aside = turn(&id, lease, 1, 1, Standing::Same);
        aside.asides = vec![AsideEnd::Put {
            event: event.id.clone(),
            tries: 3,
            due_at: after(100),
        }];
        aside.tries = vec![refused(&event)];
        settle(&mut tx, &aside, after(1)).await?;
        let logged = webhook_log::list(&mut tx, &id, None, None, None, 10).await?;
        assert_eq!(
            (logged.len(), logged[0].number, logged[0].status),
            (1, 3, Some(500))
        );
        assert!(waiting(&mut tx, after(99)).await?.is_empty());
        assert_eq!(waiting(&mut tx, after(100)).await?[0].asides, 1);

        let due = material(&mut tx, &id, 0, 10, after(100)).await?.unwrap();
        assert_eq!(
            (due.refused, due.asides.len(), due.asides[0].tries),
            (1, 1, 3)
        );
        assert_eq!(due.asides[0].event.as_ref(), Some(&event));
        let mut again = turn(&id, lease, 1, 1, Standing::Same);
        let aside_id = due.asides[0].id.clone();
        again.asides = vec![AsideEnd::Again {
            id: aside_id.clone(),
            event: event.id.clone(),
            tries: 4,
            due_at: after(200),
        }];
        settle(&mut tx, &again, after(100)).await?;
        assert!(waiting(&mut tx, after(199)).await?.is_empty());
        let due = material(&mut tx, &id, 0, 10, after(200)).await?.unwrap();
        assert_eq!((due.asides[0].tries, due.asides[0].first_at), (4, after(1)));
        let mut done = turn(&id, lease, 1, 1, Standing::Same);
        done.asides = vec![AsideEnd::Done(aside_id)];
        settle(&mut tx, &done, after(200)).await?;
        assert!(waiting(&mut tx, after(999)).await?.is_empty());

        // A disabled one hears of tests alone.
        webhooks::disable(&mut tx, &id, "test", after(300)).await?;
        webhook_admin::ask(
            &mut tx,
            &id,
            &event.id,
            AsideKind::Replay,
            "test",
            after(300),
        )
        .await?;
        assert!(waiting(&mut tx, after(300)).await?.is_empty());
        webhook_admin::ask(
            &mut tx,
            &id,
            &EventId::generate(),
            AsideKind::Test,
            "test",
            after(300),
        )
        .await?;
        assert_eq!(waiting(&mut tx, after(300)).await?[0].asides, 1);
        assert_eq!(webhook_log::forget(&mut tx, after(2), 10).await?, 1);
        tx.rollback().await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_turn_disables_once_and_tells_of_it() -> Result<(), StoreError> {
    for test in stores().await {
        let mut tx = test.store.write().await?;
        let id = add(&mut tx).await?;
        let lease = leased(&mut tx, &id, "a", 0).await?.unwrap();
        let gone = turn(&id, lease, 0, 0, Standing::Disabled(DisabledReason::Gone));
        assert_eq!(settle(&mut tx, &gone, after(1)).await?, Settled::Disabled);
        assert_eq!(settle(&mut tx, &gone, after(2)).await?, Settled::Kept);
        let found = webhooks::find(&mut tx, &id).await?.unwrap();
        assert_eq!(
            (found.state, found.disabled_reason),
            (WebhookState::Disabled, Some(DisabledReason::Gone))
        );
        assert_eq!(outbox::number(&mut tx, 10).await?.count, 1);
        assert_eq!(
            events::after(&mut tx, 0, 10).await?[0].kind,
            "webhook.disabled"
        );
        tx.rollback().await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_replay_begins_at_the_first_event_of_its_moment_though_commits_were_out_of_order()
-> Result<(), StoreError> {
    for test in stores().await {
        let mut seconds: Vec<i64> = (0..200).map(|n| n * 60).collect();
        // Two transactions that took long.
        seconds.swap(100, 101);
        seconds.swap(50, 51);
        tell(&test.store, &seconds).await?;
        let mut tx = test.store.write().await?;
        let id = add(&mut tx).await?;
        for (since, behind) in [
            (-1, 200),
            (0, 200),
            (1, 199),
            // Number 101 is of minute 101, number 102 of minute 100: both are of minute 100 or later.
            (100 * 60, 100),
            (101 * 60, 100),
            (101 * 60 + 1, 98),
            (50 * 60 + 1, 150),
            (199 * 60, 1),
            (199 * 60 + 1, 0),
            (i64::from(i32::MAX), 0),
        ] {
            assert_eq!(
                webhook_admin::replay(&mut tx, &id, after(since), "test", T0).await?,
                Some(behind),
                "since {since}"
            );
        }
        assert_eq!(
            webhook_admin::replay(&mut tx, &WebhookId::generate(), T0, "test", T0).await?,
            None
        );
        tx.rollback().await?;
    }
    Ok(())
}
