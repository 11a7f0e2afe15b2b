//! Plans: changed records and coming dates become reminders, as a difference to what stands.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;

use crate::clock::Clock;
use crate::model::id::PatientId;
use crate::planning::book::Book;
use crate::planning::decide::{Horizon, decide};
use crate::planning::{House, spread, subject, walk};
use crate::scheduler::{Settings, workdays};
use crate::stage::Bell;
use crate::store::plans::{self, Scope};
use crate::store::rule_plans::{self, RulePlan, Walk};
use crate::store::{
    Store, StoreError, Tx, campaign_progress, candidates, due, marks, rule_switches,
};

/// Names this work among processes that share a database.
const WORK: i64 = 0x6361_7262_0001;

/// Candidates looked up at once; they are planned in chunks.
const PAGE: i64 = 10_000;

/// The stage that plans.
#[derive(Clone, Debug)]
pub struct PlanStage {
    /// Where records and reminders are.
    pub store: Store,
    /// The rules.
    pub book: Arc<Book>,
    /// The house they are for.
    pub house: Arc<House>,
    /// How far ahead, and how many at once.
    pub settings: Settings,
    /// The one source of now.
    pub clock: Clock,
    /// Rung when reminders are planned that may be due.
    pub compose: Bell,
}

impl PlanStage {
    /// One pass: a chunk of changed patients, or else a page of a rule's candidates. Says how many patients it looked at.
    ///
    /// # Errors
    /// When the database fails; the chunk is planned again then.
    pub async fn pass(&self) -> Result<usize, StoreError> {
        let now = self.clock.now();
        let changed = self.changed(now).await?;
        if changed > 0 {
            Ok(changed)
        } else {
            Ok(self.coming(now).await? + self.campaigns(now).await?)
        }
    }

    /// Plans patients whose records changed, by all rules.
    async fn changed(&self, now: Timestamp) -> Result<usize, StoreError> {
        let Some(mut tx) = self.open().await? else {
            return Ok(0);
        };
        let marks = marks::take(&mut tx, self.settings.limit()).await?;
        if marks.is_empty() {
            // Dropped, it would give its locks back only some time later.
            tx.rollback().await?;
            return Ok(0);
        }
        let ids: Vec<PatientId> = marks.iter().map(|(id, _)| id.clone()).collect();
        let rules: Vec<&str> = self.book.active().map(|rule| rule.id.as_str()).collect();
        let horizon = Horizon {
            now,
            ahead: self.settings.plan_ahead,
            looks_back: true,
            to: None,
        };
        let mut tx = self.plan(tx, &ids, &rules, &horizon).await?;
        marks::clear(&mut tx, &marks).await?;
        tx.commit().await?;
        self.compose.ring();
        Ok(marks.len())
    }

    /// Brings every rule up to its horizon: new and changed rules wholly, the others by the days that come.
    async fn coming(&self, now: Timestamp) -> Result<usize, StoreError> {
        let mut tx = self.store.read().await?;
        let mut known: BTreeMap<String, RulePlan> = rule_plans::all(&mut tx)
            .await?
            .into_iter()
            .map(|plan| (plan.rule.clone(), plan))
            .collect();
        let switches = rule_switches::all(&mut tx).await?;
        drop(tx);
        let horizon = Horizon {
            now,
            ahead: self.settings.plan_ahead,
            looks_back: false,
            to: None,
        };
        let mut looked_at = 0;
        for rule in self.book.active() {
            if let Some(plan) = walk::next(rule, known.remove(&rule.id), &horizon) {
                self.begin_walk(rule, &plan, &switches, now).await?;
                looked_at += self.walk(plan, &horizon).await?;
            } else {
                self.follow_mode(rule, &switches, now).await?;
            }
        }
        let gone = known
            .into_keys()
            .filter(|rule| !self.book.broken().contains(rule));
        for rule in gone {
            let mut tx = self.store.write().await?;
            campaign_progress::reopen(&mut tx, &rule, now).await?;
            plans::supersede_rule(&mut tx, &rule, now).await?;
            rule_plans::remove(&mut tx, &rule).await?;
            rule_switches::remove(&mut tx, &rule).await?;
            tx.commit().await?;
        }
        if looked_at > 0 {
            self.compose.ring();
        }
        Ok(looked_at)
    }

    /// One page of a walk; where it stands is kept with each chunk.
    async fn walk(&self, mut plan: RulePlan, horizon: &Horizon) -> Result<usize, StoreError> {
        let (Some(walk), Some(rule)) = (plan.walk.clone(), self.book.rule(&plan.rule)) else {
            return Ok(0);
        };
        let is_first = plan.until == Timestamp::UNIX_EPOCH;
        let mut ids = Vec::new();
        if let Some(among) = walk::candidates(rule, &(walk.from..walk.to), is_first) {
            let mut tx = self.store.read().await?;
            ids = candidates::page(&mut tx, &among, walk.after.as_ref(), PAGE).await?;
        }
        let is_last = ids.len() < usize::try_from(PAGE).unwrap_or(usize::MAX);
        let chunk = usize::try_from(self.settings.limit()).unwrap_or(1);
        for ids in ids.chunks(chunk) {
            let Some(tx) = self.open().await? else {
                return Ok(0);
            };
            let mut tx = self.plan(tx, ids, &[&rule.id], horizon).await?;
            plan.walk = Some(Walk {
                after: ids.last().cloned(),
                ..walk.clone()
            });
            rule_plans::put(&mut tx, &plan).await?;
            tx.commit().await?;
        }
        if is_last {
            let mut tx = self.store.write().await?;
            if is_first {
                self.end_walk(&mut tx, rule, horizon.now).await?;
            }
            (plan.until, plan.walk) = (walk.to, None);
            rule_plans::put(&mut tx, &plan).await?;
            tx.commit().await?;
        }
        Ok(ids.len())
    }

    /// Plans a chunk of patients by `rules`; the transaction comes back open, for what belongs to it.
    async fn plan(
        &self,
        mut tx: Tx,
        ids: &[PatientId],
        rules: &[&str],
        horizon: &Horizon,
    ) -> Result<Tx, StoreError> {
        let subjects = subject::load(&mut tx, ids, &self.house.address_key, horizon.now).await?;
        let rules = rules.iter().filter_map(|rule| self.book.rule(rule));
        let mut planned: Vec<_> = subjects
            .iter()
            .flat_map(|subject| decide(rules.clone(), subject, horizon).reminders)
            .collect();
        if !self.store.is_shared() {
            drop(tx);
            tx = self.store.write().await?;
        }
        let now = horizon.now;
        let moved = spread::spread(&mut tx, rules.clone(), &subjects, &mut planned, now).await?;
        let scope = Scope {
            patients: ids,
            rules: rules
                .map(|rule| (rule.id.as_str(), spread::reach(rule, horizon.until(rule))))
                .collect(),
        };
        plans::apply(&mut tx, &scope, &planned, now).await?;
        spread::note(&mut tx, &moved).await?;
        let (book, house, settings) = (&self.book, &self.house, &self.settings);
        workdays::warn(&mut tx, book, house, settings, &planned, now).await?;
        Ok(tx)
    }

    /// A transaction to look in: on a shared server also the one to write in, and only if nobody else plans now.
    pub(super) async fn open(&self) -> Result<Option<Tx>, StoreError> {
        if !self.store.is_shared() {
            return self.store.read().await.map(Some);
        }
        let mut tx = self.store.write().await?;
        if due::alone(&mut tx, WORK).await? {
            return Ok(Some(tx));
        }
        tx.rollback().await?;
        Ok(None)
    }
}
