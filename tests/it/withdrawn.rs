//! What a record makes needless or forbids while its text waits for the carrier is taken back with the record.

use serde_json::{Value, json};

use crate::clinic::records::person;
use crate::clinic::{Clinic, Setup, each, on_the_wall};

const ANA: &str = "+8613800000001";
const MUM: &str = "+8613900000009";

/// A shot is due; who had one since half a year before needs none.
const SHOT: &str = "title = \"Shot\"\ndepartment = \"clinical\"\nclass = \"clinical\"\n[trigger]\non = \"vaccination\"\n[stop]\nfact = \"vaccination\"\ncode = [\"J07\"]\nsince = \"6mo\"\n[[step]]\nto = \"patient\"\nbefore = [\"2d\"]\nsend = \"vaccination\"\nby = [\"sms\"]\nask = \"confirm\"\n";

/// Two words before a recheck; whoever comes after the first needs no second.
const TWICE: &str = "title = \"Recheck\"\ndepartment = \"clinical\"\nclass = \"appointment\"\n[trigger]\non = \"recheck\"\n[[step]]\nto = \"patient\"\nbefore = [\"5d\"]\nsend = \"recheck\"\nby = [\"sms\"]\nask = \"confirm\"\ngroup = \"g\"\n[[step]]\nto = \"patient\"\nbefore = [\"2d\"]\nsend = \"recheck\"\nby = [\"sms\"]\ngroup = \"g\"\n";

fn only(id: &'static str, rule: &'static str) -> Setup {
    Setup {
        rules: Some(vec![(id, rule)]),
        ..Setup::default()
    }
}

/// Cuts the line and lets the hour come at which something is to be sent: it waits in the house.
async fn waits(clinic: &Clinic, hour: &str, messages: usize) {
    clinic.carrier().line.cut();
    let http = clinic.http().await;
    clinic
        .until("the line is seen to be down", async || {
            http.get("/v1/providers").await.json()["data"][0]["up"] == false
        })
        .await;
    clinic.clock.set(on_the_wall("Asia/Shanghai", hour));
    clinic
        .until("the text is queued", async || {
            clinic.states().await.len() == messages
        })
        .await;
}

/// `state reason` of every message, in the order they were made.
async fn ends(clinic: &Clinic) -> Vec<String> {
    let all: Vec<(String, Option<String>)> = clinic
        .rows("SELECT state, reason FROM message ORDER BY created_at, id")
        .await;
    let line = |(state, reason): (String, Option<String>)| {
        format!("{state} {}", reason.unwrap_or_default())
    };
    all.into_iter().map(line).collect()
}

async fn mends(clinic: &Clinic) {
    clinic.carrier().line.mend();
    clinic.settle().await;
}

/// Ana's shot is on 30 March, and the text about it waits.
async fn anas_shot_waits(clinic: &Clinic) {
    clinic.somebody("P1", "Ana Gómez", ANA).await;
    clinic
        .occasion(
            "V1",
            json!({"patient": "P1", "kind": "vaccination", "at": "2026-03-30T09:30"}),
        )
        .await;
    clinic.settle().await;
    waits(clinic, "2026-03-28 09:00", 1).await;
}

fn ana_with(facts: &Value) -> Value {
    let mut record = person("Ana Gómez", ANA);
    record["facts"] = facts.clone();
    record
}

#[tokio::test]
async fn a_shot_in_the_record_takes_back_the_text_that_waits_for_the_carrier() {
    each(only("shot", SHOT), async |clinic| {
        anas_shot_waits(clinic).await;
        let shot = json!([{"kind": "vaccination", "code": "J07BB02", "on": "2026-03-27"}]);
        clinic.patient("P1", ana_with(&shot)).await;
        assert_eq!(ends(clinic).await, ["cancelled done"]);
        mends(clinic).await;
        assert_eq!(clinic.phone(ANA).texts().len(), 0);
        // Whoever looks first, planner or composer: nothing of it is left to send.
        let left = "SELECT COUNT(*) FROM reminder WHERE state NOT IN ('skipped', 'superseded')";
        assert_eq!(clinic.one::<i64>(left).await, 0);
    })
    .await;
}

