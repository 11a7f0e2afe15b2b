//! The spellings of receipts that carriers use (SMPP 3.4 Appendix B and what carriers make of it), each one a real one.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::model::receipt::ReceiptStatus;

/// How a carrier writes its ids and receipts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Dialect {
    /// As in SMPP 3.4 Appendix B, with the two optional parameters beside it.
    #[default]
    Plain,
    /// The text alone, no optional parameters.
    Bare,
    /// Hexadecimal ids in the answer, decimal ones in the receipt.
    HexThenDecimal,
    /// Decimal ids in the answer, hexadecimal ones in the receipt.
    DecimalThenHex,
    /// Capital hexadecimal ids with leading zeros in the answer, small ones without in the receipt.
    Capitals,
    /// Ids with letters, `-` and `_`.
    Alphanumeric,
    /// Dates with seconds, twelve digits.
    LongDates,
    /// `sub`, `dlvrd`, `err` and the text are left out.
    Missing,
    /// `Text:` with a capital, dates of four-digit years, more blanks than needed.
    Odd,
    /// No text at all, the optional parameters alone.
    ParametersOnly,
}

impl Dialect {
    /// Every dialect with its name on the command line.
    pub const ALL: &'static [(Self, &'static str)] = &[
        (Self::Plain, "plain"),
        (Self::Bare, "bare"),
        (Self::HexThenDecimal, "hex_then_decimal"),
        (Self::DecimalThenHex, "decimal_then_hex"),
        (Self::Capitals, "capitals"),
        (Self::Alphanumeric, "alphanumeric"),
        (Self::LongDates, "long_dates"),
        (Self::Missing, "missing"),
        (Self::Odd, "odd"),
        (Self::ParametersOnly, "parameters_only"),
    ];

    /// The dialect of that name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL
            .iter()
            .find(|(_, word)| *word == name)
            .map(|(dialect, _)| *dialect)
    }

    /// The id of message number `n` as the answer to its submit spells it.
    pub fn answer_id(self, n: u64) -> String {
        match self {
            Self::Plain
            | Self::Bare
            | Self::DecimalThenHex
            | Self::LongDates
            | Self::Missing
            | Self::Odd
            | Self::ParametersOnly => n.to_string(),
            Self::HexThenDecimal => format!("{n:x}"),
            Self::Capitals => format!("{n:016X}"),
            Self::Alphanumeric => format!("cb-{:04x}_{n:x}", n & 0xFFFF),
        }
    }

    /// The same id as the receipt spells it.
    fn receipt_id(self, n: u64) -> String {
        match self {
            Self::HexThenDecimal => n.to_string(),
            Self::DecimalThenHex | Self::Capitals => format!("{n:x}"),
            Self::Plain
            | Self::Bare
            | Self::Alphanumeric
            | Self::LongDates
            | Self::Missing
            | Self::Odd
            | Self::ParametersOnly => self.answer_id(n),
        }
    }

    /// The receipt for message number `n`.
    pub(super) fn write(self, n: u64, news: &News) -> Paper {
        let id = self.receipt_id(n);
        let (stat, state) = spelled(news.status);
        let dlvrd = u8::from(news.status == ReceiptStatus::Delivered);
        let err = if news.status == ReceiptStatus::Delivered {
            0
        } else {
            1
        };
        let (taken, done) = (news.taken_at, news.done_at);
        let body = match self {
            Self::Plain
            | Self::Bare
            | Self::HexThenDecimal
            | Self::DecimalThenHex
            | Self::Capitals
            | Self::Alphanumeric => format!(
                "id:{id} sub:001 dlvrd:{dlvrd:03} submit date:{} done date:{} stat:{stat} err:{err:03} text:",
                date(taken, "%y%m%d%H%M"),
                date(done, "%y%m%d%H%M"),
            ),
            Self::LongDates => format!(
                "id:{id} sub:001 dlvrd:{dlvrd:03} submit date:{} done date:{} stat:{stat} err:{err:03} text:",
                date(taken, "%y%m%d%H%M%S"),
                date(done, "%y%m%d%H%M%S"),
            ),
            Self::Missing => format!(
                "id:{id} submit date:{} done date:{} stat:{stat}",
                date(taken, "%y%m%d%H%M"),
                date(done, "%y%m%d%H%M")
            ),
            Self::Odd => format!(
                "id:{id}  sub:001 dlvrd:{dlvrd:03}  submit date:{} done date:{}  stat:{stat} err:{err:03} Text:",
                date(taken, "%Y%m%d%H%M"),
                date(done, "%Y%m%d%H%M"),
            ),
            Self::ParametersOnly => String::new(),
        };
        let parameters = !matches!(self, Self::Bare | Self::Missing | Self::Odd);
        Paper {
            body,
            receipted_id: parameters.then_some(id),
            state: parameters.then_some(state),
        }
    }
}

