//! The occasion: one patient and one dated fact that reminders hang on.

use jiff::Timestamp;
use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;

use super::id::{OccasionId, PatientId};
use super::staff::StaffKey;
use super::words::words;

/// A booking or another dated fact of one patient.
#[derive(Clone, Debug)]
pub struct Occasion {
    /// Our own id.
    pub id: OccasionId,
    /// Whose it is.
    pub patient: PatientId,
    /// `appointment`, `revisit`, `recheck`, `discharge` … an open set.
    pub kind: String,
    /// When, on the clinic's wall clock.
    pub when: OccasionTime,
    /// The clinic's IANA zone.
    pub timezone: String,
    /// What the hospital system says of it.
    pub status: OccasionStatus,
    /// Rises only when date or time really change.
    pub epoch: i64,
    /// What the patient answered for this epoch.
    pub confirmation: Confirmation,
    /// When it came up; `None` when it was there before the first import of its source.
    pub created_at: Option<Timestamp>,
    /// When it was last moved.
    pub moved_at: Option<Timestamp>,
    /// When it was called off.
    pub cancelled_at: Option<Timestamp>,
    /// The department that sees the patient.
    pub department: Option<String>,
    /// The doctor's name as it may be told to the patient.
    pub doctor: Option<String>,
    /// How a source calls the treating doctor.
    pub doctor_key: Option<StaffKey>,
    /// Where to go, as it may be told to the patient.
    pub place: Option<String>,
    /// What else the hospital tells; templates reach it by `occasion.<name>`.
    pub attributes: serde_json::Map<String, serde_json::Value>,
}

/// Civil date, with a clock or without.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OccasionTime {
    /// A day and a clock.
    At(DateTime),
    /// A day alone; it ends at 23:59.
    On(Date),
}

impl OccasionTime {
    /// The civil day.
    pub fn date(self) -> Date {
        match self {
            Self::At(at) => at.date(),
            Self::On(on) => on,
        }
    }

    /// The instant it starts, or for a day alone its last minute (rules/README.md, rule 2).
    /// # Errors
    /// When the instant is outside of what time can say.
    pub fn instant(self, zone: &TimeZone) -> Result<Timestamp, jiff::Error> {
        let wall = match self {
            Self::At(at) => at,
            Self::On(on) => on.to_datetime(Time::constant(23, 59, 0, 0)),
        };
        Ok(zone.to_ambiguous_zoned(wall).compatible()?.timestamp())
    }

    /// `2026-07-24T10:00` or `2026-07-24`.
    pub fn to_text(self) -> String {
        match self {
            Self::At(at) => at.strftime("%Y-%m-%dT%H:%M").to_string(),
            Self::On(on) => on.to_string(),
        }
    }

    /// Reads what `to_text` writes, seconds allowed.
    pub fn parse(text: &str) -> Option<Self> {
        if let Ok(date) = text.parse::<Date>()
            && text.len() == 10
        {
            return Some(Self::On(date));
        }
        text.parse::<DateTime>().ok().map(Self::At)
    }
}

words! {
    /// What the hospital system says of an occasion.
    OccasionStatus {
        /// It stands.
        Booked = "booked",
        /// It was called off.
        Cancelled = "cancelled",
        /// The patient is here.
        Arrived = "arrived",
        /// It took place.
        Fulfilled = "fulfilled",
        /// The patient did not come.
        NoShow = "no_show",
    }
}

words! {
    /// What the patient answered, for the present epoch.
    Confirmation {
        /// Nobody asked.
        None = "none",
        /// Asked, no answer yet.
        Awaiting = "awaiting",
        /// They will come.
        Confirmed = "confirmed",
        /// They will not come.
        Declined = "declined",
        /// They want another time.
        ChangeRequested = "change_requested",
    }
}

/// What can happen to a confirmation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConfirmationEvent {
    /// A question went out.
    Asked,
    /// The patient said yes.
    SaidYes,
    /// The patient said no.
    SaidNo,
    /// The patient wants another time.
    WantsChange,
    /// Date or time changed, or the booking came back: what was said counts no more.
    NewEpoch,
}

impl Confirmation {
    /// The state after `event`; a patient may change their mind.
    #[must_use]
    pub const fn after(self, event: ConfirmationEvent) -> Self {
        use ConfirmationEvent as E;
        match (self, event) {
            (Self::None | Self::Awaiting, E::Asked) => Self::Awaiting,
            (answered, E::Asked) => answered,
            (_, E::SaidYes) => Self::Confirmed,
            (_, E::SaidNo) => Self::Declined,
            (_, E::WantsChange) => Self::ChangeRequested,
            (_, E::NewEpoch) => Self::None,
        }
    }

    /// Whether the patient has answered.
    pub const fn is_answered(self) -> bool {
        matches!(
            self,
            Self::Confirmed | Self::Declined | Self::ChangeRequested
        )
    }
}
