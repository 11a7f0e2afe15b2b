//! `carebell webhook`: other systems that are told of events. A running `serve` does the telling.

mod show;

use std::io::Write;

use clap::{ArgAction, Args, Subcommand};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::api::{Draft, read_wish};
use crate::app::House;
use crate::cli::WRONG;
use crate::model::id::{EventId, WebhookDeliveryId, WebhookId};
use crate::model::webhook::{AsideKind, Secret, TryOutcome};
use crate::store::webhook_log::{self, Delivery};
use crate::store::{Store, webhook_admin, webhooks};

/// Who it was, for the audit.
const ACTOR: &str = "cli";

/// What to do with webhooks.
#[derive(Debug, Subcommand)]
pub enum WebhookVerb {
    /// Make one; its secret is shown once and never again.
    Add {
        /// Where it listens.
        url: String,
        /// What it is for.
        #[command(flatten)]
        wish: WishArgs,
    },
    /// Change one; what is not said stays.
    Change {
        /// The webhook's id, `whk_…`.
        id: String,
        /// Where it listens.
        #[arg(long)]
        url: Option<String>,
        /// What it is for.
        #[command(flatten)]
        wish: WishArgs,
    },
    /// List them all, with where they stand.
    List,
    /// Take one away with all that is kept of it.
    Remove {
        /// The webhook's id, `whk_…`.
        id: String,
    },
    /// Have one told again at once, from where it stopped.
    Enable {
        /// The webhook's id, `whk_…`.
        id: String,
    },
    /// Have one told of nothing; it keeps its place.
    Disable {
        /// The webhook's id, `whk_…`.
        id: String,
    },
    /// Give one a new secret; it is shown once and never again.
    Rotate {
        /// The webhook's id, `whk_…`.
        id: String,
        /// For how many hours the present secret signs as well.
        #[arg(long, value_name = "HOURS", default_value_t = 24, value_parser = clap::value_parser!(i64).range(0..=168))]
        keep_old_for: i64,
    },
    /// Send a test event and say what came of it; exit 1 when it was not taken.
    Test {
        /// The webhook's id, `whk_…`.
        id: String,
        /// How many seconds to wait for a running `serve` to send it.
        #[arg(long, value_name = "SECONDS", default_value_t = 20, value_parser = clap::value_parser!(u32).range(0..=600))]
        wait: u32,
    },
    /// Tell again, in order, what happened since a moment; or one delivery.
    Replay {
        /// The webhook's id, `whk_…`.
        id: String,
        /// The moment, such as 2026-12-01T09:00:00+08:00; a later one than now skips what waits.
        #[arg(
            long,
            value_name = "TIME",
            required_unless_present = "delivery",
            conflicts_with = "delivery"
        )]
        since: Option<Timestamp>,
        /// The delivery's id, `whd_…`.
        #[arg(long, value_name = "ID")]
        delivery: Option<String>,
    },
    /// What one was told, newest first.
    Deliveries {
        /// The webhook's id, `whk_…`.
        id: String,
        /// Of one outcome: taken, refused, given_up.
        #[arg(long)]
        outcome: Option<TryOutcome>,
        /// How many.
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(i64).range(1..=10_000))]
        limit: i64,
    },
}

/// What a webhook is for.
#[derive(Debug, Args)]
pub struct WishArgs {
    /// What people call it.
    #[arg(long)]
    name: Option<String>,
    /// Types of events such as reply.received, or families such as message.*; by default all.
    #[arg(long, value_delimiter = ',', value_name = "TYPES", action = ArgAction::Append)]
    types: Option<Vec<String>>,
    /// What bodies tell beyond ids and states: keys, address, text. The last two are about people.
    #[arg(long, value_delimiter = ',', value_name = "WHAT", action = ArgAction::Append)]
    include: Option<Vec<String>>,
    /// How many requests at once, 1 to 16; 1 keeps the order.
    #[arg(long, value_name = "N")]
    in_flight: Option<i64>,
}

impl WishArgs {
    fn draft(&self, url: Option<&str>) -> Draft {
        Draft {
            name: self.name.clone(),
            url: url.map(str::to_owned),
            types: self.types.clone(),
            include: self.include.clone(),
            in_flight: self.in_flight,
        }
    }
}

