//! May this go to this recipient on this channel now, and if not, for which named reason.
//!
//! Pure: counts, suppressions and now are arguments. Whether a reminder was worth planning at all is `rules`'.

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use crate::calendar::quiet::{QuietHours, Shift};
use crate::calendar::wall;
use crate::model::class::{Channel, Class, ContactKind, Role};
use crate::model::id::PatientId;
use crate::model::message::Ask;
use crate::model::occasion::Occasion;
use crate::model::patient::{OptOut, Patient, Relation};
use crate::model::reminder::{SkipReason, Unless};

mod useful;
mod ways;

/// `[gates]` of the config.
#[derive(Clone, Debug, Default, serde::Deserialize, serde::Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Classes that go only to who gave leave for them on record; the others go until they are refused.
    pub need_consent: Vec<Class>,
}

/// From this age on a patient is told themselves (rules/README.md, rule 7).
pub const FULL_AGE: i64 = 18;

/// How far quiet hours may begin before a reminder that was due just before them still goes.
const QUIET_GRACE: SignedDuration = SignedDuration::from_mins(5);

/// A suppression that stands for an address.
#[derive(Clone, Debug)]
pub struct Standing {
    /// The address, by its hash.
    pub address_hash: String,
    /// The one patient it binds; `None` binds the address for all.
    pub patient: Option<PatientId>,
    /// What is not to be sent.
    pub scope: OptOut,
    /// What to say when it binds: `opted_out`, `no_contact_point` for a wrong number, `deceased`.
    pub reason: SkipReason,
    /// Since when.
    pub since: Timestamp,
}

impl Standing {
    fn binds(
        &self,
        hash: &str,
        class: Class,
        channel: Channel,
        patient: Option<&PatientId>,
    ) -> bool {
        let of_patient = self.patient.is_none() || self.patient.as_ref() == patient;
        self.address_hash == hash && of_patient && covers(self.scope, class, channel)
    }
}

/// How many of the capped classes one recipient gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caps {
    /// In one calendar day of the site.
    pub a_day: u32,
    /// In seven days.
    pub a_week: u32,
}

impl Default for Caps {
    fn default() -> Self {
        Self {
            a_day: 1,
            a_week: 3,
        }
    }
}

/// How many of the capped classes one recipient got already.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Today.
    pub today: u32,
    /// In the seven days up to now.
    pub week: u32,
}

/// What was told, answered and done before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Earlier {
    /// Whether an earlier step's message to this recipient arrived.
    pub is_delivered: bool,
    /// Whether a question of another step for the same occurrence was answered.
    pub is_answered: bool,
    /// Whether that answer was a yes.
    pub is_confirmed: bool,
    /// Whether its recipient was told what it speaks of: the old date of a move.
    pub is_told: bool,
    /// What makes all that remains needless: an answer to its group, a visit, or what the record shows.
    pub cleared: Option<SkipReason>,
}

impl Default for Earlier {
    fn default() -> Self {
        Self {
            is_delivered: false,
            is_answered: false,
            is_confirmed: false,
            is_told: true,
            cleared: None,
        }
    }
}

/// A planned reminder and all that decides whether it may go.
#[derive(Clone, Debug)]
pub struct Case<'a> {
    /// Consent, hours and caps hang on it.
    pub class: Class,
    /// Who gets it.
    pub role: Role,
    /// The patient it is about; `None` when the record is gone, or for staff when it is about many.
    pub patient: Option<&'a Patient>,
    /// The relation that gets it, for family.
    pub relation: Option<&'a Relation>,
    /// Channels in order.
    pub channels: &'a [Channel],
    /// Where it goes whatever the record says: our own answers.
    pub answer_to: Option<&'a str>,
    /// The occasion it hangs on, with the epoch it was planned for; the occasion is `None` when it is gone.
    pub occasion: Option<(Option<&'a Occasion>, i64)>,
    /// What makes it needless.
    pub unless: Option<Unless>,
    /// What a reply to it answers.
    pub ask: Option<Ask>,
    /// What happened before.
    pub earlier: Earlier,
    /// Classes that need consent on record.
    pub need_consent: &'a [Class],
    /// What stands against any of the addresses.
    pub suppressions: &'a [Standing],
    /// The site's key for address hashes.
    pub address_key: &'a [u8],
    /// The rule's quiet hours.
    pub quiet: Option<QuietHours>,
    /// The rule's wall clock.
    pub zone: &'a TimeZone,
    /// What the recipient got already.
    pub counts: Counts,
    /// What they may get.
    pub caps: Caps,
    /// When it was planned, the moment an answer was made.
    pub planned_at: Timestamp,
    /// When it was due.
    pub due_at: Timestamp,
    /// After this it is of no use.
    pub expires_at: Timestamp,
}

/// Where a reminder may go: a channel, and the address for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Open<'a> {
    /// The medium.
    pub channel: Channel,
    /// Number in E.164 or mail address.
    pub address: &'a str,
}

/// What the gates say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict<'a> {
    /// It may go, by these ways in order; staff's ways are the composer's to find.
    Go(Vec<Open<'a>>),
    /// It may go then.
    Wait(Timestamp),
    /// It may not go.
    No(SkipReason),
}

