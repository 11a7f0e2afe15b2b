//! Reads delivery receipts in every dialect carriers send (SMPP 3.4 §5.2.12, Appendix B).
//!
//! Where both say it, the optional parameters are believed before the text.

use jiff::civil;

use super::coding;
use super::smpp::pdu::{ESM_UDHI, Sm};
use super::smpp::tlv::{
    MESSAGE_STATE, NETWORK_ERROR_CODE, RECEIPTED_MESSAGE_ID, USER_MESSAGE_REFERENCE,
};
use crate::channels::NetworkReceipt;
use crate::model::private::Private;
use crate::model::receipt::ReceiptStatus;
use crate::segments::split::DefaultAlphabet;

/// The keys of the text, in lower case.
const KEYS: [&str; 8] = [
    "id",
    "sub",
    "dlvrd",
    "submit date",
    "done date",
    "stat",
    "err",
    "text",
];

/// A receipt as it came.
#[derive(Clone, Debug)]
pub struct Receipt {
    /// In our words.
    pub network: NetworkReceipt,
    /// When it was done on the carrier's clock, if it says so.
    pub done_at: Option<civil::DateTime>,
    /// Same key, same receipt.
    pub dedupe_key: String,
}

/// Reads `sm` as a receipt; `None` if it is a text from a phone.
///
/// It is one when `esm_class` says so, or when its optional parameters name a message and its state.
pub fn read(sm: &Sm) -> Option<Receipt> {
    let kind = sm.esm_class & 0x3C;
    // 0x04 is a receipt, 0x20 an intermediate one.
    let says_so = kind == 0x04 || kind == 0x20;
    let by_parameters =
        sm.tlvs.get(RECEIPTED_MESSAGE_ID).is_some() && sm.tlvs.get(MESSAGE_STATE).is_some();
    if !says_so && !by_parameters {
        return None;
    }
    let user_data = sm.user_data();
    let octets = if sm.esm_class & ESM_UDHI == 0 {
        user_data
    } else {
        coding::take_header(user_data).1
    };
    let text = coding::decode(octets, sm.data_coding, alphabet(octets));
    let fields = Fields::read(&text);

    let mut provider_ids = Vec::new();
    let told = sm
        .tlvs
        .text(RECEIPTED_MESSAGE_ID)
        .filter(|id| !id.is_empty());
    for id in told.iter().map(String::as_str).chain(fields.get("id")) {
        for spelling in canonical_ids(id) {
            if !provider_ids.contains(&spelling) {
                provider_ids.push(spelling);
            }
        }
    }
    let status = sm
        .tlvs
        .integer(MESSAGE_STATE)
        .and_then(status_of_state)
        .or_else(|| fields.get("stat").map(status_of_word))
        .unwrap_or(ReceiptStatus::Unknown);
    let error = network_error(sm).or_else(|| fields.error());
    let umr = sm.tlvs.integer(USER_MESSAGE_REFERENCE);
    let done = fields.get("done date");
    let recipient = Some(sm.source.addr.to_text()).filter(|number| !number.is_empty());
    // Without an id the echoed reference and the moment have to do.
    let subject = provider_ids.first().cloned().unwrap_or_else(|| {
        format!(
            "umr{}-{}-{}",
            umr.map_or_else(String::new, |umr| umr.to_string()),
            fields.get("submit date").unwrap_or(""),
            done.unwrap_or("")
        )
    });
    Some(Receipt {
        dedupe_key: format!("{subject}:{status:?}").to_lowercase(),
        done_at: done.and_then(date),
        network: NetworkReceipt {
            provider_ids,
            status,
            error,
            umr,
            recipient: recipient.map(Private::new),
        },
    })
}

/// Carriers write receipts in ASCII whatever their default alphabet is; it matters for `_` in ids, which is 0x5F there
/// and `§` in GSM-7. Only an octet that GSM-7 alone has a sign for, its own `_`, shows otherwise.
fn alphabet(octets: &[u8]) -> DefaultAlphabet {
    if octets.contains(&0x11) {
        DefaultAlphabet::Gsm7
    } else {
        DefaultAlphabet::Ascii
    }
}

