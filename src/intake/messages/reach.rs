//! Where a message can go: its channels in order, the address for each, and what stands against it.

use std::collections::HashMap;

use jiff::Timestamp;

use super::Intake;
use super::fields::Fault;
use super::request::MessageRequest;
use crate::gates::{self, Standing};
use crate::model::class::{Channel, ContactKind};
use crate::model::patient::{ContactStatus, Patient};
use crate::model::phone::address_hash;
use crate::model::private::Private;
use crate::model::reminder::SkipReason;
use crate::store::suppressions::{Suppression, SuppressionReason};

/// One channel of a message, with the address for it.
#[derive(Clone, Debug)]
pub(super) struct Target {
    pub(super) channel: Channel,
    pub(super) address: Private<String>,
    /// Why it must not be used.
    pub(super) barred: Option<SkipReason>,
}

/// What stands against addresses.
#[derive(Debug, Default)]
pub(super) struct Against {
    pub(super) standing: Vec<Suppression>,
    /// Addresses that no living patient holds, or that are wrong for everybody.
    pub(super) lost: HashMap<String, SkipReason>,
}

/// The channels of `request` that have an address; none at all when its patient cannot be reached.
pub(super) fn targets(
    intake: &Intake,
    against: &Against,
    request: &MessageRequest,
    patient: Option<&Patient>,
    now: Timestamp,
) -> Result<Vec<Target>, Fault> {
    let mut targets = Vec::new();
    for channel in channels(request, patient) {
        let Some(kind) = channel.contact_kind() else {
            continue;
        };
        match address(request, patient, kind) {
            Some(address) => {
                let barred = bars(intake, against, request, patient, channel, &address, now);
                targets.push(Target {
                    channel,
                    address,
                    barred,
                });
            }
            // The caller chose the channel and nobody else knows the address.
            None if patient.is_none() => {
                return Err(match kind {
                    ContactKind::Phone => Fault::missing("to.phone", "a phone number"),
                    ContactKind::Email => Fault::missing("to.email", "a mail address"),
                });
            }
            None => {}
        }
    }
    Ok(targets)
}

/// The channels asked for; else those of the addresses given; else what the patient prefers.
fn channels(request: &MessageRequest, patient: Option<&Patient>) -> Vec<Channel> {
    if !request.channels.is_empty() {
        return request.channels.clone();
    }
    let given = [
        (request.to.phone.is_some(), Channel::Sms),
        (request.to.email.is_some(), Channel::Email),
    ];
    let given: Vec<Channel> = given
        .into_iter()
        .filter(|(is_given, _)| *is_given)
        .map(|(_, channel)| channel)
        .collect();
    let preferred = patient.map_or(&[][..], |patient| &patient.prefer);
    match (given.is_empty(), preferred.is_empty()) {
        (false, _) => given,
        (true, false) => preferred.to_vec(),
        (true, true) => vec![Channel::Sms, Channel::Email],
    }
}

fn address(
    request: &MessageRequest,
    patient: Option<&Patient>,
    kind: ContactKind,
) -> Option<Private<String>> {
    let given = match kind {
        ContactKind::Phone => request.to.phone.as_ref().map(|phone| phone.to_private()),
        ContactKind::Email => request.to.email.clone(),
    };
    let own = || {
        let usable = patient?
            .contacts
            .iter()
            .filter(|contact| contact.kind == kind && contact.status == ContactStatus::Ok);
        usable
            .min_by_key(|contact| contact.rank)
            .map(|contact| contact.address.clone())
    };
    given.or_else(own)
}

fn bars(
    intake: &Intake,
    against: &Against,
    request: &MessageRequest,
    patient: Option<&Patient>,
    channel: Channel,
    address: &Private<String>,
    now: Timestamp,
) -> Option<SkipReason> {
    let hash = address_hash(&intake.desk.address_key, address.reveal());
    let standing: Vec<Standing> = against
        .standing
        .iter()
        .filter(|s| s.address_hash == hash)
        .map(|s| stands(s, patient.is_some()))
        .collect();
    if let Err(reason) = gates::enqueued(request.class, channel, patient, &standing, now) {
        return Some(reason);
    }
    if patient.is_none() {
        return against.lost.get(&hash).copied();
    }
    let is_bad = |contacts: &Patient| {
        contacts
            .contacts
            .iter()
            .any(|c| c.status != ContactStatus::Ok && c.address == *address)
    };
    patient
        .is_some_and(is_bad)
        .then_some(SkipReason::NoContactPoint)
}

/// A message that names no patient is bound by what stands against its address for any of them.
pub(super) fn stands(suppression: &Suppression, has_patient: bool) -> Standing {
    Standing {
        address_hash: suppression.address_hash.clone(),
        patient: suppression.patient.clone().filter(|_| has_patient),
        scope: suppression.scope,
        reason: match suppression.reason {
            SuppressionReason::Stop
            | SuppressionReason::Complaint
            | SuppressionReason::Import
            | SuppressionReason::Staff => SkipReason::OptedOut,
            SuppressionReason::WrongNumber => SkipReason::NoContactPoint,
            SuppressionReason::Deceased => SkipReason::Deceased,
        },
        since: suppression.created_at,
    }
}
