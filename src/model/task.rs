//! Work for staff: what it is about, how pressing it is, where it stands.

use super::words::words;

words! {
    /// What a task is about.
    TaskKind {
        /// A step of a rule that staff are reminded of.
        Reminder = "reminder",
        /// A reply that a person has to read.
        Reply = "reply",
        /// A reply that sounds like an emergency.
        Emergency = "emergency",
        /// A patient's wish to cancel or move a booking.
        ChangeRequest = "change_request",
        /// A template prints a value that the records lack.
        MissingValue = "missing_value",
        /// A patient whom no message can reach.
        Unreachable = "unreachable",
        /// A rule or template that does not work.
        Fault = "fault",
        /// Something reaches so many that another person has to agree.
        Approval = "approval",
    }
}

words! {
    /// How pressing a task is.
    Priority {
        /// Before all others.
        Urgent = "urgent",
        /// In its turn.
        Normal = "normal",
    }
}

words! {
    /// Where a task stands.
    TaskState {
        /// To be done.
        Open = "open",
        /// Done.
        Done = "done",
    }
}