/// The spellings that the provider's id `id` may have elsewhere, best first: as text in lower case without leading
/// zeros, then read as hexadecimal and written as decimal, then the reverse.
///
/// The first is the canonical one: what the store keeps and looks up. It never is empty unless `id` is.
pub fn canonical_ids(id: &str) -> Vec<String> {
    let text = id.trim().to_lowercase();
    let stripped = text.trim_start_matches('0');
    let plain = if stripped.is_empty() {
        &text[text.len().saturating_sub(1)..]
    } else {
        stripped
    };
    let mut spellings = vec![plain.to_owned()];
    let digits = plain.strip_prefix('x').unwrap_or(plain);
    if let Some(number) = number(digits, 16) {
        spellings.push(number.to_string());
    }
    if let Some(number) = number(digits, 10) {
        spellings.push(format!("{number:x}"));
    }
    let mut seen = Vec::new();
    spellings.retain(|spelling| {
        let new = !seen.contains(spelling);
        seen.push(spelling.clone());
        new
    });
    spellings
}

fn number(digits: &str, radix: u32) -> Option<u128> {
    // `from_str_radix` takes a sign, which no id has.
    let plain = digits.chars().all(|c| c.is_digit(radix));
    plain
        .then(|| u128::from_str_radix(digits, radix).ok())
        .flatten()
}

const fn status_of_state(state: u16) -> Option<ReceiptStatus> {
    Some(match state {
        // 0 is SCHEDULED in SMPP 5.0.
        0 | 1 => ReceiptStatus::EnRoute,
        2 => ReceiptStatus::Delivered,
        3 => ReceiptStatus::Expired,
        4 => ReceiptStatus::Deleted,
        5 => ReceiptStatus::Undeliverable,
        6 => ReceiptStatus::Accepted,
        7 => ReceiptStatus::Unknown,
        8 => ReceiptStatus::Rejected,
        _ => return None,
    })
}

/// The words of Appendix B are cut to seven letters by some carriers and spelt out by others.
fn status_of_word(word: &str) -> ReceiptStatus {
    const WORDS: [(&str, ReceiptStatus); 12] = [
        ("DELIV", ReceiptStatus::Delivered),
        ("ENROU", ReceiptStatus::EnRoute),
        ("SCHED", ReceiptStatus::EnRoute),
        ("BUFF", ReceiptStatus::EnRoute),
        ("EXPIR", ReceiptStatus::Expired),
        ("DELET", ReceiptStatus::Deleted),
        ("UNDEL", ReceiptStatus::Undeliverable),
        ("FAIL", ReceiptStatus::Undeliverable),
        ("ACCE", ReceiptStatus::Accepted),
        ("ACKED", ReceiptStatus::Accepted),
        ("REJE", ReceiptStatus::Rejected),
        ("UNKN", ReceiptStatus::Unknown),
    ];
    let word = word.to_uppercase();
    if let Some((_, status)) = WORDS.iter().find(|(start, _)| word.starts_with(start)) {
        return *status;
    }
    // Chinese operators put their own failure here, such as `MA:0001` or `CB:0053`.
    let is_operator_code =
        word.as_bytes().get(2) == Some(&b':') && word[..2].bytes().all(|b| b.is_ascii_uppercase());
    if is_operator_code {
        ReceiptStatus::Undeliverable
    } else {
        ReceiptStatus::Unknown
    }
}

fn network_error(sm: &Sm) -> Option<String> {
    match sm.tlvs.get(NETWORK_ERROR_CODE)?.reveal() {
        [_, high, low] => Some(u16::from_be_bytes([*high, *low])),
        _ => None,
    }
    .filter(|code| *code != 0)
    .map(|code| code.to_string())
}

/// A date as `YYMMDDhhmm`, with or without seconds, or with the century.
fn date(text: &str) -> Option<civil::DateTime> {
    let (year, rest) = match text.len() {
        10 | 12 => text
            .split_at_checked(2)
            .map(|(year, rest)| (format!("20{year}"), rest))?,
        14 => text
            .split_at_checked(4)
            .map(|(year, rest)| (year.to_owned(), rest))?,
        _ => return None,
    };
    let pair = |at: usize| {
        rest.get(at..at + 2)
            .and_then(|pair| pair.parse::<i8>().ok())
    };
    let second = if rest.len() == 10 { pair(8)? } else { 0 };
    civil::DateTime::new(
        year.parse().ok()?,
        pair(0)?,
        pair(2)?,
        pair(4)?,
        pair(6)?,
        second,
        0,
    )
    .ok()
}

