//! What other resources refer to: keys of patients, names of people and places, roles of staff.

use std::collections::HashMap;

use super::resource::{Any, HumanName, Identifier, Organization, PractitionerRole, Reference};
use crate::intake::located;

/// Gathered from a whole folder before anything else is read.
#[derive(Default)]
pub(super) struct Index {
    /// Id of a patient to their key, where the two differ.
    keys: HashMap<String, String>,
    /// `system|value` of a patient to their key.
    patients_by_identifier: HashMap<String, String>,
    /// `Practitioner/id` and `system|value` to a name.
    names: HashMap<String, String>,
    /// `system|value` of a practitioner to their id.
    practitioners: HashMap<String, String>,
    /// Practitioner, as roles refer to them, to their role.
    roles: HashMap<String, Role>,
    /// Organizations that are departments, by id and identifier, to their id.
    departments: HashMap<String, String>,
}

/// What a practitioner is, and where.
#[derive(Clone, Default)]
pub(super) struct Role {
    pub(super) department: Option<String>,
    pub(super) role: Option<String>,
    pub(super) telecom: Vec<(Option<String>, Option<String>)>,
}

impl Index {
    /// Takes in one resource; what cannot be read is told of when it is read as a record.
    pub(super) fn add(&mut self, value: &serde_json::Value, patient_identifier: Option<&str>) {
        let Ok(any) = located::read::<Any>(value) else {
            return;
        };
        let Some(id) = any.id.clone() else { return };
        match any.resource_type.as_str() {
            "Patient" => {
                let key = patient_key(&id, any.identifier.as_slice(), patient_identifier);
                for name in any.identifier.as_slice().iter().flat_map(spellings) {
                    self.patients_by_identifier.insert(name, key.clone());
                }
                if key != id {
                    self.keys.insert(id, key);
                }
            }
            "PractitionerRole" => self.add_role(value),
            kind => {
                if kind == "Practitioner" {
                    for name in any.identifier.as_slice().iter().flat_map(spellings) {
                        self.practitioners.insert(name, id.clone());
                    }
                }
                if let Some(name) = any.name.as_slice().iter().find_map(shown) {
                    for other in any.identifier.as_slice().iter().flat_map(spellings) {
                        self.names.insert(other, name.clone());
                    }
                    self.names.insert(format!("{kind}/{id}"), name);
                }
                if kind == "Organization" {
                    self.add_department(value, &any);
                }
            }
        }
    }

    fn add_department(&mut self, value: &serde_json::Value, any: &Any) {
        let Ok(organization) = located::read::<Organization>(value) else {
            return;
        };
        let Some(id) = department_id(&organization) else {
            return;
        };
        for name in any
            .identifier
            .as_slice()
            .iter()
            .flat_map(spellings)
            .chain([format!("Organization/{id}")])
        {
            self.departments.insert(name, id.clone());
        }
    }

    fn add_role(&mut self, value: &serde_json::Value) {
        let Ok(role) = located::read::<PractitionerRole>(value) else {
            return;
        };
        if role.active == Some(false) {
            return;
        }
        for name in targets(&role.practitioner, "Practitioner") {
            let words = role
                .code
                .iter()
                .chain(&role.specialty)
                .find_map(|concept| concept.words());
            self.roles.insert(
                name,
                Role {
                    department: targets(&role.organization, "Organization")
                        .into_iter()
                        .chain(
                            role.healthcare_service
                                .iter()
                                .flat_map(|service| targets(service, "HealthcareService")),
                        )
                        .next(),
                    role: words.map(str::to_owned),
                    telecom: role
                        .telecom
                        .iter()
                        .map(|telecom| (telecom.system.clone(), telecom.value.clone()))
                        .collect(),
                },
            );
        }
    }

    /// The key of the patient that a reference names.
    pub(super) fn patient(&self, reference: &Reference) -> Option<String> {
        targets(reference, "Patient")
            .into_iter()
            .find_map(|target| match target.strip_prefix("Patient/") {
                Some(id) => Some(self.keys.get(id).cloned().unwrap_or_else(|| id.to_owned())),
                None => self.patients_by_identifier.get(&target).cloned(),
            })
    }

