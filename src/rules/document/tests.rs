//! Rules as documents: every key, and errors that name file and line.

use std::path::Path;

use jiff::tz::TimeZone;

use super::{from_json, parse};
use crate::model::class::{Channel, Class};
use crate::model::message::Ask;
use crate::model::reminder::Unless;
use crate::rules::rule::{Mode, Rule};
use crate::rules::site::Site;

fn site() -> Site {
    Site::new(TimeZone::get("Asia/Shanghai").unwrap(), "CN")
}

fn read(text: &str) -> Result<Rule, Vec<String>> {
    parse("x", "rules/x.toml", text, &site())
        .map_err(|faults| faults.iter().map(ToString::to_string).collect())
}

/// A rule with `more` at its head and `step` in its only step.
fn with(more: &str, step: &str) -> String {
    format!(
        "department = \"clinical\"\nclass = \"appointment\"\n{more}\n[trigger]\non = \"recheck\"\n[[step]]\nto = \"patient\"\nsend = \"t\"\n{step}\n"
    )
}

#[track_caller]
fn refuses(text: &str, expected: &str) {
    let faults = read(text).expect_err("a fault");
    assert!(faults.iter().any(|fault| fault == expected), "{faults:#?}");
}

const WHOLE: &str = r#"
title = "Recheck"
department = "clinical"
class = "appointment"
mode = "shadow"
timezone = "America/New_York"
quiet = { from = "22:00", to = "07:30", pull_back_to = "19:00" }
min_useful = "90m"
leap_day = "mar1"
effective_from = 2026-01-01
[trigger]
on = "recheck"
[audience]
diagnosis = ["E10", "E11"]
age = { min = 60 }
sex = "female"
tags = ["vip"]
where = 'patient.attributes.occupation == "teacher"'
[family]
from_age = 80
copy = false
fallback = true
[[step]]
to = "staff"
department = "nursing"
before = ["4d"]
at = "08:30"
workday = "previous"
send = "recheck_staff"
by = ["task", "email"]
[[step]]
id = "ask"
to = "patient"
before = ["3d", "1d"]
at = 09:00:00
send = "recheck"
by = ["sms", "voice"]
ask = "rsvp"
unless = "answered"
"#;

#[test]
fn a_whole_rule_is_read() {
    let rule = read(WHOLE).unwrap();
    assert_eq!(
        (rule.title.as_str(), rule.class, rule.mode),
        ("Recheck", Class::Appointment, Mode::Shadow)
    );
    assert_eq!(rule.timezone.iana_name(), Some("America/New_York"));
    assert_eq!(rule.min_useful.as_mins(), 90);
    assert_eq!(
        (rule.audience.min_age, rule.audience.max_age),
        (Some(60), None)
    );
    assert_eq!(
        (rule.family.from_age, rule.family.fallback),
        (Some(80), true)
    );
    assert_eq!(rule.steps[0].id, "staff_1");
    assert_eq!(rule.steps[0].department.as_deref(), Some("nursing"));
    assert_eq!(rule.steps[1].id, "ask");
    assert_eq!(
        rule.steps[1].by.as_deref(),
        Some(&[Channel::Sms, Channel::Voice][..])
    );
    assert_eq!(
        (rule.steps[1].ask, rule.steps[1].unless),
        (Some(Ask::Confirm), Some(Unless::Answered))
    );
    assert!(rule.warnings.is_empty(), "{:?}", rule.warnings);
}

