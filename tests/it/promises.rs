//! The promises of ARCHITECTURE.md, each by its number.

use carebell::simulator::conduct::{Conduct, Receipts, Texts};
use carebell::store::Store;
use jiff::SignedDuration;
use serde_json::json;

use crate::clinic::records::person;
use crate::clinic::{LOOK, Setup, each, on_the_wall};

const ANA: &str = "+8613800000001";
const BO: &str = "+8613800000002";

/// A rule with one text at nine, so many days before.
macro_rules! rule {
    ($lead:literal) => {
        concat!(
            "title = \"Recheck\"\ndepartment = \"clinical\"\nclass = \"appointment\"\n[trigger]\non = \"recheck\"\n[[step]]\nto = \"patient\"\nbefore = [",
            $lead,
            "]\nat = \"09:00\"\nsend = \"recheck\"\nask = \"confirm\"\n"
        )
    };
}

fn recheck(at: &str) -> serde_json::Value {
    json!({"patient": "P1", "kind": "recheck", "at": at})
}

#[tokio::test]
async fn promise_1_planning_twice_plans_once_and_a_changed_rule_leaves_what_was_sent() {
    let setup = Setup {
        rules: Some(vec![("recheck", rule!("\"3d\", \"1d\""))]),
        ..Setup::default()
    };
    each(setup, async |clinic| {
        let ana = clinic.somebody("P1", "Ana Gómez", ANA).await;
        let first = clinic.occasion("R1", recheck("2026-03-30T09:30")).await;
        clinic.settle().await;
        for _ in 0..3 {
            clinic.patient("P1", person("Ana Gómez", ANA)).await;
            clinic.occasion("R1", recheck("2026-03-30T09:30")).await;
            clinic.settle().await;
        }
        assert_eq!(first.fault_count, 0);
        assert_eq!(clinic.one::<i64>("SELECT COUNT(*) FROM reminder").await, 2);
        clinic.clock_to("2026-03-27 09:00").await;
        assert_eq!(ana.texts().len(), 1);
        clinic.stop().await;
        clinic.write("rules/recheck.toml", rule!("\"3d\", \"2d\""));
        clinic.start().await;
        clinic.settle().await;
        let now: Vec<(String, String)> = clinic
            .rows("SELECT lead, state FROM reminder ORDER BY due_at")
            .await;
        let now: Vec<(&str, &str)> = now
            .iter()
            .map(|(lead, state)| (lead.as_str(), state.as_str()))
            .collect();
        assert_eq!(
            now,
            [("3d", "composed"), ("2d", "planned"), ("1d", "superseded")]
        );
        clinic.clock_to("2026-03-28 09:00").await;
        clinic.clock_to("2026-03-29 09:00").await;
        assert_eq!(ana.texts().len(), 2);
    })
    .await;
}

#[tokio::test]
async fn promise_2_facts_are_checked_when_composed_and_what_is_not_sent_names_its_reason() {
    let setup = Setup {
        rules: Some(vec![("recheck", rule!("\"3d\", \"1d\""))]),
        ..Setup::default()
    };
    each(setup, async |clinic| {
        let ana = clinic.somebody("P1", "Ana Gómez", ANA).await;
        clinic.occasion("R1", recheck("2026-03-30T09:30")).await;
        clinic.settle().await;
        clinic.clock_to("2026-03-27 09:00").await;
        ana.reply("1");
        clinic.settle().await;
        let mut gone = person("Ana Gómez", ANA);
        gone["deceased"] = json!(true);
        clinic.patient("P1", gone).await;
        clinic.clock_to("2026-03-29 09:00").await;
        let ends: Vec<(String, String)> = clinic.rows("SELECT state, COALESCE(reason, '') FROM reminder WHERE template = 'recheck' AND lead = '1d'").await;
        assert_eq!(ends, [("skipped".to_owned(), "deceased".to_owned())]);
        assert_eq!(ana.texts().len(), 2);
    })
    .await;
}

