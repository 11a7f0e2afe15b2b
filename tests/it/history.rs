//! Random histories: bookings come in, move, are called off and told twice, records are touched, the daemon
//! is down for a day, dies in the middle of its work or starts again; what it says is held against a reference.

mod model;

use std::collections::BTreeSet;

use carebell::app::{self, Bells, House};
use carebell::clock::Clock;
use carebell::config::Config;
use carebell::intake::apply::{self, Apply};
use carebell::intake::from_json;
use carebell::scheduler::compose::ComposeStage;
use carebell::scheduler::plan::PlanStage;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan as _};
use serde_json::{Value, json};

use self::model::{Model, Said, rule};
use crate::clinic::database::{self, Database};
use crate::clinic::shipped;

/// Numbers that look random and are the same every time.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }

    fn minutes(&mut self, most: u64) -> SignedDuration {
        SignedDuration::from_mins(i64::try_from(self.roll(most) + 1).unwrap())
    }
}

/// A hospital whose daemon is run by hand.
struct Hospital {
    database: Database,
    clock: Clock,
    zone: &'static str,
    house: House,
    stages: (PlanStage, ComposeStage),
}

impl Hospital {
    async fn open(database: Database, zone: &'static str, at: &str) -> Self {
        let clock = Clock::by_hand(crate::clinic::on_the_wall(zone, at));
        let rules = database.folder.join("rules");
        std::fs::create_dir_all(&rules).unwrap();
        std::fs::write(rules.join("recheck.toml"), rule("3d")).unwrap();
        let (house, stages) = Self::wake(&database, zone, &clock).await;
        Self {
            database,
            clock,
            zone,
            house,
            stages,
        }
    }

    async fn wake(
        database: &Database,
        zone: &str,
        clock: &Clock,
    ) -> (House, (PlanStage, ComposeStage)) {
        let text = format!(
            "[site]\nname = \"Lakeside\"\ntimezone = \"{zone}\"\nlanguage = \"en\"\ncountry = \"CN\"\n[database]\nurl = \"{}\"\nmigrate = true\n\
             [rules]\ndir = {:?}\n[templates]\ndir = {:?}\n[providers.main]\nchannel = \"sms\"\nkind = \"smpp\"\nhost = \"127.0.0.1\"\nport = 1\nsystem_id = \"x\"\npassword = \"x\"\nsender = \"10690000\"\n",
            database.url,
            database.folder.join("rules"),
            shipped("templates"),
        );
        let folder = database.folder.clone();
        let config = Config::parse("carebell.toml", &text, std::iter::empty(), folder).unwrap();
        let house = House::open(config).await.unwrap();
        let problems: Vec<String> = house.problems.iter().map(ToString::to_string).collect();
        assert!(problems.is_empty(), "{problems:?}");
        let stages = app::scheduler(&house, clock, &Bells::default());
        (house, stages)
    }

    /// The process is gone and another one starts.
    async fn restart(&mut self) {
        self.house.store.close().await;
        (self.house, self.stages) = Self::wake(&self.database, self.zone, &self.clock).await;
    }

    /// So many passes, then it dies.
    async fn die_after(&mut self, passes: u64) {
        for pass in 0..passes {
            if pass % 2 == 0 {
                self.stages.0.pass().await.unwrap();
            } else {
                self.stages.1.pass().await.unwrap();
            }
        }
        self.restart().await;
    }

    /// Does all there is to do at this hour.
    async fn run(&self) {
        while self.stages.0.pass().await.unwrap() + self.stages.1.pass().await.unwrap() > 0 {}
    }

    async fn bring(&self, updates: Vec<carebell::intake::record::RecordUpdate>) {
        let now = self.clock.now();
        let mode = Apply::default();
        let report = apply::apply(&self.house.store, updates, &self.house.info, mode, now).await;
        report.unwrap();
    }