#[test]
fn keys_of_staff_steps_groups_and_stops_are_read() {
    let rule = read(&with(
        "[stop]\nfact = \"vaccination\"\ncode = [\"J11\"]\nsince = \"6mo\"",
        "on = \"moved\"\ngroup = \"ask\"\nfamily_send = \"f\"\n[[step]]\nto = \"staff\"\nsend = \"s\"\nbefore = [\"1d\"]\ncc = [\"pharmacy\"]\ndoctor = true\ndigest = true",
    ))
    .unwrap();
    let stop = rule.stop.as_ref().unwrap();
    assert_eq!(
        (
            stop.fact.as_str(),
            stop.codes.as_slice(),
            stop.since.to_string()
        ),
        ("vaccination", &["J11".to_owned()][..], "6mo".to_owned())
    );
    let (patient, staff) = (&rule.steps[0], &rule.steps[1]);
    assert_eq!(patient.leads[0].to_string(), "moved");
    assert_eq!(patient.group.as_deref(), Some("ask"));
    assert_eq!(patient.template(crate::model::class::Role::Family, 0), "f");
    assert!(staff.doctor && staff.digest && staff.cc == ["pharmacy"]);
    refuses(
        &with("", "before = [\"1d\"]\ncc = [\"pharmacy\"]"),
        "rules/x.toml:10: step[1].cc: only staff steps tell other departments",
    );
    refuses(
        &with("", "before = [\"1d\"]\ndoctor = true"),
        "rules/x.toml:10: step[1].doctor: only staff steps have a `doctor`",
    );
    refuses(
        &with("", "before = [\"1d\"]").replace("\"t\"", "[\"t\", \"u\"]"),
        "rules/x.toml:8: step[1].send: templates take turns from one firing to the next; expected one name, since each occasion is its own",
    );
}

#[test]
fn several_templates_take_turns() {
    let text = "department = \"d\"\nclass = \"health_tip\"\n[trigger]\non = \"every\"\ncron = \"0 9 1 * *\"\n[[step]]\nto = \"patient\"\nsend = [\"a\", \"b\", \"c\"]\n";
    let rule = read(text).unwrap();
    let said = |occurrence: &str| {
        let turn = rule.trigger.turn(occurrence);
        rule.steps[0].template(crate::model::class::Role::Patient, turn)
    };
    let months: Vec<&str> = (1..=12)
        .map(|month| said(&format!("2026-{month:02}-01T09:00")))
        .collect();
    assert_eq!(months.concat(), "abcabcabcabc");
}

#[test]
fn the_defaults_are_filled_in() {
    let rule = read(&with("", "before = [\"1d\"]")).unwrap();
    assert_eq!((rule.mode, rule.title.as_str()), (Mode::Live, "x"));
    assert_eq!(rule.min_useful.as_hours(), 2);
    assert_eq!(rule.steps[0].at.to_string(), "09:00:00");
    assert_eq!(rule.steps[0].department.as_deref(), Some("clinical"));
    assert_eq!(rule.quiet.unwrap().from.to_string(), "21:00:00");
    assert!(
        rule.quiet.unwrap().pull_back_to.to_string() == "20:00:00"
            && rule.timezone.iana_name() == Some("Asia/Shanghai")
    );
}

#[test]
fn json_of_the_same_shape_is_the_same_rule() {
    let toml = read(WHOLE).unwrap();
    let json = serde_json::json!({
        "title": "Recheck", "department": "clinical", "class": "appointment", "mode": "shadow", "timezone": "America/New_York",
        "quiet": {"from": "22:00", "to": "07:30", "pull_back_to": "19:00"}, "min_useful": "90m", "leap_day": "mar1", "effective_from": "2026-01-01",
        "trigger": {"on": "recheck"},
        "audience": {"diagnosis": ["E10", "E11"], "age": {"min": 60}, "sex": "female", "tags": ["vip"], "where": "patient.attributes.occupation == \"teacher\""},
        "family": {"from_age": 80, "copy": false, "fallback": true},
        "step": [
            {"to": "staff", "department": "nursing", "before": ["4d"], "at": "08:30", "workday": "previous", "send": "recheck_staff", "by": ["task", "email"]},
            {"id": "ask", "to": "patient", "before": ["3d", "1d"], "at": "09:00:00", "send": "recheck", "by": ["sms", "voice"], "ask": "rsvp", "unless": "answered"}
        ]
    });
    let json = from_json("x", &json, &site()).unwrap();
    assert_eq!(toml.timing_hash(), json.timing_hash());
    assert_eq!(toml.version, json.version);
}

