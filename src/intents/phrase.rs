//! Reads one entry of a list of words: words, choices in brackets, gaps, edges.

use crate::intents::token::{Kind, Tokens};

/// A part of a phrase, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// Text as it stands.
    Text(String),
    /// `*`
    Gap,
    /// `#`
    Number,
    /// `^`
    Begin,
    /// `$`
    End,
    /// `(a|b)`, `[a]`
    Choice(Vec<Vec<Part>>),
}

/// Reads `phrase`, or says what was expected.
pub(crate) fn parse(phrase: &str) -> Result<Vec<Part>, String> {
    let chars: Vec<char> = phrase.trim().trim_end_matches([' ', '*']).chars().collect();
    let (mut all, _) = alternatives(&chars, 0, None)?;
    let parts = all.pop().unwrap_or_default();
    if has_word(&parts) {
        Ok(parts)
    } else {
        Err("a phrase with a word in it".to_owned())
    }
}

/// Whether every way through the parts meets a word.
fn has_word(parts: &[Part]) -> bool {
    parts.iter().any(|part| match part {
        Part::Text(text) => Tokens::cut(text)
            .list
            .iter()
            .any(|token| !token.kind.is_break() && token.kind != Kind::Mark),
        Part::Choice(all) => all.iter().all(|parts| has_word(parts)),
        Part::Gap | Part::Number | Part::Begin | Part::End => false,
    })
}

/// Reads up to `close` (or the end): the alternatives between `|`, and where they end.
fn alternatives(
    chars: &[char],
    mut at: usize,
    close: Option<char>,
) -> Result<(Vec<Vec<Part>>, usize), String> {
    let mut all: Vec<Vec<Part>> = vec![Vec::new()];
    loop {
        let c = chars.get(at).copied();
        at += 1;
        let part = match c {
            None if close.is_none() => break,
            None => return Err("a closing bracket".to_owned()),
            Some(c) if Some(c) == close => break,
            Some('|') if close.is_some() => {
                all.push(Vec::new());
                continue;
            }
            Some(bracket @ ('(' | '[')) => {
                let (mut inner, next) =
                    alternatives(chars, at, Some(if bracket == '(' { ')' } else { ']' }))?;
                if bracket == '[' {
                    inner.push(Vec::new());
                }
                at = next;
                Part::Choice(inner)
            }
            Some(')' | ']' | '|') => return Err("an opening bracket before".to_owned()),
            Some('*') => Part::Gap,
            Some('#') => Part::Number,
            Some('^') => Part::Begin,
            Some('$') => Part::End,
            Some(c) => {
                push_char(all.last_mut().expect("there is one from the start"), c);
                continue;
            }
        };
        all.last_mut()
            .expect("there is one from the start")
            .push(part);
    }
    for parts in &mut all {
        join_split_words(parts);
    }
    Ok((all, at))
}

fn push_char(parts: &mut Vec<Part>, c: char) {
    match parts.last_mut() {
        Some(Part::Text(text)) => text.push(c),
        Some(_) | None => parts.push(Part::Text(c.to_string())),
    }
}

fn is_latin(c: char) -> bool {
    c.is_alphanumeric() && (c as u32) < 0x250
}

/// Joins a choice with the word it is a part of: `cancel(ed|s)` becomes `(canceled|cancels)`.
fn join_split_words(parts: &mut [Part]) {
    for at in 0..parts.len() {
        let Some(Part::Choice(all)) = parts.get(at) else {
            continue;
        };
        let texts: Option<Vec<String>> = all
            .iter()
            .map(|parts| match parts.as_slice() {
                [] => Some(String::new()),
                [Part::Text(text)] => Some(text.clone()),
                _ => None,
            })
            .collect();
        let Some(texts) = texts else { continue };
        let starts = texts.iter().any(|text| text.starts_with(is_latin));
        let ends = texts.iter().any(|text| text.ends_with(is_latin));
        let mut front = String::new();
        if starts
            && let Some(Part::Text(text)) =
                at.checked_sub(1).and_then(|before| parts.get_mut(before))
        {
            let cut = text.trim_end_matches(is_latin).len();
            front = text.split_off(cut);
        }
        let mut back = String::new();
        if ends && let Some(Part::Text(text)) = parts.get_mut(at + 1) {
            let cut = text.len() - text.trim_start_matches(is_latin).len();
            back = text.drain(..cut).collect();
        }
        if (!front.is_empty() || !back.is_empty())
            && let Some(part) = parts.get_mut(at)
        {
            *part = Part::Choice(
                texts
                    .iter()
                    .map(|text| vec![Part::Text(format!("{front}{text}{back}"))])
                    .collect(),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Part, parse};

    fn show(parts: &[Part]) -> String {
        parts
            .iter()
            .map(|part| match part {
                Part::Text(text) => text.clone(),
                Part::Gap => "*".to_owned(),
                Part::Number => "#".to_owned(),
                Part::Begin => "^".to_owned(),
                Part::End => "$".to_owned(),
                Part::Choice(all) => format!(
                    "({})",
                    all.iter()
                        .map(|parts| show(parts))
                        .collect::<Vec<_>>()
                        .join("|")
                ),
            })
            .collect()
    }

    #[track_caller]
    fn check(phrase: &str, expected: Result<&str, &str>) {
        let parts = parse(phrase).map(|parts| show(&parts));
        assert_eq!(parts.as_deref().map_err(String::as_str), expected);
    }

    #[test]
    fn phrases_are_read() {
        check("^不(去|来)[了]$", Ok("^不(去|来)(了|)$"));
        check(
            "please cancel(ed|s|) it",
            Ok("please (canceled|cancels|cancel) it"),
        );
        check("(dis|not )satisfied *", Ok("(dissatisfied|not satisfied)"));
        check("ok[的|了]", Ok("ok(的|了|)"));
        check("a|b", Err("an opening bracket before"));
        check("(a", Err("a closing bracket"));
        check("[a] *", Err("a phrase with a word in it"));
    }
}
