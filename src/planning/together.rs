//! Which lines of a look ahead go out in one message, as the composer will make it of them: it then counts once,
//! with the segments of the whole.
//!
//! Each page of a look ahead is that of one rule, and what goes together may be of several: of patients with two
//! bookings on one day all rules are asked.

use std::collections::{BTreeSet, HashMap};

use crate::model::class::Role;
use crate::model::id::PatientId;
use crate::model::occasion::Occasion;
use crate::model::price::Price;
use crate::planning::House;
use crate::planning::book::Book;
use crate::planning::company::{self, Goer};
use crate::planning::context::{self, About};
use crate::planning::decide::decide;
use crate::planning::material::Material;
use crate::planning::preview::{Goes, Line, Look, Merged, as_reminder};
use crate::planning::spread::known;
use crate::planning::subject::{self, Needs, Subject};
use crate::planning::totals::Tariff;
use crate::rules::rule::{Mode, Rule};
use crate::store::reminders::{NewReminder, Reminder};
use crate::store::{Store, StoreError, occasions};

/// What becomes of a line that does not go alone.
#[derive(Clone, Debug)]
struct Fate {
    goes: Goes,
    segments: usize,
    cost: Price,
}

/// Puts together those of `lines`, which are of `rule`, that go out in one message with others.
pub(super) async fn merge(
    store: &Store,
    (book, house): (&Book, &House),
    look: &Look<'_>,
    rule: &Rule,
    tariff: &Tariff,
    lines: &mut [Line],
) -> Result<(), StoreError> {
    let may = |line: &&Line| line.problem.is_none() && is_about_a_booking(&line.plan);
    let about: BTreeSet<&PatientId> = lines
        .iter()
        .filter(may)
        .filter_map(|line| line.plan.patient.as_ref())
        .collect();
    let about: Vec<PatientId> = about.into_iter().cloned().collect();
    if about.is_empty() {
        return Ok(());
    }
    let mut tx = store.read().await?;
    let mut visits = occasions::of(&mut tx, &about).await?;
    visits.retain(|_, visits| has_two_of_one_day(visits));
    let about: Vec<PatientId> = about
        .into_iter()
        .filter(|id| visits.contains_key(id))
        .collect();
    if about.is_empty() {
        return Ok(());
    }
    let subjects = subject::load(&mut tx, &about, &Needs::all(), look.now).await?;
    let reminders: Vec<Reminder> = subjects
        .iter()
        .flat_map(|subject| all_of(subject, book, rule, look))
        .collect();
    let material = Material::load(&mut tx, &reminders, book, house, look.now).await?;
    drop(tx);
    let fates = fates(&reminders, (book, house, &material), tariff);
    for line in lines.iter_mut().filter(|line| line.problem.is_none()) {
        if let Some(fate) = fates.get(line.plan.plan_key.as_str()) {
            line.goes = fate.goes.clone();
            (line.segments, line.cost) = (fate.segments, fate.cost);
        }
    }
    Ok(())
}

fn is_about_a_booking(plan: &NewReminder) -> bool {
    plan.occasion.is_some() && plan.role != Role::Staff && plan.class.is_transactional()
}

fn has_two_of_one_day(visits: &[Occasion]) -> bool {
    let mut days = BTreeSet::new();
    !visits.iter().all(|visit| days.insert(visit.when.date()))
}

/// What all rules that send have for the patient about bookings, and `rule` in any case.
fn all_of(subject: &Subject, book: &Book, rule: &Rule, look: &Look<'_>) -> Vec<Reminder> {
    let sends = book
        .rules()
        .filter(|one| one.mode == Mode::Live || one.id == rule.id);
    let decided = decide(sends, subject, &look.horizon()).reminders;
    let known = known(std::slice::from_ref(subject));
    let within = decided
        .iter()
        .filter(|plan| is_about_a_booking(plan) && look.window.contains(&plan.due_at));
    let reminders = within.map(|plan| {
        let before = known.get(plan.plan_key.as_str());
        before.map_or_else(|| as_reminder(plan, look.now), |before| (*before).clone())
    });
    reminders.collect()
}

/// What becomes of those of `reminders` that do not go alone, by key.
fn fates<'a>(
    reminders: &'a [Reminder],
    (book, house, material): (&Book, &House, &Material),
    tariff: &Tariff,
) -> HashMap<&'a str, Fate> {
    let goer = |reminder: &'a Reminder| {
        let about = About::of(reminder, book.rule(&reminder.plan.rule), material);
        Goer {
            about,
            ask: book.ask(&reminder.plan),
            way: company::first_way(&about),
            template: book.template(&reminder.plan),
            at: reminder.plan.due_at,
        }
    };
    let goers: Vec<Goer<'_>> = reminders.iter().map(goer).collect();
    let grouped = company::group(&goers, &house.timezone);
    let mut fates = HashMap::new();
    for group in grouped.groups.iter().filter(|group| group.len() > 1) {
        let members: Vec<Goer<'_>> = group
            .iter()
            .filter_map(|at| goers.get(*at).copied())
            .collect();
        let occasions = company::occasions(&members);
        let Some((head, rest)) = members.split_first() else {
            continue;
        };
        if !company::can_list(&members, &occasions, (book, material, house)) {
            continue;
        }
        let Some((segments, cost)) = whole(head, &occasions, (book, house, material), tariff)
        else {
            continue;
        };
        let leads = Fate {
            goes: Goes::Leads(occasions.len()),
            segments,
            cost,
        };
        fates.insert(key(group.first(), reminders), leads);
        for (at, _) in group.iter().skip(1).zip(rest) {
            fates.insert(key(Some(at), reminders), into(head));
        }
    }
    for (notice, others) in &grouped.stands_for {
        // Where nobody was told the old date the notice does not go, and the others do.
        let notice = goers
            .get(*notice)
            .filter(|one| material.told.contains_key(&one.about.reminder.id));
        if let Some(notice) = notice {
            let others = others
                .iter()
                .map(|at| (key(Some(at), reminders), into(notice)));
            fates.extend(others);
        }
    }
    fates
}

fn key<'a>(at: Option<&usize>, reminders: &'a [Reminder]) -> &'a str {
    let found = at.and_then(|at| reminders.get(*at));
    found.map_or("", |reminder| reminder.plan.plan_key.as_str())
}

fn into(head: &Goer<'_>) -> Fate {
    let plan = &head.about.reminder.plan;
    Fate {
        goes: Goes::Into(Merged {
            rule: plan.rule.clone(),
            occasion: plan.occasion.clone(),
        }),
        segments: 0,
        cost: Price::default(),
    }
}

/// How long the message about all of `occasions` is, and what it costs; `None` where it cannot be said.
fn whole(
    head: &Goer<'_>,
    occasions: &[&Occasion],
    (book, house, material): (&Book, &House, &Material),
    tariff: &Tariff,
) -> Option<(usize, Price)> {
    let (channel, address) = head.way?;
    let values = context::context_of_all(&head.about, occasions, material, house, head.at);
    let languages = context::languages(&head.about, house);
    let rendered = book
        .catalog
        .render(head.template, &languages, channel, &values)
        .ok()?;
    let segments = rendered.measure.map_or(0, |measure| measure.segments);
    Some((segments, tariff.cost(channel, address, segments)))
}
