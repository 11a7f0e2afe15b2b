//! RabbitMQ: commands of other systems in, what happened out (docs/amqp.md).
//!
//! The broker is a way in and a way out and never a store of ours: what it handed out is acknowledged when
//! it is committed, and what it has confirmed is told. While it is away, nothing is lost and nobody is needed.

mod command;
mod commands;
mod dead;
mod events;
mod health;
mod lane;
pub mod letters;
mod link;
mod settings;
mod take;
pub mod topology;

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use tokio::task::JoinHandle;

use crate::clock::Clock;
use crate::intake::SiteInfo;
use crate::intake::messages::Intake;
use crate::model::class::Lane;
use crate::stage::{Bell, Stop};
use crate::store::StoreError;
use crate::store::writer::Writer;
use command::Reader;
use commands::Inlet;
use dead::DeadLetters;
use events::Outlet;
use take::Ground;

pub use health::Health;
pub use link::Link;
pub use settings::Settings;

/// What went wrong with the broker. Holds no password and nothing about a person.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AmqpError {
    /// The settings lead nowhere.
    #[error("{0}")]
    Settings(String),
    /// It is not there, or does not let us in.
    #[error("the broker cannot be reached: {0}")]
    Unreachable(String),
    /// Something is not there.
    #[error("missing: {0}; run `carebell amqp declare`")]
    Missing(String),
    /// Something stands with other settings.
    #[error(
        "{0} stands with other settings than ours: delete it, then run `carebell amqp declare`"
    )]
    Differs(String),
    /// We may not make something.
    #[error("the broker does not let us make {0}: its operator has to allow that, or do it")]
    Forbidden(String),
    /// The link broke.
    #[error("the link broke: {0}")]
    Broken(String),
    /// It did not confirm what we published.
    #[error("the broker does not confirm what it is given")]
    Unconfirmed,
    /// The database failed.
    #[error("the database takes no writes: {0}")]
    Store(String),
}

impl From<lapin::Error> for AmqpError {
    fn from(problem: lapin::Error) -> Self {
        Self::Broken(problem.to_string())
    }
}

impl From<StoreError> for AmqpError {
    fn from(problem: StoreError) -> Self {
        Self::Store(problem.to_string())
    }
}

/// The bells of the stages that commands may give work to.
#[derive(Clone, Debug, Default)]
pub struct Bells {
    /// Messages to send.
    pub delivery: Bell,
    /// Records that changed.
    pub plan: Bell,
    /// Events to number.
    pub outbox: Bell,
}

/// What works with the broker.
pub struct Start {
    /// How messages come in; it holds the store.
    pub intake: Intake,
    /// How records come in.
    pub records: Arc<SiteInfo>,
    /// The source of records that name none.
    pub record_source: String,
    /// Where messages go to be committed.
    pub writer: Writer,
    /// The source of now.
    pub clock: Clock,
    /// The stages that may have work afterwards.
    pub bells: Bells,
    /// Rung when events have their numbers.
    pub told: Bell,
    /// Which process this is.
    pub owner: String,
    /// The wish to stop.
    pub stop: Stop,
}

impl fmt::Debug for Start {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Start")
            .field("owner", &self.owner)
            .finish_non_exhaustive()
    }
}

/// Starts what `settings` ask for; it connects by itself, whenever the broker is there.
///
/// # Errors
/// When the settings lead nowhere. A broker that is away is no error.
pub fn start(
    settings: &Settings,
    base: &Path,
    start: Start,
) -> Result<(Vec<JoinHandle<()>>, Health), AmqpError> {
    let (link, health) = (settings.link(base)?, Health::default());
    let mut tasks = Vec::new();
    if settings.commands {
        let ground = Ground {
            reader: Reader {
                intake: start.intake.clone(),
                records: start.records,
                source: start.record_source,
                clients: settings.clients.clone(),
                own_user: link.user().to_owned(),
            },
            writer: start.writer,
            clock: start.clock.clone(),
            bells: start.bells,
        };
        let dead = DeadLetters::new(link.clone());
        for lane in Lane::ALL {
            let inlet = Inlet {
                lane: *lane,
                link: link.clone(),
                ground: ground.clone(),
                dead: dead.clone(),
                prefetch: settings.prefetch,
                may_declare: settings.declare,
                health: health.clone(),
                stop: start.stop.clone(),
            };
            tasks.push(tokio::spawn(inlet.run()));
        }
    }
    if settings.events {
        let outlet = Outlet {
            link,
            store: start.intake.store,
            clock: start.clock,
            bell: start.told,
            source: settings.source.clone(),
            may_declare: settings.declare,
            owner: start.owner,
            health: health.clone(),
            stop: start.stop,
        };
        tasks.push(tokio::spawn(outlet.run()));
    }
    Ok((tasks, health))
}
