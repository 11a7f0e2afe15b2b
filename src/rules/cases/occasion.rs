//! Reads the occasions of a case: moved, repeated, sent for.

use jiff::Timestamp;
use jiff::civil::Time;
use jiff::tz::TimeZone;
use serde_json::{Map, Value};

use crate::calendar::wall;
use crate::model::id::{OccasionId, PatientId};
use crate::model::occasion::{Confirmation, Occasion, OccasionStatus, OccasionTime};
use crate::rules::cases::read::Case;
use crate::rules::cases::value::{moment, optional, read, table, when, words};
use crate::rules::lead::Distance;
use crate::rules::plan::SentLead;
use crate::rules::reader::time_of_day;
use crate::rules::rule::Rule;
use crate::rules::trigger::Trigger;

/// One occasion, or as many as `repeat` says.
pub(super) fn occasions(
    fields: &Map<String, Value>,
    place: &str,
    rule: &Rule,
    case: &mut Case,
) -> Result<(), String> {
    let zone = &rule.timezone;
    let name = |key: &str| format!("{place}.{key}");
    let previous = optional(fields, "previous_at", &name("previous_at"), |text| {
        when(text, zone)
    })?;
    let sent = words(fields, "sent", &name("sent"), |text| {
        Ok::<_, String>(text.to_owned())
    })?;
    let told = template(fields, place, rule)?;
    for (when, timezone) in moments(fields, place, zone)? {
        let id = OccasionId::parse(&format!("occ_{}", case.occasions.len() + 1));
        let id = id.expect("a plain id");
        // Told again with the same date and time, it was not moved.
        let same = previous
            .as_ref()
            .is_some_and(|previous| *previous == (when, timezone.clone()));
        let moved = (told.moved_at.is_some() || previous.is_some()) && !same;
        if let (Trigger::Manual, OccasionStatus::Booked, OccasionTime::At(at)) =
            (&rule.trigger, told.status, when)
        {
            let zone = wall::zone(&timezone).unwrap_or_else(|| zone.clone());
            case.started.push(wall::instant(&zone, at));
        }
        let epoch = i64::from(moved);
        // A move empties what was sent.
        let leads = sent.iter().filter(|_| !moved);
        case.sent.extend(leads.map(|lead| SentLead {
            occurrence: id.as_str().to_owned(),
            epoch,
            step: None,
            lead: lead.clone(),
        }));
        case.occasions.push(Occasion {
            id,
            when,
            timezone,
            epoch,
            moved_at: told.moved_at.filter(|_| moved),
            ..told.clone()
        });
    }
    Ok(())
}

/// When an occasion came up that does not say so.
const LONG_AGO: Timestamp = Timestamp::UNIX_EPOCH;

/// All of an occasion but when it is.
fn template(fields: &Map<String, Value>, place: &str, rule: &Rule) -> Result<Occasion, String> {
    let instant = |key: &str| {
        optional(fields, key, &format!("{place}.{key}"), |text| {
            moment(text, &rule.timezone)
        })
    };
    let text = |key: &str| {
        optional(fields, key, &format!("{place}.{key}"), |text| {
            Ok::<_, String>(text.to_owned())
        })
    };
    let cancelled_at = instant("cancelled_at")?;
    let status = optional(fields, "status", &format!("{place}.status"), |text| {
        status(text)
    })?;
    // What was there before the first import has none: it says null.
    let created_at = if fields.contains_key("created_at") {
        instant("created_at")?
    } else {
        Some(LONG_AGO)
    };
    let by_date = if cancelled_at.is_some() {
        OccasionStatus::Cancelled
    } else {
        OccasionStatus::Booked
    };
    let attributes = table(fields, "attributes", &format!("{place}.attributes"))?;
    Ok(Occasion {
        id: OccasionId::parse("occ_0").expect("a plain id"),
        patient: PatientId::parse("pat_case").expect("a plain id"),
        kind: text("kind")?.unwrap_or_else(|| rule.trigger.word().to_owned()),
        when: OccasionTime::On(jiff::civil::Date::ZERO),
        timezone: String::new(),
        status: status.unwrap_or(by_date),
        epoch: 0,
        confirmation: Confirmation::None,
        created_at,
        moved_at: instant("moved_at")?,
        cancelled_at,
        department: text("department")?,
        doctor: None,
        doctor_key: None,
        place: text("place")?,
        attributes,
    })
}

