//! One queue of commands: takes what is there in batches, and acknowledges what is committed.
//!
//! While the database takes no writes, nothing is acknowledged and nothing is dropped. A command that names
//! a patient or an occasion nobody told of yet waits a while: it may stand in another queue.

use std::collections::{BTreeSet, HashSet};
use std::time::{Duration, Instant};

use futures::{FutureExt as _, StreamExt as _};
use lapin::message::Delivery;
use lapin::options::{BasicAckOptions, BasicConsumeOptions, BasicQosOptions};
use lapin::types::FieldTable;
use lapin::{Channel, Connection, Consumer};
use tracing::{debug, warn};

use super::command::{Command, deliveries};
use super::dead::DeadLetters;
use super::take::{Ground, Outcome};
use super::{AmqpError, topology};
use crate::intake::messages::Fault;
use crate::intake::record::Key;
use crate::model::class::Lane;
use crate::stage::Stop;
use crate::store::StoreError;

/// How many commands share their statements and commits.
const BATCH: usize = 1000;
/// A command that was handed out so often is done alone: it may be what we die of.
const SUSPECT: i64 = 3;
/// How long commands are held while the database takes no writes; then the broker has them back.
const HOLD: Duration = Duration::from_secs(30);
/// After so many vain tries commands are done one by one, to find the one that the database does not take.
const SINGLY: u32 = 3;
/// And after so many more that one is set aside, if the database takes others.
const GIVE_UP: u32 = 8;
/// How long a command waits at least for what it names.
const WAIT_LEAST: Duration = Duration::from_secs(5);
/// And at most.
const WAIT_MOST: Duration = Duration::from_secs(600);
/// How often it is tried meanwhile.
const WAIT_LOOK: Duration = Duration::from_millis(500);

/// A queue that is consumed.
pub(super) struct Consuming {
    ground: Ground,
    lane: Lane,
    channel: Channel,
    consumer: Consumer,
    dead: DeadLetters,
    stop: Stop,
    /// Commands that wait for what they name, in order.
    waiting: Vec<Waiting>,
    /// When they were tried last.
    looked_at: Instant,
    /// What was handed out and is not acknowledged.
    open: BTreeSet<u64>,
}

struct Waiting {
    delivery: Delivery,
    since: Instant,
    /// The occasion that it is about: what comes later about the same waits behind it.
    about: Option<Key>,
}

impl Consuming {
    /// Begins to consume the queue of `lane`.
    pub(super) async fn begin(
        ground: Ground,
        lane: Lane,
        connection: &Connection,
        dead: DeadLetters,
        prefetch: u16,
        stop: Stop,
    ) -> Result<Self, AmqpError> {
        let channel = connection.create_channel().await?;
        channel
            .basic_qos(prefetch, BasicQosOptions::default())
            .await?;
        let queue = topology::queue(lane);
        let consuming = channel.basic_consume(
            queue.into(),
            format!("carebell.{lane}").into(),
            BasicConsumeOptions::default(),
            FieldTable::default(),
        );
        let consumer = consuming.await?;
        Ok(Self {
            ground,
            lane,
            channel,
            consumer,
            dead,
            stop,
            waiting: Vec::new(),
            looked_at: Instant::now(),
            open: BTreeSet::new(),
        })
    }

    /// Consumes until told to stop, or the link breaks, or the database takes no writes for long.
    pub(super) async fn run(mut self) -> Result<(), AmqpError> {
        let mut kept_back = None;
        loop {
            let mut batch = Vec::new();
            if let Some(first) = kept_back.take() {
                batch.push(first);
            } else {
                tokio::select! {
                    () = self.stop.said() => return Ok(()),
                    next = self.consumer.next() => batch.push(self.got(next)?),
                    () = tokio::time::sleep(WAIT_LOOK), if !self.waiting.is_empty() => {}
                }
            }
            self.look_again().await?;
            let is_alone = batch.first().is_some_and(is_suspect);
            while !batch.is_empty() && !is_alone && batch.len() < BATCH {
                let Some(next) = self.consumer.next().now_or_never() else {
                    break;
                };
                let next = self.got(next)?;
                if is_suspect(&next) {
                    kept_back = Some(next);
                    break;
                }
                batch.push(next);
            }
            if !batch.is_empty() {
                self.settle(batch).await?;
            }
            if self.stop.is_said() {
                return Ok(());
            }
        }
    }

