//! Each lint with a rule that it finds fault with, and one that it leaves alone.

use jiff::civil::date;

use crate::model::class::Channel;
use crate::planning::book;
use crate::planning::lint::{Ground, lint};

const TEMPLATES: &[(&str, &str)] = &[
    (
        "asks/en.sms.txt",
        "Come on {{ occasion.date }}. Reply 1 to confirm",
    ),
    (
        "asks/en.email.txt",
        "Subject: Visit\nCome on {{ occasion.date }}.",
    ),
    ("tells/en.sms.txt", "Come on {{ occasion.date }}."),
    (
        "tells_family/en.sms.txt",
        "Come on {{ occasion.date }}.\n--- when recipient.role == \"family\"\nBring them on {{ occasion.date }}.",
    ),
    (
        "work/en.task.txt",
        "Subject: Visit\nOn {{ occasion.date }}.",
    ),
];

fn ground() -> Ground {
    Ground {
        carried: vec![Channel::Sms],
        language: "en".to_owned(),
        today: date(2026, 11, 22),
    }
}

fn rule(on: &str, rest: &str) -> String {
    format!(
        "title = \"R\"\ndepartment = \"clinical\"\nclass = \"appointment\"\n[trigger]\n{on}\n{rest}"
    )
}

fn found(rules: &[&str], ground: &Ground) -> Vec<String> {
    let ids = ["a", "b"];
    let named: Vec<(&str, &str)> = ids.into_iter().zip(rules.iter().copied()).collect();
    let (book, errors) = book::of_texts(&named, TEMPLATES);
    assert_eq!(errors, 0);
    lint(&book, ground)
        .into_iter()
        .map(|one| one.text)
        .collect()
}

/// Finds what `expected` says in the first, and nothing in the second.
#[track_caller]
fn check(faulty: &[&str], sound: &[&str], expected: &str) {
    let told = found(faulty, &ground());
    assert!(
        told.iter().any(|text| text.contains(expected)),
        "expected {expected}\nfound {told:#?}"
    );
    let told = found(sound, &ground());
    assert!(told.is_empty(), "{told:#?}");
}

const ON: &str = "on = \"recheck\"";

fn step(keys: &str) -> String {
    rule(ON, &format!("[[step]]\nto = \"patient\"\n{keys}\n"))
}

#[test]
fn rules_that_tell_the_same_person_the_same_twice_overlap() {
    let first = step("before = [\"7d\"]\nsend = \"tells\"");
    let second = step("before = [\"1w\"]\nsend = \"tells\"");
    let later = step("before = [\"1w\"]\nat = \"10:00\"\nsend = \"tells\"");
    let text = "b.toml:6: step[1]: goes to the same patient at the same moment (1w) as rule `a` (a.toml:6), with the same template";
    check(&[&first, &second], &[&first, &later], text);
    let asks = |audience: &str| {
        let body = format!(
            "[audience]\n{audience}\n[[step]]\nto = \"patient\"\nbefore = [\"7d\"]\nsend = \"tells\"\n"
        );
        rule(ON, &body)
    };
    let (women, men) = (asks("sex = \"female\""), asks("sex = \"male\""));
    let (old, young) = (asks("age = { min = 60 }"), asks("age = { max = 59 }"));
    let codes = asks("diagnosis = [\"E11\"]");
    check(
        &[&women, &old],
        &[&women, &men],
        "nothing keeps the two audiences apart",
    );
    check(
        &[&codes, &old],
        &[&old, &young],
        "nothing keeps the two audiences apart",
    );
}

#[test]
fn a_condition_that_can_never_hold_is_found() {
    let sound =
        step("before = [\"3d\"]\nsend = \"asks\"\nask = \"confirm\"\nunless = \"answered\"");
    let nobody_asks = step("before = [\"3d\"]\nsend = \"tells\"\nunless = \"answered\"");
    check(
        &[&nobody_asks],
        &[&sound],
        "a.toml:10: step[1].unless: can hardly ever hold: no step of any rule on `recheck` asks",
    );
    let birthday = rule(
        "on = \"birthday\"",
        "[[step]]\nto = \"patient\"\nbefore = [\"0d\"]\nsend = \"asks\"\nask = \"confirm\"\nunless = \"answered\"\n",
    );
    check(
        &[&birthday],
        &[&sound],
        "only occasions that the hospital keeps are answered",
    );
    let alone = step("before = [\"3d\"]\nsend = \"tells\"\nunless = \"delivered\"");
    let two = step("before = [\"3d\", \"1d\"]\nsend = \"tells\"\nunless = \"delivered\"");
    check(
        &[&alone],
        &[&two],
        "no other lead or step goes to the same recipient before",
    );
    let group = step("before = [\"3d\"]\nsend = \"tells\"\ngroup = \"g\"");
    let pair = step("before = [\"3d\", \"1d\"]\nsend = \"tells\"\ngroup = \"g\"");
    check(&[&group], &[&pair], "`g` has one step with one lead");
}

