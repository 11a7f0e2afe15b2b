//! Reads what a patient answered: the digits of the menu for now.
mod context;
mod reading;
pub use context::{Awaiting, OfferedTime, PriorQuestion, ReplyContext};
pub use reading::{DayPart, Intent, Matched, Reading, Slots, StopReason};
/// Reads `text` as an answer.
pub fn read(text: &str, _context: &ReplyContext) -> Reading {
    let intent = match text.trim() {
        "1" => Intent::Confirm,
        "2" => Intent::Cancel,
        "3" => Intent::Reschedule,
        "STOP" | "退订" => Intent::OptOut,
        "打错了" => Intent::StopWrongNumber,
        _ => Intent::Unknown,
    };
    Reading::new(intent, intent == Intent::Unknown)
}
