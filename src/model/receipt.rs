//! What a network says about a message it took.

use super::words::words;

words! {
    /// The `stat` of a receipt, or SMPP's `message_state` (SMPP 3.4 §5.2.28).
    ReceiptStatus {
        /// On the handset.
        Delivered = "delivered",
        /// Under way; nothing final.
        EnRoute = "en_route",
        /// Ran out of its validity.
        Expired = "expired",
        /// Deleted at the network.
        Deleted = "deleted",
        /// Could not be delivered.
        Undeliverable = "undeliverable",
        /// In the hands of the network's people; nothing final.
        Accepted = "accepted",
        /// The network does not know.
        Unknown = "unknown",
        /// Refused by the network after all.
        Rejected = "rejected",
    }
}

impl ReceiptStatus {
    /// Whether nothing more will come (DELIVRD, EXPIRED, DELETED, UNDELIV, REJECTD).
    pub const fn is_final(self) -> bool {
        match self {
            Self::Delivered
            | Self::Expired
            | Self::Deleted
            | Self::Undeliverable
            | Self::Rejected => true,
            Self::EnRoute | Self::Accepted | Self::Unknown => false,
        }
    }
}
