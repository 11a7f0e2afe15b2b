//! The only wiring: opens, spawns, and stops in reverse order, with a watchdog.

mod house;
mod lock;
mod web;
mod workdays;

pub use house::{House, site};
pub use lock::Taken;
pub use workdays::{read_working_days, working_days};

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tracing::{error, info, warn};

use crate::amqp;
use crate::channels::sms::smpp::provider as smpp;
use crate::channels::{Provider, Sink};
use crate::clock::Clock;
use crate::delivery::breaker::Breakers;
use crate::delivery::rescue::Rescue;
use crate::delivery::routing::Routing;
use crate::delivery::{self, Pipeline};
use crate::inbound::accept::{self, Accept};
use crate::inbound::replies::Replies;
use crate::outbox::Publisher;
use crate::scheduler::compose::ComposeStage;
use crate::scheduler::plan::PlanStage;
use crate::scheduler::switching;
use crate::stage::{self, Bell, Stop, Stopper};
use crate::store::writer::Writer;
use lock::Lock;

/// How many events may wait between the providers and the store; more slow the networks down.
const EVENTS: usize = 1000;

/// How long stopping may take before what is left is left to the next start.
const STOP_WITHIN: Duration = Duration::from_secs(70);

/// The bells of the stages.
#[derive(Clone, Debug, Default)]
pub struct Bells {
    /// Records or rules changed.
    pub plan: Bell,
    /// Something may be due.
    pub compose: Bell,
    /// Something may be sent.
    pub send: Bell,
    /// A text waits to be read.
    pub replies: Bell,
    /// Something happened that others may hear of.
    pub outbox: Bell,
    /// A deadline may have passed.
    pub rescue: Bell,
    /// A provider may stand otherwise.
    pub routing: Bell,
    /// Events have their numbers.
    pub told: Bell,
}

/// The running daemon.
pub struct App {
    /// What it works on.
    pub house: House,
    /// What time it is for it.
    pub clock: Clock,
    /// Its bells, to hurry it along.
    pub bells: Bells,
    /// Where API and console listen.
    pub address: SocketAddr,
    stopper: Stopper,
    stages: Vec<JoinHandle<()>>,
    lines: Vec<JoinHandle<()>>,
    providers: Vec<Arc<dyn Provider>>,
    servers: Vec<JoinHandle<()>>,
    broker: Vec<JoinHandle<()>>,
    _lock: Lock,
}

/// What `start` needs beside the house.
pub struct Start {
    /// What time it is.
    pub clock: Clock,
    /// Pages mounted beside the API: the demo's phones.
    pub pages: Option<axum::Router>,
    /// Whether the console is mounted on an address that is not loopback as well.
    pub open_console: bool,
}

