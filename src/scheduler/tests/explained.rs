//! What `explain` says is what then happens, in the words of both languages.

use super::{BIRTHDAY, Clinic, RECHECK, at, clinics};
use crate::gates::Caps;
use crate::model::id::PatientId;
use crate::planning::explain::{Answer, Question, State, answer};

pub(super) async fn ask(
    clinic: &Clinic,
    rule: &str,
    patient: &PatientId,
    language: &str,
) -> Answer {
    let stage = &clinic.plan;
    let question = Question {
        rule: stage.book.rule(rule).unwrap(),
        patient,
        at: clinic.clock.now(),
        language,
        caps: Caps::default(),
        need_consent: &[],
    };
    answer(&stage.store, &stage.book, &stage.house, &question)
        .await
        .unwrap()
        .unwrap()
}

/// The sentence that sums it up, in both languages.
pub(super) async fn in_short(clinic: &Clinic, rule: &str, patient: &PatientId) -> [String; 2] {
    let chinese = ask(clinic, rule, patient, "zh-CN").await;
    let english = ask(clinic, rule, patient, "en").await;
    [chinese.outcome.text, english.outcome.text]
}

/// Changes something about a patient with a recheck, and explains three weeks before.
#[track_caller]
fn check(rule: &str, sql: &'static str, chinese: &str, english: &str) -> impl Future<Output = ()> {
    let (rule, expected) = (rule.to_owned(), [chinese.to_owned(), english.to_owned()]);
    async move {
        for clinic in clinics(&[("recheck", &rule)], "2026-07-02T10:00").await {
            let ana = clinic.patient("Ana").await;
            clinic.book(&ana, "recheck", "2026-07-24T10:00").await;
            clinic.sql(sql, &[]).await;
            assert_eq!(in_short(&clinic, "recheck", &ana).await, expected, "{sql}");
        }
    }
}

const NOTHING: &str = "UPDATE patient SET held = FALSE";

#[tokio::test]
async fn the_end_says_what_goes_out_next() {
    check(
        RECHECK,
        NOTHING,
        "下一条消息将于2026年7月21日（周二）09:00以短信发给患者本人。",
        "The next message goes out on Tuesday 21 July 2026 at 09:00 by SMS to the patient.",
    )
    .await;
}

#[tokio::test]
async fn the_end_says_why_nothing_goes_out() {
    let staff = (
        "；科室“clinical”将于2026年7月20日（周一）08:30收到待办事项。",
        "; the department clinical gets a task on Monday 20 July 2026 at 08:30.",
    );
    let dead = "UPDATE patient SET deceased = TRUE";
    check(
        RECHECK,
        dead,
        "不会发送任何消息，因为患者已去世，不再给任何人发送。",
        "Nothing will be sent, because the patient has died, and nothing goes to anybody.",
    )
    .await;
    let held = "UPDATE patient SET held = TRUE";
    check(
        RECHECK,
        held,
        "不会发送任何消息，因为有工作人员暂停了对这位患者的全部消息。",
        "Nothing will be sent, because a member of staff holds everything to this patient.",
    )
    .await;
    let declined = "UPDATE occasion SET confirmation = 'declined'";
    check(
        RECHECK,
        declined,
        &format!("不会给患者或家属发送消息，因为患者已表示不来{}", staff.0),
        &format!("Nothing goes to the patient or the family, because the patient said they will not come{}", staff.1),
    )
    .await;
    let cancelled = "UPDATE occasion SET status = 'cancelled'";
    check(
        RECHECK,
        cancelled,
        "不会发送任何消息，因为安排已取消。",
        "Nothing will be sent, because it was called off.",
    )
    .await;
    let unreachable = "DELETE FROM contact_point";
    check(
        RECHECK,
        unreachable,
        "不会给患者或家属发送消息，因为没有可用的手机号码或邮箱；科室“clinical”将于2026年7月21日（周二）09:00收到待办事项。",
        "Nothing goes to the patient or the family, because there is no number or address that can be used; the department clinical gets a task on Tuesday 21 July 2026 at 09:00.",
    )
    .await;
    check(
        &format!("mode = \"shadow\"\n{RECHECK}"),
        NOTHING,
        "不会发送任何消息，因为规则处于试运行，只计划不发送。",
        "Nothing will be sent, because the rule is on trial: it plans and never sends.",
    )
    .await;
    let lacks = RECHECK.replace("send = \"recheck\"", "send = \"appointment\"");
    check(
        &lacks,
        NOTHING,
        &format!("不会给患者或家属发送消息，因为消息里要用的内容在病历中没有{}", staff.0),
        &format!("Nothing goes to the patient or the family, because the message needs something that the records do not have{}", staff.1),
    )
    .await;
}

