//! Departments and staff: records to rows.

use std::collections::HashMap;

use super::{Applier, fingerprint};
use crate::intake::IntakeError;
use crate::intake::record::{DepartmentRecord, Key, RecordKind, StaffRecord};
use crate::intake::report::Outcome;
use crate::model::id::StaffId;
use crate::store::Tx;
use crate::store::staff::{self, Department, StaffPut};

impl Applier<'_> {
    pub(super) async fn departments(
        &mut self,
        tx: &mut Tx,
        records: Vec<DepartmentRecord>,
    ) -> Result<(), IntakeError> {
        if records.is_empty() {
            return Ok(());
        }
        let known: HashMap<String, Department> = staff::departments(tx)
            .await?
            .into_iter()
            .map(|one| (one.id.clone(), one))
            .collect();
        let mut puts: HashMap<String, Department> = HashMap::new();
        for record in records {
            let known = puts.get(&record.id).or_else(|| known.get(&record.id));
            let same = known.is_some_and(|known| {
                known.name == record.name
                    && (record.public_name.is_none() || known.public_name == record.public_name)
            });
            let outcome = match known {
                None => Outcome::New,
                Some(_) if same => Outcome::Unchanged,
                Some(_) => Outcome::Changed,
            };
            self.report
                .note(&record.origin, RecordKind::Department, outcome);
            if !same {
                puts.insert(
                    record.id.clone(),
                    Department {
                        id: record.id,
                        name: record.name,
                        public_name: record.public_name,
                    },
                );
            }
        }
        if !self.mode.dry_run {
            staff::put_departments(tx, &puts.into_values().collect::<Vec<_>>(), self.now).await?;
        }
        Ok(())
    }

    pub(super) async fn staff(
        &mut self,
        tx: &mut Tx,
        source: &str,
        records: &[StaffRecord],
    ) -> Result<(), IntakeError> {
        let keys: Vec<&str> = records
            .iter()
            .map(|record| record.key.key.reveal().as_str())
            .collect();
        let known = staff::known(tx, source, &keys).await?;
        let mut puts = Vec::new();
        for record in records {
            let put = staff_put(record);
            let outcome = match known.get(&put.source_key) {
                None => Outcome::New,
                Some(hash) if *hash == put.row_hash => Outcome::Unchanged,
                Some(_) => Outcome::Changed,
            };
            self.report.note(&record.origin, RecordKind::Staff, outcome);
            if outcome != Outcome::Unchanged {
                puts.push(put);
            }
        }
        if !self.mode.dry_run {
            staff::put(tx, source, &puts, self.now).await?;
        }
        Ok(())
    }
}

fn staff_put(record: &StaffRecord) -> StaffPut {
    let name = record.name.reveal().clone();
    let phone = record.phone.as_ref().map(|phone| phone.reveal().clone());
    let email = record.email.as_ref().map(|email| email.reveal().clone());
    let away = record
        .absence
        .as_ref()
        .map(|absence| serde_json::to_string(&absence.away).expect("days are plain JSON"));
    // Told that nobody stands in, it says so; not told at all, it says nothing.
    let substitute = record.absence.as_ref().map(|absence| {
        let key = absence.substitute.as_ref();
        key.map(shared_key).unwrap_or_default()
    });
    let mut row_hash = fingerprint(&(
        &name,
        &record.department,
        &record.role,
        &phone,
        &email,
        record.active,
    ));
    if record.absence.is_some() {
        row_hash = fingerprint(&(&row_hash, &away, &substitute));
    }
    StaffPut {
        id: StaffId::generate(),
        source_key: record.key.key.reveal().clone(),
        name,
        department: record.department.clone(),
        role: record.role.clone(),
        phone,
        email,
        active: record.active,
        away,
        substitute,
        row_hash,
    }
}

/// `source/key`, as rows refer to staff of any source.
pub(super) fn shared_key(key: &Key) -> String {
    format!("{}/{}", key.source, key.key.reveal())
}