    async fn patient(&self, key: &str, tag: &str) {
        let body = json!({"name": {"full": "Ana"}, "birth_date": "1975-04-02", "language": "en", "tags": [tag], "contacts": [{"phone": "+8613800000001"}]});
        let site = &self.house.info;
        self.bring(from_json::patient_from_json("his", key, &body, site).unwrap())
            .await;
    }

    async fn occasion(&self, key: &str, body: &Value) {
        let site = &self.house.info;
        self.bring(from_json::occasion_from_json("his", key, body, site).unwrap())
            .await;
    }

    /// All that became a message or a task, or part of another message, each as often as it did.
    async fn said(&self) -> Vec<Said> {
        const SQL: &str = "SELECT o.source_key, r.epoch, r.step, r.lead FROM reminder AS r JOIN occasion AS o ON o.id = r.occasion_id
            WHERE r.state = 'composed' OR r.reason = 'merged' ORDER BY o.source_key, r.epoch, r.step, r.lead";
        let rows: Vec<(String, i64, String, String)> = database::rows(&self.house.store, SQL).await;
        rows.into_iter().map(owned).collect()
    }

    /// What was not said and why, for who reads that a history broke.
    async fn not_said(&self) -> Vec<String> {
        const SQL: &str = "SELECT o.source_key || ' ' || CAST(r.epoch AS TEXT) || ' ' || r.step || ' ' || r.lead || ': ' || r.state || ' ' || COALESCE(r.reason, '')
            FROM reminder AS r JOIN occasion AS o ON o.id = r.occasion_id WHERE r.state <> 'composed' ORDER BY 1";
        let rows: Vec<(String,)> = database::rows(&self.house.store, SQL).await;
        rows.into_iter().map(|(row,)| row).collect()
    }

    /// What waits.
    async fn waiting(&self) -> BTreeSet<(Said, Timestamp)> {
        const SQL: &str = "SELECT o.source_key, r.epoch, r.step, r.lead, r.due_at FROM reminder AS r JOIN occasion AS o ON o.id = r.occasion_id
            WHERE r.state = 'planned'";
        let rows: Vec<(String, i64, String, String, i64)> =
            database::rows(&self.house.store, SQL).await;
        let owned = |(key, epoch, step, lead, due): (String, i64, String, String, i64)| {
            let due = Timestamp::from_millisecond(due).unwrap();
            (owned((key, epoch, step, lead)), due)
        };
        rows.into_iter().map(owned).collect()
    }
}

/// The words of a row as the reference has them.
fn owned((key, epoch, step, lead): (String, i64, String, String)) -> Said {
    let word = |text: &str| {
        let known = [
            "notice", "staff", "days", "hours", "created", "4d", "3d", "2d", "1d", "3h", "catch_up",
        ];
        known
            .into_iter()
            .find(|known| *known == text)
            .unwrap_or("unknown")
    };
    (key, epoch, word(&step), word(&lead))
}

/// A moment for a booking: mostly within the next days, on every hour of the clock.
fn moment(dice: &mut Dice, zone: &TimeZone, now: Timestamp) -> DateTime {
    let days = [0, 1, 1, 2, 3, 4, 5, 7, 9];
    let day = days[usize::try_from(dice.roll(days.len() as u64)).unwrap()];
    let minute = i64::try_from(dice.roll(24 * 12) * 5).unwrap();
    let date = now.to_zoned(zone.clone()).date();
    let midnight = date.checked_add(day.days()).unwrap().at(0, 0, 0, 0);
    midnight.checked_add(minute.minutes()).unwrap()
}