#[tokio::test]
async fn what_went_out_already_is_told_with_its_answer() {
    for clinic in clinics(&[("recheck", RECHECK)], "2026-07-02T10:00").await {
        let ana = clinic.patient("Ana").await;
        clinic.book(&ana, "recheck", "2026-07-24T10:00").await;
        clinic.clock_to("2026-07-21T09:00").await;
        clinic
            .sql("UPDATE message SET state = 'delivered'", &[])
            .await;
        let told = ask(&clinic, "recheck", &ana, "en").await;
        let delivered = told.lines.iter().find(|line| line.reason == "delivered");
        let text = &delivered.unwrap().text;
        assert!(
            text.starts_with("The reminder of Tuesday 21 July 2026 at 09:00 to the patient: it was written as SMS and arrived"),
            "{text}"
        );
        assert_eq!(told.outcome.at, Some(at("2026-07-23T09:00")));
        clinic
            .sql("UPDATE occasion SET confirmation = 'confirmed'", &[])
            .await;
        let told = ask(&clinic, "recheck", &ana, "en").await;
        assert_eq!(told.outcome.state, State::Nothing);
        assert_eq!(told.outcome.reason.as_deref(), Some("already_answered"));
        clinic.clock_to("2026-07-23T09:00").await;
        let told = ask(&clinic, "recheck", &ana, "en").await;
        assert_eq!(told.outcome.state, State::Done, "{told:#?}");
        let skipped = told
            .lines
            .iter()
            .find(|line| line.reason == "already_answered");
        assert!(skipped.unwrap().text.contains("it was not sent"));
    }
}

#[tokio::test]
async fn caps_are_told_with_their_counts_and_names_and_numbers_never() {
    for clinic in clinics(&[("birthday", BIRTHDAY)], "2026-07-02T10:00").await {
        let ana = clinic.born("Ana", "1980-07-02").await;
        let told = ask(&clinic, "birthday", &ana, "en").await;
        let caps = told.lines.iter().find(|line| line.reason == "caps");
        assert_eq!(
            caps.unwrap().text,
            "Of messages of this sort the recipient has had 0 of 1 today and 0 of 3 this week."
        );
        let all: String = told.lines.iter().map(|line| line.text.as_str()).collect();
        assert!(!all.contains("Ana") && !all.contains("+86"), "{all}");
    }
}

#[tokio::test]
async fn of_a_patient_who_is_not_there_nothing_is_told() {
    for clinic in clinics(&[("recheck", RECHECK)], "2026-07-02T10:00").await {
        let stage = &clinic.plan;
        let question = Question {
            rule: stage.book.rule("recheck").unwrap(),
            patient: &PatientId::generate(),
            at: clinic.clock.now(),
            language: "en",
            caps: Caps::default(),
            need_consent: &[],
        };
        let told = answer(&stage.store, &stage.book, &stage.house, &question).await;
        assert!(told.unwrap().is_none());
    }
}

#[tokio::test]
async fn a_notice_of_a_move_that_never_was_is_no_reason() {
    let moved =
        format!("{RECHECK}[[step]]\nto = \"patient\"\non = \"moved\"\nsend = \"recheck\"\n");
    for clinic in clinics(&[("plain", RECHECK), ("moved", &moved)], "2026-07-02T10:00").await {
        let ana = clinic.patient("Ana").await;
        clinic.book(&ana, "recheck", "2026-07-24T10:00").await;
        clinic.sql("UPDATE patient SET held = TRUE", &[]).await;
        let plain = in_short(&clinic, "plain", &ana).await;
        assert_eq!(in_short(&clinic, "moved", &ana).await, plain);
    }
}
