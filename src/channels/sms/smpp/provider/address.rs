//! Marks addresses with their type and numbering plan (SMPP 3.4 §5.2.5, §5.2.6).

use crate::channels::sms::smpp::pdu::Address;

/// The longest address in `submit_sm`, without its NUL.
pub(super) const MAX_LEN: usize = 20;

/// What the config says about type and plan; `None` is told by the form of the address.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Plan {
    pub(super) ton: Option<u8>,
    pub(super) npi: Option<u8>,
}

/// The address of `text`; `None` when it cannot be one.
///
/// With a `+` it is international and goes without it. Letters are alphanumeric. Up to 8 digits are a short code of
/// the network, more are a number whose kind the carrier knows.
pub(super) fn address(text: &str, plan: Plan) -> Option<Address> {
    let digits = text.strip_prefix('+').unwrap_or(text);
    let is_number = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    let (ton, npi, addr) = match (is_number, digits.len() < text.len()) {
        (true, true) => (1, 1, digits),
        (true, false) if digits.len() <= 8 => (3, 0, text),
        (true, false) => (0, 1, text),
        (false, _) => (5, 0, text),
    };
    let fits = addr.len() <= MAX_LEN && !addr.contains('\0');
    fits.then(|| Address {
        ton: plan.ton.unwrap_or(ton),
        npi: plan.npi.unwrap_or(npi),
        addr: addr.into(),
    })
}

/// The number of `address` in E.164 where it can be told, else as it came.
pub(super) fn number(address: &Address) -> String {
    let text = address.addr.to_text();
    let is_number = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    match (is_number, text.strip_prefix("00")) {
        (true, Some(international)) if address.ton != 2 => format!("+{international}"),
        (true, _) if address.ton == 1 => format!("+{text}"),
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::{Address, Plan, address, number};

    #[track_caller]
    fn check(text: &str, expected: Option<(u8, u8, &str)>) {
        let expected = expected.map(|(ton, npi, addr)| Address {
            ton,
            npi,
            addr: addr.into(),
        });
        assert_eq!(address(text, Plan::default()), expected);
    }

    #[test]
    fn addresses_are_marked_by_their_form() {
        check("+8613800000001", Some((1, 1, "8613800000001")));
        check("10690000", Some((3, 0, "10690000")));
        check("106900001234", Some((0, 1, "106900001234")));
        check("Hospital", Some((5, 0, "Hospital")));
        check("", Some((5, 0, "")));
        check("123456789012345678901", None);
        check("a\0b", None);
        let plan = Plan {
            ton: Some(0),
            npi: Some(9),
        };
        assert_eq!(
            address("+861", plan),
            Some(Address {
                ton: 0,
                npi: 9,
                addr: "861".into()
            })
        );
    }

    #[track_caller]
    fn check_number(ton: u8, addr: &str, expected: &str) {
        assert_eq!(
            number(&Address {
                ton,
                npi: 1,
                addr: addr.into()
            }),
            expected
        );
    }

    #[test]
    fn numbers_come_out_in_e164_where_it_can_be_told() {
        check_number(1, "8613800000001", "+8613800000001");
        check_number(1, "+8613800000001", "+8613800000001");
        check_number(0, "008613800000001", "+8613800000001");
        check_number(2, "13800000001", "13800000001");
        check_number(0, "13800000001", "13800000001");
        check_number(5, "Ana", "Ana");
    }
}