/// Does it; exit 1 when there is none of that id, or something is wrong with what is wanted.
///
/// # Errors
/// When the database fails or nobody reads the output.
pub async fn run(
    verb: &WebhookVerb,
    house: &House,
    now: Timestamp,
    json: bool,
    out: &mut impl Write,
) -> anyhow::Result<u8> {
    let store = &house.store;
    let id = |text: &str| WebhookId::parse(text);
    let acted = match verb {
        WebhookVerb::Add { url, wish } => {
            return add(house, &wish.draft(Some(url)), now, json, out).await;
        }
        WebhookVerb::List => return show::list(store, json, out).await,
        WebhookVerb::Change {
            id: text,
            url,
            wish,
        } => match id(text) {
            Some(id) => change(house, &id, &wish.draft(url.as_deref()), now, json, out).await?,
            None => None,
        },
        WebhookVerb::Remove { id: text }
        | WebhookVerb::Enable { id: text }
        | WebhookVerb::Disable { id: text } => match id(text) {
            Some(id) => switch(store, verb, &id, now, json, out).await?,
            None => None,
        },
        WebhookVerb::Rotate {
            id: text,
            keep_old_for,
        } => match id(text) {
            Some(id) => rotate(store, &id, *keep_old_for, now, json, out).await?,
            None => None,
        },
        WebhookVerb::Test { id: text, wait } => match id(text) {
            Some(id) => test(store, &id, *wait, now, json, out).await?,
            None => None,
        },
        WebhookVerb::Replay {
            id: text,
            since,
            delivery,
        } => match (id(text), since, delivery) {
            (Some(id), Some(since), _) => replay(store, &id, *since, now, json, out).await?,
            (Some(id), None, Some(delivery)) => {
                replay_one(store, &id, delivery, now, json, out).await?
            }
            (Some(_), None, None) | (None, _, _) => None,
        },
        WebhookVerb::Deliveries {
            id: text,
            outcome,
            limit,
        } => match id(text) {
            Some(id) => show::deliveries(store, &id, *outcome, *limit, json, out).await?,
            None => None,
        },
    };
    match acted {
        Some(code) => Ok(code),
        None => say(
            WRONG,
            &json!({"error": "not_found"}),
            "There is no such webhook.",
            json,
            out,
        ),
    }
}

async fn add(
    house: &House,
    draft: &Draft,
    now: Timestamp,
    json: bool,
    out: &mut impl Write,
) -> anyhow::Result<u8> {
    let mut draft = draft.clone();
    draft.name = draft
        .name
        .or_else(|| draft.url.as_deref().and_then(host_of));
    let wish = match read_wish(&draft, None, &house.config.webhooks.guard()?) {
        Ok(wish) => wish,
        Err(fault) => return refuse(fault.code, &fault.path, &fault.expected, json, out),
    };
    let secret = Secret::generate();
    let mut tx = house.store.write().await?;
    let id = webhooks::add(&mut tx, &wish, &secret, ACTOR, now).await?;
    tx.commit().await?;
    let shown = secret.as_written().reveal();
    if json {
        writeln!(out, "{}", json!({"id": id, "secret": shown}))?;
    } else {
        writeln!(out, "{id} hears of what happens from now on.")?;
        writeln!(out, "{shown}")?;
        writeln!(out, "Keep the secret safe: it is not shown again.")?;
    }
    Ok(0)
}

fn host_of(url: &str) -> Option<String> {
    let rest = url.split_once("://")?.1;
    rest.split(['/', '?']).next().map(str::to_owned)
}

async fn change(
    house: &House,
    id: &WebhookId,
    draft: &Draft,
    now: Timestamp,
    json: bool,
    out: &mut impl Write,
) -> anyhow::Result<Option<u8>> {
    let mut tx = house.store.write().await?;
    let Some(before) = webhooks::find(&mut tx, id).await? else {
        return Ok(None);
    };
    let wish = match read_wish(draft, Some(&before.wish), &house.config.webhooks.guard()?) {
        Ok(wish) => wish,
        Err(fault) => return refuse(fault.code, &fault.path, &fault.expected, json, out).map(Some),
    };
    webhooks::change(&mut tx, id, &wish, ACTOR, now).await?;
    tx.commit().await?;
    say(
        0,
        &json!({"id": id, "changed": true}),
        "It is changed.",
        json,
        out,
    )
    .map(Some)
}

async fn switch(
    store: &Store,
    verb: &WebhookVerb,
    id: &WebhookId,
    now: Timestamp,
    json: bool,
    out: &mut impl Write,
) -> anyhow::Result<Option<u8>> {
    let mut tx = store.write().await?;
    let (found, word, words) = match verb {
        WebhookVerb::Remove { .. } => (
            webhooks::remove(&mut tx, id, ACTOR, now).await?,
            "removed",
            "It is no more.",
        ),
        WebhookVerb::Enable { .. } => {
            let words = "It is told again, from where it stopped.";
            (
                webhooks::enable(&mut tx, id, ACTOR, now).await?,
                "enabled",
                words,
            )
        }
        WebhookVerb::Disable { .. } => {
            let words = "It is told nothing; it keeps its place.";
            (
                webhooks::disable(&mut tx, id, ACTOR, now).await?,
                "disabled",
                words,
            )
        }
        WebhookVerb::Add { .. }
        | WebhookVerb::Change { .. }
        | WebhookVerb::List
        | WebhookVerb::Rotate { .. }
        | WebhookVerb::Test { .. }
        | WebhookVerb::Replay { .. }
        | WebhookVerb::Deliveries { .. } => return Ok(None),
    };
    tx.commit().await?;
    if found {
        say(0, &json!({"id": id, "state": word}), words, json, out).map(Some)
    } else {
        Ok(None)
    }
}

