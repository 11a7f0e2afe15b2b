//! A request to send a message, parsed at the edge into something that cannot be wrong by itself.
//!
//! Whether the patient exists, what the template needs and who may be written to is found out later.

use std::fmt::Write as _;

use jiff::Timestamp;
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

use super::fields::{Fault, Fields, storable};
use crate::model::class::{Channel, Class, Lane};
use crate::model::message::Ask;
use crate::model::phone::Phone;
use crate::model::private::Private;

/// The longest text, in characters: more than any SMS, enough for a letter.
const LONGEST_TEXT: usize = 10_000;
/// The longest key that tells a repetition.
const LONGEST_KEY: usize = 255;

const CLASSES: &str =
    "urgent, appointment, clinical, survey, health_tip, invitation, greeting, promotion";
const CHANNELS: &str = "sms, voice, email";

/// What another system asks us to send (the API document), checked by itself.
#[derive(Clone, Debug)]
pub struct MessageRequest {
    /// Consent, hours, caps and lane hang on it.
    pub class: Class,
    /// Channels in order; empty: what the recipient prefers and can be reached on.
    pub channels: Vec<Channel>,
    /// Where to, where the caller knows.
    pub to: To,
    /// What to say.
    pub content: Content,
    /// The language to say it in, BCP 47.
    pub language: Option<String>,
    /// Who it is about.
    pub patient: Option<RecordKey>,
    /// What it is about.
    pub occasion: Option<RecordKey>,
    /// What a reply answers.
    pub ask: Option<Ask>,
    /// Not before.
    pub send_at: Option<Timestamp>,
    /// Not after.
    pub expires_at: Option<Timestamp>,
    /// The queue, where the caller chose one.
    pub lane: Option<Lane>,
    /// The caller's own reference.
    pub reference: Option<String>,
    /// Same key, same message.
    pub idempotency_key: Option<String>,
    /// A hash of the whole request but for its key, to tell a repetition from another use of the key.
    pub body_hash: String,
    /// Whether it was called off before it came.
    pub called_off: bool,
}

/// The recipient's addresses.
#[derive(Clone, Debug, Default)]
pub struct To {
    /// A number.
    pub phone: Option<Phone>,
    /// A mail address.
    pub email: Option<Private<String>>,
}

/// What to say.
#[derive(Clone, Debug)]
pub enum Content {
    /// These very words.
    Text {
        /// The words.
        text: Private<String>,
        /// The head line of a mail.
        subject: Option<Private<String>>,
    },
    /// A template, filled.
    Template {
        /// Its name.
        name: String,
        /// Its values.
        data: Private<Map<String, Value>>,
    },
}

/// A record by the key of the system it is from: `his/12345`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RecordKey {
    /// Such as `his`.
    pub source: String,
    /// That system's key.
    pub key: Private<String>,
}

impl RecordKey {
    /// Reads `source/key`; the key may hold more slashes.
    pub fn parse(text: &str) -> Option<Self> {
        let (source, key) = text.split_once('/')?;
        let is_source = !source.is_empty()
            && source.len() <= 64
            && source
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"_-.".contains(&b));
        let is_key = !key.is_empty() && key.len() <= 255 && !key.chars().any(char::is_control);
        (is_source && is_key).then(|| Self {
            source: source.to_owned(),
            key: Private::new(key.to_owned()),
        })
    }
}

/// The members of a request.
pub(crate) const MEMBERS: &[&str] = &[
    "class",
    "channels",
    "to",
    "text",
    "subject",
    "template",
    "data",
    "language",
    "patient",
    "occasion",
    "ask",
    "send_at",
    "expires_at",
    "priority",
    "reference",
    "idempotency_key",
];

