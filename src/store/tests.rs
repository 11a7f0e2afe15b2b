//! The hot path on both databases: accept, prepare, settle, receipts, rescue.

use std::path::PathBuf;

use jiff::{SignedDuration, Timestamp};

use super::dispatch::{PrepareOrder, Prepared};
use super::late::LateAnswer;
use super::messages::{Desk, NewMessage, Offered, Way};
use super::receipts::StoredReceipt;
use super::rescue::{self, Dead, Uncertain};
use super::settle::{Next, Settlement};
use super::testing::{TestStore, stores};
use super::writer::Writer;
use super::{Store, StoreError, migrate};
use crate::clock::Clock;
use crate::model::class::{Channel, Class, Lane, Role};
use crate::model::id::MessageId;
use crate::model::message::{AttemptPhase, MessageState};
use crate::model::phone::address_hash;
use crate::model::receipt::ReceiptStatus;
use crate::model::route::{Route, Routes};

type Result = std::result::Result<(), StoreError>;

/// A store with its writer and a clock that stands.
struct Bench {
    _held: TestStore,
    store: Store,
    writer: Writer,
    clock: Clock,
}

async fn benches() -> Vec<Bench> {
    let mut all = Vec::new();
    for held in stores().await {
        let clock = Clock::by_hand("2026-11-21T09:00:00Z".parse().expect("a timestamp"));
        let (writer, _) = Writer::start(held.store.clone(), desk(), clock.clone());
        all.push(Bench {
            store: held.store.clone(),
            _held: held,
            writer,
            clock,
        });
    }
    all
}

fn desk() -> Desk {
    let route = Route::in_order(Channel::Sms, String::new(), vec!["main".to_owned()]);
    Desk {
        routes: Routes::new(vec![route]),
        address_key: b"key".to_vec(),
    }
}

const TO: &str = "+8613800000001";

fn message(key: &str, now: Timestamp) -> NewMessage {
    let way = Way {
        channel: Channel::Sms,
        address: TO.to_owned().into(),
        text: "您好".to_owned().into(),
        subject: None,
        segments: 1,
    };
    NewMessage {
        id: MessageId::generate(),
        source: "test".to_owned(),
        dedupe_key: key.to_owned(),
        body_hash: "hash".to_owned(),
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
        reference: Some("RIS-77".to_owned()),
        send_at: now,
        expires_at: now + SignedDuration::from_hours(24),
    }
}

impl Bench {
    async fn accepted(&self, key: &str) -> std::result::Result<MessageId, StoreError> {
        match self.writer.accept(message(key, self.clock.now())).await? {
            Offered::New { id, .. } | Offered::Repeated { id, .. } => Ok(id),
            Offered::KeyTaken => Err(StoreError::Closed),
        }
    }

    async fn prepared(&self, limit: usize) -> std::result::Result<Vec<Prepared>, StoreError> {
        let order = PrepareOrder {
            provider: "main".to_owned(),
            limit,
            owner: "me".to_owned(),
            lease_ms: 30_000,
        };
        self.writer.prepare(order).await
    }

    async fn submitted(
        &self,
        key: &str,
        provider_id: &str,
    ) -> std::result::Result<MessageId, StoreError> {
        let id = self.accepted(key).await?;
        let prepared = self.prepared(1).await?;
        let one = prepared.first().ok_or(StoreError::Closed)?;
        let until = self.clock.now() + SignedDuration::from_hours(72);
        self.writer
            .settle(settlement(
                one,
                AttemptPhase::Accepted,
                MessageState::Submitted,
                Next::Deadline(until),
                &[provider_id],
            ))
            .await?;
        Ok(id)
    }

    async fn lost(&self, key: &str) -> std::result::Result<(MessageId, Prepared), StoreError> {
        let id = self.accepted(key).await?;
        let one = self
            .prepared(1)
            .await?
            .into_iter()
            .next()
            .ok_or(StoreError::Closed)?;
        let until = self.clock.now() + SignedDuration::from_mins(10);
        self.writer
            .settle(settlement(
                &one,
                AttemptPhase::Unknown,
                MessageState::Uncertain,
                Next::Deadline(until),
                &[],
            ))
            .await?;
        Ok((id, one))
    }

    async fn state(&self, id: &MessageId) -> std::result::Result<(String, bool), StoreError> {
        let mut tx = self.store.read().await?;
        on!(&mut tx, conn => sqlx::query_as("SELECT state, possible_dup FROM message WHERE id = $1").bind(id).fetch_one(conn).await)
    }

