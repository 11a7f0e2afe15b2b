//! Writes the demo's hospital as the files that a real one would hand over: a folder of FHIR NDJSON, and two
//! tables. They are then imported like anybody's.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use jiff::ToSpan as _;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use super::people::{
    BOOKINGS, Booking, Born, Doctor, Kind, PEOPLE, Person, Sex, THIS_MORNING, Who, chinese_number,
    person,
};

/// The zone of the hospital's wall clock.
pub(super) const ZONE: &str = "Asia/Shanghai";

/// Where the files lie.
#[derive(Clone, Debug)]
pub(super) struct Files {
    /// The folder of FHIR NDJSON.
    pub(super) fhir: PathBuf,
    /// What patients prefer and refuse, a table with its mapping.
    pub(super) wishes: (PathBuf, PathBuf),
    /// The bookings of this morning, a table with its mapping.
    pub(super) morning: (PathBuf, PathBuf),
}

/// A booking that the hospital has moved.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moved {
    /// Its key.
    pub(super) key: &'static str,
    /// Days from today.
    pub(super) days: i32,
    /// The new clock.
    pub(super) clock: &'static str,
}

/// Writes everything into `folder`, with dates around `today`.
///
/// # Errors
/// When the files cannot be written.
pub(super) fn write(folder: &Path, today: Date) -> anyhow::Result<Files> {
    let fhir = folder.join("fhir");
    std::fs::create_dir_all(&fhir).with_context(|| fhir.display().to_string())?;
    let files = Files {
        wishes: (folder.join("wishes.csv"), folder.join("wishes.toml")),
        morning: (
            folder.join("this_morning.csv"),
            folder.join("this_morning.toml"),
        ),
        fhir,
    };
    lines(&files.fhir.join("Organization.ndjson"), departments())?;
    lines(
        &files.fhir.join("Practitioner.ndjson"),
        Doctor::ALL.iter().flat_map(|doctor| staff(*doctor)),
    )?;
    lines(
        &files.fhir.join("Patient.ndjson"),
        in_fhir().map(|person| patient(person, today)),
    )?;
    lines(
        &files.fhir.join("RelatedPerson.ndjson"),
        in_fhir().filter_map(guardian),
    )?;
    lines(
        &files.fhir.join("Condition.ndjson"),
        PEOPLE.iter().filter_map(condition),
    )?;
    bookings(&files, today, &[])?;
    put(&files.wishes.0, &wishes(today))?;
    put(&files.wishes.1, WISHES_MAP)?;
    put(&files.morning.0, &morning(today))?;
    put(&files.morning.1, MORNING_MAP)?;
    Ok(files)
}

/// Writes the bookings anew, some of them moved.
///
/// # Errors
/// When the file cannot be written.
pub(super) fn bookings(files: &Files, today: Date, moved: &[Moved]) -> anyhow::Result<()> {
    let records = BOOKINGS.iter().map(|booking| {
        appointment(
            booking,
            today,
            moved.iter().find(|one| one.key == booking.key),
        )
    });
    lines(&files.fhir.join("Appointment.ndjson"), records)
}

/// Who is told of in FHIR: the rest have wishes that FHIR has no plain place for, and stand in the table.
fn in_fhir() -> impl Iterator<Item = &'static Person> {
    PEOPLE.iter().filter(|person| !is_in_table(person))
}

fn is_in_table(person: &Person) -> bool {
    match person.who {
        Who::ByFamily(..) | Who::OptedOut | Who::Lunar(..) => true,
        Who::Plain | Who::Diabetic | Who::Minor(..) | Who::Deceased | Who::Sensitive => false,
    }
}

fn put(path: &Path, text: &str) -> anyhow::Result<()> {
    std::fs::write(path, text).with_context(|| path.display().to_string())
}

fn lines(path: &Path, records: impl IntoIterator<Item = Value>) -> anyhow::Result<()> {
    let text: String = records
        .into_iter()
        .map(|record| format!("{record}\n"))
        .collect();
    put(path, &text)
}

fn departments() -> Vec<Value> {
    let department = |id: &str, name: &str, alias: &str| {
        json!({"resourceType": "Organization", "id": id, "name": name, "alias": [alias],
            "type": [{"coding": [{"system": "http://terminology.hl7.org/CodeSystem/organization-type", "code": "dept"}]}]})
    };
    vec![
        department("clinical", "Clinical 临床", "门诊"),
        department("marketing", "Patient service 客服", "客户服务"),
    ]
}

