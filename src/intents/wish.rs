//! The time a patient wants, from all times the reply names: not those they refuse, not the one they leave.

use jiff::ToSpan;

use crate::intents::context::ReplyContext;
use crate::intents::lexicon::Found;
use crate::intents::moments::Mention;
use crate::intents::reading::Slots;
use crate::intents::sense::Sense as S;
use crate::intents::token::Kind;
use crate::intents::words::Facts;

/// A wish for another time.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Wish {
    pub(crate) slots: Slots,
    /// Several times, a range, something vague: a person must ask.
    pub(crate) is_unclear: bool,
}

/// The moments that are wanted or restated, in order.
pub(crate) fn wanted(facts: &Facts, context: &ReplyContext) -> Vec<Mention> {
    let kept: Vec<Mention> = facts
        .mentions
        .iter()
        .enumerate()
        .filter(|(at, mention)| !is_refused(facts, *at, mention) && !is_left(facts, *at, mention))
        .map(|(_, mention)| *mention)
        .collect();
    // Where several days stand, the booked one is what they move away from.
    let booked = context.booking().map(jiff::civil::DateTime::date);
    let has_other = kept
        .iter()
        .any(|mention| mention.date().is_some() && mention.date() != booked);
    if has_other && kept.len() > 1 {
        return kept
            .into_iter()
            .filter(|mention| {
                mention.date().is_none() || mention.date() != booked || mention.has_clock()
            })
            .collect();
    }
    kept
}

/// Whether the clause says that this time does not suit.
fn is_refused(facts: &Facts, index: usize, mention: &Mention) -> bool {
    let (start, end) = facts.clause(mention.start);
    let next = facts
        .mentions
        .get(index + 1)
        .map_or(end, |next| next.start.min(end));
    let before = index
        .checked_sub(1)
        .and_then(|at| facts.mentions.get(at))
        .map_or(start, |last| last.end.max(start));
    let turns = |from: usize, to: usize| {
        facts.found.iter().any(|found| {
            matches!(found.sense, S::Reschedule | S::Toward)
                && found.end - found.start > 1
                && from <= found.start
                && found.start < to
        }) || (from..to).any(|at| {
            matches!(
                facts.tokens.text(at),
                "but" | "pero" | "但" | "to" | "改" | "换"
            )
        })
    };
    // "得唔得" asks, it does not refuse.
    let is_asked = |no: &Found| {
        facts
            .all(S::Question)
            .any(|question| question.start < no.end && no.start < question.end)
    };
    facts
        .all(S::Refuse)
        .chain(facts.all(S::Cancel))
        .filter(|no| !is_asked(no))
        .any(|no| {
            let follows =
                no.start >= mention.end && no.start < next && !turns(mention.end, no.start);
            let leads =
                no.end <= mention.start && no.start >= before && !turns(no.end, mention.start);
            follows || leads
        })
}

/// Whether this is the time they move away from: "from Friday", "周三的号改到…".
fn is_left(facts: &Facts, index: usize, mention: &Mention) -> bool {
    let has_later = index + 1 < facts.mentions.len();
    if !has_later {
        return false;
    }
    let front = (mention.start.saturating_sub(3)..mention.start).any(|at| {
        matches!(
            facts.tokens.text(at),
            "from" | "从" | "由" | "del" | "desde" | "原" | "本"
        )
    });
    let back = facts.all(S::Away).any(|away| {
        away.start >= mention.end
            && away.start <= mention.end + 1
            && away.end - away.start >= 1
            && !matches!(facts.tokens.text(away.start), "not" | "my" | "the")
    });
    let is_possessive = mention.end > 0 && facts.tokens.text(mention.end - 1).ends_with("days");
    front || back || is_possessive
}

