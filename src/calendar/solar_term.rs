//! Solar terms: the civil day in China on which the sun reaches a longitude.
//!
//! The sun's apparent longitude follows Newcomb's elements with the largest perturbations, as
//! Meeus gives them (Astronomical Formulae for Calculators, chapter 18); good to a few seconds of
//! arc, that is to some minutes of time, from 1901 to 2100.

use jiff::civil::{Date, date};

use crate::calendar::wall;

/// Julian day of 1970-01-01T00:00 UT.
const EPOCH: f64 = 2_440_587.5;

/// TT − UT in seconds at the named years (NASA's table until 2020, then a slow rise); between them by a straight line.
const DELTA_T: [(f64, f64); 13] = [
    (1900.0, -2.7),
    (1910.0, 10.5),
    (1920.0, 21.2),
    (1930.0, 24.0),
    (1940.0, 24.3),
    (1950.0, 29.1),
    (1960.0, 33.1),
    (1970.0, 40.2),
    (1980.0, 50.5),
    (1990.0, 56.9),
    (2000.0, 63.8),
    (2020.0, 69.4),
    (2100.0, 120.0),
];

/// Pure Brightness: the sun at 15°.
pub const QINGMING: f64 = 15.0;

/// The winter solstice: the sun at 270°.
pub const WINTER_SOLSTICE: f64 = 270.0;

/// The twenty-four terms in the order of the civil year, each with the longitude of the sun on that day.
pub const TERMS: [(&str, f64); 24] = [
    ("xiaohan", 285.0),
    ("dahan", 300.0),
    ("lichun", 315.0),
    ("yushui", 330.0),
    ("jingzhe", 345.0),
    ("chunfen", 0.0),
    ("qingming", 15.0),
    ("guyu", 30.0),
    ("lixia", 45.0),
    ("xiaoman", 60.0),
    ("mangzhong", 75.0),
    ("xiazhi", 90.0),
    ("xiaoshu", 105.0),
    ("dashu", 120.0),
    ("liqiu", 135.0),
    ("chushu", 150.0),
    ("bailu", 165.0),
    ("qiufen", 180.0),
    ("hanlu", 195.0),
    ("shuangjiang", 210.0),
    ("lidong", 225.0),
    ("xiaoxue", 240.0),
    ("daxue", 255.0),
    ("dongzhi", 270.0),
];

/// The longitude of the sun at the term of that name, such as `lidong`.
pub fn by_name(name: &str) -> Option<f64> {
    let found = TERMS.iter().find(|(term, _)| *term == name)?;
    Some(found.1)
}

/// The civil day in China (UTC+8) of `year` on which the sun reaches `longitude` degrees.
///
/// `None` before 1901 and after 2100, where the series is not vouched for.
pub fn date_in(year: i16, longitude: f64) -> Option<Date> {
    if !(1901..=2100).contains(&year) {
        return None;
    }
    let local = julian_day(year, longitude) + 8.0 / 24.0;
    let days = (local - EPOCH).floor();
    // Whole days between 1901 and 2100 fit easily.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a whole number of days within two centuries"
    )]
    Some(wall::add_days(date(1970, 1, 1), days as i64))
}

/// The instant (Julian day, UT) in `year` when the sun reaches `longitude`.
fn julian_day(year: i16, longitude: f64) -> f64 {
    // The sun stands at 280° around 1 January and moves about a degree a day.
    let start = EPOCH + 365.242_19 * (f64::from(year) - 1970.0);
    let mut day = start + (longitude - 280.0).rem_euclid(360.0) * 365.242_19 / 360.0;
    for _ in 0..8 {
        let off = (longitude - sun_longitude(day) + 180.0).rem_euclid(360.0) - 180.0;
        day += off * 365.242_19 / 360.0;
    }
    day - delta_t(f64::from(year)) / 86_400.0
}

fn delta_t(year: f64) -> f64 {
    let after = DELTA_T
        .iter()
        .position(|(at, _)| *at >= year)
        .unwrap_or(DELTA_T.len() - 1)
        .max(1);
    let ((from, low), (to, high)) = (DELTA_T[after - 1], DELTA_T[after]);
    low + (high - low) * (year - from) / (to - from)
}

