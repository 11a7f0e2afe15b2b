//! When nothing is left to do: told by the rows and by the networks, never by the time that passed.

use carebell::planning::decide::Horizon;
use carebell::store::{Store, Tx};
use carebell::store::{rule_plans, webhook_turns};

use super::{Clinic, LOOK, PATIENCE};

/// What is left to do, all from one snapshot.
const LEFT: &str = "SELECT
    (SELECT COUNT(*) FROM plan_mark) + (SELECT COUNT(*) FROM plan_mark_occasion),
    (SELECT COUNT(*) FROM reminder WHERE state = 'planned' AND due_at <= $1
      AND rule_id NOT IN (SELECT rule_id FROM rule_switch WHERE state = 'waiting')),
    (SELECT COUNT(*) FROM dispatch WHERE lease_owner IS NOT NULL OR (due_at <= $1 AND work IN ('send', 'deadline'))),
    (SELECT COUNT(*) FROM message WHERE expires_at <= $1 AND state IN ('scheduled', 'queued', 'held')),
    (SELECT COUNT(*) FROM attempt WHERE phase = 'prepared'),
    (SELECT COUNT(*) FROM inbox WHERE kind = 'text' AND state = 'new'),
    (SELECT COUNT(*) FROM event WHERE seq IS NULL),
    (SELECT COUNT(*) FROM campaign WHERE state = 'counting' OR (state = 'planning' AND at <= $1))";

const WORDS: [&str; 8] = [
    "patients to plan",
    "reminders to compose",
    "messages to send",
    "messages past their time",
    "open attempts",
    "texts to read",
    "events to number",
    "campaigns to plan",
];

type Left = (i64, i64, i64, i64, i64, i64, i64, i64);

impl Clinic {
    /// Rings the bells and waits until nothing is left to do at this hour.
    pub(crate) async fn settle(&self) {
        let mut left = Vec::new();
        let wait = async {
            let mut look = tokio::time::interval(LOOK);
            loop {
                left = self.left().await;
                if left.is_empty() {
                    return;
                }
                self.ring();
                look.tick().await;
            }
        };
        let done = tokio::time::timeout(PATIENCE, wait).await;
        assert!(done.is_ok(), "work is left undone: {left:?}");
    }

    async fn left(&self) -> Vec<String> {
        // The networks first: what they have handed over is in the rows by then.
        let mut left = self.on_the_air();
        let counts = self.counts().await;
        left.extend(
            WORDS
                .iter()
                .zip(counts)
                .filter(|(_, n)| *n > 0)
                .map(|(word, n)| format!("{n} {word}")),
        );
        left.extend(self.unplanned().await);
        left.extend(self.untold().await);
        left.extend(self.on_the_air());
        left
    }

    fn on_the_air(&self) -> Vec<String> {
        let busy = self
            .carriers
            .iter()
            .filter(|(_, carrier)| !carrier.is_done());
        busy.map(|(name, carrier)| {
            format!(
                "{name} has something to hand over: {:?}",
                carrier.network.counts()
            )
        })
        .collect()
    }

    async fn counts(&self) -> [i64; 8] {
        let now = self.clock.now().as_millisecond();
        let (a, b, c, d, e, f, g, h): Left = match &self.app().house.store {
            Store::Sqlite { read, .. } => sqlx::query_as(LEFT)
                .bind(now)
                .fetch_one(read)
                .await
                .unwrap(),
            Store::Postgres { pool } => sqlx::query_as(LEFT)
                .bind(now)
                .fetch_one(pool)
                .await
                .unwrap(),
        };
        [a, b, c, d, e, f, g, h]
    }

    /// Webhooks that have something to hear now.
    async fn untold(&self) -> Vec<String> {
        let mut tx: Tx = self.app().house.store.read().await.unwrap();
        let now = self.clock.now();
        let mut untold = Vec::new();
        for one in webhook_turns::waiting(&mut tx, now).await.unwrap() {
            let material = webhook_turns::material(&mut tx, &one.id, 0, i64::MAX, now)
                .await
                .unwrap()
                .unwrap();
            let filter = &material.webhook.wish.filter;
            let wanted = material
                .events
                .iter()
                .filter(|event| filter.takes(&event.kind))
                .count();
            if wanted + material.asides.len() > 0 {
                untold.push(format!(
                    "{wanted} events to tell a webhook, {} beside",
                    material.asides.len()
                ));
            }
        }
        untold
    }

    /// Rules that are not planned as far ahead as they should be.
    async fn unplanned(&self) -> Vec<String> {
        let house = &self.app().house;
        let mut tx: Tx = house.store.read().await.unwrap();
        let plans = rule_plans::all(&mut tx).await.unwrap();
        let horizon = Horizon {
            now: self.clock.now(),
            ahead: house.config.scheduler.plan_ahead,
            looks_back: false,
            to: None,
        };
        let is_planned = |rule: &carebell::rules::rule::Rule| {
            let plan = plans
                .iter()
                .find(|plan| plan.rule == rule.id && plan.timing == rule.timing_hash());
            let is_occasion = matches!(
                rule.trigger,
                carebell::rules::trigger::Trigger::Occasion { .. }
            );
            plan.is_some_and(|plan| {
                plan.walk.is_none() && (is_occasion || plan.until >= horizon.until(rule))
            })
        };
        let late = house.book.active().filter(|rule| !is_planned(rule));
        late.map(|rule| format!("rule {} is not planned", rule.id))
            .collect()
    }
}