#[tokio::test]
async fn another_shot_and_one_too_long_ago_take_nothing_back_for_good() {
    for shot in [
        json!([{"kind": "vaccination", "code": "L03", "on": "2026-03-27"}]),
        json!([{"kind": "vaccination", "code": "J07BB02", "on": "2025-03-27"}]),
    ] {
        each(only("shot", SHOT), async |clinic| {
            anas_shot_waits(clinic).await;
            clinic.patient("P1", ana_with(&shot)).await;
            mends(clinic).await;
            assert_eq!(clinic.phone(ANA).texts().len(), 1);
            clinic.phone(ANA).reply("1");
            clinic.settle().await;
            assert_eq!(clinic.confirmation("V1").await, "confirmed");
        })
        .await;
    }
}

#[tokio::test]
async fn a_visit_takes_back_the_second_word_that_waits_for_the_carrier() {
    for came in [
        json!({"patient": "P1", "kind": "appointment", "at": "2026-03-27T15:00", "status": "fulfilled"}),
        Value::Null,
    ] {
        each(only("twice", TWICE), async |clinic| {
            let ana = clinic.somebody("P1", "Ana Gómez", ANA).await;
            clinic
                .occasion(
                    "R1",
                    json!({"patient": "P1", "kind": "recheck", "at": "2026-03-30T09:30"}),
                )
                .await;
            clinic.settle().await;
            clinic.clock_to("2026-03-25 09:00").await;
            assert_eq!(ana.texts().len(), 1);
            waits(clinic, "2026-03-28 09:00", 2).await;
            if came.is_null() {
                let visit = json!([{"kind": "encounter", "code": "AMB", "on": "2026-03-27"}]);
                clinic.patient("P1", ana_with(&visit)).await;
            } else {
                clinic.occasion("A1", came.clone()).await;
            }
            assert_eq!(ends(clinic).await[1], "cancelled done");
            mends(clinic).await;
            assert_eq!(ana.texts().len(), 1);
        })
        .await;
    }
}

#[tokio::test]
async fn what_waits_for_the_dead_the_sensitive_and_who_refuses_is_taken_back() {
    let with = |key: &str, value: Value| {
        let mut record = person("Ana Gómez", ANA);
        record[key] = value;
        record
    };
    let refuses = |scope: &str| with("consent", json!([{"scope": scope, "granted": false}]));
    for (record, expected) in [
        (with("deceased", json!(true)), Some("suppressed deceased")),
        (with("sensitive", json!(true)), None),
        (with("active", json!(false)), Some("suppressed held")),
        (refuses("all"), Some("suppressed opted_out")),
        (refuses("clinical"), Some("suppressed opted_out")),
        (refuses("sms"), Some("suppressed opted_out")),
    ] {
        each(only("shot", SHOT), async |clinic| {
            anas_shot_waits(clinic).await;
            clinic.patient("P1", record.clone()).await;
            assert_eq!(ends(clinic).await, expected.as_slice(), "{record}");
            mends(clinic).await;
            assert_eq!(clinic.phone(ANA).texts().len(), 0, "{record}");
        })
        .await;
    }
    each(only("shot", SHOT), async |clinic| {
        anas_shot_waits(clinic).await;
        clinic.patient("P1", refuses("survey")).await;
        mends(clinic).await;
        assert_eq!(clinic.phone(ANA).texts().len(), 1);
    })
    .await;
}

/// A boy whose mother may hear of him as `may` says.
fn kid(may: &Value) -> Value {
    let mut mum =
        json!({"relation": "parent", "name": {"full": "Mum"}, "contacts": [{"phone": MUM}]});
    for (key, value) in may.as_object().unwrap() {
        mum[key] = value.clone();
    }
    json!({"name": {"full": "Kid"}, "birth_date": "2016-06-15", "language": "en", "relations": [mum]})
}

