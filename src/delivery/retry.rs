//! How long to wait before the next try (ARCHITECTURE.md, "Retries, failover, limits"): steps by class, ±20 % so that nothing comes in step.

use jiff::SignedDuration;

use crate::model::class::{Class, Lane};
use crate::model::id::AttemptId;

const URGENT: [i64; 5] = [5, 15, 45, 120, 300];
const NORMAL: [i64; 6] = [30, 120, 300, 900, 1800, 3600];

/// The wait after refusal number `refused` (0 for the first), or `None` when no try is left.
pub(crate) fn after(class: Class, refused: i64, attempt: &AttemptId) -> Option<SignedDuration> {
    let steps: &[i64] = if class.lane() == Lane::Urgent {
        &URGENT
    } else {
        &NORMAL
    };
    let step = steps.get(usize::try_from(refused).ok()?)?;
    Some(spread(SignedDuration::from_secs(*step), attempt))
}

/// The wait after a try in which nothing left the house: it costs no try.
pub(crate) fn after_not_sent(attempt: &AttemptId) -> SignedDuration {
    spread(SignedDuration::from_secs(2), attempt)
}

/// The wait when our account is at fault.
pub(crate) fn after_account_fault(attempt: &AttemptId) -> SignedDuration {
    spread(SignedDuration::from_secs(60), attempt)
}

/// The attempt's id ends in random digits: they spread as well as a die.
fn spread(wait: SignedDuration, attempt: &AttemptId) -> SignedDuration {
    let text = attempt.as_str();
    let tail = text
        .get(text.len().saturating_sub(4)..)
        .and_then(|t| u16::from_str_radix(t, 16).ok())
        .unwrap_or(0x8000);
    let percent = 80 + i64::from(tail) * 40 / 65_535;
    SignedDuration::from_millis(
        i64::try_from(wait.as_millis()).unwrap_or(i64::MAX / 200) * percent / 100,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_within_a_fifth_and_end() {
        let attempt = AttemptId::generate();
        for (n, step) in NORMAL.iter().enumerate() {
            let wait = after(
                Class::Appointment,
                i64::try_from(n).expect("small"),
                &attempt,
            )
            .expect("a step")
            .as_millis();
            let step = i128::from(*step) * 1000;
            assert!(
                wait >= step * 80 / 100 && wait <= step * 120 / 100,
                "{wait} at {step}"
            );
        }
        assert_eq!(after(Class::Appointment, 6, &attempt), None);
        assert_eq!(after(Class::Urgent, 5, &attempt), None);
    }
}
