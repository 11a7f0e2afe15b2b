//! The verbs as a person in a shell sees them.

use clap::Parser as _;
use jiff::Timestamp;
use serde_json::Value;

use super::{WebhookVerb, run};
use crate::app::House;
use crate::config::Config;
use crate::store::audits;
use crate::store::testing::{TestStore, stores};

#[derive(clap::Parser)]
struct Line {
    #[command(subcommand)]
    verb: WebhookVerb,
}

async fn house(test: &TestStore) -> anyhow::Result<House> {
    let text = format!(
        "[database]\nurl = \"{}\"\n[webhooks]\nallow = [\"10.1.0.0/16\"]\n",
        test.url
    );
    let config = Config::parse(
        "carebell.toml",
        &text,
        std::iter::empty(),
        "/nowhere".into(),
    )?;
    House::open(config).await
}

async fn say(house: &House, line: &[&str]) -> anyhow::Result<(u8, Value)> {
    let line = Line::try_parse_from([&["webhook"], line].concat())?;
    let mut out = Vec::new();
    let code = run(&line.verb, house, Timestamp::UNIX_EPOCH, true, &mut out).await?;
    let text = String::from_utf8(out)?;
    Ok((
        code,
        serde_json::from_str(&text).unwrap_or(Value::String(text)),
    ))
}

#[tokio::test]
async fn a_webhook_is_made_listed_changed_switched_and_removed() -> anyhow::Result<()> {
    for test in stores().await {
        let house = house(&test).await?;
        let (code, made) = say(
            &house,
            &[
                "add",
                "https://his.example.org/in?key=hidden",
                "--types",
                "message.*,reply.received",
            ],
        )
        .await?;
        let id = made["id"].as_str().unwrap_or_default().to_owned();
        assert!(
            code == 0
                && made["secret"]
                    .as_str()
                    .is_some_and(|text| text.starts_with("whsec_")),
            "{made}"
        );
        let (_, listed) = say(&house, &["list"]).await?;
        assert_eq!(listed["name"], "his.example.org");
        assert_eq!(
            listed["types"],
            serde_json::json!(["message.*", "reply.received"])
        );
        assert!(listed.get("secret").is_none());

        let change = ["change", &id, "--name", "HIS", "--in-flight", "4"];
        assert_eq!(say(&house, &change).await?.0, 0);
        assert_eq!(say(&house, &["disable", &id]).await?.0, 0);
        let (_, listed) = say(&house, &["list"]).await?;
        assert_eq!(
            (
                &listed["name"],
                &listed["state"],
                &listed["disabled_reason"]
            ),
            (&"HIS".into(), &"disabled".into(), &"person".into())
        );
        assert_eq!(say(&house, &["enable", &id]).await?.0, 0);
        let (code, rotated) = say(&house, &["rotate", &id]).await?;
        assert!(code == 0 && rotated["secret"] != made["secret"]);
        assert_eq!(
            say(&house, &["replay", &id, "--since", "2026-01-01T00:00:00Z"])
                .await?
                .0,
            0
        );
        // Nobody serves, so nobody sends it.
        assert_eq!(say(&house, &["test", &id, "--wait", "0"]).await?.0, 1);
        assert_eq!(say(&house, &["deliveries", &id]).await?.0, 0);
        assert_eq!(say(&house, &["remove", &id]).await?.0, 0);
        assert_eq!(say(&house, &["enable", &id]).await?.0, 1);
        assert_eq!(say(&house, &["remove", "key_1"]).await?.0, 1);

        let acts = audits::of(&mut house.store.read().await?, &id).await?;
        let words: Vec<&str> = acts.iter().map(|act| act.action.as_str()).collect();
        assert!(
            words.contains(&"webhook.create")
                && words.contains(&"webhook.remove")
                && words.len() == 8,
            "{words:?}"
        );
        // The URL may hold a key of the other side.
        assert!(!format!("{acts:?}").contains("hidden") && !format!("{acts:?}").contains("whsec_"));
    }
    Ok(())
}

#[tokio::test]
async fn a_webhook_on_an_inner_host_is_refused_with_the_reason() -> anyhow::Result<()> {
    for test in stores().await {
        let house = house(&test).await?;
        for url in [
            "https://10.2.0.1/",
            "https://localhost/",
            "https://[::1]/",
            "http://1.1.1.1/",
            "https://1.1.1.1:22/",
        ] {
            let (code, said) = say(&house, &["add", url]).await?;
            assert_eq!(
                (code, said["error"].as_str()),
                (1, Some("host_refused")),
                "{url}"
            );
        }
        assert_eq!(say(&house, &["add", "http://10.1.2.3:8080/"]).await?.0, 0);
        assert_eq!(say(&house, &["add", "nothing"]).await?.0, 1);
        assert_eq!(
            say(&house, &["add", "https://1.1.1.1/", "--types", "messages"])
                .await?
                .0,
            1
        );
        assert_eq!(
            say(&house, &["add", "https://1.1.1.1/", "--include", "name"])
                .await?
                .0,
            1
        );
    }
    Ok(())
}