/// Apparent longitude of the sun in degrees at a Julian day (TT).
fn sun_longitude(day: f64) -> f64 {
    let t = (day - 2_415_020.0) / 36_525.0;
    let sin = |degrees: f64| degrees.to_radians().sin();
    let cos = |degrees: f64| degrees.to_radians().cos();
    let mean = 279.696_68 + 36_000.768_92 * t + 0.000_302_5 * t * t;
    let anomaly = 358.475_83 + 35_999.049_75 * t - 0.000_150 * t * t - 0.000_003_3 * t * t * t;
    let centre = (1.919_460 - 0.004_789 * t - 0.000_014 * t * t) * sin(anomaly)
        + (0.020_094 - 0.000_100 * t) * sin(2.0 * anomaly)
        + 0.000_293 * sin(3.0 * anomaly);
    // Venus twice, Jupiter, the moon, and a long period.
    let perturbations = 0.001_34 * cos(153.23 + 22_518.754_1 * t)
        + 0.001_54 * cos(216.57 + 45_037.508_2 * t)
        + 0.002_00 * cos(312.69 + 32_964.357_7 * t)
        + 0.001_79 * sin(350.74 + 445_267.114_2 * t - 0.001_44 * t * t)
        + 0.001_78 * sin(231.19 + 20.20 * t);
    // Aberration and nutation.
    let apparent = -0.005_69 - 0.004_79 * sin(259.18 - 1_934.142 * t);
    mean + centre + perturbations + apparent
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The rule of thumb of Chinese almanacs for Qingming; it has no exception in these two centuries.
    fn by_thumb(year: i16) -> i8 {
        let short = f64::from(year % 100);
        let base = if year <= 2000 { 5.59 } else { 4.81 };
        let short = if year == 2000 { 100.0 } else { short };
        #[expect(clippy::cast_possible_truncation, reason = "a day of the month")]
        let day = (short * 0.2422 + base).floor() as i8 - (short / 4.0).floor() as i8;
        day
    }

    #[test]
    fn qingming_agrees_with_the_almanac_for_two_centuries() {
        for year in 1901..=2099 {
            let found = date_in(year, QINGMING).unwrap();
            assert_eq!(found, date(year, 4, by_thumb(year)), "{year}");
        }
    }

    #[test]
    fn the_term_never_falls_so_near_to_midnight_that_minutes_decide() {
        for year in 1901..=2100 {
            let local = julian_day(year, QINGMING) + 8.0 / 24.0 + 0.5;
            let from_midnight = (local.fract() * 1440.0).min((1.0 - local.fract()) * 1440.0);
            assert!(from_midnight > 4.0, "{year}: {from_midnight} minutes");
        }
    }

    #[test]
    fn known_days() {
        assert_eq!(date_in(2026, QINGMING), Some(date(2026, 4, 5)));
        assert_eq!(date_in(2027, QINGMING), Some(date(2027, 4, 5)));
        assert_eq!(date_in(2028, QINGMING), Some(date(2028, 4, 4)));
        assert_eq!(date_in(2026, WINTER_SOLSTICE), Some(date(2026, 12, 22)));
        assert_eq!(date_in(1900, QINGMING), None);
    }

    /// The days of the month of all terms from `xiaohan` to `dongzhi`, two in each month, by the VSOP87 of a
    /// library for astronomers.
    const ALMANAC: &str = "
        2020 06 20 04 19 05 20 04 19 05 20 05 21 06 22 07 22 07 22 08 23 07 22 07 21
        2021 05 20 03 18 05 20 04 20 05 21 05 21 07 22 07 23 07 23 08 23 07 22 07 21
        2022 05 20 04 19 05 20 05 20 05 21 06 21 07 23 07 23 07 23 08 23 07 22 07 22
        2023 05 20 04 19 06 21 05 20 06 21 06 21 07 23 08 23 08 23 08 24 08 22 07 22
        2024 06 20 04 19 05 20 04 19 05 20 05 21 06 22 07 22 07 22 08 23 07 22 06 21
        2025 05 20 03 18 05 20 04 20 05 21 05 21 07 22 07 23 07 23 08 23 07 22 07 21
        2026 05 20 04 18 05 20 05 20 05 21 05 21 07 23 07 23 07 23 08 23 07 22 07 22
        2027 05 20 04 19 06 21 05 20 06 21 06 21 07 23 08 23 08 23 08 23 07 22 07 22
        2028 06 20 04 19 05 20 04 19 05 20 05 21 06 22 07 22 07 22 08 23 07 22 06 21
        2029 05 20 03 18 05 20 04 20 05 21 05 21 07 22 07 23 07 23 08 23 07 22 07 21
        2030 05 20 04 18 05 20 05 20 05 21 05 21 07 23 07 23 07 23 08 23 07 22 07 22
        2031 05 20 04 19 06 21 05 20 06 21 06 21 07 23 08 23 08 23 08 23 07 22 07 22
        2032 06 20 04 19 05 20 04 19 05 20 05 21 06 22 07 22 07 22 08 23 07 22 06 21
        2033 05 20 03 18 05 20 04 20 05 21 05 21 07 22 07 23 07 23 08 23 07 22 07 21
        2034 05 20 04 18 05 20 05 20 05 21 05 21 07 23 07 23 07 23 08 23 07 22 07 22
        2035 05 20 04 19 06 21 05 20 05 21 06 21 07 23 07 23 08 23 08 23 07 22 07 22
        2036 06 20 04 19 05 20 04 19 05 20 05 21 06 22 07 22 07 22 08 23 07 22 06 21
        2037 05 20 03 18 05 20 04 20 05 21 05 21 07 22 07 23 07 23 08 23 07 22 07 21
        2038 05 20 04 18 05 20 05 20 05 21 05 21 07 23 07 23 07 23 08 23 07 22 07 22
        2039 05 20 04 19 06 21 05 20 05 21 06 21 07 23 07 23 08 23 08 23 07 22 07 22
        2040 06 20 04 19 05 20 04 19 05 20 05 21 06 22 07 22 07 22 08 23 07 22 06 21
    ";

    #[test]
    fn every_term_falls_as_the_almanac_says() {
        let mut years = 0;
        for row in ALMANAC.lines().map(str::trim).filter(|row| !row.is_empty()) {
            let mut numbers = row.split(' ').map(|number| number.parse::<i16>().unwrap());
            let year = numbers.next().unwrap();
            for ((month, (name, longitude)), day) in (2..).zip(TERMS).zip(numbers) {
                let expected = date(year, month / 2, i8::try_from(day).unwrap());
                assert_eq!(date_in(year, longitude), Some(expected), "{name} of {year}");
            }
            years += 1;
        }
        assert_eq!(years, 21);
    }

    #[test]
    fn terms_have_names() {
        assert_eq!(by_name("qingming"), Some(QINGMING));
        assert_eq!(by_name("dongzhi"), Some(WINTER_SOLSTICE));
        assert_eq!(by_name("lidong"), Some(225.0));
        assert_eq!(by_name("winter"), None);
    }
}