impl App {
    /// Starts every stage, every provider and the servers.
    ///
    /// # Errors
    /// When the file is another daemon's, a port is taken or a provider's settings cannot work.
    pub async fn start(house: House, start: Start) -> anyhow::Result<Self> {
        let lock = Lock::take(&house.store)?;
        warn_of(&house);
        house
            .book
            .provision(&house.store, start.clock.now())
            .await?;
        let scheduler = &house.config.scheduler;
        let words = (scheduler, house.plans.language.as_str());
        switching::at_start(&house.store, &house.book, words, start.clock.now()).await?;
        let api = web::bind(house.config.http.listen).await?;
        let health = web::bind(house.config.metrics.listen).await?;
        let address = api.local_addr()?;
        let (stopper, stop) = stage::stop();
        let bells = Bells::default();
        let (writer, _) = Writer::start(
            house.store.clone(),
            (*house.desk).clone(),
            start.clock.clone(),
        );
        let owner = format!("{}", uuid::Uuid::now_v7().simple());
        let settings = Arc::new(house.config.delivery.clone());
        let breakers = Breakers::default();

        let (sink, events) = mpsc::channel(EVENTS);
        tokio::spawn(accept::run(accept(&house, &writer, &bells), events));
        let rescue = Rescue {
            store: house.store.clone(),
            clock: start.clock.clone(),
            settings: Arc::clone(&settings),
            desk: Arc::clone(&house.desk),
            owner: owner.clone(),
            bell: bells.send.clone(),
        };
        let rescued = rescue.start().await?;
        if rescued > 0 {
            info!("Took over {rescued} messages that a former run left open");
        }
        let providers = open_providers(&house, &sink)?;
        let (lines, line_bells) = pipelines(
            &house,
            &providers,
            &writer,
            &start.clock,
            (&settings, &breakers),
            &owner,
            &stop,
        );
        tokio::spawn(fan_out(bells.send.clone(), line_bells, stop.clone()));
        let routing = Routing {
            store: house.store.clone(),
            clock: start.clock.clone(),
            desk: Arc::clone(&house.desk),
            providers: providers.clone().into(),
            breakers: breakers.clone(),
            owner: owner.clone(),
            down_after: settings.failover_after,
            bell: bells.send.clone(),
            unbound: Arc::default(),
        };
        let stages = stages(&house, &start.clock, &bells, (rescue, routing), &stop);
        let (broker, amqp) = broker(&house, &start.clock, &writer, &bells, owner, &stop)?;
        let servers = web::serve(
            &house,
            &start,
            &writer,
            &bells,
            &providers,
            (api, health, amqp),
            &stop,
        )?;
        info!("Carebell is up: API on http://{address}");
        Ok(Self {
            house,
            clock: start.clock,
            bells,
            address,
            stopper,
            stages,
            lines,
            providers,
            servers,
            broker,
            _lock: lock,
        })
    }

    /// Stops in good order: nothing new is claimed, answers on their way are waited for, binds are taken leave of.
    pub async fn stop(self) {
        self.stopper.stop();
        let patience = Duration::try_from(self.house.config.delivery.response_timeout)
            .unwrap_or(STOP_WITHIN)
            .min(STOP_WITHIN);
        let orderly = async {
            for line in self.lines {
                let _ = line.await;
            }
            for provider in &self.providers {
                provider.close(patience).await;
            }
            let tasks = self.broker.into_iter().chain(self.stages);
            for task in tasks.chain(self.servers) {
                let _ = task.await;
            }
            self.house.store.close().await;
        };
        if tokio::time::timeout(STOP_WITHIN, orderly).await.is_err() {
            warn!("Stopping took too long; what is open is settled at the next start");
        }
        info!("Carebell has stopped");
    }
}

/// Says what was left out and what is not there yet.
fn warn_of(house: &House) {
    for problem in house.problems.iter().filter(|p| !p.is_warning) {
        error!("Left out: {problem}");
    }
}

fn accept(house: &House, writer: &Writer, bells: &Bells) -> Accept {
    Accept {
        writer: writer.clone(),
        address_key: Arc::new(house.desk.address_key.clone()),
        country: house.config.site.country.clone(),
        texts: bells.replies.clone(),
        sending: bells.send.clone(),
    }
}

fn open_providers(
    house: &House,
    events: &mpsc::Sender<crate::channels::Incoming>,
) -> anyhow::Result<Vec<Arc<dyn Provider>>> {
    let timeout = Duration::try_from(house.config.delivery.response_timeout)
        .context("delivery.response_timeout must be positive")?;
    let mut all: Vec<Arc<dyn Provider>> = Vec::new();
    for name in house.config.providers.keys() {
        let sink = Sink::new(name, events.clone());
        let provider = smpp::open(house.config.smpp(name)?, name, sink, timeout)
            .with_context(|| format!("provider {name}"))?;
        all.push(Arc::new(provider));
    }
    if all.is_empty() {
        warn!("No provider is configured: messages wait for a route that is not there");
    }
    Ok(all)
}

fn pipelines(
    house: &House,
    providers: &[Arc<dyn Provider>],
    writer: &Writer,
    clock: &Clock,
    (settings, breakers): (&Arc<delivery::Settings>, &Breakers),
    owner: &str,
    stop: &Stop,
) -> (Vec<JoinHandle<()>>, Vec<Bell>) {
    let line = |provider: &Arc<dyn Provider>| {
        let bell = Bell::default();
        let line = Pipeline {
            provider: Arc::clone(provider),
            writer: writer.clone(),
            clock: clock.clone(),
            settings: Arc::clone(settings),
            desk: Arc::clone(&house.desk),
            bell: bell.clone(),
            breakers: breakers.clone(),
            owner: owner.to_owned(),
        };
        (tokio::spawn(delivery::run(line, stop.clone())), bell)
    };
    providers.iter().map(line).unzip()
}

