//! Delivery: one pipeline for each provider, always as full as its window; what crashes and time leave is rescued.
//!
//! The attempt is journalled before the wire is touched and its outcome after; no transaction is open in between.

pub mod breaker;
mod decide;
mod pipeline;
pub mod rescue;
mod retry;
pub mod routing;
mod shift;

use std::collections::BTreeMap;

use jiff::SignedDuration;

pub use pipeline::{Pipeline, run};

use crate::model::class::Class;
use crate::store::rescue::Uncertain;

/// `[delivery]` of the config.
#[derive(Clone, Debug, serde::Deserialize, serde::Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// What to do about a message nobody knows the fate of: `resend`, `give_up` or `hold`.
    pub uncertain: Uncertain,
    /// The same for one class, such as `{ promotion = "give_up" }`.
    pub uncertain_by_class: BTreeMap<Class, Uncertain>,
    /// How long an answer or a receipt may still resolve it.
    pub uncertain_wait: SignedDuration,
    /// The same for class urgent.
    pub urgent_uncertain_wait: SignedDuration,
    /// How long a provider may take to answer.
    pub response_timeout: SignedDuration,
    /// How long a receipt is waited for.
    pub receipt_timeout: SignedDuration,
    /// How long a provider may be without a bind before its messages go by others.
    pub failover_after: SignedDuration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            uncertain: Uncertain::Resend,
            uncertain_by_class: BTreeMap::from([(Class::Promotion, Uncertain::GiveUp)]),
            uncertain_wait: SignedDuration::from_mins(10),
            urgent_uncertain_wait: SignedDuration::from_secs(60),
            response_timeout: SignedDuration::from_secs(60),
            receipt_timeout: SignedDuration::from_hours(72),
            failover_after: SignedDuration::from_secs(30),
        }
    }
}

impl Settings {
    /// The policy for `class`.
    pub fn uncertain(&self, class: Class) -> Uncertain {
        self.uncertain_by_class
            .get(&class)
            .copied()
            .unwrap_or(self.uncertain)
    }

    /// The wait for `class`.
    pub fn wait(&self, class: Class) -> SignedDuration {
        match class {
            Class::Urgent | Class::Reply => self.urgent_uncertain_wait.min(self.uncertain_wait),
            Class::Appointment
            | Class::Clinical
            | Class::Survey
            | Class::HealthTip
            | Class::Invitation
            | Class::Greeting
            | Class::Promotion => self.uncertain_wait,
        }
    }
}
