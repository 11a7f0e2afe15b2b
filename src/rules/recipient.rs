//! Who gets a reminder, and by which channels (rules/README.md, rule 7).

use jiff::civil::Date;

use crate::calendar::wall;
use crate::model::class::{Channel, Class, Role};
use crate::model::patient::{ContactPoint, ContactStatus, OptOut, Patient, Relation};
use crate::model::reminder::SkipReason;
use crate::rules::note::{Chosen, NotChosen, Note, Reach};
use crate::rules::rule::{Rule, Step};

/// Adult from this age on.
const OF_AGE: i64 = 18;

/// Who gets it, and by what.
#[derive(Clone, Debug)]
pub(crate) enum Recipient<'a> {
    /// The patient.
    Patient {
        /// The first usable channel, then the others.
        channels: Vec<Channel>,
    },
    /// A relation who consented.
    Family {
        /// Which.
        relation: &'a Relation,
        /// The first usable channel, then the others.
        channels: Vec<Channel>,
        /// Whether only because the patient cannot be reached.
        stands_in: bool,
    },
    /// A department.
    Staff {
        /// Which; `None` when the rule has none.
        department: Option<&'a str>,
        /// By what.
        channel: Channel,
        /// Whether only because neither patient nor family can be reached.
        stands_in: bool,
    },
}

/// Somebody who should have got it and does not.
#[derive(Clone, Debug)]
pub(crate) struct Missed {
    pub(crate) role: Role,
    pub(crate) reason: SkipReason,
    pub(crate) detail: String,
}

/// Who gets what and who does not.
#[derive(Clone, Debug, Default)]
pub(crate) struct Recipients<'a> {
    pub(crate) found: Vec<Recipient<'a>>,
    pub(crate) missed: Vec<Missed>,
}

impl Recipients<'_> {
    fn miss(&mut self, role: Role, reason: SkipReason, detail: impl Into<String>) {
        self.missed.push(Missed {
            role,
            reason,
            detail: detail.into(),
        });
    }
}

/// What takes a note on the way.
type Ear<'n> = &'n mut dyn FnMut(Note<'_>);

/// Who gets `step` of `rule` when it is sent on `day`.
pub(crate) fn recipients<'a>(
    rule: &'a Rule,
    step: &'a Step,
    patient: &'a Patient,
    day: Date,
    note: Ear<'_>,
) -> Recipients<'a> {
    match step.to {
        Role::Staff => {
            let department = step.department.as_deref();
            note(Note::Chosen(Chosen::Staff { department }));
            staff(step)
        }
        Role::Patient | Role::Family if patient.held => {
            note(Note::NotChosen(NotChosen::Held));
            let mut none = Recipients::default();
            none.miss(
                step.to,
                SkipReason::Held,
                "a person holds everything to this patient",
            );
            none
        }
        Role::Family => family_step(rule, step, patient, note),
        Role::Patient => patient_step(rule, step, patient, day, note),
    }
}

fn staff(step: &Step) -> Recipients<'_> {
    let channels = step.by.as_deref().unwrap_or(&[Channel::Task]);
    let own = std::iter::once(step.department.as_deref());
    let others = step.cc.iter().map(|other| Some(other.as_str()));
    let others = others.filter(|other| *other != step.department.as_deref());
    let found = own.chain(others).flat_map(|department| {
        channels.iter().map(move |channel| Recipient::Staff {
            department,
            channel: *channel,
            stands_in: false,
        })
    });
    Recipients {
        found: found.collect(),
        missed: Vec::new(),
    }
}

fn family_step<'a>(
    rule: &'a Rule,
    step: &Step,
    patient: &'a Patient,
    note: Ear<'_>,
) -> Recipients<'a> {
    let mut told = Recipients::default();
    match family(rule, step, patient) {
        Ok((relation, channels)) => {
            let kind = relation.kind.as_str();
            note(Note::Chosen(Chosen::Family { relation: kind }));
            tell_family(rule, step, patient, relation, note);
            told.found.push(Recipient::Family {
                relation,
                channels,
                stands_in: false,
            });
        }
        Err(reason) => {
            note(Note::NotChosen(no_family(reason)));
            told.miss(
                Role::Family,
                reason,
                "no relation who consented can be reached",
            );
            told.found.extend(staff_instead(rule, note));
        }
    }
    told
}