impl MessageRequest {
    /// Reads a request. Numbers without a country code are of `country`; `hash_key` is the site's own, so
    /// that nobody can try out numbers on a stolen hash.
    ///
    /// # Errors
    /// The first thing that is wrong, by its path.
    pub fn read(value: &Value, country: &str, hash_key: &[u8]) -> Result<Self, Fault> {
        let fields = Fields::of(value, "", MEMBERS)?;
        storable(value)?;
        let class = fields
            .word("class", Class::parse, CLASSES)?
            .ok_or_else(|| Fault::missing("class", format!("one of {CLASSES}")))?;
        if class == Class::Reply {
            return Err(Fault::invalid("class", format!("one of {CLASSES}")));
        }
        let (patient, occasion) = (
            record_key(&fields, "patient")?,
            record_key(&fields, "occasion")?,
        );
        let to = to(&fields, country)?;
        if to.phone.is_none() && to.email.is_none() && patient.is_none() && occasion.is_none() {
            return Err(Fault::missing(
                "to",
                "a phone number or mail address, or a patient",
            ));
        }
        let ask_words = "confirm, choice, rsvp, survey";
        Ok(Self {
            class,
            channels: channels(&fields)?,
            to,
            content: content(&fields)?,
            language: language(&fields)?,
            patient,
            occasion,
            ask: fields.word("ask", ask, ask_words)?,
            send_at: fields.instant("send_at")?,
            expires_at: fields.instant("expires_at")?,
            lane: fields.word("priority", Lane::parse, "urgent, normal, bulk")?,
            reference: fields.text("reference", 255)?.map(str::to_owned),
            idempotency_key: fields
                .text("idempotency_key", LONGEST_KEY)?
                .map(|key| idempotency_key(key, "idempotency_key"))
                .transpose()?,
            body_hash: body_hash(value, hash_key),
            called_off: false,
        })
    }
}

/// Reads a key that tells a repetition: printable ASCII, in the quotes of the IETF draft or without.
///
/// # Errors
/// When it is empty, too long or holds something else.
pub fn idempotency_key(text: &str, path: &str) -> Result<String, Fault> {
    let key = text.trim();
    let key = key
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'))
        .unwrap_or(key);
    let fits = !key.is_empty()
        && key.len() <= LONGEST_KEY
        && key.bytes().all(|b| b.is_ascii_graphic() || b == b' ');
    if fits {
        Ok(key.to_owned())
    } else {
        Err(Fault::invalid(
            path,
            format!("1 to {LONGEST_KEY} printable ASCII characters"),
        ))
    }
}

/// What another system may ask.
fn ask(word: &str) -> Option<Ask> {
    Ask::parse(word).filter(|ask| !ask.is_ours())
}

fn channels(fields: &Fields<'_>) -> Result<Vec<Channel>, Fault> {
    let mut channels = Vec::new();
    for (n, value) in fields
        .list("channels")?
        .unwrap_or_default()
        .iter()
        .enumerate()
    {
        let channel = value
            .as_str()
            .and_then(Channel::parse)
            .filter(|channel| channel.contact_kind().is_some());
        let channel = channel.ok_or_else(|| {
            Fault::invalid(
                format!("{}[{n}]", fields.at("channels")),
                format!("one of {CHANNELS}"),
            )
        })?;
        if !channels.contains(&channel) {
            channels.push(channel);
        }
    }
    Ok(channels)
}

fn to(fields: &Fields<'_>, country: &str) -> Result<To, Fault> {
    let Some(value) = fields.get("to") else {
        return Ok(To::default());
    };
    let to = Fields::of(value, "to", &["phone", "email"])?;
    Ok(To {
        phone: phone(&to, country)?,
        email: email(&to)?,
    })
}

/// Reads an object that holds one address, `phone` or `email`, and may hold the members `beside`.
pub(crate) fn read_address(
    value: &Value,
    beside: &[&str],
    country: &str,
) -> Result<Private<String>, Fault> {
    let known: Vec<&str> = ["phone", "email"].iter().chain(beside).copied().collect();
    let fields = Fields::of(value, "", &known)?;
    storable(value)?;
    match (phone(&fields, country)?, email(&fields)?) {
        (Some(phone), None) => Ok(phone.to_private()),
        (None, Some(email)) => Ok(email),
        (None, None) => Err(Fault::missing("phone", "a phone number or a mail address")),
        (Some(_), Some(_)) => Err(Fault::invalid(
            "email",
            "a phone number or a mail address, not both",
        )),
    }
}

fn phone(fields: &Fields<'_>, country: &str) -> Result<Option<Phone>, Fault> {
    let phone = fields
        .text("phone", 64)?
        .map(|text| Phone::parse(text, country))
        .transpose();
    phone.map_err(|problem| {
        Fault::invalid(
            fields.at("phone"),
            problem.to_string().trim_start_matches("expected "),
        )
    })
}

fn email(fields: &Fields<'_>) -> Result<Option<Private<String>>, Fault> {
    let address = |text| {
        mail_address(text).ok_or_else(|| Fault::invalid(fields.at("email"), "a mail address"))
    };
    fields.text("email", 254)?.map(address).transpose()
}

