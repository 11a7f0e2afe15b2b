//! The working days that rules go by: the shipped ones, and what the config's files add.

use std::path::Path;

use crate::calendar::workday::WorkingDays;
use crate::config::{Config, ConfigError};

/// Reads every file under `[calendar]`. Several add up; their years replace the shipped ones.
///
/// # Errors
/// When one cannot be read or has a mistake, with file, line and what was expected.
pub fn working_days(config: &Config) -> Result<WorkingDays, ConfigError> {
    let mut files: Option<WorkingDays> = None;
    for file in &config.calendar.workdays {
        let read = read_working_days(&config.path(file), &config.site.timezone)?;
        files = Some(match files {
            Some(before) => before.and(read),
            None => read,
        });
    }
    let shipped = WorkingDays::shipped();
    Ok(match files {
        Some(files) => shipped.with(files),
        None => shipped,
    })
}

/// Reads one table: TOML by its name, else CSV, which is for `zone` and those of its country unless it names others.
///
/// # Errors
/// When it cannot be read or has a mistake, with file, line and what was expected.
pub fn read_working_days(file: &Path, zone: &str) -> Result<WorkingDays, ConfigError> {
    let name = file.display().to_string();
    let text = std::fs::read_to_string(file).map_err(|why| ConfigError::Unreadable {
        file: name.clone(),
        why: why.to_string(),
    })?;
    let is_toml = file
        .extension()
        .is_some_and(|extension| extension == "toml");
    let read = if is_toml {
        WorkingDays::from_toml(&text)
    } else {
        let shipped = WorkingDays::shipped();
        WorkingDays::from_csv(&text, &shipped.beside(zone))
    };
    read.map_err(|fault| ConfigError::Wrong {
        place: format!("{name}:{}", fault.line),
        what: format!("expected {}", fault.expected),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(dir: &Path, files: &[(&str, &str)]) -> Config {
        let mut config = Config {
            base: dir.to_owned(),
            ..Config::default()
        };
        for (name, text) in files {
            std::fs::write(dir.join(name), text).unwrap();
            config.calendar.workdays.push(name.into());
        }
        config
    }

    #[test]
    fn files_are_for_the_sites_country_and_a_mistake_names_file_and_line() {
        let dir =
            std::env::temp_dir().join(format!("carebell-test-{}", uuid::Uuid::now_v7().simple()));
        std::fs::create_dir(&dir).unwrap();
        let good = config(&dir, &[("2027.csv", "date,day\n2027-02-06,off\n")]);
        let days = working_days(&good).unwrap();
        let urumqi = jiff::tz::TimeZone::get("Asia/Urumqi").unwrap();
        assert!(!days.lacks_year(&urumqi, "2027-02-06".parse().unwrap()));
        let bad = config(&dir, &[("2028.csv", "date,day\n2028-02-06,maybe\n")]);
        let fault = working_days(&bad).unwrap_err().to_string();
        assert!(
            fault.ends_with("2028.csv:2: expected `off` or `work` after the day"),
            "{fault}"
        );
        let mut gone = Config::default();
        gone.calendar.workdays.push("nowhere.csv".into());
        assert!(matches!(
            working_days(&gone),
            Err(ConfigError::Unreadable { .. })
        ));
        std::fs::remove_dir_all(&dir).unwrap();
    }
}
