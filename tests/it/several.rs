//! Several visits of one day, visits that move, and what makes a reminder needless.

use serde_json::json;

use crate::clinic::carrier::Phone;
use crate::clinic::{Clinic, Setup, each};

const ANA: &str = "+8613800000001";

/// Ana has two bookings on 30 March and was told of both two days before.
async fn ana_has_two(clinic: &Clinic) -> Phone {
    let ana = clinic.somebody("P1", "Ana Gómez", ANA).await;
    clinic.book("A2", "P1", "2026-03-30T14:00").await;
    clinic.book("A1", "P1", "2026-03-30T09:30").await;
    clinic.clock_to("2026-03-28 09:00").await;
    ana
}

async fn both(clinic: &Clinic) -> [String; 2] {
    [
        clinic.confirmation("A1").await,
        clinic.confirmation("A2").await,
    ]
}

async fn wishes(clinic: &Clinic) -> Vec<(String, String)> {
    clinic
        .rows(
            "SELECT o.source_key, c.wish FROM change_request c JOIN occasion o ON o.id = c.occasion_id
            WHERE c.state = 'new' ORDER BY o.source_key",
        )
        .await
}

fn wish(key: &str, wish: &str) -> (String, String) {
    (key.to_owned(), wish.to_owned())
}

#[tokio::test]
async fn two_bookings_on_one_day_are_told_in_one_message_and_1_confirms_both() {
    each(Setup::default(), async |clinic| {
        let ana = ana_has_two(clinic).await;
        assert_eq!(
            ana.texts(),
            [
                "Lakeside Hospital: Dear Ana Gómez, you have 2 visits coming up:\n\
              1) Monday 30 March at 09:30\n2) Monday 30 March at 14:00\n\
              Reply 1 to confirm all, 2 to cancel, 3 to reschedule. STOP to opt out."
            ]
        );
        assert_eq!(
            clinic.skipped().await,
            [("appointment".to_owned(), "merged".to_owned())]
        );
        ana.reply("1");
        clinic.settle().await;
        assert_eq!(both(clinic).await, ["confirmed", "confirmed"]);
        assert!(
            ana.last()
                .contains("at all 2 visits:\n1) Monday 30 March at 09:30\n2)"),
            "{}",
            ana.last()
        );
    })
    .await;
}

#[tokio::test]
async fn a_bare_2_cancels_none_of_several_but_asks_which() {
    each(Setup::default(), async |clinic| {
        let ana = ana_has_two(clinic).await;
        ana.reply("2");
        clinic.settle().await;
        assert_eq!(both(clinic).await, ["awaiting", "awaiting"]);
        assert_eq!(
            ana.last(),
            "Lakeside Hospital: which visit do you mean? Please reply with its number:\n\
             1) Monday 30 March at 09:30\n2) Monday 30 March at 14:00"
        );
        assert_eq!(
            clinic.tasks().await,
            ["reply"],
            "should no answer come, a person knows"
        );
        ana.reply("2");
        clinic.settle().await;
        assert_eq!(both(clinic).await, ["awaiting", "declined"]);
        assert_eq!(wishes(clinic).await, [wish("A2", "cancel")]);
        assert!(
            ana.last()
                .contains("you will not come on Monday 30 March at 14:00"),
            "{}",
            ana.last()
        );
        // The answer says that 1 takes it back.
        ana.reply("1");
        clinic.settle().await;
        assert_eq!(both(clinic).await, ["confirmed", "confirmed"]);
        assert_eq!(wishes(clinic).await, []);
    })
    .await;
}

