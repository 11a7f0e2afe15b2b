//! The reminder: one planned thing to say or do for one recipient at one moment.

use super::words::words;

words! {
    /// Where a reminder stands.
    ReminderState {
        /// Waits for its moment.
        Planned = "planned",
        /// Became a message or a task.
        Composed = "composed",
        /// Was not sent, for a named reason.
        Skipped = "skipped",
        /// A changed rule or a moved booking took its place.
        Superseded = "superseded",
    }
}

/// What can happen to a reminder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReminderEvent {
    /// A message or task was made of it.
    Composed,
    /// A gate said no.
    Skipped,
    /// The plan changed under it.
    Superseded,
    /// The plan brought it back before it was due.
    Replanned,
    /// Its message was called off before it left, since it told of another occasion as well.
    Recalled,
}

impl ReminderState {
    /// The state after `event`, or `None` if that cannot follow.
    pub const fn after(self, event: ReminderEvent) -> Option<Self> {
        use ReminderEvent as E;
        match (self, event) {
            (Self::Planned, E::Composed) => Some(Self::Composed),
            (Self::Planned, E::Skipped) => Some(Self::Skipped),
            (Self::Planned, E::Superseded) => Some(Self::Superseded),
            (Self::Superseded, E::Replanned) | (Self::Composed | Self::Skipped, E::Recalled) => {
                Some(Self::Planned)
            }
            _ => None,
        }
    }
}

words! {
    /// What makes a reminder needless; looked at when it is composed.
    Unless {
        /// The patient answered, whatever it was.
        Answered = "answered",
        /// The patient will come.
        Confirmed = "confirmed",
        /// An earlier step's message arrived.
        Delivered = "delivered",
    }
}

words! {
    /// Why a reminder was not sent, or will not be planned.
    SkipReason {
        /// The patient has died.
        Deceased = "deceased",
        /// The patient is a sensitive one.
        Sensitive = "sensitive",
        /// A person blocked the patient.
        Held = "held",
        /// The recipient said stop.
        OptedOut = "opted_out",
        /// There is no leave to send this class or to tell this relation.
        NoConsent = "no_consent",
        /// No usable contact point on any channel.
        NoContactPoint = "no_contact_point",
        /// It fell into quiet hours and could not be shifted.
        QuietHours = "quiet_hours",
        /// The patient has had enough messages.
        FrequencyCap = "frequency_cap",
        /// It became part of another message.
        Merged = "merged",
        /// The plan changed.
        Superseded = "superseded",
        /// The patient answered already.
        AlreadyAnswered = "already_answered",
        /// The patient declined.
        Declined = "declined",
        /// An earlier message arrived already.
        AlreadyDelivered = "already_delivered",
        /// It would come too late to be of use.
        TooLate = "too_late",
        /// Its lead was past when it was planned.
        Missed = "missed",
        /// The occasion was called off.
        Cancelled = "cancelled",
        /// The occasion is over.
        Past = "past",
        /// The template lacks a value.
        MissingValue = "missing_value",
        /// The template is not there or has a fault.
        TemplateFault = "template_fault",
        /// The rule has a fault.
        RuleFault = "rule_fault",
        /// The rule is off.
        RuleOff = "rule_off",
        /// The rule plans and shows only.
        Shadow = "shadow",
        /// The patient is not in the rule's audience.
        NotInAudience = "not_in_audience",
        /// Before the rule's first day.
        NotEffective = "not_effective",
        /// The same word goes out already by an earlier step.
        Duplicate = "duplicate",
        /// The record shows that it was done already.
        Done = "done",
        /// The patient was never told the old date.
        NotTold = "not_told",
        /// The patient's own setting turns the rule off.
        Overridden = "overridden",
        /// It is a minor and no guardian may be told.
        NoGuardian = "no_guardian",
    }
}
