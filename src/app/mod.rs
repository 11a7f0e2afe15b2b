//! The only wiring: opens, spawns, and stops in reverse order, with a watchdog.

mod broker;
mod health;
mod house;
mod lines;
mod lock;
mod notify;
mod reload;
mod scrape;
mod web;
mod workdays;

pub use house::{House, site};
pub use lock::Taken;
pub use notify::Notify;
pub use reload::Refused;
pub use workdays::{read_working_days, working_days};

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::{RwLock, mpsc};
use tokio::task::JoinHandle;
use tracing::{error, info, warn};

use crate::clock::Clock;
use crate::delivery::breaker::Breakers;
use crate::delivery::rescue::Rescue;
use crate::delivery::routing::Routing;
use crate::inbound::accept::{self, Accept};
use crate::inbound::replies::Replies;
use crate::outbox::Publisher;
use crate::retention::{self, Retention};
use crate::scheduler::compose::ComposeStage;
use crate::scheduler::plan::PlanStage;
use crate::scheduler::switching;
use crate::stage::{self, Bell, Stop, Stopper, Stuck};
use crate::store::writer::Writer;
use crate::store::{Store, StoreError};
use crate::store::{backup, disk};
use crate::webhooks::Webhooks;
use broker::Broker;
use lines::{Ground, Lines};
use lock::Lock;
use web::Web;

/// How many events may wait between the providers and the store; more slow the networks down.
const EVENTS: usize = 1000;

/// How long stopping may take on top of waiting for answers.
const STOP_SLACK: Duration = Duration::from_secs(15);

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
    /// Webhooks may have something to hear.
    pub webhooks: Bell,
}

/// The house as it is now: a pass holds it while it runs, a reload changes it between passes.
type Current = Arc<RwLock<House>>;

/// The running daemon.
pub struct App {
    /// What it works on; after a reload the new one.
    pub house: House,
    /// What time it is for it.
    pub clock: Clock,
    /// Its bells, to hurry it along.
    pub bells: Bells,
    /// Where API and console listen.
    pub address: SocketAddr,
    /// Where metrics and health listen.
    pub health: SocketAddr,
    current: Current,
    stopper: Stopper,
    stop: Stop,
    stages: Vec<JoinHandle<()>>,
    lines: Lines,
    writer: Writer,
    broker: Broker,
    web: Web,
    _lock: Lock,
}

/// What `start` needs beside the house.
#[derive(Clone)]
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
        let clock = start.clock.clone();
        adopt(&house.store, clock.now()).await?;
        house.book.provision(&house.store, clock.now()).await?;
        let scheduler = &house.config.scheduler;
        let words = (scheduler, house.plans.language.as_str());
        switching::at_start(&house.store, &house.book, words, clock.now()).await?;
        let api = web::bind(house.config.http.listen).await?;
        let checks = web::bind(house.config.metrics.listen).await?;
        let (address, health) = (api.local_addr()?, checks.local_addr()?);
        let (stopper, stop) = stage::stop();
        let bells = Bells::default();
        let desk = (*house.desk).clone();
        let (writer, _) = Writer::start(house.store.clone(), desk, clock.clone());
        look_at_disk(&house, &writer);
        let owner = format!("{}", uuid::Uuid::now_v7().simple());

        let (sink, events) = mpsc::channel(EVENTS);
        tokio::spawn(accept::run(accept(&house, &writer, &bells), events));
        take_over(&rescue(&house, &clock, &owner, &bells)).await?;
        let ground = Ground {
            writer: writer.clone(),
            clock: clock.clone(),
            owner: owner.clone(),
            events: sink,
            breakers: Breakers::default(),
            stop: stop.clone(),
        };
        let lines = Lines::open(&house, ground)?;
        tokio::spawn(fan_out(bells.send.clone(), lines.clone(), stop.clone()));
        let current: Current = Arc::new(RwLock::new(house.clone()));
        let mut stages = stages(&current, &clock, &bells, &owner, &stop);
        stages.push(watch_disk(&current, &writer, &stop));
        stages.push(routing(&current, &lines, &bells, &stop));
        let webhooks = webhooks(&house, &clock, &owner, &stop)?;
        stages.push(tokio::spawn(webhooks.run(bells.webhooks.clone())));
        let mut broker = Broker::new(&lines, &bells);
        broker.start(&house)?;
        let shared = web::Shared {
            start,
            writer: writer.clone(),
            bells: bells.clone(),
            lines: lines.clone(),
            broker: broker.health(),
            stop: stop.clone(),
        };
        let web = Web::serve(&house, shared, api, checks)?;
        tokio::spawn(web.renewer().follow(lines.clone(), Arc::clone(&current)));
        info!("Metrics and health are on http://{health}");
        info!("Carebell is up: API on http://{address}");
        Ok(Self {
            house,
            clock,
            bells,
            address,
            health,
            current,
            stopper,
            stop,
            stages,
            lines,
            writer,
            broker,
            web,
            _lock: lock,
        })
    }

    /// The stages that do not turn: empty while it lives.
    pub fn stuck(&self) -> Vec<Stuck> {
        health::stuck(&self.stop)
    }

    /// How long stopping may take at most.
    pub fn stops_within(&self) -> Duration {
        let delivery = &self.house.config.delivery;
        let answers = delivery.response_timeout.min(delivery.stop_within);
        Duration::try_from(answers)
            .unwrap_or_default()
            .saturating_add(STOP_SLACK)
    }

    /// Stops in good order: nothing new is claimed or taken in, answers on their way are waited for, what has none in
    /// time is left in doubt, binds are taken leave of.
    pub async fn stop(mut self) {
        let within = self.stops_within();
        self.stopper.stop();
        let orderly = async {
            self.lines.close(within.saturating_sub(STOP_SLACK)).await;
            self.broker.stop().await;
            for task in self.stages {
                let _ = task.await;
            }
            self.web.close().await;
            self.house.store.close().await;
        };
        if tokio::time::timeout(within, orderly).await.is_err() {
            warn!("Stopping took too long; what is open is settled at the next start");
        }
        info!("Carebell has stopped");
    }
}

