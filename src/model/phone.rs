//! Phone numbers, read as people write them and kept in E.164.

use rlibphonenumber::NumberLengthType;
use rlibphonenumber::PHONE_NUMBER_UTIL;
use rlibphonenumber::PhoneNumberFormat;
use sha2::{Digest, Sha256};

use super::private::Private;

/// A number in E.164 (ITU-T E.164: `+`, country code, subscriber number), private.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Phone(Private<String>);

/// Why a text is no phone number. It never repeats the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected a phone number such as +86 138 0000 0000, or one of the site's country without a prefix"
)]
pub struct NotAPhone;

impl Phone {
    /// Reads `text`; a number without a country code is one of `country` (ISO 3166-1 alpha-2).
    ///
    /// Full-width digits, spaces, dashes, brackets, `0086` and `tel:` are understood.
    /// # Errors
    /// When no number with a plausible length for its country is in it.
    pub fn parse(text: &str, country: &str) -> Result<Self, NotAPhone> {
        if let Some(mobile) = plain_mobile(text, country) {
            return Ok(Self(Private::new(mobile)));
        }
        Self::parse_any(text, country)
    }

    /// Reads `text` in whatever spelling.
    fn parse_any(text: &str, country: &str) -> Result<Self, NotAPhone> {
        let text = text.trim();
        let bare = text.strip_prefix("tel:").unwrap_or(text).trim_start();
        // A name before the digits would be read over in silence.
        let begins = |c: char| c.is_numeric() || matches!(c, '+' | '＋' | '(' | '（');
        if text.len() > 64 || !bare.starts_with(begins) {
            return Err(NotAPhone);
        }
        let region = country.parse::<rlibphonenumber::Region>().ok();
        let parsed = PHONE_NUMBER_UTIL
            .parse(text, region)
            .map_err(|_| NotAPhone)?;
        // A number that works within its town only is none for us.
        if PHONE_NUMBER_UTIL.is_possible_number_with_reason(&parsed)
            != Ok(NumberLengthType::IsPossible)
        {
            return Err(NotAPhone);
        }
        Ok(Self(Private::new(
            PHONE_NUMBER_UTIL
                .format(&parsed, PhoneNumberFormat::E164)
                .into_owned(),
        )))
    }

    /// Reads a number as networks give it: international, often without its `+`.
    pub fn from_network(text: &str, country: &str) -> Option<Self> {
        let text = text.trim();
        if text.starts_with('+') {
            return Self::from_e164(text);
        }
        let region = country.parse::<rlibphonenumber::Region>().ok();
        let own = PHONE_NUMBER_UTIL
            .parse(text, region)
            .ok()
            .filter(|n| PHONE_NUMBER_UTIL.is_valid_number(n));
        let own = own.map(|n| {
            Self(Private::new(
                PHONE_NUMBER_UTIL
                    .format(&n, PhoneNumberFormat::E164)
                    .into_owned(),
            ))
        });
        own.or_else(|| Self::from_e164(&format!("+{text}")))
    }

    /// Takes a number that is in E.164 already, as our own database keeps it.
    pub fn from_e164(text: &str) -> Option<Self> {
        let digits = text.strip_prefix('+')?;
        let fits = (4..=15).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
        fits.then(|| Self(Private::new(text.to_owned())))
    }

    /// The number in E.164, with its `+`.
    pub fn reveal(&self) -> &str {
        self.0.reveal()
    }

    /// The number as private text, for columns and channels.
    pub fn to_private(&self) -> Private<String> {
        self.0.clone()
    }
}

