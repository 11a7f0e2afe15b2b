//! Nothing about a patient is ever said aloud: a canary flies the whole way at the lowest log level.

use std::path::Path;
use std::time::{Duration, Instant};

use carebell::clock::Clock;
use carebell::simulator::conduct::{Conduct, Refusal};
use jiff::tz::Offset;
use serde_json::json;

use crate::clinic::carrier::Carrier;
use crate::clinic::daemon::{self, Daemon, carebell};
use crate::clinic::database::{self, Database, holding};
use crate::clinic::http::Http;
use crate::clinic::{LOOK, PATIENCE, provider};

/// Whom nobody may read of in a log: name, number, address, key, and what was said.
const CANARIES: [&str; 15] = [
    "Zephyrine",
    "Quillfeather",
    "1381111222",
    "zq.canary",
    "Marrowbone",
    "MRN7700",
    "plumbago",
    "heliotrope",
    "薛定谔",
    "Xanthippe",
    "1999-13-77",
    "oleander",
    "1985-03-14",
    "canary_value",
    "wisteria",
];
/// Who is never kept at all.
const SENSITIVE: [&str; 4] = ["Persephone", "Underhill", "1382222333", "SECRET9"];

/// As loud as the config can be made.
const LOUD: &str = "[log]\nlevel = \"trace,carebell=trace,sqlx::query=trace,hyper::proto=trace,axum=trace,tower=trace,rustls::client=trace\"\n\
    [intake]\nsensitive = { flags = [\"VIP\"], ids_file = \"sensitive.txt\" }\n";

