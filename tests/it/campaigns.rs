//! Campaigns, rules that are switched on, daily caps and patients' own settings, as a hospital meets them.

use std::process::Command;

use carebell::app::House;
use carebell::clock::Clock;
use carebell::config::Config;
use carebell::intake::apply::{self, Apply};
use carebell::intake::from_json;
use carebell::model::campaign::CampaignState;
use carebell::model::id::CampaignId;
use carebell::simulator::conduct::Conduct;
use carebell::store::campaigns::{self, Acted, NewCampaign};
use carebell::store::overrides::{self, Setting};
use carebell::store::rule_switches::Agreed;
use carebell::store::{campaign_progress, patients, rule_switches};
use serde_json::json;

use crate::clinic::carrier::Carrier;
use crate::clinic::daemon::{self, Daemon, carebell};
use crate::clinic::database::{self, Database};
use crate::clinic::records::person;
use crate::clinic::{Clinic, LOOK, PATIENCE, Setup, each, provider};

/// An open day: to everybody, by hand.
const OPEN_DAY: &str = "title = \"Open day\"\ndepartment = \"marketing\"\nclass = \"invitation\"\n[trigger]\non = \"manual\"\n[[step]]\nto = \"patient\"\nsend = \"birthday\"\nby = [\"sms\"]\n";

/// The same, five a day.
const SPREAD: &str = "title = \"Open day\"\ndepartment = \"marketing\"\nclass = \"invitation\"\n[trigger]\non = \"manual\"\ndaily_cap = 5\n[[step]]\nto = \"patient\"\nsend = \"birthday\"\nby = [\"sms\"]\n";

/// Tips of the month, five a day.
const TIPS: &str = "title = \"Tips\"\ndepartment = \"marketing\"\nclass = \"health_tip\"\n[trigger]\non = \"every\"\ncron = \"0 9 1 * *\"\ndaily_cap = 5\n[[step]]\nto = \"patient\"\nsend = \"birthday\"\nby = [\"sms\"]\n";

/// So many may be reached without a second person.
const CAP: &str = "[scheduler]\nactivation_cap = 5\n";

/// A rule with one text at nine, so many days before.
macro_rules! recheck {
    ($lead:literal, $mode:literal) => {
        concat!(
            "title = \"Recheck\"\ndepartment = \"clinical\"\nclass = \"appointment\"\nmode = \"",
            $mode,
            "\"\n[trigger]\non = \"recheck\"\n[[step]]\nto = \"patient\"\nbefore = [",
            $lead,
            "]\nat = \"09:00\"\nsend = \"recheck\"\nask = \"confirm\"\n"
        )
    };
}

fn setup(rule: (&'static str, &'static str), config: &'static str) -> Setup {
    Setup {
        rules: Some(vec![rule]),
        config,
        ..Setup::default()
    }
}

fn number(n: usize) -> String {
    format!("+86138{n:08}")
}

impl Clinic {
    /// Brings in so many patients.
    async fn people(&self, from: usize, to: usize) {
        for n in from..to {
            self.patient(&format!("P{n}"), person(&format!("Person {n}"), &number(n)))
                .await;
        }
        self.settle().await;
    }

    async fn campaign(&self, rule: &str, by: &str) -> CampaignId {
        let mut tx = self.app().house.store.write().await.unwrap();
        let now = self.clock.now();
        let new = NewCampaign {
            rule,
            at: now,
            started_by: by,
        };
        let id = campaigns::start(&mut tx, &new, now).await.unwrap().unwrap();
        assert!(
            campaigns::start(&mut tx, &new, now)
                .await
                .unwrap()
                .is_none()
        );
        tx.commit().await.unwrap();
        id
    }

    async fn approve(&self, id: &CampaignId, by: &str) -> Acted {
        let mut tx = self.app().house.store.write().await.unwrap();
        let done = campaigns::approve(&mut tx, id, by, self.clock.now()).await;
        tx.commit().await.unwrap();
        done.unwrap()
    }

    async fn texts(&self) -> i64 {
        self.one("SELECT COUNT(*) FROM message").await
    }

    /// How many texts went out each day, in order.
    async fn by_day(&self) -> Vec<i64> {
        let days: Vec<(i64, i64)> = self
            .rows("SELECT created_at / 86400000, COUNT(*) FROM message GROUP BY created_at / 86400000 ORDER BY 1")
            .await;
        days.into_iter().map(|day| day.1).collect()
    }

