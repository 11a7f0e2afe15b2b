//! A question goes along with its message, on whatever channel that ends up.

use jiff::{SignedDuration, Timestamp};

use super::{NewQuestion, Question, answered, answered_before, ask, open};
use crate::clock::Clock;
use crate::model::class::{Channel, Class, Lane, Role};
use crate::model::id::{MessageId, PatientId};
use crate::model::message::{Ask, AttemptPhase, MessageState};
use crate::model::phone::address_hash;
use crate::model::receipt::ReceiptStatus;
use crate::model::route::{Route, Routes};
use crate::store::dispatch::{PrepareOrder, Prepared};
use crate::store::messages::{Desk, NewMessage, Way};
use crate::store::receipts::StoredReceipt;
use crate::store::settle::{Next, Settlement, Switch};
use crate::store::writer::Writer;
use crate::store::{Store, StoreError, testing};

const LANDLINE: &str = "+862150000001";
const MOBILE: &str = "+8613800000001";
const MAIL: &str = "ana@example.org";
const STRANGER: &str = "+8613800000099";

const WAYS: [(Channel, &str, &str); 3] = [
    (Channel::Voice, LANDLINE, "calls"),
    (Channel::Sms, MOBILE, "texts"),
    (Channel::Email, MAIL, "mails"),
];

fn desk() -> Desk {
    let route = |(channel, _, provider): (Channel, &str, &str)| {
        Route::in_order(channel, String::new(), vec![provider.to_owned()])
    };
    Desk {
        routes: Routes::new(WAYS.map(route).to_vec()),
        address_key: b"key".to_vec(),
    }
}

fn hash(address: &str) -> String {
    address_hash(b"key", address)
}

fn message(patient: &PatientId, now: Timestamp) -> NewMessage {
    let way = |(channel, address, _): (Channel, &str, &str)| Way {
        channel,
        address: address.to_owned().into(),
        text: "Will you come?".to_owned().into(),
        subject: None,
        segments: 1,
    };
    NewMessage {
        id: MessageId::generate(),
        source: "test".to_owned(),
        dedupe_key: "k".to_owned(),
        body_hash: "hash".to_owned(),
        class: Class::Appointment,
        lane: Lane::Normal,
        suppressed: None,
        patient: Some(patient.clone()),
        relation: None,
        occasion: None,
        reminder: None,
        rule: None,
        role: Role::Patient,
        ways: WAYS.map(way).to_vec(),
        language: None,
        template: None,
        ask: Some(Ask::Confirm),
        sender: None,
        reference: None,
        send_at: now,
        expires_at: now + SignedDuration::from_hours(24),
    }
}

async fn prepared(writer: &Writer, provider: &str) -> Prepared {
    let order = PrepareOrder {
        provider: provider.to_owned(),
        limit: 1,
        owner: "me".to_owned(),
        lease_ms: 30_000,
    };
    let mut all = writer.prepare(order).await.expect("it prepares");
    all.pop()
        .unwrap_or_else(|| panic!("nothing for {provider}"))
}

fn settlement(one: &Prepared, state: MessageState, next: Next) -> Settlement {
    Settlement {
        attempt: one.attempt.clone(),
        message: one.message.clone(),
        fence: one.fence,
        provider: one.provider.clone(),
        phase: AttemptPhase::Accepted,
        error: None,
        parts: Vec::new(),
        state,
        reason: None,
        next,
        counts: false,
        switch: None,
        reroute: None,
        reference: None,
    }
}

async fn asked(store: &Store, address: &str, now: Timestamp) -> Vec<Question> {
    let mut tx = store.read().await.expect("it reads");
    open(&mut tx, &hash(address), now).await.expect("it reads")
}

#[tokio::test]
async fn a_reply_from_wherever_the_message_went_on_to_finds_its_question() -> Result<(), StoreError>
{
    for test in testing::stores().await {
        let clock = Clock::by_hand("2026-11-21T09:00:00Z".parse().expect("a timestamp"));
        let (store, now) = (test.store.clone(), clock.now());
        let (writer, _) = Writer::start(store.clone(), desk(), clock.clone());
        let patient = PatientId::generate();
        let new = message(&patient, now);
        let id = new.id.clone();
        writer.accept(new).await?;
        let question = NewQuestion {
            message: id.clone(),
            address_hash: hash(LANDLINE),
            patient,
            relation: None,
            occasions: Vec::new(),
            kind: Ask::Confirm,
            options: Vec::new(),
            expires_at: now + SignedDuration::from_hours(20),
        };
        let mut tx = store.write().await?;
        ask(&mut tx, &[question], now).await?;
        tx.commit().await?;
        assert_eq!(asked(&store, MOBILE, now).await.len(), 0);
        // The call is refused for good, and the message goes on as a text.
        let call = prepared(&writer, "calls").await;
        let switch = Switch {
            index: 1,
            channel: Channel::Sms,
            provider: "texts".to_owned(),
            address_hash: hash(MOBILE),
            segments: 1,
        };
        let on = Settlement {
            phase: AttemptPhase::Rejected,
            switch: Some(switch),
            ..settlement(&call, MessageState::Queued, Next::Send(now))
        };
        writer.settle(on).await?;
        assert_eq!(asked(&store, MOBILE, now).await[0].message, id);
        // The text is taken, but does not arrive: it goes on as a mail.
        let text = prepared(&writer, "texts").await;
        let until = Next::Deadline(now + SignedDuration::from_hours(72));
        let taken = Settlement {
            parts: vec![(1, "26".to_owned())],
            ..settlement(&text, MessageState::Submitted, until)
        };
        writer.settle(taken).await?;
        let failed = StoredReceipt {
            provider: "texts".to_owned(),
            spellings: vec!["26".to_owned()],
            status: ReceiptStatus::Undeliverable,
            error: None,
            umr: None,
            address_hash: None,
            dedupe_key: "26".to_owned(),
        };
        writer.receipt(failed).await?;
        prepared(&writer, "mails").await;
        // What did not arrive as far as the networks know may have been read: every address answers the same question.
        for address in [LANDLINE, MOBILE, MAIL] {
            let found = asked(&store, address, now).await;
            assert_eq!(found.len(), 1, "{address}");
            assert_eq!(found[0].message, id, "{address}");
        }
        assert_eq!(asked(&store, STRANGER, now).await.len(), 0);
        let question = asked(&store, MAIL, now).await.swap_remove(0).id;
        let mut tx = store.write().await?;
        assert!(answered(&mut tx, &question).await?);
        assert_eq!(open(&mut tx, &hash(MOBILE), now).await?.len(), 0);
        assert_eq!(answered_before(&mut tx, &hash(MOBILE), now).await?.len(), 1);
        tx.rollback().await?;
    }
    Ok(())
}