/// One bell for whoever has something to send, one for each provider to hear.
async fn fan_out(bell: Bell, lines: Vec<Bell>, stop: Stop) {
    while !stop.is_said() {
        tokio::select! {
            () = bell.heard() => lines.iter().for_each(Bell::ring),
            () = stop.said() => {}
        }
    }
}

/// How often a stage looks by itself: other processes and verbs only write rows.
const LOOK: Duration = Duration::from_secs(1);

/// Spawns the loop of a stage.
macro_rules! staged {
    ($name:literal, $bell:expr, $every:expr, $stop:expr, $stage:expr) => {{
        let stage = Arc::new($stage);
        let pass = move || {
            let stage = Arc::clone(&stage);
            async move { stage.pass().await }
        };
        tokio::spawn(stage::run(
            $name,
            $bell.clone(),
            $every,
            $stop.clone(),
            pass,
        ))
    }};
}

fn stages(
    house: &House,
    clock: &Clock,
    bells: &Bells,
    (rescue, routing): (Rescue, Routing),
    stop: &Stop,
) -> Vec<JoinHandle<()>> {
    let (plan, compose) = scheduler(house, clock, bells);
    let replies = Replies {
        store: house.store.clone(),
        clock: clock.clone(),
        settings: house.config.inbound.clone(),
        timezone: house.site.timezone.clone(),
        language: house.config.site.language.clone(),
        answers: bells.compose.clone(),
    };
    let publisher = Publisher::new(house.store.clone()).telling(bells.told.clone());
    vec![
        staged!("plan", bells.plan, LOOK, stop, plan),
        staged!("compose", bells.compose, LOOK, stop, compose),
        staged!("replies", bells.replies, LOOK, stop, replies),
        staged!("outbox", bells.outbox, LOOK, stop, publisher),
        staged!("rescue", bells.rescue, Duration::from_secs(5), stop, rescue),
        staged!("routing", bells.routing, LOOK * 5, stop, routing),
    ]
}

/// Starts what works with RabbitMQ, where there is one.
fn broker(
    house: &House,
    clock: &Clock,
    writer: &Writer,
    bells: &Bells,
    owner: String,
    stop: &Stop,
) -> anyhow::Result<(Vec<JoinHandle<()>>, amqp::Health)> {
    let Some(settings) = &house.config.amqp else {
        return Ok((Vec::new(), amqp::Health::default()));
    };
    let start = amqp::Start {
        intake: house.intake(),
        records: Arc::clone(&house.info),
        record_source: house.config.intake.source.clone(),
        writer: writer.clone(),
        clock: clock.clone(),
        bells: amqp::Bells {
            delivery: bells.send.clone(),
            plan: bells.plan.clone(),
            outbox: bells.outbox.clone(),
        },
        told: bells.told.clone(),
        owner,
        stop: stop.clone(),
    };
    Ok(amqp::start(settings, &house.config.base, start)?)
}

/// The two stages of the scheduler, for whoever runs them by hand.
pub fn scheduler(house: &House, clock: &Clock, bells: &Bells) -> (PlanStage, ComposeStage) {
    let plan = PlanStage {
        store: house.store.clone(),
        book: Arc::clone(&house.book),
        house: Arc::clone(&house.plans),
        settings: house.config.scheduler.clone(),
        clock: clock.clone(),
        compose: bells.compose.clone(),
    };
    let compose = ComposeStage {
        store: house.store.clone(),
        book: Arc::clone(&house.book),
        house: Arc::clone(&house.plans),
        desk: Arc::clone(&house.desk),
        settings: house.config.scheduler.clone(),
        gates: house.config.gates.clone(),
        clock: clock.clone(),
        delivery: bells.send.clone(),
    };
    (plan, compose)
}
