//! Golden PDUs, a second codec as oracle, what carriers get wrong, and mutations.

use bytes::{Bytes, BytesMut};
use proptest::prelude::{any, proptest};

use super::codec::{BadPdu, MAX_FRAME_LEN, decode, next_frame};
use super::encode::{TooLong, encode};
use super::golden::{address, golden, ok, tlvs};
use super::pdu::{BindKind, BindResp, Body, Pdu, QueryResp, Sm, SmResp};
use super::status::Status;
use super::tlv::Tlvs;

fn bytes(hex: &str) -> Bytes {
    let digits: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
    digits
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

#[test]
fn every_command_is_written_and_read_to_the_octet() {
    for (hex, pdu) in golden() {
        assert_eq!(encode(&pdu).unwrap(), bytes(hex), "{hex}");
        assert_eq!(decode(bytes(hex)), Ok(pdu), "{hex}");
    }
}

/// `rusmpp` reads what we write, and writes it the same.
#[test]
fn another_codec_agrees() {
    use rusmpp::decode::DecodeWithLength;
    use rusmpp::encode::Length;
    use rusmpp::encode::owned::Encode;

    for (hex, pdu) in golden() {
        let ours = encode(&pdu).unwrap();
        let mut rest = BytesMut::from(&ours[4..]);
        let length = rest.len();
        let (command, _) =
            <rusmpp::Command as DecodeWithLength>::decode(&mut rest, length).unwrap();
        assert_eq!(command.sequence_number(), pdu.sequence, "{hex}");
        let mut theirs = BytesMut::with_capacity(4 + command.length());
        theirs.extend_from_slice(&u32::try_from(4 + command.length()).unwrap().to_be_bytes());
        command.encode(&mut theirs);
        assert_eq!(theirs.freeze(), ours, "{hex}");
    }
}

#[test]
fn what_another_codec_builds_is_read() {
    use rusmpp::encode::Length;
    use rusmpp::encode::owned::Encode;
    use rusmpp::pdus::DeliverSm;
    use rusmpp::types::{COctetString, OctetString};
    use rusmpp::values::{DataCoding, EsmClass, Npi, Ton};

    let deliver = DeliverSm::builder()
        .source_addr_ton(Ton::International)
        .source_addr_npi(Npi::Isdn)
        .source_addr(COctetString::from_static_slice(b"8613800000001\0").unwrap())
        .destination_addr(COctetString::from_static_slice(b"10690000\0").unwrap())
        .esm_class(EsmClass::from(0x40))
        .data_coding(DataCoding::Ucs2)
        .short_message(OctetString::from_static_slice(&[5, 0, 3, 1, 2, 2, 0x4F, 0x60]).unwrap())
        .build();
    let command = rusmpp::Command::new(rusmpp::CommandStatus::EsmeRok, 77, deliver);
    let mut frame = BytesMut::from(&u32::try_from(4 + command.length()).unwrap().to_be_bytes()[..]);
    command.encode(&mut frame);

    let Ok(Pdu {
        sequence: 77,
        body: Body::DeliverSm(sm),
        ..
    }) = decode(frame.freeze())
    else {
        panic!("not read")
    };
    assert_eq!(
        (sm.source, sm.dest),
        (address(1, 1, "8613800000001"), address(0, 0, "10690000"))
    );
    assert_eq!((sm.esm_class, sm.data_coding), (0x40, 8));
    assert_eq!(sm.short_message.reveal(), [5, 0, 3, 1, 2, 2, 0x4F, 0x60]);
}

#[track_caller]
fn check_read(hex: &str, body: Body) {
    assert_eq!(decode(bytes(hex)).map(|pdu| pdu.body), Ok(body));
}

#[test]
fn what_carriers_get_wrong_is_read() {
    let answer = |id: &[u8], tlvs| {
        Body::SubmitSmResp(SmResp {
            message_id: id.into(),
            tlvs,
        })
    };
    // No NUL behind the id, no body at all, an id of 70 letters.
    check_read(
        "00000012 80000004 00000000 00000001 4131",
        answer(b"A1", Tlvs::new()),
    );
    check_read(
        "00000010 80000004 00000000 00000001",
        answer(b"", Tlvs::new()),
    );
    let long = format!("00000057 80000004 00000000 00000001 {} 00", "41".repeat(70));
    check_read(&long, answer(&[0x41; 70], Tlvs::new()));
    // An unknown parameter is kept, half of one is not in the way.
    check_read(
        "00000019 80000004 00000000 00000001 4100 1501 0001 FF 0204",
        answer(b"A", tlvs(&[(0x1501, &[0xFF])])),
    );
    // A response that no command of ours has.
    check_read(
        "00000012 80000021 00000000 00000001 4100",
        Body::OtherResp(0x8000_0021, b"A\0"[..].into()),
    );
    // An enquire_link with a body leaves the stream as it was.
    check_read(
        "00000012 00000015 00000000 00000001 0000",
        Body::EnquireLink,
    );
    // A bind_resp without the NUL.
    check_read(
        "00000014 80000009 00000000 00000001 534D5343",
        Body::BindResp(
            BindKind::Transceiver,
            BindResp {
                system_id: "SMSC".into(),
                tlvs: Tlvs::new(),
            },
        ),
    );
    // Non-ASCII and overlong addresses, and an octet behind the last field.
    let source = format!("E9{}", "39".repeat(30));
    let hex = format!(
        "00000043 00000005 00000000 00000001 00 01 01 {source} 00 00 00 00 00 00 00 00 00 00 00 00 00 02 4142 99"
    );
    let Body::DeliverSm(sm) = decode(bytes(&hex)).unwrap().body else {
        panic!("not read")
    };
    assert_eq!(sm.source.addr.to_text(), format!("é{}", "9".repeat(30)));
    assert_eq!(
        (sm.short_message.reveal(), sm.trailing.reveal()),
        (&b"AB"[..], &[0x99][..])
    );
}

#[track_caller]
fn check_refused(hex: &str, status: Status, answer: Option<Body>) {
    let bad: BadPdu = decode(bytes(hex)).unwrap_err();
    assert_eq!(bad.status, status);
    assert_eq!(
        bad.answer(),
        answer.map(|body| Pdu {
            status,
            sequence: 9,
            body
        })
    );
}

#[test]
fn what_cannot_be_read_is_answered() {
    // A text longer than the PDU; a body that ends early; no body; an unknown command.
    let deliver =
        "00000021 00000005 00000000 00000009 00 0000 00 0000 00 00 00 00 00 00 00 00 00 00 FF";
    check_refused(
        deliver,
        Status::RINVMSGLEN,
        Some(Body::DeliverSmResp(SmResp::default())),
    );
    check_refused(
        "00000014 00000004 00000000 00000009 00 01 01 31",
        Status::RINVMSGLEN,
        Some(Body::SubmitSmResp(SmResp::default())),
    );
    check_refused(
        "00000010 00000003 00000000 00000009",
        Status::RINVMSGLEN,
        Some(Body::QuerySmResp(QueryResp::default())),
    );
    check_refused(
        "00000010 00000777 00000000 00000009",
        Status::RINVCMDID,
        Some(Body::GenericNack),
    );
}

#[test]
fn frames_are_cut_by_their_length_alone() {
    let mut stream = BytesMut::from(
        &bytes("00000012 00000015 00000000 00000001 FFFF 00000010 00000777 0000")[..],
    );
    assert_eq!(next_frame(&mut stream).unwrap().unwrap().len(), 18);
    assert_eq!(next_frame(&mut stream), Ok(None));
    stream.extend_from_slice(&[0, 0, 0, 0, 0, 5]);
    assert_eq!(next_frame(&mut stream).unwrap().unwrap().len(), 16);
    assert!(stream.is_empty());
    for length in [0, 15, u32::try_from(MAX_FRAME_LEN).unwrap() + 1, u32::MAX] {
        let mut stream = BytesMut::from(&length.to_be_bytes()[..]);
        assert_eq!(next_frame(&mut stream).unwrap_err().sequence, 0);
        stream.extend_from_slice(&[0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 42]);
        assert_eq!(next_frame(&mut stream).unwrap_err().sequence, 42);
    }
}

#[test]
fn what_does_not_fit_its_length_is_not_written() {
    let text = |length| Sm {
        short_message: vec![0x41; length].into(),
        ..Sm::default()
    };
    assert!(encode(&ok(1, Body::SubmitSm(Box::new(text(255))))).is_ok());
    assert_eq!(
        encode(&ok(1, Body::SubmitSm(Box::new(text(256))))),
        Err(TooLong)
    );
    let payload = Sm {
        tlvs: tlvs(&[(0x0424, &[0; 65536])]),
        ..Sm::default()
    };
    assert_eq!(
        encode(&ok(1, Body::SubmitSm(Box::new(payload)))),
        Err(TooLong)
    );
    // A NUL within a string ends it; the fields behind it keep their places.
    let split = Sm {
        source: address(1, 1, "12\x0034"),
        ..text(2)
    };
    let Body::SubmitSm(read) = decode(encode(&ok(1, Body::SubmitSm(Box::new(split)))).unwrap())
        .unwrap()
        .body
    else {
        panic!("not read")
    };
    assert_eq!(
        (
            read.source.addr.to_text().as_str(),
            read.short_message.len()
        ),
        ("12", 2)
    );
}

#[test]
fn nothing_of_a_person_shows_in_debug() {
    for (_, pdu) in golden() {
        let shown = format!("{pdu:?}");
        for secret in ["8613800000001", "secret08", "id:7", "Hi"] {
            assert!(!shown.contains(secret), "{shown}");
        }
    }
}

/// Any damage within a frame costs that frame at most: what follows is read, and nothing panics.
#[test]
fn the_stream_survives_mutations() {
    let (_, good) = golden().swap_remove(0);
    let follower = encode(&good).unwrap();
    // A generator of our own so that each run is the same: xorshift64.
    let mut random = 0x9E37_79B9_7F4A_7C15_u64;
    let mut next = |below: usize| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        usize::try_from(random % u64::try_from(below).unwrap()).unwrap()
    };
    for (_, pdu) in golden() {
        let frame = encode(&pdu).unwrap();
        for _ in 0..5_000 {
            let mut damaged = frame.to_vec();
            for _ in 0..=next(4) {
                // The length itself stays: another test has it.
                let at = 4 + next(damaged.len() - 4);
                damaged[at] = u8::try_from(next(256)).unwrap();
            }
            if next(4) == 0 {
                damaged.truncate(16 + next(damaged.len() - 15));
                let length = u32::try_from(damaged.len()).unwrap();
                damaged[..4].copy_from_slice(&length.to_be_bytes());
            }
            let mut stream = BytesMut::from(&damaged[..]);
            stream.extend_from_slice(&follower);
            match decode(next_frame(&mut stream).unwrap().unwrap()) {
                Ok(read) => drop(encode(&read).map(|octets| decode(octets).is_ok())),
                Err(bad) => drop(bad.answer().map(|answer| encode(&answer).unwrap())),
            }
            assert_eq!(
                decode(next_frame(&mut stream).unwrap().unwrap()),
                Ok(good.clone())
            );
        }
    }
}

proptest! {
    #[test]
    fn no_octets_panic(octets in any::<Vec<u8>>()) {
        let mut stream = BytesMut::from(&octets[..]);
        while let Ok(Some(frame)) = next_frame(&mut stream) {
            let _ = decode(frame);
        }
        let mut frame = BytesMut::from(&u32::try_from(octets.len() + 4).unwrap().to_be_bytes()[..]);
        frame.extend_from_slice(&octets);
        let _ = decode(frame.freeze());
    }

    #[test]
    fn what_is_read_is_written_the_same(
        text in any::<Vec<u8>>(), source in "[^\0]{0,20}", coding in any::<u8>(), tag in any::<u16>(), value in any::<Vec<u8>>(),
    ) {
        let sm = Sm {
            source: address(1, 1, &source),
            data_coding: coding,
            short_message: text[..text.len().min(254)].into(),
            tlvs: tlvs(&[(tag, &value)]),
            ..Sm::default()
        };
        let pdu = ok(5, Body::DeliverSm(Box::new(sm)));
        assert_eq!(decode(encode(&pdu).unwrap()), Ok(pdu));
    }
}
