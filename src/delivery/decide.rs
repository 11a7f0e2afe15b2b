//! What an outcome means for the message (ARCHITECTURE.md, "The life of a message", T12 to T16, T30). Pure.

use jiff::{SignedDuration, Timestamp};

use super::{Settings, retry};
use crate::channels::{Accepted, ErrorClass, PartAccepted, SendError};
use crate::model::class::Lane;
use crate::model::message::{AttemptPhase, MessageState};
use crate::model::phone::address_hash;
use crate::store::dispatch::Prepared;
use crate::store::messages::Desk;
use crate::store::settle::{Next, Settlement, Switch};

/// The settlement of `result`.
pub(crate) fn settlement(
    one: &Prepared,
    result: &Result<Accepted, SendError>,
    settings: &Settings,
    desk: &Desk,
    now: Timestamp,
) -> Settlement {
    match result {
        Ok(accepted) => taken(one, accepted, settings, now),
        Err(SendError::NotSent { reason }) => not_sent(one, reason, desk, now),
        Err(SendError::Unknown { parts }) => {
            let until = later(now, settings.wait(one.class));
            base(
                one,
                AttemptPhase::Unknown,
                MessageState::Uncertain,
                Next::Deadline(until),
                parts,
            )
        }
        Err(SendError::Rejected { code, class, parts }) => {
            let settled = refused(one, code, *class, parts, desk, now);
            Settlement {
                error: Some(code.clone()),
                ..settled
            }
        }
    }
}

fn taken(one: &Prepared, accepted: &Accepted, settings: &Settings, now: Timestamp) -> Settlement {
    let (state, next) = if accepted.receipt_expected {
        (
            MessageState::Submitted,
            Next::Deadline(later(now, settings.receipt_timeout)),
        )
    } else {
        (MessageState::Sent, Next::Nothing)
    };
    base(one, AttemptPhase::Accepted, state, next, &accepted.parts)
}

fn not_sent(one: &Prepared, reason: &str, desk: &Desk, now: Timestamp) -> Settlement {
    // Others wait for the bind to come back, or for the provider to count as down.
    let is_urgent = one.class.lane() == Lane::Urgent;
    let reroute = if is_urgent && reason != "encoding" {
        elsewhere(one, &[], desk)
    } else {
        None
    };
    let wait = match reroute {
        Some(_) => SignedDuration::ZERO,
        None => retry::after_not_sent(&one.attempt),
    };
    let next = Next::Send(later(now, wait));
    let settled = base(one, AttemptPhase::NotSent, MessageState::Queued, next, &[]);
    Settlement {
        error: Some(reason.to_owned()),
        reroute,
        ..settled
    }
}

/// Another provider for the next try. Never after a try that nobody knows the fate of, nor when the network holds a
/// part of the text: the first would make two of one, the second halves that no handset puts together.
fn elsewhere(one: &Prepared, parts: &[PartAccepted], desk: &Desk) -> Option<String> {
    if one.unknown_before || !parts.is_empty() || !one.parts_done.is_empty() {
        return None;
    }
    let channel = one.channels.get(one.channel_index)?;
    let address = one.addresses.get(channel.as_str())?.reveal();
    let other = desk.routes.other(*channel, address, &one.provider)?;
    Some(other.to_owned())
}

fn refused(
    one: &Prepared,
    code: &str,
    class: ErrorClass,
    parts: &[PartAccepted],
    desk: &Desk,
    now: Timestamp,
) -> Settlement {
    let again = |wait, counts| Settlement {
        counts,
        ..base(
            one,
            AttemptPhase::Rejected,
            MessageState::Queued,
            Next::Send(later(now, wait)),
            parts,
        )
    };
    match class {
        ErrorClass::Throttle => again(
            retry::after(one.class, 0, &one.attempt).unwrap_or(retry::after_not_sent(&one.attempt)),
            false,
        ),
        ErrorClass::PermanentAccount => match elsewhere(one, parts, desk) {
            // Not at once: where all refuse us it must not run in a circle.
            Some(other) => Settlement {
                reroute: Some(other),
                ..again(retry::after_not_sent(&one.attempt), false)
            },
            None => again(retry::after_account_fault(&one.attempt), false),
        },
        ErrorClass::Temporary => match retry::after(one.class, one.attempts, &one.attempt) {
            // Once refused it may be the hour, twice it is the way.
            Some(wait) => Settlement {
                reroute: elsewhere(one, parts, desk).filter(|_| one.attempts > 0),
                ..again(wait, true)
            },
            None => over(one, code, parts, desk, now),
        },
        ErrorClass::PermanentRecipient | ErrorClass::PermanentContent => {
            over(one, code, parts, desk, now)
        }
    }
}

/// No try is left on this channel: the next one, or the end.
fn over(
    one: &Prepared,
    code: &str,
    parts: &[PartAccepted],
    desk: &Desk,
    now: Timestamp,
) -> Settlement {
    let next_way = if one.expires_at > now {
        next_way(one, desk)
    } else {
        None
    };
    if let Some(switch) = next_way {
        let settled = base(
            one,
            AttemptPhase::Rejected,
            MessageState::Queued,
            Next::Send(now),
            parts,
        );
        return Settlement {
            counts: true,
            switch: Some(switch),
            ..settled
        };
    }
    // `failed` claims that nothing went out: an attempt that is still unknown, or a part that was taken, forbids it.
    let state = if one.unknown_before || !parts.is_empty() {
        MessageState::Unconfirmed
    } else {
        MessageState::Failed
    };
    let settled = base(one, AttemptPhase::Rejected, state, Next::Nothing, parts);
    Settlement {
        counts: true,
        reason: Some(format!("provider_reject:{code}")),
        ..settled
    }
}

fn next_way(one: &Prepared, desk: &Desk) -> Option<Switch> {
    one.channels
        .iter()
        .enumerate()
        .skip(one.channel_index + 1)
        .find_map(|(index, channel)| {
            let address = one.addresses.get(channel.as_str())?.reveal();
            let segments = *one.segments.get(channel.as_str())?;
            let provider = desk.routes.pick(*channel, address)?.to_owned();
            Some(Switch {
                index,
                channel: *channel,
                provider,
                address_hash: address_hash(&desk.address_key, address),
                segments,
            })
        })
}

fn base(
    one: &Prepared,
    phase: AttemptPhase,
    state: MessageState,
    next: Next,
    parts: &[PartAccepted],
) -> Settlement {
    Settlement {
        attempt: one.attempt.clone(),
        message: one.message.clone(),
        fence: one.fence,
        provider: one.provider.clone(),
        phase,
        error: None,
        parts: parts
            .iter()
            .map(|part| (part.part, part.provider_id.clone()))
            .collect(),
        state,
        reason: None,
        next,
        counts: false,
        switch: None,
        reroute: None,
        reference: one.reference.clone(),
    }
}

fn later(now: Timestamp, wait: jiff::SignedDuration) -> Timestamp {
    now.checked_add(wait).unwrap_or(Timestamp::MAX)
}
