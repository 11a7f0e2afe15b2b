//! `carebell message show|cancel|resend|resolve`: the API's acts from the shell.

use std::io::Write;

use clap::{Subcommand, ValueEnum};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::api;
use crate::intake::messages::{Resent, resend};
use crate::model::id::MessageId;
use crate::store::message_admin::{self, Cancel, Resolve, Settled};
use crate::store::messages::Desk;
use crate::store::{Store, message_view, timeline};

/// Who it was, for the audit.
const ACTOR: &str = "cli";

/// What to do with a message.
#[derive(Debug, Subcommand)]
pub enum MessageVerb {
    /// Show where it stands and what happened to it.
    Show {
        /// The message's id, `msg_…`.
        id: String,
        /// Show numbers and texts as well.
        #[arg(long)]
        private: bool,
    },
    /// Call it off.
    Cancel {
        /// The message's id, `msg_…`.
        id: String,
    },
    /// Send a finished one again, as a new message.
    Resend {
        /// The message's id, `msg_…`.
        id: String,
    },
    /// Settle one whose fate is unknown.
    Resolve {
        /// The message's id, `msg_…`.
        id: String,
        /// What is known of it.
        #[arg(long = "as")]
        outcome: Outcome,
    },
}

/// What is known of an uncertain message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub enum Outcome {
    /// The network has it.
    Sent,
    /// The network never had it: it goes again.
    NotSent,
}

/// Does it; exit 1 when there is no such message or it came too late.
///
/// # Errors
/// When the database fails or nobody reads the output.
pub async fn run(
    verb: &MessageVerb,
    store: &Store,
    desk: &Desk,
    now: Timestamp,
    json: bool,
    out: &mut impl Write,
) -> anyhow::Result<u8> {
    let (MessageVerb::Show { id, .. }
    | MessageVerb::Cancel { id }
    | MessageVerb::Resend { id }
    | MessageVerb::Resolve { id, .. }) = verb;
    let Some(id) = MessageId::parse(id) else {
        return say(
            1,
            json!({"error": "not_found"}),
            "There is no such message.",
            json,
            out,
        );
    };
    match verb {
        MessageVerb::Show { private, .. } => show(store, &id, *private, json, out).await,
        MessageVerb::Cancel { .. } => cancel(store, &id, now, json, out).await,
        MessageVerb::Resend { .. } => send_again(store, desk, &id, now, json, out).await,
        MessageVerb::Resolve { outcome, .. } => settle(store, &id, *outcome, now, json, out).await,
    }
}

async fn show(
    store: &Store,
    id: &MessageId,
    sees_private: bool,
    json: bool,
    out: &mut impl Write,
) -> anyhow::Result<u8> {
    let mut tx = store.read().await?;
    let Some(message) = message_view::find(&mut tx, id).await? else {
        return not_found(json, out);
    };
    let moments = timeline::of(&mut tx, &message).await?;
    let attempts = message_view::attempts(&mut tx, id).await?;
    let replies = message_view::replies(&mut tx, &message).await?;
    let mut shown = api::message_json(message, attempts, replies, sees_private)?;
    if json {
        let told: Vec<Value> = moments
            .iter()
            .map(|moment| json!({"at": moment.at, "what": moment.what, "detail": moment.detail}))
            .collect();
        if let Some(members) = shown.as_object_mut() {
            members.insert("timeline".to_owned(), told.into());
        }
        writeln!(out, "{shown}")?;
        return Ok(0);
    }
    for (name, value) in shown.as_object().into_iter().flatten() {
        match value {
            Value::Null | Value::Array(_) => {}
            Value::Object(members) => {
                for (channel, text) in members {
                    writeln!(out, "{name}.{channel}: {}", plain(text))?;
                }
            }
            Value::Bool(_) | Value::Number(_) | Value::String(_) => {
                writeln!(out, "{name}: {}", plain(value))?;
            }
        }
    }
    writeln!(out)?;
    for moment in moments {
        let detail: Vec<String> = moment
            .detail
            .iter()
            .map(|(name, value)| format!("{name}={}", plain(value)))
            .collect();
        writeln!(out, "{}  {}  {}", moment.at, moment.what, detail.join(" "))?;
    }
    Ok(0)
}

fn plain(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

async fn cancel(
    store: &Store,
    id: &MessageId,
    now: Timestamp,
    json: bool,
    out: &mut impl Write,
) -> anyhow::Result<u8> {
    let mut tx = store.write().await?;
    let done = message_admin::cancel(&mut tx, id, ACTOR, now).await?;
    tx.commit().await?;
    match done {
        Cancel::Done { state } => {
            let words = format!("{id}  {state}");
            say(0, json!({"id": id, "state": state}), &words, json, out)
        }
        Cancel::TooLate { state } => {
            let words = format!("It is too late: {state}.");
            let answer = json!({"id": id, "state": state, "error": "too_late"});
            say(1, answer, &words, json, out)
        }
        Cancel::NotFound => not_found(json, out),
    }
}

async fn send_again(
    store: &Store,
    desk: &Desk,
    id: &MessageId,
    now: Timestamp,
    json: bool,
    out: &mut impl Write,
) -> anyhow::Result<u8> {
    let mut tx = store.write().await?;
    let done = resend(&mut tx, id, desk, ACTOR, now).await?;
    tx.commit().await?;
    match done {
        Resent::New { id, state } => {
            let words = format!("{id}  {state}");
            say(0, json!({"id": id, "state": state}), &words, json, out)
        }
        Resent::NotFinished { state } => {
            let words = format!("It is still on its way: {state}.");
            let answer = json!({"id": id, "state": state, "error": "not_finished"});
            say(1, answer, &words, json, out)
        }
        Resent::Blanked => say(
            1,
            json!({"id": id, "error": "text_gone"}),
            "Its text is past its keep date.",
            json,
            out,
        ),
        Resent::NotFound => not_found(json, out),
    }
}

async fn settle(
    store: &Store,
    id: &MessageId,
    outcome: Outcome,
    now: Timestamp,
    json: bool,
    out: &mut impl Write,
) -> anyhow::Result<u8> {
    let settled = match outcome {
        Outcome::Sent => Settled::Sent,
        Outcome::NotSent => Settled::NotSent,
    };
    let mut tx = store.write().await?;
    let done = message_admin::resolve(&mut tx, id, settled, ACTOR, now).await?;
    tx.commit().await?;
    match done {
        Resolve::Done { state } => {
            let words = format!("{id}  {state}");
            say(0, json!({"id": id, "state": state}), &words, json, out)
        }
        Resolve::NotUncertain { state } => {
            let words = format!("Nothing is uncertain about it: {state}.");
            let answer = json!({"id": id, "state": state, "error": "not_uncertain"});
            say(1, answer, &words, json, out)
        }
        Resolve::NotFound => not_found(json, out),
    }
}

fn not_found(json: bool, out: &mut impl Write) -> anyhow::Result<u8> {
    say(
        1,
        json!({"error": "not_found"}),
        "There is no such message.",
        json,
        out,
    )
}

fn say(
    code: u8,
    answer: Value,
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
