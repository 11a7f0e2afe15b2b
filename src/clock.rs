//! The one source of now: the system's, or one set by hand.

use std::sync::{Arc, Mutex};

use jiff::{SignedDuration, Timestamp};

/// Tells what time it is. Asked once at the head of a pass or request; below that, now is an argument.
#[derive(Clone, Debug)]
pub enum Clock {
    /// The machine's clock.
    System,
    /// A clock that stands until it is set: for tests and for the demo's quick day.
    Hand(Arc<Mutex<Timestamp>>),
}

impl Clock {
    /// A clock that stands at `now` until it is set.
    pub fn by_hand(now: Timestamp) -> Self {
        Self::Hand(Arc::new(Mutex::new(now)))
    }

    /// The present moment, to the millisecond, as the database keeps it.
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the one place that asks the system"
    )]
    pub fn now(&self) -> Timestamp {
        let now = match self {
            Self::System => Timestamp::now(),
            Self::Hand(hand) => *hand
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner),
        };
        Timestamp::from_millisecond(now.as_millisecond())
            .expect("a timestamp in milliseconds is a timestamp")
    }

    /// Sets a clock that is set by hand; the system's clock is left alone.
    pub fn set(&self, to: Timestamp) {
        if let Self::Hand(hand) = self {
            *hand
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner) = to;
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
