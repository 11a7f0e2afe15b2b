//! The example, the environment, and what is refused.

use std::path::PathBuf;

use super::{Config, ConfigError};

fn parse(text: &str, environment: &[(&str, &str)]) -> Result<Config, ConfigError> {
    let environment = environment
        .iter()
        .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
    Config::parse("carebell.toml", text, environment, PathBuf::new())
}

#[test]
fn the_example_shows_every_setting_and_tells_the_truth() {
    let example = include_str!("../../carebell.example.toml");
    let shown = parse(example, &[]).expect("the example is a config");
    assert_eq!(format!("{shown:?}"), format!("{:?}", Config::default()));
    let defaults = toml::Table::try_from(Config::default()).expect("settings are TOML");
    for (section, keys) in &defaults {
        for key in keys.as_table().into_iter().flat_map(toml::Table::keys) {
            let line = |l: &str| {
                l.trim_start_matches(['#', ' '])
                    .starts_with(&format!("{key} "))
                    || l.contains(&format!(".{key}]"))
            };
            assert!(
                example.lines().any(line),
                "carebell.example.toml does not show {section}.{key}"
            );
        }
    }
}

#[test]
fn the_example_shows_every_key_of_amqp_with_its_default() {
    let example = include_str!("../../carebell.example.toml");
    let block = example.lines().skip_while(|line| *line != "# [amqp]");
    let block = block.take_while(|line| !line.is_empty());
    let lines = block.filter_map(|line| line.strip_prefix("# "));
    let is_key = |line: &&str| {
        line.split_once(" = ")
            .is_some_and(|(key, _)| !key.contains(' '))
    };
    let shown: Vec<&str> = lines.filter(is_key).collect();
    let unknown = parse("[amqp]\nnothing = 1\n", &[]).expect_err("no such key");
    let unknown = unknown.to_string();
    let known: Vec<&str> = unknown.split('`').skip(3).step_by(2).collect();
    assert!(known.contains(&"prefetch"), "{unknown}");
    for key in known {
        let is_shown = shown
            .iter()
            .any(|line| line.starts_with(&format!("{key} = ")));
        assert!(is_shown, "carebell.example.toml does not show amqp.{key}");
    }
    let of_choice = ["password_file", "ca_file", "clients"];
    let of_default = shown
        .iter()
        .filter(|line| !of_choice.iter().any(|key| line.starts_with(key)));
    let text = of_default.fold("[amqp]\n".to_owned(), |text, line| text + line + "\n");
    let all = parse(&text, &[]).expect("the example is a config");
    let least = "[amqp]\nurl = \"amqp://127.0.0.1:5672/%2f\"\n";
    let least = parse(least, &[]).expect("a config");
    assert_eq!(format!("{all:?}"), format!("{least:?}"));
    assert!(parse("[amqp]\nurl = \"http://127.0.0.1\"\n", &[]).is_err());
}

#[test]
fn what_is_wrong_is_named_by_file_and_line() {
    let error = parse("[site]\nname = \"A\"\nnmae = \"B\"\n", &[])
        .expect_err("an unknown key")
        .to_string();
    assert!(
        error.starts_with("carebell.toml:3: unknown field `nmae`"),
        "{error}"
    );
    let error = parse("[site]\ntimezone = \"Mars/Olympus\"\n", &[])
        .expect_err("no zone")
        .to_string();
    assert!(error.contains("IANA"), "{error}");
}

#[test]
fn the_environment_wins_over_the_file() {
    let config = parse(
        "[site]\nname = \"A\"\n",
        &[
            ("CAREBELL_SITE__NAME", "B"),
            ("CAREBELL_DATABASE__MIGRATE", "false"),
            ("CAREBELL_TEST_POSTGRES", "x"),
        ],
    );
    let config = config.expect("a config");
    assert_eq!(
        (config.site.name.as_str(), config.database.migrate),
        ("B", Some(false))
    );
    assert!(parse("", &[("CAREBELL_SITE__NOTHING", "B")]).is_err());
}

#[test]
fn a_secret_is_never_shown() {
    let text = "[providers.main]\nchannel = \"sms\"\nkind = \"smpp\"\nhost = \"h\"\nsystem_id = \"s\"\nsender = \"1\"\npassword = \"hunter2\"\n";
    let config = parse(text, &[]).expect("a config");
    assert!(!format!("{config:?}").contains("hunter2"));
    assert!(config.smpp("main").is_ok());
    let error = parse(&text.replace("\"hunter2\"", "7"), &[])
        .expect_err("a number is no password")
        .to_string();
    assert!(!error.contains("hunter2"), "{error}");
}

#[test]
fn routes_lead_to_providers_that_are_there() {
    assert!(
        parse(
            "[[routes]]\nchannel = \"sms\"\nproviders = [\"main\"]\n",
            &[]
        )
        .is_err()
    );
}
