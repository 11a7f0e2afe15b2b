//! Occasions: records to rows; what is new, moved or called off.

use std::collections::HashMap;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::staff::shared_key;
use super::{Applier, Fresh, Owners, fingerprint};
use crate::intake::record::{OccasionRecord, RecordKind, Series};
use crate::intake::report::{Fault, Outcome};
use crate::intake::{IntakeError, repeat};
use crate::model::id::{OccasionId, PatientId};
use crate::model::occasion::OccasionStatus;
use crate::store::occasion_records::{self, Known, OccasionPut};
use crate::store::{Tx, sources};

/// What is said of a visit that took place.
const CAME: [&str; 2] = [
    OccasionStatus::Arrived.as_str(),
    OccasionStatus::Fulfilled.as_str(),
];

impl Applier<'_> {
    pub(super) async fn occasions(
        &mut self,
        tx: &mut Tx,
        source: &str,
        records: &[OccasionRecord],
        owners: &mut Owners,
    ) -> Result<(), IntakeError> {
        self.meet(tx, records.iter().map(|record| &record.patient), owners)
            .await?;
        let keys: Vec<&str> = records
            .iter()
            .map(|record| record.key.key.reveal().as_str())
            .collect();
        let first_import = sources::first_imported_at(tx, source).await?;
        let mut known = HashMap::new();
        if !self.fresh.is(self.fresh.occasions, source) {
            known = occasion_records::known(tx, source, &keys).await?;
        }
        loop {
            let puts = self.occasion_puts(records, owners, &known, first_import);
            let is_new = |put: &&Drafted<'_>| put.outcome() == Some(Outcome::New);
            let new: Vec<&OccasionPut> = puts
                .iter()
                .filter(is_new)
                .filter_map(Drafted::put)
                .collect();
            if self.mode.dry_run || occasion_records::insert(tx, source, &new, self.now).await? {
                let news = puts.iter().filter(|put| put.tells_news());
                let news = news.filter_map(Drafted::put);
                for put in news.filter(|put| CAME.contains(&put.status)) {
                    self.clear(&put.patient, |rule| rule.by_visits);
                }
                let booked = new.iter().map(|put| (put.id.clone(), put.patient.clone()));
                self.booked.extend(booked);
                return self.write_changed(tx, source, puts).await;
            }
            // Another process knows some of them by now.
            self.fresh = Fresh::default();
            known = occasion_records::known(tx, source, &keys).await?;
        }
    }

    fn occasion_puts<'r>(
        &self,
        records: &'r [OccasionRecord],
        owners: &Owners,
        known: &HashMap<String, Known>,
        first_import: Option<Timestamp>,
    ) -> Vec<Drafted<'r>> {
        let draft = |record: &'r OccasionRecord| {
            let Some(owner) = owners.get(&record.patient) else {
                return Drafted::WithoutOwner(record);
            };
            let known = known.get(record.key.key.reveal());
            match self.occasion_put(record, &owner.id, known, first_import) {
                Some(put) => Drafted::Row(record, outcome(record, &put, known), Box::new(put)),
                None => Drafted::WithoutTime(record),
            }
        };
        records.iter().map(draft).collect()
    }

    /// Reports what became of occasions and writes those that are not new.
    async fn write_changed(
        &mut self,
        tx: &mut Tx,
        source: &str,
        drafts: Vec<Drafted<'_>>,
    ) -> Result<(), IntakeError> {
        let mut changed = Vec::new();
        self.end_series(tx, source, &drafts).await?;
        for draft in drafts {
            match draft {
                Drafted::WithoutOwner(record) => {
                    self.without_owner(&record.origin, &record.patient, RecordKind::Occasion);
                }
                Drafted::WithoutTime(record) => {
                    let (origin, kind) = (&record.origin, RecordKind::Occasion);
                    self.report.note(origin, kind, Outcome::Rejected);
                    let expected = "expected a date and a time zone that exist";
                    self.report.fault(Fault::row(origin, None, expected));
                }
                Drafted::Row(record, outcome, put) => {
                    self.report
                        .note(&record.origin, RecordKind::Occasion, outcome);
                    let is_there = [Outcome::New, Outcome::Unchanged, Outcome::Older];
                    if !is_there.contains(&outcome) {
                        changed.push(*put);
                    }
                }
            }
        }
        if !self.mode.dry_run {
            occasion_records::put(tx, source, &changed, self.now).await?;
        }
        Ok(())
    }

    /// Cancels what earlier forms of these records told beside them: members past the last, those of one that no longer
    /// repeats, the single one of what repeats now.
    async fn end_series(
        &mut self,
        tx: &mut Tx,
        source: &str,
        drafts: &[Drafted<'_>],
    ) -> Result<(), IntakeError> {
        let (mut singles, mut ended) = (HashMap::new(), HashMap::new());
        for draft in drafts {
            let Drafted::Row(record, outcome, _) = draft else {
                continue;
            };
            match &record.series {
                _ if *outcome == Outcome::Older => {}
                Series::Untold | Series::Other => {}
                Series::Single => {
                    let key = record.key.key.reveal();
                    singles.insert(repeat::member(key, 1), (key, &record.origin));
                }
                Series::First { key, count } => {
                    let others =
                        (count + 1..=repeat::MOST).map(|n| repeat::member(key.reveal(), n));
                    let keys = others.chain([key.reveal().clone()]);
                    ended.extend(keys.map(|key| (key, &record.origin)));
                }
            }
        }
        // Where no occasion was known when the import began, none has another form.
        if !singles.is_empty() && !self.fresh.is(self.fresh.occasions, source) {
            let keys: Vec<&str> = singles.keys().map(String::as_str).collect();
            for first in occasion_records::known(tx, source, &keys).await?.keys() {
                let Some((key, origin)) = singles.get(first) else {
                    continue;
                };
                let keys = (1..=repeat::MOST).map(|n| repeat::member(key, n));
                ended.extend(keys.map(|key| (key, *origin)));
            }
        }
        // What this chunk tells stands.
        for draft in drafts {
            if let Some(put) = draft.put() {
                ended.remove(&put.source_key);
            }
        }
        if ended.is_empty() {
            return Ok(());
        }
        let keys: Vec<&str> = ended.keys().map(String::as_str).collect();
        let mut known = occasion_records::known(tx, source, &keys).await?;
        known.retain(|_, known| known.status != OccasionStatus::Cancelled);
        for key in known.keys() {
            if let Some(origin) = ended.get(key) {
                let kind = RecordKind::Occasion;
                self.report.note(origin, kind, Outcome::Cancelled);
            }
        }
        if !self.mode.dry_run && !known.is_empty() {
            let keys: Vec<&str> = known.keys().map(String::as_str).collect();
            occasion_records::cancel(tx, source, &keys, self.now).await?;
        }
        Ok(())
    }

    fn occasion_put(
        &self,
        record: &OccasionRecord,
        patient: &PatientId,
        known: Option<&Known>,
        first_import: Option<Timestamp>,
    ) -> Option<OccasionPut> {
        let zone = match &record.timezone {
            Some(name) => TimeZone::get(name).ok()?,
            None => self.site.timezone.clone(),
        };
        let timezone = zone.iana_name().unwrap_or("UTC").to_owned();
        let at = record.when.instant(&zone).ok()?.as_millisecond();
        let local_at = record.when.to_text();
        let attributes = serde_json::to_string(&record.attributes)
            .expect("a record of plain values always serializes");
        let doctor_key = record.doctor_key.as_ref().map(shared_key);
        let mut row_hash = fingerprint(&(
            patient,
            &record.kind,
            &local_at,
            &timezone,
            record.status.as_str(),
            &record.department,
            &record.doctor,
            &record.place,
            &attributes,
        ));
        if doctor_key.is_some() {
            row_hash = fingerprint(&(&row_hash, &doctor_key));
        }
        Some(OccasionPut {
            id: known.map_or_else(OccasionId::generate, |known| known.id.clone()),
            patient: patient.clone(),
            source_key: record.key.key.reveal().clone(),
            kind: record.kind.clone(),
            local_at,
            timezone,
            at,
            status: record.status.as_str(),
            created_at: self
                .created_at(record, first_import)
                .map(Timestamp::as_millisecond),
            department: record.department.clone(),
            doctor: record.doctor.clone(),
            doctor_key,
            place: record.place.clone(),
            attributes,
            version: record.version,
            row_hash,
        })
    }

    /// When a new occasion came up. What the first import brings was there before, unless the source says
    /// that it was made after other records of it had come to us.
    fn created_at(
        &self,
        record: &OccasionRecord,
        first_import: Option<Timestamp>,
    ) -> Option<Timestamp> {
        let told = record.created_at.filter(|at| *at <= self.now);
        if self.mode.first_import {
            return told.filter(|at| first_import.is_some_and(|first| *at > first));
        }
        Some(told.unwrap_or(self.now))
    }
}

