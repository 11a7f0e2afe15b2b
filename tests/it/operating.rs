//! Looking after it: metrics, health, reload, stop, backup, a full disk.

use std::os::unix::net::UnixDatagram;
use std::time::{Duration, Instant};

use carebell::clock::Clock;
use carebell::config::Config;
use carebell::simulator::conduct::{Conduct, Receipts};
use carebell::store::Store;
use serde_json::{Value, json};

use crate::clinic::carrier::Carrier;
use crate::clinic::daemon::{self, Daemon, carebell};
use crate::clinic::http::{Answer, Http};
use crate::clinic::{Clinic, PATIENCE, Setup, database, each, provider};

/// Every name that dashboards are built on, with the labels it has.
const METRICS: [(&str, &[&str]); 15] = [
    ("carebell_messages_total", &["channel", "class", "state"]),
    ("carebell_queue_ready", &["lane"]),
    ("carebell_queue_oldest_age_seconds", &["lane"]),
    ("carebell_attempts_total", &["provider", "outcome"]),
    ("carebell_submit_duration_seconds", &["provider"]),
    ("carebell_time_to_submit_seconds", &["channel", "class"]),
    ("carebell_uncertain", &["provider"]),
    ("carebell_possible_duplicates_total", &["provider"]),
    ("carebell_receipts_total", &["provider", "status"]),
    ("carebell_smpp_bind_up", &["provider"]),
    ("carebell_smpp_window_in_use", &["provider"]),
    ("carebell_inbound_total", &["provider", "intent"]),
    ("carebell_reminders_total", &["rule", "outcome"]),
    ("carebell_plan_duration_seconds", &[]),
    ("carebell_outbox_age_seconds", &[]),
];

async fn look(clinic: &Clinic, path: &str) -> Answer {
    Http::new(clinic.app().health, "").get(path).await
}

/// The value of a series that is written just so.
fn value(page: &str, series: &str) -> Option<f64> {
    let of = |line: &str| line.strip_prefix(series)?.strip_prefix(' ')?.parse().ok();
    page.lines().find_map(of)
}