fn staff(doctor: Doctor) -> [Value; 2] {
    let (key, [name, ..], [.., specialty, _]) = doctor.words();
    [
        json!({"resourceType": "Practitioner", "id": key, "active": true, "name": [{"text": name.trim_end_matches("医生")}]}),
        json!({"resourceType": "PractitionerRole", "id": format!("{key}-role"), "practitioner": {"reference": format!("Practitioner/{key}")},
            "organization": {"reference": "Organization/clinical"}, "code": [{"text": "doctor"}], "specialty": [{"text": specialty}]}),
    ]
}

fn birth(person: &Person, today: Date) -> Date {
    let born = match person.born {
        Born::On(year, month, day) => Date::new(year, month, day).ok(),
        Born::Birthday(age, days) => today
            .checked_add(i64::from(days).days())
            .and_then(|day| day.checked_sub(i64::from(age).years()))
            .ok(),
    };
    born.expect("the table holds days that exist: a test writes them")
}

fn patient(person: &Person, today: Date) -> Value {
    let language = if person.is_chinese() { "zh-CN" } else { "en" };
    let mut record = json!({
        "resourceType": "Patient", "id": person.key, "active": true,
        "name": [{"use": "official", "family": person.family, "given": [person.given]}],
        "gender": if person.sex == Sex::F { "female" } else { "male" },
        "birthDate": birth(person, today).to_string(),
        "communication": [{"language": {"coding": [{"system": "urn:ietf:bcp:47", "code": language}]}, "preferred": true}],
    });
    if let Some(number) = person.number() {
        record["telecom"] = json!([{"system": "phone", "value": number, "use": "mobile"}]);
    }
    if person.who == Who::Deceased {
        record["deceasedBoolean"] = json!(true);
    }
    if person.who == Who::Sensitive {
        record["meta"] = json!({"security": [{"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "R"}]});
    }
    record
}

/// The mother of a child, who is their guardian.
fn guardian(person: &Person) -> Option<Value> {
    let Who::Minor(name, nr) = person.who else {
        return None;
    };
    Some(json!({
        "resourceType": "RelatedPerson", "id": format!("{}-guardian", person.key), "active": true,
        "patient": {"reference": format!("Patient/{}", person.key)},
        "relationship": [{"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-RoleCode", "code": "GUARD"}]}],
        "name": [{"text": name}],
        "telecom": [{"system": "phone", "value": chinese_number(nr), "use": "mobile"}],
        "communication": [{"language": {"coding": [{"code": "zh-CN"}]}, "preferred": true}],
    }))
}

fn condition(person: &Person) -> Option<Value> {
    let (code, text) = match person.who {
        Who::Diabetic => ("E11.9", "Type 2 diabetes"),
        Who::Sensitive => ("B20", "withheld"),
        Who::Plain
        | Who::Minor(..)
        | Who::ByFamily(..)
        | Who::OptedOut
        | Who::Lunar(..)
        | Who::Deceased => return None,
    };
    Some(json!({
        "resourceType": "Condition", "id": format!("{}-1", person.key), "subject": {"reference": format!("Patient/{}", person.key)},
        "code": {"coding": [{"system": "http://hl7.org/fhir/sid/icd-10", "code": code}], "text": text}, "recordedDate": "2024-03-01",
        "clinicalStatus": {"coding": [{"code": "active"}]},
    }))
}

/// Doctor, specialty and place in the patient's language.
fn words(booking: &Booking) -> (&'static str, [&'static str; 3]) {
    let (key, chinese, english) = booking.doctor.words();
    (
        key,
        if person(booking.patient).is_chinese() {
            chinese
        } else {
            english
        },
    )
}

fn appointment(booking: &Booking, today: Date, moved: Option<&Moved>) -> Value {
    let (doctor_key, [doctor, specialty, place]) = words(booking);
    let (days, clock) = moved.map_or((booking.days, booking.clock), |moved| {
        (moved.days, moved.clock)
    });
    let kind = match booking.kind {
        Kind::Appointment => json!({"text": "appointment"}),
        Kind::Revisit => {
            json!({"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0276", "code": "FOLLOWUP"}]})
        }
        Kind::Recheck => {
            json!({"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0276", "code": "CHECKUP"}]})
        }
    };
    json!({
        "resourceType": "Appointment", "id": booking.key, "status": "booked",
        "meta": {"versionId": if moved.is_some() { "2" } else { "1" }},
        "appointmentType": kind, "specialty": [{"text": specialty}],
        "start": start(today, days, clock), "minutesDuration": 20,
        "participant": [
            {"actor": {"reference": format!("Patient/{}", booking.patient)}, "status": "accepted"},
            {"actor": {"reference": format!("Practitioner/{doctor_key}"), "display": doctor}, "status": "accepted"},
            {"actor": {"reference": format!("Location/{doctor_key}"), "display": place}, "status": "accepted"},
        ],
    })
}

