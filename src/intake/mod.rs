//! Records in: check, filter sensitive patients, de-duplicate, apply.
//!
//! One parser per format, all ending in [`record::RecordUpdate`]; [`apply`] is shared by files, HTTP and AMQP.

pub mod record;
pub mod report;
pub mod sensitive;

use crate::store::StoreError;

/// Why records could not be taken in at all. A single bad row is no error: it is in the report.
#[derive(Debug, thiserror::Error)]
pub enum IntakeError {
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A file cannot be read.
    #[error("{file}: {what}")]
    Unreadable {
        /// Which.
        file: String,
        /// Why.
        what: String,
    },
}

/// Lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}
