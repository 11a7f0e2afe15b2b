//! What `explain` says of all that decides beside the rule: settings of the patient's own, caps, company, staff,
//! rules that wait, and what carriers said.

use super::explained::{ask, in_short};
use super::{Clinic, RECHECK, at, clinics};
use crate::model::id::PatientId;
use crate::store::overrides::{self, Setting};
use crate::store::rule_switches::{self, Agreed};

/// The first line of `reason` in both languages.
async fn line(clinic: &Clinic, rule: &str, patient: &PatientId, reason: &str) -> [String; 2] {
    let mut told = [String::new(), String::new()];
    for (language, text) in ["zh-CN", "en"].into_iter().zip(&mut told) {
        let all = ask(clinic, rule, patient, language).await.lines;
        let found = all.iter().find(|line| line.reason == reason);
        let found = found.unwrap_or_else(|| panic!("no {reason} in {all:#?}"));
        text.clone_from(&found.text);
    }
    told
}

const LISTED: &str = r#"
title = "Check"
department = "clinical"
class = "appointment"
[trigger]
on = "recheck"
[[step]]
to = "patient"
before = ["3d"]
at = "09:00"
send = "listed"
ask = "confirm"
"#;

#[tokio::test]
async fn what_goes_together_names_the_other_bookings_before_and_the_message_after() {
    let visit = LISTED.replace("recheck", "visit");
    let rules = [("check", LISTED), ("visit", visit.as_str())];
    for clinic in clinics(&rules, "2026-07-02T10:00").await {
        let ana = clinic.patient("Ana").await;
        clinic.book(&ana, "recheck", "2026-07-24T10:00").await;
        clinic.book(&ana, "visit", "2026-07-24T15:00").await;
        assert_eq!(
            line(&clinic, "check", &ana, "merged").await,
            [
                "与同一天的其他安排合成一条消息发出，一起提到的还有：2026年7月24日（周五）15:00的“visit”。",
                "It goes out in one message with what else is on that day: \"visit\" on Friday 24 July 2026 at 15:00."
            ]
        );
        clinic.clock_to("2026-07-21T09:00").await;
        let id = clinic.texts("SELECT id FROM message").await.remove(0);
        let [chinese, english] = line(&clinic, "visit", &ana, "merged").await;
        assert!(
            chinese.ends_with(&format!("；这一条消息（编号 {id}）合在一起提到：2026年7月24日（周五）10:00的复查、2026年7月24日（周五）15:00的“visit”。")),
            "{chinese}"
        );
        assert!(
            english.ends_with(&format!("; that one message ({id}) told of all of these together: recheck on Friday 24 July 2026 at 10:00; \"visit\" on Friday 24 July 2026 at 15:00.")),
            "{english}"
        );
        let head = ask(&clinic, "check", &ana, "en").await.lines;
        assert!(head.iter().any(|line| line.text.contains(&id)), "{head:#?}");
    }
}

#[tokio::test]
async fn words_without_a_place_for_several_say_that_each_goes_alone() {
    for clinic in clinics(&[("recheck", RECHECK)], "2026-07-02T10:00").await {
        let ana = clinic.patient("Ana").await;
        clinic.book(&ana, "recheck", "2026-07-24T10:00").await;
        clinic.book(&ana, "recheck", "2026-07-24T15:00").await;
        assert_eq!(
            line(&clinic, "recheck", &ana, "not_merged").await,
            [
                "同一天还有：2026年7月24日（周五）15:00的复查；但这些消息的写法放不下几项安排，因此各发各的。",
                "There is more on that day: recheck on Friday 24 July 2026 at 15:00. The wording has no place for several, so each gets its own message."
            ]
        );
    }
}

