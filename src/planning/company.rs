//! What is due together goes together: several occasions of one day in one message, and a notice of a move for
//! what else is due about the same occasion.
//!
//! Pure; shared by the composer, the plan and the explanation, so that none of them counts otherwise.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::calendar::wall;
use crate::model::class::{Channel, Class, Role};
use crate::model::id::{OccasionId, PatientId, RelationId};
use crate::model::message::Ask;
use crate::model::occasion::Occasion;
use crate::model::patient::ContactStatus;
use crate::planning::House;
use crate::planning::book::Book;
use crate::planning::context::{self, About};
use crate::planning::material::Material;

/// A reminder that may go with others, and the way it goes by first.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Goer<'a> {
    pub(crate) about: About<'a>,
    pub(crate) ask: Option<Ask>,
    pub(crate) way: Option<(Channel, &'a str)>,
    /// The template it is told by.
    pub(crate) template: &'a str,
    /// When it is composed.
    pub(crate) at: Timestamp,
}

/// Who goes with whom, by their places in the list.
#[derive(Clone, Debug, Default)]
pub(crate) struct Grouped {
    /// Those of one message, in the order of their occasions; one alone where nothing goes with it.
    pub(crate) groups: Vec<Vec<usize>>,
    /// A notice of a move, and what it stands for.
    pub(crate) stands_for: BTreeMap<usize, Vec<usize>>,
}

/// What reminders have in common that go in one message.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Company {
    patient: Option<PatientId>,
    relation: Option<RelationId>,
    channel: Channel,
    address: String,
    /// The day of the occasions.
    day: Date,
    /// The day they were planned for.
    planned_on: Date,
    /// When they are composed.
    at: Timestamp,
    ask: Option<String>,
    is_moved: bool,
    /// Rule and step; appointments go together whatever the rule.
    family: Option<(String, String)>,
}

impl Company {
    fn of(one: &Goer<'_>, zone: &TimeZone) -> Option<Self> {
        let plan = &one.about.reminder.plan;
        let (channel, address) = one.way?;
        let planned = one.about.reminder.planned_for.unwrap_or(plan.due_at);
        let own = || (plan.rule.clone(), plan.step.clone());
        Some(Self {
            patient: plan.patient.clone(),
            relation: plan.relation.clone(),
            channel,
            address: address.to_owned(),
            day: one.about.occasion?.when.date(),
            planned_on: wall::date(zone, planned),
            at: wall::minute(one.at),
            ask: one.ask.map(|ask| ask.to_string()),
            is_moved: one.about.is_moved(),
            family: (plan.class != Class::Appointment).then(own),
        })
    }
}

/// The way a reminder goes by first: its first channel, and the recipient's first address there that can be used.
pub(crate) fn first_way<'a>(about: &About<'a>) -> Option<(Channel, &'a str)> {
    let plan = &about.reminder.plan;
    let channel = *plan.channels.first()?;
    let contacts = match (plan.role, about.relation, about.patient) {
        (Role::Family, Some(relation), _) => &relation.contacts[..],
        (Role::Patient, _, Some(patient)) => &patient.contacts[..],
        (Role::Patient | Role::Family | Role::Staff, _, _) => &[],
    };
    let kind = channel.contact_kind();
    let first = contacts
        .iter()
        .find(|contact| Some(contact.kind) == kind && contact.status == ContactStatus::Ok)?;
    Some((channel, first.address.reveal()))
}

/// Whether it may become part of one message with others: it tells of an occasion, and no cap binds it.
pub(crate) fn may_merge(about: &About<'_>) -> bool {
    about.occasion.is_some() && about.reminder.plan.class.is_transactional()
}

