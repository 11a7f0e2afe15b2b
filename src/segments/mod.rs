//! SMS alphabets and segments (3GPP TS 23.038, TS 23.040): how a text becomes 140-octet parts.
//!
//! Pure; knows no channel. `render` counts with it, `channels::sms` cuts with it.

pub mod gsm7;
pub mod split;

/// The alphabet a text needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alphabet {
    /// GSM 7-bit default alphabet with its extension table.
    Gsm7,
    /// UCS-2, really UTF-16BE.
    Ucs2,
}

/// What a text costs as an SMS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Measure {
    /// The alphabet it needs.
    pub alphabet: Alphabet,
    /// Septets (GSM-7, an extended character is two) or UTF-16 code units.
    pub units: usize,
    /// Segments it takes, with an 8-bit concatenation reference when more than one.
    pub segments: usize,
}

/// Measures `text`.
pub fn measure(text: &str) -> Measure {
    split::measure(text, split::Options::default())
}

/// `text` in UTF-16BE, as UCS-2 is really read.
pub fn encode_ucs2(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_be_bytes).collect()
}

/// The text of UTF-16BE octets. Reads everything: a lone surrogate becomes U+FFFD, an odd last octet is left out.
pub fn decode_ucs2(octets: &[u8]) -> String {
    let units = octets
        .chunks_exact(2)
        .map(|pair| u16::from_be_bytes([pair[0], pair[1]]));
    char::decode_utf16(units)
        .map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER))
        .collect()
}

/// `text` in ISO 8859-1, or `None` when a character is not in it.
pub fn encode_latin1(text: &str) -> Option<Vec<u8>> {
    text.chars()
        .map(|c| u8::try_from(u32::from(c)).ok())
        .collect()
}

/// The text of ISO 8859-1 octets. Reads everything.
pub fn decode_latin1(octets: &[u8]) -> String {
    octets.iter().map(|octet| char::from(*octet)).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, proptest};

    use super::{
        Alphabet, Measure, decode_latin1, decode_ucs2, encode_latin1, encode_ucs2, gsm7, measure,
    };

    #[track_caller]
    fn check(text: &str, alphabet: Alphabet, units: usize, segments: usize) {
        assert_eq!(
            measure(text),
            Measure {
                alphabet,
                units,
                segments
            }
        );
    }

    #[test]
    fn texts_cost_what_operators_bill() {
        use Alphabet::{Gsm7, Ucs2};
        check("", Gsm7, 0, 1);
        check(&"a".repeat(160), Gsm7, 160, 1);
        check(&"a".repeat(161), Gsm7, 161, 2);
        check(&"a".repeat(306), Gsm7, 306, 2);
        check(&"a".repeat(307), Gsm7, 307, 3);
        check(&"€".repeat(80), Gsm7, 160, 1);
        // 76 pairs are 152 septets: the 153rd place stays empty in each segment.
        check(&"€".repeat(152), Gsm7, 304, 2);
        check(&"€".repeat(153), Gsm7, 306, 3);
        check("mañana a las 9", Gsm7, 14, 1);
        check("cita el día", Ucs2, 11, 1);
        check(&"您".repeat(70), Ucs2, 70, 1);
        check(&"您".repeat(71), Ucs2, 71, 2);
        check(&"您".repeat(134), Ucs2, 134, 2);
        check(&"您".repeat(135), Ucs2, 135, 3);
        check(&"𠮷".repeat(35), Ucs2, 70, 1);
        // 33 pairs are 66 units: the 67th stays empty.
        check(&"𠮷".repeat(66), Ucs2, 132, 2);
        check(&"𠮷".repeat(67), Ucs2, 134, 3);
    }

    proptest! {
        #[test]
        fn any_text_survives_ucs2(text in any::<String>()) {
            assert_eq!(decode_ucs2(&encode_ucs2(&text)), text);
        }

        #[test]
        fn any_octets_are_read(octets in any::<Vec<u8>>()) {
            let _ = (decode_ucs2(&octets), gsm7::decode(&octets));
            assert_eq!(encode_latin1(&decode_latin1(&octets)), Some(octets));
        }

        #[test]
        fn what_gsm7_writes_it_reads(text in "[ -_a-~€£¥Δ-Ωßñ]{0,200}") {
            if let Some(octets) = gsm7::encode(&text) {
                assert_eq!(gsm7::decode(&octets), text);
            }
        }
    }
}
