//! Which of the languages there are is best for a reader (lookup of RFC 4647, and the two scripts of Chinese).

/// Every tag that serves a reader of `wanted`, best first: itself, its script's kin, then shorter ones.
pub(crate) fn kin(wanted: &str) -> Vec<String> {
    let wanted = wanted.replace('_', "-").to_lowercase();
    let mut tags = vec![wanted.clone()];
    let mut shorter = wanted.as_str();
    while let Some((front, _)) = shorter.rsplit_once('-') {
        tags.push(front.to_owned());
        shorter = front;
    }
    let parts: Vec<&str> = wanted.split('-').collect();
    if parts.first() == Some(&"zh") || parts.first() == Some(&"yue") {
        let traditional = parts.first() == Some(&"yue")
            || parts
                .iter()
                .any(|p| matches!(*p, "hant" | "hk" | "tw" | "mo"));
        let hant = ["zh-hant", "zh-hk", "zh-tw", "zh-mo"];
        let hans = ["zh-hans", "zh-cn", "zh-sg", "zh"];
        let (first, second) = if traditional {
            (hant, hans)
        } else {
            (hans, hant)
        };
        tags.extend(first.iter().chain(&second).map(|tag| (*tag).to_owned()));
    }
    tags
}

/// The best of `there` for a reader who reads `wanted`, in order; `None` when nothing is there.
///
/// The second value is false when none of the wanted languages is there and any other was taken.
pub(crate) fn best<'a>(wanted: &[&str], there: &[&'a str]) -> Option<(&'a str, bool)> {
    for want in wanted {
        let tags = kin(want);
        for tag in &tags {
            if let Some(found) = there.iter().find(|have| have.eq_ignore_ascii_case(tag)) {
                return Some((found, true));
            }
        }
        let primary = primary(want);
        if let Some(found) = there.iter().find(|have| self::primary(have) == primary) {
            return Some((found, true));
        }
    }
    there.first().map(|found| (*found, false))
}

/// The first part of a tag, lower case: `zh` of `zh-CN`.
pub(crate) fn primary(tag: &str) -> String {
    tag.split(['-', '_'])
        .next()
        .unwrap_or_default()
        .to_lowercase()
}

/// Whether a tag means Chinese in traditional characters.
pub(crate) fn is_traditional(tag: &str) -> bool {
    let tag = tag.to_lowercase();
    tag.starts_with("yue")
        || tag
            .split(['-', '_'])
            .any(|part| matches!(part, "hant" | "hk" | "tw" | "mo"))
}

#[cfg(test)]
mod tests {
    use super::best;

    #[track_caller]
    fn check(wanted: &[&str], there: &[&str], expected: &str, is_wanted: bool) {
        assert_eq!(best(wanted, there), Some((expected, is_wanted)));
    }

    #[test]
    fn a_reader_gets_the_nearest_language() {
        check(&["zh-CN"], &["en", "zh-CN"], "zh-CN", true);
        check(
            &["zh-HK", "en"],
            &["en", "zh-CN", "zh-Hant"],
            "zh-Hant",
            true,
        );
        check(&["zh-HK", "en"], &["en", "zh-CN"], "zh-CN", true);
        check(&["yue"], &["en", "zh-CN", "zh-TW"], "zh-TW", true);
        check(&["zh"], &["zh-Hant", "zh-CN"], "zh-CN", true);
        check(&["en-GB"], &["zh-CN", "en"], "en", true);
        check(&["en"], &["zh-CN", "en-US"], "en-US", true);
        check(&["EN_us"], &["zh-CN", "en-US"], "en-US", true);
        check(&["fr", "zh-CN"], &["en", "zh-CN"], "zh-CN", true);
        check(&["fr"], &["en", "zh-CN"], "en", false);
        assert_eq!(best(&["fr"], &[]), None);
    }
}