#[test]
fn every_fault_is_told_with_its_line() {
    let text = "department = \"clinical\"\nclas = \"appointment\"\nmode = \"on\"\n[trigger]\non = \"recheck\"\nholiday = \"qixi\"\n[[step]]\nto = \"patients\"\nbefor = [\"3d\"]\nsend = \"t\"\n";
    let faults = read(text).unwrap_err();
    assert_eq!(
        faults,
        [
            "rules/x.toml:1: class: missing; expected one of urgent, appointment, clinical, survey, health_tip, invitation, greeting, promotion",
            "rules/x.toml:2: clas: unknown key; did you mean `class`?",
            "rules/x.toml:3: mode: `on` is none of live, shadow, off",
            "rules/x.toml:6: trigger.holiday: does not go with `on = \"recheck\"`",
            "rules/x.toml:7: step[1]: when? Expected `before`, `after` or `on = \"created\"`",
            "rules/x.toml:8: step[1].to: `patients` is none of patient, family, staff; did you mean `patient`?",
            "rules/x.toml:9: step[1].befor: unknown key; did you mean `before`?",
        ]
    );
}

#[test]
fn what_is_wrong_at_the_head() {
    refuses(
        &with("class = \"reply\"", "before = [\"1d\"]"),
        "rules/x.toml:3: no TOML: duplicate key",
    );
    refuses(
        &with("timezone = \"Asia/Shangai\"", "before = [\"1d\"]"),
        "rules/x.toml:3: timezone: expected an IANA time zone such as Asia/Shanghai, found `Asia/Shangai`",
    );
    refuses(
        &with("quiet = { from = \"21:00\" }", "before = [\"1d\"]"),
        "rules/x.toml:3: quiet.to: missing; expected a time of day such as \"08:00\"",
    );
    refuses(
        &with("min_useful = 2", "before = [\"1d\"]"),
        "rules/x.toml:3: min_useful: expected a duration such as \"2h\", found `2`",
    );
    refuses(
        &with("effective_from = 2026-02-30", "before = [\"1d\"]"),
        "rules/x.toml:3: no TOML: invalid date, expected day between 01 and 28",
    );
    refuses(
        &with("percent = 10", "before = [\"1d\"]"),
        &format!(
            "rules/x.toml:3: percent: unknown key; expected one of {}",
            super::KEYS.join(", ")
        ),
    );
    refuses(
        "class = \"reply\"\n",
        "rules/x.toml:1: class: `reply` is none of urgent, appointment, clinical, survey, health_tip, invitation, greeting, promotion",
    );
    refuses(
        "class = \"greeting\"\n",
        "rules/x.toml:1: trigger: missing; expected a table that says `on = …`",
    );
    refuses(
        "class = \"greeting\"\n",
        "rules/x.toml:1: step: missing; expected at least one [[step]]",
    );
    let named = parse("Über/x", "x", &with("", "before = [\"1d\"]"), &site()).unwrap_err();
    assert_eq!(
        named[0].message,
        "`Über/x` is no name for a rule; expected small letters, digits, `_` and `-`"
    );
}

