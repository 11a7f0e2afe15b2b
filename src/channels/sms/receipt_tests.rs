//! Receipts in the dialects of carriers.

use super::receipt::read;
use crate::channels::ReceiptStatus;
use crate::channels::ReceiptStatus::{
    Accepted, Delivered, EnRoute, Expired, Rejected, Undeliverable, Unknown,
};
use crate::channels::sms::smpp::pdu::{Address, Sm};
use crate::model::provider_id::spellings as canonical_ids;

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
    let told = Sm {
        short_message: "stat:EXPIRED".into(),
        ..sm.clone()
    };
    assert_eq!(read(&told).unwrap().network.status, Expired);
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