/// Plays one history and compares after each waking.
async fn play(database: Database, zone: &'static str, at: &str, seed: u64, acts: usize) {
    let mut dice = Dice(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
    let mut hospital = Hospital::open(database, zone, at).await;
    let tz = TimeZone::get(zone).unwrap();
    let mut model = Model::new(zone);
    let mut story = vec![format!("seed {seed} in {zone} from {at}")];
    hospital.patient("P1", "a").await;
    hospital.run().await;
    model.awake(hospital.clock.now());
    for _ in 0..acts {
        let mut is_up = dice.roll(3) > 0;
        let now = hospital.clock.now();
        let shown = now.to_zoned(tz.clone()).datetime();
        let key = format!("A{}", dice.roll(4));
        match dice.roll(12) {
            0..=3 => {
                let at = moment(&mut dice, &tz, now);
                // What was called off stays so: another booking has another key.
                if model.visits.get(&key).is_some_and(|visit| visit.cancelled) {
                    continue;
                }
                let body = json!({"patient": "P1", "kind": "recheck", "at": at.strftime("%Y-%m-%dT%H:%M").to_string()});
                hospital.occasion(&key, &body).await;
                model.book(&key, at, now);
                story.push(format!("{shown} {key} is at {at}"));
            }
            4 => {
                let Some(visit) = model.visits.get(&key) else {
                    continue;
                };
                let body = json!({"patient": "P1", "kind": "recheck", "at": visit.at.strftime("%Y-%m-%dT%H:%M").to_string(), "status": "cancelled"});
                hospital.occasion(&key, &body).await;
                model.cancel(&key);
                story.push(format!("{shown} {key} is called off"));
            }
            5 => {
                hospital.patient("P1", &dice.roll(1000).to_string()).await;
                story.push(format!("{shown} the patient's record is touched"));
            }
            6 => {
                let passes = dice.roll(6);
                hospital.die_after(passes).await;
                // What it did before it died counts, so it does the rest at the same hour.
                is_up = true;
                story.push(format!("{shown} dies after {passes} passes"));
            }
            7 => {
                // All is done at this hour when the department saves the file.
                hospital.run().await;
                model.awake(now);
                let lead = if dice.roll(2) == 0 { "3d" } else { "2d" };
                let wording = format!("# {}\n{}", dice.roll(1000), rule(lead));
                let file = hospital.database.folder.join("rules/recheck.toml");
                std::fs::write(file, wording).unwrap();
                hospital.restart().await;
                is_up = true;
                hospital.run().await;
                model.edit(lead, now);
                story.push(format!("{shown} the first lead is {lead}"));
            }
            // Down, or nothing happens, for up to a day and a half.
            _ => {
                let time = match dice.roll(3) {
                    0 => dice.minutes(10),
                    1 => dice.minutes(8 * 60),
                    _ => dice.minutes(36 * 60),
                };
                hospital.clock.advance(time);
                story.push(format!("{shown} {} minutes pass", time.as_mins()));
            }
        }
        if !is_up {
            continue;
        }
        hospital.run().await;
        let now = hospital.clock.now();
        model.awake(now);
        story.push(format!("{} awake", now.to_zoned(tz.clone()).datetime()));
        let said = hospital.said().await;
        let should: Vec<Said> = model.said.iter().cloned().collect();
        if said != should {
            story.extend(hospital.not_said().await);
        }
        assert_eq!(said, should, "said; {story:#?}");
        assert_eq!(
            hospital.waiting().await,
            model.waiting(),
            "waiting; {story:#?}"
        );
    }
    hospital.house.store.close().await;
    hospital.database.remove().await;
}

#[tokio::test]
async fn whatever_happens_in_whatever_order_what_is_said_is_what_should_be_said() {
    // Where clocks change in the middle of it, and where they never do.
    let places = [
        ("America/New_York", "2026-03-05 12:00"),
        ("America/New_York", "2026-10-29 12:00"),
        ("Asia/Shanghai", "2026-07-01 12:00"),
    ];
    let number = |name: &str| std::env::var(name).ok()?.parse::<u64>().ok();
    let first = number("CAREBELL_TEST_HISTORY").unwrap_or(0);
    let count = number("CAREBELL_TEST_HISTORIES").unwrap_or(8);
    for seed in first..first + count {
        for (zone, at) in places {
            for database in database::fresh().await {
                play(database, zone, at, seed, 40).await;
            }
        }
    }
}
