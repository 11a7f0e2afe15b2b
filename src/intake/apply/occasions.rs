//! Occasions: records to rows; what is new, moved or called off.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::staff::shared_key;
use super::{Applier, fingerprint};
use crate::intake::IntakeError;
use crate::intake::record::{OccasionRecord, RecordKind};
use crate::intake::report::{Fault, Outcome};
use crate::model::id::{OccasionId, PatientId};
use crate::model::occasion::OccasionStatus;
use crate::store::occasion_records::{self, Known, OccasionPut};
use crate::store::{Tx, sources};

impl Applier<'_> {
    pub(super) async fn occasions(
        &mut self,
        tx: &mut Tx,
        source: &str,
        records: Vec<OccasionRecord>,
    ) -> Result<(), IntakeError> {
        let owners = self
            .patients_of(tx, records.iter().map(|record| &record.patient))
            .await?;
        let keys: Vec<&str> = records
            .iter()
            .map(|record| record.key.key.reveal().as_str())
            .collect();
        let known = occasion_records::known(tx, source, &keys).await?;
        let first_import = sources::first_imported_at(tx, source).await?;
        let mut puts = Vec::new();
        for record in records {
            let Some(owner) = owners.get(&record.patient) else {
                self.without_owner(&record.origin, &record.patient, RecordKind::Occasion);
                continue;
            };
            let known = known.get(record.key.key.reveal());
            let Some(put) = self.occasion_put(&record, &owner.id, known, first_import) else {
                self.report
                    .note(&record.origin, RecordKind::Occasion, Outcome::Rejected);
                self.report.fault(Fault::row(
                    &record.origin,
                    None,
                    "expected a date and a time zone that exist",
                ));
                continue;
            };
            let outcome = outcome(&record, &put, known);
            self.report
                .note(&record.origin, RecordKind::Occasion, outcome);
            if !matches!(outcome, Outcome::Unchanged | Outcome::Older) {
                puts.push(put);
            }
        }
        if !self.mode.dry_run {
            occasion_records::put(tx, source, &puts, self.now).await?;
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
        let attributes = serde_json::Value::Object(record.attributes.clone()).to_string();
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
