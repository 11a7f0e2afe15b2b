//! Reads which of the offered times is meant: by number, name, day, clock, place in the list. Only if one alone fits.

use crate::intents::context::{Awaiting, OfferedTime, ReplyContext};
use crate::intents::numbers::number;
use crate::intents::reading::{Intent, Reading, Slots};
use crate::intents::sense::Sense;
use crate::intents::token::{Kind, Tokens};
use crate::intents::words::Facts;

/// What the reply says about the options.
pub(crate) enum Pick {
    /// Exactly one fits.
    One(u32),
    /// Something is said, and several or none fit.
    Unclear,
    /// A day or clock is named that was not offered.
    Elsewhere,
    /// Nothing is said about them.
    Silent,
}

/// The options that the reply may be about: the latest, or those of the earlier prompt.
pub(crate) fn options(context: &ReplyContext) -> &[OfferedTime] {
    match &context.prior {
        Some(prior)
            if context.awaiting != Awaiting::Choice && prior.awaiting == Awaiting::Choice =>
        {
            &prior.options
        }
        Some(_) | None => &context.options,
    }
}

/// Which of `options` is meant.
pub(crate) fn pick(facts: &Facts, options: &[OfferedTime]) -> Pick {
    let mut left: Vec<&OfferedTime> = options.iter().collect();
    let (mut is_said, mut is_timed) = (false, false);
    let numbers = numbers(facts, options);
    if !numbers.is_empty() {
        is_said = true;
        left.retain(|option| numbers.len() == 1 && numbers.contains(&option.n));
    }
    let named: Vec<u32> = options
        .iter()
        .filter(|option| is_named(&facts.tokens, &option.label))
        .map(|option| option.n)
        .collect();
    if !named.is_empty() {
        is_said = true;
        left.retain(|option| named.contains(&option.n));
    }
    if numbers.is_empty() {
        for mention in &facts.mentions {
            (is_said, is_timed) = (true, true);
            left.retain(|option| option.at.is_some_and(|at| mention.fits(at)));
        }
        let by_time = |left: &mut Vec<&OfferedTime>, is_last: bool| {
            let times = left.iter().filter_map(|option| option.at);
            let end = if is_last { times.max() } else { times.min() };
            left.retain(|option| option.at == end);
        };
        if facts.has(Sense::Earlier) {
            is_said = true;
            by_time(&mut left, false);
        } else if facts.has(Sense::Later) && !facts.has(Sense::Last) {
            is_said = true;
            by_time(&mut left, true);
        }
    }
    match (is_said, left.as_slice()) {
        (false, _) => Pick::Silent,
        (true, [one]) => Pick::One(one.n),
        (true, []) if is_timed && named.is_empty() => Pick::Elsewhere,
        (true, _) => Pick::Unclear,
    }
}

/// The option numbers that are named, by number, letter or place.
fn numbers(facts: &Facts, options: &[OfferedTime]) -> Vec<u32> {
    let mut all = Vec::new();
    let places = [
        (Sense::First, 0),
        (Sense::Second, 1),
        (Sense::Third, 2),
        (Sense::Fourth, 3),
    ];
    for (sense, at) in places {
        if facts.has(sense)
            && let Some(option) = options.get(at)
        {
            all.push(option.n);
        }
    }
    if facts.has(Sense::Last)
        && let Some(option) = options.last()
    {
        all.push(option.n);
    }
    let tokens = &facts.tokens;
    let mut at = 0;
    while at < tokens.list.len() {
        let in_moment = facts
            .mentions
            .iter()
            .find(|mention| mention.start <= at && at < mention.end);
        // "2号" is rather option 2 than a day, unless that day was offered.
        let is_option_day = in_moment.is_some_and(|mention| {
            mention.end == at + 2
                && tokens.text(at + 1) == "号"
                && tokens
                    .number(at)
                    .is_some_and(|n| options.iter().any(|o| o.n == n))
                && !options
                    .iter()
                    .any(|o| o.at.is_some_and(|when| mention.fits(when)))
        });
        if let Some(mention) = in_moment.filter(|_| !is_option_day) {
            at = mention.end;
            continue;
        }
        let is_free = |at: usize| tokens.kind(at).is_none_or(|kind| kind != Kind::Mark);
        if let Some((value, end)) =
            number(tokens, at).filter(|(_, end)| is_free(*end) && !is_quantity(tokens, *end))
        {
            let is_led = matches!(
                tokens.text(at.wrapping_sub(1)),
                "option" | "number" | "choice" | "opcion" | "numero"
            );
            let is_word = tokens.kind(at) == Some(Kind::Word)
                && value == 1
                && !is_led
                && facts.spoken().count() > 1;
            let is_ordinal = tokens.text(at.wrapping_sub(1)) == "第"
                || (tokens.kind(at) == Some(Kind::Han)
                    && matches!(tokens.text(end), "个" | "起" | "下" | "定" | "样"));
            // "the earlier one", 一个: no number.
            if !is_word && !is_ordinal {
                all.push(value);
            }
            at = end;
            continue;
        }
        all.extend(letter(facts, at, options));
        at += 1;
    }
    all.sort_unstable();
    all.dedup();
    all
}

