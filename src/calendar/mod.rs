//! Calendars: holidays, lunisolar dates, working days, quiet hours and sums on the wall clock.
//!
//! Pure: no clock, no files. What a rule does with a date is decided in `rules`.

pub mod holiday;
pub mod lunar;
pub mod quiet;
pub mod solar_term;
pub mod wall;
pub mod workday;
