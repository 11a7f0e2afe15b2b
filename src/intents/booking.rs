//! Reads an answer about the booking: will they come, not come, or come at another time.

use crate::intents::context::{Awaiting, ReplyContext};
use crate::intents::lexicon::Found;
use crate::intents::proposal::{asks_for_another, is_vague_wish, proposes};
use crate::intents::reading::{Intent, Reading};
use crate::intents::sense::Sense as S;
use crate::intents::token::Kind;
use crate::intents::wish;
use crate::intents::words::Facts;

/// Whether the reply speaks about coming in so many words.
pub(crate) fn is_explicit(facts: &Facts) -> bool {
    [S::Coming, S::Keep, S::Cancel, S::Reschedule]
        .into_iter()
        .any(|sense| facts.has(sense))
}

/// Words of agreement that mean nothing when nothing was asked.
pub(crate) fn is_bare_yes(facts: &Facts, yes: &Found) -> bool {
    let words = facts.tokens.phrase(yes.start, yes.end);
    const BARE: [&str; 27] = [
        "yes",
        "y",
        "yep",
        "yeah",
        "yup",
        "yea",
        "ya",
        "sure",
        "si",
        "s",
        "是",
        "是的",
        "对",
        "对的",
        "确认",
        "确定",
        "可以",
        "行",
        "confirm",
        "confirmed",
        "confirmo",
        "系",
        "shi",
        "claro",
        "yes please",
        "dui",
        "queren",
    ];
    BARE.contains(&words.as_str())
}

/// The answer about the booking, if the reply is one.
pub(crate) fn read(facts: &Facts, context: &ReplyContext) -> Option<Reading> {
    let is_asked = context.asks(Awaiting::Confirm);
    let has_booking =
        is_asked || context.awaiting == Awaiting::Choice || context.booking().is_some();
    if !has_booking {
        return None;
    }
    let digit = digit(facts, context);
    if let Some(Digit::Unclear) = digit {
        return Some(Reading::unknown());
    }
    let wants = wants_change(facts, context, digit);
    let late = facts.has(S::Late);
    let cancels = cancels(facts, context, digit);
    if wants && (!late || facts.has(S::Reschedule)) {
        return Some(reschedule(facts, context, digit));
    }
    if facts.has(S::CancelAsk) && !matches!(digit, Some(Digit::Cancel)) {
        return Some(Reading::new(Intent::Question, true));
    }
    if cancels {
        return Some(cancel(facts, context, digit));
    }
    if late && !facts.has(S::Keep) {
        return Some(Reading::new(Intent::RunningLate, true));
    }
    confirm(facts, context, digit)
}

/// What a menu digit says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Digit {
    Confirm,
    Cancel,
    Change,
    Unclear,
}

fn digit(facts: &Facts, context: &ReplyContext) -> Option<Digit> {
    let bare = facts.bare_number();
    if context.awaiting != Awaiting::Confirm {
        return bare.map(|_| Digit::Unclear);
    }
    let value = bare.or_else(|| {
        facts
            .leading_number()
            .filter(|value| *value <= 3 && facts.mentions.iter().all(|m| m.start > 0))
    })?;
    let fits_earlier = context
        .prior
        .as_ref()
        .is_some_and(|prior| match prior.awaiting {
            Awaiting::Confirm => value <= 3,
            Awaiting::Choice => prior.options.iter().any(|option| option.n == value),
            Awaiting::Survey => value <= 10,
            Awaiting::None => false,
        });
    Some(match value {
        _ if fits_earlier || !context.is_ahead() => Digit::Unclear,
        1 => Digit::Confirm,
        2 => Digit::Cancel,
        3 => Digit::Change,
        _ => Digit::Unclear,
    })
}

/// Whether another time is wanted: said so, or a time is put forward that is not the booking's.
fn wants_change(facts: &Facts, context: &ReplyContext, digit: Option<Digit>) -> bool {
    if digit == Some(Digit::Change) {
        return true;
    }
    if (facts.has(S::Reschedule) || facts.has(S::OtherWish)) && !is_kept(facts) {
        return true;
    }
    if context.awaiting == Awaiting::Choice && (facts.has(S::NoneFit) || proposes(facts, context)) {
        return true;
    }
    if !context.asks(Awaiting::Confirm) || facts.has(S::Keep) {
        return false;
    }
    if facts.has(S::Cancel) {
        // "I can't make 9, is 11 ok?"
        return !facts.has(S::CancelAsk) && asks_for_another(facts, context);
    }
    proposes(facts, context) || is_vague_wish(facts)
}

