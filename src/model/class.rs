//! The class of a message: consent, hours, caps, lane and retention hang on it.

use super::words::words;

words! {
    /// What kind of word this is to a patient.
    Class {
        /// Cannot wait and knows no quiet hours.
        Urgent = "urgent",
        /// About a booking or another agreed date.
        Appointment = "appointment",
        /// About the patient's treatment.
        Clinical = "clinical",
        /// A question about how it was.
        Survey = "survey",
        /// Advice on health.
        HealthTip = "health_tip",
        /// An invitation to a lecture, a check-up, a free clinic.
        Invitation = "invitation",
        /// A birthday or holiday greeting.
        Greeting = "greeting",
        /// Advertising.
        Promotion = "promotion",
        /// Our own answer to what a patient wrote; internal, no rule may use it.
        Reply = "reply",
    }
}

impl Class {
    /// Whether a missed reminder is worth a catch-up and an unreachable patient a task
    /// (rules/README.md: urgent, appointment, clinical).
    pub const fn is_transactional(self) -> bool {
        matches!(self, Self::Urgent | Self::Appointment | Self::Clinical)
    }

    /// Whether quiet hours and frequency caps bind a message that another system enqueued.
    pub const fn is_capped(self) -> bool {
        matches!(
            self,
            Self::Survey | Self::HealthTip | Self::Invitation | Self::Greeting | Self::Promotion
        )
    }

    /// What goes first when a recipient may get one word more: advice before questions, invitations, greetings
    /// and advertising; what no cap binds comes before all.
    pub const fn worth(self) -> u8 {
        match self {
            Self::Reply | Self::Urgent | Self::Appointment | Self::Clinical => 5,
            Self::HealthTip => 4,
            Self::Survey => 3,
            Self::Invitation => 2,
            Self::Greeting => 1,
            Self::Promotion => 0,
        }
    }

    /// The lane its messages take by default.
    pub const fn lane(self) -> Lane {
        match self {
            Self::Urgent | Self::Reply => Lane::Urgent,
            Self::Appointment | Self::Clinical => Lane::Normal,
            Self::Survey
            | Self::HealthTip
            | Self::Invitation
            | Self::Greeting
            | Self::Promotion => Lane::Bulk,
        }
    }
}

words! {
    /// A queue of its own, so that a campaign never delays an urgent text.
    Lane {
        /// Goes first.
        Urgent = "urgent",
        /// Goes next.
        Normal = "normal",
        /// Goes when there is room.
        Bulk = "bulk",
    }
}

words! {
    /// The medium a message or a reminder takes.
    Channel {
        /// A text to a phone.
        Sms = "sms",
        /// A mail.
        Email = "email",
        /// A call that speaks and listens to key presses.
        Voice = "voice",
        /// A notice in the console, for staff.
        Popup = "popup",
        /// A work item in the console, for staff.
        Task = "task",
    }
}

impl Channel {
    /// The kind of contact point this channel needs, if it leaves the house at all.
    pub const fn contact_kind(self) -> Option<ContactKind> {
        match self {
            Self::Sms | Self::Voice => Some(ContactKind::Phone),
            Self::Email => Some(ContactKind::Email),
            Self::Popup | Self::Task => None,
        }
    }
}

words! {
    /// What a contact point is.
    ContactKind {
        /// A number in E.164.
        Phone = "phone",
        /// A mail address.
        Email = "email",
    }
}

words! {
    /// Who gets it.
    Role {
        /// The person cared for.
        Patient = "patient",
        /// A family member or guardian of the patient.
        Family = "family",
        /// Somebody who works here.
        Staff = "staff",
    }
}
