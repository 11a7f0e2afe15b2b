//! The scheduler as a patient or nurse would see it, on both databases, with a clock set by hand.

mod ahead;
mod answers;
mod changes;
mod consent;
mod doctors;
mod explained;
mod groups;
mod merged;
mod moved;
mod people;
mod reasons;
mod seasons;
mod singly;
mod staff;
mod told;
mod walks;

use std::sync::Arc;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::clock::Clock;
use crate::model::class::Channel;
use crate::model::id::{ContactPointId, OccasionId, PatientId, RelationId};
use crate::model::occasion::OccasionTime;
use crate::model::phone::address_hash;
use crate::model::route::{Route, Routes};
use crate::planning::House;
use crate::planning::book::{Book, of_texts};
use crate::scheduler::Settings;
use crate::scheduler::compose::ComposeStage;
use crate::scheduler::plan::PlanStage;
use crate::stage::Bell;
use crate::store::messages::Desk;
use crate::store::testing::{self, TestStore};
use crate::store::{Tx, execute, marks, on, withdraw};

pub(super) const RECHECK: &str = r#"
title = "Recheck"
department = "clinical"
class = "appointment"
[trigger]
on = "recheck"
[[step]]
to = "staff"
before = ["4d"]
at = "08:30"
by = ["task"]
send = "recheck_staff"
[[step]]
to = "patient"
before = ["3d", "1d"]
at = "09:00"
send = "recheck"
ask = "confirm"
unless = "answered"
"#;

pub(super) const APPOINTMENT: &str = r#"
title = "Appointment"
department = "clinical"
class = "appointment"
[trigger]
on = "appointment"
[[step]]
to = "staff"
on = "created"
by = ["popup"]
send = "appointment_staff"
[[step]]
to = "patient"
before = ["2d"]
send = "appointment"
ask = "confirm"
"#;

pub(super) const BIRTHDAY: &str = r#"
title = "Birthday"
department = "marketing"
class = "greeting"
[trigger]
on = "birthday"
[[step]]
to = "patient"
before = ["0d"]
at = "09:00"
send = "birthday"
"#;

pub(super) const TEMPLATES: &[(&str, &str)] = &[
    (
        "recheck/en.sms.txt",
        "{{ patient.name }}: recheck {{ occasion.date }}{% if ask %} reply 1{% endif %}",
    ),
    (
        "recheck/en.email.txt",
        "Subject: Recheck\n{{ patient.name }}: recheck {{ occasion.date }}",
    ),
    (
        "recheck_staff/en.task.txt",
        "Subject: Recheck of {{ patient.name }}\nOn {{ occasion.date }}, {{ count }}.",
    ),
    (
        "recheck_staff/en.email.txt",
        "Subject: Recheck\nOn {{ occasion.date }}.",
    ),
    (
        "appointment/en.sms.txt",
        "{{ patient.name }}: {{ occasion.date }} {{ occasion.clock }} {{ occasion.place }}",
    ),
    (
        "appointment_staff/en.task.txt",
        "Subject: New booking\n{{ patient.name }} on {{ occasion.date }}",
    ),
    (
        "birthday/en.sms.txt",
        "Happy birthday, {{ recipient.name }}!",
    ),
    (
        "holiday/en.sms.txt",
        "{{ patient.name }}: a happy {{ holiday.id }}",
    ),
    (
        "holiday_staff/en.task.txt",
        "Subject: {{ holiday.id }}\n{{ count }} patients",
    ),
    (
        "listed/en.sms.txt",
        "{{ patient.name }}: {{ occasion.date }} {{ occasion.clock }}{% if ask %} reply 1{% endif %}\n\n--- when occasions | length > 1\n{{ patient.name }}:{% for one in occasions %} {{ loop.index }}) {{ one.clock }}{% endfor %}{% if ask %} reply 1{% endif %}",
    ),
    (
        "moved/en.sms.txt",
        "{{ patient.name }}: moved to {{ occasion.date }}{% if occasion.previous %} from {{ occasion.previous.date }}{% endif %}{% if ask %} reply 1{% endif %}",
    ),
    ("invite/en.sms.txt", "Come to us, {{ patient.name }}"),
    (
        "family/en.sms.txt",
        "{{ recipient.name }}: {{ patient.name }} on {{ occasion.date }}",
    ),
    (
        "holiday_staff/en.email.txt",
        "Subject: {{ holiday.id }}\n{{ count }} patients by mail",
    ),
    (
        "season_staff/en.task.txt",
        "Subject: Winter\n{{ count }} patients",
    ),
    (
        "digest_staff/en.task.txt",
        "Subject: {{ count }} for {{ recipient.name }}\n{% for one in items %}{{ one.clock }} {{ one.title }} {{ one.patient }}; {% endfor %}",
    ),
    (
        "digest_staff/en.email.txt",
        "Subject: {{ count }}\n{% for one in items %}{{ one.clock }} {{ one.title }} {{ one.patient }}; {% endfor %}",
    ),
    ("answer_stop/en.sms.txt", "You are opted out."),
    ("answer_help/en.sms.txt", "Hello {{ data.word }}"),
];

