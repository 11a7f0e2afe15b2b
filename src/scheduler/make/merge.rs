//! Makes of what is due together as few messages as there can be; who goes with whom is `planning::company`'s.

use crate::gates::Open;
use crate::model::class::Channel;
use crate::model::id::{MessageId, ReminderId};
use crate::model::occasion::Occasion;
use crate::planning::company::{self, Goer};
use crate::planning::material::Material;
use crate::scheduler::make::{Made, Piece};
use crate::store::due::Outcome;

/// A piece that may go, with the ways that are open.
type Going<'a> = (Piece<'a>, Vec<Open<'a>>);

/// Makes messages of `going`, as few as there can be.
pub(super) fn together(going: &[Going<'_>], material: &Material) -> Vec<(ReminderId, Made)> {
    let Some((first, _)) = going.first() else {
        return Vec::new();
    };
    let goers: Vec<Goer<'_>> = going.iter().map(goer).collect();
    let grouped = company::group(&goers, &first.bench.house.timezone);
    let mut all = Vec::new();
    for group in grouped.groups {
        all.extend(message_of(&group, going, &goers, material));
    }
    for (notice, others) in grouped.stands_for {
        let notice = going.get(notice).map(|(piece, _)| id(piece));
        let made = all.iter().find(|(id, _)| Some(id) == notice.as_ref());
        let message = made.and_then(|(_, made)| message_in(made));
        for (piece, open) in others.iter().filter_map(|place| going.get(*place)) {
            // Where the notice cannot be made, nobody gives way to it.
            let made = match &message {
                Some(message) => merged(message),
                None => piece.for_people(open, material),
            };
            all.push((id(piece), made));
        }
    }
    all
}

fn goer<'a>((piece, open): &'a Going<'_>) -> Goer<'a> {
    Goer {
        about: piece.about,
        ask: piece.ask,
        way: open.first().map(|way| (way.channel, way.address)),
        template: piece.template,
        at: piece.bench.now,
    }
}

/// One message of `group`, in the order of its occasions; where that cannot be said, one of each.
fn message_of(
    group: &[usize],
    going: &[Going<'_>],
    goers: &[Goer<'_>],
    material: &Material,
) -> Vec<(ReminderId, Made)> {
    let members: Vec<&Going<'_>> = group.iter().filter_map(|at| going.get(*at)).collect();
    let own: Vec<Goer<'_>> = group
        .iter()
        .filter_map(|at| goers.get(*at).copied())
        .collect();
    let occasions = company::occasions(&own);
    if let Some(((head, open), rest)) = members.split_first() {
        let words = (head.bench.book, material, head.bench.house);
        let can_list = company::can_list(&own, &occasions, words);
        let made =
            can_list.then(|| head.for_people_about(open, &occasions, until(&members), material));
        if let Some((made, message)) = made.and_then(|made| message_in(&made).map(|id| (made, id)))
        {
            let rest = rest.iter().map(|(piece, _)| (id(piece), merged(&message)));
            return std::iter::once((id(head), made)).chain(rest).collect();
        }
    }
    let each = members.iter();
    each.map(|(piece, open)| (id(piece), piece.for_people(open, material)))
        .collect()
}

fn id(piece: &Piece<'_>) -> ReminderId {
    piece.about.reminder.id.clone()
}

/// The first moment at which one of them is of no more use.
fn until(group: &[&Going<'_>]) -> Option<jiff::Timestamp> {
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
        let told = (self.template, channel, self.bench.now);
        let words = (self.bench.book, material, self.bench.house);
        company::lists(&self.about, told, occasions, words)
    }
}
