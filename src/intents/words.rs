//! What was found in a reply: its tokens, the meanings that count, the moments it names.

use crate::intents::context::ReplyContext;
use crate::intents::dates::Calendar;
use crate::intents::lexicon::{Found, Lexicon};
use crate::intents::moments::{Mention, mentions};
use crate::intents::numbers::number;
use crate::intents::reading::Matched;
use crate::intents::sense::Sense;
use crate::intents::token::{Kind, Tokens};
use crate::model::private::Private;

/// Tokens beyond which a reply is no answer: only danger and stop are looked for.
const LONGEST_ANSWER: usize = 400;

/// Tokens beyond which no phrase reaches, gaps included.
const LONGEST_PHRASE: usize = 48;

/// A reply taken apart.
#[derive(Debug)]
pub(crate) struct Facts {
    pub(crate) tokens: Tokens,
    pub(crate) found: Vec<Found>,
    pub(crate) mentions: Vec<Mention>,
    /// Whether it is too long to be an answer.
    pub(crate) is_long: bool,
}

impl Facts {
    /// Takes `text` apart.
    pub(crate) fn gather(lexicon: &Lexicon, text: &str, context: &ReplyContext) -> Self {
        let mut tokens = Tokens::cut(text);
        tokens.correct(|word| lexicon.meant(word));
        Self::of(lexicon, tokens, context)
    }

    /// What stands from token `at` on, as if it were all.
    pub(crate) fn after(&self, lexicon: &Lexicon, at: usize, context: &ReplyContext) -> Self {
        Self::of(lexicon, self.tokens.after(at), context)
    }

    fn of(lexicon: &Lexicon, tokens: Tokens, context: &ReplyContext) -> Self {
        let words = lexicon.number_words(&tokens);
        let found = without_hidden(lexicon.find(&tokens, &words));
        let found: Vec<Found> = found
            .into_iter()
            .filter(|one| !is_negated(&tokens, one))
            .collect();
        let is_long = tokens.list.len() > LONGEST_ANSWER;
        let calendar = Calendar {
            today: context.now.date(),
            is_month_first: is_month_first(context, &tokens),
        };
        let mentions = if is_long {
            Vec::new()
        } else {
            mentions(&tokens, calendar)
        };
        Self {
            tokens,
            found,
            mentions,
            is_long,
        }
    }

    /// Whether `sense` was found.
    pub(crate) fn has(&self, sense: Sense) -> bool {
        self.found.iter().any(|found| found.sense == sense)
    }

    /// Every place where `sense` was found.
    pub(crate) fn all(&self, sense: Sense) -> impl Iterator<Item = &Found> {
        self.found.iter().filter(move |found| found.sense == sense)
    }

    /// Whether `sense` was found within `start..end`.
    pub(crate) fn has_within(&self, sense: Sense, (start, end): (usize, usize)) -> bool {
        let first = self.found.partition_point(|found| found.start < start);
        let rest = self.found.get(first..).unwrap_or_default();
        rest.iter()
            .take_while(|found| found.start < end)
            .any(|found| found.sense == sense && found.end <= end)
    }

    /// The clause around token `at`: from the last break to the next, neither included.
    pub(crate) fn clause(&self, at: usize) -> (usize, usize) {
        self.stretch(at, Kind::is_break)
    }

    /// The sentence around token `at`; commas do not end it.
    pub(crate) fn sentence(&self, at: usize) -> (usize, usize) {
        self.stretch(at, |kind| kind.is_break() && kind != Kind::Comma)
    }

    fn stretch(&self, at: usize, ends: impl Fn(Kind) -> bool) -> (usize, usize) {
        let length = self.tokens.list.len();
        let (first, last) = (
            at.saturating_sub(LONGEST_ANSWER),
            (at + LONGEST_ANSWER).min(length),
        );
        let start = (first..at.min(length))
            .rev()
            .find(|i| self.tokens.kind(*i).is_some_and(&ends))
            .map_or(first, |i| i + 1);
        let end = (at..last)
            .find(|i| self.tokens.kind(*i).is_some_and(&ends))
            .unwrap_or(last);
        (start, end)
    }

    /// Tokens that say something.
    pub(crate) fn spoken(&self) -> impl Iterator<Item = usize> {
        (0..self.tokens.list.len()).filter(|at| !self.tokens.kind(*at).is_some_and(Kind::is_break))
    }

    /// Whether a phrase of `senses`, with politeness around it, is all that is said.
    pub(crate) fn is_all(&self, senses: &[Sense]) -> bool {
        let is_named = |found: &Found| senses.contains(&found.sense);
        if !self.found.iter().any(is_named) {
            return false;
        }
        let covers = |at: usize| {
            self.found.iter().any(|found| {
                (is_named(found) || matches!(found.sense, Sense::Thanks | Sense::Filler))
                    && found.start <= at
                    && at < found.end
            })
        };
        self.spoken().all(covers)
    }

    /// Words that no phrase of `senses` and no moment explains, outside of the clauses that `skips` names.
    pub(crate) fn unexplained(
        &self,
        senses: &[Sense],
        skips: impl Fn(usize) -> bool,
    ) -> Vec<usize> {
        let covers = |at: usize| {
            let by_phrase = self.found.iter().any(|found| {
                senses.contains(&found.sense)
                    && !found.is_loose
                    && found.start <= at
                    && at < found.end
            });
            let by_moment = self
                .mentions
                .iter()
                .any(|mention| mention.start <= at && at < mention.end);
            by_phrase || by_moment
        };
        self.spoken()
            .filter(|at| !covers(*at) && !skips(*at))
            .collect()
    }