/// A hospital with the two stages of the scheduler and nothing else.
pub(super) struct Clinic {
    pub(super) test: TestStore,
    pub(super) clock: Clock,
    pub(super) plan: PlanStage,
    pub(super) compose: ComposeStage,
}

/// Reads an instant.
pub(super) fn at(text: &str) -> Timestamp {
    let zone = TimeZone::get("Asia/Shanghai").unwrap();
    text.parse::<jiff::civil::DateTime>()
        .unwrap()
        .to_zoned(zone)
        .unwrap()
        .timestamp()
}

/// A book of `rules` with the templates of these tests, and how many errors there were.
pub(super) fn book(rules: &[(&str, &str)]) -> (Book, usize) {
    of_texts(rules, TEMPLATES)
}

/// A clinic on each database at hand, its clock at `now`.
pub(super) async fn clinics(rules: &[(&str, &str)], now: &str) -> Vec<Clinic> {
    let mut all = Vec::new();
    for test in testing::stores().await {
        let clock = Clock::by_hand(at(now));
        let key = b"key".to_vec();
        let house = House {
            name: "Demo".to_owned(),
            phone: None,
            language: "en".to_owned(),
            timezone: TimeZone::get("Asia/Shanghai").unwrap(),
            address_key: key.clone(),
        };
        let (house, book) = (Arc::new(house), Arc::new(book(rules).0));
        let route = |channel, prefix: &str| {
            Route::in_order(channel, prefix.to_owned(), vec!["main".to_owned()])
        };
        let routes = Routes::new(vec![route(Channel::Sms, "+86"), route(Channel::Email, "")]);
        let desk = Arc::new(Desk {
            routes,
            address_key: key,
        });
        let bell = Bell::default();
        let settings = Settings::default();
        let plan = PlanStage {
            store: test.store.clone(),
            book: book.clone(),
            house: house.clone(),
            settings: settings.clone(),
            clock: clock.clone(),
            compose: bell.clone(),
        };
        let compose = ComposeStage {
            store: test.store.clone(),
            book,
            house,
            desk,
            settings,
            gates: crate::gates::Settings::default(),
            clock: clock.clone(),
            delivery: bell,
        };
        all.push(Clinic {
            test,
            clock,
            plan,
            compose,
        });
    }
    all
}

impl Clinic {
    pub(super) async fn tx(&self) -> Tx {
        self.test.store.write().await.unwrap()
    }

    /// Sets the clock and runs both stages until they are quiet.
    pub(super) async fn clock_to(&self, now: &str) {
        self.clock.set(at(now));
        self.run().await;
    }

    pub(super) async fn run(&self) {
        while self.plan.pass().await.unwrap() + self.compose.pass().await.unwrap() > 0 {}
    }

