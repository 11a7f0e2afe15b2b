//! How much a look ahead brings: by day, channel and class, with segments and what they cost.

use std::collections::BTreeMap;

use jiff::civil::Date;

use crate::model::class::{Channel, Class};
use crate::model::price::Price;
use crate::model::reminder::SkipReason;
use crate::model::route::Routes;
use crate::planning::House;
use crate::planning::preview::{Goes, Line};

/// How much there is of something.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Amount {
    /// Messages or tasks.
    pub messages: usize,
    /// Segments of SMS.
    pub segments: usize,
    /// What the segments cost, where providers have prices.
    pub cost: Price,
}

impl Amount {
    fn add(&mut self, line: &Line) {
        self.messages += 1;
        self.segments += line.segments;
        self.cost = self.cost.plus(line.cost);
    }
}

/// What goes out and what does not.
#[derive(Clone, Debug, Default)]
pub struct Totals {
    /// What goes out, by day of the house, channel and class.
    pub by_day: BTreeMap<(Date, Channel, Class), Amount>,
    /// All of it.
    pub all: Amount,
    /// What would be due and does not go out, by its reason.
    pub not: BTreeMap<SkipReason, usize>,
    /// Reminders that are told in another's message.
    pub merged: usize,
    /// Reminders that are told in a digest with another.
    pub gathered: usize,
}

impl Totals {
    /// Counts one that would be sent, be part of another's message, or be skipped.
    pub(crate) fn count(&mut self, line: &Line, house: &House) {
        if let Some((reason, _)) = &line.problem {
            self.refuse(*reason);
            return;
        }
        match &line.goes {
            Goes::Into(_) => {
                self.merged += 1;
                return;
            }
            Goes::Digest(digest) if !digest.counts => {
                self.gathered += 1;
                return;
            }
            Goes::Alone | Goes::Leads(_) | Goes::Digest(_) => {}
        }
        let Some(channel) = line.plan.channels.first() else {
            return;
        };
        let day = house.timezone.to_datetime(line.plan.due_at).date();
        let place = (day, *channel, line.plan.class);
        self.by_day.entry(place).or_default().add(line);
        self.all.add(line);
    }

    /// Counts one that is not planned.
    pub(crate) fn refuse(&mut self, reason: SkipReason) {
        *self.not.entry(reason).or_default() += 1;
    }
}

/// What a segment costs, by who would carry it.
#[derive(Clone, Debug, Default)]
pub struct Tariff {
    /// Which provider carries what.
    pub routes: Routes,
    /// The price of a segment, by provider; a provider without one costs nothing known.
    pub prices: BTreeMap<String, Price>,
}

impl Tariff {
    /// What `segments` to `address` cost.
    pub(crate) fn cost(&self, channel: Channel, address: &str, segments: usize) -> Price {
        let price = self
            .routes
            .pick(channel, address)
            .and_then(|provider| self.prices.get(provider));
        price.copied().unwrap_or_default().times(segments)
    }
}
