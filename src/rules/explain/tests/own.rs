//! A patient's own setting as people read it.

use jiff::tz::TimeZone;
use serde_json::{Value, json};

use super::{check, recheck, rule, with};
use crate::rules::cases::read;
use crate::rules::document;
use crate::rules::explain::language::{Language, Names};
use crate::rules::explain::{Section, explain_in};
use crate::rules::lead::Distance;
use crate::rules::overrides::{Override, SetBy};
use crate::rules::site::Site;

#[test]
fn a_patients_own_setting_says_what_differs() {
    let own = |set: Value| with(recheck(), "/patient/overrides", json!({"check": set}));
    check(
        &rule(""),
        &own(json!({"off": true})),
        "overridden",
        "这位患者单独关闭了这条规则，因此什么也不发。",
        "This rule is switched off for this patient, so nothing of it is sent.",
    );
    let early = own(json!({"before": ["5d", "1d"], "by": ["voice", "sms"]}));
    check(
        &rule(""),
        &early,
        "own_setting",
        "这位患者有单独的设置：给本人和家属的提醒改为提前5天、提前1天发，用电话语音，不行再用短信。优先于规则本身；给科室的提醒不变。",
        "This patient has a setting of their own: what goes to patient and family goes 5 days before and 1 day before, by phone call, and if that fails by SMS. It wins over the rule, and what goes to staff stays as it is.",
    );
    check(
        &rule(""),
        &early,
        "due",
        "2026年7月24日（周五）之前5天的09:00，即2026年7月19日（周日）09:00。",
        "5 days before Friday 24 July 2026, at 09:00, is Sunday 19 July 2026 at 09:00.",
    );
}

/// Who set it and when comes from the store.
#[test]
fn a_patients_own_setting_says_who_set_it_and_when() {
    let site = Site::new(TimeZone::get("Asia/Shanghai").unwrap(), "CN");
    let rule = document::parse("check", "check.toml", &rule(""), &site).unwrap();
    let read = read::case(&recheck(), &rule).unwrap();
    let at = "2026-07-01T02:00:00Z".parse().unwrap();
    let of = |name: &str, off: bool| Override {
        rule: "check".to_owned(),
        off,
        before: (!off).then(|| vec![Distance::parse("5d").unwrap()]),
        by: None,
        set: Some(SetBy {
            name: name.to_owned(),
            at,
        }),
    };
    let told = |set: Override, language: Language| {
        let overrides = [set];
        let mut subject = read.subject();
        subject.overrides = &overrides;
        let names = Names::default();
        let window = read.window.clone();
        let all = explain_in(&rule, &subject, read.now, window, (language, &names)).lines;
        let line = all.into_iter().find(|line| line.section == Section::Own);
        line.unwrap().text
    };
    assert_eq!(
        told(of("王芳", true), Language::Chinese),
        "王芳于2026年7月1日（周三）10:00为这位患者单独关闭了这条规则，因此什么也不发。"
    );
    assert_eq!(
        told(of("cli", true), Language::English),
        "An administrator switched this rule off for this patient on Wednesday 1 July 2026 at 10:00, so nothing of it is sent."
    );
    assert_eq!(
        told(of("王芳", false), Language::Chinese),
        "这位患者有单独的设置：给本人和家属的提醒改为提前5天发。由王芳于2026年7月1日（周三）10:00设定，优先于规则本身；给科室的提醒不变。"
    );
    assert_eq!(
        told(of("Wang Fang", false), Language::English),
        "This patient has a setting of their own: what goes to patient and family goes 5 days before. Set by Wang Fang on Wednesday 1 July 2026 at 10:00; it wins over the rule, and what goes to staff stays as it is."
    );
}
