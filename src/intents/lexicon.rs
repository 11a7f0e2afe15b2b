//! The words patients answer with: lists of phrases per meaning, kept as data, found in one walk over a reply.
//!
//! A file `rules/replies/<lang>.toml` has one list per meaning (`Sense`), each entry a phrase:
//!
//! | in a phrase | means |
//! | --- | --- |
//! | `(a\|b)` | one of them |
//! | `[a]` | may be left out |
//! | `*` | up to six words or characters of the same clause, or none |
//! | `#` | a number |
//! | `^` and `$` | a clause begins, ends |
//!
//! Spelling is folded as in replies, so that one entry serves both scripts of Chinese and every width.

use std::collections::HashMap;
use std::path::Path;

use crate::intents::phrase::{self, Part};
use crate::intents::sense::Sense;
use crate::intents::token::{Kind, Tokens};
use crate::intents::typo::Typos;

/// Words a `*` may stand for.
const WIDEST_GAP: usize = 6;

/// A mistake in a file of words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}: expected {expected}")]
pub struct LexiconError {
    /// The file.
    pub file: String,
    /// The line, from 1; 0 for the whole file.
    pub line: usize,
    /// What was expected there.
    pub expected: String,
}

/// A meaning found in a reply: the tokens `start..end`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) sense: Sense,
    pub(crate) start: usize,
    pub(crate) end: usize,
    /// Whether a `*` stood for something: it does not hide what lies within.
    pub(crate) is_loose: bool,
}

const ROOT: u32 = 0;
const UNKNOWN: u32 = 0;
const GAP: u32 = 1;
const NUMBER: u32 = 2;
const BEGIN: u32 = 3;
const END: u32 = 4;
const FIRST_WORD: u32 = 5;

/// All phrases, as one tree over words.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lexicon {
    words: HashMap<String, u32>,
    steps: HashMap<(u32, u32), u32>,
    ends: HashMap<u32, Vec<Sense>>,
    joins: HashMap<u32, Vec<u32>>,
    nodes: u32,
    typos: Typos,
}

impl Lexicon {
    /// The words compiled into the program.
    pub(crate) fn builtin() -> Self {
        let mut lexicon = Self::default();
        for (file, text) in BUILTIN {
            let read = lexicon.add(file, text);
            read.expect("the shipped words are tested");
        }
        lexicon.finish();
        lexicon
    }

    /// The shipped words and those of every `.toml` in `dir`, of which a file replaces the shipped one of its name.
    pub(crate) fn load_dir(dir: &Path) -> Result<Self, Vec<LexiconError>> {
        let unreadable = |path: &Path, error: &std::io::Error| LexiconError {
            file: path.display().to_string(),
            line: 0,
            expected: format!("a readable file: {error}"),
        };
        let mut errors = Vec::new();
        let mut files: Vec<(String, String, String)> = BUILTIN
            .iter()
            .map(|(name, text)| ((*name).to_owned(), (*name).to_owned(), (*text).to_owned()))
            .collect();
        let entries = std::fs::read_dir(dir).map_err(|error| vec![unreadable(dir, &error)])?;
        let mut paths: Vec<_> = entries
            .flatten()
            .map(|entry| entry.path())
            .filter(|path| path.extension().is_some_and(|e| e == "toml"))
            .collect();
        paths.sort();
        for path in paths {
            let name = path
                .file_name()
                .map(|name| name.to_string_lossy().into_owned())
                .unwrap_or_default();
            match std::fs::read_to_string(&path) {
                Ok(text) => {
                    files.retain(|(known, _, _)| *known != name);
                    files.push((name, path.display().to_string(), text));
                }
                Err(error) => errors.push(unreadable(&path, &error)),
            }
        }
        let mut lexicon = Self::default();
        for (_, file, text) in &files {
            if let Err(error) = lexicon.add(file, text) {
                errors.push(error);
            }
        }
        lexicon.finish();
        if errors.is_empty() {
            Ok(lexicon)
        } else {
            Err(errors)
        }
    }

