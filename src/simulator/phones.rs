//! The phones: a thread per number, switched on or off, remembered while there is room.

use std::collections::{HashMap, VecDeque};

use jiff::Timestamp;

use crate::model::private::Private;

/// How many phones are kept; a tenth of them, the longest untouched, makes way when there are more.
const PHONES: usize = 10_000;
/// How many texts a thread keeps.
const BUBBLES: usize = 200;
/// How many texts wait for a phone that is switched off.
const WAITING: usize = 100;

/// One text in a thread.
#[derive(Clone, Debug)]
pub struct Bubble {
    /// Counts up within the carrier.
    pub n: u64,
    /// Whether the phone got it or wrote it.
    pub side: Side,
    /// The other end: the sender as the phone shows it, or the number written to.
    pub peer: String,
    /// What it says.
    pub text: Private<String>,
    /// When.
    pub at: Timestamp,
    /// For what was written: whether the other side has taken it.
    pub handed_over: bool,
}

/// Whose text it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The phone got it.
    Received,
    /// The person wrote it.
    Written,
}

/// Who holds a phone, for the list of phones.
#[derive(Clone, Debug, Default)]
pub struct Owner {
    /// What they are called.
    pub name: Private<String>,
    /// A line about them, such as what they wait for.
    pub note: Private<String>,
}

/// A phone as a list shows it.
#[derive(Clone, Debug)]
pub struct Glance {
    /// The phone's own id, for addresses of pages: a number in a URL would end up in logs.
    pub id: u64,
    /// Its number, with `+`.
    pub number: Private<String>,
    /// Who holds it, if that was told.
    pub owner: Owner,
    /// Its last text.
    pub last: Option<Bubble>,
    /// Texts since the person last looked or wrote.
    pub unread: usize,
    /// Whether it is switched on.
    pub on: bool,
}

/// A text on its way to a phone.
#[derive(Clone, Debug)]
pub(super) struct Waiting {
    /// Its number at the carrier.
    pub(super) n: u64,
    pub(super) submitted: super::carrier::Submitted,
    pub(super) taken_at: Timestamp,
}

#[derive(Debug)]
pub(super) struct Phone {
    pub(super) id: u64,
    pub(super) digits: String,
    pub(super) owner: Owner,
    pub(super) thread: VecDeque<Bubble>,
    pub(super) unread: usize,
    pub(super) on: bool,
    pub(super) waiting: VecDeque<Waiting>,
    /// The account that last wrote to it: answers go there.
    pub(super) account: Option<String>,
    /// Told to us beforehand: such a phone is never forgotten.
    registered: bool,
    touched: u64,
}

#[derive(Debug, Default)]
pub(super) struct Phones {
    all: HashMap<String, Phone>,
    ids: HashMap<u64, String>,
    next_id: u64,
    touches: u64,
}

/// The digits of a number, which name its phone however it is written.
pub(super) fn digits(number: &str) -> String {
    let number = number.trim();
    let number = number.strip_prefix("00").unwrap_or(number);
    number.chars().filter(char::is_ascii_digit).collect()
}

impl Phone {
    pub(super) fn push(&mut self, bubble: Bubble) {
        match bubble.side {
            Side::Received => self.unread += 1,
            Side::Written => self.unread = 0,
        }
        self.thread.push_back(bubble);
        if self.thread.len() > BUBBLES {
            self.thread.pop_front();
        }
    }

    /// Keeps a text until the phone is switched on; gives back what there is no more room for.
    pub(super) fn keep(&mut self, waiting: Waiting) -> Option<Waiting> {
        self.waiting.push_back(waiting);
        if self.waiting.len() > WAITING {
            self.waiting.pop_front()
        } else {
            None
        }
    }

    pub(super) fn glance(&self) -> Glance {
        Glance {
            id: self.id,
            number: Private::new(format!("+{}", self.digits)),
            owner: self.owner.clone(),
            last: self.thread.back().cloned(),
            unread: self.unread,
            on: self.on,
        }
    }
}

impl Phones {
    /// The phone with these digits; a new one is switched on.
    pub(super) fn of(&mut self, digits: &str) -> &mut Phone {
        self.touches += 1;
        if !self.all.contains_key(digits) {
            self.make_room();
            self.next_id += 1;
            self.ids.insert(self.next_id, digits.to_owned());
        }
        let (id, touched) = (self.next_id, self.touches);
        let phone = self.all.entry(digits.to_owned()).or_insert_with(|| Phone {
            id,
            digits: digits.to_owned(),
            owner: Owner::default(),
            thread: VecDeque::new(),
            unread: 0,
            on: true,
            waiting: VecDeque::new(),
            account: None,
            registered: false,
            touched,
        });
        phone.touched = touched;
        phone
    }

    pub(super) fn register(&mut self, digits: &str, owner: Owner) {
        let phone = self.of(digits);
        phone.owner = owner;
        phone.registered = true;
    }

    pub(super) fn find(&self, digits: &str) -> Option<&Phone> {
        self.all.get(digits)
    }

    pub(super) fn by_id(&self, id: u64) -> Option<&Phone> {
        self.all.get(self.ids.get(&id)?)
    }

    pub(super) fn by_id_mut(&mut self, id: u64) -> Option<&mut Phone> {
        self.all.get_mut(self.ids.get(&id)?)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Phone> {
        self.all.values()
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Phone> {
        self.all.values_mut()
    }

    fn make_room(&mut self) {
        if self.all.len() < PHONES {
            return;
        }
        let mut old: Vec<(u64, u64, String)> = self
            .all
            .values()
            .filter(|p| !p.registered)
            .map(|p| (p.touched, p.id, p.digits.clone()))
            .collect();
        old.sort_unstable();
        for (_, id, digits) in old.into_iter().take(PHONES / 10) {
            self.all.remove(&digits);
            self.ids.remove(&id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{BUBBLES, Bubble, Owner, PHONES, Phones, Side, digits};
    use crate::model::private::Private;

    fn bubble(side: Side) -> Bubble {
        let text = Private::new("hello".to_owned());
        Bubble {
            n: 1,
            side,
            peer: "1069".to_owned(),
            text,
            at: jiff::Timestamp::UNIX_EPOCH,
            handed_over: false,
        }
    }

    #[test]
    fn a_number_is_the_same_phone_however_it_is_written() {
        for written in [
            "+8613800000001",
            "8613800000001",
            "008613800000001",
            "+86 138-0000-0001",
        ] {
            assert_eq!(digits(written), "8613800000001");
        }
    }

    #[test]
    fn a_thread_keeps_its_newest_texts_and_counts_what_is_unread() {
        let mut phones = Phones::default();
        let phone = phones.of("1");
        for _ in 0..BUBBLES + 10 {
            phone.push(bubble(Side::Received));
        }
        assert_eq!((phone.thread.len(), phone.unread), (BUBBLES, BUBBLES + 10));
        phone.push(bubble(Side::Written));
        assert_eq!(phone.unread, 0);
    }

    #[test]
    fn phones_are_bounded_and_those_told_beforehand_stay() {
        let mut phones = Phones::default();
        phones.register("7", Owner::default());
        for n in 0..PHONES * 2 {
            phones.of(&format!("86{n}"));
        }
        assert!(phones.iter().count() <= PHONES);
        assert!(phones.ids.len() <= PHONES);
        assert!(phones.find("7").is_some());
        assert!(phones.find(&format!("86{}", PHONES * 2 - 1)).is_some());
    }
}
