//! What one patient has of a rule that others have not: off, other leads, other channels (rules/README.md).
//!
//! It wins over the rule and survives its edits: it is laid over whatever the rule says when a plan is made.

use std::borrow::Cow;

use jiff::Timestamp;

use crate::model::class::{Channel, Role};
use crate::model::patient::Patient;
use crate::rules::lead::{Distance, Lead};
use crate::rules::rule::Rule;

/// The setting of one patient for one rule.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Override {
    /// The rule's id.
    pub rule: String,
    /// Nothing of the rule is planned for this patient.
    pub off: bool,
    /// The leads of the steps to patient and family that come before the occasion; `None` leaves the rule's.
    pub before: Option<Vec<Distance>>,
    /// By what patient and family are told, in this order; `None` leaves the rule's and the patient's wish.
    pub by: Option<Vec<Channel>>,
    /// Who made it and when, where that is known.
    pub set: Option<SetBy>,
}

/// Who made a setting, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetBy {
    /// Who.
    pub name: String,
    /// When it was set last.
    pub at: Timestamp,
}

/// What is wrong with a setting, for people.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OverrideError {
    /// It says nothing, or two things that exclude each other.
    #[error("expected `off`, or `before` and `by`, one of them at least")]
    Nothing,
    /// A lead cannot be read.
    #[error("`{0}` is no lead; expected a list such as 5d,1d with mo, w, d, h or m")]
    Lead(String),
    /// A channel cannot be read, or carries nothing to patients.
    #[error("`{0}` is no channel; expected a list of sms, voice and email")]
    Channel(String),
}

impl Override {
    /// Reads a setting from its words: `off`, leads such as `5d`, channels such as `voice`.
    ///
    /// # Errors
    /// When a word cannot be read, or nothing is set.
    pub fn read<S: AsRef<str>>(
        rule: &str,
        off: bool,
        before: Option<&[S]>,
        by: Option<&[S]>,
    ) -> Result<Self, OverrideError> {
        let before = before.map(|words| each(words, lead)).transpose()?;
        let by = by.map(|words| each(words, channel)).transpose()?;
        if off == (before.is_some() || by.is_some()) {
            return Err(OverrideError::Nothing);
        }
        Ok(Self {
            rule: rule.to_owned(),
            off,
            before,
            by,
            set: None,
        })
    }

    /// The leads as they are written.
    pub fn before_words(&self) -> Option<Vec<String>> {
        let leads = self.before.as_ref()?;
        Some(leads.iter().map(ToString::to_string).collect())
    }
}

fn each<S: AsRef<str>, T: PartialEq>(
    words: &[S],
    read: impl Fn(&str) -> Result<T, OverrideError>,
) -> Result<Vec<T>, OverrideError> {
    let mut found = Vec::with_capacity(words.len());
    for word in words {
        let one = read(word.as_ref().trim())?;
        if !found.contains(&one) {
            found.push(one);
        }
    }
    if found.is_empty() {
        return Err(OverrideError::Nothing);
    }
    Ok(found)
}

fn lead(word: &str) -> Result<Distance, OverrideError> {
    Distance::parse(word).ok_or_else(|| OverrideError::Lead(word.chars().take(20).collect()))
}

fn channel(word: &str) -> Result<Channel, OverrideError> {
    let speaks = |channel: &Channel| channel.contact_kind().is_some();
    let read = word.parse::<Channel>().ok().filter(speaks);
    read.ok_or_else(|| OverrideError::Channel(word.chars().take(20).collect()))
}

/// A rule and a patient with the patient's own setting laid over them.
pub(crate) struct Own<'a> {
    pub(crate) rule: Cow<'a, Rule>,
    pub(crate) patient: Cow<'a, Patient>,
}

/// The patient's own setting for `rule`, if there is one.
pub(crate) fn of<'a>(rule: &Rule, overrides: &'a [Override]) -> Option<&'a Override> {
    overrides.iter().find(|set| set.rule == rule.id)
}

/// Lays the patient's own setting over `rule`; `None` when it turns the rule off.
pub(crate) fn lay_over<'a>(
    rule: &'a Rule,
    patient: &'a Patient,
    overrides: &[Override],
) -> Option<Own<'a>> {
    let mut own = Own {
        rule: Cow::Borrowed(rule),
        patient: Cow::Borrowed(patient),
    };
    let Some(set) = of(rule, overrides) else {
        return Some(own);
    };
    if set.off {
        return None;
    }
    if let Some(before) = &set.before {
        own.rule = Cow::Owned(with_leads(own.rule.into_owned(), before));
    }
    if let Some(by) = &set.by {
        let steps = &mut own.rule.to_mut().steps;
        for step in steps.iter_mut().filter(|step| step.to != Role::Staff) {
            step.by = Some(by.clone());
        }
        // What was set for this rule goes before what the patient likes in general.
        own.patient.to_mut().prefer.clone_from(by);
    }
    Some(own)
}

/// Steps at leads before the occasion get these leads; what acts at once or afterwards stays.
fn with_leads(mut rule: Rule, before: &[Distance]) -> Rule {
    let is_before = |lead: &Lead| matches!(lead, Lead::Before(_));
    for step in rule.steps.iter_mut().filter(|step| step.to != Role::Staff) {
        if step.leads.iter().any(is_before) {
            step.leads.retain(|lead| !is_before(lead));
            let own = before.iter().map(|distance| Lead::Before(*distance));
            step.leads.splice(0..0, own);
        }
    }
    rule
}

#[cfg(test)]
mod tests {
    use super::{Override, OverrideError};

    #[test]
    fn a_setting_says_one_thing_and_says_it_right() {
        let none: Option<&[&str]> = None;
        let read = |off, before: Option<&[&str]>, by: Option<&[&str]>| {
            Override::read("recheck", off, before, by)
        };
        assert!(read(true, none, none).is_ok_and(|set| set.off));
        let set = read(false, Some(&["5d", "1d", "5d"]), Some(&["voice", "sms"])).unwrap();
        assert_eq!(set.before_words().unwrap(), ["5d", "1d"]);
        assert_eq!(set.by.unwrap().len(), 2);
        for (off, before, by) in [
            (false, none, none),
            (true, Some(&["1d"][..]), none),
            (false, Some(&[][..]), none),
        ] {
            assert_eq!(read(off, before, by), Err(OverrideError::Nothing));
        }
        assert!(matches!(
            read(false, Some(&["soon"]), none),
            Err(OverrideError::Lead(_))
        ));
        for word in ["pigeon", "task", "popup"] {
            let told = read(false, none, Some(&[word]));
            assert!(matches!(told, Err(OverrideError::Channel(_))), "{word}");
        }
    }
}
