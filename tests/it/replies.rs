//! What patients answer, and what comes of it.

use serde_json::json;

use crate::clinic::{Clinic, Setup, each};

const ANA: &str = "+8613800000001";
const MUM: &str = "+8613800000002";

/// Two reminders of a recheck, each of which asks.
const TWO_ASK: &str = "title = \"Recheck\"\ndepartment = \"clinical\"\nclass = \"appointment\"\n[trigger]\non = \"recheck\"\n\
    [[step]]\nto = \"patient\"\nbefore = [\"3d\", \"1d\"]\nat = \"09:00\"\nsend = \"recheck\"\nask = \"confirm\"\n\
    [[step]]\nto = \"staff\"\nbefore = [\"0d\"]\nat = \"07:00\"\nsend = \"recheck_staff\"\nby = [\"task\"]\n";

fn two_ask() -> Setup {
    Setup {
        rules: Some(vec![("recheck", TWO_ASK)]),
        ..Setup::default()
    }
}

/// Ana has a recheck on 30 March at 9:30 and was asked three days before.
async fn ana_was_asked(clinic: &Clinic) -> crate::clinic::carrier::Phone {
    let ana = clinic.somebody("P1", "Ana Gómez", ANA).await;
    clinic
        .occasion(
            "R1",
            json!({"patient": "P1", "kind": "recheck", "at": "2026-03-30T09:30"}),
        )
        .await;
    clinic.settle().await;
    clinic.clock_to("2026-03-27 09:00").await;
    assert_eq!(ana.texts().len(), 1);
    ana
}

#[tokio::test]
async fn a_reply_of_1_confirms_the_booking_and_the_patient_hears_so() {
    each(Setup::default(), async |clinic| {
        let ana = clinic.somebody("P1", "Ana Gómez", ANA).await;
        clinic.book("A1", "P1", "2026-03-30T09:30").await;
        clinic.clock_to("2026-03-28 09:00").await;
        assert_eq!(
            ana.texts(),
            ["Lakeside Hospital: Dear Ana Gómez, your appointment is on Monday 30 March at 09:30. Reply 1 to confirm, 2 to cancel, 3 to reschedule. STOP to opt out."]
        );
        assert_eq!(clinic.confirmation("A1").await, "awaiting");
        ana.reply("1");
        clinic.settle().await;
        assert_eq!(clinic.confirmation("A1").await, "confirmed");
        assert!(ana.last().starts_with("Lakeside Hospital: confirmed, we look forward to seeing you on Monday 30 March at 09:30"), "{}", ana.last());
        assert_eq!(clinic.states().await, ["delivered"]);
    })
    .await;
}

#[tokio::test]
async fn a_reply_of_2_declines_raises_a_change_request_and_ends_what_remains_for_the_patient() {
    each(two_ask(), async |clinic| {
        let ana = ana_was_asked(clinic).await;
        ana.reply("2");
        clinic.settle().await;
        assert_eq!(clinic.confirmation("R1").await, "declined");
        let wishes: Vec<(String, String)> =
            clinic.rows("SELECT wish, state FROM change_request").await;
        assert_eq!(wishes, [("cancel".to_owned(), "new".to_owned())]);
        assert_eq!(clinic.tasks().await, ["change_request"]);
        assert!(
            ana.last().contains("you will not come on Monday 30 March"),
            "{}",
            ana.last()
        );
        clinic.clock_to("2026-03-29 09:00").await;
        assert_eq!(ana.texts().len(), 2, "the second reminder stays away");
        assert_eq!(
            clinic.skipped().await,
            [("recheck".to_owned(), "declined".to_owned())]
        );
        clinic.clock_to("2026-03-30 07:00").await;
        let staff: i64 = clinic
            .one("SELECT COUNT(*) FROM task WHERE kind = 'reminder'")
            .await;
        assert_eq!(staff, 1, "what staff hear of stays");
    })
    .await;
}

#[tokio::test]
async fn a_reply_of_3_asks_for_a_change_and_reminding_goes_on_without_asking() {
    each(two_ask(), async |clinic| {
        let ana = ana_was_asked(clinic).await;
        ana.reply("3");
        clinic.settle().await;
        assert_eq!(clinic.confirmation("R1").await, "change_requested");
        let wishes: Vec<(String, String)> =
            clinic.rows("SELECT wish, state FROM change_request").await;
        assert_eq!(wishes, [("reschedule".to_owned(), "new".to_owned())]);
        assert!(
            ana.last()
                .contains("Until then your booking on Monday 30 March at 09:30 stands"),
            "{}",
            ana.last()
        );
        clinic.clock_to("2026-03-29 09:00").await;
        assert_eq!(ana.texts().len(), 3);
        assert!(!ana.last().contains("Reply 1"), "{}", ana.last());
    })
    .await;
}

