//! Numbers and addresses as people write them into one cell: several, with notes, with what Excel made of them.

use super::moment::plain;
use crate::model::class::ContactKind;
use crate::model::phone::{NotAPhone, Phone};
use crate::model::private::Private;

/// A number or address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contact {
    /// Which of the two.
    pub kind: ContactKind,
    /// In E.164, or a mail address.
    pub address: Private<String>,
}

impl Contact {
    /// Reads a phone number of `country`.
    ///
    /// # Errors
    /// When it is none.
    pub fn phone(text: &str, country: &str) -> Result<Self, NotAPhone> {
        Ok(Self {
            kind: ContactKind::Phone,
            address: Phone::parse(text, country)?.to_private(),
        })
    }

    /// Reads a mail address.
    ///
    /// # Errors
    /// When it is none.
    pub fn email(text: &str) -> Result<Self, NotAnEmail> {
        let text = text.trim();
        let text = text.strip_prefix("mailto:").unwrap_or(text);
        let (local, domain) = text.rsplit_once('@').ok_or(NotAnEmail)?;
        let plain = |part: &str| {
            !part.is_empty()
                && !part.chars().any(|c| {
                    c.is_whitespace()
                        || c.is_control()
                        || matches!(c, '<' | '>' | '(' | ')' | ',' | ';' | ':' | '"' | '@')
                })
        };
        let labels = domain
            .split('.')
            .all(|label| !label.is_empty() && !label.starts_with('-') && !label.ends_with('-'));
        let fits = plain(local)
            && plain(domain)
            && labels
            && domain.contains('.')
            && text.len() <= 254
            && local.len() <= 64;
        let address = format!("{local}@{}", domain.to_lowercase());
        fits.then(|| Self {
            kind: ContactKind::Email,
            address: Private::new(address),
        })
        .ok_or(NotAnEmail)
    }
}

/// Why a text is no mail address. It never repeats the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a mail address such as ana@example.org")]
pub struct NotAnEmail;

/// What people write where there is nothing.
const NOTHING: [&str; 22] = [
    "",
    "-",
    "--",
    "/",
    "\\",
    "0",
    "无",
    "没有",
    "暂无",
    "未知",
    "不详",
    "未提供",
    "空",
    "n/a",
    "na",
    "none",
    "null",
    "nil",
    "unknown",
    "no",
    "?",
    "x",
];

/// Whether a cell says that there is nothing.
pub(crate) fn is_nothing(text: &str) -> bool {
    let text = plain(text).to_lowercase();
    NOTHING.contains(&text.as_str())
}

/// Every phone number in a cell, and whether something in it was none.
pub(crate) fn phones(cell: &str, country: &str) -> (Vec<Contact>, bool) {
    if is_nothing(cell) {
        return (Vec::new(), false);
    }
    let (mut found, mut faulty) = (Vec::new(), false);
    for piece in plain(cell).split([',', ';', '、', '|', '\n', '/', '，', '；', '或']) {
        if is_nothing(piece) {
            continue;
        }
        match phone(piece, country) {
            Some(contact) => found.push(contact),
            // Two whole numbers with a space between them; a number with spaces in it was read above.
            None => {
                let parts: Vec<Option<Contact>> = piece
                    .split_whitespace()
                    .filter(|part| part.bytes().any(|b| b.is_ascii_digit()))
                    .map(|part| phone(part, country))
                    .collect();
                faulty |= parts.is_empty() || parts.iter().any(Option::is_none);
                found.extend(parts.into_iter().flatten());
            }
        }
    }
    (found, faulty)
}

/// Every mail address in a cell, and whether something in it was none.
pub(crate) fn emails(cell: &str) -> (Vec<Contact>, bool) {
    if is_nothing(cell) {
        return (Vec::new(), false);
    }
    let (mut found, mut faulty) = (Vec::new(), false);
    for piece in plain(cell).split([',', ';', '、', '|', '\n', ' ', '，', '；']) {
        // `Ana <ana@example.org>`: the name is of no use here.
        let address = piece.trim().trim_start_matches('<').trim_end_matches('>');
        if address.is_empty() || (!address.contains('@') && cell.contains('<')) {
            continue;
        }
        match Contact::email(address) {
            Ok(contact) => found.push(contact),
            Err(_) => faulty = true,
        }
    }
    (found, faulty)
}

