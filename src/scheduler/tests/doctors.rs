//! The treating doctor: by key or name, away or there; digests; each channel and department once.

use super::{Clinic, RECHECK, at, clinics};

const TREATED: &str = r#"
title = "Recheck"
department = "clinical"
class = "appointment"
[trigger]
on = "recheck"
[[step]]
to = "staff"
doctor = true
cc = ["pharmacy"]
before = ["4d"]
at = "08:30"
by = ["task", "email"]
send = "recheck_staff"
"#;

const GATHERED: &str = r#"
title = "Recheck"
department = "clinical"
class = "appointment"
[trigger]
on = "recheck"
[[step]]
to = "staff"
doctor = true
digest = true
before = ["1d"]
at = "07:30"
by = ["task"]
send = "recheck_staff"
"#;

const NEW: &str = r#"
title = "Appointment"
department = "clinical"
class = "appointment"
[trigger]
on = "appointment"
[[step]]
to = "staff"
doctor = true
digest = true
on = "created"
at = "07:30"
by = ["task"]
send = "appointment_staff"
"#;

const SHARED: &str = r#"
title = "New Year"
department = "marketing"
class = "greeting"
[trigger]
on = "holiday"
holiday = "new_year"
[[step]]
to = "staff"
cc = ["pharmacy"]
before = ["3d"]
at = "08:30"
by = ["popup", "task", "email"]
send = "holiday_staff"
"#;

