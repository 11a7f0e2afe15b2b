//! The rules as they are shipped: whole, with texts and cases, and what patients answer to them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use carebell::calendar::holiday;
use carebell::model::class::{Channel, Role};
use carebell::planning::book::Book;
use carebell::render::sample;
use carebell::rules::rule::{Mode, Rule};
use carebell::rules::site::Site;
use jiff::tz::TimeZone;
use serde_json::json;

use crate::clinic::records::person;
use crate::clinic::{Clinic, Setup, each};

const ANA: &str = "+8613800000001";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The shipped rules, and those that lie beside them.
fn shipped() -> [Book; 2] {
    let site = Site::new(TimeZone::get("Asia/Shanghai").unwrap(), "CN");
    let rules = root().join("rules");
    let (book, problems) = Book::load(&rules, &root().join("templates"), &site);
    let (packs, beside) = book.beside(&rules, &site);
    assert!(
        problems.is_empty() && beside.is_empty(),
        "{problems:?} {beside:?}"
    );
    [book, packs]
}

fn every_rule(books: &[Book]) -> impl Iterator<Item = &Rule> {
    books.iter().flat_map(Book::rules)
}

/// A shipped rule, live whatever it says.
fn live(id: &'static str) -> (&'static str, &'static str) {
    let text = std::fs::read_to_string(root().join(format!("rules/{id}.toml"))).unwrap();
    let live = text
        .replace("mode = \"off\"", "mode = \"live\"")
        .replace("mode = \"shadow\"", "mode = \"live\"");
    (id, live.leak())
}

fn only(id: &'static str) -> Setup {
    Setup {
        rules: Some(vec![live(id)]),
        ..Setup::default()
    }
}

#[test]
fn whoever_installs_carebell_sends_reminders_and_greetings_and_nothing_else() {
    let [book, packs] = shipped();
    let of = |mode: Mode| -> Vec<&str> {
        let rules = book.rules().filter(|rule| rule.mode == mode);
        rules.map(|rule| rule.id.as_str()).collect()
    };
    let live = "appointment birthday mid_autumn mid_autumn_diabetes new_year pickup recheck revisit \
                spring_festival vaccination";
    assert_eq!(of(Mode::Live).join(" "), live);
    let shadow = "discharge_followup prescription_end visit_survey";
    assert_eq!(of(Mode::Shadow).join(" "), shadow);
    let off = "checkup_invitation chronic_tips double_ninth dragon_boat elder_care hep_a_season";
    assert_eq!(of(Mode::Off).join(" "), off);
    assert!(packs.rule("appointment_3d_1d").is_some() && book.rule("appointment_3d_1d").is_none());
}

#[test]
fn every_shipped_rule_has_four_cases_that_say_why() {
    let books = shipped();
    let mut cases: BTreeMap<String, usize> = BTreeMap::new();
    let mut ids = BTreeSet::new();
    for entry in std::fs::read_dir(root().join("rules/cases")).unwrap() {
        let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        for line in text.lines().filter(|line| !line.is_empty()) {
            let case: serde_json::Value = serde_json::from_str(line).unwrap();
            let id = case["id"].as_str().unwrap().to_owned();
            assert!(
                case["why"].as_str().is_some_and(|why| why.len() > 3),
                "{id}"
            );
            assert!(ids.insert(id.clone()), "{id} stands there twice");
            if let Some(rule) = case["rule"].as_str() {
                *cases.entry(rule.to_owned()).or_default() += 1;
            }
        }
    }
    for rule in every_rule(&books) {
        let count = cases.get(&rule.id).copied().unwrap_or(0);
        assert!(count >= 4, "{}: {count} cases", rule.id);
    }
}

#[test]
fn every_shipped_rule_opens_with_what_it_does_and_stands_in_the_table() {
    let readme = std::fs::read_to_string(root().join("rules/README.md")).unwrap();
    for rule in every_rule(&shipped()) {
        let file =
            |folder: &str| -> PathBuf { root().join(format!("rules/{folder}{}.toml", rule.id)) };
        let text = std::fs::read_to_string(file(""))
            .or_else(|_| std::fs::read_to_string(file("packs/")))
            .unwrap();
        assert!(text.starts_with("# "), "{}", rule.id);
        let row = format!("| `{}` |", rule.id);
        let row = readme.lines().find(|line| line.starts_with(&row));
        let row = row.unwrap_or_else(|| panic!("{} is not in the table", rule.id));
        let mode = if file("").exists() {
            rule.mode.as_str()
        } else {
            "beside"
        };
        let end = format!("| {} | {mode} |", rule.class.as_str());
        assert!(row.ends_with(&end), "{row} should end {end}");
    }
}

