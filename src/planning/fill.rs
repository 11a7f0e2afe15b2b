//! Fills lines of a look ahead: how many segments each text has and what they cost, what cannot be said, and in
//! which digest for staff it goes.

use jiff::Timestamp;

use crate::calendar::wall;
use crate::model::class::Role;
use crate::model::private::Private;
use crate::model::reminder::SkipReason;
use crate::planning::addressee::{self, To, Turn};
use crate::planning::book::Book;
use crate::planning::context::{self, About};
use crate::planning::material::Material;
use crate::planning::preview::{Gathered, Goes, Line, PAGE, as_reminder};
use crate::planning::totals::Tariff;
use crate::planning::{House, company};
use crate::render::RenderError;
use crate::rules::rule::Step;
use crate::store::reminders::Reminder;
use crate::store::{Store, StoreError};

/// Counts segments and finds texts that cannot be made.
pub(super) async fn fill(
    store: &Store,
    book: &Book,
    house: &House,
    now: Timestamp,
    tariff: &Tariff,
    lines: &mut [Line],
) -> Result<(), StoreError> {
    for lines in lines.chunks_mut(usize::try_from(PAGE).unwrap_or(1)) {
        let reminders: Vec<Reminder> = lines
            .iter()
            .map(|line| as_reminder(&line.plan, now))
            .collect();
        let mut tx = store.read().await?;
        let material = Material::load(&mut tx, &reminders, book, house, now).await?;
        drop(tx);
        for (line, reminder) in lines.iter_mut().zip(&reminders) {
            fill_one(line, reminder, (book, house, &material), tariff);
        }
    }
    Ok(())
}

fn fill_one(
    line: &mut Line,
    reminder: &Reminder,
    (book, house, material): (&Book, &House, &Material),
    tariff: &Tariff,
) {
    let plan = &reminder.plan;
    line.count = material.many.get(&reminder.id).copied().unwrap_or(1);
    let rule = book.rule(&plan.rule);
    let step = rule.and_then(|rule| rule.steps.iter().find(|step| step.id == plan.step));
    // A task that stands in for a patient has words of its own.
    let stands_in = plan.role == Role::Staff && step.is_some_and(|step| step.to != Role::Staff);
    let Some(channel) = plan.channels.first().filter(|_| !stands_in) else {
        return;
    };
    let about = About::of(reminder, rule, material);
    if let Some(digest) = digest(&about, step, (book, house, material)) {
        // What it is told by is the digest's template; how long that is hangs on all that goes into it.
        line.goes = Goes::Digest(digest);
        return;
    }
    let values = context::context(&about, material, house, plan.due_at);
    let languages = context::languages(&about, house);
    match book
        .catalog
        .render(&plan.template, &languages, *channel, &values)
    {
        Ok(rendered) => {
            line.segments = rendered.measure.map_or(0, |measure| measure.segments);
            if let Some((channel, address)) = company::first_way(&about) {
                line.cost = tariff.cost(channel, address, line.segments);
            }
        }
        Err(fault) => {
            let reason = match fault {
                RenderError::MissingValue { .. } => SkipReason::MissingValue,
                _ => SkipReason::TemplateFault,
            };
            line.problem.get_or_insert((reason, fault.to_string()));
        }
    }
}

/// The digest that a line for staff goes into.
fn digest(
    about: &About<'_>,
    step: Option<&Step>,
    (book, house, material): (&Book, &House, &Material),
) -> Option<Gathered> {
    let plan = &about.reminder.plan;
    let channel = *plan.channels.first()?;
    if plan.role != Role::Staff || !step?.digest {
        return None;
    }
    let zone = about.rule.map_or(&house.timezone, |rule| &rule.timezone);
    let owner = about.rule.and_then(|rule| rule.department.as_deref());
    let day = wall::date(zone, plan.due_at);
    let owner = owner.unwrap_or_default();
    let (to, _) = addressee::addressee(about, step, owner, &material.roster, day);
    match addressee::turn(plan, (step, zone, book), &to, channel, &material.digests) {
        Turn::Gather(key) => Some(Gathered {
            key,
            to: match to {
                To::One(staff) => staff.name,
                To::Department(department) => Private::new(department),
            },
            counts: false,
        }),
        Turn::Wait(_) | Turn::Late | Turn::AtOnce => None,
    }
}
