//! The plan: what a rule yields for one patient, and why not what it does not (TRADE.md §8).

use std::collections::HashSet;
use std::ops::Range;

use jiff::Timestamp;

use crate::calendar::wall;
use crate::model::class::{Channel, Class, Role};
use crate::model::id::{OccasionId, PatientId, RelationId};
use crate::model::occasion::Occasion;
use crate::model::patient::{Fact, Patient};
use crate::model::reminder::SkipReason;
use crate::rules::audience::Moment as AudienceMoment;
use crate::rules::lead::Lead;
use crate::rules::recipient::{self, Recipient};
use crate::rules::rule::{Ask, Mode, Rule, Step, Unless};
use crate::rules::timing::{self, Moment};
use crate::rules::triggers::{self, Occurrence, Records, manual};

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
    let mut silent = |_: &str, _: &str, _: String| {};
    let mut draft = Draft {
        rule,
        subject,
        now,
        window: Timestamp::MIN..Timestamp::MAX,
        plan: Plan::default(),
        note: &mut silent,
    };
    if !draft.may_plan() {
        return draft.plan;
    }
    draft.occurrence(&manual::at(rule, at));
    draft.plan
}

/// Takes step, lead and what happened to it.
pub(crate) type Note<'n> = &'n mut dyn FnMut(&str, &str, String);

