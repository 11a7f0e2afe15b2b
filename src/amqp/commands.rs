//! The inlet of one lane: connects, checks what should be there, consumes its queue, and begins anew when the
//! link or the database fails. Each lane has a link of its own, so that what ails one queue harms no other.

use std::time::{Duration, Instant};

use lapin::Connection;

use super::dead::DeadLetters;
use super::health::Health;
use super::lane::Consuming;
use super::link::{ANSWER_WITHIN, Backoff, Link, leave};
use super::take::Ground;
use super::{AmqpError, topology};
use crate::model::class::Lane;
use crate::stage::Stop;

/// How often we look whether everything is still there.
const LOOK: Duration = Duration::from_secs(10);
/// A link that held so long was a good one.
const GOOD: Duration = Duration::from_secs(60);

/// What takes the commands of a lane in.
pub(super) struct Inlet {
    pub(super) lane: Lane,
    pub(super) link: Link,
    pub(super) ground: Ground,
    pub(super) dead: DeadLetters,
    pub(super) prefetch: u16,
    /// Whether missing exchanges and queues are made.
    pub(super) may_declare: bool,
    pub(super) health: Health,
    pub(super) stop: Stop,
}

/// The word for it in logs.
const fn part(lane: Lane) -> &'static str {
    match lane {
        Lane::Urgent => "urgent commands",
        Lane::Normal => "normal commands",
        Lane::Bulk => "bulk commands",
    }
}

impl Inlet {
    /// Works until told to stop.
    pub(super) async fn run(mut self) {
        let mut backoff = Backoff::new();
        while !self.stop.is_said() {
            let began = Instant::now();
            let Err(problem) = self.session().await else {
                return;
            };
            self.health.down(part(self.lane), &problem);
            if began.elapsed() > GOOD {
                backoff.reset();
            }
            backoff.wait(&self.stop).await;
            if matches!(problem, AmqpError::Store(_)) {
                // The broker keeps them until the database takes writes again.
                while !self.stop.is_said() && self.ground.can_write().await.is_err() {
                    backoff.wait(&self.stop).await;
                }
            }
        }
    }

    async fn session(&mut self) -> Result<(), AmqpError> {
        let connection = self.link.connect(part(self.lane)).await?;
        let done = self.consume(&connection).await;
        leave(&connection).await;
        done
    }

    async fn consume(&mut self, connection: &Connection) -> Result<(), AmqpError> {
        let missing = topology::missing(connection, None).await?;
        if !missing.is_empty() {
            if !self.may_declare {
                return Err(AmqpError::Missing(missing.join(", ")));
            }
            topology::declare(connection).await?;
        }
        // What was whole once may be made anew, should somebody delete a piece of it.
        self.may_declare = true;
        let (ground, dead, stop) = (self.ground.clone(), self.dead.clone(), self.stop.clone());
        let beginning = Consuming::begin(ground, self.lane, connection, dead, self.prefetch, stop);
        let silent = |_| AmqpError::Broken("the queue does not answer".to_owned());
        let begun = tokio::time::timeout(ANSWER_WITHIN, beginning).await;
        let consuming = begun.map_err(silent)??;
        self.health.up(part(self.lane));
        tokio::select! {
            done = consuming.run() => done,
            gone = watch(connection, self.lane) => Err(gone),
        }
    }
}

/// Looks now and then whether everything is still there; says what ended that.
async fn watch(connection: &Connection, lane: Lane) -> AmqpError {
    loop {
        tokio::time::sleep(LOOK).await;
        match topology::missing(connection, Some(lane)).await {
            Ok(missing) if missing.is_empty() => {}
            Ok(missing) => return AmqpError::Missing(missing.join(", ")),
            Err(problem) => return problem,
        }
    }
}
