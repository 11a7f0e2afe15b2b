//! When a certificate ends: the one date of X.509 that an operator forgets, read without a library for all of it.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

/// The end of a certificate's validity; `None` where these octets are none.
pub(super) fn ends_at(der: &[u8]) -> Option<Timestamp> {
    let (_, certificate, _) = part(der)?;
    let (_, body, _) = part(certificate)?;
    let (tag, _, mut rest) = part(body)?;
    // The version comes first where it is not the first one.
    if tag != 0xa0 {
        rest = body;
    }
    // Serial number, algorithm and issuer stand before the validity.
    for _ in 0..3 {
        (_, _, rest) = part(rest)?;
    }
    let (_, validity, _) = part(rest)?;
    let (_, _, rest) = part(validity)?;
    let (tag, end, _) = part(rest)?;
    moment(tag, std::str::from_utf8(end).ok()?)
}

/// The first part of `der`: its tag, what it holds, and what comes after it.
fn part(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = der.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = if first < 0x80 {
        (usize::from(first), rest)
    } else {
        let octets = usize::from(first & 0x7f);
        if octets > 4 {
            return None;
        }
        let (length, rest) = rest.split_at_checked(octets)?;
        let length = length
            .iter()
            .fold(0_usize, |sum, octet| (sum << 8) | usize::from(*octet));
        (length, rest)
    };
    let (held, after) = rest.split_at_checked(length)?;
    Some((tag, held, after))
}

/// `YYMMDDHHMMSSZ` or `YYYYMMDDHHMMSSZ`.
fn moment(tag: u8, text: &str) -> Option<Timestamp> {
    let digits = text.strip_suffix('Z')?;
    let digits = match (tag, digits.len()) {
        (0x17, 12) if digits < "50" => format!("20{digits}"),
        (0x17, 12) => format!("19{digits}"),
        (0x18, 14) => digits.to_owned(),
        _ => return None,
    };
    let at = DateTime::strptime("%Y%m%d%H%M%S", digits).ok()?;
    Some(at.to_zoned(TimeZone::UTC).ok()?.timestamp())
}

#[cfg(test)]
mod tests {
    use super::ends_at;

    /// Just enough of a certificate: version, serial, algorithm, issuer, validity.
    fn made(end: &[u8]) -> Vec<u8> {
        let wrap =
            |tag: u8, held: &[u8]| [&[tag, u8::try_from(held.len()).unwrap()], held].concat();
        let validity = wrap(0x30, &[wrap(0x17, b"260101000000Z"), end.to_vec()].concat());
        let head = [
            wrap(0xa0, &[2, 1, 2]),
            wrap(2, &[7]),
            wrap(0x30, &[]),
            wrap(0x30, &[]),
        ];
        wrap(0x30, &wrap(0x30, &[head.concat(), validity].concat()))
    }

    #[test]
    fn the_end_is_read_in_both_spellings() {
        let short = made(&[&[0x17, 13][..], b"261231235959Z"].concat());
        assert_eq!(ends_at(&short), "2026-12-31T23:59:59Z".parse().ok());
        let long = made(&[&[0x18, 15][..], b"20510101000000Z"].concat());
        assert_eq!(ends_at(&long), "2051-01-01T00:00:00Z".parse().ok());
    }

    #[test]
    fn what_is_no_certificate_is_told_as_such() {
        let whole = made(&[&[0x17, 13][..], b"261231235959Z"].concat());
        for length in 0..whole.len() {
            assert_eq!(ends_at(&whole[..length]), None);
        }
        assert_eq!(ends_at(b"\x30\x84\xff\xff\xff\xff"), None);
    }
}
