//! Cuts a text into the parts that one SMS each carries.
//!
//! A part never ends between an escape and its character or between the halves of a surrogate pair,
//! and not inside a combined sign (skin tone, joined emoji, flag, accent) unless that alone is longer than a part.

use super::{Alphabet, Measure, encode_latin1, encode_ucs2, gsm7};

/// What a carrier takes the data coding 0 for: how the default alphabet is written on the wire.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DefaultAlphabet {
    /// GSM-7, one septet an octet.
    #[default]
    Gsm7,
    /// ISO 8859-1.
    Latin1,
    /// ASCII.
    Ascii,
}

/// How many bits the reference of a concatenated text has; 16 cost one more octet in each part.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reference {
    /// 153 septets or 67 code units a part.
    #[default]
    Bits8,
    /// 152 septets or 66 code units a part.
    Bits16,
}

/// How to cut.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// How the default alphabet is written.
    pub default_alphabet: DefaultAlphabet,
    /// The size of the concatenation reference.
    pub reference: Reference,
}

/// A text cut into parts and encoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parts {
    /// The alphabet on the air; `Gsm7` is data coding 0 whatever the octets, `Ucs2` is 8.
    pub alphabet: Alphabet,
    /// What each part carries, without any header. At least one, at most 255.
    pub payloads: Vec<Vec<u8>>,
}

/// More than the 255 parts that a concatenated text can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the text needs more than 255 segments")]
pub struct TooLong;

/// Measures `text` when cut by `options`.
pub fn measure(text: &str, options: Options) -> Measure {
    let (alphabet, units) = alphabet_of(text, options.default_alphabet);
    let segments = if units <= alphabet.single() {
        1
    } else {
        cuts(text, alphabet, options.reference).count()
    };
    Measure {
        alphabet,
        units,
        segments,
    }
}

/// Cuts `text` into encoded parts.
///
/// # Errors
/// When 255 parts are not enough.
pub fn split(text: &str, options: Options) -> Result<Parts, TooLong> {
    let (alphabet, units) = alphabet_of(text, options.default_alphabet);
    let encode = |part: &str| encode(part, alphabet, options.default_alphabet);
    let payloads: Vec<Vec<u8>> = if units <= alphabet.single() {
        vec![encode(text)]
    } else {
        cuts(text, alphabet, options.reference)
            .take(256)
            .map(encode)
            .collect()
    };
    if payloads.len() > 255 {
        return Err(TooLong);
    }
    Ok(Parts { alphabet, payloads })
}

/// Encodes `text` uncut, for carriers that cut themselves.
pub fn whole(text: &str, default_alphabet: DefaultAlphabet) -> (Alphabet, Vec<u8>) {
    let (alphabet, _) = alphabet_of(text, default_alphabet);
    (alphabet, encode(text, alphabet, default_alphabet))
}

impl Alphabet {
    /// Units in an SMS that stands alone.
    const fn single(self) -> usize {
        match self {
            Self::Gsm7 => 160,
            Self::Ucs2 => 70,
        }
    }

    /// Units in each part of several.
    const fn each(self, reference: Reference) -> usize {
        match (self, reference) {
            (Self::Gsm7, Reference::Bits8) => 153,
            (Self::Gsm7, Reference::Bits16) => 152,
            (Self::Ucs2, Reference::Bits8) => 67,
            (Self::Ucs2, Reference::Bits16) => 66,
        }
    }

    fn cost(self, c: char) -> usize {
        match self {
            Self::Gsm7 => gsm7::cost(c).unwrap_or(1),
            Self::Ucs2 => c.len_utf16(),
        }
    }
}

/// The alphabet `text` needs and what it costs there.
///
/// A carrier that takes Latin-1 or ASCII turns it into GSM-7 for the air: so only what both can write stays with it,
/// and septets count. Else an accent would be lost or a segment more be billed than we told.
fn alphabet_of(text: &str, default_alphabet: DefaultAlphabet) -> (Alphabet, usize) {
    let fits = |c: char| match default_alphabet {
        DefaultAlphabet::Gsm7 => true,
        DefaultAlphabet::Latin1 => u32::from(c) < 0x100,
        DefaultAlphabet::Ascii => c.is_ascii(),
    };
    let septets = text.chars().try_fold(0, |sum, c| {
        gsm7::cost(c).filter(|_| fits(c)).map(|cost| sum + cost)
    });
    septets.map_or_else(
        || (Alphabet::Ucs2, text.encode_utf16().count()),
        |septets| (Alphabet::Gsm7, septets),
    )
}