    /// `lead state` of every reminder, in the order they fall due.
    async fn leads(&self) -> Vec<String> {
        let rows: Vec<(String, String)> = self
            .rows("SELECT lead, state FROM reminder ORDER BY due_at, lead, state")
            .await;
        rows.into_iter()
            .map(|(lead, state)| format!("{lead} {state}"))
            .collect()
    }

    async fn edit(&mut self, rule: &str, text: &str) {
        self.stop().await;
        self.write(&format!("rules/{rule}.toml"), text);
        self.start().await;
        self.settle().await;
    }
}

#[tokio::test]
async fn a_campaign_of_more_than_the_cap_waits_for_a_second_person() {
    each(setup(("open_day", OPEN_DAY), CAP), async |clinic| {
        clinic.people(0, 7).await;
        let mut refuses = person("Refuses", &number(90));
        refuses["consent"] = json!([{"scope": "all", "granted": false}]);
        clinic.patient("R1", refuses).await;
        clinic
            .patient(
                "N1",
                json!({"name": {"full": "Nobody"}, "birth_date": "1980-06-15"}),
            )
            .await;
        clinic.settle().await;
        let id = clinic.campaign("open_day", "Wang Fang").await;
        clinic.settle().await;
        assert_eq!(clinic.texts().await, 0);
        assert_eq!(clinic.tasks().await, ["approval"]);
        assert_eq!(clinic.approve(&id, " wang fang ").await, Acted::SamePerson);
        // A day later somebody agrees: it goes out then.
        clinic.clock_to("2026-03-21 11:00").await;
        assert_eq!(
            clinic.approve(&id, "Li Qiang").await,
            Acted::Done(CampaignState::Planning)
        );
        clinic.settle().await;
        assert_eq!(clinic.texts().await, 7);
        assert_eq!(
            clinic.approve(&id, "Li Qiang").await,
            Acted::Otherwise(CampaignState::Planned)
        );
        let mut tx = clinic.app().house.store.read().await.unwrap();
        let campaign = campaigns::find(&mut tx, &id).await.unwrap().unwrap();
        let progress = campaign_progress::of(&mut tx, &campaign).await.unwrap();
        assert_eq!((campaign.reach, progress.composed), (7, 7));
        assert_eq!(
            campaign.not_reached.values().sum::<i64>(),
            2,
            "{campaign:?}"
        );
        let acts: Vec<(String, String)> = clinic
            .rows("SELECT action, actor FROM audit WHERE action LIKE 'campaign.%' ORDER BY at, id")
            .await;
        let acts: Vec<_> = acts.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
        assert_eq!(
            acts,
            [
                ("campaign.start", "Wang Fang"),
                ("campaign.approve", "Li Qiang")
            ]
        );
    })
    .await;
}

#[tokio::test]
async fn a_campaign_that_is_called_off_leaves_no_more() {
    each(setup(("open_day", SPREAD), ""), async |clinic| {
        clinic.people(0, 12).await;
        let id = clinic.campaign("open_day", "Wang Fang").await;
        clinic.settle().await;
        assert_eq!(clinic.texts().await, 5);
        let mut tx = clinic.app().house.store.write().await.unwrap();
        let done = campaigns::cancel(&mut tx, &id, "Wang Fang", clinic.clock.now()).await;
        tx.commit().await.unwrap();
        assert_eq!(done.unwrap(), Acted::Done(CampaignState::Cancelled));
        // A patient who changes is not planned again.
        clinic.people(8, 10).await;
        clinic.patient("P9", person("Other", &number(9))).await;
        for day in ["2026-03-21 11:00", "2026-03-22 11:00"] {
            clinic.clock_to(day).await;
        }
        assert_eq!(clinic.texts().await, 5);
    })
    .await;
}

