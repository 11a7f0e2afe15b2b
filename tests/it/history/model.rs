//! The reference: what should have been said, reckoned in the plainest way from what happened.
//!
//! Knows no database and none of the planning code, only what rules/README.md says and [`RULE`].

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::{Date, DateTime, Time, time};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan as _};

/// The rule as its department has it now: the first lead to the patient is edited.
pub(crate) fn rule(first_lead: &str) -> String {
    RULE.replace("LEAD", first_lead)
}

/// The rule that is played; `plan` says the same in the plainest way.
const RULE: &str = r#"
title = "Recheck"
department = "clinical"
class = "appointment"
quiet = { from = "21:00", to = "08:00", pull_back_to = "20:00" }
min_useful = "2h"
[trigger]
on = "recheck"
[[step]]
id = "notice"
to = "staff"
on = "created"
by = ["popup"]
send = "recheck_staff"
[[step]]
id = "staff"
to = "staff"
before = ["4d"]
at = "08:30"
by = ["task"]
send = "recheck_staff"
[[step]]
id = "days"
to = "patient"
before = ["LEAD", "1d"]
at = "09:00"
by = ["sms"]
send = "recheck"
[[step]]
id = "hours"
to = "patient"
before = ["3h"]
by = ["sms"]
send = "recheck"
"#;

const MIN_USEFUL: SignedDuration = SignedDuration::from_hours(2);

/// One thing said: occasion, epoch, step and lead.
pub(crate) type Said = (String, i64, &'static str, &'static str);

/// What is still to be said, and when.
#[derive(Clone, Debug)]
struct Item {
    step: &'static str,
    lead: &'static str,
    to_staff: bool,
    due: Timestamp,
    /// The moment it was planned for, before the composer put it off.
    planned_for: Timestamp,
    expires: Timestamp,
}

/// One booking as it stands.
#[derive(Clone, Debug)]
pub(crate) struct Visit {
    pub(crate) at: DateTime,
    pub(crate) epoch: i64,
    pub(crate) since: Timestamp,
    pub(crate) cancelled: bool,
    /// What waits, once the daemon has looked at this epoch.
    plan: Option<Vec<Item>>,
}

/// The whole world as it should be.
#[derive(Debug)]
pub(crate) struct Model {
    zone: TimeZone,
    first_lead: &'static str,
    pub(crate) visits: BTreeMap<String, Visit>,
    /// All that was said.
    pub(crate) said: BTreeSet<Said>,
}

impl Model {
    pub(crate) fn new(zone: &str) -> Self {
        Self {
            zone: TimeZone::get(zone).unwrap(),
            first_lead: "3d",
            visits: BTreeMap::new(),
            said: BTreeSet::new(),
        }
    }

    /// A booking comes in, or says something else than before.
    pub(crate) fn book(&mut self, key: &str, at: DateTime, now: Timestamp) {
        let fresh = |epoch| Visit {
            at,
            epoch,
            since: now,
            cancelled: false,
            plan: None,
        };
        match self.visits.get_mut(key) {
            Some(visit) if visit.at == at => visit.cancelled = false,
            Some(visit) => *visit = fresh(visit.epoch + 1),
            None => _ = self.visits.insert(key.to_owned(), fresh(1)),
        }
    }

    /// It is called off for good.
    pub(crate) fn cancel(&mut self, key: &str) {
        if let Some(visit) = self.visits.get_mut(key) {
            visit.cancelled = true;
        }
    }

    /// The department edits the first lead; the daemon has done all there was to do, and plans anew now.
    pub(crate) fn edit(&mut self, first_lead: &'static str, now: Timestamp) {
        self.first_lead = first_lead;
        for (key, visit) in &mut self.visits {
            let (Some(before), false) = (&visit.plan, visit.cancelled) else {
                continue;
            };
            let put_off = |item: &&Item| {
                item.planned_for <= now
                    && (item.lead == first_lead || !["3d", "2d"].contains(&item.lead))
            };
            let mut items: Vec<Item> = before.iter().filter(put_off).cloned().collect();
            let of_epoch = |said: &&Said| said.0 == *key && said.1 == visit.epoch;
            let said: Vec<&Said> = self.said.iter().filter(of_epoch).collect();
            let earliest = visit.since.max(now);
            let anew = plan(&self.zone, visit.at, earliest, first_lead, &said, &items);
            items.extend(anew.into_iter().filter(|item| item.lead != "created"));
            visit.plan = Some(items);
        }
    }

    /// The daemon is up and has done all there is to do at `now`.
    pub(crate) fn awake(&mut self, now: Timestamp) {
        let zone = self.zone.clone();
        for (key, visit) in &mut self.visits {
            if visit.cancelled {
                visit.plan = Some(Vec::new());
                continue;
            }
            let start = instant(&zone, visit.at);
            let lead = self.first_lead;
            let plan = visit
                .plan
                .get_or_insert_with(|| plan(&zone, visit.at, visit.since, lead, &[], &[]));
            plan.retain_mut(|item| {
                if item.due > now {
                    return true;
                }
                if now > item.expires {
                    return false;
                }
                if let Some(morning) = quiet_end(&zone, now).filter(|_| !item.to_staff)
                    && !(quiet_end(&zone, item.due).is_none()
                        && now.duration_since(item.due) <= SignedDuration::from_mins(5))
                {
                    item.due = morning;
                    return morning <= item.expires;
                }
                assert!(now <= start, "nothing is said after the visit");
                self.said
                    .insert((key.clone(), visit.epoch, item.step, item.lead));
                false
            });
        }
    }