/// A mail address good enough to try: one `@`, a domain with a dot, nothing that breaks a header.
fn mail_address(text: &str) -> Option<Private<String>> {
    let text = text.trim();
    let (local, domain) = text.rsplit_once('@')?;
    let is_plain = |part: &str| {
        !part.is_empty()
            && !part
                .chars()
                .any(|c| c.is_whitespace() || c.is_control() || "<>,;:\"()[]\\@".contains(c))
    };
    let is_domain = domain.contains('.') && domain.split('.').all(|label| !label.is_empty());
    (is_plain(local) && is_plain(domain) && is_domain).then(|| Private::new(text.to_owned()))
}

fn content(fields: &Fields<'_>) -> Result<Content, Fault> {
    let text = fields.text("text", LONGEST_TEXT)?;
    let template = fields.text("template", 100)?;
    let subject = fields.text("subject", 255)?.map(|subject| {
        if subject.chars().any(char::is_control) {
            Err(Fault::invalid("subject", "one line"))
        } else {
            Ok(Private::new(subject.to_owned()))
        }
    });
    let (subject, data) = (subject.transpose()?, fields.map("data")?);
    match (text, template) {
        (Some(text), None) => Ok(Content::Text {
            text: Private::new(text.to_owned()),
            subject,
        }),
        (None, Some(name)) => {
            let is_name = name
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"_-".contains(&b));
            if !is_name {
                return Err(Fault::invalid("template", "the name of a template"));
            }
            Ok(Content::Template {
                name: name.to_owned(),
                data: Private::new(data.cloned().unwrap_or_default()),
            })
        }
        (None, None) => Err(Fault::missing("text", "a text or a template")),
        (Some(_), Some(_)) => Err(Fault::invalid("template", "a text or a template, not both")),
    }
}

fn language(fields: &Fields<'_>) -> Result<Option<String>, Fault> {
    let Some(tag) = fields.text("language", 35)? else {
        return Ok(None);
    };
    let is_tag = tag.split('-').all(|part| {
        (1..=8).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_alphanumeric())
    });
    if is_tag {
        Ok(Some(tag.to_owned()))
    } else {
        Err(Fault::invalid("language", "a language tag such as zh-CN"))
    }
}

fn record_key(fields: &Fields<'_>, name: &str) -> Result<Option<RecordKey>, Fault> {
    let Some(text) = fields.text(name, 320)? else {
        return Ok(None);
    };
    RecordKey::parse(text)
        .map(Some)
        .ok_or_else(|| Fault::invalid(fields.at(name), "source/key, such as his/12345"))
}

/// A hash over the meaning of the JSON: neither blanks nor the order of members count.
fn body_hash(value: &Value, key: &[u8]) -> String {
    fn feed(hash: &mut Sha256, value: &Value, is_top: bool) {
        let mut mark = |mark: u8, bytes: &[u8]| {
            hash.update([mark]);
            hash.update(u64::try_from(bytes.len()).unwrap_or(u64::MAX).to_be_bytes());
            hash.update(bytes);
        };
        match value {
            Value::Null => mark(b'0', b""),
            Value::Bool(yes) => mark(b'b', &[u8::from(*yes)]),
            Value::Number(number) => mark(b'n', number.to_string().as_bytes()),
            Value::String(text) => mark(b's', text.as_bytes()),
            Value::Array(list) => {
                mark(
                    b'a',
                    &u64::try_from(list.len()).unwrap_or(u64::MAX).to_be_bytes(),
                );
                list.iter().for_each(|value| feed(hash, value, false));
            }
            Value::Object(map) => {
                let mut members: Vec<_> = map
                    .iter()
                    .filter(|(name, _)| !(is_top && name.as_str() == "idempotency_key"))
                    .collect();
                members.sort_by_key(|(name, _)| name.as_str());
                mark(
                    b'o',
                    &u64::try_from(members.len())
                        .unwrap_or(u64::MAX)
                        .to_be_bytes(),
                );
                for (name, value) in members {
                    feed(hash, &Value::String(name.clone()), false);
                    feed(hash, value, false);
                }
            }
        }
    }
    let mut hash = Sha256::new();
    hash.update(b"carebell message\0");
    hash.update(key);
    feed(&mut hash, value, true);
    hash.finalize()
        .iter()
        .fold(String::with_capacity(64), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}");
            hex
        })
}
