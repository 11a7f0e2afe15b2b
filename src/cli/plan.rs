//! `carebell plan`: what would be sent, to whom, when and by what; and what would not, and why. Writes nothing.

use std::io::Write;
use std::time::{Duration, Instant};

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
use crate::planning::preview::{Goes, Line, Look, Manner, Not, Preview, look_ahead};
use crate::planning::totals::{Amount, Tariff, Totals};
use crate::store::{Store, patients, rule_switches};

/// What `carebell plan` is asked.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// The first day.
    pub from: Date,
    /// How many days.
    pub days: i32,
    /// Only this rule.
    pub rule: Option<&'a str>,
    /// Only this patient: `source/key` or `pat_…`.
    pub patient: Option<&'a str>,
    /// Totals only.
    pub is_summary: bool,
    /// What segments cost.
    pub tariff: &'a Tariff,
    /// What that is in.
    pub currency: Option<&'a str>,
    /// Output for machines.
    pub json: bool,
}

/// Prints the plan that `asked` asks for.
///
/// Patients are named as the source names them. 1 when there is no such rule or patient.
/// # Errors
/// When the database fails or nothing can be written to standard output.
pub async fn plan(
    store: &Store,
    book: &Book,
    house: &House,
    asked: &Asked<'_>,
) -> anyhow::Result<u8> {
    let Asked {
        rule,
        patient,
        from,
        days,
        ..
    } = *asked;
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
    for (rule, year) in missing_workdays(book, from, from.saturating_add(days.days()), rule) {
        writeln!(
            err,
            "rule `{rule}`: no table of working days knows {year}, so Monday to Friday count"
        )?;
    }
    let mut spoke = Instant::now();
    let mut progress = |rule: &str, looked: usize| {
        if spoke.elapsed() >= SILENCE {
            spoke = Instant::now();
            // Nobody may be listening, and the plan is none the worse for it.
            let _ = writeln!(std::io::stderr(), "{rule}: {looked} patients looked at …");
        }
    };
    let mut manner = Manner {
        is_summary: asked.is_summary,
        tariff: asked.tariff,
        progress: &mut progress,
    };
    let found = look_ahead(store, book, house, &look, &mut manner).await?;
    let held = rule_switches::held(&mut store.read().await?, &[]).await?;
    let mut out = std::io::stdout().lock();
    if asked.json {
        writeln!(out, "{}", as_json(&found, &held, book, house, asked))?;
    } else {
        if !asked.is_summary {
            write_lines(&mut out, &found, &held, book, house)?;
        }
        write_totals(&mut out, &found.totals, asked)?;
    }
    Ok(0)
}

/// How long it works before it says how far it is.
const SILENCE: Duration = Duration::from_secs(2);

