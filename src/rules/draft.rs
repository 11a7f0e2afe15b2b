//! A plan in the making: one patient, occurrence by occurrence, step by step, lead by lead.

use std::collections::HashSet;
use std::ops::Range;

use jiff::Timestamp;

use crate::calendar::wall;
use crate::model::class::{Channel, Role};
use crate::model::reminder::SkipReason;
use crate::rules::audience::Moment as AudienceMoment;
use crate::rules::lead::Lead;
use crate::rules::note::{Ear, Late, Note};
use crate::rules::plan::{CATCH_UP, Decision, Plan, SentLead, Subject, whole};
use crate::rules::planned::{Entry, address, reminder};
use crate::rules::recipient;
use crate::rules::rule::{Rule, Step};
use crate::rules::timing::{self, Moment};
use crate::rules::triggers::Occurrence;

/// A plan in the making.
pub(crate) struct Draft<'a, 'n> {
    pub(crate) rule: &'a Rule,
    pub(crate) subject: &'a Subject<'a>,
    pub(crate) now: Timestamp,
    pub(crate) window: Range<Timestamp>,
    pub(crate) plan: Plan,
    pub(crate) note: Ear<'n>,
}

/// Recipient, channel and minute: one occasion is told there once.
type Seen = HashSet<(String, Channel, Timestamp)>;

impl<'a> Draft<'a, '_> {
    /// The dead and the sensitive are left alone by everybody.
    pub(crate) fn may_plan(&mut self) -> bool {
        let refused = if self.subject.patient.deceased {
            Some((SkipReason::Deceased, "the patient has died"))
        } else if self.subject.sensitive {
            Some((SkipReason::Sensitive, "the patient is a sensitive one"))
        } else {
            None
        };
        if let Some((reason, detail)) = refused {
            self.refuse(whole(reason, detail));
        }
        refused.is_none()
    }

    /// What is not planned, told and kept.
    fn refuse(&mut self, decision: Decision) {
        let (step, lead) = (decision.step.as_str(), decision.lead.as_str());
        (self.note)(step, lead, Note::Refused(&decision));
        self.plan.decisions.push(decision);
    }

    /// Plans what comes of one occurrence.
    pub(crate) fn occurrence(&mut self, occurrence: &Occurrence<'_>) {
        let rule = self.rule;
        (self.note)("", "", Note::Occurrence(occurrence));
        let moment = AudienceMoment {
            day: occurrence.day,
            kind: rule.trigger.word(),
            occasion: occurrence.occasion,
        };
        let ear = &mut *self.note;
        let admitted = rule.audience.admits_telling(
            self.subject.patient,
            self.subject.facts,
            moment,
            &mut |note| ear("", "", note),
        );
        if let Err((reason, detail)) = admitted {
            let at = Some(occurrence.start)
                .filter(|at| self.window.contains(at) || occurrence.occasion.is_some());
            self.refuse(Decision {
                at,
                occurrence: occurrence.key.clone(),
                ..whole(reason, &detail)
            });
            return;
        }
        let done = rule.done(self.subject.facts, moment);
        if let Some(stop) = &rule.stop {
            let note = Note::Stop {
                fact: &stop.fact,
                since: stop.since.from_day(occurrence.day, -1),
                found: rule
                    .done_by(self.subject.facts, moment)
                    .map(|(fact, day)| (fact.code.as_deref(), day)),
            };
            (self.note)("", "", note);
        }
        if let Some(detail) = done {
            self.refuse(Decision {
                at: Some(occurrence.start).filter(|at| self.window.contains(at)),
                occurrence: occurrence.key.clone(),
                ..whole(SkipReason::Done, &detail)
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
            match timing::moment(rule, step, *lead, occurrence, self.now, &mut |what| {
                note(&step.id, &name, what)
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
                // What never moved has no move to tell of: nothing is left out.
                Moment::Dropped(..) if *lead == Lead::Moved && occurrence.moved.is_none() => {}
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
            (self.note)(&step.id, CATCH_UP, Note::Late(Late::NoCatchUpSent));
            return;
        }
        let note = &mut *self.note;
        let mut note = |what: Note<'_>| note(&step.id, CATCH_UP, what);
        let moment = if occurrence.late_until.is_some() && !prepares(step) {
            timing::late_entry(rule, step, occurrence, self.now, &mut note).map(Moment::Due)
        } else if occurrence.catches_up && rule.class.is_transactional() && !step.is_on_created() {
            Some(timing::catch_up(
                rule, step, occurrence, self.now, &mut note,
            ))
        } else {
            note(Note::Late(Late::NoCatchUp {
                is_old: occurrence.occasion.is_some() && !occurrence.catches_up,
            }));
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
        let ear = &mut *self.note;
        let told =
            recipient::recipients(rule, entry.step, self.subject.patient, day, &mut |note| {
                ear(&entry.step.id, &entry.lead, note)
            });
        for missed in told.missed {
            let decision = Decision {
                role: Some(missed.role),
                ..whole(missed.reason, &missed.detail)
            };
            self.refuse(Decision {
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
            // Who was told the old date is known when it is due: then the word of the move stands for the others.
            let is_moved = entry.lead == Lead::Moved.to_string();
            let minute = (address(&recipient), *channel, wall::minute(entry.due));
            if !is_moved && !seen.insert(minute) {
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
                (self.note)(&entry.step.id, &entry.lead, Note::Planned(&reminder));
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
        self.refuse(Decision {
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

/// Whether staff hear of it only ahead of the day: what was to be made ready is ready when somebody comes late.
fn prepares(step: &Step) -> bool {
    let is_ahead = |lead: &Lead| matches!(lead, Lead::Before(distance) if distance.count > 0);
    step.to == Role::Staff && step.leads.iter().all(is_ahead)
}