fn encode(part: &str, alphabet: Alphabet, default_alphabet: DefaultAlphabet) -> Vec<u8> {
    match (alphabet, default_alphabet) {
        (Alphabet::Ucs2, _) => encode_ucs2(part),
        (Alphabet::Gsm7, DefaultAlphabet::Gsm7) => {
            gsm7::encode(part).expect("`alphabet_of` found each character")
        }
        (Alphabet::Gsm7, DefaultAlphabet::Latin1 | DefaultAlphabet::Ascii) => {
            encode_latin1(part).expect("`alphabet_of` found each character")
        }
    }
}

fn cuts(text: &str, alphabet: Alphabet, reference: Reference) -> Cuts<'_> {
    Cuts {
        rest: text,
        alphabet,
        room: alphabet.each(reference),
    }
}

/// The parts of a text, greedily as long as they fit.
struct Cuts<'a> {
    rest: &'a str,
    alphabet: Alphabet,
    room: usize,
}

impl<'a> Iterator for Cuts<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        if self.rest.is_empty() {
            return None;
        }
        let (part, rest) = self.rest.split_at(self.end());
        self.rest = rest;
        Some(part)
    }
}

impl Cuts<'_> {
    /// Where the next part ends: the last place before the room is used up that tears no combined sign.
    fn end(&self) -> usize {
        let mut used = 0;
        let mut torn_last = 0;
        let mut before = None;
        let mut flags = 0;
        for (at, c) in self.rest.char_indices() {
            if at > 0 && !belongs_to(before, c, flags) {
                torn_last = at;
            }
            used += self.alphabet.cost(c);
            if used > self.room {
                return if torn_last > 0 { torn_last } else { at };
            }
            flags = if is_flag_half(c) { flags + 1 } else { 0 };
            before = Some(c);
        }
        self.rest.len()
    }
}

/// Whether `c` forms one sign with what stands before it; `flags` is how many flag halves stand there in a row.
fn belongs_to(before: Option<char>, c: char, flags: usize) -> bool {
    const JOINER: char = '\u{200D}';
    let extends = matches!(c,
        '\u{200D}' | '\u{0300}'..='\u{036F}' | '\u{1AB0}'..='\u{1AFF}' | '\u{1DC0}'..='\u{1DFF}'
        | '\u{20D0}'..='\u{20FF}' | '\u{FE00}'..='\u{FE0F}' | '\u{FE20}'..='\u{FE2F}'
        | '\u{1F3FB}'..='\u{1F3FF}' | '\u{E0020}'..='\u{E007F}' | '\u{E0100}'..='\u{E01EF}');
    extends || before == Some(JOINER) || (is_flag_half(c) && flags % 2 == 1)
}

