//! What must hold of every plan, whatever the rule and the patient.

use std::collections::BTreeSet;
use std::ops::Range;

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::calendar::wall;
use crate::model::class::{Channel, ContactKind, Role};
use crate::model::id::{ContactPointId, OccasionId, PatientId, RelationId};
use crate::model::occasion::{Confirmation, Occasion, OccasionStatus, OccasionTime};
use crate::model::patient::{
    ContactPoint, ContactStatus, Fact, LunarDay, Patient, PersonName, Relation,
};
use crate::model::private::Private;
use crate::rules::candidates::Candidates;
use crate::rules::document;
use crate::rules::plan::{Plan, SentLead, Subject, plan};
use crate::rules::rule::Rule;
use crate::rules::site::Site;

const ZONES: &[&str] = &[
    "Asia/Shanghai",
    "America/New_York",
    "Australia/Lord_Howe",
    "Europe/London",
];

#[derive(Clone, Debug)]
struct World {
    rule: Rule,
    patient: Patient,
    facts: Vec<Fact>,
    occasions: Vec<Occasion>,
    now: Timestamp,
    window: Range<Timestamp>,
}

impl World {
    fn plan_in(&self, window: Range<Timestamp>) -> Plan {
        self.plan_with(&[], self.now, window)
    }

    fn plan_with(&self, sent: &[SentLead], now: Timestamp, window: Range<Timestamp>) -> Plan {
        let subject = Subject {
            patient: &self.patient,
            facts: &self.facts,
            occasions: &self.occasions,
            sent,
            sensitive: false,
            overrides: &[],
        };
        plan(&self.rule, &subject, now, window)
    }
}

fn lead() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["0d", "1d", "3d", "4d", "2w", "1mo", "2mo", "10d"])
}

fn step() -> impl Strategy<Value = Value> {
    let time = (0..24_u8, prop::sample::select(vec![0, 15, 30, 59_u8]))
        .prop_map(|(hour, minute)| format!("{hour:02}:{minute:02}"));
    let kind = prop_oneof![4 => Just("before"), 1 => Just("after"), 1 => Just("created"), 1 => Just("elapsed")];
    let to = prop::sample::select(vec!["patient", "patient", "staff", "family"]);
    (
        to,
        kind,
        prop::collection::btree_set(lead(), 1..3),
        time,
        any::<bool>(),
    )
        .prop_map(|(to, kind, leads, time, back)| {
            let mut step = json!({"to": to, "send": "t"});
            match kind {
                "created" => step["on"] = json!("created"),
                "elapsed" => step["before"] = json!(["2h", "26h"]),
                other => {
                    step[other] = json!(leads);
                    step["at"] = json!(time);
                }
            }
            if to == "staff" && back {
                step["workday"] = json!("previous");
            }
            step
        })
}

fn trigger() -> impl Strategy<Value = Value> {
    prop_oneof![
        5 => Just(json!({"on": "revisit"})),
        2 => Just(json!({"on": "birthday"})),
        1 => prop::sample::select(vec!["mid_autumn", "spring_festival", "qingming", "02-29", "mothers_day"]).prop_map(|id| json!({"on": "holiday", "holiday": id})),
        1 => prop::sample::select(vec![("09-15", "11-30"), ("11-15", "02-20")]).prop_map(|(from, until)| json!({"on": "season", "from": from, "until": until})),
        1 => prop::sample::select(vec!["0 9 1 * *", "30 2 * * 0", "15 22 */3 * *"]).prop_map(|cron| json!({"on": "every", "cron": cron})),
    ]
}

fn rule() -> impl Strategy<Value = Rule> {
    let quiet = prop::sample::select(vec![
        ("21:00", "08:00"),
        ("00:00", "07:00"),
        ("22:30", "02:30"),
        ("12:00", "14:00"),
    ]);
    let class = prop::sample::select(vec!["appointment", "greeting", "clinical"]);
    let parts = (
        trigger(),
        prop::collection::vec(step(), 1..4),
        quiet,
        class,
        prop::sample::select(ZONES),
        any::<[bool; 3]>(),
        any::<bool>(),
    );
    parts.prop_map(|(trigger, mut steps, (from, to), class, zone, [copy, fallback, aged], mar1)| {
        if trigger["on"] != "revisit" {
            steps.iter_mut().filter(|step| step.get("on").is_some()).for_each(|step| {
                *step = json!({"to": step["to"], "send": "t", "before": ["1d"]});
            });
        }
        let mut family = json!({"copy": copy, "fallback": fallback});
        if aged {
            family["from_age"] = json!(60);
        }
        let rule = json!({"department": "clinical", "class": class, "timezone": zone, "trigger": trigger, "step": steps, "family": family,
            "quiet": {"from": from, "to": to}, "leap_day": if mar1 { "mar1" } else { "feb28" }});
        let site = Site::new(TimeZone::get("Asia/Shanghai").unwrap(), "CN");
        document::from_json("p", &rule, &site).unwrap_or_else(|faults| panic!("{rule}: {faults:?}"))
    })
}