/// An occasion before it is written.
enum Drafted<'r> {
    WithoutOwner(&'r OccasionRecord),
    WithoutTime(&'r OccasionRecord),
    Row(&'r OccasionRecord, Outcome, Box<OccasionPut>),
}

impl Drafted<'_> {
    const fn tells_news(&self) -> bool {
        match self.outcome() {
            Some(
                Outcome::New
                | Outcome::Changed
                | Outcome::Moved
                | Outcome::Cancelled
                | Outcome::Removed,
            ) => true,
            Some(Outcome::Unchanged | Outcome::Older | Outcome::Repeated | Outcome::Rejected)
            | None => false,
        }
    }

    const fn outcome(&self) -> Option<Outcome> {
        match self {
            Self::Row(_, outcome, _) => Some(*outcome),
            Self::WithoutOwner(_) | Self::WithoutTime(_) => None,
        }
    }

    fn put(&self) -> Option<&OccasionPut> {
        match self {
            Self::Row(_, _, put) => Some(put),
            Self::WithoutOwner(_) | Self::WithoutTime(_) => None,
        }
    }
}

fn outcome(record: &OccasionRecord, put: &OccasionPut, known: Option<&Known>) -> Outcome {
    let Some(known) = known else {
        return Outcome::New;
    };
    if record.version.is_some() && known.version > record.version {
        return Outcome::Older;
    }
    if known.row_hash == put.row_hash {
        return Outcome::Unchanged;
    }
    let was_cancelled = known.status == OccasionStatus::Cancelled;
    if record.status == OccasionStatus::Cancelled && !was_cancelled {
        return Outcome::Cancelled;
    }
    if known.at != put.at || known.local_at != put.local_at {
        Outcome::Moved
    } else {
        Outcome::Changed
    }
}