#[test]
fn what_is_wrong_in_a_step() {
    refuses(
        &with("", "before = [\"3 d\"]"),
        "rules/x.toml:9: step[1].before[1]: expected a lead such as \"3d\" with mo, w, d, h or m, found `3 d`",
    );
    refuses(
        &with("", "before = [\"2h\"]\nat = \"09:00\""),
        "rules/x.toml:10: step[1].at: does not go with leads in hours or minutes, which count from the occasion's own time",
    );
    refuses(
        &with("", "before = []"),
        "rules/x.toml:9: step[1].before: expected a list of leads such as [\"3d\", \"1d\"] with mo, w, d, h or m",
    );
    refuses(
        &with("", "before = [\"1d\"]\nat = \"9:00\""),
        "rules/x.toml:10: step[1].at: expected a time of day such as \"08:30\", found `9:00`",
    );
    refuses(
        &with("", "before = [\"1d\"]\non = \"created\""),
        "rules/x.toml:10: step[1].on: a step acts on `created` or `moved` or at leads, not both; make it two steps",
    );
    refuses(
        &with("", "before = [\"1d\"]\nby = [\"sms\", \"fax\"]"),
        "rules/x.toml:10: step[1].by[2]: `fax` is none of sms, voice, email",
    );
    refuses(
        &with("", "before = [\"1d\"]\nby = [\"task\"]"),
        "rules/x.toml:10: step[1].by[1]: `task` is none of sms, voice, email",
    );
    refuses(
        &with("", "before = [\"1d\"]\nunless = \"answerd\""),
        "rules/x.toml:10: step[1].unless: `answerd` is none of answered, confirmed, delivered; did you mean `answered`?",
    );
    refuses(
        &with(
            "",
            "before = [\"1d\"]\n[[step]]\nto = \"staff\"\nsend = \"t\"\nid = \"patient_1\"\nbefore = [\"1d\"]",
        ),
        "rules/x.toml:10: step[2]: a second step with the id `patient_1`",
    );
    refuses(
        &with(
            "",
            "before = [\"1d\"]\n[[step]]\nto = \"staff\"\nsend = \"t\"\nask = \"confirm\"\nbefore = [\"1d\"]",
        ),
        "rules/x.toml:13: step[2].ask: staff are not asked; expected it on a step to patient or family",
    );
    refuses(
        "class = \"greeting\"\n[trigger]\non = \"birthday\"\n[[step]]\nto = \"staff\"\nsend = \"t\"\nbefore = [\"1d\"]\n",
        "rules/x.toml:4: step[1]: staff of which department? Expected `department` here or at the head of the rule",
    );
    refuses(
        "class = \"greeting\"\n[trigger]\non = \"birthday\"\n[[step]]\nto = \"patient\"\nsend = \"t\"\non = \"created\"\n",
        "rules/x.toml:7: step[1].on: only occasions are created; this rule's trigger is none",
    );
}

#[test]
fn what_is_wrong_in_trigger_and_audience() {
    let trigger = |trigger: &str| {
        format!(
            "class = \"health_tip\"\n[trigger]\n{trigger}\n[[step]]\nto = \"patient\"\nsend = \"t\"\nbefore = [\"1d\"]\n"
        )
    };
    refuses(
        &trigger("on = \"holiday\"\nholiday = \"mid_autum\""),
        "rules/x.toml:4: trigger.holiday: `mid_autum` is no holiday; did you mean `mid_autumn`?",
    );
    refuses(
        &trigger("on = \"season\"\nfrom = \"09-15\""),
        "rules/x.toml:2: trigger.until: missing; expected a day of the year such as \"09-15\"",
    );
    refuses(
        &trigger("on = \"season\"\nfrom = \"09-31\"\nuntil = \"11-30\""),
        "rules/x.toml:4: trigger.from: expected a day of the year such as \"09-15\", found `09-31`",
    );
    refuses(
        &trigger("on = \"Birthday\""),
        "rules/x.toml:3: trigger.on: expected birthday, holiday, season, every, manual or a kind of occasion in small letters, found `Birthday`",
    );
    assert!(
        read(&trigger("on = \"every\"\ncron = \"0 9 32 * *\"")).unwrap_err()[0]
            .starts_with("rules/x.toml:4: trigger.cron: expected five fields of cron")
    );
    assert!(
        read(&trigger("on = \"every\"\ncron = \"0 9 MON-FRI * *\"")).unwrap_err()[0]
            .ends_with("a name stands in the field of days of the month")
    );
    assert!(read(&trigger("on = \"every\"\ncron = \"0 9 * JAN MON-FRI\"")).is_ok());
    assert!(read(&trigger("on = \"every\"\ncron = \"0 9 LW * *\"")).is_ok());
    assert!(
        read(&trigger("on = \"every\"\ncron = \"0 0 9 1 * *\"")).is_err(),
        "seconds are not taken"
    );
    let audience = |audience: &str| with("", &format!("before = [\"1d\"]\n[audience]\n{audience}"));
    refuses(
        &audience("age = { min = 70, max = 60 }"),
        "rules/x.toml:11: audience.age: nobody is at least 70 and at most 60",
    );
    refuses(
        &audience("sex = \"femal\""),
        "rules/x.toml:11: audience.sex: `femal` is none of female, male, other, unknown; did you mean `female`?",
    );
    refuses(
        &audience("where = 'patient.agee > 3'"),
        "rules/x.toml:11: audience.where: unknown field `patient.agee`; did you mean `patient.age`?",
    );
    refuses(
        &audience("diagnosis = []"),
        "rules/x.toml:11: audience.diagnosis: an empty list would admit everybody; leave the key out or name something",
    );
}

