//! Numbers as people write them: digits, Chinese numerals, English and Spanish words.

use crate::intents::token::{Kind, Tokens};

/// The number that begins at token `at`, and where it ends.
pub(crate) fn number(tokens: &Tokens, at: usize) -> Option<(u32, usize)> {
    match tokens.kind(at)? {
        Kind::Number => tokens.number(at).map(|value| (value, at + 1)),
        Kind::Han => chinese(tokens, at),
        Kind::Word => word(tokens, at),
        Kind::Sign | Kind::Mark | Kind::Comma | Kind::Stop | Kind::Question | Kind::Line => None,
    }
}

fn han_digit(text: &str) -> Option<u32> {
    Some(match text {
        "零" | "〇" => 0,
        "一" | "壹" => 1,
        "二" | "两" | "贰" => 2,
        "三" | "叁" => 3,
        "四" => 4,
        "五" => 5,
        "六" => 6,
        "七" => 7,
        "八" => 8,
        "九" => 9,
        _ => return None,
    })
}

/// `三`, `十五`, `二十`, `廿八`, up to 99.
fn chinese(tokens: &Tokens, at: usize) -> Option<(u32, usize)> {
    let digit = |at: usize| {
        (tokens.kind(at) == Some(Kind::Han))
            .then(|| han_digit(tokens.text(at)))
            .flatten()
    };
    let (tens, mut next) = match tokens.text(at) {
        "十" => (1, at + 1),
        "廿" => (2, at + 1),
        _ => {
            let first = digit(at)?;
            if tokens.text(at + 1) != "十" {
                return Some((first, at + 1));
            }
            (first, at + 2)
        }
    };
    let mut value = tens * 10;
    if let Some(ones) = digit(next) {
        value += ones;
        next += 1;
    }
    Some((value, next))
}

fn word(tokens: &Tokens, at: usize) -> Option<(u32, usize)> {
    let small = small_word(tokens.text(at))?;
    if matches!(small, 20 | 30 | 40 | 50)
        && let Some(ones) = small_word(tokens.text(at + 1)).filter(|ones| *ones < 10)
    {
        return Some((small + ones, at + 2));
    }
    Some((small, at + 1))
}

fn small_word(word: &str) -> Option<u32> {
    Some(match word {
        "one" | "uno" | "una" => 1,
        "two" | "dos" => 2,
        "three" | "tres" => 3,
        "four" | "cuatro" => 4,
        "five" | "cinco" => 5,
        "six" | "seis" => 6,
        "seven" | "siete" => 7,
        "eight" | "ocho" => 8,
        "nine" | "nueve" => 9,
        "ten" | "diez" => 10,
        "eleven" | "once" => 11,
        "twelve" | "doce" => 12,
        "fifteen" | "quince" => 15,
        "twenty" | "veinte" => 20,
        "thirty" | "treinta" => 30,
        "forty" | "cuarenta" => 40,
        "fifty" | "cincuenta" => 50,
        _ => return None,
    })
}

/// An English ordinal word: `first` to `thirty first`.
pub(crate) fn ordinal(word: &str) -> Option<u32> {
    const WORDS: [&str; 20] = [
        "first",
        "second",
        "third",
        "fourth",
        "fifth",
        "sixth",
        "seventh",
        "eighth",
        "ninth",
        "tenth",
        "eleventh",
        "twelfth",
        "thirteenth",
        "fourteenth",
        "fifteenth",
        "sixteenth",
        "seventeenth",
        "eighteenth",
        "nineteenth",
        "twentieth",
    ];
    let at = WORDS.iter().position(|known| *known == word)?;
    u32::try_from(at + 1).ok()
}

#[cfg(test)]
mod tests {
    use super::number;
    use crate::intents::token::Tokens;

    #[track_caller]
    fn check(text: &str, expected: Option<(u32, usize)>) {
        assert_eq!(number(&Tokens::cut(text), 0), expected);
    }

    #[test]
    fn numbers_are_read_as_written() {
        check("12", Some((12, 1)));
        check("三", Some((3, 1)));
        check("十", Some((10, 1)));
        check("十五号", Some((15, 2)));
        check("二十三", Some((23, 3)));
        check("廿八", Some((28, 2)));
        check("两点", Some((2, 1)));
        check("thirty five", Some((35, 2)));
        check("99999999999", None);
        check("好", None);
    }
}
