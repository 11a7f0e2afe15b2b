//! Staff: pop-ups at once, one task with a count for what concerns many, mail where there is an address.

use super::{APPOINTMENT, RECHECK, at, clinics};

const HOLIDAY: &str = r#"
title = "New Year"
department = "marketing"
class = "greeting"
[trigger]
on = "holiday"
holiday = "new_year"
[[step]]
to = "staff"
before = ["3d"]
at = "08:30"
by = ["task"]
send = "holiday_staff"
[[step]]
to = "patient"
before = ["0d"]
send = "holiday"
"#;

#[tokio::test]
async fn staff_see_a_booking_at_once() {
    for clinic in clinics(&[("appointment", APPOINTMENT)], "2026-07-02T23:15").await {
        let ana = clinic.patient("Ana").await;
        let visit = clinic.book(&ana, "appointment", "2026-07-24T10:00").await;
        clinic.run().await;
        assert_eq!(
            clinic.tasks().await,
            ["popup reminder clinical 1 New booking"]
        );
        clinic.clock.set(at("2026-07-03T10:00"));
        clinic.shift(&visit, "2026-07-25T10:00").await;
        clinic.run().await;
        assert_eq!(clinic.tasks().await.len(), 2, "and again when it is moved");
    }
}

#[tokio::test]
async fn a_holiday_is_one_task_with_a_count() {
    for clinic in clinics(&[("new_year", HOLIDAY)], "2026-12-20T10:00").await {
        for name in ["Ana", "Bo", "Cy"] {
            clinic.patient(name).await;
        }
        clinic
            .sql(
                "UPDATE patient SET deceased = TRUE WHERE source_key = 'Cy'",
                &[],
            )
            .await;
        clinic.clock_to("2026-12-27T10:00").await;
        clinic.clock_to("2026-12-29T08:30").await;
        assert_eq!(clinic.tasks().await, ["task reminder marketing 2 new_year"]);
        assert_eq!(clinic.texts("SELECT text FROM task").await, ["2 patients"]);
        clinic.clock_to("2026-12-31T08:30").await;
        clinic.clock_to("2027-01-01T09:00").await;
        assert_eq!(
            clinic.messages().await,
            ["Ana: a happy new_year", "Bo: a happy new_year"]
        );
        assert_eq!(clinic.tasks().await.len(), 1);
    }
}

#[tokio::test]
async fn staff_hear_of_a_holiday_without_a_look_at_anybody() {
    let of_nobody = HOLIDAY.replace(
        "[[step]]\nto = \"staff\"",
        "[audience]\ntags = [\"nobody\"]\n[[step]]\nto = \"staff\"",
    );
    let rules = [("new_year", HOLIDAY), ("of_nobody", of_nobody.as_str())];
    for clinic in clinics(&rules, "2026-12-20T10:00").await {
        clinic.patient("Ana").await;
        clinic.run().await;
        clinic.clock.set(at("2026-12-27T10:00"));
        assert_eq!(clinic.plan.pass().await.unwrap(), 0);
        let planned = clinic
            .texts("SELECT rule_id || ' ' || lead FROM reminder")
            .await;
        assert_eq!(planned, ["new_year 3d"]);
    }
}

#[tokio::test]
async fn staff_hear_of_a_season_once() {
    let season = HOLIDAY
        .replace(
            "on = \"holiday\"\nholiday = \"new_year\"",
            "on = \"season\"\nfrom = \"12-30\"\nuntil = \"02-01\"",
        )
        .replace("before = [\"3d\"]", "before = [\"0d\"]")
        .replace("holiday_staff", "season_staff");
    for clinic in clinics(&[("winter", &season)], "2026-12-27T10:00").await {
        clinic.patient("Ana").await;
        for day in ["12-28", "12-29", "12-30", "12-31"] {
            clinic.clock_to(&format!("2026-{day}T10:00")).await;
        }
        clinic.clock_to("2027-01-03T10:00").await;
        let told = clinic
            .texts("SELECT lead FROM reminder WHERE role = 'staff'")
            .await;
        assert_eq!(told, ["0d"]);
    }
}

#[tokio::test]
async fn the_count_follows_the_audience() {
    let women = HOLIDAY.replace("[[step]]\nto = \"staff\"", "[audience]\nsex = \"female\"\nage = { min = 40 }\nwhere = 'patient.language == null'\n[[step]]\nto = \"staff\"");
    let plain = women.replace("where = 'patient.language == null'\n", "");
    for rule in [women, plain] {
        for clinic in clinics(&[("new_year", &rule)], "2026-12-27T10:00").await {
            clinic.patient("Ana").await;
            clinic.born("Young", "1999-01-01").await;
            clinic.patient("Bo").await;
            clinic
                .change(
                    "UPDATE patient SET sex = 'female' WHERE source_key <> 'Bo'",
                    &[],
                )
                .await;
            clinic.clock_to("2026-12-29T08:30").await;
            assert_eq!(clinic.tasks().await, ["task reminder marketing 1 new_year"]);
        }
    }
}

#[tokio::test]
async fn staff_get_mail_where_there_is_an_address_and_a_task_where_there_is_none() {
    let mailed = RECHECK.replace("by = [\"task\"]", "by = [\"email\"]");
    for clinic in clinics(&[("recheck", &mailed)], "2026-07-02T10:00").await {
        let ana = clinic.patient("Ana").await;
        clinic.book(&ana, "recheck", "2026-07-24T10:00").await;
        clinic.clock_to("2026-07-20T08:30").await;
        assert_eq!(clinic.tasks().await, ["task reminder clinical 1 Recheck"]);
        assert!(clinic.texts("SELECT text FROM task").await[0].contains("no email address"));
        clinic.sql("INSERT INTO staff (id, source, source_key, name, department, email, active, row_hash, created_at, updated_at)
            VALUES ('sta_1', 'his', '1', 'Nurse', 'clinical', 'nurse@example.org', TRUE, '', 0, 0)", &[]).await;
        clinic.book(&ana, "recheck", "2026-07-30T10:00").await;
        clinic.clock_to("2026-07-26T08:30").await;
        assert_eq!(
            clinic
                .texts("SELECT addresses FROM message WHERE role = 'staff'")
                .await,
            [r#"{"email":"nurse@example.org"}"#]
        );
    }
}

#[tokio::test]
async fn a_missing_value_is_one_task_that_names_template_and_path_and_no_value() {
    for clinic in clinics(&[("appointment", APPOINTMENT)], "2026-07-02T10:00").await {
        for name in ["Ana", "Bo"] {
            let patient = clinic.patient(name).await;
            clinic
                .book(&patient, "appointment", "2026-07-24T10:00")
                .await;
        }
        clinic.clock_to("2026-07-22T09:00").await;
        assert!(clinic.messages().await.is_empty());
        let tasks = clinic.tasks().await;
        assert_eq!(
            tasks.last().unwrap(),
            "task missing_value clinical 2 Template appointment lacks occasion.place"
        );
        let text = clinic
            .texts("SELECT text FROM task WHERE kind = 'missing_value'")
            .await
            .remove(0);
        assert!(!text.contains("Ana") && !text.contains("Bo"));
    }
}
