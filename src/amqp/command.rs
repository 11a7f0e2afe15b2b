//! Reads a command: the routing key says what it is, the body is the JSON of the API.
//!
//! What is wrong is told by a stable code, a path and what was expected, never by a value.

use std::collections::BTreeMap;
use std::sync::Arc;

use lapin::BasicProperties;
use lapin::types::AMQPValue;
use serde_json::{Map, Value};

use crate::intake::from_json::{occasion_at, patient_at, removal_at};
use crate::intake::messages::{
    Fault, Intake, MessageRequest, Order, RecordKey, idempotency_key, speakable_path, storable,
};
use crate::intake::record::{Key, Origin, RecordUpdate, Removed};
use crate::intake::{IntakeError, SiteInfo};
use crate::model::class::Class;
use crate::model::id::MessageId;

/// The largest body, in bytes: that of one request of the API.
const LARGEST: usize = 1 << 20;
/// In a command that is done again: who gave it at first.
pub(super) const CLIENT: &str = "x-carebell-client";
/// Who gives commands without saying so.
const NOBODY: &str = "default";

/// What is to be done.
#[derive(Debug)]
pub(super) enum Command {
    /// Take a message in.
    Send(Box<Order>),
    /// Call a message off.
    Cancel(Cancel),
    /// Store a patient.
    Patient(Vec<RecordUpdate>),
    /// Store an occasion.
    Occasion(Key, Vec<RecordUpdate>),
    /// Cancel an occasion.
    NoOccasion(Key, Vec<RecordUpdate>),
}

/// A message to call off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Cancel {
    /// Who wants it: the source of messages that come the same way.
    pub(super) source: String,
    /// Which message.
    pub(super) which: Which,
}

/// Which message to call off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Which {
    /// The one of our id.
    Id(MessageId),
    /// The one that came under this key of the client, or will.
    Key(String),
}

/// What reading commands has to know.
#[derive(Clone, Debug)]
pub(super) struct Reader {
    /// How messages are read.
    pub(super) intake: Intake,
    /// How records are read.
    pub(super) records: Arc<SiteInfo>,
    /// The source of records that name none.
    pub(super) source: String,
    /// Users that are holders of an API key.
    pub(super) clients: BTreeMap<String, String>,
    /// Who we are to the broker.
    pub(super) own_user: String,
}

impl Reader {
    /// Reads the command that is number `n` of its batch, which is how its records are told apart later.
    pub(super) fn read(
        &self,
        routing_key: &str,
        properties: &BasicProperties,
        body: &[u8],
        n: usize,
    ) -> Result<Command, Fault> {
        if body.len() > LARGEST {
            return Err(fault("too_large", "", format!("at most {LARGEST} bytes")));
        }
        let origin = Origin {
            file: Arc::from("amqp"),
            line: u64::try_from(n + 1).unwrap_or(u64::MAX),
        };
        match routing_key.split_once('.') {
            Some(("message", "cancel")) => {
                let source = self.client(properties)?;
                cancel(&object(body)?, source).map(Command::Cancel)
            }
            Some(("message", act)) if act.starts_with("send.") => {
                let class = act.strip_prefix("send.").and_then(Class::parse);
                let class = class
                    .filter(|class| *class != Class::Reply)
                    .ok_or_else(unroutable)?;
                self.send(class, properties, object(body)?)
                    .map(Command::Send)
            }
            Some(("patient", "upsert")) => {
                let (key, body) = self.keyed(object(body)?, "patient")?;
                let updates = patient_at(key, origin, &body, &self.records).map_err(refused)?;
                Ok(Command::Patient(updates))
            }
            Some(("occasion", "upsert")) => {
                let (key, body) = self.keyed(object(body)?, "occasion")?;
                let updates = occasion_at(key.clone(), origin, &body, &self.records);
                Ok(Command::Occasion(key, updates.map_err(refused)?))
            }
            Some(("occasion", "cancel")) => {
                let (key, body) = self.keyed(object(body)?, "occasion")?;
                if let Some(name) = body.as_object().and_then(|map| map.keys().next()) {
                    let path = speakable_path(name);
                    return Err(fault("unknown_field", &path, "source and key only"));
                }
                let removal = removal_at(Removed::Occasion(key.clone()), origin);
                Ok(Command::NoOccasion(key, removal))
            }
            Some(_) | None => Err(unroutable()),
        }
    }

    fn send(
        &self,
        class: Class,
        properties: &BasicProperties,
        mut body: Map<String, Value>,
    ) -> Result<Box<Order>, Fault> {
        let said = body.entry("class").or_insert(Value::Null);
        if said.is_null() {
            *said = Value::String(class.as_str().to_owned());
        } else if said.as_str() != Some(class.as_str()) {
            let expected = format!("the class of the routing key, {class}");
            return Err(fault("class_disagrees", "class", expected));
        }
        let (body, site) = (Value::Object(body), &self.intake.site);
        let mut request =
            MessageRequest::read(&body, &site.country, &self.intake.desk.address_key)?;
        if let Some(id) = properties.message_id() {
            let key = idempotency_key(id.as_str(), "message_id")?;
            let other = request.idempotency_key.replace(key.clone());
            if other.is_some_and(|other| other != key) {
                return Err(Fault::invalid("idempotency_key", "the message_id, or none"));
            }
        }
        let source = self.client(properties)?;
        Ok(Box::new(Order { request, source }))
    }

