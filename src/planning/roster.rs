//! Who of the staff gets what is due: the treating doctor, those of a department, and who stands in for them.

use std::collections::{BTreeSet, HashMap};

use jiff::civil::Date;

use crate::model::occasion::Occasion;
use crate::model::staff::{Away, StaffKey};
use crate::store::staff::{self, Staff};
use crate::store::{StoreError, Tx};

/// A substitute may have one too, and so on: so often it is passed on.
const MOST_SUBSTITUTES: usize = 4;

/// The members of staff that a chunk of reminders may go to.
#[derive(Clone, Debug, Default)]
pub(crate) struct Roster {
    all: HashMap<StaffKey, Staff>,
    departments: HashMap<String, Vec<StaffKey>>,
}

/// Somebody to be told.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Told<'a> {
    pub(crate) staff: &'a Staff,
    /// For whom they stand in.
    pub(crate) instead_of: Option<Absent<'a>>,
}

/// Somebody who is not there.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Absent<'a> {
    pub(crate) staff: &'a Staff,
    /// `None`: they work here no more.
    pub(crate) away: Option<Away>,
}

/// What is known of the treating doctor.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Doctor<'a> {
    /// This one, or who stands in.
    Known(Told<'a>),
    /// They are not there, and nobody stands in.
    Absent(Absent<'a>),
    /// The record names nobody, or nobody whom we know.
    Unknown,
}

impl Roster {
    /// Loads who works in `departments`, these `doctors`, and who stands in for any of them.
    pub(crate) async fn load(
        tx: &mut Tx,
        departments: &BTreeSet<&str>,
        doctors: &BTreeSet<&StaffKey>,
    ) -> Result<Self, StoreError> {
        let mut roster = Self::default();
        let departments: Vec<&str> = departments.iter().copied().collect();
        for one in staff::of_departments(tx, &departments).await? {
            let of = one.department.clone().unwrap_or_default();
            roster
                .departments
                .entry(of)
                .or_default()
                .push(one.key.clone());
            roster.all.insert(one.key.clone(), one);
        }
        let mut wanted: BTreeSet<StaffKey> = doctors.iter().map(|key| (*key).clone()).collect();
        for _ in 0..=MOST_SUBSTITUTES {
            wanted.extend(roster.all.values().filter_map(|one| one.substitute.clone()));
            wanted.retain(|key| !roster.all.contains_key(key));
            let keys: Vec<&StaffKey> = wanted.iter().collect();
            let found = staff::by_keys(tx, &keys).await?;
            if found.is_empty() {
                break;
            }
            roster
                .all
                .extend(found.into_iter().map(|one| (one.key.clone(), one)));
        }
        Ok(roster)
    }

    /// Who treats at `occasion`: by key, else by a name that only one of the department bears.
    pub(crate) fn doctor(
        &self,
        occasion: &Occasion,
        department: Option<&str>,
        day: Date,
    ) -> Doctor<'_> {
        let by_key = occasion
            .doctor_key
            .as_ref()
            .and_then(|key| self.all.get(key));
        let found = by_key.or_else(|| {
            let name = bare(occasion.doctor.as_deref()?);
            [occasion.department.as_deref(), department]
                .into_iter()
                .flatten()
                .find_map(|department| self.of_name(department, name))
        });
        match found {
            Some(staff) => match self.present(staff, day) {
                Ok(told) => Doctor::Known(told),
                Err(absent) => Doctor::Absent(absent),
            },
            None => Doctor::Unknown,
        }
    }

    /// Who of a department is told on `day`, each once: for those who are away their substitutes.
    pub(crate) fn members(&self, department: &str, day: Date) -> Vec<Told<'_>> {
        let keys = self.departments.get(department).into_iter().flatten();
        let members: Vec<&Staff> = keys.filter_map(|key| self.all.get(key)).collect();
        let mut told: Vec<Told<'_>> = Vec::new();
        // Who is there comes first: nobody hears of it twice, once for others.
        let (away, here): (Vec<&Staff>, Vec<&Staff>) = members
            .into_iter()
            .partition(|one| one.away_on(day).is_some());
        for one in here.into_iter().chain(away) {
            if let Ok(found) = self.present(one, day)
                && !told.iter().any(|known| known.staff.id == found.staff.id)
            {
                told.push(found);
            }
        }
        told
    }

    fn of_name(&self, department: &str, name: &str) -> Option<&Staff> {
        let keys = self.departments.get(department)?.iter();
        let mut same = keys
            .filter_map(|key| self.all.get(key))
            .filter(|one| !name.is_empty() && bare(one.name.reveal()) == name);
        let first = same.next()?;
        same.next().is_none().then_some(first)
    }

    /// `staff` where they are there on `day`, else the first of the substitutes who is.
    fn present<'a>(&'a self, staff: &'a Staff, day: Date) -> Result<Told<'a>, Absent<'a>> {
        let absent = |one: &'a Staff| {
            let away = one.away_on(day);
            (!one.active || away.is_some()).then_some(Absent { staff: one, away })
        };
        let Some(first) = absent(staff) else {
            return Ok(Told {
                staff,
                instead_of: None,
            });
        };
        let mut seen = vec![&staff.key];
        let mut next = staff.substitute.as_ref();
        while let Some(key) = next.filter(|key| !seen.contains(key)) {
            let Some(one) = self.all.get(key).filter(|_| seen.len() <= MOST_SUBSTITUTES) else {
                break;
            };
            if absent(one).is_none() {
                return Ok(Told {
                    staff: one,
                    instead_of: Some(first),
                });
            }
            seen.push(key);
            next = one.substitute.as_ref();
        }
        Err(first)
    }
}