/// The word, also as other systems write it.
fn status(text: &str) -> Result<OccasionStatus, String> {
    match text {
        "canceled" => Ok(OccasionStatus::Cancelled),
        "noshow" => Ok(OccasionStatus::NoShow),
        "completed" | "done" => Ok(OccasionStatus::Fulfilled),
        "confirmed" | "scheduled" | "active" | "pending" | "moved" | "rescheduled" => {
            Ok(OccasionStatus::Booked)
        }
        word => word.parse(),
    }
}

/// When the occasion is, or all of them if it repeats.
fn moments(
    fields: &Map<String, Value>,
    place: &str,
    zone: &TimeZone,
) -> Result<Vec<(OccasionTime, String)>, String> {
    let Some(repeat) = fields.get("repeat").filter(|repeat| !repeat.is_null()) else {
        let at = fields
            .get("at")
            .ok_or_else(|| format!("{place}.at: missing"))?;
        return Ok(vec![read(at, &format!("{place}.at"), |text| {
            when(text, zone)
        })?]);
    };
    let repeat = repeat
        .as_object()
        .ok_or_else(|| format!("{place}.repeat: expected a table"))?;
    let name = |key: &str| format!("{place}.repeat.{key}");
    let get = |key: &str| {
        repeat
            .get(key)
            .ok_or_else(|| format!("{}: missing", name(key)))
    };
    // An offset names the instant; days and the time of day are those of the rule's zone.
    let (anchor, timezone) = read(get("anchor")?, &name("anchor"), |text| {
        when(text, zone).map(|when| on_clock_of(zone, when))
    })?;
    let every = read(get("every")?, &name("every"), every)?;
    let count = get("count")?
        .as_i64()
        .filter(|count| (0..=1000).contains(count))
        .ok_or_else(|| format!("{}: expected a number from 0 to 1000", name("count")))?;
    let time = optional(fields, "at", &format!("{place}.at"), |text| {
        clock(text, zone)
    })?
    .flatten();
    let at = |k: i64| {
        let day = every.from_day(anchor.date(), k);
        match (time, anchor) {
            (Some(time), _) => OccasionTime::At(day.to_datetime(time)),
            (None, OccasionTime::At(anchor)) => OccasionTime::At(day.to_datetime(anchor.time())),
            (None, OccasionTime::On(_)) => OccasionTime::On(day),
        }
    };
    Ok((1..=count).map(|k| (at(k), timezone.clone())).collect())
}

/// The same, as the clock of the rule's zone shows it.
fn on_clock_of(zone: &TimeZone, (when, written): (OccasionTime, String)) -> (OccasionTime, String) {
    let name = zone.iana_name().unwrap_or("UTC").to_owned();
    match (when, wall::zone(&written)) {
        (OccasionTime::At(at), Some(other)) => {
            let at = zone.to_datetime(wall::instant(&other, at));
            (OccasionTime::At(at), name)
        }
        (OccasionTime::At(_) | OccasionTime::On(_), _) => (when, name),
    }
}

/// A distance on the calendar; years are twelve months.
fn every(text: &str) -> Result<Distance, String> {
    let years = text
        .strip_suffix('y')
        .and_then(|years| years.parse::<u32>().ok())
        .map(|years| format!("{}mo", years.saturating_mul(12)));
    let distance =
        Distance::parse(years.as_deref().unwrap_or(text)).filter(|distance| distance.is_calendar());
    distance.ok_or_else(|| format!("expected a distance such as 1mo, 2w or 10d, found `{text}`"))
}

/// The time of day of `10:00` or of a whole date and time; none of a day alone.
fn clock(text: &str, zone: &TimeZone) -> Result<Option<Time>, String> {
    if let Some(time) = time_of_day(text) {
        return Ok(Some(time));
    }
    Ok(match on_clock_of(zone, when(text, zone)?).0 {
        OccasionTime::At(at) => Some(at.time()),
        OccasionTime::On(_) => None,
    })
}
