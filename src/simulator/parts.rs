//! Puts the parts of long texts together, as a handset does.

use std::collections::{BTreeMap, HashMap, VecDeque};

use crate::channels::sms::coding::Concat;

/// How many unfinished texts are kept; the oldest makes way.
const UNFINISHED: usize = 4096;

/// Whose text: sender, recipient, reference, total.
type Key = (String, String, u16, u8);

#[derive(Debug, Default)]
pub(super) struct Parts {
    open: HashMap<Key, BTreeMap<u8, String>>,
    order: VecDeque<Key>,
}

impl Parts {
    /// Takes one part and gives the whole text once its last part is there.
    pub(super) fn take(
        &mut self,
        from: &str,
        to: &str,
        concat: Option<Concat>,
        text: String,
    ) -> Option<String> {
        let Some(concat) = concat else {
            return Some(text);
        };
        let key = (
            from.to_owned(),
            to.to_owned(),
            concat.reference,
            concat.total,
        );
        if !self.open.contains_key(&key) {
            self.order.push_back(key.clone());
            self.make_room();
        }
        let parts = self.open.entry(key.clone()).or_default();
        parts.insert(concat.number, text);
        if parts.len() < usize::from(concat.total) {
            return None;
        }
        self.order.retain(|other| *other != key);
        self.open
            .remove(&key)
            .map(|parts| parts.into_values().collect())
    }

    fn make_room(&mut self) {
        while self.order.len() > UNFINISHED {
            if let Some(oldest) = self.order.pop_front() {
                self.open.remove(&oldest);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Concat, Parts, UNFINISHED};

    fn part(n: u8) -> Option<Concat> {
        Concat::new(7, 3, n)
    }

    #[test]
    fn parts_in_any_order_and_twice_make_one_text() {
        let mut parts = Parts::default();
        let mut take = |n: u8, text: &str| parts.take("a", "b", part(n), text.to_owned());
        assert_eq!(take(3, "three"), None);
        assert_eq!(take(1, "one "), None);
        assert_eq!(take(1, "one "), None);
        assert_eq!(take(2, "two "), Some("one two three".to_owned()));
        assert_eq!(take(2, "two "), None);
    }

    #[test]
    fn what_never_ends_makes_way() {
        let mut parts = Parts::default();
        for n in 0..UNFINISHED + 100 {
            parts.take("a", &n.to_string(), part(1), String::new());
        }
        assert_eq!(
            (parts.open.len(), parts.order.len()),
            (UNFINISHED, UNFINISHED)
        );
    }
}
