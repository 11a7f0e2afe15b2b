//! One row of a table: cells to records.

use super::cells::{Read, Row};
use super::map::{FactMap, OccasionMap, PatientMap, RelationMap};
use super::{Table, words};
use crate::intake::birth::Birth;
use crate::intake::import::Parsed;
use crate::intake::record::{
    Coding, ConsentRecord, Consented, FactRecord, Field, Key, OccasionRecord, Origin,
    PatientRecord, RecordKind, RecordUpdate, RelationRecord, Series,
};
use crate::intake::report::Fault;
use crate::intake::{from_json, moment, names};
use crate::model::class::{Channel, Class};
use crate::model::occasion::{OccasionStatus, OccasionTime};
use crate::model::patient::{LunarDay, OptOut, PersonName, Sex};
use crate::model::private::Private;

impl Table {
    /// What a row that cannot be read at all would most likely have been.
    pub(super) fn main_kind(&self) -> Option<RecordKind> {
        let mapping = &self.mapping;
        if mapping.patient.tells_patients() {
            Some(RecordKind::Patient)
        } else if !mapping.occasion.is_empty() {
            Some(RecordKind::Occasion)
        } else if !mapping.fact.is_empty() {
            Some(RecordKind::Fact)
        } else {
            mapping.staff.is_some().then_some(RecordKind::Staff)
        }
    }
}

/// Reads a row. A fault in what names or dates a record leaves the row out; one in a number or address leaves that out alone.
pub(super) fn read(table: &Table, origin: &Origin, cells: &[String]) -> Parsed {
    let mut row = Row {
        table,
        origin,
        cells,
        parsed: Parsed::default(),
    };
    if let Err((kind, fault)) = row.records() {
        row.parsed.updates.clear();
        row.parsed.faults.push((Some(kind), fault));
    }
    row.parsed
}

