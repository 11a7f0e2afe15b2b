//! Just enough of Rust's grammar to see what a file names: its tokens, and the modules its paths lead to.

/// A word, `::`, or any other single mark. Comments and literals are left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Token<'a> {
    Word(&'a str),
    PathSep,
    Mark(char),
}

/// The tokens of `text`, each with the line it stands on.
pub(super) fn tokens(text: &str) -> Vec<(usize, Token<'_>)> {
    let mut found = Vec::new();
    let mut line = 1;
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let length = if let Some(skipped) = comment(rest).or_else(|| literal(rest)) {
            skipped
        } else if first == '_' || first.is_alphabetic() {
            let word = word(rest);
            found.push((line, Token::Word(word)));
            word.len()
        } else if rest.starts_with("::") {
            found.push((line, Token::PathSep));
            2
        } else {
            if !first.is_whitespace() {
                found.push((line, Token::Mark(first)));
            }
            first.len_utf8()
        };
        line += rest[..length].matches('\n').count();
        rest = &rest[length..];
    }
    found
}

fn word(text: &str) -> &str {
    let end = text
        .find(|c: char| c != '_' && !c.is_alphanumeric())
        .unwrap_or(text.len());
    &text[..end]
}

/// The length of the comment that `text` begins with.
fn comment(text: &str) -> Option<usize> {
    if text.starts_with("//") {
        return Some(text.find('\n').unwrap_or(text.len()));
    }
    if !text.starts_with("/*") {
        return None;
    }
    let mut depth = 0;
    let mut at = 0;
    while at < text.len() {
        let rest = &text.as_bytes()[at..];
        if rest.starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if rest.starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return Some(at);
            }
        } else {
            at += 1;
        }
    }
    Some(text.len())
}

/// The length of the literal that `text` begins with; a lifetime counts as one.
fn literal(text: &str) -> Option<usize> {
    let prefix = ["br", "cr", "b", "c", "r"].into_iter().find(|prefix| {
        text.strip_prefix(prefix)
            .is_some_and(|rest| rest.trim_start_matches('#').starts_with(['"', '\'']))
    });
    let prefix = prefix.unwrap_or_default();
    let body = &text[prefix.len()..];
    let hashes = body.len() - body.trim_start_matches('#').len();
    let quoted = if prefix.ends_with('r') && body[hashes..].starts_with('"') {
        let end = format!("\"{}", "#".repeat(hashes));
        hashes
            + 1
            + body[hashes + 1..]
                .find(&end)
                .map_or(body.len(), |at| at + end.len())
    } else if let Some(text) = body.strip_prefix('"') {
        1 + closing(text, '"')
    } else if body.starts_with('\'') {
        quote(body)
    } else if prefix.is_empty() && body.starts_with(|c: char| c.is_ascii_digit()) {
        word(body).len()
    } else {
        return None;
    };
    Some((prefix.len() + quoted).min(text.len()))
}

/// The length of a character or a lifetime: `'a'` and `'\n'`, but `'a` of `<'a, 'b>`.
fn quote(text: &str) -> usize {
    let mut after = text.char_indices().skip(1);
    match (after.next(), after.next()) {
        (Some((_, '\\')), Some((at, escaped))) => {
            at + escaped.len_utf8() + closing(&text[at + escaped.len_utf8()..], '\'')
        }
        (Some(_), Some((at, '\''))) => at + 1,
        _ => 1 + word(&text[1..]).len(),
    }
}

/// The length up to and with the `end` that no backslash escapes.
fn closing(text: &str, end: char) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if c == end => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// The top-level modules of ours that `text` names, in `use` lines or inline, each with its line.
/// `module` is the path of the file's own module, such as `["store", "messages"]`.
pub(super) fn modules_named(text: &str, module: &[&str]) -> Vec<(usize, String)> {
    let tokens = tokens(text);
    let mut named = Vec::new();
    let mut inline = Inline::default();
    for (at, (_, token)) in tokens.iter().enumerate() {
        inline.step(&tokens, at);
        let starts_path = at == 0 || tokens[at - 1].1 != Token::PathSep;
        let Token::Word(word) = token else { continue };
        if !starts_path {
            continue;
        }
        let (climbed, next) = match *word {
            "crate" | "carebell" => (None, at + 1),
            "super" | "self" => climb(&tokens, at),
            _ => continue,
        };
        // A path that climbs leads to the root only when it climbs all the way.
        let depth = module.len() + inline.stack.len();
        match climbed {
            Some(levels) if levels < depth => continue,
            Some(_) | None => first_segments(&tokens, next, &mut named),
        }
    }
    named
}