#[tokio::test]
async fn a_setting_of_the_patients_own_says_who_made_it() {
    for clinic in clinics(&[("recheck", RECHECK)], "2026-07-02T10:00").await {
        let ana = clinic.patient("Ana").await;
        clinic.book(&ana, "recheck", "2026-07-24T10:00").await;
        let off = Setting {
            rule: "recheck".to_owned(),
            off: true,
            before: None,
            by: None,
        };
        let mut tx = clinic.tx().await;
        let now = clinic.clock.now();
        overrides::set(&mut tx, &ana, &off, "Wang Fang", now)
            .await
            .unwrap();
        tx.commit().await.unwrap();
        assert_eq!(
            line(&clinic, "recheck", &ana, "overridden").await,
            [
                "Wang Fang于2026年7月2日（周四）10:00为这位患者单独关闭了这条规则，因此什么也不发。",
                "Wang Fang switched this rule off for this patient on Thursday 2 July 2026 at 10:00, so nothing of it is sent."
            ]
        );
        assert_eq!(
            in_short(&clinic, "recheck", &ana).await,
            [
                "不会发送任何消息，因为这位患者单独关闭了该规则。",
                "Nothing will be sent, because the rule is switched off for this patient."
            ]
        );
    }
}

#[tokio::test]
async fn a_daily_cap_says_which_day_it_gives_and_when_it_gives_none() {
    let capped = "title = \"Tip\"\ndepartment = \"clinical\"\nclass = \"health_tip\"\n[trigger]\non = \"season\"\nfrom = \"09-01\"\nuntil = \"09-02\"\ndaily_cap = 1\n[[step]]\nto = \"patient\"\nsend = \"invite\"\n";
    for clinic in clinics(&[("tip", capped)], "2026-08-31T10:00").await {
        let mut all = Vec::new();
        for name in ["Ana", "Bob", "Cleo"] {
            all.push(clinic.patient(name).await);
        }
        clinic.run().await;
        let given = clinic
            .texts("SELECT patient_id FROM rule_slot ORDER BY day")
            .await;
        let of = |id: &String| PatientId::parse(id).unwrap();
        let second = of(&given[1]);
        let third = all.iter().find(|id| !given.contains(&id.to_string()));
        assert_eq!(
            line(&clinic, "tip", &second, "daily_cap").await,
            [
                "这条规则一天最多发给1位患者，2026年9月1日（周二）轮不到这位患者，改在2026年9月2日（周三）09:00发。",
                "The rule tells at most 1 patients a day. Tuesday 1 September 2026 has no room for this patient, so it goes on Wednesday 2 September 2026 at 09:00."
            ]
        );
        let told = ask(&clinic, "tip", &second, "en").await;
        assert_eq!(told.outcome.at, Some(at("2026-09-02T09:00")), "{told:#?}");
        let third = third.unwrap();
        assert_eq!(
            line(&clinic, "tip", third, "daily_cap").await,
            [
                "这条规则一天最多发给1位患者，到2026年9月2日（周三）为止每天都排满了，再晚就没有用了，因此不发。",
                "The rule tells at most 1 patients a day, and every day up to Wednesday 2 September 2026, the last one of use, is full. So nothing goes out."
            ]
        );
    }
}

const DOCTORS: &str = r#"
title = "Recheck"
department = "clinical"
class = "appointment"
[trigger]
on = "recheck"
[[step]]
to = "staff"
doctor = true
digest = true
before = ["1d"]
at = "07:30"
by = ["task"]
send = "recheck_staff"
"#;

