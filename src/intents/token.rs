//! Cuts a folded reply into words: a Chinese character, a Latin word, a number, a sign, a break.

use crate::intents::fold::fold;

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Letters of any script but Chinese.
    Word,
    /// One Chinese character.
    Han,
    /// Digits.
    Number,
    /// An emoji or another sign.
    Sign,
    /// `:` `.` `/` `-` between two numbers.
    Mark,
    /// A pause inside a sentence.
    Comma,
    /// The end of a sentence.
    Stop,
    /// A question mark.
    Question,
    /// The end of a line.
    Line,
}

impl Kind {
    /// Whether it separates clauses and says nothing itself.
    pub(crate) const fn is_break(self) -> bool {
        matches!(self, Self::Comma | Self::Stop | Self::Question | Self::Line)
    }
}

/// One token; its text lies in [`Tokens::text`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Token {
    pub(crate) kind: Kind,
    start: usize,
    end: usize,
}

/// A reply in tokens.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tokens {
    folded: String,
    pub(crate) list: Vec<Token>,
}

impl Tokens {
    /// Cuts `text`.
    pub(crate) fn cut(text: &str) -> Self {
        let mut tokens = Self::default();
        let mut chars = text.chars().filter_map(fold).peekable();
        let mut before = ' ';
        while let Some(c) = chars.next() {
            tokens.push(c, before, chars.peek().copied().unwrap_or(' '));
            before = c;
        }
        tokens.shorten();
        tokens
    }

    /// The text of token `at`; empty past the end.
    pub(crate) fn text(&self, at: usize) -> &str {
        self.list
            .get(at)
            .and_then(|token| self.folded.get(token.start..token.end))
            .unwrap_or_default()
    }

    /// The kind of token `at`.
    pub(crate) fn kind(&self, at: usize) -> Option<Kind> {
        self.list.get(at).map(|token| token.kind)
    }

    /// The tokens `from..to` as text.
    pub(crate) fn phrase(&self, from: usize, to: usize) -> String {
        let mut phrase = String::new();
        for at in from..to.min(self.list.len()) {
            let is_latin = |kind: Option<Kind>| matches!(kind, Some(Kind::Word | Kind::Number));
            if at > from && is_latin(self.kind(at)) && is_latin(self.kind(at - 1)) {
                phrase.push(' ');
            }
            phrase.push_str(self.text(at));
        }
        phrase
    }

    /// A number written in digits, if `at` is one of a sane size.
    pub(crate) fn number(&self, at: usize) -> Option<u32> {
        (self.kind(at)? == Kind::Number)
            .then(|| self.text(at).parse().ok())
            .flatten()
    }

    /// Replaces Latin words by those they were meant to be.
    pub(crate) fn correct<'a>(&mut self, meant: impl Fn(&str) -> &'a str) {
        for at in 0..self.list.len() {
            if self.kind(at) != Some(Kind::Word) {
                continue;
            }
            let right = {
                let typed = self.text(at);
                let right = meant(typed);
                if right.is_empty() || right == typed {
                    continue;
                } else {
                    right.to_owned()
                }
            };
            let start = self.folded.len();
            self.folded.push_str(&right);
            let end = self.folded.len();
            if let Some(token) = self.list.get_mut(at) {
                (token.start, token.end) = (start, end);
            }
        }
    }

    /// The tokens from `at` on.
    pub(crate) fn after(&self, at: usize) -> Self {
        Self {
            folded: self.folded.clone(),
            list: self.list.get(at..).unwrap_or_default().to_vec(),
        }
    }

    fn push(&mut self, c: char, before: char, next: char) {
        let is_digit = c.is_ascii_digit();
        let between = |f: fn(&char) -> bool| f(&before) && f(&next);
        let kind = match c {
            '\n' | '\r' | '\u{2028}' | '\u{2029}' => Kind::Line,
            ':' | '.' | '/' | '-' if between(char::is_ascii_digit) => Kind::Mark,
            // Dots in a.m., D.O.A.; hyphens and apostrophes inside words.
            '.' | '-' | '\'' | '’' | '‘' | '`' | '´' | 'ʼ'
                if between(|c| c.is_alphabetic() && !is_han(*c))
                    && (c != '.' || self.is_initial()) =>
            {
                return;
            }
            ',' | '，' | '、' | ';' | '；' | ':' | '：' | '(' | ')' | '（' | '）' | '/' | '|' => {
                Kind::Comma
            }
            '.' | '。' | '!' | '！' | '…' | '｡' => Kind::Stop,
            '?' | '？' | '¿' => Kind::Question,
            _ if is_digit => Kind::Number,
            _ if is_han(c) => Kind::Han,
            _ if c.is_alphanumeric() => Kind::Word,
            _ if c.is_whitespace() || c.is_control() || is_dress(c) => return,
            _ => Kind::Sign,
        };
        // An abbreviated title ends no sentence.
        if kind == Kind::Stop
            && c == '.'
            && self.list.last().is_some_and(|last| {
                matches!(
                    self.slice(last),
                    "dr" | "mr" | "mrs" | "ms" | "sr" | "sra" | "dra" | "am" | "pm"
                )
            })
        {
            return;
        }
        let joins =
            matches!(kind, Kind::Word | Kind::Number) && before != ' ' && !before.is_whitespace();
        let start = self.folded.len();
        self.folded.push(c);
        let end = self.folded.len();
        match self.list.last_mut() {
            Some(last)
                if joins && last.kind == kind && last.end == start && !is_break_char(before) =>
            {
                last.end = end
            }
            Some(last) if kind.is_break() && last.kind == kind => {}
            Some(_) | None => self.list.push(Token { kind, start, end }),
        }
    }

    fn slice(&self, token: &Token) -> &str {
        self.folded.get(token.start..token.end).unwrap_or_default()
    }

    fn is_initial(&self) -> bool {
        self.list
            .last()
            .is_some_and(|last| last.end - last.start == 1 || matches!(self.slice(last), "a" | "p"))
    }

    /// Shortens stretched words (`yesss`) and runs of one character (`好好好好`).
    fn shorten(&mut self) {
        let mut list: Vec<Token> = Vec::with_capacity(self.list.len());
        let mut run = 0;
        for at in 0..self.list.len() {
            let Some(mut token) = self.list.get(at).copied() else {
                continue;
            };
            let is_same = list.last().is_some_and(|last| {
                matches!(token.kind, Kind::Han | Kind::Sign)
                    && self.slice(last) == self.slice(&token)
            });
            run = if is_same { run + 1 } else { 0 };
            if run >= 2 || (run >= 1 && token.kind == Kind::Sign) {
                continue;
            }
            if token.kind == Kind::Word {
                let slice = self.slice(&token);
                if let Some(short) = without_runs(slice) {
                    token.start = self.folded.len();
                    self.folded.push_str(&short);
                    token.end = self.folded.len();
                }
            }
            list.push(token);
        }
        self.list = list;
    }
}

