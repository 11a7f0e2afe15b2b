//! All that composing a chunk of due reminders looks at, loaded in sets.

use std::collections::{BTreeSet, HashMap, HashSet};

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use crate::calendar::wall;
use crate::gates::{Counts, Standing};
use crate::model::class::{Channel, Class, Role};
use crate::model::id::{OccasionId, PatientId, RelationId, ReminderId};
use crate::model::occasion::{Occasion, OccasionTime};
use crate::model::patient::{Fact, Patient};
use crate::model::reminder::Unless;
use crate::planning::book::Book;
use crate::planning::roster::Roster;
use crate::planning::subject::{standing, standing_of};
use crate::planning::{House, walk};
use crate::rules::lead::Lead;
use crate::rules::rule::Step;
use crate::store::due::{self, Coming, Got};
use crate::store::earlier::{self, Heard, Sibling};
use crate::store::reminders::Reminder;
use crate::store::{StoreError, Tx, digests, facts, occasions, patients, suppressions};

/// What a chunk needs.
#[derive(Debug, Default)]
pub(crate) struct Material {
    pub(crate) patients: HashMap<PatientId, Patient>,
    pub(crate) facts: HashMap<PatientId, Vec<Fact>>,
    pub(crate) occasions: HashMap<OccasionId, Occasion>,
    pub(crate) standing: Vec<Standing>,
    pub(crate) delivered: HashSet<ReminderId>,
    /// What came of the other steps of the rule, for reminders that ask.
    pub(crate) heard: HashMap<ReminderId, Heard>,
    /// What came of the other steps of the group, for reminders in one.
    pub(crate) group: HashMap<ReminderId, Heard>,
    /// All occasions of patients with reminders in a group.
    pub(crate) visits: HashMap<PatientId, Vec<Occasion>>,
    /// Notices of a move whose recipient was told the old date, with that date where it is known.
    pub(crate) told: HashMap<ReminderId, Option<OccasionTime>>,
    pub(crate) departments: HashMap<String, String>,
    pub(crate) roster: Roster,
    /// The digests that went out already, for the minutes in question.
    pub(crate) digests: HashSet<String>,
    /// How many patients a reminder stands for, where one stands for many.
    pub(crate) many: HashMap<ReminderId, i64>,
    got: Got,
    /// What of the capped classes is to come today, by rules that send.
    coming: Vec<Coming>,
}

impl Material {
    /// Loads what `reminders` need.
    pub(crate) async fn load(
        tx: &mut Tx,
        reminders: &[Reminder],
        book: &Book,
        house: &House,
        now: Timestamp,
    ) -> Result<Self, StoreError> {
        let about: BTreeSet<&PatientId> = reminders
            .iter()
            .filter_map(|r| r.plan.patient.as_ref())
            .collect();
        let about: Vec<PatientId> = about.into_iter().cloned().collect();
        let hang_on: BTreeSet<&OccasionId> = reminders
            .iter()
            .filter_map(|r| r.plan.occasion.as_ref())
            .collect();
        let mut hang_on: Vec<OccasionId> = hang_on.into_iter().cloned().collect();
        let answers = reminders.iter().filter_map(|r| r.data.as_ref());
        hang_on.extend(answers.flat_map(|data| data.reveal().occasions()));
        let found = patients::load(tx, &about).await?;
        let mut material = Self {
            standing: standing(tx, &found, &house.address_key).await?,
            ..Self::default()
        };
        let wrote: Vec<&str> = reminders
            .iter()
            .filter_map(|r| r.data.as_ref())
            .map(|data| data.reveal().address_hash.as_str())
            .collect();
        material.standing.extend(
            suppressions::standing(tx, &wrote)
                .await?
                .into_iter()
                .map(standing_of),
        );
        material.patients = found
            .into_iter()
            .map(|patient| (patient.id.clone(), patient))
            .collect();
        material.facts = facts::of(tx, &about).await?;
        material.occasions = occasions::load(tx, &hang_on)
            .await?
            .into_iter()
            .map(|occasion| (occasion.id.clone(), occasion))
            .collect();
        let capped: BTreeSet<&PatientId> = reminders
            .iter()
            .filter(|r| r.plan.class.is_capped())
            .filter_map(|r| r.plan.patient.as_ref())
            .collect();
        let capped: Vec<PatientId> = capped.into_iter().cloned().collect();
        let (today, week) = since(&house.timezone, now);
        material.got = due::got(tx, &capped, today, week).await?;
        let mut coming = due::coming(tx, &capped, now, day_after(&house.timezone, now)).await?;
        coming.retain(|one| book.rests(&one.rule).is_none());
        material.coming = coming;
        let hopes = reminders
            .iter()
            .filter(|r| book.unless(&r.plan) == Some(Unless::Delivered))
            .map(|r| &r.id);
        material.delivered = due::delivered_before(tx, &hopes.collect::<Vec<_>>()).await?;
        material.look_back(tx, reminders, book).await?;
        material.load_staff(tx, reminders, book).await?;
        material.count_many(tx, reminders, book, house, now).await?;
        Ok(material)
    }