impl Clinic {
    /// A member of staff of the clinical department with a mail address.
    async fn staff(&self, name: &str) {
        self.sql("INSERT INTO staff (id, source, source_key, name, department, email, active, row_hash, created_at, updated_at)
            VALUES ('sta_' || $1, 'his', $1, $1, 'clinical', $1 || '@example.org', TRUE, '', 0, 0)", &[name]).await;
    }

    /// A booking with a doctor.
    async fn treat(&self, patient: &str, kind: &str, at: &str, doctor: &str) {
        let patient = self.patient(patient).await;
        let visit = self.book(&patient, kind, at).await;
        self.change(
            "UPDATE occasion SET doctor_key = 'his/' || $2 WHERE id = $1",
            &[visit.as_str(), doctor],
        )
        .await;
    }

    /// `department staff count title: text` of every open task.
    async fn work(&self) -> Vec<String> {
        self.texts("SELECT department || ' ' || COALESCE(staff_id, '-') || ' ' || CAST(count AS TEXT) || ' ' || title || ': ' || text
            FROM task WHERE state = 'open' ORDER BY created_at, department, title").await
    }

    async fn mailed(&self) -> Vec<String> {
        self.texts("SELECT addresses FROM message WHERE role = 'staff' ORDER BY addresses")
            .await
    }
}

#[tokio::test]
async fn the_treating_doctor_is_told_and_other_departments_as_a_whole() {
    for clinic in clinics(&[("recheck", TREATED)], "2026-07-02T10:00").await {
        for name in ["Li", "Wu"] {
            clinic.staff(name).await;
        }
        clinic
            .treat("Ana", "recheck", "2026-07-24T10:00", "Li")
            .await;
        clinic.clock_to("2026-07-20T08:30").await;
        assert_eq!(clinic.mailed().await, [r#"{"email":"Li@example.org"}"#]);
        let work = clinic.work().await;
        let expected = [
            "clinical sta_Li 1 Recheck of Ana: On 2026-07-24, 1.",
            "pharmacy - 1 Recheck of Ana: On 2026-07-24, 1.",
        ];
        assert_eq!(work, expected, "the pharmacy has no mail address");
    }
}

#[tokio::test]
async fn a_name_that_one_of_the_department_bears_is_the_doctor() {
    for clinic in clinics(&[("recheck", TREATED)], "2026-07-02T10:00").await {
        clinic.staff("Li").await;
        let ana = clinic.patient("Ana").await;
        for (at, doctor) in [
            ("2026-07-24T10:00", "Dr Li"),
            ("2026-07-24T11:00", "Dr Lin"),
            ("2026-07-24T12:00", ""),
        ] {
            let visit = clinic.book(&ana, "recheck", at).await;
            clinic
                .change(
                    "UPDATE occasion SET doctor = NULLIF($2, '') WHERE id = $1",
                    &[visit.as_str(), doctor],
                )
                .await;
        }
        clinic.clock_to("2026-07-20T08:30").await;
        let mut work = clinic.work().await;
        work.retain(|line| line.starts_with("clinical"));
        work.sort();
        assert_eq!(work.len(), 3, "{work:?}");
        assert!(work[0].contains("known as Dr Lin"), "{work:?}");
        assert!(work[1].contains("the record names none"), "{work:?}");
        assert!(work[2].starts_with("clinical sta_Li"), "{work:?}");
    }
}

#[tokio::test]
async fn what_is_a_doctors_who_is_away_goes_to_the_substitute_and_says_for_whom() {
    for clinic in clinics(&[("recheck", TREATED)], "2026-07-02T10:00").await {
        for name in ["Li", "Wu"] {
            clinic.staff(name).await;
        }
        let away = r#"[{"from":"2026-07-15","until":"2026-07-22"}]"#;
        clinic
            .sql(
                "UPDATE staff SET away = $1, substitute = 'his/Wu' WHERE name = 'Li'",
                &[away],
            )
            .await;
        clinic
            .treat("Ana", "recheck", "2026-07-24T10:00", "Li")
            .await;
        clinic
            .treat("Bo", "recheck", "2026-07-28T10:00", "Li")
            .await;
        clinic.clock_to("2026-07-20T08:30").await;
        let note = "(For Li, away until 2026-07-22.)";
        let work = clinic.work().await;
        assert_eq!(
            work[0],
            format!("clinical sta_Wu 1 Recheck of Ana: On 2026-07-24, 1.\n{note}")
        );
        assert_eq!(clinic.mailed().await, [r#"{"email":"Wu@example.org"}"#]);
        let bodies = clinic.texts("SELECT bodies FROM message").await;
        assert!(bodies[0].contains(note), "{bodies:?}");
        clinic.clock_to("2026-07-24T08:30").await;
        let back = clinic.work().await;
        assert!(
            back.contains(&"clinical sta_Li 1 Recheck of Bo: On 2026-07-28, 1.".to_owned()),
            "{back:?}"
        );
    }
}

#[tokio::test]
async fn nobody_who_left_or_is_away_gets_anything_and_the_department_does_instead() {
    for clinic in clinics(&[("recheck", TREATED)], "2026-07-02T10:00").await {
        for name in ["Li", "Wu"] {
            clinic.staff(name).await;
        }
        clinic
            .sql("UPDATE staff SET active = FALSE WHERE name = 'Li'", &[])
            .await;
        clinic
            .sql(
                "UPDATE staff SET away = '[{\"from\":\"2026-07-15\",\"until\":null}]' WHERE name = 'Wu'",
                &[],
            )
            .await;
        clinic
            .treat("Ana", "recheck", "2026-07-24T10:00", "Li")
            .await;
        clinic.clock_to("2026-07-20T08:30").await;
        assert!(clinic.mailed().await.is_empty());
        let work = clinic.work().await;
        assert!(work.iter().all(|line| line.contains(" - 1 ")), "{work:?}");
        assert!(
            work[0].contains("(For Li, who works here no more.)")
                && work[0].contains("Nobody stands in for Li"),
            "{work:?}"
        );
    }
}

#[tokio::test]
async fn one_digest_lists_what_several_rules_have_for_one_doctor() {
    let second = GATHERED
        .replace("on = \"recheck\"", "on = \"revisit\"")
        .replace("title = \"Recheck\"", "title = \"Revisit\"");
    let rules = [("recheck", GATHERED), ("revisit", second.as_str())];
    for mut clinic in clinics(&rules, "2026-07-02T10:00").await {
        // Fewer than a digest holds: it is whole all the same.
        clinic.compose.settings.chunk = 1;
        for name in ["Li", "Wu"] {
            clinic.staff(name).await;
        }
        clinic
            .treat("Ana", "recheck", "2026-07-24T10:00", "Li")
            .await;
        clinic
            .treat("Bo", "revisit", "2026-07-24T09:00", "Li")
            .await;
        clinic
            .treat("Cy", "recheck", "2026-07-24T11:00", "Wu")
            .await;
        clinic
            .treat("Di", "recheck", "2026-07-24T12:00", "Li")
            .await;
        clinic
            .change(
                "UPDATE occasion SET status = 'cancelled' WHERE local_at = '2026-07-24T12:00'",
                &[],
            )
            .await;
        clinic.clock_to("2026-07-23T07:30").await;
        clinic.run().await;
        let mut work = clinic.work().await;
        work.sort();
        assert_eq!(
            work,
            [
                "clinical sta_Li 2 2 for Li: 09:00 Revisit Bo; 10:00 Recheck Ana;",
                "clinical sta_Wu 1 1 for Wu: 11:00 Recheck Cy;",
            ]
        );
        let settled = clinic
            .texts("SELECT state || ' ' || CAST(COUNT(DISTINCT task_id) AS TEXT) FROM reminder WHERE state = 'composed' GROUP BY state")
            .await;
        assert_eq!(settled, ["composed 2"]);
        // What comes after the digest went out is told by itself.
        clinic
            .treat("Ed", "recheck", "2026-07-24T15:00", "Li")
            .await;
        clinic.clock_to("2026-07-23T07:30").await;
        clinic.clock_to("2026-07-23T10:00").await;
        let work = clinic.work().await;
        assert_eq!(work.len(), 3, "{work:?}");
        assert!(
            work.contains(&"clinical sta_Li 1 Recheck of Ed: On 2026-07-24, 1.".to_owned()),
            "{work:?}"
        );
    }
}

#[tokio::test]
async fn new_bookings_wait_for_the_next_digest_unless_it_comes_too_late() {
    for clinic in clinics(&[("appointment", NEW)], "2026-07-02T10:00").await {
        clinic.staff("Li").await;
        clinic
            .treat("Ana", "appointment", "2026-07-24T10:00", "Li")
            .await;
        clinic.run().await;
        clinic.clock_to("2026-07-02T16:00").await;
        clinic
            .treat("Bo", "appointment", "2026-07-25T10:00", "Li")
            .await;
        clinic
            .treat("Cy", "appointment", "2026-07-02T18:30", "Li")
            .await;
        clinic.run().await;
        assert_eq!(
            clinic.work().await,
            ["clinical sta_Li 1 New booking: Cy on 2026-07-02"]
        );
        clinic.mark_all().await;
        clinic.clock_to("2026-07-03T07:30").await;
        let work = clinic.work().await;
        assert_eq!(
            work[1..],
            ["clinical sta_Li 2 2 for Li: 10:00 Appointment Ana; 10:00 Appointment Bo;"]
        );
    }
}

#[tokio::test]
async fn a_digest_is_mailed_to_its_doctor_alone_and_to_each_of_a_department() {
    let mailed = GATHERED.replace("by = [\"task\"]", "by = [\"email\"]");
    let whole = mailed.replace("doctor = true\n", "");
    for (rule, expected) in [(&mailed, 1), (&whole, 2)] {
        for clinic in clinics(&[("recheck", rule)], "2026-07-02T10:00").await {
            for name in ["Li", "Wu"] {
                clinic.staff(name).await;
            }
            clinic
                .treat("Ana", "recheck", "2026-07-24T10:00", "Li")
                .await;
            clinic
                .treat("Bo", "recheck", "2026-07-24T11:00", "Li")
                .await;
            clinic.clock_to("2026-07-23T07:30").await;
            assert_eq!(clinic.mailed().await.len(), expected);
            let bodies = clinic.texts("SELECT bodies FROM message").await;
            assert!(
                bodies[0].contains("10:00 Recheck Ana; 11:00 Recheck Bo;"),
                "{bodies:?}"
            );
            assert!(clinic.work().await.is_empty());
        }
    }
}

#[tokio::test]
async fn many_patients_are_one_notice_for_each_channel_and_department() {
    for clinic in clinics(&[("new_year", SHARED)], "2026-12-20T10:00").await {
        clinic.sql("INSERT INTO staff (id, source, source_key, name, department, email, active, row_hash, created_at, updated_at)
            VALUES ('sta_m', 'his', 'm', 'Mo', 'marketing', 'mo@example.org', TRUE, '', 0, 0)", &[]).await;
        for name in ["Ana", "Bo", "Cy"] {
            clinic.patient(name).await;
        }
        clinic.clock_to("2026-12-27T10:00").await;
        clinic.clock.set(at("2026-12-29T08:30"));
        clinic.mark_all().await;
        clinic.run().await;
        let mut tasks = clinic.tasks().await;
        tasks.sort();
        assert_eq!(
            tasks,
            [
                "popup reminder marketing 3 new_year",
                "popup reminder pharmacy 3 new_year",
                "task reminder marketing 3 new_year",
                "task reminder pharmacy 3 new_year",
            ],
            "the pharmacy has no mail address, and its task says it all"
        );
        assert_eq!(clinic.mailed().await, [r#"{"email":"mo@example.org"}"#]);
        assert_eq!(clinic.messages().await, ["3 patients by mail"]);
    }
}

#[tokio::test]
async fn a_rule_without_a_doctor_is_as_it_was() {
    for clinic in clinics(&[("recheck", RECHECK)], "2026-07-02T10:00").await {
        clinic
            .treat("Ana", "recheck", "2026-07-24T10:00", "Li")
            .await;
        clinic.clock_to("2026-07-20T08:30").await;
        assert_eq!(
            clinic.work().await,
            ["clinical - 1 Recheck of Ana: On 2026-07-24, 1."]
        );
    }
}

#[tokio::test]
async fn a_year_that_no_table_of_working_days_knows_is_told_once() {
    let rule = RECHECK.replace("at = \"08:30\"", "at = \"08:30\"\nworkday = \"previous\"");
    for clinic in clinics(&[("recheck", &rule)], "2026-11-02T10:00").await {
        let ana = clinic.patient("Ana").await;
        clinic.book(&ana, "recheck", "2026-12-10T10:00").await;
        clinic.run().await;
        assert!(clinic.tasks().await.is_empty(), "2026 is known");
        clinic.book(&ana, "recheck", "2027-02-10T10:00").await;
        clinic.book(&ana, "recheck", "2027-03-10T10:00").await;
        clinic.run().await;
        let told = ["task fault clinical 1 Working days of 2027 are missing"];
        assert_eq!(clinic.tasks().await, told);
        clinic.mark_all().await;
        clinic.run().await;
        assert_eq!(clinic.tasks().await, told);
        clinic.sql("UPDATE task SET state = 'done'", &[]).await;
        clinic.mark_all().await;
        clinic.run().await;
        assert!(clinic.tasks().await.is_empty(), "once a year and zone");
    }
}
