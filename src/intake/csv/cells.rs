//! What the cells of a row say: mapped, split, and read as yes or no, numbers and addresses.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::map::Cell;
use super::{Table, words};
use crate::intake::contacts::{Contact, emails, is_nothing, phones};
use crate::intake::import::Parsed;
use crate::intake::moment;
use crate::intake::record::Origin;
use crate::intake::report::Fault;

/// A row that is being read.
pub(super) struct Row<'a> {
    pub(super) table: &'a Table,
    pub(super) origin: &'a Origin,
    pub(super) cells: &'a [String],
    pub(super) parsed: Parsed,
}

pub(super) type Read<T> = Result<T, Fault>;

impl Row<'_> {
    /// All numbers of all columns, in their order; one that cannot be read is told of and left out.
    pub(super) fn phones(&mut self, cell: Option<&Cell>) -> Vec<Contact> {
        let country = self.table.site.country.clone();
        self.contacts(cell, "expected a phone number", |text| {
            phones(text, &country)
        })
    }

    pub(super) fn emails(&mut self, cell: Option<&Cell>) -> Vec<Contact> {
        self.contacts(cell, "expected a mail address", emails)
    }

    pub(super) fn contacts(
        &mut self,
        cell: Option<&Cell>,
        expected: &str,
        read: impl Fn(&str) -> (Vec<Contact>, bool),
    ) -> Vec<Contact> {
        let Some(cell) = cell else { return Vec::new() };
        let mut all = Vec::new();
        for column in &cell.columns {
            let (found, faulty) = read(&self.held(column));
            if faulty {
                let fault = Fault::value(self.origin, format!("column {column}"), expected);
                self.parsed.fault(None, fault);
            }
            all.extend(found);
        }
        all
    }

    pub(super) fn attributes<'m>(
        &self,
        maps: impl Iterator<Item = (&'m String, &'m Cell)>,
    ) -> Read<Map<String, Value>> {
        let mut all = Map::new();
        for (name, cell) in maps {
            if let Some(text) = self.text(cell)? {
                all.insert(name.clone(), Value::String(text));
            }
        }
        Ok(all)
    }

    pub(super) fn version(&self, cell: Option<&Cell>) -> Read<Option<i64>> {
        let Some(text) = self.said(cell)? else {
            return Ok(None);
        };
        let number = text.parse().ok().or_else(|| {
            moment::timestamp(
                &text,
                self.table.mapping.date_order,
                &self.table.site.timezone,
            )
            .map(jiff::Timestamp::as_millisecond)
        });
        number
            .map(Some)
            .ok_or_else(|| self.fault_of(cell, "expected a number or an instant"))
    }

    pub(super) fn truth(&self, cell: Option<&Cell>) -> Read<bool> {
        match self.said(cell)? {
            None => Ok(false),
            Some(word) => words::truth(&word)
                .ok_or_else(|| self.fault_of(cell, "expected yes or no, or a map to them")),
        }
    }

    /// The flags of a row; a plain yes stands for the name of its column.
    pub(super) fn flags(&self, cell: Option<&Cell>) -> Read<Vec<String>> {
        let Some(cell) = cell else {
            return Ok(Vec::new());
        };
        let mut all = self.several(Some(cell))?;
        if all.iter().any(|flag| words::truth(flag) == Some(true)) {
            all.extend(cell.columns.iter().cloned());
        }
        Ok(all)
    }

    /// Several values in one cell, between `split` or the usual signs.
    pub(super) fn several(&self, cell: Option<&Cell>) -> Read<Vec<String>> {
        let Some(text) = self.said(cell)? else {
            return Ok(Vec::new());
        };
        let parts: Vec<&str> = match cell.and_then(|cell| cell.split.as_deref()) {
            Some(sign) if !sign.is_empty() => text.split(sign).collect(),
            Some(_) | None => text.split([',', ';', '|', '，', '；', '、']).collect(),
        };
        Ok(parts
            .into_iter()
            .map(str::trim)
            .filter(|part| !part.is_empty())
            .map(str::to_owned)
            .collect())
    }

    /// What a cell says, unless it says that there is nothing.
    pub(super) fn said(&self, cell: Option<&Cell>) -> Read<Option<String>> {
        let Some(cell) = cell else { return Ok(None) };
        let text = self.text(cell)?;
        Ok(text.filter(|text| {
            cell.columns.is_empty()
                || !cell.map.is_empty()
                || text == "0"
                || text == "x"
                || !is_nothing(text)
        }))
    }

    /// What a cell holds, mapped.
    pub(super) fn text(&self, cell: &Cell) -> Read<Option<String>> {
        if let Some(value) = &cell.value {
            return Ok(Some(value.clone()));
        }
        let held = cell
            .columns
            .iter()
            .map(|column| self.held(column))
            .find(|text| !text.is_empty());
        let Some(held) = held else {
            return Ok(cell.map.get("").or(cell.default.as_ref()).cloned());
        };
        if cell.map.is_empty() {
            return Ok(Some(held.into_owned()));
        }
        match cell.map.get(&held.to_lowercase()).or(cell.default.as_ref()) {
            Some(word) => Ok(Some(word.clone())),
            None => Err(self.fault(
                cell,
                &format!(
                    "expected one of {}",
                    cell.map.keys().cloned().collect::<Vec<_>>().join(", ")
                ),
            )),
        }
    }

    /// What the row holds in a column.
    pub(super) fn held(&self, column: &str) -> Cow<'_, str> {
        let at = self.table.columns.get(&column.trim().to_lowercase());
        at.and_then(|at| self.cells.get(*at))
            .map_or(Cow::Borrowed(""), |text| Cow::Borrowed(text.trim()))
    }

    pub(super) fn fault_of(&self, cell: Option<&Cell>, expected: &str) -> Fault {
        match cell {
            Some(cell) => self.fault(cell, expected),
            None => Fault::row(self.origin, None, expected),
        }
    }

    pub(super) fn fault(&self, cell: &Cell, expected: &str) -> Fault {
        let column = cell.columns.first().map(|name| format!("column {name}"));
        Fault::row(self.origin, column, expected)
    }
}
