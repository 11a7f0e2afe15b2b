//! Whole imports of files, on both databases.

mod absences;

use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::import::{Format, Import, run};
use super::record::RecordKind;
use super::report::{Counts, Report};
use super::{FhirSettings, IntakeError, Settings, SiteInfo, sensitive};
use crate::model::occasion::{Occasion, OccasionStatus};
use crate::model::patient::Patient;
use crate::store::testing::{TestStore, stores};
use crate::store::{facts, marks, occasions, on, patients, sources, staff};

struct Desk {
    test: TestStore,
    site: SiteInfo,
    settings: Settings,
}

fn now() -> Timestamp {
    "2026-07-01T00:00:00Z".parse().expect("it is an instant")
}

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/data/intake")
        .join(name)
}

impl Desk {
    async fn all(country: &str) -> Vec<Self> {
        let settings = Settings {
            sensitive: sensitive::Settings {
                flags: vec!["VIP".to_owned()],
                codes: vec!["B20".to_owned()],
                ids_file: None,
            },
            fhir: FhirSettings {
                patient_identifier: Some("http://harbor.example/mrn".to_owned()),
                ..FhirSettings::default()
            },
            ..Settings::default()
        };
        let mut desks = Vec::new();
        for test in stores().await {
            let site = SiteInfo::open(
                &test.store,
                "Asia/Shanghai",
                country,
                &settings,
                Path::new(""),
            )
            .await
            .expect("the site opens");
            desks.push(Self {
                test,
                site,
                settings: settings.clone(),
            });
        }
        desks
    }

    async fn import(
        &self,
        path: &Path,
        format: Format<'_>,
        dry_run: bool,
    ) -> Result<Report, IntakeError> {
        run(
            &self.test.store,
            Import {
                path,
                format,
                source: None,
                dry_run,
            },
            &self.site,
            &self.settings,
            now(),
            |_| {},
        )
        .await
    }

    async fn fhir(&self, dry_run: bool) -> Report {
        self.import(&data("fhir"), Format::Fhir, dry_run)
            .await
            .expect("it can be imported")
    }

    async fn csv(&self, name: &str, map: Option<&str>) -> Report {
        let map = map.map(data);
        self.import(
            &data(name),
            Format::Csv {
                map: map.as_deref(),
            },
            false,
        )
        .await
        .expect("it can be imported")
    }

    async fn patient(&self, source: &str, key: &str) -> Option<Patient> {
        let mut tx = self.test.store.read().await.expect("a transaction");
        let id = patients::find(&mut tx, source, key)
            .await
            .expect("it can be asked")?;
        patients::load(&mut tx, &[id])
            .await
            .expect("it can be read")
            .pop()
    }

    async fn occasion(&self, source: &str, key: &str) -> Occasion {
        let mut tx = self.test.store.read().await.expect("a transaction");
        let id = occasions::find(&mut tx, source, key)
            .await
            .expect("it can be asked")
            .expect("it is there");
        occasions::load(&mut tx, &[id])
            .await
            .expect("it can be read")
            .remove(0)
    }

    async fn count(&self, sql: &'static str) -> i64 {
        let mut tx = self.test.store.read().await.expect("a transaction");
        on!(&mut tx, conn => sqlx::query_scalar(sql).fetch_one(conn).await)
            .expect("it can be counted")
    }

    fn file_holds(&self, needle: &str) -> bool {
        let Some(file) = self.test.url.strip_prefix("sqlite://") else {
            return false;
        };
        let read = |ending: &str| std::fs::read(format!("{file}{ending}")).unwrap_or_default();
        let bytes = [read(""), read("-wal")].concat();
        bytes
            .windows(needle.len())
            .any(|window| window == needle.as_bytes())
    }
}

fn addresses(patient: &Patient) -> Vec<&str> {
    patient
        .contacts
        .iter()
        .map(|contact| contact.address.reveal().as_str())
        .collect()
}

fn faults(report: &Report) -> Vec<String> {
    report.faults.iter().map(ToString::to_string).collect()
}

