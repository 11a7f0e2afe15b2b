//! Campaigns: counts whom one reaches, waits for a second person where that is many, and plans them page by page.
//!
//! Where a campaign stands is kept with each chunk: a process that falls goes on where it was.

use jiff::{SignedDuration, Timestamp};
use tracing::{info, warn};

use crate::model::campaign::{CampaignEvent, CampaignState};
use crate::planning::campaign::{self, Reached};
use crate::planning::spread;
use crate::planning::subject::{self, Needs};
use crate::rules::rule::{Mode, Rule};
use crate::scheduler::approval;
use crate::scheduler::plan::PlanStage;
use crate::store::campaigns::{self, Campaign};
use crate::store::plans::{self, Of, Scope};
use crate::store::{StoreError, campaign_progress, candidates};

/// Patients looked up at once.
const PAGE: i64 = 2_000;

/// How long a campaign is looked after once its moment has passed.
const LONGEST: SignedDuration = SignedDuration::from_hours(24 * 400);

impl PlanStage {
    /// One page of every campaign that is to be counted or planned. Says how many patients it looked at.
    pub(super) async fn campaigns(&self, now: Timestamp) -> Result<usize, StoreError> {
        let since = now.saturating_sub(LONGEST).unwrap_or(Timestamp::MIN);
        let mut tx = self.store.read().await?;
        let current = campaigns::current(&mut tx, since).await?;
        drop(tx);
        let mut looked_at = 0;
        for campaign in current {
            let Some(rule) = self.book.rule(&campaign.rule) else {
                continue;
            };
            if rule.mode == Mode::Off || !campaign::is_manual(rule) {
                continue;
            }
            looked_at += match campaign.state {
                CampaignState::Counting => self.count_campaign(campaign, rule, now).await?,
                CampaignState::Planning if self.is_near(&campaign, rule, now) => {
                    self.plan_campaign(campaign, rule, now).await?
                }
                CampaignState::Planning
                | CampaignState::Waiting
                | CampaignState::Planned
                | CampaignState::Cancelled => 0,
            };
        }
        if looked_at > 0 {
            self.compose.ring();
        }
        Ok(looked_at)
    }

    /// Like other reckoned dates a campaign is planned when it comes near, on the facts of then.
    fn is_near(&self, campaign: &Campaign, rule: &Rule, now: Timestamp) -> bool {
        let before = SignedDuration::from_hours(24 * campaign::days_before(rule));
        let ahead = now.saturating_add(self.settings.plan_ahead);
        let ahead = ahead.and_then(|ahead| ahead.saturating_add(before));
        campaign.at <= ahead.unwrap_or(Timestamp::MAX)
    }

    async fn count_campaign(
        &self,
        mut campaign: Campaign,
        rule: &Rule,
        now: Timestamp,
    ) -> Result<usize, StoreError> {
        let after = campaign.walk_after.clone();
        let mut tx = self.store.read().await?;
        let who = campaign::candidates(rule);
        let ids = candidates::page(&mut tx, &who, after.as_ref(), PAGE).await?;
        let key = campaign::occurrence(rule, campaign.at);
        let limit = usize::try_from(self.settings.limit()).unwrap_or(1);
        for chunk in ids.chunks(limit) {
            let subjects = subject::load(&mut tx, chunk, &Needs::of(rule), now).await?;
            for subject in &subjects {
                let decided = campaign::plan_one(rule, subject, campaign.at, now);
                tell(&mut campaign, campaign::reached(&decided, &key));
            }
        }
        tx.rollback().await?;
        campaign.walk_after = ids.last().cloned().or(after);
        let is_last = ids.len() < usize::try_from(PAGE).unwrap_or(usize::MAX);
        let mut tx = self.store.write().await?;
        if is_last {
            let reach = campaign::first_day(rule, campaign.reach);
            let is_free = rule.mode == Mode::Shadow || !self.settings.is_too_many(reach);
            let event = if is_free {
                CampaignEvent::Allowed
            } else {
                CampaignEvent::TooMany
            };
            campaign.state = campaign.state.after(event).unwrap_or(campaign.state);
            campaign.walk_after = None;
            if campaign.state == CampaignState::Waiting {
                let (id, reach) = (campaign.id.as_str(), campaign.reach);
                warn!(campaign.id = id, rule.id = %rule.id, "Campaign {id} of rule {} reaches {reach} patients and waits for a second person", rule.id);
                let task = approval::of_campaign(&campaign, rule, self.words());
                crate::store::tasks::add(&mut tx, &[task], now).await?;
            }
        }
        campaigns::put(&mut tx, &campaign, now).await?;
        tx.commit().await?;
        // One that is counted goes on at once.
        Ok(ids.len().max(usize::from(is_last)))
    }