#[test]
fn a_lead_that_points_where_nothing_is_is_found() {
    let fact = |lead: &str| {
        rule(
            "on = \"diagnosis\"",
            &format!("[[step]]\nto = \"patient\"\n{lead}\nsend = \"tells\"\n"),
        )
    };
    check(
        &[&fact("before = [\"3d\"]")],
        &[&fact("after = [\"3d\"]")],
        "is known once it has happened",
    );
    check(
        &[&fact("on = \"created\"")],
        &[&fact("after = [\"3d\"]")],
        "is neither booked nor moved",
    );
    let booked = fact("before = [\"3d\"]").replace("diagnosis", "vaccination");
    assert!(found(&[&booked], &ground()).is_empty());
    let manual = |lead: &str| {
        rule(
            "on = \"manual\"",
            &format!("[[step]]\nto = \"patient\"\n{lead}\nsend = \"tells\"\n"),
        )
    };
    check(
        &[&manual("before = [\"3d\"]")],
        &[&manual("after = [\"3d\"]")],
        "the rule is started by hand",
    );
    let far = step("before = [\"2w\", \"14mo\"]\nsend = \"tells\"");
    let near = step("before = [\"2w\", \"12mo\"]\nsend = \"tells\"");
    check(
        &[&far],
        &[&near],
        "longer than bookings are known beforehand",
    );
    let twice = step("before = [\"14d\", \"2w\"]\nsend = \"tells\"");
    check(
        &[&twice],
        &[&near],
        "`2w` points at the same moment as `14d`",
    );
    let night = step("before = [\"3d\"]\nat = \"22:00\"\nsend = \"tells\"");
    check(
        &[&night],
        &[&near],
        "a.toml:9: step[1].at: 22:00 lies in quiet hours (21:00 to 08:00)",
    );
}

#[test]
fn a_step_that_says_nothing_to_anybody_is_found() {
    let mute = step("before = [\"3d\"]\nsend = \"tells\"\nask = \"confirm\"");
    let spoken = step("before = [\"3d\"]\nsend = \"asks\"\nask = \"confirm\"");
    check(
        &[&mute],
        &[&spoken],
        "template `tells` tells nobody how to answer",
    );
    let mail = step("before = [\"3d\"]\nby = [\"email\"]\nsend = \"asks\"");
    let either = step("before = [\"3d\"]\nby = [\"email\", \"sms\"]\nsend = \"asks\"");
    check(&[&mail], &[&either], "no provider carries email");
    let twins = rule(
        ON,
        "[[step]]\nto = \"patient\"\nbefore = [\"3d\"]\nsend = \"asks\"\n[[step]]\nto = \"patient\"\nbefore = [\"3d\"]\nsend = \"tells\"\n",
    );
    check(
        &[&twins],
        &[&spoken],
        "`3d` is never said: step `patient_1` goes to the same recipient",
    );
}

#[test]
fn without_a_provider_nothing_is_said_of_what_is_carried() {
    let mail = step("before = [\"3d\"]\nby = [\"email\"]\nsend = \"asks\"");
    let fresh = Ground {
        carried: Vec::new(),
        ..ground()
    };
    assert!(found(&[&mail], &fresh).is_empty());
}

#[test]
fn family_that_is_told_as_if_it_were_the_patient_is_found() {
    let family = |keys: &str, send: &str| {
        rule(
            ON,
            &format!(
                "[family]\n{keys}\n[[step]]\nto = \"patient\"\nbefore = [\"3d\"]\nsend = \"{send}\"\n"
            ),
        )
    };
    let sound = family("from_age = 80", "tells_family");
    check(
        &[&family("from_age = 80", "tells")],
        &[&sound],
        "template `tells` speaks to the patient alone",
    );
    check(
        &[&family("copy = true", "tells_family")],
        &[&sound],
        "a.toml:7: family.copy: acts for patients marked as special alone",
    );
    check(
        &[&family("from_age = 12", "tells_family")],
        &[&sound],
        "the family of minors is told anyway",
    );
    let staff = rule(
        ON,
        "[family]\nfallback = true\n[[step]]\nto = \"staff\"\nbefore = [\"3d\"]\nsend = \"work\"\n",
    );
    check(&[&staff], &[&sound], "no step is for the patient");
}

#[test]
fn a_missing_year_of_working_days_and_a_missing_language_are_found() {
    let staff = |keys: &str| {
        rule(
            ON,
            &format!("[[step]]\nto = \"staff\"\nbefore = [\"3d\"]\n{keys}send = \"work\"\n"),
        )
    };
    check(
        &[&staff("workday = \"previous\"\n")],
        &[&staff("")],
        "the official working days of 2027 are not known",
    );
    let tells = step("before = [\"3d\"]\nsend = \"tells\"");
    let chinese = Ground {
        language: "zh-CN".to_owned(),
        ..ground()
    };
    let told = found(&[&tells], &chinese);
    assert!(told[0].contains("has no sms text in zh-CN"), "{told:?}");
}

#[test]
fn hours_that_leave_no_time_to_send_in_are_found() {
    let night = |to: &str| {
        format!(
            "quiet = {{ from = \"08:30\", to = \"{to}\", pull_back_to = \"08:15\" }}\n{}",
            step("before = [\"3d\"]\nat = \"08:10\"\nsend = \"tells\"")
        )
    };
    check(
        &[&night("08:00")],
        &[&night("07:00")],
        "leaves less than an hour a day",
    );
}