#[tokio::test]
async fn every_metric_is_seen_after_a_day_and_none_tells_of_a_patient() {
    let setup = Setup {
        carriers: vec![("metered", Conduct::default(), "")],
        ..Setup::default()
    };
    each(setup, async |clinic| {
        let ana = clinic
            .somebody("P1", "Zephyrine Quillfeather", "+8613811112221")
            .await;
        clinic.book("A1", "his/P1", "2026-03-25T09:30").await;
        clinic.clock_to("2026-03-23 09:00").await;
        ana.reply("1");
        clinic
            .until("the reply is read", async || {
                clinic.confirmation("A1").await == "confirmed"
            })
            .await;
        clinic.settle().await;
        // Messages are counted a moment after their events have numbers.
        let delivered = "carebell_messages_total{channel=\"sms\",class=\"appointment\",state=\"delivered\"}";
        clinic
            .until("it is counted", async || {
                value(&look(clinic, "/metrics").await.text, delivered).is_some()
            })
            .await;
        let answer = look(clinic, "/metrics").await;
        assert!(answer.head.contains("text/plain; version=0.0.4"), "{}", answer.head);
        let page = answer.text;
        for (name, labels) in METRICS {
            assert!(page.contains(&format!("# TYPE {name} ")), "{name} is missing:\n{page}");
            let of_it = |line: &&str| {
                line.strip_prefix(name)
                    .is_some_and(|rest| rest.starts_with(['{', ' ', '_']))
            };
            let series: Vec<&str> = page.lines().filter(of_it).collect();
            if name != "carebell_possible_duplicates_total" {
                assert!(!series.is_empty(), "{name} has no series:\n{page}");
            }
            for line in series.iter().filter(|line| line.contains('{')) {
                for label in labels {
                    assert!(line.contains(&format!("{label}=\"")), "{line}");
                }
            }
        }
        // The reminder and our answer to the reply.
        for (series, least) in [
            ("carebell_messages_total{channel=\"sms\",class=\"appointment\",state=\"delivered\"}", 1.0),
            ("carebell_attempts_total{provider=\"metered\",outcome=\"accepted\"}", 2.0),
            ("carebell_submit_duration_seconds_count{provider=\"metered\"}", 2.0),
            ("carebell_time_to_submit_seconds_count{channel=\"sms\",class=\"appointment\"}", 1.0),
            ("carebell_receipts_total{provider=\"metered\",status=\"delivered\"}", 2.0),
            ("carebell_inbound_total{provider=\"metered\",intent=\"confirm\"}", 1.0),
            ("carebell_reminders_total{rule=\"appointment\",outcome=\"message\"}", 1.0),
            ("carebell_smpp_bind_up{provider=\"metered\"}", 1.0),
            ("carebell_uncertain{provider=\"metered\"}", 0.0),
            ("carebell_queue_ready{lane=\"urgent\"}", 0.0),
            ("carebell_outbox_age_seconds", 0.0),
        ] {
            let found = value(&page, series);
            assert!(found.is_some_and(|found| found >= least), "{series}: {found:?}\n{page}");
        }
        for private in ["Zephyrine", "Quillfeather", "1381111", "his/", "P1\"", "msg_", "pat_", "rem_"] {
            let told = page.lines().find(|line| line.contains(private));
            assert_eq!(told, None, "{private}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_dead_carrier_is_degraded_and_not_unready() {
    each(Setup::default(), async |clinic| {
        clinic.settle().await;
        clinic
            .until("it is ready", async || {
                look(clinic, "/readyz").await.json()["status"] == "ready"
            })
            .await;
        assert_eq!(look(clinic, "/livez").await.json()["status"], "ok");
        clinic.carrier().line.cut();
        clinic
            .until("the carrier is missed", async || {
                look(clinic, "/readyz").await.json()["status"] == "degraded"
            })
            .await;
        let answer = look(clinic, "/readyz").await;
        let body = answer.json();
        assert_eq!(
            (answer.status, &body["providers"]["main"]),
            (200, &json!("down"))
        );
        assert_eq!(body["reasons"], json!(["provider main is down"]));
        clinic.carrier().line.mend();
    })
    .await;
}

/// A rule of our own, so that a scenario may change it.
const RULE: &str = "title = \"Visit\"\nclass = \"appointment\"\ndepartment = \"clinical\"\n[trigger]\non = \"appointment\"\n\
    [[step]]\nto = \"patient\"\nbefore = [\"2d\"]\nat = \"09:00\"\nsend = \"visit\"\nby = [\"sms\"]\n";
const WORDS: &str = "Hello from {{ site.name }}.";

fn with_own_rule() -> Setup {
    Setup {
        rules: Some(vec![("visit", RULE)]),
        templates: vec![("visit/en.sms.txt", WORDS)],
        ..Setup::default()
    }
}

/// The config as it is, with something put in place of something else.
fn changed(clinic: &Clinic, from: &str, to: &str) -> Config {
    let text = clinic.config_text();
    assert!(text.contains(from), "{from} is not in the config");
    clinic.parse(&text.replacen(from, to, 1))
}

#[tokio::test]
async fn a_reload_takes_everything_or_nothing() {
    each(with_own_rule(), async |clinic| {
        let ana = clinic.somebody("P1", "Ana", "+8613811112221").await;
        clinic.book("A1", "his/P1", "2026-03-25T09:30").await;
        // Something is wrong in one rule: the new name is not taken either.
        clinic.write("rules/visit.toml", &RULE.replace("\"2d\"", "\"2x\""));
        let new = changed(clinic, "Lakeside Hospital", "Seaside Hospital");
        let refused = clinic.app_mut().reload(new.clone()).await.unwrap_err();
        let words = refused.to_string();
        assert!(words.contains("visit.toml:8"), "{words}");
        clinic.clock_to("2026-03-23 09:00").await;
        assert_eq!(ana.last(), "Hello from Lakeside Hospital.");
        // It is put right, and now tells three days ahead.
        clinic.write("rules/visit.toml", &RULE.replace("\"2d\"", "\"3d\""));
        clinic.write("templates/visit/en.sms.txt", "Welcome to {{ site.name }}.");
        clinic.app_mut().reload(new).await.unwrap();
        clinic.book("A2", "his/P1", "2026-03-28T09:30").await;
        clinic.clock_to("2026-03-25 09:00").await;
        assert_eq!(ana.last(), "Welcome to Seaside Hospital.");
        assert_eq!(ana.texts().len(), 2);
    })
    .await;
}

#[tokio::test]
async fn a_reload_rebinds_the_provider_that_changed_and_no_other() {
    let setup = Setup {
        carriers: vec![
            ("main", Conduct::default(), ""),
            ("other", Conduct::default(), ""),
        ],
        config: "[[routes]]\nchannel = \"sms\"\nproviders = [\"main\"]\n",
        ..Setup::default()
    };
    each(setup, async |clinic| {
        let http = clinic.http().await;
        let send = async |text: &str| {
            let body =
                json!({"class": "clinical", "to": {"phone": "+8613811112221"}, "text": text});
            let answer = http.post("/v1/messages", "", &body).await;
            assert_eq!(answer.status, 202, "{}", answer.text);
        };
        send("one").await;
        clinic.settle().await;
        let lines = |clinic: &Clinic| {
            let made = |name| clinic.carrier_of(name).line.made();
            (made("main"), made("other"))
        };
        assert_eq!(lines(clinic), (1, 1));
        // Another sender on `main`, and the route leads to `other` from now on.
        let text = clinic.config_text();
        let text = text.replacen("sender = \"10690000\"", "sender = \"10691111\"", 1);
        let text = text.replace("providers = [\"main\"]", "providers = [\"other\"]");
        let new = clinic.parse(&text);
        clinic.app_mut().reload(new).await.unwrap();
        clinic
            .until("main is bound anew", async || lines(clinic) == (2, 1))
            .await;
        send("two").await;
        clinic.settle().await;
        let submits =
            |clinic: &Clinic| ["main", "other"].map(|name| clinic.carrier_of(name).submits());
        assert_eq!(submits(clinic), [1, 1]);
        // What is wrong with a provider leaves all of them as they are.
        let bad = text.replacen("window = 20", "window = 0", 1);
        let bad = clinic.parse(&bad);
        let refused = clinic.app_mut().reload(bad).await.unwrap_err().to_string();
        assert!(refused.contains("window"), "{refused}");
        // Who is gone takes leave.
        let at = text.find("[providers.main]").unwrap();
        let end = text.find("[providers.other]").unwrap();
        let fewer = clinic.parse(&format!("{}{}", &text[..at], &text[end..]));
        clinic.app_mut().reload(fewer).await.unwrap();
        clinic
            .until("main is gone", async || {
                let providers = look(clinic, "/readyz").await.json()["providers"].clone();
                providers == json!({"other": "up"})
            })
            .await;
        send("three").await;
        clinic.settle().await;
        assert_eq!(submits(clinic), [1, 2]);
    })
    .await;
}

#[tokio::test]
async fn a_disk_that_gets_full_refuses_what_is_new_and_recovers_by_itself() {
    each(Setup::default(), async |clinic| {
        if clinic.app().house.store.is_shared() {
            return;
        }
        let http = clinic.http().await;
        let body = json!({"class": "clinical", "to": {"phone": "+8613811112221"}, "text": "Hello."});
        let patient = json!({"name": {"full": "Ana"}, "contacts": [{"phone": "+8613811112221"}]}).to_string();
        let later = json!({"class": "clinical", "to": {"phone": "+8613811112221"}, "text": "Later.", "send_at": "2026-03-20T11:00:00+08:00"});
        assert_eq!(http.post("/v1/messages", "", &later).await.status, 202);
        // No disk has so much room.
        let full = clinic.parse(&clinic.config_text().replacen(
            "migrate = true",
            "migrate = true\nmin_free_mb = 1000000000000",
            1,
        ));
        clinic.app_mut().reload(full).await.unwrap();
        for answer in [
            http.post("/v1/messages", "", &body).await,
            http.ask("PUT", "/v1/patients/his/P1", "", &patient).await.unwrap(),
        ] {
            assert_eq!((answer.status, &answer.json()["code"]), (503, &json!("disk_low")));
            assert!(answer.head.contains("retry-after: 30"), "{}", answer.head);
        }
        let batch = http
            .post("/v1/messages/batch", "", &json!({"messages": [body]}))
            .await;
        assert!(batch.text.contains("disk_low"), "{}", batch.text);
        let ready = look(clinic, "/readyz").await;
        assert_eq!((ready.status, &ready.json()["disk"]), (200, &json!("low")));
        // What was taken in before goes out.
        clinic.clock_to("2026-03-20 11:00").await;
        assert_eq!(clinic.phone("+8613811112221").last(), "Later.");
        let room = clinic.parse(&clinic.config_text());
        clinic.app_mut().reload(room).await.unwrap();
        assert_eq!(http.post("/v1/messages", "", &body).await.status, 202);
        clinic.settle().await;
        assert_eq!(clinic.phone("+8613811112221").last(), "Hello.");
    })
    .await;
}

#[tokio::test]
async fn a_database_that_takes_no_more_loses_nothing_and_goes_on_when_it_does() {
    each(Setup::default(), async |clinic| {
        let Store::Sqlite { write, .. } = clinic.app().house.store.clone() else {
            return;
        };
        let http = clinic.http().await;
        let message = |n: usize| {
            let text = format!("Result {n} is ready. {}", "x".repeat(100));
            json!({"class": "clinical", "to": {"phone": format!("+86138{n:08}")}, "text": text})
        };
        // SQLite says "database or disk is full" just as it does when the disk is.
        let pages: (i64,) = sqlx::query_as("PRAGMA page_count")
            .fetch_one(&write)
            .await
            .unwrap();
        let limit = format!("PRAGMA max_page_count = {}", pages.0 + 12);
        sqlx::query(sqlx::AssertSqlSafe(limit))
            .execute(&write)
            .await
            .unwrap();
        let (mut accepted, mut refused) = (Vec::new(), 0);
        for n in 0..400 {
            let answer = http.post("/v1/messages", "", &message(n)).await;
            match answer.status {
                202 => accepted.push(n),
                503 => refused += 1,
                other => panic!("{other}: {}", answer.text),
            }
            if refused > 3 {
                break;
            }
        }
        assert!(
            refused > 3 && !accepted.is_empty(),
            "{refused} {accepted:?}"
        );
        sqlx::query("PRAGMA max_page_count = 1073741823")
            .execute(&write)
            .await
            .unwrap();
        assert_eq!(
            http.post("/v1/messages", "", &message(900)).await.status,
            202
        );
        accepted.push(900);
        clinic
            .until("all of them arrive", async || {
                let has_come =
                    |n: &usize| !clinic.phone(&format!("+86138{n:08}")).texts().is_empty();
                accepted.iter().all(has_come)
            })
            .await;
        clinic.settle().await;
    })
    .await;
}

/// A daemon as a process, with a carrier that behaves as `conduct` says.
async fn process(
    conduct: Conduct,
    more: &str,
) -> (database::Database, Carrier, std::path::PathBuf, String) {
    let database = database::sqlite();
    let carrier = Carrier::start(conduct, Clock::System, false).await;
    let settings = provider("main", carrier.line.address.port(), "") + more;
    let (config, key) = daemon::prepare(&database, &settings).await;
    (database, carrier, config, key)
}

/// A carrier that takes everything and never says a word.
fn never_answers() -> Conduct {
    Conduct {
        answers_lost: 100,
        receipts: Receipts {
            silent: true,
            ..Receipts::default()
        },
        ..Conduct::default()
    }
}

async fn enqueue(http: &Http, count: usize) {
    let message = |n: usize| json!({"class": "clinical", "to": {"phone": format!("+86138{n:08}")}, "text": format!("Result {n}.")});
    let messages: Vec<Value> = (0..count).map(message).collect();
    let answer = http
        .post("/v1/messages/batch", "", &json!({"messages": messages}))
        .await;
    assert_eq!(answer.status, 200, "{}", answer.text);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stopping_ends_in_bounded_time_though_the_carrier_never_answers() {
    let silent = never_answers();
    let (mut database, mut carrier, config, key) =
        process(silent, "[delivery]\nstop_within = \"1s\"\n").await;
    let running = Daemon::start(&config).await;
    enqueue(&Http::new(running.address, &key), 50).await;
    carrier.has_seen(20).await;
    let began = Instant::now();
    let (ended, said) = running.stop();
    assert!(ended.success(), "{said}");
    assert!(
        began.elapsed() < Duration::from_secs(20),
        "{:?}",
        began.elapsed()
    );
    let store = database.open().await;
    let phases: Vec<(String, i64)> =
        database::rows(&store, "SELECT phase, COUNT(*) FROM attempt GROUP BY phase").await;
    let states: Vec<(String, i64)> = database::rows(
        &store,
        "SELECT state, COUNT(*) FROM message GROUP BY state ORDER BY state",
    )
    .await;
    store.close().await;
    // What was on the wire is in doubt, and known to be; nothing else was touched.
    assert_eq!(phases, [("unknown".to_owned(), 20)]);
    assert_eq!(
        states,
        [("queued".to_owned(), 30), ("uncertain".to_owned(), 20)]
    );
    carrier.stop().await;
    database.remove().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn asked_twice_it_ends_at_once() {
    let silent = never_answers();
    let (mut database, mut carrier, config, key) = process(silent, "").await;
    let running = Daemon::start(&config).await;
    enqueue(&Http::new(running.address, &key), 5).await;
    carrier.has_seen(5).await;
    running.signal("TERM");
    running.says("Asked to stop").await;
    let began = Instant::now();
    let (ended, said) = running.stop();
    assert_eq!(ended.code(), Some(1), "{said}");
    assert!(
        began.elapsed() < Duration::from_secs(10),
        "{:?}",
        began.elapsed()
    );
    carrier.stop().await;
    database.remove().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn systemd_is_told_of_start_reload_life_and_stop() {
    let (mut database, mut carrier, config, _) = process(Conduct::default(), "").await;
    let path = database.folder.join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let hears = |what: &str| {
        let mut octets = [0; 1024];
        loop {
            let length = socket.recv(&mut octets).unwrap();
            let told = String::from_utf8_lossy(&octets[..length]).into_owned();
            if told.lines().any(|line| line.starts_with(what)) {
                return told;
            }
        }
    };
    let environment = [
        ("NOTIFY_SOCKET", path.to_str().unwrap()),
        ("WATCHDOG_USEC", "4000000"),
    ];
    let running = Daemon::start_with(&config, &environment).await;
    hears("READY=1");
    hears("WATCHDOG=1");
    running.signal("HUP");
    let told = hears("RELOADING=1");
    let at = told
        .lines()
        .find_map(|line| line.strip_prefix("MONOTONIC_USEC="));
    assert!(
        at.is_some_and(|at| at.parse::<u64>().is_ok_and(|at| at > 0)),
        "{told}"
    );
    hears("READY=1");
    running.says("read anew and in force").await;
    // A config that is wrong is refused, with its place, and it goes on as before.
    let text = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, text.replacen("[site]", "[site]\nnmae = 1", 1)).unwrap();
    running.signal("HUP");
    running.says("unknown field `nmae`").await;
    running.says("Nothing was changed").await;
    std::fs::write(&config, text).unwrap();
    // A verb that installs rules needs no signal.
    let rules = crate::clinic::shipped("rules");
    let applied = carebell(&["rules", "apply", rules.to_str().unwrap()], &config)
        .output()
        .unwrap();
    assert!(applied.status.success(), "{applied:?}");
    hears("RELOADING=1");
    hears("READY=1");
    let (ended, said) = running.stop();
    assert!(ended.success(), "{said}");
    hears("STOPPING=1");
    carrier.stop().await;
    database.remove().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_under_load_is_restored_and_holds_all_that_was_committed_before() {
    let slow = Conduct {
        answer_after: Duration::from_millis(5),
        ..Conduct::default()
    };
    let (mut database, mut carrier, config, key) = process(slow, "").await;
    let running = Daemon::start(&config).await;
    let http = Http::new(running.address, &key);
    let loading = tokio::spawn({
        let http = http.clone();
        async move {
            for _ in 0..10 {
                enqueue(&http, 100).await;
            }
        }
    });
    carrier.has_seen(50).await;
    let store = database.open().await;
    let before: Vec<(String,)> = database::rows(&store, "SELECT id FROM message").await;
    store.close().await;
    let copy = database.folder.join("backup.db");
    let backup = carebell(&["backup", copy.to_str().unwrap(), "--json"], &config)
        .output()
        .unwrap();
    assert!(backup.status.success(), "{backup:?}");
    loading.await.unwrap();
    let again = carebell(&["backup", copy.to_str().unwrap()], &config)
        .output()
        .unwrap();
    assert_eq!(
        again.status.code(),
        Some(1),
        "a backup is never written over: {again:?}"
    );
    let (ended, said) = running.stop();
    assert!(ended.success(), "{said}");
    // The disk is lost; the copy takes its place.
    for ending in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(database.folder.join(format!("carebell.db{ending}")));
    }
    std::fs::copy(&copy, database.folder.join("carebell.db")).unwrap();
    let running = Daemon::start(&config).await;
    running.says("This database is a backup of").await;
    let store = database.open().await;
    let after: Vec<(String,)> = database::rows(&store, "SELECT id FROM message").await;
    let lost: Vec<_> = before.iter().filter(|id| !after.contains(id)).collect();
    assert!(!before.is_empty() && lost.is_empty(), "{lost:?}");
    // What may go out a second time is known.
    let silent: Vec<(i64,)> = database::rows(
        &store,
        "SELECT COUNT(*) FROM message WHERE state IN ('queued', 'sending') AND possible_dup = FALSE",
    )
    .await;
    assert_eq!(silent, [(0,)]);
    store.close().await;
    running.stop();
    carrier.stop().await;
    database.remove().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_doctor_finds_what_a_new_operator_gets_wrong() {
    let (mut database, mut carrier, config, _) = process(Conduct::default(), "").await;
    let doctor = || {
        let out = carebell(&["doctor", "--json"], &config).output().unwrap();
        let lines = String::from_utf8(out.stdout).unwrap();
        let found: Vec<Value> = lines
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        (out.status.code(), found)
    };
    let of = |found: &[Value], check: &str, status: &str| {
        found
            .iter()
            .any(|one| one["check"] == check && one["status"] == status)
    };
    // The ports of the scenario are free ones, so that nobody can be found there: all the rest is looked at.
    let (code, found) = doctor();
    assert_eq!(code, Some(0), "{found:#?}");
    for check in [
        "providers",
        "database",
        "ports",
        "disk",
        "uncertain",
        "queue",
    ] {
        assert!(of(&found, check, "ok"), "{check}: {found:#?}");
    }
    let commits = found.iter().any(|one| one["check"] == "commits");
    assert!(commits, "{found:#?}");
    assert!(
        of(&found, "permissions", "warn"),
        "the password stands in a file that all may read: {found:#?}"
    );
    // The dry bind sends nothing.
    assert_eq!(carrier.submits(), 0);
    carrier.stop().await;
    let text = std::fs::read_to_string(&config).unwrap();
    let (code, found) = doctor();
    assert_eq!(code, Some(1), "{found:#?}");
    assert!(of(&found, "providers", "fail"), "{found:#?}");
    std::fs::write(&config, text.replacen("[site]", "[site]\nnmae = 1", 1)).unwrap();
    let (code, found) = doctor();
    assert_eq!(code, Some(1), "{found:#?}");
    assert!(
        found[0]["text"]
            .as_str()
            .unwrap()
            .contains("carebell.toml:2"),
        "{found:#?}"
    );
    std::fs::remove_file(&config).unwrap();
    assert_eq!(doctor().0, Some(3));
    database.remove().await;
}