/// What the text of a receipt says, by key.
struct Fields<'a>(Vec<(&'static str, &'a str)>);

impl<'a> Fields<'a> {
    /// The first of each key counts: `text:` comes last as a rule, and what follows it may look like anything.
    fn read(text: &'a str) -> Self {
        let places = places(text);
        let mut fields: Vec<(&'static str, &str)> = Vec::new();
        for (number, place) in places.iter().enumerate() {
            let end = places
                .get(number + 1)
                .map_or(text.len(), |next| next.key_at);
            let value = text.get(place.value_at..end).unwrap_or("").trim();
            let value = value
                .split([' ', ',', ';', '\t', '\r', '\n', '\0'])
                .next()
                .unwrap_or("");
            if !value.is_empty() && !fields.iter().any(|(key, _)| *key == place.key) {
                fields.push((place.key, value));
            }
        }
        Self(fields)
    }

    fn get(&self, key: &str) -> Option<&'a str> {
        self.0
            .iter()
            .find(|(known, _)| *known == key)
            .map(|(_, value)| *value)
    }

    /// The error, unless it says that there is none.
    fn error(&self) -> Option<String> {
        let code = self
            .get("err")
            .filter(|code| !code.chars().all(|c| c == '0'));
        let status = self.get("stat").filter(|word| word.contains(':'));
        code.or(status).map(str::to_owned)
    }
}

struct Place {
    key: &'static str,
    key_at: usize,
    value_at: usize,
}

