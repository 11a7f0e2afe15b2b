//! The reply: what became of a text that came in.

use super::words::words;

words! {
    /// What was done with a reply.
    ReplyOutcome {
        /// The bookings it is about are confirmed.
        Confirmed = "confirmed",
        /// The patient will not come to them.
        Declined = "declined",
        /// The patient wants another time.
        ChangeRequested = "change_requested",
        /// It answers a question that hangs on no booking.
        Answered = "answered",
        /// The patient was asked which of several bookings is meant.
        AskedWhich = "asked_which",
        /// A person reads it.
        Task = "task",
        /// A person reads it at once.
        Emergency = "emergency",
        /// Nothing goes to that address any more.
        OptedOut = "opted_out",
        /// Messages go to that address again.
        OptedIn = "opted_in",
        /// The number is in other hands.
        WrongNumber = "wrong_number",
        /// It says that the patient has died.
        Deceased = "deceased",
        /// We said what this number is for.
        Helped = "helped",
        /// There is nothing to do.
        Noted = "noted",
    }
}
