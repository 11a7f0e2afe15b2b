//! The inlet: connects, checks what should be there, consumes the three queues, and begins anew when the
//! link or the database fails.

use std::time::{Duration, Instant};

use lapin::Connection;
use tokio::task::JoinSet;

use super::dead::DeadLetters;
use super::health::Health;
use super::lane::Consuming;
use super::link::{Backoff, Link, leave};
use super::take::Ground;
use super::{AmqpError, topology};
use crate::model::class::Lane;
use crate::stage::Stop;

/// The word for this part in logs.
const PART: &str = "commands";
/// How often we look whether everything is still there.
const LOOK: Duration = Duration::from_secs(10);
/// A link that held so long was a good one.
const GOOD: Duration = Duration::from_secs(60);

/// What takes commands in.
pub(super) struct Inlet {
    pub(super) link: Link,
    pub(super) ground: Ground,
    pub(super) prefetch: u16,
    /// Whether missing exchanges and queues are made.
    pub(super) may_declare: bool,
    pub(super) health: Health,
    pub(super) stop: Stop,
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
            self.health.down(PART, &problem);
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
        let consuming = self.link.connect(PART).await?;
        let burying = self.link.connect("dead letters").await?;
        let done = self.consume(&consuming, &burying).await;
        leave(&consuming).await;
        leave(&burying).await;
        done
    }

    async fn consume(
        &mut self,
        consuming: &Connection,
        burying: &Connection,
    ) -> Result<(), AmqpError> {
        let missing = topology::missing(consuming).await?;
        if !missing.is_empty() {
            if !self.may_declare {
                return Err(AmqpError::Missing(missing.join(", ")));
            }
            topology::declare(consuming).await?;
        }
        // What was whole once may be made anew, should somebody delete a piece of it.
        self.may_declare = true;
        let dead = DeadLetters::open(burying).await?;
        let mut lanes = JoinSet::new();
        for lane in Lane::ALL {
            let (ground, stop) = (self.ground.clone(), self.stop.clone());
            let queue =
                Consuming::begin(ground, *lane, consuming, dead.clone(), self.prefetch, stop)
                    .await?;
            lanes.spawn(queue.run());
        }
        self.health.up(PART);
        let mut look = tokio::time::interval(LOOK);
        look.reset();
        loop {
            tokio::select! {
                ended = lanes.join_next() => match ended {
                    None => return Ok(()),
                    Some(Ok(done)) => done?,
                    Some(Err(broken)) => return Err(AmqpError::Broken(broken.to_string())),
                },
                _ = look.tick() => {
                    let missing = topology::missing(consuming).await?;
                    if !missing.is_empty() {
                        return Err(AmqpError::Missing(missing.join(", ")));
                    }
                }
            }
        }
    }
}