#[tokio::test]
async fn who_says_all_or_names_one_is_not_asked() {
    for (text, expected, open) in [
        (
            "cancel all",
            ["declined", "declined"],
            vec![wish("A1", "cancel"), wish("A2", "cancel")],
        ),
        (
            "全部取消",
            ["declined", "declined"],
            vec![wish("A1", "cancel"), wish("A2", "cancel")],
        ),
        (
            "Please cancel the first one",
            ["declined", "awaiting"],
            vec![wish("A1", "cancel")],
        ),
    ] {
        each(Setup::default(), async |clinic| {
            let ana = ana_has_two(clinic).await;
            ana.reply(text);
            clinic.settle().await;
            assert_eq!(both(clinic).await, expected, "{text}");
            assert_eq!(wishes(clinic).await, open, "{text}");
        })
        .await;
    }
}

#[tokio::test]
async fn a_3_asks_which_visit_is_to_be_moved() {
    each(Setup::default(), async |clinic| {
        let ana = ana_has_two(clinic).await;
        ana.reply("3");
        clinic.settle().await;
        assert!(ana.last().contains("which visit"), "{}", ana.last());
        ana.reply("1");
        clinic.settle().await;
        assert_eq!(both(clinic).await, ["change_requested", "awaiting"]);
        assert_eq!(wishes(clinic).await, [wish("A1", "reschedule")]);
    })
    .await;
}

#[tokio::test]
async fn whoever_does_not_say_which_gets_a_person() {
    each(Setup::default(), async |clinic| {
        let ana = ana_has_two(clinic).await;
        ana.reply("2");
        clinic.settle().await;
        ana.reply("cancel");
        clinic.settle().await;
        assert_eq!(both(clinic).await, ["awaiting", "awaiting"]);
        assert_eq!(ana.texts().len(), 2, "nobody is asked twice");
        assert_eq!(clinic.tasks().await, ["reply", "reply"]);
    })
    .await;
}

#[tokio::test]
async fn one_of_two_that_is_called_off_in_time_is_not_told_of() {
    each(Setup::default(), async |clinic| {
        let ana = clinic.somebody("P1", "Ana Gómez", ANA).await;
        clinic.book("A1", "P1", "2026-03-30T09:30").await;
        clinic.book("A2", "P1", "2026-03-30T14:00").await;
        clinic.carrier().line.cut();
        let http = clinic.http().await;
        clinic
            .until("the line is seen to be down", async || {
                http.get("/v1/providers").await.json()["data"][0]["up"] == false
            })
            .await;
        clinic.clock.set(crate::clinic::on_the_wall("Asia/Shanghai", "2026-03-28 09:00"));
        clinic
            .until("the text is queued", async || clinic.states().await.len() == 1)
            .await;
        clinic
            .occasion("A1", json!({"patient": "P1", "kind": "appointment", "at": "2026-03-30T09:30", "status": "cancelled"}))
            .await;
        clinic
            .until("the rest is told anew", async || clinic.states().await.len() == 2)
            .await;
        clinic.carrier().line.mend();
        clinic.settle().await;
        assert_eq!(clinic.states().await, ["cancelled", "delivered"]);
        assert_eq!(ana.texts().len(), 1);
        assert!(
            ana.last().contains("your appointment is on Monday 30 March at 14:00"),
            "{}",
            ana.last()
        );
    })
    .await;
}

#[tokio::test]
async fn a_moved_booking_tells_who_was_told() {
    each(Setup::default(), async |clinic| {
        let ana = clinic.somebody("P1", "Ana Gómez", ANA).await;
        let bo = clinic.somebody("P2", "Bo Li", "+8613800000002").await;
        clinic.book("A1", "P1", "2026-03-30T09:30").await;
        clinic.book("B1", "P2", "2026-04-20T09:30").await;
        clinic.clock_to("2026-03-28 09:00").await;
        clinic.clock_to("2026-03-28 10:00").await;
        clinic.book("A1", "P1", "2026-04-10T14:00").await;
        clinic.book("B1", "P2", "2026-04-21T14:00").await;
        assert_eq!(ana.texts().len(), 2);
        assert_eq!(
            ana.last(),
            "Lakeside Hospital: Dear Ana Gómez, your booking has moved to Friday 10 April at 14:00. \
             Reply 1 to confirm, 2 to cancel, 3 to reschedule. STOP to opt out."
        );
        assert_eq!(bo.texts().len(), 0, "he never knew of the old date");
        assert_eq!(
            clinic.skipped().await,
            [("moved".to_owned(), "not_told".to_owned())]
        );
        ana.reply("1");
        clinic.settle().await;
        assert_eq!(clinic.confirmation("A1").await, "confirmed");
    })
    .await;
}