/// Plans, and tells `note` what it took.
pub(crate) fn draw(
    rule: &Rule,
    subject: &Subject<'_>,
    now: Timestamp,
    window: Range<Timestamp>,
    note: Note<'_>,
) -> Plan {
    let records = Records {
        patient: subject.patient,
        facts: subject.facts,
        occasions: subject.occasions,
    };
    let mut draft = Draft {
        rule,
        subject,
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

fn whole(reason: SkipReason, detail: &str) -> Decision {
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

fn refuse_all(reason: SkipReason, detail: &str) -> Plan {
    Plan {
        reminders: Vec::new(),
        decisions: vec![whole(reason, detail)],
    }
}

/// A plan in the making.
struct Draft<'a, 'n> {
    rule: &'a Rule,
    subject: &'a Subject<'a>,
    now: Timestamp,
    window: Range<Timestamp>,
    plan: Plan,
    note: Note<'n>,
}

/// A lead of a step, on its way to its recipients.
struct Entry<'a> {
    occurrence: &'a Occurrence<'a>,
    step: &'a Step,
    lead: String,
    runs_after: bool,
    due: Timestamp,
    catch_up: bool,
}

/// Recipient, channel and minute: one occasion is told there once.
type Seen = HashSet<(String, Channel, Timestamp)>;

impl<'a> Draft<'a, '_> {
    /// The dead and the sensitive are left alone by everybody.
    fn may_plan(&mut self) -> bool {
        let refused = if self.subject.patient.deceased {
            Some((SkipReason::Deceased, "the patient has died"))
        } else if self.subject.sensitive {
            Some((SkipReason::Sensitive, "the patient is a sensitive one"))
        } else {
            None
        };
        self.plan
            .decisions
            .extend(refused.map(|(reason, detail)| whole(reason, detail)));
        refused.is_none()
    }

    fn occurrence(&mut self, occurrence: &Occurrence<'_>) {
        let rule = self.rule;
        let moment = AudienceMoment {
            day: occurrence.day,
            kind: rule.trigger.word(),
            occasion: occurrence.occasion,
        };
        if let Err((reason, detail)) =
            rule.audience
                .admits(self.subject.patient, self.subject.facts, moment)
        {
            let at = Some(occurrence.start)
                .filter(|at| self.window.contains(at) || occurrence.occasion.is_some());
            self.plan.decisions.push(Decision {
                at,
                occurrence: occurrence.key.clone(),
                ..whole(reason, &detail)
            });
            return;
        }
        let mut seen = Seen::new();
        for step in &rule.steps {
            self.step(step, occurrence, &mut seen);
        }
    }

    fn step(&mut self, step: &'a Step, occurrence: &Occurrence<'_>, seen: &mut Seen) {
        let rule = self.rule;
        let mut missed = 0;
        for lead in &step.leads {
            let name = lead.to_string();
            let runs_after = matches!(lead, Lead::After(_));
            if self.was_sent(occurrence, step, *lead) {
                self.skip(
                    occurrence,
                    step,
                    &name,
                    None,
                    SkipReason::Duplicate,
                    "sent already",
                );
                continue;
            }
            if !runs_after && self.is_past(occurrence) {
                self.skip(
                    occurrence,
                    step,
                    &name,
                    Some(occurrence.end),
                    SkipReason::Past,
                    "the occasion is over",
                );
                continue;
            }
            let note = &mut *self.note;
            match timing::moment(rule, step, *lead, occurrence, self.now, &mut |text| {
                note(&step.id, &name, text)
            }) {
                Moment::Due(due) => self.entry(
                    &Entry {
                        occurrence,
                        step,
                        lead: name,
                        runs_after,
                        due,
                        catch_up: false,
                    },
                    seen,
                ),
                Moment::Missed(at) => {
                    missed += 1;
                    let since = timing::shown(rule, timing::earliest(occurrence, self.now));
                    self.skip(
                        occurrence,
                        step,
                        &name,
                        Some(at),
                        SkipReason::Missed,
                        &format!("was past at {since}"),
                    );
                }
                Moment::Dropped(at, reason, why) => {
                    self.skip(occurrence, step, &name, Some(at), reason, &why)
                }
            }
        }
        if missed == step.leads.len() && !step.leads.is_empty() {
            self.late(step, occurrence, seen);
        }
    }

    /// What becomes of an entry all of whose leads were missed.
    fn late(&mut self, step: &'a Step, occurrence: &Occurrence<'_>, seen: &mut Seen) {
        let rule = self.rule;
        if self.blocks_catch_up(occurrence, step) {
            return;
        }
        let note = &mut *self.note;
        let mut note = |text| note(&step.id, CATCH_UP, text);
        let moment = if occurrence.late_until.is_some() && step.to != Role::Staff {
            timing::late_entry(rule, step, occurrence, self.now, &mut note).map(Moment::Due)
        } else if occurrence.catches_up && rule.class.is_transactional() && !step.is_on_created() {
            Some(timing::catch_up(
                rule, step, occurrence, self.now, &mut note,
            ))
        } else {
            None
        };
        let lead = CATCH_UP.to_owned();
        match moment {
            Some(Moment::Due(due)) => self.entry(
                &Entry {
                    occurrence,
                    step,
                    lead,
                    runs_after: false,
                    due,
                    catch_up: true,
                },
                seen,
            ),
            Some(Moment::Dropped(at, reason, why)) => {
                self.skip(occurrence, step, CATCH_UP, Some(at), reason, &why)
            }
            Some(Moment::Missed(_)) | None => {}
        }
    }

    /// Finds the recipients of a lead that is due.
    fn entry(&mut self, entry: &Entry<'_>, seen: &mut Seen) {
        let rule = self.rule;
        let day = wall::date(&rule.timezone, entry.due);
        let told = recipient::recipients(rule, entry.step, self.subject.patient, day);
        for missed in told.missed {
            let decision = Decision {
                role: Some(missed.role),
                ..whole(missed.reason, &missed.detail)
            };
            self.plan.decisions.push(Decision {
                at: Some(entry.due),
                occurrence: entry.occurrence.key.clone(),
                step: entry.step.id.clone(),
                lead: entry.lead.clone(),
                ..decision
            });
        }
        for recipient in told.found {
            let reminder = reminder(rule, self.subject.patient, entry, &recipient);
            let Some(channel) = reminder.channels.first() else {
                continue;
            };
            if !seen.insert((address(&recipient), *channel, wall::minute(entry.due))) {
                self.skip(
                    entry.occurrence,
                    entry.step,
                    &entry.lead,
                    Some(entry.due),
                    SkipReason::Duplicate,
                    "the same recipient hears of it by an earlier step in that minute",
                );
                continue;
            }
            if self.window.contains(&entry.due) {
                self.plan.reminders.push(reminder);
            }
        }
    }

    fn skip(
        &mut self,
        occurrence: &Occurrence<'_>,
        step: &Step,
        lead: &str,
        at: Option<Timestamp>,
        reason: SkipReason,
        detail: &str,
    ) {
        let decision = Decision {
            at,
            occurrence: occurrence.key.clone(),
            role: Some(step.to),
            ..whole(reason, detail)
        };
        self.plan.decisions.push(Decision {
            step: step.id.clone(),
            lead: lead.to_owned(),
            ..decision
        });
    }

    fn is_past(&self, occurrence: &Occurrence<'_>) -> bool {
        occurrence.is_over || occurrence.end < wall::minute(timing::earliest(occurrence, self.now))
    }

    /// What went out for this occurrence in its present epoch.
    fn sent<'s>(
        &'s self,
        occurrence: &'s Occurrence<'_>,
    ) -> impl Iterator<Item = &'a SentLead> + 's {
        self.subject
            .sent
            .iter()
            .filter(|sent| sent.occurrence == occurrence.key && sent.epoch == occurrence.epoch)
    }

    fn was_sent(&self, occurrence: &Occurrence<'_>, step: &Step, lead: Lead) -> bool {
        let of_step = |sent: &&SentLead| sent.step.as_ref().is_none_or(|id| *id == step.id);
        self.sent(occurrence)
            .filter(of_step)
            .any(|sent| lead.is_called(&sent.lead))
    }

    /// A catch-up is for who has heard nothing. What is known to have gone to staff alone told the patient nothing.
    fn blocks_catch_up(&self, occurrence: &Occurrence<'_>, step: &Step) -> bool {
        let staff_only = |sent: &SentLead| {
            let other = sent
                .step
                .as_ref()
                .and_then(|id| self.rule.steps.iter().find(|step| step.id == *id));
            other.is_some_and(|other| other.to == Role::Staff) && step.to != Role::Staff
        };
        self.sent(occurrence).any(|sent| !staff_only(sent))
    }
}