/// The years of the plan that a rule goes by and no table of working days knows.
fn missing_workdays<'a>(
    book: &'a Book,
    from: Date,
    to: Date,
    only: Option<&str>,
) -> Vec<(&'a str, i16)> {
    let asked = book
        .active()
        .filter(|rule| only.is_none_or(|id| rule.id == id));
    let missing = asked.flat_map(|rule| {
        let years = rule.missing_workday_years(from, to).into_iter();
        years.map(|year| (rule.id.as_str(), year))
    });
    missing.collect()
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

fn write_lines(
    out: &mut dyn Write,
    found: &Preview,
    held: &[String],
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
        match &line.goes {
            Goes::Alone => {}
            Goes::Leads(count) => write!(out, "  one message about {count} bookings")?,
            Goes::Into(head) if head.rule == plan.rule => {
                write!(
                    out,
                    "  merged into the message about another booking of that day"
                )?;
            }
            Goes::Into(head) => write!(out, "  merged into the message of {}", head.rule)?,
            Goes::Digest(digest) => {
                write!(out, "  in the digest for {}", digest.to.reveal())?;
            }
        }
        if held.contains(&plan.rule) {
            write!(out, "  WAITS FOR APPROVAL")?;
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
    writeln!(out)
}

/// Day, channel, class and how much; what it costs where prices are known.
fn write_totals(out: &mut dyn Write, totals: &Totals, asked: &Asked<'_>) -> std::io::Result<()> {
    let has_prices = !asked.tariff.prices.is_empty();
    let currency = asked.currency.unwrap_or_default();
    let amount = |amount: &Amount| {
        let cost = if has_prices {
            format!("  {:>12} {currency}", amount.cost.to_string())
        } else {
            String::new()
        };
        format!(
            "{:>8} messages  {:>8} segments{cost}",
            amount.messages, amount.segments
        )
    };
    writeln!(out, "In all:")?;
    for ((day, channel, class), found) in &totals.by_day {
        let line = format!(
            "{day}  {:<6} {:<12} {}",
            channel.as_str(),
            class.as_str(),
            amount(found)
        );
        writeln!(out, "{}", line.trim_end())?;
    }
    let line = format!("{:<10}  {:<19} {}", "together", "", amount(&totals.all));
    writeln!(out, "{}", line.trim_end())?;
    for (reason, count) in &totals.not {
        writeln!(out, "not sent    {:<19} {count:>8}", reason.as_str())?;
    }
    for (count, what) in [
        (
            totals.merged,
            "told in the message about another booking of that day",
        ),
        (totals.gathered, "told in a digest with others"),
    ] {
        if count > 0 {
            writeln!(out, "{count} more reminders are {what}")?;
        }
    }
    let not: usize = totals.not.values().sum();
    writeln!(
        out,
        "{} would be sent, {not} would not",
        totals.all.messages
    )
}

fn as_json(
    found: &Preview,
    held: &[String],
    book: &Book,
    house: &House,
    asked: &Asked<'_>,
) -> Value {
    let lines: Vec<Value> = found
        .lines
        .iter()
        .map(|line| {
            let mut shown = line_json(line, book, house);
            shown["waits_for_approval"] = json!(held.contains(&line.plan.rule));
            shown
        })
        .collect();
    let not: Vec<Value> = found
        .not
        .iter()
        .map(|not| not_json(not, book, house))
        .collect();
    let has_prices = !asked.tariff.prices.is_empty();
    let cost = |amount: &Amount| has_prices.then(|| amount.cost.to_string());
    let totals = &found.totals;
    let counts: Vec<Value> = totals
        .by_day
        .iter()
        .map(|((day, channel, class), amount)| {
            json!({
                "day": day.to_string(), "channel": channel, "class": class, "messages": amount.messages,
                "segments": amount.segments, "cost": cost(amount),
            })
        })
        .collect();
    let reasons: Vec<Value> = totals
        .not
        .iter()
        .map(|(reason, count)| json!({"reason": reason, "count": count}))
        .collect();
    json!({
        "from": asked.from.to_string(), "days": asked.days, "reminders": lines, "not": not, "counts": counts, "not_counts": reasons,
        "total": {"messages": totals.all.messages, "segments": totals.all.segments, "cost": cost(&totals.all), "currency": asked.currency.filter(|_| has_prices)},
        "merged": totals.merged, "in_digests": totals.gathered,
    })
}

fn line_json(line: &Line, book: &Book, house: &House) -> Value {
    let plan = &line.plan;
    let (mut into, mut digest, mut tells_of, mut counts) = (None, None, None, true);
    match &line.goes {
        Goes::Alone => {}
        Goes::Leads(count) => tells_of = Some(*count),
        Goes::Into(head) => {
            into = Some(json!({"rule": head.rule, "occasion": head.occasion}));
            counts = false;
        }
        Goes::Digest(one) => {
            digest = Some(one.to.reveal());
            counts = one.counts;
        }
    }
    let messages = u8::from(counts && line.problem.is_none());
    json!({
        "messages": messages, "merged_into": into, "tells_of": tells_of, "digest_for": digest,
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