    async fn count(&self, sql: &'static str) -> std::result::Result<i64, StoreError> {
        let mut tx = self.store.read().await?;
        on!(&mut tx, conn => sqlx::query_scalar(sql).fetch_one(conn).await)
    }

    async fn deadlines(&self, policy: Uncertain) -> Result {
        let mut tx = self.store.write().await?;
        rescue::deadlines(&mut tx, |_| policy, self.clock.now()).await?;
        tx.commit().await
    }
}

fn settlement(
    one: &Prepared,
    phase: AttemptPhase,
    state: MessageState,
    next: Next,
    ids: &[&str],
) -> Settlement {
    let parts = ids
        .iter()
        .zip(1_u8..)
        .map(|(id, part)| (part, (*id).to_owned()))
        .collect();
    Settlement {
        attempt: one.attempt.clone(),
        message: one.message.clone(),
        fence: one.fence,
        provider: one.provider.clone(),
        phase,
        error: None,
        parts,
        state,
        reason: None,
        next,
        counts: false,
        switch: None,
        reroute: None,
        reference: one.reference.clone(),
    }
}

fn receipt(ids: &[&str], status: ReceiptStatus) -> StoredReceipt {
    StoredReceipt {
        provider: "main".to_owned(),
        spellings: ids.iter().map(|id| (*id).to_owned()).collect(),
        status,
        error: None,
        umr: None,
        address_hash: None,
        dedupe_key: format!("{ids:?}{status}"),
    }
}

#[tokio::test]
async fn a_message_is_accepted_sent_and_delivered() -> Result {
    for b in benches().await {
        let id = b.submitted("k", "0000001A").await?;
        assert_eq!(b.state(&id).await?.0, "submitted");
        b.writer
            .receipt(receipt(&["26", "1a"], ReceiptStatus::Delivered))
            .await?;
        assert_eq!(b.state(&id).await?.0, "delivered");
        assert_eq!(b.count("SELECT COUNT(*) FROM dispatch").await?, 0);
        // Nothing lowers it afterwards.
        b.writer
            .receipt(receipt(&["1a"], ReceiptStatus::Undeliverable))
            .await?;
        assert_eq!(b.state(&id).await?.0, "delivered");
    }
    Ok(())
}

#[tokio::test]
async fn the_same_key_is_accepted_once() -> Result {
    for b in benches().await {
        let now = b.clock.now();
        let offers = (0..20).map(|_| b.writer.accept(message("k", now)));
        let answers = futures::future::join_all(offers)
            .await
            .into_iter()
            .collect::<std::result::Result<Vec<_>, _>>()?;
        assert_eq!(
            answers
                .iter()
                .filter(|a| matches!(a, Offered::New { .. }))
                .count(),
            1
        );
        let mut other = message("k", now);
        other.body_hash = "another".to_owned();
        assert_eq!(b.writer.accept(other).await?, Offered::KeyTaken);
        assert_eq!(b.count("SELECT COUNT(*) FROM message").await?, 1);
    }
    Ok(())
}

#[tokio::test]
async fn a_receipt_that_comes_before_the_answer_is_applied_with_it() -> Result {
    for b in benches().await {
        b.writer
            .receipt(receipt(&["77"], ReceiptStatus::Delivered))
            .await?;
        b.writer
            .receipt(receipt(&["77"], ReceiptStatus::Delivered))
            .await?;
        assert_eq!(b.count("SELECT COUNT(*) FROM inbox").await?, 1);
        let id = b.submitted("k", "0077").await?;
        assert_eq!(b.state(&id).await?.0, "delivered");
        assert_eq!(
            b.count("SELECT COUNT(*) FROM inbox WHERE state = 'new'")
                .await?,
            0
        );
    }
    Ok(())
}

#[tokio::test]
async fn a_long_message_is_delivered_when_every_part_is() -> Result {
    for b in benches().await {
        let id = b.accepted("k").await?;
        let one = b
            .prepared(1)
            .await?
            .into_iter()
            .next()
            .ok_or(StoreError::Closed)?;
        let until = b.clock.now() + SignedDuration::from_hours(72);
        b.writer
            .settle(settlement(
                &one,
                AttemptPhase::Accepted,
                MessageState::Submitted,
                Next::Deadline(until),
                &["a1", "a2"],
            ))
            .await?;
        b.writer
            .receipt(receipt(&["a2"], ReceiptStatus::Delivered))
            .await?;
        assert_eq!(b.state(&id).await?.0, "submitted");
        b.writer
            .receipt(receipt(&["a1"], ReceiptStatus::Delivered))
            .await?;
        assert_eq!(b.state(&id).await?.0, "delivered");
    }
    Ok(())
}

