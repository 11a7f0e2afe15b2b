//! The people of the demo's hospital and what they are booked for. All made up; the numbers are of ranges that
//! nobody has (+86 138 0000 00xx, +1 212 555 01xx).
//!
//! Days count from the demo's own today, so that something is due whenever it is started.

/// A patient.
pub(super) struct Person {
    /// The hospital's key.
    pub(super) key: &'static str,
    pub(super) family: &'static str,
    pub(super) given: &'static str,
    pub(super) sex: Sex,
    pub(super) born: Born,
    /// The last two digits of the number; none for who has no phone.
    pub(super) nr: Option<u8>,
    pub(super) who: Who,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Sex {
    F,
    M,
}

/// When somebody was born.
#[derive(Clone, Copy)]
pub(super) enum Born {
    /// On that day.
    On(i16, i8, i8),
    /// They will be, or are, so old in so many days.
    Birthday(i16, i32),
}

/// What is special about somebody.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Who {
    /// Nothing.
    Plain,
    /// Has diabetes.
    Diabetic,
    /// A child, with a mother whose number ends so.
    Minor(&'static str, u8),
    /// To be reached through a child who consented, whose number ends so.
    ByFamily(&'static str, u8),
    /// Wants no messages.
    OptedOut,
    /// Keeps the lunar birthday of that month and day.
    Lunar(u8, u8),
    /// Has died.
    Deceased,
    /// Must never be stored.
    Sensitive,
}

/// A booking or another date.
pub(super) struct Booking {
    /// The hospital's key.
    pub(super) key: &'static str,
    pub(super) patient: &'static str,
    pub(super) kind: Kind,
    /// Days from today.
    pub(super) days: i32,
    pub(super) clock: &'static str,
    pub(super) doctor: Doctor,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Appointment,
    Revisit,
    Recheck,
}

/// Who sees the patient, and where.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Doctor {
    Zhang,
    Liu,
    Chen,
    Wang,
}

impl Doctor {
    pub(super) const ALL: [Self; 4] = [Self::Zhang, Self::Liu, Self::Chen, Self::Wang];

