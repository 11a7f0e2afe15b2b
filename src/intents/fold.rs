//! Folds what people type into one spelling: width, case, accents, script, emoji dress, stretched letters.

use crate::intents::script::TRADITIONAL;

/// One character folded. `None` drops it.
pub(crate) fn fold(c: char) -> Option<char> {
    let c = match c {
        // The full-width forms of ASCII lie at a fixed distance from it (Unicode block FF00).
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(u32::from(c) - 0xfee0).unwrap_or(c),
        '\u{3000}' | '\u{a0}' | '\u{2000}'..='\u{200a}' | '\u{202f}' | '\u{205f}' | '\t' => ' ',
        // Variation selectors, joiners, skin tones, keycaps and combining accents dress a character.
        '\u{fe00}'..='\u{fe0f}'
        | '\u{200b}'..='\u{200f}'
        | '\u{1f3fb}'..='\u{1f3ff}'
        | '\u{20e3}' => return None,
        '\u{300}'..='\u{36f}'
        | '\u{feff}'
        | '\u{ad}'
        | '\u{2060}'..='\u{2064}'
        | '\u{202a}'..='\u{202e}' => return None,
        '\u{2066}'..='\u{2069}' | '\u{e0000}'..='\u{e007f}' => return None,
        c => c,
    };
    if c.is_ascii() {
        return Some(c.to_ascii_lowercase());
    }
    Some(
        digit(c)
            .or_else(|| accent(c))
            .or_else(|| script(c))
            .unwrap_or(c),
    )
}

/// Digits in circles, brackets and fancy letters, as far as one character stands for them.
fn digit(c: char) -> Option<char> {
    let value = match c {
        '①'..='⑨' => u32::from(c) - u32::from('①') + 1,
        '❶'..='❾' => u32::from(c) - u32::from('❶') + 1,
        '⑴'..='⑼' => u32::from(c) - u32::from('⑴') + 1,
        '⒈'..='⒐' => u32::from(c) - u32::from('⒈') + 1,
        '\u{1d7ce}'..='\u{1d7ff}' => (u32::from(c) - 0x1d7ce) % 10,
        _ => return None,
    };
    char::from_digit(value, 10)
}

/// A Latin letter without its accent, in lower case.
fn accent(c: char) -> Option<char> {
    let lower = c.to_lowercase().next().unwrap_or(c);
    Some(match lower {
        'à'..='å' | 'ā' | 'ă' | 'ą' => 'a',
        'ç' | 'ć' | 'č' => 'c',
        'è'..='ë' | 'ē' | 'ě' | 'ę' => 'e',
        'ì'..='ï' | 'ī' | 'ǐ' => 'i',
        'ñ' | 'ń' => 'n',
        'ò'..='ö' | 'ō' | 'ǒ' => 'o',
        'ù'..='ü' | 'ū' | 'ǔ' | 'ǚ' | 'ǜ' => 'u',
        'ý' | 'ÿ' => 'y',
        _ if lower != c => lower,
        _ => return None,
    })
}

/// A traditional character in its simplified form, for the characters that replies are made of.
fn script(c: char) -> Option<char> {
    if !matches!(c, '\u{3400}'..='\u{9fff}') {
        return None;
    }
    let at = TRADITIONAL
        .binary_search_by_key(&c, |(traditional, _)| *traditional)
        .ok()?;
    TRADITIONAL.get(at).map(|(_, simplified)| *simplified)
}

#[cfg(test)]
mod tests {
    use super::fold;
    use crate::intents::script::TRADITIONAL;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        assert_eq!(text.chars().filter_map(fold).collect::<String>(), expected);
    }

    #[test]
    fn one_spelling_for_all() {
        check("Ｙ１　！", "y1 !");
        check("SÍ, mañana", "si, manana");
        check("確認預約時間，謝謝醫生", "确认预约时间,谢谢医生");
        check("👍🏽", "👍");
        check("①2️⃣𝟑", "123");
        check("e\u{301}", "e");
    }

    #[test]
    fn the_table_of_characters_is_in_order() {
        assert!(TRADITIONAL.windows(2).all(|pair| pair[0].0 < pair[1].0));
    }
}
