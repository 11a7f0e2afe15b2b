//! The message and its state machine (ARCHITECTURE.md, "The life of a message"), and the attempt's.

use super::words::words;

words! {
    /// Where a message stands.
    MessageState {
        /// Accepted, due later.
        Scheduled = "scheduled",
        /// Blocked by a person or a rule.
        Held = "held",
        /// Due, may be claimed.
        Queued = "queued",
        /// Claimed under a lease; an attempt may be journalled.
        Sending = "sending",
        /// An attempt was journalled and its outcome is unknown.
        Uncertain = "uncertain",
        /// The provider took it; a receipt is expected.
        Submitted = "submitted",
        /// The provider took it; no receipt will come.
        Sent = "sent",
        /// It arrived.
        Delivered = "delivered",
        /// It was taken and did not arrive.
        Undelivered = "undelivered",
        /// It was never taken.
        Failed = "failed",
        /// It was of no more use before it was taken.
        Expired = "expired",
        /// It must not be sent.
        Suppressed = "suppressed",
        /// It was called off before it was handed over.
        Cancelled = "cancelled",
        /// It was taken, and nothing more was heard.
        Unconfirmed = "unconfirmed",
    }
}

/// What can happen to a message; the numbers are those of ARCHITECTURE.md, "The life of a message".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageEvent {
    /// T4, T9: a worker took it.
    Claimed,
    /// T6: its moment changed.
    Moved,
    /// T7, T36: a person or a rule blocks it.
    Held,
    /// T7r: the block is gone.
    Released,
    /// T12, T18, T20, T23, T31: the provider has it and owes a receipt.
    Accepted,
    /// T12: the provider has it and owes nothing.
    AcceptedWithoutReceipt,
    /// T13, T14, T17, T21, T23, T30: it goes back to the queue.
    Requeued,
    /// T15: no attempt is left.
    GaveUp,
    /// T16: nobody knows whether it left.
    Lost,
    /// T22, T27: nothing more will be heard.
    Silenced,
    /// T19, T24, T28, T34: it arrived.
    ReceiptDelivered,
    /// T19, T25, T34: it will not arrive.
    ReceiptUndelivered,
    /// T26: the network let it run out.
    ReceiptExpired,
    /// T8: of no more use.
    RanOut,
    /// T3, T10, T35: it must not be sent.
    Forbidden,
    /// T5, T33: called off.
    Withdrawn,
}

impl MessageState {
    /// The state after `event`, or `None` if that cannot follow.
    ///
    /// Whether an attempt is still unknown is the caller's to check: such a message ends in
    /// `unconfirmed`, never in a state that claims that nothing went out.
    pub const fn after(self, event: MessageEvent) -> Option<Self> {
        use {MessageEvent as E, MessageState as S};
        let next = match (self, event) {
            (S::Queued | S::Scheduled, E::Claimed) => S::Sending,
            (S::Scheduled, E::Moved) => S::Scheduled,
            (S::Queued, E::Moved) => S::Scheduled,
            (S::Queued | S::Scheduled, E::Held) => S::Held,
            (S::Held, E::Released) => S::Queued,
            (S::Sending | S::Uncertain | S::Queued, E::Accepted) => S::Submitted,
            (S::Sending | S::Uncertain | S::Queued, E::AcceptedWithoutReceipt) => S::Sent,
            (S::Sending | S::Uncertain | S::Submitted, E::Requeued) => S::Queued,
            (S::Sending, E::GaveUp) => S::Failed,
            (S::Sending, E::Lost) => S::Uncertain,
            (S::Uncertain | S::Submitted | S::Sending | S::Queued, E::Silenced) => S::Unconfirmed,
            (
                S::Uncertain
                | S::Submitted
                | S::Queued
                | S::Sending
                | S::Unconfirmed
                | S::Undelivered
                | S::Expired
                | S::Failed
                | S::Sent,
                E::ReceiptDelivered,
            ) => S::Delivered,
            (
                S::Uncertain | S::Submitted | S::Queued | S::Sending | S::Sent,
                E::ReceiptUndelivered,
            ) => S::Undelivered,
            (S::Uncertain | S::Submitted | S::Queued | S::Sending, E::ReceiptExpired) => S::Expired,
            (S::Scheduled | S::Held | S::Queued | S::Sending, E::RanOut) => S::Expired,
            (S::Scheduled | S::Held | S::Queued | S::Sending, E::Forbidden) => S::Suppressed,
            (S::Scheduled | S::Held | S::Queued | S::Sending, E::Withdrawn) => S::Cancelled,
            _ => return None,
        };
        Some(next)
    }

