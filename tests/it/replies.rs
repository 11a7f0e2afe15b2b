//! What patients answer, and what comes of it.

use crate::clinic::{Setup, each};

const ANA: &str = "+8613800000001";

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
