//! Tells a text that the network repeats from one that a patient wrote again.
//!
//! A phone's text has no id in SMPP, and "1" is a common answer: two of them may be one text that was offered twice,
//! or the answers to two questions. To drop the second question's answer is the worse fault. So a text counts as a
//! repetition only where the network had cause to repeat: its first copy is not answered yet, was answered so late
//! that the carrier may have given up, or went by a connection that broke right after.
//!
//! The key names the hour too, so that a copy which comes after a crash between storing and answering has the key of
//! the first.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::time::Duration;

use sha2::{Digest, Sha256};
use tokio::time::Instant;

/// An answer later than this may have come too late for the carrier.
const PROMPT: Duration = Duration::from_secs(5);
/// A connection that lived this long after the answer has carried it.
const CARRIED: Duration = Duration::from_secs(10);
/// A carrier offers a text again within this time.
const OFFERED_AGAIN: Duration = Duration::from_secs(60 * 60);
/// So many texts are remembered before old ones are looked for.
const SWEEP_AT: usize = 4096;

/// One text that came.
struct Seen<T> {
    key: String,
    times: u32,
    came: Instant,
    /// When it was acknowledged, and by what connection.
    answered: Option<(Instant, T)>,
}

/// The texts that came of late; `T` is the connection that carried the answer.
pub struct Repeats<T> {
    seen: HashMap<String, Seen<T>>,
    sweep_at: usize,
}

impl<T> Default for Repeats<T> {
    fn default() -> Self {
        Self {
            seen: HashMap::new(),
            sweep_at: SWEEP_AT,
        }
    }
}

impl<T> Repeats<T> {
    /// The key of a text with this `digest` that comes `now`. `ended_at` says when a connection ended, if it did.
    pub fn key(
        &mut self,
        digest: &str,
        hour: u64,
        now: Instant,
        ended_at: impl Fn(&T) -> Option<Instant>,
    ) -> String {
        self.sweep(now);
        let times = match self.seen.get_mut(digest) {
            None => 0,
            Some(seen) => {
                let repeated = match &seen.answered {
                    None => true,
                    Some((answered, connection)) => {
                        let late = answered.duration_since(seen.came) > PROMPT;
                        let torn = ended_at(connection)
                            .is_some_and(|ended| ended.duration_since(*answered) < CARRIED);
                        (late || torn) && now.duration_since(*answered) < OFFERED_AGAIN
                    }
                };
                if repeated {
                    seen.came = now;
                    seen.answered = None;
                    return seen.key.clone();
                }
                seen.times + 1
            }
        };
        let key = format!("mo:{digest}:{hour}:{times}");
        self.seen.insert(
            digest.to_owned(),
            Seen {
                key: key.clone(),
                times,
                came: now,
                answered: None,
            },
        );
        key
    }

    /// The text was acknowledged by `connection`.
    pub fn acknowledged(&mut self, digest: &str, connection: T, now: Instant) {
        if let Some(seen) = self.seen.get_mut(digest) {
            seen.answered = Some((now, connection));
        }
    }

    fn sweep(&mut self, now: Instant) {
        if self.seen.len() >= self.sweep_at {
            self.seen
                .retain(|_, seen| now.duration_since(seen.came) < OFFERED_AGAIN);
            self.sweep_at = (self.seen.len() * 2).max(SWEEP_AT);
        }
    }
}

/// A fingerprint of `fields`, each with its length so that none runs into the next.
pub fn digest(fields: &[&[u8]]) -> String {
    let mut hash = Sha256::new();
    for field in fields {
        hash.update((field.len() as u64).to_be_bytes());
        hash.update(field);
    }
    let mut hex = String::with_capacity(32);
    for byte in hash.finalize().iter().take(16) {
        let _ = write!(hex, "{byte:02x}");
    }
    hex
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::Instant;

    use super::{OFFERED_AGAIN, Repeats, digest};

    /// A connection is when it ended.
    type Line = Option<Instant>;

    #[track_caller]
    fn check(answered_after: Option<u64>, ended_after: Option<u64>, again_after: u64, same: bool) {
        let now = Instant::now();
        let after = |seconds| now + Duration::from_secs(seconds);
        let mut repeats: Repeats<Line> = Repeats::default();
        let first = repeats.key("d", 5, now, |line| *line);
        if let Some(seconds) = answered_after {
            repeats.acknowledged("d", ended_after.map(after), after(seconds));
        }
        let second = repeats.key("d", 6, after(again_after), |line| *line);
        assert_eq!(first == second, same);
    }

    #[test]
    fn a_text_is_a_repetition_only_with_cause() {
        // The first was acknowledged at once on a line that lives: the patient wrote again.
        check(Some(0), None, 1, false);
        check(Some(0), Some(60), 61, false);
        // Not acknowledged, late, or the line broke.
        check(None, None, 1, true);
        check(Some(20), None, 21, true);
        check(Some(0), Some(2), 30, true);
        // But not for ever.
        check(Some(0), Some(2), OFFERED_AGAIN.as_secs(), false);
    }

    #[test]
    fn after_a_crash_the_key_is_the_same() {
        let key = || Repeats::<Line>::default().key("d", 5, Instant::now(), |line| *line);
        assert_eq!(key(), key());
    }

    #[test]
    fn fields_do_not_run_into_each_other() {
        assert_ne!(digest(&[b"ab", b"c"]), digest(&[b"a", b"bc"]));
    }
}
