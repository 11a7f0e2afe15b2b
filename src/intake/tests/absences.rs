//! Staff who are away, as tables tell of them and other sources do not.

use super::{Desk, faults};
use crate::intake::import::Format;
use crate::intake::record::RecordKind;
use crate::store::{on, staff};

#[tokio::test]
async fn a_table_of_staff_tells_who_is_away_and_who_stands_in() {
    let folder =
        std::env::temp_dir().join(format!("carebell-test-{}", uuid::Uuid::now_v7().simple()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let (table, map) = (folder.join("staff.csv"), folder.join("staff.toml"));
    let mapping = "[staff]\nkey = \"id\"\nname = \"name\"\ndepartment = \"dept\"\naway_from = \"from\"\naway_until = \"until\"\nsubstitute = \"deputy\"\n";
    std::fs::write(&map, mapping).expect("a file");
    for desk in Desk::all("CN").await {
        let import = async |rows: &str| {
            std::fs::write(&table, format!("id,name,dept,from,until,deputy\n{rows}"))
                .expect("a file");
            let format = Format::Csv { map: Some(&map) };
            desk.import(&table, format, false)
                .await
                .expect("it can be imported")
        };
        let report = import("D1,Li,clinical,2026-07-01,2026-07-20,D2\nD2,Wu,clinical,,,\nD3,Xu,clinical,2026-07-20,2026-07-01,\nD4,He,clinical,soon,,\n").await;
        assert_eq!(report.of(RecordKind::Staff).new, 2);
        let faults = faults(&report);
        assert!(
            faults[0].contains(":4: column until: expected a last day that is not before"),
            "{faults:?}"
        );
        assert!(
            faults[1].contains(":5: column from: expected a date"),
            "{faults:?}"
        );
        let known = async || {
            let mut tx = desk.test.store.read().await.expect("a transaction");
            staff::of_departments(&mut tx, &["clinical"])
                .await
                .expect("they can be read")
        };
        let li = known().await.remove(0);
        let day = |text: &str| text.parse().expect("a day");
        assert!(li.away_on(day("2026-07-20")).is_some() && li.away_on(day("2026-07-21")).is_none());
        assert_eq!(
            li.substitute.map(|key| key.to_text()).as_deref(),
            Some("his/D2")
        );
        let again = import("D1,Li,clinical,2026-07-01,2026-07-20,D2\nD2,Wu,clinical,,,\n").await;
        assert_eq!(again.of(RecordKind::Staff).unchanged, 2);
        import("D1,Li,clinical,,,\n").await;
        let li = known().await.remove(0);
        assert!(li.away.is_empty() && li.substitute.is_none(), "back again");
    }
    std::fs::remove_dir_all(&folder).expect("it can be removed");
}

#[tokio::test]
async fn a_source_that_tells_no_absence_leaves_it_as_it_is() {
    for desk in Desk::all("CN").await {
        desk.fhir(false).await;
        let mut tx = desk.test.store.write().await.expect("a transaction");
        let set = "UPDATE staff SET away = '[{\"from\":\"2026-07-01\",\"until\":null}]', row_hash = '' WHERE source_key = 'd1'";
        on!(&mut tx, conn => sqlx::query(set).execute(conn).await.map(|_| ())).expect("it is set");
        tx.commit().await.expect("it is kept");
        desk.fhir(false).await;
        assert_eq!(
            desk.count("SELECT COUNT(*) FROM staff WHERE away LIKE '%2026-07-01%'")
                .await,
            1
        );
    }
}
