//! `carebell plan`: what would be sent, to whom, when and by what; and what would not, and why. Writes nothing.

use std::io::Write;

use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};
use serde_json::{Value, json};

use crate::calendar::wall;
use crate::clock::Clock;
use crate::model::class::Channel;
use crate::model::id::PatientId;
use crate::model::private::Private;
use crate::planning::House;
use crate::planning::book::Book;
use crate::planning::preview::{Line, Look, Not, Preview, preview};
use crate::store::{Store, patients};

/// Prints the plan of `days` days from `from`, of one rule or patient (`source/key` or `pat_…`) if given.
///
/// Patients are named as the source names them. 1 when there is no such rule or patient.
/// # Errors
/// When the database fails or nothing can be written to standard output.
#[expect(
    clippy::too_many_arguments,
    reason = "a verb has as many as its command line"
)]
pub async fn plan(
    store: &Store,
    book: &Book,
    house: &House,
    from: Date,
    days: i32,
    rule: Option<&str>,
    patient: Option<&str>,
    json: bool,
) -> anyhow::Result<u8> {
    let mut err = std::io::stderr();
    if let Some(rule) = rule.filter(|rule| book.rule(rule).is_none()) {
        writeln!(err, "there is no rule `{rule}`")?;
        return Ok(1);
    }
    let who = match patient {
        Some(name) => match find(store, name).await? {
            Some(id) => Some(id),
            None => {
                writeln!(
                    err,
                    "there is no such patient: expected SOURCE/KEY or pat_…"
                )?;
                return Ok(1);
            }
        },
        None => None,
    };
    let zone = &house.timezone;
    let midnight = |date: Date| wall::instant(zone, date.to_datetime(Time::midnight()));
    let window = midnight(from)..midnight(from.saturating_add(days.days()));
    let look = Look {
        now: Clock::System.now(),
        window,
        rule,
        patient: who.as_ref(),
    };
    let found = preview(store, book, house, &look).await?;
    let mut out = std::io::stdout().lock();
    if json {
        writeln!(out, "{}", as_json(&found, book, house, from, days))?;
    } else {
        write_text(&mut out, &found, book, house)?;
    }
    Ok(0)
}

/// The patient called `SOURCE/KEY` or `pat_…`.
pub(super) async fn find(store: &Store, name: &str) -> anyhow::Result<Option<PatientId>> {
    if let Some(id) = PatientId::parse(name) {
        return Ok(Some(id));
    }
    let Some((source, key)) = name.split_once('/') else {
        return Ok(None);
    };
    Ok(patients::find(&mut store.read().await?, source, key).await?)
}

/// As the source names them: an operator at the terminal may see that, and nothing more.
fn shown(patient: &(String, Private<String>)) -> String {
    format!("{}/{}", patient.0, patient.1.reveal())
}

fn zone_of<'a>(book: &'a Book, house: &'a House, rule: &str) -> &'a TimeZone {
    book.rule(rule)
        .map_or(&house.timezone, |rule| &rule.timezone)
}

/// An instant as people of `zone` read it.
pub(super) fn clock(at: Timestamp, zone: &TimeZone) -> String {
    at.to_zoned(zone.clone())
        .strftime("%Y-%m-%dT%H:%M%:z")
        .to_string()
}

fn words(channels: &[Channel]) -> String {
    let words: Vec<&str> = channels.iter().map(|channel| channel.as_str()).collect();
    words.join(",")
}

fn write_text(
    out: &mut dyn Write,
    found: &Preview,
    book: &Book,
    house: &House,
) -> std::io::Result<()> {
    for line in &found.lines {
        let plan = &line.plan;
        let whom = match (&line.patient, &plan.department) {
            (Some(patient), Some(department)) => format!("{department} about {}", shown(patient)),
            (Some(patient), None) => shown(patient),
            (None, department) => format!(
                "{} about {} patients",
                department.as_deref().unwrap_or_default(),
                line.count
            ),
        };
        let at = clock(plan.due_at, zone_of(book, house, &plan.rule));
        write!(
            out,
            "{at}  {}  {}  {} {whom}  by {}",
            plan.rule,
            plan.lead,
            plan.role,
            words(&plan.channels)
        )?;
        if line.segments > 0 {
            write!(out, "  {} segments", line.segments)?;
        }
        match &line.problem {
            Some((reason, why)) => writeln!(out, "  NOT SENT: {reason}: {why}")?,
            None => writeln!(out)?,
        }
    }
    if !found.not.is_empty() {
        writeln!(out, "\nNot sent:")?;
    }
    for not in &found.not {
        let decision = &not.decision;
        let at = decision.at.map_or_else(
            || "-".to_owned(),
            |at| clock(at, zone_of(book, house, &not.rule)),
        );
        writeln!(
            out,
            "{at}  {}  {}  {}  {}: {}",
            not.rule,
            decision.lead,
            shown(&not.patient),
            decision.reason,
            decision.detail
        )?;
    }
    writeln!(out, "\nIn all:")?;
    for ((day, channel, class), amount) in found.amounts(house) {
        writeln!(
            out,
            "{day}  {channel}  {class}  {} messages  {} segments",
            amount.messages, amount.segments
        )?;
    }
    let all = found
        .lines
        .iter()
        .filter(|line| line.problem.is_none())
        .count();
    writeln!(
        out,
        "{all} would be sent, {} would not",
        found.not.len() + found.lines.len() - all
    )
}

fn as_json(found: &Preview, book: &Book, house: &House, from: Date, days: i32) -> Value {
    let lines: Vec<Value> = found
        .lines
        .iter()
        .map(|line| line_json(line, book, house))
        .collect();
    let not: Vec<Value> = found
        .not
        .iter()
        .map(|not| not_json(not, book, house))
        .collect();
    let counts: Vec<Value> = found
        .amounts(house)
        .into_iter()
        .map(|((day, channel, class), amount)| {
            json!({"day": day.to_string(), "channel": channel, "class": class, "messages": amount.messages, "segments": amount.segments})
        })
        .collect();
    json!({"from": from.to_string(), "days": days, "reminders": lines, "not": not, "counts": counts})
}

fn line_json(line: &Line, book: &Book, house: &House) -> Value {
    let plan = &line.plan;
    json!({
        "at": clock(plan.due_at, zone_of(book, house, &plan.rule)), "rule": plan.rule, "class": plan.class,
        "step": plan.step, "lead": plan.lead, "to": plan.role, "patient": line.patient.as_ref().map(shown),
        "patient_id": plan.patient, "occasion": plan.occasion, "department": plan.department, "channels": plan.channels,
        "template": plan.template, "segments": line.segments, "count": line.count,
        "reason": line.problem.as_ref().map(|problem| problem.0), "detail": line.problem.as_ref().map(|problem| problem.1.as_str()),
    })
}

fn not_json(not: &Not, book: &Book, house: &House) -> Value {
    let decision = &not.decision;
    json!({
        "at": decision.at.map(|at| clock(at, zone_of(book, house, &not.rule))), "rule": not.rule, "patient": shown(&not.patient),
        "step": decision.step, "lead": decision.lead, "to": decision.role, "reason": decision.reason, "detail": decision.detail,
    })
}
