//! Imports of our own records as NDJSON, on both databases.

use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::import::{Format, Import, run};
use super::record::RecordKind;
use super::report::Report;
use super::{Settings, SiteInfo, sensitive};
use crate::store::on;
use crate::store::testing::{TestStore, stores};

struct Desk {
    test: TestStore,
    site: SiteInfo,
    file: PathBuf,
}

impl Drop for Desk {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.file);
    }
}

impl Desk {
    async fn all() -> Vec<Self> {
        let settings = Settings {
            sensitive: sensitive::Settings {
                codes: vec!["B20".to_owned()],
                ..sensitive::Settings::default()
            },
            ..Settings::default()
        };
        let mut desks = Vec::new();
        for test in stores().await {
            let site = SiteInfo::open(&test.store, "Asia/Shanghai", "CN", &settings, Path::new(""));
            let site = site.await.expect("the site opens");
            let name = format!("carebell-test-{}.ndjson", uuid::Uuid::now_v7().simple());
            let file = std::env::temp_dir().join(name);
            desks.push(Self { test, site, file });
        }
        desks
    }

    async fn import(&self, lines: &str, dry_run: bool) -> Report {
        std::fs::write(&self.file, lines).expect("a file");
        let import = Import {
            path: &self.file,
            format: Format::Json,
            source: None,
            dry_run,
        };
        let now: Timestamp = "2026-07-01T00:00:00Z".parse().expect("it is an instant");
        let settings = Settings::default();
        run(&self.test.store, import, &self.site, &settings, now, |_| {})
            .await
            .expect("it can be imported")
    }

    async fn count(&self, sql: &'static str) -> i64 {
        let mut tx = self.test.store.read().await.expect("a transaction");
        on!(&mut tx, conn => sqlx::query_scalar(sql).fetch_one(conn).await)
            .expect("it can be counted")
    }

    async fn texts(&self, sql: &'static str) -> Vec<String> {
        let mut tx = self.test.store.read().await.expect("a transaction");
        on!(&mut tx, conn => sqlx::query_scalar(sql).fetch_all(conn).await).expect("it can be read")
    }
}

const ANA: &str = r#"{"patient": {"key": "P1", "name": {"full": "王芳"}, "contacts": [{"phone": "13800000001"}], "facts": [{"kind": "diagnosis", "code": "E11.9"}, {"kind": "diagnosis", "code": "I10"}]}}"#;
const VISIT: &str = r#"{"occasion": {"key": "A1", "patient": "P1", "kind": "appointment", "at": "2026-07-24T10:00"}}"#;

fn faults(report: &Report) -> Vec<String> {
    report
        .faults
        .iter()
        .map(|fault| {
            let text = fault.to_string();
            text.split_once(".ndjson:")
                .map_or(text.clone(), |(_, rest)| rest.to_owned())
        })
        .collect()
}

#[tokio::test]
async fn our_own_records_are_read_in_any_order_and_twice_is_once() {
    for desk in Desk::all().await {
        for lines in [format!("{ANA}\n{VISIT}\n"), format!("{VISIT}\n{ANA}\n")] {
            let dry = desk.import(&lines, true).await;
            let report = desk.import(&lines, false).await;
            assert_eq!(dry.counts, report.counts);
            assert_eq!(report.fault_count, 0, "{:?}", report.faults);
            assert!(!desk.import(&lines, false).await.changed_anything());
        }
        for (sql, count) in [
            ("SELECT COUNT(*) FROM patient", 1),
            ("SELECT COUNT(*) FROM contact_point", 1),
            ("SELECT COUNT(*) FROM fact", 2),
            ("SELECT COUNT(*) FROM occasion WHERE created_at IS NULL", 1),
            ("SELECT COUNT(*) FROM plan_mark", 1),
        ] {
            assert_eq!(desk.count(sql).await, count, "{sql}");
        }
    }
}

