//! Reads a score: exactly one whole number on the scale, or the words for it.

use crate::intents::context::{Awaiting, ReplyContext};
use crate::intents::numbers::number;
use crate::intents::reading::{Intent, Reading, Slots};
use crate::intents::sense::Sense;
use crate::intents::token::{Kind, Tokens};
use crate::intents::words::Facts;

/// What a reply says as a score.
pub(crate) enum Score {
    /// One score.
    One(u8),
    /// Several, a range, a half, or off the scale.
    Unclear,
    /// None.
    None,
}

/// Reads the score in `facts` on the scale of `context`.
pub(crate) fn score(facts: &Facts, context: &ReplyContext) -> Score {
    let scale = u32::from(context.scale.unwrap_or(10));
    let mut numbers: Vec<u32> = Vec::new();
    let tokens = &facts.tokens;
    let mut at = 0;
    while at < tokens.list.len() {
        let Some((value, end)) = number(tokens, at).filter(|_| is_number(tokens, at)) else {
            at += 1;
            continue;
        };
        // A half, a range.
        if tokens.kind(end) == Some(Kind::Mark) && tokens.text(end) != "/" {
            return Score::Unclear;
        }
        if matches!(
            tokens.text(end),
            "半" | "到" | "至" | "to" | "or" | "a" | "o" | "或"
        ) && number(tokens, end + 1).is_some()
            || ends_in_half(tokens, end)
        {
            return Score::Unclear;
        }
        let end = after_scale(tokens, end, scale);
        if !is_count(tokens, at, end) {
            numbers.push(value);
        }
        at = end;
    }
    numbers.dedup();
    let words = worded(facts, scale);
    match (numbers.as_slice(), words.as_slice()) {
        ([], []) => Score::None,
        ([value], []) if (1..=scale).contains(value) => {
            u8::try_from(*value).map_or(Score::Unclear, Score::One)
        }
        ([value], [word]) if value == word => {
            u8::try_from(*value).map_or(Score::Unclear, Score::One)
        }
        // "10 分，非常满意": the number counts if the word leans the same way.
        ([value], [word])
            if (1..=scale).contains(value) && (*value * 2 > scale) == (*word * 2 > scale) =>
        {
            u8::try_from(*value).map_or(Score::Unclear, Score::One)
        }
        ([], [word]) => u8::try_from(*word).map_or(Score::Unclear, Score::One),
        _ => Score::Unclear,
    }
}

/// Digits always; a numeral in words only where a score follows or nothing else is said.
fn is_number(tokens: &Tokens, at: usize) -> bool {
    let Some((_, end)) = number(tokens, at) else {
        return false;
    };
    let is_alone = tokens.kind(at.wrapping_sub(1)).is_none_or(Kind::is_break)
        && tokens.kind(end).is_none_or(Kind::is_break);
    match tokens.kind(at) {
        Some(Kind::Number) => true,
        Some(Kind::Han) => {
            (matches!(tokens.text(end), "分" | "星" | "颗")
                && !matches!(
                    tokens.text(end + 1),
                    "满" | "好" | "钟" | "感" | "之" | "差" | "不"
                ))
                || is_alone
        }
        Some(Kind::Word) => {
            is_alone
                || matches!(
                    tokens.text(end),
                    "stars" | "star" | "out" | "points" | "estrellas" | "puntos" | "de"
                )
        }
        _ => false,
    }
}

fn ends_in_half(tokens: &Tokens, at: usize) -> bool {
    matches!(
        (tokens.text(at), tokens.text(at + 1)),
        ("分" | "星", "半") | ("and", "a") | ("y", "media" | "medio") | ("点" | "半", _)
    )
}

/// Past `/10`, `out of 10`, `de 10`.
fn after_scale(tokens: &Tokens, at: usize, scale: u32) -> usize {
    let is_scale = |at: usize| tokens.number(at) == Some(scale);
    if tokens.kind(at) == Some(Kind::Mark) && is_scale(at + 1) {
        return at + 2;
    }
    if tokens.text(at) == "out" && tokens.text(at + 1) == "of" && is_scale(at + 2) {
        return at + 3;
    }
    if matches!(tokens.text(at), "de" | "of") && is_scale(at + 1) {
        at + 2
    } else {
        at
    }
}