#[tokio::test]
async fn a_folder_of_fhir_is_read_whole_and_twice_is_once() {
    for desk in Desk::all("CN").await {
        let dry = desk.fhir(true).await;
        assert_eq!(desk.count("SELECT COUNT(*) FROM patient").await, 0);
        let report = desk.fhir(false).await;
        assert_eq!(dry.counts, report.counts);
        assert_eq!(
            report.of(RecordKind::Patient),
            Counts {
                new: 4,
                rejected: 1,
                ..Counts::default()
            }
        );
        assert_eq!(report.of(RecordKind::Staff).new, 2);
        assert_eq!(report.of(RecordKind::Department).new, 1);
        assert_eq!(report.of(RecordKind::Relation).new, 1);
        assert_eq!((report.sensitive_patients, report.purged), (2, 0));
        assert_eq!(report.skipped.get("CarePlan"), Some(&1));
        assert_eq!(report.skipped.get("Appointment: not agreed yet"), Some(&1));
        assert_eq!(
            faults(&report),
            [
                "Appointment.ndjson:4: start: expected the instant at which it starts",
                "Condition.ndjson:5: expected the key of a patient who is in this import or known already",
                "Patient.ndjson:5: column 62: expected one FHIR resource as JSON on the line",
                "Patient.ndjson:6: birthDate: expected YYYY-MM-DD, YYYY-MM or YYYY",
                "Patient.ndjson:8: telecom[0].value: expected a phone number (kept without it)",
            ]
        );

        let again = desk.fhir(false).await;
        assert!(!again.changed_anything(), "{:?}", again.counts);
        assert_eq!(again.of(RecordKind::Patient).unchanged, 4);
    }
}

#[tokio::test]
async fn fhir_patients_come_with_the_best_name_and_numbers_and_their_family() {
    for desk in Desk::all("CN").await {
        desk.fhir(false).await;
        let chen = desk.patient("his", "M-1001").await.expect("she is there");
        assert_eq!(chen.name.reveal().full, "陈静");
        assert_eq!(
            addresses(&chen),
            ["+8613800000011", "+861062345678", "chen.jing@example.org"]
        );
        assert_eq!(chen.language.as_deref(), Some("zh-CN"));
        assert_eq!(
            (chen.family[0].kind.as_str(), chen.family[0].consented),
            ("child", false)
        );

        let ben = desk.patient("his", "M-1002").await.expect("he is there");
        assert_eq!(addresses(&ben), ["+12125550144", "+12125550143"]);
        assert_eq!(ben.birth_on, None);
        assert_eq!(ben.attributes.reveal()["birth_year"], 1990);
        assert_eq!(
            (ben.family[0].kind.as_str(), ben.family[0].consented),
            ("guardian", true)
        );

        let lin = desk.patient("his", "M-1007").await.expect("she is there");
        let family: Vec<(&str, bool)> = lin
            .family
            .iter()
            .map(|relation| (relation.kind.as_str(), relation.consented))
            .collect();
        assert_eq!(family, [("parent", true), ("emergency_contact", false)]);
        assert!(
            desk.patient("his", "M-1008")
                .await
                .expect("he is there")
                .deceased
        );

        let mut tx = desk.test.store.read().await.expect("a transaction");
        let nurses = staff::of_departments(&mut tx, &["clinical"])
            .await
            .expect("they can be read");
        assert_eq!(nurses.len(), 1);
        assert_eq!(
            nurses[0]
                .phone
                .as_ref()
                .map(|phone| phone.reveal().as_str()),
            Some("+861062340001")
        );
        assert_eq!(
            staff::departments(&mut tx).await.expect("they can be read")[0]
                .public_name
                .as_deref(),
            Some("Harbor Clinic")
        );
    }
}

#[tokio::test]
async fn fhir_bookings_become_occasions() {
    for desk in Desk::all("CN").await {
        desk.fhir(false).await;
        let visit = desk.occasion("his", "a1").await;
        assert_eq!(
            (visit.kind.as_str(), visit.when.to_text().as_str()),
            ("revisit", "2026-07-24T09:30")
        );
        assert_eq!(
            (visit.doctor.as_deref(), visit.place.as_deref()),
            (Some("Dr. Lee Ng"), Some("Building 2, Room 5"))
        );
        assert_eq!(
            visit.doctor_key.map(|key| key.to_text()).as_deref(),
            Some("his/d1")
        );
        assert_eq!(
            visit.created_at, None,
            "it was there before the first import"
        );
        let check = desk.occasion("his", "a2").await;
        assert_eq!(
            (check.kind.as_str(), check.doctor.as_deref()),
            ("recheck", Some("Dr. Zhao"))
        );
        assert_eq!(desk.occasion("his", "a5").await.kind, "vaccination");
        let discharge = desk.occasion("his", "Encounter/e1").await;
        assert_eq!(
            (discharge.kind.as_str(), discharge.when.to_text().as_str()),
            ("discharge", "2026-06-28T11:00")
        );
        assert_eq!(
            desk.occasion("his", "MedicationRequest/m1")
                .await
                .when
                .to_text(),
            "2026-08-09"
        );
        assert_eq!(desk.count("SELECT COUNT(*) FROM occasion").await, 5);

        let mut tx = desk.test.store.read().await.expect("a transaction");
        assert_eq!(marks::take(&mut tx, 10).await.expect("marks").len(), 4);
        assert!(
            sources::first_imported_at(&mut tx, "his")
                .await
                .expect("it can be asked")
                .is_some()
        );
        drop(tx);
        assert_eq!(
            desk.count("SELECT COUNT(*) FROM audit WHERE action = 'import.applied'")
                .await,
            1
        );
    }
}

