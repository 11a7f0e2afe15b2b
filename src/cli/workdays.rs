//! `carebell workdays`: which years of working days are known, and whether a table can be read.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

use serde_json::json;

use crate::app::{read_working_days, working_days};
use crate::calendar::workday::{KnownYear, WorkingDays};
use crate::config::{Config, ConfigError};

/// Prints every zone and year that is known. 1 when a file of the config has a mistake.
///
/// # Errors
/// When a file cannot be read or nothing can be written.
pub fn list(config: &Config, json: bool, out: &mut dyn Write) -> anyhow::Result<u8> {
    let read = working_days(config);
    tell(read, json, out)
}

/// Reads one table as the config would, and prints what it knows. 1 when it has a mistake.
///
/// # Errors
/// When it cannot be read or nothing can be written.
pub fn check(config: &Config, file: &Path, json: bool, out: &mut dyn Write) -> anyhow::Result<u8> {
    let read = read_working_days(file, &config.site.timezone);
    tell(read, json, out)
}

fn tell(
    read: Result<WorkingDays, ConfigError>,
    json: bool,
    out: &mut dyn Write,
) -> anyhow::Result<u8> {
    let days = match read {
        Ok(days) => days,
        Err(wrong @ ConfigError::Wrong { .. }) => {
            writeln!(std::io::stderr(), "{wrong}")?;
            return Ok(super::WRONG);
        }
        Err(unreadable) => return Err(unreadable.into()),
    };
    // Zones of one country have the same days: they are told together.
    let mut by_days: BTreeMap<(i16, usize, usize), Vec<String>> = BTreeMap::new();
    for KnownYear {
        zone,
        year,
        off,
        work,
    } in days.known()
    {
        by_days.entry((year, off, work)).or_default().push(zone);
    }
    for ((year, off, work), zones) in by_days {
        if json {
            let line = json!({"year": year, "zones": zones, "off": off, "work": work});
            writeln!(out, "{line}")?;
        } else {
            let zones = zones.join(", ");
            writeln!(
                out,
                "{year}: {off} weekdays off, {work} days of weekends worked ({zones})"
            )?;
        }
    }
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::{check, list};
    use crate::config::Config;

    #[test]
    fn it_shows_what_is_known_and_refuses_a_bad_table() {
        let config = Config::default();
        let mut out = Vec::new();
        assert_eq!(list(&config, false, &mut out).unwrap(), 0);
        let text = String::from_utf8(out).unwrap();
        assert!(
            text.contains("2026: 19 weekdays off, 6 days of weekends worked (Asia/Chongqing, "),
            "{text}"
        );
        let dir =
            std::env::temp_dir().join(format!("carebell-test-{}", uuid::Uuid::now_v7().simple()));
        std::fs::create_dir(&dir).unwrap();
        let file = dir.join("2027.csv");
        std::fs::write(&file, "2027-02-06,off\n2027-02-08,off\n").unwrap();
        let mut out = Vec::new();
        assert_eq!(check(&config, &file, true, &mut out).unwrap(), 0);
        let line: serde_json::Value = serde_json::from_slice(&out).unwrap();
        assert_eq!((&line["year"], &line["off"]), (&2027.into(), &1.into()));
        std::fs::write(&file, "2027-02-06,free\n").unwrap();
        assert_eq!(check(&config, &file, false, &mut Vec::new()).unwrap(), 1);
        std::fs::remove_dir_all(&dir).unwrap();
    }
}
