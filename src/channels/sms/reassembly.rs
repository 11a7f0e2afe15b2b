//! Puts the parts of a long text from a phone together.
//!
//! # How the promise "acknowledged only once stored" is kept
//!
//! A part alone cannot be stored: the store knows whole texts. So a part is answered with `ESME_ROK` only when the
//! text it belongs to is stored. Two cases follow.
//!
//! * The carrier sends the parts without waiting: all are here within moments, the whole is stored, and all are
//!   answered. That is the rule.
//! * The carrier waits for each answer before it sends the next part (a window of 1), or a part is slow. To hold the
//!   answer would stop the very part we wait for. So an answer is held for [`HOLD`] at most; then the part is
//!   answered with a temporary error, **but kept here**. The next part comes, the whole is stored, and the carrier
//!   offers the first part again later: it is known, stored, and answered with `ESME_ROK`.
//!
//! A crash in between loses nothing, since nothing was acknowledged. When parts never come, what is here is handed on
//! as incomplete after [`GIVE_UP_AFTER`] and acknowledged when the carrier offers it again.
//!
//! Pure: now is an argument, and who waits for an answer is known to the caller alone.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use tokio::time::Instant;

use super::coding;
use super::repeats::digest;
use super::smpp::octets::Octets;
use super::smpp::pdu::Address;
use crate::segments::split::DefaultAlphabet;

/// How long the answer to a part may be held back.
pub const HOLD: Duration = Duration::from_secs(2);
/// How long parts are waited for.
pub const GIVE_UP_AFTER: Duration = Duration::from_secs(10 * 60);
/// How soon a text that could not be stored is tried again.
const TRY_AGAIN_AFTER: Duration = Duration::from_secs(10);
/// How long a stored text is remembered, so that its parts are known when they come again.
const REMEMBER: Duration = Duration::from_secs(30 * 60);
/// Texts in the making; a carrier that sends more is told to wait.
const MOST: usize = 10_000;

/// What parts of one text have in common.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TextKey {
    /// Who wrote.
    pub from: Address,
    /// To which number.
    pub to: Address,
    /// The reference the handset gave.
    pub reference: u16,
    /// Of how many parts.
    pub total: u8,
}

/// One part, without its header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Its coding.
    pub data_coding: u8,
    /// Its octets.
    pub octets: Octets,
}

/// What came of taking a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// All parts are here: store the text, then call [`Assembly::settle`].
    Whole,
    /// Others are missing, or the text is being stored just now.
    Waiting,
    /// The text is stored already, with this very part.
    Stored,
    /// There are too many texts in the making.
    Full,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Gathering,
    Storing,
    /// It could not be stored; to be tried again.
    Refused,
    Stored,
}

struct Text {
    parts: BTreeMap<u8, Part>,
    state: State,
    /// When it came into this state.
    since: Instant,
}

/// The texts in the making.
#[derive(Default)]
pub struct Assembly {
    texts: HashMap<TextKey, Text>,
}

impl Assembly {
    /// None yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes a part: parts come in any order and more than once.
    pub fn take(&mut self, key: &TextKey, number: u8, part: Part, now: Instant) -> Taken {
        if !self.texts.contains_key(key) && self.texts.len() >= MOST {
            return Taken::Full;
        }
        let fresh = || Text {
            parts: BTreeMap::new(),
            state: State::Gathering,
            since: now,
        };
        let text = self.texts.entry(key.clone()).or_insert_with(fresh);
        match (text.state, text.parts.get(&number)) {
            (State::Storing, _) => return Taken::Waiting,
            (State::Stored, Some(known)) if *known == part => return Taken::Stored,
            // The same reference for another text: handsets count to 255 and begin again.
            (State::Stored, Some(_)) => *text = fresh(),
            // What was handed on with a gap grows after all, and is handed on once more.
            (State::Stored, None) => {
                text.state = State::Gathering;
                text.since = now;
            }
            (State::Gathering | State::Refused, _) => {}
        }
        text.parts.insert(number, part);
        if text.parts.len() < usize::from(key.total) {
            return Taken::Waiting;
        }
        text.state = State::Storing;
        Taken::Whole
    }

