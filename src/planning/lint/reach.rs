//! Steps that can never act as they are written.

use crate::model::class::{Channel, Role};
use crate::model::reminder::Unless;
use crate::planning::book::Problem;
use crate::planning::lint::{View, overlap};
use crate::rules::lead::Lead;
use crate::rules::rule::{Rule, Step};
use crate::rules::trigger::Trigger;

/// What is known only once it has happened. A vaccination may be booked, so it is not among them.
const FACTS: [&str; 2] = ["diagnosis", "result"];

/// Few bookings are known longer beforehand.
const FAR_AHEAD: u64 = 400;

/// What each step of the rule cannot do.
pub(super) fn steps(view: &View<'_>) -> Vec<Problem> {
    let mut found = Vec::new();
    for step in &view.rule.steps {
        found.extend(unless(view, step));
        found.extend(group(view, step));
        found.extend(leads(view, step));
        found.extend(quiet(view, step));
        found.extend(asks(view, step));
        found.extend(carried(view, step));
        found.extend(family(view, step));
        found.extend(shadowed(view, step));
    }
    found
}

fn is_occasion(rule: &Rule) -> bool {
    matches!(rule.trigger, Trigger::Occasion { .. })
}

/// A condition that can never come true.
fn unless(view: &View<'_>, step: &Step) -> Option<Problem> {
    let rule = view.rule;
    let path = view.step_path(step, "unless");
    match step.unless? {
        Unless::Answered | Unless::Confirmed if !is_occasion(rule) => Some(view.warn(
            &path,
            "can never hold: only occasions that the hospital keeps are answered",
        )),
        Unless::Answered | Unless::Confirmed => {
            let asks = |other: &&Rule| {
                other.trigger.word() == rule.trigger.word()
                    && other.steps.iter().any(|step| step.ask.is_some())
            };
            let is_asked = view.rules.iter().any(asks);
            (!is_asked).then(|| {
                let kind = rule.trigger.word();
                view.warn(
                    &path,
                    &format!("can hardly ever hold: no step of any rule on `{kind}` asks"),
                )
            })
        }
        Unless::Delivered => {
            let is_earlier = |other: &Step| {
                other.to == step.to && (other.leads.len() > 1 || other.id != step.id)
            };
            let has_earlier = step.leads.len() > 1 || rule.steps.iter().any(is_earlier);
            (!has_earlier).then(|| {
                view.warn(
                    &path,
                    "can never hold: no other lead or step goes to the same recipient before",
                )
            })
        }
    }
}

/// A group of one has nothing to clear.
fn group(view: &View<'_>, step: &Step) -> Option<Problem> {
    let group = step.group.as_ref()?;
    let members = view
        .rule
        .steps
        .iter()
        .filter(|other| other.group.as_ref() == Some(group));
    let leads: usize = members.map(|step| step.leads.len()).sum();
    (leads < 2).then(|| {
        view.warn(
            &view.step_path(step, "group"),
            &format!(
                "`{group}` has one step with one lead: there is nothing else for an answer to clear"
            ),
        )
    })
}

/// Leads that point where nothing is.
fn leads(view: &View<'_>, step: &Step) -> Vec<Problem> {
    let (rule, mut found) = (view.rule, Vec::new());
    let kind = rule.trigger.word();
    let is_fact = is_occasion(rule) && FACTS.contains(&kind);
    for lead in &step.leads {
        let (key, message) = match lead {
            Lead::Before(distance) if distance.count == 0 => continue,
            Lead::Before(distance) if matches!(rule.trigger, Trigger::Manual) => (
                "before",
                format!(
                    "{distance} can never come: the rule is started by hand, and what lies before that is past"
                ),
            ),
            Lead::Before(distance) if is_fact => (
                "before",
                format!(
                    "{distance} can never come: a {kind} is known once it has happened; expected `after`"
                ),
            ),
            Lead::Before(distance) if is_occasion(rule) && distance.most_days() > FAR_AHEAD => (
                "before",
                format!(
                    "{distance} is longer than bookings are known beforehand, so it is missed nearly always"
                ),
            ),
            Lead::Created | Lead::Moved if is_fact => (
                "on",
                format!("can never come: a {kind} is neither booked nor moved; expected `after`"),
            ),
            Lead::Before(_) | Lead::After(_) | Lead::Created | Lead::Moved | Lead::Now => continue,
        };
        found.push(view.warn(&view.step_path(step, key), &message));
    }
    for (at, lead) in step.leads.iter().enumerate() {
        let same = |other: &&Lead| {
            overlap::moment(**other).is_some() && overlap::moment(**other) == overlap::moment(*lead)
        };
        if let Some(twin) = step.leads.iter().take(at).find(same) {
            let message = format!("`{lead}` points at the same moment as `{twin}`");
            found.push(view.warn(&view.step_path(step, "before"), &message));
        }
    }
    found
}

