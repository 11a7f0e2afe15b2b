//! The servers: API, console and pages on one address, health on another.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context as _;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tracing::info;

use super::{Bells, House, Start};
use crate::access::Keys;
use crate::amqp;
use crate::api::{self, ApiState};
use crate::channels::Provider;
use crate::console::{self, ConsoleState};
use crate::pages::{Guard, Language};
use crate::planning::campaign;
use crate::rules::rule::{Mode, Rule};
use crate::stage::Stop;
use crate::store::Store;
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

/// Serves until told to stop, then lets the requests under way finish.
pub(crate) fn serve(
    house: &House,
    start: &Start,
    writer: &Writer,
    bells: &Bells,
    providers: &[Arc<dyn Provider>],
    (api, health, broker): (TcpListener, TcpListener, amqp::Health),
    stop: &Stop,
) -> anyhow::Result<Vec<JoinHandle<()>>> {
    let state = api_state(house, start, writer, bells, providers);
    let pages = routes(house, start, state, api.local_addr()?);
    let checks = Router::new()
        .route("/livez", get(|| async { "ok" }))
        .route("/readyz", get(ready))
        .with_state((house.store.clone(), broker));
    let server = |listener: TcpListener, router: Router, stop: Stop| {
        tokio::spawn(async move {
            // Serving ends only when it is told to.
            let _ = axum::serve(listener, router)
                .with_graceful_shutdown(async move { stop.said().await })
                .await;
        })
    };
    Ok(vec![
        server(api, pages, stop.clone()),
        server(health, checks, stop.clone()),
    ])
}

fn routes(house: &House, start: &Start, state: ApiState, address: SocketAddr) -> Router {
    let mut all = api::router(state);
    if start.open_console || console::may_open(address) {
        info!("The console is on http://{address}, without a login: for this machine alone");
        all = all.merge(console::router(console_state(house, start, address)));
    } else {
        info!(
            "The console stays closed: {address} is not this machine alone, and there is no login yet"
        );
    }
    match &start.pages {
        Some(pages) => all.merge(pages.clone()),
        None => all,
    }
}

fn api_state(
    house: &House,
    start: &Start,
    writer: &Writer,
    bells: &Bells,
    providers: &[Arc<dyn Provider>],
) -> ApiState {
    let startable = |rule: &&Rule| rule.mode != Mode::Off && campaign::is_manual(rule);
    let ids = |rule: &Rule| rule.id.clone();
    ApiState {
        intake: house.intake(),
        records: Arc::clone(&house.info),
        writer: writer.clone(),
        clock: start.clock.clone(),
        keys: Keys::new(house.store.clone()),
        bells: api::Bells {
            delivery: bells.send.clone(),
            plan: bells.plan.clone(),
            outbox: bells.outbox.clone(),
        },
        providers: providers.into(),
        rules: house.book.rules().map(ids).collect(),
        manual_rules: house.book.rules().filter(startable).map(ids).collect(),
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

/// Ready means that the database takes writes; a dead carrier or broker is a matter for the operator, not for a restart.
async fn ready(
    State((store, broker)): State<(Store, amqp::Health)>,
) -> Result<String, (StatusCode, &'static str)> {
    let writable = async {
        let tx = store.write().await?;
        tx.rollback().await
    };
    writable
        .await
        .map(|()| match broker.degraded() {
            None => "ok".to_owned(),
            Some(why) => format!("degraded: {why}"),
        })
        .map_err(|_: crate::store::StoreError| {
            (
                StatusCode::SERVICE_UNAVAILABLE,
                "the database takes no writes",
            )
        })
}