/// The instant of `clock`, so many days from today on the hospital's wall clock.
fn start(today: Date, days: i32, clock: &str) -> String {
    let day = today.checked_add(i64::from(days).days()).unwrap_or(today);
    let zone = TimeZone::get(ZONE).expect("jiff's own copy of the time zones has Shanghai");
    let wall = format!("{day}T{clock}")
        .parse::<jiff::civil::DateTime>()
        .expect("the tables hold clocks: a test writes them");
    wall.to_zoned(zone)
        .map(|zoned| zoned.strftime("%Y-%m-%dT%H:%M:%S%:z").to_string())
        .expect("Shanghai skips no hour")
}

fn wishes(today: Date) -> String {
    let mut table = String::from(
        "\u{feff}病历号,姓名,性别,出生日期,手机,农历生日,退订,经家属联系,关系,联系人,联系人手机,家属同意\r\n",
    );
    for person in PEOPLE.iter().filter(|person| is_in_table(person)) {
        let sex = if person.sex == Sex::F { "女" } else { "男" };
        let lunar = if let Who::Lunar(month, day) = person.who {
            format!("{month:02}-{day:02}")
        } else {
            String::new()
        };
        let refused = if person.who == Who::OptedOut {
            "all"
        } else {
            ""
        };
        let (by_family, relation, name, number, consented) = match person.who {
            Who::ByFamily(name, nr) => ("是", "子女", name, chinese_number(nr), "是"),
            _ => ("否", "", "", String::new(), ""),
        };
        let (key, whole, phone, born) = (
            person.key,
            person.name(),
            person.number().unwrap_or_default(),
            birth(person, today),
        );
        let _ = write!(
            table,
            "{key},{whole},{sex},{born},{phone},{lunar},{refused},{by_family},{relation},{name},{number},{consented}\r\n"
        );
    }
    table
}

fn morning(today: Date) -> String {
    let mut table =
        String::from("booking,patient,type,date,time,department,doctor,place,bring,fasting\r\n");
    for Fresh {
        booking,
        bring,
        fasting,
    } in THIS_MORNING
    {
        let (_, [doctor, specialty, place]) = words(booking);
        let day = today
            .checked_add(i64::from(booking.days).days())
            .unwrap_or(today);
        let fasting = if *fasting { "yes" } else { "" };
        let (key, patient, clock) = (booking.key, booking.patient, booking.clock);
        let _ = write!(
            table,
            "{key},{patient},appointment,{day},{clock},{specialty},{doctor},\"{place}\",{bring},{fasting}\r\n"
        );
    }
    table
}

use super::people::Fresh;

const WISHES_MAP: &str = r#"# Which column of wishes.csv is what.
source = "his"

[patient]
key = "病历号"
name = "姓名"
sex = "性别"
birth_on = "出生日期"
phone = "手机"
language = { value = "zh-CN" }
lunar_birthday = "农历生日"
opt_out = "退订"
special = "经家属联系"

[[relation]]
kind = "关系"
name = "联系人"
phone = "联系人手机"
consented = "家属同意"
"#;

const MORNING_MAP: &str = r#"# Which column of this_morning.csv is what.
source = "his"

[patient]
key = "patient"

[[occasion]]
key = "booking"
kind = "type"
date = "date"
time = "time"
department = "department"
doctor = "doctor"
place = "place"
attributes = { bring = "bring", fasting = "fasting" }
"#;

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::{Moved, bookings, write};

    #[test]
    fn the_files_are_written_around_any_day() {
        for today in [date(2026, 6, 10), date(2028, 2, 29), date(2026, 12, 31)] {
            let folder = std::env::temp_dir().join(format!(
                "carebell-hospital-{}",
                uuid::Uuid::now_v7().simple()
            ));
            let files = write(&folder, today).unwrap();
            let text = std::fs::read_to_string(files.fhir.join("Appointment.ndjson")).unwrap();
            assert!(text.contains("\"versionId\":\"1\"") && !text.contains("\"versionId\":\"2\""));
            bookings(
                &files,
                today,
                &[Moved {
                    key: "A01",
                    days: 5,
                    clock: "15:00",
                }],
            )
            .unwrap();
            let text = std::fs::read_to_string(files.fhir.join("Appointment.ndjson")).unwrap();
            assert!(text.contains("\"versionId\":\"2\"") && text.contains("T15:00:00+08:00"));
            std::fs::remove_dir_all(folder).unwrap();
        }
    }
}
