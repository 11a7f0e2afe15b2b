//! Staff of a table: who they are, when they are away and who stands in.

use std::sync::Arc;

use super::cells::{Read, Row};
use super::map::{Cell, StaffMap};
use crate::intake::contacts::Contact;
use crate::intake::moment;
use crate::intake::record::{Absence, Key, RecordUpdate, StaffRecord};
use crate::model::occasion::OccasionTime;
use crate::model::private::Private;
use crate::model::staff::{Away, StaffKey};

impl Row<'_> {
    pub(super) fn staff(&mut self, map: &StaffMap) -> Read<()> {
        let key = self.said(map.key.as_ref())?.ok_or_else(|| {
            self.fault_of(map.key.as_ref(), "expected the key of the member of staff")
        })?;
        let name = self
            .said(map.name.as_ref())?
            .ok_or_else(|| self.fault_of(map.name.as_ref(), "expected a name"))?;
        let first =
            |contacts: Vec<Contact>| contacts.into_iter().next().map(|contact| contact.address);
        let active = map.active.is_none()
            || self.said(map.active.as_ref())?.is_none()
            || self.truth(map.active.as_ref())?;
        let record = StaffRecord {
            origin: self.origin.clone(),
            key: Key::new(&self.table.source, key),
            name: Private::new(name),
            department: self.said(map.department.as_ref())?,
            role: self.said(map.role.as_ref())?,
            phone: first(self.phones(map.phone.as_ref())),
            email: first(self.emails(map.email.as_ref())),
            active,
            absence: self.absence(map)?,
        };
        self.parsed.update(RecordUpdate::Staff(Box::new(record)));
        Ok(())
    }

    /// When a member of staff is away and who stands in; `None` where the table has no such column.
    fn absence(&self, map: &StaffMap) -> Read<Option<Absence>> {
        if map.away_from.is_none() && map.away_until.is_none() && map.substitute.is_none() {
            return Ok(None);
        }
        let (order, zone) = (self.table.mapping.date_order, &self.table.site.timezone);
        let day = |cell: &Option<Cell>| {
            let Some(text) = self.said(cell.as_ref())? else {
                return Ok(None);
            };
            let read = moment::moment(&text, order, zone).map(OccasionTime::date);
            read.map(Some).ok_or_else(|| {
                self.fault_of(
                    cell.as_ref(),
                    "expected a date such as 2026-07-24 (or declare `date_order`)",
                )
            })
        };
        let away = Away {
            from: day(&map.away_from)?,
            until: day(&map.away_until)?,
        };
        if away.is_empty() {
            return Err(self.fault_of(
                map.away_until.as_ref(),
                "expected a last day that is not before the first",
            ));
        }
        let is_told = away.from.is_some() || away.until.is_some();
        Ok(Some(Absence {
            away: is_told.then_some(away).into_iter().collect(),
            substitute: self
                .said(map.substitute.as_ref())?
                .map(|key| self.staff_key(&key)),
        }))
    }

    /// `SOURCE/KEY`, or the key alone within the same source.
    pub(super) fn staff_key(&self, text: &str) -> Key {
        match StaffKey::parse(text) {
            Some(other) => Key::new(&Arc::from(other.source), other.key),
            None => Key::new(&self.table.source, text),
        }
    }
}
