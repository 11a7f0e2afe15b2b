//! The stage that reads what patients wrote: bound to what was asked, understood, acted upon.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use tracing::{info, warn};

use super::act::{self, Case};
use super::bind::{self, Bound};
use crate::clock::Clock;
use crate::intents::{self, Awaiting, OfferedTime, PriorQuestion, ReplyContext};
use crate::model::message::Ask;
use crate::model::occasion::{Occasion, OccasionTime};
use crate::stage::Bell;
use crate::store::inbox::{self, WaitingText};
use crate::store::questions::Question;
use crate::store::{Store, StoreError};

/// How many texts one pass reads.
const CHUNK: i64 = 100;

/// `[inbound]` of the config.
#[derive(Clone, Debug, serde::Deserialize, serde::Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// The department that gets replies no other department is named for.
    pub department: String,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            department: "clinical".to_owned(),
        }
    }
}

/// The stage.
#[derive(Clone, Debug)]
pub struct Replies {
    /// The database.
    pub store: Store,
    /// What time it is.
    pub clock: Clock,
    /// Where a reply goes that no department is named for.
    pub settings: Settings,
    /// The site's zone, for bookings that name none.
    pub timezone: TimeZone,
    /// The site's language.
    pub language: String,
    /// Rung when an answer is planned.
    pub answers: Bell,
}

impl Replies {
    /// One pass: texts that wait are read; one that cannot be harms no other.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn pass(&self) -> Result<usize, StoreError> {
        let mut tx = self.store.read().await?;
        let waiting = inbox::waiting(&mut tx, CHUNK).await?;
        drop(tx);
        let mut done = 0;
        for text in &waiting {
            match self.read(text).await {
                Ok(true) => done += 1,
                Ok(false) => {}
                Err(problem) => {
                    warn!(inbox.id = %text.id, "Text {} cannot be read yet: {problem}", text.id)
                }
            }
        }
        if done > 0 {
            info!("Read {done} replies");
            self.answers.ring();
        }
        Ok(done)
    }

    async fn read(&self, text: &WaitingText) -> Result<bool, StoreError> {
        let now = self.clock.now();
        let mut tx = self.store.write().await?;
        let bound = bind::bind(&mut tx, text, now).await?;
        let context = self.context(text, &bound);
        let reading = intents::read(text.text.text.reveal(), &context);
        let case = Case {
            text,
            bound: &bound,
            reading: &reading,
            department: &self.settings.department,
            language: &self.language,
            now,
        };
        let acted = act::act(&mut tx, &case).await?;
        tx.commit().await?;
        Ok(acted)
    }

    fn context(&self, text: &WaitingText, bound: &Bound) -> ReplyContext {
        let zone = bound
            .occasions
            .first()
            .and_then(|o| TimeZone::get(&o.timezone).ok())
            .unwrap_or_else(|| self.timezone.clone());
        let language = bound
            .patient
            .as_ref()
            .and_then(|p| p.language.clone())
            .unwrap_or_else(|| self.language.clone());
        let wall = |at: Timestamp| at.to_zoned(zone.clone()).datetime();
        let question = bound.question.as_ref();
        let prior = bound.prior.as_ref().map(|prior| PriorQuestion {
            awaiting: awaiting(Some(prior)),
            sent_at: Some(wall(prior.asked_at)),
            appointment_at: start(&bound.prior_occasions),
            options: options(Some(prior)),
        });
        ReplyContext {
            awaiting: awaiting(question),
            options: options(question),
            appointment_at: start(&bound.occasions),
            sent_at: question.map(|q| wall(q.asked_at)),
            now: wall(text.received_at),
            tz: zone.iana_name().map(str::to_owned),
            locale: Some(language),
            scale: None,
            prior,
        }
    }
}

fn awaiting(question: Option<&Question>) -> Awaiting {
    match question.map(|q| q.kind) {
        Some(Ask::Confirm | Ask::Rsvp) => Awaiting::Confirm,
        Some(Ask::Choice | Ask::WhichToCancel | Ask::WhichToMove) => Awaiting::Choice,
        Some(Ask::Survey) => Awaiting::Survey,
        None => Awaiting::None,
    }
}

fn options(question: Option<&Question>) -> Vec<OfferedTime> {
    let labels = question.map(|q| q.options.as_slice()).unwrap_or_default();
    (1..)
        .zip(labels)
        .map(|(n, label)| OfferedTime {
            n,
            at: label.parse().ok(),
            label: label.clone(),
        })
        .collect()
}

/// When the first of them starts, on its own wall clock; a day alone lasts to its end.
fn start(occasions: &[Occasion]) -> Option<DateTime> {
    occasions.first().map(|occasion| match occasion.when {
        OccasionTime::At(at) => at,
        OccasionTime::On(on) => on.at(23, 59, 0, 0),
    })
}
