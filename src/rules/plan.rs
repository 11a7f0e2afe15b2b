//! The plan: what a rule yields for one patient, and why not what it does not (rules/README.md).

use std::ops::Range;

use jiff::Timestamp;

use crate::model::class::{Channel, Class, Role};
use crate::model::id::{OccasionId, PatientId, RelationId};
use crate::model::message::Ask;
use crate::model::occasion::Occasion;
use crate::model::patient::{Fact, Patient};
use crate::model::reminder::{SkipReason, Unless};
use crate::rules::draft::Draft;
use crate::rules::note::{Ear, Note};
use crate::rules::overrides::{self, Override};
use crate::rules::rule::{Mode, Rule};
use crate::rules::triggers::{self, Records, manual};

/// The lead of a late reminder that stands for all that were missed.
pub const CATCH_UP: &str = "catch_up";

/// One patient with everything that planning looks at.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// Who.
    pub patient: &'a Patient,
    /// Diagnoses and other dated facts.
    pub facts: &'a [Fact],
    /// Bookings and other occasions, of any kind.
    pub occasions: &'a [Occasion],
    /// What went out already for the rule.
    pub sent: &'a [SentLead],
    /// Whether the patient is a sensitive one: nothing is planned then.
    pub sensitive: bool,
    /// The patient's own settings, which win over rules.
    pub overrides: &'a [Override],
}

/// A lead that is settled: it went out, and is never repeated in the same epoch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SentLead {
    /// The occasion's id, or the occurrence of a computed one, as the reminder had it.
    pub occurrence: String,
    /// The epoch it was sent in.
    pub epoch: i64,
    /// The step; `None` is any.
    pub step: Option<String>,
    /// The lead, as the reminder had it.
    pub lead: String,
}

/// What a rule yields for one patient.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// What is to be said or done, in the order of occasions and steps.
    pub reminders: Vec<PlannedReminder>,
    /// What is not, and why.
    pub decisions: Vec<Decision>,
}

/// One thing to say or do for one recipient at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedReminder {
    /// Computed and unique: planning twice plans once.
    pub key: String,
    /// The rule's id.
    pub rule: String,
    /// About whom. One of many, where staff are told of all at once.
    pub patient: PatientId,
    /// The stored occasion.
    pub occasion: Option<OccasionId>,
    /// The occasion's epoch; 0 for computed ones.
    pub epoch: i64,
    /// The occasion's id, or the civil date of a computed one.
    pub occurrence: String,
    /// The step's id.
    pub step: String,
    /// The lead, such as `3d`, `+30d`, `created`, `now` or `catch_up`.
    pub lead: String,
    /// Who gets it.
    pub role: Role,
    /// Which relation, for family.
    pub relation: Option<RelationId>,
    /// Which department, for staff.
    pub department: Option<String>,
    /// The first usable channel, then the fallbacks; exactly one for staff.
    pub channels: Vec<Channel>,
    /// The rule's class.
    pub class: Class,
    /// What is said.
    pub template: String,
    /// What a reply answers; never for staff.
    pub ask: Option<Ask>,
    /// What makes it needless.
    pub unless: Option<Unless>,
    /// When it is due.
    pub due_at: Timestamp,
    /// After that it is useless.
    pub expires_at: Timestamp,
    /// Whether it stands for leads that were missed.
    pub catch_up: bool,
    /// Whether it goes here only because who it was meant for cannot be reached.
    pub stands_in: bool,
}

/// Something that is not planned, and why. Names no patient; may name days, hours and codes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// When it would have been due.
    pub at: Option<Timestamp>,
    /// The occurrence, empty for all of them.
    pub occurrence: String,
    /// The step, empty for all of them.
    pub step: String,
    /// The lead, empty for all of them.
    pub lead: String,
    /// Who would have got it.
    pub role: Option<Role>,
    /// Why not, in a word.
    pub reason: SkipReason,
    /// Why not, for people.
    pub detail: String,
}

/// What `rule` yields for `subject` between the instants of `window`, planned at `now`. The rule's mode is not asked.
pub fn plan(rule: &Rule, subject: &Subject<'_>, now: Timestamp, window: Range<Timestamp>) -> Plan {
    draw(rule, subject, now, window, &mut |_, _, _| {})
}