#[tokio::test]
async fn promise_3_nothing_arrives_after_it_is_useless() {
    each(Setup::default(), async |clinic| {
        let ana = clinic.somebody("P1", "Ana Gómez", ANA).await;
        let bo = clinic.somebody("P2", "Bo Larsen", BO).await;
        clinic.book("A1", "P1", "2026-03-30T09:30").await;
        // One waits in the network for a phone that is off, one in the house for a line that is down.
        let off = clinic.carrier().network.phone(ANA);
        off.switch(false);
        clinic.clock_to("2026-03-28 09:00").await;
        clinic.carrier().line.cut();
        clinic.book_unsettled("A2", "P2", "2026-03-30T09:40").await;
        clinic
            .until("Bo's text waits", async || clinic.states().await.len() == 2)
            .await;
        clinic
            .clock
            .set(on_the_wall("Asia/Shanghai", "2026-03-30 09:00"));
        clinic
            .until("Bo's text runs out", async || {
                clinic.states().await.last().unwrap() == "expired"
            })
            .await;
        clinic.carrier().line.mend();
        off.switch(true);
        clinic
            .until("the network tells", async || {
                clinic.states().await == ["expired", "expired"]
            })
            .await;
        assert_eq!((ana.texts().len(), bo.texts().len()), (0, 0));
    })
    .await;
}

#[tokio::test]
async fn promise_4_the_attempt_is_journalled_before_the_wire_and_settled_after() {
    each(Setup::default(), async |clinic| {
        let http = clinic.http().await;
        clinic.settle().await;
        clinic.carrier().line.hold_answers();
        let body =
            json!({"class": "clinical", "to": {"phone": ANA}, "text": "Your results are in."});
        assert_eq!(http.post("/v1/messages", "", &body).await.status, 202);
        clinic.carrier().has_seen(1).await;
        let phases: Vec<(String,)> = clinic.rows("SELECT phase FROM attempt").await;
        assert_eq!(phases, [("prepared".to_owned(),)]);
        // No transaction is open while the wire is waited for: others write.
        clinic.patient("P1", person("Ana Gómez", BO)).await;
        clinic.carrier().line.mend();
        clinic.settle().await;
        let phases: Vec<(String,)> = clinic.rows("SELECT phase FROM attempt").await;
        assert_eq!(
            (phases, clinic.states().await),
            (vec![("accepted".to_owned(),)], vec!["delivered".to_owned()])
        );
    })
    .await;
}

#[tokio::test]
async fn promise_5_what_the_network_tells_is_acknowledged_once_stored_and_repeats_are_dropped() {
    let repeats = Conduct {
        receipts: Receipts {
            repeated: 100,
            ..Receipts::default()
        },
        texts: Texts {
            repeated: 100,
            ..Texts::default()
        },
        ..Conduct::default()
    };
    each(Setup::with(repeats), async |clinic| {
        let ana = clinic.somebody("P1", "Ana Gómez", ANA).await;
        clinic.book("A1", "P1", "2026-03-30T09:30").await;
        clinic.clock_to("2026-03-28 09:00").await;
        let before = clinic.carrier().network.counts().handed_over;
        // The store takes nothing in for a while.
        let store = &clinic.app().house.store;
        let mut busy = store.write().await.unwrap();
        if matches!(store, Store::Postgres { .. }) {
            busy.run("LOCK TABLE inbox IN ACCESS EXCLUSIVE MODE")
                .await
                .unwrap();
        }
        ana.reply("1");
        let mut look = tokio::time::interval(LOOK);
        for _ in 0..10 {
            look.tick().await;
            assert_eq!(
                clinic.carrier().network.counts().handed_over,
                before,
                "nothing is stored yet"
            );
        }
        busy.rollback().await.unwrap();
        clinic.settle().await;
        assert_eq!(clinic.confirmation("A1").await, "confirmed");
        let counts = clinic.carrier().network.counts();
        assert!(counts.receipts >= 4 && counts.texts == 2, "{counts:?}");
        assert_eq!(clinic.one::<i64>("SELECT COUNT(*) FROM reply").await, 1);
        assert_eq!(ana.texts().len(), 2, "one question, one answer");
    })
    .await;
}

