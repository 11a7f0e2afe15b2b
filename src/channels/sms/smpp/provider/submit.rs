//! One message becomes its `submit_sm`s, and their ends become one result.

use std::time::Duration;

use super::address::address;
use super::settings::{BindMode, ConcatMode, Settings};
use crate::channels::sms::coding;
use crate::channels::sms::smpp::errors::Errors;
use crate::channels::sms::smpp::pdu::{ESM_UDHI, Sm};
use crate::channels::sms::smpp::session::outcome::NotSent;
use crate::channels::sms::smpp::status::Status;
use crate::channels::sms::smpp::tlv::{
    MESSAGE_PAYLOAD, SAR_MSG_REF_NUM, SAR_SEGMENT_SEQNUM, SAR_TOTAL_SEGMENTS, Tlvs,
    USER_MESSAGE_REFERENCE,
};
use crate::channels::{Accepted, ErrorClass, Outgoing, PartAccepted, SendError};
use crate::segments::Alphabet;
use crate::segments::split::{Options, Reference, split, whole};

/// The longest `message_payload` we send: far more than 255 segments of text.
const MAX_PAYLOAD_LEN: usize = 40_000;
/// The longest validity that a relative time can say with all fields in their range.
const MAX_VALIDITY: Duration = Duration::from_secs(31 * 24 * 60 * 60 - 1);

/// One part, ready to be submitted.
pub(super) struct Part {
    pub(super) number: u8,
    pub(super) sm: Box<Sm>,
}

/// How one part ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum PartEnd {
    Accepted(PartAccepted),
    Rejected(Status),
    NotSent(NotSent),
    Unknown,
}

/// Whether receipts will come.
pub(super) const fn receipts_expected(settings: &Settings) -> bool {
    settings.receipts && !matches!(settings.bind, BindMode::Transmitter)
}

/// The parts of `outgoing` that are still to be sent.
pub(super) fn compose(outgoing: &Outgoing, settings: &Settings) -> Result<Vec<Part>, SendError> {
    let refused = SendError::NotSent { reason: "encoding" };
    let sender = outgoing.sender.as_deref().unwrap_or(&settings.sender);
    let source = address(sender, settings.source_plan()).ok_or_else(|| refused.clone())?;
    let dest =
        address(outgoing.to.reveal(), settings.dest_plan()).filter(|dest| !dest.addr.is_empty());
    let mut common = Sm {
        service_type: settings.service_type.as_str().into(),
        source,
        dest: dest.ok_or_else(|| refused.clone())?,
        registered_delivery: u8::from(receipts_expected(settings)),
        validity_period: outgoing.validity.map(relative).unwrap_or_default().into(),
        ..Sm::default()
    };
    common
        .tlvs
        .push(USER_MESSAGE_REFERENCE, outgoing.umr.to_be_bytes().to_vec());
    let (alphabet, texts) = texts(outgoing, settings).ok_or(refused)?;
    common.data_coding = match alphabet {
        Alphabet::Gsm7 => coding::DEFAULT,
        Alphabet::Ucs2 => coding::UCS2,
    };
    let total = u8::try_from(texts.len()).map_err(|_| SendError::NotSent { reason: "encoding" })?;
    let parts = (1..=total)
        .zip(texts)
        .filter(|(number, _)| !outgoing.parts_done.contains(number));
    Ok(parts
        .map(|(number, text)| {
            part(
                &common,
                text,
                outgoing.concat_ref,
                total,
                number,
                settings.concat,
            )
        })
        .collect())
}

/// The encoded texts of all parts.
fn texts(outgoing: &Outgoing, settings: &Settings) -> Option<(Alphabet, Vec<Vec<u8>>)> {
    let text = outgoing.text.reveal();
    let reference = match settings.concat {
        ConcatMode::Udh16 => Reference::Bits16,
        ConcatMode::Udh8 | ConcatMode::Payload | ConcatMode::Sar => Reference::Bits8,
    };
    let parts = split(
        text,
        Options {
            default_alphabet: settings.default_alphabet,
            reference,
        },
    )
    .ok()?;
    if settings.concat == ConcatMode::Payload && parts.payloads.len() > 1 {
        let (alphabet, octets) = whole(text, settings.default_alphabet);
        return (octets.len() <= MAX_PAYLOAD_LEN).then(|| (alphabet, vec![octets]));
    }
    Some((parts.alphabet, parts.payloads))
}