#[tokio::test]
async fn so_many_a_day_stay_so_many_over_restarts_and_changes() {
    each(setup(("open_day", SPREAD), ""), async |clinic| {
        clinic.people(0, 12).await;
        clinic.campaign("open_day", "Wang Fang").await;
        clinic.settle().await;
        let days = async |clinic: &Clinic| -> Vec<(String, String)> {
            clinic
                .rows("SELECT patient_id, day FROM rule_slot ORDER BY patient_id")
                .await
        };
        let first = days(clinic).await;
        assert_eq!(first.len(), 12);
        // All of them change, and the daemon stops: nobody's day does.
        for n in 0..12 {
            clinic
                .patient(&format!("P{n}"), person("Somebody Else", &number(n)))
                .await;
        }
        clinic.stop().await;
        clinic.start().await;
        clinic.settle().await;
        assert_eq!(days(clinic).await, first);
        assert_eq!(clinic.by_day().await, [5]);
        for day in ["2026-03-21 09:00", "2026-03-21 11:00"] {
            clinic.clock_to(day).await;
        }
        assert_eq!(clinic.by_day().await, [5, 5]);
        for n in 0..12 {
            clinic
                .patient(&format!("P{n}"), person("Once More", &number(n)))
                .await;
        }
        for day in ["2026-03-22 11:00", "2026-03-23 11:00", "2026-03-24 11:00"] {
            clinic.clock_to(day).await;
        }
        assert_eq!(clinic.by_day().await, [5, 5, 2]);
        assert_eq!(days(clinic).await, first);
    })
    .await;
}

#[tokio::test]
async fn a_rule_by_the_clock_is_spread_and_a_smaller_cap_spreads_what_is_left() {
    let setup = Setup {
        at: "2026-03-30 12:00",
        ..setup(("tips", TIPS), "")
    };
    each(setup, async |clinic| {
        clinic.people(0, 13).await;
        clinic.clock_to("2026-04-01 09:30").await;
        assert_eq!(clinic.by_day().await, [5]);
        let smaller = TIPS.replace("daily_cap = 5", "daily_cap = 3");
        clinic.edit("tips", &smaller).await;
        for day in [
            "2026-04-02 09:30",
            "2026-04-03 09:30",
            "2026-04-04 09:30",
            "2026-04-05 09:30",
        ] {
            clinic.clock_to(day).await;
        }
        // Who had the second day keeps no day of five.
        assert_eq!(clinic.by_day().await, [5, 3, 3, 2]);
        assert_eq!(
            clinic
                .one::<i64>("SELECT COUNT(DISTINCT patient_id) FROM message")
                .await,
            13
        );
    })
    .await;
}

#[tokio::test]
async fn a_rule_switched_on_sends_nothing_late_and_waits_where_it_reaches_many() {
    each(setup(("recheck", recheck!("\"3d\"", "off")), CAP), async |clinic| {
        clinic.people(0, 30).await;
        for n in 0..30 {
            // Of ten the lead is past, ten are due tomorrow, ten later.
            let day = ["2026-03-22", "2026-03-24", "2026-04-20"][n % 3];
            let body = json!({"patient": format!("P{n}"), "kind": "recheck", "at": format!("{day}T09:30")});
            clinic.occasion(&format!("R{n}"), body).await;
        }
        clinic.settle().await;
        clinic.clock_to("2026-03-20 12:00").await;
        clinic.edit("recheck", recheck!("\"3d\"", "live")).await;
        assert_eq!(clinic.texts().await, 0, "nothing is caught up");
        assert_eq!(clinic.tasks().await, ["approval"]);
        clinic.clock_to("2026-03-21 09:00").await;
        assert_eq!(clinic.texts().await, 0, "it waits");
        let mut tx = clinic.app().house.store.write().await.unwrap();
        let now = clinic.clock.now();
        assert_eq!(rule_switches::approve(&mut tx, "recheck", "Li Qiang", now).await.unwrap(), Agreed::Done);
        assert_eq!(rule_switches::approve(&mut tx, "recheck", "Li Qiang", now).await.unwrap(), Agreed::NotWaiting);
        tx.commit().await.unwrap();
        clinic.settle().await;
        assert_eq!(clinic.texts().await, 10);
        // Off and on again: what is planned goes and comes back, what was sent stays sent.
        clinic.edit("recheck", recheck!("\"3d\"", "off")).await;
        let is_planned = async |clinic: &Clinic| {
                let leads = clinic.leads().await;
                leads.iter().any(|lead| lead == "3d planned")
            };
            clinic
                .until("what is planned goes", async || !is_planned(clinic).await)
                .await;
        clinic.edit("recheck", recheck!("\"3d\"", "live")).await;
        let planned = clinic.leads().await;
        assert_eq!(planned.iter().filter(|lead| *lead == "3d planned").count(), 10);
        clinic.clock_to("2026-04-17 09:00").await;
        assert_eq!(clinic.texts().await, 20);
    })
    .await;
}