fn reminder(
    rule: &Rule,
    patient: &Patient,
    entry: &Entry<'_>,
    recipient: &Recipient<'_>,
) -> PlannedReminder {
    let occurrence = entry.occurrence;
    let (role, relation, department, channels, stands_in) = match recipient {
        Recipient::Patient { channels } => (Role::Patient, None, None, channels.clone(), false),
        Recipient::Family {
            relation,
            channels,
            stands_in,
        } => (
            Role::Family,
            Some(relation.id.clone()),
            None,
            channels.clone(),
            *stands_in,
        ),
        Recipient::Staff {
            department,
            channel,
            stands_in,
        } => (
            Role::Staff,
            None,
            department.map(str::to_owned),
            vec![*channel],
            *stands_in,
        ),
    };
    PlannedReminder {
        key: key(rule, patient, entry, recipient),
        rule: rule.id.clone(),
        patient: patient.id.clone(),
        occasion: occurrence.occasion.map(|occasion| occasion.id.clone()),
        epoch: occurrence.epoch,
        occurrence: occurrence.key.clone(),
        step: entry.step.id.clone(),
        lead: entry.lead.clone(),
        role,
        relation,
        department,
        channels,
        class: rule.class,
        template: entry.step.template.clone(),
        ask: entry.step.ask.filter(|_| role != Role::Staff),
        unless: entry.step.unless,
        due_at: entry.due,
        expires_at: expires_at(rule, entry),
        catch_up: entry.catch_up,
        stands_in,
    }
}

/// The occasion's start less `min_useful`; the occasion itself for a lead that is nearer;
/// the end of the local day for what is reckoned or comes after.
fn expires_at(rule: &Rule, entry: &Entry<'_>) -> Timestamp {
    let end = entry.occurrence.end;
    if entry.occurrence.occasion.is_some() && !entry.runs_after {
        let useful = end.saturating_sub(rule.min_useful).unwrap_or(end);
        if useful > entry.due {
            return useful;
        }
        if end > entry.due {
            return end;
        }
    }
    wall::end_of_day(&rule.timezone, wall::date(&rule.timezone, entry.due))
}

/// Who hears of it, as far as hearing it twice goes.
fn address(recipient: &Recipient<'_>) -> String {
    match recipient {
        Recipient::Patient { .. } => "patient".to_owned(),
        Recipient::Family { relation, .. } => format!("family:{}", relation.id),
        Recipient::Staff { department, .. } => format!("staff:{}", department.unwrap_or_default()),
    }
}

/// Rule, subject, occurrence, step, lead, recipient, for staff the channel, and the epoch.
fn key(rule: &Rule, patient: &Patient, entry: &Entry<'_>, recipient: &Recipient<'_>) -> String {
    let whom = match recipient {
        Recipient::Patient { .. } | Recipient::Family { .. } => address(recipient),
        Recipient::Staff { channel, .. } => format!("{}:{channel}", address(recipient)),
    };
    // Staff hear once of a holiday, not once per patient.
    let subject = if rule.trigger.is_shared() && entry.step.to == Role::Staff {
        "all"
    } else {
        patient.id.as_str()
    };
    let parts = [
        rule.id.as_str(),
        subject,
        &entry.occurrence.key,
        &entry.step.id,
        &entry.lead,
        &whom,
    ];
    let plain = parts.map(|part| part.replace('%', "%25").replace('/', "%2F"));
    format!("{}/{}", plain.join("/"), entry.occurrence.epoch)
}