#[tokio::test]
async fn what_nobody_knows_is_sent_once_more_flagged_and_only_once() -> Result {
    for b in benches().await {
        let (id, _) = b.lost("k").await?;
        assert_eq!(b.state(&id).await?, ("uncertain".to_owned(), false));
        b.deadlines(Uncertain::Resend).await?;
        assert_eq!(b.state(&id).await?.0, "uncertain", "before its time");
        b.clock.advance(SignedDuration::from_mins(11));
        b.deadlines(Uncertain::Resend).await?;
        assert_eq!(b.state(&id).await?, ("queued".to_owned(), true));
        let again = b
            .prepared(10)
            .await?
            .into_iter()
            .next()
            .ok_or(StoreError::Closed)?;
        assert!(again.unknown_before);
        let until = b.clock.now() + SignedDuration::from_mins(10);
        b.writer
            .settle(settlement(
                &again,
                AttemptPhase::Unknown,
                MessageState::Uncertain,
                Next::Deadline(until),
                &[],
            ))
            .await?;
        b.clock.advance(SignedDuration::from_mins(11));
        b.deadlines(Uncertain::Resend).await?;
        assert_eq!(b.state(&id).await?, ("unconfirmed".to_owned(), true));
    }
    Ok(())
}

#[tokio::test]
async fn a_late_answer_stops_the_resend() -> Result {
    for b in benches().await {
        let (id, one) = b.lost("k").await?;
        b.clock.advance(SignedDuration::from_mins(11));
        b.deadlines(Uncertain::Resend).await?;
        let late = LateAnswer {
            attempt: one.attempt,
            provider: "main".to_owned(),
            parts: vec![(1, "9F".to_owned())],
        };
        b.writer.late(late).await?;
        assert_eq!(b.state(&id).await?, ("submitted".to_owned(), false));
        assert!(b.prepared(10).await?.is_empty());
        b.writer
            .receipt(receipt(&["9f"], ReceiptStatus::Delivered))
            .await?;
        assert_eq!(b.state(&id).await?.0, "delivered");
    }
    Ok(())
}

#[tokio::test]
async fn a_late_answer_that_overtakes_its_own_settle_counts() -> Result {
    for b in benches().await {
        let id = b.accepted("k").await?;
        let one = b
            .prepared(1)
            .await?
            .into_iter()
            .next()
            .ok_or(StoreError::Closed)?;
        let late = LateAnswer {
            attempt: one.attempt.clone(),
            provider: "main".to_owned(),
            parts: vec![(1, "5".to_owned())],
        };
        b.writer.late(late).await?;
        let until = b.clock.now() + SignedDuration::from_mins(10);
        b.writer
            .settle(settlement(
                &one,
                AttemptPhase::Unknown,
                MessageState::Uncertain,
                Next::Deadline(until),
                &[],
            ))
            .await?;
        assert_eq!(b.state(&id).await?.0, "submitted");
    }
    Ok(())
}

#[tokio::test]
async fn a_receipt_without_a_known_id_finds_its_lost_attempt() -> Result {
    for b in benches().await {
        let (id, one) = b.lost("k").await?;
        let mut by_umr = receipt(&["unheard"], ReceiptStatus::Delivered);
        by_umr.umr = Some(one.umr);
        by_umr.address_hash = Some(address_hash(b"key", TO));
        b.writer.receipt(by_umr).await?;
        assert_eq!(b.state(&id).await?.0, "delivered");
        let (id, _) = b.lost("second").await?;
        let mut by_address = receipt(&["unheard2"], ReceiptStatus::Undeliverable);
        by_address.address_hash = Some(address_hash(b"key", TO));
        b.writer.receipt(by_address).await?;
        assert_eq!(b.state(&id).await?.0, "undelivered");
    }
    Ok(())
}

#[tokio::test]
async fn after_a_crash_what_was_only_claimed_goes_back_and_what_was_journalled_is_uncertain()
-> Result {
    for b in benches().await {
        let (first, second) = (b.accepted("a").await?, b.accepted("b").await?);
        let both = b.prepared(2).await?;
        assert_eq!(both.len(), 2);
        let mut tx = b.store.write().await?;
        // As if the process had died after the claim of the second and before its journal.
        super::execute!(
            &mut tx,
            sqlx::query("DELETE FROM attempt WHERE message_id = $1").bind(&second)
        )?;
        let touched =
            rescue::dead_leases(&mut tx, Dead::AllBut("another"), |_| 600_000, b.clock.now())
                .await?;
        tx.commit().await?;
        assert_eq!(touched, 2);
        assert_eq!(b.state(&first).await?.0, "uncertain");
        assert_eq!(b.state(&second).await?.0, "queued");
        // The stale worker's settle changes nothing.
        for one in &both {
            b.writer
                .settle(settlement(
                    one,
                    AttemptPhase::Accepted,
                    MessageState::Submitted,
                    Next::Nothing,
                    &[],
                ))
                .await?;
        }
        assert_eq!(b.state(&second).await?.0, "queued");
    }
    Ok(())
}

