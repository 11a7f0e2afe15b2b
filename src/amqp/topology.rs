//! The exchanges, queues and bindings that we work with, and how they come to be.

use lapin::options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{Channel, Connection, ErrorKind, ExchangeKind};
use serde::Serialize;

use super::AmqpError;
use crate::model::class::{Class, Lane};

/// Where commands are published.
pub const COMMANDS: &str = "carebell.commands";
/// Where we tell what happened.
pub const EVENTS: &str = "carebell.events";
/// Exchange and queue of what could not be done.
pub const DEAD: &str = "carebell.dead";

/// How often a command is delivered before the broker itself sets it aside. What a process held when it died
/// counts as delivered, so it is generous: whoever is killed again and again must lose nothing.
const DELIVERIES: i64 = 100;
/// Dead letters are looked at as often as people like.
const LOOKS: i64 = 1_000_000;

/// The queue of a lane.
pub const fn queue(lane: Lane) -> &'static str {
    match lane {
        Lane::Urgent => "carebell.commands.urgent",
        Lane::Normal => "carebell.commands.normal",
        Lane::Bulk => "carebell.commands.bulk",
    }
}

/// The routing keys that lead into the queue of `lane`.
pub fn routing_keys(lane: Lane) -> Vec<String> {
    let classes = Class::ALL
        .iter()
        .filter(|class| **class != Class::Reply && class.lane() == lane);
    let sends = classes.map(|class| format!("message.send.{class}"));
    let others: &[&str] = match lane {
        Lane::Urgent => &["message.cancel", "occasion.upsert", "occasion.cancel"],
        Lane::Normal => &["patient.upsert"],
        Lane::Bulk => &[],
    };
    sends
        .chain(others.iter().map(|key| (*key).to_owned()))
        .collect()
}

/// A piece of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Piece {
    /// `exchange` or `queue`.
    pub kind: &'static str,
    /// What it is called.
    pub name: &'static str,
    /// Whether it was there before.
    pub was_there: bool,
}

#[derive(Clone, Copy)]
enum Part {
    Exchange(&'static str, Shape),
    Queue(&'static str, Option<Lane>),
}

#[derive(Clone, Copy)]
enum Shape {
    Topic,
    Fanout,
}

/// In the order in which they can be made.
const PARTS: [Part; 7] = [
    Part::Exchange(DEAD, Shape::Fanout),
    Part::Queue(DEAD, None),
    Part::Exchange(COMMANDS, Shape::Topic),
    Part::Exchange(EVENTS, Shape::Topic),
    Part::Queue(queue(Lane::Urgent), Some(Lane::Urgent)),
    Part::Queue(queue(Lane::Normal), Some(Lane::Normal)),
    Part::Queue(queue(Lane::Bulk), Some(Lane::Bulk)),
];

/// Makes what is missing; what is there is held against what it should be.
///
/// # Errors
/// When something stands with other settings, or we may not make it.
pub async fn declare(connection: &Connection) -> Result<Vec<Piece>, AmqpError> {
    let mut pieces = Vec::new();
    for part in PARTS {
        let (kind, name) = part.names();
        let was_there = part.is_there(connection).await?;
        let channel = connection.create_channel().await?;
        part.make(&channel)
            .await
            .map_err(|problem| refused(kind, name, &problem))?;
        pieces.push(Piece {
            kind,
            name,
            was_there,
        });
        let _ = channel.close(200, "made".into()).await;
    }
    Ok(pieces)
}

/// Names the pieces that are missing, of those that work on `lane` needs, or of all.
///
/// # Errors
/// When the link breaks.
pub async fn missing(
    connection: &Connection,
    lane: Option<Lane>,
) -> Result<Vec<String>, AmqpError> {
    let mut missing = Vec::new();
    for part in PARTS.into_iter().filter(|part| part.is_for(lane)) {
        if !part.is_there(connection).await? {
            let (kind, name) = part.names();
            missing.push(format!("{kind} {name}"));
        }
    }
    Ok(missing)
}

/// How many messages wait in `queue`, not counting those that were handed out.
pub(super) async fn waiting(channel: &Channel, queue: &'static str) -> Result<u32, AmqpError> {
    let passive = QueueDeclareOptions {
        passive: true,
        ..QueueDeclareOptions::default()
    };
    let found = channel
        .queue_declare(queue.into(), passive, FieldTable::default())
        .await?;
    Ok(found.message_count())
}

impl Part {
    const fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::Exchange(name, _) => ("exchange", name),
            Self::Queue(name, _) => ("queue", name),
        }
    }

    fn is_for(self, lane: Option<Lane>) -> bool {
        match (self, lane) {
            (Self::Queue(_, Some(own)), Some(lane)) => own == lane,
            (Self::Queue(..) | Self::Exchange(..), _) => true,
        }
    }

