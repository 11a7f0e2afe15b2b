//! Campaigns: manual rules that somebody started, how far they are, and what became of those they reach.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::json;

use super::audits::{self, NewAudit};
use super::message_view::Place;
use super::{StoreError, Tx, execute, on};
use crate::model::campaign::{CampaignEvent, CampaignState, person};
use crate::model::id::{CampaignId, PatientId};

/// How many patients something holds for, by a word such as `opted_out`.
pub type Counts = BTreeMap<String, i64>;

/// A campaign as it stands.
#[derive(Clone, Debug)]
pub struct Campaign {
    /// Its id.
    pub id: CampaignId,
    /// The rule.
    pub rule: String,
    /// Its moment, a whole minute.
    pub at: Timestamp,
    /// The same as its reminders have it; empty until they are planned.
    pub occurrence: String,
    /// Where it stands.
    pub state: CampaignState,
    /// The timing it was planned by.
    pub timing: String,
    /// The last patient that was counted or planned.
    pub walk_after: Option<PatientId>,
    /// How many patients it reaches.
    pub reach: i64,
    /// How many it does not, by reason.
    pub not_reached: Counts,
    /// Who started it.
    pub started_by: String,
    /// Who agreed, where a second person had to.
    pub approved_by: Option<String>,
    /// Who called it off.
    pub cancelled_by: Option<String>,
    /// When it was started.
    pub created_at: Timestamp,
}

#[derive(sqlx::FromRow)]
struct Row {
    id: CampaignId,
    rule_id: String,
    at: i64,
    occurrence: String,
    state: String,
    timing: String,
    walk_after: Option<PatientId>,
    reach: i64,
    not_reached: String,
    started_by: String,
    approved_by: Option<String>,
    cancelled_by: Option<String>,
    created_at: i64,
}

impl Row {
    fn into_campaign(self) -> Result<Campaign, StoreError> {
        let bad = |what| StoreError::BadRow {
            table: "campaign",
            what,
        };
        let instant = |ms| Timestamp::from_millisecond(ms).map_err(|_| bad("an instant"));
        Ok(Campaign {
            id: self.id,
            rule: self.rule_id,
            at: instant(self.at)?,
            occurrence: self.occurrence,
            state: CampaignState::parse(&self.state).ok_or(bad("state"))?,
            timing: self.timing,
            walk_after: self.walk_after,
            reach: self.reach,
            not_reached: serde_json::from_str(&self.not_reached).map_err(|_| bad("not_reached"))?,
            started_by: self.started_by,
            approved_by: self.approved_by,
            cancelled_by: self.cancelled_by,
            created_at: instant(self.created_at)?,
        })
    }
}

/// What somebody starts.
#[derive(Clone, Debug)]
pub struct NewCampaign<'a> {
    /// The rule.
    pub rule: &'a str,
    /// Its moment, a whole minute.
    pub at: Timestamp,
    /// Who.
    pub started_by: &'a str,
}

/// Starts one; it is counted before anything else. `None` when the rule is started for that minute already.
///
/// # Errors
/// When the database fails.
pub async fn start(
    tx: &mut Tx,
    new: &NewCampaign<'_>,
    now: Timestamp,
) -> Result<Option<CampaignId>, StoreError> {
    const SQL: &str = "INSERT INTO campaign (id, rule_id, at, occurrence, state, timing, reach, not_reached, started_by, created_at, updated_at)
        VALUES ($1, $2, $3, '', $4, '', 0, '{}', $5, $6, $6) ON CONFLICT DO NOTHING";
    let id = CampaignId::generate();
    let written = execute!(
        &mut *tx,
        sqlx::query(SQL)
            .bind(&id)
            .bind(new.rule)
            .bind(new.at.as_millisecond())
            .bind(CampaignState::Counting.as_str())
            .bind(new.started_by)
            .bind(now.as_millisecond())
    )?;
    if written == 0 {
        return Ok(None);
    }
    let detail = json!({"rule": new.rule, "at": new.at});
    note(tx, &id, "campaign.start", detail, new.started_by, now).await?;
    Ok(Some(id))
}

/// One campaign.
///
/// # Errors
/// When the database fails or the row cannot be read.
pub async fn find(tx: &mut Tx, id: &CampaignId) -> Result<Option<Campaign>, StoreError> {
    const SQL: &str = "SELECT id, rule_id, at, occurrence, state, timing, walk_after, reach, not_reached, started_by, approved_by,
          cancelled_by, created_at FROM campaign WHERE id = $1";
    let found: Option<Row> =
        on!(tx, conn => sqlx::query_as(SQL).bind(id).fetch_optional(conn).await)?;
    found.map(Row::into_campaign).transpose()
}

/// One page of all campaigns, newest first.
///
/// # Errors
/// When the database fails or a row cannot be read.
pub async fn list(
    tx: &mut Tx,
    after: Option<&Place>,
    most: i64,
) -> Result<Vec<Campaign>, StoreError> {
    const SQL: &str = "SELECT id, rule_id, at, occurrence, state, timing, walk_after, reach, not_reached, started_by, approved_by,
          cancelled_by, created_at FROM campaign WHERE (created_at, id) < ($1, $2) ORDER BY created_at DESC, id DESC LIMIT $3";
    let (at, id) = after.map_or((i64::MAX, "zzzz"), |place| (place.at, place.id.as_str()));
    let found: Vec<Row> =
        on!(tx, conn => sqlx::query_as(SQL).bind(at).bind(id).bind(most).fetch_all(conn).await)?;
    found.into_iter().map(Row::into_campaign).collect()
}