    /// Key, name, specialty, place: in Chinese, then in English.
    pub(super) const fn words(self) -> (&'static str, [&'static str; 3], [&'static str; 3]) {
        match self {
            Self::Zhang => (
                "D1",
                ["张明医生", "心内科", "门诊楼3层"],
                ["Dr Zhang", "Cardiology", "Building A, level 3"],
            ),
            Self::Liu => (
                "D2",
                ["刘芳医生", "内分泌科", "门诊楼2层"],
                ["Dr Liu", "Endocrinology", "Building A, level 2"],
            ),
            Self::Chen => (
                "D3",
                ["陈伟医生", "口腔科", "2号楼204室"],
                ["Dr Chen", "Dental clinic", "Building B, room 204"],
            ),
            Self::Wang => (
                "D4",
                ["王丽医生", "普外科", "住院部1层"],
                ["Dr Wang", "Surgery", "Building C, level 1"],
            ),
        }
    }
}

const fn zh(
    key: &'static str,
    family: &'static str,
    given: &'static str,
    sex: Sex,
    born: Born,
    nr: u8,
    who: Who,
) -> Person {
    Person {
        key,
        family,
        given,
        sex,
        born,
        nr: Some(nr),
        who,
    }
}

const fn en(
    key: &'static str,
    given: &'static str,
    family: &'static str,
    sex: Sex,
    born: Born,
    nr: u8,
) -> Person {
    Person {
        key,
        family,
        given,
        sex,
        born,
        nr: Some(nr),
        who: Who::Plain,
    }
}

use Born::{Birthday, On};
use Sex::{F, M};

/// Chinese patients: P…; English ones: E….
pub(super) const PEOPLE: &[Person] = &[
    zh("P01", "李", "静", F, On(1975, 4, 2), 1, Who::Plain),
    zh("P02", "王", "伟", M, On(1962, 9, 18), 2, Who::Diabetic),
    zh("P03", "张", "敏", F, On(1990, 7, 7), 3, Who::Plain),
    zh("P04", "刘", "洋", M, On(1984, 2, 29), 4, Who::Plain),
    zh("P05", "陈", "秀兰", F, On(1958, 12, 20), 5, Who::Diabetic),
    zh("P06", "杨", "帆", M, On(1979, 5, 14), 6, Who::Plain),
    zh("P07", "黄", "丽华", F, On(1966, 3, 3), 7, Who::Diabetic),
    zh("P08", "赵", "国强", M, On(1955, 2, 11), 8, Who::Plain),
    zh("P09", "周", "婷", F, On(1993, 8, 25), 9, Who::Plain),
    zh("P10", "吴", "建军", M, On(1970, 1, 9), 10, Who::Plain),
    zh("P11", "徐", "梦洁", F, On(1988, 6, 30), 11, Who::Plain),
    zh("P12", "孙", "志远", M, On(1981, 11, 6), 12, Who::Plain),
    zh("P13", "马", "晓燕", F, Birthday(46, 0), 13, Who::Plain),
    zh("P14", "朱", "文博", M, Birthday(33, 0), 14, Who::Plain),
    zh("P15", "胡", "雪梅", F, Birthday(60, 3), 15, Who::Plain),
    zh(
        "P16",
        "林",
        "子轩",
        M,
        On(2019, 4, 18),
        16,
        Who::Minor("林慧", 41),
    ),
    zh(
        "P17",
        "何",
        "雨桐",
        F,
        On(2014, 10, 1),
        17,
        Who::Minor("何芸", 42),
    ),
    zh(
        "P18",
        "高",
        "桂英",
        F,
        On(1938, 1, 27),
        18,
        Who::ByFamily("高明", 43),
    ),
    zh(
        "P19",
        "罗",
        "永福",
        M,
        On(1941, 7, 16),
        19,
        Who::ByFamily("罗雯", 44),
    ),
    zh("P20", "郑", "凯", M, On(1986, 9, 9), 20, Who::OptedOut),
    zh("P21", "梁", "德海", M, Birthday(78, 0), 21, Who::Deceased),
    zh("P22", "谢", "琳娜", F, On(1977, 3, 22), 22, Who::Sensitive),
    zh("P23", "宋", "佳", F, On(1995, 5, 5), 23, Who::Plain),
    zh("P24", "唐", "浩然", M, On(1999, 12, 12), 24, Who::Plain),
    zh(
        "P25",
        "许",
        "淑珍",
        F,
        On(1951, 8, 15),
        25,
        Who::Lunar(8, 15),
    ),
    zh("P26", "韩", "磊", M, On(1973, 6, 1), 26, Who::Diabetic),
    zh("P27", "冯", "思琪", F, On(1997, 10, 10), 27, Who::Plain),
    zh("P28", "邓", "超群", M, On(1968, 4, 4), 28, Who::Plain),
    zh("P29", "曹", "玉兰", F, On(1949, 2, 2), 29, Who::Diabetic),
    zh("P30", "彭", "程", M, On(1991, 1, 1), 30, Who::Plain),
    zh("P31", "曾", "雅文", F, On(1985, 7, 19), 31, Who::Plain),
    zh("P32", "肖", "俊杰", M, On(1982, 3, 8), 32, Who::Plain),
    zh("P33", "田", "甜", F, On(2001, 9, 1), 33, Who::Plain),
    zh("P34", "董", "卫东", M, On(1964, 10, 24), 34, Who::Plain),
    Person {
        key: "P35",
        family: "袁",
        given: "凤霞",
        sex: F,
        born: On(1947, 5, 30),
        nr: None,
        who: Who::Plain,
    },
    zh("P36", "潘", "岳", M, On(1978, 12, 3), 36, Who::Plain),
    en("E01", "Emma", "Johnson", F, On(1988, 1, 30), 1),
    en("E02", "Carlos", "Rivera", M, On(1979, 12, 1), 2),
    en("E03", "Grace", "O'Brien", F, On(1967, 6, 17), 3),
    en("E04", "Daniel", "Kim", M, On(1992, 4, 23), 4),
    en("E05", "Olivia", "Schmidt", F, On(1983, 9, 14), 5),
    en("E06", "Samuel", "Okafor", M, On(1971, 2, 5), 6),
    en("E07", "Priya", "Nair", F, On(1990, 11, 28), 7),
    en("E08", "Thomas", "Baker", M, On(1956, 8, 8), 8),
    en("E09", "Sofia", "Rossi", F, Birthday(29, 0), 9),
    en("E10", "James", "Walker", M, Birthday(51, 3), 10),
    en("E11", "Hannah", "Lewis", F, On(1995, 3, 12), 11),
    en("E12", "Noah", "Bennett", M, On(1987, 7, 21), 12),
    en("E13", "Amelia", "Clark", F, On(1962, 10, 2), 13),
    en("E14", "Lucas", "Moreau", M, On(1994, 5, 27), 14),
    en("E15", "Isabella", "Costa", F, On(1976, 1, 16), 15),
    en("E16", "Henry", "Wright", M, On(1950, 12, 30), 16),
    en("E17", "Chloe", "Martin", F, On(1998, 8, 19), 17),
    en("E18", "William", "Hughes", M, On(1969, 9, 3), 18),
    en("E19", "Zoe", "Papadakis", F, On(1984, 4, 11), 19),
    en("E20", "Arjun", "Mehta", M, On(1981, 6, 6), 20),
    en("E21", "Lily", "Foster", F, On(1993, 2, 24), 21),
    en("E22", "Oscar", "Lindqvist", M, On(1965, 11, 11), 22),
    en("E23", "Maya", "Cohen", F, On(1989, 7, 1), 23),
    en("E24", "Peter", "Novak", M, On(1974, 3, 29), 24),
];

use Doctor::{Chen, Liu, Wang, Zhang};
use Kind::{Appointment, Recheck, Revisit};

const fn on(
    key: &'static str,
    patient: &'static str,
    kind: Kind,
    days: i32,
    clock: &'static str,
    doctor: Doctor,
) -> Booking {
    Booking {
        key,
        patient,
        kind,
        days,
        clock,
        doctor,
    }
}

/// What is in the hospital's books when Carebell first reads them.
pub(super) const BOOKINGS: &[Booking] = &[
    // Two days ahead: the appointment's reminder is due today.
    on("A01", "P01", Appointment, 2, "09:30", Zhang),
    on("A02", "P02", Appointment, 2, "10:00", Liu),
    on("A03", "P03", Appointment, 2, "10:30", Wang),
    on("A04", "P04", Appointment, 2, "14:00", Chen),
    on("A05", "P05", Appointment, 2, "15:20", Liu),
    on("A06", "P06", Appointment, 2, "16:00", Zhang),
    on("A07", "P16", Appointment, 2, "08:40", Chen),
    on("A08", "P18", Appointment, 2, "11:00", Zhang),
    on("A09", "P20", Appointment, 2, "13:30", Wang),
    on("A10", "P21", Appointment, 2, "09:00", Zhang),
    on("A11", "P22", Appointment, 2, "09:15", Liu),
    on("A12", "P35", Appointment, 2, "10:15", Wang),
    on("A13", "E01", Appointment, 2, "14:00", Chen),
    on("A14", "E02", Appointment, 2, "16:45", Zhang),
    on("A15", "E03", Appointment, 2, "09:50", Liu),
    on("A16", "E04", Appointment, 2, "11:20", Wang),
    on("A17", "E05", Appointment, 2, "13:10", Chen),
    // Later.
    on("A20", "P09", Appointment, 3, "09:00", Zhang),
    on("A21", "P10", Appointment, 4, "10:00", Liu),
    on("A22", "P12", Appointment, 5, "14:30", Wang),
    on("A23", "P24", Appointment, 6, "15:00", Chen),
    on("A24", "P28", Appointment, 8, "09:40", Zhang),
    on("A25", "P31", Appointment, 9, "10:20", Liu),
    on("A26", "E08", Appointment, 3, "08:30", Zhang),
    on("A27", "E11", Appointment, 5, "11:00", Chen),
    on("A28", "E14", Appointment, 7, "14:10", Wang),
    on("A29", "E18", Appointment, 10, "16:00", Liu),
    // Follow-up visits: three days and one day before.
    on("V01", "P07", Revisit, 3, "09:20", Liu),
    on("V02", "P11", Revisit, 3, "10:40", Wang),
    on("V03", "P17", Revisit, 3, "15:30", Chen),
    on("V04", "E06", Revisit, 3, "13:00", Zhang),
    on("V05", "P23", Revisit, 1, "09:10", Wang),
    on("V06", "E07", Revisit, 1, "10:50", Liu),
    on("V07", "P30", Revisit, 4, "14:00", Zhang),
    on("V08", "E12", Revisit, 4, "15:15", Chen),
    // Rechecks.
    on("K01", "P26", Recheck, 3, "08:20", Liu),
    on("K02", "P29", Recheck, 3, "08:50", Liu),
    on("K03", "P19", Recheck, 3, "11:10", Zhang),
    on("K04", "E13", Recheck, 3, "09:40", Liu),
    on("K05", "P27", Recheck, 1, "14:20", Wang),
    on("K06", "E15", Recheck, 1, "16:10", Zhang),
    on("K07", "P25", Recheck, 4, "09:00", Liu),
    on("K08", "E16", Recheck, 4, "10:30", Liu),
];

/// A booking of this morning, with what to bring and whether to come fasting.
pub(super) struct Fresh {
    pub(super) booking: Booking,
    pub(super) bring: &'static str,
    pub(super) fasting: bool,
}

/// What is booked this very morning, after Carebell has read the books.
pub(super) const THIS_MORNING: &[Fresh] = &[
    Fresh {
        booking: on("N01", "P32", Appointment, 1, "09:00", Zhang),
        bring: "医保卡",
        fasting: true,
    },
    Fresh {
        booking: on("N02", "P33", Appointment, 0, "16:30", Chen),
        bring: "",
        fasting: false,
    },
    Fresh {
        booking: on("N03", "E17", Appointment, 1, "15:00", Liu),
        bring: "",
        fasting: false,
    },
    Fresh {
        booking: on("N04", "E19", Appointment, 6, "10:00", Wang),
        bring: "your insurance card",
        fasting: false,
    },
];

impl Person {
    /// Whether they read Chinese.
    pub(super) fn is_chinese(&self) -> bool {
        self.key.starts_with('P')
    }