    fn got(&mut self, next: Option<lapin::Result<Delivery>>) -> Result<Delivery, AmqpError> {
        match next {
            Some(Ok(delivery)) => {
                self.open.insert(delivery.delivery_tag);
                Ok(delivery)
            }
            Some(Err(problem)) => Err(problem.into()),
            // The broker ends a consumer when its queue is deleted.
            None => Err(AmqpError::Missing(format!(
                "queue {}",
                topology::queue(self.lane)
            ))),
        }
    }

    /// Takes a batch, and settles each of it with the broker.
    async fn settle(&mut self, batch: Vec<Delivery>) -> Result<(), AmqpError> {
        let (batch, behind) = self.fall_in(batch);
        self.waiting.extend(behind);
        let outcomes = self.take(&batch).await?;
        let mut done = Vec::with_capacity(batch.len());
        for (delivery, outcome) in batch.into_iter().zip(outcomes) {
            match outcome {
                Outcome::Done => done.push(delivery.delivery_tag),
                Outcome::Refused(fault) => {
                    self.bury(&delivery, &fault).await?;
                    done.push(delivery.delivery_tag);
                }
                Outcome::Waits(_) => {
                    let about = self.about(&delivery);
                    self.waiting.push(Waiting {
                        delivery,
                        since: Instant::now(),
                        about,
                    });
                }
            }
        }
        self.acknowledge(&done).await
    }

    /// Sets aside what is about an occasion of which an earlier word waits: it must not overtake.
    fn fall_in(&self, batch: Vec<Delivery>) -> (Vec<Delivery>, Vec<Waiting>) {
        if self.waiting.is_empty() {
            return (batch, Vec::new());
        }
        let (mut now, mut behind) = (Vec::with_capacity(batch.len()), Vec::new());
        for delivery in batch {
            let about = self.about(&delivery);
            let has_to_wait = about.is_some()
                && self
                    .waiting
                    .iter()
                    .chain(&behind)
                    .any(|waiting: &Waiting| waiting.about == about);
            if has_to_wait {
                behind.push(Waiting {
                    delivery,
                    since: Instant::now(),
                    about,
                });
            } else {
                now.push(delivery);
            }
        }
        (now, behind)
    }

    /// The occasion that a command stores or cancels.
    fn about(&self, delivery: &Delivery) -> Option<Key> {
        match self.read(delivery, 0) {
            Ok(Command::Occasion(key, _) | Command::NoOccasion(key, _)) => Some(key),
            Ok(Command::Send(_) | Command::Cancel(_) | Command::Patient(_)) | Err(_) => None,
        }
    }

    fn read(&self, delivery: &Delivery, n: usize) -> Result<Command, Fault> {
        let key = delivery.routing_key.as_str();
        self.ground
            .reader
            .read(key, &delivery.properties, &delivery.data, n)
    }

    /// Tries those again that wait; who waited in vain is set aside.
    async fn look_again(&mut self) -> Result<(), AmqpError> {
        if self.waiting.is_empty() || self.looked_at.elapsed() < WAIT_LOOK {
            return Ok(());
        }
        self.looked_at = Instant::now();
        let others_are_empty = self.others_are_empty().await?;
        // In rounds: of several about one occasion the first decides before the next is looked at.
        let mut rest = std::mem::take(&mut self.waiting);
        while !rest.is_empty() {
            let (round, later) = first_of_each(rest);
            rest = later;
            let (mut deliveries, mut facts) = (Vec::new(), Vec::new());
            for Waiting {
                delivery,
                since,
                about,
            } in round
            {
                deliveries.push(delivery);
                facts.push((since, about));
            }
            let outcomes = self.take(&deliveries).await?;
            let mut done = Vec::new();
            for ((delivery, (since, about)), outcome) in
                deliveries.into_iter().zip(facts).zip(outcomes)
            {
                let was_long = since.elapsed() >= WAIT_MOST
                    || (since.elapsed() >= WAIT_LEAST && others_are_empty);
                match outcome {
                    Outcome::Done => done.push(delivery.delivery_tag),
                    Outcome::Waits(_) if !was_long => {
                        self.waiting.push(Waiting {
                            delivery,
                            since,
                            about,
                        });
                    }
                    Outcome::Waits(fault) | Outcome::Refused(fault) => {
                        self.bury(&delivery, &fault).await?;
                        done.push(delivery.delivery_tag);
                    }
                }
            }
            self.acknowledge(&done).await?;
            // Behind one that goes on waiting the others do as well.
            let (stay, go): (Vec<Waiting>, Vec<Waiting>) = rest.into_iter().partition(|later| {
                later.about.is_some() && self.waiting.iter().any(|first| first.about == later.about)
            });
            self.waiting.extend(stay);
            rest = go;
        }
        self.waiting
            .sort_by_key(|waiting| waiting.delivery.delivery_tag);
        Ok(())
    }