/// `yesss` → `yes`; `None` when no letter stands three times in a row.
fn without_runs(word: &str) -> Option<String> {
    let mut short = String::new();
    let (mut last, mut run, mut is_changed) = ('\0', 0, false);
    let mut chars = word.chars().peekable();
    while let Some(c) = chars.next() {
        run = if c == last { run + 1 } else { 1 };
        last = c;
        if run == 1 {
            let is_run = chars.clone().take_while(|next| *next == c).count() >= 2;
            short.push(c);
            is_changed |= is_run;
            if is_run {
                while chars.peek() == Some(&c) {
                    chars.next();
                }
            }
        } else {
            short.push(c);
        }
    }
    is_changed.then_some(short)
}

fn is_break_char(c: char) -> bool {
    c.is_whitespace()
}

fn is_han(c: char) -> bool {
    matches!(c, '\u{3400}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3ffff}' | '〇')
}

/// Quotes, softeners and ornaments that say nothing.
fn is_dress(c: char) -> bool {
    matches!(
        c,
        '"' | '\''
            | '“'
            | '”'
            | '‘'
            | '’'
            | '「'
            | '」'
            | '『'
            | '』'
            | '《'
            | '》'
            | '<'
            | '>'
            | '['
            | ']'
            | '{'
            | '}'
            | '~'
            | '～'
            | '〜'
            | '*'
            | '_'
            | '#'
            | '-'
            | '–'
            | '—'
            | '`'
            | '´'
            | '^'
            | '='
            | '·'
            | '•'
            | '¡'
            | '\\'
            | '@'
            | '&'
            | '+'
            | '%'
            | '$'
            | '\u{fffd}'
    )
}

#[cfg(test)]
mod tests {
    use super::{Kind, Tokens};

    #[track_caller]
    fn check(text: &str, expected: &str) {
        let tokens = Tokens::cut(text);
        let shown: Vec<String> = (0..tokens.list.len())
            .map(|at| match tokens.kind(at) {
                Some(kind) if kind.is_break() => format!("<{kind:?}>"),
                Some(Kind::Mark) => format!("<{}>", tokens.text(at)),
                _ => tokens.text(at).to_owned(),
            })
            .collect();
        assert_eq!(shown.join(" "), expected);
    }

    #[test]
    fn replies_are_cut_into_words() {
        check(
            "I'll be there @ 10:30am!!",
            "ill be there 10 <:> 30 am <Stop>",
        );
        check("好的，周三下午3点到", "好 的 <Comma> 周 三 下 午 3 点 到");
        check("YESSSS pleeease", "yes please");
        check("oooook", "ok");
        check("Dr. Lee at 3 p.m. ok?", "dr lee at 3 pm ok <Question>");
        check("re-schedule  Opt-Out", "reschedule optout");
        check("好好好好好", "好 好");
        check("👍👍👍", "👍");
        check("唔好再send嚟", "唔 好 再 send 嚟");
        check("7.28 10/30 8-9", "7 <.> 28 10 </> 30 8 <-> 9");
        check("ok.see you", "ok <Stop> see you");
        check("１２３", "123");
        check("", "");
    }
}
