//! Private data as a type: what a log, an error or a JSON answer cannot print by accident.

use std::fmt;

/// A value about a person. Its `Debug` prints `[private]`; it has no `Display` and no `Serialize`.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Private<T>(T);

impl<T> Private<T> {
    /// Takes `value` under cover.
    pub const fn new(value: T) -> Self {
        Self(value)
    }

    /// The value in the open: each call is a place to review.
    pub const fn reveal(&self) -> &T {
        &self.0
    }

    /// The value itself, out of its cover.
    pub fn into_revealed(self) -> T {
        self.0
    }

    /// Another private value made of this one.
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Private<U> {
        Private(change(self.0))
    }
}

impl<T> fmt::Debug for Private<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[private]")
    }
}

impl<T> From<T> for Private<T> {
    fn from(value: T) -> Self {
        Self(value)
    }
}

impl<'de, T: serde::Deserialize<'de>> serde::Deserialize<'de> for Private<T> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        T::deserialize(deserializer).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::Private;

    #[test]
    fn debug_prints_nothing_of_the_value() {
        let shown = format!("{:?}", Some(Private::new("Ana +8613800000001")));
        assert_eq!(shown, "Some([private])");
    }
}
