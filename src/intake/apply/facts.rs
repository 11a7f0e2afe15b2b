//! Facts: records to rows, one for each code.

use super::{Applier, fingerprint};
use crate::intake::IntakeError;
use crate::intake::record::{FactRecord, RecordKind};
use crate::intake::report::Outcome;
use crate::model::id::PatientId;
use crate::store::Tx;
use crate::store::facts::{self, FactPut};

impl Applier<'_> {
    pub(super) async fn facts(
        &mut self,
        tx: &mut Tx,
        source: &str,
        records: Vec<FactRecord>,
    ) -> Result<(), IntakeError> {
        let owners = self
            .patients_of(tx, records.iter().map(|record| &record.patient))
            .await?;
        let names: Vec<(&str, &str)> = records
            .iter()
            .map(|record| (record.kind.as_str(), record.key.reveal().as_str()))
            .collect();
        let known = facts::known(tx, source, &names).await?;
        let mut puts: Vec<FactPut> = Vec::new();
        let mut gone: Vec<(String, String)> = Vec::new();
        for record in records {
            let name = (record.kind.clone(), record.key.reveal().clone());
            let known = known.get(&name);
            if record.gone {
                self.report.note(
                    &record.origin,
                    RecordKind::Fact,
                    if known.is_some() {
                        Outcome::Removed
                    } else {
                        Outcome::Unchanged
                    },
                );
                gone.push(name);
                continue;
            }
            let Some(owner) = owners.get(&record.patient) else {
                if self.imagined.contains(&record.patient) {
                    self.report
                        .note(&record.origin, RecordKind::Fact, Outcome::New);
                } else {
                    self.reject_stranger(&record.origin, RecordKind::Fact);
                }
                continue;
            };
            let rows = fact_puts(&record, &owner.id);
            let outcome = match known {
                None => Outcome::New,
                Some((patient, hash))
                    if *patient == owner.id
                        && rows.first().is_some_and(|row| row.row_hash == *hash) =>
                {
                    Outcome::Unchanged
                }
                Some(_) => Outcome::Changed,
            };
            self.report.note(&record.origin, RecordKind::Fact, outcome);
            if matches!(outcome, Outcome::New | Outcome::Changed) {
                puts.extend(rows);
            }
        }
        if !self.mode.dry_run {
            facts::put(tx, source, &puts, self.now).await?;
            let gone: Vec<(&str, &str)> = gone
                .iter()
                .map(|(kind, key)| (kind.as_str(), key.as_str()))
                .collect();
            facts::remove(tx, source, &gone, self.now).await?;
        }
        Ok(())
    }
}

/// One row for each code; a statement without a code is one row as well.
fn fact_puts(record: &FactRecord, patient: &PatientId) -> Vec<FactPut> {
    let codes: Vec<(Option<&str>, Option<&str>)> = match record.codings.as_slice() {
        [] => vec![(None, None)],
        some => some
            .iter()
            .map(|coding| {
                (
                    Some(coding.code.reveal().as_str()),
                    coding.system.as_deref(),
                )
            })
            .collect(),
    };
    let on_day = record.on.map(|day| day.to_string());
    let at = record.at.map(jiff::Timestamp::as_millisecond);
    let attributes = serde_json::Value::Object(record.attributes.reveal().clone()).to_string();
    let row_hash = fingerprint(&(&codes, &on_day, at, &record.department, &attributes));
    codes
        .into_iter()
        .enumerate()
        .map(|(coding, (code, system))| FactPut {
            patient: patient.clone(),
            kind: record.kind.clone(),
            source_key: record.key.reveal().clone(),
            coding,
            code: code.map(str::to_owned),
            system: system.map(str::to_owned),
            on_day: on_day.clone(),
            at,
            department: record.department.clone(),
            attributes: attributes.clone(),
            row_hash: row_hash.clone(),
        })
        .collect()
}
