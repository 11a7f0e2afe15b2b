//! What one message becomes on the wire, and what the answers to its parts come to.

use std::time::Duration;

use super::settings::Settings;
use super::submit::{PartEnd, compose, gather};
use crate::channels::sms::smpp::errors::Errors;
use crate::channels::sms::smpp::session::outcome::NotSent;
use crate::channels::sms::smpp::status::Status;
use crate::channels::{Accepted, ErrorClass, Outgoing, PartAccepted, SendError};
use crate::model::id::AttemptId;
use crate::segments::{decode_ucs2, encode_ucs2};

fn settings(more: &str) -> Settings {
    toml::from_str(&format!(
        "host = \"h\"\nsystem_id = \"s\"\nsender = \"10690000\"\n{more}"
    ))
    .unwrap()
}

fn outgoing(text: &str) -> Outgoing {
    Outgoing {
        attempt: AttemptId::generate(),
        to: "+8613800000001".to_owned().into(),
        text: text.to_owned().into(),
        sender: None,
        validity: None,
        umr: 0x1234,
        concat_ref: 0xABCD,
        parts_done: Vec::new(),
    }
}

#[test]
fn a_short_text_is_one_plain_submit() {
    let parts = compose(&outgoing("See you at 9 €"), &settings("")).unwrap();
    let [part] = &parts[..] else {
        panic!("{} parts", parts.len())
    };
    let sm = &part.sm;
    assert_eq!(
        (
            sm.source.ton,
            sm.source.npi,
            sm.source.addr.to_text().as_str()
        ),
        (3, 0, "10690000")
    );
    assert_eq!(
        (sm.dest.ton, sm.dest.npi, sm.dest.addr.to_text().as_str()),
        (1, 1, "8613800000001")
    );
    assert_eq!(
        (sm.esm_class, sm.data_coding, sm.registered_delivery),
        (0, 0, 1)
    );
    assert_eq!(sm.short_message.reveal(), b"See you at 9 \x1B\x65");
    assert_eq!(sm.tlvs.integer(0x0204), Some(0x1234));
    assert!(sm.validity_period.is_empty());
}

#[test]
fn a_message_may_have_its_own_sender_and_ask_for_no_receipt() {
    let own = Outgoing {
        sender: Some("Clinic".to_owned()),
        ..outgoing("hi")
    };
    let parts = compose(&own, &settings("receipts = false\nservice_type = \"CMT\"")).unwrap();
    let sm = &parts[0].sm;
    assert_eq!(
        (sm.source.ton, sm.source.addr.to_text().as_str()),
        (5, "Clinic")
    );
    assert_eq!(
        (sm.registered_delivery, sm.service_type.to_text().as_str()),
        (0, "CMT")
    );
}

/// Two parts of 67 and 13 units.
const LONG: &str = "您好，您预约的复诊时间是三月三十日上午九点半，地点在门诊楼三层内科二诊室，请提前十五分钟到达并携带医保卡与病历本，如需更改请回复二，谢谢您的配合，祝您健康。市中心医院门诊部敬上";

#[track_caller]
fn check_concat(mode: &str, headers: [&[u8]; 2], esm_class: u8, room: usize) {
    let text: String = LONG.chars().cycle().take(80).collect();
    let parts = compose(&outgoing(&text), &settings(&format!("concat = \"{mode}\""))).unwrap();
    assert_eq!(parts.len(), 2);
    let octets = encode_ucs2(&text);
    for (part, (header, body)) in parts
        .iter()
        .zip(headers.iter().zip([&octets[..room], &octets[room..]]))
    {
        assert_eq!((part.sm.esm_class, part.sm.data_coding), (esm_class, 8));
        assert_eq!(part.sm.short_message.reveal(), [header, body].concat());
    }
}

#[test]
fn a_long_text_goes_in_parts_with_one_reference() {
    check_concat(
        "udh8",
        [&[5, 0, 3, 0xCD, 2, 1], &[5, 0, 3, 0xCD, 2, 2]],
        0x40,
        134,
    );
    check_concat(
        "udh16",
        [&[6, 8, 4, 0xAB, 0xCD, 2, 1], &[6, 8, 4, 0xAB, 0xCD, 2, 2]],
        0x40,
        132,
    );
    check_concat("sar", [&[], &[]], 0, 134);
}

#[test]
fn sar_parameters_name_the_part() {
    let text = "a".repeat(400);
    let parts = compose(&outgoing(&text), &settings("concat = \"sar\"")).unwrap();
    let named: Vec<_> = parts
        .iter()
        .map(|part| [0x020C, 0x020E, 0x020F].map(|tag| part.sm.tlvs.integer(tag).unwrap()))
        .collect();
    assert_eq!(named, [[0xABCD, 3, 1], [0xABCD, 3, 2], [0xABCD, 3, 3]]);
}