    async fn is_there(self, connection: &Connection) -> Result<bool, AmqpError> {
        // A question about what is missing closes the channel.
        let channel = connection.create_channel().await?;
        let found = match self {
            Self::Exchange(name, shape) => {
                let passive = ExchangeDeclareOptions {
                    passive: true,
                    ..ExchangeDeclareOptions::default()
                };
                let asking = channel.exchange_declare(
                    name.into(),
                    shape.kind(),
                    passive,
                    FieldTable::default(),
                );
                asking.await
            }
            Self::Queue(name, _) => {
                let passive = QueueDeclareOptions {
                    passive: true,
                    ..QueueDeclareOptions::default()
                };
                let asking = channel.queue_declare(name.into(), passive, FieldTable::default());
                asking.await.map(|_| ())
            }
        };
        match found {
            Ok(()) => {
                let _ = channel.close(200, "seen".into()).await;
                Ok(true)
            }
            Err(problem) if code(&problem) == Some(404) => Ok(false),
            Err(problem) => Err(problem.into()),
        }
    }

    async fn make(self, channel: &Channel) -> lapin::Result<()> {
        match self {
            Self::Exchange(name, shape) => {
                let durable = ExchangeDeclareOptions {
                    durable: true,
                    ..ExchangeDeclareOptions::default()
                };
                let mut arguments = FieldTable::default();
                if name == COMMANDS {
                    // What no queue wants must not vanish.
                    arguments.insert("alternate-exchange".into(), word(DEAD));
                }
                channel
                    .exchange_declare(name.into(), shape.kind(), durable, arguments)
                    .await
            }
            Self::Queue(name, lane) => {
                let durable = QueueDeclareOptions {
                    durable: true,
                    ..QueueDeclareOptions::default()
                };
                channel
                    .queue_declare(name.into(), durable, arguments(lane))
                    .await?;
                let bindings = match lane {
                    None => vec![(DEAD, String::new())],
                    Some(lane) => routing_keys(lane)
                        .into_iter()
                        .map(|key| (COMMANDS, key))
                        .collect(),
                };
                for (exchange, key) in bindings {
                    let (options, none) = (QueueBindOptions::default(), FieldTable::default());
                    channel
                        .queue_bind(name.into(), exchange.into(), key.into(), options, none)
                        .await?;
                }
                Ok(())
            }
        }
    }
}

impl Shape {
    const fn kind(self) -> ExchangeKind {
        match self {
            Self::Topic => ExchangeKind::Topic,
            Self::Fanout => ExchangeKind::Fanout,
        }
    }
}

fn word(text: &str) -> AMQPValue {
    AMQPValue::LongString(text.into())
}

/// Queues of commands are kept in order by one consumer at a time, and what the broker itself gives up on
/// goes to the dead letters, at least once.
fn arguments(lane: Option<Lane>) -> FieldTable {
    let mut arguments = FieldTable::default();
    arguments.insert("x-queue-type".into(), word("quorum"));
    let deliveries = if lane.is_some() { DELIVERIES } else { LOOKS };
    arguments.insert(
        "x-delivery-limit".into(),
        AMQPValue::LongLongInt(deliveries),
    );
    if lane.is_some() {
        arguments.insert("x-single-active-consumer".into(), AMQPValue::Boolean(true));
        arguments.insert("x-dead-letter-exchange".into(), word(DEAD));
        arguments.insert("x-dead-letter-strategy".into(), word("at-least-once"));
        arguments.insert("x-overflow".into(), word("reject-publish"));
    }
    arguments
}

/// The reply code of a protocol error.
fn code(problem: &lapin::Error) -> Option<u16> {
    match problem.kind() {
        ErrorKind::ProtocolError(error) => Some(error.get_id()),
        _ => None,
    }
}

fn refused(kind: &str, name: &str, problem: &lapin::Error) -> AmqpError {
    match code(problem) {
        Some(406) => AmqpError::Differs(format!("{kind} {name}")),
        Some(403) => AmqpError::Forbidden(format!("{kind} {name}")),
        Some(_) | None => AmqpError::Broken(problem.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::routing_keys;
    use crate::model::class::Lane;

    #[test]
    fn every_command_leads_into_one_queue() {
        let all: Vec<String> = Lane::ALL
            .iter()
            .flat_map(|lane| routing_keys(*lane))
            .collect();
        let expected = [
            "message.send.urgent",
            "message.cancel",
            "occasion.upsert",
            "occasion.cancel",
            "message.send.appointment",
            "message.send.clinical",
            "patient.upsert",
            "message.send.survey",
            "message.send.health_tip",
            "message.send.invitation",
            "message.send.greeting",
            "message.send.promotion",
        ];
        assert_eq!(all, expected);
    }
}
