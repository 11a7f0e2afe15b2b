//! How webhooks and what they were told are shown in a shell.

use std::io::Write;

use serde_json::{Value, json};

use crate::cli::WRONG;
use crate::model::id::WebhookId;
use crate::model::webhook::TryOutcome;
use crate::store::Store;
use crate::store::message_view::Place;
use crate::store::webhook_log::{self, Delivery};
use crate::store::webhooks::{self, Webhook};

/// How many rows are read at once.
const PAGE: i64 = 200;

/// Lists all webhooks.
pub(super) async fn list(store: &Store, json: bool, out: &mut impl Write) -> anyhow::Result<u8> {
    let mut tx = store.read().await?;
    let last = webhooks::last_event(&mut tx).await?;
    let mut after = None;
    loop {
        let found = webhooks::list(&mut tx, after.as_ref(), PAGE).await?;
        after = found.last().map(|one| Place {
            at: one.created_at.as_millisecond(),
            id: one.id.to_string(),
        });
        for one in &found {
            list_one(one, last, json, out)?;
        }
        if after.is_none() {
            return Ok(0);
        }
    }
}

fn list_one(one: &Webhook, last: i64, json: bool, out: &mut impl Write) -> anyhow::Result<()> {
    let (wish, behind) = (&one.wish, (last - one.cursor).max(0));
    let problem = one.problem.as_ref();
    if json {
        let line = json!({
            "id": one.id, "name": wish.name, "url": wish.url, "types": wish.filter.patterns(), "include": wish.include,
            "in_flight": wish.in_flight, "state": one.state, "disabled_reason": one.disabled_reason, "behind": behind,
            "failing_since": one.failing_since, "problem": problem.map(|(word, _)| word), "problem_status": problem.and_then(|(_, status)| *status),
            "last_taken_at": one.last_taken_at, "created_by": one.created_by, "created_at": one.created_at,
        });
        writeln!(out, "{line}")?;
        return Ok(());
    }
    let types = match wish.filter.patterns() {
        [] => "all".to_owned(),
        patterns => patterns.join(","),
    };
    let reason = one
        .disabled_reason
        .map_or_else(String::new, |reason| format!(" ({reason})"));
    let failing = match (one.failing_since, problem) {
        (Some(since), Some((word, status))) => {
            let status = status.map_or_else(String::new, |status| format!(" {status}"));
            format!("  failing since {since}: {word}{status}")
        }
        (_, _) => String::new(),
    };
    writeln!(
        out,
        "{}  {}  {}{reason}  {types}  behind {behind}  {}{failing}",
        one.id, wish.name, one.state, wish.url
    )?;
    Ok(())
}

/// Lists what a webhook was told; nothing when there is no webhook of that id.
pub(super) async fn deliveries(
    store: &Store,
    id: &WebhookId,
    outcome: Option<TryOutcome>,
    limit: i64,
    json: bool,
    out: &mut impl Write,
) -> anyhow::Result<Option<u8>> {
    let mut tx = store.read().await?;
    if webhooks::find(&mut tx, id).await?.is_none() {
        return Ok(None);
    }
    for one in webhook_log::list(&mut tx, id, outcome, None, None, limit).await? {
        if json {
            writeln!(out, "{}", as_json(&one))?;
        } else {
            writeln!(
                out,
                "{}  {}  {}  {}",
                one.id,
                one.at,
                one.kind,
                in_words(&one)
            )?;
        }
    }
    Ok(Some(0))
}

/// Says what came of a test.
pub(super) fn tested(told: &Delivery, json: bool, out: &mut impl Write) -> anyhow::Result<u8> {
    if json {
        writeln!(out, "{}", as_json(told))?;
    } else {
        writeln!(out, "{}", in_words(told))?;
    }
    Ok(if told.outcome == TryOutcome::Taken {
        0
    } else {
        WRONG
    })
}

fn in_words(one: &Delivery) -> String {
    let status = one
        .status
        .map_or_else(String::new, |status| format!(", answer {status}"));
    let problem = one
        .problem
        .as_ref()
        .map_or_else(String::new, |word| format!(", {word}"));
    format!(
        "{} (try {}{problem}{status}, {} ms)",
        one.outcome, one.number, one.took_ms
    )
}

fn as_json(one: &Delivery) -> Value {
    json!({
        "id": one.id, "event": one.event, "type": one.kind, "try": one.number, "at": one.at, "took_ms": one.took_ms,
        "outcome": one.outcome, "problem": one.problem, "status": one.status,
    })
}