    /// Their number in E.164.
    pub(super) fn number(&self) -> Option<String> {
        Some(if self.is_chinese() {
            chinese_number(self.nr?)
        } else {
            format!("+121255501{:02}", self.nr?)
        })
    }

    /// The whole name as it is written.
    pub(super) fn name(&self) -> String {
        if self.is_chinese() {
            format!("{}{}", self.family, self.given)
        } else {
            format!("{} {}", self.given, self.family)
        }
    }
}

/// A number of the Chinese range.
pub(super) fn chinese_number(nr: u8) -> String {
    format!("+86138000000{nr:02}")
}

/// The patient with that key.
pub(super) fn person(key: &str) -> &'static Person {
    PEOPLE
        .iter()
        .find(|person| person.key == key)
        .expect("the tables name their own people: a test reads them")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{BOOKINGS, PEOPLE, THIS_MORNING, Who, chinese_number, person};
    use crate::model::phone::Phone;

    #[test]
    fn every_number_is_one_and_nobody_shares_it() {
        let mut seen = BTreeSet::new();
        for one in PEOPLE {
            let family = match one.who {
                Who::Minor(_, nr) | Who::ByFamily(_, nr) => Some(chinese_number(nr)),
                _ => None,
            };
            for number in one.number().into_iter().chain(family) {
                assert!(
                    Phone::parse(&number, "CN").is_ok_and(|phone| phone.reveal() == number),
                    "{number}"
                );
                assert!(seen.insert(number.clone()), "{number}");
            }
        }
        assert!(PEOPLE.len() >= 60);
    }

    #[test]
    fn every_booking_is_somebodys_and_has_its_own_key() {
        let mut keys = BTreeSet::new();
        for booking in BOOKINGS
            .iter()
            .chain(THIS_MORNING.iter().map(|fresh| &fresh.booking))
        {
            assert!(!person(booking.patient).name().is_empty());
            assert!(keys.insert(booking.key), "{}", booking.key);
        }
    }
}
