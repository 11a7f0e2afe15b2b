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
use crate::model::provider_id;
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
/// It is one when `esm_class` says so, or when a parameter names a message and it tells a state.
pub fn read(sm: &Sm) -> Option<Receipt> {
    let user_data = sm.user_data();
    let octets = if sm.esm_class & ESM_UDHI == 0 {
        user_data
    } else {
        coding::take_header(user_data).1
    };
    let text = coding::decode(octets, sm.data_coding, alphabet(octets));
    let fields = Fields::read(&text);

    // 0x04 is a receipt, 0x20 an intermediate one.
    let says_so = matches!(sm.esm_class & 0x3C, 0x04 | 0x20);
    let names_message = sm.tlvs.get(RECEIPTED_MESSAGE_ID).is_some();
    let names_state = sm.tlvs.get(MESSAGE_STATE).is_some() || fields.get("stat").is_some();
    let by_parameters = names_message && names_state;
    if !says_so && !by_parameters {
        return None;
    }

    let mut provider_ids = Vec::new();
    let told = sm
        .tlvs
        .text(RECEIPTED_MESSAGE_ID)
        .filter(|id| !id.is_empty());
    for id in told.iter().map(String::as_str).chain(fields.get("id")) {
        for spelling in provider_id::spellings(id) {
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
