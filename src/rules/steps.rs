//! Reads the `[[step]]` tables of a rule.

use std::collections::BTreeSet;

use jiff::civil::time;

use crate::model::class::{Channel, Role};
use crate::model::message::Ask;
use crate::rules::lead::{Distance, Lead, Unit};
use crate::rules::reader::{Faults, Field, Table};
use crate::rules::rule::Step;
use crate::rules::trigger::Trigger;

const KEYS: &[&str] = &[
    "id",
    "to",
    "department",
    "cc",
    "doctor",
    "digest",
    "before",
    "after",
    "on",
    "at",
    "workday",
    "send",
    "family_send",
    "group",
    "by",
    "ask",
    "unless",
];
const ON_THE_DAY: Lead = Lead::Before(Distance {
    count: 0,
    unit: Unit::Days,
});
const LEADS: &str = "a list of leads such as [\"3d\", \"1d\"] with mo, w, d, h or m";

/// Reads all steps; `trigger` is `None` when it has faults of its own.
pub(crate) fn read(
    field: &Field<'_>,
    trigger: Option<&Trigger>,
    department: Option<&str>,
    faults: &mut Faults,
) -> Vec<Step> {
    let items = field.list("[[step]] tables", faults);
    if field.is_empty_list() {
        faults.error(&field.place, "expected at least one step");
    }
    let mut steps = Vec::new();
    let mut ids = BTreeSet::new();
    for (at, item) in items.iter().enumerate() {
        let Some(table) = item.table(KEYS, faults) else {
            continue;
        };
        let Some(step) = read_step(&table, at + 1, trigger, department, faults) else {
            continue;
        };
        if !ids.insert(step.id.clone()) {
            faults.error(
                &table.place,
                format!("a second step with the id `{}`", step.id),
            );
        }
        steps.push(step);
    }
    steps
}

fn read_step(
    table: &Table<'_>,
    position: usize,
    trigger: Option<&Trigger>,
    department: Option<&str>,
    faults: &mut Faults,
) -> Option<Step> {
    let to: Option<Role> = table
        .require("to", "one of patient, family, staff", faults)
        .and_then(|field| field.word(&["patient", "family", "staff"], faults));
    let templates = table
        .require("send", "the name of a template", faults)
        .map(|field| read_templates(&field, trigger, faults));
    let family_template = table
        .get("family_send")
        .and_then(|field| field.read(TEMPLATE, faults, name));
    let leads = read_leads(table, trigger, faults);
    let at = read_at(table, &leads, faults);
    let to = to?;
    let own_department = table
        .get("department")
        .and_then(|field| field.text("a department", faults));
    if to == Role::Staff && own_department.or(department).is_none() {
        faults.error(
            &table.place,
            "staff of which department? Expected `department` here or at the head of the rule",
        );
    }
    let id = table
        .get("id")
        .and_then(|field| field.read("a name in small letters, digits, `_` and `-`", faults, name));
    let previous_workday = table.get("workday").is_some_and(|field| {
        if to != Role::Staff {
            faults.warn(
                &field.place,
                "patients and family are not moved to working days",
            );
        }
        field.word::<String>(&["previous"], faults).is_some()
    });
    Some(Step {
        id: id.unwrap_or_else(|| format!("{to}_{position}")),
        to,
        department: own_department.or(department).map(str::to_owned),
        cc: read_cc(table, to, faults),
        doctor: staff_only(table, "doctor", to, faults),
        digest: staff_only(table, "digest", to, faults),
        leads,
        at,
        previous_workday,
        templates: templates?,
        family_template,
        group: table.get("group").and_then(|field| {
            field.read("a name in small letters, digits, `_` and `-`", faults, name)
        }),
        by: table
            .get("by")
            .map(|field| read_channels(&field, to, faults)),
        ask: read_ask(table, to, faults),
        unless: table
            .get("unless")
            .and_then(|field| field.word(&["answered", "confirmed", "delivered"], faults)),
    })
}

const TEMPLATE: &str = "the name of a template in small letters, digits, `_` and `-`";

/// One template, or several that take turns.
fn read_templates(
    field: &Field<'_>,
    trigger: Option<&Trigger>,
    faults: &mut Faults,
) -> Vec<String> {
    if !field.is_list() {
        return field.read(TEMPLATE, faults, name).into_iter().collect();
    }
    if matches!(trigger, Some(Trigger::Occasion { .. })) {
        let expected = "templates take turns from one firing to the next; expected one name, since each occasion is its own";
        faults.error(&field.place, expected);
    }
    if field.is_empty_list() {
        faults.error(&field.place, format!("expected {TEMPLATE}"));
    }
    let items = field.list(TEMPLATE, faults);
    let read = items
        .iter()
        .filter_map(|item| item.read(TEMPLATE, faults, name));
    read.collect()
}

fn read_cc(table: &Table<'_>, to: Role, faults: &mut Faults) -> Vec<String> {
    let Some(field) = table.get("cc") else {
        return Vec::new();
    };
    if to != Role::Staff {
        faults.error(&field.place, "only staff steps tell other departments");
    }
    field.texts("a list of departments", faults)
}