    /// Who gave the command: the user that the broker vouches for, else the application that it names itself.
    fn client(&self, properties: &BasicProperties) -> Result<String, Fault> {
        let (user, app) = (properties.user_id(), properties.app_id());
        let own = user
            .as_ref()
            .is_some_and(|user| user.as_str() == self.own_user);
        let kept = header(properties, CLIENT).filter(|_| own);
        let said = || {
            user.as_ref()
                .or(app.as_ref())
                .map(|name| name.as_str().to_owned())
        };
        let name = kept.or_else(said).unwrap_or_else(|| NOBODY.to_owned());
        let is_plain = name.bytes().all(|b| b.is_ascii_graphic());
        if name.is_empty() || name.len() > 64 || !is_plain {
            let expected = "a name of 1 to 64 printable ASCII characters without blanks";
            return Err(fault("invalid_property", "app_id", expected));
        }
        let holder = self.clients.get(&name).map(|key| format!("api:{key}"));
        Ok(holder.unwrap_or_else(|| format!("amqp:{name}")))
    }

    /// Takes the name of a record out of its members: `source` and `key`, or both as `patient` or `occasion`.
    fn keyed(&self, mut body: Map<String, Value>, alias: &str) -> Result<(Key, Value), Fault> {
        let text = |value: Option<Value>, path: &str| match value {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(Fault::invalid(path, "a text")),
        };
        let source = text(body.remove("source"), "source")?;
        let key = text(body.remove("key"), "key")?;
        let name = match key {
            Some(key) => {
                let source = source.unwrap_or_else(|| self.source.clone());
                RecordKey::parse(&format!("{source}/{key}")).filter(|name| name.source == source)
            }
            None if source.is_none() && body.contains_key(alias) => {
                let name = text(body.remove(alias), alias)?.unwrap_or_default();
                RecordKey::parse(&name)
            }
            None => {
                return Err(Fault::missing(
                    "key",
                    "the record's own key, and its source",
                ));
            }
        };
        let name = name
            .filter(|name| name.key.reveal().len() <= 200 && !name.key.reveal().trim().is_empty());
        let name = name.ok_or_else(|| {
            Fault::invalid(
                "key",
                "a source of up to 64 letters and a key of up to 200 characters",
            )
        })?;
        let key = Key::new(&Arc::from(name.source), name.key.into_revealed().trim());
        let body = Value::Object(body);
        storable(&body)?;
        Ok((key, body))
    }
}

/// A text in the headers.
pub(super) fn header(properties: &BasicProperties, name: &str) -> Option<String> {
    match properties.headers().as_ref()?.inner().get(name)? {
        AMQPValue::LongString(text) => String::from_utf8(text.as_bytes().to_vec()).ok(),
        AMQPValue::ShortString(text) => Some(text.as_str().to_owned()),
        _ => None,
    }
}

/// How often a command was handed out before, as the broker counts it.
pub(super) fn deliveries(properties: &BasicProperties) -> i64 {
    let headers = properties.headers().as_ref();
    match headers.and_then(|headers| headers.inner().get("x-delivery-count")) {
        Some(AMQPValue::LongLongInt(count)) => *count,
        Some(AMQPValue::LongInt(count)) => i64::from(*count),
        Some(AMQPValue::ShortInt(count)) => i64::from(*count),
        Some(AMQPValue::ShortShortInt(count)) => i64::from(*count),
        Some(AMQPValue::LongUInt(count)) => i64::from(*count),
        Some(AMQPValue::ShortUInt(count)) => i64::from(*count),
        Some(AMQPValue::ShortShortUInt(count)) => i64::from(*count),
        _ => 0,
    }
}

fn fault(code: &'static str, path: &str, expected: impl Into<String>) -> Fault {
    Fault {
        code,
        path: path.to_owned(),
        expected: expected.into(),
    }
}

fn unroutable() -> Fault {
    let expected =
        "message.send.<class>, message.cancel, patient.upsert, occasion.upsert or occasion.cancel";
    fault("unknown_routing_key", "routing_key", expected)
}

fn object(body: &[u8]) -> Result<Map<String, Value>, Fault> {
    match serde_json::from_slice(body) {
        Ok(Value::Object(map)) => Ok(map),
        Ok(_) => Err(Fault::invalid("", "an object")),
        // serde's own words may quote the text.
        Err(problem) => {
            let place = format!("line {}, column {}", problem.line(), problem.column());
            Err(fault(
                "invalid_json",
                "",
                format!("JSON in UTF-8; it breaks off at {place}"),
            ))
        }
    }
}

fn cancel(body: &Map<String, Value>, source: String) -> Result<Cancel, Fault> {
    let expected = "id or idempotency_key, and nothing beside it";
    let mut members = body.iter();
    let (Some((name, Value::String(text))), None) = (members.next(), members.next()) else {
        return Err(Fault::invalid("", expected));
    };
    let which = match name.as_str() {
        "id" => MessageId::parse(text)
            .map(Which::Id)
            .ok_or_else(|| Fault::invalid("id", "the id of a message, msg_…"))?,
        "idempotency_key" => Which::Key(idempotency_key(text, "idempotency_key")?),
        _ => return Err(fault("unknown_field", &speakable_path(name), expected)),
    };
    Ok(Cancel { source, which })
}

fn refused(problem: IntakeError) -> Fault {
    match problem {
        IntakeError::Input { path, expected } => invalid(&path, &expected),
        IntakeError::Store(_)
        | IntakeError::Unreadable { .. }
        | IntakeError::Mapping { .. }
        | IntakeError::Timezone(_) => Fault::invalid("", "a record"),
    }
}

/// A value of a record that is not what it should be. The path may hold names that the caller made up.
pub(super) fn invalid(path: &str, expected: &str) -> Fault {
    let expected = expected.strip_prefix("expected ").unwrap_or(expected);
    Fault::invalid(speakable_path(path), expected)
}

#[cfg(test)]
#[path = "command_tests.rs"]
mod tests;
