//! The stage that keeps the routes by the providers' health: who is down is passed by and its queue moves on, who
//! errs or delivers slowly gets less, and all drifts back when they are well.
//!
//! The database is the truth, so that several processes see the same and each change is told once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use tracing::{info, warn};

use super::breaker::Breakers;
use super::shift::{self, Health, Why};
use crate::channels::Provider;
use crate::channels::sms::smpp::status::is_carriers_fault;
use crate::clock::Clock;
use crate::model::route::{Live, Route};
use crate::stage::Bell;
use crate::store::events::{self, NewEvent};
use crate::store::messages::Desk;
use crate::store::routing::{self, Move, Try};
use crate::store::{Store, StoreError, Tx};

/// A process that was not seen for so long holds no bind.
const SEEN_WITHIN: SignedDuration = SignedDuration::from_secs(30);
/// What happened within this time tells how a provider does.
const LATELY: SignedDuration = SignedDuration::from_mins(15);
/// A receipt should have come by then.
const SLOW_AFTER: SignedDuration = SignedDuration::from_mins(5);
/// Weights move away at most so often,
const AWAY_EVERY: SignedDuration = SignedDuration::from_mins(1);
/// and back so often.
const BACK_EVERY: SignedDuration = SignedDuration::from_mins(5);
/// How many waiting messages change the queue at once.
const PAGE: i64 = 500;

/// The stage.
#[derive(Clone)]
pub struct Routing {
    /// The database.
    pub store: Store,
    /// What time it is.
    pub clock: Clock,
    /// The routes.
    pub desk: Arc<Desk>,
    /// The providers of this process.
    pub providers: Arc<[Arc<dyn Provider>]>,
    /// Who refuses our account.
    pub breakers: Breakers,
    /// This process.
    pub owner: String,
    /// How long a provider may be without a bind before it counts as down.
    pub down_after: SignedDuration,
    /// Rung when something came into another queue.
    pub bell: Bell,
    /// Since when no bind of a provider has been seen.
    pub unbound: Arc<Mutex<BTreeMap<String, Timestamp>>>,
}

impl Routing {
    /// One pass. Says how many messages changed the queue.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn pass(&self) -> Result<usize, StoreError> {
        let now = self.clock.now();
        let down = self.look(now).await?;
        let weights = self.weigh(now).await?;
        let is_news = self.desk.routes.live().down != down;
        self.desk.routes.stand(Live {
            weights,
            down: down.clone(),
        });
        let mut moved = 0;
        for provider in &down {
            moved += self.clear(provider, now).await?;
        }
        if moved > 0 || is_news {
            self.bell.ring();
        }
        Ok(moved)
    }

    /// Tells the others what binds there are here, and says who is down for all.
    async fn look(&self, now: Timestamp) -> Result<BTreeSet<String>, StoreError> {
        let binds: Vec<(String, bool)> = self
            .providers
            .iter()
            .map(|one| {
                let is_up = one.is_up() && !self.breakers.is_open(one.name(), now);
                (one.name().to_owned(), is_up)
            })
            .collect();
        let mut tx = self.store.write().await?;
        routing::see(&mut tx, &self.owner, &binds, now).await?;
        let links = routing::links(&mut tx, now - SEEN_WITHIN).await?;
        let mut down = BTreeSet::new();
        for (provider, is_up) in links {
            if !self.is_down(&provider, is_up, now) {
                self.tell(&mut tx, &provider, true, now).await?;
            } else {
                self.tell(&mut tx, &provider, false, now).await?;
                down.insert(provider);
            }
        }
        tx.commit().await?;
        Ok(down)
    }

    fn is_down(&self, provider: &str, is_up: bool, now: Timestamp) -> bool {
        let mut unbound = self.unbound.lock().unwrap_or_else(PoisonError::into_inner);
        if is_up {
            unbound.remove(provider);
            return false;
        }
        let since = *unbound.entry(provider.to_owned()).or_insert(now);
        self.breakers.is_open(provider, now) || now.duration_since(since) >= self.down_after
    }

    async fn tell(
        &self,
        tx: &mut Tx,
        provider: &str,
        is_up: bool,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        if !routing::turn(tx, provider, is_up, now).await? {
            return Ok(());
        }
        let state = if is_up { "up" } else { "down" };
        if is_up {
            info!(provider.name = provider, "Provider {provider} is up again");
        } else {
            warn!(
                provider.name = provider,
                "Provider {provider} is down: its messages go by others where a route has some"
            );
        }
        let event = NewEvent {
            kind: format!("provider.{state}"),
            data: json!({"provider": provider, "state": state}),
        };
        events::add(tx, &[event], now).await
    }

    /// Moves the points of each route that has a choice, and says how all stand.
    async fn weigh(&self, now: Timestamp) -> Result<BTreeMap<String, Vec<u32>>, StoreError> {
        let lines: Vec<&Route> = self
            .desk
            .routes
            .lines()
            .iter()
            .filter(|line| line.providers.len() > 1)
            .collect();
        if lines.is_empty() {
            return Ok(BTreeMap::new());
        }
        let mut tx = self.store.read().await?;
        let kept = routing::weights(&mut tx).await?;
        let mut health = None;
        let mut all = BTreeMap::new();
        for line in lines {
            let key = line.key();
            let (before, moved_at) = match kept.get(&key) {
                Some((kept, at)) => (restored(line, kept), Some(*at)),
                None => (line.rest(), None),
            };
            let waited = |wait| moved_at.is_none_or(|at| now.duration_since(at) >= wait);
            if !waited(AWAY_EVERY) {
                all.insert(key, before);
                continue;
            }
            if health.is_none() {
                health = Some(seen(&mut tx, now).await?);
            }
            let of = |name: &str| health.as_ref().and_then(|all| all.get(name).copied());
            let healths: Vec<Health> = line
                .providers
                .iter()
                .map(|share| of(&share.provider).unwrap_or_default())
                .collect();
            let step = shift::away(&before, &healths).or_else(|| {
                let back = waited(BACK_EVERY).then(|| shift::back(&before, &line.rest()));
                back.flatten().map(|weights| (weights, Why::Rest))
            });
            if let Some((weights, why)) = step
                && self.shift(line, &weights, moved_at, why, now).await?
            {
                all.insert(key, weights);
            } else {
                all.insert(key, before);
            }
        }
        Ok(all)
    }

    async fn shift(
        &self,
        line: &Route,
        weights: &[u32],
        before: Option<Timestamp>,
        why: Why,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let named: BTreeMap<&str, u32> = line
            .providers
            .iter()
            .zip(weights)
            .map(|(share, weight)| (share.provider.as_str(), *weight))
            .collect();
        let route = line.key();
        let mut tx = self.store.write().await?;
        if !routing::shift(&mut tx, &route, &named, before, now).await? {
            return Ok(false);
        }
        let event = NewEvent {
            kind: "route.shifted".to_owned(),
            data: json!({"route": route, "weights": named, "reason": why.as_str()}),
        };
        events::add(&mut tx, &[event], now).await?;
        tx.commit().await?;
        info!(
            route.name = route,
            "Route {route} goes by {named:?} from now on ({})",
            why.as_str()
        );
        Ok(true)
    }

    /// Moves what waits for `provider` to others, where a route has some that are up.
    async fn clear(&self, provider: &str, now: Timestamp) -> Result<usize, StoreError> {
        let mut tx = self.store.read().await?;
        let waiting = routing::waiting(&mut tx, provider, PAGE, now).await?;
        drop(tx);
        let other = |one: &routing::Waiting| {
            let routes = &self.desk.routes;
            let other = routes.other(one.channel, one.address.reveal(), provider)?;
            Some(Move {
                id: one.id.clone(),
                provider: other.to_owned(),
            })
        };
        let moves: Vec<Move> = waiting.iter().filter_map(other).collect();
        if moves.is_empty() {
            return Ok(0);
        }
        let mut tx = self.store.write().await?;
        let moved = routing::requeue(&mut tx, &moves).await?;
        tx.commit().await?;
        Ok(usize::try_from(moved).unwrap_or(usize::MAX))
    }
}

