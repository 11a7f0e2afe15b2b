//! Reads the `[audience]` and the `[family]` of a rule.

use crate::model::patient::Sex;
use crate::rules::audience::Audience;
use crate::rules::condition::Condition;
use crate::rules::lead::{Distance, Unit};
use crate::rules::reader::{Faults, Field};
use crate::rules::rule::{Family, Stop};

/// Who qualifies.
pub(super) fn read_audience(field: &Field<'_>, faults: &mut Faults) -> Audience {
    let Some(table) = field.table(&["diagnosis", "age", "sex", "tags", "where"], faults) else {
        return Audience::default();
    };
    let texts = |key: &str, expected: &str, faults: &mut Faults| -> Vec<String> {
        table
            .get(key)
            .map(|field| field.texts(expected, faults))
            .unwrap_or_default()
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

/// When the family is told.
pub(super) fn read_family(field: &Field<'_>, faults: &mut Faults) -> Family {
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

/// What in the record makes the rest needless.
pub(super) fn read_stop(field: &Field<'_>, faults: &mut Faults) -> Option<Stop> {
    let kinds = "a kind of fact such as \"vaccination\"";
    let codes = "a list of codes such as [\"J11\"]";
    let table = field.table(&["fact", "code", "since"], faults)?;
    let fact = table
        .require("fact", kinds, faults)
        .and_then(|field| field.text(kinds, faults));
    let codes = table
        .get("code")
        .map(|field| field.texts(codes, faults))
        .unwrap_or_default();
    let since = table.get("since").and_then(|field| {
        let days = |text: &str| Distance::parse(text).filter(|read| read.is_calendar());
        field.read("days, weeks or months such as \"6mo\"", faults, days)
    });
    Some(Stop {
        fact: fact?.to_owned(),
        codes,
        since: since.unwrap_or(Distance {
            count: 0,
            unit: Unit::Days,
        }),
    })
}
