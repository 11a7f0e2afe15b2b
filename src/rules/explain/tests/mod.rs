//! Each kind of decision as people read it: a small case, and what it says in both languages.

mod own;

use jiff::tz::TimeZone;
use serde_json::{Value, json};

use crate::rules::cases::read;
use crate::rules::document;
use crate::rules::explain::language::{Language, Names};
use crate::rules::explain::{Line, explain_in};
use crate::rules::site::Site;

/// A recheck on Friday at 10:00 that was booked long before, looked at on the 2nd.
fn recheck() -> Value {
    json!({"id": "x", "patient": {"birth_date": "1975-04-02", "phone": "+8613900000001"},
        "occasions": [{"kind": "recheck", "at": "2026-07-24T10:00", "created_at": "2026-07-01T09:12"}],
        "now": "2026-07-02T00:00", "window": {"from": "2026-07-02T00:00", "to": "2026-09-30T00:00"}, "expect": []})
}

fn lines(rule: &str, case: &Value, language: Language) -> Vec<Line> {
    lines_naming(rule, case, (language, &Names::default()))
}

fn lines_naming(rule: &str, case: &Value, told: (Language, &Names)) -> Vec<Line> {
    let site = Site::new(TimeZone::get("Asia/Shanghai").unwrap(), "CN");
    let rule = document::parse("check", "check.toml", rule, &site).unwrap();
    let read = read::case(case, &rule).unwrap();
    explain_in(&rule, &read.subject(), read.now, read.window.clone(), told).lines
}

/// The line that says `reason` is there and reads so in both languages.
#[track_caller]
fn check(rule: &str, case: &Value, reason: &str, chinese: &str, english: &str) {
    for (language, expected) in [(Language::Chinese, chinese), (Language::English, english)] {
        let all = lines(rule, case, language);
        let told: Vec<&str> = all
            .iter()
            .filter(|line| line.reason == reason)
            .map(|line| line.text.as_str())
            .collect();
        assert!(
            told.contains(&expected),
            "expected {expected}\nfound {told:#?}\nin {all:#?}"
        );
    }
}

fn with(mut case: Value, path: &str, value: Value) -> Value {
    let (parent, key) = path.rsplit_once('/').unwrap();
    case.pointer_mut(parent).unwrap()[key] = value;
    case
}

const STEP: &str = "[[step]]\nto = \"patient\"\nbefore = [\"3d\"]\nsend = \"x\"\n";

fn rule(keys: &str) -> String {
    format!(
        "title = \"Recheck\"\ndepartment = \"clinical\"\nclass = \"appointment\"\n{keys}\n[trigger]\non = \"recheck\"\n{STEP}"
    )
}

fn rule_with(tables: &str) -> String {
    format!(
        "title = \"Recheck\"\ndepartment = \"clinical\"\nclass = \"appointment\"\n[trigger]\non = \"recheck\"\n{tables}"
    )
}

#[test]
fn a_rule_says_who_owns_it_what_it_sends_and_whether_it_acts() {
    let case = recheck();
    check(
        &rule(""),
        &case,
        "rule",
        "规则“Recheck”由科室“clinical”负责。",
        "The rule \"Recheck\" belongs to the department clinical.",
    );
    check(
        &rule(""),
        &case,
        "class",
        "它发的是预约提醒：21:00至08:00不打扰患者和家属，条数不限。",
        "It sends appointment reminders: patients and family are left in peace from 21:00 to 08:00, and there is no limit to their number.",
    );
    check(
        &rule(""),
        &case,
        "live",
        "规则正在使用。",
        "The rule is in use.",
    );
    check(
        &rule("mode = \"off\""),
        &case,
        "rule_off",
        "规则已停用，什么也不发送。以下是启用后的情形。",
        "The rule is switched off and sends nothing. What follows is what it would do.",
    );
    check(
        &rule("mode = \"shadow\""),
        &case,
        "shadow",
        "规则处于试运行：只做计划给人看，什么也不发送。",
        "The rule is on trial: it plans, shows the plan, and sends nothing.",
    );
    check(
        &rule("effective_from = 2026-08-01"),
        &case,
        "not_effective",
        "2026年7月21日（周二）09:00早于规则生效的日期2026年8月1日（周六）。",
        "Tuesday 21 July 2026 at 09:00 is before the rule's first day, Saturday 1 August 2026.",
    );
}