#[tokio::test]
async fn a_step_of_the_clock_takes_no_lease_from_the_process_that_lives() -> Result {
    for b in benches().await {
        let id = b.accepted("a").await?;
        assert_eq!(b.prepared(1).await?.len(), 1);
        b.clock.advance(jiff::SignedDuration::from_hours(1));
        let mut freed = Vec::new();
        for asks in ["me", "another"] {
            let mut tx = b.store.write().await?;
            let dead = Dead::ExpiredBut(asks);
            freed.push(rescue::dead_leases(&mut tx, dead, |_| 600_000, b.clock.now()).await?);
            tx.commit().await?;
        }
        assert_eq!(
            (freed, b.state(&id).await?.0),
            (vec![0, 1], "uncertain".to_owned())
        );
    }
    Ok(())
}

#[tokio::test]
async fn a_stop_that_came_meanwhile_ends_a_claimed_message() -> Result {
    for b in benches().await {
        let id = b.accepted("k").await?;
        let mut tx = b.store.write().await?;
        let sql = "INSERT INTO suppression (id, address_hash, scope, reason, created_at) VALUES ('sup_1', $1, 'all', 'stop', 0)";
        super::execute!(&mut tx, sqlx::query(sql).bind(address_hash(b"key", TO)))?;
        tx.commit().await?;
        assert!(b.prepared(10).await?.is_empty());
        assert_eq!(b.state(&id).await?.0, "suppressed");
        assert_eq!(b.count("SELECT COUNT(*) FROM dispatch").await?, 0);
    }
    Ok(())
}

#[tokio::test]
async fn others_hear_of_an_end_with_its_reason_and_the_callers_reference() -> Result {
    for b in benches().await {
        b.accepted("k").await?;
        b.clock.advance(SignedDuration::from_hours(25));
        let mut tx = b.store.write().await?;
        rescue::run_out(&mut tx, b.clock.now()).await?;
        let sql = "SELECT data FROM event WHERE type = 'message.expired'";
        let data: String =
            super::on!(&mut tx, conn => sqlx::query_scalar(sql).fetch_one(conn).await)?;
        tx.commit().await?;
        let data: serde_json::Value = serde_json::from_str(&data).expect("events are JSON");
        assert_eq!(
            (&data["reason"], &data["reference"]),
            (&"expired".into(), &"RIS-77".into())
        );
    }
    Ok(())
}

#[tokio::test]
async fn what_runs_out_before_it_is_sent_expires() -> Result {
    for b in benches().await {
        let (first, second) = (b.accepted("a").await?, b.accepted("b").await?);
        b.clock.advance(SignedDuration::from_hours(25));
        let mut tx = b.store.write().await?;
        assert_eq!(rescue::run_out(&mut tx, b.clock.now()).await?, 2);
        tx.commit().await?;
        assert_eq!(b.state(&first).await?.0, "expired");
        assert_eq!(b.state(&second).await?.0, "expired");
    }
    Ok(())
}

#[tokio::test]
async fn a_message_without_a_route_fails_visibly() -> Result {
    for b in benches().await {
        let mut mail = message("k", b.clock.now());
        for way in &mut mail.ways {
            way.channel = Channel::Email;
        }
        let offered = b.writer.accept(mail).await?;
        assert!(matches!(
            offered,
            Offered::New {
                state: MessageState::Failed,
                ..
            }
        ));
    }
    Ok(())
}

#[tokio::test]
async fn a_database_opens_again_with_what_it_held() -> Result {
    for b in benches().await {
        let id = b.accepted("k").await?;
        let again = Store::open(&b._held.url, &PathBuf::new()).await?;
        migrate::run(&again).await?;
        let mut tx = again.read().await?;
        let found: (String,) = on!(&mut tx, conn => sqlx::query_as("SELECT state FROM message WHERE id = $1").bind(&id).fetch_one(conn).await)?;
        assert_eq!(found.0, "queued");
    }
    Ok(())
}
