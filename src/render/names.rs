//! How people are addressed.

use crate::render::filters::Speech;

/// What a salutation looks at.
pub(crate) struct Person {
    pub(crate) full: Option<String>,
    pub(crate) given: Option<String>,
    pub(crate) family: Option<String>,
    pub(crate) sex: Option<String>,
    pub(crate) age: Option<i64>,
}

/// Below this age nobody is called Mr or Ms.
const ADULT_FROM: i64 = 18;

/// How a letter addresses `person`: `王女士`, `Ms Wang`, `Sra. García`; the whole name when in doubt.
pub(crate) fn salutation(speech: Speech, person: &Person) -> Option<String> {
    let full = person.full.as_deref()?.trim();
    let is_minor = person.age.is_some_and(|age| age < ADULT_FROM);
    let sex = match person.sex.as_deref() {
        Some("female") => Some(true),
        Some("male") => Some(false),
        Some(_) | None => None,
    };
    match speech {
        Speech::Hans | Speech::Hant => Some(chinese(speech, person, full, is_minor, sex)),
        Speech::English | Speech::American | Speech::Spanish => {
            if is_minor {
                return Some(person.given.as_deref().unwrap_or(full).to_owned());
            }
            let title = match (speech, sex) {
                (Speech::Spanish, Some(true)) => Some("Sra."),
                (Speech::Spanish, Some(false)) => Some("Sr."),
                (_, Some(true)) => Some("Ms"),
                (_, Some(false)) => Some("Mr"),
                (_, None) => None,
            };
            Some(match (title, person.family.as_deref()) {
                (Some(title), Some(family)) => format!("{title} {family}"),
                (Some(_) | None, _) => full.to_owned(),
            })
        }
        Speech::Other => Some(full.to_owned()),
    }
}

fn chinese(
    speech: Speech,
    person: &Person,
    full: &str,
    is_minor: bool,
    sex: Option<bool>,
) -> String {
    let title = match (is_minor, sex) {
        (true, _) => {
            let is_small = person.age.is_some_and(|age| age < 12);
            return match (is_small, speech) {
                (true, _) => format!("{full}小朋友"),
                (false, Speech::Hant) => format!("{full}同學"),
                (false, _) => format!("{full}同学"),
            };
        }
        (false, Some(true)) => "女士",
        (false, Some(false)) => "先生",
        (false, None) => return full.to_owned(),
    };
    let family = person
        .family
        .clone()
        .filter(|name| is_han(name))
        .or_else(|| family_of(full));
    format!("{}{title}", family.as_deref().unwrap_or(full))
}

fn is_han(name: &str) -> bool {
    !name.is_empty()
        && name
            .chars()
            .all(|c| matches!(c, '\u{3400}'..='\u{9fff}' | '\u{20000}'..='\u{3ffff}'))
}

/// The family name in a Chinese name of two to four characters.
fn family_of(full: &str) -> Option<String> {
    const DOUBLE: [&str; 24] = [
        "欧阳", "歐陽", "司马", "司馬", "上官", "诸葛", "諸葛", "司徒", "皇甫", "尉迟", "尉遲",
        "公孙", "公孫", "慕容", "令狐", "长孙", "長孫", "宇文", "夏侯", "东方", "東方", "端木",
        "南宫", "南宮",
    ];
    let length = full.chars().count();
    if !is_han(full) || !(2..=4).contains(&length) {
        return None;
    }
    let is_double = length >= 3 && DOUBLE.iter().any(|name| full.starts_with(name));
    Some(full.chars().take(if is_double { 2 } else { 1 }).collect())
}

/// Titles that stand before a name.
const BEFORE: [&str; 7] = ["dr ", "dr.", "dra ", "dra.", "prof", "doctor ", "doctora "];

/// Titles that stand behind a name.
const BEHIND: [&str; 13] = [
    "医生", "醫生", "大夫", "主任", "教授", "医师", "醫師", "院长", "院長", "专家", "專家", "博士",
    "M.D.",
];

/// A doctor's name with the title it lacks; one that has a title in any language keeps it alone.
pub(crate) fn doctor(speech: Speech, name: &str) -> String {
    let name = name.trim();
    let lower = name.to_lowercase();
    let has_title = BEFORE.iter().any(|title| lower.starts_with(title))
        || BEHIND.iter().any(|title| name.ends_with(title));
    if has_title {
        return name.to_owned();
    }
    match speech {
        Speech::Hans => format!("{name}医生"),
        Speech::Hant => format!("{name}醫生"),
        Speech::Spanish => format!("Dr. {name}"),
        Speech::English | Speech::American | Speech::Other => format!("Dr {name}"),
    }
}

#[cfg(test)]
mod tests {
    use super::{Person, doctor, salutation};
    use crate::render::filters::Speech;

    #[track_caller]
    fn check(
        speech: Speech,
        [full, given, family, sex]: [&str; 4],
        age: Option<i64>,
        expected: &str,
    ) {
        let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let person = Person {
            full: some(full),
            given: some(given),
            family: some(family),
            sex: some(sex),
            age,
        };
        assert_eq!(salutation(speech, &person).as_deref(), Some(expected));
    }

    #[test]
    fn people_are_addressed_with_care() {
        check(Speech::Hans, ["王芳", "", "", "female"], Some(40), "王女士");
        check(Speech::Hans, ["欧阳明月", "", "", "male"], None, "欧阳先生");
        check(Speech::Hans, ["王芳", "", "", "unknown"], Some(40), "王芳");
        check(
            Speech::Hans,
            ["John Smith", "John", "Smith", "male"],
            Some(40),
            "John Smith先生",
        );
        check(
            Speech::Hans,
            ["王小明", "", "", "male"],
            Some(7),
            "王小明小朋友",
        );
        check(
            Speech::English,
            ["Ana Diaz", "Ana", "Diaz", "female"],
            Some(30),
            "Ms Diaz",
        );
        check(
            Speech::English,
            ["Ana Diaz", "Ana", "Diaz", "other"],
            Some(30),
            "Ana Diaz",
        );
        check(
            Speech::English,
            ["Ana Diaz", "Ana", "Diaz", "female"],
            Some(9),
            "Ana",
        );
        check(
            Speech::English,
            ["Wang Fang", "", "", "female"],
            None,
            "Wang Fang",
        );
        check(
            Speech::Spanish,
            ["Ana Díaz", "Ana", "Díaz", "female"],
            None,
            "Sra. Díaz",
        );
    }

    #[test]
    fn doctors_keep_the_title_they_have() {
        assert_eq!(doctor(Speech::Hans, "李娜"), "李娜医生");
        assert_eq!(doctor(Speech::Hans, "李娜主任"), "李娜主任");
        assert_eq!(doctor(Speech::English, "Dr. Lee"), "Dr. Lee");
        assert_eq!(doctor(Speech::English, "Lee"), "Dr Lee");
        assert_eq!(doctor(Speech::Spanish, "Ruiz"), "Dr. Ruiz");
        assert_eq!(doctor(Speech::Spanish, "Dra. Ruiz"), "Dra. Ruiz");
        assert_eq!(doctor(Speech::English, "Draper"), "Dr Draper");
    }

    #[test]
    fn a_title_of_another_language_is_not_doubled() {
        assert_eq!(doctor(Speech::Hans, "Dr Wang"), "Dr Wang");
        assert_eq!(doctor(Speech::Hant, "Prof. Lee"), "Prof. Lee");
        assert_eq!(doctor(Speech::English, "李娜医生"), "李娜医生");
        assert_eq!(doctor(Speech::Hans, "Wang"), "Wang医生");
    }
}