const PATIENTS: &str = r#"{"resourceType":"Patient","id":"MRN77001","name":[{"text":"Zephyrine Quillfeather"}],"birthDate":"1985-03-14","telecom":[{"system":"phone","value":"+8613811112221"},{"system":"email","value":"zq.canary@example.org"}],"address":[{"text":"7 Marrowbone Lane"}]}
{"resourceType":"Patient","id":"MRN77002","name":[{"text":"Xanthippe Quillfeather"}],"birthDate":"1999-13-77","telecom":[{"system":"phone","value":"plumbago"}]}
{"resourceType":"Patient","id":"MRN77003","name":[{"text":"Zephyrine oleander
{"resourceType":"Patient","id":"SECRET91","meta":{"security":[{"system":"http://terminology.hl7.org/CodeSystem/v3-Confidentiality","code":"R"}]},"name":[{"text":"Persephone Underhill"}],"telecom":[{"system":"phone","value":"+8613822223331"}]}
"#;
const TABLE: &str = "patient_id,name,birth_date,phone\nMRN77004,薛定谔,1985-03-14,13811112224\nMRN77005,Xanthippe oleander,1999-13-77,heliotrope\n\
    SECRET92,Persephone Underhill,1970-01-01,13822223332\n\"MRN77006,wisteria";

/// A zone in which it is about noon, so that no quiet hours hold anything up.
fn where_it_is_noon() -> String {
    let hour = Offset::UTC.to_datetime(Clock::System.now()).hour();
    let ahead = 12 - hour;
    format!(
        "Etc/GMT{}{}",
        if ahead > 0 { "-" } else { "+" },
        ahead.abs()
    )
}

fn import(config: &Path, from: &Path, format: &str) -> String {
    let from = from.to_str().unwrap();
    let mut said = String::new();
    for extra in [&["--dry-run"][..], &[], &["--json"]] {
        let run = carebell(
            &[&["import", from, "--format", format], extra].concat(),
            config,
        )
        .env("RUST_LOG", "trace")
        .output()
        .unwrap();
        assert_eq!(
            run.status.code(),
            Some(1),
            "bad rows are told: {}",
            String::from_utf8_lossy(&run.stderr)
        );
        said += &String::from_utf8_lossy(&run.stdout);
        said += &String::from_utf8_lossy(&run.stderr);
    }
    said
}

/// Good and bad requests, all of them with something in it that nobody may repeat.
async fn talk(http: &Http) {
    let contacts = json!([{"phone": "+8613811112221"}, {"email": "zq.canary@example.org"}]);
    let good = json!({"name": {"full": "Zephyrine Quillfeather"}, "birth_date": "1985-03-14", "language": "en", "contacts": contacts, "attributes": {"street": "Marrowbone"}});
    let tomorrow = Clock::System
        .now()
        .to_zoned(jiff::tz::TimeZone::UTC)
        .date()
        .tomorrow()
        .unwrap();
    let booking = json!({"patient": "his/MRN77001", "kind": "appointment", "at": format!("{tomorrow}T15:00"), "place": "Marrowbone Lane"});
    let secret = json!({"name": {"full": "Persephone Underhill"}, "contacts": [{"phone": "+8613822223333"}], "sensitive": true});
    let asks = [
        ("PUT", "/v1/patients/his/MRN77001", good.to_string(), 200),
        ("PUT", "/v1/patients/his/MRN77001", good.to_string().replace("1985-03-14", "1999-13-77"), 422),
        ("PUT", "/v1/patients/his/MRN77001", good.to_string().replace("}]", "\"plumbago"), 400),
        ("PUT", "/v1/patients/his/MRN77001", json!({"Quillfeather": "canary_value"}).to_string(), 422),
        ("PUT", "/v1/patients/his/SECRET93", secret.to_string(), 422),
        ("PUT", "/v1/occasions/his/MRN7700-A", booking.to_string(), 201),
        ("PUT", "/v1/occasions/his/MRN7700-A", json!({"patient": "his/MRN77001", "kind": "oleander", "at": "1999-13-77"}).to_string(), 422),
        ("GET", "/v1/patients/his/MRN77001", String::new(), 200),
        ("GET", "/v1/patients/his/MRN77001/Zephyrine?name=Quillfeather", String::new(), 404),
        ("POST", "/v1/messages", json!({"class": "clinical", "to": {"phone": "+8613811112222"}, "text": "plumbago for Zephyrine", "reference": "r1"}).to_string(), 202),
        ("POST", "/v1/messages", json!({"class": "clinical", "to": {"phone": "Quillfeather"}, "text": "plumbago"}).to_string(), 422),
        ("POST", "/v1/messages", json!({"class": "clinical", "patient": "his/MRN77001", "template": "appointment", "data": {"wisteria": "canary_value"}}).to_string(), 422),
        ("POST", "/v1/messages", json!({"class": "clinical", "to": {"phone": "+8613811112222"}, "template": "wisteria"}).to_string(), 422),
        ("POST", "/v1/messages", "{\"class\": \"clinical\", \"text\": \"plumbago".to_owned(), 400),
        ("POST", "/v1/messages/batch", json!([{"class": "wisteria"}, {"class": "clinical", "to": {"phone": "+8613811112223"}, "text": "oleander"}]).to_string(), 200),
        ("POST", "/v1/messages", json!({"class": "clinical", "to": {"phone": "+86138999"}, "text": "oleander"}).to_string(), 422),
    ];
    for (method, path, body, expected) in asks {
        let answer = http.ask(method, path, "", &body).await.unwrap();
        assert_eq!(
            answer.status, expected,
            "{method} {path} {body}: {}",
            answer.text
        );
        if answer.status >= 400 {
            let repeated: Vec<_> = CANARIES
                .iter()
                .filter(|canary| answer.text.contains(**canary))
                .collect();
            assert!(
                repeated.is_empty(),
                "an error repeats {repeated:?}: {}",
                answer.text
            );
        }
    }
    for page in ["/", "/bookings", "/answers", "/tasks"] {
        let _ = http.ask("GET", page, "", "").await;
    }
}

/// Plays the whole way and gives all that was said in logs and reports.
#[expect(
    clippy::too_many_lines,
    reason = "one way through the whole house, told in its order"
)]
async fn fly(database: &Database) -> String {
    let refusals = vec![Refusal {
        prefix: "8613811112223".to_owned(),
        status: 0x0B,
    }];
    let mut carrier = Carrier::start(
        Conduct {
            refusals,
            ..Conduct::default()
        },
        Clock::System,
        false,
    )
    .await;
    let network = carrier.network.clone();
    let zone = where_it_is_noon();
    let (config, key) = daemon::prepare(
        database,
        &(provider("main", carrier.line.address.port(), "") + LOUD),
    )
    .await;
    let text = std::fs::read_to_string(&config).unwrap();
    std::fs::write(
        &config,
        text.replacen("[site]\n", &format!("[site]\ntimezone = \"{zone}\"\n"), 1),
    )
    .unwrap();
    let running = Daemon::start_with(
        &config,
        &[("RUST_LOG", "trace"), ("CAREBELL_LOG__FORMAT", "json")],
    )
    .await;
    let records = database.folder.join("records");
    std::fs::create_dir_all(&records).unwrap();
    std::fs::write(records.join("Patient.ndjson"), PATIENTS).unwrap();
    let table = database.folder.join("records/patients.csv");
    std::fs::write(&table, TABLE).unwrap();
    let mut said = import(&config, &records, "fhir") + &import(&config, &table, "csv");
    talk(&Http::new(running.address, &key)).await;
    let ana = network.phone("+8613811112221");
    let has = |count: usize| {
        let ana = ana.clone();
        move |_: &carebell::simulator::carrier::Carrier| ana.thread().len() >= count
    };
    assert!(network.until(PATIENCE, has(1)).await, "the reminder comes");
    for (n, text) in [
        "heliotrope Quillfeather",
        "1",
        "heliotrope 1381111222",
        "STOP",
    ]
    .iter()
    .enumerate()
    {
        ana.reply(text);
        let handed_over = move |network: &carebell::simulator::carrier::Carrier| {
            let counts = network.counts();
            counts.texts > n as u64 && counts.receipts + counts.texts == counts.handed_over
        };
        assert!(network.until(PATIENCE, handed_over).await);
    }
    let store = database.open().await;
    let mut look = tokio::time::interval(LOOK);
    let until = Instant::now() + PATIENCE;
    while database::rows::<(i64,)>(
        &store,
        "SELECT COUNT(*) FROM reply WHERE outcome = 'opted_out'",
    )
    .await
        != [(1,)]
    {
        assert!(Instant::now() < until, "STOP is read");
        look.tick().await;
    }
    let looked = Http::new(running.health, "");
    for path in ["/metrics", "/readyz", "/livez"] {
        said += &looked.get(path).await.text;
    }
    carrier.line.cut();
    assert!(network.until(Duration::ZERO, |_| true).await);
    for canary in SENSITIVE {
        assert_eq!(
            holding(&store, &database.folder, canary).await,
            [] as [String; 0],
            "{canary} is kept"
        );
    }
    store.close().await;
    let (ended, log) = running.stop();
    assert!(ended.success(), "{log}");
    assert!(
        log.contains("\"level\":\"TRACE\"") || log.contains("\"level\":\"DEBUG\""),
        "the log is loud: {log}"
    );
    said += &log;
    carrier.stop().await;
    said
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_loudest_log_of_the_whole_way_holds_nothing_about_a_patient() {
    for mut database in database::fresh().await {
        std::fs::write(database.folder.join("sensitive.txt"), "SECRET92\n").unwrap();
        let said = fly(&database).await;
        for canary in CANARIES.iter().chain(&SENSITIVE) {
            let told = said.lines().find(|line| line.contains(canary));
            assert_eq!(told, None, "{canary} is told on {}", database.kind);
        }
        database.remove().await;
    }
}