#[tokio::test]
async fn a_timing_edit_moves_and_a_wording_edit_does_not() {
    each(setup(("recheck", recheck!("\"3d\"", "live")), CAP), async |clinic| {
        clinic.people(0, 4).await;
        for n in 0..4 {
            let body = json!({"patient": format!("P{n}"), "kind": "recheck", "at": "2026-04-20T09:30"});
            clinic.occasion(&format!("R{n}"), body).await;
        }
        clinic.settle().await;
        let rows = async |clinic: &Clinic| -> Vec<(String, String, i64)> {
            clinic
                .rows("SELECT id, state, due_at FROM reminder ORDER BY id")
                .await
        };
        let before = rows(clinic).await;
        let wording = recheck!("\"3d\"", "live").replace("Recheck", "Control visit");
        clinic.edit("recheck", &wording).await;
        assert_eq!(rows(clinic).await, before);
        let timing = wording.replace("09:00", "10:00");
        clinic.edit("recheck", &timing).await;
        let after = rows(clinic).await;
        let hour = 3_600_000;
        let moved: Vec<_> = before
            .iter()
            .map(|(id, state, at)| (id.clone(), state.clone(), at + hour))
            .collect();
        assert_eq!(after, moved);
        assert!(clinic.tasks().await.is_empty());
    })
    .await;
}

#[tokio::test]
async fn a_rule_that_leaves_the_shadow_waits_where_it_reaches_many() {
    each(setup(("recheck", recheck!("\"3d\"", "shadow")), CAP), async |clinic| {
        clinic.people(0, 8).await;
        for n in 0..8 {
            let body = json!({"patient": format!("P{n}"), "kind": "recheck", "at": "2026-03-24T09:30"});
            clinic.occasion(&format!("R{n}"), body).await;
        }
        clinic.settle().await;
        clinic.clock_to("2026-03-20 12:00").await;
        clinic.edit("recheck", recheck!("\"3d\"", "live")).await;
        clinic.clock_to("2026-03-21 09:00").await;
        assert_eq!(clinic.texts().await, 0);
        assert_eq!(clinic.tasks().await, ["approval"]);
    })
    .await;
}

#[tokio::test]
async fn what_comes_in_day_by_day_meets_no_cap() {
    each(setup(("recheck", recheck!("\"3d\"", "live")), CAP), async |clinic| {
        clinic.people(0, 8).await;
        for n in 0..8 {
            let body = json!({"patient": format!("P{n}"), "kind": "recheck", "at": "2026-03-24T09:30"});
            clinic.occasion(&format!("R{n}"), body).await;
        }
        clinic.clock_to("2026-03-21 09:00").await;
        assert_eq!(clinic.texts().await, 8);
        assert!(clinic.tasks().await.is_empty());
    })
    .await;
}

#[tokio::test]
async fn an_override_survives_an_edited_rule() {
    each(setup(("recheck", recheck!("\"3d\"", "live")), ""), async |clinic| {
        clinic.people(0, 2).await;
        for n in 0..2 {
            let body = json!({"patient": format!("P{n}"), "kind": "recheck", "at": "2026-04-20T09:30"});
            clinic.occasion(&format!("R{n}"), body).await;
        }
        clinic.settle().await;
        let set = async |clinic: &Clinic, key: &str, before: Option<&str>| {
            let mut tx = clinic.app().house.store.write().await.unwrap();
            let id = patients::find(&mut tx, "his", key).await.unwrap().unwrap();
            let setting = Setting {
                rule: "recheck".to_owned(),
                off: before.is_none(),
                before: before.map(|lead| vec![lead.to_owned()]),
                by: None,
            };
            let now = clinic.clock.now();
            assert!(overrides::set(&mut tx, &id, &setting, "cli", now).await.unwrap());
            tx.commit().await.unwrap();
        };
        set(clinic, "P0", None).await;
        set(clinic, "P1", Some("5d")).await;
        clinic.settle().await;
        let planned = ["5d planned", "3d superseded", "3d superseded"];
        assert_eq!(clinic.leads().await, planned);
        clinic.edit("recheck", recheck!("\"2d\"", "live")).await;
        // The hospital tells both of them again.
        for n in 0..2 {
            clinic.patient(&format!("P{n}"), person("Somebody Else", &number(n))).await;
        }
        clinic.settle().await;
        assert_eq!(clinic.leads().await, planned);
        clinic.clock_to("2026-04-15 09:00").await;
        assert_eq!(clinic.texts().await, 1);
    })
    .await;
}

