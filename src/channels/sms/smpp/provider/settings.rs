//! What an SMPP provider is told in the config.

use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

use super::address::{Plan, address};
use crate::channels::settings::duration;
use crate::channels::sms::smpp::errors::Errors;
use crate::channels::sms::smpp::pdu::BindKind;
use crate::channels::sms::smpp::tls::TlsError;
use crate::model::private::Private;
use crate::segments::split::DefaultAlphabet;

/// The settings of one SMPP account: `[providers.<name>]` without `channel` and `kind`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Name or address of the carrier's SMSC.
    pub host: String,
    /// Its port.
    #[serde(default = "default_port")]
    pub port: u16,
    /// Who we are to it.
    pub system_id: String,
    /// Our password; or else `password_file`.
    pub password: Option<Private<String>>,
    /// A file whose first line is the password.
    pub password_file: Option<PathBuf>,
    /// As the carrier wants it; mostly empty.
    #[serde(default)]
    pub system_type: String,
    /// Source address of messages that name none: a number, a short code, or up to 11 letters.
    pub sender: String,
    /// One connection for both ways, or one each.
    #[serde(default)]
    pub bind: BindMode,
    /// Unanswered submits a bind.
    #[serde(default = "default_window")]
    pub window: u16,
    /// Binds at once (pairs of them with `transmitter_receiver`).
    #[serde(default = "default_binds")]
    pub binds: u8,
    /// How often to ask whether the carrier is alive.
    #[serde(default = "default_enquire_link_every", deserialize_with = "duration")]
    pub enquire_link_every: Duration,
    /// Segments a second; 0 is no limit.
    #[serde(default)]
    pub rate: u32,
    /// TLS, if the carrier speaks it.
    pub tls: Option<TlsSettings>,
    /// Type of the source address; without it told by its form.
    pub source_ton: Option<u8>,
    /// Numbering plan of the source address.
    pub source_npi: Option<u8>,
    /// Type of the recipient's number.
    pub dest_ton: Option<u8>,
    /// Numbering plan of the recipient's number.
    pub dest_npi: Option<u8>,
    /// `service_type`, as the carrier wants it; mostly empty.
    #[serde(default)]
    pub service_type: String,
    /// What the carrier takes data coding 0 for.
    #[serde(default)]
    pub default_alphabet: DefaultAlphabet,
    /// How a long text is sent.
    #[serde(default)]
    pub concat: ConcatMode,
    /// Whether to ask for receipts.
    #[serde(default = "default_receipts")]
    pub receipts: bool,
    /// Codes that this carrier means in its own way.
    #[serde(default)]
    pub errors: Errors,
}

/// How to be connected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BindMode {
    /// Both ways over one connection.
    #[default]
    Transceiver,
    /// One connection each way.
    TransmitterReceiver,
    /// Out only: no receipts, no replies.
    Transmitter,
}

impl BindMode {
    /// The kinds of bind it needs.
    pub(super) const fn kinds(self) -> &'static [BindKind] {
        match self {
            Self::Transceiver => &[BindKind::Transceiver],
            Self::TransmitterReceiver => &[BindKind::Transmitter, BindKind::Receiver],
            Self::Transmitter => &[BindKind::Transmitter],
        }
    }
}

/// How a text of several segments is sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConcatMode {
    /// A user data header with an 8-bit reference: understood everywhere.
    #[default]
    Udh8,
    /// A user data header with a 16-bit reference.
    Udh16,
    /// Whole, in `message_payload`: the carrier cuts.
    Payload,
    /// The parameters `sar_*`: the carrier makes the header.
    Sar,
}

/// TLS towards the carrier.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsSettings {
    /// Certificates to trust (PEM); without it those of the system.
    pub ca_file: Option<PathBuf>,
    /// The name in the carrier's certificate; without it `host`.
    pub domain: Option<String>,
}

/// Why an account cannot be opened: a mistake in the config.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The file with the password cannot be read.
    #[error("`password_file` `{path}` cannot be read: {kind}")]
    PasswordFile {
        /// The file.
        path: String,
        /// Why not.
        kind: std::io::ErrorKind,
    },
    /// Both ways to give a password are used.
    #[error("`password` and `password_file` are both given; expected one of them")]
    TwoPasswords,
    /// A value is out of its range.
    #[error("`{key}` is out of range; expected {expected}")]
    OutOfRange {
        /// The key.
        key: &'static str,
        /// What is fine.
        expected: &'static str,
    },
    /// TLS cannot be set up.
    #[error("tls: {0}")]
    Tls(#[from] TlsError),
}

impl Settings {
    /// Refuses values that cannot work.
    pub(super) fn check(&self) -> Result<(), OpenError> {
        let within = |fine: bool, key, expected| {
            if fine {
                Ok(())
            } else {
                Err(OpenError::OutOfRange { key, expected })
            }
        };
        within(self.window > 0, "window", "1 to 65535")?;
        within(self.binds > 0, "binds", "1 to 255")?;
        within(!self.host.is_empty(), "host", "a name or an address")?;
        within(
            self.system_id.len() <= 15,
            "system_id",
            "at most 15 characters",
        )?;
        within(
            self.system_type.len() <= 12,
            "system_type",
            "at most 12 characters",
        )?;
        within(
            self.service_type.len() <= 5,
            "service_type",
            "at most 5 characters",
        )?;
        let sender = address(&self.sender, self.source_plan());
        within(sender.is_some(), "sender", "at most 20 characters")
    }

    /// The password, wherever it is kept.
    pub(super) fn password(&self) -> Result<Private<String>, OpenError> {
        match (&self.password, &self.password_file) {
            (Some(_), Some(_)) => Err(OpenError::TwoPasswords),
            (Some(password), None) => Ok(password.clone()),
            (None, None) => Ok(Private::new(String::new())),
            (None, Some(path)) => {
                let text =
                    std::fs::read_to_string(path).map_err(|error| OpenError::PasswordFile {
                        path: path.display().to_string(),
                        kind: error.kind(),
                    })?;
                Ok(Private::new(
                    text.lines().next().unwrap_or("").trim_end().to_owned(),
                ))
            }
        }
    }

    /// How addresses are marked.
    pub(super) const fn source_plan(&self) -> Plan {
        Plan {
            ton: self.source_ton,
            npi: self.source_npi,
        }
    }

    /// How recipients are marked.
    pub(super) const fn dest_plan(&self) -> Plan {
        Plan {
            ton: self.dest_ton,
            npi: self.dest_npi,
        }
    }
}

const fn default_port() -> u16 {
    2775
}

const fn default_window() -> u16 {
    10
}

const fn default_binds() -> u8 {
    1
}

const fn default_enquire_link_every() -> Duration {
    Duration::from_secs(30)
}

const fn default_receipts() -> bool {
    true
}
