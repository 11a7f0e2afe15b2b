//! What `data_coding` says about a text (SMPP 3.4 §5.2.19, 3GPP TS 23.038 §4), and the user data header before it.

use crate::segments::split::DefaultAlphabet;
use crate::segments::{decode_latin1, decode_ucs2, gsm7};

/// The carrier's default alphabet.
pub const DEFAULT: u8 = 0x00;
/// UCS-2.
pub const UCS2: u8 = 0x08;

/// The text of `octets`. Reads everything; `default_alphabet` is how the carrier writes coding 0.
pub fn decode(octets: &[u8], data_coding: u8, default_alphabet: DefaultAlphabet) -> String {
    let other = |encoding: &'static encoding_rs::Encoding| {
        encoding.decode_without_bom_handling(octets).0.into_owned()
    };
    match data_coding {
        DEFAULT => match default_alphabet {
            DefaultAlphabet::Gsm7 => gsm7::decode(octets),
            DefaultAlphabet::Latin1 | DefaultAlphabet::Ascii => decode_latin1(octets),
        },
        UCS2 => decode_ucs2(octets),
        0x05 => other(encoding_rs::SHIFT_JIS),
        0x06 => other(encoding_rs::ISO_8859_5),
        0x07 => other(encoding_rs::ISO_8859_8),
        0x0A => other(encoding_rs::ISO_2022_JP),
        0x0D => other(encoding_rs::EUC_JP),
        0x0E => other(encoding_rs::EUC_KR),
        // Not in the standard; Chinese routes send GBK under it.
        0x0F => other(encoding_rs::GB18030),
        // The GSM coding groups 00xx and 01xx name the alphabet in bits 3 and 2, group 1111 in bit 2,
        // 1110 is UCS-2 waiting indication.
        0x10..=0x7F => match data_coding & 0x0C {
            0x00 => gsm7::decode(octets),
            0x08 => decode_ucs2(octets),
            _ => decode_latin1(octets),
        },
        0xE0..=0xEF => decode_ucs2(octets),
        0xF0..=0xFF if data_coding & 0x04 == 0 => gsm7::decode(octets),
        0xC0..=0xDF => gsm7::decode(octets),
        _ => decode_latin1(octets),
    }
}

/// Which part of which long text this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Concat {
    /// What the parts of one text share.
    pub reference: u16,
    /// How many there are.
    pub total: u8,
    /// Which one this is, from 1.
    pub number: u8,
}

impl Concat {
    /// A place among parts, if it is a possible one and there is more than one part.
    pub fn new(reference: u16, total: u8, number: u8) -> Option<Self> {
        (total > 1 && (1..=total).contains(&number)).then_some(Self {
            reference,
            total,
            number,
        })
    }
}

/// Takes the user data header (3GPP TS 23.040 §9.2.3.24) off `user_data`: the concatenation it names, and the text.
///
/// A header longer than the data is none, and all is text.
pub fn take_header(user_data: &[u8]) -> (Option<Concat>, &[u8]) {
    let Some((header, text)) = user_data
        .split_first()
        .and_then(|(length, rest)| rest.split_at_checked(usize::from(*length)))
    else {
        return (None, user_data);
    };
    let mut concat = None;
    let mut rest = header;
    while let [element, length, tail @ ..] = rest {
        let Some((value, next)) = tail.split_at_checked(usize::from(*length)) else {
            break;
        };
        match (element, value) {
            (0x00, [reference, total, number]) => {
                concat = Concat::new(u16::from(*reference), *total, *number)
            }
            (0x08, [high, low, total, number]) => {
                concat = Concat::new(u16::from_be_bytes([*high, *low]), *total, *number);
            }
            _ => {}
        }
        rest = next;
    }
    (concat, text)
}

#[cfg(test)]
mod tests {
    use super::{Concat, decode, take_header};
    use crate::segments::split::DefaultAlphabet::{Gsm7, Latin1};

    #[test]
    fn texts_are_read_by_their_coding() {
        assert_eq!(decode(b"\x00\x1B\x65", 0, Gsm7), "@€");
        assert_eq!(decode(b"\xE9t\xE9", 0, Latin1), "été");
        assert_eq!(decode(b"\xE9t\xE9", 3, Gsm7), "été");
        assert_eq!(decode(b"\x4F\x60\x59\x7D", 8, Gsm7), "你好");
        assert_eq!(decode(b"\xC4\xE3\xBA\xC3", 15, Gsm7), "你好");
        assert_eq!(decode(b"\x02", 0xF0, Gsm7), "$");
        assert_eq!(decode(b"\x4F\x60", 0x18, Gsm7), "你");
        assert_eq!(decode(b"1", 1, Gsm7), "1");
    }

    #[track_caller]
    fn check(user_data: &[u8], concat: Option<(u16, u8, u8)>, text: &[u8]) {
        let concat = concat.map(|(reference, total, number)| Concat {
            reference,
            total,
            number,
        });
        assert_eq!(take_header(user_data), (concat, text));
    }

    #[test]
    fn headers_name_the_part() {
        check(&[5, 0, 3, 0xAB, 2, 1, b'x'], Some((0xAB, 2, 1)), b"x");
        check(
            &[6, 8, 4, 0x12, 0x34, 3, 3, b'x'],
            Some((0x1234, 3, 3)),
            b"x",
        );
        // A port beside it, in either order.
        check(
            &[11, 5, 4, 0, 1, 0, 2, 0, 3, 7, 2, 2, b'x'],
            Some((7, 2, 2)),
            b"x",
        );
        // Impossible places are no parts.
        check(&[5, 0, 3, 7, 2, 3, b'x'], None, b"x");
        check(&[5, 0, 3, 7, 2, 0, b'x'], None, b"x");
        check(&[5, 0, 3, 7, 1, 1, b'x'], None, b"x");
        // No header at all after all.
        check(&[200, b'x'], None, &[200, b'x']);
        check(&[], None, &[]);
        check(&[3, 0, 9, 9], None, &[]);
    }
}