    /// Runs one statement with text parameters.
    pub(super) async fn sql(&self, sql: &'static str, values: &[&str]) {
        let mut tx = self.tx().await;
        match &mut tx {
            Tx::Sqlite(inner) => {
                let mut query = sqlx::query(sql);
                for value in values {
                    query = query.bind((*value).to_owned());
                }
                query.execute(&mut **inner).await.map(|_| ()).unwrap();
            }
            Tx::Postgres(inner) => {
                let mut query = sqlx::query(sql);
                for value in values {
                    query = query.bind((*value).to_owned());
                }
                query.execute(&mut **inner).await.map(|_| ()).unwrap();
            }
        }
        tx.commit().await.unwrap();
    }

    /// Reads rows of one text.
    pub(super) async fn texts(&self, sql: &'static str) -> Vec<String> {
        let mut tx = self.test.store.read().await.unwrap();
        on!(&mut tx, conn => sqlx::query_scalar(sql).fetch_all(conn).await).unwrap()
    }

    /// `lead role state/reason` of every reminder, in the order they fall due.
    pub(super) async fn reminders(&self) -> Vec<String> {
        self.texts("SELECT lead || ' ' || role || ' ' || state || COALESCE('/' || reason, '') FROM reminder WHERE rule_id <> '' ORDER BY due_at, role, lead, epoch").await
    }

    /// The texts of all messages in the order they were made.
    pub(super) async fn messages(&self) -> Vec<String> {
        let bodies = self
            .texts("SELECT bodies FROM message ORDER BY created_at, id")
            .await;
        let text = |body: &String| {
            let all: serde_json::Value = serde_json::from_str(body).unwrap();
            let first = all.as_object().unwrap().values().next().unwrap().clone();
            first["text"].as_str().unwrap().to_owned()
        };
        bodies.iter().map(text).collect()
    }

    /// `channel kind department count title` of every open task.
    pub(super) async fn tasks(&self) -> Vec<String> {
        self.texts("SELECT channel || ' ' || kind || ' ' || department || ' ' || CAST(count AS TEXT) || ' ' || title FROM task WHERE state = 'open' ORDER BY created_at, id").await
    }

    /// An adult with a phone, and whatever else is given.
    pub(super) async fn patient(&self, name: &str) -> PatientId {
        self.born(name, "1975-04-02").await
    }

    pub(super) async fn born(&self, name: &str, birth_on: &str) -> PatientId {
        const SQL: &str = "INSERT INTO patient (id, source, source_key, name, birth_on, birth_md, deceased, special, held, tags, prefer, attributes, row_hash, created_at, updated_at)
            VALUES ($1, 'his', $2, $3, $4, $5, FALSE, FALSE, FALSE, '[]', '[]', '{}', '', 0, 0)";
        let id = PatientId::generate();
        let full = serde_json::json!({"full": name}).to_string();
        let md: i64 =
            birth_on[5..7].parse::<i64>().unwrap() * 100 + birth_on[8..].parse::<i64>().unwrap();
        let mut tx = self.tx().await;
        execute!(
            &mut tx,
            sqlx::query(SQL)
                .bind(&id)
                .bind(name)
                .bind(&full)
                .bind(birth_on)
                .bind(md)
        )
        .unwrap();
        tx.commit().await.unwrap();
        let phone = format!("+86138{:08}", name.bytes().map(u64::from).sum::<u64>());
        self.contact(&id, None, "phone", &phone).await;
        id
    }

    pub(super) async fn contact(
        &self,
        patient: &PatientId,
        relation: Option<&RelationId>,
        kind: &str,
        address: &str,
    ) {
        const SQL: &str = "INSERT INTO contact_point (id, patient_id, relation_id, kind, address, address_hash, rank, status) VALUES ($1, $2, $3, $4, $5, $6, 0, 'ok')";
        let mut tx = self.tx().await;
        let hash = address_hash(b"key", address);
        execute!(
            &mut tx,
            sqlx::query(SQL)
                .bind(ContactPointId::generate())
                .bind(patient)
                .bind(relation)
                .bind(kind)
                .bind(address)
                .bind(&hash)
        )
        .unwrap();
        marks::add(&mut tx, std::slice::from_ref(patient), self.clock.now())
            .await
            .unwrap();
        tx.commit().await.unwrap();
    }

