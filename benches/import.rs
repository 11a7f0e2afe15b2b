//! An import of many patients from NDJSON into an empty SQLite file, and how near it comes to bare inserts.
//!
//! Writes a file of made-up patients, imports it as `carebell import` does, and imports it again, when nothing
//! changes. Beside it, in the same run, the same rows go into the same tables by plain prepared statements
//! through the same driver, with nothing read, checked, hashed or compared: the ceiling. Meanwhile another connection
//! writes a row now and then, as a running daemon does, and we print how long it waits. Run it with
//! `cargo bench --bench import`; arguments are the number of patients, and `bare` for patients with a contact
//! point alone, `fhir` for FHIR.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a bench")]

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use carebell::intake::import::{Format, Import, run};
use carebell::intake::record::RecordKind;
use carebell::intake::report::Report;
use carebell::intake::{Settings, SiteInfo};
use carebell::store::{Store, Tx, migrate};
use jiff::Timestamp;

/// What every patient of the file has.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    /// A contact point, two facts and an occasion.
    Whole,
    /// A contact point.
    Bare,
    /// As whole, in FHIR.
    Fhir,
}

const FAMILY: [&str; 8] = ["王", "李", "张", "刘", "陈", "杨", "赵", "黄"];
const GIVEN: [&str; 8] = ["芳", "伟", "娜", "敏", "静", "强", "磊", "洋"];
const CODES: [&str; 8] = [
    "E11.9", "I10", "J45.9", "N18.3", "I25.1", "K21.0", "M54.5", "Z23",
];

/// Numbers that look like chance and are the same in every run (splitmix64).
fn dice(n: u64) -> u64 {
    let mut z = n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

fn pick<'a>(list: &[&'a str], n: u64) -> &'a str {
    list[usize::try_from(n % list.len() as u64).unwrap()]
}