    /// What was told and answered before, for the reminders that hang on it.
    async fn look_back(
        &mut self,
        tx: &mut Tx,
        reminders: &[Reminder],
        book: &Book,
    ) -> Result<(), StoreError> {
        let moved = Lead::Moved.to_string();
        let moves = reminders.iter().filter(|r| r.plan.lead == moved);
        let moves: Vec<&ReminderId> = moves.map(|r| &r.id).collect();
        self.told = earlier::told(tx, &moves).await?;
        let (mut others, mut grouped, mut of_groups) = (Vec::new(), Vec::new(), BTreeSet::new());
        for reminder in reminders {
            let plan = &reminder.plan;
            let steps = book.rule(&plan.rule).map_or(&[][..], |rule| &rule.steps);
            let sibling = |step: &'_ Step| Sibling {
                id: reminder.id.clone(),
                step: step.id.clone(),
            };
            if matches!(
                book.unless(plan),
                Some(Unless::Answered | Unless::Confirmed)
            ) {
                others.extend(steps.iter().map(sibling));
            }
            let group = book.step(plan).and_then(|step| step.group.as_ref());
            if group.is_some() {
                let same = steps.iter().filter(|step| step.group.as_ref() == group);
                grouped.extend(same.map(sibling));
                of_groups.extend(plan.patient.clone());
            }
        }
        self.heard = earlier::heard(tx, &others).await?;
        self.group = earlier::heard(tx, &grouped).await?;
        let of_groups: Vec<PatientId> = of_groups.into_iter().collect();
        self.visits = occasions::of(tx, &of_groups).await?;
        Ok(())
    }

    async fn load_staff(
        &mut self,
        tx: &mut Tx,
        reminders: &[Reminder],
        book: &Book,
    ) -> Result<(), StoreError> {
        self.departments = due::departments(tx).await?;
        let is_outside = |channel: &Channel| matches!(channel, Channel::Email | Channel::Sms);
        let (mut departments, mut doctors) = (BTreeSet::new(), BTreeSet::new());
        for plan in reminders.iter().map(|reminder| &reminder.plan) {
            let for_doctor = plan.role == Role::Staff && book.step(plan).is_some_and(|s| s.doctor);
            if for_doctor || plan.channels.iter().any(is_outside) {
                departments.extend(plan.department.as_deref());
            }
            let occasion = plan.occasion.as_ref().filter(|_| for_doctor);
            if let Some(occasion) = occasion.and_then(|id| self.occasions.get(id)) {
                departments.extend(occasion.department.as_deref());
                doctors.extend(occasion.doctor_key.as_ref());
            }
        }
        let gathered = reminders
            .iter()
            .filter(|r| book.step(&r.plan).is_some_and(|step| step.digest));
        let minutes: BTreeSet<Timestamp> = gathered.map(|r| wall::minute(r.plan.due_at)).collect();
        self.digests = digests::made(tx, &minutes).await?;
        self.roster = Roster::load(tx, &departments, &doctors).await?;
        Ok(())
    }

    async fn count_many(
        &mut self,
        tx: &mut Tx,
        reminders: &[Reminder],
        book: &Book,
        house: &House,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        for reminder in reminders.iter().filter(|r| r.plan.patient.is_none()) {
            if let Some(rule) = book.rule(&reminder.plan.rule) {
                let many = walk::count(tx, rule, &reminder.plan.occurrence, house, now).await?;
                self.many.insert(reminder.id.clone(), many);
            }
        }
        Ok(())
    }

    /// What one recipient got already, with what of higher worth than `class` is to come today.
    pub(crate) fn counts(
        &self,
        patient: &PatientId,
        relation: Option<&RelationId>,
        class: Class,
    ) -> Counts {
        let (today, week) = self
            .got
            .get(&(patient.clone(), relation.cloned()))
            .copied()
            .unwrap_or_default();
        let is_ahead = |one: &&Coming| {
            one.patient == *patient
                && one.relation.as_ref() == relation
                && one.class.worth() > class.worth()
        };
        let coming = self.coming.iter().filter(is_ahead).count();
        let coming = u32::try_from(coming).unwrap_or(u32::MAX);
        let number = |n: i64| u32::try_from(n).unwrap_or(u32::MAX);
        Counts {
            today: number(today).saturating_add(coming),
            week: number(week).saturating_add(coming),
        }
    }
}

/// When the next local day begins.
fn day_after(zone: &TimeZone, now: Timestamp) -> Timestamp {
    let next = wall::add_days(wall::date(zone, now), 1);
    wall::instant(zone, next.to_datetime(jiff::civil::Time::midnight()))
}

/// When the local day began, and the seven days up to now.
fn since(zone: &TimeZone, now: Timestamp) -> (Timestamp, Timestamp) {
    let today = wall::instant(
        zone,
        wall::date(zone, now).to_datetime(jiff::civil::Time::midnight()),
    );
    (
        today,
        now.saturating_sub(SignedDuration::from_hours(24 * 7))
            .unwrap_or(Timestamp::MIN),
    )
}
