//! Ids that providers give: the same id comes back in hex, in decimal, in capitals, with zeros before it
//! (SMPP 3.4 Appendix B and what carriers make of it), so both sides are compared in one canonical spelling.

/// The spelling we keep: lower case, no leading zeros, no blanks.
pub fn canonical(id: &str) -> String {
    let text = id.trim().to_lowercase();
    let short = text.trim_start_matches('0');
    if short.is_empty() && !text.is_empty() {
        "0".to_owned()
    } else {
        short.to_owned()
    }
}

/// Every canonical spelling that may mean `id`, most likely first: as it is, read as hex, read as decimal.
pub fn spellings(id: &str) -> Vec<String> {
    let plain = canonical(id);
    let digits = plain.strip_prefix('x').unwrap_or(&plain);
    let from_hex = number(digits, 16).map(|n| n.to_string());
    let from_decimal = number(digits, 10).map(|n| format!("{n:x}"));
    let mut all = vec![plain.clone()];
    for spelling in [from_hex, from_decimal].into_iter().flatten() {
        if !all.contains(&spelling) {
            all.push(spelling);
        }
    }
    all
}

/// The number that `digits` write; a sign, which no id has, is none.
fn number(digits: &str, radix: u32) -> Option<u128> {
    let plain = digits.chars().all(|c| c.is_digit(radix));
    plain
        .then(|| u128::from_str_radix(digits, radix).ok())
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::spellings;

    #[track_caller]
    fn check(answered: &str, receipt: &str, same: bool) {
        let kept = super::canonical(answered);
        assert_eq!(spellings(receipt).contains(&kept), same);
    }

    #[test]
    fn an_id_is_known_again_in_every_dialect() {
        check("0000001A", "1a", true);
        check("1A", "26", true);
        check("26", "1a", true);
        check("26", "000000026", true);
        check("b1946ac9-2d", "B1946AC9-2D", true);
        check("77", "78", false);
        check("0", "000", true);
    }
}