/// "Not changing" said about the only change there is.
fn is_kept(facts: &Facts) -> bool {
    facts.all(S::Reschedule).all(|change| {
        facts
            .all(S::Keep)
            .any(|keep| keep.start <= change.start && change.end <= keep.end)
    })
}

fn reschedule(facts: &Facts, context: &ReplyContext, digit: Option<Digit>) -> Reading {
    let contradicts =
        digit.is_some_and(|digit| digit != Digit::Change) && !facts.has(S::Reschedule);
    if contradicts {
        return Reading::unknown();
    }
    if context.booking().is_none() && context.awaiting == Awaiting::None {
        return Reading::new(Intent::Question, true);
    }
    let wish = wish::read(facts, context);
    Reading::new(Intent::Reschedule, wish.is_unclear).with(wish.slots)
}

/// Whether the reply says that they will not come.
fn cancels(facts: &Facts, context: &ReplyContext, digit: Option<Digit>) -> bool {
    let is_prompted = matches!(context.awaiting, Awaiting::Confirm);
    digit == Some(Digit::Cancel)
        || facts.has(S::Cancel)
        || (is_prompted && facts.is_all(&[S::CancelAlone, S::Cancel]))
        || (context.awaiting == Awaiting::Choice
            && facts.is_all(&[S::CancelAlone])
            && facts.has(S::Cancel))
}

fn cancel(facts: &Facts, context: &ReplyContext, digit: Option<Digit>) -> Reading {
    let is_contradicted = facts.has(S::Coming)
        || facts.has(S::Keep)
        || matches!(digit, Some(Digit::Confirm | Digit::Change));
    let is_bare_late =
        context.booking().is_some_and(|at| at <= context.now) && !facts.has(S::Cancel);
    let strays = facts.has(S::Hedge) || is_bare_late;
    if is_contradicted || strays {
        return Reading::unknown();
    }
    if asks_whether(facts) {
        return Reading::new(Intent::Question, true);
    }
    if contradicts_itself(facts) {
        return Reading::unknown();
    }
    if context.booking().is_none() && context.awaiting == Awaiting::None {
        return Reading::unknown();
    }
    Reading::new(Intent::Cancel, false)
}

/// "Cancel?" and "取消吗" ask; "could you cancel it?" does not.
fn asks_whether(facts: &Facts) -> bool {
    let requests = facts.spoken().any(|at| {
        let (word, next) = (facts.tokens.text(at), facts.tokens.text(at + 1));
        matches!(word, "帮" | "请" | "麻" | "please" | "favor" | "给" | "替")
            || (matches!(word, "can" | "could" | "would" | "will") && matches!(next, "you" | "u"))
            || matches!(word, "puede" | "pueden" | "podria" | "podrian")
    });
    !requests
        && facts.all(S::Cancel).any(|found| {
            let (start, end) = facts.clause(found.start);
            facts.is_asked(found.start)
                || facts
                    .all(S::Question)
                    .any(|question| start <= question.start && question.end <= end)
        })
}

/// "Yes no", "不去，去": both in plain words.
fn contradicts_itself(facts: &Facts) -> bool {
    const PLAIN: [&str; 12] = [
        "yes",
        "yep",
        "yeah",
        "y",
        "si",
        "是",
        "是的",
        "会",
        "来",
        "去",
        "confirmo",
        "确认去",
    ];
    let plain_yes = facts
        .all(S::Yes)
        .any(|yes| PLAIN.contains(&facts.tokens.phrase(yes.start, yes.end).as_str()));
    let cancel_is_plain =
        facts.is_all(&[S::CancelAlone, S::Yes, S::Cancel]) && !facts.has(S::Cancel);
    plain_yes && cancel_is_plain
}

const BENIGN: [S; 9] = [
    S::Yes,
    S::Coming,
    S::Keep,
    S::Thanks,
    S::Filler,
    S::Praise,
    S::SameDay,
    S::Toward,
    S::Present,
];

