//! What waits to be handed over to an ESME: receipts and texts, each due at its moment.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::time::Duration;

use tokio::time::Instant;

use super::dialect::Paper;
use crate::model::private::Private;

/// How much waits at most; what comes then is lost, and counted.
const ROOM: usize = 100_000;
/// How often an ESME may refuse the same thing before it is given up.
const TRIES: u32 = 60;

/// Something to hand over.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// The phone's number, digits alone.
    pub from: Private<String>,
    /// The ESME's number it is for.
    pub to: String,
    /// What it is.
    pub load: Load,
    tries: u32,
}

/// What is handed over.
#[derive(Clone, Debug)]
pub enum Load {
    /// What became of a message.
    Receipt {
        /// The receipt itself.
        paper: Paper,
        /// `user_message_reference` of the submit.
        umr: Option<u16>,
    },
    /// A text that a person wrote.
    Text {
        /// Its number in the carrier.
        n: u64,
        /// What they wrote.
        text: Private<String>,
    },
}

impl Delivery {
    pub(super) const fn new(from: Private<String>, to: String, load: Load) -> Self {
        Self {
            from,
            to,
            load,
            tries: 0,
        }
    }
}

/// When, then in the order it came.
type Place = (Instant, u64);

#[derive(Debug, Default)]
pub(super) struct Outbox {
    order: BinaryHeap<Reverse<Place>>,
    waiting: BTreeMap<Place, Delivery>,
    count: u64,
}

/// What the outbox has for somebody who asks.
#[derive(Debug)]
pub(super) enum Next {
    /// This, now.
    Due(Delivery),
    /// Something, then.
    At(Instant),
    /// Nothing.
    Empty,
}

impl Outbox {
    /// Puts `delivery` in; false when there is no room.
    pub(super) fn put(&mut self, due: Instant, delivery: Delivery) -> bool {
        if self.waiting.len() >= ROOM {
            return false;
        }
        self.count += 1;
        let place = (due, self.count);
        self.order.push(Reverse(place));
        self.waiting.insert(place, delivery);
        true
    }

    /// Puts back what was refused, to be tried again later each time; false when it is given up.
    pub(super) fn put_back(&mut self, now: Instant, mut delivery: Delivery) -> bool {
        delivery.tries += 1;
        let wait = Duration::from_millis(100 << delivery.tries.min(7));
        delivery.tries <= TRIES && self.put(now + wait, delivery)
    }

    pub(super) fn next(&mut self, now: Instant) -> Next {
        match self.order.peek() {
            None => Next::Empty,
            Some(Reverse((due, _))) if *due > now => Next::At(*due),
            Some(Reverse(place)) => {
                let place = *place;
                self.order.pop();
                self.waiting.remove(&place).map_or(Next::Empty, Next::Due)
            }
        }
    }

    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::Instant;

    use super::{Delivery, Load, Next, Outbox, TRIES};
    use crate::model::private::Private;

    fn text(n: u64) -> Delivery {
        Delivery::new(
            Private::default(),
            "1069".to_owned(),
            Load::Text {
                n,
                text: Private::default(),
            },
        )
    }

    fn number(next: Next) -> Option<u64> {
        match next {
            Next::Due(Delivery {
                load: Load::Text { n, .. },
                ..
            }) => Some(n),
            Next::Due(_) | Next::At(_) | Next::Empty => None,
        }
    }

    #[test]
    fn things_come_out_when_they_are_due_in_the_order_of_their_moments() {
        let (mut outbox, now) = (Outbox::default(), Instant::now());
        outbox.put(now + Duration::from_secs(2), text(3));
        outbox.put(now, text(1));
        outbox.put(now, text(2));
        assert_eq!(number(outbox.next(now)), Some(1));
        assert_eq!(number(outbox.next(now)), Some(2));
        assert!(matches!(outbox.next(now), Next::At(_)));
        assert_eq!(number(outbox.next(now + Duration::from_secs(2))), Some(3));
        assert!(matches!(outbox.next(now), Next::Empty));
    }

    #[test]
    fn what_is_refused_comes_again_later_and_not_for_ever() {
        let (mut outbox, mut now) = (Outbox::default(), Instant::now());
        outbox.put(now, text(1));
        let mut offered = 0;
        while outbox.len() > 0 {
            now += Duration::from_secs(60);
            if let Next::Due(delivery) = outbox.next(now) {
                offered += 1;
                outbox.put_back(now, delivery);
            }
        }
        assert_eq!(offered, TRIES + 1);
    }
}
