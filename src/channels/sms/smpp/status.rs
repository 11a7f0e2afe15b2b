//! `command_status` (SMPP 3.4 §5.1.3): names, and what each means for a message.

use std::fmt;

use crate::channels::ErrorClass;
use crate::channels::ErrorClass::{
    PermanentAccount, PermanentContent, PermanentRecipient, Temporary, Throttle,
};

/// The status of a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Status(pub u32);

#[expect(missing_docs, reason = "named as in SMPP 3.4 §5.1.3")]
impl Status {
    pub const ROK: Self = Self(0x00);
    pub const RINVMSGLEN: Self = Self(0x01);
    pub const RINVCMDLEN: Self = Self(0x02);
    pub const RINVCMDID: Self = Self(0x03);
    pub const RINVBNDSTS: Self = Self(0x04);
    pub const RALYBND: Self = Self(0x05);
    pub const RSYSERR: Self = Self(0x08);
    pub const RINVSRCADR: Self = Self(0x0A);
    pub const RINVDSTADR: Self = Self(0x0B);
    pub const RINVMSGID: Self = Self(0x0C);
    pub const RBINDFAIL: Self = Self(0x0D);
    pub const RINVPASWD: Self = Self(0x0E);
    pub const RINVSYSID: Self = Self(0x0F);
    pub const RCANCELFAIL: Self = Self(0x11);
    pub const RMSGQFUL: Self = Self(0x14);
    pub const RINVSYSTYP: Self = Self(0x53);
    pub const RTHROTTLED: Self = Self(0x58);
    pub const RX_T_APPN: Self = Self(0x64);
    pub const RQUERYFAIL: Self = Self(0x67);
}

/// What each status means when it answers a `submit_sm`. What is not here is temporary and shows as a number.
///
/// A wrong source address, type or service is our own setting and would refuse every message alike:
/// so it is the account's fault, and no message is thrown away for it.
const TABLE: [(u32, &str, ErrorClass); 55] = [
    (0x00, "ESME_ROK", Temporary),
    (0x01, "ESME_RINVMSGLEN", PermanentContent),
    (0x02, "ESME_RINVCMDLEN", PermanentContent),
    (0x03, "ESME_RINVCMDID", PermanentAccount),
    // The bind is in another state than we think: a new one cures it.
    (0x04, "ESME_RINVBNDSTS", Temporary),
    (0x05, "ESME_RALYBND", Temporary),
    (0x06, "ESME_RINVPRTFLG", PermanentContent),
    (0x07, "ESME_RINVREGDLVFLG", PermanentAccount),
    (0x08, "ESME_RSYSERR", Temporary),
    (0x0A, "ESME_RINVSRCADR", PermanentAccount),
    (0x0B, "ESME_RINVDSTADR", PermanentRecipient),
    (0x0C, "ESME_RINVMSGID", Temporary),
    (0x0D, "ESME_RBINDFAIL", PermanentAccount),
    (0x0E, "ESME_RINVPASWD", PermanentAccount),
    (0x0F, "ESME_RINVSYSID", PermanentAccount),
    (0x11, "ESME_RCANCELFAIL", Temporary),
    (0x13, "ESME_RREPLACEFAIL", Temporary),
    (0x14, "ESME_RMSGQFUL", Throttle),
    (0x15, "ESME_RINVSERTYP", PermanentAccount),
    (0x33, "ESME_RINVNUMDESTS", PermanentContent),
    (0x34, "ESME_RINVDLNAME", PermanentContent),
    (0x40, "ESME_RINVDESTFLAG", PermanentContent),
    (0x42, "ESME_RINVSUBREP", PermanentContent),
    (0x43, "ESME_RINVESMCLASS", PermanentContent),
    (0x44, "ESME_RCNTSUBDL", Temporary),
    (0x45, "ESME_RSUBMITFAIL", Temporary),
    (0x48, "ESME_RINVSRCTON", PermanentAccount),
    (0x49, "ESME_RINVSRCNPI", PermanentAccount),
    // Type and plan of the recipient are settings too: the number itself is not to blame.
    (0x50, "ESME_RINVDSTTON", PermanentAccount),
    (0x51, "ESME_RINVDSTNPI", PermanentAccount),
    (0x53, "ESME_RINVSYSTYP", PermanentAccount),
    (0x54, "ESME_RINVREPFLAG", PermanentContent),
    (0x55, "ESME_RINVNUMMSGS", Temporary),
    (0x58, "ESME_RTHROTTLED", Throttle),
    (0x61, "ESME_RINVSCHED", PermanentContent),
    (0x62, "ESME_RINVEXPIRY", PermanentContent),
    (0x63, "ESME_RINVDFTMSGID", PermanentContent),
    (0x64, "ESME_RX_T_APPN", Temporary),
    (0x65, "ESME_RX_P_APPN", PermanentContent),
    (0x66, "ESME_RX_R_APPN", PermanentContent),
    (0x67, "ESME_RQUERYFAIL", Temporary),
    (0xC0, "ESME_RINVOPTPARSTREAM", PermanentContent),
    (0xC1, "ESME_ROPTPARNOTALLWD", PermanentContent),
    (0xC2, "ESME_RINVPARLEN", PermanentContent),
    (0xC3, "ESME_RMISSINGOPTPARAM", PermanentContent),
    (0xC4, "ESME_RINVOPTPARAMVAL", PermanentContent),
    (0xFE, "ESME_RDELIVERYFAILURE", Temporary),
    (0xFF, "ESME_RUNKNOWNERR", Temporary),
    // SMPP 5.0, which 3.4 peers send too.
    (0x0100, "ESME_RSERTYPUNAUTH", PermanentAccount),
    (0x0101, "ESME_RPROHIBITED", PermanentAccount),
    (0x0102, "ESME_RSERTYPUNAVAIL", Temporary),
    (0x0103, "ESME_RSERTYPDENIED", PermanentAccount),
    (0x0104, "ESME_RINVDCS", PermanentContent),
    (0x0105, "ESME_RINVSRCADDRSUBUNIT", PermanentContent),
    (0x0106, "ESME_RINVDSTADDRSUBUNIT", PermanentContent),
];

