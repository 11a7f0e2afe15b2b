//! How the network behaves: a struct of plain values that a test or the command line fills in.

use std::num::NonZeroU32;
use std::time::Duration;

use crate::model::private::Private;
use crate::segments::split::DefaultAlphabet;

use super::dialect::Dialect;

/// What the carrier does beside carrying. The default is a good network: quick, complete and in order.
#[derive(Clone, Debug, Default)]
pub struct Conduct {
    /// Who may bind; empty lets everybody in.
    pub accounts: Vec<Account>,
    /// How long a submit waits for its answer.
    pub answer_after: Duration,
    /// Of a hundred submits, how many are lost on their way: neither taken nor answered.
    pub submits_lost: u8,
    /// Of a hundred taken submits, how many get no answer.
    pub answers_lost: u8,
    /// Of a hundred submits, how many are told to slow down.
    pub throttled: u8,
    /// Segments a second that an account may submit; what is more is told to slow down.
    pub segments_per_second: Option<NonZeroU32>,
    /// Numbers that are refused at once.
    pub refusals: Vec<Refusal>,
    /// Of a hundred messages, how many never reach their phone.
    pub undelivered: u8,
    /// How receipts are made.
    pub receipts: Receipts,
    /// How texts from phones are handed over.
    pub texts: Texts,
    /// How data coding 0 is written.
    pub alphabet: DefaultAlphabet,
    /// Where chance begins: the same seed, the same run.
    pub seed: u64,
}

/// Somebody who may bind.
#[derive(Clone, Debug)]
pub struct Account {
    /// `system_id`.
    pub system_id: String,
    /// `password`.
    pub password: Private<String>,
}

/// Numbers that the carrier does not take messages for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// What the digits begin with, without `+`.
    pub prefix: String,
    /// The `command_status` of the answer, such as 0x0B for `ESME_RINVDSTADR`.
    pub status: u32,
}

/// How receipts are made and sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipts {
    /// Which spelling they have.
    pub dialect: Dialect,
    /// How long after the phone has the text they are sent.
    pub after: Duration,
    /// Each is sent up to this much later still, so that they change places.
    pub spread: Duration,
    /// Whether they overtake the answer to the submit.
    pub before_answer: bool,
    /// Of a hundred, how many are lost.
    pub lost: u8,
    /// Of a hundred, how many are sent twice.
    pub repeated: u8,
    /// Whether there are none at all.
    pub silent: bool,
}

impl Default for Receipts {
    fn default() -> Self {
        Self {
            dialect: Dialect::Plain,
            after: Duration::ZERO,
            spread: Duration::ZERO,
            before_answer: false,
            lost: 0,
            repeated: 0,
            silent: false,
        }
    }
}

/// How texts from phones are handed over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Texts {
    /// How a long text is told to be one.
    pub form: LongText,
    /// Whether the parts of a long text come last part first.
    pub backwards: bool,
    /// Of a hundred, how many are sent twice.
    pub repeated: u8,
    /// Whether every text travels in UCS-2, even where GSM-7 would do.
    pub always_ucs2: bool,
    /// How long after it was typed a text is handed over.
    pub after: Duration,
}

impl Default for Texts {
    fn default() -> Self {
        Self {
            form: LongText::Udh8,
            backwards: false,
            repeated: 0,
            always_ucs2: false,
            after: Duration::ZERO,
        }
    }
}

/// The four ways of SMPP to carry a long text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LongText {
    /// User data header with an 8-bit reference.
    Udh8,
    /// User data header with a 16-bit reference.
    Udh16,
    /// The `sar_*` optional parameters.
    Sar,
    /// All of it in `message_payload`.
    Payload,
}

/// Chance that can be repeated (splitmix64): tests must see the same run twice.
#[derive(Clone, Debug)]
pub(super) struct Dice(u64);

impl Dice {
    pub(super) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(super) const fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// True `share` times in a hundred.
    pub(super) fn falls(&mut self, share: u8) -> bool {
        // A good network does not touch the dice, so that turning one fault on leaves the others' order alone.
        share > 0 && self.roll() % 100 < u64::from(share)
    }

    /// Any duration below `limit`.
    pub(super) fn below(&mut self, limit: Duration) -> Duration {
        let ms = u64::try_from(limit.as_millis()).unwrap_or(u64::MAX);
        if ms == 0 {
            Duration::ZERO
        } else {
            Duration::from_millis(self.roll() % ms)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Dice;

    #[test]
    fn chance_keeps_its_share_and_can_be_repeated() {
        let fallen = |seed| {
            let mut dice = Dice::new(seed);
            (0..1000).map(|_| dice.falls(20)).collect::<Vec<_>>()
        };
        assert_eq!(fallen(7), fallen(7));
        let hits = fallen(7).iter().filter(|hit| **hit).count();
        assert!((150..250).contains(&hits), "{hits}");
        assert!((0..100).all(|_| !Dice::new(1).falls(0) && Dice::new(1).falls(100)));
    }
}
