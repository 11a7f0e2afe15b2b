//! The dead letters, for the people who look after them: what is there and why, done again or dropped.

use lapin::message::Delivery;
use lapin::options::{BasicAckOptions, BasicGetOptions, ConfirmSelectOptions};
use lapin::types::AMQPValue;
use lapin::{BasicProperties, Channel, Connection};
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::command::{CLIENT, header};
use super::dead::{AT, CODE, EXPECTED, PATH, publish, rebuilt};
use super::{AmqpError, topology};
use crate::model::private::Private;

/// A dead letter.
#[derive(Clone, Debug, Serialize)]
pub struct Letter {
    /// Names it as long as it lies there.
    pub id: String,
    /// Why: a stable word.
    pub code: String,
    /// Where in the body.
    pub path: Option<String>,
    /// What was expected there.
    pub expected: Option<String>,
    /// When it was set aside.
    pub at: Option<String>,
    /// What it was to do.
    pub routing_key: String,
    /// Its idempotency key.
    pub message_id: Option<String>,
    /// Who gave it.
    pub client: Option<String>,
    /// How long its body is.
    pub size_bytes: usize,
    /// The original; about a person, so never a part of the output by itself.
    #[serde(skip)]
    pub body: Private<Vec<u8>>,
}

/// Which letters.
#[derive(Clone, Debug)]
pub enum Pick {
    /// These.
    Ids(Vec<String>),
    /// All of one cause.
    Code(String),
    /// All.
    All,
}

/// What to do with letters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// Give the command again.
    Requeue,
    /// Forget it.
    Drop,
}

/// The letters, up to `most`, the oldest first. All of them stay.
///
/// # Errors
/// When the broker is not there, or the queue.
pub async fn list(connection: &Connection, most: usize) -> Result<Vec<Letter>, AmqpError> {
    let channel = connection.create_channel().await?;
    let count = there(connection, &channel).await?.min(most);
    let mut letters = Vec::new();
    for _ in 0..count {
        let Some(delivery) = next(&channel).await? else {
            break;
        };
        letters.push(read(delivery));
    }
    // What was not acknowledged goes back to its place.
    let _ = channel.close(200, "seen".into()).await;
    Ok(letters)
}

/// Does `act` with the letters of `pick`, and says which those were. `user` is who we are to the broker.
///
/// # Errors
/// When the broker is not there, or does not take a command back.
pub async fn act(
    connection: &Connection,
    pick: &Pick,
    act: Act,
    user: &str,
) -> Result<Vec<Letter>, AmqpError> {
    let channel = connection.create_channel().await?;
    channel
        .confirm_select(ConfirmSelectOptions::default())
        .await?;
    let (count, mut done) = (there(connection, &channel).await?, Vec::new());
    for _ in 0..count {
        let Some(delivery) = next(&channel).await? else {
            break;
        };
        let (tag, key) = (delivery.delivery_tag, delivery.routing_key.clone());
        let properties = delivery.properties.clone();
        let letter = read(delivery);
        if !pick.holds(&letter) {
            continue;
        }
        if act == Act::Requeue {
            let properties = unmarked(&properties, user);
            publish(
                &channel,
                topology::COMMANDS,
                key,
                letter.body.reveal(),
                properties,
            )
            .await?;
        }
        channel.basic_ack(tag, BasicAckOptions::default()).await?;
        done.push(letter);
    }
    let _ = channel.close(200, "done".into()).await;
    Ok(done)
}

impl Pick {
    fn holds(&self, letter: &Letter) -> bool {
        match self {
            Self::Ids(ids) => ids.contains(&letter.id),
            Self::Code(code) => letter.code == *code,
            Self::All => true,
        }
    }
}

/// How many letters lie there.
async fn there(connection: &Connection, channel: &Channel) -> Result<usize, AmqpError> {
    let missing = topology::missing(connection, None).await?;
    if !missing.is_empty() {
        return Err(AmqpError::Missing(missing.join(", ")));
    }
    let count = topology::waiting(channel, topology::DEAD).await?;
    Ok(usize::try_from(count).unwrap_or(usize::MAX))
}

async fn next(channel: &Channel) -> Result<Option<Delivery>, AmqpError> {
    let got = channel
        .basic_get(topology::DEAD.into(), BasicGetOptions::default())
        .await?;
    Ok(got.map(|got| got.delivery))
}

fn read(delivery: Delivery) -> Letter {
    let properties = &delivery.properties;
    let text = |name| header(properties, name);
    let message_id = properties
        .message_id()
        .as_ref()
        .map(|id| id.as_str().to_owned());
    let user = properties
        .user_id()
        .as_ref()
        .or(properties.app_id().as_ref());
    let client = text(CLIENT).or_else(|| user.map(|name| name.as_str().to_owned()));
    Letter {
        id: fingerprint(&delivery),
        code: text(CODE).unwrap_or_else(|| by_the_broker(properties)),
        path: text(PATH).filter(|path| !path.is_empty()),
        expected: text(EXPECTED),
        at: text(AT),
        routing_key: delivery.routing_key.as_str().to_owned(),
        message_id,
        client,
        size_bytes: delivery.data.len(),
        body: Private::new(delivery.data),
    }
}

/// Why the broker itself set a command aside: it says so in `x-death`, but for what no queue wanted.
fn by_the_broker(properties: &BasicProperties) -> String {
    let headers = properties.headers().as_ref();
    let deaths = headers.and_then(|headers| headers.inner().get("x-death"));
    let Some(AMQPValue::FieldArray(deaths)) = deaths else {
        return "unroutable".to_owned();
    };
    match deaths.as_slice().first() {
        Some(AMQPValue::FieldTable(death)) => match death.inner().get("reason") {
            Some(AMQPValue::LongString(reason)) => {
                String::from_utf8_lossy(reason.as_bytes()).into_owned()
            }
            _ => "unknown".to_owned(),
        },
        _ => "unknown".to_owned(),
    }
}

/// A name that hangs on the letter alone: the broker gives it none.
fn fingerprint(delivery: &Delivery) -> String {
    let properties = &delivery.properties;
    let at = header(properties, AT).unwrap_or_default();
    let message_id = properties
        .message_id()
        .as_ref()
        .map_or("", |id| id.as_str());
    let mut hash = Sha256::new();
    for part in [
        at.as_bytes(),
        message_id.as_bytes(),
        delivery.routing_key.as_str().as_bytes(),
        &delivery.data,
    ] {
        hash.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        hash.update(part);
    }
    crate::intake::hex(&hash.finalize()[..8])
}

/// The properties of a letter as a command again. Who gave it is kept in a header that counts because we
/// ourselves publish it.
fn unmarked(properties: &BasicProperties, user: &str) -> BasicProperties {
    const OURS: [&str; 5] = [CODE, PATH, EXPECTED, AT, "x-delivery-count"];
    let mut kept = lapin::types::FieldTable::default();
    for (name, value) in properties
        .headers()
        .iter()
        .flat_map(|headers| headers.inner())
    {
        let word = name.as_str();
        // CC and BCC would lead it into other queues as well.
        let is_ours =
            OURS.contains(&word) || word.ends_with("-death") || word.starts_with("x-first-death");
        if !is_ours && !matches!(word, "CC" | "BCC") {
            kept.insert(name.clone(), value.clone());
        }
    }
    let client = properties.user_id().as_ref();
    if let Some(client) = client.filter(|client| client.as_str() != user) {
        kept.insert(CLIENT.into(), AMQPValue::LongString(client.as_str().into()));
    }
    let had_user = kept.contains_key(CLIENT) || client.is_some();
    rebuilt(properties, kept, had_user.then_some(user))
}