/// How many patients the killed campaign reaches.
const MANY: usize = 1500;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kill_in_the_middle_and_start_again_everybody_once() {
    for database in database::fresh().await {
        kill_in_the_middle(database).await;
    }
}

async fn kill_in_the_middle(mut database: Database) {
    let mut carrier = Carrier::start(Conduct::default(), Clock::System, false).await;
    let more = provider("main", carrier.line.address.port(), "")
        + "[scheduler]\nchunk = 50\nactivation_cap = 0\n";
    let (config, _) = daemon::prepare(&database, &more).await;
    let rules = database.folder.join("own_rules");
    std::fs::create_dir_all(&rules).unwrap();
    // Urgent: whatever the hour is while this runs.
    let rule = OPEN_DAY.replace("invitation", "urgent");
    std::fs::write(rules.join("open_day.toml"), rule).unwrap();
    let environment = [("CAREBELL_RULES__DIR", rules.to_str().unwrap())];
    bring(&config).await;
    let started = async_carebell(
        &["campaign", "start", "open_day", "--by", "Wang Fang"],
        &config,
        &environment,
    )
    .await;
    assert!(
        started.contains(&format!("reaches {MANY} patients")),
        "{started}"
    );
    let store = database.open().await;
    for goal in [200, 700, 1200] {
        let running = Daemon::start_with(&config, &environment).await;
        until(async || count(&store).await >= goal).await;
        running.kill_9();
    }
    let running = Daemon::start_with(&config, &environment).await;
    until(async || {
        let left: Vec<(i64,)> = database::rows(
            &store,
            "SELECT COUNT(*) FROM campaign WHERE state <> 'planned'",
        )
        .await;
        left == [(0,)] && count(&store).await >= i64::try_from(MANY).unwrap()
    })
    .await;
    let once: Vec<(i64, i64)> = database::rows(
        &store,
        "SELECT COUNT(*), COUNT(DISTINCT patient_id) FROM message",
    )
    .await;
    let many = i64::try_from(MANY).unwrap();
    assert_eq!(once, [(many, many)]);
    let reach: Vec<(i64,)> = database::rows(&store, "SELECT reach FROM campaign").await;
    assert_eq!(reach, [(many,)]);
    running.stop();
    store.close().await;
    carrier.stop().await;
    database.remove().await;
}

async fn count(store: &carebell::store::Store) -> i64 {
    let rows: Vec<(i64,)> = database::rows(store, "SELECT COUNT(*) FROM message").await;
    rows[0].0
}

async fn until(holds: impl AsyncFn() -> bool) {
    let wait = async {
        let mut look = tokio::time::interval(LOOK);
        while !holds().await {
            look.tick().await;
        }
    };
    tokio::time::timeout(PATIENCE * 3, wait).await.unwrap();
}

async fn async_carebell(
    arguments: &[&str],
    config: &std::path::Path,
    environment: &[(&str, &str)],
) -> String {
    let mut command: Command = carebell(arguments, config);
    command.envs(environment.iter().copied());
    let out = tokio::task::spawn_blocking(move || command.output().unwrap())
        .await
        .unwrap();
    assert!(out.status.success(), "{out:?}");
    String::from_utf8(out.stdout).unwrap()
}

async fn bring(config: &std::path::Path) {
    let config = Config::load(Some(config), std::iter::empty()).unwrap();
    let house = House::open(config).await.unwrap();
    let mut updates = Vec::new();
    for n in 0..MANY {
        let body = person(&format!("Person {n}"), &number(n));
        updates.extend(
            from_json::patient_from_json("his", &format!("P{n}"), &body, &house.info).unwrap(),
        );
    }
    let now = Clock::System.now();
    apply::apply(&house.store, updates, &house.info, Apply::default(), now)
        .await
        .unwrap();
    house.store.close().await;
}