fn is_quantity(tokens: &Tokens, at: usize) -> bool {
    matches!(
        tokens.text(at),
        "分" | "个"
            | "小"
            | "位"
            | "min"
            | "mins"
            | "minutes"
            | "people"
            | "days"
            | "th"
            | "st"
            | "nd"
            | "rd"
            | "天"
            | "周"
            | "岁"
            | "楼"
    ) && !(tokens.text(at) == "个" && tokens.kind(at + 1).is_none_or(Kind::is_break))
}

/// A letter that stands alone or after "option".
fn letter(facts: &Facts, at: usize, options: &[OfferedTime]) -> Option<u32> {
    let text = facts.tokens.text(at);
    let index = text
        .bytes()
        .next()
        .filter(|b| text.len() == 1 && (b'a'..=b'f').contains(b))
        .map(|b| usize::from(b - b'a'))?;
    let is_led = matches!(
        facts.tokens.text(at.wrapping_sub(1)),
        "option" | "choice" | "选" | "opcion" | "letter" | "择"
    );
    let is_alone = facts.spoken().count() == 1;
    options
        .get(index)
        .filter(|_| is_led || is_alone)
        .map(|option| option.n)
}

/// Whether the reply names a doctor as the label has it: the whole name, or the surname with a title.
fn is_named(tokens: &Tokens, label: &str) -> bool {
    let label = Tokens::cut(label);
    let is_title = |text: &str| {
        matches!(
            text,
            "dr" | "doctor"
                | "dra"
                | "prof"
                | "mr"
                | "ms"
                | "mrs"
                | "the"
                | "md"
                | "医"
                | "生"
                | "主"
                | "任"
                | "教"
                | "授"
                | "大"
                | "夫"
                | "专"
                | "家"
        )
    };
    let words: Vec<&str> = (0..label.list.len())
        .map(|at| label.text(at))
        .filter(|text| !is_title(text))
        .collect();
    let has = |word: &str| (0..tokens.list.len()).any(|at| tokens.text(at) == word);
    if words
        .iter()
        .any(|word| word.is_ascii() && word.len() > 2 && has(word))
        || (words.len() == 1 && words.first().is_some_and(|w| w.is_ascii() && has(w)))
    {
        return true;
    }
    let han: Vec<&str> = words.into_iter().filter(|word| !word.is_ascii()).collect();
    let Some(surname) = han.first() else {
        return false;
    };
    let at = |i: usize, text: &str| tokens.text(i) == text;
    (0..tokens.list.len()).any(|i| {
        let whole = han.len() >= 2 && han.iter().enumerate().all(|(n, c)| at(i + n, c));
        let given = han.len() >= 3 && han.iter().skip(1).enumerate().all(|(n, c)| at(i + n, c));
        let titled = at(i, surname)
            && ["医生", "主任", "大夫", "教授", "医师", "老师", "专家"]
                .iter()
                .any(|title| {
                    title
                        .chars()
                        .enumerate()
                        .all(|(n, c)| at(i + 1 + n, c.encode_utf8(&mut [0; 4])))
                });
        whole || given || titled
    })
}

/// Reads a reply to an offer of times, if it is one.
pub(crate) fn read(facts: &Facts, context: &ReplyContext) -> Option<Reading> {
    if context.awaiting != Awaiting::Choice {
        return None;
    }
    let fits_earlier = |n: u32| {
        context
            .prior
            .as_ref()
            .is_some_and(|prior| prior.awaiting == Awaiting::Confirm && n <= 3)
    };
    if facts.has(Sense::NoneFit) {
        return None;
    }
    match pick(facts, options(context)) {
        Pick::One(n) => {
            if fits_earlier(n) && facts.bare_number() == Some(n) {
                return Some(Reading::unknown());
            }
            let is_doubted =
                facts.has(Sense::Hedge) || facts.has(Sense::Or) && !facts.has(Sense::Last);
            let refused = facts.has(Sense::Cancel) || facts.all(Sense::Refuse).count() > 0;
            if is_doubted || refused {
                return if facts.has(Sense::Reschedule) || facts.has(Sense::Cancel) {
                    None
                } else {
                    Some(Reading::unknown())
                };
            }
            let slots = Slots {
                choice: Some(n),
                ..Slots::default()
            };
            Some(
                Reading::new(
                    Intent::Choice,
                    facts.has(Sense::Question) && facts.tokens.list.len() > 6,
                )
                .with(slots),
            )
        }
        Pick::Unclear => Some(Reading::unknown()),
        Pick::Elsewhere | Pick::Silent => None,
    }
}