    /// Says whether the text of `key` was stored. If not, it stays to be tried again.
    pub fn settle(&mut self, key: &TextKey, stored: bool, now: Instant) {
        if let Some(text) = self.texts.get_mut(key) {
            text.state = if stored {
                State::Stored
            } else {
                State::Refused
            };
            text.since = now;
        }
    }

    /// The texts whose time is over, to be stored as they are; forgets what was stored long ago.
    pub fn due(&mut self, now: Instant) -> Vec<TextKey> {
        self.texts.retain(|_, text| {
            text.state != State::Stored || now.duration_since(text.since) < REMEMBER
        });
        let mut due = Vec::new();
        for (key, text) in &mut self.texts {
            let patience = match text.state {
                State::Gathering => GIVE_UP_AFTER,
                State::Refused => TRY_AGAIN_AFTER,
                State::Storing | State::Stored => continue,
            };
            if now.duration_since(text.since) >= patience {
                text.state = State::Storing;
                due.push(key.clone());
            }
        }
        due
    }

    /// The text of `key` as far as it is here, and whether parts are missing. A gap shows as `[…]`.
    pub fn text(&self, key: &TextKey, default_alphabet: DefaultAlphabet) -> (String, bool) {
        let Some(text) = self.texts.get(key) else {
            return (String::new(), true);
        };
        let mut whole = String::new();
        let mut run = (0, Vec::new());
        let mut expected = 1;
        for (number, part) in &text.parts {
            let gap = *number != expected;
            // Neighbours are decoded together: a handset may have cut a surrogate pair in two.
            if gap || run.0 != part.data_coding {
                whole.push_str(&coding::decode(&run.1, run.0, default_alphabet));
                run = (part.data_coding, Vec::new());
            }
            if gap {
                whole.push_str(" […] ");
            }
            run.1.extend_from_slice(part.octets.reveal());
            expected = number.saturating_add(1);
        }
        whole.push_str(&coding::decode(&run.1, run.0, default_alphabet));
        let incomplete = text.parts.len() < usize::from(key.total);
        if incomplete && !text.parts.contains_key(&key.total) {
            whole.push_str(" […]");
        }
        (whole, incomplete)
    }