#[test]
fn what_can_be_lived_with_is_a_warning() {
    let warnings = |text: &str| {
        read(text)
            .unwrap()
            .warnings
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
    };
    assert_eq!(
        warnings(&with("", "before = [\"1d\"]\nworkday = \"previous\"")),
        ["rules/x.toml:10: step[1].workday: patients and family are not moved to working days"]
    );
    assert_eq!(
        warnings(&with("", "before = [\"1d\", \"1d\"]")),
        ["rules/x.toml:9: step[1].before[2]: `1d` stands there twice"]
    );
    assert_eq!(
        warnings(&with("", "on = \"created\"\nat = \"09:00\"")),
        [
            "rules/x.toml:10: step[1].at: does nothing: `on = \"created\"` and `on = \"moved\"` act at once"
        ]
    );
    let late = "quiet = { from = \"20:00\", to = \"08:00\", pull_back_to = \"20:00\" }";
    assert_eq!(
        warnings(&with(late, "before = [\"1d\"]")),
        [
            "rules/x.toml:3: quiet.pull_back_to: lies in the quiet hours itself; a time before they begin would keep them"
        ]
    );
    let near = with("", "before = [\"1d\"]").replace("recheck", "rechek");
    assert_eq!(
        warnings(&near),
        [
            "rules/x.toml:5: trigger.on: `rechek` is read as a kind of occasion; did you mean `recheck`?"
        ]
    );
    assert!(warnings(&near.replace("rechek", "vaccination")).is_empty());
}

#[test]
fn the_timing_hash_knows_what_changes_a_plan() {
    let hash = |text: &str| read(text).unwrap().timing_hash().to_owned();
    let base = hash(WHOLE);
    for (from, to) in [
        ("\"Recheck\"", "\"Checking again\""),
        ("send = \"recheck\"", "send = \"other\""),
        ("shadow", "live"),
        ("unless = \"answered\"", ""),
        ("# ", ""),
    ] {
        assert_eq!(hash(&WHOLE.replace(from, to)), base, "{from}");
    }
    for (from, to) in [
        ("3d", "2d"),
        ("08:30", "08:31"),
        ("22:00", "22:01"),
        ("min = 60", "min = 61"),
        ("New_York", "Chicago"),
        ("from_age = 80", "from_age = 81"),
        ("id = \"ask\"", ""),
    ] {
        assert_ne!(hash(&WHOLE.replace(from, to)), base, "{from}");
    }
}

#[test]
fn the_shipped_rules_have_no_faults_and_no_warnings() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("rules");
    let mut read = 0;
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path
            .extension()
            .is_some_and(|extension| extension == "toml")
        {
            let id = path.file_stem().unwrap().to_str().unwrap().to_owned();
            let rule = parse(
                &id,
                &path.display().to_string(),
                &std::fs::read_to_string(&path).unwrap(),
                &site(),
            )
            .unwrap_or_else(|faults| panic!("{faults:#?}"));
            assert!(rule.warnings.is_empty(), "{:?}", rule.warnings);
            read += 1;
        }
    }
    assert!(read >= 8, "{read} rules");
}

#[test]
fn garbage_is_refused_and_never_panics() {
    for text in [
        "",
        "=",
        "[",
        "step = 1",
        "trigger = []",
        "step = [1]",
        "class = 1\nquiet = 2\ntrigger = 3\nstep = [{}]",
        "\u{0}",
        "effective_from = 08:00:00",
    ] {
        assert!(read(text).is_err(), "{text:?}");
    }
}
