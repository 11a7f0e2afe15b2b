//! What works with RabbitMQ, where there is one: started, begun anew at a reload, stopped.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::timeout;
use tracing::{error, warn};

use super::lines::{Ground, Lines};
use super::{Bells, House};
use crate::amqp;
use crate::stage::Stopper;

/// How long what is on its way to or from the broker may take to end.
const END_WITHIN: Duration = Duration::from_secs(10);

/// The ways in and out.
pub(super) struct Broker {
    ground: Ground,
    bells: Bells,
    running: Option<(Stopper, Vec<JoinHandle<()>>)>,
    health: Told,
}

/// What does not work with the broker, as it is told now. Cheap to clone.
#[derive(Clone, Default)]
pub(super) struct Told(Arc<Mutex<amqp::Health>>);

impl Told {
    /// What does not work, if anything.
    pub(super) fn degraded(&self) -> Option<String> {
        let health = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        health.degraded()
    }
}

impl Broker {
    /// Nothing runs yet.
    pub(super) fn new(lines: &Lines, bells: &Bells) -> Self {
        Self {
            ground: lines.ground().clone(),
            bells: bells.clone(),
            running: None,
            health: Told::default(),
        }
    }

    /// What does not work.
    pub(super) fn health(&self) -> Told {
        self.health.clone()
    }

    /// Whether the settings of `house` can work.
    ///
    /// # Errors
    /// When they lead nowhere. A broker that is away is no error.
    pub(super) fn check(house: &House) -> anyhow::Result<()> {
        if let Some(settings) = &house.config.amqp {
            settings.link(&house.config.base)?;
        }
        Ok(())
    }

    /// Starts what the settings of `house` ask for.
    ///
    /// # Errors
    /// When they lead nowhere. A broker that is away is no error.
    pub(super) fn start(&mut self, house: &House) -> anyhow::Result<()> {
        let Some(settings) = &house.config.amqp else {
            self.tell(amqp::Health::default());
            return Ok(());
        };
        let (stopper, stop) = self.ground.stop.some();
        let start = amqp::Start {
            intake: house.intake(),
            records: Arc::clone(&house.info),
            record_source: house.config.intake.source.clone(),
            writer: self.ground.writer.clone(),
            clock: self.ground.clock.clone(),
            bells: amqp::Bells {
                delivery: self.bells.send.clone(),
                plan: self.bells.plan.clone(),
                outbox: self.bells.outbox.clone(),
            },
            told: self.bells.told.clone(),
            owner: self.ground.owner.clone(),
            stop,
        };
        let (tasks, health) = amqp::start(settings, &house.config.base, start)?;
        self.running = Some((stopper, tasks));
        self.tell(health);
        Ok(())
    }

    /// Begins anew by the settings, templates and routes of `house`. What was not acknowledged is handed out again.
    pub(super) async fn follow(&mut self, house: &House) {
        self.stop().await;
        if let Err(problem) = self.start(house) {
            error!("RabbitMQ cannot be worked with: {problem:#}");
        }
    }

    /// Ends in good order.
    pub(super) async fn stop(&mut self) {
        let Some((stopper, tasks)) = self.running.take() else {
            return;
        };
        stopper.stop();
        for mut task in tasks {
            if timeout(END_WITHIN, &mut task).await.is_err() {
                warn!("RabbitMQ: something did not end in time; what was on its way is done again");
                task.abort();
            }
        }
    }

    fn tell(&self, health: amqp::Health) {
        *self.health.0.lock().unwrap_or_else(PoisonError::into_inner) = health;
    }
}