/// A doctor's name without a title.
fn bare(name: &str) -> &str {
    let name = name.trim();
    let begins = ["Dr. ", "Dr ", "Dr.", "Prof. ", "Prof "];
    let name = begins
        .iter()
        .find_map(|title| name.strip_prefix(title))
        .unwrap_or(name);
    let ends = ["医生", "醫生", "医师", "醫師", "大夫"];
    ends.iter()
        .find_map(|title| name.strip_suffix(title))
        .unwrap_or(name)
        .trim()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::id::{OccasionId, PatientId, StaffId};
    use crate::model::occasion::{Confirmation, OccasionStatus, OccasionTime};
    use crate::model::private::Private;

    const DAY: Date = Date::constant(2026, 7, 20);

    fn key(key: &str) -> StaffKey {
        StaffKey::parse(&format!("his/{key}")).unwrap()
    }

    fn staff(name: &str, substitute: Option<&str>, is_away: bool) -> Staff {
        let away = is_away.then_some(Away {
            from: Some(DAY),
            until: None,
        });
        Staff {
            id: StaffId::generate(),
            key: key(name),
            name: Private::new(name.to_owned()),
            department: Some("clinical".to_owned()),
            role: None,
            phone: None,
            email: None,
            active: true,
            away: away.into_iter().collect(),
            substitute: substitute.map(key),
        }
    }

    fn roster(all: Vec<Staff>) -> Roster {
        let of = |one: &Staff| one.department.as_deref() == Some("clinical");
        let keys = all.iter().filter(|one| of(one)).map(|one| one.key.clone());
        Roster {
            departments: HashMap::from([("clinical".to_owned(), keys.collect())]),
            all: all.into_iter().map(|one| (one.key.clone(), one)).collect(),
        }
    }

    fn visit(doctor: Option<&str>, doctor_key: Option<&str>) -> Occasion {
        Occasion {
            id: OccasionId::generate(),
            patient: PatientId::generate(),
            kind: "recheck".to_owned(),
            when: OccasionTime::On(DAY),
            timezone: "Asia/Shanghai".to_owned(),
            status: OccasionStatus::Booked,
            epoch: 1,
            confirmation: Confirmation::None,
            created_at: None,
            moved_at: None,
            cancelled_at: None,
            department: None,
            doctor: doctor.map(str::to_owned),
            doctor_key: doctor_key.map(key),
            place: None,
            attributes: serde_json::Map::new(),
        }
    }

    #[track_caller]
    fn check(roster: &Roster, visit: &Occasion, expected: &str) {
        let found = match roster.doctor(visit, Some("clinical"), DAY) {
            Doctor::Known(told) => match told.instead_of {
                Some(absent) => {
                    format!(
                        "{} for {}",
                        told.staff.name.reveal(),
                        absent.staff.name.reveal()
                    )
                }
                None => told.staff.name.reveal().clone(),
            },
            Doctor::Absent(absent) => format!("nobody for {}", absent.staff.name.reveal()),
            Doctor::Unknown => "unknown".to_owned(),
        };
        assert_eq!(found, expected);
    }

    #[test]
    fn the_key_names_the_doctor_and_a_name_only_where_one_bears_it() {
        let both = roster(vec![staff("Li Na", None, false), staff("Wu", None, false)]);
        check(&both, &visit(Some("Wu"), Some("Li Na")), "Li Na");
        check(&both, &visit(Some("Dr Wu"), None), "Wu");
        check(&both, &visit(Some("Wu医生"), None), "Wu");
        check(&both, &visit(Some("W"), None), "unknown");
        check(&both, &visit(None, Some("D9")), "unknown");
        let mut twin = staff("Wu", None, false);
        twin.key = key("D8");
        let twins = roster(vec![staff("Wu", None, false), twin]);
        check(&twins, &visit(Some("Wu"), None), "unknown");
        let mut elsewhere = staff("Wu", None, false);
        elsewhere.department = Some("surgery".to_owned());
        check(
            &roster(vec![elsewhere]),
            &visit(Some("Wu"), None),
            "unknown",
        );
    }

    #[test]
    fn who_is_away_is_stood_in_for_one_after_the_other_and_never_in_a_circle() {
        let chain = roster(vec![
            staff("a", Some("b"), true),
            staff("b", Some("c"), true),
            staff("c", None, false),
        ]);
        check(&chain, &visit(None, Some("a")), "c for a");
        let circle = roster(vec![
            staff("a", Some("b"), true),
            staff("b", Some("a"), true),
        ]);
        check(&circle, &visit(None, Some("a")), "nobody for a");
        let mut left = staff("a", Some("b"), false);
        left.active = false;
        let left = roster(vec![left, staff("b", None, false)]);
        check(&left, &visit(None, Some("a")), "b for a");
    }

    #[test]
    fn a_department_is_told_each_once_and_the_substitutes_of_those_who_are_away() {
        let mut outside = staff("out", None, false);
        outside.department = None;
        let all = roster(vec![
            staff("a", Some("b"), true),
            staff("b", None, false),
            staff("c", Some("out"), true),
            staff("d", None, true),
            outside,
        ]);
        let told = all.members("clinical", DAY);
        let names: Vec<&str> = told
            .iter()
            .map(|one| one.staff.name.reveal().as_str())
            .collect();
        assert_eq!(names, ["b", "out"]);
        assert!(told[0].instead_of.is_none() && told[1].instead_of.is_some());
    }
}
