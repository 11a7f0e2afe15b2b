//! Facts: records to rows, one for each code.

use std::collections::{HashMap, HashSet};

use super::draft::FactDraft;
use super::patients::Told;
use super::{Applier, Fresh, Owner, Owners};
use crate::intake::IntakeError;
use crate::intake::record::{Origin, RecordKind};
use crate::intake::report::Outcome;
use crate::model::id::PatientId;
use crate::store::Tx;
use crate::store::facts::{self, FactPut};

type Rows<'r> = Vec<(&'r PatientId, &'r FactPut)>;

/// Whose facts are known, and the hashes of their records, by kind and key.
type Known = HashMap<(String, String), (PatientId, String)>;

impl Applier<'_> {
    /// Brings facts up to what is told: all facts of some patients, and such as are records of their own.
    pub(super) async fn facts(
        &mut self,
        tx: &mut Tx,
        source: &str,
        whole: &[Told<'_>],
        single: &[FactDraft],
        owners: &mut Owners,
    ) -> Result<(), IntakeError> {
        self.meet(tx, single.iter().map(|fact| &fact.patient), owners)
            .await?;
        let drafts = self.once(whole, single, owners);
        let known = self.known_facts(tx, source, whole, &drafts).await?;
        let (mut new, mut changed, mut gone): (Rows<'_>, Rows<'_>, Vec<_>) = Default::default();
        for (owner, fact) in &drafts {
            let known = known.get(&fact.name);
            if fact.gone {
                let outcome = known.map_or(Outcome::Unchanged, |_| Outcome::Removed);
                self.report.note(&fact.origin, RecordKind::Fact, outcome);
                gone.push((fact.name.0.as_str(), fact.name.1.as_str()));
                continue;
            }
            let Some(owner) = owner else {
                self.without_owner(&fact.origin, &fact.patient, RecordKind::Fact);
                continue;
            };
            let rows = fact.rows.iter().map(|row| (&owner.id, row));
            let outcome = match known {
                None => {
                    new.extend(rows);
                    Outcome::New
                }
                Some((patient, hash)) if *patient == owner.id && fact.hash() == *hash => {
                    Outcome::Unchanged
                }
                Some(_) => {
                    changed.extend(rows);
                    Outcome::Changed
                }
            };
            self.report.note(&fact.origin, RecordKind::Fact, outcome);
        }
        let left = self.left_out(whole, &drafts, &known);
        gone.extend(left.iter().map(|(kind, key)| (kind.as_str(), key.as_str())));
        if self.mode.dry_run {
            return Ok(());
        }
        // Of who is new nothing waits.
        if !self.fresh.is(self.fresh.patients, source) {
            for (patient, fact) in new.iter().chain(&changed) {
                self.clear(patient, |rule| rule.heeds(&fact.kind, fact.code.as_deref()));
            }
        }
        if facts::insert(tx, source, &new, self.now).await? {
            let patients = new.iter().map(|(patient, _)| (*patient).clone());
            self.changed.extend(patients);
        } else {
            // Another process knows some of them by now, or another patient had one of the keys.
            self.fresh = Fresh::default();
            changed.extend(new);
        }
        facts::put(tx, source, &changed, self.now).await?;
        if !gone.is_empty() {
            facts::remove(tx, source, &gone, self.now).await?;
        }
        Ok(())
    }

    /// Every fact once, with its owner; of several with one name the last one counts.
    fn once<'d>(
        &mut self,
        whole: &'d [Told<'_>],
        single: &'d [FactDraft],
        owners: &'d Owners,
    ) -> Vec<(Option<&'d Owner>, &'d FactDraft)> {
        let of_whole = whole
            .iter()
            .flat_map(|told| told.facts.iter().map(|fact| (told.owner.as_ref(), fact)));
        let of_single = single.iter().map(|fact| (owners.get(&fact.patient), fact));
        let mut list: Vec<(Option<&Owner>, &FactDraft)> = of_whole.chain(of_single).collect();
        let mut last: HashMap<&(String, String), usize> = HashMap::with_capacity(list.len());
        for (at, (_, fact)) in list.iter().enumerate() {
            if let Some(before) = last.insert(&fact.name, at) {
                let origin: &Origin = &list[before].1.origin;
                self.report
                    .note(origin, RecordKind::Fact, Outcome::Repeated);
            }
        }
        if last.len() < list.len() {
            let mut at = 0..;
            list.retain(|(_, fact)| at.next() == last.get(&fact.name).copied());
        }
        list
    }

    /// What is known of these facts, and all that is known of patients of whom all facts are told.
    async fn known_facts(
        &self,
        tx: &mut Tx,
        source: &str,
        whole: &[Told<'_>],
        drafts: &[(Option<&Owner>, &FactDraft)],
    ) -> Result<Known, IntakeError> {
        let whose = whole.iter().filter_map(|told| told.owner.as_ref());
        let whose = whose.filter(|owner| !owner.is_new);
        let whose: Vec<PatientId> = whose.map(|owner| owner.id.clone()).collect();
        let mut known = Known::new();
        for (patient, told) in facts::told(tx, source, &whose).await? {
            for (name, hash) in told {
                known.insert(name, (patient.clone(), hash));
            }
        }
        if self.fresh.is(self.fresh.facts, source) {
            return Ok(known);
        }
        let names = drafts.iter().map(|(_, fact)| &fact.name);
        let names = names.filter(|name| !known.contains_key(*name));
        let names: Vec<(&str, &str)> = names
            .map(|(kind, key)| (kind.as_str(), key.as_str()))
            .collect();
        if !names.is_empty() {
            let more = facts::known(tx, source, &names).await?;
            known.extend(more);
        }
        Ok(known)
    }

    /// The facts that patients had and that are not among all that is told of them now.
    fn left_out(
        &mut self,
        whole: &[Told<'_>],
        drafts: &[(Option<&Owner>, &FactDraft)],
        known: &Known,
    ) -> Vec<(String, String)> {
        let owners: HashMap<&PatientId, &Origin> = whole
            .iter()
            .filter_map(|told| Some((&told.owner.as_ref()?.id, told.origin)))
            .collect();
        if known.is_empty() || owners.is_empty() {
            return Vec::new();
        }
        // One that another patient is told to have now has moved.
        let told: HashSet<&(String, String)> = drafts.iter().map(|(_, fact)| &fact.name).collect();
        let mut left = Vec::new();
        for (name, (patient, _)) in known {
            if let Some(origin) = owners.get(patient).filter(|_| !told.contains(name)) {
                self.report.note(origin, RecordKind::Fact, Outcome::Removed);
                left.push(name.clone());
            }
        }
        left
    }
}
