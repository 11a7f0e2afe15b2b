//! Reads the `[trigger]` of a rule.

use crate::calendar::holiday::{self, Holiday};
use crate::rules::reader::{Faults, Field, Table, nearest};
use crate::rules::trigger::Trigger;

/// The trigger and its daily cap.
pub(super) fn read_trigger(
    field: &Field<'_>,
    faults: &mut Faults,
) -> Option<(Trigger, Option<u32>)> {
    let table = field.table(
        &[
            "on",
            "holiday",
            "from",
            "until",
            "cron",
            "daily_cap",
            "code",
        ],
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
        "birthday" => &[],
        _ => &["code"],
    };
    for key in ["holiday", "from", "until", "cron", "daily_cap", "code"] {
        if let Some(field) = table.get(key).filter(|_| !own.contains(&key)) {
            faults.error(&field.place, format!("does not go with `on = \"{word}\"`"));
        }
    }
    let cap = read_cap(&table, &word, faults);
    let trigger = match word.as_str() {
        "birthday" => Some(Trigger::Birthday),
        "holiday" => read_holiday(&table, faults),
        "season" => read_season(&table, faults),
        "every" => read_every(&table, faults),
        "manual" => Some(Trigger::Manual),
        _ => Some(read_occasion(&table, &on, word, faults)),
    };
    trigger.map(|trigger| (trigger, cap))
}

fn read_cap(table: &Table<'_>, word: &str, faults: &mut Faults) -> Option<u32> {
    let field = table.get("daily_cap")?;
    if word == "holiday" {
        let late = "spreads up to the holiday only; on the holiday itself there is one day, and who finds no room gets nothing";
        faults.warn(&field.place, late);
    }
    let cap = field.integer(1, 1_000_000, faults)?;
    u32::try_from(cap).ok()
}

fn read_occasion(table: &Table<'_>, on: &Field<'_>, kind: String, faults: &mut Faults) -> Trigger {
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
    if let Some(near) = nearest(&kind, KNOWN.iter().copied()) {
        faults.warn(
            &on.place,
            format!("`{kind}` is read as a kind of occasion; did you mean `{near}`?"),
        );
    }
    let expected = "a list of codes such as [\"Z23\"]";
    let codes = table
        .get("code")
        .map(|field| field.texts(expected, faults))
        .unwrap_or_default();
    Trigger::Occasion { kind, codes }
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
    let expected = match nearest(id, holiday::names()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!(
            "expected a day such as \"09-10\" or one of {}",
            holiday::names().collect::<Vec<_>>().join(", ")
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
    if let Some(field_of) = misplaced_name(pattern) {
        faults.error(
            &field.place,
            format!("expected {expected}: a name stands in the field of {field_of}"),
        );
        return None;
    }
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

/// Which field of a pattern has the name of a month or weekday where only a number can stand: the parser takes it for one.
fn misplaced_name(pattern: &str) -> Option<&'static str> {
    let fields = ["minutes", "hours", "days of the month"];
    let mut read = fields.into_iter().zip(pattern.split_whitespace());
    // `L` and `W` are words of the field of days.
    let is_name = |text: &str| {
        let run = text.split(|c: char| !c.is_ascii_alphabetic());
        run.into_iter()
            .any(|word| word.len() > 1 && !matches!(word, "LW" | "WL"))
    };
    read.find(|(_, text)| is_name(text)).map(|(field, _)| field)
}