/// A made-up patient.
struct Person {
    key: String,
    family: &'static str,
    given: &'static str,
    sex: &'static str,
    birth: String,
    phone: String,
    facts: Vec<(&'static str, String)>,
    at: Vec<String>,
}

fn person(n: u64, shape: Shape) -> Person {
    let d = dice(n);
    let whole = shape != Shape::Bare;
    // One, two or three facts, and none, one or two occasions: two and one on average.
    let facts = if whole { 1 + d % 3 } else { 0 };
    let occasions = if whole { (d >> 8) % 3 } else { 0 };
    let fact = |i: u64| {
        let e = dice(d ^ i);
        let day = format!(
            "20{:02}-{:02}-{:02}",
            16 + e % 10,
            1 + (e >> 8) % 12,
            1 + (e >> 16) % 28
        );
        (CODES[usize::try_from((d + i) % 8).unwrap()], day)
    };
    let at = |i: u64| {
        let e = dice(d ^ (i + 99));
        format!(
            "2026-{:02}-{:02}T{:02}:{:02}",
            7 + e % 6,
            1 + (e >> 8) % 28,
            8 + (e >> 16) % 9,
            (e >> 24) % 4 * 15
        )
    };
    Person {
        key: format!("{:08}", 10_000_000 + n),
        family: pick(&FAMILY, d >> 3),
        given: pick(&GIVEN, d >> 11),
        sex: if d & 1 == 0 { "female" } else { "male" },
        birth: format!(
            "{}-{:02}-{:02}",
            1935 + (d >> 5) % 80,
            1 + (d >> 13) % 12,
            1 + (d >> 21) % 28
        ),
        phone: format!(
            "{}{:09}",
            pick(&["13", "15", "18"], d >> 4),
            dice(d) % 1_000_000_000
        ),
        facts: (0..facts).map(fact).collect(),
        at: (0..occasions).map(at).collect(),
    }
}

fn write_json(out: &mut impl std::io::Write, person: &Person) {
    let Person {
        key,
        family,
        given,
        sex,
        birth,
        phone,
        facts,
        at,
    } = person;
    let facts: Vec<String> = facts
        .iter()
        .map(|(code, day)| {
            format!(
                r#"{{"kind":"diagnosis","code":"{code}","system":"http://hl7.org/fhir/sid/icd-10","on":"{day}"}}"#
            )
        })
        .collect();
    let facts = facts.join(",");
    writeln!(out, r#"{{"patient":{{"key":"{key}","name":{{"family":"{family}","given":"{given}"}},"sex":"{sex}","birth_date":"{birth}","language":"zh-CN","contacts":[{{"phone":"{phone}"}}],"facts":[{facts}]}}}}"#).unwrap();
    for (n, at) in at.iter().enumerate() {
        writeln!(out, r#"{{"occasion":{{"key":"A{key}-{n}","patient":"{key}","kind":"appointment","at":"{at}","department":"cardiology","doctor":"李医生","place":"门诊三楼"}}}}"#).unwrap();
    }
}

fn write_fhir(out: &mut impl std::io::Write, person: &Person) {
    let Person {
        key,
        family,
        given,
        sex,
        birth,
        phone,
        facts,
        at,
    } = person;
    writeln!(out, r#"{{"resourceType":"Patient","id":"{key}","name":[{{"family":"{family}","given":["{given}"]}}],"gender":"{sex}","birthDate":"{birth}","telecom":[{{"system":"phone","value":"{phone}"}}]}}"#).unwrap();
    for (n, (code, day)) in facts.iter().enumerate() {
        writeln!(out, r#"{{"resourceType":"Condition","id":"c{key}-{n}","subject":{{"reference":"Patient/{key}"}},"code":{{"coding":[{{"system":"http://hl7.org/fhir/sid/icd-10","code":"{code}"}}]}},"onsetDateTime":"{day}"}}"#).unwrap();
    }
    for (n, at) in at.iter().enumerate() {
        writeln!(out, r#"{{"resourceType":"Appointment","id":"a{key}-{n}","status":"booked","start":"{at}:00+08:00","participant":[{{"actor":{{"reference":"Patient/{key}"}},"status":"accepted"}}]}}"#).unwrap();
    }
}

/// Counts of what the file holds.
#[derive(Default)]
struct Sums {
    patients: u64,
    records: u64,
    bytes: u64,
}

fn write(file: &Path, count: u64, shape: Shape) -> Sums {
    let mut out = BufWriter::with_capacity(1 << 20, File::create(file).unwrap());
    let mut records = 0;
    for n in 0..count {
        let person = person(n, shape);
        records += 1 + u64::try_from(person.facts.len() + person.at.len()).unwrap();
        match shape {
            Shape::Whole | Shape::Bare => write_json(&mut out, &person),
            Shape::Fhir => write_fhir(&mut out, &person),
        }
    }
    out.flush().unwrap();
    Sums {
        patients: count,
        records,
        bytes: std::fs::metadata(file).unwrap().len(),
    }
}

async fn open(dir: &Path, name: &str) -> Store {
    let store = Store::open(&format!("sqlite://{name}.db"), dir)
        .await
        .unwrap();
    migrate::run(&store).await.unwrap();
    store
}

async fn import(store: &Store, site: &SiteInfo, file: &Path, shape: Shape) -> (Report, Duration) {
    let import = Import {
        path: file,
        format: if shape == Shape::Fhir {
            Format::Fhir
        } else {
            Format::Json
        },
        source: None,
        dry_run: false,
    };
    let now: Timestamp = "2026-07-01T00:00:00Z".parse().unwrap();
    let started = Instant::now();
    let report = run(store, import, site, &Settings::default(), now, |_| {})
        .await
        .unwrap();
    (report, started.elapsed())
}

/// Writes a row now and then through a connection of its own, as another process would; the waits, sorted.
async fn neighbour(dir: PathBuf, stop: Arc<AtomicBool>) -> Vec<Duration> {
    let store = Store::open("sqlite://import.db", &dir).await.unwrap();
    let mut waits = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let started = Instant::now();
        let mut tx = store.write().await.unwrap();
        tx.run("INSERT INTO site (name, value) VALUES ('bench', '') ON CONFLICT (name) DO UPDATE SET value = value || '.'")
            .await
            .unwrap();
        tx.commit().await.unwrap();
        waits.push(started.elapsed());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    store.close().await;
    waits.sort();
    waits
}

/// The ceiling: the rows of the imported file, as they are kept, by plain prepared statements of one row each.
async fn ceiling(dir: &Path) -> Duration {
    const TABLES: [&str; 5] = ["patient", "contact_point", "fact", "occasion", "plan_mark"];
    let from = Store::open("sqlite://import.db", dir).await.unwrap();
    let to = open(dir, "ceiling").await;
    let Tx::Sqlite(mut read) = from.read().await.unwrap() else {
        unreachable!("the bench is on SQLite")
    };
    let count: i64 = sqlx::query_scalar("SELECT MAX(rowid) FROM patient")
        .fetch_one(&mut *read)
        .await
        .unwrap();
    let mut took = Duration::ZERO;
    let mut first = 1;
    while first <= count {
        // The rows of two thousand patients, read before the clock runs.
        let last = first + 1999;
        let mut sets = Vec::new();
        for table in TABLES {
            let of = match table {
                "patient" => "t.id",
                _ => "t.patient_id",
            };
            let sql = format!(
                "SELECT t.* FROM patient AS p CROSS JOIN {table} AS t WHERE p.rowid BETWEEN $1 AND $2 AND {of} = p.id"
            );
            let rows = sqlx::query(sqlx::AssertSqlSafe(sql))
                .bind(first)
                .bind(last)
                .fetch_all(&mut *read)
                .await
                .unwrap();
            sets.push((table, rows));
        }
        let started = Instant::now();
        let Tx::Sqlite(mut tx) = to.write().await.unwrap() else {
            unreachable!("the bench is on SQLite")
        };
        for (table, rows) in &sets {
            insert(&mut tx, table, rows).await;
        }
        tx.commit().await.unwrap();
        took += started.elapsed();
        first = last + 1;
    }
    drop(read);
    to.close().await;
    from.close().await;
    took
}

async fn insert(
    tx: &mut sqlx::Transaction<'static, sqlx::Sqlite>,
    table: &str,
    rows: &[sqlx::sqlite::SqliteRow],
) {
    use sqlx::{Row as _, TypeInfo as _, ValueRef as _};
    /// Rows of one statement: with one alone, most of the time would be the driver's.
    const AT_ONCE: usize = 50;
    let width = rows.first().map_or(0, |row| row.columns().len());
    let row = format!("({})", vec!["?"; width].join(","));
    for some in rows.chunks(AT_ONCE) {
        let values = vec![row.as_str(); some.len()].join(",");
        let sql = format!("INSERT INTO {table} VALUES {values}");
        let mut query = sqlx::query(sqlx::AssertSqlSafe(sql));
        for row in some {
            for column in 0..width {
                let value = row.try_get_raw(column).unwrap();
                let kind = value.type_info();
                query = if value.is_null() {
                    query.bind(None::<i64>)
                } else if kind.name() == "TEXT" {
                    query.bind(row.get::<String, _>(column))
                } else {
                    query.bind(row.get_unchecked::<i64, _>(column))
                };
            }
        }
        query.execute(&mut **tx).await.unwrap();
    }
}

#[expect(clippy::cast_precision_loss, reason = "a rate for people")]
fn rate(count: u64, took: Duration) -> f64 {
    count as f64 / took.as_secs_f64()
}

/// The most memory that this process ever had, in MB.
fn peak_mb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kb = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kb.unwrap_or_default() / 1024
}

/// Seconds of processor time that this process used.
fn cpu() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after = stat.rsplit(')').next().unwrap_or_default();
    let ticks = |n: usize| {
        after
            .split_whitespace()
            .nth(n)
            .and_then(|ticks| ticks.parse::<f64>().ok())
            .unwrap_or_default()
    };
    (ticks(11) + ticks(12)) / 100.0
}

fn tell(what: &str, sums: &Sums, took: Duration, cpu: f64) {
    println!(
        "{what:<16}{:>8.1} s{:>10.0} patients/s{:>10.0} records/s{cpu:>9.1} s of processor{:>6} MB peak",
        took.as_secs_f64(),
        rate(sums.patients, took),
        rate(sums.records, took),
        peak_mb(),
    );
}

#[tokio::main]
async fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let count = words
        .iter()
        .find_map(|word| word.parse().ok())
        .unwrap_or(1_000_000);
    let is = |word: &str| words.iter().any(|other| other == word);
    let shape = match (is("bare"), is("fhir")) {
        (true, _) => Shape::Bare,
        (false, true) => Shape::Fhir,
        (false, false) => Shape::Whole,
    };
    let dir =
        std::env::temp_dir().join(format!("carebell-bench-{}", uuid::Uuid::now_v7().simple()));
    std::fs::create_dir_all(&dir).unwrap();
    let file = dir.join("records.ndjson");
    let sums = write(&file, count, shape);
    println!(
        "{} patients, {} records, {} MB of NDJSON",
        sums.patients,
        sums.records,
        sums.bytes / 1_000_000
    );
    let store = open(&dir, "import").await;
    let site = SiteInfo::open(&store, "Asia/Shanghai", "CN", &Settings::default(), &dir)
        .await
        .unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let waits = tokio::spawn(neighbour(dir.clone(), Arc::clone(&stop)));

    let before = cpu();
    let (report, took) = import(&store, &site, &file, shape).await;
    tell("import", &sums, took, cpu() - before);
    assert_eq!(report.of(RecordKind::Patient).new, sums.patients);
    assert_eq!(report.fault_count, 0);
    stop.store(true, Ordering::Relaxed);
    let waits = waits.await.unwrap();
    let at = |share: usize| waits[(waits.len() - 1) * share / 100].as_millis();
    println!(
        "{:<16}another writer waited {} ms in the middle, {} ms at the 99th of 100, {} ms at most ({} writes)",
        "",
        at(50),
        at(99),
        at(100),
        waits.len()
    );
    let before = cpu();
    let (again, took_again) = import(&store, &site, &file, shape).await;
    tell("import again", &sums, took_again, cpu() - before);
    assert!(!again.changed_anything());
    store.close().await;
    let before = cpu();
    let bare = ceiling(&dir).await;
    tell("bare inserts", &sums, bare, cpu() - before);
    println!(
        "{:<16}the import takes {:.2} of the time of bare inserts",
        "",
        took.as_secs_f64() / bare.as_secs_f64()
    );
    std::fs::remove_dir_all(&dir).unwrap();
}