#[test]
fn a_trigger_says_what_it_found_and_what_not() {
    let case = recheck();
    check(
        &rule(""),
        &case,
        "found",
        "找到：复查，2026年7月24日（周五）10:00（2026年7月1日（周三）09:12登记）。",
        "Found: recheck on Friday 24 July 2026 at 10:00 (booked on Wednesday 1 July 2026 at 09:12).",
    );
    let moved = with(
        case.clone(),
        "/occasions/0/moved_at",
        json!("2026-07-01T15:00"),
    );
    check(
        &rule(""),
        &moved,
        "found",
        "找到：复查，2026年7月24日（周五）10:00（2026年7月1日（周三）15:00改期）。",
        "Found: recheck on Friday 24 July 2026 at 10:00 (moved on Wednesday 1 July 2026 at 15:00).",
    );
    let cancelled = with(case.clone(), "/occasions/0/status", json!("cancelled"));
    check(
        &rule(""),
        &cancelled,
        "cancelled",
        "2026年7月24日（周五）10:00的复查不再提醒：安排已取消。",
        "Nothing for the recheck on Friday 24 July 2026 at 10:00: it was called off.",
    );
    let other = with(case.clone(), "/occasions/0/kind", json!("revisit"));
    check(
        &rule(""),
        &other,
        "no_occasion",
        "病历中没有这位患者的复查，有的只是：复诊。",
        "The records have no recheck of this patient; there are only: return visit.",
    );
    let dead = with(case.clone(), "/patient/deceased", json!(true));
    check(
        &rule(""),
        &dead,
        "deceased",
        "不发送：患者已去世，不再给任何人发送。",
        "Nothing goes out: the patient has died, and nothing goes to anybody.",
    );
    let birthday = rule("").replace("recheck", "birthday");
    let unborn = with(case, "/patient/birth_date", Value::Null);
    check(
        &birthday,
        &unborn,
        "no_birth_date",
        "病历中没有登记这位患者的生日。",
        "The records have no date of birth for this patient.",
    );
}

#[test]
fn an_audience_says_what_it_asks_and_what_the_record_has() {
    let asks = |audience: &str| rule_with(&format!("[audience]\n{audience}\n{STEP}"));
    let case = recheck();
    let coded = with(case.clone(), "/patient/diagnoses", json!(["I10", "E11.9"]));
    let everybody = ("规则面向所有患者。", "The rule is for every patient.");
    check(&rule(""), &case, "everybody", everybody.0, everybody.1);
    check(
        &asks("diagnosis = [\"E10\", \"E11\"]"),
        &coded,
        "diagnosis",
        "要求有以E10、E11开头的诊断：病历中有E11.9，符合。",
        "Asks for a diagnosis that begins with E10 or E11: the record has E11.9.",
    );
    check(
        &asks("diagnosis = [\"E10\"]"),
        &coded,
        "not_in_audience",
        "要求有以E10开头的诊断：病历中一个也没有。",
        "Asks for a diagnosis that begins with E10: the record has none.",
    );
    check(
        &asks("age = { min = 60 }"),
        &case,
        "not_in_audience",
        "要求2026年7月24日（周五）时年满60岁：患者当天51岁，不符合。",
        "Asks for an age of 60 or more on Friday 24 July 2026: the patient is 51 on that day, so no.",
    );
    check(
        &asks("age = { min = 50, max = 60 }"),
        &case,
        "age",
        "要求2026年7月24日（周五）时年龄在50至60岁之间：患者当天51岁，符合。",
        "Asks for an age from 50 to 60 on Friday 24 July 2026: the patient is 51 on that day.",
    );
    check(
        &asks("sex = \"female\""),
        &case,
        "not_in_audience",
        "要求性别为女：登记为不详，不符合。",
        "Asks for sex female: the record says unknown, so no.",
    );
    check(
        &asks("tags = [\"vip\"]"),
        &case,
        "not_in_audience",
        "要求有标记“vip”：没有。",
        "Asks for the mark \"vip\": it is not there.",
    );
    check(
        &asks("where = 'patient.age > 40'"),
        &case,
        "where",
        "规则的附加条件“patient.age > 40”：成立。",
        "The further condition `patient.age > 40` holds.",
    );
    check(
        &asks("where = 'patient.age > 60'"),
        &case,
        "not_in_audience",
        "规则的附加条件“patient.age > 60”：不成立。",
        "The further condition `patient.age > 60` does not hold.",
    );
    check(
        &asks("where = 'patient.attributes.x > 60'"),
        &case,
        "rule_fault",
        "规则的附加条件“patient.attributes.x > 60”判断不了，请负责规则的人检查（`_>_` does not go with (null_type, int)）。",
        "The further condition `patient.attributes.x > 60` cannot be worked out; who keeps the rule should look at it (`_>_` does not go with (null_type, int)).",
    );
}

