//! Patients with everything that decides about their reminders, loaded in sets.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use jiff::{SignedDuration, Timestamp};

use crate::gates::Standing;
use crate::model::id::{ContactPointId, OccasionId, PatientId};
use crate::model::occasion::Occasion;
use crate::model::patient::{ContactPoint, ContactStatus, Fact, OptOut, Patient, PersonName};
use crate::model::phone::address_hash;
use crate::model::private::Private;
use crate::model::reminder::SkipReason;
use crate::planning::own::settings;
use crate::rules::condition::Condition;
use crate::rules::lead::Lead;
use crate::rules::overrides::Override;
use crate::rules::rule::Rule;
use crate::rules::trigger::Trigger;
use crate::store::reminders::{self, Reminder};
use crate::store::suppressions::{self, Suppression, SuppressionReason};
use crate::store::{StoreError, Tx, facts, occasions, overrides, patients};

/// How far back the planner looks for what it did.
const LOOK_BACK: SignedDuration = SignedDuration::from_hours(24 * 400);

/// One patient with everything that planning looks at.
#[derive(Clone, Debug)]
pub struct Subject {
    /// Who; what stands against an address shows in its contact points and refusals.
    pub patient: Patient,
    /// Diagnoses and other dated facts.
    pub facts: Vec<Fact>,
    /// Bookings and other occasions.
    pub occasions: Vec<Occasion>,
    /// What is planned and what became of it, but for what was superseded.
    pub reminders: Vec<Reminder>,
    /// The patient's own settings, which win over rules.
    pub overrides: Vec<Override>,
}

/// What planning has to look at; what nothing asks for is not loaded.
#[derive(Clone, Debug, Default)]
pub struct Needs<'a> {
    /// Facts of these kinds; `None` for all.
    facts: Option<Vec<&'a str>>,
    /// Occasions of these kinds; `None` for all.
    occasions: Option<Vec<&'a str>>,
    /// Earlier reminders of this rule; `None` for those of all rules.
    rule: Option<&'a str>,
}

impl<'a> Needs<'a> {
    /// Everything, whatever the rules.
    pub fn all() -> Self {
        Self::default()
    }

    /// What `rule` can look at.
    pub fn of(rule: &'a Rule) -> Self {
        let mut facts = Vec::new();
        let audience = &rule.audience;
        let asks = |condition: &Condition| condition.source().contains("diagnoses");
        if !audience.diagnosis.is_empty() || audience.condition.as_ref().is_some_and(asks) {
            facts.push("diagnosis");
        }
        facts.extend(rule.stop.as_ref().map(|stop| stop.fact.as_str()));
        let mut occasions = Vec::new();
        if let Trigger::Occasion { kind, .. } = &rule.trigger {
            occasions.push(kind.as_str());
            if follows(rule) {
                facts.push(kind);
            }
        }
        Self {
            facts: Some(facts),
            occasions: Some(occasions),
            rule: Some(&rule.id),
        }
    }
}

impl Needs<'_> {
    /// The kinds of facts; `None` for all.
    pub(crate) fn facts(&self) -> Option<&[&str]> {
        self.facts.as_deref()
    }
}

impl Subject {
    /// Nobody in particular, of whom nothing is known.
    pub(crate) fn nobody() -> Self {
        Self {
            patient: Patient {
                id: PatientId::generate(),
                source: String::new(),
                source_key: Private::new(String::new()),
                name: Private::new(PersonName::default()),
                sex: None,
                birth_on: None,
                lunar_birthday: None,
                language: None,
                deceased: false,
                special: false,
                held: false,
                tags: Vec::new(),
                prefer: Vec::new(),
                attributes: Private::new(serde_json::Map::new()),
                contacts: Vec::new(),
                family: Vec::new(),
                opt_outs: Vec::new(),
                consents: Vec::new(),
            },
            facts: Vec::new(),
            occasions: Vec::new(),
            reminders: Vec::new(),
            overrides: Vec::new(),
        }
    }
}

/// Whether `rule` has steps after its occasions, which facts of that kind start as well.
pub fn follows(rule: &Rule) -> bool {
    let mut leads = rule.steps.iter().flat_map(|step| &step.leads);
    leads.any(|lead| matches!(lead, Lead::After(_)))
}

/// These patients with what is needed; those that are gone are left out.
///
/// # Errors
/// When the database fails.
pub async fn load(
    tx: &mut Tx,
    ids: &[PatientId],
    needs: &Needs<'_>,
    now: Timestamp,
) -> Result<Vec<Subject>, StoreError> {
    let facts = facts::of_kinds(tx, ids, needs.facts.as_deref()).await?;
    let occasions = occasions::of_kinds(tx, ids, needs.occasions.as_deref()).await?;
    let reminders = reminders::of_rule(tx, ids, now - LOOK_BACK, needs.rule).await?;
    gather(tx, ids, facts, occasions, reminders).await
}

