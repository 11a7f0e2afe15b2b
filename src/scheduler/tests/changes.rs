//! Promise 1: planning twice plans once; what changes supersedes what is planned and leaves what was sent.

use super::{APPOINTMENT, BIRTHDAY, RECHECK, book, clinics};

#[tokio::test]
async fn planning_twice_plans_once() {
    for clinic in clinics(&[("recheck", RECHECK)], "2026-07-02T10:00").await {
        let ana = clinic.patient("Ana").await;
        clinic.book(&ana, "recheck", "2026-07-24T10:00").await;
        clinic.run().await;
        let planned = clinic.reminders().await;
        assert_eq!(
            planned,
            [
                "4d staff planned",
                "3d patient planned",
                "1d patient planned"
            ]
        );
        clinic.mark_all().await;
        clinic.clock_to("2026-07-05T10:00").await;
        assert_eq!(clinic.reminders().await, planned);
        let touched = clinic
            .texts("SELECT id FROM reminder WHERE updated_at <> created_at")
            .await;
        assert!(touched.is_empty(), "nothing was written again");
    }
}

#[tokio::test]
async fn a_moved_booking_supersedes_what_is_planned_and_leaves_what_was_sent() {
    for clinic in clinics(&[("recheck", RECHECK)], "2026-07-02T10:00").await {
        let ana = clinic.patient("Ana").await;
        let visit = clinic.book(&ana, "recheck", "2026-07-24T10:00").await;
        clinic.run().await;
        clinic.clock_to("2026-07-21T09:00").await;
        assert_eq!(clinic.messages().await, ["Ana: recheck 2026-07-24 reply 1"]);
        clinic.shift(&visit, "2026-07-31T10:00").await;
        clinic.run().await;
        let expected = [
            "4d staff composed",
            "3d patient composed",
            "1d patient superseded/superseded",
            "4d staff planned",
            "3d patient planned",
            "1d patient planned",
        ];
        assert_eq!(clinic.reminders().await, expected);
        clinic.clock_to("2026-07-23T09:00").await;
        assert_eq!(
            clinic.messages().await.len(),
            1,
            "nothing goes out for the old date"
        );
        clinic.clock_to("2026-07-28T09:00").await;
        assert_eq!(
            clinic.messages().await.last().unwrap(),
            "Ana: recheck 2026-07-31 reply 1"
        );
    }
}

#[tokio::test]
async fn a_cancelled_booking_is_not_reminded_of_and_comes_back_when_it_comes_back() {
    for clinic in clinics(&[("recheck", RECHECK)], "2026-07-02T10:00").await {
        let ana = clinic.patient("Ana").await;
        clinic.book(&ana, "recheck", "2026-07-24T10:00").await;
        clinic.run().await;
        clinic
            .change("UPDATE occasion SET status = 'cancelled'", &[])
            .await;
        clinic.run().await;
        assert!(
            clinic
                .reminders()
                .await
                .iter()
                .all(|line| line.ends_with("superseded/superseded"))
        );
        clinic
            .change("UPDATE occasion SET status = 'booked'", &[])
            .await;
        clinic.run().await;
        assert_eq!(
            clinic.reminders().await,
            [
                "4d staff planned",
                "3d patient planned",
                "1d patient planned"
            ]
        );
    }
}

#[tokio::test]
async fn a_rule_edited_in_time_is_planned_anew_and_one_edited_in_words_is_not() {
    for mut clinic in clinics(
        &[("recheck", RECHECK), ("birthday", BIRTHDAY)],
        "2026-07-02T10:00",
    )
    .await
    {
        let ana = clinic.patient("Ana").await;
        clinic.book(&ana, "recheck", "2026-07-24T10:00").await;
        clinic.run().await;
        clinic.reopen(&[(
            "recheck",
            &RECHECK.replace("title = \"Recheck\"", "title = \"Control\""),
        )]);
        clinic.run().await;
        let touched = clinic
            .texts("SELECT id FROM reminder WHERE updated_at <> created_at AND rule_id = 'recheck'")
            .await;
        assert!(touched.is_empty(), "words plan nothing");
        clinic.clock.advance(jiff::SignedDuration::from_mins(1));
        clinic.reopen(&[(
            "recheck",
            &RECHECK
                .replace("\"3d\", \"1d\"", "\"2d\", \"1d\"")
                .replace("09:00", "10:00"),
        )]);
        clinic.run().await;
        let expected = [
            "4d staff planned",
            "3d patient superseded/superseded",
            "2d patient planned",
            "1d patient planned",
        ];
        assert_eq!(clinic.reminders().await, expected);
        // A rule that is off or gone takes its plan along; switched on again it plans from now.
        clinic.reopen(&[("recheck", &format!("mode = \"off\"\n{RECHECK}"))]);
        clinic.run().await;
        assert!(
            clinic
                .reminders()
                .await
                .iter()
                .all(|line| line.contains("superseded"))
        );
        clinic.reopen(&[("recheck", RECHECK)]);
        clinic.run().await;
        assert_eq!(
            clinic
                .reminders()
                .await
                .iter()
                .filter(|line| line.ends_with("planned"))
                .count(),
            3
        );
    }
}