/// The same, but nothing when the rule is off. A rule in shadow is planned and shown.
pub fn plan_by_mode(
    rule: &Rule,
    subject: &Subject<'_>,
    now: Timestamp,
    window: Range<Timestamp>,
) -> Plan {
    match rule.mode {
        Mode::Live | Mode::Shadow => plan(rule, subject, now, window),
        Mode::Off => refuse_all(SkipReason::RuleOff, "the rule is off"),
    }
}

/// What a manual rule yields when somebody starts it for the moment `at`.
pub fn plan_manual(rule: &Rule, subject: &Subject<'_>, now: Timestamp, at: Timestamp) -> Plan {
    draw_manual(rule, subject, now, at, &mut |_, _, _| {})
}

/// Plans what somebody started, and tells `note` what it took.
pub(crate) fn draw_manual(
    rule: &Rule,
    subject: &Subject<'_>,
    now: Timestamp,
    at: Timestamp,
    note: Ear<'_>,
) -> Plan {
    if let Some(set) = overrides::of(rule, subject.overrides) {
        note("", "", Note::Own(set));
    }
    let Some(own) = overrides::lay_over(rule, subject.patient, subject.overrides) else {
        return refuse_telling(SkipReason::Overridden, OVERRIDDEN, note);
    };
    let (rule, patient) = (own.rule.as_ref(), own.patient.as_ref());
    let subject = Subject {
        patient,
        ..*subject
    };
    let mut draft = Draft {
        rule,
        subject: &subject,
        now,
        window: Timestamp::MIN..Timestamp::MAX,
        plan: Plan::default(),
        note,
    };
    if !draft.may_plan() {
        return draft.plan;
    }
    draft.occurrence(&manual::at(rule, at));
    draft.plan
}

/// Plans, and tells `note` what it took.
pub(crate) fn draw(
    rule: &Rule,
    subject: &Subject<'_>,
    now: Timestamp,
    window: Range<Timestamp>,
    note: Ear<'_>,
) -> Plan {
    if let Some(set) = overrides::of(rule, subject.overrides) {
        note("", "", Note::Own(set));
    }
    let Some(own) = overrides::lay_over(rule, subject.patient, subject.overrides) else {
        return refuse_telling(SkipReason::Overridden, OVERRIDDEN, note);
    };
    let (rule, patient) = (own.rule.as_ref(), own.patient.as_ref());
    let subject = Subject {
        patient,
        ..*subject
    };
    let records = Records {
        patient,
        facts: subject.facts,
        occasions: subject.occasions,
    };
    let mut draft = Draft {
        rule,
        subject: &subject,
        now,
        window: window.clone(),
        plan: Plan::default(),
        note,
    };
    if !draft.may_plan() {
        return draft.plan;
    }
    let found = triggers::find(rule, records, &window);
    for closed in found.closed {
        (draft.note)("", "", Note::Closed(&closed));
        let decision = Decision {
            at: Some(closed.at),
            occurrence: closed.key,
            ..whole(closed.reason, &closed.detail)
        };
        draft.plan.decisions.push(decision);
    }
    for occurrence in &found.occurrences {
        draft.occurrence(occurrence);
    }
    draft.plan
}

/// Why a patient whose own setting turns a rule off gets nothing of it.
const OVERRIDDEN: &str = "the patient's own setting turns the rule off";

/// A decision on all steps and leads.
pub(crate) fn whole(reason: SkipReason, detail: &str) -> Decision {
    Decision {
        at: None,
        occurrence: String::new(),
        step: String::new(),
        lead: String::new(),
        role: None,
        reason,
        detail: detail.to_owned(),
    }
}

/// The same, told.
fn refuse_telling(reason: SkipReason, detail: &str, note: Ear<'_>) -> Plan {
    let plan = refuse_all(reason, detail);
    for decision in &plan.decisions {
        note("", "", Note::Refused(decision));
    }
    plan
}

fn refuse_all(reason: SkipReason, detail: &str) -> Plan {
    Plan {
        reminders: Vec::new(),
        decisions: vec![whole(reason, detail)],
    }
}
