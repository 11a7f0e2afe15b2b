//! Reads the document of a rule, TOML or JSON, whole: every fault is told with its place.

mod audience;
mod hash;
mod trigger;

use std::sync::Arc;

use jiff::SignedDuration;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::calendar::quiet::QuietHours;
use crate::model::class::Class;
use crate::rules::document::audience::{read_audience, read_family, read_stop};
use crate::rules::document::hash::{digest, timing};
use crate::rules::document::trigger::read_trigger;
use crate::rules::error::RuleError;
use crate::rules::lead::Distance;
use crate::rules::node::{self, Node};
use crate::rules::reader::{Faults, Field, Table};
use crate::rules::rule::{LeapDay, Mode, Rule};
use crate::rules::site::{Site, default_pull_back};
use crate::rules::steps;

const KEYS: &[&str] = &[
    "id",
    "title",
    "department",
    "class",
    "mode",
    "timezone",
    "quiet",
    "min_useful",
    "leap_day",
    "effective_from",
    "trigger",
    "audience",
    "family",
    "stop",
    "step",
];
const CLASSES: &[&str] = &[
    "urgent",
    "appointment",
    "clinical",
    "survey",
    "health_tip",
    "invitation",
    "greeting",
    "promotion",
];

/// Reads the rule `id` from the TOML `text` of `file`.
/// # Errors
/// Every fault there is, not only the first.
pub fn parse(id: &str, file: &str, text: &str, site: &Site) -> Result<Rule, Vec<RuleError>> {
    let node = node::from_toml(file, text)?;
    read(id, file, &node, site)
}

/// Takes the rule `id` from JSON of the same shape.
/// # Errors
/// Every fault there is, not only the first.
pub fn from_json(id: &str, value: &serde_json::Value, site: &Site) -> Result<Rule, Vec<RuleError>> {
    read(id, id, &node::from_json(value), site)
}

/// The line of `path`, such as `step[2].by`, in the TOML `text`; of what it is in where it is not written itself.
pub fn line_of(text: &str, path: &str) -> Option<usize> {
    let root = node::from_toml("", text).ok()?;
    let (mut here, mut line) = (&root, root.line);
    for part in path.split('.') {
        let (key, item) = match part.split_once('[') {
            Some((key, rest)) => (key, rest.trim_end_matches(']').parse::<usize>().ok()),
            None => (part, None),
        };
        let node::Value::Table(entries) = &here.value else {
            break;
        };
        let Some(entry) = entries.iter().find(|entry| entry.key == key) else {
            break;
        };
        (here, line) = (&entry.node, entry.line.or(line));
        if let (Some(item), node::Value::List(items)) = (item, &here.value)
            && let Some(found) = items.get(item.saturating_sub(1))
        {
            (here, line) = (found, found.line.or(line));
        }
    }
    line
}

fn read(id: &str, file: &str, node: &Node, site: &Site) -> Result<Rule, Vec<RuleError>> {
    let mut faults = Faults::new(file);
    let rule = Table::root(node, KEYS, &mut faults)
        .and_then(|root| read_root(id, &root, node, site, &mut faults));
    match rule {
        Some(mut rule) if faults.errors.is_empty() => {
            rule.warnings = faults.warnings;
            Ok(rule)
        }
        _ => {
            faults.errors.sort_by_key(|error| error.line);
            Err(faults.errors)
        }
    }
}

fn read_root(
    id: &str,
    root: &Table<'_>,
    node: &Node,
    site: &Site,
    faults: &mut Faults,
) -> Option<Rule> {
    check_id(id, root, faults);
    let department = root
        .get("department")
        .and_then(|field| field.text("a department", faults));
    if department.is_none() {
        faults.warn(&root.place, "no department: nobody owns this rule");
    }
    let class: Option<Class> = root
        .require("class", &format!("one of {}", CLASSES.join(", ")), faults)
        .and_then(|field| field.word(CLASSES, faults));
    let quiet = root.get("quiet").map(|field| read_quiet(&field, faults));
    let trigger = root
        .require("trigger", "a table that says `on = …`", faults)
        .and_then(|field| read_trigger(&field, faults));
    let (trigger, daily_cap) = trigger.map_or((None, None), |(trigger, cap)| (Some(trigger), cap));
    let audience = root
        .get("audience")
        .map(|field| read_audience(&field, faults));
    let family = root.get("family").map(|field| read_family(&field, faults));
    let stop = root.get("stop").and_then(|field| read_stop(&field, faults));
    let steps = root
        .require("step", "at least one [[step]]", faults)
        .map(|field| steps::read(&field, trigger.as_ref(), department, faults));
    let head = read_head(root, faults);
    let class = class?;
    let mut rule = Rule {
        id: id.to_owned(),
        title: head.title.unwrap_or(id).to_owned(),
        department: department.map(str::to_owned),
        class,
        mode: head.mode,
        timezone: head.timezone.unwrap_or_else(|| site.timezone.clone()),
        quiet: quiet.unwrap_or_else(|| site.quiet.get(&class).copied()),
        min_useful: head.min_useful,
        leap_day: head.leap_day,
        effective_from: head.effective_from,
        trigger: trigger?,
        daily_cap,
        audience: audience.unwrap_or_default(),
        family: family.unwrap_or_default(),
        stop,
        steps: steps.unwrap_or_default(),
        warnings: Vec::new(),
        version: String::new(),
        timing_hash: String::new(),
        working_days: Arc::clone(&site.working_days),
    };
    let mut whole = String::new();
    node.value.canonical(&mut whole);
    rule.version = digest(&whole);
    rule.timing_hash = digest(&timing(&rule));
    Some(rule)
}

