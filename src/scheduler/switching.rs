//! Rules that are switched on: what the first walk of one finds due within a day is counted, and where that is
//! many, nothing of it goes out until a person lets it.
//!
//! What comes in day by day is no switch: only what a walk adds to it counts.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use jiff::{SignedDuration, Timestamp};
use tracing::warn;

use crate::calendar::wall;
use crate::model::campaign::SwitchState;
use crate::model::id::OccasionId;
use crate::planning::book::Book;
use crate::planning::campaign;
use crate::planning::subject::Subject;
use crate::rules::rule::{Mode, Rule};
use crate::scheduler::plan::PlanStage;
use crate::scheduler::{Settings, approval};
use crate::store::reminders::NewReminder;
use crate::store::rule_days::{self, Which};
use crate::store::rule_plans::{self, RulePlan};
use crate::store::rule_switches::{self, Switch};
use crate::store::{Store, StoreError, Tx, campaign_progress, occasions, plans, tasks};

/// What is due within this long counts.
const FIRST_DAY: SignedDuration = SignedDuration::from_hours(24);

/// What is too many, and the language of the staff who are told.
pub type Words<'a> = (&'a Settings, &'a str);

/// Looks at every rule before anything is composed: one whose timing changed, or that leaves the shadow, holds
/// what it has planned until it is looked at.
///
/// # Errors
/// When the database fails.
pub async fn at_start(
    store: &Store,
    book: &Book,
    words: Words<'_>,
    now: Timestamp,
) -> Result<(), StoreError> {
    let mut tx = store.write().await?;
    let switches = rule_switches::all(&mut tx).await?;
    for rule in book.active() {
        match switches.get(&rule.id) {
            Some(known) if known.timing != rule.timing_hash() => {
                begin(&mut tx, rule, Some(known), now).await?;
            }
            Some(_) => _ = follow_mode(&mut tx, rule, &switches, words, now).await?,
            None => {}
        }
    }
    tx.commit().await
}

/// A walk over all candidates of `rule` begins: nothing of it goes out until it is over.
pub(super) async fn begin(
    tx: &mut Tx,
    rule: &Rule,
    known: Option<&Switch>,
    now: Timestamp,
) -> Result<(), StoreError> {
    let same =
        |known: &&Switch| known.timing == rule.timing_hash() && known.mode == rule.mode.as_str();
    if known
        .filter(same)
        .is_some_and(|known| known.state == SwitchState::Checking)
    {
        return Ok(());
    }
    let switch = Switch {
        state: SwitchState::Checking,
        baseline: baseline(tx, rule, known, now).await?,
        ..open(rule, now)
    };
    rule_switches::put(tx, &switch).await
}

/// The walk is over: the rule is open, or waits.
pub(super) async fn finish(
    tx: &mut Tx,
    rule: &Rule,
    words: Words<'_>,
    now: Timestamp,
) -> Result<(), StoreError> {
    let known = rule_switches::all(tx).await?.remove(&rule.id);
    let since = known.as_ref().map_or(now, |known| known.since);
    let baseline = known.map_or(0, |known| known.baseline);
    let switch = Switch {
        baseline,
        since,
        ..open(rule, now)
    };
    settle(tx, rule, switch, words, now).await
}

/// A rule that is planned already: known from before there were switches, or with another mode than it had.
/// Says whether anything changed.
pub(super) async fn follow_mode(
    tx: &mut Tx,
    rule: &Rule,
    switches: &BTreeMap<String, Switch>,
    words: Words<'_>,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let known = switches.get(&rule.id);
    if known.is_some_and(|known| is_settled(known, rule)) {
        return Ok(false);
    }
    let is_planned = rule_plans::all(tx).await?;
    let is_planned = is_planned.iter().any(|plan| {
        plan.rule == rule.id && plan.timing == rule.timing_hash() && plan.walk.is_none()
    });
    if !is_planned {
        return Ok(false);
    }
    match known {
        // It acted before anybody counted.
        None => rule_switches::put(tx, &open(rule, now)).await?,
        Some(known) if known.mode == rule.mode.as_str() => finish(tx, rule, words, now).await?,
        Some(_) => settle(tx, rule, open(rule, now), words, now).await?,
    }
    Ok(true)
}

/// Whether the switch says all there is to say of the rule as it is now.
fn is_settled(known: &Switch, rule: &Rule) -> bool {
    known.mode == rule.mode.as_str() && known.state != SwitchState::Checking
}

