//! Plans one day after the other and changes occasions, and says what each took.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use carebell::clock::Clock;
use carebell::model::id::{OccasionId, PatientId};
use carebell::planning::House;
use carebell::planning::book::Book;
use carebell::rules::site::Site;
use carebell::scheduler::Settings;
use carebell::scheduler::plan::PlanStage;
use carebell::stage::Bell;
use carebell::store::{Store, StoreError, Tx, marks};
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use crate::fill::noon;

/// Changes of occasions that are timed.
const CHANGES: i64 = 1000;

/// What a day brings, counted by one statement that a person would write.
const DAYS: [(&str, &str); 5] = [
    (
        "a plain day",
        "SELECT COUNT(*) FROM patient WHERE deceased = FALSE AND birth_md IN (921, 924)",
    ),
    (
        "a day of staff's notice of a holiday",
        "SELECT COUNT(*) FROM patient WHERE deceased = FALSE AND birth_md IN (922, 925)",
    ),
    (
        "8 % of all, by diagnosis",
        "SELECT (SELECT COUNT(*) FROM patient WHERE deceased = FALSE AND birth_md IN (923, 926))
            + (SELECT COUNT(DISTINCT patient_id) FROM fact WHERE kind = 'diagnosis' AND code >= 'E10' AND code < 'E15')",
    ),
    (
        "a plain day",
        "SELECT COUNT(*) FROM patient WHERE deceased = FALSE AND birth_md IN (924, 927)",
    ),
    (
        "everybody",
        "SELECT (SELECT COUNT(*) FROM patient WHERE deceased = FALSE AND birth_md IN (925, 928))
            + (SELECT COUNT(*) FROM patient WHERE deceased = FALSE)",
    ),
];

/// What one pass took.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Pass {
    /// What the day brings.
    pub(crate) what: String,
    /// Reminders planned.
    pub(crate) reminders: i64,
    /// Candidates that the hand-written statement counts.
    pub(crate) rows: i64,
    /// The pass, in seconds.
    pub(crate) pass_s: f64,
    /// What the process had of the processors for it, in seconds: all on SQLite, our half on PostgreSQL.
    pub(crate) cpu_s: f64,
    /// The hand-written statement, in seconds.
    pub(crate) sql_s: f64,
    /// The peak of the process, in MB.
    pub(crate) peak_mb: f64,
}

/// What changes of single occasions took, in milliseconds: the median and the 99th of a hundred.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Changes {
    /// From the mark to the committed plan.
    pub(crate) plan_ms: [f64; 2],
    /// A bare update and its commit.
    pub(crate) bare_ms: [f64; 2],
}

/// A daemon's planner over `store`.
pub(crate) fn stage(store: &Store, clock: &Clock) -> PlanStage {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let timezone = TimeZone::get("Asia/Shanghai").expect("the database of zones has it");
    let site = Site::new(timezone.clone(), "CN");
    let (book, problems) = Book::load(&root.join("rules"), &root.join("templates"), &site);
    assert!(problems.iter().all(|p| p.is_warning), "{problems:?}");
    PlanStage {
        store: store.clone(),
        book: Arc::new(book),
        house: Arc::new(House {
            name: "Bench".to_owned(),
            phone: None,
            language: "zh-CN".to_owned(),
            timezone,
            address_key: b"key".to_vec(),
        }),
        settings: Settings::default(),
        clock: clock.clone(),
        compose: Bell::default(),
    }
}

/// Plans until there is nothing left to plan.
pub(crate) async fn run(stage: &PlanStage) -> Result<Duration, StoreError> {
    let started = Instant::now();
    while stage.pass().await? > 0 {}
    Ok(started.elapsed())
}

/// The plan of everything there is: seconds, reminders, and the peak in MB.
pub(crate) async fn first(store: &Store, clock: &Clock) -> Result<(f64, i64, f64), StoreError> {
    forget_peak();
    let took = run(&stage(store, clock)).await?.as_secs_f64();
    let peak = peak_mb();
    let reminders = count(store, "SELECT COUNT(*) FROM reminder").await?;
    if let Store::Postgres { pool } = store {
        sqlx::query("VACUUM ANALYZE reminder").execute(pool).await?;
    }
    Ok((took, reminders, peak))
}