/// How many levels the `super::super` or `self::super` at `at` climbs, and where the path goes on.
fn climb(tokens: &[(usize, Token<'_>)], mut at: usize) -> (Option<usize>, usize) {
    let mut levels = 0;
    while let Some((_, Token::Word(word @ ("super" | "self")))) = tokens.get(at) {
        levels += usize::from(*word == "super");
        if tokens.get(at + 1).map(|t| t.1) != Some(Token::PathSep) {
            break;
        }
        if !matches!(tokens.get(at + 2), Some((_, Token::Word("super")))) {
            return (Some(levels), at + 1);
        }
        at += 2;
    }
    (Some(levels), at + 1)
}

/// The first segments of what follows the `::` at `at`: one word, or those of a `{a::b, c}` group.
fn first_segments(tokens: &[(usize, Token<'_>)], at: usize, named: &mut Vec<(usize, String)>) {
    if tokens.get(at).map(|t| t.1) != Some(Token::PathSep) {
        return;
    }
    match tokens.get(at + 1) {
        Some((line, Token::Word(word))) => named.push((*line, (*word).to_owned())),
        Some((_, Token::Mark('{'))) => {
            let mut depth = 1;
            let mut begins = true;
            for (line, token) in &tokens[at + 2..] {
                match token {
                    Token::Mark('{') => depth += 1,
                    Token::Mark('}') => depth -= 1,
                    Token::Word(word) if depth == 1 && begins => {
                        named.push((*line, (*word).to_owned()))
                    }
                    _ => {}
                }
                begins = depth == 1 && *token == Token::Mark(',');
                if depth == 0 {
                    return;
                }
            }
        }
        _ => {}
    }
}

/// The `mod name { … }` blocks that are open, by the depth of their brace.
#[derive(Default)]
struct Inline {
    depth: usize,
    stack: Vec<usize>,
}

impl Inline {
    fn step(&mut self, tokens: &[(usize, Token<'_>)], at: usize) {
        match tokens[at].1 {
            Token::Mark('{') => {
                self.depth += 1;
                if at >= 2 && tokens[at - 2].1 == Token::Word("mod") {
                    self.stack.push(self.depth);
                }
            }
            Token::Mark('}') => {
                self.stack.pop_if(|open| *open == self.depth);
                self.depth = self.depth.saturating_sub(1);
            }
            Token::Word(_) | Token::PathSep | Token::Mark(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::modules_named;

    #[track_caller]
    fn check(text: &str, module: &[&str], expected: &[&str]) {
        let named: Vec<_> = modules_named(text, module)
            .into_iter()
            .map(|(_, name)| name)
            .collect();
        assert_eq!(named, expected, "{text}");
    }

    #[test]
    fn every_way_to_name_a_module_is_seen() {
        check("use crate::store::Tx;", &["api"], &["store"]);
        check(
            "use crate::{clock::Clock, store::{self, Tx}, gates};",
            &["api"],
            &["clock", "store", "gates"],
        );
        check(
            "fn f() -> crate::rules::Rule { carebell::render::fill() }",
            &["api"],
            &["rules", "render"],
        );
        check(
            "pub(crate) use crate::on; $crate::store::x!()",
            &["api"],
            &["on", "store"],
        );
        check("use super::rules::Rule;", &["gates"], &["rules"]);
        check(
            "use super::super::delivery::route;",
            &["store", "messages"],
            &["delivery"],
        );
        check(
            "mod tests { use super::super::{app, api}; }",
            &["gates"],
            &["app", "api"],
        );
        check("mod a { fn f() {} } use super::app;", &["gates"], &["app"]);
    }

    #[test]
    fn what_only_looks_like_a_path_is_not_seen() {
        check(
            "// crate::app\n/* crate::app /* x */ crate::api */ \"crate::app\" r#\"crate::api \" \"#",
            &["api"],
            &[],
        );
        check(
            "fn f<'a>(c: &'a str) { '\"'; '\\''; b'\"'; 'x' } // crate::app",
            &["api"],
            &[],
        );
        check(
            "mod tests { use super::check; } use super::Tx;",
            &["store", "messages"],
            &[],
        );
        check(
            "use self::route::Route; other::crate_::app;",
            &["delivery"],
            &[],
        );
        check("pub(crate) fn f() {} pub(super) fn g() {}", &["store"], &[]);
    }
}
