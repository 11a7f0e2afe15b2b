//! What somebody wants of a webhook, read and checked; for the API and for the verbs.

use serde_json::Value;

use crate::intake::messages::Fault;
use crate::model::webhook::{EventFilter, Include};
use crate::outward::{Guard, Target};
use crate::store::webhooks::Wish;

/// The longest name, in characters.
const LONGEST_NAME: usize = 100;
/// The most requests at once.
const MOST_IN_FLIGHT: i64 = 16;

/// What was said of a webhook; what was not said is as it was, or as usual.
#[derive(Clone, Debug, Default)]
pub struct Draft {
    /// What people call it.
    pub name: Option<String>,
    /// Where it listens.
    pub url: Option<String>,
    /// Types and families of events; none: all.
    pub types: Option<Vec<String>>,
    /// What bodies tell beyond ids and states.
    pub include: Option<Vec<String>>,
    /// How many requests at once.
    pub in_flight: Option<i64>,
}

impl Draft {
    /// The members that it has in JSON.
    pub(super) const MEMBERS: [&str; 5] = ["name", "url", "types", "include", "in_flight"];

    /// Reads it from the body of a request; `more` are members that somebody else reads.
    pub(super) fn read(body: &Value, more: &[&str]) -> Result<Self, Fault> {
        let map = body
            .as_object()
            .ok_or_else(|| Fault::invalid("", "an object"))?;
        let is_known =
            |name: &String| Self::MEMBERS.contains(&name.as_str()) || more.contains(&name.as_str());
        if !map.keys().all(is_known) {
            let members = [&Self::MEMBERS, more].concat().join(", ");
            return Err(Fault {
                code: "unknown_field",
                path: "?".to_owned(),
                expected: format!("only the members {members}"),
            });
        }
        let given = |name: &str| map.get(name).filter(|value| !value.is_null());
        let text = |name: &'static str| {
            let read = |value: &Value| value.as_str().map(str::to_owned);
            given(name)
                .map(|value| read(value).ok_or_else(|| Fault::invalid(name, "a text")))
                .transpose()
        };
        let texts = |name: &'static str| {
            let read = |value: &Value| -> Option<Vec<String>> {
                let items = value.as_array()?.iter();
                items.map(|item| item.as_str().map(str::to_owned)).collect()
            };
            given(name)
                .map(|value| read(value).ok_or_else(|| Fault::invalid(name, "a list of texts")))
                .transpose()
        };
        let in_flight = given("in_flight").map(|value| value.as_i64().ok_or_else(in_flight_fault));
        Ok(Self {
            name: text("name")?,
            url: text("url")?,
            types: texts("types")?,
            include: texts("include")?,
            in_flight: in_flight.transpose()?,
        })
    }
}

fn in_flight_fault() -> Fault {
    Fault::invalid("in_flight", format!("a number from 1 to {MOST_IN_FLIGHT}"))
}

/// The wish that `draft` makes of the one that stood `before`, or of none.
///
/// # Errors
/// When something cannot be read, or the URL leads where `guard` lets nobody go.
pub fn read_wish(draft: &Draft, before: Option<&Wish>, guard: &Guard) -> Result<Wish, Fault> {
    let url = match (&draft.url, before) {
        (Some(url), _) => read_url(url, guard)?,
        (None, Some(before)) => before.url.clone(),
        (None, None) => return Err(Fault::missing("url", "where the webhook listens")),
    };
    let name = match (&draft.name, before) {
        (Some(name), _) => read_name(name)?,
        (None, Some(before)) => before.name.clone(),
        (None, None) => return Err(Fault::missing("name", "what people call it")),
    };
    let filter = match (&draft.types, before) {
        (Some(types), _) => EventFilter::read(types).ok_or_else(|| {
            Fault::invalid(
                "types",
                "up to 50 types of events such as message.delivered, or families such as message.*",
            )
        })?,
        (None, before) => before
            .map(|before| before.filter.clone())
            .unwrap_or_default(),
    };
    let include = match (&draft.include, before) {
        (Some(words), _) => read_include(words)?,
        (None, before) => before
            .map(|before| before.include.clone())
            .unwrap_or_default(),
    };
    let in_flight = draft
        .in_flight
        .or(before.map(|before| before.in_flight))
        .unwrap_or(1);
    if !(1..=MOST_IN_FLIGHT).contains(&in_flight) {
        return Err(in_flight_fault());
    }
    Ok(Wish {
        name,
        url,
        filter,
        include,
        in_flight,
    })
}

fn read_url(url: &str, guard: &Guard) -> Result<String, Fault> {
    let target = Target::parse(url).map_err(|why| {
        let why = why.to_string();
        Fault::invalid("url", why.strip_prefix("expected ").unwrap_or(&why))
    })?;
    guard.look_at(&target).map_err(|why| Fault {
        code: "host_refused",
        path: "url".to_owned(),
        expected: format!("a public host and https; this is {why}"),
    })?;
    Ok(target.as_str().to_owned())
}

fn read_name(name: &str) -> Result<String, Fault> {
    let name = name.trim();
    let is_fine = !name.is_empty()
        && name.chars().count() <= LONGEST_NAME
        && !name.chars().any(char::is_control);
    if is_fine {
        Ok(name.to_owned())
    } else {
        Err(Fault::invalid(
            "name",
            format!("up to {LONGEST_NAME} characters"),
        ))
    }
}

fn read_include(words: &[String]) -> Result<Vec<Include>, Fault> {
    let all: Option<Vec<Include>> = words.iter().map(|word| Include::parse(word)).collect();
    let mut all = all.ok_or_else(|| Fault::invalid("include", "of keys, address and text"))?;
    all.sort();
    all.dedup();
    Ok(all)
}