/// Where the keys stand, in any letters and any order, each with its colon.
fn places(text: &str) -> Vec<Place> {
    let lower = text.to_ascii_lowercase();
    lower
        .match_indices(':')
        .filter_map(|(colon, _)| {
            let before = lower[..colon].trim_end();
            let key = KEYS.iter().find(|key| {
                let whole = |start: usize| {
                    !before[..start].ends_with(|c: char| c.is_alphanumeric() || c == '_')
                };
                before
                    .strip_suffix(**key)
                    .is_some_and(|rest| whole(rest.len()))
            })?;
            Some(Place {
                key,
                key_at: before.len() - key.len(),
                value_at: colon + 1,
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{canonical_ids, read};
    use crate::channels::sms::smpp::pdu::{Address, Sm};
    use crate::model::receipt::ReceiptStatus;
    use crate::model::receipt::ReceiptStatus::{
        Accepted, Delivered, EnRoute, Expired, Rejected, Undeliverable, Unknown,
    };

    fn receipt(text: &str) -> Sm {
        Sm {
            esm_class: 0x04,
            source: Address {
                ton: 1,
                npi: 1,
                addr: "8613800000001".into(),
            },
            short_message: text.into(),
            ..Sm::default()
        }
    }

    #[track_caller]
    fn check(text: &str, id: &str, status: ReceiptStatus, error: Option<&str>, done: Option<&str>) {
        let read = read(&receipt(text)).unwrap();
        assert_eq!(
            read.network.provider_ids.first().map_or("", String::as_str),
            id
        );
        assert_eq!(read.network.status, status);
        assert_eq!(read.network.error.as_deref(), error);
        assert_eq!(read.done_at.map(|at| at.to_string()).as_deref(), done);
    }

    #[test]
    fn the_text_is_read_in_every_dialect() {
        let done = Some("2026-03-30T09:31:00");
        check(
            "id:1234567890 sub:001 dlvrd:001 submit date:2603300930 done date:2603300931 stat:DELIVRD err:000 text:Hello",
            "1234567890",
            Delivered,
            None,
            done,
        );
        check(
            "id:0000012345 sub:001 dlvrd:000 submit date:260330093000 done date:260330093100 stat:UNDELIV err:045 Text:id:9 stat:DELIVRD",
            "12345",
            Undeliverable,
            Some("045"),
            done,
        );
        check("ID:ab-CD_9 STAT:Expired", "ab-cd_9", Expired, None, None);
        check("id:ab\x119 stat:DELIVRD", "ab_9", Delivered, None, None);
        check(
            "stat:REJECTD id:7f3a err:12",
            "7f3a",
            Rejected,
            Some("12"),
            None,
        );
        check("text: Hi id:55 stat:ACCEPTD", "55", Accepted, None, None);
        check(
            "id: 77 stat: ENROUTE done date: 20260330093100",
            "77",
            EnRoute,
            None,
            done,
        );
        check("id:88,stat:DELIVRD;err:0", "88", Delivered, None, None);
        check(
            "id:99 stat:MA:0001",
            "99",
            Undeliverable,
            Some("MA:0001"),
            None,
        );
        check("id:5 sub: dlvrd: stat:WHATEVER", "5", Unknown, None, None);
        check("msg_id:5 stat:DELIVRD", "", Delivered, None, None);
        check(
            "id:5 stat:DELIVRD done date:2613450931",
            "5",
            Delivered,
            None,
            None,
        );
        check("", "", Unknown, None, None);
        check("id:00000 stat:DELIVRD", "0", Delivered, None, None);
    }

    #[test]
    fn parameters_come_before_the_text() {
        let mut sm = receipt("id:1 stat:UNDELIV err:001");
        sm.tlvs.push(0x001E, &b"A9F\0"[..]);
        sm.tlvs.push(0x0427, vec![2]);
        sm.tlvs.push(0x0423, vec![3, 0, 34]);
        sm.tlvs.push(0x0204, vec![0x12, 0x34]);
        let read = read(&sm).unwrap();
        assert_eq!(read.network.provider_ids, ["a9f", "2719", "1"]);
        assert_eq!(read.network.status, Delivered);
        assert_eq!(read.network.error.as_deref(), Some("34"));
        assert_eq!(read.network.umr, Some(0x1234));
        assert_eq!(read.network.recipient.unwrap().reveal(), "8613800000001");
        assert_eq!(read.dedupe_key, "a9f:delivered");
    }

    #[test]
    fn a_receipt_without_its_bit_is_known_by_its_parameters() {
        let mut sm = Sm {
            esm_class: 0,
            ..receipt("")
        };
        sm.tlvs.push(0x001E, "17");
        assert!(read(&sm).is_none());
        sm.tlvs.push(0x0427, vec![8]);
        assert_eq!(read(&sm).unwrap().network.status, Rejected);
    }

    #[test]
    fn words_of_a_person_are_no_receipt() {
        let sm = Sm {
            esm_class: 0,
            ..receipt("id:1 stat:DELIVRD")
        };
        assert!(read(&sm).is_none());
        // The acknowledgement of a handset's owner is words of a person too.
        assert!(
            read(&Sm {
                esm_class: 0x08,
                ..sm
            })
            .is_none()
        );
    }

    #[test]
    fn repeats_have_the_same_key_and_others_have_not() {
        let key = |text| read(&receipt(text)).unwrap().dedupe_key;
        assert_eq!(
            key("id:00A7 stat:DELIVRD done date:2603300931"),
            key("id:a7 stat:DELIVRD")
        );
        assert_ne!(key("id:a7 stat:ENROUTE"), key("id:a7 stat:DELIVRD"));
        assert_ne!(
            key("submit date:2603300930 stat:DELIVRD"),
            key("submit date:2603300931 stat:DELIVRD")
        );
    }

    #[track_caller]
    fn check_ids(id: &str, spellings: &[&str]) {
        assert_eq!(canonical_ids(id), spellings);
    }

    #[test]
    fn ids_are_known_in_other_spellings() {
        check_ids("12345", &["12345", "74565", "3039"]);
        check_ids("0000BC614E", &["bc614e", "12345678"]);
        check_ids("12345678", &["12345678", "305419896", "bc614e"]);
        check_ids("a1-B2", &["a1-b2"]);
        check_ids("0", &["0"]);
        check_ids("000", &["0"]);
        check_ids(" 7 ", &["7"]);
        check_ids("", &[""]);
        check_ids("+7", &["+7"]);
        // More digits than any number we can hold stay text.
        let long = "9".repeat(60);
        check_ids(&long, &[&long]);
    }
}