#[tokio::test]
async fn whoever_answers_1_after_2_comes_after_all() {
    each(two_ask(), async |clinic| {
        let ana = ana_was_asked(clinic).await;
        ana.reply("2");
        clinic.settle().await;
        ana.reply("1");
        clinic.settle().await;
        assert_eq!(clinic.confirmation("R1").await, "confirmed");
        let wishes: Vec<(String, String)> =
            clinic.rows("SELECT wish, state FROM change_request").await;
        assert_eq!(wishes, [("cancel".to_owned(), "superseded".to_owned())]);
    })
    .await;
}

#[tokio::test]
async fn stop_ends_everything_at_once_with_one_confirmation() {
    each(two_ask(), async |clinic| {
        let http = clinic.http().await;
        let later = json!({"class": "clinical", "to": {"phone": ANA}, "text": "Your results are in.", "send_at": "2026-03-28T10:00:00+08:00"});
        let ana = ana_was_asked(clinic).await;
        assert_eq!(http.post("/v1/messages", "", &later).await.status, 202);
        ana.reply("STOP");
        clinic.settle().await;
        assert_eq!(ana.texts().len(), 2);
        assert!(ana.last().contains("you are opted out"), "{}", ana.last());
        assert_eq!(clinic.states().await, ["delivered", "suppressed"]);
        let afterwards = http.post("/v1/messages", "", &json!({"class": "clinical", "to": {"phone": ANA}, "text": "One more."})).await;
        assert_eq!(afterwards.json()["state"], "suppressed");
        clinic.clock_to("2026-03-29 09:00").await;
        assert_eq!(ana.texts().len(), 2);
        let instead: i64 = clinic.one("SELECT COUNT(*) FROM task WHERE patient_id IS NOT NULL").await;
        assert_eq!(instead, 1, "staff are asked to reach out in another way");
        ana.reply("STOP");
        clinic.settle().await;
        assert_eq!(ana.texts().len(), 2, "a second STOP has nothing to confirm");
        assert_eq!(clinic.confirmation("R1").await, "awaiting", "STOP says nothing about the booking");
    })
    .await;
}

#[tokio::test]
async fn start_takes_a_stop_back() {
    each(two_ask(), async |clinic| {
        let ana = ana_was_asked(clinic).await;
        ana.reply("STOP");
        clinic.settle().await;
        ana.reply("START");
        clinic.settle().await;
        assert_eq!(ana.texts().len(), 3);
        clinic.clock_to("2026-03-29 09:00").await;
        assert_eq!(ana.texts().len(), 4, "{:?}", clinic.skipped().await);
    })
    .await;
}

#[tokio::test]
async fn a_wrong_number_is_left_in_peace_and_staff_hear_of_it() {
    each(two_ask(), async |clinic| {
        let ana = ana_was_asked(clinic).await;
        ana.reply("打错了");
        clinic.settle().await;
        assert_eq!(ana.texts().len(), 1, "nobody there wants an answer");
        let marked: Vec<(String,)> = clinic.rows("SELECT status FROM contact_point").await;
        assert_eq!(marked, [("wrong_number".to_owned(),)]);
        assert!(clinic.tasks().await.contains(&"reply".to_owned()));
        clinic.clock_to("2026-03-29 09:00").await;
        assert_eq!(ana.texts().len(), 1);
    })
    .await;
}

#[tokio::test]
async fn an_unclear_reply_leaves_the_booking_alone_and_becomes_a_task() {
    each(two_ask(), async |clinic| {
        let ana = ana_was_asked(clinic).await;
        ana.reply("purple umbrella");
        clinic.settle().await;
        assert_eq!(clinic.confirmation("R1").await, "awaiting");
        assert_eq!(clinic.tasks().await, ["reply"]);
        assert!(
            ana.last().contains("we did not understand"),
            "{}",
            ana.last()
        );
        ana.reply("green elephant");
        clinic.settle().await;
        assert_eq!(ana.texts().len(), 2, "we say so once a day");
        ana.reply("1");
        clinic.settle().await;
        assert_eq!(
            clinic.confirmation("R1").await,
            "confirmed",
            "the question still stands"
        );
    })
    .await;
}

#[tokio::test]
async fn a_guardian_gets_a_minors_reminder_and_answers_it() {
    each(Setup::default(), async |clinic| {
        let child = json!({"name": {"full": "Leo Gómez"}, "birth_date": "2016-05-01", "language": "en", "contacts": [{"phone": ANA}],
            "relations": [{"relation": "guardian", "name": {"full": "Ana Gómez"}, "language": "en", "consented": true, "contacts": [{"phone": MUM}]}]});
        clinic.patient("P1", child).await;
        clinic.book("A1", "P1", "2026-03-30T09:30").await;
        clinic.clock_to("2026-03-28 09:00").await;
        let (own, mum) = (clinic.phone(ANA), clinic.phone(MUM));
        assert_eq!(own.texts(), [] as [&str; 0]);
        assert!(mum.last().contains("the appointment of Leo Gómez"), "{}", mum.last());
        mum.reply("1");
        clinic.settle().await;
        assert_eq!(clinic.confirmation("A1").await, "confirmed");
        assert_eq!((own.texts().len(), mum.texts().len()), (0, 2));
    })
    .await;
}