/// Leaves out what would make up for leads that were past before a rule was switched on: a patient who changes
/// later is no reason to tell what is over. A booking that came in or changed since is caught up as ever.
pub(super) async fn forget_missed(
    tx: &mut Tx,
    subjects: &[Subject],
    planned: &mut Vec<NewReminder>,
) -> Result<(), StoreError> {
    let late = planned.iter().filter(|plan| plan.catch_up);
    let late: BTreeSet<&OccasionId> = late.filter_map(|plan| plan.occasion.as_ref()).collect();
    if late.is_empty() {
        return Ok(());
    }
    let switches = rule_switches::all(tx).await?;
    let changed = occasions::updated_at(tx, &late.into_iter().collect::<Vec<_>>()).await?;
    let reminders = subjects.iter().flat_map(|subject| &subject.reminders);
    let known: HashSet<(&str, &OccasionId)> = reminders
        .filter_map(|r| Some((r.plan.rule.as_str(), r.plan.occasion.as_ref()?)))
        .collect();
    planned.retain(|plan| {
        let (true, Some(occasion)) = (plan.catch_up, &plan.occasion) else {
            return true;
        };
        let Some(switch) = switches.get(&plan.rule) else {
            return true;
        };
        let is_news = changed.get(occasion).is_none_or(|at| *at >= switch.since);
        is_news || known.contains(&(plan.rule.as_str(), occasion))
    });
    Ok(())
}

/// Opens the switch, or has it wait where the rule reaches too many.
async fn settle(
    tx: &mut Tx,
    rule: &Rule,
    mut switch: Switch,
    words: Words<'_>,
    now: Timestamp,
) -> Result<(), StoreError> {
    let due = rule_switches::due_before(tx, &rule.id, first_day(switch.since)).await?;
    switch.reach = (due - switch.baseline).max(0);
    let (settings, language) = words;
    if rule.mode == Mode::Live && settings.is_too_many(switch.reach) {
        switch.state = SwitchState::Waiting;
        let (id, reach) = (&rule.id, switch.reach);
        warn!(rule.id = %id, "Rule {id} would tell {reach} patients within a day and waits: carebell rules approve {id} --by NAME");
        let task = approval::of_rule(rule, reach, (settings, language));
        tasks::add(tx, &[task], now).await?;
    }
    rule_switches::put(tx, &switch).await
}

/// What was due within a day before the switch; of a rule in the shadow nothing went out.
async fn baseline(
    tx: &mut Tx,
    rule: &Rule,
    known: Option<&Switch>,
    now: Timestamp,
) -> Result<i64, StoreError> {
    match known {
        Some(known) if known.mode != rule.mode.as_str() => Ok(0),
        // It never went out: agreeing to it is still to come.
        Some(known) if known.state == SwitchState::Waiting => Ok(known.baseline),
        Some(_) | None => rule_switches::due_before(tx, &rule.id, first_day(now)).await,
    }
}

fn first_day(since: Timestamp) -> Timestamp {
    since.saturating_add(FIRST_DAY).unwrap_or(Timestamp::MAX)
}

fn open(rule: &Rule, now: Timestamp) -> Switch {
    Switch {
        rule: rule.id.clone(),
        timing: rule.timing_hash().to_owned(),
        mode: rule.mode.as_str().to_owned(),
        state: SwitchState::Open,
        baseline: 0,
        reach: 0,
        approver: None,
        since: now,
        approved_at: None,
    }
}

impl PlanStage {
    pub(super) fn words(&self) -> Words<'_> {
        (&self.settings, &self.house.language)
    }

    /// A rule's first walk is about to begin, or goes on.
    pub(super) async fn begin_walk(
        &self,
        rule: &Rule,
        plan: &RulePlan,
        switches: &BTreeMap<String, Switch>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let has_begun = plan.walk.as_ref().is_none_or(|walk| walk.after.is_some());
        if plan.until != Timestamp::UNIX_EPOCH || has_begun {
            return Ok(());
        }
        let mut tx = self.store.write().await?;
        begin(&mut tx, rule, switches.get(&rule.id), now).await?;
        if let Some(cap) = rule.daily_cap {
            let today = wall::date(&rule.timezone, now);
            rule_days::renew(&mut tx, &rule.id, cap, today, Which::OtherCaps).await?;
        }
        tx.commit().await
    }

    /// A rule's first walk is over: what its earlier timing planned and the present one did not confirm goes.
    pub(super) async fn end_walk(
        &self,
        tx: &mut Tx,
        rule: &Rule,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        if campaign::is_manual(rule) {
            campaign_progress::reopen(tx, &rule.id, now).await?;
        } else {
            plans::supersede_timing(tx, &rule.id, rule.timing_hash(), now).await?;
            if let Some(cap) = rule.daily_cap {
                let today = wall::date(&rule.timezone, now);
                rule_days::renew(tx, &rule.id, cap, today, Which::Unused).await?;
            }
        }
        finish(tx, rule, self.words(), now).await
    }

    /// A rule that is planned: its mode may have changed.
    pub(super) async fn follow_mode(
        &self,
        rule: &Rule,
        switches: &BTreeMap<String, Switch>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        if switches
            .get(&rule.id)
            .is_some_and(|known| is_settled(known, rule))
        {
            return Ok(());
        }
        let mut tx = self.store.write().await?;
        follow_mode(&mut tx, rule, switches, self.words(), now).await?;
        tx.commit().await?;
        self.compose.ring();
        Ok(())
    }
}
