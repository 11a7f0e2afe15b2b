//! Sets aside what can never be done: the original, with a header that says why.

use std::sync::Arc;

use jiff::Timestamp;
use lapin::message::Delivery;
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::types::{AMQPValue, FieldTable, ShortString};
use lapin::{BasicProperties, Channel, Connection};
use tokio::sync::Mutex;

use super::command::CLIENT;
use super::link::{ANSWER_WITHIN, Link};
use super::{AmqpError, topology};
use crate::intake::messages::Fault;

/// Headers that we add: the stable code, where in the body, what was expected there, and when.
pub(super) const CODE: &str = "x-carebell-code";
pub(super) const PATH: &str = "x-carebell-path";
pub(super) const EXPECTED: &str = "x-carebell-expected";
pub(super) const AT: &str = "x-carebell-at";

/// The way to the dead letters, opened when there is one: on a connection of its own, since the broker stops
/// those that publish when it is short of memory or disk, and acknowledgements must not stop with them.
#[derive(Clone, Debug)]
pub(super) struct DeadLetters {
    link: Link,
    open: Arc<Mutex<Option<(Connection, Channel)>>>,
}

impl DeadLetters {
    pub(super) fn new(link: Link) -> Self {
        Self {
            link,
            open: Arc::default(),
        }
    }

    /// Sets a command aside; the broker has it when this returns.
    pub(super) async fn add(
        &self,
        delivery: &Delivery,
        fault: &Fault,
        now: Timestamp,
    ) -> Result<(), AmqpError> {
        let mut open = self.open.lock().await;
        let kept = open.take().filter(|(connection, channel)| {
            connection.status().connected() && channel.status().connected()
        });
        let (connection, channel) = match kept {
            Some(kept) => kept,
            None => self.connect().await?,
        };
        let (key, body) = (delivery.routing_key.clone(), &delivery.data);
        let properties = marked(&delivery.properties, fault, now);
        publish(&channel, topology::DEAD, key, body, properties).await?;
        *open = Some((connection, channel));
        Ok(())
    }

    async fn connect(&self) -> Result<(Connection, Channel), AmqpError> {
        let connection = self.link.connect("dead letters").await?;
        let channel = connection.create_channel().await?;
        channel
            .confirm_select(ConfirmSelectOptions::default())
            .await?;
        Ok((connection, channel))
    }
}

/// Publishes, and waits until the broker has it. What reaches no queue is not taken for done.
pub(super) async fn publish(
    channel: &Channel,
    exchange: &'static str,
    key: ShortString,
    body: &[u8],
    properties: BasicProperties,
) -> Result<(), AmqpError> {
    let mandatory = BasicPublishOptions {
        mandatory: true,
        ..BasicPublishOptions::default()
    };
    let publishing = async {
        let sent = channel.basic_publish(exchange.into(), key, mandatory, body, properties);
        sent.await?.await
    };
    let confirmed = tokio::time::timeout(ANSWER_WITHIN, publishing).await;
    let confirmed = confirmed.map_err(|_| AmqpError::Unconfirmed)??;
    if !confirmed.is_ack() {
        return Err(AmqpError::Unconfirmed);
    }
    match confirmed.take_message() {
        None => Ok(()),
        Some(_) => Err(AmqpError::Missing(format!(
            "a queue at exchange {exchange}"
        ))),
    }
}

/// The properties of a command as a dead letter.
fn marked(properties: &BasicProperties, fault: &Fault, now: Timestamp) -> BasicProperties {
    let mut headers = properties.headers().clone().unwrap_or_default();
    let words = [
        (CODE, fault.code),
        (PATH, &fault.path),
        (EXPECTED, &fault.expected),
    ];
    for (name, text) in words {
        headers.insert(name.into(), AMQPValue::LongString(text.into()));
    }
    headers.insert(AT.into(), AMQPValue::LongString(now.to_string().into()));
    // The broker takes a user's name from that user alone: it is kept beside.
    if let Some(user) = properties.user_id() {
        headers.insert(CLIENT.into(), AMQPValue::LongString(user.as_str().into()));
    }
    rebuilt(properties, headers, None)
}

/// The same properties with other headers and user, kept on disk.
pub(super) fn rebuilt(
    properties: &BasicProperties,
    headers: FieldTable,
    user: Option<&str>,
) -> BasicProperties {
    let mut all = BasicProperties::default()
        .with_headers(headers)
        .with_delivery_mode(2);
    macro_rules! carry {
        ($($get:ident => $with:ident),*) => {
            $(if let Some(value) = properties.$get() { all = all.$with(value.clone()); })*
        };
    }
    carry!(
        content_type => with_content_type, content_encoding => with_content_encoding,
        correlation_id => with_correlation_id, reply_to => with_reply_to, message_id => with_message_id,
        timestamp => with_timestamp, kind => with_type, app_id => with_app_id
    );
    match user {
        Some(user) => all.with_user_id(user.into()),
        None => all,
    }
}