fn date() -> impl Strategy<Value = Date> {
    (0..1200_i64).prop_map(|days| wall::add_days(Date::constant(2026, 1, 1), days))
}

fn moment() -> impl Strategy<Value = DateTime> {
    (date(), 0..24_i8, 0..60_i8).prop_map(|(date, hour, minute)| date.at(hour, minute, 0, 0))
}

fn contact(kind: ContactKind, bad: bool) -> ContactPoint {
    let status = if bad {
        ContactStatus::Invalid
    } else {
        ContactStatus::Ok
    };
    ContactPoint {
        id: ContactPointId::parse("con_1").unwrap(),
        kind,
        address: Private::new("x".into()),
        rank: 1,
        status,
    }
}

fn patient() -> impl Strategy<Value = Patient> {
    let born = (-36_000..0_i64).prop_map(|days| wall::add_days(Date::constant(2026, 6, 1), days));
    let leap = prop::sample::select(vec![
        Date::constant(2008, 2, 29),
        Date::constant(1948, 2, 29),
    ]);
    let lunar =
        prop::option::of((1..=12_u8, 1..=30_u8).prop_map(|(month, day)| LunarDay { month, day }));
    (prop_oneof![3 => born, 1 => leap], lunar, any::<[bool; 6]>()).prop_map(
        |(born, lunar, [phone, email, bad, special, kin, consented])| {
            let mut contacts = Vec::new();
            contacts.extend(phone.then(|| contact(ContactKind::Phone, bad)));
            contacts.extend(email.then(|| contact(ContactKind::Email, false)));
            let relation = Relation {
                id: RelationId::parse("rel_1").unwrap(),
                kind: "parent".into(),
                name: None,
                language: None,
                consented,
                contacts: vec![contact(ContactKind::Phone, false)],
                opt_outs: Vec::new(),
                consents: Vec::new(),
            };
            Patient {
                id: PatientId::parse("pat_1").unwrap(),
                source: "s".into(),
                source_key: Private::new("1".into()),
                name: Private::new(PersonName::default()),
                sex: None,
                birth_on: Some(Private::new(born)),
                lunar_birthday: lunar.map(Private::new),
                language: None,
                deceased: false,
                special,
                held: false,
                tags: Vec::new(),
                prefer: Vec::new(),
                attributes: Private::default(),
                contacts,
                family: kin.then_some(relation).into_iter().collect(),
                opt_outs: Vec::new(),
                consents: Vec::new(),
            }
        },
    )
}

/// Most occasions lie near `now`, where leads are missed and caught up.
fn occasion(zone: &'static str, now: DateTime) -> impl Strategy<Value = Occasion> {
    let near = (-4..12_i64, 0..24_i8, 0..60_i8).prop_map(move |(days, hour, minute)| {
        wall::add_days(now.date(), days).at(hour, minute, 0, 0)
    });
    let times = (
        prop_oneof![1 => moment().boxed(), 3 => near.boxed()],
        any::<bool>(),
        prop::option::of(0..90_i64),
        prop::option::of(0..60_i64),
        0..24_i64,
    );
    let status = prop::sample::select(vec![
        OccasionStatus::Booked,
        OccasionStatus::Booked,
        OccasionStatus::Booked,
        OccasionStatus::Cancelled,
        OccasionStatus::Fulfilled,
    ]);
    (times, status).prop_map(move |((at, clock, created, moved, hour), status)| {
        let zone_of = TimeZone::get(zone).unwrap();
        let before = |days: Option<i64>| {
            days.map(|days| {
                wall::instant(
                    &zone_of,
                    wall::add_days(at.date(), -days).at(i8::try_from(hour).unwrap(), 7, 0, 0),
                )
            })
        };
        Occasion {
            id: OccasionId::generate(),
            patient: PatientId::parse("pat_1").unwrap(),
            kind: "revisit".into(),
            when: if clock {
                OccasionTime::At(at)
            } else {
                OccasionTime::On(at.date())
            },
            timezone: zone.into(),
            status,
            epoch: i64::from(moved.is_some()),
            confirmation: Confirmation::None,
            created_at: before(created),
            moved_at: before(moved),
            cancelled_at: None,
            department: None,
            doctor: None,
            doctor_key: None,
            place: None,
            attributes: serde_json::Map::new(),
        }
    })
}

