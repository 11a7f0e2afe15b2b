//! Puts slips of the finger right: one letter too many, too few, wrong, or two swapped (Damerau 1964).

use std::collections::{HashMap, HashSet};

/// Shorter words are too close to each other to guess.
const SHORTEST: usize = 5;

/// Longer ones are nobody's slip.
const LONGEST: usize = 24;

/// Words by what is left of them when one letter is struck out.
#[derive(Clone, Debug, Default)]
pub(crate) struct Typos {
    known: HashSet<String>,
    words: Vec<String>,
    struck: HashMap<String, Vec<usize>>,
}

impl Typos {
    /// Words that are right as they are, though close to one of ours.
    pub(crate) fn know<'a>(&mut self, words: impl Iterator<Item = &'a str>) {
        self.known.extend(words.map(str::to_lowercase));
    }

    /// Learns the words that may be meant.
    pub(crate) fn build<'a>(&mut self, words: impl Iterator<Item = &'a String>) {
        self.words = words.filter(|word| is_fit(word)).cloned().collect();
        self.words.sort();
        self.struck.clear();
        for (at, word) in self.words.iter().enumerate() {
            for rest in strike(word) {
                self.struck.entry(rest).or_default().push(at);
            }
            self.struck.entry(word.clone()).or_default().push(at);
        }
    }

    /// The one word that `typed` was meant to be: a swap is likelier than a letter too many or few, that than a wrong one.
    pub(crate) fn right(&self, typed: &str) -> Option<&str> {
        if !is_fit(typed) || self.known.contains(typed) {
            return None;
        }
        let mut best: Option<(Slip, usize)> = None;
        let mut is_tied = false;
        for key in strike(typed).into_iter().chain([typed.to_owned()]) {
            for at in self.struck.get(&key).into_iter().flatten() {
                let Some(slip) = self.words.get(*at).and_then(|word| slip(typed, word)) else {
                    continue;
                };
                match best {
                    Some((_, known)) if known == *at => {}
                    Some((known, _)) if known < slip => {}
                    Some((known, _)) if known == slip => is_tied = true,
                    Some(_) | None => (best, is_tied) = (Some((slip, *at)), false),
                }
            }
        }
        best.filter(|_| !is_tied)
            .and_then(|(_, at)| self.words.get(at))
            .map(String::as_str)
    }
}

/// What went wrong, likeliest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Slip {
    Swapped,
    Added,
    Wrong,
}

fn is_fit(word: &str) -> bool {
    (SHORTEST..=LONGEST).contains(&word.len()) && word.bytes().all(|b| b.is_ascii_lowercase())
}

/// `word` with each of its letters struck out.
fn strike(word: &str) -> Vec<String> {
    (0..word.len())
        .map(|at| {
            word.char_indices()
                .filter(|(i, _)| *i != at)
                .map(|(_, c)| c)
                .collect()
        })
        .collect()
}

fn slip(a: &str, b: &str) -> Option<Slip> {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    let front = a.iter().zip(b).take_while(|(x, y)| x == y).count();
    let (a, b) = (
        a.get(front..).unwrap_or_default(),
        b.get(front..).unwrap_or_default(),
    );
    let rest = |text: &[u8], from: usize| text.get(from..).map(<[u8]>::to_vec);
    match a.len().abs_diff(b.len()) {
        0 if a.len() >= 2
            && a.first() == b.get(1)
            && a.get(1) == b.first()
            && rest(a, 2) == rest(b, 2) =>
        {
            Some(Slip::Swapped)
        }
        0 => (rest(a, 1) == rest(b, 1)).then_some(Slip::Wrong),
        1 if a.len() > b.len() => (rest(a, 1).as_deref() == Some(b)).then_some(Slip::Added),
        1 => (rest(b, 1).as_deref() == Some(a)).then_some(Slip::Added),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::Typos;

    #[track_caller]
    fn check(typed: &str, expected: Option<&str>) {
        let mut typos = Typos::default();
        typos.know(["cancer"].into_iter());
        let words = [
            "cancel",
            "confirm",
            "tomorrow",
            "reschedule",
            "coming",
            "comming",
        ]
        .map(str::to_owned);
        typos.build(words.iter());
        assert_eq!(typos.right(typed), expected);
    }

    #[test]
    fn one_slip_is_put_right() {
        check("cancle", Some("cancel"));
        check("confrim", Some("confirm"));
        check("confirn", Some("confirm"));
        check("tommorrow", Some("tomorrow"));
        check("tomorow", Some("tomorrow"));
        check("cancer", None);
        check("cncl", None);
        check("comeing", Some("coming"));
        check("reshedule", Some("reschedule"));
    }
}