impl Status {
    /// Whether it is `ESME_ROK`.
    pub const fn is_ok(self) -> bool {
        self.0 == 0
    }

    /// The status of that name, or of that number: decimal, or hexadecimal behind `0x`.
    pub fn parse(text: &str) -> Option<Self> {
        let named = TABLE.iter().find(|(_, name, _)| *name == text);
        let number = || match text.strip_prefix("0x") {
            Some(digits) => u32::from_str_radix(digits, 16).ok(),
            None => text.parse().ok(),
        };
        named.map(|(code, _, _)| *code).or_else(number).map(Self)
    }

    /// What it means when it answers a `submit_sm`.
    pub fn class(self) -> ErrorClass {
        self.row().map_or(Temporary, |(_, _, class)| *class)
    }

    /// Whether it says that our credentials are wrong, so that trying again soon is of no use.
    pub fn is_credentials(self) -> bool {
        [Self::RINVPASWD, Self::RINVSYSID, Self::RINVSYSTYP].contains(&self)
    }

    fn row(self) -> Option<&'static (u32, &'static str, ErrorClass)> {
        TABLE.iter().find(|(code, _, _)| *code == self.0)
    }
}

/// Whether a refusal by that name speaks of the carrier or of our account, and not of a recipient or a text.
pub fn is_carriers_fault(name: &str) -> bool {
    let row = TABLE.iter().find(|(_, known, _)| *known == name);
    match row.map_or(Temporary, |(_, _, class)| *class) {
        Throttle | Temporary | PermanentAccount => true,
        PermanentRecipient | PermanentContent => false,
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.row() {
            Some((_, name, _)) => f.write_str(name),
            None => write!(f, "0x{:08X}", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Status, TABLE};
    use crate::channels::ErrorClass;

    #[test]
    fn each_code_stands_once_and_in_order() {
        assert!(TABLE.windows(2).all(|pair| pair[0].0 < pair[1].0));
    }

    #[track_caller]
    fn check(code: u32, name: &str, class: ErrorClass) {
        assert_eq!(
            (Status(code).to_string().as_str(), Status(code).class()),
            (name, class)
        );
    }

    #[test]
    fn codes_have_a_name_and_a_class() {
        check(0x58, "ESME_RTHROTTLED", ErrorClass::Throttle);
        check(0x14, "ESME_RMSGQFUL", ErrorClass::Throttle);
        check(0x0B, "ESME_RINVDSTADR", ErrorClass::PermanentRecipient);
        check(0x08, "ESME_RSYSERR", ErrorClass::Temporary);
        check(0x0E, "ESME_RINVPASWD", ErrorClass::PermanentAccount);
        check(0x01, "ESME_RINVMSGLEN", ErrorClass::PermanentContent);
        check(0x0400, "0x00000400", ErrorClass::Temporary);
    }
}