fn world() -> impl Strategy<Value = World> {
    let timed = (moment(), prop::sample::select(ZONES))
        .prop_flat_map(|(now, zone)| (Just(now), prop::collection::vec(occasion(zone, now), 0..3)));
    let parts = (
        rule(),
        patient(),
        timed,
        prop::option::of(date()),
        prop_oneof![Just(0), -2..40_i64],
        1..200_i64,
    );
    parts.prop_map(|(rule, patient, (now, occasions), given, ahead, length)| {
        let now = wall::instant(&rule.timezone, now);
        let start = now
            .saturating_add(SignedDuration::from_hours(24 * ahead))
            .unwrap();
        let end = start
            .saturating_add(SignedDuration::from_hours(24 * length))
            .unwrap();
        let fact = |on| Fact {
            kind: "revisit".into(),
            code: None,
            system: None,
            on: Some(on),
            at: None,
        };
        World {
            rule,
            patient,
            facts: given.map(fact).into_iter().collect(),
            occasions,
            now,
            window: start..end,
        }
    })
}

fn keys(plan: &Plan) -> Vec<(String, Timestamp)> {
    let mut keys: Vec<_> = plan
        .reminders
        .iter()
        .map(|reminder| (reminder.key.clone(), reminder.due_at))
        .collect();
    keys.sort();
    keys
}

