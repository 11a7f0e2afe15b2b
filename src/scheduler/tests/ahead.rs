//! What `plan` shows is what then happens.

use super::{APPOINTMENT, BIRTHDAY, Clinic, RECHECK, at, clinics};
use crate::model::reminder::SkipReason;
use crate::planning::preview::{Goes, Look, Preview, preview};

async fn look(clinic: &Clinic, from: &str, to: &str) -> Preview {
    let look = Look {
        now: clinic.clock.now(),
        window: at(from)..at(to),
        rule: None,
        patient: None,
    };
    let stage = &clinic.plan;
    preview(&stage.store, &stage.book, &stage.house, &look)
        .await
        .unwrap()
}

#[tokio::test]
async fn what_is_shown_beforehand_is_what_is_sent() {
    let rules = [
        ("recheck", RECHECK),
        ("birthday", BIRTHDAY),
        ("appointment", APPOINTMENT),
    ];
    for clinic in clinics(&rules, "2026-03-20T10:00").await {
        let (ana, bo) = (clinic.patient("Ana").await, clinic.patient("Bo").await);
        clinic.book(&ana, "recheck", "2026-04-05T10:00").await;
        clinic.book(&bo, "appointment", "2026-04-04T10:00").await;
        clinic
            .change("UPDATE occasion SET place = 'Room 3'", &[])
            .await;
        let before = look(&clinic, "2026-03-20T00:00", "2026-04-10T00:00").await;
        let mut shown: Vec<String> = before
            .lines
            .iter()
            .map(|line| format!("{} {}", line.plan.plan_key, line.plan.due_at))
            .collect();
        assert!(before.lines.iter().all(|line| line.problem.is_none()));
        let texts = before.lines.iter().filter(|line| line.segments == 1);
        assert_eq!(texts.count(), 5);
        assert!(
            clinic.reminders().await.is_empty(),
            "looking ahead writes nothing"
        );
        for day in 20..=31 {
            clinic.clock_to(&format!("2026-03-{day}T12:00")).await;
        }
        for day in 1..=9 {
            for time in ["08:30", "09:00", "12:00"] {
                clinic.clock_to(&format!("2026-04-{day:02}T{time}")).await;
            }
        }
        let mut sent = clinic.texts("SELECT plan_key || '|' || CAST(due_at AS TEXT) FROM reminder WHERE state = 'composed'").await;
        sent = sent
            .iter()
            .map(|line| {
                let (key, due) = line.split_once('|').unwrap();
                let due = jiff::Timestamp::from_millisecond(due.parse().unwrap()).unwrap();
                format!("{key} {due}")
            })
            .collect();
        shown.sort();
        sent.sort();
        assert_eq!(sent, shown);
        let after = look(&clinic, "2026-04-01T00:00", "2026-04-10T00:00").await;
        assert!(
            after.lines.is_empty(),
            "what was sent is not shown as to be sent"
        );
    }
}

#[tokio::test]
async fn what_would_not_be_sent_says_why() {
    // A booking that was never moved leaves out no notice of a move.
    let rule = format!(
        "{APPOINTMENT}[[step]]\nto = \"patient\"\non = \"moved\"\nsend = \"appointment\"\n"
    );
    for clinic in clinics(&[("appointment", &rule)], "2026-03-20T10:00").await {
        let (ana, bo) = (clinic.patient("Ana").await, clinic.patient("Bo").await);
        clinic.book(&ana, "appointment", "2026-04-04T10:00").await;
        clinic.book(&bo, "appointment", "2026-04-04T10:00").await;
        clinic
            .change(
                "UPDATE patient SET held = TRUE WHERE source_key = 'Bo'",
                &[],
            )
            .await;
        let seen = look(&clinic, "2026-03-21T00:00", "2026-04-10T00:00").await;
        let problems: Vec<SkipReason> = seen
            .lines
            .iter()
            .filter_map(|line| Some(line.problem.as_ref()?.0))
            .collect();
        assert_eq!(problems, [SkipReason::MissingValue]);
        let not: Vec<(&str, SkipReason)> = seen
            .not
            .iter()
            .map(|not| (not.patient.1.reveal().as_str(), not.decision.reason))
            .collect();
        assert_eq!(not, [("Bo", SkipReason::Held)]);
    }
}

#[test]
fn durations_are_read_as_people_write_them() {
    let read = |text: &str| {
        let settings =
            toml::from_str::<crate::scheduler::Settings>(&format!("plan_ahead = \"{text}\""));
        settings.ok().map(|settings| settings.plan_ahead.as_mins())
    };
    assert_eq!(read("2d"), Some(2 * 24 * 60));
    assert_eq!(read("36h"), Some(36 * 60));
    assert_eq!(read("90m"), Some(90));
    for wrong in ["", "2", "d", "-1d", "0h", "2 weeks", "２d"] {
        assert_eq!(read(wrong), None, "{wrong}");
    }
}

