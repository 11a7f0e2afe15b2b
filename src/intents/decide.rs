//! Decides what a reply means from all that was found in it, in the order of precedence.

use crate::intents::context::{Awaiting, ReplyContext};
use crate::intents::lexicon::{Found, Lexicon};
use crate::intents::reading::{Intent, Reading, StopReason};
use crate::intents::sense::Sense as S;
use crate::intents::strip::strip;
use crate::intents::token::Kind;
use crate::intents::words::Facts;
use crate::intents::{booking, choice, rating};

/// Reads `text` as an answer in `context`.
pub(crate) fn read(lexicon: &Lexicon, text: &str, context: &ReplyContext) -> Reading {
    let text = strip(text);
    let facts = Facts::gather(lexicon, &text, context);
    let is_notice = text.starts_with('【') || text.starts_with('[');
    let mut reading = decide(lexicon, &facts, context, is_notice, 0);
    reading.matched = facts.matched();
    reading
}

/// Times a reply may take back what it said.
const MOST_CORRECTIONS: usize = 4;

fn decide(
    lexicon: &Lexicon,
    facts: &Facts,
    context: &ReplyContext,
    is_notice: bool,
    depth: usize,
) -> Reading {
    if facts.spoken().next().is_none() {
        return Reading::unknown();
    }
    if is_machine(facts, is_notice) {
        let is_danger = !is_notice && emergency(facts);
        return if is_danger {
            Reading::new(Intent::Emergency, true)
        } else {
            Reading::new(Intent::Unknown, false)
        };
    }
    if emergency(facts) {
        return Reading::new(Intent::Emergency, true);
    }
    let corrected = if depth < MOST_CORRECTIONS && !facts.is_long {
        corrected(lexicon, facts, context, depth)
    } else {
        None
    };
    if let Some(reading) = stop(facts, corrected.is_some()).or_else(|| opt_out(facts)) {
        return reading;
    }
    if facts.is_long {
        return Reading::unknown();
    }
    if let Some(reading) = corrected {
        return reading;
    }
    answer(facts, context).unwrap_or_else(|| rest(facts, context))
}

/// Danger that is now: not an idiom, not over.
fn emergency(facts: &Facts) -> bool {
    facts.all(S::Emergency).any(|danger| {
        let sentence = facts.sentence(danger.start);
        !facts.has_within(S::Past, sentence) || facts.has_within(S::Present, sentence)
    })
}

fn stop(facts: &Facts, is_corrected: bool) -> Option<Reading> {
    let mut reading = Reading::new(Intent::StopWrongNumber, true);
    // Who asks for another time is alive, and mourns somebody else.
    if facts.has(S::Deceased) && !facts.has(S::Reschedule) {
        reading.stop_reason = Some(StopReason::Deceased);
        return Some(reading);
    }
    // "打错了，是2": a slip of the finger, when an answer follows.
    if facts.has(S::WrongNumber) && !is_corrected {
        reading.stop_reason = Some(StopReason::WrongNumber);
        return Some(reading);
    }
    None
}

fn opt_out(facts: &Facts) -> Option<Reading> {
    let is_bare = facts.is_all(&[S::OptOutAlone]);
    if !facts.has(S::OptOut) && !is_bare && !opens_with_stop(facts) {
        return None;
    }
    let outside = |sense: S| {
        facts.all(sense).any(|found| {
            !facts
                .all(S::OptOut)
                .any(|stop| stop.start < found.end && found.start < stop.end)
        })
    };
    let says_more = facts.is_long
        || !is_bare
            && [S::Cancel, S::Coming, S::Keep, S::Reschedule]
                .into_iter()
                .any(outside);
    Some(Reading::new(Intent::OptOut, says_more))
}

/// "STOP I told you already": the carriers' own words, first or as a clause, whatever is around them.
fn opens_with_stop(facts: &Facts) -> bool {
    const STRONG: [&str; 7] = [
        "stop",
        "stopall",
        "unsubscribe",
        "td",
        "baja",
        "alto",
        "optout",
    ];
    facts.all(S::OptOutAlone).any(|found| {
        let is_strong =
            found.end == found.start + 1 && STRONG.contains(&facts.tokens.text(found.start));
        is_strong && (found.start == 0 || facts.clause(found.start) == (found.start, found.end))
    })
}

