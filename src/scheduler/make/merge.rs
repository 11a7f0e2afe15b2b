//! What is due together goes together: several occasions of one day are told in one message, and a notice of a
//! move stands for what else is due about the same occasion.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;

use crate::calendar::wall;
use crate::gates::Open;
use crate::model::class::{Channel, Class};
use crate::model::id::{MessageId, OccasionId, PatientId, RelationId, ReminderId};
use crate::model::occasion::Occasion;
use crate::planning::context;
use crate::planning::material::Material;
use crate::scheduler::make::{Made, Piece};
use crate::store::due::Outcome;

/// A piece that may go, with the ways that are open.
type Going<'a> = (Piece<'a>, Vec<Open<'a>>);

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
    ask: Option<String>,
    is_moved: bool,
    /// Rule and step; appointments go together whatever the rule.
    family: Option<(String, String)>,
}

impl Company {
    fn of((piece, open): &Going<'_>) -> Option<Self> {
        let plan = &piece.about.reminder.plan;
        let first = open.first()?;
        let planned = piece.about.reminder.planned_for.unwrap_or(plan.due_at);
        let own = || (plan.rule.clone(), plan.step.clone());
        Some(Self {
            patient: plan.patient.clone(),
            relation: plan.relation.clone(),
            channel: first.channel,
            address: first.address.to_owned(),
            day: piece.about.occasion?.when.date(),
            planned_on: wall::date(&piece.bench.house.timezone, planned),
            ask: piece.ask.map(|ask| ask.to_string()),
            is_moved: piece.about.is_moved(),
            family: (plan.class != Class::Appointment).then(own),
        })
    }
}

