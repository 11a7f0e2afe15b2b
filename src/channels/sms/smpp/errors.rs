//! What a carrier's codes mean where it means them otherwise than the standard: `errors` of its settings.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer};

use super::status::Status;
use crate::channels::ErrorClass;

/// The codes that one carrier means in its own way; all others mean what the standard says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Errors(BTreeMap<u32, ErrorClass>);

impl Errors {
    /// What `status` means when it answers a `submit_sm`.
    pub fn class(&self, status: Status) -> ErrorClass {
        self.0
            .get(&status.0)
            .copied()
            .unwrap_or_else(|| status.class())
    }
}

/// `{ ESME_RX_T_APPN = "throttle", "0x0401" = "permanent_recipient" }`
impl<'de> Deserialize<'de> for Errors {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let written: BTreeMap<String, ErrorClass> = BTreeMap::deserialize(deserializer)?;
        let read = written.into_iter().map(|(code, class)| {
            let status = Status::parse(&code).ok_or_else(|| {
                serde::de::Error::custom(format!(
                    "errors: `{code}` is no status; expected a name such as ESME_RX_T_APPN or a number such as \"0x0401\""
                ))
            })?;
            Ok((status.0, class))
        });
        read.collect::<Result<_, _>>().map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Errors, String> {
        toml::from_str(text).map_err(|problem: toml::de::Error| problem.message().to_owned())
    }

    #[test]
    fn a_carriers_own_meaning_goes_before_the_standards() {
        let errors = read("ESME_RX_T_APPN = \"throttle\"\n\"0x0401\" = \"permanent_recipient\"\n\"88\" = \"temporary\"").unwrap();
        assert_eq!(errors.class(Status::RX_T_APPN), ErrorClass::Throttle);
        assert_eq!(errors.class(Status(0x0401)), ErrorClass::PermanentRecipient);
        assert_eq!(errors.class(Status::RTHROTTLED), ErrorClass::Temporary);
        assert_eq!(
            errors.class(Status::RINVDSTADR),
            ErrorClass::PermanentRecipient
        );
    }

    #[test]
    fn what_is_no_status_or_no_class_is_named() {
        let problem = read("ESME_NONSENSE = \"throttle\"").unwrap_err();
        assert!(
            problem.contains("ESME_NONSENSE") && problem.contains("ESME_RX_T_APPN"),
            "{problem}"
        );
        let problem = read("ESME_RX_T_APPN = \"later\"").unwrap_err();
        assert!(
            problem.contains("later") && problem.contains("permanent_recipient"),
            "{problem}"
        );
    }
}