/// What is said after taking something back, if it is an answer.
fn corrected(
    lexicon: &Lexicon,
    facts: &Facts,
    context: &ReplyContext,
    depth: usize,
) -> Option<Reading> {
    let slips = facts.all(S::Correction).chain(
        facts
            .all(S::WrongNumber)
            .filter(|found| found.end - found.start <= 5),
    );
    let last: &Found = slips.max_by_key(|found| found.end)?;
    let rest = facts.after(lexicon, last.end, context);
    rest.spoken().next()?;
    let reading = decide(lexicon, &rest, context, false, depth + 1);
    let is_answer = matches!(
        reading.intent,
        Intent::Confirm
            | Intent::Cancel
            | Intent::Reschedule
            | Intent::Choice
            | Intent::Rating
            | Intent::RunningLate
    );
    is_answer.then_some(reading)
}

/// Text that no person wrote just now.
fn is_machine(facts: &Facts, is_notice: bool) -> bool {
    let answers = [
        S::Coming,
        S::Keep,
        S::Cancel,
        S::Reschedule,
        S::OptOut,
        S::WrongNumber,
        S::Deceased,
        S::Late,
    ];
    let has_answer = answers.into_iter().any(|sense| facts.has(sense));
    if is_notice {
        return true;
    }
    facts.has(S::Machine) && !has_answer && facts.leading_number().is_none()
}

/// An answer to what was asked.
fn answer(facts: &Facts, context: &ReplyContext) -> Option<Reading> {
    let explicit = context.asks(Awaiting::Confirm)
        && context.awaiting != Awaiting::Confirm
        && booking::is_explicit(facts);
    match context.awaiting {
        Awaiting::Survey => {
            let score = rating::read(facts, context);
            if explicit {
                return match score {
                    Some(score) if score.intent == Intent::Rating => Some(score.human_if(true)),
                    Some(_) | None => booking::read(facts, context),
                };
            }
            score
        }
        Awaiting::Choice => choice::read(facts, context).or_else(|| booking::read(facts, context)),
        Awaiting::Confirm => {
            earlier_choice(facts, context).or_else(|| booking::read(facts, context))
        }
        Awaiting::None => booking::read(facts, context),
    }
}

/// Words that fit only the options of an earlier prompt.
fn earlier_choice(facts: &Facts, context: &ReplyContext) -> Option<Reading> {
    let prior = context
        .prior
        .as_ref()
        .filter(|prior| prior.awaiting == Awaiting::Choice)?;
    let n = facts.bare_number();
    match choice::pick(facts, &prior.options) {
        choice::Pick::One(n) if facts.bare_number().is_none() && !booking::is_explicit(facts) => {
            let mut reading = Reading::new(Intent::Choice, false);
            reading.slots.choice = Some(n);
            Some(reading)
        }
        _ if n.is_some_and(|n| n <= 3 && prior.options.iter().any(|option| option.n == n)) => {
            Some(Reading::unknown())
        }
        _ => None,
    }
}

/// What is left when nothing was answered.
fn rest(facts: &Facts, context: &ReplyContext) -> Reading {
    let asks = facts.has(S::Question)
        || (0..facts.tokens.list.len()).any(|at| facts.tokens.kind(at) == Some(Kind::Question));
    if facts.has(S::OptIn) && !facts.has(S::Question) {
        return Reading::new(Intent::OptIn, false);
    }
    if facts.has(S::Complaint) {
        return Reading::new(Intent::Complaint, true);
    }
    if facts.is_all(&[S::Help]) {
        return Reading::new(Intent::Help, false);
    }
    let says_something = facts
        .spoken()
        .any(|at| facts.tokens.kind(at) != Some(Kind::Sign));
    let wants_booking =
        context.booking().is_none() && (facts.has(S::Book) || facts.has(S::Reschedule));
    if asks && says_something && !facts.has(S::Hedge) && !only_yes(facts)
        || wants_booking
        || facts.has(S::CancelAsk)
    {
        return Reading::new(Intent::Question, true);
    }
    if facts.has(S::Thanks)
        && facts
            .unexplained(&[S::Thanks, S::Filler, S::Praise, S::Yes], |_| false)
            .len()
            <= 4
        && !facts.has(S::Hedge)
    {
        return Reading::new(Intent::Gratitude, false);
    }
    let is_ack = context.awaiting == Awaiting::None
        && facts.is_all(&[S::Yes])
        && !facts
            .all(S::Yes)
            .any(|yes| booking::is_bare_yes(facts, yes));
    if is_ack {
        return Reading::new(Intent::Gratitude, false);
    }
    Reading::unknown()
}

fn only_yes(facts: &Facts) -> bool {
    facts.is_all(&[S::Yes, S::Question])
        && facts.has(S::Yes)
        && facts.all(S::Question).next().is_none()
}