/// Makes messages of `going`, as few as there can be.
pub(super) fn together(going: Vec<Going<'_>>, material: &Material) -> Vec<(ReminderId, Made)> {
    let (mut stands_for, mut groups) = (BTreeMap::new(), Vec::<Vec<Going<'_>>>::new());
    let mut by_company = BTreeMap::<Company, Vec<Going<'_>>>::new();
    let moved: Vec<(Recipient, ReminderId)> = going
        .iter()
        .filter(|(piece, _)| piece.about.is_moved())
        .map(|(piece, _)| (recipient(piece), piece.about.reminder.id.clone()))
        .collect();
    for one in going {
        let notice = moved
            .iter()
            .find(|(of, _)| *of == recipient(&one.0) && gives_way(&one.0));
        if let Some((_, notice)) = notice {
            let id = one.0.about.reminder.id.clone();
            stands_for
                .entry(notice.clone())
                .or_insert_with(Vec::new)
                .push((id, one));
        } else if let Some(company) = Company::of(&one) {
            by_company.entry(company).or_default().push(one);
        } else {
            groups.push(vec![one]);
        }
    }
    for company in by_company.into_values() {
        groups.extend(split(company));
    }
    let mut all = Vec::new();
    for group in groups {
        all.extend(message_of(group, material));
    }
    for (notice, others) in stands_for {
        let message = all.iter().find(|(id, _)| *id == notice);
        let message = message.and_then(|(_, made)| message_in(made));
        for (id, (piece, open)) in others {
            // Where the notice cannot be made, nobody gives way to it.
            let made = match &message {
                Some(message) => merged(message),
                None => piece.for_people(&open, material),
            };
            all.push((id, made));
        }
    }
    all
}

type Recipient = (
    Option<PatientId>,
    Option<RelationId>,
    Option<OccasionId>,
    i64,
);

/// Who is told of which occasion, in which epoch.
fn recipient(piece: &Piece<'_>) -> Recipient {
    let plan = &piece.about.reminder.plan;
    let (patient, relation) = (plan.patient.clone(), plan.relation.clone());
    (patient, relation, plan.occasion.clone(), plan.epoch)
}

/// Whether it says nothing that the notice of the move does not say: it is due for the booking's sake, or this minute.
fn gives_way(piece: &Piece<'_>) -> bool {
    let due = piece.about.reminder.plan.due_at;
    let is_now = wall::minute(due) == wall::minute(piece.bench.now);
    !piece.about.is_moved() && (piece.about.is_at_once() || is_now)
}

/// Of each occasion one piece goes with the others; what says something else of the same occasion goes alone.
fn split(mut company: Vec<Going<'_>>) -> Vec<Vec<Going<'_>>> {
    company.sort_by_key(|(piece, _)| {
        let plan = &piece.about.reminder.plan;
        let at = piece.about.occasion.map(|occasion| occasion.when);
        (at, plan.occasion.clone(), plan.due_at)
    });
    let mut said = BTreeMap::<OccasionId, (String, String)>::new();
    let (mut together, mut alone) = (Vec::new(), Vec::new());
    for one in company {
        let plan = &one.0.about.reminder.plan;
        let words = (plan.rule.clone(), plan.step.clone());
        let first = plan
            .occasion
            .clone()
            .map(|id| said.entry(id).or_insert(words.clone()).clone());
        if first == Some(words) {
            together.push(one);
        } else {
            alone.push(vec![one]);
        }
    }
    alone.insert(0, together);
    alone
}

/// One message of `group`, in the order of its occasions; where that cannot be said, one of each.
fn message_of(group: Vec<Going<'_>>, material: &Material) -> Vec<(ReminderId, Made)> {
    let mut seen = BTreeSet::new();
    let occasions: Vec<&Occasion> = group
        .iter()
        .filter_map(|(piece, _)| piece.about.occasion)
        .filter(|occasion| seen.insert(&occasion.id))
        .collect();
    let can_list = occasions.len() < 2 || group.iter().all(|one| lists(one, &occasions, material));
    let id = |piece: &Piece<'_>| piece.about.reminder.id.clone();
    if let (true, Some(((head, open), rest))) = (can_list, group.split_first()) {
        let made = head.for_people_about(open, &occasions, until(&group), material);
        if let Some(message) = message_in(&made) {
            let rest = rest.iter().map(|(piece, _)| (id(piece), merged(&message)));
            return std::iter::once((id(head), made)).chain(rest).collect();
        }
    }
    let each = group.iter();
    each.map(|(piece, open)| (id(piece), piece.for_people(open, material)))
        .collect()
}

/// Whether its own words on its first way have a place for all of `occasions`.
fn lists((piece, open): &Going<'_>, occasions: &[&Occasion], material: &Material) -> bool {
    open.first()
        .is_some_and(|way| piece.lists(way.channel, occasions, material))
}

/// The first moment at which one of them is of no more use.
fn until(group: &[Going<'_>]) -> Option<jiff::Timestamp> {
    let ends = group.iter();
    ends.map(|(piece, _)| piece.about.reminder.plan.expires_at)
        .min()
}

fn message_in(made: &Made) -> Option<MessageId> {
    match &made.outcome {
        Outcome::Message(id) => Some(id.clone()),
        Outcome::Merged(_) | Outcome::Task(_) | Outcome::Skipped(_) | Outcome::PutOff(_) => None,
    }
}

fn merged(message: &MessageId) -> Made {
    Made {
        outcome: Outcome::Merged(message.clone()),
        messages: Vec::new(),
        tasks: Vec::new(),
        questions: Vec::new(),
        item: None,
    }
}

impl Piece<'_> {
    /// Whether its text on `channel` prints all of `occasions`.
    pub(super) fn lists(
        &self,
        channel: Channel,
        occasions: &[&Occasion],
        material: &Material,
    ) -> bool {
        let house = self.bench.house;
        let values =
            context::context_of_all(&self.about, occasions, material, house, self.bench.now);
        let languages = context::languages(&self.about, house);
        let catalog = &self.bench.book.catalog;
        catalog.lists_occasions(self.template, &languages, channel, &values)
    }
}
