//! SMS alphabets and segments (3GPP TS 23.038, TS 23.040): how a text becomes 140-octet parts.
//!
//! Pure; knows no channel. `render` counts with it, `channels::sms` cuts with it.

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
    let units = text.encode_utf16().count();
    Measure { alphabet: Alphabet::Ucs2, units, segments: if units <= 70 { 1 } else { units.div_ceil(67) } }
}