fn patient_step<'a>(
    rule: &'a Rule,
    step: &Step,
    patient: &'a Patient,
    day: Date,
    note: Ear<'_>,
) -> Recipients<'a> {
    let mut told = Recipients::default();
    let age = patient
        .birth_on
        .as_ref()
        .map(|birth| wall::age_on(*birth.reveal(), day));
    let family = family(rule, step, patient);
    if let Some(age) = age.filter(|age| *age < OF_AGE) {
        return guardian(rule, step, patient, (age, day), family, note);
    }
    let old_enough = rule
        .family
        .from_age
        .is_some_and(|from| age.is_some_and(|age| age >= from));
    if (patient.special || old_enough)
        && let Ok((relation, channels)) = &family
    {
        note(Note::Chosen(instead(rule, patient, age, &relation.kind)));
        tell_family(rule, step, patient, relation, note);
        told.found.push(Recipient::Family {
            relation,
            channels: channels.clone(),
            stands_in: false,
        });
        if !rule.family.copy {
            return told;
        }
    }
    let channels = usable(
        rule.class,
        step,
        patient,
        &patient.contacts,
        &patient.opt_outs,
    );
    note(Note::Chosen(Chosen::Patient { age }));
    let (contacts, refusals) = (&patient.contacts, &patient.opt_outs);
    tell(rule, step, patient, Role::Patient, contacts, refusals, note);
    if !channels.is_empty() {
        told.found.push(Recipient::Patient { channels });
        return told;
    }
    let (reason, detail) = why_not(rule.class, step, patient);
    told.miss(Role::Patient, reason, detail);
    let refused_all = patient.opt_outs.contains(&OptOut::All);
    match family {
        Ok((relation, channels)) if rule.family.fallback && !refused_all => {
            let kind = relation.kind.as_str();
            note(Note::Chosen(Chosen::Fallback { relation: kind }));
            tell_family(rule, step, patient, relation, note);
            told.found.push(Recipient::Family {
                relation,
                channels,
                stands_in: true,
            })
        }
        Ok(_) | Err(_) => {
            note(Note::NotChosen(NotChosen::NoFallback));
            told.found.extend(staff_instead(rule, note));
        }
    }
    told
}

/// The guardian of a minor, never the minor.
fn guardian<'a>(
    rule: &'a Rule,
    step: &Step,
    patient: &'a Patient,
    (age, day): (i64, Date),
    family: Result<(&'a Relation, Vec<Channel>), SkipReason>,
    note: Ear<'_>,
) -> Recipients<'a> {
    let mut told = Recipients::default();
    match family {
        Ok((relation, channels)) => {
            let kind = relation.kind.as_str();
            note(Note::Chosen(Chosen::Guardian {
                age,
                relation: kind,
            }));
            tell_family(rule, step, patient, relation, note);
            told.found.push(Recipient::Family {
                relation,
                channels,
                stands_in: false,
            });
        }
        Err(_) => {
            note(Note::NotChosen(NotChosen::NoGuardian { age }));
            told.miss(
                Role::Patient,
                SkipReason::NoGuardian,
                format!("under {OF_AGE} on {day}, and no guardian who consented can be reached"),
            );
            told.found.extend(staff_instead(rule, note));
        }
    }
    told
}

/// Why a relation gets what is meant for a grown patient.
fn instead<'a>(rule: &Rule, patient: &Patient, age: Option<i64>, relation: &'a str) -> Chosen<'a> {
    let copy = rule.family.copy;
    match (patient.special, age, rule.family.from_age) {
        (false, Some(age), Some(from)) => Chosen::Old {
            age,
            from,
            relation,
            copy,
        },
        (true | false, _, _) => Chosen::Special { relation, copy },
    }
}

fn no_family(reason: SkipReason) -> NotChosen {
    if reason == SkipReason::NoConsent {
        NotChosen::NoConsent
    } else {
        NotChosen::Unreachable
    }
}

fn tell_family(rule: &Rule, step: &Step, patient: &Patient, relation: &Relation, note: Ear<'_>) {
    let (contacts, refusals) = (&relation.contacts, &relation.opt_outs);
    tell(rule, step, patient, Role::Family, contacts, refusals, note);
}

/// Tells of each channel that is wished for what the record has for it.
fn tell(
    rule: &Rule,
    step: &Step,
    patient: &Patient,
    role: Role,
    contacts: &[ContactPoint],
    refusals: &[OptOut],
    note: Ear<'_>,
) {
    for channel in wishes(step.by.as_deref(), &patient.prefer) {
        let reach = reach(rule.class, channel, contacts, refusals);
        note(Note::Channel {
            role,
            channel,
            reach,
        });
    }
}

/// What the record has of one channel for one reader.
fn reach(class: Class, channel: Channel, contacts: &[ContactPoint], refusals: &[OptOut]) -> Reach {
    if refusals.contains(&OptOut::All) {
        return Reach::RefusedAll;
    }
    if refusals.contains(&OptOut::Class(class)) {
        return Reach::RefusedClass;
    }
    if refusals.contains(&OptOut::Channel(channel)) {
        return Reach::RefusedChannel;
    }
    let mut bad = Reach::NoAddress;
    for contact in contacts
        .iter()
        .filter(|contact| Some(contact.kind) == channel.contact_kind())
    {
        match contact.status {
            ContactStatus::Ok => return Reach::Usable,
            ContactStatus::WrongNumber | ContactStatus::Invalid => bad = Reach::Bad(contact.status),
        }
    }
    bad
}

