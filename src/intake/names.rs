//! Names of people: a whole one of its parts.

/// The whole name: Chinese, Japanese and Korean ones are written family first and without a space.
pub(crate) fn whole(family: Option<&str>, given: Option<&str>) -> Option<String> {
    match (family, given) {
        (Some(family), Some(given)) if is_han(family) => Some(format!("{family}{given}")),
        (Some(family), Some(given)) => Some(format!("{given} {family}")),
        (Some(one), None) | (None, Some(one)) => Some(one.to_owned()),
        (None, None) => None,
    }
}

/// Whether a text is written in Han, Kana or Hangul.
pub(crate) fn is_han(text: &str) -> bool {
    text.chars().any(|c| matches!(u32::from(c), 0x3040..=0x30ff | 0x3400..=0x9fff | 0xac00..=0xd7af | 0xf900..=0xfaff | 0x2_0000..=0x3_ffff))
}