    /// The id of the practitioner that a reference names.
    pub(super) fn practitioner(&self, reference: &Reference) -> Option<String> {
        targets(reference, "Practitioner")
            .into_iter()
            .find_map(|target| match target.strip_prefix("Practitioner/") {
                Some(id) => Some(id.to_owned()),
                None => self.practitioners.get(&target).cloned(),
            })
    }

    /// How a person or place that a reference names is called.
    pub(super) fn name(&self, reference: &Reference, kind: &str) -> Option<String> {
        let display = reference
            .display
            .as_deref()
            .map(str::trim)
            .filter(|text| !text.is_empty())
            .map(str::to_owned);
        display.or_else(|| {
            targets(reference, kind)
                .iter()
                .find_map(|target| self.names.get(target).cloned())
        })
    }

    /// What a practitioner is, by id or identifier. The department is one only where it is known as such.
    pub(super) fn role(&self, id: &str, identifiers: &[Identifier]) -> Role {
        let names = std::iter::once(format!("Practitioner/{id}"))
            .chain(identifiers.iter().flat_map(spellings));
        let mut role = names
            .into_iter()
            .find_map(|name| self.roles.get(&name).cloned())
            .unwrap_or_default();
        role.department = role
            .department
            .and_then(|name| self.departments.get(&name).cloned());
        role
    }
}

/// The patient's key: the identifier of the configured system, else the id of the resource.
pub(super) fn patient_key(id: &str, identifiers: &[Identifier], system: Option<&str>) -> String {
    let of_system =
        |identifier: &&Identifier| system.is_some() && identifier.system.as_deref() == system;
    let found = identifiers
        .iter()
        .find(of_system)
        .and_then(|identifier| identifier.value.as_deref());
    found
        .map(str::trim)
        .filter(|value| !value.is_empty())
        .unwrap_or(id)
        .to_owned()
}

/// The id of an organization that is a department.
pub(super) fn department_id(organization: &Organization) -> Option<String> {
    let is_department = organization
        .r#type
        .iter()
        .any(|concept| concept.has_code(&["dept"]));
    organization.id.clone().filter(|_| is_department)
}

/// All that a reference of R4 may point to: `Kind/id`, an absolute URL, `urn:uuid:`, `Kind?identifier=system|value`, or
/// an identifier alone.
fn targets(reference: &Reference, kind: &str) -> Vec<String> {
    let mut all = Vec::new();
    if let Some(text) = reference.reference.as_deref() {
        if let Some(id) = text
            .strip_prefix("urn:uuid:")
            .or_else(|| text.strip_prefix("urn:oid:"))
        {
            all.push(format!("{kind}/{id}"));
        } else if let Some((before, query)) = text.split_once('?') {
            let value = query
                .split('&')
                .find_map(|part| part.strip_prefix("identifier="));
            if let Some(value) = value.filter(|_| before.ends_with(kind)) {
                all.push(
                    value
                        .replace("%7C", "|")
                        .replace("%3A", ":")
                        .replace("%2F", "/"),
                );
            }
        } else {
            let mut parts = text.split('/').skip_while(|part| *part != kind).skip(1);
            if let Some(id) = parts.next().filter(|id| !id.is_empty()) {
                all.push(format!("{kind}/{id}"));
            }
        }
    }
    all.extend(reference.identifier.iter().flat_map(spellings));
    all
}

/// An identifier as `system|value`, and as its value alone where no system is told.
fn spellings(identifier: &Identifier) -> Option<String> {
    let value = identifier.value.as_deref()?.trim();
    Some(format!(
        "{}|{value}",
        identifier.system.as_deref().unwrap_or_default()
    ))
}

fn shown(name: &serde_json::Value) -> Option<String> {
    if let Some(text) = name.as_str() {
        return Some(text.to_owned());
    }
    let name: HumanName = located::read(name).ok()?;
    super::person::person_name(&name).map(|name| name.full)
}