impl Row<'_> {
    fn records(&mut self) -> Result<(), (RecordKind, Fault)> {
        let table = self.table;
        let mapping = &table.mapping;
        for (column, values) in &mapping.only {
            let held = self.held(column);
            if !values.iter().any(|value| value.trim() == held) {
                self.parsed.skipped = Some("rows that `only` leaves out".to_owned());
                return Ok(());
            }
        }
        if let Some(staff) = &mapping.staff {
            self.staff(staff)
                .map_err(|fault| (RecordKind::Staff, fault))?;
        }
        let Some(key) = &mapping.patient.key else {
            return Ok(());
        };
        let of_patient = |fault| (RecordKind::Patient, fault);
        let text = self
            .text(key)
            .map_err(of_patient)?
            .ok_or_else(|| of_patient(self.fault(key, "expected the patient's key")))?;
        if text.len() > 200 {
            return Err(of_patient(
                self.fault(key, "expected a key of at most 200 bytes"),
            ));
        }
        let key = Key::new(&table.source, text.trim());
        let sensitive = self
            .truth(mapping.patient.sensitive.as_ref())
            .map_err(of_patient)?;
        let flags = self
            .flags(mapping.patient.flags.as_ref())
            .map_err(of_patient)?;
        if sensitive || flags.iter().any(|flag| table.site.sensitive.is_flag(flag)) {
            // Whatever else is wrong with the row: the patient must be known as a forbidden one.
            self.parsed
                .update(RecordUpdate::Patient(Box::new(PatientRecord::forbidden(
                    self.origin.clone(),
                    key,
                ))));
            return Ok(());
        }
        if mapping.patient.tells_patients() || !mapping.relation.is_empty() {
            self.patient(&mapping.patient, key.clone())
                .map_err(of_patient)?;
        }
        for fact in &mapping.fact {
            self.facts(fact, &key)
                .map_err(|fault| (RecordKind::Fact, fault))?;
        }
        for occasion in &mapping.occasion {
            self.occasion(occasion, &key)
                .map_err(|fault| (RecordKind::Occasion, fault))?;
        }
        Ok(())
    }

    fn patient(&mut self, map: &PatientMap, key: Key) -> Read<()> {
        let table = self.table;
        let mut contacts = self.phones(map.phone.as_ref());
        contacts.extend(self.emails(map.email.as_ref()));
        let mut family = Vec::new();
        for relation in &table.mapping.relation {
            family.extend(self.relation(relation)?);
        }
        let birth = self.birth_of(map)?;
        let sex = self.sex_of(map)?;
        let lunar_birthday = self.lunar_birthday_of(map)?;
        let prefer = self.preferred(map)?;
        let consents = self.refused(map)?;
        let active = map.active.is_none()
            || self.said(map.active.as_ref())?.is_none()
            || self.truth(map.active.as_ref())?;
        let record = PatientRecord {
            origin: self.origin.clone(),
            key,
            also_known: Vec::new(),
            name: Private::new(self.name(map)?),
            sex,
            birth,
            lunar_birthday,
            language: self.said(map.language.as_ref())?,
            deceased: self.truth(map.deceased.as_ref())?,
            special: self.truth(map.special.as_ref())?,
            inactive: !active,
            tags: self.several(map.tags.as_ref())?,
            prefer,
            attributes: Private::new(self.attributes(map.attributes.iter())?),
            contacts,
            family,
            consents,
            facts: None,
            version: self.version(map.version.as_ref())?,
            sensitive: false,
            flags: Vec::new(),
            told: Some(told(map, !table.mapping.relation.is_empty())),
        };
        self.parsed.update(RecordUpdate::Patient(Box::new(record)));
        Ok(())
    }

    fn birth_of(&self, map: &PatientMap) -> Read<Option<Private<Birth>>> {
        let Some(text) = self.said(map.birth_on.as_ref())? else {
            return Ok(None);
        };
        let birth = self.birth(&text).ok_or_else(|| {
            let expected = "expected a date of birth such as 1975-04-02";
            self.fault_of(map.birth_on.as_ref(), expected)
        })?;
        Ok(Some(Private::new(birth)))
    }

    fn sex_of(&self, map: &PatientMap) -> Read<Option<Sex>> {
        let Some(text) = self.said(map.sex.as_ref())? else {
            return Ok(None);
        };
        words::sex(&text).map(Some).ok_or_else(|| {
            let expected = "expected male, female, other or unknown, or a map to them";
            self.fault_of(map.sex.as_ref(), expected)
        })
    }

    fn lunar_birthday_of(&self, map: &PatientMap) -> Read<Option<Private<LunarDay>>> {
        let Some(text) = self.said(map.lunar_birthday.as_ref())? else {
            return Ok(None);
        };
        let day = lunar_day(&text).ok_or_else(|| {
            let expected = "expected a lunar month and day such as 8-15";
            self.fault_of(map.lunar_birthday.as_ref(), expected)
        })?;
        Ok(Some(Private::new(day)))
    }

    fn preferred(&self, map: &PatientMap) -> Read<Vec<Channel>> {
        let mut prefer = Vec::new();
        for word in self.several(map.prefer.as_ref())? {
            let channel = Channel::parse(&word.to_lowercase())
                .filter(|channel| channel.contact_kind().is_some());
            prefer.push(channel.ok_or_else(|| {
                let expected = "expected sms, voice or email, or a map to them";
                self.fault_of(map.prefer.as_ref(), expected)
            })?);
        }
        Ok(prefer)
    }

    /// What they opted out of. A plain yes refuses everything, a plain no nothing.
    fn refused(&self, map: &PatientMap) -> Read<Vec<ConsentRecord>> {
        let mut consents = Vec::new();
        for word in self.several(map.opt_out.as_ref())? {
            let scope = match words::truth(&word) {
                Some(true) => OptOut::All,
                Some(false) => continue,
                None => OptOut::parse(&word.to_lowercase()).ok_or_else(|| {
                    let expected = "expected all, a class, a channel, yes or no";
                    self.fault_of(map.opt_out.as_ref(), expected)
                })?,
            };
            consents.push(ConsentRecord {
                scope,
                granted: false,
                at: None,
            });
        }
        Ok(consents)
    }

    fn relation(&mut self, map: &RelationMap) -> Read<Option<RelationRecord>> {
        let mut contacts = self.phones(map.phone.as_ref());
        contacts.extend(self.emails(map.email.as_ref()));
        let name = self.said(map.name.as_ref())?.map(|full| {
            Private::new(PersonName {
                full,
                given: None,
                family: None,
            })
        });
        if contacts.is_empty() && name.is_none() {
            return Ok(None);
        }
        let kind = self
            .said(map.kind.as_ref())?
            .map_or_else(|| "other".to_owned(), |word| words::relation(&word));
        let (consented, classes) = self.consent_of_relation(map)?;
        Ok(Some(RelationRecord {
            kind,
            name,
            language: self.said(map.language.as_ref())?,
            consented,
            classes,
            contacts,
        }))
    }

    /// Whether a relation may be told, and of which classes alone. A plain yes is all of them, a plain no none.
    fn consent_of_relation(&self, map: &RelationMap) -> Read<(Consented, Vec<Class>)> {
        let mut classes = Vec::new();
        for word in self.several(map.consented_to.as_ref())? {
            let class = match words::truth(&word) {
                Some(true) => Some(None),
                Some(false) => continue,
                None => from_json::consented_class(&word),
            };
            classes.push(class.ok_or_else(|| {
                let expected =
                    "expected all, yes, no or classes such as appointment, or a map to them";
                self.fault_of(map.consented_to.as_ref(), expected)
            })?);
        }
        let says_so = map.consented_to.is_some() && !classes.is_empty();
        let may = match &map.consented {
            Some(_) => self.truth(map.consented.as_ref())?,
            None => says_so,
        };
        let consented = if may && (says_so || map.consented_to.is_none()) {
            Consented::Yes
        } else {
            Consented::No
        };
        Ok((consented, from_json::one_by_one(classes)))
    }

    fn facts(&mut self, map: &FactMap, patient: &Key) -> Read<()> {
        let codes = self.several(map.code.as_ref())?;
        if codes.is_empty() && map.code.is_some() {
            return Ok(());
        }
        let on = match self.said(map.on.as_ref())? {
            Some(text) => Some(
                moment::day(&text, self.table.mapping.date_order).ok_or_else(|| {
                    self.fault_of(map.on.as_ref(), "expected a date such as 2026-07-24")
                })?,
            ),
            None => None,
        };
        let kind = self
            .said(map.kind.as_ref())?
            .unwrap_or_else(|| "diagnosis".to_owned());
        let (system, department) = (
            self.said(map.system.as_ref())?,
            self.said(map.department.as_ref())?,
        );
        let told = self.said(map.key.as_ref())?;
        let made = || {
            format!(
                "{}/{}/{}",
                patient.key.reveal(),
                codes.join("+"),
                on.map(|on| on.to_string()).unwrap_or_default()
            )
        };
        let record = FactRecord {
            origin: self.origin.clone(),
            patient: patient.clone(),
            key: Private::new(told.unwrap_or_else(made)),
            kind,
            codings: codes
                .into_iter()
                .map(|code| Coding {
                    code: Private::new(code),
                    system: system.clone(),
                })
                .collect(),
            on,
            at: None,
            department,
            attributes: Private::new(self.attributes(map.attributes.iter())?),
            reasons: Vec::new(),
            sensitive: false,
            gone: false,
        };
        self.parsed.update(RecordUpdate::Fact(Box::new(record)));
        Ok(())
    }

    fn occasion(&mut self, map: &OccasionMap, patient: &Key) -> Read<()> {
        let key = self.said(map.key.as_ref())?;
        let Some(when) = self.when(map)? else {
            // A row of a patient without a booking.
            return match key {
                None => Ok(()),
                Some(_) => Err(self.fault_of(
                    map.at.as_ref().or(map.date.as_ref()),
                    "expected a date and time such as 2026-07-24 09:30",
                )),
            };
        };
        let kind = self
            .said(map.kind.as_ref())?
            .map_or_else(|| "appointment".to_owned(), |word| words::kind(&word));
        let status = self.status(map)?;
        let zone = &self.table.site.timezone;
        let created_at = match self.said(map.created_at.as_ref())? {
            Some(text) => Some(
                moment::timestamp(&text, self.table.mapping.date_order, zone).ok_or_else(|| {
                    self.fault_of(
                        map.created_at.as_ref(),
                        "expected a date and time such as 2026-07-01 14:00",
                    )
                })?,
            ),
            None => None,
        };
        let timezone = self.timezone(map)?;
        // Without a key of its own a booking is named by what it is; moved, it is another one.
        let key =
            key.unwrap_or_else(|| format!("{}/{kind}/{}", patient.key.reveal(), when.to_text()));
        let secret = self.truth(map.sensitive.as_ref())?;
        let record = OccasionRecord {
            series: Series::Untold,
            origin: self.origin.clone(),
            key: Key::new(&self.table.source, key),
            patient: patient.clone(),
            kind,
            when,
            timezone,
            status,
            created_at,
            department: self.said(map.department.as_ref())?,
            doctor: self.said(map.doctor.as_ref())?,
            doctor_key: self
                .said(map.doctor_key.as_ref())?
                .map(|key| self.staff_key(&key)),
            place: self.said(map.place.as_ref())?,
            attributes: self.attributes(map.attributes.iter())?,
            version: self.version(map.version.as_ref())?,
            reasons: self
                .several(map.reasons.as_ref())?
                .into_iter()
                .map(Private::new)
                .collect(),
            sensitive: secret,
        };
        self.parsed.update(RecordUpdate::Occasion(Box::new(record)));
        Ok(())
    }

    fn status(&self, map: &OccasionMap) -> Read<OccasionStatus> {
        let Some(word) = self.said(map.status.as_ref())? else {
            return Ok(OccasionStatus::Booked);
        };
        words::status(&word).ok_or_else(|| {
            self.fault_of(
                map.status.as_ref(),
                "expected booked, cancelled, arrived, fulfilled or no_show, or a map to them",
            )
        })
    }

    fn timezone(&self, map: &OccasionMap) -> Read<Option<String>> {
        let timezone = self.said(map.timezone.as_ref())?;
        let unknown = |name: &String| jiff::tz::TimeZone::get(name).is_err();
        if timezone.as_ref().is_some_and(unknown) {
            let expected = "expected an IANA time zone such as Asia/Shanghai";
            return Err(self.fault_of(map.timezone.as_ref(), expected));
        }
        Ok(timezone)
    }

    fn when(&self, map: &OccasionMap) -> Read<Option<OccasionTime>> {
        let (order, zone) = (self.table.mapping.date_order, &self.table.site.timezone);
        if let Some(text) = self.said(map.at.as_ref())? {
            let read = moment::moment(&text, order, zone);
            return read.map(Some).ok_or_else(|| {
                self.fault_of(
                    map.at.as_ref(),
                    "expected a date and time such as 2026-07-24 09:30 (or declare `date_order`)",
                )
            });
        }
        let Some(text) = self.said(map.date.as_ref())? else {
            return Ok(None);
        };
        let read = moment::moment(&text, order, zone).ok_or_else(|| {
            self.fault_of(
                map.date.as_ref(),
                "expected a date such as 2026-07-24 (or declare `date_order`)",
            )
        })?;
        let Some(clock) = self.said(map.time.as_ref())? else {
            return Ok(Some(read));
        };
        // Of a span such as 9:00-9:30 the beginning counts.
        let begins = clock
            .split(['-', '~', '至', '—', '–'])
            .next()
            .unwrap_or_default();
        let time = moment::clock(begins)
            .ok_or_else(|| self.fault_of(map.time.as_ref(), "expected a time such as 09:30"))?;
        Ok(Some(OccasionTime::At(read.date().to_datetime(time))))
    }

    fn name(&self, map: &PatientMap) -> Read<PersonName> {
        let (full, family, given) = (
            self.said(map.name.as_ref())?,
            self.said(map.family_name.as_ref())?,
            self.said(map.given_name.as_ref())?,
        );
        let full = full
            .or_else(|| names::whole(family.as_deref(), given.as_deref()))
            .unwrap_or_default();
        Ok(PersonName {
            full,
            given,
            family,
        })
    }

    fn birth(&self, text: &str) -> Option<Birth> {
        let plain = moment::plain(text);
        Birth::parse(&plain)
            .or_else(|| moment::day(&plain, self.table.mapping.date_order).map(Birth::Day))
    }
}

