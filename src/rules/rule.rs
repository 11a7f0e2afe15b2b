//! A rule, checked: when and to whom.

use std::sync::Arc;

use jiff::SignedDuration;
use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;

use crate::calendar::quiet::QuietHours;
use crate::calendar::workday::WorkingDays;
use crate::model::class::{Channel, Class, Role};
use crate::model::message::Ask;
use crate::model::patient::Fact;
use crate::model::reminder::Unless;
use crate::model::words::words;
use crate::rules::audience::{Audience, Moment};
use crate::rules::error::RuleError;
use crate::rules::lead::{Distance, Lead};
use crate::rules::trigger::Trigger;
use crate::rules::triggers::occasion::begins;

/// A rule as its document says it, with every default filled in.
#[derive(Clone, Debug)]
pub struct Rule {
    /// Its name: the file's without `.toml`.
    pub id: String,
    /// What people call it.
    pub title: String,
    /// Who owns it, sees it and edits it.
    pub department: Option<String>,
    /// What kind of word it sends.
    pub class: Class,
    /// Whether it acts.
    pub mode: Mode,
    /// Whose wall clock its times are on.
    pub timezone: TimeZone,
    /// When patients and family are left in peace; `None` is never.
    pub quiet: Option<QuietHours>,
    /// How long before the occasion a shifted or caught-up reminder must come.
    pub min_useful: SignedDuration,
    /// Where birthdays of 29 February go in common years.
    pub leap_day: LeapDay,
    /// Nothing is due before this day.
    pub effective_from: Option<Date>,
    /// What starts it.
    pub trigger: Trigger,
    /// How many a day at most; spread by who plans.
    pub daily_cap: Option<u32>,
    /// Who qualifies.
    pub audience: Audience,
    /// When the family is told.
    pub family: Family,
    /// What in the record makes the rest needless.
    pub stop: Option<Stop>,
    /// What is done, in order.
    pub steps: Vec<Step>,
    /// What looks wrong but can be lived with.
    pub warnings: Vec<RuleError>,
    /// Names this wording of the document: a message keeps it.
    pub version: String,
    pub(crate) timing_hash: String,
    pub(crate) working_days: Arc<WorkingDays>,
}

words! {
    /// Whether a rule acts.
    Mode {
        /// It does.
        Live = "live",
        /// It plans and shows, and never sends.
        Shadow = "shadow",
        /// It rests.
        Off = "off",
    }
}

words! {
    /// Where birthdays of 29 February go in common years.
    LeapDay {
        /// The day before.
        Feb28 = "feb28",
        /// The day after.
        Mar1 = "mar1",
    }
}

/// When the family is told instead of the patient, or beside them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Family {
    /// From this age.
    pub from_age: Option<i64>,
    /// Beside the patient, not instead.
    pub copy: bool,
    /// When the patient cannot be reached.
    pub fallback: bool,
}

/// What in a patient's record makes the rest of an occurrence needless.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stop {
    /// The kind of fact: `vaccination`, `encounter`, `result` …
    pub fact: String,
    /// Only with a code that begins with one of these; empty for any.
    pub codes: Vec<String>,
    /// How long before the occurrence such a fact counts already.
    pub since: Distance,
}

/// One act at one or more leads.
#[derive(Clone, Debug)]
pub struct Step {
    /// Its name within the rule; by default recipient and position.
    pub id: String,
    /// To whom.
    pub to: Role,
    /// Whose staff; the rule's by default.
    pub department: Option<String>,
    /// Departments that hear of it as well.
    pub cc: Vec<String>,
    /// Whether the treating doctor is told, and the department only where there is none.
    pub doctor: bool,
    /// Whether it waits to be told with the others of its day, in one digest for each recipient.
    pub digest: bool,
    /// When, in the order of the document.
    pub leads: Vec<Lead>,
    /// The time of day of leads that are counted in days.
    pub at: Time,
    /// Whether it moves back to a working day.
    pub previous_workday: bool,
    /// What is said; of several one after the other, from one occurrence to the next.
    pub templates: Vec<String>,
    /// What is said to the family instead.
    pub family_template: Option<String>,
    /// Steps of one group are cleared together, by an answer to one of them or by a visit after it.
    pub group: Option<String>,
    /// By what, in order; `None` is the patient's own wish, or a task for staff.
    pub by: Option<Vec<Channel>>,
    /// What a reply answers.
    pub ask: Option<Ask>,
    /// What makes it needless.
    pub unless: Option<Unless>,
}

impl Rule {
    /// Changes when, and only when, another plan may come of the rule: not with its title, mode, templates or questions.
    pub fn timing_hash(&self) -> &str {
        &self.timing_hash
    }

    /// What the record shows that makes the rest of an occurrence needless, if it does.
    pub(crate) fn done(&self, facts: &[Fact], moment: Moment<'_>) -> Option<String> {
        let (_, day) = self.done_by(facts, moment)?;
        let stop = self.stop.as_ref()?;
        Some(format!("the record has a {} of {day}", stop.fact))
    }

    /// The first fact that makes the rest of an occurrence needless, with its day, if there is one.
    ///
    /// A fact counts from `since` before the day of the occurrence on; what the rule itself follows does not stop it.
    pub(crate) fn done_by<'f>(
        &self,
        facts: &'f [Fact],
        moment: Moment<'_>,
    ) -> Option<(&'f Fact, Date)> {
        let stop = self.stop.as_ref()?;
        let since = stop.since.from_day(moment.day, -1);
        let follows_it = moment.occasion.is_none() && moment.kind == stop.fact;
        let counts = |fact: &&Fact| fact.kind == stop.fact && begins(fact, &stop.codes);
        let dated = facts
            .iter()
            .filter(counts)
            .filter_map(|fact| Some((fact, fact.day(&self.timezone)?)));
        dated
            .filter(|(_, on)| *on >= since && !(follows_it && *on == moment.day))
            .min_by_key(|(_, on)| *on)
    }

    /// The working days it goes by.
    pub fn working_days(&self) -> &WorkingDays {
        &self.working_days
    }

    /// The years between `from` and `to` for which its zone has a table of working days that lacks them.
    pub fn missing_workday_years(&self, from: Date, to: Date) -> Vec<i16> {
        if !self.steps.iter().any(|step| step.previous_workday) {
            return Vec::new();
        }
        let lacks = |year: &i16| {
            self.working_days
                .lacks_year(&self.timezone, Date::constant(*year, 1, 1))
        };
        (from.year()..=to.year()).filter(lacks).collect()
    }
}

impl Step {
    /// Whether it acts when the occasion comes up.
    pub fn is_on_created(&self) -> bool {
        self.leads.contains(&Lead::Created) || self.leads.contains(&Lead::Moved)
    }

    /// Every template it may send.
    pub fn all_templates(&self) -> impl Iterator<Item = &str> {
        let own = self.templates.iter().chain(&self.family_template);
        own.map(String::as_str)
    }

    /// The template for one recipient at the `turn`-th occurrence.
    pub fn template(&self, role: Role, turn: usize) -> &str {
        let own = self.family_template.as_deref();
        own.filter(|_| role == Role::Family)
            .or_else(|| {
                let at = turn.checked_rem(self.templates.len())?;
                self.templates.get(at).map(String::as_str)
            })
            .unwrap_or_default()
    }
}