/// A mobile number in its plainest spelling, of which nothing but its length is to be checked: imports have a million
/// of them. A test holds it against the library.
fn plain_mobile(text: &str, country: &str) -> Option<String> {
    let (prefix, digits) = match (text.strip_prefix("+86"), country) {
        (Some(digits), _) => ("+86", digits),
        (None, "CN") => ("+86", text),
        (None, "US") => ("+1", text),
        (None, _) => return None,
    };
    let plain = match (prefix, digits.as_bytes()) {
        // 179 is what dials past the carrier.
        ("+86", [b'1', b'3'..=b'9', rest @ ..]) => {
            digits.len() == 11 && (digits.as_bytes()[1] != b'7' || rest[0] != b'9')
        }
        ("+1", [b'2'..=b'9', ..]) => digits.len() == 10,
        (_, _) => false,
    };
    let plain = plain && digits.bytes().all(|b| b.is_ascii_digit());
    plain.then(|| format!("{prefix}{digits}"))
}

/// A fingerprint of an address, to look it up and to name it in rows that outlive the address itself.
///
/// Keyed with the site's own key so that nobody can try out all numbers on a stolen copy.
pub fn address_hash(key: &[u8], address: &str) -> String {
    use std::fmt::Write as _;
    let mut hash = Sha256::new();
    hash.update((key.len() as u64).to_be_bytes());
    hash.update(key);
    hash.update(address.trim().to_lowercase().as_bytes());
    let mut hex = String::with_capacity(32);
    for byte in hash.finalize().iter().take(16) {
        let _ = write!(hex, "{byte:02x}");
    }
    hex
}

#[cfg(test)]
mod tests {
    use super::Phone;

    #[track_caller]
    fn check(text: &str, country: &str, expected: Option<&str>) {
        let read = Phone::parse(text, country).ok();
        assert_eq!(read.as_ref().map(Phone::reveal), expected);
    }

    #[test]
    fn networks_leave_the_plus_out() {
        for (text, expected) in [
            ("8613800000001", "+8613800000001"),
            ("13800000001", "+8613800000001"),
            ("+12125550143", "+12125550143"),
            ("12125550143", "+12125550143"),
        ] {
            assert_eq!(
                Phone::from_network(text, "CN").as_ref().map(Phone::reveal),
                Some(expected)
            );
        }
        assert_eq!(Phone::from_network("INFO", "CN"), None);
    }

    /// What the short way reads is what the library reads.
    #[test]
    fn plain_mobile_numbers_are_read_as_the_library_reads_them() {
        let mut n = 1_u64;
        let mut dice = || {
            n = n
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (n >> 33) % 100_000_000
        };
        let mut short = 0;
        for prefix in 100..1000 {
            for _ in 0..3 {
                let (rest, seven) = (dice(), dice() % 10_000_000);
                let spellings = [
                    (format!("{prefix}{rest:08}"), "CN"),
                    (format!("+86{prefix}{rest:08}"), "DE"),
                    (format!("{prefix}{seven:07}"), "US"),
                ];
                for (text, country) in spellings {
                    let Some(read) = super::plain_mobile(&text, country) else {
                        continue;
                    };
                    short += 1;
                    let whole = Phone::parse_any(&text, country).ok();
                    let whole = whole.as_ref().map(Phone::reveal);
                    assert_eq!(whole, Some(read.as_str()), "{text} {country}");
                }
            }
        }
        assert!(short > 2000, "{short}");
    }

    #[test]
    fn numbers_are_read_as_people_write_them() {
        check("13800000001", "CN", Some("+8613800000001"));
        check("+86 138-0000-0001", "CN", Some("+8613800000001"));
        check("0086 138 0000 0001", "CN", Some("+8613800000001"));
        check("１３８０００００００１", "CN", Some("+8613800000001"));
        check("(212) 555-0143", "US", Some("+12125550143"));
        check("1-212-555-0143", "US", Some("+12125550143"));
        check("tel:+12125550143", "CN", Some("+12125550143"));
        check("010-62345678", "CN", Some("+861062345678"));
        check("62345", "CN", None);
        check("n/a", "CN", None);
        check("Wang 13800000001", "CN", None);
        check("", "CN", None);
    }
}