#[test]
fn a_payload_is_left_to_the_carrier_to_cut() {
    let text: String = LONG.chars().cycle().take(700).collect();
    let parts = compose(&outgoing(&text), &settings("concat = \"payload\"")).unwrap();
    assert_eq!(parts.len(), 1);
    assert!(parts[0].sm.short_message.is_empty());
    assert_eq!(decode_ucs2(parts[0].sm.user_data()), text);
    let short = compose(&outgoing("hi"), &settings("concat = \"payload\"")).unwrap();
    assert_eq!(short[0].sm.short_message.reveal(), b"hi");
    assert!(short[0].sm.tlvs.get(0x0424).is_none());
}

#[test]
fn parts_that_have_an_answer_are_not_sent_again() {
    let again = Outgoing {
        parts_done: vec![1, 3],
        ..outgoing(&"a".repeat(500))
    };
    let parts = compose(&again, &settings("")).unwrap();
    let numbers: Vec<_> = parts.iter().map(|part| part.number).collect();
    assert_eq!(numbers, [2, 4]);
    assert_eq!(
        parts[0].sm.short_message.reveal()[..6],
        [5, 0, 3, 0xCD, 4, 2]
    );
}

#[test]
fn what_no_pdu_can_carry_is_refused() {
    let refused = Err(SendError::NotSent { reason: "encoding" });
    let check = |outgoing: Outgoing| {
        assert_eq!(
            compose(&outgoing, &settings("")).map(|parts| parts.len()),
            refused
        )
    };
    check(outgoing(&"a".repeat(256 * 153)));
    check(Outgoing {
        to: "+123456789012345678901".to_owned().into(),
        ..outgoing("hi")
    });
    check(Outgoing {
        to: String::new().into(),
        ..outgoing("hi")
    });
    check(Outgoing {
        sender: Some("a".repeat(21)),
        ..outgoing("hi")
    });
}

#[track_caller]
fn check_validity(seconds: u64, expected: &str) {
    let bounded = Outgoing {
        validity: Some(Duration::from_secs(seconds)),
        ..outgoing("hi")
    };
    assert_eq!(
        compose(&bounded, &settings("")).unwrap()[0]
            .sm
            .validity_period
            .to_text(),
        expected
    );
}

#[test]
fn validity_is_a_relative_time() {
    check_validity(0, "000000000001000R");
    check_validity(90, "000000000130000R");
    check_validity(2 * 86400 + 3 * 3600 + 4 * 60 + 5, "000002030405000R");
    check_validity(400 * 86400, "000030235959000R");
}

fn accepted(part: u8) -> PartAccepted {
    PartAccepted {
        part,
        provider_id: format!("id{part}"),
    }
}

#[track_caller]
fn check(ends: &[PartEnd], expected: Result<Accepted, SendError>) {
    assert_eq!(gather(ends, true, &Errors::default()), expected);
}

#[test]
fn the_ends_of_parts_come_to_one() {
    use PartEnd::{Accepted as Acked, NotSent as Unsent, Rejected, Unknown};
    let closed = || Unsent(NotSent::Closed);
    let refused = |code: &str, class, parts| {
        Err(SendError::Rejected {
            code: code.to_owned(),
            class,
            parts,
        })
    };
    check(
        &[Acked(accepted(1)), Acked(accepted(2))],
        Ok(Accepted {
            parts: vec![accepted(1), accepted(2)],
            receipt_expected: true,
        }),
    );
    check(
        &[closed(), closed()],
        Err(SendError::NotSent { reason: "closed" }),
    );
    check(
        &[Unsent(NotSent::Encoding)],
        Err(SendError::NotSent { reason: "encoding" }),
    );
    check(
        &[Acked(accepted(1)), Unknown],
        Err(SendError::Unknown {
            parts: vec![accepted(1)],
        }),
    );
    check(
        &[Unknown, Rejected(Status::RINVDSTADR)],
        Err(SendError::Unknown { parts: vec![] }),
    );
    check(
        &[Unknown, closed()],
        Err(SendError::Unknown { parts: vec![] }),
    );
    check(
        &[Acked(accepted(1)), Rejected(Status::RTHROTTLED)],
        refused("ESME_RTHROTTLED", ErrorClass::Throttle, vec![accepted(1)]),
    );
    check(
        &[
            Rejected(Status::RTHROTTLED),
            Rejected(Status::RINVDSTADR),
            Rejected(Status::RSYSERR),
        ],
        refused("ESME_RINVDSTADR", ErrorClass::PermanentRecipient, vec![]),
    );
    // Some out, some not begun: what is accepted is kept, and the rest may be tried again at once.
    check(
        &[Acked(accepted(1)), closed()],
        refused("closed", ErrorClass::Temporary, vec![accepted(1)]),
    );
}