/// Whether the number counts something else: hours, times, people.
fn is_count(tokens: &Tokens, at: usize, end: usize) -> bool {
    let unit = tokens.text(end);
    let is_unit = matches!(
        unit,
        "小" | "个"
            | "次"
            | "天"
            | "点"
            | "号"
            | "年"
            | "月"
            | "人"
            | "块"
            | "元"
            | "楼"
            | "遍"
            | "周"
            | "回"
            | "岁"
            | "hours"
            | "hour"
            | "hrs"
            | "hr"
            | "minutes"
            | "mins"
            | "min"
            | "times"
            | "days"
            | "people"
            | "weeks"
            | "horas"
            | "hora"
            | "minutos"
            | "veces"
            | "dias"
            | "nurses"
            | "doctors"
            | "years"
            | "am"
            | "pm"
    ) || (unit == "分" && tokens.text(end + 1) == "钟")
        || (unit == "h" || tokens.text(end) == "多");
    is_unit
        || matches!(tokens.text(at.wrapping_sub(1)), "等" | "第")
            && tokens.kind(at) == Some(Kind::Han)
}

fn worded(facts: &Facts, scale: u32) -> Vec<u32> {
    const STEPS: [(Sense, u32); 6] = [
        (Sense::RatingBest, 5),
        (Sense::RatingVeryGood, 5),
        (Sense::RatingGood, 4),
        (Sense::RatingFair, 3),
        (Sense::RatingBad, 2),
        (Sense::RatingVeryBad, 1),
    ];
    let mut all: Vec<u32> = STEPS
        .iter()
        .filter(|(sense, _)| facts.has(*sense))
        .map(|(_, step)| if scale > 5 { step * 2 } else { *step })
        .collect();
    all.dedup();
    all
}

/// Reads a reply to a survey, if it is one.
pub(crate) fn read(facts: &Facts, context: &ReplyContext) -> Option<Reading> {
    if context.awaiting != Awaiting::Survey {
        return None;
    }
    match score(facts, context) {
        Score::One(value) => {
            let fits_earlier = context
                .prior
                .as_ref()
                .is_some_and(|prior| match prior.awaiting {
                    Awaiting::Confirm => value <= 3,
                    Awaiting::Choice => prior
                        .options
                        .iter()
                        .any(|option| option.n == u32::from(value)),
                    Awaiting::Survey | Awaiting::None => false,
                });
            if fits_earlier && facts.bare_number() == Some(u32::from(value)) && !says_points(facts)
            {
                return Some(Reading::unknown());
            }
            let is_low = u32::from(value) * 5 <= u32::from(context.scale.unwrap_or(10)) * 2;
            let rest = facts.unexplained(
                &[
                    Sense::Thanks,
                    Sense::Filler,
                    Sense::RatingBest,
                    Sense::RatingVeryGood,
                    Sense::RatingGood,
                    Sense::RatingFair,
                    Sense::RatingBad,
                    Sense::RatingVeryBad,
                ],
                |_| false,
            );
            let has_more = is_low && rest.len() > 4;
            let slots = Slots {
                rating: Some(value),
                ..Slots::default()
            };
            Some(
                Reading::new(
                    Intent::Rating,
                    facts.has(Sense::Complaint) || facts.has(Sense::Question) || has_more,
                )
                .with(slots),
            )
        }
        Score::Unclear => Some(Reading::unknown()),
        Score::None => None,
    }
}

fn says_points(facts: &Facts) -> bool {
    facts.spoken().any(|at| {
        matches!(
            facts.tokens.text(at),
            "分" | "星" | "颗" | "stars" | "star" | "points" | "puntos" | "estrellas" | "out"
        )
    })
}