fn part(
    common: &Sm,
    text: Vec<u8>,
    reference: u16,
    total: u8,
    number: u8,
    concat: ConcatMode,
) -> Part {
    let mut sm = Box::new(common.clone());
    let [high, low] = reference.to_be_bytes();
    let header: &[u8] = match concat {
        _ if total == 1 => &[],
        ConcatMode::Udh8 => &[5, 0x00, 3, low, total, number],
        ConcatMode::Udh16 => &[6, 0x08, 4, high, low, total, number],
        ConcatMode::Sar => {
            sar(&mut sm.tlvs, reference, total, number);
            &[]
        }
        ConcatMode::Payload => &[],
    };
    if !header.is_empty() {
        sm.esm_class |= ESM_UDHI;
    }
    // A single text has 160 octets at most, so what is longer was left whole.
    if total == 1 && text.len() > 160 {
        sm.tlvs.push(MESSAGE_PAYLOAD, text);
    } else {
        sm.short_message = [header, &text].concat().into();
    }
    Part { number, sm }
}

fn sar(tlvs: &mut Tlvs, reference: u16, total: u8, number: u8) {
    tlvs.push(SAR_MSG_REF_NUM, reference.to_be_bytes().to_vec());
    tlvs.push(SAR_TOTAL_SEGMENTS, vec![total]);
    tlvs.push(SAR_SEGMENT_SEQNUM, vec![number]);
}

/// A relative time (SMPP 3.4 §7.1.1): `YYMMDDhhmmss000R`, rounded down and at least a second.
fn relative(validity: Duration) -> String {
    let seconds = validity.min(MAX_VALIDITY).as_secs().max(1);
    let (minutes, second) = (seconds / 60, seconds % 60);
    let (hours, minute) = (minutes / 60, minutes % 60);
    format!(
        "0000{:02}{:02}{minute:02}{second:02}000R",
        hours / 24,
        hours % 24
    )
}

/// What the ends of all parts come to.
///
/// In doubt about one, in doubt about all: a resend waits, and then leaves out the accepted. Where some were accepted
/// and others never left, it is a refusal for now, which keeps what was accepted.
pub(super) fn gather(
    ends: &[PartEnd],
    receipt_expected: bool,
    errors: &Errors,
) -> Result<Accepted, SendError> {
    let class = |status: Status| errors.class(status);
    let mut parts = Vec::new();
    let (mut unknown, mut refused, mut unsent) = (false, None::<Status>, None);
    for end in ends {
        match end {
            PartEnd::Accepted(part) => parts.push(part.clone()),
            PartEnd::Unknown => unknown = true,
            PartEnd::NotSent(why) => unsent = unsent.or(Some(*why)),
            PartEnd::Rejected(status) => {
                let graver =
                    refused.is_none_or(|known| gravity(class(*status)) > gravity(class(known)));
                refused = if graver { Some(*status) } else { refused };
            }
        }
    }
    match (unknown, refused, unsent) {
        (true, _, _) => Err(SendError::Unknown { parts }),
        (false, Some(status), _) => Err(SendError::Rejected {
            code: status.to_string(),
            class: class(status),
            parts,
        }),
        (false, None, Some(why)) if parts.is_empty() => Err(SendError::NotSent {
            reason: reason(why),
        }),
        (false, None, Some(why)) => Err(SendError::Rejected {
            code: reason(why).to_owned(),
            class: ErrorClass::Temporary,
            parts,
        }),
        (false, None, None) => Ok(Accepted {
            parts,
            receipt_expected,
        }),
    }
}

const fn reason(why: NotSent) -> &'static str {
    match why {
        NotSent::Closed => "closed",
        NotSent::Encoding => "encoding",
    }
}

const fn gravity(class: ErrorClass) -> u8 {
    match class {
        ErrorClass::Throttle => 0,
        ErrorClass::Temporary => 1,
        ErrorClass::PermanentContent => 2,
        ErrorClass::PermanentRecipient => 3,
        ErrorClass::PermanentAccount => 4,
    }
}
