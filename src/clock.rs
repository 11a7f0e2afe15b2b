//! The one source of now: the system's, or one set by hand.

use std::sync::{Arc, Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};

/// Tells what time it is. Asked once at the head of a pass or request; below that, now is an argument.
#[derive(Clone, Debug)]
pub enum Clock {
    /// The machine's clock.
    System,
    /// A clock that stands until it is set: for tests and for the demo's quick day.
    Hand(Arc<Mutex<Timestamp>>),
    /// A clock that runs as the machine's does, but is so far from it: for a demo that begins in the morning
    /// whenever it is started.
    Shifted(Arc<Mutex<SignedDuration>>),
}

impl Clock {
    /// A clock that stands at `now` until it is set.
    pub fn by_hand(now: Timestamp) -> Self {
        Self::Hand(Arc::new(Mutex::new(now)))
    }

    /// A clock that is at `now` and runs on from there.
    pub fn running_from(now: Timestamp) -> Self {
        let clock = Self::Shifted(Arc::new(Mutex::new(SignedDuration::ZERO)));
        clock.set(now);
        clock
    }

    /// The present moment, to the millisecond, as the database keeps it.
    pub fn now(&self) -> Timestamp {
        let now = match self {
            Self::System => machine(),
            Self::Hand(hand) => *hand.lock().unwrap_or_else(PoisonError::into_inner),
            Self::Shifted(shift) => {
                let shift = *shift.lock().unwrap_or_else(PoisonError::into_inner);
                machine().checked_add(shift).unwrap_or(Timestamp::MAX)
            }
        };
        Timestamp::from_millisecond(now.as_millisecond())
            .expect("a timestamp in milliseconds is a timestamp")
    }

    /// Sets a clock that is not the system's; one that runs goes on from there. The system's is left alone.
    pub fn set(&self, to: Timestamp) {
        match self {
            Self::System => {}
            Self::Hand(hand) => *hand.lock().unwrap_or_else(PoisonError::into_inner) = to,
            Self::Shifted(shift) => {
                *shift.lock().unwrap_or_else(PoisonError::into_inner) = to.duration_since(machine())
            }
        }
    }

    /// Moves a clock that is set by hand.
    pub fn advance(&self, by: SignedDuration) {
        let to = self.now().checked_add(by).unwrap_or(Timestamp::MAX);
        self.set(to);
    }

    /// Whether it is set by hand.
    pub const fn is_by_hand(&self) -> bool {
        matches!(self, Self::Hand(_))
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "this is the one place that asks the system"
)]
fn machine() -> Timestamp {
    Timestamp::now()
}

#[cfg(test)]
mod tests {
    use super::Clock;

    #[test]
    fn a_clock_that_runs_goes_on_from_where_it_is_set() {
        let morning = "2026-12-01T08:59:50+08:00".parse().unwrap();
        let clock = Clock::running_from(morning);
        let later = clock.now().duration_since(morning).as_secs();
        assert!((0..60).contains(&later), "{later}");
        clock.set("2026-12-02T09:00:00+08:00".parse().unwrap());
        assert!(clock.now() > morning);
    }
}