/// Those that are not called off and whose moment is no earlier than `since`, or that are not planned yet, the oldest first.
///
/// # Errors
/// When the database fails or a row cannot be read.
pub async fn current(tx: &mut Tx, since: Timestamp) -> Result<Vec<Campaign>, StoreError> {
    const SQL: &str = "SELECT id, rule_id, at, occurrence, state, timing, walk_after, reach, not_reached, started_by, approved_by,
          cancelled_by, created_at FROM campaign
        WHERE state IN ('counting', 'waiting', 'planning') OR (state = 'planned' AND at >= $1) ORDER BY created_at, id";
    let since = since.as_millisecond();
    let found: Vec<Row> = on!(tx, conn => sqlx::query_as(SQL).bind(since).fetch_all(conn).await)?;
    found.into_iter().map(Row::into_campaign).collect()
}

/// Writes how far a campaign is, where nobody called it off meanwhile; false when somebody did.
///
/// # Errors
/// When the database fails.
pub async fn put(tx: &mut Tx, campaign: &Campaign, now: Timestamp) -> Result<bool, StoreError> {
    const SQL: &str = "UPDATE campaign SET state = $2, occurrence = $3, timing = $4, walk_after = $5, reach = $6, not_reached = $7,
          updated_at = $8 WHERE id = $1 AND state <> 'cancelled'";
    let written = execute!(
        tx,
        sqlx::query(SQL)
            .bind(&campaign.id)
            .bind(campaign.state.as_str())
            .bind(&campaign.occurrence)
            .bind(&campaign.timing)
            .bind(&campaign.walk_after)
            .bind(campaign.reach)
            .bind(json!(campaign.not_reached).to_string())
            .bind(now.as_millisecond())
    )?;
    Ok(written > 0)
}

/// What became of the wish to agree, or to call off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Acted {
    /// It is done.
    Done(CampaignState),
    /// The one who agrees has to be another one than the one who started it.
    SamePerson,
    /// It stands otherwise.
    Otherwise(CampaignState),
    /// There is no such campaign.
    NotFound,
}

/// Agrees to a campaign that waits, as a second person. One whose moment has passed meanwhile gets the present one.
///
/// # Errors
/// When the database fails or the row cannot be read.
pub async fn approve(
    tx: &mut Tx,
    id: &CampaignId,
    approver: &str,
    now: Timestamp,
) -> Result<Acted, StoreError> {
    const SQL: &str =
        "UPDATE campaign SET state = $2, approved_by = $3, updated_at = $4, walk_after = NULL,
          at = CASE WHEN at < $5 THEN $5 ELSE at END WHERE id = $1 AND state = 'waiting'";
    let Some(found) = find(tx, id).await? else {
        return Ok(Acted::NotFound);
    };
    let Some(next) = found.state.after(CampaignEvent::Approved) else {
        return Ok(Acted::Otherwise(found.state));
    };
    if person(&found.started_by) == person(approver) {
        return Ok(Acted::SamePerson);
    }
    let at = now.as_millisecond() - now.as_millisecond().rem_euclid(60_000);
    let written = execute!(
        &mut *tx,
        sqlx::query(SQL)
            .bind(id)
            .bind(next.as_str())
            .bind(approver)
            .bind(now.as_millisecond())
            .bind(at)
    )?;
    if written == 0 {
        return Ok(Acted::Otherwise(found.state));
    }
    let detail = json!({"rule": found.rule, "reach": found.reach});
    note(tx, id, "campaign.approve", detail, approver, now).await?;
    Ok(Acted::Done(next))
}

/// Calls a campaign off: what is planned is superseded, what waits in the queue is withdrawn.
/// What went out stays; what is on the wire is left to its outcome and never sent again.
///
/// # Errors
/// When the database fails or the row cannot be read.
pub async fn cancel(
    tx: &mut Tx,
    id: &CampaignId,
    actor: &str,
    now: Timestamp,
) -> Result<Acted, StoreError> {
    const SQL: &str =
        "UPDATE campaign SET state = $2, cancelled_by = $3, updated_at = $4 WHERE id = $1";
    let Some(found) = find(tx, id).await? else {
        return Ok(Acted::NotFound);
    };
    if found.state == CampaignState::Cancelled {
        return Ok(Acted::Done(found.state));
    }
    let Some(next) = found.state.after(CampaignEvent::Cancelled) else {
        return Ok(Acted::Otherwise(found.state));
    };
    execute!(
        &mut *tx,
        sqlx::query(SQL)
            .bind(id)
            .bind(next.as_str())
            .bind(actor)
            .bind(now.as_millisecond())
    )?;
    let withdrawn = super::campaign_progress::withdraw(tx, &found, now).await?;
    let detail = json!({"rule": found.rule, "superseded": withdrawn.0, "withdrawn": withdrawn.1});
    note(tx, id, "campaign.cancel", detail, actor, now).await?;
    Ok(Acted::Done(next))
}

async fn note(
    tx: &mut Tx,
    id: &CampaignId,
    action: &str,
    detail: serde_json::Value,
    actor: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    let act = NewAudit {
        actor,
        action,
        target: id.as_str(),
        detail,
    };
    audits::add(tx, &act, now).await
}
