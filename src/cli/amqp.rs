//! `carebell amqp declare|dead …`: what people do at the broker.

use std::io::Write;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use serde_json::json;

use super::WRONG;
use crate::amqp::letters::{self, Act, Letter, Pick};
use crate::amqp::{AmqpError, Link, topology};
use crate::config::Config;

/// What to do at the broker.
#[derive(Debug, Subcommand)]
pub enum AmqpVerb {
    /// Make the exchanges and queues that are missing; what is there stays.
    Declare,
    /// Commands that could not be done.
    #[command(subcommand)]
    Dead(DeadVerb),
}

/// What to do with commands that could not be done.
#[derive(Debug, Subcommand)]
pub enum DeadVerb {
    /// List them with the reason, the oldest first.
    List {
        /// How many at most.
        #[arg(long, default_value_t = 100)]
        limit: usize,
    },
    /// Show one.
    Show {
        /// Its id, from the list.
        id: String,
        /// With the command itself, which may hold names, numbers and texts.
        #[arg(long)]
        body: bool,
    },
    /// Give them again, after what was wrong is put right.
    Requeue(Which),
    /// Forget them.
    Drop(Which),
}

/// Which dead letters.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub struct Which {
    /// Their ids, from the list.
    #[arg(value_name = "ID")]
    ids: Vec<String>,
    /// All with this reason.
    #[arg(long)]
    code: Option<String>,
    /// All.
    #[arg(long)]
    all: bool,
}

impl Which {
    fn pick(&self) -> Pick {
        match (&self.code, self.all) {
            (Some(code), _) => Pick::Code(code.clone()),
            (None, true) => Pick::All,
            (None, false) => Pick::Ids(self.ids.clone()),
        }
    }
}

/// Does it; exit 1 when a thing stands with other settings, or there is no such letter.
///
/// # Errors
/// When the broker cannot be reached or nobody reads the output.
pub async fn run(
    verb: &AmqpVerb,
    config: &Config,
    json: bool,
    out: &mut impl Write,
) -> anyhow::Result<u8> {
    let settings = config.amqp.as_ref();
    let settings = settings.context("there is no broker: set url under [amqp]")?;
    let link = settings.link(&config.base)?;
    match verb {
        AmqpVerb::Declare => declare(&link, json, out).await,
        AmqpVerb::Dead(DeadVerb::List { limit }) => list(&link, *limit, json, out).await,
        AmqpVerb::Dead(DeadVerb::Show { id, body }) => show(&link, id, *body, json, out).await,
        AmqpVerb::Dead(DeadVerb::Requeue(which)) => {
            act(&link, which, Act::Requeue, json, out).await
        }
        AmqpVerb::Dead(DeadVerb::Drop(which)) => act(&link, which, Act::Drop, json, out).await,
    }
}

async fn declare(link: &Link, json: bool, out: &mut impl Write) -> anyhow::Result<u8> {
    let connection = link.connect("declare").await?;
    let pieces = match topology::declare(&connection).await {
        Ok(pieces) => pieces,
        Err(problem @ (AmqpError::Differs(_) | AmqpError::Forbidden(_))) => {
            let _ = writeln!(std::io::stderr(), "carebell: {problem}");
            return Ok(WRONG);
        }
        Err(problem) => return Err(problem.into()),
    };
    for piece in pieces {
        if json {
            writeln!(out, "{}", serde_json::to_string(&piece)?)?;
        } else {
            let what = if piece.was_there {
                "is there"
            } else {
                "is made"
            };
            writeln!(out, "{} {} {what}", piece.kind, piece.name)?;
        }
    }
    Ok(0)
}

async fn list(link: &Link, limit: usize, json: bool, out: &mut impl Write) -> anyhow::Result<u8> {
    let connection = link.connect("dead letters").await?;
    let letters = letters::list(&connection, limit).await?;
    for letter in &letters {
        line(letter, json, out)?;
    }
    if !json && letters.is_empty() {
        writeln!(out, "There are none.")?;
    }
    Ok(0)
}

async fn show(
    link: &Link,
    id: &str,
    with_body: bool,
    json: bool,
    out: &mut impl Write,
) -> anyhow::Result<u8> {
    let connection = link.connect("dead letters").await?;
    let letters = letters::list(&connection, usize::MAX).await?;
    let Some(letter) = letters.iter().find(|letter| letter.id == id) else {
        let _ = writeln!(std::io::stderr(), "carebell: no dead letter has this id");
        return Ok(WRONG);
    };
    let body = String::from_utf8_lossy(letter.body.reveal());
    if json {
        let mut shown = serde_json::to_value(letter)?;
        if with_body {
            shown["body"] = json!(body);
        }
        writeln!(out, "{shown}")?;
        return Ok(0);
    }
    line(letter, false, out)?;
    let known = [
        ("message_id", &letter.message_id),
        ("client", &letter.client),
        ("at", &letter.at),
    ];
    for (name, value) in known {
        if let Some(value) = value {
            writeln!(out, "{name}: {value}")?;
        }
    }
    if with_body {
        writeln!(out, "{body}")?;
    }
    Ok(0)
}

async fn act(
    link: &Link,
    which: &Which,
    act: Act,
    json: bool,
    out: &mut impl Write,
) -> anyhow::Result<u8> {
    let connection = link.connect("dead letters").await?;
    let done = letters::act(&connection, &which.pick(), act, link.user()).await?;
    let word = match act {
        Act::Requeue => "requeued",
        Act::Drop => "dropped",
    };
    if json {
        let ids: Vec<&str> = done.iter().map(|letter| letter.id.as_str()).collect();
        writeln!(out, "{}", json!({word: ids}))?;
    } else {
        writeln!(out, "{} {word}.", done.len())?;
    }
    let is_missing = |id: &String| !done.iter().any(|letter| letter.id == *id);
    Ok(u8::from(which.ids.iter().any(is_missing)))
}

fn line(letter: &Letter, json: bool, out: &mut impl Write) -> anyhow::Result<()> {
    if json {
        writeln!(out, "{}", serde_json::to_string(letter)?)?;
        return Ok(());
    }
    let place = letter
        .path
        .as_deref()
        .map_or(String::new(), |path| format!(" {path}:"));
    let expected = letter
        .expected
        .as_deref()
        .map_or(String::new(), |text| format!(" expected {text}"));
    let at = letter.at.as_deref().unwrap_or("-");
    writeln!(
        out,
        "{}  {at}  {}  {}{place}{expected}",
        letter.id, letter.routing_key, letter.code
    )?;
    Ok(())
}