#[tokio::test]
async fn after_downtime_what_is_still_useful_goes_out_once() {
    for clinic in clinics(&[("recheck", RECHECK)], "2026-07-02T10:00").await {
        let (ana, bo) = (clinic.patient("Ana").await, clinic.patient("Bo").await);
        clinic.book(&ana, "recheck", "2026-07-24T10:00").await;
        clinic.book(&bo, "recheck", "2026-07-22T08:30").await;
        clinic.run().await;
        // Nobody was there from here until the 22nd; meanwhile records came in.
        clinic.clock.set(super::at("2026-07-22T10:00"));
        clinic.mark_all().await;
        clinic.run().await;
        assert_eq!(
            clinic.messages().await,
            ["Ana: recheck 2026-07-24 reply 1"],
            "late but of use, and no second one as a catch-up"
        );
        let lines = clinic.reminders().await;
        assert_eq!(
            lines
                .iter()
                .filter(|line| line.ends_with("skipped/too_late"))
                .count(),
            3,
            "{lines:?}"
        );
        clinic.clock_to("2026-07-23T09:00").await;
        assert_eq!(clinic.messages().await.len(), 2);
    }
}

#[tokio::test]
async fn a_late_booking_gets_one_catch_up() {
    for clinic in clinics(&[("recheck", RECHECK)], "2026-07-23T12:00").await {
        let ana = clinic.patient("Ana").await;
        clinic.book(&ana, "recheck", "2026-07-24T10:00").await;
        clinic.run().await;
        clinic.clock.advance(jiff::SignedDuration::from_mins(30));
        clinic.mark_all().await;
        clinic.run().await;
        assert_eq!(clinic.messages().await, ["Ana: recheck 2026-07-24 reply 1"]);
        assert_eq!(
            clinic.tasks().await,
            ["task reminder clinical 1 Recheck of Ana"]
        );
    }
}

#[tokio::test]
async fn a_booking_that_came_in_while_nobody_planned_is_planned_as_of_then() {
    for clinic in clinics(&[("appointment", APPOINTMENT)], "2026-07-20T18:00").await {
        let ana = clinic.patient("Ana").await;
        clinic.book(&ana, "appointment", "2026-07-24T10:00").await;
        clinic.clock_to("2026-07-21T07:00").await;
        assert_eq!(
            clinic.tasks().await,
            ["popup reminder clinical 1 New booking"]
        );
        clinic.mark_all().await;
        clinic.clock_to("2026-07-21T08:00").await;
        assert_eq!(clinic.tasks().await.len(), 1, "and once");
    }
}

#[tokio::test]
async fn birthdays_are_planned_as_they_come_within_two_days() {
    for clinic in clinics(&[("birthday", BIRTHDAY)], "2026-03-01T10:00").await {
        clinic.patient("Ana").await;
        clinic.born("Leap", "1984-02-29").await;
        clinic.run().await;
        assert!(clinic.reminders().await.is_empty());
        clinic.clock_to("2026-03-31T10:00").await;
        assert_eq!(clinic.reminders().await, ["0d patient planned"]);
        clinic.clock_to("2026-04-02T09:00").await;
        clinic.clock_to("2026-04-02T09:05").await;
        assert_eq!(clinic.messages().await, ["Happy birthday, Ana!"]);
        clinic.clock_to("2027-02-28T09:00").await;
        assert_eq!(
            clinic.messages().await,
            ["Happy birthday, Ana!", "Happy birthday, Leap!"]
        );
    }
}

#[tokio::test]
async fn one_bad_rule_harms_no_other() {
    let broken = RECHECK.replace("class = \"appointment\"", "class = \"appointmnt\"");
    assert_eq!(book(&[("recheck", &broken), ("birthday", BIRTHDAY)]).1, 1);
    for mut clinic in clinics(
        &[("recheck", RECHECK), ("birthday", BIRTHDAY)],
        "2026-03-20T10:00",
    )
    .await
    {
        let ana = clinic.patient("Ana").await;
        clinic.book(&ana, "recheck", "2026-04-05T10:00").await;
        clinic.run().await;
        clinic.reopen(&[("recheck", &broken), ("birthday", BIRTHDAY)]);
        clinic.clock_to("2026-04-02T09:00").await;
        assert_eq!(clinic.messages().await, ["Happy birthday, Ana!"]);
        // What the bad one planned waits for its repair.
        clinic.reopen(&[("recheck", RECHECK), ("birthday", BIRTHDAY)]);
        clinic.clock_to("2026-04-02T11:00").await;
        assert_eq!(
            clinic.messages().await.last().unwrap(),
            "Ana: recheck 2026-04-05 reply 1"
        );
    }
}