#[test]
fn every_text_can_be_said_in_both_languages_to_whoever_it_goes_to() {
    let books = shipped();
    for rule in every_rule(&books) {
        for step in &rule.steps {
            let default = [Channel::Sms, Channel::Email];
            let roles: &[Role] = match step.to {
                Role::Staff => &[Role::Staff],
                Role::Family => &[Role::Family],
                Role::Patient => &[Role::Patient, Role::Family],
            };
            for (channel, role) in step
                .by
                .as_deref()
                .unwrap_or(&default)
                .iter()
                .flat_map(|channel| roles.iter().map(move |role| (*channel, *role)))
            {
                for (language, template) in ["zh-CN", "en"]
                    .into_iter()
                    .flat_map(|language| step.all_templates().map(move |one| (language, one)))
                {
                    let mut data = sample(language, channel, role);
                    data["occasions"] = json!([data["occasion"]]);
                    let said = books[0]
                        .catalog
                        .render(template, &[language], channel, &data)
                        .unwrap_or_else(|error| panic!("{template} {language} {channel}: {error}"));
                    assert_eq!(said.language, language, "{template} {channel}");
                    let text = said.text.reveal();
                    let name = data["patient"]["name"].as_str().unwrap();
                    let names = channel == Channel::Voice || text.contains(name);
                    let greets_all = template == "holiday";
                    assert!(
                        role != Role::Family || names || greets_all,
                        "{template} {language} {channel} does not tell whose family is meant: {text}"
                    );
                    let segments = said.measure.map_or(0, |measure| measure.segments);
                    assert!(segments <= 2, "{template} {language}: {segments} segments");
                }
            }
        }
    }
}

#[test]
fn every_holiday_has_a_name_that_can_be_printed() {
    let [book, _] = shipped();
    for (id, language) in
        holiday::names().flat_map(|id| ["zh-CN", "zh-HK", "en", "es"].map(|l| (id, l)))
    {
        let mut data = sample(language, Channel::Sms, Role::Patient);
        data["holiday"]["id"] = json!(id);
        let said = book
            .catalog
            .render("holiday", &[language], Channel::Sms, &data);
        assert!(said.is_ok(), "{id} {language}: {said:?}");
    }
}

#[test]
fn twelve_months_bring_twelve_tips_and_the_next_year_begins_anew() {
    let [book, _] = shipped();
    let rule = book.rule("chronic_tips").unwrap();
    let step = rule
        .steps
        .iter()
        .find(|step| step.to == Role::Patient)
        .unwrap();
    let said = |day: &str| step.template(Role::Patient, rule.trigger.turn(&format!("{day}T10:00")));
    let months: BTreeSet<&str> = (1..=12)
        .map(|month| said(&format!("2026-{month:02}-05")))
        .collect();
    assert_eq!(months.len(), 12);
    assert_eq!(said("2026-01-05"), "chronic_tip_01");
    assert_eq!(said("2026-12-05"), "chronic_tip_12");
    assert_eq!(said("2027-01-05"), "chronic_tip_01");
}

/// Ana left the hospital on 20 March, and was asked a week later.
async fn ana_went_home(clinic: &Clinic, status: &str) -> crate::clinic::carrier::Phone {
    let ana = clinic.somebody("P1", "Ana Gómez", ANA).await;
    clinic
        .occasion(
            "D1",
            json!({"patient": "P1", "kind": "discharge", "at": "2026-03-20T09:00", "status": status}),
        )
        .await;
    clinic.settle().await;
    clinic.clock_to("2026-03-27 10:00").await;
    assert_eq!(ana.texts().len(), 1);
    assert!(ana.last().contains("home for 7 days"), "{}", ana.last());
    ana
}

#[tokio::test]
async fn an_answer_of_the_next_day_still_tells_how_the_patient_is() {
    for status in ["booked", "fulfilled"] {
        each(only("discharge_followup"), async |clinic| {
            let ana = ana_went_home(clinic, status).await;
            clinic.clock_to("2026-03-28 18:00").await;
            ana.reply("8, the knee is stiff");
            clinic.settle().await;
            let replies: Vec<(String, String)> =
                clinic.rows("SELECT intent, outcome FROM reply").await;
            assert_eq!(replies, [("rating".to_owned(), "answered".to_owned())]);
        })
        .await;
    }
}

#[tokio::test]
async fn a_low_score_is_work_for_a_person_and_any_other_is_kept() {
    for (reply, tasks) in [
        ("1", 1),
        ("4", 1),
        ("5", 0),
        ("10", 0),
        ("very satisfied", 0),
    ] {
        each(only("discharge_followup"), async |clinic| {
            let ana = ana_went_home(clinic, "booked").await;
            clinic.clock_to("2026-03-28 18:00").await;
            ana.reply(reply);
            clinic.settle().await;
            let replies: Vec<(String, String)> =
                clinic.rows("SELECT intent, outcome FROM reply").await;
            assert_eq!(replies, [("rating".to_owned(), "answered".to_owned())]);
            assert_eq!(clinic.tasks().await.len(), tasks, "{reply}");
        })
        .await;
    }
}

