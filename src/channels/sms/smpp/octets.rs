//! Octet strings as PDUs carry them: any bytes, cheap to clone, and silent in logs.

use std::fmt;

use bytes::Bytes;

/// Octets of a PDU: an address, a text, an id, a password. `Debug` prints their number only.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct Octets(Bytes);

impl Octets {
    /// None.
    pub const EMPTY: Self = Self(Bytes::new());

    /// The octets themselves: a place to review, since they may be a number or a text.
    pub fn reveal(&self) -> &[u8] {
        &self.0
    }

    /// The octets as text: UTF-8 if they are, else one character an octet.
    pub fn to_text(&self) -> String {
        std::str::from_utf8(&self.0).map_or_else(
            |_| self.0.iter().map(|octet| char::from(*octet)).collect(),
            str::to_owned,
        )
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Octets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{} octets]", self.0.len())
    }
}

impl From<Bytes> for Octets {
    fn from(octets: Bytes) -> Self {
        Self(octets)
    }
}

impl From<Vec<u8>> for Octets {
    fn from(octets: Vec<u8>) -> Self {
        Self(octets.into())
    }
}

impl From<String> for Octets {
    fn from(text: String) -> Self {
        Self(text.into())
    }
}

impl From<&str> for Octets {
    fn from(text: &str) -> Self {
        Self(Bytes::copy_from_slice(text.as_bytes()))
    }
}

impl From<&[u8]> for Octets {
    fn from(octets: &[u8]) -> Self {
        Self(Bytes::copy_from_slice(octets))
    }
}

#[cfg(test)]
mod tests {
    use super::Octets;

    #[test]
    fn debug_shows_the_number_of_octets_alone() {
        assert_eq!(
            format!("{:?}", Octets::from("+8613800000001")),
            "[14 octets]"
        );
        assert_eq!(Octets::from(&b"\xE9t\xE9"[..]).to_text(), "été");
    }
}