#[tokio::test]
async fn fhir_care_becomes_facts_without_secrets_and_values() {
    for desk in Desk::all("CN").await {
        desk.fhir(false).await;
        let chen = desk
            .patient("his", "M-1001")
            .await
            .expect("she is there")
            .id;
        let mut tx = desk.test.store.read().await.expect("a transaction");
        let of = facts::of(&mut tx, std::slice::from_ref(&chen))
            .await
            .expect("they can be read");
        let mut told: Vec<String> = of[&chen]
            .iter()
            .map(|fact| format!("{} {}", fact.kind, fact.code.as_deref().unwrap_or("-")))
            .collect();
        told.sort();
        assert_eq!(
            told,
            [
                "diagnosis 44054006",
                "diagnosis E11.9",
                "encounter 32485007",
                "encounter AMB",
                "encounter IMP",
                "medication 860975",
                "result 4548-4",
                "vaccination 140"
            ]
        );
        assert!(
            of[&chen]
                .iter()
                .any(|fact| fact.on.is_some_and(|on| on.to_string() == "2019-03-02")),
            "the day is that of the site's zone"
        );
        drop(tx);
        for secret in [
            "13811110003",
            "13811110004",
            "M-1003",
            "M-1004",
            "Secret",
            "Hidden",
            "B20.1",
        ] {
            assert!(!desk.file_holds(secret), "{secret}");
        }
        // An old number is no secret, but a value of a result is never kept.
        assert_eq!(
            desk.count("SELECT COUNT(*) FROM fact WHERE attributes LIKE '%7.9%'")
                .await,
            0
        );
    }
}

#[tokio::test]
async fn a_second_import_creates_moves_and_purges() {
    for desk in Desk::all("CN").await {
        desk.fhir(false).await;
        let folder =
            std::env::temp_dir().join(format!("carebell-test-{}", uuid::Uuid::now_v7().simple()));
        std::fs::create_dir_all(&folder).expect("a folder");
        let appointment = |id: &str, start: &str| {
            format!(
                r#"{{"resourceType":"Appointment","id":"{id}","meta":{{"versionId":"2"}},"status":"booked","start":"{start}","participant":[{{"actor":{{"identifier":{{"system":"http://harbor.example/mrn","value":"M-1001"}}}}}},{{"actor":{{"reference":"Patient/M-1001"}}}}]}}"#,
            )
        };
        let lines = [
            appointment("a1", "2026-07-25T02:00:00Z"),
            appointment("a9", "2026-07-26T02:00:00Z"),
        ]
        .join("\n");
        std::fs::write(folder.join("new.ndjson"), lines).expect("a file");
        let report = desk
            .import(&folder, Format::Fhir, false)
            .await
            .expect("it can be imported");
        assert_eq!(
            (
                report.of(RecordKind::Occasion).moved,
                report.of(RecordKind::Occasion).new
            ),
            (1, 1)
        );
        assert_eq!(desk.occasion("his", "a1").await.epoch, 2);
        assert_eq!(desk.occasion("his", "a9").await.created_at, Some(now()));

        let flagged = r#"{"resourceType":"Patient","id":"p1","identifier":[{"system":"http://harbor.example/mrn","value":"M-1001"}],"meta":{"security":[{"code":"V"}]},"birthDate":"nonsense"}"#;
        std::fs::write(folder.join("new.ndjson"), flagged).expect("a file");
        let report = desk
            .import(&folder, Format::Fhir, false)
            .await
            .expect("it can be imported");
        assert_eq!(report.purged, 1);
        assert!(desk.patient("his", "M-1001").await.is_none());
        for secret in ["13800000011", "13800000012", "chen.jing", "陈静", "M-1001"] {
            assert!(!desk.file_holds(secret), "{secret}");
        }
        std::fs::remove_dir_all(&folder).expect("it can be removed");
    }
}