#[test]
fn a_lead_shows_its_sum_and_what_moves_it() {
    let case = recheck();
    check(
        &rule(""),
        &case,
        "due",
        "2026年7月24日（周五）之前3天的09:00，即2026年7月21日（周二）09:00。",
        "3 days before Friday 24 July 2026, at 09:00, is Tuesday 21 July 2026 at 09:00.",
    );
    let hours = rule("").replace("3d", "2h");
    check(
        &hours,
        &case,
        "due",
        "2026年7月24日（周五）10:00之前2小时，即2026年7月24日（周五）08:00。",
        "2 hours before Friday 24 July 2026 at 10:00 is Friday 24 July 2026 at 08:00.",
    );
    let night = rule("").replace("send =", "at = \"22:00\"\nsend =");
    check(
        &night,
        &case,
        "quiet_shift",
        "2026年7月21日（周二）22:00在免打扰时间（21:00至08:00）内，推迟到2026年7月22日（周三）08:00。",
        "Tuesday 21 July 2026 at 22:00 lies in quiet hours (21:00 to 08:00): put off to Wednesday 22 July 2026 at 08:00.",
    );
    let early = with(case.clone(), "/occasions/0/at", json!("2026-07-24T08:30"));
    check(
        &hours,
        &early,
        "quiet_shift",
        "2026年7月24日（周五）06:30在免打扰时间（21:00至08:00）内，等到结束又太晚，提前到前一晚：2026年7月23日（周四）20:00。",
        "Friday 24 July 2026 at 06:30 lies in quiet hours (21:00 to 08:00) and their end is too late: brought forward to the evening before, Thursday 23 July 2026 at 20:00.",
    );
    let staff = rule_with(
        "[[step]]\nto = \"staff\"\nbefore = [\"5d\"]\nworkday = \"previous\"\nsend = \"x\"\n",
    );
    check(
        &staff,
        &case,
        "workday",
        "2026年7月19日（周日）09:00不是工作日，提前到2026年7月17日（周五）09:00。",
        "Sunday 19 July 2026 at 09:00 is no working day: moved back to Friday 17 July 2026 at 09:00.",
    );
}

