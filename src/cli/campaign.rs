//! `carebell campaign`: starts a manual rule, shows how far it is, lets it go as a second person, calls it off.

use std::collections::BTreeSet;
use std::io::Write;

use clap::Subcommand;
use jiff::Timestamp;
use jiff::civil::DateTime;
use serde_json::{Value, json};

use crate::app::House;
use crate::calendar::wall;
use crate::model::campaign::CampaignState;
use crate::model::class::Role;
use crate::model::id::CampaignId;
use crate::planning::campaign::{self, Reach};
use crate::render::sample;
use crate::rules::rule::{Mode, Rule};
use crate::store::campaign_progress::{self, Progress};
use crate::store::campaigns::{self, Acted, Campaign, NewCampaign};

/// Who started it where nobody gives a name.
const ACTOR: &str = "cli";

/// The most campaigns that are listed.
const MOST: i64 = 100;

/// What to do with campaigns.
#[derive(Debug, Subcommand)]
pub enum CampaignVerb {
    /// Start a rule with `on = "manual"`: shows whom it would reach, then has it planned.
    Start {
        /// The rule.
        rule: String,
        /// Its moment, such as 2026-12-01T09:00 on the rule's wall clock; now where it is left out.
        #[arg(long, value_name = "TIME")]
        at: Option<String>,
        /// Only show.
        #[arg(long)]
        dry_run: bool,
        /// Who starts it; another person lets it go where it reaches many.
        #[arg(long, value_name = "NAME")]
        by: Option<String>,
    },
    /// The campaigns, newest first.
    List,
    /// How far one is.
    Show {
        /// The campaign's id, `cmp_…`.
        id: String,
    },
    /// Call one off: what has not left does not leave.
    Cancel {
        /// The campaign's id, `cmp_…`.
        id: String,
        /// Who calls it off.
        #[arg(long, value_name = "NAME")]
        by: Option<String>,
    },
    /// Let one go that waits, as another person than the one who started it.
    Approve {
        /// The campaign's id, `cmp_…`.
        id: String,
        /// Who agrees.
        #[arg(long, value_name = "NAME")]
        by: String,
    },
}

/// Does it; exit 1 when there is no such rule or campaign, or it cannot be done now.
///
/// # Errors
/// When the database fails or nobody reads the output.
pub async fn run(
    verb: &CampaignVerb,
    house: &House,
    now: Timestamp,
    json: bool,
    out: &mut impl Write,
) -> anyhow::Result<u8> {
    let by = |by: &Option<String>| named(by.as_deref());
    match verb {
        CampaignVerb::Start {
            rule,
            at,
            dry_run,
            by: who,
        } => {
            let Some(rule) = house.book.rule(rule) else {
                return refuse(
                    "unknown_rule",
                    &format!("There is no rule `{rule}`."),
                    json,
                    out,
                );
            };
            let asked = Asked {
                rule,
                at: at.as_deref(),
                is_dry: *dry_run,
                by: by(who),
            };
            start(&asked, house, now, json, out).await
        }
        CampaignVerb::List => list(house, json, out).await,
        CampaignVerb::Show { id } => show(house, id, json, out).await,
        CampaignVerb::Cancel { id, by: who } => {
            let Some(id) = CampaignId::parse(id) else {
                return not_found(json, out);
            };
            let mut tx = house.store.write().await?;
            let done = campaigns::cancel(&mut tx, &id, &by(who), now).await?;
            tx.commit().await?;
            told(&id, &done, json, out)
        }
        CampaignVerb::Approve { id, by: who } => {
            let Some(id) = CampaignId::parse(id) else {
                return not_found(json, out);
            };
            if who.trim().is_empty() {
                return refuse("no_name", "Who agrees? Expected --by NAME.", json, out);
            }
            let mut tx = house.store.write().await?;
            let done = campaigns::approve(&mut tx, &id, who.trim(), now).await?;
            tx.commit().await?;
            told(&id, &done, json, out)
        }
    }
}

fn named(by: Option<&str>) -> String {
    let by = by.map(str::trim).filter(|by| !by.is_empty());
    by.unwrap_or(ACTOR).to_owned()
}

/// What is to be started.
struct Asked<'a> {
    rule: &'a Rule,
    at: Option<&'a str>,
    is_dry: bool,
    by: String,
}