#[tokio::test]
async fn promise_6_stop_wrong_number_and_death_win_at_once() {
    each(Setup::default(), async |clinic| {
        let http = clinic.http().await;
        let ana = clinic.somebody("P1", "Ana Gómez", ANA).await;
        clinic.somebody("P2", "Bo Larsen", BO).await;
        clinic.settle().await;
        for patient in ["his/P1", "his/P2"] {
            let later = json!({"class": "clinical", "patient": patient, "text": "Your results are in.", "send_at": "2026-03-20T12:00:00+08:00"});
            let answer = http.post("/v1/messages", "", &later).await;
            assert_eq!(answer.status, 202, "{answer:?}");
        }
        let mut gone = person("Bo Larsen", BO);
        gone["deceased"] = json!(true);
        clinic.patient("P2", gone).await;
        // Nothing had to run for it: the same transaction did it.
        assert_eq!(clinic.states().await, ["scheduled", "suppressed"]);
        ana.reply("STOP");
        clinic.settle().await;
        assert_eq!(clinic.states().await, ["suppressed", "suppressed"]);
        clinic.pass(SignedDuration::from_hours(3)).await;
        assert_eq!((ana.texts().len(), clinic.phone(BO).texts().len()), (1, 0));
    })
    .await;
}

#[tokio::test]
async fn promise_7_in_doubt_the_booking_stays_and_an_emergency_reaches_a_person_first() {
    each(Setup::default(), async |clinic| {
        let ana = clinic.somebody("P1", "Ana Gómez", ANA).await;
        clinic.book("A1", "P1", "2026-03-30T09:30").await;
        clinic.clock_to("2026-03-28 09:00").await;
        ana.reply("maybe, if my sister lets me");
        clinic.settle().await;
        assert_eq!(clinic.confirmation("A1").await, "awaiting");
        assert_eq!(clinic.tasks().await, ["reply"]);
        ana.reply("I have severe chest pain and cannot breathe");
        clinic.settle().await;
        assert_eq!(clinic.confirmation("A1").await, "awaiting");
        let urgent: Vec<(String, String)> = clinic
            .rows("SELECT kind, priority FROM task WHERE priority = 'urgent'")
            .await;
        assert_eq!(urgent, [("emergency".to_owned(), "urgent".to_owned())]);
    })
    .await;
}

#[tokio::test]
async fn promise_8_a_sensitive_patient_never_reaches_the_disk_and_is_purged_when_flagged_later() {
    each(Setup::default(), async |clinic| {
        let mut secret = person("Zenobia Quartermain", ANA);
        secret["sensitive"] = json!(true);
        let report = clinic.patient("P1", secret).await;
        assert_eq!((report.sensitive_patients, report.purged), (1, 0));
        clinic.occasion("A1", json!({"patient": "P1", "kind": "appointment", "at": "2026-03-30T09:30", "place": "Quartermain wing"})).await;
        clinic.settle().await;
        assert_eq!(clinic.one::<i64>("SELECT COUNT(*) FROM patient").await, 0);
        // Another one is known, has been written to and has answered before the flag comes.
        let bo = clinic.somebody("P2", "Ottoline Ravensworth", BO).await;
        clinic.book("A2", "P2", "2026-03-30T09:30").await;
        clinic.clock_to("2026-03-28 09:00").await;
        bo.reply("Yes, Ottoline Ravensworth here");
        clinic.settle().await;
        let mut secret = person("Ottoline Ravensworth", BO);
        secret["sensitive"] = json!(true);
        assert_eq!(clinic.patient("P2", secret).await.purged, 1);
        clinic.settle().await;
        for words in ["Quartermain", "Zenobia", "Ravensworth", "Ottoline", "13800000001", "13800000002"] {
            assert_eq!(clinic.on_disk(words).await, [] as [String; 0], "{words}");
        }
    })
    .await;
}
