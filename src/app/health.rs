//! Whether it lives and whether it is ready, for those who watch it.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde_json::{Map, Value, json};
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

use super::broker::Told;
use super::lines::Lines;
use crate::clock::Clock;
use crate::stage::{Stop, Stuck};
use crate::store::writer::Writer;
use crate::store::{Store, site};

/// At one piece of work for longer than this, a stage is stuck.
const STUCK_AFTER: Duration = Duration::from_secs(90);
/// How long a write may take before the database counts as not writable.
const WRITTEN_WITHIN: Duration = Duration::from_secs(5);
/// How long what was found about the database is good.
const KEPT_FOR: Duration = Duration::from_secs(1);

/// What to look at. Cheap to clone.
#[derive(Clone)]
pub(super) struct Health {
    pub(super) store: Store,
    pub(super) clock: Clock,
    pub(super) writer: Writer,
    pub(super) lines: Lines,
    pub(super) broker: Told,
    pub(super) stop: Stop,
    /// When the database was looked at, and whether it took a write.
    pub(super) kept: Arc<Mutex<Option<(Instant, bool)>>>,
}

/// The stages of `stop` that do not turn.
pub(super) fn stuck(stop: &Stop) -> Vec<Stuck> {
    stop.pulses().stuck(STUCK_AFTER)
}

/// 200 while every stage turns; else 503 with the names of those that do not.
pub(super) async fn livez(State(health): State<Health>) -> (StatusCode, Json<Value>) {
    let stuck = stuck(&health.stop);
    if stuck.is_empty() {
        return (StatusCode::OK, Json(json!({"status": "ok"})));
    }
    let told = stuck.iter().map(|one| match one.since {
        Some(since) => {
            json!({"stage": one.name, "status": "stuck", "seconds": since.as_secs()})
        }
        None => json!({"stage": one.name, "status": "gone"}),
    });
    let body = json!({"status": "stuck", "stages": told.collect::<Vec<_>>()});
    (StatusCode::SERVICE_UNAVAILABLE, Json(body))
}

/// 503 when the database takes no writes or we are stopping. What is down elsewhere is a matter for people and not
/// for a restart: 200, and the body says `degraded` and why.
pub(super) async fn readyz(State(health): State<Health>) -> (StatusCode, Json<Value>) {
    let (mut reasons, mut providers) = (Vec::new(), Map::new());
    let is_writable = health.is_writable().await;
    for provider in health.lines.providers().iter() {
        let is_up = provider.is_up();
        let word = if is_up { "up" } else { "down" };
        providers.insert(provider.name().to_owned(), word.into());
        if !is_up {
            reasons.push(format!("provider {} is down", provider.name()));
        }
    }
    let broker = health.broker.degraded();
    if let Some(why) = &broker {
        reasons.push(format!("RabbitMQ: {why}"));
    }
    let is_low = health.writer.disk().is_low();
    if is_low {
        reasons.push("the disk is nearly full: nothing new is taken in".to_owned());
    }
    let is_stopping = health.stop.is_said();
    let status = if is_stopping {
        reasons.insert(0, "it is stopping".to_owned());
        "stopping"
    } else if !is_writable {
        reasons.insert(0, "the database takes no writes".to_owned());
        "unready"
    } else if reasons.is_empty() {
        "ready"
    } else {
        "degraded"
    };
    let word = |fine: bool| if fine { "ok" } else { "failing" };
    let body = json!({
        "status": status, "reasons": reasons, "database": word(is_writable), "providers": providers,
        "disk": if is_low { "low" } else { "ok" }, "broker": word(broker.is_none()),
    });
    let code = if is_writable && !is_stopping {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (code, Json(body))
}

impl Health {
    async fn is_writable(&self) -> bool {
        let mut kept = self.kept.lock().await;
        if let Some((at, fine)) = *kept
            && at.elapsed() < KEPT_FOR
        {
            return fine;
        }
        let probe = site::probe(&self.store, self.clock.now());
        let fine = matches!(timeout(WRITTEN_WITHIN, probe).await, Ok(Ok(())));
        *kept = Some((Instant::now(), fine));
        fine
    }
}
