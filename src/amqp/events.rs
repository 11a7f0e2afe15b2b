//! The outlet: tells what happened, in order, at least once, and keeps how far it was told.
//!
//! The cursor moves only when the broker has confirmed; while it is away the events wait in the database.

use std::time::{Duration, Instant};

use futures::future::join_all;
use jiff::SignedDuration;
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::{BasicProperties, Channel, Connection};
use serde_json::json;

use super::health::Health;
use super::link::{ANSWER_WITHIN, Backoff, Link, leave};
use super::{AmqpError, topology};
use crate::clock::Clock;
use crate::stage::{Bell, Stop};
use crate::store::events::{self, Event};
use crate::store::{Store, sinks};

/// The word for this part in logs.
const PART: &str = "events";
/// The name of our cursor.
const SINK: &str = "amqp";
/// How many events are on their way at once.
const CHUNK: i64 = 1000;
/// How often we look without being rung for.
const LOOK: Duration = Duration::from_secs(1);
/// How long the turn to tell lasts: that of a process that dies goes to another after this time.
const TURN: SignedDuration = SignedDuration::from_secs(30);
/// A link that held so long was a good one.
const GOOD: Duration = Duration::from_secs(60);
/// Structured mode: the event is the body.
const CONTENT_TYPE: &str = "application/cloudevents+json; charset=utf-8";

/// What tells events.
pub(super) struct Outlet {
    pub(super) link: Link,
    pub(super) store: Store,
    pub(super) clock: Clock,
    /// Rung when events have their numbers.
    pub(super) bell: Bell,
    /// The `source` of each.
    pub(super) source: String,
    /// Whether missing exchanges are made.
    pub(super) may_declare: bool,
    /// Which process this is.
    pub(super) owner: String,
    pub(super) health: Health,
    pub(super) stop: Stop,
}

impl Outlet {
    /// Works until told to stop.
    pub(super) async fn run(mut self) {
        let mut backoff = Backoff::new();
        // Also when the broker is not there yet: what happens from now on is to be told.
        while let Err(problem) = self.begin().await {
            self.health.down(PART, &problem);
            backoff.wait(&self.stop).await;
            if self.stop.is_said() {
                return;
            }
        }
        while !self.stop.is_said() {
            let began = Instant::now();
            let Err(problem) = self.session().await else {
                break;
            };
            self.health.down(PART, &problem);
            if began.elapsed() > GOOD {
                backoff.reset();
            }
            backoff.wait(&self.stop).await;
        }
        // Another process need not wait for our turn to end.
        if let Ok(mut tx) = self.store.write().await
            && sinks::release(&mut tx, SINK, &self.owner).await.is_ok()
        {
            let _ = tx.commit().await;
        }
    }

    async fn begin(&self) -> Result<(), AmqpError> {
        let mut tx = self.store.write().await?;
        sinks::begin(&mut tx, SINK).await?;
        Ok(tx.commit().await?)
    }

    async fn session(&mut self) -> Result<(), AmqpError> {
        let connection = self.link.connect(PART).await?;
        let done = self.tell(&connection).await;
        leave(&connection).await;
        done
    }

    async fn tell(&mut self, connection: &Connection) -> Result<(), AmqpError> {
        let missing = topology::missing(connection, None).await?;
        if !missing.is_empty() {
            if !self.may_declare {
                return Err(AmqpError::Missing(missing.join(", ")));
            }
            topology::declare(connection).await?;
        }
        self.may_declare = true;
        let channel = connection.create_channel().await?;
        channel
            .confirm_select(ConfirmSelectOptions::default())
            .await?;
        self.health.up(PART);
        while !self.stop.is_said() {
            if !connection.status().connected() {
                return Err(AmqpError::Broken("the connection ended".to_owned()));
            }
            if self.pass(&channel).await? > 0 {
                continue;
            }
            tokio::select! {
                () = self.bell.heard() => {}
                () = tokio::time::sleep(LOOK) => {}
                () = self.stop.said() => {}
            }
        }
        Ok(())
    }

    /// Tells the next events; says how many. None while it is another process's turn.
    async fn pass(&self, channel: &Channel) -> Result<usize, AmqpError> {
        // Looking costs a reader only.
        let mut tx = self.store.read().await?;
        let is_behind = sinks::is_behind(&mut tx, SINK).await?;
        drop(tx);
        if !is_behind {
            return Ok(0);
        }
        let now = self.clock.now();
        let mut tx = self.store.write().await?;
        let cursor = sinks::claim(&mut tx, SINK, &self.owner, now, TURN).await?;
        tx.commit().await?;
        let Some(mut cursor) = cursor else {
            return Ok(0);
        };
        let mut told = 0;
        loop {
            let mut tx = self.store.read().await?;
            let chunk = events::after(&mut tx, cursor, CHUNK).await?;
            drop(tx);
            let Some(last) = chunk.last() else {
                return Ok(told);
            };
            cursor = last.seq;
            self.publish(channel, &chunk).await?;
            let until = self.clock.now().saturating_add(TURN).unwrap_or(now);
            let mut tx = self.store.write().await?;
            let is_ours = sinks::advance(&mut tx, SINK, &self.owner, cursor, until).await?;
            tx.commit().await?;
            told += chunk.len();
            if !is_ours || self.stop.is_said() {
                return Ok(told);
            }
        }
    }

    /// Publishes events; the broker has them all when this returns.
    async fn publish(&self, channel: &Channel, chunk: &[Event]) -> Result<(), AmqpError> {
        let publishing = async {
            let mut confirms = Vec::with_capacity(chunk.len());
            for event in chunk {
                let (body, properties) = self.dress(event);
                let options = BasicPublishOptions::default();
                let (exchange, key) = (topology::EVENTS.into(), event.kind.as_str().into());
                confirms.push(
                    channel
                        .basic_publish(exchange, key, options, &body, properties)
                        .await?,
                );
            }
            Ok::<_, lapin::Error>(join_all(confirms).await)
        };
        let confirmed = tokio::time::timeout(ANSWER_WITHIN, publishing).await;
        for answer in confirmed.map_err(|_| AmqpError::Unconfirmed)?? {
            if !answer?.is_ack() {
                return Err(AmqpError::Unconfirmed);
            }
        }
        Ok(())
    }

    /// An event as CloudEvents has it.
    fn dress(&self, event: &Event) -> (Vec<u8>, BasicProperties) {
        let body = json!({
            "specversion": "1.0",
            "id": event.id,
            "source": self.source,
            "type": event.kind,
            "time": event.at,
            "sequence": event.seq.to_string(),
            "datacontenttype": "application/json",
            "data": event.data,
        });
        let seconds = u64::try_from(event.at.as_second()).unwrap_or_default();
        let properties = BasicProperties::default()
            .with_content_type(CONTENT_TYPE.into())
            .with_delivery_mode(2)
            .with_message_id(event.id.as_str().into())
            .with_type(event.kind.as_str().into())
            .with_timestamp(seconds)
            .with_app_id("carebell".into());
        (body.to_string().into_bytes(), properties)
    }
}