#[tokio::test]
async fn a_chinese_table_is_read_by_its_headers_in_every_encoding() {
    for name in ["patients.utf8.csv", "patients.bom.csv", "patients.gbk.csv"] {
        for desk in Desk::all("CN").await {
            let report = desk.csv(name, None).await;
            assert_eq!(
                report.of(RecordKind::Patient),
                Counts {
                    new: 3,
                    rejected: 1,
                    ..Counts::default()
                },
                "{name}"
            );
            assert_eq!(report.sensitive_patients, 1);
            assert_eq!(report.unknown_columns, ["身份证号", "备注"]);
            let expected = [
                format!("{name}:6: column 出生日期: expected a date of birth such as 1975-04-02"),
                format!("{name}:7: column 手机: expected a phone number (kept without it)"),
            ];
            assert_eq!(faults(&report), expected);
            let wang = desk.patient("his", "1001").await.expect("she is there");
            assert_eq!(wang.name.reveal().full, "王芳");
            assert_eq!(
                wang.birth_on.map(|day| day.reveal().to_string()).as_deref(),
                Some("1975-04-02")
            );
            assert_eq!(
                addresses(&wang),
                ["+8613800000021", "+861062345679", "wang.fang@example.org"]
            );
            assert_eq!(
                addresses(&desk.patient("his", "1002").await.expect("he is there")),
                ["+8613800000022", "+8613900000023"]
            );
            for never in ["13800000024", "110101", "赵六", "周三下午"] {
                assert!(!desk.file_holds(never), "{never}");
            }
            assert!(!desk.csv(name, None).await.changed_anything());
        }
    }
}

#[tokio::test]
async fn a_table_of_bookings_with_a_mapping_yields_patients_and_occasions() {
    for desk in Desk::all("US").await {
        let report = desk.csv("bookings.csv", Some("bookings.toml")).await;
        assert_eq!(
            report.of(RecordKind::Occasion),
            Counts {
                new: 5,
                rejected: 1,
                ..Counts::default()
            }
        );
        assert_eq!(report.of(RecordKind::Patient).new, 4);
        assert_eq!(report.of(RecordKind::Patient).repeated, 1);
        assert_eq!(report.unknown_columns, ["Secret note"]);
        assert_eq!(
            faults(&report),
            [
                "bookings.csv:5: column Clock: expected a time such as 09:30",
                "bookings.csv:6: expected a closing quote"
            ]
        );
        let first = desk.occasion("harbor", "B-1").await;
        assert_eq!(
            (
                first.kind.as_str(),
                first.when.to_text().as_str(),
                first.doctor.as_deref()
            ),
            ("revisit", "2026-07-24T09:30", Some("Dr. Ng"))
        );
        assert_eq!(
            desk.occasion("harbor", "B-2").await.when.to_text(),
            "2026-07-25"
        );
        let gone = desk.occasion("harbor", "B-3").await;
        assert_eq!(
            (gone.status, gone.when.to_text().as_str()),
            (OccasionStatus::Cancelled, "2026-07-26T14:15")
        );
        assert_eq!(
            desk.patient("harbor", "M-6")
                .await
                .expect("she is there")
                .name
                .reveal()
                .full,
            "Fay; Poe"
        );
        let again = desk.csv("bookings.csv", Some("bookings.toml")).await;
        assert!(!again.changed_anything(), "{:?}", again.counts);
    }
}

#[tokio::test]
async fn a_table_leaves_alone_what_it_has_no_column_for() {
    for desk in Desk::all("CN").await {
        desk.csv("patients.utf8.csv", None).await;
        let folder =
            std::env::temp_dir().join(format!("carebell-test-{}", uuid::Uuid::now_v7().simple()));
        std::fs::create_dir_all(&folder).expect("a folder");
        let file = folder.join("visits.csv");
        std::fs::write(
            &file,
            "病历号,手机,预约号,预约时间\n1001,13800000021,Y1,2026年7月24日 上午9:30\n",
        )
        .expect("a file");
        let report = desk
            .import(&file, Format::Csv { map: None }, false)
            .await
            .expect("it can be imported");
        assert_eq!(
            (
                report.of(RecordKind::Patient).changed,
                report.of(RecordKind::Occasion).new
            ),
            (1, 1)
        );
        let wang = desk.patient("his", "1001").await.expect("she is there");
        assert_eq!(
            (wang.name.reveal().full.as_str(), wang.birth_on.is_some()),
            ("王芳", true)
        );
        assert_eq!(
            addresses(&wang),
            ["+8613800000021", "wang.fang@example.org"]
        );
        let again = desk
            .import(&file, Format::Csv { map: None }, false)
            .await
            .expect("it can be imported");
        assert!(!again.changed_anything(), "{:?}", again.counts);
        std::fs::remove_dir_all(&folder).expect("it can be removed");
    }
}