/// Whether a planned reminder may go now.
///
/// Usefulness comes first, so that a reminder of a cancelled booking says so whoever it was for.
pub fn may_send<'a>(case: &Case<'a>, now: Timestamp) -> Verdict<'a> {
    let open = useful::useful(case, now)
        .and_then(|()| person(case, now))
        .and_then(|()| ways::ways(case));
    let open = match open {
        Ok(open) => open,
        Err(reason) => return Verdict::No(reason),
    };
    if case.role == Role::Staff {
        return Verdict::Go(open);
    }
    if let Some(at) = quiet_until(case.quiet.as_ref(), case.zone, case.due_at, now) {
        return if at <= case.expires_at {
            Verdict::Wait(at)
        } else {
            Verdict::No(SkipReason::QuietHours)
        };
    }
    if case.class.is_capped() && over(case.counts, case.caps) {
        return Verdict::No(SkipReason::FrequencyCap);
    }
    Verdict::Go(open)
}

/// Why a patient cannot be told themselves, whatever the channel: for the task that stands in.
pub fn why_unreachable(case: &Case<'_>, now: Timestamp) -> SkipReason {
    let case = Case {
        role: Role::Patient,
        relation: None,
        channels: &[Channel::Sms, Channel::Email, Channel::Voice],
        ..case.clone()
    };
    let open = person(&case, now).and_then(|()| ways::ways(&case));
    open.err().unwrap_or(SkipReason::NoContactPoint)
}

/// Whether a message that another system enqueued may go to an address: its caller decided when and why,
/// but death, a block and a STOP bind always.
///
/// `suppressions` are those that stand for its address; `patient` is the one it is about, where it is to the patient.
/// # Errors
/// The reason why it must not be sent.
pub fn enqueued(
    class: Class,
    channel: Channel,
    patient: Option<&Patient>,
    suppressions: &[Standing],
    now: Timestamp,
) -> Result<(), SkipReason> {
    let id = patient.map(|patient| &patient.id);
    if let Some(patient) = patient {
        alive(patient)?;
        if patient
            .opt_outs
            .iter()
            .any(|refusal| covers(*refusal, class, channel))
        {
            return Err(SkipReason::OptedOut);
        }
    }
    let standing = suppressions.iter().filter(|s| s.since <= now);
    match standing
        .into_iter()
        .find(|s| s.binds(&s.address_hash, class, channel, id))
    {
        Some(standing) => Err(standing.reason),
        None => Ok(()),
    }
}

/// The end of the quiet hours that hold at `now`, if they do and the reminder was not due just before them.
pub fn quiet_until(
    quiet: Option<&QuietHours>,
    zone: &TimeZone,
    due_at: Timestamp,
    now: Timestamp,
) -> Option<Timestamp> {
    let quiet = quiet?;
    let was_due_outside = !quiet.contains(wall::time(zone, due_at));
    if was_due_outside && now.duration_since(due_at) <= QUIET_GRACE {
        return None;
    }
    match quiet.shift(zone, now, None, now) {
        Shift::Pushed(end) => Some(end),
        Shift::Stands | Shift::PulledBack(_) | Shift::Dropped { .. } => None,
    }
}

/// Whether one more would be too many.
pub const fn over(counts: Counts, caps: Caps) -> bool {
    counts.today >= caps.a_day || counts.week >= caps.a_week
}

/// Whether a refusal stands against a class on a channel.
pub fn covers(refusal: OptOut, class: Class, channel: Channel) -> bool {
    match refusal {
        OptOut::All => true,
        OptOut::Class(refused) => refused == class,
        OptOut::Channel(refused) => refused == channel,
    }
}

fn alive(patient: &Patient) -> Result<(), SkipReason> {
    if patient.deceased {
        return Err(SkipReason::Deceased);
    }
    if patient.held {
        Err(SkipReason::Held)
    } else {
        Ok(())
    }
}

/// May this person be told at all?
fn person(case: &Case<'_>, now: Timestamp) -> Result<(), SkipReason> {
    // Our own answer goes to whoever wrote, also to those who tell us of a death.
    if case.class == Class::Reply {
        return match case.patient {
            Some(patient) if patient.held => Err(SkipReason::Held),
            Some(_) | None => Ok(()),
        };
    }
    let Some(patient) = case.patient else {
        // The record of a patient who was flagged is purged; what is about many has no one patient.
        return if case.role == Role::Staff {
            Ok(())
        } else {
            Err(SkipReason::Sensitive)
        };
    };
    alive(patient)?;
    match case.role {
        Role::Staff => Ok(()),
        Role::Patient => {
            let today = wall::date(case.zone, now);
            let is_minor = patient
                .birth_on
                .as_ref()
                .is_some_and(|birth| wall::age_on(*birth.reveal(), today) < FULL_AGE);
            let lacks_consent = case.need_consent.contains(&case.class)
                && !patient.consents.iter().any(|consent| match consent {
                    OptOut::All => true,
                    OptOut::Class(allowed) => *allowed == case.class,
                    OptOut::Channel(_) => false,
                });
            if is_minor {
                Err(SkipReason::NoGuardian)
            } else if lacks_consent {
                Err(SkipReason::NoConsent)
            } else {
                Ok(())
            }
        }
        Role::Family => match case.relation {
            Some(relation) if relation.may_hear(case.class) => Ok(()),
            Some(_) | None => Err(SkipReason::NoConsent),
        },
    }
}

/// The kinds of contact point that a list of channels can use.
pub fn kinds(channels: &[Channel]) -> Vec<ContactKind> {
    channels
        .iter()
        .filter_map(|channel| channel.contact_kind())
        .collect()
}

#[cfg(test)]
mod tests;
