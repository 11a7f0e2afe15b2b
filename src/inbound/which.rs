//! Which of several visits a reply means: all of them, one by its number in the list, or nobody can tell. Pure.

/// Whether the reply says that it means all of them.
pub(crate) fn says_all(text: &str) -> bool {
    const CHINESE: [&str; 9] = [
        "全部",
        "全都",
        "都取消",
        "都改",
        "都不",
        "所有",
        "全取消",
        "全改",
        "都要",
    ];
    let text = fold(text);
    let words: Vec<&str> = words(&text).collect();
    let latin = words.iter().enumerate().any(|(at, word)| match *word {
        "both" | "everything" | "todo" | "todos" | "todas" | "ambas" | "ambos" => true,
        // "I cannot come at all" is no word on how many.
        "all" => at == 0 || words.get(at - 1) != Some(&"at"),
        _ => false,
    });
    latin || CHINESE.iter().any(|word| text.contains(word))
}

/// Whether it is "cancel all" and nothing else: of a list of visits that speaks of the visits, else of all messages.
pub(crate) fn cancels_all(text: &str) -> bool {
    let text = fold(text);
    let mut words = words(&text).filter(|word| *word != "please");
    words.next() == Some("cancel") && words.next() == Some("all") && words.next().is_none()
}

/// The one place in a list of `count` that the reply names in so many words.
///
/// A bare number is none: the message asked for 1, 2 or 3 as answers.
pub(crate) fn named(text: &str, count: usize) -> Option<usize> {
    let text = fold(text);
    let mut all: Vec<usize> = places(&text).chain(ordinals(&text)).collect();
    all.sort_unstable();
    all.dedup();
    match all.as_slice() {
        [one] if (1..=count).contains(one) && numbers(&text).all(|other| other == *one) => {
            Some(*one)
        }
        _ => None,
    }
}

/// What makes a number a day or an hour rather than a place.
const TIME: [char; 12] = [
    '号', '月', '点', '日', ':', '：', '.', '-', '/', '時', '时', '年',
];

/// The digits that stand alone and are no part of a day or an hour.
fn numbers(text: &str) -> impl Iterator<Item = usize> {
    let alone = |(at, first): (usize, char)| {
        let value = usize::try_from(first.to_digit(10)?).ok()?;
        let (before, after) = (&text[..at], &text[at + 1..]);
        let is_cut = |c: Option<char>| {
            c.is_none_or(|c| !c.is_ascii_alphanumeric() && (c == '.' || !TIME.contains(&c)))
        };
        (is_cut(before.chars().next_back()) && is_cut(after.chars().next())).then_some(value)
    };
    let found: Vec<usize> = text.char_indices().filter_map(alone).collect();
    found.into_iter()
}

/// Lower case, with the digits of full width as plain ones.
fn fold(text: &str) -> String {
    let plain = |c: char| match c {
        '\u{ff10}'..='\u{ff19}' => char::from_digit(u32::from(c) - 0xff10, 10).unwrap_or(c),
        other => other,
    };
    text.to_lowercase().chars().map(plain).collect()
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
}

/// Numbers that stand behind a word which makes them a place: "cancel 2", "第2个", "取消2", "#2".
fn places(text: &str) -> impl Iterator<Item = usize> {
    const BEFORE: [&str; 24] = [
        "第",
        "#",
        "取消",
        "改",
        "改期",
        "no",
        "no.",
        "nr",
        "nr.",
        "number",
        "option",
        "visit",
        "appointment",
        "cancel",
        "reschedule",
        "move",
        "change",
        "numero",
        "número",
        "cita",
        "cancelar",
        "cancele",
        "cambiar",
        "only",
    ];
    let number = |(at, first): (usize, char)| {
        let value = digit(first)?;
        let (before, after) = (text[..at].trim_end(), &text[at + first.len_utf8()..]);
        let next = after.chars().next();
        let is_led = BEFORE.iter().any(|word| {
            before.strip_suffix(word).is_some_and(|rest| {
                let is_latin = word.chars().all(|c| c.is_ascii_alphabetic());
                !is_latin || !rest.ends_with(|c: char| c.is_alphanumeric())
            })
        });
        let is_place = next.is_none_or(|c| !c.is_alphanumeric() || c == '个' || !c.is_ascii());
        let is_time = next.is_some_and(|c| TIME.contains(&c) && !(c == '.' && after.len() == 1));
        (is_led && is_place && !is_time).then_some(value)
    };
    let found: Vec<usize> = text.char_indices().filter_map(number).collect();
    found.into_iter()
}

fn digit(c: char) -> Option<usize> {
    const CHINESE: [char; 9] = ['一', '二', '三', '四', '五', '六', '七', '八', '九'];
    let plain = c.to_digit(10).and_then(|value| usize::try_from(value).ok());
    plain.or_else(|| CHINESE.iter().position(|one| *one == c).map(|at| at + 1))
}

fn ordinals(text: &str) -> impl Iterator<Item = usize> {
    words(text).filter_map(|word| match word {
        "first" | "1st" | "primera" | "primero" => Some(1),
        "second" | "2nd" | "segunda" | "segundo" => Some(2),
        "third" | "3rd" | "tercera" | "tercero" => Some(3),
        "fourth" | "4th" | "cuarta" | "cuarto" => Some(4),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::{cancels_all, named, says_all};

    #[track_caller]
    fn check(text: &str, all: bool, place: Option<usize>) {
        assert_eq!((says_all(text), named(text, 3)), (all, place), "{text}");
    }

    #[test]
    fn a_place_is_named_in_so_many_words() {
        check("2", false, None);
        check("2。", false, None);
        check("2 please", false, None);
        check("取消", false, None);
        check("cancel", false, None);
        check("取消第2个", false, Some(2));
        check("取消第二个", false, Some(2));
        check("取消３", false, Some(3));
        check("cancel 2", false, Some(2));
        check("Cancel no. 2 please", false, Some(2));
        check("please cancel the second one", false, Some(2));
        check("cancel #1", false, Some(1));
        check("no puedo, cancelar la primera", false, Some(1));
        check("取消第4个", false, None);
        check("cancel 1 and 2", false, None);
        check("取消1和2", false, None);
    }

    #[test]
    fn days_and_hours_are_no_places() {
        check("取消2号的", false, None);
        check("取消2月的", false, None);
        check("cancel 2:30", false, None);
        check("cancel 24", false, None);
        check("move 2/3", false, None);
    }

    #[test]
    fn all_is_all() {
        check("全部取消", true, None);
        check("两个都取消", true, None);
        check("cancel all", true, None);
        check("cancel both please", true, None);
        check("cancelar todas", true, None);
        check("I cannot come at all", false, None);
        assert!(cancels_all("Cancel all, please!") && !cancels_all("cancel all texts"));
    }
}
