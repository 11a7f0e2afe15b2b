//! What a segment costs, exactly: sums of money are no floating point.

use std::fmt;

/// An amount of money in millionths of the site's currency.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Price {
    millionths: u64,
}

impl Price {
    /// Reads `0.045` or `12`: at most six places behind the point.
    pub fn parse(text: &str) -> Option<Self> {
        let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
        let is_number = |digits: &str| {
            !digits.is_empty() && digits.len() <= 12 && digits.bytes().all(|b| b.is_ascii_digit())
        };
        if !is_number(whole) || !is_number(part) || part.len() > 6 {
            return None;
        }
        let part: u64 = format!("{part:0<6}").parse().ok()?;
        let whole: u64 = whole.parse().ok()?;
        whole
            .checked_mul(1_000_000)?
            .checked_add(part)
            .map(|millionths| Self { millionths })
    }

    /// So many times as much; the most there is where that is too much.
    pub fn times(self, count: usize) -> Self {
        let count = u64::try_from(count).unwrap_or(u64::MAX);
        Self {
            millionths: self.millionths.saturating_mul(count),
        }
    }

    /// Both together.
    pub const fn plus(self, other: Self) -> Self {
        Self {
            millionths: self.millionths.saturating_add(other.millionths),
        }
    }
}

impl fmt::Display for Price {
    /// At least two places behind the point, and no zeros behind those.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = self.millionths / 1_000_000;
        let part = format!("{:06}", self.millionths % 1_000_000);
        let kept = part.trim_end_matches('0').len().max(2);
        write!(f, "{whole}.{}", part.get(..kept).unwrap_or(&part))
    }
}

impl<'de> serde::Deserialize<'de> for Price {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = f64::deserialize(deserializer)?;
        Self::parse(&number.to_string()).ok_or_else(|| {
            let expected = "expected a price of a segment such as 0.045, with at most six places";
            serde::de::Error::custom(format!("{number}: {expected}"))
        })
    }
}

impl serde::Serialize for Price {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::Price;

    #[test]
    fn prices_are_read_and_summed_exactly() {
        let price = Price::parse("0.045").unwrap();
        assert_eq!(price.times(1000).to_string(), "45.00");
        assert_eq!(
            price.times(3).plus(Price::parse("1").unwrap()).to_string(),
            "1.135"
        );
        assert_eq!(Price::default().to_string(), "0.00");
        for wrong in ["", "-1", "1e3", "0.0000001", "x", "1.", ".5", "NaN"] {
            assert_eq!(Price::parse(wrong), None, "{wrong}");
        }
    }
}