fn confirm(facts: &Facts, context: &ReplyContext, digit: Option<Digit>) -> Option<Reading> {
    let explicit = facts.has(S::Coming) || facts.has(S::Keep) || digit == Some(Digit::Confirm);
    let agrees = context.awaiting == Awaiting::Confirm
        && facts.all(S::Yes).any(|yes| counts_as_yes(facts, yes));
    if facts.has(S::Hedge) && (explicit || agrees) {
        return Some(Reading::unknown());
    }
    let explicit = explicit
        && (digit == Some(Digit::Confirm)
            || facts
                .all(S::Coming)
                .chain(facts.all(S::Keep))
                .any(|found| !is_question_about(facts, found)));
    if !(explicit || agrees) {
        return None;
    }
    if !context.is_ahead() {
        return Some(Reading::unknown());
    }
    let booking = context.booking();
    let is_elsewhen = wish::wanted(facts, context).iter().any(|mention| {
        booking.is_some_and(|at| !mention.fits(at)) && !facts.is_asked(mention.start)
    });
    let is_question = |at: usize| {
        let (start, end) = facts.clause(at);
        facts.is_asked(at)
            || facts
                .all(S::Question)
                .any(|found| start <= found.start && found.end <= end.max(found.start + 1))
    };
    let left = facts.unexplained(&BENIGN, is_question);
    // A number that nobody asked for is rather a correction.
    let is_numbered = digit.is_none()
        && left
            .iter()
            .any(|at| facts.tokens.number(*at).is_some_and(|value| value != 1));
    let is_denied = is_numbered || left.iter().any(|at| is_negative(facts, *at));
    let most = if explicit { 12 } else { 4 };
    let weight: usize = left
        .iter()
        .map(|at| {
            if facts.tokens.kind(*at) == Some(Kind::Word) {
                2
            } else {
                1
            }
        })
        .sum();
    if is_elsewhen || is_denied || weight > most {
        return Some(Reading::unknown());
    }
    let asks = facts.has(S::Question)
        || (0..facts.tokens.list.len()).any(|at| facts.tokens.kind(at) == Some(Kind::Question));
    Some(Reading::new(
        Intent::Confirm,
        asks || facts.has(S::Complaint),
    ))
}

/// An agreement that is not itself the question: "可以吗", "ok?".
fn counts_as_yes(facts: &Facts, yes: &Found) -> bool {
    !is_question_about(facts, yes)
}

pub(crate) fn is_question_about(facts: &Facts, found: &Found) -> bool {
    let (start, end) = facts.clause(found.start);
    let particle = facts
        .all(S::Question)
        .find(|question| start <= question.start && question.end <= end);
    let is_first = found.start == start;
    let gap = match particle {
        // The question is what follows: "yes do I need to fast", "好的请问几点".
        Some(question)
            if is_first
                && question.start >= found.end
                && question.end - question.start > 1
                && is_pure(facts, found) =>
        {
            return false;
        }
        Some(question) if question.start >= found.end => question.start - found.end,
        Some(_) => return true,
        None => return facts.is_asked(found.start) && end - found.end <= 1,
    };
    !(is_first && gap >= 2 && is_pure(facts, found))
}

/// Words that agree and never ask: 好的, ok, yes; unlike 可以, 会来, can.
fn is_pure(facts: &Facts, found: &Found) -> bool {
    let first = facts.tokens.text(found.start);
    !matches!(
        first,
        "可" | "能"
            | "会"
            | "行"
            | "是"
            | "对"
            | "成"
            | "得"
            | "要"
            | "去"
            | "来"
            | "我"
            | "can"
            | "able"
            | "right"
            | "correct"
            | "puedo"
            | "podemos"
            | "will"
            | "works"
    )
}

fn is_negative(facts: &Facts, at: usize) -> bool {
    matches!(
        facts.tokens.text(at),
        "不" | "没"
            | "别"
            | "无"
            | "未"
            | "唔"
            | "冇"
            | "拒"
            | "勿"
            | "莫"
            | "非"
            | "甭"
            | "no"
            | "not"
            | "dont"
            | "cant"
            | "wont"
            | "never"
            | "nope"
            | "cannot"
            | "doesnt"
            | "didnt"
            | "isnt"
            | "nah"
            | "neither"
            | "nor"
            | "nunca"
            | "tampoco"
            | "ni"
            | "sin"
            | "couldnt"
            | "wouldnt"
            | "unable"
            | "bu"
            | "mei"
            | "但"
            | "but"
            | "pero"
            | "however"
    )
}