/// A time of day that quiet hours always move.
fn quiet(view: &View<'_>, step: &Step) -> Option<Problem> {
    let quiet = view.rule.quiet.filter(|_| step.to != Role::Staff)?;
    let on_wall = |lead: &Lead| match lead {
        Lead::Before(distance) | Lead::After(distance) => distance.is_calendar(),
        Lead::Created | Lead::Moved | Lead::Now => false,
    };
    if !quiet.contains(step.at) || !step.leads.iter().any(on_wall) {
        return None;
    }
    let clock = |time: jiff::civil::Time| time.strftime("%H:%M").to_string();
    Some(view.warn(
        &view.step_path(step, "at"),
        &format!(
            "{} lies in quiet hours ({} to {}): it never goes out then, but when they end",
            clock(step.at),
            clock(quiet.from),
            clock(quiet.to)
        ),
    ))
}

/// A question that the text does not put.
fn asks(view: &View<'_>, step: &Step) -> Option<Problem> {
    step.ask?;
    let puts = |source: &str| {
        let lower = source.to_lowercase();
        let words = ["ask", "reply", "press", "回复", "回覆", "请按", "請按"];
        words.iter().any(|word| lower.contains(word))
    };
    let silent = step.templates.iter().find(|template| {
        let texts = view.catalog.texts_of(template);
        let spoken = texts
            .iter()
            .filter(|text| matches!(text.channel, Channel::Sms | Channel::Voice));
        let mut spoken = spoken.peekable();
        spoken.peek().is_some() && !spoken.any(|text| puts(&text.source))
    })?;
    Some(view.warn(
        &view.step_path(step, "ask"),
        &format!("template `{silent}` tells nobody how to answer: print it with {{% if ask %}}"),
    ))
}

/// Ways that nothing carries.
fn carried(view: &View<'_>, step: &Step) -> Option<Problem> {
    let carried = &view.ground.carried;
    let by = step.by.as_deref()?;
    let leaves = |channel: &&Channel| channel.contact_kind().is_some();
    let stays = by.iter().any(|channel| channel.contact_kind().is_none());
    let none = !by.iter().filter(leaves).any(|one| carried.contains(one));
    (!carried.is_empty() && !stays && none).then(|| {
        let words: Vec<&str> = by.iter().map(|channel| channel.as_str()).collect();
        view.warn(
            &view.step_path(step, "by"),
            &format!(
                "no provider carries {}: nothing of this step can leave",
                words.join(" or ")
            ),
        )
    })
}

/// A word to the family that is written as if to the patient.
fn family(view: &View<'_>, step: &Step) -> Option<Problem> {
    let family = view.rule.family;
    let reaches = match step.to {
        Role::Family => true,
        Role::Patient => family.copy || family.fallback || family.from_age.is_some(),
        Role::Staff => false,
    };
    if !reaches || step.family_template.is_some() {
        return None;
    }
    // A template that a family step sends is meant for the family; one that both get must tell them apart.
    let is_shared = step.to == Role::Patient
        || view.rule.steps.iter().any(|other| {
            other.to == Role::Patient
                && other
                    .templates
                    .iter()
                    .any(|one| step.templates.contains(one))
        });
    let silent = step
        .templates
        .iter()
        .filter(|_| is_shared)
        .find(|template| {
            let texts = view.catalog.texts_of(template);
            !texts.is_empty() && !texts.iter().any(|text| text.source.contains("\"family\""))
        })?;
    Some(view.warn(
        &view.step_path(step, "send"),
        &format!(
            "template `{silent}` speaks to the patient alone, and the family may get it: add `family_send`, or a text `--- when recipient.role == \"family\"`"
        ),
    ))
}

/// A step that an earlier one of the same rule always forestalls.
fn shadowed(view: &View<'_>, step: &Step) -> Option<Problem> {
    let earlier = view
        .rule
        .steps
        .iter()
        .take_while(|other| other.id != step.id);
    let mut found = earlier.filter_map(|other| Some((other, overlap::together(other, step)?)));
    let (other, lead) = found.next()?;
    Some(view.warn(
        &view.step_path(step, "before"),
        &format!(
            "`{lead}` is never said: step `{}` goes to the same recipient at that moment, and the earlier step wins",
            other.id
        ),
    ))
}
