//! Quiet hours: when a patient is left in peace, and where a reminder goes instead.

use jiff::Timestamp;
use jiff::civil::Time;
use jiff::tz::TimeZone;

use crate::calendar::wall;

/// Quiet from `from` to `to` on the wall clock, over midnight if `to` is the earlier. None when both are the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct QuietHours {
    /// The first quiet minute.
    pub from: Time,
    /// The first minute that is not quiet any more.
    pub to: Time,
    /// Where a reminder goes, on the day before, when `to` would come too late.
    pub pull_back_to: Time,
}

/// What became of an instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shift {
    /// It does not lie in quiet hours.
    Stands,
    /// It waits for their end.
    Pushed(Timestamp),
    /// Their end is too late, so it goes the evening before.
    PulledBack(Timestamp),
    /// Their end is too late and the evening before is gone.
    Dropped {
        /// Their end.
        end: Timestamp,
        /// The evening before.
        evening: Timestamp,
    },
}

impl QuietHours {
    /// Whether the clock at `time` is in them.
    pub fn contains(&self, time: Time) -> bool {
        if self.from <= self.to {
            self.from <= time && time < self.to
        } else {
            self.from <= time || time < self.to
        }
    }

    /// Where a reminder due at `at` goes that must not be later than `limit` nor earlier than the minute of `earliest`.
    pub fn shift(
        &self,
        zone: &TimeZone,
        at: Timestamp,
        limit: Option<Timestamp>,
        earliest: Timestamp,
    ) -> Shift {
        if !self.contains(wall::time(zone, at)) {
            return Shift::Stands;
        }
        let end = wall::next(zone, at, self.to);
        if limit.is_none_or(|limit| end <= limit) {
            return Shift::Pushed(end);
        }
        let evening = wall::instant(
            zone,
            wall::add_days(wall::date(zone, end), -1).to_datetime(self.pull_back_to),
        );
        if evening >= wall::minute(earliest) {
            Shift::PulledBack(evening)
        } else {
            Shift::Dropped { end, evening }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::time;
    use jiff::{SignedDuration, ToSpan};

    const NIGHT: QuietHours = QuietHours {
        from: time(21, 0, 0, 0),
        to: time(8, 0, 0, 0),
        pull_back_to: time(20, 0, 0, 0),
    };

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn shanghai() -> TimeZone {
        TimeZone::get("Asia/Shanghai").unwrap()
    }

    #[test]
    fn the_first_minute_is_quiet_and_the_last_is_not() {
        assert!(!NIGHT.contains(time(20, 59, 59, 0)));
        assert!(NIGHT.contains(time(21, 0, 0, 0)));
        assert!(NIGHT.contains(time(0, 0, 0, 0)));
        assert!(NIGHT.contains(time(7, 59, 59, 0)));
        assert!(!NIGHT.contains(time(8, 0, 0, 0)));
        let noon = QuietHours {
            from: time(12, 0, 0, 0),
            to: time(14, 0, 0, 0),
            ..NIGHT
        };
        assert!(
            noon.contains(time(12, 0, 0, 0))
                && !noon.contains(time(14, 0, 0, 0))
                && !noon.contains(time(11, 59, 0, 0))
        );
        let none = QuietHours {
            to: NIGHT.from,
            ..NIGHT
        };
        assert!(!none.contains(NIGHT.from));
    }

    #[test]
    fn it_waits_or_goes_the_evening_before_or_not_at_all() {
        let lead = at("2026-08-14T06:00+08:00");
        let shift = |limit: &str, earliest: &str| {
            NIGHT.shift(&shanghai(), lead, Some(at(limit)), at(earliest))
        };
        assert_eq!(
            shift("2026-08-14T08:00+08:00", "2026-08-01T00:00Z"),
            Shift::Pushed(at("2026-08-14T08:00+08:00"))
        );
        let evening = at("2026-08-13T20:00+08:00");
        assert_eq!(
            shift("2026-08-14T07:59+08:00", "2026-08-01T00:00Z"),
            Shift::PulledBack(evening)
        );
        assert_eq!(
            shift("2026-08-14T07:59+08:00", "2026-08-13T20:00:59+08:00"),
            Shift::PulledBack(evening)
        );
        let dropped = Shift::Dropped {
            end: at("2026-08-14T08:00+08:00"),
            evening,
        };
        assert_eq!(
            shift("2026-08-14T07:59+08:00", "2026-08-13T20:01+08:00"),
            dropped
        );
    }

    #[test]
    fn at_every_minute_the_end_is_outside_and_at_most_a_day_on() {
        for name in [
            "America/New_York",
            "Australia/Lord_Howe",
            "Asia/Shanghai",
            "Europe/London",
        ] {
            let zone = TimeZone::get(name).unwrap();
            for day in [
                "2026-03-07T12:00Z",
                "2026-10-31T12:00Z",
                "2026-04-04T00:00Z",
                "2026-10-03T00:00Z",
                "1986-05-03T00:00Z",
                "1991-09-14T00:00Z",
            ] {
                let start = at(day);
                for (from, to) in [(21, 8), (0, 7), (22, 2), (1, 3), (12, 14)] {
                    let quiet = QuietHours {
                        from: time(from, 0, 0, 0),
                        to: time(to, 0, 0, 0),
                        ..NIGHT
                    };
                    for minutes in (0..60 * 48).step_by(15) {
                        let lead = start.checked_add(i64::from(minutes).minutes()).unwrap();
                        match quiet.shift(&zone, lead, None, lead) {
                            Shift::Stands => assert!(!quiet.contains(wall::time(&zone, lead))),
                            Shift::Pushed(end) => {
                                assert!(
                                    end > lead
                                        && end.duration_since(lead)
                                            <= SignedDuration::from_hours(25)
                                );
                                assert!(
                                    !quiet.contains(wall::time(&zone, end)),
                                    "{name} {lead} {end}"
                                );
                            }
                            Shift::PulledBack(_) | Shift::Dropped { .. } => {
                                panic!("nothing limits it")
                            }
                        }
                    }
                }
            }
        }
    }
}