/// What became of a message.
#[derive(Clone, Debug)]
pub(super) struct News {
    pub(super) status: ReceiptStatus,
    pub(super) taken_at: Timestamp,
    pub(super) done_at: Timestamp,
}

/// A receipt as it goes out: its text and its optional parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paper {
    /// The text; empty in `parameters_only`.
    pub body: String,
    /// `receipted_message_id`.
    pub receipted_id: Option<String>,
    /// `message_state`.
    pub state: Option<u8>,
}

const fn spelled(status: ReceiptStatus) -> (&'static str, u8) {
    match status {
        ReceiptStatus::EnRoute => ("ENROUTE", 1),
        ReceiptStatus::Delivered => ("DELIVRD", 2),
        ReceiptStatus::Expired => ("EXPIRED", 3),
        ReceiptStatus::Deleted => ("DELETED", 4),
        ReceiptStatus::Undeliverable => ("UNDELIV", 5),
        ReceiptStatus::Accepted => ("ACCEPTD", 6),
        ReceiptStatus::Unknown => ("UNKNOWN", 7),
        ReceiptStatus::Rejected => ("REJECTD", 8),
    }
}

fn date(at: Timestamp, form: &str) -> String {
    at.to_zoned(TimeZone::UTC).strftime(form).to_string()
}

#[cfg(test)]
mod tests {
    use super::{Dialect, News};
    use crate::model::provider_id::{canonical, spellings};
    use crate::model::receipt::ReceiptStatus;

    fn news() -> News {
        let at = "2026-12-01T01:02:03Z".parse().unwrap();
        News {
            status: ReceiptStatus::Delivered,
            taken_at: at,
            done_at: at,
        }
    }

    #[track_caller]
    fn check(dialect: Dialect, answer: &str, body: &str) {
        assert_eq!(dialect.answer_id(2748), answer);
        assert_eq!(dialect.write(2748, &news()).body, body);
    }

    #[test]
    fn each_dialect_spells_as_it_says() {
        let plain = "sub:001 dlvrd:001 submit date:2612010102 done date:2612010102 stat:DELIVRD err:000 text:";
        check(Dialect::Plain, "2748", &format!("id:2748 {plain}"));
        check(Dialect::HexThenDecimal, "abc", &format!("id:2748 {plain}"));
        check(Dialect::DecimalThenHex, "2748", &format!("id:abc {plain}"));
        check(
            Dialect::Capitals,
            "0000000000000ABC",
            &format!("id:abc {plain}"),
        );
        check(
            Dialect::Missing,
            "2748",
            "id:2748 submit date:2612010102 done date:2612010102 stat:DELIVRD",
        );
        check(Dialect::ParametersOnly, "2748", "");
        assert!(
            Dialect::LongDates
                .write(1, &news())
                .body
                .contains("done date:261201010203")
        );
        assert!(Dialect::Bare.write(1, &news()).receipted_id.is_none());
    }

    #[test]
    fn the_answered_id_is_among_the_spellings_of_the_receipt_in_every_dialect() {
        for (dialect, name) in Dialect::ALL {
            assert_eq!(Dialect::parse(name), Some(*dialect));
            let paper = dialect.write(9_007_199, &news());
            let named = paper.receipted_id.clone().or_else(|| {
                Some(
                    paper
                        .body
                        .strip_prefix("id:")?
                        .split(' ')
                        .next()?
                        .to_owned(),
                )
            });
            assert!(
                spellings(&named.unwrap()).contains(&canonical(&dialect.answer_id(9_007_199))),
                "{name}"
            );
        }
    }
}
