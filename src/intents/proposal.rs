//! Whether a reply puts another time forward, without the word for it: "明天可以吗", "is 11 ok?".

use crate::intents::booking::is_question_about;
use crate::intents::context::ReplyContext;
use crate::intents::sense::Sense as S;
use crate::intents::wish;
use crate::intents::words::Facts;

/// Whether a time other than the booking's is put forward, as a question or alone.
pub(crate) fn proposes(facts: &Facts, context: &ReplyContext) -> bool {
    let others: Vec<_> = wish::wanted(facts, context)
        .into_iter()
        .filter(|mention| context.booking().is_none_or(|at| !mention.fits(at)))
        .collect();
    if facts.has(S::Late) {
        return false;
    }
    let refuses = facts.mentions.len() > wish::wanted(facts, context).len();
    // "Any day but Saturday", "not the 5th, rather the 6th".
    if refuses && (facts.has(S::Or) || facts.has(S::Yes) || !others.is_empty()) {
        return true;
    }
    let Some(first) = others.first() else {
        return false;
    };
    let asks = others.iter().any(|mention| {
        let (start, end) = facts.clause(mention.start);
        facts.is_asked(mention.start)
            || facts
                .all(S::Question)
                .any(|found| start <= found.start && found.end <= end + 1)
            || facts.all(S::Toward).any(|found| {
                start <= found.start
                    && found.end <= mention.start + 1
                    && found.end - found.start > 1
            })
    });
    let agrees_after = facts
        .all(S::Yes)
        .chain(facts.all(S::Coming))
        .any(|yes| yes.start >= first.end && facts.clause(first.start) == facts.clause(yes.start));
    let is_alone = facts
        .unexplained(
            &[
                S::Filler,
                S::Thanks,
                S::Or,
                S::Vague,
                S::Someday,
                S::Toward,
                S::Refuse,
            ],
            |_| false,
        )
        .len()
        <= 1
        && !facts.has(S::Yes)
        && !facts.has(S::Coming);
    let is_moved = others.iter().any(|mention| {
        matches!(
            facts.tokens.text(mention.start.wrapping_sub(1)),
            "改" | "换" | "挪" | "move" | "change"
        )
    });
    let is_but = facts.spoken().any(|at| {
        matches!(
            facts.tokens.text(at),
            "but" | "pero" | "但" | "不过" | "instead"
        )
    });
    asks && !asks_something_else(facts) || is_moved || agrees_after || is_alone || is_but
}

/// After a refusal: another time is asked for.
pub(crate) fn asks_for_another(facts: &Facts, context: &ReplyContext) -> bool {
    let asked = |at: usize| {
        let (start, end) = facts.clause(at);
        facts.is_asked(at)
            || facts
                .all(S::Question)
                .any(|found| start <= found.start && found.end <= end)
    };
    let other = wish::wanted(facts, context).iter().any(|mention| {
        context.booking().is_none_or(|at| !mention.fits(at)) && asked(mention.start)
    });
    (other
        || facts
            .all(S::Vague)
            .chain(facts.all(S::Someday))
            .any(|vague| asked(vague.start)))
        && !asks_something_else(facts)
}

/// "Next week", "过几天行吗": a time is put forward, though none for a calendar.
pub(crate) fn is_vague_wish(facts: &Facts) -> bool {
    (facts.has(S::Vague) || facts.has(S::Someday))
        && !facts.has(S::Hedge)
        && facts
            .unexplained(
                &[
                    S::Vague,
                    S::Someday,
                    S::Filler,
                    S::Thanks,
                    S::Or,
                    S::Toward,
                    S::Question,
                    S::Yes,
                    S::OpenRange,
                ],
                |_| false,
            )
            .is_empty()
        && facts.all(S::Yes).all(|yes| is_question_about(facts, yes))
}

/// A question about something else that only names a day: "what do I bring on Friday?".
fn asks_something_else(facts: &Facts) -> bool {
    let lead = [
        "what", "where", "who", "how", "which", "donde", "cuanto", "什", "哪", "怎", "谁", "几",
        "多", "带", "空", "停",
    ];
    facts.all(S::Question).any(|found| {
        lead.iter()
            .any(|word| facts.tokens.text(found.start).starts_with(word))
    }) && !facts.has(S::Reschedule)
        && !about(facts)
}

/// "How about Friday", "what about Friday".
fn about(facts: &Facts) -> bool {
    facts.spoken().any(|at| {
        facts.tokens.text(at) == "about"
            && matches!(facts.tokens.text(at.wrapping_sub(1)), "how" | "what")
    })
}
