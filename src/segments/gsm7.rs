//! The GSM 7-bit default alphabet with its extension table (3GPP TS 23.038 §6.2.1), one septet an octet.
//!
//! That is how SMPP carries it; packing eight septets into seven octets is the carrier's work.

/// Announces a character of the extension table.
pub const ESCAPE: u8 = 0x1B;

/// The basic table in its order. Place 0x1B is the escape and stands as a space.
const BASIC: [char; 128] = [
    '@', '£', '$', '¥', 'è', 'é', 'ù', 'ì', 'ò', 'Ç', '\n', 'Ø', 'ø', '\r', 'Å', 'å', //
    'Δ', '_', 'Φ', 'Γ', 'Λ', 'Ω', 'Π', 'Ψ', 'Σ', 'Θ', 'Ξ', ' ', 'Æ', 'æ', 'ß', 'É', //
    ' ', '!', '"', '#', '¤', '%', '&', '\'', '(', ')', '*', '+', ',', '-', '.', '/', //
    '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', ':', ';', '<', '=', '>', '?', //
    '¡', 'A', 'B', 'C', 'D', 'E', 'F', 'G', 'H', 'I', 'J', 'K', 'L', 'M', 'N', 'O', //
    'P', 'Q', 'R', 'S', 'T', 'U', 'V', 'W', 'X', 'Y', 'Z', 'Ä', 'Ö', 'Ñ', 'Ü', '§', //
    '¿', 'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j', 'k', 'l', 'm', 'n', 'o', //
    'p', 'q', 'r', 's', 't', 'u', 'v', 'w', 'x', 'y', 'z', 'ä', 'ö', 'ñ', 'ü', 'à',
];

/// The extension table: each costs two septets.
const EXTENSION: [(u8, char); 10] = [
    (0x0A, '\u{c}'),
    (0x14, '^'),
    (0x28, '{'),
    (0x29, '}'),
    (0x2F, '\\'),
    (0x3C, '['),
    (0x3D, '~'),
    (0x3E, ']'),
    (0x40, '|'),
    (0x65, '€'),
];

const NONE: u8 = 0xFF;

/// Where each character up to U+00FF stands in the basic table.
const REVERSE: [u8; 256] = reverse();

const fn reverse() -> [u8; 256] {
    let mut table = [NONE; 256];
    let mut place: u8 = 0;
    while place < 128 {
        let code = BASIC[place as usize] as u32;
        if code < 256 && place != ESCAPE {
            table[code as usize] = place;
        }
        place += 1;
    }
    table
}

/// How a character is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Septets {
    /// One septet of the basic table.
    Basic(u8),
    /// The escape and one septet of the extension table.
    Extended(u8),
}

/// How `c` is written, or `None` when the alphabet has no such character.
pub fn septets(c: char) -> Option<Septets> {
    let found = match u8::try_from(u32::from(c)) {
        Ok(low) => Some(REVERSE[usize::from(low)]).filter(|place| *place != NONE),
        Err(_) => (0x10..=0x1A_u8).find(|place| BASIC[usize::from(*place)] == c),
    };
    found.map(Septets::Basic).or_else(|| {
        let (place, _) = EXTENSION.iter().find(|(_, extended)| *extended == c)?;
        Some(Septets::Extended(*place))
    })
}

/// Septets that `c` costs, or `None` when the alphabet has no such character.
pub fn cost(c: char) -> Option<usize> {
    septets(c).map(|septets| match septets {
        Septets::Basic(_) => 1,
        Septets::Extended(_) => 2,
    })
}

/// `text`, one septet an octet, or `None` when a character is not in the alphabet.
pub fn encode(text: &str) -> Option<Vec<u8>> {
    let mut octets = Vec::with_capacity(text.len());
    for c in text.chars() {
        match septets(c)? {
            Septets::Basic(septet) => octets.push(septet),
            Septets::Extended(septet) => octets.extend([ESCAPE, septet]),
        }
    }
    Some(octets)
}

/// The text of unpacked septets. Reads everything.
///
/// An unknown extension shows as its character in the basic table (TS 23.038 §6.2.1.1 note 1).
/// An octet above 0x7F can be no septet and is read as Latin-1, which carriers send under this name.
pub fn decode(octets: &[u8]) -> String {
    let mut text = String::with_capacity(octets.len());
    let mut rest = octets.iter().copied();
    while let Some(octet) = rest.next() {
        let c = match octet {
            ESCAPE => match rest.next() {
                Some(extended) => decode_extended(extended),
                None => break,
            },
            plain => decode_basic(plain),
        };
        text.push(c);
    }
    text
}

fn decode_basic(octet: u8) -> char {
    BASIC
        .get(usize::from(octet))
        .copied()
        .unwrap_or(char::from(octet))
}

fn decode_extended(octet: u8) -> char {
    let known = EXTENSION.iter().find(|(place, _)| *place == octet);
    known.map_or_else(|| decode_basic(octet), |(_, c)| *c)
}

#[cfg(test)]
mod tests {
    use super::{decode, encode};

    #[track_caller]
    fn check(text: &str, octets: Option<&[u8]>) {
        assert_eq!(encode(text).as_deref(), octets);
        if let Some(octets) = octets {
            assert_eq!(decode(octets), text);
        }
    }

    #[test]
    fn characters_stand_where_the_standard_has_them() {
        check("", Some(&[]));
        check("@£$¥", Some(&[0, 1, 2, 3]));
        check(
            "ΔΦΓΛΩΠΨΣΘΞ",
            Some(&[0x10, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18, 0x19, 0x1A]),
        );
        check("Hi 5¿à", Some(&[0x48, 0x69, 0x20, 0x35, 0x60, 0x7F]));
        check("mañana", Some(&[0x6D, 0x61, 0x7D, 0x61, 0x6E, 0x61]));
        check(
            "€[~]",
            Some(&[0x1B, 0x65, 0x1B, 0x3C, 0x1B, 0x3D, 0x1B, 0x3E]),
        );
        check(
            "^{}\\|\u{c}",
            Some(&[
                0x1B, 0x14, 0x1B, 0x28, 0x1B, 0x29, 0x1B, 0x2F, 0x1B, 0x40, 0x1B, 0x0A,
            ]),
        );
        check("día", None);
        check("ç", None);
        check("`", None);
        check("你", None);
        check("\t", None);
        check("\u{1b}", None);
    }

    #[test]
    fn every_octet_string_is_read() {
        assert_eq!(decode(&[0x1B]), "");
        assert_eq!(decode(&[0x1B, 0x41]), "A");
        assert_eq!(decode(&[0x1B, 0x1B]), " ");
        assert_eq!(decode(&[0xE9, 0x41]), "éA");
    }
}