async fn start(
    asked: &Asked<'_>,
    house: &House,
    now: Timestamp,
    json: bool,
    out: &mut impl Write,
) -> anyhow::Result<u8> {
    let rule = asked.rule;
    let at = match startable(asked, now) {
        Ok(at) => at,
        Err((code, words)) => return refuse(code, &words, json, out),
    };
    let (store, book) = (&house.store, &house.book);
    let reach = campaign::preview(store, book, &house.plans, rule, (at, now)).await?;
    let cap = house.config.scheduler.activation_cap;
    let waits = rule.mode == Mode::Live
        && cap > 0
        && campaign::first_day(rule, reach.patients) > i64::from(cap);
    let mut id = None;
    if !asked.is_dry {
        let new = NewCampaign {
            rule: &rule.id,
            at,
            started_by: &asked.by,
        };
        let mut tx = store.write().await?;
        id = campaigns::start(&mut tx, &new, now).await?;
        tx.commit().await?;
        if id.is_none() {
            let words = format!("`{}` is started for {} already.", rule.id, shown(rule, at));
            return refuse("already_started", &words, json, out);
        }
    }
    if json {
        let mut told = reach_json(&reach);
        told["id"] = json!(id);
        told["rule"] = json!(rule.id);
        told["at"] = json!(at);
        told["waits_for_approval"] = json!(waits);
        told["samples"] = samples(house, rule).into();
        writeln!(out, "{told}")?;
        return Ok(0);
    }
    writeln!(out, "{}  {}  {}", rule.id, shown(rule, at), rule.title)?;
    write_reach(&reach, out)?;
    for text in samples(house, rule) {
        let word = |key: &str| text[key].as_str().unwrap_or_default().to_owned();
        writeln!(
            out,
            "\n{} to {}, {}:",
            word("channel"),
            word("to"),
            word("language")
        )?;
        writeln!(out, "  {}", word("text").replace('\n', "\n  "))?;
    }
    match (&id, waits) {
        (None, _) => writeln!(out, "\nNothing was started.")?,
        (Some(id), false) => writeln!(out, "\n{id}  started; a running `serve` plans it.")?,
        (Some(id), true) => writeln!(
            out,
            "\n{id}  reaches more than {cap} on its first day: another person lets it go with\n  carebell campaign approve {id} --by NAME"
        )?,
    }
    Ok(0)
}

/// The moment it is started for, or why it cannot be.
fn startable(asked: &Asked<'_>, now: Timestamp) -> Result<Timestamp, (&'static str, String)> {
    let rule = asked.rule;
    let now = wall::minute(now);
    if !campaign::is_manual(rule) {
        let words = "is no campaign; expected a rule with on = \"manual\".";
        return Err(("not_manual", format!("`{}` {words}", rule.id)));
    }
    if rule.mode == Mode::Off {
        return Err(("rule_off", format!("The rule `{}` is off.", rule.id)));
    }
    let Some(text) = asked.at else { return Ok(now) };
    match moment(rule, text).map(wall::minute) {
        Some(at) if at >= now => Ok(at),
        Some(_) => Err(("past", "That moment is past.".to_owned())),
        None => {
            let words = "is no time; expected one such as 2026-12-01T09:00.";
            Err(("invalid_time", format!("`{text}` {words}")))
        }
    }
}

/// An instant, or a time on the rule's wall clock.
fn moment(rule: &Rule, text: &str) -> Option<Timestamp> {
    let wall = || text.parse::<DateTime>().ok();
    text.parse()
        .ok()
        .or_else(|| Some(wall::instant(&rule.timezone, wall()?)))
}

fn shown(rule: &Rule, at: Timestamp) -> String {
    let at = at.to_zoned(rule.timezone.clone());
    at.strftime("%Y-%m-%dT%H:%M%:z").to_string()
}

fn reach_json(reach: &Reach) -> Value {
    let counts: Vec<Value> = reach
        .amounts
        .iter()
        .map(|((day, channel, class), amount)| {
            json!({"day": day.to_string(), "channel": channel, "class": class, "messages": amount.messages, "segments": amount.segments})
        })
        .collect();
    json!({"reach": reach.patients, "counts": counts, "not_reached": reach.not, "problems": reach.problems})
}

fn write_reach(reach: &Reach, out: &mut impl Write) -> std::io::Result<()> {
    writeln!(out, "It reaches {} patients:", reach.patients)?;
    for ((day, channel, class), amount) in &reach.amounts {
        writeln!(
            out,
            "  {day}  {channel}  {class}  {} messages  {} segments",
            amount.messages, amount.segments
        )?;
    }
    for (reason, n) in &reach.not {
        writeln!(out, "  not reached: {reason}  {n}")?;
    }
    for (why, n) in &reach.problems {
        writeln!(out, "  would not be sent: {why}  {n}")?;
    }
    Ok(())
}

