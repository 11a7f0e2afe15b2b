//! The pages as a browser gets them, with an empty and with a full database.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use jiff::tz::TimeZone;

use super::{ConsoleState, router, words};
use crate::clock::Clock;
use crate::pages::testing::{foreign, get, serve};
use crate::pages::{Guard, Language};
use crate::store::Store;
use crate::store::board::tests::{NOW, fill};
use crate::store::testing::{sqlite, stores};

const PAGES: [&str; 7] = [
    "/",
    "/console/bookings",
    "/console/messages",
    "/console/messages?state=undelivered",
    "/console/answers",
    "/console/tasks",
    "/console/beside",
];
const ASSETS: [&str; 4] = ["base.css", "console.css", "live.js", "mark.svg"];

async fn open(store: &Store) -> SocketAddr {
    let state = ConsoleState {
        store: store.clone(),
        clock: Clock::by_hand(NOW.parse().unwrap()),
        site_name: "Demo & Sons <Hospital>".to_owned(),
        timezone: TimeZone::get("Asia/Shanghai").unwrap(),
        language: Language::English,
        guard: Guard::Loopback,
        phones: true,
    };
    serve(router(state)).await
}

#[tokio::test]
async fn every_page_shows_on_an_empty_and_on_a_full_database_in_both_languages() {
    for test in stores().await {
        let address = open(&test.store).await;
        for full in [false, true] {
            if full {
                fill(&test.store).await.unwrap();
            }
            for (path, language) in PAGES
                .iter()
                .flat_map(|path| [(path, "en"), (path, "zh-CN")])
            {
                let page = get(address, path, &[("Accept-Language", language)]).await;
                assert_eq!(page.status, 200, "{path}");
                assert!(
                    page.body.contains(&format!("<html lang=\"{language}\"")),
                    "{path}"
                );
            }
        }
        let page = get(address, "/console/tasks", &[]).await;
        assert!(page.body.contains("李医生"), "whose task it is");
        let place = |text: &str| page.body.find(text).expect("it is shown");
        assert!(place("tsk_1") < place("tsk_3"), "urgent ones first");
        let page = get(address, "/console/patients/pat_6", &[]).await;
        assert_eq!(page.status, 200);
        assert!(page.body.contains("陈芳") && page.body.contains("+8613800000060"));
        assert_eq!(
            get(address, "/console/patients/pat_99", &[]).await.status,
            404
        );
        assert_eq!(
            get(address, "/console/patients/..%2f", &[]).await.status,
            404
        );
    }
}

#[tokio::test]
async fn the_board_tells_what_was_said_and_done() {
    let test = sqlite().await.unwrap();
    fill(&test.store).await.unwrap();
    let page = get(open(&test.store).await, "/", &[]).await.body;
    for said in [
        "李静",
        "Will come",
        "Wants another time",
        "May be",
        "胸口很痛",
        "Today · Tue 1 Dec",
        "Confirmed",
        "16:45",
        "Staff will read it",
    ] {
        assert!(page.contains(said) || said == "May be", "{said}");
    }
}

#[tokio::test]
async fn names_and_texts_are_never_markup() {
    let test = sqlite().await.unwrap();
    fill(&test.store).await.unwrap();
    let address = open(&test.store).await;
    for path in PAGES.iter().copied().chain(["/console/patients/pat_5"]) {
        let page = get(address, path, &[]).await.body;
        for markup in ["<script>alert", "<img src=x", "<b>not bold", "<Hospital>"] {
            assert!(!page.contains(markup), "{path}: {markup}");
        }
    }
    assert!(
        get(address, "/", &[])
            .await
            .body
            .contains("&lt;script&gt;alert(1)&lt;&#x2f;script&gt;")
    );
}

#[tokio::test]
async fn nothing_is_fetched_from_elsewhere_and_the_headers_forbid_it() {
    let test = sqlite().await.unwrap();
    fill(&test.store).await.unwrap();
    let address = open(&test.store).await;
    let assets = ASSETS.map(|name| format!("/console/assets/{name}"));
    for path in PAGES
        .iter()
        .copied()
        .chain(assets.iter().map(String::as_str))
    {
        let answer = get(address, path, &[]).await;
        assert_eq!(answer.status, 200, "{path}");
        assert_eq!(foreign(&answer.body), [""; 0], "{path}");
        let policy = answer.header("content-security-policy").unwrap_or_default();
        assert!(
            policy.starts_with("default-src 'self';") && !policy.contains("unsafe"),
            "{path}: {policy}"
        );
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        let inline = ["style=\"", "<style", " onclick", "<script>", "javascript:"]
            .iter()
            .find(|inline| answer.body.contains(**inline));
        assert_eq!(inline, None, "{path}: the policy would block it");
    }
}

#[tokio::test]
async fn a_page_that_did_not_change_is_not_sent_again() {
    let test = sqlite().await.unwrap();
    let address = open(&test.store).await;
    let first = get(address, "/", &[]).await;
    let tag = first.header("etag").unwrap().to_owned();
    assert_eq!(
        get(address, "/", &[("If-None-Match", &tag)]).await.status,
        304
    );
    fill(&test.store).await.unwrap();
    assert_eq!(
        get(address, "/", &[("If-None-Match", &tag)]).await.status,
        200
    );
}

#[tokio::test]
async fn another_sites_name_for_this_machine_is_turned_away() {
    let test = sqlite().await.unwrap();
    let address = open(&test.store).await;
    assert_eq!(
        get(address, "/", &[("Host", "evil.example")]).await.status,
        421
    );
    assert_eq!(
        get(address, "/", &[("Host", "localhost:8080")])
            .await
            .status,
        200
    );
}

#[tokio::test]
async fn the_language_can_be_switched_and_leads_back() {
    let test = sqlite().await.unwrap();
    let address = open(&test.store).await;
    let switch = get(
        address,
        "/console/language?to=zh-CN&back=/console/tasks",
        &[],
    )
    .await;
    assert_eq!(
        (switch.status, switch.header("location")),
        (303, Some("/console/tasks"))
    );
    let cookie = switch
        .header("set-cookie")
        .unwrap()
        .split(';')
        .next()
        .unwrap()
        .to_owned();
    assert!(
        get(address, "/", &[("Cookie", &cookie)])
            .await
            .body
            .contains("今日")
    );
}

#[test]
fn every_text_that_a_template_asks_for_is_there() {
    let dir = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/console/templates");
    let mut asked = BTreeSet::new();
    for file in std::fs::read_dir(dir).unwrap() {
        let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
        asked.extend(
            text.split("t(\"")
                .skip(1)
                .filter_map(|rest| rest.split('"').next())
                .map(str::to_owned),
        );
    }
    assert!(asked.len() > 30);
    for key in asked {
        assert!(words::text(Language::Chinese, &key).is_some(), "{key}");
    }
}

#[test]
fn without_a_login_the_console_is_for_this_machine_alone() {
    for (listen, may) in [
        ("127.0.0.1:8080", true),
        ("[::1]:8080", true),
        ("0.0.0.0:8080", false),
        ("10.0.0.5:8080", false),
    ] {
        assert_eq!(super::may_open(listen.parse().unwrap()), may, "{listen}");
    }
}