fn is_flag_half(c: char) -> bool {
    matches!(c, '\u{1F1E6}'..='\u{1F1FF}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{Strategy, any, prop, prop_oneof, proptest};

    use super::{DefaultAlphabet, Options, Reference, TooLong, measure, split};
    use crate::segments::{Alphabet, decode_latin1, decode_ucs2, gsm7};

    fn options(default_alphabet: DefaultAlphabet, reference: Reference) -> Options {
        Options {
            default_alphabet,
            reference,
        }
    }

    #[track_caller]
    fn check_lengths(text: &str, reference: Reference, lengths: &[usize]) {
        let parts = split(text, options(DefaultAlphabet::Gsm7, reference)).unwrap();
        let found: Vec<usize> = parts.payloads.iter().map(Vec::len).collect();
        assert_eq!(found, lengths);
    }

    #[test]
    fn parts_are_as_long_as_the_header_allows() {
        check_lengths("", Reference::Bits8, &[0]);
        check_lengths(&"a".repeat(160), Reference::Bits8, &[160]);
        check_lengths(&"a".repeat(161), Reference::Bits8, &[153, 8]);
        check_lengths(&"a".repeat(161), Reference::Bits16, &[152, 9]);
        check_lengths(&"好".repeat(70), Reference::Bits16, &[140]);
        check_lengths(&"好".repeat(71), Reference::Bits8, &[134, 8]);
        check_lengths(&"好".repeat(71), Reference::Bits16, &[132, 10]);
    }

    #[test]
    fn an_escape_stays_with_its_character() {
        check_lengths(
            &format!("{}€{}", "a".repeat(152), "b".repeat(20)),
            Reference::Bits8,
            &[152, 22],
        );
    }

    #[test]
    fn a_surrogate_pair_stays_whole() {
        check_lengths(
            &format!("{}𠮷{}", "好".repeat(66), "b".repeat(20)),
            Reference::Bits8,
            &[132, 44],
        );
    }

    #[test]
    fn combined_signs_stay_whole_where_they_fit() {
        // Family of three: 8 code units, would begin at unit 62.
        check_lengths(
            &format!("{}👨‍👩‍👧{}", "好".repeat(62), "b".repeat(20)),
            Reference::Bits8,
            &[124, 56],
        );
        check_lengths(
            &format!("{}👍🏽{}", "好".repeat(65), "b".repeat(20)),
            Reference::Bits8,
            &[130, 48],
        );
        check_lengths(
            &format!("{}🇨🇳{}", "好".repeat(65), "b".repeat(20)),
            Reference::Bits8,
            &[130, 48],
        );
        // One sign longer than a part is cut between its characters all the same.
        check_lengths(
            &"a\u{301}"
                .chars()
                .chain("\u{301}".repeat(99).chars())
                .collect::<String>(),
            Reference::Bits8,
            &[134, 68],
        );
    }

    #[test]
    fn other_default_alphabets_keep_what_both_sides_can_write() {
        let latin1 = options(DefaultAlphabet::Latin1, Reference::Bits8);
        let parts = split("mañana {9}", latin1).unwrap();
        assert_eq!(
            (parts.alphabet, parts.payloads),
            (Alphabet::Gsm7, vec![b"ma\xF1ana {9}".to_vec()])
        );
        assert_eq!(measure("mañana {9}", latin1).units, 12);
        assert_eq!(measure("cita el día", latin1).alphabet, Alphabet::Ucs2);
        assert_eq!(measure("5 €", latin1).alphabet, Alphabet::Ucs2);
        let ascii = options(DefaultAlphabet::Ascii, Reference::Bits8);
        assert_eq!(measure("mañana", ascii).alphabet, Alphabet::Ucs2);
        assert_eq!(measure("tomorrow @9", ascii).alphabet, Alphabet::Gsm7);
    }

    #[test]
    fn more_than_255_parts_are_refused() {
        let most = "a".repeat(255 * 153);
        assert_eq!(
            split(&most, Options::default()).map(|parts| parts.payloads.len()),
            Ok(255)
        );
        assert_eq!(split(&format!("{most}a"), Options::default()), Err(TooLong));
    }

    fn texts() -> impl Strategy<Value = String> {
        let sign = prop_oneof![
            "[a-z €{}]{1,9}",
            "[您好预约🇨👍𠮷\u{200D}\u{1F3FD}]{1,9}",
            any::<String>()
        ];
        prop::collection::vec(sign, 0..40).prop_map(|signs| signs.concat())
    }

    fn all_options() -> impl Strategy<Value = Options> {
        let alphabets = prop::sample::select(vec![
            DefaultAlphabet::Gsm7,
            DefaultAlphabet::Latin1,
            DefaultAlphabet::Ascii,
        ]);
        let references = prop::sample::select(vec![Reference::Bits8, Reference::Bits16]);
        (alphabets, references).prop_map(|(alphabet, reference)| options(alphabet, reference))
    }

    proptest! {
        #[test]
        fn parts_fit_count_and_join_to_the_text(text in texts(), options in all_options()) {
            let Ok(parts) = split(&text, options) else { return Ok(()) };
            let measure = measure(&text, options);
            assert_eq!((measure.alphabet, measure.segments), (parts.alphabet, parts.payloads.len()));
            let mut joined = String::new();
            for payload in &parts.payloads {
                // Each part is read by itself: nothing was cut in two.
                let part = match (parts.alphabet, options.default_alphabet) {
                    (Alphabet::Ucs2, _) => decode_ucs2(payload),
                    (Alphabet::Gsm7, DefaultAlphabet::Gsm7) => gsm7::decode(payload),
                    (Alphabet::Gsm7, DefaultAlphabet::Latin1 | DefaultAlphabet::Ascii) => decode_latin1(payload),
                };
                let room = if parts.payloads.len() == 1 { parts.alphabet.single() } else { parts.alphabet.each(options.reference) };
                let units: usize = part.chars().map(|c| parts.alphabet.cost(c)).sum();
                assert!(units <= room, "{units} units in a part");
                joined.push_str(&part);
            }
            assert_eq!(joined, text);
        }
    }
}