    /// Adds the phrases of one file.
    pub(crate) fn add(&mut self, file: &str, text: &str) -> Result<(), LexiconError> {
        let fault = |line: usize, expected: String| LexiconError {
            file: file.to_owned(),
            line,
            expected,
        };
        let line_of = |at: usize| {
            1 + text
                .get(..at)
                .map_or(0, |before| before.matches('\n').count())
        };
        let lists: HashMap<toml::Spanned<String>, Vec<toml::Spanned<String>>> =
            toml::from_str(text).map_err(|error| {
                fault(
                    error.span().map_or(0, |span| line_of(span.start)),
                    format!("lists of phrases: {}", error.message()),
                )
            })?;
        for (name, phrases) in lists {
            if name.get_ref() == "known" {
                self.typos
                    .know(phrases.iter().map(|phrase| phrase.get_ref().as_str()));
                continue;
            }
            let sense = Sense::parse(name.get_ref()).ok_or_else(|| {
                let all: Vec<&str> = Sense::ALL.iter().map(|sense| sense.as_str()).collect();
                fault(
                    line_of(name.span().start),
                    format!("one of {}, known", all.join(", ")),
                )
            })?;
            for phrase in phrases {
                let line = line_of(phrase.span().start);
                let parts =
                    phrase::parse(phrase.get_ref()).map_err(|expected| fault(line, expected))?;
                let node = self.insert(ROOT, &parts);
                let ends = self.ends.entry(node).or_default();
                if !ends.contains(&sense) {
                    ends.push(sense);
                }
            }
        }
        Ok(())
    }

    fn finish(&mut self) {
        self.typos.build(self.words.keys());
    }

    /// Adds the ways through `parts` from `node` on, and gives the node they end at.
    fn insert(&mut self, mut node: u32, parts: &[Part]) -> u32 {
        for part in parts {
            node = match part {
                Part::Text(text) => self.insert_words(node, text),
                Part::Gap => self.step_or_new(node, GAP),
                Part::Number => self.step_or_new(node, NUMBER),
                Part::Begin => self.step_or_new(node, BEGIN),
                Part::End => self.step_or_new(node, END),
                Part::Choice(all) => {
                    self.nodes += 1;
                    let join = self.nodes;
                    for parts in all {
                        let end = self.insert(node, parts);
                        self.joins.entry(end).or_default().push(join);
                    }
                    join
                }
            };
        }
        node
    }

    fn insert_words(&mut self, mut node: u32, text: &str) -> u32 {
        let tokens = Tokens::cut(text);
        for at in 0..tokens.list.len() {
            if tokens
                .kind(at)
                .is_some_and(|kind| kind.is_break() || kind == Kind::Mark)
            {
                continue;
            }
            let word = self.word_or_new(tokens.text(at));
            node = self.step_or_new(node, word);
        }
        node
    }

    fn word_or_new(&mut self, word: &str) -> u32 {
        let next = FIRST_WORD + u32::try_from(self.words.len()).unwrap_or(u32::MAX - FIRST_WORD);
        *self.words.entry(word.to_owned()).or_insert(next)
    }

    fn step_or_new(&mut self, node: u32, word: u32) -> u32 {
        let nodes = &mut self.nodes;
        *self.steps.entry((node, word)).or_insert_with(|| {
            *nodes += 1;
            *nodes
        })
    }

    /// The number of each token's word.
    pub(crate) fn number_words(&self, tokens: &Tokens) -> Vec<u32> {
        (0..tokens.list.len())
            .map(|at| self.words.get(tokens.text(at)).copied().unwrap_or(UNKNOWN))
            .collect()
    }

    /// The word a typed one was meant to be; empty when it is right or nobody knows.
    pub(crate) fn meant(&self, word: &str) -> &str {
        if self.words.contains_key(word) {
            ""
        } else {
            self.typos.right(word).unwrap_or("")
        }
    }

    /// Every phrase in the reply, also those inside of others, in the order of their starts.
    pub(crate) fn find(&self, tokens: &Tokens, words: &[u32]) -> Vec<Found> {
        let mut search = Search {
            lexicon: self,
            tokens,
            words,
            found: Vec::new(),
        };
        for start in 0..words.len() {
            if !search.is_edge(start) {
                search.walk(Step {
                    node: ROOT,
                    at: start,
                    start,
                    is_loose: false,
                });
            }
        }
        search.found
    }
}

/// Where a walk through the phrases stands.
#[derive(Clone, Copy)]
struct Step {
    node: u32,
    at: usize,
    start: usize,
    is_loose: bool,
}

impl Step {
    fn to(self, node: u32, at: usize) -> Self {
        Self { node, at, ..self }
    }
}

/// A walk through the phrases along a reply.
struct Search<'a> {
    lexicon: &'a Lexicon,
    tokens: &'a Tokens,
    words: &'a [u32],
    found: Vec<Found>,
}