#[tokio::test]
async fn a_line_that_does_not_fit_is_told_by_its_place_and_harms_no_other() {
    for desk in Desk::all().await {
        let lines = [
            ANA,
            "{",
            r#"{"patient": {"key": "P2", "phone": "13800000002"}}"#,
            r#"{"patient": {"key": "P3", "contacts": [{"phone": "12"}]}}"#,
            r#"{"patient": {"name": {"full": "x"}}}"#,
            r#"{"occasion": {"key": "A2", "patient": "P1", "kind": "appointment", "at": "soon"}}"#,
            r#"{"occasion": {"key": "A3", "patient": "P9", "kind": "appointment", "at": "2026-07-24"}}"#,
            r#"{"patient": {"key": "P4"}, "occasion": {}}"#,
            r#"{"patient": {"key": "P5", "name": {"full": "a\u0000b"}}}"#,
            r#"{"patient": {"key": "P\u0036", "name": {"full": "\"Bo\""}}}"#,
            VISIT,
        ];
        let report = desk.import(&lines.join("\n"), false).await;
        let told = faults(&report);
        let expected = [
            "2: column 1: expected one record",
            "3: patient.phone: no such field here",
            "4: patient.contacts[0].phone: expected a phone number",
            "5: patient.key: expected a key",
            "6: occasion.at: expected a date and time",
            "7: expected the key of a patient who is in this import or known already",
            "8: expected one of patient, occasion and remove",
            "9: patient: expected a text without",
        ];
        assert_eq!(told.len(), expected.len(), "{told:?}");
        for (told, expected) in told.iter().zip(expected) {
            assert!(told.starts_with(expected), "{told} is not {expected}");
        }
        assert_eq!(desk.count("SELECT COUNT(*) FROM patient").await, 2);
        assert_eq!(desk.count("SELECT COUNT(*) FROM occasion").await, 1);
    }
}

#[tokio::test]
async fn of_several_lines_of_a_patient_the_last_counts_with_its_facts() {
    for desk in Desk::all().await {
        let other = r#"{"patient": {"key": "P1", "name": {"full": "王小芳"}, "facts": [{"kind": "diagnosis", "code": "J45"}]}}"#;
        desk.import(&format!("{ANA}\n{VISIT}\n{other}\n"), false)
            .await;
        assert_eq!(desk.texts("SELECT code FROM fact").await, ["J45"]);
        assert_eq!(desk.count("SELECT COUNT(*) FROM contact_point").await, 0);
        assert_eq!(desk.count("SELECT COUNT(*) FROM occasion").await, 1);
        let report = desk.import(&format!("{ANA}\n"), false).await;
        assert_eq!(report.of(RecordKind::Fact).removed, 1);
        assert_eq!(
            desk.texts("SELECT code FROM fact ORDER BY code").await,
            ["E11.9", "I10"]
        );
    }
}

#[tokio::test]
async fn an_older_line_of_a_patient_brings_none_of_its_facts() {
    for desk in Desk::all().await {
        let line = |version: i64, code: &str| {
            format!(
                r#"{{"patient": {{"key": "P1", "version": {version}, "facts": [{{"kind": "diagnosis", "code": "{code}"}}]}}}}"#
            )
        };
        let both = format!("{}\n{}\n", line(5, "E11.9"), line(3, "J45"));
        let report = desk.import(&both, false).await;
        assert_eq!(report.of(RecordKind::Patient).older, 1);
        assert_eq!(desk.texts("SELECT code FROM fact").await, ["E11.9"]);
        desk.import(&line(4, "I10"), false).await;
        assert_eq!(desk.texts("SELECT code FROM fact").await, ["E11.9"]);
    }
}

#[tokio::test]
async fn a_fact_makes_its_patient_a_sensitive_one_with_all_about_them() {
    for desk in Desk::all().await {
        let secret = ANA.replace("I10", "B20");
        let report = desk.import(&format!("{VISIT}\n{secret}\n"), false).await;
        assert_eq!((report.sensitive_patients, report.fault_count), (1, 0));
        assert_eq!(desk.count("SELECT COUNT(*) FROM patient").await, 0);
        assert_eq!(desk.count("SELECT COUNT(*) FROM occasion").await, 0);
        desk.import(ANA, false).await;
        let report = desk.import(&secret, false).await;
        assert_eq!((report.sensitive_patients, report.purged), (1, 1));
        assert_eq!(desk.count("SELECT COUNT(*) FROM patient").await, 0);
    }
}