/// What is wanted, as far as it is one time.
pub(crate) fn read(facts: &Facts, context: &ReplyContext) -> Wish {
    let wanted = wanted(facts, context);
    let overlaps = |start: usize, end: usize| {
        facts
            .mentions
            .iter()
            .any(|mention| mention.start < end && start < mention.end)
    };
    let is_vague = facts
        .all(S::Vague)
        .any(|found| !overlaps(found.start, found.end));
    let is_range = facts.all(S::OpenRange).any(|range| {
        wanted
            .iter()
            .any(|mention| range.start <= mention.end && mention.start <= range.end)
            || wanted.is_empty()
    });
    let is_choice = facts.all(S::Or).any(|or| {
        wanted
            .iter()
            .any(|mention| or.end <= mention.start || or.start >= mention.end)
    }) && wanted.len() > 1;
    let is_unclear = is_vague || is_range || facts.has(S::OtherWish);
    let Some(first) = wanted.first() else {
        // "Any day but Saturday" leaves the day open.
        let is_open = !facts.mentions.is_empty() && facts.has(S::Or);
        return Wish {
            slots: same_day(facts, context),
            is_unclear: is_unclear || is_open,
        };
    };
    let mut one = *first;
    for other in wanted.iter().skip(1) {
        if one.differs(other) || is_choice {
            return Wish {
                is_unclear: true,
                ..Wish::default()
            };
        }
        one = one.merged(other);
    }
    if is_range || facts.has(S::OtherWish) || spans(facts, &one) {
        return Wish {
            is_unclear: true,
            ..Wish::default()
        };
    }
    slots(&one, context, is_vague && one.date().is_none())
}

/// "Later in the day": the booked day, unless that is what does not suit.
fn same_day(facts: &Facts, context: &ReplyContext) -> Slots {
    let suits = |day: &Found| {
        let (start, end) = facts.clause(day.start);
        !facts
            .all(S::Refuse)
            .any(|no| start <= no.start && no.end <= end)
    };
    let is_named = facts
        .all(S::SameDay)
        .any(|day| day.end - day.start > 2 && suits(day));
    let date = context
        .booking()
        .filter(|_| is_named)
        .map(jiff::civil::DateTime::date);
    Slots {
        date,
        ..Slots::default()
    }
}

/// "Friday to Sunday", "周一到周三": a stretch, not a day.
fn spans(facts: &Facts, mention: &Mention) -> bool {
    let end = facts.tokens.kind(mention.end) == Some(Kind::Mark);
    end || matches!(facts.tokens.text(mention.end), "前" | "之" | "以" | "后")
        && mention.day.is_some()
}

fn slots(mention: &Mention, context: &ReplyContext, is_vague: bool) -> Wish {
    let unclear = Wish {
        is_unclear: true,
        ..Wish::default()
    };
    let booked = context.booking();
    if let Some(shift) = mention.shift {
        let moved = booked.and_then(|at| at.checked_add(shift).ok());
        let moved = moved.filter(|at| *at > context.now);
        return moved.map_or(unclear, |at| Wish {
            slots: Slots {
                datetime: Some(at),
                ..Slots::default()
            },
            is_unclear: false,
        });
    }
    let date = mention.date().or_else(|| {
        mention
            .has_clock()
            .then(|| booked.map(jiff::civil::DateTime::date))
            .flatten()
    });
    let is_rough = mention.day.is_some_and(|day| day.is_rough);
    if let (Some(time), Some(date)) = (mention.time(), date) {
        let at = date.to_datetime(time);
        // "10 at night" said of noon and midnight: a person asks.
        if at < context.now || mention.date().is_some_and(|date| date > far(context)) {
            return unclear;
        }
        return Wish {
            slots: Slots {
                datetime: Some(at),
                ..Slots::default()
            },
            is_unclear: is_rough,
        };
    }
    if mention.has_clock() {
        return unclear;
    }
    if date.is_some_and(|date| date < context.now.date()) {
        return unclear;
    }
    Wish {
        slots: Slots {
            date,
            period: mention.period(),
            ..Slots::default()
        },
        is_unclear: is_rough || is_vague,
    }
}

/// A day so far off that a slip is likelier than a wish.
fn far(context: &ReplyContext) -> jiff::civil::Date {
    context
        .now
        .date()
        .checked_add(2.years())
        .unwrap_or(jiff::civil::Date::MAX)
}