/// The fields that the mapping fills.
fn told(map: &PatientMap, family: bool) -> Vec<Field> {
    let named = map.name.is_some() || map.family_name.is_some() || map.given_name.is_some();
    let all = [
        (named, Field::Name),
        (map.sex.is_some(), Field::Sex),
        (map.birth_on.is_some(), Field::Birth),
        (map.lunar_birthday.is_some(), Field::Lunar),
        (map.language.is_some(), Field::Language),
        (map.deceased.is_some(), Field::Deceased),
        (map.special.is_some(), Field::Special),
        (map.active.is_some(), Field::Active),
        (map.tags.is_some(), Field::Tags),
        (map.prefer.is_some(), Field::Prefer),
        (map.phone.is_some(), Field::Phone),
        (map.email.is_some(), Field::Email),
        (family, Field::Family),
        (map.opt_out.is_some(), Field::Consent),
    ];
    all.into_iter()
        .filter(|(is_told, _)| *is_told)
        .map(|(_, field)| field)
        .collect()
}

/// `8-15`, `八月十五` is not read: `8月15日`, `08/15`.
fn lunar_day(text: &str) -> Option<LunarDay> {
    let plain = moment::plain(text);
    let numbers: Vec<u8> = plain
        .split(|c: char| !c.is_ascii_digit())
        .filter(|part| !part.is_empty())
        .map(str::parse)
        .collect::<Result<_, _>>()
        .ok()?;
    match numbers.as_slice() {
        [month @ 1..=12, day @ 1..=30] => Some(LunarDay {
            month: *month,
            day: *day,
        }),
        _ => None,
    }
}