    /// A consented relation with a phone.
    pub(super) async fn relation(
        &self,
        patient: &PatientId,
        name: &str,
        phone: &str,
    ) -> RelationId {
        const SQL: &str = "INSERT INTO relation (id, patient_id, rank, kind, name, consented) VALUES ($1, $2, 0, 'parent', $3, TRUE)";
        let id = RelationId::generate();
        let full = serde_json::json!({"full": name}).to_string();
        let mut tx = self.tx().await;
        execute!(
            &mut tx,
            sqlx::query(SQL).bind(&id).bind(patient).bind(&full)
        )
        .unwrap();
        tx.commit().await.unwrap();
        self.contact(patient, Some(&id), "phone", phone).await;
        id
    }

    /// A booking made now.
    pub(super) async fn book(&self, patient: &PatientId, kind: &str, local_at: &str) -> OccasionId {
        const SQL: &str = "INSERT INTO occasion (id, patient_id, source, source_key, kind, local_at, timezone, at, status, epoch, confirmation, created_at, attributes, row_hash, updated_at)
            VALUES ($1, $2, 'his', $3, $4, $5, 'Asia/Shanghai', $6, 'booked', 1, 'none', $7, '{}', '', $7)";
        let id = OccasionId::generate();
        let now = self.clock.now();
        let when = OccasionTime::parse(local_at)
            .unwrap()
            .instant(&TimeZone::get("Asia/Shanghai").unwrap())
            .unwrap();
        let mut tx = self.tx().await;
        execute!(
            &mut tx,
            sqlx::query(SQL)
                .bind(&id)
                .bind(patient)
                .bind(id.as_str())
                .bind(kind)
                .bind(local_at)
                .bind(when.as_millisecond())
                .bind(now.as_millisecond())
        )
        .unwrap();
        marks::add(&mut tx, std::slice::from_ref(patient), now)
            .await
            .unwrap();
        tx.commit().await.unwrap();
        id
    }

    /// Moves a booking now.
    pub(super) async fn shift(&self, occasion: &OccasionId, local_at: &str) {
        const KEEP: &str = "INSERT INTO occasion_date (occasion_id, epoch, local_at) SELECT id, epoch, local_at FROM occasion WHERE id = $1";
        const SQL: &str = "UPDATE occasion SET local_at = $2, at = $3, epoch = epoch + 1, moved_at = $4, confirmation = 'none' WHERE id = $1";
        let when = OccasionTime::parse(local_at)
            .unwrap()
            .instant(&TimeZone::get("Asia/Shanghai").unwrap())
            .unwrap();
        let mut tx = self.tx().await;
        execute!(&mut tx, sqlx::query(KEEP).bind(occasion)).unwrap();
        execute!(
            &mut tx,
            sqlx::query(SQL)
                .bind(occasion)
                .bind(local_at)
                .bind(when.as_millisecond())
                .bind(self.clock.now().as_millisecond())
        )
        .unwrap();
        withdraw::withdraw_stale(&mut tx, std::slice::from_ref(occasion), self.clock.now())
            .await
            .unwrap();
        tx.commit().await.unwrap();
        self.mark_all().await;
    }

    /// Changes records and tells the planner.
    pub(super) async fn change(&self, sql: &'static str, values: &[&str]) {
        self.sql(sql, values).await;
        self.mark_all().await;
    }

    pub(super) async fn mark_all(&self) {
        let ids: Vec<PatientId> = self
            .texts("SELECT id FROM patient")
            .await
            .iter()
            .filter_map(|id| PatientId::parse(id))
            .collect();
        let mut tx = self.tx().await;
        marks::add(&mut tx, &ids, self.clock.now()).await.unwrap();
        tx.commit().await.unwrap();
    }

    /// The same house with other rules, as after a restart.
    pub(super) fn reopen(&mut self, rules: &[(&str, &str)]) {
        let book = Arc::new(book(rules).0);
        (self.plan.book, self.compose.book) = (book.clone(), book);
    }
}