#[tokio::test]
async fn a_fault_in_a_mapping_names_its_line() {
    for desk in Desk::all("CN").await {
        let file = std::env::temp_dir().join(format!(
            "carebell-test-{}.toml",
            uuid::Uuid::now_v7().simple()
        ));
        let import = async |text: &str| {
            std::fs::write(&file, text).expect("a file");
            desk.import(
                &data("bookings.csv"),
                Format::Csv { map: Some(&file) },
                false,
            )
            .await
            .expect_err("it has a fault")
            .to_string()
        };
        let unknown =
            import("source = \"x\"\n\n[patient]\nkey = \"Patient\"\nfone = \"Mobile\"\n").await;
        assert!(
            unknown.contains(".toml:5: unknown field `fone`"),
            "{unknown}"
        );
        let missing = import("[patient]\nkey = \"Patient\"\nphone = \"Handy\"\n").await;
        assert!(
            missing.ends_with("expected the column `handy` in the header of bookings.csv"),
            "{missing}"
        );
        let both = import("[patient]\nkey = { column = \"Patient\", value = \"1\" }\n").await;
        assert!(
            both.contains(".toml:2: expected either a column or a value"),
            "{both}"
        );
        std::fs::remove_file(&file).expect("it can be removed");
    }
}

#[tokio::test]
async fn a_line_too_long_or_of_another_encoding_costs_itself_alone() {
    for desk in Desk::all("CN").await {
        let file = std::env::temp_dir().join(format!(
            "carebell-test-{}.ndjson",
            uuid::Uuid::now_v7().simple()
        ));
        let mut lines = format!(
            r#"{{"resourceType":"Patient","id":"x1","name":[{{"text":"{}"}}]}}"#,
            "a".repeat(2 * 1024 * 1024)
        )
        .into_bytes();
        lines.extend_from_slice(b"\n{\"resourceType\":\"Patient\",\"id\":\"x2\",\"name\":[{\"text\":\"\xcd\xf5\"}]}\n[1]\n");
        lines.extend_from_slice(br#"{"resourceType":"Patient","id":"x3","name":{"text":"Zoe"}}"#);
        lines.extend_from_slice(
            b"\n{\"resourceType\":\"Patient\",\"id\":\"x4\",\"name\":[{\"text\":\"Zoe\"}]}",
        );
        std::fs::write(&file, lines).expect("a file");
        let report = desk
            .import(&file, Format::Fhir, false)
            .await
            .expect("it can be imported");
        std::fs::remove_file(&file).expect("it can be removed");
        assert_eq!(report.of(RecordKind::Patient).new, 1);
        let told: Vec<String> = faults(&report)
            .iter()
            .map(|fault| {
                fault
                    .split_once(':')
                    .map_or("", |(_, rest)| rest)
                    .to_owned()
            })
            .collect();
        assert_eq!(told.len(), 4);
        assert_eq!(told[0], "1: expected a line of at most 1048576 bytes");
        assert!(
            told[1].starts_with("2: column ")
                && told[1].ends_with("expected one FHIR resource as JSON on the line"),
            "{told:?}"
        );
        assert_eq!(
            told[2],
            "3: resourceType: expected the type of a FHIR resource"
        );
        assert_eq!(told[3], "4: name: expected a sequence");
    }
}

#[tokio::test]
async fn a_folder_that_a_generator_wrote_is_read_without_a_fault() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data/synthea-10");
    if !folder.is_dir() {
        eprintln!("{} is absent: nothing was read", folder.display());
        return;
    }
    for desk in Desk::all("US").await {
        let report = desk
            .import(&folder, Format::Fhir, false)
            .await
            .expect("it can be imported");
        assert_eq!(faults(&report), Vec::<String>::new());
        assert!(
            report.of(RecordKind::Patient).new >= 10
                && report.of(RecordKind::Fact).new > 1000
                && report.of(RecordKind::Staff).new > 10
        );
        let again = desk
            .import(&folder, Format::Fhir, false)
            .await
            .expect("it can be imported");
        assert!(!again.changed_anything(), "{:?}", again.counts);
    }
}