/// Puts together what may go in one message by who is told when of which day; whether the words have a place for
/// all of a group is [`can_list`]'s.
pub(crate) fn group(all: &[Goer<'_>], zone: &TimeZone) -> Grouped {
    let mut grouped = Grouped::default();
    let mut by_company = BTreeMap::<Company, Vec<usize>>::new();
    let notices: Vec<(usize, Recipient<'_>)> = all
        .iter()
        .enumerate()
        .filter(|(_, one)| one.about.is_moved())
        .map(|(place, one)| (place, recipient(one)))
        .collect();
    for (place, one) in all.iter().enumerate() {
        let notice = notices
            .iter()
            .find(|(_, of)| *of == recipient(one) && gives_way(one));
        if let Some((notice, _)) = notice {
            grouped.stands_for.entry(*notice).or_default().push(place);
        } else if let Some(company) = Company::of(one, zone) {
            by_company.entry(company).or_default().push(place);
        } else {
            grouped.groups.push(vec![place]);
        }
    }
    for company in by_company.into_values() {
        grouped.groups.extend(split(company, all));
    }
    grouped
}

type Recipient<'a> = (
    Option<&'a PatientId>,
    Option<&'a RelationId>,
    Option<&'a OccasionId>,
    i64,
);

/// Who is told of which occasion, in which epoch.
fn recipient<'a>(one: &Goer<'a>) -> Recipient<'a> {
    let plan = &one.about.reminder.plan;
    let (patient, relation) = (plan.patient.as_ref(), plan.relation.as_ref());
    (patient, relation, plan.occasion.as_ref(), plan.epoch)
}

/// Whether it says nothing that the notice of the move does not say: it is due for the booking's sake, or this minute.
fn gives_way(one: &Goer<'_>) -> bool {
    let due = one.about.reminder.plan.due_at;
    let is_now = wall::minute(due) == wall::minute(one.at);
    !one.about.is_moved() && (one.about.is_at_once() || is_now)
}

/// Of each occasion one goes with the others; what says something else of the same occasion goes alone.
fn split(mut company: Vec<usize>, all: &[Goer<'_>]) -> Vec<Vec<usize>> {
    let about = |place: &usize| all.get(*place).map(|one| one.about);
    company.sort_by_key(|place| {
        about(place).map(|about| {
            let plan = &about.reminder.plan;
            let at = about.occasion.map(|occasion| occasion.when);
            (at, plan.occasion.clone(), plan.due_at)
        })
    });
    let mut said = BTreeMap::<OccasionId, (String, String)>::new();
    let (mut together, mut alone) = (Vec::new(), Vec::new());
    for place in company {
        let Some(plan) = about(&place).map(|about| &about.reminder.plan) else {
            continue;
        };
        let words = (plan.rule.clone(), plan.step.clone());
        let first = plan
            .occasion
            .clone()
            .map(|id| said.entry(id).or_insert(words.clone()).clone());
        if first == Some(words) {
            together.push(place);
        } else {
            alone.push(vec![place]);
        }
    }
    alone.insert(0, together);
    alone
}

/// The occasions of a group, each once, in its order.
pub(crate) fn occasions<'a>(group: &[Goer<'a>]) -> Vec<&'a Occasion> {
    let mut seen = BTreeSet::new();
    let occasions = group.iter().filter_map(|one| one.about.occasion);
    occasions
        .filter(|occasion| seen.insert(&occasion.id))
        .collect()
}

/// Whether the words of each of `group` have a place for all of their occasions.
pub(crate) fn can_list(
    group: &[Goer<'_>],
    occasions: &[&Occasion],
    (book, material, house): (&Book, &Material, &House),
) -> bool {
    let lists = |one: &Goer<'_>| {
        one.way.is_some_and(|(channel, _)| {
            let told = (one.template, channel, one.at);
            lists(&one.about, told, occasions, (book, material, house))
        })
    };
    occasions.len() < 2 || group.iter().all(lists)
}

/// Whether the text of `template` on `channel` prints all of `occasions`.
pub(crate) fn lists(
    about: &About<'_>,
    (template, channel, at): (&str, Channel, Timestamp),
    occasions: &[&Occasion],
    (book, material, house): (&Book, &Material, &House),
) -> bool {
    let values = context::context_of_all(about, occasions, material, house, at);
    let languages = context::languages(about, house);
    book.catalog
        .lists_occasions(template, &languages, channel, &values)
}
