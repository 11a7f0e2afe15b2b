//! Who of the staff a reminder is for on a day and why, and whether it is told at once or with others in a digest.
//!
//! Pure; shared by the composer, the plan and the explanation.

use std::collections::HashSet;

use jiff::Timestamp;
use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;

use crate::calendar::wall;
use crate::model::class::Channel;
use crate::model::id::StaffId;
use crate::planning::book::{Book, DIGEST};
use crate::planning::context::About;
use crate::planning::roster::{Absent, Doctor, Roster};
use crate::rules::rule::Step;
use crate::store::reminders::NewReminder;
use crate::store::staff::Staff;

/// Who of the staff is told.
#[derive(Clone, Debug)]
pub(crate) enum To {
    /// One alone.
    One(Box<Staff>),
    /// Whoever works there.
    Department(String),
}

impl To {
    /// The one who is told alone.
    pub(crate) fn staff(&self) -> Option<StaffId> {
        match self {
            Self::One(staff) => Some(staff.id.clone()),
            Self::Department(_) => None,
        }
    }
}

/// Why this one is told.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Because<'a> {
    /// The step is for the department.
    Step,
    /// They treat.
    Treats,
    /// They stand in for who treats.
    StandsIn(Absent<'a>),
    /// Nobody stands in for who treats, so the department is told.
    NobodyStandsIn(Absent<'a>),
    /// Nobody knows who treats, or who the one is that the record names.
    Unknown(Option<&'a str>),
}

/// Who is told of `about` on `day`; `owner` is told where no department is named.
pub(crate) fn addressee<'a>(
    about: &About<'a>,
    step: Option<&Step>,
    owner: &str,
    roster: &'a Roster,
    day: Date,
) -> (To, Because<'a>) {
    let own = about.reminder.plan.department.as_deref();
    let department = || To::Department(own.unwrap_or(owner).to_owned());
    let is_own = |step: &&Step| step.doctor && step.department.as_deref() == own;
    let (Some(occasion), Some(_)) = (about.occasion, step.filter(is_own)) else {
        return (department(), Because::Step);
    };
    match roster.doctor(occasion, own, day) {
        Doctor::Known(told) => {
            let because = told.instead_of.map_or(Because::Treats, Because::StandsIn);
            (To::One(Box::new(told.staff.clone())), because)
        }
        Doctor::Absent(absent) => (department(), Because::NobodyStandsIn(absent)),
        Doctor::Unknown => (department(), Because::Unknown(occasion.doctor.as_deref())),
    }
}

/// When something for a digest is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// With the others of its minute, in the digest of this key.
    Gather(String),
    /// Then.
    Wait(Timestamp),
    /// By itself, since the digest of its minute went out already.
    Late,
    /// By itself.
    AtOnce,
}

/// When `plan`, which is for `to` by `channel`, is told; `made` are the digests that went out.
pub(crate) fn turn(
    plan: &NewReminder,
    (step, zone, book): (Option<&Step>, &TimeZone, &Book),
    to: &To,
    channel: Channel,
    made: &HashSet<String>,
) -> Turn {
    let Some(step) = step.filter(|step| step.digest) else {
        return Turn::AtOnce;
    };
    if !book.catalog.has(DIGEST, channel) {
        return Turn::AtOnce;
    }
    if is_at(step, plan.due_at, zone) {
        let key = key(to, channel, plan.due_at);
        // Who comes after the digest of its minute went out is told by itself.
        return if made.contains(&key) {
            Turn::Late
        } else {
            Turn::Gather(key)
        };
    }
    match next(step, plan, zone) {
        Some(next) => Turn::Wait(next),
        None => Turn::AtOnce,
    }
}

/// When `plan` is told: what came up just now and goes into a digest waits for it.
pub(crate) fn told_at(
    plan: &NewReminder,
    step: Option<&Step>,
    zone: &TimeZone,
    book: &Book,
) -> Timestamp {
    let gathered = step.filter(|step| step.digest);
    let channel = plan.channels.first();
    let has_words = channel.is_some_and(|channel| book.catalog.has(DIGEST, *channel));
    let waits = gathered.filter(|step| has_words && !is_at(step, plan.due_at, zone));
    waits
        .and_then(|step| next(step, plan, zone))
        .unwrap_or(plan.due_at)
}

/// Recipient, channel and minute: they name a digest.
pub(crate) fn key(to: &To, channel: Channel, due_at: Timestamp) -> String {
    let whom = match to {
        To::One(staff) => format!("staff:{}", staff.id),
        To::Department(department) => format!("department:{department}"),
    };
    format!("{whom}/{channel}/{}", wall::minute(due_at))
}

/// Whether it is due at the minute of the step's digest.
fn is_at(step: &Step, due_at: Timestamp, zone: &TimeZone) -> bool {
    let minute = |time: Time| (time.hour(), time.minute());
    minute(zone.to_datetime(due_at).time()) == minute(step.at)
}

/// The next digest for what came up just now, if that is still of use.
fn next(step: &Step, plan: &NewReminder, zone: &TimeZone) -> Option<Timestamp> {
    if !step.is_on_created() {
        return None;
    }
    let local = zone.to_datetime(plan.due_at);
    let today = local.date().to_datetime(step.at);
    let next = if today > local {
        today
    } else {
        wall::add_days(local.date(), 1).to_datetime(step.at)
    };
    let next = wall::instant(zone, next);
    (next < plan.expires_at).then_some(next)
}