    /// Whether nothing more will be done for it by itself.
    pub const fn is_final(self) -> bool {
        match self {
            Self::Scheduled
            | Self::Held
            | Self::Queued
            | Self::Sending
            | Self::Uncertain
            | Self::Submitted => false,
            Self::Sent
            | Self::Delivered
            | Self::Undelivered
            | Self::Failed
            | Self::Expired
            | Self::Suppressed
            | Self::Cancelled
            | Self::Unconfirmed => true,
        }
    }
}

words! {
    /// Where one try stands. The row is committed as `prepared` before the wire is touched.
    AttemptPhase {
        /// Journalled; may or may not have been written.
        Prepared = "prepared",
        /// The provider took it.
        Accepted = "accepted",
        /// Nothing left the house.
        NotSent = "not_sent",
        /// The provider refused it.
        Rejected = "rejected",
        /// Nobody knows.
        Unknown = "unknown",
        /// Was unknown; it did leave.
        ResolvedSent = "resolved_sent",
        /// Was unknown; a person or the provider says that it did not leave.
        ResolvedNotSent = "resolved_not_sent",
    }
}

words! {
    /// What a message asks and a reply answers.
    Ask {
        /// Will you come?
        Confirm = "confirm",
        /// Which of these?
        Choice = "choice",
        /// Will you join us? Read as `confirm`.
        Rsvp = "rsvp",
        /// How was it?
        Survey = "survey",
        /// Which of these visits is to be cancelled? Our own, after an answer to several.
        WhichToCancel = "which_to_cancel",
        /// Which of these visits is to be moved? Our own, after an answer to several.
        WhichToMove = "which_to_move",
    }
}

impl Ask {
    /// Whether only we ask it ourselves, never a rule or another system.
    pub const fn is_ours(self) -> bool {
        matches!(self, Self::WhichToCancel | Self::WhichToMove)
    }
}

#[cfg(test)]
mod tests {
    use super::{MessageEvent as E, MessageState as S};

    const EVENTS: [E; 16] = [
        E::Claimed,
        E::Moved,
        E::Held,
        E::Released,
        E::Accepted,
        E::AcceptedWithoutReceipt,
        E::Requeued,
        E::GaveUp,
        E::Lost,
        E::Silenced,
        E::ReceiptDelivered,
        E::ReceiptUndelivered,
        E::ReceiptExpired,
        E::RanOut,
        E::Forbidden,
        E::Withdrawn,
    ];

    #[test]
    fn every_state_can_be_reached_and_every_waiting_one_can_end() {
        let mut reached = vec![S::Scheduled, S::Queued, S::Suppressed, S::Held];
        for _ in 0..S::ALL.len() {
            for state in reached.clone() {
                reached.extend(EVENTS.iter().filter_map(|event| state.after(*event)));
            }
            reached.sort();
            reached.dedup();
        }
        assert_eq!(
            reached,
            S::ALL
                .iter()
                .copied()
                .collect::<std::collections::BTreeSet<_>>()
                .into_iter()
                .collect::<Vec<_>>()
        );
        for state in S::ALL.iter().filter(|s| !s.is_final()) {
            assert!(
                EVENTS.iter().any(|event| state.after(*event).is_some()),
                "{state} is stuck"
            );
        }
    }

    #[test]
    fn a_final_state_is_left_only_by_a_receipt() {
        for state in S::ALL.iter().filter(|s| s.is_final()) {
            for event in EVENTS {
                if let Some(next) = state.after(event) {
                    assert!(
                        matches!(event, E::ReceiptDelivered | E::ReceiptUndelivered),
                        "{state} by {event:?}"
                    );
                    assert!(
                        next == S::Delivered || *state == S::Sent,
                        "{state} to {next}"
                    );
                }
            }
        }
    }
}
