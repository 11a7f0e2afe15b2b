//! To staff: a task or pop-up for the treating doctor or a department, or a message to each who has an address.

use jiff::civil::Date;
use serde_json::{Value, json};

use crate::calendar::wall;
use crate::model::class::{Channel, ContactKind};
use crate::model::id::StaffId;
use crate::model::private::Private;
use crate::model::reminder::SkipReason;
use crate::planning::addressee::{self, Because, To, Turn};
use crate::planning::material::Material;
use crate::planning::roster::{Absent, Roster, Told};
use crate::scheduler::digest::Item;
use crate::scheduler::make::send::to_way;
use crate::scheduler::make::{Bench, Made, Piece};
use crate::scheduler::notes;
use crate::store::due::Outcome;
use crate::store::messages::NewMessage;

/// At most so many members of staff get a mail or SMS of one reminder.
const MOST_STAFF: usize = 20;

/// One member of staff with an address, and what is to be added for them.
#[derive(Clone, Debug)]
pub(crate) struct Reached {
    pub(crate) id: StaffId,
    pub(crate) address: Private<String>,
    pub(crate) note: Option<String>,
}

impl Piece<'_> {
    /// To staff: a task or pop-up, or a message to each who has an address.
    pub(super) fn for_staff(&self, material: &Material) -> Made {
        let plan = &self.about.reminder.plan;
        let day = wall::date(self.zone(), self.bench.now);
        let (to, note) = self.addressee(material, day);
        let channel = plan.channels.first().copied().unwrap_or(Channel::Task);
        let words = (self.step, self.zone(), self.bench.book);
        match addressee::turn(plan, words, &to, channel, &material.digests) {
            Turn::Gather(key) => return self.item(key, to, note, channel, material),
            Turn::Wait(at) => return Made::put_off(at),
            Turn::Late | Turn::AtOnce => {}
        }
        let mut rendered = match self.render(channel, material) {
            Ok(rendered) => rendered,
            Err(fault) => return self.no_text(vec![fault]),
        };
        if let Some(note) = note {
            rendered.add_line(&note);
        }
        let Some(kind) = channel.contact_kind() else {
            return self.as_task(channel, &rendered, to.staff(), material);
        };
        let messages: Vec<NewMessage> = reached(self.bench, &material.roster, &to, channel, day)
            .into_iter()
            .map(|one| {
                let mut rendered = rendered.clone();
                if let Some(note) = &one.note {
                    rendered.add_line(note);
                }
                self.message(
                    format!("{}#{}", plan.plan_key, one.id),
                    vec![to_way(channel, one.address, &rendered)],
                    &rendered,
                )
            })
            .collect();
        let Some(message) = messages.first() else {
            if self.has_task() {
                return Made::skipped(SkipReason::NoContactPoint);
            }
            let language = &self.bench.house.language;
            let note = match (&to, kind) {
                (To::One(staff), ContactKind::Phone | ContactKind::Email) => {
                    notes::no_own_address(language, staff.name.reveal(), channel.as_str())
                }
                (To::Department(_), ContactKind::Phone | ContactKind::Email) => {
                    notes::no_staff_address(language, channel.as_str())
                }
            };
            rendered.add_line(&note);
            return self.as_task(Channel::Task, &rendered, to.staff(), material);
        };
        Made {
            outcome: Outcome::Message(message.id.clone()),
            messages,
            tasks: Vec::new(),
            questions: Vec::new(),
            item: None,
        }
    }

    /// Whether the same recipient gets a task of it as well.
    fn has_task(&self) -> bool {
        let by = self.step.and_then(|step| step.by.as_deref());
        by.is_some_and(|by| by.contains(&Channel::Task))
    }

    /// Who is told, and what has to be said about that.
    fn addressee(&self, material: &Material, day: Date) -> (To, Option<String>) {
        let owner = self.owner();
        let (to, because) =
            addressee::addressee(&self.about, self.step, &owner, &material.roster, day);
        let language = &self.bench.house.language;
        let note = match because {
            Because::Step | Because::Treats => None,
            Because::StandsIn(absent) => Some(for_absent(language, absent)),
            Because::NobodyStandsIn(absent) => {
                let note = notes::nobody_stands_in(language, absent.staff.name.reveal());
                Some(format!("{}\n{note}", for_absent(language, absent)))
            }
            Because::Unknown(name) => Some(notes::unknown_doctor(language, name)),
        };
        (to, note)
    }

    fn item(
        &self,
        key: String,
        to: To,
        note: Option<String>,
        channel: Channel,
        material: &Material,
    ) -> Made {
        let reminder = self.about.reminder;
        let item = Item {
            key,
            to,
            channel,
            department: reminder
                .plan
                .department
                .clone()
                .unwrap_or_else(|| self.owner()),
            due_at: reminder.plan.due_at,
            today: wall::date(self.zone(), self.bench.now),
            expires_at: reminder.plan.expires_at,
            class: reminder.plan.class,
            rule: reminder.plan.rule.clone(),
            reminder: reminder.id.clone(),
            values: Private::new(self.line(material)),
            note,
            has_task: self.has_task(),
        };
        Made {
            item: Some(Box::new(item)),
            ..Made::skipped(SkipReason::Merged)
        }
    }

    /// What a digest tells of this one.
    fn line(&self, material: &Material) -> Value {
        let occasion = self.about.occasion;
        let when = occasion.map(|occasion| occasion.when.to_text());
        let (date, clock) = match when.as_deref().map(|when| when.split_once('T')) {
            Some(Some((date, clock))) => (Some(date.to_owned()), Some(clock.to_owned())),
            Some(None) => (when.clone(), None),
            None => (None, None),
        };
        let patient = self.about.patient;
        let named = self.about.rule.map(|rule| rule.title.as_str());
        json!({
            "title": named.unwrap_or(self.template),
            "kind": occasion.map(|occasion| occasion.kind.as_str()),
            "date": date, "clock": clock,
            "patient": patient.map(|patient| patient.name.reveal().full.as_str()),
            "doctor": occasion.and_then(|occasion| occasion.doctor.as_deref()),
            "place": occasion.and_then(|occasion| occasion.place.as_deref()),
            "count": material.many.get(&self.about.reminder.id).copied().unwrap_or(1),
        })
    }
}

/// Who of `to` can be reached by `channel`, with what is to be added for those who stand in for others.
pub(crate) fn reached(
    bench: Bench<'_>,
    roster: &Roster,
    to: &To,
    channel: Channel,
    day: Date,
) -> Vec<Reached> {
    let told = match to {
        To::One(staff) => vec![Told {
            staff,
            instead_of: None,
        }],
        To::Department(department) => roster.members(department, day),
    };
    let reached = told.into_iter().filter_map(|told| {
        let address = match channel.contact_kind()? {
            ContactKind::Phone => told.staff.phone.as_ref(),
            ContactKind::Email => told.staff.email.as_ref(),
        }?;
        bench.desk.routes.pick(channel, address.reveal())?;
        let language = &bench.house.language;
        Some(Reached {
            id: told.staff.id.clone(),
            address: address.clone(),
            note: told.instead_of.map(|absent| for_absent(language, absent)),
        })
    });
    reached.take(MOST_STAFF).collect()
}

fn for_absent(language: &str, absent: Absent<'_>) -> String {
    let until = absent.away.map(|away| away.until);
    notes::instead_of(language, absent.staff.name.reveal(), until)
}
