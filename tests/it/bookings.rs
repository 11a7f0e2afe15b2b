//! Bookings that move, end or lack something.

use serde_json::json;

use crate::clinic::{Setup, each};

const ANA: &str = "+8613800000001";

/// A text that prints the place without asking whether there is one.
const BLUNT: &str = "+++\ntitle = \"Appointment\"\n+++\n{{ site.name }}: please come to {{ occasion.place }}. Reply 1 to confirm.\n";

/// A rule that does not tell of a move at once.
const SILENT: &str = "title = \"Appointment\"\ndepartment = \"clinical\"\nclass = \"appointment\"\n[trigger]\non = \"appointment\"\n\
    [[step]]\nto = \"patient\"\nbefore = [\"2d\"]\nsend = \"appointment\"\nask = \"confirm\"\n";

#[tokio::test]
async fn a_moved_booking_is_planned_anew_and_the_old_question_no_longer_binds() {
    let silent = Setup {
        rules: Some(vec![("appointment", SILENT)]),
        ..Setup::default()
    };
    each(silent, async |clinic| {
        let ana = clinic.somebody("P1", "Ana Gómez", ANA).await;
        clinic.book("A1", "P1", "2026-03-30T09:30").await;
        clinic.clock_to("2026-03-28 09:00").await;
        clinic.clock_to("2026-03-28 10:00").await;
        clinic.book("A1", "P1", "2026-04-10T14:00").await;
        let texts = ana.texts().len();
        ana.reply("1");
        clinic.settle().await;
        assert_ne!(
            clinic.confirmation("A1").await,
            "confirmed",
            "that was said of the old time"
        );
        assert_eq!(clinic.tasks().await, ["reply"]);
        clinic.clock_to("2026-04-08 09:00").await;
        assert!(ana.texts().len() > texts);
        assert!(
            ana.last().contains("Friday 10 April at 14:00"),
            "{}",
            ana.last()
        );
        ana.reply("1");
        clinic.settle().await;
        assert_eq!(clinic.confirmation("A1").await, "confirmed");
    })
    .await;
}

#[tokio::test]
async fn a_confirmation_dies_when_the_booking_moves() {
    each(Setup::default(), async |clinic| {
        let ana = clinic.somebody("P1", "Ana Gómez", ANA).await;
        clinic.book("A1", "P1", "2026-03-30T09:30").await;
        clinic.clock_to("2026-03-28 09:00").await;
        ana.reply("1");
        clinic.settle().await;
        clinic.book("A1", "P1", "2026-03-31T09:30").await;
        assert_ne!(clinic.confirmation("A1").await, "confirmed");
        clinic.book("A1", "P1", "2026-03-31T09:30").await;
        let epoch: i64 = clinic.one("SELECT epoch FROM occasion").await;
        assert_eq!(epoch, 2, "the same record again moves nothing");
    })
    .await;
}

#[tokio::test]
async fn a_booking_that_moves_before_its_reminder_is_reminded_of_once_at_the_new_time() {
    each(Setup::default(), async |clinic| {
        let ana = clinic.somebody("P1", "Ana Gómez", ANA).await;
        clinic.book("A1", "P1", "2026-03-30T09:30").await;
        clinic.book("A1", "P1", "2026-04-02T09:30").await;
        clinic.clock_to("2026-03-28 09:00").await;
        assert_eq!(ana.texts().len(), 0);
        clinic.clock_to("2026-03-31 09:00").await;
        assert_eq!(ana.texts().len(), 1);
        let gone: i64 = clinic
            .one("SELECT COUNT(*) FROM reminder WHERE role = 'patient' AND state = 'superseded'")
            .await;
        assert_eq!(gone, 1);
    })
    .await;
}

#[tokio::test]
async fn a_cancelled_booking_sends_nothing() {
    each(Setup::default(), async |clinic| {
        let ana = clinic.somebody("P1", "Ana Gómez", ANA).await;
        clinic.book("A1", "P1", "2026-03-30T09:30").await;
        clinic.occasion("A1", json!({"patient": "P1", "kind": "appointment", "at": "2026-03-30T09:30", "status": "cancelled"})).await;
        clinic.clock_to("2026-03-28 09:00").await;
        clinic.clock_to("2026-03-30 12:00").await;
        assert_eq!(ana.texts().len(), 0);
        assert_eq!(clinic.states().await, [] as [&str; 0]);
    })
    .await;
}

#[tokio::test]
async fn a_booking_cancelled_while_its_text_waits_for_the_carrier_takes_the_text_back() {
    each(Setup::default(), async |clinic| {
        let ana = clinic.somebody("P1", "Ana Gómez", ANA).await;
        clinic.book("A1", "P1", "2026-03-30T09:30").await;
        clinic.carrier().line.cut();
        let http = clinic.http().await;
        clinic
            .until("the line is seen to be down", async || {
                http.get("/v1/providers").await.json()["data"][0]["up"] == false
            })
            .await;
        clinic.clock.set(crate::clinic::on_the_wall("Asia/Shanghai", "2026-03-28 09:00"));
        clinic.until("the text is queued", async || clinic.states().await.len() == 1).await;
        clinic.occasion("A1", json!({"patient": "P1", "kind": "appointment", "at": "2026-03-30T09:30", "status": "cancelled"})).await;
        assert_eq!(clinic.states().await, ["cancelled"]);
        clinic.carrier().line.mend();
        clinic.settle().await;
        assert_eq!(ana.texts().len(), 0);
    })
    .await;
}

#[tokio::test]
async fn a_value_that_is_missing_stops_the_text_and_tells_staff() {
    let blunt = Setup {
        templates: vec![("appointment/en.sms.txt", BLUNT)],
        ..Setup::default()
    };
    each(blunt, async |clinic| {
        let ana = clinic.somebody("P1", "Ana Gómez", ANA).await;
        clinic.book("A1", "P1", "2026-03-30T09:30").await;
        clinic.clock_to("2026-03-28 09:00").await;
        assert_eq!(ana.texts().len(), 0);
        assert_eq!(
            clinic.skipped().await,
            [("appointment".to_owned(), "missing_value".to_owned())]
        );
        assert_eq!(clinic.tasks().await, ["missing_value"]);
    })
    .await;
}