    /// What waits to be said.
    pub(crate) fn waiting(&self) -> BTreeSet<(Said, Timestamp)> {
        let mut all = BTreeSet::new();
        for (key, visit) in &self.visits {
            for item in visit.plan.iter().flatten() {
                let said = (key.clone(), visit.epoch, item.step, item.lead);
                all.insert((said, item.due));
            }
        }
        all
    }
}

/// What comes of a booking for who looks at it as of `since`, knowing what was said of it and what is on its way.
fn plan(
    zone: &TimeZone,
    at: DateTime,
    since: Timestamp,
    first_lead: &'static str,
    said: &[&Said],
    on_its_way: &[Item],
) -> Vec<Item> {
    let start = instant(zone, at);
    let useful = start - MIN_USEFUL;
    let minute = floor(since);
    let mut items: Vec<Item> = Vec::new();
    let mut add = |step, lead, to_staff: bool, due: Timestamp| {
        // Who hears the same in the same minute hears it once.
        let twice = |other: &Item| !to_staff && !other.to_staff && floor(other.due) == floor(due);
        if !items.iter().any(twice) {
            let expires = if useful > due { useful } else { start };
            items.push(Item {
                step,
                lead,
                to_staff,
                due,
                planned_for: due,
                expires,
            });
        }
    };
    if start < minute {
        return items;
    }
    add("notice", "created", true, since);
    let before = |days: i64, clock: Time| {
        let date: Date = at.date().checked_sub(days.days()).unwrap();
        instant(zone, date.to_datetime(clock))
    };
    let morning = time(9, 0, 0, 0);
    let first = before(if first_lead == "3d" { 3 } else { 2 }, morning);
    let hours = start - SignedDuration::from_hours(3);
    let steps = [
        ("staff", true, vec![("4d", before(4, time(8, 30, 0, 0)))]),
        (
            "days",
            false,
            vec![(first_lead, first), ("1d", before(1, morning))],
        ),
        ("hours", false, vec![("3h", hours)]),
    ];
    for (step, to_staff, leads) in steps {
        let is_settled = |lead: &str| {
            let was_said = said.iter().any(|said| (said.2, said.3) == (step, lead));
            was_said
                || on_its_way
                    .iter()
                    .any(|item| (item.step, item.lead) == (step, lead))
        };
        let count = leads.len();
        let mut missed = 0;
        for (lead, due) in leads {
            if is_settled(lead) {
                continue;
            }
            match shifted(zone, due, useful, minute, to_staff) {
                Some(due) if due < minute => missed += 1,
                Some(due) => add(step, lead, to_staff, due),
                None => {}
            }
        }
        // What staff heard told the patient nothing.
        let counts = |other: &str| to_staff || !["notice", "staff"].contains(&other);
        let heard = said.iter().any(|said| counts(said.2))
            || on_its_way.iter().any(|item| counts(item.step));
        if missed == count
            && !heard
            && since <= useful
            && let Some(due) = shifted(zone, since, useful, minute, to_staff)
        {
            add(step, "catch_up", to_staff, due);
        }
    }
    items
}

/// Where quiet hours put a moment: itself, their end, the evening before, or nowhere.
fn shifted(
    zone: &TimeZone,
    due: Timestamp,
    useful: Timestamp,
    earliest: Timestamp,
    to_staff: bool,
) -> Option<Timestamp> {
    let Some(morning) = quiet_end(zone, due).filter(|_| !to_staff) else {
        return Some(due);
    };
    if morning <= useful {
        return Some(morning);
    }
    let eve = morning.to_zoned(zone.clone()).date().yesterday().unwrap();
    let evening = instant(zone, eve.to_datetime(time(20, 0, 0, 0)));
    (evening >= earliest).then_some(evening)
}

/// When the quiet hours that hold at `at` end.
fn quiet_end(zone: &TimeZone, at: Timestamp) -> Option<Timestamp> {
    let wall = at.to_zoned(zone.clone());
    let day = if wall.hour() >= 21 {
        wall.date().tomorrow().unwrap()
    } else if wall.hour() < 8 {
        wall.date()
    } else {
        return None;
    };
    Some(instant(zone, day.to_datetime(time(8, 0, 0, 0))))
}

/// A wall time as an instant: forward over a gap, the first of two.
pub(crate) fn instant(zone: &TimeZone, wall: DateTime) -> Timestamp {
    zone.to_ambiguous_zoned(wall)
        .compatible()
        .unwrap()
        .timestamp()
}

fn floor(at: Timestamp) -> Timestamp {
    Timestamp::from_second(at.as_second().div_euclid(60) * 60).unwrap()
}