#[test]
fn what_was_missed_says_why_and_whether_it_is_made_up_for() {
    let late = with(recheck(), "/now", json!("2026-07-22T12:00"));
    check(
        &rule(""),
        &late,
        "missed",
        "错过：2026年7月21日（周二）09:00到了2026年7月22日（周三）12:00已经过去。",
        "Missed: Tuesday 21 July 2026 at 09:00 was past already on Wednesday 22 July 2026 at 12:00.",
    );
    check(
        &rule(""),
        &late,
        "catch_up",
        "各次提醒都已错过，而这次安排还什么都没发，因此补发一次：2026年7月22日（周三）12:00。",
        "All its times were missed and nothing was sent yet, so one late reminder makes up for them: Wednesday 22 July 2026 at 12:00.",
    );
    let too_late = with(recheck(), "/now", json!("2026-07-24T09:00"));
    check(
        &rule(""),
        &too_late,
        "too_late",
        "离2026年7月24日（周五）10:00不到2小时，补发也来不及。",
        "Less than 2 hours are left before Friday 24 July 2026 at 10:00: too late to make up for it.",
    );
    let tip = rule("").replace("appointment", "health_tip");
    check(
        &tip,
        &late,
        "missed",
        "各次提醒都已错过；这类消息或这类日子不补发。",
        "All its times were missed; for this kind of message or day nothing makes up for them.",
    );
    let old = with(late.clone(), "/occasions/0/created_at", Value::Null);
    check(
        &rule(""),
        &old,
        "missed",
        "各次提醒都已错过；首次导入前就有的安排不补发。",
        "All its times were missed; what was there before the first import gets no late reminder.",
    );
    let over = with(recheck(), "/now", json!("2026-07-25T09:00"));
    check(
        &rule(""),
        &over,
        "past",
        "不发送：安排已经过去，或患者没有来。",
        "Nothing goes out: it is over, or the patient did not come.",
    );
    let sent = with(late, "/occasions/0/sent", json!(["3d"]));
    check(
        &rule(""),
        &sent,
        "duplicate",
        "不发送：同样的内容已经发过或正要发出。",
        "Nothing goes out: the same was sent already or goes out anyway.",
    );
    let night = rule("").replace("3d", "2h");
    let early = with(recheck(), "/occasions/0/at", json!("2026-07-24T08:30"));
    let early = with(early, "/now", json!("2026-07-23T22:00"));
    check(
        &night,
        &early,
        "quiet_hours",
        "2026年7月24日（周五）06:30在免打扰时间（21:00至08:00）内；推迟到2026年7月24日（周五）08:00太晚，提前到2026年7月23日（周四）20:00又已过去，因此不发。",
        "Friday 24 July 2026 at 06:30 lies in quiet hours (21:00 to 08:00); their end, Friday 24 July 2026 at 08:00, is too late, and the evening before, Thursday 23 July 2026 at 20:00, is past. So nothing.",
    );
}

#[test]
fn a_recipient_says_why_it_is_the_one() {
    let case = recheck();
    let child = json!([{"relation": "child", "phone": "+8613900000002", "consented": true}]);
    let with_family = with(case.clone(), "/patient/family", child);
    let minor = with(
        with_family.clone(),
        "/patient/birth_date",
        json!("2016-05-01"),
    );
    check(
        &rule(""),
        &case,
        "to_patient",
        "应发给患者本人（当天51岁）。",
        "It is for the patient (51 on that day).",
    );
    check(
        &rule(""),
        &minor,
        "guardian",
        "患者当天10岁，未成年：发给已同意的监护人（子女），不发给本人。",
        "The patient is 10 on that day, a minor: it goes to the consented guardian (child), never to the patient.",
    );
    let alone = with(case.clone(), "/patient/birth_date", json!("2016-05-01"));
    check(
        &rule(""),
        &alone,
        "no_guardian",
        "患者当天10岁，未成年，且没有已同意并能联系上的监护人；不发给本人。",
        "The patient is 10 on that day, a minor, and there is no consented guardian who can be reached; a minor is never told directly.",
    );
    let family = |keys: &str| rule_with(&format!("[family]\n{keys}\n{STEP}"));
    check(
        &family("from_age = 50"),
        &with_family,
        "from_age",
        "患者当天51岁，规则规定50岁起发给已同意的家属（子女），不发给患者本人。",
        "The patient is 51 on that day, and from 50 on the rule tells the consented family (child), instead of the patient.",
    );
    let special = with(with_family.clone(), "/patient/special", json!(true));
    check(
        &family("copy = true"),
        &special,
        "special",
        "患者被标记为特殊照顾：发给已同意的家属（子女），同时也发给患者本人。",
        "The patient is marked as special: it goes to the consented family (child), beside the patient.",
    );
    let wrong = with(with_family, "/patient/phone_bad", json!("wrong_number"));
    check(
        &family("fallback = true"),
        &wrong,
        "fallback",
        "联系不上患者，改发给已同意的家属（子女）。",
        "The patient cannot be reached, so it goes to the consented family (child).",
    );
    check(
        &rule(""),
        &wrong,
        "wrong_number",
        "短信：登记的号码已被标记为“不是本人”。",
        "By SMS: the number on record is marked as somebody else's.",
    );
    check(
        &rule(""),
        &wrong,
        "task_instead",
        "改为给科室“clinical”一项待办，由人工联系。",
        "Instead the department clinical gets a task, so that a person takes care of it.",
    );
}

