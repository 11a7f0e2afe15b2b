//! The servers: API, console and pages on one address, health on another.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context as _;
use axum::Router;
use axum::extract::Request;
use axum::handler::Handler;
use axum::routing::{MethodRouter, any_service, get};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tracing::info;

use super::broker::Told;
use super::health::{self, Health};
use super::lines::Lines;
use super::scrape::{self, Scrape};
use super::{Bells, Current, House, Start};
use crate::access::Keys;
use crate::api::{self, ApiState};
use crate::clock::Clock;
use crate::console::{self, ConsoleState};
use crate::pages::{Guard, Language};
use crate::planning::campaign;
use crate::rules::rule::{Mode, Rule};
use crate::stage::{self, Stop, Stopper};
use crate::store::writer::Writer;

/// The port is somebody else's.
#[derive(Debug, thiserror::Error)]
#[error(
    "{address} is taken: stop what listens there, or set another address under [http] or [metrics]"
)]
pub(crate) struct PortTaken {
    address: SocketAddr,
}

/// Takes the port.
pub(crate) async fn bind(address: SocketAddr) -> anyhow::Result<TcpListener> {
    match TcpListener::bind(address).await {
        Err(taken) if taken.kind() == std::io::ErrorKind::AddrInUse => {
            Err(PortTaken { address }.into())
        }
        other => other.with_context(|| format!("{address} cannot be listened on")),
    }
}

/// What the servers share.
#[derive(Clone)]
pub(super) struct Shared {
    pub(super) start: Start,
    pub(super) writer: Writer,
    pub(super) bells: Bells,
    pub(super) lines: Lines,
    pub(super) broker: Told,
    pub(super) stop: Stop,
}

/// The running servers.
pub(super) struct Web {
    renewer: Renewer,
    api: JoinHandle<()>,
    health: JoinHandle<()>,
    /// Health is told until all else has ended.
    last: Stopper,
}

/// Puts other pages in place of those that are served, between two requests.
#[derive(Clone)]
pub(super) struct Renewer {
    shared: Shared,
    address: SocketAddr,
    pages: watch::Sender<MethodRouter>,
}

impl Web {
    /// Serves until told to stop, then lets the requests under way finish.
    pub(super) fn serve(
        house: &House,
        shared: Shared,
        api: TcpListener,
        health: TcpListener,
    ) -> anyhow::Result<Self> {
        let address = api.local_addr()?;
        let pages = routes(house, &shared, address);
        let renewer = Renewer {
            pages: watch::Sender::new(any_service(pages)),
            shared,
            address,
        };
        let shared = &renewer.shared;
        tell_of_console(&shared.start, address);
        let now = renewer.pages.subscribe();
        let whatever_it_is_now = move |request: Request| {
            let pages = now.borrow().clone();
            async move { Handler::call(pages, request, ()).await }
        };
        let (last, end) = stage::stop();
        Ok(Self {
            api: server(
                api,
                Router::new().fallback(whatever_it_is_now),
                shared.stop.clone(),
            ),
            health: server(health, checks(house, shared), end),
            last,
            renewer,
        })
    }

    /// Who puts other pages in place.
    pub(super) fn renewer(&self) -> Renewer {
        self.renewer.clone()
    }

    /// Waits until the last requests are answered.
    pub(super) async fn close(self) {
        // Neither panics: they only end.
        let _ = self.api.await;
        self.last.stop();
        let _ = self.health.await;
    }
}

impl Renewer {
    /// Serves `house` from now on.
    pub(super) fn renew(&self, house: &House) {
        let pages = routes(house, &self.shared, self.address);
        let _ = self.pages.send_replace(any_service(pages));
    }

    /// Renews at each change of the providers.
    pub(super) async fn follow(self, lines: Lines, current: Current) {
        let mut changes = lines.changes();
        while changes.changed().await.is_ok() && !self.shared.stop.is_said() {
            let house = current.read().await.clone();
            self.renew(&house);
        }
    }
}

fn server(listener: TcpListener, router: Router, stop: Stop) -> JoinHandle<()> {
    tokio::spawn(async move {
        // Serving ends only when it is told to.
        let _ = axum::serve(listener, router)
            .with_graceful_shutdown(async move { stop.said().await })
            .await;
    })
}

/// Metrics and health.
fn checks(house: &House, shared: &Shared) -> Router {
    let health = Health {
        store: house.store.clone(),
        clock: shared.start.clock.clone(),
        writer: shared.writer.clone(),
        lines: shared.lines.clone(),
        broker: shared.broker.clone(),
        stop: shared.stop.clone(),
        kept: Arc::default(),
    };
    let scrape = Scrape {
        health: health.clone(),
        started_at: Clock::System.now(),
        kept: Arc::default(),
    };
    let looks = Router::new()
        .route("/livez", get(health::livez))
        .route("/readyz", get(health::readyz))
        .with_state(health);
    let metrics = Router::new().route("/metrics", get(scrape::metrics_page));
    looks.merge(metrics.with_state(scrape))
}

fn tell_of_console(start: &Start, address: SocketAddr) {
    if start.open_console || console::may_open(address) {
        info!("The console is on http://{address}, without a login: for this machine alone");
    } else {
        info!(
            "The console stays closed: {address} is not this machine alone, and there is no login yet"
        );
    }
}

fn routes(house: &House, shared: &Shared, address: SocketAddr) -> Router {
    let start = &shared.start;
    let mut all = api::router(api_state(house, shared));
    if start.open_console || console::may_open(address) {
        all = all.merge(console::router(console_state(house, start, address)));
    }
    match &start.pages {
        Some(pages) => all.merge(pages.clone()),
        None => all,
    }
}

fn api_state(house: &House, shared: &Shared) -> ApiState {
    let startable = |rule: &&Rule| rule.mode != Mode::Off && campaign::is_manual(rule);
    let ids = |rule: &Rule| rule.id.clone();
    let bells = &shared.bells;
    let guard = house.config.webhooks.guard();
    ApiState {
        intake: house.intake(),
        records: Arc::clone(&house.info),
        writer: shared.writer.clone(),
        clock: shared.start.clock.clone(),
        keys: Keys::new(house.store.clone()),
        bells: api::Bells {
            delivery: bells.send.clone(),
            plan: bells.plan.clone(),
            outbox: bells.outbox.clone(),
            webhooks: bells.webhooks.clone(),
        },
        providers: shared.lines.providers(),
        rules: house.book.rules().map(ids).collect(),
        manual_rules: house.book.rules().filter(startable).map(ids).collect(),
        guard: Arc::new(guard.expect("the config was checked")),
    }
}

fn console_state(house: &House, start: &Start, address: SocketAddr) -> ConsoleState {
    let site = &house.config.site;
    ConsoleState {
        store: house.store.clone(),
        clock: start.clock.clone(),
        site_name: site.name.clone(),
        timezone: house.site.timezone.clone(),
        language: Language::parse(&site.language).unwrap_or_default(),
        guard: if console::may_open(address) {
            Guard::Loopback
        } else {
            Guard::Open
        },
        phones: start.pages.is_some(),
    }
}