#[tokio::test]
async fn what_waits_for_a_relation_goes_with_the_relation_and_with_the_consent() {
    let nobody = json!({"name": {"full": "Kid"}, "birth_date": "2016-06-15", "language": "en"});
    for record in [
        nobody,
        kid(&json!({"consented": false})),
        kid(&json!({"consented_to": []})),
        kid(&json!({"consented_to": ["appointment", "survey"]})),
        kid(&json!({"consented": false, "consented_to": ["clinical"]})),
    ] {
        each(only("shot", SHOT), async |clinic| {
            clinic
                .patient("P1", kid(&json!({"consented_to": ["clinical", "survey"]})))
                .await;
            clinic
                .occasion(
                    "V1",
                    json!({"patient": "P1", "kind": "vaccination", "at": "2026-03-30T09:30"}),
                )
                .await;
            clinic.settle().await;
            waits(clinic, "2026-03-28 09:00", 1).await;
            clinic.patient("P1", record.clone()).await;
            assert_eq!(ends(clinic).await, ["suppressed no_consent"], "{record}");
            mends(clinic).await;
            assert_eq!(clinic.phone(MUM).texts().len(), 0, "{record}");
            // Nobody hears of it now, so a person does.
            assert_eq!(clinic.tasks().await.len(), 1, "{record}");
        })
        .await;
    }
}

#[tokio::test]
async fn a_relation_hears_of_the_classes_that_the_consent_names_and_of_no_others() {
    let rules = Setup {
        rules: Some(vec![("shot", SHOT), ("twice", TWICE)]),
        ..Setup::default()
    };
    for (may, texts) in [
        (json!({"consented_to": ["clinical"]}), 1),
        (json!({"consented_to": ["clinical", "appointment"]}), 3),
        (json!({"consented_to": ["all"]}), 3),
        (json!({"consented": true}), 3),
        (
            json!({"consented": true, "consented_to": ["appointment"]}),
            2,
        ),
        (json!({"consented_to": ["promotion"]}), 0),
    ] {
        each(rules.clone(), async |clinic| {
            clinic.patient("P1", kid(&may)).await;
            for kind in ["vaccination", "recheck"] {
                let body = json!({"patient": "P1", "kind": kind, "at": "2026-03-30T09:30"});
                clinic.occasion(kind, body).await;
            }
            clinic.settle().await;
            clinic.clock_to("2026-03-25 09:00").await;
            clinic.clock_to("2026-03-28 09:00").await;
            assert_eq!(clinic.phone(MUM).texts().len(), texts, "{may}");
        })
        .await;
    }
}

#[tokio::test]
async fn what_waits_for_a_number_in_other_hands_is_taken_back() {
    each(only("shot", SHOT), async |clinic| {
        let http = clinic.http().await;
        let ana = clinic.somebody("P1", "Ana Gómez", ANA).await;
        let body = json!({"patient": "P1", "kind": "vaccination", "at": "2026-03-22T09:30"});
        clinic.occasion("V1", body).await;
        clinic.settle().await;
        let later = json!({"class": "clinical", "patient": "his/P1", "text": "Your results are in.", "send_at": "2026-03-21T12:00:00+08:00"});
        assert_eq!(http.post("/v1/messages", "", &later).await.status, 202);
        clinic.clock_to("2026-03-20 10:30").await;
        assert_eq!(ana.texts().len(), 1, "booked late: told at once");
        ana.reply("wrong number");
        clinic.settle().await;
        let mut ends = ends(clinic).await;
        ends.sort_unstable();
        assert_eq!(ends, ["delivered ", "suppressed wrong_number"]);
        clinic.clock_to("2026-03-21 13:00").await;
        assert_eq!(ana.texts().len(), 1);
    })
    .await;
}
