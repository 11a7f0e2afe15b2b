//! What a rule takes from the house it works in.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::ToSpan;
use jiff::civil::{Time, time};
use jiff::tz::TimeZone;

use crate::calendar::quiet::QuietHours;
use crate::calendar::workday::WorkingDays;
use crate::model::class::Class;

/// The house: what holds where a rule says nothing itself.
#[derive(Clone, Debug)]
pub struct Site {
    /// Its wall clock.
    pub timezone: TimeZone,
    /// ISO 3166-1 alpha-2; how a number without a prefix is read.
    pub country: String,
    /// Which days people work.
    pub working_days: Arc<WorkingDays>,
    /// Quiet hours by class; a class that is not here has none.
    pub quiet: BTreeMap<Class, QuietHours>,
}

impl Site {
    /// A site with the shipped working days and quiet hours.
    pub fn new(timezone: TimeZone, country: impl Into<String>) -> Self {
        let quiet = Class::ALL
            .iter()
            .filter_map(|class| Some((*class, default_quiet(*class)?)));
        Self {
            timezone,
            country: country.into(),
            working_days: Arc::new(WorkingDays::shipped()),
            quiet: quiet.collect(),
        }
    }
}

/// The quiet hours of a class where neither rule nor site says otherwise.
///
/// Urgent words and our own answers wait for nobody. Advertising keeps the hours that carriers
/// hold it to (20:00 to 08:00), all else leaves people in peace from 21:00 to 08:00.
pub fn default_quiet(class: Class) -> Option<QuietHours> {
    let from = match class {
        Class::Urgent | Class::Reply => return None,
        Class::Appointment
        | Class::Clinical
        | Class::Survey
        | Class::HealthTip
        | Class::Invitation
        | Class::Greeting => 21,
        Class::Promotion => 20,
    };
    let from = time(from, 0, 0, 0);
    Some(QuietHours {
        from,
        to: time(8, 0, 0, 0),
        pull_back_to: default_pull_back(from, time(8, 0, 0, 0)),
    })
}

/// 20:00, or an hour before the quiet begins where that lies within it.
pub fn default_pull_back(from: Time, to: Time) -> Time {
    let evening = time(20, 0, 0, 0);
    let quiet = QuietHours {
        from,
        to,
        pull_back_to: evening,
    };
    if quiet.contains(evening) {
        from.wrapping_sub(1.hour())
    } else {
        evening
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_evening_before_is_never_quiet_itself() {
        for class in Class::ALL {
            let Some(quiet) = default_quiet(*class) else {
                continue;
            };
            assert!(!quiet.contains(quiet.pull_back_to), "{class}");
        }
        assert_eq!(
            default_pull_back(time(20, 0, 0, 0), time(8, 0, 0, 0)),
            time(19, 0, 0, 0)
        );
        assert_eq!(
            default_pull_back(time(21, 0, 0, 0), time(8, 0, 0, 0)),
            time(20, 0, 0, 0)
        );
        assert_eq!(default_quiet(Class::Urgent), None);
    }
}
