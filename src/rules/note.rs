//! What planning takes on its way, as values: told to whoever listens, and nothing to nobody.
//!
//! `explain` puts it into words. A note never changes what is planned.

use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};

use crate::calendar::quiet::QuietHours;
use crate::model::class::{Channel, Role};
use crate::model::patient::{ContactStatus, Sex};
use crate::rules::lead::Lead;
use crate::rules::overrides::Override;
use crate::rules::plan::{Decision, PlannedReminder};
use crate::rules::triggers::{Closed, Occurrence};

/// Takes step, lead and what happened to it; both are empty for all of them.
pub(crate) type Ear<'n> = &'n mut dyn FnMut(&str, &str, Note<'_>);

/// One thing that decided, with the value it decided by.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Note<'a> {
    /// The patient has a setting of their own, which wins over the rule.
    Own(&'a Override),
    /// The trigger came up; what follows is about it.
    Occurrence(&'a Occurrence<'a>),
    /// An occasion that plans nothing.
    Closed(&'a Closed),
    /// What the audience asks for.
    Asked(Asked<'a>),
    /// A fact that makes the rest needless, and the code and day of one that does.
    Stop {
        fact: &'a str,
        since: Date,
        found: Option<(Option<&'a str>, Date)>,
    },
    /// Where a lead points, counted from the occurrence.
    Lead {
        lead: Lead,
        from: Timestamp,
        day: Date,
        due: Timestamp,
    },
    /// What becomes of a lead that is past.
    Late(Late),
    /// What moves a lead away from where it points, or drops it.
    Moved(Moved),
    /// Why this one is the one who gets it.
    Chosen(Chosen<'a>),
    /// Why this one is not.
    NotChosen(NotChosen),
    /// What the record has for one channel of one reader.
    Channel {
        role: Role,
        channel: Channel,
        reach: Reach,
    },
    /// Not planned, in the plan's own words.
    Refused(&'a Decision),
    /// Planned.
    Planned(&'a PlannedReminder),
}

/// What the audience asks for, and what the record has.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Asked<'a> {
    /// The audience asks for nothing.
    Everybody,
    /// The codes asked for, and the first of the record that begins so.
    Diagnosis {
        asked: &'a [String],
        found: Option<&'a str>,
    },
    /// The ages asked for, both ends included, and the patient's on that day.
    Age {
        min: Option<i64>,
        max: Option<i64>,
        day: Date,
        age: Option<i64>,
    },
    /// The sex asked for, and the one on record.
    Sex { asked: Sex, found: Option<Sex> },
    /// A mark asked for.
    Tag { asked: &'a str, found: bool },
    /// The condition, and what came of it.
    Where {
        source: &'a str,
        outcome: Result<bool, &'a str>,
    },
}

/// What becomes of a lead that is past.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Late {
    /// Nobody knows when the occasion came up.
    NoCreation,
    /// The occasion was never moved.
    NeverMoved,
    /// The lead was past at that moment.
    Missed { due: Timestamp, at: Timestamp },
    /// All leads of the step were missed, and this one late reminder stands for them.
    CatchUp { at: Timestamp },
    /// All leads were missed, and what went out already forbids a late one.
    NoCatchUpSent,
    /// All leads were missed, and nothing makes up for it: the occasion was there before the first import, or
    /// this class, trigger or step has no late reminder.
    NoCatchUp { is_old: bool },
    /// Less time is left than a late reminder must leave.
    TooLittleLeft {
        end: Timestamp,
        min_useful: SignedDuration,
    },
}

/// What moves a lead away from where it points, or drops it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Moved {
    /// Back to a working day.
    Workday { was: Timestamp, due: Timestamp },
    /// Out of quiet hours: forward to their end, or back to the evening before.
    Quiet {
        hours: QuietHours,
        was: Timestamp,
        due: Timestamp,
        is_back: bool,
    },
    /// Quiet hours leave no room.
    QuietDrop {
        hours: QuietHours,
        was: Timestamp,
        end: Timestamp,
        evening: Timestamp,
    },
    /// It would fall after the occasion.
    AfterOccasion { due: Timestamp, end: Timestamp },
    /// Before the rule's first day.
    NotEffective { due: Timestamp, from: Date },
}

/// Why somebody gets it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Chosen<'a> {
    /// The patient, of age or of unknown age.
    Patient { age: Option<i64> },
    /// A guardian, since the patient is a minor.
    Guardian { age: i64, relation: &'a str },
    /// A relation, since the patient is marked as special.
    Special { relation: &'a str, copy: bool },
    /// A relation, since the patient is as old as the rule says.
    Old {
        age: i64,
        from: i64,
        relation: &'a str,
        copy: bool,
    },
    /// A relation, since the step says so.
    Family { relation: &'a str },
    /// A relation, since the patient cannot be reached.
    Fallback { relation: &'a str },
    /// A department, since the step says so.
    Staff { department: Option<&'a str> },
    /// A task for the department, since nobody can be reached.
    Task { department: Option<&'a str> },
}

/// Why somebody does not get it, though one might think so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotChosen {
    /// A person holds everything to the patient.
    Held,
    /// No relation has consented.
    NoConsent,
    /// Those who consented cannot be reached.
    Unreachable,
    /// The patient is a minor without a guardian who can be told.
    NoGuardian { age: i64 },
    /// The patient cannot be reached and the rule has no way around.
    NoFallback,
}

/// What the record has for a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    /// A number or address that can be used.
    Usable,
    /// None at all.
    NoAddress,
    /// One that must not be used.
    Bad(ContactStatus),
    /// The reader refused everything.
    RefusedAll,
    /// The reader refused this class.
    RefusedClass,
    /// The reader refused this channel.
    RefusedChannel,
}
