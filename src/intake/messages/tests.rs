//! The parser holds against anything, and says nothing of what it read.

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::MessageRequest;
use super::request::MEMBERS;

const MARK: &str = "Zebra77";

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,12}".prop_map(|text| Value::from(format!("{MARK}{text}"))),
        ".{0,12}".prop_map(Value::from),
        prop::sample::select(vec![
            "sms",
            "urgent",
            "+8613800000001",
            "his/1",
            "2026-12-01T09:00:00Z",
            "confirm",
            "bulk",
            "zh-CN",
        ])
        .prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 6, |inner| {
        let name = prop_oneof![
            prop::sample::select(MEMBERS.to_vec()).prop_map(str::to_owned),
            Just("phone".to_owned()),
            Just(MARK.to_owned()),
        ];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::vec((name, inner), 0..6)
                .prop_map(|members| Value::from(members.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

fn request() -> impl Strategy<Value = Value> {
    let member = prop::sample::select(MEMBERS.to_vec()).prop_map(str::to_owned);
    prop::collection::vec((member, value()), 0..8).prop_map(|members| {
        let mut request =
            json!({"class": "urgent", "to": {"phone": "+8613800000001"}, "text": "x"});
        if let Some(map) = request.as_object_mut() {
            map.extend(members);
        }
        request
    })
}

proptest! {
    #[test]
    fn nothing_breaks_the_reader_and_nothing_is_repeated(body in prop_oneof![request(), value()]) {
        match MessageRequest::read(&body, "CN", b"key") {
            Ok(request) => {
                let shown = format!("{request:?}");
                prop_assert!(!shown.contains("+86138"), "{shown}");
            }
            Err(fault) => {
                let shown = format!("{fault}");
                prop_assert!(!shown.contains(MARK) && !shown.contains("138000000"), "{shown}");
            }
        }
    }

    #[test]
    fn the_hash_knows_no_order_and_no_key(body in request(), key in "[a-z]{1,8}") {
        let Ok(one) = MessageRequest::read(&body, "CN", b"key") else { return Ok(()) };
        let Some(map) = body.as_object() else { return Ok(()) };
        let mut other: Map<String, Value> = map.iter().rev().map(|(k, v)| (k.clone(), v.clone())).collect();
        other.insert("idempotency_key".to_owned(), key.into());
        let two = MessageRequest::read(&Value::from(other.clone()), "CN", b"key");
        prop_assert_eq!(Some(&one.body_hash), two.as_ref().ok().map(|two| &two.body_hash));
        let salted = MessageRequest::read(&body, "CN", b"other").ok().map(|other| other.body_hash);
        prop_assert_ne!(Some(one.body_hash.clone()), salted);
        other.insert("reference".to_owned(), format!("{MARK}!").into());
        let changed = MessageRequest::read(&Value::from(other), "CN", b"key").ok().map(|other| other.body_hash);
        prop_assert_ne!(Some(one.body_hash), changed);
    }
}

#[test]
fn the_example_of_the_interface_is_read() {
    let body = json!({
        "class": "appointment", "channels": ["sms", "voice"], "to": {"phone": "+8613800000001"},
        "template": "visit_reminder", "language": "zh-CN", "data": {"time": "…"},
        "patient": "his/12345", "occasion": "his/A-77", "ask": "confirm",
        "send_at": "2026-12-01T09:00:00+08:00", "expires_at": "2026-12-02T09:00:00+08:00",
        "priority": "normal", "reference": "RIS-77",
    });
    let request = MessageRequest::read(&body, "CN", b"key").expect("it is right");
    assert_eq!(request.channels.len(), 2);
    assert_eq!(
        request.send_at.map(|at| at.to_string()).as_deref(),
        Some("2026-12-01T01:00:00Z")
    );
}