#[tokio::test]
async fn what_is_for_the_doctor_names_the_substitute_and_the_digest() {
    for clinic in clinics(&[("recheck", DOCTORS)], "2026-07-02T10:00").await {
        for name in ["Li Na", "Wu Bo"] {
            clinic.sql("INSERT INTO staff (id, source, source_key, name, department, active, row_hash, created_at, updated_at)
                VALUES ('sta_' || $1, 'his', $1, $1, 'clinical', TRUE, '', 0, 0)", &[name]).await;
        }
        let ana = clinic.patient("Ana").await;
        clinic.book(&ana, "recheck", "2026-07-24T10:00").await;
        assert_eq!(
            line(&clinic, "recheck", &ana, "unknown_doctor").await,
            [
                "病历中没有接诊医生，因此发给科室“clinical”。",
                "The record names no treating doctor, so it goes to the department clinical."
            ]
        );
        clinic
            .change("UPDATE occasion SET doctor_key = 'his/Li Na'", &[])
            .await;
        assert_eq!(
            line(&clinic, "recheck", &ana, "doctor").await,
            [
                "发给接诊医生Li Na。",
                "It is for the treating doctor, Li Na."
            ]
        );
        assert_eq!(
            line(&clinic, "recheck", &ana, "digest").await,
            [
                "不单独通知：与Li Na当时要知道的其他事项一起，写进2026年7月23日（周四）07:30的一份汇总。",
                "It is not told by itself: it goes into one digest for Li Na on Thursday 23 July 2026 at 07:30, with whatever else is due for them then."
            ]
        );
        let away = r#"[{"from":"2026-07-15","until":"2026-07-25"}]"#;
        clinic
            .sql("UPDATE staff SET away = $1 WHERE name = 'Li Na'", &[away])
            .await;
        assert_eq!(
            line(&clinic, "recheck", &ana, "nobody_stands_in").await,
            [
                "接诊医生Li Na不在，到2026年7月25日（周六）为止，没有人代班，因此发给科室“clinical”。",
                "The treating doctor, Li Na, is away until Saturday 25 July 2026, and nobody stands in: it goes to the department clinical."
            ]
        );
        clinic
            .sql(
                "UPDATE staff SET substitute = 'his/Wu Bo' WHERE name = 'Li Na'",
                &[],
            )
            .await;
        assert_eq!(
            line(&clinic, "recheck", &ana, "substitute").await,
            [
                "接诊医生Li Na不在，到2026年7月25日（周六）为止，由Wu Bo代收，并注明是代Li Na。",
                "The treating doctor, Li Na, is away until Saturday 25 July 2026: Wu Bo gets it instead and reads for whom."
            ]
        );
    }
}

#[tokio::test]
async fn what_comes_up_after_its_digest_is_told_alone() {
    for clinic in clinics(&[("recheck", DOCTORS)], "2026-07-02T10:00").await {
        let bob = clinic.patient("Bob").await;
        clinic.book(&bob, "recheck", "2026-07-24T09:00").await;
        clinic.clock_to("2026-07-23T07:30").await;
        let ana = clinic.patient("Ana").await;
        clinic.book(&ana, "recheck", "2026-07-24T10:00").await;
        clinic
            .sql(
                "UPDATE occasion SET created_at = 0 WHERE patient_id = $1",
                &[ana.as_str()],
            )
            .await;
        assert_eq!(
            line(&clinic, "recheck", &ana, "after_digest").await,
            [
                "2026年7月23日（周四）07:30的汇总已经发出，因此单独通知科室“clinical”。",
                "The digest of Thursday 23 July 2026 at 07:30 went out already, so the department clinical is told of this by itself."
            ]
        );
    }
}

#[tokio::test]
async fn a_rule_that_waits_says_so_and_who_let_it_go() {
    for mut clinic in clinics(&[("recheck", RECHECK)], "2026-07-02T10:00").await {
        let ana = clinic.patient("Ana").await;
        clinic.book(&ana, "recheck", "2026-07-24T10:00").await;
        let [new, _] = line(&clinic, "recheck", &ana, "not_planned_yet").await;
        assert_eq!(
            new,
            "规则是新放进来的，还没有排过计划；为所有患者排完之后才开始发。"
        );
        clinic.plan.settings.activation_cap = 1;
        let bob = clinic.patient("Bob").await;
        clinic.book(&bob, "recheck", "2026-07-05T10:00").await;
        let cleo = clinic.patient("Cleo").await;
        clinic.book(&cleo, "recheck", "2026-07-06T10:00").await;
        clinic.clock_to("2026-07-03T08:00").await;
        let switch = "UPDATE rule_switch SET state = 'checking', reach = 2";
        clinic.sql(switch, &[]).await;
        assert_eq!(
            line(&clinic, "recheck", &ana, "checking").await,
            [
                "规则在2026年7月3日（周五）08:00启用或修改过，正在重新为所有患者排计划；排完之前什么也不发。",
                "The rule was switched on or changed on Friday 3 July 2026 at 08:00 and is being planned anew for everybody; nothing goes out before that is done."
            ]
        );
        clinic
            .sql("UPDATE rule_switch SET state = 'waiting'", &[])
            .await;
        assert_eq!(
            line(&clinic, "recheck", &ana, "waiting").await,
            [
                "规则在2026年7月3日（周五）08:00启用或修改过，一天之内会发给2位患者，人数太多，要等另一个人同意；同意之前什么也不发。",
                "The rule was switched on or changed on Friday 3 July 2026 at 08:00 and would tell 2 patients within a day. That is so many that another person has to agree; nothing goes out before."
            ]
        );
        assert_eq!(
            in_short(&clinic, "recheck", &ana).await,
            [
                "目前什么也不发，因为规则会一次发给很多人，要等另一个人同意；若能放行，下一条将于2026年7月21日（周二）09:00以短信发给患者本人。",
                "Nothing goes out for now, because the rule would tell many at once and waits until another person agrees; once it may act, the next one goes out on Tuesday 21 July 2026 at 09:00 by SMS to the patient."
            ]
        );
        let mut tx = clinic.tx().await;
        let now = clinic.clock.now();
        let agreed = rule_switches::approve(&mut tx, "recheck", "Li Qiang", now).await;
        assert_eq!(agreed.unwrap(), Agreed::Done);
        tx.commit().await.unwrap();
        assert_eq!(
            line(&clinic, "recheck", &ana, "approved").await,
            [
                "规则会一次发给很多人，Li Qiang已于2026年7月3日（周五）08:00同意。",
                "The rule tells many at once; Li Qiang agreed to that on Friday 3 July 2026 at 08:00."
            ]
        );
    }
}

#[tokio::test]
async fn a_visit_that_makes_the_rest_of_a_group_needless_is_named() {
    let grouped = "title = \"After\"\ndepartment = \"clinical\"\nclass = \"clinical\"\n[trigger]\non = \"discharge\"\n[[step]]\nto = \"patient\"\nafter = [\"1d\"]\nsend = \"invite\"\ngroup = \"come\"\n[[step]]\nto = \"patient\"\nafter = [\"9d\"]\nsend = \"invite\"\ngroup = \"come\"\n";
    for clinic in clinics(&[("after", grouped)], "2026-07-02T10:00").await {
        let ana = clinic.patient("Ana").await;
        clinic.book(&ana, "discharge", "2026-07-03T10:00").await;
        clinic.clock_to("2026-07-04T09:00").await;
        clinic.book(&ana, "revisit", "2026-07-06T15:00").await;
        clinic
            .change(
                "UPDATE occasion SET status = 'fulfilled' WHERE kind = 'revisit'",
                &[],
            )
            .await;
        assert_eq!(
            line(&clinic, "after", &ana, "done").await,
            [
                "患者已经来过：2026年7月6日（周一）15:00的复诊，因此这一条不再需要，到时不会发出。",
                "It is needless and will not go out then, because the patient came: return visit on Monday 6 July 2026 at 15:00."
            ]
        );
    }
}

#[tokio::test]
async fn what_a_carrier_refused_is_told_as_a_sentence() {
    for clinic in clinics(&[("recheck", RECHECK)], "2026-07-02T10:00").await {
        let ana = clinic.patient("Ana").await;
        clinic.book(&ana, "recheck", "2026-07-24T10:00").await;
        clinic.clock_to("2026-07-21T09:00").await;
        clinic
            .sql(
                "UPDATE message SET state = 'failed', reason = 'provider_reject:ESME_RINVDSTADR'",
                &[],
            )
            .await;
        let [chinese, english] = line(&clinic, "recheck", &ana, "failed").await;
        assert!(chinese.contains("发送失败"), "{chinese}");
        assert!(
            chinese.ends_with("，原因：运营商拒绝接收（供技术人员：ESME_RINVDSTADR）。"),
            "{chinese}"
        );
        assert!(
            english.ends_with(
                ", because the carrier refused it (for the technicians: ESME_RINVDSTADR)."
            ),
            "{english}"
        );
    }
}
