//! Whether a reminder is still true and still of use.

use jiff::Timestamp;

use super::Case;
use crate::model::class::{Class, Role};
use crate::model::message::Ask;
use crate::model::occasion::{Confirmation, Occasion, OccasionStatus};
use crate::model::reminder::{SkipReason, Unless};

/// Is it still true and still of use?
pub(super) fn useful(case: &Case<'_>, now: Timestamp) -> Result<(), SkipReason> {
    if let Some((occasion, epoch)) = case.occasion {
        let occasion = occasion.ok_or(SkipReason::Superseded)?;
        // An answer speaks of what was asked, whatever became of it since.
        if case.class != Class::Reply {
            stands(occasion, epoch, case)?;
        }
    }
    if now > case.expires_at {
        return Err(SkipReason::TooLate);
    }
    if let Some(reason) = case.earlier.cleared {
        return Err(reason);
    }
    if !case.earlier.is_told {
        return Err(SkipReason::NotTold);
    }
    let occasion = case.occasion.and_then(|(occasion, _)| occasion);
    match case.unless {
        Some(Unless::Delivered) if case.earlier.is_delivered => Err(SkipReason::AlreadyDelivered),
        Some(Unless::Answered) if is_answered(case, occasion) => Err(SkipReason::AlreadyAnswered),
        Some(Unless::Confirmed) if is_confirmed(case, occasion) => Err(SkipReason::AlreadyAnswered),
        Some(Unless::Delivered | Unless::Answered | Unless::Confirmed) | None => Ok(()),
    }
}

/// A booking keeps its answer itself; a survey, and what hangs on no booking, is answered by its question.
fn is_answered(case: &Case<'_>, occasion: Option<&Occasion>) -> bool {
    let of_question = case.earlier.is_answered;
    let of_booking = occasion.map(|occasion| occasion.confirmation.is_answered());
    match case.ask {
        Some(Ask::Survey | Ask::Choice | Ask::WhichToCancel | Ask::WhichToMove) => of_question,
        Some(Ask::Confirm | Ask::Rsvp) => of_booking.unwrap_or(of_question),
        None => of_booking.unwrap_or(false) || of_question,
    }
}

fn is_confirmed(case: &Case<'_>, occasion: Option<&Occasion>) -> bool {
    occasion.map_or(case.earlier.is_confirmed, |occasion| {
        occasion.confirmation == Confirmation::Confirmed
    })
}

fn stands(occasion: &Occasion, epoch: i64, case: &Case<'_>) -> Result<(), SkipReason> {
    match occasion.status {
        OccasionStatus::Cancelled => return Err(SkipReason::Cancelled),
        OccasionStatus::Booked
        | OccasionStatus::Arrived
        | OccasionStatus::Fulfilled
        | OccasionStatus::NoShow => {}
    }
    if occasion.epoch != epoch {
        return Err(SkipReason::Superseded);
    }
    if case.role != Role::Staff && occasion.confirmation == Confirmation::Declined {
        return Err(SkipReason::Declined);
    }
    Ok(())
}
