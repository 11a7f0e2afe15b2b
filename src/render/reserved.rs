//! Words that carriers take for a stop: a text may offer them for nothing else.

/// The words where nothing else is said.
pub const RESERVED_WORDS: [&str; 14] = [
    "STOP",
    "STOPALL",
    "UNSUBSCRIBE",
    "CANCEL",
    "END",
    "QUIT",
    "REMOVE",
    "REVOKE",
    "OPTOUT",
    "N",
    "R",
    "T",
    "TD",
    "退订",
];

/// What tells a reader to answer.
const VERBS: [&str; 6] = ["reply", "text", "send", "回复", "回覆", "回"];

/// What tells that the word means just that.
const MEANT: [&str; 7] = [
    "opt out",
    "opt-out",
    "unsubscribe",
    "stop receiving",
    "to stop",
    "退订",
    "退訂",
];

/// The first word of `reserved` that `line` offers as an answer for anything but a stop.
pub(super) fn offered<'a>(line: &str, reserved: &'a [String]) -> Option<&'a str> {
    let sentences = line.split(['.', '!', '?', '。', '！', '？', ';', '；']);
    sentences.into_iter().find_map(|sentence| {
        let mut is_menu = false;
        sentence.split([',', '，', '、']).find_map(|clause| {
            let plain: String = clause
                .chars()
                .filter(|c| !matches!(c, '“' | '”' | '"' | '‘' | '’' | '\''))
                .collect();
            let lower = plain.to_lowercase();
            let verb = VERBS.iter().find_map(|verb| {
                let at = lower.find(verb)?;
                Some(at + verb.len())
            });
            is_menu |= verb.is_some();
            let is_meant = MEANT.iter().any(|meant| lower.contains(meant));
            if !is_menu || is_meant {
                return None;
            }
            let after = verb.and_then(|at| plain.get(at..));
            let first = after.and_then(|after| words(after).next());
            reserved
                .iter()
                .find(|word| {
                    let is_first = first.is_some_and(|first| first.eq_ignore_ascii_case(word));
                    is_first || words(after.unwrap_or(&plain)).any(|one| one == word.as_str())
                })
                .map(String::as_str)
        })
    })
}

/// The Latin words of a text, in their spelling.
fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|word| !word.is_empty())
}

#[cfg(test)]
mod tests {
    use super::{RESERVED_WORDS, offered};

    #[track_caller]
    fn check(line: &str, expected: Option<&str>) {
        let reserved = RESERVED_WORDS.map(str::to_owned);
        assert_eq!(offered(line, &reserved), expected, "{line}");
    }

    #[test]
    fn a_word_that_means_stop_is_offered_for_nothing_else() {
        check("Reply CANCEL to cancel", Some("CANCEL"));
        check("Reply cancel if you cannot come.", Some("CANCEL"));
        check("Reply YES to confirm, QUIT to call off.", Some("QUIT"));
        check("Text “END” when you are done", Some("END"));
        check("回复1确认，回复N取消", Some("N"));
        check("回复T改期", Some("T"));
        check("拒收请回复R", Some("R"));
        check("Reply STOP to call off your visit", Some("STOP"));
    }

    #[test]
    fn offering_a_stop_itself_is_right_and_words_in_passing_are_no_menu() {
        check(
            "Reply 1 to confirm, 2 to cancel, 3 to reschedule. STOP to opt out.",
            None,
        );
        check("Reply STOP to unsubscribe", None);
        check("回复1确认，2取消，3改期；退订回T", None);
        check("Visits END at 6. Room N, take the text with you", None);
        check("{% if ask %}Reply 2 to cancel{% endif %}", None);
    }
}
