//! Shifts from the booking: a day later, half an hour earlier.

use jiff::{Span, ToSpan};

use crate::intents::dates::{ends, ends_any};
use crate::intents::numbers::number;
use crate::intents::token::Tokens;

const LATER: &str = "往后推迟|往后推延|往后推|往后延|往后挪|往后移|往后调|向后推|向后延|推迟|推后|延后|延迟|延期|后推|后延|顺延|推|延|晚|迟";
const EARLIER: &str = "往前提|往前挪|往前移|往前调|提前|提早|前移|前提|早";

/// Names of a unit, how many minutes or days it is, and whether it is of minutes.
const UNITS: [(&str, i64, bool); 5] = [
    ("分钟|minutes|minute|mins|min|minutos", 1, true),
    (
        "个小时|小时|个钟头|个钟|钟头|hours|hour|hrs|hr|horas|hora",
        60,
        true,
    ),
    ("刻钟", 15, true),
    (
        "个星期|个礼拜|个周|星期|礼拜|周|weeks|week|wks|wk|semanas|semana",
        7,
        false,
    ),
    ("天|日|days|day|dias|dia", 1, false),
];

/// `往后推一天`, `提前半小时`, `an hour later`, `una semana antes`.
pub(crate) fn shift(tokens: &Tokens, at: usize) -> Option<(Span, usize)> {
    let direction = ends_any(tokens, at, LATER)
        .map(|end| (1, end))
        .or_else(|| ends_any(tokens, at, EARLIER).map(|end| (-1, end)));
    if let Some((sign, next)) = direction {
        let next = ends_any(tokens, next, "个|上|到|了")
            .filter(|_| tokens.text(next) == "个")
            .unwrap_or(next);
        let (span, end) = amount(tokens, next)?;
        // "晚十分钟到" is being late, not another time.
        let is_late = matches!(tokens.text(end), "到" | "来" | "过" | "才")
            || ends_any(tokens, end, "左右到|才到|能到|会到").is_some();
        return (!is_late).then(|| (if sign < 0 { span.negate() } else { span }, end));
    }
    let (span, next) = amount(tokens, at)?;
    let end = ends_any(tokens, next, "later|mas tarde|despues");
    if let Some(end) = end {
        return Some((span, end));
    }
    if let Some(end) = ends_any(
        tokens,
        next,
        "earlier|sooner|antes|mas temprano|before that",
    ) {
        return Some((span.negate(), end));
    }
    by_verb(tokens, at, span).map(|span| (span, next))
}

/// "Push it back an hour", "move it up two days": the verb stands before.
fn by_verb(tokens: &Tokens, at: usize, span: Span) -> Option<Span> {
    let has = |words: &str| {
        (at.saturating_sub(7)..at).any(|at| words.split('|').any(|word| word == tokens.text(at)))
    };
    if has("push|postpone|delay|delayed|posponer|aplazar|retrasar|atrasar|postergar")
        || has("back|out") && has("move|put|bump")
    {
        return Some(if has("up") { span.negate() } else { span });
    }
    let is_earlier = has("move|bring|bump") && has("up|forward") || has("adelantar|adelanten");
    is_earlier.then(|| span.negate())
}

/// `一天`, `半小时`, `两个星期`, `an hour`, `30 min`.
fn amount(tokens: &Tokens, at: usize) -> Option<(Span, usize)> {
    if let Some(end) = ends_any(
        tokens,
        at,
        "半个小时|半小时|半个钟头|半个钟|half an hour|half hour|media hora",
    ) {
        return Some((30.minutes(), end));
    }
    let article = || ends_any(tokens, at, "a|an|one more|another|una|un").map(|end| (1, end));
    let (count, next) = number(tokens, at)
        .or_else(article)
        .filter(|(count, _)| (1..=400).contains(count))?;
    let count = i64::from(count);
    for (names, factor, is_clock) in UNITS {
        if let Some(mut end) = ends_any(tokens, next, names) {
            let mut value = count * factor;
            if factor == 60 && ends(tokens, end, "半").is_some() {
                (value, end) = (value + 30, end + 1);
            }
            return Some((
                if is_clock {
                    value.minutes()
                } else {
                    value.days()
                },
                end,
            ));
        }
    }
    let end = ends_any(tokens, next, "个月|months|month|meses|mes")?;
    Some((count.months(), end))
}