const LISTED: &str = r#"
title = "Check"
department = "clinical"
class = "appointment"
[trigger]
on = "recheck"
[[step]]
to = "patient"
before = ["3d"]
at = "09:00"
send = "listed"
ask = "confirm"
"#;

#[tokio::test]
async fn bookings_that_go_out_in_one_message_count_as_the_one_that_goes_out() {
    let visit = LISTED.replace("recheck", "visit");
    let rules = [("check", LISTED), ("visit", visit.as_str())];
    for clinic in clinics(&rules, "2026-07-02T10:00").await {
        let ana = clinic.patient("Ana").await;
        clinic.book(&ana, "recheck", "2026-07-24T10:00").await;
        clinic.book(&ana, "visit", "2026-07-24T11:00").await;
        clinic.book(&ana, "visit", "2026-07-24T15:00").await;
        clinic.book(&ana, "visit", "2026-07-25T15:00").await;
        let bob = clinic.patient("Bob").await;
        clinic.book(&bob, "visit", "2026-07-24T11:00").await;
        for _ in 0..2 {
            let found = look(&clinic, "2026-07-10T00:00", "2026-07-24T00:00").await;
            let goes = |goes: fn(&Goes) -> bool| {
                found.lines.iter().filter(|line| goes(&line.goes)).count()
            };
            assert_eq!(goes(|goes| matches!(goes, Goes::Leads(3))), 1);
            assert_eq!(
                goes(|goes| matches!(goes, Goes::Into(head) if head.rule == "check")),
                2
            );
            assert_eq!(goes(|goes| *goes == Goes::Alone), 2);
            assert_eq!((found.totals.all.messages, found.totals.merged), (3, 2));
            // Planned or not yet: the count is the same.
            clinic.run().await;
        }
        let found = look(&clinic, "2026-07-10T00:00", "2026-07-24T00:00").await;
        clinic.clock_to("2026-07-21T09:00").await;
        clinic.clock_to("2026-07-22T09:00").await;
        let sent = clinic.texts("SELECT bodies FROM message").await;
        assert_eq!(sent.len(), found.totals.all.messages);
        let segments = |body: &String| {
            let all: serde_json::Value = serde_json::from_str(body).unwrap();
            usize::try_from(all["sms"]["segments"].as_u64().unwrap()).unwrap()
        };
        let sent: usize = sent.iter().map(segments).sum();
        assert_eq!(found.totals.all.segments, sent);
    }
}

#[tokio::test]
async fn bookings_whose_words_have_no_place_for_several_count_each() {
    for clinic in clinics(&[("recheck", RECHECK)], "2026-07-02T10:00").await {
        let ana = clinic.patient("Ana").await;
        clinic.book(&ana, "recheck", "2026-07-24T10:00").await;
        clinic.book(&ana, "recheck", "2026-07-24T15:00").await;
        let found = look(&clinic, "2026-07-21T00:00", "2026-07-22T00:00").await;
        assert_eq!((found.totals.all.messages, found.totals.merged), (2, 0));
        assert!(found.lines.iter().all(|line| line.goes == Goes::Alone));
    }
}

#[tokio::test]
async fn a_digest_counts_once_and_shows_when_it_is_told() {
    let gathered = r#"
title = "Appointment"
department = "clinical"
class = "appointment"
[trigger]
on = "appointment"
[[step]]
to = "staff"
digest = true
on = "created"
at = "07:30"
by = ["task"]
send = "appointment_staff"
"#;
    for clinic in clinics(&[("appointment", gathered)], "2026-07-20T10:00").await {
        for (name, day) in [("Ana", "24"), ("Bob", "25"), ("Cleo", "26")] {
            let patient = clinic.patient(name).await;
            let visit = format!("2026-07-{day}T10:00");
            clinic.book(&patient, "appointment", &visit).await;
        }
        let found = look(&clinic, "2026-07-20T00:00", "2026-07-22T00:00").await;
        assert_eq!((found.totals.all.messages, found.totals.gathered), (1, 2));
        let moments: Vec<_> = found.lines.iter().map(|line| line.plan.due_at).collect();
        assert_eq!(
            moments,
            [at("2026-07-21T07:30"); 3],
            "they wait for the digest"
        );
        clinic.run().await;
        clinic.clock_to("2026-07-21T07:30").await;
        assert_eq!(clinic.tasks().await.len(), 1);
    }
}