#[test]
fn a_way_says_why_it_is_left() {
    let case = recheck();
    let stopped = with(case.clone(), "/patient/opt_out", json!(["appointment"]));
    check(
        &rule(""),
        &stopped,
        "opted_out",
        "短信：患者本人拒收预约提醒。",
        "By SMS: the patient refused appointment reminders.",
    );
    check(
        &rule(""),
        &case,
        "no_contact_point",
        "邮件：没有登记患者本人的号码或地址。",
        "By email: no number or address of the patient is on record.",
    );
    let to_family = rule("").replace("\"patient\"", "\"family\"");
    check(
        &to_family,
        &case,
        "no_consent",
        "没有一位家属同意接收消息。",
        "No member of the family has consented to be told.",
    );
    check(
        &rule(""),
        &case,
        "planned",
        "计划：2026年7月21日（周二）09:00，以短信发给患者本人。",
        "Planned: on Tuesday 21 July 2026 at 09:00, to the patient by SMS.",
    );
}

#[test]
fn a_record_that_shows_it_done_ends_the_way() {
    let stops = rule_with(&format!(
        "[stop]\nfact = \"diagnosis\"\nsince = \"6mo\"\n{STEP}"
    ));
    let not_yet = recheck();
    check(
        &stops,
        &not_yet,
        "not_done",
        "病历中没有2026年1月24日（周六）以后的诊断，提醒照常。",
        "The record has no diagnosis since Saturday 24 January 2026, so it goes on.",
    );
}

#[test]
fn a_record_that_shows_it_done_names_the_fact_and_its_day() {
    let stops = rule_with(&format!(
        "[stop]\nfact = \"vaccination\"\nsince = \"6mo\"\n{STEP}"
    ));
    let facts = json!([{"kind": "vaccination", "code": "J11", "on": "2026-06-03"}]);
    let done = with(recheck(), "/facts", facts);
    check(
        &stops,
        &done,
        "done",
        "病历中已有2026年6月3日（周三）的疫苗接种（编码J11），2026年1月24日（周六）以后的都算，因此其余提醒不再需要。",
        "The record has a vaccination (code J11) of Wednesday 3 June 2026, and any since Saturday 24 January 2026 counts, so the rest is needless.",
    );
}

#[test]
fn a_department_is_called_by_its_name_where_it_has_one() {
    let names = Names([("clinical".to_owned(), "心内科".to_owned())].into());
    let told = lines_naming(&rule(""), &recheck(), (Language::Chinese, &names));
    assert_eq!(told[0].text, "规则“Recheck”由心内科负责。");
}

#[test]
fn a_rule_in_shadow_hides_no_reason_of_the_patient() {
    let dead = with(recheck(), "/patient/deceased", json!(true));
    check(
        &rule("mode = \"shadow\""),
        &dead,
        "deceased",
        "不发送：患者已去世，不再给任何人发送。",
        "Nothing goes out: the patient has died, and nothing goes to anybody.",
    );
}

#[test]
fn every_decision_of_the_plan_has_a_line_that_says_no() {
    let minor = with(recheck(), "/patient/birth_date", json!("2016-05-01"));
    let rules = [rule(""), rule("effective_from = 2027-01-01")];
    for text in &rules {
        for case in [recheck(), minor.clone()] {
            let site = Site::new(TimeZone::get("Asia/Shanghai").unwrap(), "CN");
            let rule = document::parse("check", "check.toml", text, &site).unwrap();
            let read = read::case(&case, &rule).unwrap();
            let told = explain_in(
                &rule,
                &read.subject(),
                read.now,
                read.window.clone(),
                (Language::English, &Names::default()),
            );
            for decision in &told.plan.decisions {
                let line = told.lines.iter().find(|line| {
                    line.is_no && line.step == decision.step && line.lead == decision.lead
                });
                assert!(line.is_some(), "{decision:?} in {:#?}", told.lines);
            }
        }
    }
}