fn staff_only(table: &Table<'_>, key: &str, to: Role, faults: &mut Faults) -> bool {
    let Some(field) = table.get(key) else {
        return false;
    };
    if to != Role::Staff {
        faults.error(&field.place, format!("only staff steps have a `{key}`"));
    }
    field.truth(faults).unwrap_or(false)
}

fn name(text: &str) -> Option<String> {
    let plain = !text.is_empty()
        && text.len() <= 64
        && text
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"_-".contains(&b));
    plain.then(|| text.to_owned())
}

fn read_leads(table: &Table<'_>, trigger: Option<&Trigger>, faults: &mut Faults) -> Vec<Lead> {
    let mut leads = Vec::new();
    for (key, lead) in [
        ("before", Lead::Before as fn(Distance) -> Lead),
        ("after", Lead::After),
    ] {
        let Some(field) = table.get(key) else {
            continue;
        };
        for item in field.list(LEADS, faults) {
            let Some(distance) = item.read(
                "a lead such as \"3d\" with mo, w, d, h or m",
                faults,
                Distance::parse,
            ) else {
                continue;
            };
            if leads.contains(&lead(distance)) {
                faults.warn(&item.place, format!("`{distance}` stands there twice"));
            } else {
                leads.push(lead(distance));
            }
        }
        if field.is_empty_list() {
            faults.error(&field.place, format!("expected {LEADS}"));
        }
    }
    let dated = table.get("before").or_else(|| table.get("after"));
    if let Some(field) = table.get("on")
        && let Some(word) = field.word::<String>(&["created", "moved"], faults)
    {
        if dated.is_some() {
            faults.error(
                &field.place,
                "a step acts on `created` or `moved` or at leads, not both; make it two steps",
            );
        }
        if trigger.is_some_and(|trigger| !matches!(trigger, Trigger::Occasion { .. })) {
            faults.error(
                &field.place,
                "only occasions are created; this rule's trigger is none",
            );
        }
        leads.push(if word == "moved" {
            Lead::Moved
        } else {
            Lead::Created
        });
    } else if dated.is_none() && table.get("on").is_none() {
        match trigger {
            // With a time of its own it acts that day at that time, else at the very moment.
            Some(trigger) if trigger.is_a_moment() => leads.push(match table.get("at") {
                Some(_) => ON_THE_DAY,
                None => Lead::Now,
            }),
            // The day a season opens, and for who comes late the next time `at` comes round.
            Some(Trigger::Season { .. }) => leads.push(ON_THE_DAY),
            Some(_) => faults.error(
                &table.place,
                "when? Expected `before`, `after` or `on = \"created\"`",
            ),
            None => {}
        }
    }
    leads
}

fn read_at(table: &Table<'_>, leads: &[Lead], faults: &mut Faults) -> jiff::civil::Time {
    let morning = time(9, 0, 0, 0);
    let Some(field) = table.get("at") else {
        return morning;
    };
    let elapsed = |lead: &Lead| match lead {
        Lead::Before(distance) | Lead::After(distance) => !distance.is_calendar(),
        Lead::Created | Lead::Moved | Lead::Now => false,
    };
    if leads.iter().any(elapsed) {
        faults.error(
            &field.place,
            "does not go with leads in hours or minutes, which count from the occasion's own time",
        );
    }
    if leads.contains(&Lead::Created) || leads.contains(&Lead::Moved) {
        faults.warn(
            &field.place,
            "does nothing: `on = \"created\"` and `on = \"moved\"` act at once",
        );
    }
    field.time(faults).unwrap_or(morning)
}

fn read_channels(field: &Field<'_>, to: Role, faults: &mut Faults) -> Vec<Channel> {
    let words: &[&str] = match to {
        Role::Staff => &["popup", "task", "email", "sms"],
        Role::Patient | Role::Family => &["sms", "voice", "email"],
    };
    let mut channels = Vec::new();
    for item in field.list(&format!("a list of {}", words.join(", ")), faults) {
        let Some(channel) = item.word::<Channel>(words, faults) else {
            continue;
        };
        if channels.contains(&channel) {
            faults.warn(&item.place, format!("`{channel}` stands there twice"));
        } else {
            channels.push(channel);
        }
    }
    if field.is_empty_list() {
        faults.error(
            &field.place,
            format!("expected a list of {}", words.join(", ")),
        );
    }
    channels
}

fn read_ask(table: &Table<'_>, to: Role, faults: &mut Faults) -> Option<Ask> {
    let field = table.get("ask")?;
    if to == Role::Staff {
        faults.error(
            &field.place,
            "staff are not asked; expected it on a step to patient or family",
        );
    }
    let word: String = field.word(&["confirm", "choice", "rsvp", "survey"], faults)?;
    // An invitation is answered like a booking.
    match Ask::parse(&word)? {
        Ask::Rsvp => Some(Ask::Confirm),
        ask @ (Ask::Confirm | Ask::Choice | Ask::Survey) => Some(ask),
        Ask::WhichToCancel | Ask::WhichToMove => None,
    }
}