const FOLLOW_UP: &str = "title = \"Follow-up\"\ndepartment = \"clinical\"\nclass = \"clinical\"\n[trigger]\non = \"discharge\"\n\
    [[step]]\nto = \"patient\"\nafter = [\"7d\", \"14d\"]\nsend = \"custom\"\ngroup = \"come\"\n\
    [[step]]\nto = \"staff\"\nafter = [\"21d\"]\nby = [\"task\"]\nsend = \"recheck_staff\"\ngroup = \"come\"\n";

#[tokio::test]
async fn a_visit_clears_the_rest_of_the_group() {
    let setup = Setup {
        rules: Some(vec![("follow_up", FOLLOW_UP)]),
        templates: vec![(
            "custom/en.sms.txt",
            "+++\ntitle = \"Come\"\n+++\n{{ site.name }}: please book your check-up.\n",
        )],
        ..Setup::default()
    };
    each(setup, async |clinic| {
        let ana = clinic.somebody("P1", "Ana Gómez", ANA).await;
        clinic
            .occasion("D1", json!({"patient": "P1", "kind": "discharge", "at": "2026-03-21T09:30"}))
            .await;
        clinic.settle().await;
        clinic.clock_to("2026-03-28 09:00").await;
        assert_eq!(ana.texts().len(), 1);
        clinic
            .occasion("V1", json!({"patient": "P1", "kind": "appointment", "at": "2026-03-30T09:30", "status": "fulfilled"}))
            .await;
        clinic.settle().await;
        clinic.clock_to("2026-04-04 09:00").await;
        clinic.clock_to("2026-04-11 09:00").await;
        assert_eq!(ana.texts().len(), 1);
        assert_eq!(
            clinic.skipped().await,
            [("custom".to_owned(), "done".to_owned())]
        );
        let staff: i64 = clinic.one("SELECT COUNT(*) FROM task").await;
        assert_eq!(staff, 0);
    })
    .await;
}

const INVITE: &str = "title = \"Birthday\"\ndepartment = \"clinical\"\nclass = \"clinical\"\n[trigger]\non = \"birthday\"\n\
    [[step]]\nto = \"patient\"\nbefore = [\"3d\", \"1d\"]\nsend = \"custom\"\nask = \"rsvp\"\nunless = \"answered\"\n";

#[tokio::test]
async fn who_answered_an_invitation_is_not_invited_again() {
    let setup = Setup {
        at: "2026-06-10 10:00",
        rules: Some(vec![("birthday", INVITE)]),
        templates: vec![(
            "custom/en.sms.txt",
            "+++\ntitle = \"Invitation\"\n+++\n{{ site.name }}: come to our tea. Reply 1 if you do.\n",
        )],
        ..Setup::default()
    };
    each(setup, async |clinic| {
        let ana = clinic.somebody("P1", "Ana Gómez", ANA).await;
        clinic.settle().await;
        clinic.clock_to("2026-06-12 09:00").await;
        assert_eq!(ana.texts().len(), 1);
        ana.reply("1");
        clinic.settle().await;
        let title: String = clinic.one("SELECT title FROM task").await;
        assert_eq!(title, "A patient accepts an invitation");
        clinic.clock_to("2026-06-14 09:00").await;
        assert_eq!(ana.texts().len(), 1);
        assert_eq!(
            clinic.skipped().await,
            [("custom".to_owned(), "already_answered".to_owned())]
        );
    })
    .await;
}