async fn rotate(
    store: &Store,
    id: &WebhookId,
    hours: i64,
    now: Timestamp,
    json: bool,
    out: &mut impl Write,
) -> anyhow::Result<Option<u8>> {
    let secret = Secret::generate();
    let old_until = now.checked_add(SignedDuration::from_hours(hours))?;
    let mut tx = store.write().await?;
    let found = webhooks::rotate(&mut tx, id, &secret, old_until, ACTOR, now).await?;
    tx.commit().await?;
    if !found {
        return Ok(None);
    }
    let shown = secret.as_written().reveal();
    if json {
        writeln!(
            out,
            "{}",
            json!({"id": id, "secret": shown, "old_secret_until": old_until})
        )?;
    } else {
        writeln!(out, "{shown}")?;
        writeln!(
            out,
            "Keep it safe: it is not shown again. The one before signs as well until {old_until}."
        )?;
    }
    Ok(Some(0))
}

async fn test(
    store: &Store,
    id: &WebhookId,
    wait_s: u32,
    now: Timestamp,
    json: bool,
    out: &mut impl Write,
) -> anyhow::Result<Option<u8>> {
    let event = EventId::generate();
    if let Some(refused) = ask(store, id, &event, AsideKind::Test, now, json, out).await? {
        return Ok(refused);
    }
    for _ in 0..wait_s.saturating_mul(5) {
        if let Some(told) = first(store, id, &event).await? {
            return show::tested(&told, json, out).map(Some);
        }
        // Another process does it; there is no bell between the two.
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    }
    let words = "Nobody has sent it yet: a running `carebell serve` does, and `webhook deliveries` shows what came of it.";
    say(
        WRONG,
        &json!({"event": event, "outcome": null}),
        words,
        json,
        out,
    )
    .map(Some)
}

async fn first(store: &Store, id: &WebhookId, event: &EventId) -> anyhow::Result<Option<Delivery>> {
    let mut tx = store.read().await?;
    let found = webhook_log::list(&mut tx, id, None, Some(event), None, 1).await?;
    Ok(found.into_iter().next())
}

/// Asks for an event beside its turn; what to say when that is refused: nothing for a webhook that is not there.
async fn ask(
    store: &Store,
    id: &WebhookId,
    event: &EventId,
    kind: AsideKind,
    now: Timestamp,
    json: bool,
    out: &mut impl Write,
) -> anyhow::Result<Option<Option<u8>>> {
    let mut tx = store.write().await?;
    if webhooks::find(&mut tx, id).await?.is_none() {
        return Ok(Some(None));
    }
    let asked = webhook_admin::ask(&mut tx, id, event, kind, ACTOR, now).await?;
    tx.commit().await?;
    if asked {
        return Ok(None);
    }
    let words = "Too much was asked for already and waits.";
    let code = say(WRONG, &json!({"error": "too_many_asked"}), words, json, out)?;
    Ok(Some(Some(code)))
}

async fn replay(
    store: &Store,
    id: &WebhookId,
    since: Timestamp,
    now: Timestamp,
    json: bool,
    out: &mut impl Write,
) -> anyhow::Result<Option<u8>> {
    let mut tx = store.write().await?;
    let behind = webhook_admin::replay(&mut tx, id, since, ACTOR, now).await?;
    tx.commit().await?;
    let Some(behind) = behind else {
        return Ok(None);
    };
    let words = format!("It goes through {behind} events again.");
    say(0, &json!({"id": id, "behind": behind}), &words, json, out).map(Some)
}

async fn replay_one(
    store: &Store,
    id: &WebhookId,
    delivery: &str,
    now: Timestamp,
    json: bool,
    out: &mut impl Write,
) -> anyhow::Result<Option<u8>> {
    let mut tx = store.read().await?;
    let event = match WebhookDeliveryId::parse(delivery) {
        Some(delivery) => webhook_admin::event_of(&mut tx, id, &delivery).await?,
        None => None,
    };
    drop(tx);
    let Some(event) = event else {
        let words = "There is no such delivery, or its event is kept no more.";
        return say(
            WRONG,
            &json!({"error": "unknown_delivery"}),
            words,
            json,
            out,
        )
        .map(Some);
    };
    if let Some(refused) = ask(store, id, &event, AsideKind::Replay, now, json, out).await? {
        return Ok(refused);
    }
    say(0, &json!({"event": event}), "It is sent again.", json, out).map(Some)
}

fn refuse(
    code: &str,
    path: &str,
    expected: &str,
    json: bool,
    out: &mut impl Write,
) -> anyhow::Result<u8> {
    let answer = json!({"error": code, "path": path, "expected": expected});
    say(
        WRONG,
        &answer,
        &format!("{path}: expected {expected}."),
        json,
        out,
    )
}

fn say(
    code: u8,
    answer: &Value,
    words: &str,
    json: bool,
    out: &mut impl Write,
) -> anyhow::Result<u8> {
    if json {
        writeln!(out, "{answer}")?;
    } else {
        writeln!(out, "{words}")?;
    }
    Ok(code)
}

#[cfg(test)]
mod tests;
