//! To staff: a task or pop-up for the treating doctor or a department, or a message to each who has an address.

use jiff::Timestamp;
use jiff::civil::{Date, Time};
use serde_json::{Value, json};

use crate::calendar::wall;
use crate::model::class::{Channel, ContactKind};
use crate::model::id::StaffId;
use crate::model::private::Private;
use crate::model::reminder::SkipReason;
use crate::planning::book::DIGEST;
use crate::planning::material::Material;
use crate::planning::roster::{Absent, Doctor, Roster, Told};
use crate::rules::rule::Step;
use crate::scheduler::digest::{self, Item};
use crate::scheduler::make::send::to_way;
use crate::scheduler::make::{Bench, Made, Piece};
use crate::scheduler::notes;
use crate::store::due::Outcome;
use crate::store::messages::NewMessage;
use crate::store::staff::Staff;

/// At most so many members of staff get a mail or SMS of one reminder.
const MOST_STAFF: usize = 20;

/// Who of the staff is told.
#[derive(Clone, Debug)]
pub(crate) enum To {
    /// One alone.
    One(Box<Staff>),
    /// Whoever works there.
    Department(String),
}

impl To {
    /// The department that a task lies with where nobody else is told.
    pub(crate) fn staff(&self) -> Option<StaffId> {
        match self {
            Self::One(staff) => Some(staff.id.clone()),
            Self::Department(_) => None,
        }
    }
}

/// One member of staff with an address, and what is to be added for them.
#[derive(Clone, Debug)]
pub(crate) struct Reached {
    pub(crate) id: StaffId,
    pub(crate) address: Private<String>,
    pub(crate) note: Option<String>,
}

/// When something for a digest is told.
enum Turn {
    /// With the others of its minute.
    Gather(String),
    /// Then.
    Wait(Timestamp),
    /// By itself.
    AtOnce,
}

impl Piece<'_> {
    /// To staff: a task or pop-up, or a message to each who has an address.
    pub(super) fn for_staff(&self, material: &Material) -> Made {
        let plan = &self.about.reminder.plan;
        let day = wall::date(self.zone(), self.bench.now);
        let (to, note) = self.addressee(material, day);
        let channel = plan.channels.first().copied().unwrap_or(Channel::Task);
        match self.turn(&to, channel, material) {
            Turn::Gather(key) => return self.item(key, to, note, channel, material),
            Turn::Wait(at) => return Made::put_off(at),
            Turn::AtOnce => {}
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
        let plan = &self.about.reminder.plan;
        let own = plan.department.as_deref();
        let department = || To::Department(own.map_or_else(|| self.owner(), str::to_owned));
        let is_own = |step: &&Step| step.doctor && step.department.as_deref() == own;
        let (Some(occasion), Some(_)) = (self.about.occasion, self.step.filter(is_own)) else {
            return (department(), None);
        };
        let language = &self.bench.house.language;
        match material.roster.doctor(occasion, own, day) {
            Doctor::Known(told) => {
                let note = told.instead_of.map(|absent| for_absent(language, absent));
                (To::One(Box::new(told.staff.clone())), note)
            }
            Doctor::Absent(absent) => {
                let note = notes::nobody_stands_in(language, absent.staff.name.reveal());
                let both = format!("{}\n{note}", for_absent(language, absent));
                (department(), Some(both))
            }
            Doctor::Unknown => {
                let name = occasion.doctor.as_deref();
                (department(), Some(notes::unknown_doctor(language, name)))
            }
        }
    }

    fn turn(&self, to: &To, channel: Channel, material: &Material) -> Turn {
        let plan = &self.about.reminder.plan;
        let Some(step) = self.step.filter(|step| step.digest) else {
            return Turn::AtOnce;
        };
        if !self.bench.book.catalog.has(DIGEST, channel) {
            return Turn::AtOnce;
        }
        let local = self.zone().to_datetime(plan.due_at);
        let minute = |time: Time| (time.hour(), time.minute());
        if minute(local.time()) == minute(step.at) {
            let key = digest::key(to, channel, plan.due_at);
            // Who comes after the digest of its minute went out is told by itself.
            return if material.digests.contains(&key) {
                Turn::AtOnce
            } else {
                Turn::Gather(key)
            };
        }
        if !step.is_on_created() {
            return Turn::AtOnce;
        }
        let today = local.date().to_datetime(step.at);
        let next = if today > local {
            today
        } else {
            wall::add_days(local.date(), 1).to_datetime(step.at)
        };
        let next = wall::instant(self.zone(), next);
        if next < plan.expires_at {
            Turn::Wait(next)
        } else {
            Turn::AtOnce
        }
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
