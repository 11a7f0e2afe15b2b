//! Reads the document of a rule, TOML or JSON, whole: every fault is told with its place.

use std::fmt::Write as _;
use std::sync::Arc;

use jiff::SignedDuration;
use jiff::tz::TimeZone;
use sha2::{Digest, Sha256};

use crate::calendar::holiday::{self, Holiday};
use crate::calendar::quiet::QuietHours;
use crate::model::class::Class;
use crate::model::patient::Sex;
use crate::rules::audience::Audience;
use crate::rules::condition::Condition;
use crate::rules::error::RuleError;
use crate::rules::lead::Distance;
use crate::rules::node::{self, Node};
use crate::rules::reader::{Faults, Field, Table, nearest};
use crate::rules::rule::{Family, LeapDay, Mode, Rule};
use crate::rules::site::{Site, default_pull_back};
use crate::rules::steps;
use crate::rules::trigger::Trigger;

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
    let title = root
        .get("title")
        .and_then(|field| field.text("a title", faults));
    let department = root
        .get("department")
        .and_then(|field| field.text("a department", faults));
    if department.is_none() {
        faults.warn(&root.place, "no department: nobody owns this rule");
    }
    let class: Option<Class> = root
        .require("class", &format!("one of {}", CLASSES.join(", ")), faults)
        .and_then(|field| field.word(CLASSES, faults));
    let mode = root
        .get("mode")
        .and_then(|field| field.word(&["live", "shadow", "off"], faults))
        .unwrap_or(Mode::Live);
    let timezone = root.get("timezone").and_then(|field| {
        field.read("an IANA time zone such as Asia/Shanghai", faults, |name| {
            TimeZone::get(name).ok()
        })
    });
    let quiet = root.get("quiet").map(|field| read_quiet(&field, faults));
    let min_useful = root
        .get("min_useful")
        .and_then(|field| field.read("a duration such as \"2h\"", faults, duration));
    let leap_day = root
        .get("leap_day")
        .and_then(|field| field.word(&["feb28", "mar1"], faults))
        .unwrap_or(LeapDay::Feb28);
    let effective_from = root
        .get("effective_from")
        .and_then(|field| field.date(faults));
    let trigger = root
        .require("trigger", "a table that says `on = …`", faults)
        .and_then(|field| read_trigger(&field, faults));
    let (trigger, daily_cap) = trigger.map_or((None, None), |(trigger, cap)| (Some(trigger), cap));
    let audience = root
        .get("audience")
        .map(|field| read_audience(&field, faults))
        .unwrap_or_default();
    let family = root
        .get("family")
        .map(|field| read_family(&field, faults))
        .unwrap_or_default();
    let steps = root.require("step", "at least one [[step]]", faults);
    let steps = steps
        .map(|field| steps::read(&field, trigger.as_ref(), department, faults))
        .unwrap_or_default();
    let class = class?;
    let mut rule = Rule {
        id: id.to_owned(),
        title: title.unwrap_or(id).to_owned(),
        department: department.map(str::to_owned),
        class,
        mode,
        timezone: timezone.unwrap_or_else(|| site.timezone.clone()),
        quiet: quiet.unwrap_or_else(|| site.quiet.get(&class).copied()),
        min_useful: min_useful.unwrap_or(SignedDuration::from_hours(2)),
        leap_day,
        effective_from,
        trigger: trigger?,
        daily_cap,
        audience,
        family,
        steps,
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
        faults.error(
            &field.place,
            "lies in the quiet hours itself; expected a time before they begin",
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

fn read_trigger(field: &Field<'_>, faults: &mut Faults) -> Option<(Trigger, Option<u32>)> {
    let table = field.table(
        &["on", "holiday", "from", "until", "cron", "daily_cap"],
        faults,
    )?;
    let on = table.require(
        "on",
        "birthday, holiday, season, every, manual or a kind of occasion",
        faults,
    )?;
    let word = on.read(
        "birthday, holiday, season, every, manual or a kind of occasion in small letters",
        faults,
        kind,
    )?;
    let own: &[&str] = match word.as_str() {
        "holiday" => &["holiday", "daily_cap"],
        "season" => &["from", "until", "daily_cap"],
        "every" => &["cron", "daily_cap"],
        "manual" => &["daily_cap"],
        _ => &[],
    };
    for key in ["holiday", "from", "until", "cron", "daily_cap"] {
        if let Some(field) = table.get(key).filter(|_| !own.contains(&key)) {
            faults.error(&field.place, format!("does not go with `on = \"{word}\"`"));
        }
    }
    let cap = table
        .get("daily_cap")
        .and_then(|field| field.integer(1, 1_000_000, faults))
        .and_then(|cap| u32::try_from(cap).ok());
    let trigger = match word.as_str() {
        "birthday" => Some(Trigger::Birthday),
        "holiday" => read_holiday(&table, faults),
        "season" => read_season(&table, faults),
        "every" => read_every(&table, faults),
        "manual" => Some(Trigger::Manual),
        _ => {
            const KNOWN: &[&str] = &[
                "birthday",
                "holiday",
                "season",
                "every",
                "manual",
                "appointment",
                "revisit",
                "recheck",
            ];
            if let Some(near) = nearest(&word, KNOWN.iter().copied()) {
                faults.warn(
                    &on.place,
                    format!("`{word}` is read as a kind of occasion; did you mean `{near}`?"),
                );
            }
            Some(Trigger::Occasion { kind: word })
        }
    };
    trigger.map(|trigger| (trigger, cap))
}

fn kind(text: &str) -> Option<String> {
    let plain = text.starts_with(|c: char| c.is_ascii_lowercase())
        && text
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
    plain.then(|| text.to_owned())
}

fn read_holiday(table: &Table<'_>, faults: &mut Faults) -> Option<Trigger> {
    let field = table.require(
        "holiday",
        "a holiday such as \"mid_autumn\", or a day such as \"09-10\"",
        faults,
    )?;
    let id = field.text(
        "a holiday such as \"mid_autumn\", or a day such as \"09-10\"",
        faults,
    )?;
    if let Some(holiday) = Holiday::parse(id) {
        return Some(Trigger::Holiday {
            id: id.to_owned(),
            holiday,
        });
    }
    let names = || holiday::NAMED.iter().map(|(name, _)| *name);
    let expected = match nearest(id, names()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!(
            "expected a day such as \"09-10\" or one of {}",
            names().collect::<Vec<_>>().join(", ")
        ),
    };
    faults.error(&field.place, format!("`{id}` is no holiday; {expected}"));
    None
}

fn read_season(table: &Table<'_>, faults: &mut Faults) -> Option<Trigger> {
    let expected = "a day of the year such as \"09-15\"";
    let from = table
        .require("from", expected, faults)
        .and_then(|field| field.read(expected, faults, |text| text.parse().ok()));
    let until = table
        .require("until", expected, faults)
        .and_then(|field| field.read(expected, faults, |text| text.parse().ok()));
    Some(Trigger::Season {
        from: from?,
        until: until?,
    })
}

fn read_every(table: &Table<'_>, faults: &mut Faults) -> Option<Trigger> {
    let expected = "five fields of cron such as \"0 9 1 * *\"";
    let field = table.require("cron", expected, faults)?;
    let pattern = field.text(expected, faults)?;
    let cron = croner::parser::CronParser::builder()
        .seconds(croner::parser::Seconds::Disallowed)
        .year(croner::parser::Year::Disallowed)
        .build();
    match cron.parse(pattern) {
        Ok(cron) => Some(Trigger::Every {
            pattern: pattern.to_owned(),
            cron: Box::new(cron),
        }),
        Err(error) => {
            faults.error(&field.place, format!("expected {expected}: {error}"));
            None
        }
    }
}

fn read_audience(field: &Field<'_>, faults: &mut Faults) -> Audience {
    let Some(table) = field.table(&["diagnosis", "age", "sex", "tags", "where"], faults) else {
        return Audience::default();
    };
    let texts = |key: &str, expected: &str, faults: &mut Faults| -> Vec<String> {
        let items = table
            .get(key)
            .map(|field| field.list(expected, faults))
            .unwrap_or_default();
        items
            .iter()
            .filter_map(|item| item.text(expected, faults))
            .map(str::to_owned)
            .collect()
    };
    let diagnosis = texts(
        "diagnosis",
        "a list of codes such as [\"E10\", \"E11\"]",
        faults,
    );
    let tags = texts("tags", "a list of tags such as [\"vip\"]", faults);
    for key in ["diagnosis", "tags"] {
        if let Some(field) = table.get(key).filter(|field| field.is_empty_list()) {
            faults.error(
                &field.place,
                "an empty list would admit everybody; leave the key out or name something",
            );
        }
    }
    let mut ages = (None, None);
    if let Some(age) = table.get("age")
        && let Some(bounds) = age.table(&["min", "max"], faults)
    {
        let mut bound = |key| {
            bounds
                .get(key)
                .and_then(|field| field.integer(0, 150, faults))
        };
        ages = (bound("min"), bound("max"));
        if let (Some(min), Some(max)) = ages
            && min > max
        {
            faults.error(
                &age.place,
                format!("nobody is at least {min} and at most {max}"),
            );
        }
    }
    let sexes: Vec<&str> = Sex::ALL.iter().map(|sex| sex.as_str()).collect();
    let sex = table
        .get("sex")
        .and_then(|field| field.word(&sexes, faults));
    let condition = table.get("where").and_then(|field| {
        let source = field.text("a condition such as 'patient.age >= 60'", faults)?;
        Condition::compile(source)
            .map_err(|fault| faults.error(&field.place, fault))
            .ok()
    });
    Audience {
        diagnosis,
        min_age: ages.0,
        max_age: ages.1,
        sex,
        tags,
        condition,
    }
}

fn read_family(field: &Field<'_>, faults: &mut Faults) -> Family {
    let Some(table) = field.table(&["from_age", "copy", "fallback"], faults) else {
        return Family::default();
    };
    Family {
        from_age: table
            .get("from_age")
            .and_then(|field| field.integer(0, 150, faults)),
        copy: table
            .get("copy")
            .and_then(|field| field.truth(faults))
            .unwrap_or(false),
        fallback: table
            .get("fallback")
            .and_then(|field| field.truth(faults))
            .unwrap_or(false),
    }
}

/// What the plan hangs on, in one text.
fn timing(rule: &Rule) -> String {
    let mut text = String::new();
    let zone = rule
        .timezone
        .iana_name()
        .map_or_else(|| format!("{:?}", rule.timezone), str::to_owned);
    let trigger = match &rule.trigger {
        Trigger::Every { pattern, .. } => pattern.clone(),
        other => format!("{other:?}"),
    };
    let audience = &rule.audience;
    let condition = audience.condition.as_ref().map(Condition::source);
    _ = write!(
        text,
        "{:?}|{}|{zone}|{:?}|{:?}|{}|{:?}|{trigger}|",
        rule.department,
        rule.class,
        rule.quiet,
        rule.min_useful,
        rule.leap_day,
        rule.effective_from
    );
    _ = write!(
        text,
        "{:?}|{:?}|{:?}|{:?}|{:?}|{condition:?}|",
        audience.diagnosis, audience.min_age, audience.max_age, audience.sex, audience.tags
    );
    _ = write!(text, "{:?}|{:?}|", rule.family, rule.daily_cap);
    for step in &rule.steps {
        let leads: Vec<String> = step.leads.iter().map(ToString::to_string).collect();
        _ = write!(
            text,
            "{}|{}|{:?}|{leads:?}|{}|{}|{:?}|",
            step.id, step.to, step.department, step.at, step.previous_workday, step.by
        );
    }
    if rule.steps.iter().any(|step| step.previous_workday) {
        _ = write!(text, "{:?}", rule.working_days);
    }
    text
}

/// The first 16 hexadecimal digits of the SHA-256 of `text`.
fn digest(text: &str) -> String {
    let mut hex = String::with_capacity(16);
    for byte in Sha256::digest(text.as_bytes()).iter().take(8) {
        _ = write!(hex, "{byte:02x}");
    }
    hex
}

#[cfg(test)]
mod tests;
