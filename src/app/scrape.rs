//! The page of metrics: what the stages counted, and what stands at the moment somebody looks.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse as _, Response};
use jiff::Timestamp;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};
use tracing::warn;

use super::health::Health;
use crate::store::StoreError;
use crate::store::standing::{self, Standing};
use crate::telemetry::metrics;
use crate::telemetry::registry::Page;

/// How long what was read from the database is good at least …
const KEPT_FOR: Duration = Duration::from_secs(1);
/// … and so many times as long as reading it took: looking often never costs more than a twentieth of a reader.
const KEPT_TIMES: u32 = 20;

/// A database that takes longer is told as not answering.
const READ_WITHIN: Duration = Duration::from_secs(5);

/// What to look at. Cheap to clone.
#[derive(Clone)]
pub(super) struct Scrape {
    pub(super) health: Health,
    pub(super) started_at: Timestamp,
    pub(super) kept: Arc<Mutex<Option<Kept>>>,
}

/// What was read, and until when it is good.
pub(super) struct Kept {
    until: Instant,
    standing: Standing,
}

/// `/metrics`.
pub(super) async fn metrics_page(State(scrape): State<Scrape>) -> Response {
    let mut page = Page::default();
    metrics::write(&mut page);
    scrape.of_database(&mut page).await;
    scrape.of_process(&mut page);
    let kind = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    ([(header::CONTENT_TYPE, kind)], page.into_text()).into_response()
}

impl Scrape {
    async fn of_database(&self, page: &mut Page) {
        let now = self.health.clock.now();
        let seconds = |since: i64| {
            let ms = now.as_millisecond().saturating_sub(since).max(0);
            Duration::from_millis(u64::try_from(ms).unwrap_or_default()).as_secs_f64()
        };
        let Some(standing) = self.standing(now).await else {
            page.gauge("carebell_database_up", "Whether the database answers.", 0);
            return;
        };
        page.gauge("carebell_database_up", "Whether the database answers.", 1);
        page.gauges(
            "carebell_queue_ready",
            "Messages that are due and wait.",
            "lane",
            standing.lanes.iter().map(|(lane, n, _)| (lane.clone(), *n)),
        );
        page.gauges(
            "carebell_queue_oldest_age_seconds",
            "How long the first of them has waited.",
            "lane",
            standing
                .lanes
                .iter()
                .map(|(lane, _, since)| (lane.clone(), since.map_or(0.0, seconds))),
        );
        let mut uncertain: Vec<(String, i64)> = standing.uncertain;
        for provider in self.health.lines.providers().iter() {
            if !uncertain.iter().any(|(name, _)| name == provider.name()) {
                uncertain.push((provider.name().to_owned(), 0));
            }
        }
        page.gauges(
            "carebell_uncertain",
            "Messages whose fate is unknown.",
            "provider",
            uncertain,
        );
        page.gauge(
            "carebell_outbox_age_seconds",
            "Age of the oldest event that is still to be told.",
            standing.untold_since.map_or(0.0, seconds),
        );
    }

    fn of_process(&self, page: &mut Page) {
        let health = &self.health;
        let providers = health.lines.providers();
        page.gauges(
            "carebell_smpp_bind_up",
            "Whether messages can go to the provider.",
            "provider",
            providers
                .iter()
                .map(|one| (one.name().to_owned(), u8::from(one.is_up()))),
        );
        page.gauges(
            "carebell_smpp_window_in_use",
            "Segments that wait for the provider's answer.",
            "provider",
            providers
                .iter()
                .map(|one| (one.name().to_owned(), one.in_use())),
        );
        page.family(
            "carebell_stage_failures_total",
            "Passes of a stage that failed; they are tried again.",
            "counter",
        );
        for (stage, failures) in health.stop.pulses().failures() {
            page.sample("carebell_stage_failures_total", "stage", &stage, failures);
        }
        page.gauge(
            "carebell_writer_waiting",
            "Commands that wait for the next commit.",
            health.writer.waiting(),
        );
        if let Some(free) = health.writer.disk().free() {
            page.gauge(
                "carebell_disk_free_bytes",
                "Room where the database lies.",
                free,
            );
        }
        page.family("carebell_build_info", "The version that runs.", "gauge");
        page.sample(
            "carebell_build_info",
            "version",
            env!("CARGO_PKG_VERSION"),
            1,
        );
        let started = Duration::from_millis(
            u64::try_from(self.started_at.as_millisecond()).unwrap_or_default(),
        );
        page.gauge(
            "process_start_time_seconds",
            "When the process started, in seconds since 1970.",
            started.as_secs_f64(),
        );
        process(page);
    }

    async fn standing(&self, now: Timestamp) -> Option<Standing> {
        let mut kept = self.kept.lock().await;
        if let Some(kept) = kept.as_ref().filter(|kept| Instant::now() < kept.until) {
            return Some(kept.standing.clone());
        }
        let began = Instant::now();
        let read = async {
            let mut tx = self.health.store.read().await?;
            standing::read(&mut tx, now).await
        };
        match timeout(READ_WITHIN, read)
            .await
            .unwrap_or(Err(StoreError::Busy))
        {
            Ok(standing) => {
                *kept = Some(Kept {
                    until: Instant::now() + KEPT_FOR.max(began.elapsed() * KEPT_TIMES),
                    standing: standing.clone(),
                });
                Some(standing)
            }
            Err(problem) => {
                warn!("What waits cannot be read for metrics: {problem}");
                None
            }
        }
    }
}

/// What the system tells of us, where there is `/proc`.
fn process(page: &mut Page) {
    if let Ok(status) = std::fs::read_to_string("/proc/self/status") {
        let kib = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB"));
        if let Some(kib) = kib.and_then(|kib| kib.trim().parse::<u64>().ok()) {
            page.gauge(
                "process_resident_memory_bytes",
                "Memory in use.",
                kib * 1024,
            );
        }
    }
    if let Ok(stat) = std::fs::read_to_string("/proc/self/stat") {
        // After the name, which may hold anything: state is the third field, user and system time the 14th and 15th.
        let fields = stat.rsplit(')').next().unwrap_or_default();
        let ticks = fields.split_whitespace().skip(11).take(2);
        let ticks: u64 = ticks.filter_map(|field| field.parse::<u64>().ok()).sum();
        let a_second = rustix::param::clock_ticks_per_second().max(1);
        page.family(
            "process_cpu_seconds_total",
            "Time on processors, user and system.",
            "counter",
        );
        let whole = Duration::from_secs(ticks) / u32::try_from(a_second).unwrap_or(100);
        page.plain("process_cpu_seconds_total", whole.as_secs_f64());
    }
    if let Ok(open) = std::fs::read_dir("/proc/self/fd") {
        page.gauge("process_open_fds", "Open files and sockets.", open.count());
    }
}