/// The first relation who consented and can be reached, or why there is none.
fn family<'a>(
    rule: &Rule,
    step: &Step,
    patient: &'a Patient,
) -> Result<(&'a Relation, Vec<Channel>), SkipReason> {
    let mut consented = patient
        .family
        .iter()
        .filter(|relation| relation.may_hear(rule.class))
        .peekable();
    if consented.peek().is_none() {
        return Err(SkipReason::NoConsent);
    }
    let mut reached = consented.map(|relation| {
        (
            relation,
            usable(
                rule.class,
                step,
                patient,
                &relation.contacts,
                &relation.opt_outs,
            ),
        )
    });
    reached
        .find(|(_, channels)| !channels.is_empty())
        .ok_or(SkipReason::NoContactPoint)
}

/// A task for the rule's department, where the word is worth one.
fn staff_instead<'a>(rule: &'a Rule, note: Ear<'_>) -> Option<Recipient<'a>> {
    if rule.class.is_transactional() {
        let department = rule.department.as_deref();
        note(Note::Chosen(Chosen::Task { department }));
    }
    let task = Recipient::Staff {
        department: rule.department.as_deref(),
        channel: Channel::Task,
        stands_in: true,
    };
    rule.class.is_transactional().then_some(task)
}

/// The channels to try, in order: `by` with the patient's explicit wishes in front, or these wishes alone.
pub(crate) fn wishes(by: Option<&[Channel]>, prefer: &[Channel]) -> Vec<Channel> {
    let speaks = |channel: &&Channel| channel.contact_kind().is_some();
    let mut list: Vec<Channel> = match by {
        Some(by) => prefer
            .iter()
            .filter(|channel| by.contains(channel))
            .chain(by)
            .filter(speaks)
            .copied()
            .collect(),
        None => prefer.iter().filter(speaks).copied().collect(),
    };
    if list.is_empty() && by.is_none() {
        list = vec![Channel::Sms, Channel::Email];
    }
    let mut once = Vec::with_capacity(list.len());
    for channel in list {
        if !once.contains(&channel) {
            once.push(channel);
        }
    }
    once
}

fn usable(
    class: Class,
    step: &Step,
    patient: &Patient,
    contacts: &[ContactPoint],
    opt_outs: &[OptOut],
) -> Vec<Channel> {
    let mut channels = wishes(step.by.as_deref(), &patient.prefer);
    channels.retain(|channel| reach(class, *channel, contacts, opt_outs) == Reach::Usable);
    channels
}

fn has_contact(contacts: &[ContactPoint], channel: Channel) -> bool {
    contacts.iter().any(|contact| {
        Some(contact.kind) == channel.contact_kind() && contact.status == ContactStatus::Ok
    })
}

fn why_not(class: Class, step: &Step, patient: &Patient) -> (SkipReason, String) {
    let channels = wishes(step.by.as_deref(), &patient.prefer);
    let words: Vec<&str> = channels.iter().map(|channel| channel.as_str()).collect();
    let words = words.join(", ");
    if patient.opt_outs.contains(&OptOut::All) {
        return (
            SkipReason::OptedOut,
            "the patient refused everything".to_owned(),
        );
    }
    if patient.opt_outs.contains(&OptOut::Class(class)) {
        return (SkipReason::OptedOut, format!("the patient refused {class}"));
    }
    if channels
        .iter()
        .any(|channel| has_contact(&patient.contacts, *channel))
    {
        return (
            SkipReason::OptedOut,
            format!("the patient refused every channel of {words} that there is"),
        );
    }
    (
        SkipReason::NoContactPoint,
        format!("no usable contact point for {words}"),
    )
}

#[cfg(test)]
mod tests {
    use super::wishes;
    use crate::model::class::Channel::{self, Email, Sms, Voice};

    #[track_caller]
    fn check(by: Option<&[Channel]>, prefer: &[Channel], expected: &[Channel]) {
        assert_eq!(wishes(by, prefer), expected);
    }

    #[test]
    fn wishes_come_first_but_never_add_a_channel() {
        check(None, &[], &[Sms, Email]);
        check(None, &[Voice], &[Voice]);
        check(Some(&[Sms, Voice, Email]), &[], &[Sms, Voice, Email]);
        check(
            Some(&[Sms, Voice, Email]),
            &[Email, Sms],
            &[Email, Sms, Voice],
        );
        check(Some(&[Sms, Voice]), &[Email], &[Sms, Voice]);
        check(Some(&[Sms, Voice]), &[Email, Voice, Voice], &[Voice, Sms]);
    }
}
