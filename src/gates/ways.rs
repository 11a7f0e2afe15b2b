//! Which channels and addresses of a recipient are open.

use super::{Case, Open, Standing, covers};
use crate::model::class::{Channel, Class, Role};
use crate::model::patient::{ContactPoint, ContactStatus, OptOut};
use crate::model::phone::address_hash;
use crate::model::reminder::SkipReason;

/// Which of its channels can be used, each with an address.
pub(super) fn ways<'a>(case: &Case<'a>) -> Result<Vec<Open<'a>>, SkipReason> {
    if case.role == Role::Staff {
        return Ok(Vec::new());
    }
    if let Some(address) = case.answer_to {
        let channel = *case.channels.first().ok_or(SkipReason::NoContactPoint)?;
        refused(case, address, channel)?;
        return Ok(vec![Open { channel, address }]);
    }
    let (contacts, refusals): (&[ContactPoint], &[OptOut]) =
        match (case.role, case.relation, case.patient) {
            (Role::Family, Some(relation), _) => (&relation.contacts, &relation.opt_outs),
            (Role::Patient, _, Some(patient)) => (&patient.contacts, &patient.opt_outs),
            (Role::Family | Role::Patient | Role::Staff, _, _) => (&[], &[]),
        };
    let mut open = Vec::new();
    let mut why = SkipReason::NoContactPoint;
    for channel in case.channels {
        let usable = contacts
            .iter()
            .filter(|c| Some(c.kind) == channel.contact_kind() && c.status == ContactStatus::Ok);
        for contact in usable {
            let own = refusals
                .iter()
                .any(|refusal| covers(*refusal, case.class, *channel));
            let verdict = if own {
                Err(SkipReason::OptedOut)
            } else {
                refused(case, contact.address.reveal(), *channel)
            };
            match verdict {
                Ok(()) => {
                    open.push(Open {
                        channel: *channel,
                        address: contact.address.reveal(),
                    });
                    break;
                }
                Err(SkipReason::OptedOut) => why = SkipReason::OptedOut,
                Err(_) => {}
            }
        }
    }
    if open.is_empty() { Err(why) } else { Ok(open) }
}

/// What stands against an address. An answer passes the suppression that was made with it: it confirms that one.
fn refused(case: &Case<'_>, address: &str, channel: Channel) -> Result<(), SkipReason> {
    if case.suppressions.is_empty() {
        return Ok(());
    }
    let hash = address_hash(case.address_key, address);
    let patient = case.patient.map(|patient| &patient.id);
    let confirms = |s: &Standing| case.class == Class::Reply && s.since == case.planned_at;
    match case
        .suppressions
        .iter()
        .find(|s| s.binds(&hash, case.class, channel, patient) && !confirms(s))
    {
        Some(standing) => Err(standing.reason),
        None => Ok(()),
    }
}