#[tokio::test]
async fn what_the_source_has_no_more_is_said_with_remove() {
    for desk in Desk::all().await {
        desk.import(&format!("{ANA}\n{VISIT}\n"), false).await;
        let report = desk
            .import(r#"{"remove": {"occasion": "A1"}}"#, false)
            .await;
        assert_eq!(report.of(RecordKind::Removal).removed, 1);
        assert_eq!(
            desk.texts("SELECT status FROM occasion").await,
            ["cancelled"]
        );
        desk.import(r#"{"remove": {"patient": "P1"}}"#, false).await;
        assert_eq!(desk.count("SELECT COUNT(*) FROM patient").await, 0);
    }
}

#[tokio::test]
async fn more_patients_than_one_transaction_takes_come_in_whole() {
    for desk in Desk::all().await {
        let line = |n: u32| {
            let patient = ANA.replace("P1", &format!("M{n:05}"));
            let visit = VISIT
                .replace("P1", &format!("M{n:05}"))
                .replace("A1", &format!("V{n:05}"));
            format!("{patient}\n{visit}\n")
        };
        let lines: String = (0..1500).map(line).collect();
        let report = desk.import(&lines, false).await;
        assert_eq!(report.of(RecordKind::Patient).new, 1500);
        assert_eq!(report.of(RecordKind::Fact).new, 3000);
        assert_eq!(report.of(RecordKind::Occasion).new, 1500);
        let whole = "SELECT COUNT(*) FROM patient p WHERE EXISTS (SELECT 1 FROM contact_point c WHERE c.patient_id = p.id)
            AND EXISTS (SELECT 1 FROM plan_mark m WHERE m.patient_id = p.id) AND 2 = (SELECT COUNT(*) FROM fact f WHERE f.patient_id = p.id)
            AND EXISTS (SELECT 1 FROM occasion o WHERE o.patient_id = p.id)";
        assert_eq!(desk.count(whole).await, 1500);
        // One line changed among many that are as they were.
        let changed = lines.replacen("2026-07-24T10:00", "2026-07-25T10:00", 1);
        let report = desk.import(&changed, false).await;
        assert_eq!(report.of(RecordKind::Occasion).moved, 1);
        assert_eq!(report.of(RecordKind::Patient).unchanged, 1500);
    }
}

const STANDING: &str =
    "SELECT source_key || ' ' || local_at FROM occasion WHERE status = 'booked' ORDER BY local_at";

#[tokio::test]
async fn an_occasion_that_repeats_is_as_many_and_changes_with_its_record() {
    for desk in Desk::all().await {
        let line = |count: u32, at: &str, status: &str| {
            format!(
                r#"{{"occasion": {{"key": "R", "patient": "P1", "kind": "recheck", "at": "{at}", "status": "{status}", "repeat": {{"anchor": "2026-01-31", "every": "1mo", "count": {count}}}}}}}"#
            )
        };
        desk.import(&format!("{ANA}\n{}\n", line(3, "10:00", "booked")), false)
            .await;
        assert_eq!(
            desk.texts(STANDING).await,
            [
                "R#1 2026-02-28T10:00",
                "R#2 2026-03-31T10:00",
                "R#3 2026-04-30T10:00"
            ]
        );
        assert!(
            !desk
                .import(&line(3, "10:00", "booked"), false)
                .await
                .changed_anything()
        );
        let longer = desk.import(&line(4, "11:00", "booked"), false).await;
        let counts = longer.of(RecordKind::Occasion);
        assert_eq!((counts.new, counts.moved, counts.cancelled), (1, 3, 0));
        let shorter = desk.import(&line(2, "11:00", "booked"), false).await;
        assert_eq!(shorter.of(RecordKind::Occasion).cancelled, 2);
        assert_eq!(
            desk.texts(STANDING).await,
            ["R#1 2026-02-28T11:00", "R#2 2026-03-31T11:00"]
        );
        let single = r#"{"occasion": {"key": "R", "patient": "P1", "kind": "recheck", "at": "2026-09-01T10:00"}}"#;
        desk.import(single, false).await;
        assert_eq!(desk.texts(STANDING).await, ["R 2026-09-01T10:00"]);
        desk.import(&line(1, "10:00", "booked"), false).await;
        assert_eq!(desk.texts(STANDING).await, ["R#1 2026-02-28T10:00"]);
        desk.import(&line(1, "10:00", "cancelled"), false).await;
        assert_eq!(desk.texts(STANDING).await, [""; 0]);
        desk.import(&line(2, "10:00", "booked"), false).await;
        desk.import(r#"{"remove": {"occasion": "R"}}"#, false).await;
        assert_eq!(desk.texts(STANDING).await, [""; 0]);
        let faulty = desk.import(&line(121, "10:00", "booked"), false).await;
        assert_eq!(
            faults(&faulty),
            ["1: occasion.repeat.count: expected a number from 1 to 120"]
        );
    }
}