    /// Whether the queues in which patients and occasions come hold nothing more to hand out.
    async fn others_are_empty(&self) -> Result<bool, AmqpError> {
        for lane in [Lane::Urgent, Lane::Normal] {
            let is_other = lane != self.lane;
            if is_other && topology::waiting(&self.channel, topology::queue(lane)).await? > 0 {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Takes deliveries in order, however long it takes; an error when the database takes no writes for long.
    async fn take(&self, batch: &[Delivery]) -> Result<Vec<Outcome>, AmqpError> {
        let mut outcomes: Vec<Option<Outcome>> = batch.iter().map(|_| None).collect();
        let (mut tries, mut since) = (0_u32, Instant::now());
        let mut held = HashSet::new();
        loop {
            let left: Vec<usize> = (0..batch.len())
                .filter(|n| outcomes[*n].is_none())
                .collect();
            if left.is_empty() {
                return Ok(outcomes.into_iter().flatten().collect());
            }
            let some = if tries >= SINGLY {
                &left[..1]
            } else {
                &left[..]
            };
            let commands = some.iter().map(|n| self.read(&batch[*n], *n)).collect();
            let taken = self.ground.take(commands, &mut held).await;
            let has_moved = taken.outcomes.iter().any(Option::is_some);
            for (n, outcome) in some.iter().zip(taken.outcomes) {
                outcomes[*n] = outcome;
            }
            if has_moved {
                (tries, since) = (0, Instant::now());
            }
            let Some(problem) = taken.problem else {
                continue;
            };
            if tries == 0 {
                report(self.lane, &problem);
            }
            tries += 1;
            if tries > GIVE_UP && self.ground.can_write().await.is_ok() {
                outcomes[left[0]] = Some(Outcome::Refused(Fault {
                    code: "internal",
                    path: String::new(),
                    expected: "something that the database takes".to_owned(),
                }));
                (tries, since) = (0, Instant::now());
                continue;
            }
            if since.elapsed() >= HOLD {
                return Err(AmqpError::Store(problem.to_string()));
            }
            let pause = Duration::from_millis(100 << tries.min(5));
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = self.stop.said() => return Err(AmqpError::Store(problem.to_string())),
            }
        }
    }

    async fn bury(&self, delivery: &Delivery, fault: &Fault) -> Result<(), AmqpError> {
        let (key, code) = (delivery.routing_key.as_str(), fault.code);
        debug!("A command {key} is set aside: {code}");
        self.dead
            .add(delivery, fault, self.ground.clock.now())
            .await
    }

    /// Acknowledges `tags`, as many as possible at once.
    async fn acknowledge(&mut self, tags: &[u64]) -> Result<(), AmqpError> {
        for tag in tags {
            self.open.remove(tag);
        }
        let limit = self.open.first().copied().unwrap_or(u64::MAX);
        let together = tags.iter().copied().filter(|tag| *tag < limit).max();
        if let Some(tag) = together {
            self.channel
                .basic_ack(tag, BasicAckOptions { multiple: true })
                .await?;
        }
        for tag in tags.iter().copied().filter(|tag| *tag > limit) {
            self.channel
                .basic_ack(tag, BasicAckOptions { multiple: false })
                .await?;
        }
        Ok(())
    }
}

fn is_suspect(delivery: &Delivery) -> bool {
    delivery.redelivered && deliveries(&delivery.properties) >= SUSPECT
}

/// Those that are the first about their occasion, and the others.
fn first_of_each(all: Vec<Waiting>) -> (Vec<Waiting>, Vec<Waiting>) {
    let (mut first, mut later): (Vec<Waiting>, Vec<Waiting>) = (Vec::new(), Vec::new());
    for waiting in all {
        let is_later =
            waiting.about.is_some() && first.iter().any(|one| one.about == waiting.about);
        if is_later {
            later.push(waiting)
        } else {
            first.push(waiting)
        }
    }
    (first, later)
}

fn report(lane: Lane, problem: &StoreError) {
    match problem {
        StoreError::Busy => debug!("Commands of lane {lane} wait: {problem}"),
        StoreError::Database(_)
        | StoreError::BadRow { .. }
        | StoreError::BadUrl(_)
        | StoreError::Schema(_)
        | StoreError::Closed => warn!("Commands of lane {lane} are held back: {problem}"),
    }
}
