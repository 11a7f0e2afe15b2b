//! Plans: changed records and coming dates become reminders, as a difference to what stands.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use jiff::Timestamp;
use tokio::task::JoinHandle;

use crate::clock::Clock;
use crate::model::id::{OccasionId, PatientId, ReminderId};
use crate::model::reminder::ReminderState;
use crate::planning::book::Book;
use crate::planning::decide::{Horizon, decide};
use crate::planning::subject::{self, Needs, Subject};
use crate::planning::{House, spread, walk};
use crate::rules::rule::Rule;
use crate::rules::trigger::Trigger;
use crate::scheduler::{Settings, switching, workdays};
use crate::stage::Bell;
use crate::store::plans::{self, Of, Scope};
use crate::store::reminders::NewReminder;
use crate::store::rule_plans::{self, RulePlan, Walk};
use crate::store::{
    Store, StoreError, Tx, campaign_progress, candidates, due, marks, rule_switches,
};

/// Names this work among processes that share a database.
pub(super) const WORK: i64 = 0x6361_7262_0001;

/// Candidates looked up at once; they are planned in chunks.
const PAGE: i64 = 20_000;

/// A walk asks one rule of each: so many times more patients are planned in one transaction than by all rules.
const WALKED: usize = 5;

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
        let changed = self.occasions(now).await? + self.changed(now).await?;
        if changed > 0 {
            Ok(changed)
        } else {
            Ok(self.coming(now).await? + self.campaigns(now).await?)
        }
    }

    /// Plans occasions that changed, each alone, by the rules on occasions.
    async fn occasions(&self, now: Timestamp) -> Result<usize, StoreError> {
        let Some(mut tx) = self.open().await? else {
            return Ok(0);
        };
        let marks = marks::take_occasions(&mut tx, self.settings.limit()).await?;
        if marks.is_empty() {
            tx.rollback().await?;
            return Ok(0);
        }
        let ids: Vec<OccasionId> = marks.iter().map(|(id, ..)| id.clone()).collect();
        let horizon = self.looking_back(now);
        let on_occasions = |rule: &&Rule| matches!(rule.trigger, Trigger::Occasion { .. });
        let (follow, alone): (Vec<&Rule>, Vec<&Rule>) = self
            .book
            .active()
            .filter(on_occasions)
            .partition(|rule| subject::follows(rule));
        let subjects = subject::load_occasions(&mut tx, &ids, &alone).await?;
        let mut planned = decide_all(&alone, &subjects, &horizon);
        switching::forget_missed(&mut tx, &subjects, &mut planned).await?;
        // What facts start as well is looked at beside them: the whole patient by those rules.
        let whole: BTreeSet<&PatientId> = marks
            .iter()
            .filter(|(id, ..)| concerns(id, &subjects, &follow))
            .map(|(_, patient, _)| patient)
            .collect();
        let whole: Vec<PatientId> = whole.into_iter().cloned().collect();
        let mut beside = Vec::new();
        if !whole.is_empty() {
            let subjects = subject::load(&mut tx, &whole, &Needs::all(), now).await?;
            beside = decide_all(&follow, &subjects, &horizon);
            switching::forget_missed(&mut tx, &subjects, &mut beside).await?;
        }
        planned.extend(beside.iter().cloned());
        let mut tx = self.to_write(tx).await?;
        let all: Vec<&Rule> = alone.iter().chain(&follow).copied().collect();
        let scope = scope(Of::Occasions(&ids), &all, &horizon);
        plans::apply(&mut tx, &scope, &planned, now).await?;
        self.warn(&mut tx, &planned, now).await?;
        if !whole.is_empty() {
            let scope = self::scope(Of::Patients(&whole), &follow, &horizon);
            plans::apply(&mut tx, &scope, &beside, now).await?;
        }
        let done: Vec<(OccasionId, i64)> = marks.into_iter().map(|(id, _, n)| (id, n)).collect();
        marks::clear_occasions(&mut tx, &done).await?;
        tx.commit().await?;
        self.compose.ring();
        Ok(done.len())
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
        let of_occasions = marks::occasions_of(&mut tx, &ids).await?;
        let horizon = self.looking_back(now);
        let rules: Vec<&Rule> = self.book.active().collect();
        let subjects = subject::load(&mut tx, &ids, &Needs::all(), now).await?;
        let mut planned = decide_all(&rules, &subjects, &horizon);
        switching::forget_missed(&mut tx, &subjects, &mut planned).await?;
        let mut tx = self.to_write(tx).await?;
        let capped = rules.iter().copied();
        let moved = spread::spread(&mut tx, capped, &subjects, &mut planned, now).await?;
        let scope = scope(Of::Patients(&ids), &rules, &horizon);
        plans::apply(&mut tx, &scope, &planned, now).await?;
        spread::note(&mut tx, &moved).await?;
        self.warn(&mut tx, &planned, now).await?;
        marks::clear(&mut tx, &marks).await?;
        marks::clear_occasions(&mut tx, &of_occasions).await?;
        tx.commit().await?;
        self.compose.ring();
        Ok(marks.len())
    }

    const fn looking_back(&self, now: Timestamp) -> Horizon {
        Horizon {
            now,
            ahead: self.settings.plan_ahead,
            looks_back: true,
            to: None,
        }
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
        let (mut looked_at, mut walked) = (0, Vec::new());
        for rule in self.book.active() {
            if let Some(plan) = walk::next(rule, known.remove(&rule.id), &horizon) {
                self.begin_walk(rule, &plan, &switches, now).await?;
                looked_at += self.walk(plan, &horizon, &mut walked).await?;
            } else {
                self.follow_mode(rule, &switches, now).await?;
            }
        }
        if !walked.is_empty() {
            let mut tx = self.store.write().await?;
            for plan in &walked {
                rule_plans::put(&mut tx, plan).await?;
            }
            tx.commit().await?;
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

    /// One page of a walk; where it stands is kept with each chunk. That nothing is left of it may go to `walked`,
    /// to be kept with that of other rules.
    async fn walk(
        &self,
        mut plan: RulePlan,
        horizon: &Horizon,
        walked: &mut Vec<RulePlan>,
    ) -> Result<usize, StoreError> {
        let (Some(walk), Some(rule)) = (plan.walk.clone(), self.book.rule(&plan.rule)) else {
            return Ok(0);
        };
        let is_first = plan.until == Timestamp::UNIX_EPOCH;
        let among = walk::candidates(rule, &(walk.from..walk.to), is_first);
        let among: Vec<_> = among.into_iter().chain(walk::of_own_leads(rule)).collect();
        let mut ids = Vec::new();
        if !among.is_empty() {
            let mut tx = self.store.read().await?;
            ids = candidates::page_of_all(&mut tx, &among, walk.after.as_ref(), PAGE).await?;
        }
        let is_last = ids.len() < usize::try_from(PAGE).unwrap_or(usize::MAX);
        let sieved = Arc::new(walk::sieved(rule));
        let chunk = usize::try_from(self.settings.limit()).unwrap_or(1) * WALKED;
        let mut chunks = ids.chunks(chunk).peekable();
        let mut looking = None;
        while let Some(ids) = chunks.next() {
            let (tx, looked) = match looking.take() {
                Some(looked) => (self.store.write().await?, looked),
                None => {
                    let Some(mut tx) = self.open().await? else {
                        return Ok(0);
                    };
                    let looked = self.look(&mut tx, ids, &sieved, horizon).await?;
                    (self.to_write(tx).await?, looked)
                }
            };
            // While one chunk is written, the next one is looked at. On a server both are one transaction.
            let next = chunks.peek().filter(|_| !self.store.is_shared());
            let next = next.map(|ids| self.look_ahead(ids, &sieved, *horizon));
            let mut tx = self.plan(tx, looked, &sieved, horizon).await?;
            plan.walk = Some(Walk {
                after: ids.last().cloned(),
                ..walk.clone()
            });
            rule_plans::put(&mut tx, &plan).await?;
            tx.commit().await?;
            if let Some(next) = next {
                looking = Some(next.await.map_err(|_| StoreError::Closed)??);
            }
        }
        if is_last {
            let mut tx = self.store.read().await?;
            let shared = walk::shared(&mut tx, rule, &self.house, horizon, is_first).await?;
            drop(tx);
            (plan.until, plan.walk) = (walk.to, None);
            if is_first || !shared.is_empty() {
                let mut tx = self.store.write().await?;
                plans::write(&mut tx, &shared, horizon.now).await?;
                self.warn(&mut tx, &shared, horizon.now).await?;
                if is_first {
                    self.end_walk(&mut tx, rule, horizon.now).await?;
                }
                rule_plans::put(&mut tx, &plan).await?;
                tx.commit().await?;
            } else {
                walked.push(plan);
            }
        }
        Ok(ids.len())
    }

    /// Looks at a chunk of candidates on a thread of its own.
    fn look_ahead(
        &self,
        ids: &[PatientId],
        rule: &Arc<Rule>,
        horizon: Horizon,
    ) -> JoinHandle<Result<Looked, StoreError>> {
        let (stage, ids, rule) = (self.clone(), ids.to_vec(), Arc::clone(rule));
        tokio::spawn(async move {
            let mut tx = stage.store.read().await?;
            stage.look(&mut tx, &ids, &rule, &horizon).await
        })
    }

    /// What a rule yields for a chunk of its candidates.
    async fn look(
        &self,
        tx: &mut Tx,
        ids: &[PatientId],
        rule: &Rule,
        horizon: &Horizon,
    ) -> Result<Looked, StoreError> {
        let subjects = subject::load(tx, ids, &Needs::of(rule), horizon.now).await?;
        let mut planned = decide_all(&[rule], &subjects, horizon);
        // What staff are told once of all is decided once, when the walk ends.
        planned.retain(|new| new.patient.is_some());
        switching::forget_missed(tx, &subjects, &mut planned).await?;
        Ok(Looked { subjects, planned })
    }

    /// Plans a chunk of candidates by their rule; the transaction comes back open, for what belongs to it.
    async fn plan(
        &self,
        mut tx: Tx,
        looked: Looked,
        rule: &Rule,
        horizon: &Horizon,
    ) -> Result<Tx, StoreError> {
        let Looked {
            subjects,
            mut planned,
        } = looked;
        let now = horizon.now;
        let one = std::iter::once(rule);
        let moved = spread::spread(&mut tx, one, &subjects, &mut planned, now).await?;
        let keys: HashSet<&str> = planned.iter().map(|new| new.plan_key.as_str()).collect();
        let until = spread::reach(rule, horizon.until(rule));
        let vanished: Vec<&ReminderId> = subjects
            .iter()
            .flat_map(|subject| &subject.reminders)
            .filter(|before| before.state == ReminderState::Planned && before.plan.due_at < until)
            .filter(|before| !keys.contains(before.plan.plan_key.as_str()))
            .map(|before| &before.id)
            .collect();
        plans::write(&mut tx, &planned, now).await?;
        plans::supersede(&mut tx, &vanished, now).await?;
        spread::note(&mut tx, &moved).await?;
        self.warn(&mut tx, &planned, now).await?;
        Ok(tx)
    }

    /// Warns of working days that no table knows.
    async fn warn(
        &self,
        tx: &mut Tx,
        planned: &[NewReminder],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        workdays::warn(tx, &self.book, &self.house, &self.settings, planned, now).await
    }

    /// What was looked at in `tx` is decided: a transaction to write it in.
    async fn to_write(&self, tx: Tx) -> Result<Tx, StoreError> {
        if self.store.is_shared() {
            return Ok(tx);
        }
        drop(tx);
        self.store.write().await
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

/// A chunk of candidates, and what their rule yields for them.
struct Looked {
    subjects: Vec<Subject>,
    planned: Vec<NewReminder>,
}

fn scope<'a>(of: Of<'a>, rules: &[&'a Rule], horizon: &Horizon) -> Scope<'a> {
    let rule = |rule: &&'a Rule| (rule.id.as_str(), spread::reach(rule, horizon.until(rule)));
    Scope {
        of,
        rules: rules.iter().map(rule).collect(),
    }
}

/// What `rules` yield for each of `subjects`.
fn decide_all(rules: &[&Rule], subjects: &[Subject], horizon: &Horizon) -> Vec<NewReminder> {
    let of = |subject| decide(rules.iter().copied(), subject, horizon).reminders;
    subjects.iter().flat_map(of).collect()
}

/// Whether the occasion may matter to one of `rules`, now or by what it was before.
fn concerns(occasion: &OccasionId, subjects: &[Subject], rules: &[&Rule]) -> bool {
    let of = |subject: &&Subject| subject.occasions.iter().any(|one| one.id == *occasion);
    let Some(subject) = subjects.iter().find(of) else {
        return !rules.is_empty();
    };
    let kinds = |rule: &&Rule| {
        subject
            .occasions
            .iter()
            .any(|one| one.kind == rule.trigger.word())
    };
    let planned = |rule: &&Rule| subject.reminders.iter().any(|one| one.plan.rule == rule.id);
    rules.iter().any(|rule| kinds(rule) || planned(rule))
}