impl Search<'_> {
    fn is_edge(&self, at: usize) -> bool {
        self.tokens.kind(at).is_none_or(Kind::is_break)
    }

    fn next(&self, node: u32, word: u32) -> Option<u32> {
        self.lexicon.steps.get(&(node, word)).copied()
    }

    fn walk(&mut self, step: Step) {
        let Step {
            node, at, start, ..
        } = step;
        self.take(step);
        let lexicon = self.lexicon;
        for join in lexicon.joins.get(&node).into_iter().flatten() {
            self.walk(step.to(*join, at));
        }
        if let Some(next) = self.next(node, BEGIN)
            && at == start
            && (at == 0 || self.is_edge(at - 1))
        {
            self.walk(step.to(next, at));
        }
        if let Some(next) = self.next(node, END)
            && self.is_edge(at)
        {
            self.walk(step.to(next, at));
        }
        if let Some(next) = self.next(node, GAP) {
            self.walk_gap(step.to(next, at));
        }
        if self.is_edge(at) {
            return;
        }
        let word = self.words.get(at).copied().unwrap_or(UNKNOWN);
        if let Some(next) = self.next(node, word).filter(|_| word != UNKNOWN) {
            self.walk(step.to(next, at + 1));
        }
        let is_number = self.tokens.kind(at) == Some(Kind::Number);
        if let Some(next) = self.next(node, NUMBER).filter(|_| is_number) {
            self.walk(step.to(next, at + 1));
        }
    }

    fn walk_gap(&mut self, step: Step) {
        for skip in 0..=WIDEST_GAP {
            if skip > 0 && self.is_edge(step.at + skip - 1) {
                break;
            }
            let is_loose = step.is_loose || skip > 0;
            self.walk(Step {
                is_loose,
                ..step.to(step.node, step.at + skip)
            });
        }
    }

    /// Takes down the phrases that end here.
    fn take(&mut self, step: Step) {
        let Step {
            node,
            at,
            start,
            is_loose,
        } = step;
        for sense in self.lexicon.ends.get(&node).into_iter().flatten() {
            let is_same = |one: &Found| {
                one.sense == *sense && one.end == at && (one.is_loose == is_loose || is_loose)
            };
            let mut from_here = self.found.iter().rev().take_while(|one| one.start == start);
            if at > start && !from_here.any(is_same) {
                self.found.push(Found {
                    sense: *sense,
                    start,
                    end: at,
                    is_loose,
                });
            }
        }
    }
}

/// The words that are compiled in.
const BUILTIN: [(&str, &str); 3] = [
    ("zh.toml", include_str!("../../rules/replies/zh.toml")),
    ("en.toml", include_str!("../../rules/replies/en.toml")),
    ("es.toml", include_str!("../../rules/replies/es.toml")),
];

#[cfg(test)]
mod tests {
    use super::Lexicon;
    use crate::intents::token::Tokens;

    #[test]
    fn mistakes_name_file_and_line() {
        let error = |text: &str| {
            Lexicon::default()
                .add("x.toml", text)
                .unwrap_err()
                .to_string()
        };
        assert_eq!(
            error("cancel = [\n\"a\",\n\"(b\"]"),
            "x.toml:3: expected a closing bracket"
        );
        assert!(error("\nyes_please = []").starts_with("x.toml:2: expected one of emergency, "));
        assert!(error("cancel = 1").starts_with("x.toml:1: expected lists of phrases: "));
        assert_eq!(
            error("cancel = [\"*\"]"),
            "x.toml:1: expected a phrase with a word in it"
        );
    }

    #[track_caller]
    fn check(phrase: &str, text: &str, expected: &[&str]) {
        let mut lexicon = Lexicon::default();
        lexicon.add("x", &format!("cancel = ['{phrase}']")).unwrap();
        lexicon.finish();
        let mut tokens = Tokens::cut(text);
        tokens.correct(|word| lexicon.meant(word));
        let found = lexicon.find(&tokens, &lexicon.number_words(&tokens));
        let found: Vec<String> = found
            .iter()
            .map(|f| tokens.phrase(f.start, f.end))
            .collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn phrases_are_found_where_they_stand() {
        check("去不了", "我去不了了", &["去不了"]);
        check("不(去|来)", "我不去了，也不來", &["不去", "不来"]);
        check("cant make it", "Sorry I can't make it", &["cant make it"]);
        check("not coming", "knot coming, not now coming", &[]);
        check(
            "stop * text",
            "stop sending me text",
            &["stop sending me text"],
        );
        check("stop * text", "stop. text", &[]);
        check("^no$", "no, i said no way", &["no"]);
        check("option #", "option 2 please", &["option 2"]);
        check("cancel", "please cancle it", &["cancel"]);
    }
}
