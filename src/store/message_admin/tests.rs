//! Calling off and settling, against workers that claim at the same moment.

use jiff::{SignedDuration, Timestamp};

use super::{Cancel, Resolve, Settled, cancel, resolve};
use crate::clock::Clock;
use crate::model::class::{Channel, Class, Lane, Role};
use crate::model::id::MessageId;
use crate::model::message::{AttemptPhase, MessageState as S};
use crate::model::route::{Route, Routes};
use crate::store::dispatch::{PrepareOrder, Prepared};
use crate::store::messages::{Desk, NewMessage, Offered, Way};
use crate::store::settle::{Next, Settlement};
use crate::store::testing::{TestStore, stores};
use crate::store::writer::Writer;
use crate::store::{Store, StoreError, on};

struct Bench {
    store: Store,
    writer: Writer,
    now: Timestamp,
    _held: TestStore,
}

async fn benches() -> Vec<Bench> {
    let now: Timestamp = "2026-11-21T09:00:00Z".parse().expect("a timestamp");
    let route = Route::in_order(Channel::Sms, String::new(), vec!["main".to_owned()]);
    let desk = Desk {
        routes: Routes::new(vec![route]),
        address_key: b"key".to_vec(),
    };
    let mut all = Vec::new();
    for held in stores().await {
        let (writer, _) = Writer::start(held.store.clone(), desk.clone(), Clock::by_hand(now));
        all.push(Bench {
            store: held.store.clone(),
            writer,
            now,
            _held: held,
        });
    }
    all
}

impl Bench {
    async fn queued(&self) -> Result<MessageId, StoreError> {
        let id = MessageId::generate();
        let way = Way {
            channel: Channel::Sms,
            address: "+8613800000001".to_owned().into(),
            text: "x".to_owned().into(),
            subject: None,
            segments: 1,
        };
        let message = NewMessage {
            source: "test".to_owned(),
            dedupe_key: id.as_str().to_owned(),
            id,
            body_hash: String::new(),
            class: Class::Appointment,
            lane: Lane::Normal,
            suppressed: None,
            patient: None,
            relation: None,
            occasion: None,
            reminder: None,
            rule: None,
            role: Role::Patient,
            ways: vec![way],
            language: None,
            template: None,
            ask: None,
            sender: None,
            reference: None,
            send_at: self.now,
            expires_at: self.now + SignedDuration::from_hours(24),
        };
        match self.writer.accept(message).await? {
            Offered::New { id, .. } => Ok(id),
            Offered::Repeated { .. } | Offered::KeyTaken => Err(StoreError::Closed),
        }
    }

    async fn sending(&self) -> Result<Prepared, StoreError> {
        self.queued().await?;
        self.prepare().await?.ok_or(StoreError::Closed)
    }

    async fn prepare(&self) -> Result<Option<Prepared>, StoreError> {
        let order = PrepareOrder {
            provider: "main".to_owned(),
            limit: 1,
            owner: "me".to_owned(),
            lease_ms: 30_000,
        };
        Ok(self.writer.prepare(order).await?.into_iter().next())
    }

    async fn settle(
        &self,
        one: &Prepared,
        phase: AttemptPhase,
        state: S,
    ) -> Result<(), StoreError> {
        let settlement = Settlement {
            attempt: one.attempt.clone(),
            message: one.message.clone(),
            fence: one.fence,
            provider: one.provider.clone(),
            phase,
            error: None,
            parts: Vec::new(),
            state,
            reason: None,
            next: Next::Deadline(self.now + SignedDuration::from_mins(10)),
            counts: false,
            switch: None,
            reroute: None,
            reference: None,
        };
        self.writer.settle(settlement).await
    }

    async fn lost(&self) -> Result<MessageId, StoreError> {
        let one = self.sending().await?;
        self.settle(&one, AttemptPhase::Unknown, S::Uncertain)
            .await?;
        Ok(one.message)
    }

    async fn cancel(&self, id: &MessageId) -> Result<Cancel, StoreError> {
        let mut tx = self.store.write().await?;
        let done = cancel(&mut tx, id, "test", self.now).await?;
        tx.commit().await?;
        Ok(done)
    }

    async fn resolve(&self, id: &MessageId, settled: Settled) -> Result<Resolve, StoreError> {
        let mut tx = self.store.write().await?;
        let done = resolve(&mut tx, id, settled, "test", self.now).await?;
        tx.commit().await?;
        Ok(done)
    }

    async fn count(&self, sql: &'static str, id: &MessageId) -> Result<i64, StoreError> {
        let mut tx = self.store.read().await?;
        on!(&mut tx, conn => sqlx::query_scalar(sql).bind(id).fetch_one(conn).await)
    }
}

