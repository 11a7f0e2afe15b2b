//! What bodies tell beyond ids and states, for webhooks that ask for it: looked up when an event is told, kept nowhere else.

use std::collections::{BTreeMap, BTreeSet};

use super::events::Event;
use super::messages::Body;
use super::{Id, StoreError, Tx, on, rows};
use crate::model::id::EventId;
use crate::model::private::Private;

/// What is known beyond an event's own data. What is kept no more is absent.
#[derive(Clone, Debug, Default)]
pub struct Details {
    /// The hospital's own key of the patient, `source/key`.
    pub patient_key: Option<Private<String>>,
    /// The hospital's own key of the occasion, `source/key`.
    pub occasion_key: Option<Private<String>>,
    /// The address that the message goes to, or the reply came from.
    pub address: Option<Private<String>>,
    /// What the message or the reply says.
    pub text: Option<Private<String>>,
}

/// Who and what an event is about.
#[derive(Clone, Default)]
struct About {
    patient: Option<String>,
    occasion: Option<String>,
    address: Option<Private<String>>,
    text: Option<Private<String>>,
}

/// The details of `events`, one statement for each kind of row.
///
/// # Errors
/// When the database fails.
pub async fn of(tx: &mut Tx, events: &[&Event]) -> Result<BTreeMap<EventId, Details>, StoreError> {
    let named = |event: &Event, name: &str| event.data[name].as_str().map(str::to_owned);
    let ids = |family: &str| -> BTreeSet<String> {
        let all = events.iter().filter(|event| event.kind.starts_with(family));
        all.filter_map(|event| named(event, "id")).collect()
    };
    let mut abouts = messages(tx, &ids("message.")).await?;
    abouts.extend(replies(tx, &ids("reply.")).await?);
    let about = |event: &Event| {
        let row = named(event, "id").and_then(|id| abouts.get(&id).cloned());
        row.unwrap_or_else(|| About {
            patient: named(event, "patient"),
            occasion: named(event, "occasion"),
            ..About::default()
        })
    };
    let all: Vec<(EventId, About)> = events
        .iter()
        .map(|event| (event.id.clone(), about(event)))
        .collect();
    let patients = all
        .iter()
        .filter_map(|(_, about)| about.patient.clone())
        .collect();
    let occasions = all
        .iter()
        .filter_map(|(_, about)| about.occasion.clone())
        .collect();
    let patients = patient_keys(tx, &patients).await?;
    let occasions = occasion_keys(tx, &occasions).await?;
    let key = |keys: &BTreeMap<String, String>, id: &Option<String>| {
        id.as_ref()
            .and_then(|id| keys.get(id).cloned())
            .map(Private::new)
    };
    Ok(all
        .into_iter()
        .map(|(event, about)| {
            let details = Details {
                patient_key: key(&patients, &about.patient),
                occasion_key: key(&occasions, &about.occasion),
                address: about.address,
                text: about.text,
            };
            (event, details)
        })
        .collect())
}

fn set(ids: &BTreeSet<String>) -> String {
    rows(&ids.iter().map(|id| Id { id }).collect::<Vec<_>>())
}

async fn messages(
    tx: &mut Tx,
    ids: &BTreeSet<String>,
) -> Result<BTreeMap<String, About>, StoreError> {
    const SQL: &str = "SELECT m.id, m.patient_id, m.occasion_id, m.channel, m.addresses, m.bodies FROM json_each($1) AS j CROSS JOIN message AS m WHERE m.id = j.value ->> 'id'";
    type Row = (
        String,
        Option<String>,
        Option<String>,
        String,
        String,
        String,
    );
    if ids.is_empty() {
        return Ok(BTreeMap::new());
    }
    let found: Vec<Row> =
        on!(tx, conn => sqlx::query_as(SQL).bind(set(ids)).fetch_all(conn).await)?;
    let read = |(id, patient, occasion, channel, addresses, bodies): Row| {
        // What was blanked is no JSON any more, or has no text.
        let mut addresses: BTreeMap<String, String> =
            serde_json::from_str(&addresses).unwrap_or_default();
        let mut bodies: BTreeMap<String, Body> = serde_json::from_str(&bodies).unwrap_or_default();
        let about = About {
            patient,
            occasion,
            address: addresses.remove(&channel).map(Private::new),
            text: bodies.remove(&channel).map(|body| Private::new(body.text)),
        };
        (id, about)
    };
    Ok(found.into_iter().map(read).collect())
}

async fn replies(
    tx: &mut Tx,
    ids: &BTreeSet<String>,
) -> Result<BTreeMap<String, About>, StoreError> {
    const SQL: &str = "SELECT r.id, r.patient_id, r.occasion_id, r.address, r.text FROM json_each($1) AS j CROSS JOIN reply AS r WHERE r.id = j.value ->> 'id'";
    type Row = (String, Option<String>, Option<String>, String, String);
    if ids.is_empty() {
        return Ok(BTreeMap::new());
    }
    let found: Vec<Row> =
        on!(tx, conn => sqlx::query_as(SQL).bind(set(ids)).fetch_all(conn).await)?;
    let read = |(id, patient, occasion, address, text): Row| {
        let about = About {
            patient,
            occasion,
            address: Some(Private::new(address)),
            text: Some(Private::new(text)),
        };
        (id, about)
    };
    Ok(found.into_iter().map(read).collect())
}

async fn patient_keys(
    tx: &mut Tx,
    ids: &BTreeSet<String>,
) -> Result<BTreeMap<String, String>, StoreError> {
    const SQL: &str = "SELECT p.id, p.source || '/' || p.source_key FROM json_each($1) AS j CROSS JOIN patient AS p WHERE p.id = j.value ->> 'id'";
    keys(tx, SQL, ids).await
}

async fn occasion_keys(
    tx: &mut Tx,
    ids: &BTreeSet<String>,
) -> Result<BTreeMap<String, String>, StoreError> {
    const SQL: &str = "SELECT o.id, o.source || '/' || o.source_key FROM json_each($1) AS j CROSS JOIN occasion AS o WHERE o.id = j.value ->> 'id'";
    keys(tx, SQL, ids).await
}

async fn keys(
    tx: &mut Tx,
    sql: &'static str,
    ids: &BTreeSet<String>,
) -> Result<BTreeMap<String, String>, StoreError> {
    if ids.is_empty() {
        return Ok(BTreeMap::new());
    }
    let found: Vec<(String, String)> =
        on!(tx, conn => sqlx::query_as(sql).bind(set(ids)).fetch_all(conn).await)?;
    Ok(found.into_iter().collect())
}
