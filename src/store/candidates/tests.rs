//! Candidates are found by indexes, and by the same ones whatever the keys.

use super::{
    Among, BIRTHDAYS, BORN, COUNT_BORN, COUNT_DIAGNOSED, COUNT_OF_SEX, COUNT_TAGGED, Candidates,
    DATED, DIAGNOSED, EVERYBODY, OF_OWN_LEADS, OF_SEX, TAGGED, count, page, page_of_all,
};
use crate::model::patient::Sex;
use crate::store::{StoreError, Tx, execute, testing};

/// Each statement with the index that has to lead on SQLite.
const STATEMENTS: [(&str, &str); 12] = [
    (BIRTHDAYS, "patient_birthday"),
    (BIRTHDAYS, "patient_lunar_birthday"),
    (DATED, "occasion_at"),
    (DATED, "fact_day"),
    (DIAGNOSED, "fact_code"),
    (TAGGED, "patient_tagged"),
    (BORN, "patient_birth "),
    (OF_SEX, "patient_sex"),
    (OF_OWN_LEADS, "rule_override_leads"),
    (COUNT_DIAGNOSED, "fact_code"),
    (COUNT_BORN, "patient_birth "),
    (COUNT_OF_SEX, "patient_sex"),
];

async fn plan(tx: &mut Tx, sql: &str) -> Result<Vec<String>, StoreError> {
    Ok(match tx {
        Tx::Sqlite(tx) => {
            let sql = format!("EXPLAIN QUERY PLAN {sql}");
            let query = sqlx::query_as(sqlx::AssertSqlSafe(sql));
            let steps: Vec<(i64, i64, i64, String)> = query.fetch_all(&mut **tx).await?;
            steps.into_iter().map(|step| step.3).collect()
        }
        Tx::Postgres(tx) => {
            // On empty tables it would scan whatever the statement; what it can do without is what counts.
            sqlx::query("SET LOCAL enable_seqscan = off")
                .execute(&mut **tx)
                .await?;
            sqlx::query(sqlx::AssertSqlSafe(format!("PREPARE asked AS {sql}")))
                .execute(&mut **tx)
                .await?;
            let values: Vec<&str> = (1..=9)
                .filter(|n| sql.contains(&format!("${n}")))
                .map(|_| "NULL")
                .collect();
            let explain = format!("EXPLAIN EXECUTE asked({})", values.join(", "));
            sqlx::query("SET LOCAL plan_cache_mode = force_generic_plan")
                .execute(&mut **tx)
                .await?;
            let query = sqlx::query_scalar(sqlx::AssertSqlSafe(explain));
            let steps = query.fetch_all(&mut **tx).await?;
            sqlx::query("DEALLOCATE asked").execute(&mut **tx).await?;
            steps
        }
    })
}

#[tokio::test]
async fn no_candidate_is_looked_for_in_a_whole_table() -> Result<(), StoreError> {
    for test in testing::stores().await {
        let mut tx = test.store.read().await?;
        for (sql, index) in STATEMENTS {
            let steps = plan(&mut tx, sql).await?;
            let scans = |step: &&String| {
                let of_a_table = ["SCAN p", "SCAN f", "SCAN o", "SCAN c", "SCAN r"];
                step.contains("Seq Scan") || of_a_table.iter().any(|scan| step.starts_with(scan))
            };
            assert_eq!(steps.iter().find(scans), None, "{sql}: {steps:#?}");
            let leads =
                matches!(tx, Tx::Postgres(_)) || steps.iter().any(|step| step.contains(index));
            assert!(leads, "{index}: {steps:#?}");
        }
        // Who is marked is found by an index of those who are marked alone, and everybody in the order of ids.
        for sql in [COUNT_TAGGED, EVERYBODY] {
            let steps = plan(&mut tx, sql).await?;
            let sorts = |step: &&String| step.contains("TEMP B-TREE") || step.contains("Sort");
            assert_eq!(steps.iter().find(sorts), None, "{sql}: {steps:#?}");
        }
    }
    Ok(())
}