/// The patients of these occasions, each with these occasions alone and what hangs on them; of those that are
/// gone there is none.
///
/// # Errors
/// When the database fails.
pub async fn load_occasions(
    tx: &mut Tx,
    ids: &[OccasionId],
    rules: &[&Rule],
) -> Result<Vec<Subject>, StoreError> {
    let occasions = occasions::changed(tx, ids).await?;
    let patients: Vec<PatientId> = occasions.keys().cloned().collect();
    let kinds: BTreeSet<&str> = rules
        .iter()
        .flat_map(|rule| Needs::of(rule).facts.unwrap_or_default())
        .collect();
    let kinds: Vec<&str> = kinds.into_iter().collect();
    let facts = facts::of_kinds(tx, &patients, Some(&kinds)).await?;
    let reminders = reminders::of_occasions(tx, ids).await?;
    gather(tx, &patients, facts, occasions, reminders).await
}

async fn gather(
    tx: &mut Tx,
    ids: &[PatientId],
    mut facts: HashMap<PatientId, Vec<Fact>>,
    mut occasions: HashMap<PatientId, Vec<Occasion>>,
    mut reminders: BTreeMap<PatientId, Vec<Reminder>>,
) -> Result<Vec<Subject>, StoreError> {
    let (found, binding) = patients::load_bound(tx, ids).await?;
    let mut own = overrides::of(tx, ids).await?;
    Ok(found
        .into_iter()
        .map(|mut patient| {
            fold(&mut patient, &binding);
            Subject {
                facts: facts.remove(&patient.id).unwrap_or_default(),
                occasions: occasions.remove(&patient.id).unwrap_or_default(),
                reminders: reminders.remove(&patient.id).unwrap_or_default(),
                overrides: settings(own.remove(&patient.id).unwrap_or_default()),
                patient,
            }
        })
        .collect())
}

/// What stands against any address of these patients and their families.
///
/// # Errors
/// When the database fails.
pub async fn standing(
    tx: &mut Tx,
    patients: &[Patient],
    address_key: &[u8],
) -> Result<Vec<Standing>, StoreError> {
    let contacts = patients.iter().flat_map(|p| {
        p.contacts
            .iter()
            .chain(p.family.iter().flat_map(|relation| &relation.contacts))
    });
    let hashes: Vec<String> = contacts
        .map(|contact| address_hash(address_key, contact.address.reveal()))
        .collect();
    Ok(suppressions::standing(tx, &hashes)
        .await?
        .into_iter()
        .map(standing_of)
        .collect())
}

/// A stored suppression as the gates see it.
pub fn standing_of(suppression: Suppression) -> Standing {
    let reason = match suppression.reason {
        SuppressionReason::Stop
        | SuppressionReason::Complaint
        | SuppressionReason::Import
        | SuppressionReason::Staff => SkipReason::OptedOut,
        SuppressionReason::WrongNumber => SkipReason::NoContactPoint,
        SuppressionReason::Deceased => SkipReason::Deceased,
    };
    Standing {
        address_hash: suppression.address_hash,
        patient: suppression.patient,
        scope: suppression.scope,
        reason,
        since: suppression.created_at,
    }
}

/// Shows what stands against addresses where rules look: in the contact points and refusals.
fn fold(patient: &mut Patient, binding: &HashMap<ContactPointId, Vec<OptOut>>) {
    if binding.is_empty() {
        return;
    }
    fold_contacts(&mut patient.contacts, &mut patient.opt_outs, binding);
    for relation in &mut patient.family {
        fold_contacts(&mut relation.contacts, &mut relation.opt_outs, binding);
    }
}

/// An address that is not to be used at all is no contact point; a class or channel refused on the only
/// address it could take is refused.
fn fold_contacts(
    contacts: &mut [ContactPoint],
    refusals: &mut Vec<OptOut>,
    binding: &HashMap<ContactPointId, Vec<OptOut>>,
) {
    for contact in contacts {
        for scope in binding.get(&contact.id).into_iter().flatten() {
            match scope {
                OptOut::All => contact.status = ContactStatus::Invalid,
                OptOut::Class(_) | OptOut::Channel(_) if !refusals.contains(scope) => {
                    refusals.push(*scope)
                }
                OptOut::Class(_) | OptOut::Channel(_) => {}
            }
        }
    }
}