    async fn plan_campaign(
        &self,
        mut campaign: Campaign,
        rule: &Rule,
        now: Timestamp,
    ) -> Result<usize, StoreError> {
        let key = campaign::occurrence(rule, campaign.at);
        if campaign.walk_after.is_none() {
            (campaign.reach, campaign.not_reached) = (0, campaigns::Counts::new());
            (campaign.occurrence, campaign.timing) = (key.clone(), rule.timing_hash().to_owned());
        }
        let mut tx = self.store.read().await?;
        let who = campaign::candidates(rule);
        let after = campaign.walk_after.as_ref();
        let ids = candidates::page(&mut tx, &who, after, PAGE).await?;
        tx.rollback().await?;
        let limit = usize::try_from(self.settings.limit()).unwrap_or(1);
        for ids in ids.chunks(limit) {
            let Some(mut tx) = self.open().await? else {
                return Ok(0);
            };
            let subjects = subject::load(&mut tx, ids, &Needs::of(rule), now).await?;
            let mut planned = Vec::new();
            for subject in &subjects {
                let decided = campaign::plan_one(rule, subject, campaign.at, now);
                tell(&mut campaign, campaign::reached(&decided, &key));
                planned.extend(decided.reminders);
            }
            if !self.store.is_shared() {
                drop(tx);
                tx = self.store.write().await?;
            }
            let one = std::iter::once(rule);
            let moved = spread::spread(&mut tx, one, &subjects, &mut planned, now).await?;
            let scope = Scope {
                of: Of::Patients(ids),
                rules: vec![(rule.id.as_str(), Timestamp::MAX)],
            };
            plans::apply(&mut tx, &scope, &planned, now).await?;
            spread::note(&mut tx, &moved).await?;
            campaign.walk_after = ids.last().cloned();
            if !campaigns::put(&mut tx, &campaign, now).await? {
                // Called off meanwhile: what this chunk planned goes with it.
                tx.rollback().await?;
                return Ok(0);
            }
            tx.commit().await?;
        }
        if ids.len() < usize::try_from(PAGE).unwrap_or(usize::MAX) {
            let mut tx = self.store.write().await?;
            campaign_progress::supersede_others(&mut tx, &campaign, now).await?;
            let planned = campaign.state.after(CampaignEvent::Planned);
            campaign.state = planned.unwrap_or(campaign.state);
            campaigns::put(&mut tx, &campaign, now).await?;
            tx.commit().await?;
            let (id, reach) = (campaign.id.as_str(), campaign.reach);
            info!(campaign.id = id, rule.id = %rule.id, "Planned campaign {id} of rule {}: {reach} patients", rule.id);
        }
        Ok(ids.len())
    }
}

fn tell(campaign: &mut Campaign, reached: Reached) {
    match reached {
        Reached::Yes => campaign.reach += 1,
        Reached::No(reason) => {
            let reason = reason.as_str().to_owned();
            *campaign.not_reached.entry(reason).or_default() += 1;
        }
        Reached::NotMeant => {}
    }
}