/// The plain keys at the head of a rule.
struct Head<'a> {
    title: Option<&'a str>,
    mode: Mode,
    timezone: Option<TimeZone>,
    min_useful: SignedDuration,
    leap_day: LeapDay,
    effective_from: Option<Date>,
}

fn read_head<'a>(root: &Table<'a>, faults: &mut Faults) -> Head<'a> {
    let zone = "an IANA time zone such as Asia/Shanghai";
    let title = root
        .get("title")
        .and_then(|field| field.text("a title", faults));
    let mode = root
        .get("mode")
        .and_then(|field| field.word(&["live", "shadow", "off"], faults));
    let timezone = root
        .get("timezone")
        .and_then(|field| field.read(zone, faults, |name| TimeZone::get(name).ok()));
    let min_useful = root
        .get("min_useful")
        .and_then(|field| field.read("a duration such as \"2h\"", faults, duration));
    let leap_day = root
        .get("leap_day")
        .and_then(|field| field.word(&["feb28", "mar1"], faults));
    let effective_from = root
        .get("effective_from")
        .and_then(|field| field.date(faults));
    Head {
        title,
        mode: mode.unwrap_or(Mode::Live),
        timezone,
        min_useful: min_useful.unwrap_or(SignedDuration::from_hours(2)),
        leap_day: leap_day.unwrap_or(LeapDay::Feb28),
        effective_from,
    }
}

fn check_id(id: &str, root: &Table<'_>, faults: &mut Faults) {
    let plain = |id: &str| {
        !id.is_empty()
            && id.len() <= 64
            && id
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"_-".contains(&b))
    };
    if !plain(id) {
        faults.error(
            &root.place,
            format!("`{id}` is no name for a rule; expected small letters, digits, `_` and `-`"),
        );
    }
    let Some(field) = root.get("id") else { return };
    if let Some(said) = field.text("the rule's name", faults)
        && said != id
    {
        faults.warn(
            &field.place,
            format!("says `{said}`, but the rule is called `{id}` after its file"),
        );
    }
}

fn read_quiet(field: &Field<'_>, faults: &mut Faults) -> Option<QuietHours> {
    let table = field.table(&["from", "to", "pull_back_to"], faults)?;
    let from = table
        .require("from", "a time of day such as \"21:00\"", faults)
        .and_then(|field| field.time(faults));
    let to = table
        .require("to", "a time of day such as \"08:00\"", faults)
        .and_then(|field| field.time(faults));
    let back = table.get("pull_back_to");
    let said = back.as_ref().and_then(|field| field.time(faults));
    let (from, to) = (from?, to?);
    let quiet = QuietHours {
        from,
        to,
        pull_back_to: said.unwrap_or_else(|| default_pull_back(from, to)),
    };
    if let Some(field) = back.filter(|_| said.is_some_and(|time| quiet.contains(time))) {
        faults.warn(
            &field.place,
            "lies in the quiet hours itself; a time before they begin would keep them",
        );
    }
    Some(quiet)
}

fn duration(text: &str) -> Option<SignedDuration> {
    let distance = Distance::parse(text)?;
    distance.elapsed().or_else(|| {
        let days = i64::try_from(distance.most_days()).ok()?;
        matches!(
            distance.unit,
            crate::rules::lead::Unit::Days | crate::rules::lead::Unit::Weeks
        )
        .then(|| SignedDuration::from_hours(24 * days))
    })
}

#[cfg(test)]
mod tests;