    /// The one number that is all that is said, with politeness and words such as "reply" or "option" around it.
    pub(crate) fn bare_number(&self) -> Option<u32> {
        let mut value = None;
        let mut at = 0;
        while at < self.tokens.list.len() {
            if self
                .tokens
                .kind(at)
                .is_some_and(|kind| kind.is_break() || kind == Kind::Mark)
            {
                at += 1;
                continue;
            }
            if let Some((number, end)) = number(&self.tokens, at) {
                if value.is_some_and(|value| value != number) {
                    return None;
                }
                value = Some(number);
                at = end;
                continue;
            }
            let polite = self
                .found
                .iter()
                .filter(|found| {
                    matches!(found.sense, Sense::Thanks | Sense::Filler) && found.start == at
                })
                .map(|found| found.end)
                .max();
            let is_frame = matches!(
                self.tokens.text(at),
                "是" | "应"
                    | "该"
                    | "就"
                    | "回"
                    | "复"
                    | "按"
                    | "选"
                    | "择"
                    | "我"
                    | "键"
                    | "号"
                    | "项"
                    | "第"
                    | "option"
                    | "number"
                    | "no"
                    | "press"
                    | "reply"
                    | "choice"
                    | "opcion"
                    | "numero"
                    | "la"
                    | "el"
                    | "the"
                    | "xuan"
                    | "answer"
                    | "respuesta"
                    | "num"
            );
            if is_frame && value.is_none()
                || matches!(self.tokens.text(at), "号" | "吧" | "键" | "项" | "个")
            {
                at += 1;
            } else {
                at = polite?;
            }
        }
        value
    }

    /// A number that opens the reply and is followed by a pause: the answer before the explanation.
    pub(crate) fn leading_number(&self) -> Option<u32> {
        let value = self.tokens.number(0)?;
        self.tokens
            .kind(1)
            .is_none_or(Kind::is_break)
            .then_some(value)
    }

    /// Whether the clause around token `at` ends in a question mark.
    pub(crate) fn is_asked(&self, at: usize) -> bool {
        let (_, end) = self.clause(at);
        self.tokens.kind(end) == Some(Kind::Question)
    }

    /// What was found, for those who want to know why.
    pub(crate) fn matched(&self) -> Vec<Matched> {
        self.found
            .iter()
            .filter(|found| found.sense != Sense::Filler)
            .take(40)
            .map(|found| Matched {
                sense: found.sense.as_str(),
                words: Private::new(self.tokens.phrase(found.start, found.end)),
            })
            .collect()
    }
}

/// "No podemos ir mañana" is no wish, though "podemos ir mañana" is one.
fn is_negated(tokens: &Tokens, found: &Found) -> bool {
    let first = tokens.text(found.start);
    let is_verb = ["pued", "pod", "quier", "cambi", "asist", "voy", "ire", "ir"]
        .iter()
        .any(|stem| first.starts_with(stem));
    matches!(found.sense, Sense::Reschedule | Sense::Coming)
        && is_verb
        && found.start > 0
        && tokens.text(found.start - 1) == "no"
}

/// Leaves out what a longer phrase of another meaning covers: "not coming" is no "coming".
fn without_hidden(all: Vec<Found>) -> Vec<Found> {
    let hides = |outer: &Found, inner: &Found| {
        let covers = outer.start <= inner.start && inner.end <= outer.end;
        let is_longer = outer.end - outer.start > inner.end - inner.start;
        // "Stop by the pharmacy for me": what begins as something harmless goes on so.
        let begins = outer.start == inner.start && inner.sense != Sense::Emergency;
        if inner.sense.hidden_by(outer.sense) && (covers || begins) {
            return true;
        }
        if !covers || outer.sense == inner.sense {
            return false;
        }
        // "你好" greets, it does not agree.
        let is_greeting = is_longer
            && outer.sense == Sense::Filler
            && matches!(inner.sense, Sense::Yes | Sense::Praise);
        let is_equal_filler =
            !is_longer && inner.sense == Sense::Filler && outer.sense != Sense::Filler;
        is_greeting
            || !inner.sense.is_safety()
                && (is_longer || is_equal_filler)
                && !outer.is_loose
                && outer.sense.hides_others()
    };
    // They come in the order of their starts, and no phrase is longer than this.
    let is_hidden = |inner: &Found| {
        let first = all.partition_point(|outer| outer.start + LONGEST_PHRASE < inner.start);
        let mut around = all
            .get(first..)
            .unwrap_or_default()
            .iter()
            .take_while(|outer| outer.start <= inner.start);
        around.any(|outer| hides(outer, inner))
    };
    let kept: Vec<bool> = all.iter().map(|inner| !is_hidden(inner)).collect();
    all.into_iter()
        .zip(kept)
        .filter_map(|(found, is_kept)| is_kept.then_some(found))
        .collect()
}

/// Whether `3/4` means 4 March to this patient: everywhere but in Spanish outside of the United States.
fn is_month_first(context: &ReplyContext, _tokens: &Tokens) -> bool {
    match context.locale.as_deref() {
        Some(locale) => {
            !(locale.starts_with("es") && !locale.eq_ignore_ascii_case("es-US")
                || locale.eq_ignore_ascii_case("en-GB")
                || locale.eq_ignore_ascii_case("en-AU"))
        }
        None => true,
    }
}