/// Whether the sieve lets the patient of `world` through for what falls due within `window`.
fn passes(world: &World, window: &Range<Timestamp>) -> bool {
    let day_of = |occasion: &Occasion| occasion.when.date();
    match world.rule.candidates(window) {
        Candidates::Occasions { kind, from, to } => {
            let occasions = world
                .occasions
                .iter()
                .filter(|occasion| occasion.kind == kind)
                .map(day_of);
            let facts = world
                .facts
                .iter()
                .filter(|fact| fact.kind == kind)
                .filter_map(|fact| fact.on);
            occasions.chain(facts).any(|day| (from..=to).contains(&day))
        }
        Candidates::Birthdays { solar, lunar } => {
            match (&world.patient.lunar_birthday, &world.patient.birth_on) {
                (Some(day), _) => lunar.contains(&(day.reveal().month, day.reveal().day)),
                (None, Some(born)) => solar.contains(&(
                    born.reveal().month().unsigned_abs(),
                    born.reveal().day().unsigned_abs(),
                )),
                (None, None) => false,
            }
        }
        Candidates::Everyone { occurrences, .. } => !occurrences.is_empty(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn planning_twice_plans_once(world in world()) {
        let first = world.plan_in(world.window.clone());
        prop_assert_eq!(keys(&first), keys(&world.plan_in(world.window.clone())));
        let unique: BTreeSet<&String> = first.reminders.iter().map(|reminder| &reminder.key).collect();
        prop_assert_eq!(unique.len(), first.reminders.len());
    }

    #[test]
    fn a_window_cut_in_two_plans_the_same(world in world()) {
        let whole = world.plan_in(world.window.clone());
        let middle = world.window.start.saturating_add(world.window.end.duration_since(world.window.start) / 3).unwrap();
        let mut parts = keys(&world.plan_in(world.window.start..middle));
        parts.extend(keys(&world.plan_in(middle..world.window.end)));
        parts.sort();
        prop_assert_eq!(keys(&whole), parts);
    }

    #[test]
    fn the_sieve_holds_nobody_back(world in world()) {
        let plan = world.plan_in(world.window.clone());
        for reminder in &plan.reminders {
            let minute = reminder.due_at..reminder.due_at.saturating_add(SignedDuration::from_secs(1)).unwrap();
            prop_assert!(passes(&world, &minute), "{:?}", reminder);
        }
        prop_assert!(plan.reminders.is_empty() || passes(&world, &world.window));
    }

    #[test]
    fn every_reminder_keeps_its_hours_and_its_reader(world in world()) {
        let plan = world.plan_in(world.window.clone());
        let mut told = BTreeSet::new();
        for reminder in &plan.reminders {
            prop_assert!(world.window.contains(&reminder.due_at));
            prop_assert!(reminder.due_at >= wall::minute(world.now));
            prop_assert!(reminder.expires_at > reminder.due_at, "{:?}", reminder);
            let quiet = world.rule.quiet.unwrap();
            let time = wall::time(&world.rule.timezone, reminder.due_at);
            match reminder.role {
                Role::Patient => {
                    let age = wall::age_on(*world.patient.birth_on.as_ref().unwrap().reveal(), wall::date(&world.rule.timezone, reminder.due_at));
                    prop_assert!(age >= 18 && !quiet.contains(time));
                }
                Role::Family => prop_assert!(!quiet.contains(time) && reminder.relation.is_some()),
                Role::Staff => prop_assert!(reminder.channels.len() == 1 && reminder.ask.is_none()),
            }
            prop_assert!(reminder.role == Role::Staff || reminder.channels.iter().all(|channel| matches!(channel, Channel::Sms | Channel::Email)));
            let place = (&reminder.occurrence, reminder.role, &reminder.department, reminder.channels.first().map(|channel| channel.as_str()), wall::minute(reminder.due_at));
            prop_assert!(told.insert(place), "twice: {:?}", reminder);
        }
    }

    /// Days are counted on the calendar: neither a change of the clock nor the hour of the visit moves one.
    #[test]
    fn staff_hear_on_the_day_and_at_the_time_that_was_written(world in world()) {
        let plan = world.plan_in(world.window.clone());
        for reminder in plan.reminders.iter().filter(|reminder| reminder.role == Role::Staff && !reminder.stands_in) {
            let step = world.rule.steps.iter().find(|step| step.id == reminder.step).unwrap();
            let days: Option<i64> = reminder.lead.strip_suffix('d').filter(|days| !days.starts_with('+'))
                .and_then(|days| days.parse().ok());
            let occasion = world.occasions.iter().find(|occasion| Some(&occasion.id) == reminder.occasion.as_ref());
            let (Some(days), Some(occasion), false) = (days, occasion, step.previous_workday) else { continue };
            let zone = TimeZone::get(&occasion.timezone).unwrap();
            let day = wall::date(&world.rule.timezone, occasion.when.instant(&zone).unwrap());
            let day = if let OccasionTime::On(day) = occasion.when { day } else { day };
            let shown = world.rule.timezone.to_datetime(reminder.due_at);
            prop_assert_eq!(shown.date(), day.checked_sub(days.days()).unwrap());
            let off = step.at.until(shown.time()).unwrap().total(jiff::Unit::Minute).unwrap();
            prop_assert!(off == 0.0 || off == 30.0 || off == 60.0, "{:?}", reminder);
        }
    }

    #[test]
    fn what_was_sent_is_never_sent_again(world in world(), later in 0..72_i64) {
        let first = world.plan_in(world.window.clone());
        let now = world.now.saturating_add(SignedDuration::from_hours(later)).unwrap();
        let (gone, _): (Vec<_>, Vec<_>) = first.reminders.iter().partition(|reminder| reminder.due_at <= now);
        let settled = |reminder: &&crate::rules::plan::PlannedReminder| SentLead {
            occurrence: reminder.occurrence.clone(),
            epoch: reminder.epoch,
            step: Some(reminder.step.clone()),
            lead: reminder.lead.clone(),
        };
        let sent: Vec<SentLead> = gone.iter().map(settled).collect();
        let again = world.plan_with(&sent, now, world.window.clone());
        let ahead: BTreeSet<&String> = first.reminders.iter().filter(|reminder| reminder.due_at > now).map(|reminder| &reminder.key).collect();
        for reminder in &again.reminders {
            prop_assert!(gone.iter().all(|gone| gone.key != reminder.key), "{:?}", reminder);
            // Time alone brings up nothing new but what somebody who missed all is owed.
            prop_assert!(reminder.catch_up || ahead.contains(&reminder.key) || reminder.role != Role::Patient, "{:?}", reminder);
        }
    }
}

#[test]
fn the_worlds_are_not_empty() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::deterministic();
    let mut roles = std::collections::BTreeMap::new();
    for _ in 0..300 {
        let world = world().new_tree(&mut runner).unwrap().current();
        for reminder in world.plan_in(world.window.clone()).reminders {
            *roles.entry((reminder.role, reminder.catch_up)).or_insert(0) += 1;
        }
    }
    for role in Role::ALL {
        assert!(
            roles.get(&(*role, false)).is_some_and(|count| *count > 50),
            "{roles:?}"
        );
    }
    assert!(
        roles
            .iter()
            .any(|((_, catch_up), count)| *catch_up && *count > 5),
        "{roles:?}"
    );
}