/// Day after day; a child of its own measures them, so that its peak is theirs.
pub(crate) async fn days(store: &Store, many: usize) -> Result<Vec<Pass>, StoreError> {
    let clock = Clock::by_hand(noon(0));
    let stage = stage(store, &clock);
    let mut passes = Vec::new();
    for (n, (what, sql)) in (1..).zip(DAYS).take(many) {
        clock.set(noon(n));
        // Twice, and the second one counts: the pass finds the pages in memory, too.
        count(store, sql).await?;
        let started = Instant::now();
        let rows = count(store, sql).await?;
        let sql_s = started.elapsed().as_secs_f64();
        let before = count(store, "SELECT COUNT(*) FROM reminder").await?;
        forget_peak();
        let cpu_before = cpu_s();
        let pass_s = run(&stage).await?.as_secs_f64();
        let cpu_s = cpu_s() - cpu_before;
        let peak_mb = peak_mb();
        let reminders = count(store, "SELECT COUNT(*) FROM reminder").await? - before;
        passes.push(Pass {
            what: what.to_owned(),
            reminders,
            rows,
            pass_s,
            cpu_s,
            sql_s,
            peak_mb,
        });
    }
    Ok(passes)
}

/// Moves occasions one by one and waits for the plan of each.
pub(crate) async fn changes(store: &Store, size: i64) -> Result<Changes, StoreError> {
    let clock = Clock::by_hand(noon(5));
    let stage = stage(store, &clock);
    run(&stage).await?;
    let wanted = "SELECT id, patient_id FROM occasion WHERE kind IN ('recheck', 'revisit', 'appointment') AND at > 1790000000000
        AND CAST(SUBSTR(id, 26) AS BIGINT) % 7 = 3 LIMIT 1000";
    let wanted: Vec<(OccasionId, PatientId)> = match &mut store.read().await? {
        Tx::Sqlite(tx) => sqlx::query_as(wanted).fetch_all(&mut **tx).await?,
        Tx::Postgres(tx) => sqlx::query_as(wanted).fetch_all(&mut **tx).await?,
    };
    assert!(!wanted.is_empty(), "{size} patients have occasions ahead");
    let (mut planned, mut bare) = (Vec::new(), Vec::new());
    let mut others = wanted.iter().cycle();
    for n in 0..CHANGES {
        let (occasion, patient) = others.next().expect("a cycle has no end");
        let mut tx = store.write().await?;
        shift(&mut tx, occasion, n).await?;
        let changed = [(occasion.clone(), patient.clone())];
        marks::add_occasions(&mut tx, &changed, clock.now()).await?;
        tx.commit().await?;
        let started = Instant::now();
        assert_eq!(stage.pass().await?, 1);
        planned.push(started.elapsed());
        let started = Instant::now();
        let mut tx = store.write().await?;
        shift(&mut tx, occasion, n).await?;
        tx.commit().await?;
        bare.push(started.elapsed());
    }
    Ok(Changes {
        plan_ms: shares(&mut planned),
        bare_ms: shares(&mut bare),
    })
}

/// A day later, and back again at the next one.
async fn shift(tx: &mut Tx, occasion: &OccasionId, n: i64) -> Result<(), StoreError> {
    const SQL: &str = "UPDATE occasion SET at = at + $2, epoch = epoch + 1,
        local_at = SUBSTR(local_at, 1, 11) || CASE WHEN epoch % 2 = 0 THEN '09' ELSE '15' END || SUBSTR(local_at, 14), moved_at = $3 WHERE id = $1";
    let now = noon(5).as_millisecond();
    match tx {
        Tx::Sqlite(tx) => {
            let query = sqlx::query(SQL).bind(occasion).bind(n % 2).bind(now);
            query.execute(&mut **tx).await?;
        }
        Tx::Postgres(tx) => {
            let query = sqlx::query(SQL).bind(occasion).bind(n % 2).bind(now);
            query.execute(&mut **tx).await?;
        }
    }
    Ok(())
}

async fn count(store: &Store, sql: &'static str) -> Result<i64, StoreError> {
    Ok(match &mut store.read().await? {
        Tx::Sqlite(tx) => sqlx::query_scalar(sql).fetch_one(&mut **tx).await?,
        Tx::Postgres(tx) => sqlx::query_scalar(sql).fetch_one(&mut **tx).await?,
    })
}

/// The median and the 99th of a hundred, in milliseconds.
fn shares(times: &mut [Duration]) -> [f64; 2] {
    times.sort_unstable();
    [times.len() / 2, times.len() * 99 / 100].map(|at| times[at].as_secs_f64() * 1000.0)
}

/// Lets the peak begin anew at what is in use; where the system cannot, the peak is that of the process so far.
fn forget_peak() {
    let _ = std::fs::write("/proc/self/clear_refs", "5");
}

/// The most memory this process had, in MB.
fn peak_mb() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kb = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
    kb.unwrap_or(f64::NAN) / 1024.0
}

/// What this process had of the processors so far, in seconds, by clock ticks of a hundredth.
fn cpu_s() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The name in brackets may hold blanks.
    let after = stat.rsplit(')').next().unwrap_or_default();
    let ticks = after.split_whitespace().skip(11).take(2);
    ticks
        .filter_map(|ticks| ticks.parse::<f64>().ok())
        .sum::<f64>()
        / 100.0
}