/// What it says, with made-up values: a terminal is no place for patients' names.
fn samples(house: &House, rule: &Rule) -> Vec<Value> {
    let catalog = &house.book.catalog;
    let mut seen = BTreeSet::new();
    let mut all = Vec::new();
    for step in &rule.steps {
        let role = if step.to == Role::Staff {
            Role::Staff
        } else {
            Role::Patient
        };
        for template in step.all_templates() {
            for text in catalog.texts_of(template) {
                let (language, channel) = (text.language.as_str(), text.channel);
                let is_used = step.by.as_ref().is_none_or(|by| by.contains(&channel));
                if !is_used || !seen.insert((template.to_owned(), language.to_owned(), channel)) {
                    continue;
                }
                let data = sample(language, channel, role);
                if let Ok(made) = catalog.render(template, &[language], channel, &data) {
                    let segments = made.measure.map(|measure| measure.segments);
                    all.push(json!({"template": template, "language": language, "channel": channel, "to": step.to,
                        "text": made.text.reveal(), "segments": segments}));
                }
            }
        }
    }
    all
}

async fn list(house: &House, json: bool, out: &mut impl Write) -> anyhow::Result<u8> {
    let mut tx = house.store.read().await?;
    for campaign in campaigns::list(&mut tx, None, MOST).await? {
        if json {
            writeln!(out, "{}", as_json(&campaign, None))?;
        } else {
            writeln!(out, "{}", line(&campaign, house))?;
        }
    }
    Ok(0)
}

fn line(campaign: &Campaign, house: &House) -> String {
    let rule = house.book.rule(&campaign.rule);
    let at = rule.map_or_else(|| campaign.at.to_string(), |rule| shown(rule, campaign.at));
    let waits = if campaign.state == CampaignState::Waiting {
        "  (for a second person)"
    } else {
        ""
    };
    format!(
        "{}  {}  {at}  {}{waits}  {} patients  started by {}",
        campaign.id, campaign.rule, campaign.state, campaign.reach, campaign.started_by
    )
}

async fn show(house: &House, id: &str, json: bool, out: &mut impl Write) -> anyhow::Result<u8> {
    let Some(id) = CampaignId::parse(id) else {
        return not_found(json, out);
    };
    let mut tx = house.store.read().await?;
    let Some(campaign) = campaigns::find(&mut tx, &id).await? else {
        return not_found(json, out);
    };
    let progress = campaign_progress::of(&mut tx, &campaign).await?;
    if json {
        writeln!(out, "{}", as_json(&campaign, Some(&progress)))?;
        return Ok(0);
    }
    writeln!(out, "{}", line(&campaign, house))?;
    if let Some(by) = &campaign.approved_by {
        writeln!(out, "  agreed to by {by}")?;
    }
    if let Some(by) = &campaign.cancelled_by {
        writeln!(out, "  called off by {by}")?;
    }
    for (reason, n) in &campaign.not_reached {
        writeln!(out, "  not reached: {reason}  {n}")?;
    }
    writeln!(
        out,
        "  planned {}, composed {}",
        progress.planned, progress.composed
    )?;
    for (state, n) in &progress.messages {
        writeln!(out, "  messages {state}  {n}")?;
    }
    for (reason, n) in &progress.skipped {
        writeln!(out, "  skipped: {reason}  {n}")?;
    }
    if progress.superseded > 0 {
        writeln!(
            out,
            "  called back or planned anew  {}",
            progress.superseded
        )?;
    }
    Ok(0)
}

fn as_json(campaign: &Campaign, progress: Option<&Progress>) -> Value {
    let mut shown = json!({
        "id": campaign.id, "rule": campaign.rule, "at": campaign.at, "state": campaign.state, "reach": campaign.reach,
        "not_reached": campaign.not_reached, "started_by": campaign.started_by, "approved_by": campaign.approved_by,
        "cancelled_by": campaign.cancelled_by, "created_at": campaign.created_at,
    });
    if let Some(progress) = progress {
        shown["progress"] = json!({"planned": progress.planned, "composed": progress.composed, "skipped": progress.skipped,
            "superseded": progress.superseded, "messages": progress.messages});
    }
    shown
}

fn told(id: &CampaignId, done: &Acted, json: bool, out: &mut impl Write) -> anyhow::Result<u8> {
    match done {
        Acted::Done(state) => {
            if json {
                writeln!(out, "{}", json!({"id": id, "state": state}))?;
            } else {
                writeln!(out, "{id}  {state}")?;
            }
            Ok(0)
        }
        Acted::SamePerson => refuse(
            "same_person",
            "Another person than the one who started it has to agree.",
            json,
            out,
        ),
        Acted::Otherwise(state) => {
            let words = format!("It does not wait: {state}.");
            refuse("not_waiting", &words, json, out)
        }
        Acted::NotFound => not_found(json, out),
    }
}

fn not_found(json: bool, out: &mut impl Write) -> anyhow::Result<u8> {
    refuse("not_found", "There is no such campaign.", json, out)
}

fn refuse(code: &str, words: &str, json: bool, out: &mut impl Write) -> anyhow::Result<u8> {
    if json {
        writeln!(out, "{}", json!({"error": code}))?;
    } else {
        writeln!(out, "{words}")?;
    }
    Ok(1)
}
