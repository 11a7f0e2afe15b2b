//! Keeps messages from a provider that refuses our account: wrong password, no credit, a sender that is not ours.
//!
//! One message tries it now and then; the others wait, or go by another provider, and none burns its attempts.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::{SignedDuration, Timestamp};

/// The pauses double from the first to the second.
const PAUSE: (SignedDuration, SignedDuration) =
    (SignedDuration::from_secs(30), SignedDuration::from_mins(10));

/// What may be claimed for a provider now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leave {
    /// As much as fits.
    All,
    /// One message, to see whether it is over.
    One,
    /// Nothing before this moment.
    Not(Timestamp),
}

/// The breakers of all providers of this process.
#[derive(Clone, Debug, Default)]
pub struct Breakers(Arc<Mutex<BTreeMap<String, Open>>>);

#[derive(Clone, Copy, Debug)]
struct Open {
    until: Timestamp,
    pause: SignedDuration,
    /// Whether a message is out to see.
    is_trying: bool,
}

impl Breakers {
    /// What may be claimed for `provider` at `now`. Whoever takes `One` says what came of it.
    pub fn leave(&self, provider: &str, now: Timestamp) -> Leave {
        let mut all = self.lock();
        let Some(open) = all.get_mut(provider) else {
            return Leave::All;
        };
        if open.is_trying || open.until > now {
            // One that tries and ends otherwise (nothing to claim, no answer) must not keep it shut for good.
            return Leave::Not(open.until.max(now));
        }
        open.is_trying = true;
        open.until = later(now, open.pause);
        Leave::One
    }

    /// `provider` refused our account.
    pub fn refused(&self, provider: &str, now: Timestamp) {
        let mut all = self.lock();
        let pause = match all.get(provider) {
            // What was on its way together counts once.
            Some(open) if !open.is_trying => return,
            Some(open) => (open.pause * 2).min(PAUSE.1),
            None => PAUSE.0,
        };
        let open = Open {
            until: later(now, pause),
            pause,
            is_trying: false,
        };
        all.insert(provider.to_owned(), open);
    }

    /// `provider` took something, or refused it for another reason.
    pub fn well(&self, provider: &str) {
        self.lock().remove(provider);
    }

    /// The message that was to try came to nothing: another may.
    pub fn untried(&self, provider: &str) {
        if let Some(open) = self.lock().get_mut(provider)
            && open.is_trying
        {
            // The pause is over all the same.
            open.is_trying = false;
            open.until = Timestamp::MIN;
        }
    }

    /// Whether nothing should go to `provider` now: not while a pause lasts, and again when one may try.
    pub fn is_open(&self, provider: &str, now: Timestamp) -> bool {
        let all = self.lock();
        all.get(provider)
            .is_some_and(|open| !open.is_trying && open.until > now)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Open>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn later(now: Timestamp, wait: SignedDuration) -> Timestamp {
    now.checked_add(wait).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    #[test]
    fn one_tries_after_a_pause_that_doubles_and_then_all_may() {
        let breakers = Breakers::default();
        assert_eq!(breakers.leave("main", at(0)), Leave::All);
        for _ in 0..50 {
            breakers.refused("main", at(0));
        }
        assert_eq!(breakers.leave("main", at(29)), Leave::Not(at(30)));
        assert_eq!(breakers.leave("main", at(30)), Leave::One);
        assert!(matches!(breakers.leave("main", at(31)), Leave::Not(_)));
        breakers.refused("main", at(31));
        assert_eq!(breakers.leave("main", at(90)), Leave::Not(at(91)));
        assert!(breakers.is_open("main", at(90)) && !breakers.is_open("main", at(91)));
        assert_eq!(breakers.leave("main", at(91)), Leave::One);
        breakers.well("main");
        assert_eq!(breakers.leave("main", at(92)), Leave::All);
        assert_eq!(breakers.leave("other", at(0)), Leave::All);
    }

    #[test]
    fn who_tried_nothing_leaves_it_to_the_next() {
        let breakers = Breakers::default();
        breakers.refused("main", at(0));
        assert_eq!(breakers.leave("main", at(30)), Leave::One);
        breakers.untried("main");
        assert!(!breakers.is_open("main", at(31)));
        assert_eq!(breakers.leave("main", at(31)), Leave::One);
    }
}
