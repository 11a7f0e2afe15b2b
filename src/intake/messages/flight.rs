//! Idempotency keys whose first request is being done at this moment.
//!
//! The promise that one key makes one message is the database's; this only tells a client that asks twice
//! at once to wait for its own answer.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

/// The keys that are on their way. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct InFlight(Arc<Mutex<HashSet<(String, String)>>>);

/// One key on its way; it lands when this is dropped.
#[derive(Debug)]
pub struct Flight {
    keys: InFlight,
    key: (String, String),
}

impl InFlight {
    /// Lets `key` of `source` take off, unless it is in the air.
    pub fn take_off(&self, source: &str, key: &str) -> Option<Flight> {
        let key = (source.to_owned(), key.to_owned());
        let is_new = self
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(key.clone());
        is_new.then(|| Flight {
            keys: self.clone(),
            key,
        })
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.keys
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&self.key);
    }
}

#[cfg(test)]
mod tests {
    use super::InFlight;

    #[test]
    fn a_key_is_in_the_air_once() {
        let keys = InFlight::default();
        let flight = keys.take_off("api:a", "k");
        assert!(flight.is_some() && keys.take_off("api:a", "k").is_none());
        assert!(keys.take_off("api:b", "k").is_some());
        drop(flight);
        assert!(keys.take_off("api:a", "k").is_some());
    }
}