/// The points of `line` as they were kept; where its providers are others by now, those at rest.
fn restored(line: &Route, kept: &BTreeMap<String, u32>) -> Vec<u32> {
    let weights: Vec<Option<u32>> = line
        .providers
        .iter()
        .map(|share| kept.get(&share.provider).copied())
        .collect();
    let is_same = kept.len() == weights.len() && weights.iter().all(Option::is_some);
    if is_same {
        weights.into_iter().flatten().collect()
    } else {
        line.rest()
    }
}

/// What was seen of each provider lately.
async fn seen(tx: &mut Tx, now: Timestamp) -> Result<BTreeMap<String, Health>, StoreError> {
    let mut all: BTreeMap<String, Health> = BTreeMap::new();
    let (from, due) = (
        (now - LATELY).as_millisecond(),
        (now - SLOW_AFTER).as_millisecond(),
    );
    for one in routing::latest(tx).await? {
        if one.created_at >= from && one.settled_at.is_some() {
            let health = all.entry(one.provider.clone()).or_default();
            health.tries += 1;
            health.errors += u32::from(is_error(&one));
        }
    }
    for one in routing::earlier(tx, now - SLOW_AFTER).await? {
        // `sent` says that no receipt will come.
        let is_taken = one.phase == "accepted" && one.state != "sent";
        if is_taken && one.created_at >= from && one.created_at <= due {
            let health = all.entry(one.provider.clone()).or_default();
            health.deliveries += 1;
            health.slow += u32::from(is_slow(&one));
        }
    }
    Ok(all)
}

fn is_error(one: &Try) -> bool {
    match one.phase.as_str() {
        "unknown" => true,
        "rejected" => one.error.as_deref().is_none_or(is_carriers_fault),
        _ => false,
    }
}

fn is_slow(one: &Try) -> bool {
    let took = one
        .receipt_at
        .zip(one.settled_at)
        .map(|(receipt, settled)| receipt - settled);
    let limit = i64::try_from(SLOW_AFTER.as_millis()).unwrap_or(i64::MAX);
    took.is_none_or(|took| took > limit)
}