#[tokio::test]
async fn who_answers_how_they_are_is_not_called() {
    each(only("discharge_followup"), async |clinic| {
        let ana = ana_went_home(clinic, "fulfilled").await;
        clinic.clock_to("2026-03-28 18:00").await;
        ana.reply("9");
        clinic.settle().await;
        clinic.clock_to("2026-03-30 08:30").await;
        let calls = "SELECT COUNT(*) FROM task WHERE kind = 'reminder'";
        assert_eq!(clinic.one::<i64>(calls).await, 0);
        let ends: Vec<(String, Option<String>)> = clinic
            .rows("SELECT step, reason FROM reminder WHERE state = 'skipped'")
            .await;
        assert_eq!(
            ends,
            [("call_7".to_owned(), Some("already_answered".to_owned()))]
        );
        // The next question is asked all the same, and who leaves that one open is called.
        clinic.clock_to("2026-04-19 10:00").await;
        assert_eq!(ana.texts().len(), 2);
        clinic.clock_to("2026-04-22 08:30").await;
        assert_eq!(clinic.one::<i64>(calls).await, 1);
    })
    .await;
}

#[tokio::test]
async fn who_does_not_answer_is_called() {
    each(only("discharge_followup"), async |clinic| {
        ana_went_home(clinic, "booked").await;
        clinic.clock_to("2026-03-30 08:30").await;
        let calls: i64 = clinic
            .one("SELECT COUNT(*) FROM task WHERE kind = 'reminder'")
            .await;
        assert_eq!(calls, 1);
    })
    .await;
}

#[tokio::test]
async fn who_accepts_an_invitation_is_called_and_who_does_not_is_left_alone() {
    for (reply, tasks) in [("1", 1), ("2", 0)] {
        each(only("checkup_invitation"), async |clinic| {
            let ana = clinic.somebody("P1", "Ana Gómez", ANA).await;
            clinic.settle().await;
            clinic.clock_to("2026-05-31 12:00").await;
            clinic.clock_to("2026-06-01 10:00").await;
            assert!(ana.last().contains("yearly check-up"), "{:?}", ana.texts());
            clinic.clock_to("2026-06-02 15:00").await;
            ana.reply(reply);
            clinic.settle().await;
            let outcome: String = clinic.one("SELECT outcome FROM reply").await;
            assert_eq!(outcome, "answered");
            assert_eq!(clinic.tasks().await.len(), tasks);
        })
        .await;
    }
}

#[tokio::test]
async fn a_shot_in_the_record_withdraws_what_was_planned_for_it() {
    each(only("vaccination"), async |clinic| {
        let ana = clinic.somebody("P1", "Ana Gómez", ANA).await;
        clinic
            .occasion(
                "V1",
                json!({"patient": "P1", "kind": "vaccination", "at": "2026-03-30T09:30"}),
            )
            .await;
        clinic.settle().await;
        clinic.clock_to("2026-03-27 09:00").await;
        assert!(
            ana.last()
                .contains("your vaccination is on Monday 30 March")
        );
        let mut record = person("Ana Gómez", ANA);
        record["facts"] = json!([{"kind": "vaccination", "code": "J07BB02", "on": "2026-03-28"}]);
        clinic.patient("P1", record).await;
        clinic.settle().await;
        clinic.clock_to("2026-03-29 09:00").await;
        assert_eq!(ana.texts().len(), 1, "{:?}", ana.texts());
    })
    .await;
}

#[tokio::test]
async fn years_of_visits_at_the_first_import_ask_nobody_how_they_were() {
    each(only("visit_survey"), async |clinic| {
        let ana = clinic.phone(ANA);
        let visit = |on: &str| json!({"kind": "encounter", "code": "AMB", "on": on});
        let mut record = person("Ana Gómez", ANA);
        let days = ["2021-03-19", "2023-07-01", "2025-03-19", "2026-03-15"];
        record["facts"] = days.iter().map(|day| visit(day)).collect();
        clinic.patient("P1", record.clone()).await;
        clinic.settle().await;
        clinic.clock_to("2026-03-21 12:00").await;
        assert!(ana.texts().is_empty(), "{:?}", ana.texts());
        record["facts"] = json!([visit("2026-07-10"), visit("2026-07-10")]);
        clinic.clock_to("2026-07-10 18:00").await;
        clinic.patient("P1", record).await;
        clinic.settle().await;
        clinic.clock_to("2026-07-11 10:00").await;
        assert_eq!(ana.texts().len(), 1, "{:?}", ana.texts());
        assert!(ana.last().contains("with us on Friday 10 July"));
    })
    .await;
}
