//! Reads a member of staff from JSON, with errors that name the path.

use jiff::civil::Date;
use serde_json::Value;

use super::contacts::Contact;
use super::from_json::{named, said, staff_key, wrong};
use super::input::{AwayInput, StaffInput};
use super::record::{Absence, Origin, RecordUpdate, StaffRecord};
use super::{IntakeError, SiteInfo, located};
use crate::model::private::Private;
use crate::model::staff::Away;

/// Reads the body of `PUT /v1/staff/{source}/{key}`.
///
/// # Errors
/// Names the JSON path and what was expected there, never the value.
pub fn staff_from_json(
    source: &str,
    key: &str,
    body: &Value,
    site: &SiteInfo,
) -> Result<Vec<RecordUpdate>, IntakeError> {
    let input: StaffInput = located::read(body)?;
    let key = named(source, key)?;
    let name = said(Some(input.name.into_revealed()))
        .ok_or_else(|| wrong("name", "expected what they are called"))?;
    let phone = input.phone.map(|phone| {
        Contact::phone(phone.reveal(), &site.country)
            .map_err(|error| wrong("phone", error.to_string()))
    });
    let email = input.email.map(|email| {
        Contact::email(email.reveal()).map_err(|error| wrong("email", error.to_string()))
    });
    let substitute = said(input.substitute)
        .map(|text| staff_key(&key, &text, "substitute"))
        .transpose()?;
    let away = input.away.iter().enumerate().map(away);
    let absence = Absence {
        away: away.collect::<Result<_, _>>()?,
        substitute,
    };
    Ok(vec![RecordUpdate::Staff(Box::new(StaffRecord {
        origin: Origin::inlet("http"),
        key,
        name: Private::new(name),
        department: said(input.department),
        role: said(input.role),
        phone: phone.transpose()?.map(|contact| contact.address),
        email: email.transpose()?.map(|contact| contact.address),
        active: input.active != Some(false),
        absence: Some(absence),
    }))])
}

fn away((n, input): (usize, &AwayInput)) -> Result<Away, IntakeError> {
    let day = |text: &Option<String>, name: &str| {
        let read = text.as_deref().map(str::parse::<Date>).transpose();
        read.map_err(|_| {
            wrong(
                format!("away[{n}].{name}"),
                "expected a date such as 2026-07-24",
            )
        })
    };
    let away = Away {
        from: day(&input.from, "from")?,
        until: day(&input.until, "until")?,
    };
    if away.from.is_none() && away.until.is_none() {
        return Err(wrong(
            format!("away[{n}]"),
            "expected `from`, `until` or both",
        ));
    }
    if away.is_empty() {
        return Err(wrong(
            format!("away[{n}].until"),
            "expected a day that is not before `from`",
        ));
    }
    Ok(away)
}