const DISPATCHED: &str = "SELECT COUNT(*) FROM dispatch WHERE message_id = $1";
const UNKNOWN: &str = "SELECT COUNT(*) FROM attempt WHERE message_id = $1 AND phase = 'unknown'";
const AUDITED: &str = "SELECT COUNT(*) FROM audit WHERE target = $1";

#[tokio::test]
async fn what_waits_is_called_off_and_leaves_no_work() -> Result<(), StoreError> {
    for bench in benches().await {
        let id = bench.queued().await?;
        assert_eq!(
            bench.cancel(&id).await?,
            Cancel::Done {
                state: S::Cancelled
            }
        );
        assert_eq!(bench.count(DISPATCHED, &id).await?, 0);
        assert!(bench.prepare().await?.is_none(), "a worker finds nothing");
        assert_eq!(
            bench.cancel(&id).await?,
            Cancel::Done {
                state: S::Cancelled
            }
        );
        assert_eq!(bench.count(AUDITED, &id).await?, 1);
        assert_eq!(
            bench.cancel(&MessageId::generate()).await?,
            Cancel::NotFound
        );
    }
    Ok(())
}

#[tokio::test]
async fn what_is_on_the_wire_is_too_late_and_keeps_its_lease() -> Result<(), StoreError> {
    for bench in benches().await {
        let one = bench.sending().await?;
        assert_eq!(
            bench.cancel(&one.message).await?,
            Cancel::TooLate { state: S::Sending }
        );
        // The answer still finds its attempt.
        bench
            .settle(&one, AttemptPhase::Accepted, S::Submitted)
            .await?;
        assert_eq!(
            bench.cancel(&one.message).await?,
            Cancel::TooLate {
                state: S::Submitted
            }
        );
    }
    Ok(())
}

#[tokio::test]
async fn what_may_have_gone_out_is_not_sent_again_once_called_off() -> Result<(), StoreError> {
    for bench in benches().await {
        let id = bench.lost().await?;
        assert_eq!(
            bench.cancel(&id).await?,
            Cancel::TooLate {
                state: S::Uncertain
            }
        );
        // A person finds out that it never left: then it is called off for good.
        assert_eq!(
            bench.resolve(&id, Settled::NotSent).await?,
            Resolve::Done {
                state: S::Cancelled
            }
        );
        assert_eq!(
            (
                bench.count(DISPATCHED, &id).await?,
                bench.count(UNKNOWN, &id).await?
            ),
            (0, 0)
        );
    }
    Ok(())
}

#[tokio::test]
async fn a_resend_that_is_called_off_never_claims_that_nothing_went_out() -> Result<(), StoreError>
{
    for bench in benches().await {
        let id = bench.lost().await?;
        let mut tx = bench.store.write().await?;
        tx.run("UPDATE message SET state = 'queued'").await?;
        tx.commit().await?;
        assert_eq!(
            bench.cancel(&id).await?,
            Cancel::Done {
                state: S::Unconfirmed
            }
        );
    }
    Ok(())
}

#[tokio::test]
async fn an_uncertain_one_is_settled_either_way() -> Result<(), StoreError> {
    for bench in benches().await {
        let sent = bench.lost().await?;
        assert_eq!(
            bench.resolve(&sent, Settled::Sent).await?,
            Resolve::Done {
                state: S::Submitted
            }
        );
        assert_eq!(
            bench.resolve(&sent, Settled::Sent).await?,
            Resolve::NotUncertain {
                state: S::Submitted
            }
        );
        assert_eq!(
            bench.count(DISPATCHED, &sent).await?,
            1,
            "a receipt is waited for"
        );

        let not_sent = bench.lost().await?;
        assert_eq!(
            bench.resolve(&not_sent, Settled::NotSent).await?,
            Resolve::Done { state: S::Queued }
        );
        let again = bench.prepare().await?;
        assert_eq!(
            again.map(|one| (one.message, one.unknown_before)),
            Some((not_sent.clone(), false))
        );
        assert_eq!(bench.count(AUDITED, &not_sent).await?, 1);
        assert_eq!(
            bench.resolve(&MessageId::generate(), Settled::Sent).await?,
            Resolve::NotFound
        );
    }
    Ok(())
}

#[tokio::test]
async fn cancel_and_claim_at_once_agree() -> Result<(), StoreError> {
    for bench in benches().await {
        for _ in 0..20 {
            let id = bench.queued().await?;
            let (cancelled, claimed) = futures::join!(bench.cancel(&id), bench.prepare());
            let is_claimed = claimed?.is_some();
            match cancelled? {
                Cancel::Done { state } => assert!(!is_claimed && state == S::Cancelled),
                Cancel::TooLate { state } => assert!(is_claimed && state == S::Sending),
                Cancel::NotFound => panic!("it was there"),
            }
        }
    }
    Ok(())
}
