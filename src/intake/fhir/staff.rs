//! Practitioner with their role, and organizations that are departments.

use super::Context;
use super::person::{best_name, contacts};
use super::resource::{Organization, Practitioner, Telecom};
use crate::intake::import::Parsed;
use crate::intake::record::{DepartmentRecord, Key, Origin, RecordUpdate, StaffRecord};
use crate::intake::report::Fault;
use crate::model::class::ContactKind;
use crate::model::private::Private;

pub(super) fn practitioner(
    context: &Context,
    origin: &Origin,
    practitioner: &Practitioner,
) -> Result<Parsed, Fault> {
    let id = super::id_of(origin, practitioner.id.as_ref())?;
    let name = best_name(context, &practitioner.name)
        .ok_or_else(|| Fault::row(origin, "name".to_owned(), "expected a name"))?;
    let role = context.index.role(id, &practitioner.identifier);
    let mut parsed = Parsed::default();
    let mut reached = contacts(
        context,
        origin,
        "telecom",
        &practitioner.telecom,
        &mut parsed,
    );
    let by_role: Vec<Telecom> = role
        .telecom
        .into_iter()
        .map(|(system, value)| Telecom {
            system,
            value,
            ..Telecom::default()
        })
        .collect();
    reached.extend(contacts(
        context,
        origin,
        "PractitionerRole.telecom",
        &by_role,
        &mut parsed,
    ));
    let first = |kind: ContactKind| {
        reached
            .iter()
            .find(|contact| contact.kind == kind)
            .map(|contact| contact.address.clone())
    };
    parsed.update(RecordUpdate::Staff(Box::new(StaffRecord {
        origin: origin.clone(),
        key: Key::new(&context.source, id),
        name: Private::new(name.full),
        department: role.department,
        role: role.role,
        phone: first(ContactKind::Phone),
        email: first(ContactKind::Email),
        active: practitioner.active != Some(false),
        // FHIR tells availability as weekly hours, not as leave.
        absence: None,
    })));
    Ok(parsed)
}

pub(super) fn organization(origin: &Origin, organization: &Organization) -> Result<Parsed, Fault> {
    let Some(id) = super::index::department_id(organization) else {
        return Ok(Parsed::default().left_out("Organization: no department"));
    };
    if organization.active == Some(false) {
        return Ok(Parsed::default().left_out("Organization: not active"));
    }
    let name = organization
        .name
        .clone()
        .filter(|name| !name.trim().is_empty());
    let name = name.ok_or_else(|| {
        Fault::row(
            origin,
            "name".to_owned(),
            "expected the name of the department",
        )
    })?;
    let public_name = organization.alias.first().cloned();
    Ok(Parsed::of(RecordUpdate::Department(DepartmentRecord {
        origin: origin.clone(),
        id,
        name,
        public_name,
    })))
}
