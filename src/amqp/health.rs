//! What works with the broker and what does not, for logs and for whoever asks.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use tracing::{info, warn};

use super::AmqpError;

/// The parts that are down, each with why. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Health(Arc<Mutex<BTreeMap<&'static str, Option<String>>>>);

impl Health {
    /// What does not work, if anything: a dead broker is a matter for the operator, not for a restart.
    pub fn degraded(&self) -> Option<String> {
        let parts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let down = parts
            .iter()
            .filter_map(|(part, why)| Some((part, why.as_ref()?)));
        let words: Vec<String> = down.map(|(part, why)| format!("{part}: {why}")).collect();
        (!words.is_empty()).then(|| words.join("; "))
    }

    /// Notes that `part` does not work; it is logged when that is news.
    pub(super) fn down(&self, part: &'static str, problem: &AmqpError) {
        let why = Some(problem.to_string());
        let mut parts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if parts.get(part) != Some(&why) {
            warn!("RabbitMQ: {part} have to wait and go on by themselves: {problem}");
            parts.insert(part, why);
        }
    }

    /// Notes that `part` works.
    pub(super) fn up(&self, part: &'static str) {
        let mut parts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if parts.insert(part, None) != Some(None) {
            info!("RabbitMQ: {part} are on their way");
        }
    }
}