fn everybody() -> Candidates {
    Candidates {
        among: Among::Everybody,
        diagnosis: Vec::new(),
        sex: None,
        born_until: None,
        born_after: None,
        tags: Vec::new(),
    }
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "one table of patients and keys")]
async fn every_key_narrows_the_page_and_the_count_alike() -> Result<(), StoreError> {
    const PATIENTS: &str = "INSERT INTO patient (id, source, source_key, name, sex, birth_on, birth_md, deceased, special, held, tags, prefer,
          attributes, row_hash, created_at, updated_at) VALUES
        ('pat_a', 'his', 'a', '{}', 'female', '1950-04-02', 402, FALSE, FALSE, FALSE, '[\"vip\"]', '[]', '{}', '', 0, 0),
        ('pat_b', 'his', 'b', '{}', 'female', '1990-04-02', 402, FALSE, FALSE, FALSE, '[\"vip guest\",\"a\\\\b\"]', '[]', '{}', '', 0, 0),
        ('pat_c', 'his', 'c', '{}', 'male', '1950-04-03', 403, FALSE, FALSE, FALSE, '[]', '[]', '{}', '', 0, 0),
        ('pat_d', 'his', 'd', '{}', 'male', NULL, NULL, FALSE, FALSE, FALSE, '[]', '[]', '{}', '', 0, 0),
        ('pat_e', 'his', 'e', '{}', 'female', '1950-04-02', 402, TRUE, FALSE, FALSE, '[\"vip\"]', '[]', '{}', '', 0, 0)";
    const FACTS: &str = "INSERT INTO fact (id, patient_id, source, source_key, kind, code, attributes, row_hash, updated_at) VALUES
        ('fac_1', 'pat_a', 'his', '1', 'diagnosis', 'E11.9', '{}', '', 0), ('fac_2', 'pat_a', 'his', '2', 'diagnosis', 'e10', '{}', '', 0),
        ('fac_3', 'pat_c', 'his', '3', 'diagnosis', 'E12', '{}', '', 0), ('fac_4', 'pat_d', 'his', '4', 'result', 'E11', '{}', '', 0),
        ('fac_5', 'pat_e', 'his', '5', 'diagnosis', 'E11', '{}', '', 0)";
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
    let diabetic = Candidates {
        diagnosis: words(&["E10", "E11"]),
        ..everybody()
    };
    let table = [
        (everybody(), "a b c d"),
        (diabetic.clone(), "a"),
        (
            Candidates {
                sex: Some(Sex::Male),
                ..diabetic
            },
            "",
        ),
        (
            Candidates {
                sex: Some(Sex::Male),
                ..everybody()
            },
            "c d",
        ),
        (
            Candidates {
                tags: words(&["vip"]),
                ..everybody()
            },
            "a",
        ),
        (
            Candidates {
                tags: words(&["a\\b", "vip guest"]),
                ..everybody()
            },
            "b",
        ),
        (
            Candidates {
                born_until: Some("1950-04-02".to_owned()),
                ..everybody()
            },
            "a",
        ),
        (
            Candidates {
                born_after: Some("1950-04-02".to_owned()),
                ..everybody()
            },
            "b c",
        ),
    ];
    for test in testing::stores().await {
        let mut tx = test.store.write().await?;
        tx.run(PATIENTS).await?;
        tx.run(FACTS).await?;
        for (candidates, expected) in &table {
            let found = page(&mut tx, candidates, None, 10).await?;
            let short: Vec<&str> = found.iter().map(|id| &id.as_str()[4..]).collect();
            assert_eq!(short.join(" "), *expected, "{candidates:?}");
            let number = i64::try_from(found.len()).unwrap();
            assert_eq!(count(&mut tx, candidates).await?, number);
            // One by one they are the same.
            let (mut after, mut singly) = (None, Vec::new());
            while let [next] = page(&mut tx, candidates, after.as_ref(), 1)
                .await?
                .as_slice()
            {
                singly.push(next.clone());
                after = Some(next.clone());
            }
            assert_eq!(singly, found);
        }
        let birthday = Candidates {
            among: Among::Birthdays {
                solar: vec![402],
                lunar: vec![],
            },
            ..table[1].0.clone()
        };
        let found = page(&mut tx, &birthday, None, 10).await?;
        assert_eq!(found.len(), 1, "an audience narrows birthdays down as well");
    }
    Ok(())
}

#[tokio::test]
async fn pages_of_several_searches_pass_nobody_over() -> Result<(), StoreError> {
    const PATIENT: &str = "INSERT INTO patient (id, source, source_key, name, birth_md, deceased, special, held, tags, prefer, attributes,
          row_hash, created_at, updated_at) SELECT $1, 'his', $1, '{}', 402, FALSE, FALSE, FALSE, '[]', '[]', '{}', '', 0, 0";
    const OWN: &str = "INSERT INTO rule_override (patient_id, rule_id, is_off, leads, set_by, updated_at) VALUES ($1, $2, FALSE, $3, 'x', 0)";
    for test in testing::stores().await {
        let mut tx = test.store.write().await?;
        for n in 0..20 {
            let id = format!("pat_{n:02}");
            execute!(&mut tx, sqlx::query(PATIENT).bind(&id))?;
            if n % 2 == 1 {
                execute!(
                    &mut tx,
                    sqlx::query("UPDATE patient SET birth_md = 1224 WHERE id = $1").bind(&id)
                )?;
            }
            // Of another rule, or without leads, a setting is none of ours.
            let (rule, leads) = match n {
                0..=9 => ("birthday", Some("[\"5d\"]")),
                10..=14 => ("recheck", Some("[\"5d\"]")),
                _ => ("birthday", None),
            };
            execute!(&mut tx, sqlx::query(OWN).bind(&id).bind(rule).bind(leads))?;
        }
        let by_day = Candidates {
            among: Among::Birthdays {
                solar: vec![402],
                lunar: Vec::new(),
            },
            ..everybody()
        };
        let by_own = Candidates {
            among: Among::OfOwnLeads {
                rule: "birthday".to_owned(),
            },
            ..everybody()
        };
        let (mut after, mut seen) = (None, Vec::new());
        loop {
            let found = page_of_all(
                &mut tx,
                &[by_day.clone(), by_own.clone()],
                after.as_ref(),
                3,
            )
            .await?;
            seen.extend(
                found
                    .iter()
                    .map(|id| id.as_str()[4..].parse().unwrap_or(99)),
            );
            let is_last = found.len() < 3;
            after = found.last().cloned();
            if is_last {
                break;
            }
        }
        let wanted: Vec<usize> = (0..20).filter(|n| n % 2 == 0 || *n < 10).collect();
        assert_eq!(seen, wanted);
        tx.rollback().await?;
    }
    Ok(())
}
