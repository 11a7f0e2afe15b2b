//! A day's planning pass over 10 thousand, 100 thousand and 1 million patients, beside one hand-written statement that
//! counts the same candidates in the same run.
//!
//! Each size and each database is filled and measured in processes of their own, so that no peak hides another.
//! Run it with `cargo bench --bench planning`; arguments are sizes, `sqlite` or `postgres` alone keeps to that database,
//! and `plain` leaves out the days that concern many. PostgreSQL is measured where `CAREBELL_TEST_POSTGRES` names a server.
//! With a folder in `CAREBELL_BENCH_KEEP` a database that was filled and planned once is there for the next run.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a bench")]

mod fill;
mod kept;
mod measure;

use std::path::Path;
use std::process::{Command, Stdio};

use carebell::clock::Clock;
use carebell::store::testing::{self, TestStore};
use carebell::store::{Store, StoreError};
use serde::de::DeserializeOwned;

use crate::fill::noon;
use crate::kept::Place;
use crate::measure::{Changes, Pass};

/// What a pass may take: so many times the hand-written statement, and so much for each reminder, in seconds.
const TIMES: f64 = 3.0;
const EACH_S: f64 = 40e-6;

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["child", job, url, size, ..] => child(job, url, size.parse().unwrap()).await.unwrap(),
        _ => parent(&words).await.unwrap(),
    }
}

async fn parent(words: &[&str]) -> Result<(), StoreError> {
    let mut sizes: Vec<i64> = words.iter().filter_map(|word| word.parse().ok()).collect();
    if sizes.is_empty() {
        sizes = vec![10_000, 100_000, 1_000_000];
    }
    let wants = |name| {
        let named = words
            .iter()
            .any(|word| ["sqlite", "postgres"].contains(word));
        !named || words.contains(&name)
    };
    let server = std::env::var("CAREBELL_TEST_POSTGRES").ok();
    if server.is_none() && wants("postgres") {
        println!("CAREBELL_TEST_POSTGRES names no server, so PostgreSQL is not measured.");
    }
    for name in ["sqlite", "postgres"]
        .into_iter()
        .filter(|name| wants(name))
    {
        let mut before: Vec<Pass> = Vec::new();
        for (at, size) in sizes.iter().enumerate() {
            let test = match (name, &server) {
                ("sqlite", _) => testing::sqlite().await?,
                (_, Some(server)) => testing::postgres(server).await?,
                (_, None) => continue,
            };
            let job = if words.contains(&"plain") {
                "plain"
            } else {
                "days"
            };
            let passes = measure(name, &test, *size, job).await?;
            tell(name, *size, &passes, &before);
            before = passes;
            if at + 1 == sizes.len() {
                let found: Changes = ask("changes", &test.url, *size);
                tell_changes(name, &found);
            }
            kept::remove(&test).await?;
        }
    }
    Ok(())
}

async fn measure(
    name: &str,
    test: &TestStore,
    size: i64,
    job: &str,
) -> Result<Vec<Pass>, StoreError> {
    let place = Place::of(test, size);
    let is_kept = match &place {
        Some(place) => place.restore(test).await?,
        None => false,
    };
    if !is_kept {
        fill(name, test, size);
        if let Some(place) = place {
            place.keep(test).await?;
        }
    }
    Ok(ask(job, &test.url, size))
}

fn fill(name: &str, test: &TestStore, size: i64) {
    eprintln!("{name}, {size} patients: filling");
    let filled: f64 = ask("fill", &test.url, size);
    eprintln!(
        "{name}, {size} patients: filled in {filled:.1} s; planning everything for the first time"
    );
    let first: (f64, i64, f64) = ask("first", &test.url, size);
    let (took, reminders, peak) = first;
    println!(
        "\n{name}, {size} patients: the first plan made {reminders} reminders in {took:.1} s with at most {peak:.0} MB"
    );
}

/// Has a child do a job; its last word is on its standard output.
fn ask<T: DeserializeOwned>(job: &str, url: &str, size: i64) -> T {
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["child", job, url, &size.to_string()])
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    assert!(child.status.success(), "the child could not {job}");
    serde_json::from_slice(&child.stdout).unwrap()
}

async fn child(job: &str, url: &str, size: i64) -> Result<(), StoreError> {
    let store = Store::open(url, Path::new("/")).await?;
    let answer = match job {
        "fill" => {
            let started = std::time::Instant::now();
            fill::fill(&store, size).await?;
            serde_json::to_string(&started.elapsed().as_secs_f64())
        }
        "first" => serde_json::to_string(&measure::first(&store, &Clock::by_hand(noon(0))).await?),
        "plain" => serde_json::to_string(&measure::days(&store, 2).await?),
        "days" => serde_json::to_string(&measure::days(&store, 5).await?),
        _ => serde_json::to_string(&measure::changes(&store, size).await?),
    };
    println!("{}", answer.unwrap());
    store.close().await;
    Ok(())
}

fn tell(name: &str, size: i64, passes: &[Pass], before: &[Pass]) {
    println!(
        "{name:<9} {:<37} {:>9} {:>9} {:>9} {:>9} {:>7} {:>7} {:>7} {:>8} {:>6} {:>7}",
        size,
        "reminders",
        "pass ms",
        "sql ms",
        "may ms",
        "of may",
        "µs each",
        "cpu µs",
        "rows",
        "MB",
        "growth"
    );
    for (at, pass) in passes.iter().enumerate() {
        let may = TIMES * pass.sql_s + EACH_S * number(pass.reminders);
        // How much faster than the number of reminders the time grew since the size before.
        let growth = before.get(at).map_or(String::new(), |small| {
            let grew =
                (pass.pass_s / small.pass_s) / (number(pass.reminders) / number(small.reminders));
            format!("{grew:.2}")
        });
        println!(
            "{:<9} {:<37} {:>9} {:>9.1} {:>9.1} {:>9.1} {:>7.2} {:>7.1} {:>7.1} {:>8} {:>6.0} {growth:>7}",
            "",
            pass.what,
            pass.reminders,
            pass.pass_s * 1e3,
            pass.sql_s * 1e3,
            may * 1e3,
            pass.pass_s / may,
            pass.pass_s * 1e6 / number(pass.reminders),
            pass.cpu_s * 1e6 / number(pass.reminders),
            pass.rows,
            pass.peak_mb,
        );
    }
}

fn tell_changes(name: &str, found: &Changes) {
    let ([median, most], [bare, bare_most]) = (found.plan_ms, found.bare_ms);
    println!(
        "{name}: an occasion that changed is planned {median:.2} ms after its mark (99 of 100: {most:.2} ms); a bare update and its commit take {bare:.2} ms ({bare_most:.2} ms), so the ratio is {:.1}",
        median / bare
    );
}

#[expect(clippy::cast_precision_loss, reason = "ratios for people")]
fn number(n: i64) -> f64 {
    n as f64
}