    /// A fingerprint of the text of `key`: the same parts, the same digest.
    pub fn digest(&self, key: &TextKey) -> String {
        let number = key.reference.to_be_bytes();
        let mut fields: Vec<&[u8]> = vec![
            key.from.addr.reveal(),
            key.to.addr.reveal(),
            &number,
            std::slice::from_ref(&key.total),
        ];
        if let Some(text) = self.texts.get(key) {
            for (number, part) in &text.parts {
                fields.extend([std::slice::from_ref(number), part.octets.reveal()]);
            }
        }
        digest(&fields)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::{Just, Strategy, proptest};
    use tokio::time::Instant;

    use super::{Assembly, GIVE_UP_AFTER, Part, REMEMBER, TRY_AGAIN_AFTER, Taken, TextKey};
    use crate::channels::sms::smpp::pdu::Address;
    use crate::segments::encode_ucs2;
    use crate::segments::split::DefaultAlphabet::Gsm7;

    fn address(addr: &str) -> Address {
        Address {
            ton: 1,
            npi: 1,
            addr: addr.into(),
        }
    }

    fn key(total: u8) -> TextKey {
        TextKey {
            from: address("1"),
            to: address("2"),
            reference: 7,
            total,
        }
    }

    fn part(text: &str) -> Part {
        Part {
            data_coding: 8,
            octets: encode_ucs2(text).into(),
        }
    }

    #[test]
    fn parts_come_in_any_order_and_twice() {
        let (mut assembly, now) = (Assembly::new(), Instant::now());
        assert_eq!(assembly.take(&key(3), 3, part("c"), now), Taken::Waiting);
        assert_eq!(assembly.take(&key(3), 1, part("a"), now), Taken::Waiting);
        assert_eq!(assembly.take(&key(3), 3, part("c"), now), Taken::Waiting);
        assert_eq!(assembly.take(&key(3), 2, part("b"), now), Taken::Whole);
        assert_eq!(assembly.text(&key(3), Gsm7), ("abc".to_owned(), false));
        // While it is stored, and after.
        assert_eq!(assembly.take(&key(3), 2, part("b"), now), Taken::Waiting);
        assembly.settle(&key(3), true, now);
        assert_eq!(assembly.take(&key(3), 2, part("b"), now), Taken::Stored);
    }

    #[test]
    fn the_same_reference_serves_another_text() {
        let (mut assembly, now) = (Assembly::new(), Instant::now());
        assembly.take(&key(2), 1, part("a"), now);
        assembly.take(&key(2), 2, part("b"), now);
        let before = assembly.digest(&key(2));
        assembly.settle(&key(2), true, now);
        assert_eq!(assembly.take(&key(2), 1, part("x"), now), Taken::Waiting);
        assert_eq!(assembly.take(&key(2), 2, part("b"), now), Taken::Whole);
        assert_eq!(assembly.text(&key(2), Gsm7).0, "xb");
        assert_ne!(assembly.digest(&key(2)), before);
    }

    #[test]
    fn what_could_not_be_stored_is_offered_again() {
        let (mut assembly, now) = (Assembly::new(), Instant::now());
        assembly.take(&key(2), 1, part("a"), now);
        assembly.take(&key(2), 2, part("b"), now);
        assembly.settle(&key(2), false, now);
        assert_eq!(assembly.due(now), []);
        assert_eq!(assembly.take(&key(2), 1, part("a"), now), Taken::Whole);
        assembly.settle(&key(2), false, now);
        assert_eq!(assembly.due(now + TRY_AGAIN_AFTER), [key(2)]);
        assert_eq!(
            assembly.due(now + TRY_AGAIN_AFTER),
            [],
            "it is being stored"
        );
    }

    #[track_caller]
    fn check_gap(total: u8, here: &[(u8, &str)], expected: &str) {
        let (mut assembly, now) = (Assembly::new(), Instant::now());
        for (number, text) in here {
            assembly.take(&key(total), *number, part(text), now);
        }
        assert_eq!(
            assembly.due(now + GIVE_UP_AFTER - Duration::from_secs(1)),
            []
        );
        assert_eq!(assembly.due(now + GIVE_UP_AFTER), [key(total)]);
        assert_eq!(
            assembly.text(&key(total), Gsm7),
            (expected.to_owned(), true)
        );
    }

    #[test]
    fn what_is_here_is_handed_on_with_its_gaps() {
        check_gap(2, &[(1, "a")], "a […]");
        check_gap(2, &[(2, "b")], " […] b");
        check_gap(4, &[(1, "a"), (3, "c")], "a […] c […]");
        check_gap(255, &[(255, "z")], " […] z");
    }

    #[test]
    fn a_late_part_completes_what_was_handed_on() {
        let (mut assembly, now) = (Assembly::new(), Instant::now());
        assembly.take(&key(2), 1, part("a"), now);
        let later = now + GIVE_UP_AFTER;
        assembly.due(later);
        assembly.settle(&key(2), true, later);
        assert_eq!(assembly.take(&key(2), 1, part("a"), later), Taken::Stored);
        assert_eq!(assembly.take(&key(2), 2, part("b"), later), Taken::Whole);
        assembly.settle(&key(2), true, later);
        assembly.due(later + REMEMBER);
        assert!(assembly.texts.is_empty());
    }

    #[test]
    fn a_surrogate_pair_cut_by_the_handset_is_whole_again() {
        let (mut assembly, now) = (Assembly::new(), Instant::now());
        let octets = encode_ucs2("𠮷");
        let half = |octets: &[u8]| Part {
            data_coding: 8,
            octets: octets.into(),
        };
        assembly.take(&key(2), 1, half(&octets[..2]), now);
        assembly.take(&key(2), 2, half(&octets[2..]), now);
        assert_eq!(assembly.text(&key(2), Gsm7).0, "𠮷");
    }

    proptest! {
        #[test]
        fn any_order_gives_the_text(order in Just((1..=9_u8).collect::<Vec<_>>()).prop_shuffle()) {
            let (mut assembly, now) = (Assembly::new(), Instant::now());
            let taken: Vec<_> = order.iter().map(|n| assembly.take(&key(9), *n, part(&n.to_string()), now)).collect();
            assert_eq!(taken.iter().filter(|taken| **taken == Taken::Whole).count(), 1);
            assert_eq!(assembly.text(&key(9), Gsm7), ("123456789".to_owned(), false));
        }
    }
}