/// One number with what people write around it: a label, a note in brackets, an extension.
fn phone(text: &str, country: &str) -> Option<Contact> {
    let lower = text.to_lowercase();
    // An extension cannot be texted or dialled through; the number before it can.
    let text = ["转", "分机", "ext", "#", " x"]
        .iter()
        .filter_map(|sign| lower.find(sign))
        .min()
        .map_or(lower.as_str(), |at| &lower[..at]);
    let text = text
        .strip_suffix(".0")
        .or_else(|| text.strip_suffix(".00"))
        .unwrap_or(text);
    // 1.38e+10 has lost the digits that matter.
    if text.contains("e+") {
        return None;
    }
    let bare: String = text
        .chars()
        .map(|c| {
            if c.is_alphabetic() || matches!(c, ':' | '"' | '*') {
                ' '
            } else {
                c
            }
        })
        .collect();
    let bare = bare.replace("()", " ").replace("( )", " ");
    Contact::phone(bare.trim().trim_end_matches('('), country).ok()
}

#[cfg(test)]
mod tests {
    use super::{Contact, emails, phones};

    #[track_caller]
    fn check(cell: &str, expected: &[&str], faulty: bool) {
        let (found, wrong) = phones(cell, "CN");
        let found: Vec<&str> = found
            .iter()
            .map(|contact| contact.address.reveal().as_str())
            .collect();
        assert_eq!((found.as_slice(), wrong), (expected, faulty), "{cell}");
    }

    #[test]
    fn a_cell_may_hold_several_numbers_notes_and_nothing() {
        check("13800000001", &["+8613800000001"], false);
        check("138 0000 0001", &["+8613800000001"], false);
        check(
            "13800000001/13900000002",
            &["+8613800000001", "+8613900000002"],
            false,
        );
        check(
            "13800000001、139-0000-0002；010-62345678",
            &["+8613800000001", "+8613900000002", "+861062345678"],
            false,
        );
        check(
            "13800000001 13900000002",
            &["+8613800000001", "+8613900000002"],
            false,
        );
        check("手机：１３８００００００１１", &["+8613800000011"], false);
        check("13800000001(母亲)", &["+8613800000001"], false);
        check(
            "母亲 13800000001，父亲 13900000002",
            &["+8613800000001", "+8613900000002"],
            false,
        );
        check("010-62345678转123", &["+861062345678"], false);
        check("+1 212 555 0143 ext. 12", &["+12125550143"], false);
        check("+86 (138) 0000-0001", &["+8613800000001"], false);
        check("'13800000001", &["+8613800000001"], false);
        check("13800000001.0", &["+8613800000001"], false);
        for nothing in ["", " ", "无", "N/A", "-", "未提供", "0"] {
            check(nothing, &[], false);
        }
        check("1.38E+10", &[], true);
        check("abc", &[], true);
        check("12", &[], true);
        check("13800000001, abc", &["+8613800000001"], true);
    }

    #[test]
    fn a_cell_may_hold_several_mail_addresses() {
        let read = |cell: &str| {
            let (found, faulty) = emails(cell);
            (
                found
                    .into_iter()
                    .map(|contact| contact.address.into_revealed())
                    .collect::<Vec<_>>()
                    .join(" "),
                faulty,
            )
        };
        assert_eq!(
            read("ana@example.org; Bo <bo@example.org>"),
            ("ana@example.org bo@example.org".to_owned(), false)
        );
        assert_eq!(
            read("ana＠example.org"),
            ("ana@example.org".to_owned(), false)
        );
        assert_eq!(read("ana"), (String::new(), true));
        assert_eq!(read("无"), (String::new(), false));
    }

    #[test]
    fn mail_addresses_are_checked_for_what_breaks_a_header() {
        let read = |text: &str| {
            Contact::email(text)
                .ok()
                .map(|contact| contact.address.into_revealed())
        };
        assert_eq!(
            read(" mailto:Ana.B@Example.ORG "),
            Some("Ana.B@example.org".to_owned())
        );
        assert_eq!(read("王@例子.中国"), Some("王@例子.中国".to_owned()));
        for bad in [
            "",
            "ana",
            "ana@host",
            "a b@x.org",
            "a@x..org",
            "a@-x.org",
            "a@x.org\r\nBcc: b@y.org",
            "<a@x.org>",
            "a@b@c.org",
        ] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }
}
