//! Consent of a relation by class, by every way in, on both databases.

use std::path::{Path, PathBuf};

use jiff::Timestamp;

use crate::intake::import::{Format, Import, run};
use crate::intake::record::RecordKind;
use crate::intake::report::Report;
use crate::intake::{Settings, SiteInfo};
use crate::store::testing::{TestStore, stores};
use crate::store::{execute, on};

struct Desk {
    test: TestStore,
    site: SiteInfo,
    folder: PathBuf,
}

impl Desk {
    async fn all() -> Vec<Self> {
        let mut desks = Vec::new();
        for test in stores().await {
            let settings = Settings::default();
            let site = SiteInfo::open(&test.store, "Asia/Shanghai", "CN", &settings, Path::new(""));
            let site = site.await.expect("the site opens");
            let name = format!("carebell-test-{}", uuid::Uuid::now_v7().simple());
            let folder = std::env::temp_dir().join(name);
            std::fs::create_dir_all(&folder).expect("a folder");
            desks.push(Self { test, site, folder });
        }
        desks
    }

    async fn import(&self, text: &str, map: Option<&str>) -> Report {
        let (file, map_file) = (self.folder.join("records"), self.folder.join("map.toml"));
        std::fs::write(&file, text).expect("a file");
        std::fs::write(&map_file, map.unwrap_or_default()).expect("a file");
        let format = match map {
            Some(_) => Format::Csv {
                map: Some(&map_file),
            },
            None => Format::Json,
        };
        let import = Import {
            path: &file,
            format,
            source: None,
            dry_run: false,
        };
        let now: Timestamp = "2026-07-01T00:00:00Z".parse().expect("it is an instant");
        let settings = Settings::default();
        run(&self.test.store, import, &self.site, &settings, now, |_| {})
            .await
            .expect("it can be imported")
    }

    /// Whether the relation may be told, and of which classes alone.
    async fn may(&self) -> (bool, Vec<String>) {
        const MAY: &str = "SELECT consented FROM relation";
        const SCOPES: &str = "SELECT c.scope FROM consent c JOIN relation r ON r.patient_id = c.patient_id AND r.id = c.relation_id
            WHERE c.granted = TRUE ORDER BY c.scope";
        let mut tx = self.test.store.read().await.expect("a transaction");
        let may = on!(&mut tx, conn => sqlx::query_scalar(MAY).fetch_one(conn).await);
        let scopes = on!(&mut tx, conn => sqlx::query_scalar(SCOPES).fetch_all(conn).await);
        (may.expect("it is read"), scopes.expect("they are read"))
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn said(may: bool, classes: &[&str]) -> (bool, Vec<String>) {
    (may, classes.iter().map(|one| (*one).to_owned()).collect())
}

fn line(consent: &str) -> String {
    format!(
        r#"{{"patient": {{"key": "P1", "birth_date": "2016-04-02", "relations": [{{"relation": "parent", "name": {{"full": "Mum"}}, {consent} "contacts": [{{"phone": "13900000002"}}]}}]}}}}"#
    )
}

#[tokio::test]
async fn a_record_names_the_classes_that_a_relation_may_hear_of() {
    for desk in Desk::all().await {
        for (consent, expected) in [
            ("", said(false, &[])),
            (r#""consented": true,"#, said(true, &[])),
            (
                r#""consented_to": ["survey", "Appointment", "survey"],"#,
                said(true, &["appointment", "survey"]),
            ),
            (
                r#""consented": true, "consented_to": ["clinical"],"#,
                said(true, &["clinical"]),
            ),
            (r#""consented_to": ["clinical", "all"],"#, said(true, &[])),
            (r#""consented_to": [],"#, said(false, &[])),
            (
                r#""consented": false, "consented_to": ["clinical"],"#,
                said(false, &["clinical"]),
            ),
            (
                r#""consented": true, "consented_to": [],"#,
                said(false, &[]),
            ),
        ] {
            let report = desk.import(&line(consent), None).await;
            assert_eq!(report.fault_count, 0, "{:?}", report.faults);
            assert_eq!(desk.may().await, expected, "{consent}");
            assert!(
                !desk.import(&line(consent), None).await.changed_anything(),
                "twice is once: {consent}"
            );
        }
        let wrong = desk
            .import(&line(r#""consented_to": ["appointment", "sms"],"#), None)
            .await;
        let fault = wrong.faults[0].to_string();
        assert!(
            fault.ends_with(
                "patient.relations[0].consented_to[1]: expected all or a class such as appointment"
            ),
            "{fault}"
        );
    }
}

#[tokio::test]
async fn a_table_names_them_in_a_column_and_another_table_leaves_them_alone() {
    const MAP: &str = "[patient]\nkey = \"No\"\nbirth_on = \"Born\"\n[[relation]]\nkind = { value = \"parent\" }\nname = \"Contact\"\nphone = \"Phone\"\n";
    const OTHER: &str = "[patient]\nkey = \"No\"\nemail = \"Mail\"\n";
    let by_class = format!("{MAP}consented_to = {{ column = \"May hear\", split = \"+\" }}\n");
    let both = format!("{by_class}consented = \"May\"\n");
    for desk in Desk::all().await {
        for (cell, expected) in [
            (
                "appointment+clinical",
                said(true, &["appointment", "clinical"]),
            ),
            ("yes", said(true, &[])),
            ("", said(false, &[])),
            ("survey", said(true, &["survey"])),
            ("no", said(false, &[])),
        ] {
            let table =
                format!("No,Born,Contact,Phone,May hear\nP1,2016-04-02,Mum,13900000002,{cell}\n");
            let report = desk.import(&table, Some(&by_class)).await;
            assert_eq!(report.fault_count, 0, "{:?}", report.faults);
            assert_eq!(desk.may().await, expected, "{cell}");
        }
        let table =
            "No,Born,Contact,Phone,May,May hear\nP1,2016-04-02,Mum,13900000002,yes,survey\n";
        desk.import(table, Some(&both)).await;
        assert_eq!(desk.may().await, said(true, &["survey"]));
        let mails = desk
            .import("No,Mail\nP1,kid@example.org\n", Some(OTHER))
            .await;
        assert_eq!(mails.of(RecordKind::Patient).changed, 1);
        assert_eq!(desk.may().await, said(true, &["survey"]));
        let wrong = desk
            .import(&table.replace("survey", "everything"), Some(&both))
            .await;
        assert!(
            wrong.faults[0]
                .to_string()
                .contains("column May hear: expected all, yes, no or classes such as appointment"),
            "{:?}",
            wrong.faults
        );
    }
}

#[tokio::test]
async fn what_a_relation_refused_themselves_no_record_takes_back() {
    for desk in Desk::all().await {
        desk.import(&line(r#""consented_to": ["clinical"],"#), None)
            .await;
        let mut tx = desk.test.store.write().await.expect("a transaction");
        execute!(
            &mut tx,
            sqlx::query("INSERT INTO consent (patient_id, relation_id, scope, granted, origin, at) SELECT patient_id, id, 'all', FALSE, 'reply', 1 FROM relation")
        )
        .expect("it is written");
        tx.commit().await.expect("it commits");
        desk.import(&line(r#""consented_to": ["survey"],"#), None)
            .await;
        assert_eq!(desk.may().await, said(true, &["survey"]));
        let mut tx = desk.test.store.read().await.expect("a transaction");
        let refused: i64 = on!(&mut tx, conn => sqlx::query_scalar("SELECT COUNT(*) FROM consent WHERE granted = FALSE AND scope = 'all'").fetch_one(conn).await)
            .expect("it is read");
        assert_eq!(refused, 1);
    }
}
