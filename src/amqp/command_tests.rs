//! What commands are read as, and what is said of those that cannot be.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::tz::TimeZone;
use lapin::BasicProperties;
use lapin::types::{AMQPValue, FieldTable};
use serde_json::{Value, json};

use super::{CLIENT, Cancel, Command, Reader, Which};
use crate::intake::SiteInfo;
use crate::intake::messages::testing;
use crate::intake::sensitive::Sensitive;
use crate::model::class::Class;
use crate::store::testing as stores;

async fn reader() -> (Reader, stores::TestStore) {
    let test = stores::sqlite().await.expect("a file");
    let records = SiteInfo {
        timezone: TimeZone::get("Asia/Shanghai").expect("a zone"),
        country: "CN".to_owned(),
        address_key: b"bench".to_vec(),
        sensitive: Sensitive::default(),
        clearings: Vec::new(),
    };
    let reader = Reader {
        intake: testing::intake(&test.store),
        records: Arc::new(records),
        source: "his".to_owned(),
        clients: BTreeMap::from([("ris".to_owned(), "key_1".to_owned())]),
        own_user: "carebell".to_owned(),
    };
    (reader, test)
}

fn by(app: &str) -> BasicProperties {
    BasicProperties::default().with_app_id(app.into())
}

fn read(
    reader: &Reader,
    key: &str,
    properties: &BasicProperties,
    body: &Value,
) -> Result<Command, (&'static str, String)> {
    let read = reader.read(key, properties, body.to_string().as_bytes(), 0);
    read.map_err(|fault| (fault.code, fault.path))
}

#[tokio::test]
async fn the_class_is_that_of_the_routing_key() {
    let (reader, _test) = reader().await;
    let body = json!({"to": {"phone": "+8613800000001"}, "text": "x"});
    let told = read(&reader, "message.send.survey", &by("his"), &body);
    let Ok(Command::Send(order)) = told else {
        panic!("{told:?}")
    };
    assert_eq!(
        (order.request.class, order.source.as_str()),
        (Class::Survey, "amqp:his")
    );
    let mut other = body.clone();
    other["class"] = json!("urgent");
    let told = read(&reader, "message.send.survey", &by("his"), &other);
    assert_eq!(told.err(), Some(("class_disagrees", "class".to_owned())));
    for key in [
        "message.send.reply",
        "message.send.news",
        "message.send",
        "patient.delete",
        "x",
        "",
    ] {
        let told = read(&reader, key, &by("his"), &body);
        assert_eq!(
            told.err(),
            Some(("unknown_routing_key", "routing_key".to_owned())),
            "{key}"
        );
    }
}

#[tokio::test]
async fn the_same_message_has_the_same_hash_by_http_and_by_amqp() {
    let (reader, _test) = reader().await;
    let whole = json!({"class": "survey", "to": {"phone": "+8613800000001"}, "text": "x", "idempotency_key": "k"});
    let site = &reader.intake;
    let by_http =
        crate::intake::messages::MessageRequest::read(&whole, "CN", &site.desk.address_key);
    let bare = json!({"to": {"phone": "+8613800000001"}, "text": "x"});
    let told = read(
        &reader,
        "message.send.survey",
        &by("ris").with_message_id("k".into()),
        &bare,
    );
    let Ok(Command::Send(order)) = told else {
        panic!("{told:?}")
    };
    let by_http = by_http.expect("a request");
    assert_eq!(order.request.body_hash, by_http.body_hash);
    assert_eq!(order.request.idempotency_key, by_http.idempotency_key);
    assert_eq!(order.source, "api:key_1", "ris holds that key");
}

#[tokio::test]
async fn a_client_is_whom_the_broker_vouches_for() {
    let (reader, _test) = reader().await;
    let body = json!({"idempotency_key": "k"});
    let source =
        |properties: BasicProperties| match read(&reader, "message.cancel", &properties, &body) {
            Ok(Command::Cancel(Cancel {
                source,
                which: Which::Key(_),
            })) => source,
            other => panic!("{other:?}"),
        };
    assert_eq!(source(BasicProperties::default()), "amqp:default");
    assert_eq!(source(by("his").with_user_id("lab".into())), "amqp:lab");
    let mut headers = FieldTable::default();
    headers.insert(CLIENT.into(), AMQPValue::LongString("lab".into()));
    let forged = by("his").with_headers(headers.clone());
    assert_eq!(
        source(forged.clone()),
        "amqp:his",
        "anybody can write a header"
    );
    assert_eq!(
        source(forged.with_user_id("carebell".into())),
        "amqp:lab",
        "nobody else is us"
    );
    let told = read(&reader, "message.cancel", &by("a b"), &body);
    assert_eq!(told.err(), Some(("invalid_property", "app_id".to_owned())));
}

#[tokio::test]
async fn a_record_is_named_by_source_and_key_or_by_both_at_once() {
    let (reader, _test) = reader().await;
    let visit = json!({"patient": "his/P1", "kind": "appointment", "at": "2026-03-30T09:30"});
    let check = |more: Value, expected: Result<&str, &str>| {
        let mut body = visit.clone();
        body.as_object_mut()
            .expect("an object")
            .extend(more.as_object().expect("an object").clone());
        let told = match read(&reader, "occasion.upsert", &by("his"), &body) {
            Ok(Command::Occasion(key, _)) => Ok(format!("{}/{}", key.source, key.key.reveal())),
            Ok(other) => panic!("{other:?}"),
            Err((code, _)) => Err(code),
        };
        assert_eq!(told.as_deref().map_err(|code| *code), expected, "{more}");
    };
    check(json!({"source": "ris", "key": "A1"}), Ok("ris/A1"));
    check(json!({"key": "A1"}), Ok("his/A1"));
    check(json!({"occasion": "ris/A/1"}), Ok("ris/A/1"));
    check(json!({}), Err("missing_field"));
    check(json!({"source": "ris"}), Err("missing_field"));
    check(json!({"key": ""}), Err("invalid_value"));
    check(json!({"key": 7}), Err("invalid_value"));
    check(json!({"source": "a/b", "key": "1"}), Err("invalid_value"));
    check(
        json!({"key": "A1", "occasion": "his/A1"}),
        Err("invalid_value"),
    );
}
