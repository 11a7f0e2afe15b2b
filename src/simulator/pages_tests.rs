//! The phones as a browser gets them.
use std::time::Duration;

use super::{Setting, TEXTS, router, router_with, text};
use crate::clock::Clock;
use crate::model::private::Private;
use crate::pages::testing::{foreign, get, send, serve};
use crate::pages::{Guard, Language};
use crate::simulator::carrier::{Carrier, Load, Owner, Submitted, Wanted};
use crate::simulator::conduct::Conduct;

fn carrier() -> Carrier {
    let carrier = Carrier::new(
        Conduct::default(),
        Clock::by_hand("2026-12-01T01:30:00Z".parse().unwrap()),
    );
    let owner = Owner {
        name: Private::new("<b>Ana</b>".to_owned()),
        note: Private::new("Thursday 9:30".to_owned()),
    };
    carrier.register("+12125550101", owner);
    let (_, aftermath) = carrier.submit(Submitted {
        account: "carebell".to_owned(),
        from: "10690000".to_owned(),
        to: Private::new("12125550101".to_owned()),
        text: Private::new("Reply 1 to <confirm>".to_owned()),
        concat: None,
        receipt: Wanted::Never,
        umr: None,
        expires_at: None,
    });
    carrier.follow(aftermath);
    carrier
}

#[tokio::test]
async fn what_is_typed_on_a_phone_reaches_the_carrier_and_shows_in_the_thread() {
    let carrier = carrier();
    let address = serve(router(carrier.clone())).await;
    let form = [("Content-Type", "application/x-www-form-urlencoded")];
    let sent = send(address, "POST", "/phones/1/write", &form, "text=+1+").await;
    assert_eq!(
        (sent.status, sent.header("location")),
        (303, Some("/phones/1"))
    );
    let delivery = tokio::time::timeout(Duration::from_secs(5), carrier.next("carebell"))
        .await
        .unwrap();
    assert!(matches!(&delivery.load, Load::Text { text, .. } if text.reveal() == "1"));
    let page = get(address, "/phones/1", &[]).await.body;
    assert!(
        page.contains("Reply 1 to &lt;confirm&gt;")
            && page.contains("&lt;b&gt;Ana")
            && !page.contains("<b>Ana")
    );
}

#[tokio::test]
async fn an_empty_text_is_not_sent_and_a_strange_phone_is_not_there() {
    let carrier = carrier();
    let address = serve(router(carrier.clone())).await;
    let form = [("Content-Type", "application/x-www-form-urlencoded")];
    assert_eq!(
        send(address, "POST", "/phones/1/write", &form, "text=+")
            .await
            .status,
        303
    );
    assert_eq!(carrier.counts().texts, 0);
    assert_eq!(get(address, "/phones/77", &[]).await.status, 404);
}

#[tokio::test]
async fn a_phone_can_be_switched_off_and_on() {
    let carrier = carrier();
    let address = serve(router(carrier.clone())).await;
    let form = [("Content-Type", "application/x-www-form-urlencoded")];
    send(address, "POST", "/phones/1/switch", &form, "on=false").await;
    assert!(!carrier.phones()[0].on);
    assert!(
        get(address, "/phones/1", &[])
            .await
            .body
            .contains("Switch on")
    );
    send(address, "POST", "/phones/1/switch", &form, "on=true").await;
    assert!(carrier.phones()[0].on);
}

#[tokio::test]
async fn pages_are_whole_safe_and_in_both_languages() {
    let setting = Setting {
        guard: Guard::Loopback,
        beside: Some("/console/beside"),
        home: Some("/"),
        ..Setting::default()
    };
    let address = serve(router_with(carrier(), setting)).await;
    for path in [
        "/phones",
        "/phones/1",
        "/phones/assets/base.css",
        "/phones/assets/phones.css",
        "/phones/assets/live.js",
        "/phones/assets/phones.js",
    ] {
        let answer = get(address, path, &[]).await;
        assert_eq!(
            (answer.status, foreign(&answer.body)),
            (200, Vec::new()),
            "{path}"
        );
        assert!(
            answer
                .header("content-security-policy")
                .unwrap()
                .starts_with("default-src 'self'")
        );
    }
    assert!(
        get(address, "/phones/1", &[("Accept-Language", "zh")])
            .await
            .body
            .contains("关机")
    );
    assert_eq!(
        get(address, "/phones", &[("Host", "evil.example")])
            .await
            .status,
        421
    );
    let cross = [
        ("Sec-Fetch-Site", "cross-site"),
        ("Content-Type", "application/x-www-form-urlencoded"),
    ];
    assert_eq!(
        send(address, "POST", "/phones/1/write", &cross, "text=1")
            .await
            .status,
        403
    );
}

#[test]
fn every_text_that_the_template_asks_for_is_there() {
    let page = include_str!("templates/phones.html");
    for key in page
        .split("t(\"")
        .skip(1)
        .filter_map(|rest| rest.split('"').next())
    {
        assert!(text(Language::Chinese, key).is_some(), "{key}");
    }
    assert!(
        TEXTS
            .iter()
            .all(|(_, english, chinese)| !english.is_empty() && !chinese.is_empty())
    );
}