/// A backup that is put to use: what waited in it may have gone out since, and is flagged.
async fn adopt(store: &Store, now: Timestamp) -> Result<(), StoreError> {
    let mut tx = store.write().await?;
    if let Some((made_at, flagged)) = backup::adopt(&mut tx, now).await? {
        warn!(
            "This database is a backup of {made_at}: {flagged} messages that were due since may have gone out already, and are flagged"
        );
    }
    tx.commit().await
}

/// Says what was left out and what is not there yet.
fn warn_of(house: &House) {
    for problem in house.problems.iter().filter(|p| !p.is_warning) {
        error!("Left out: {problem}");
    }
}

/// Takes over what a former run left open.
async fn take_over(rescue: &Rescue) -> Result<(), StoreError> {
    let rescued = rescue.start().await?;
    if rescued > 0 {
        info!("Took over {rescued} messages that a former run left open");
    }
    Ok(())
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

fn rescue(house: &House, clock: &Clock, owner: &str, bells: &Bells) -> Rescue {
    Rescue {
        store: house.store.clone(),
        clock: clock.clone(),
        settings: Arc::new(house.config.delivery.clone()),
        desk: Arc::clone(&house.desk),
        owner: owner.to_owned(),
        bell: bells.send.clone(),
    }
}

/// One bell for whoever has something to send, one for each provider to hear.
async fn fan_out(bell: Bell, lines: Lines, stop: Stop) {
    while !stop.is_said() {
        tokio::select! {
            () = bell.heard() => lines.ring(),
            () = stop.said() => {}
        }
    }
}

/// How often a stage looks by itself: other processes and verbs only write rows.
const LOOK: Duration = Duration::from_secs(1);
/// How often it is looked whether something is past its keep date.
const RARELY: Duration = Duration::from_secs(60);

/// Spawns the loop of a stage, which is made anew of the house for each pass.
macro_rules! staged {
    ($name:literal, $bell:expr, $every:expr, $stop:expr, $current:expr, $make:expr) => {{
        let (current, make) = (Arc::clone($current), Arc::new($make));
        let pass = move || {
            let (current, make) = (Arc::clone(&current), Arc::clone(&make));
            async move {
                let house = current.read().await;
                make(&house).pass().await
            }
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
    current: &Current,
    clock: &Clock,
    bells: &Bells,
    owner: &str,
    stop: &Stop,
) -> Vec<JoinHandle<()>> {
    let own = || (clock.clone(), bells.clone());
    let (for_plan, for_compose, for_replies, for_rescue) = (own(), own(), own(), own());
    let owner = owner.to_owned();
    let plan = move |house: &House| scheduler(house, &for_plan.0, &for_plan.1).0;
    let compose = move |house: &House| scheduler(house, &for_compose.0, &for_compose.1).1;
    let replies = move |house: &House| replies(house, &for_replies.0, &for_replies.1);
    let followers = [bells.webhooks.clone(), bells.told.clone()];
    let publisher = move |house: &House| {
        let publisher = Publisher::new(house.store.clone());
        followers
            .iter()
            .cloned()
            .fold(publisher, Publisher::ringing)
    };
    let rescue = move |house: &House| rescue(house, &for_rescue.0, &owner, &for_rescue.1);
    let (clock, memory) = (clock.clone(), retention::Memory::default());
    let retention = move |house: &House| Retention {
        store: house.store.clone(),
        clock: clock.clone(),
        settings: house.config.retention.clone(),
        memory: memory.clone(),
    };
    let seldom = Duration::from_secs(5);
    vec![
        staged!("plan", bells.plan, LOOK, stop, current, plan),
        staged!("compose", bells.compose, LOOK, stop, current, compose),
        staged!("replies", bells.replies, LOOK, stop, current, replies),
        staged!("outbox", bells.outbox, LOOK, stop, current, publisher),
        staged!("rescue", bells.rescue, seldom, stop, current, rescue),
        staged!(
            "retention",
            Bell::default(),
            RARELY,
            stop,
            current,
            retention
        ),
    ]
}

fn replies(house: &House, clock: &Clock, bells: &Bells) -> Replies {
    Replies {
        store: house.store.clone(),
        clock: clock.clone(),
        settings: house.config.inbound.clone(),
        timezone: house.site.timezone.clone(),
        language: house.config.site.language.clone(),
        reader: Arc::clone(&house.reader),
        answers: bells.compose.clone(),
    }
}

/// Keeps the routes by the providers' health.
fn routing(current: &Current, lines: &Lines, bells: &Bells, stop: &Stop) -> JoinHandle<()> {
    let (lines, send, unbound) = (lines.clone(), bells.send.clone(), Arc::default());
    let routing = move |house: &House| Routing {
        store: house.store.clone(),
        clock: lines.ground().clock.clone(),
        desk: Arc::clone(&house.desk),
        providers: lines.providers(),
        breakers: lines.ground().breakers.clone(),
        owner: lines.ground().owner.clone(),
        down_after: house.config.delivery.failover_after,
        bell: send.clone(),
        unbound: Arc::clone(&unbound),
    };
    staged!("routing", bells.routing, LOOK * 5, stop, current, routing)
}

/// Keeps an eye on the disk of an SQLite file.
fn watch_disk(current: &Current, writer: &Writer, stop: &Stop) -> JoinHandle<()> {
    let (current, writer) = (Arc::clone(current), writer.clone());
    let pass = move || {
        let (current, writer) = (Arc::clone(&current), writer.clone());
        async move {
            look_at_disk(&*current.read().await, &writer);
            Ok::<usize, StoreError>(0)
        }
    };
    tokio::spawn(stage::run(
        "disk",
        Bell::default(),
        LOOK,
        stop.clone(),
        pass,
    ))
}

fn look_at_disk(house: &House, writer: &Writer) {
    let Store::Sqlite { file, .. } = &house.store else {
        return;
    };
    let least = house.config.database.min_free_mb.saturating_mul(1_000_000);
    let Ok(free) = disk::free_bytes(file) else {
        return;
    };
    if writer.disk().keep(free, least) {
        let free_mb = free / 1_000_000;
        if writer.disk().is_low() {
            error!(
                disk.free_mb = free_mb,
                "The disk is nearly full, {free_mb} MB are left: nothing new is taken in until there is room"
            );
        } else {
            info!(
                disk.free_mb = free_mb,
                "There is room on the disk again, {free_mb} MB: messages are taken in"
            );
        }
    }
}

fn webhooks(house: &House, clock: &Clock, owner: &str, stop: &Stop) -> anyhow::Result<Webhooks> {
    let department = &house.config.scheduler.department;
    let (store, settings) = (house.store.clone(), house.config.webhooks());
    Ok(Webhooks::open(
        store,
        clock.clone(),
        settings,
        owner,
        department,
        stop.clone(),
    )?)
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
