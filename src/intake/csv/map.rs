//! The mapping file: which column is what.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;

use super::super::IntakeError;
use super::super::moment::DateOrder;

/// A mapping, as its file says it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Mapping {
    /// The name of the system that the keys are from.
    pub(super) source: Option<String>,
    /// `utf-8`, `gbk`, `gb18030`, `utf-16le` …; by default found out.
    pub(super) encoding: Option<String>,
    /// One character; by default found out.
    pub(super) delimiter: Option<String>,
    /// The order of the numbers in `7/8/2026`.
    pub(super) date_order: Option<DateOrder>,
    /// Rows are taken only where these columns hold one of these values.
    pub(super) only: BTreeMap<String, Vec<String>>,
    pub(super) patient: PatientMap,
    pub(super) relation: Vec<RelationMap>,
    pub(super) occasion: Vec<OccasionMap>,
    pub(super) fact: Vec<FactMap>,
    pub(super) staff: Option<StaffMap>,
}

macro_rules! maps {
    ($($name:ident { $($field:ident,)* })*) => {$(
        #[derive(Clone, Debug, Default, Deserialize)]
        #[serde(default, deny_unknown_fields)]
        pub(super) struct $name {
            $(pub(super) $field: Option<Cell>,)*
            /// Columns that are kept as attributes, by the attribute's name.
            pub(super) attributes: BTreeMap<String, Cell>,
        }

        impl $name {
            pub(super) fn cells(&self) -> impl Iterator<Item = &Cell> {
                [$(self.$field.as_ref(),)*].into_iter().flatten().chain(self.attributes.values())
            }
        }
    )*};
}

maps! {
    PatientMap {
        key, name, family_name, given_name, sex, birth_on, lunar_birthday, phone, email, language, deceased, special, active, tags, prefer,
        opt_out, sensitive, flags, version,
    }
    RelationMap { kind, name, phone, email, language, consented, consented_to, }
    OccasionMap { key, kind, at, date, time, timezone, status, created_at, department, doctor, doctor_key, place, sensitive, reasons, version, }
    FactMap { key, kind, code, system, on, department, }
    StaffMap { key, name, department, role, phone, email, active, away_from, away_until, substitute, }
}

impl PatientMap {
    /// Whether it tells more of patients than their key: else rows only refer to patients.
    pub(super) fn tells_patients(&self) -> bool {
        self.cells().count()
            > usize::from(self.key.is_some())
                + usize::from(self.sensitive.is_some())
                + usize::from(self.flags.is_some())
    }
}

/// What a field is filled with.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "toml::Value")]
pub(super) struct Cell {
    /// Columns: the first that holds something, or all of them where a field takes several.
    pub(super) columns: Vec<String>,
    /// The same for every row.
    pub(super) value: Option<String>,
    /// From what the column holds to what we say; case does not count.
    pub(super) map: BTreeMap<String, String>,
    /// Where the column holds nothing, or nothing that the map has.
    pub(super) default: Option<String>,
    /// What stands between several values in one cell.
    pub(super) split: Option<String>,
}

impl Cell {
    pub(super) fn column(name: &str) -> Self {
        Self {
            columns: vec![name.to_owned()],
            ..Self::default()
        }
    }
}

impl TryFrom<toml::Value> for Cell {
    type Error = String;

    fn try_from(value: toml::Value) -> Result<Self, String> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Full {
            column: Option<String>,
            columns: Option<Vec<String>>,
            value: Option<toml::Value>,
            map: Option<BTreeMap<String, String>>,
            default: Option<toml::Value>,
            split: Option<String>,
        }
        const EXPECTED: &str = "expected the name of a column, a list of them, or a table with some of column, columns, value, map, default, split";
        let word = |value: toml::Value| match value {
            toml::Value::String(text) => Ok(text),
            toml::Value::Boolean(flag) => Ok(flag.to_string()),
            toml::Value::Integer(number) => Ok(number.to_string()),
            _ => Err("expected a text, a number, true or false".to_owned()),
        };
        match value {
            toml::Value::String(name) => Ok(Self::column(&name)),
            toml::Value::Array(names) => {
                let columns = names
                    .into_iter()
                    .map(|name| {
                        name.as_str()
                            .map(str::to_owned)
                            .ok_or_else(|| EXPECTED.to_owned())
                    })
                    .collect::<Result<_, _>>()?;
                Ok(Self {
                    columns,
                    ..Self::default()
                })
            }
            toml::Value::Table(table) => {
                let full: Full = table
                    .try_into()
                    .map_err(|error: toml::de::Error| format!("{EXPECTED}: {}", error.message()))?;
                let columns: Vec<String> = full
                    .column
                    .into_iter()
                    .chain(full.columns.unwrap_or_default())
                    .collect();
                let value = full.value.map(word).transpose()?;
                if columns.is_empty() == value.is_none() {
                    return Err("expected either a column or a value".to_owned());
                }
                let map = full
                    .map
                    .unwrap_or_default()
                    .into_iter()
                    .map(|(from, to)| (from.trim().to_lowercase(), to))
                    .collect();
                Ok(Self {
                    columns,
                    value,
                    map,
                    default: full.default.map(word).transpose()?,
                    split: full.split,
                })
            }
            _ => Err(EXPECTED.to_owned()),
        }
    }
}

/// Reads a mapping file.
pub(super) fn load(file: &Path) -> Result<Mapping, IntakeError> {
    let name = file.display().to_string();
    let text = std::fs::read_to_string(file).map_err(|error| IntakeError::Unreadable {
        file: name.clone(),
        what: error.to_string(),
    })?;
    let text = text.trim_start_matches('\u{feff}');
    toml::from_str(text).map_err(|error| {
        let line = error.span().map_or(1, |span| {
            text[..span.start.min(text.len())].matches('\n').count() + 1
        });
        IntakeError::Mapping {
            file: name,
            line,
            expected: error.message().to_owned(),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::{Cell, Mapping};

    #[test]
    fn the_example_in_the_documentation_is_a_mapping() {
        let text = include_str!("../../../docs/import.md");
        let example = text
            .split("### A mapping file")
            .nth(1)
            .and_then(|rest| rest.split("```").nth(1))
            .expect("the example is there");
        let mapping: Mapping =
            toml::from_str(example.trim_start_matches("toml")).expect("the example can be read");
        assert_eq!(
            mapping.patient.phone.map(|cell| cell.columns.len()),
            Some(2)
        );
        assert_eq!(
            mapping.occasion[0]
                .kind
                .as_ref()
                .and_then(|kind| kind.map.get("fu"))
                .map(String::as_str),
            Some("revisit")
        );
        assert_eq!(
            mapping.fact[0].kind,
            Some(Cell {
                value: Some("diagnosis".to_owned()),
                ..Cell::default()
            })
        );
    }
}
