//! What feasts and solar terms are called: Simplified, Traditional, English, Spanish.

use crate::render::filters::Speech;

/// The name of a feast by the id a rule gives it.
pub(crate) fn name(speech: Speech, id: &str) -> Option<&'static str> {
    let (_, names) = FEASTS.iter().find(|(feast, _)| *feast == id)?;
    let at = match speech {
        Speech::Hans => 0,
        Speech::Hant => 1,
        Speech::English | Speech::American | Speech::Other => 2,
        Speech::Spanish => 3,
    };
    names.get(at).copied()
}

/// By the id a rule gives them; the feasts first, then the solar terms that are no feasts.
const FEASTS: [(&str, [&str; 4]); 51] = [
    (
        "spring_festival",
        ["春节", "春節", "Spring Festival", "Año Nuevo Chino"],
    ),
    (
        "lantern",
        [
            "元宵节",
            "元宵節",
            "Lantern Festival",
            "Fiesta de los Faroles",
        ],
    ),
    (
        "qingming",
        ["清明节", "清明節", "Qingming Festival", "Qingming"],
    ),
    (
        "dragon_boat",
        [
            "端午节",
            "端午節",
            "Dragon Boat Festival",
            "Fiesta del Bote del Dragón",
        ],
    ),
    ("qixi", ["七夕节", "七夕節", "Qixi Festival", "Qixi"]),
    (
        "mid_autumn",
        [
            "中秋节",
            "中秋節",
            "Mid-Autumn Festival",
            "Fiesta del Medio Otoño",
        ],
    ),
    (
        "double_ninth",
        [
            "重阳节",
            "重陽節",
            "Double Ninth Festival",
            "Fiesta del Doble Nueve",
        ],
    ),
    ("laba", ["腊八节", "臘八節", "Laba Festival", "Laba"]),
    ("new_year", ["元旦", "元旦", "New Year", "Año Nuevo"]),
    (
        "labour_day",
        ["劳动节", "勞動節", "Labour Day", "Día del Trabajo"],
    ),
    (
        "national_day",
        ["国庆节", "國慶節", "National Day", "Día Nacional"],
    ),
    (
        "womens_day",
        ["妇女节", "婦女節", "Women's Day", "Día de la Mujer"],
    ),
    (
        "childrens_day",
        ["儿童节", "兒童節", "Children's Day", "Día del Niño"],
    ),
    ("christmas", ["圣诞节", "聖誕節", "Christmas", "Navidad"]),
    (
        "spring_festival_eve",
        ["除夕", "除夕", "Spring Festival Eve", "Nochevieja China"],
    ),
    (
        "dragon_head",
        ["龙抬头", "龍抬頭", "Dragon Head Festival", "Longtaitou"],
    ),
    (
        "arbor_day",
        ["植树节", "植樹節", "Arbor Day", "Día del Árbol"],
    ),
    (
        "youth_day",
        ["青年节", "青年節", "Youth Day", "Día de la Juventud"],
    ),
    (
        "mothers_day",
        ["母亲节", "母親節", "Mother's Day", "Día de la Madre"],
    ),
    (
        "nurses_day",
        ["护士节", "護士節", "Nurses Day", "Día de la Enfermería"],
    ),
    (
        "fathers_day",
        ["父亲节", "父親節", "Father's Day", "Día del Padre"],
    ),
    (
        "zhongyuan",
        ["中元节", "中元節", "Zhongyuan Festival", "Zhongyuan"],
    ),
    (
        "doctors_day",
        ["医师节", "醫師節", "Doctors Day", "Día del Médico"],
    ),
    (
        "teachers_day",
        ["教师节", "教師節", "Teachers' Day", "Día del Maestro"],
    ),
    (
        "thanksgiving",
        [
            "感恩节",
            "感恩節",
            "Thanksgiving",
            "Día de Acción de Gracias",
        ],
    ),
    (
        "winter_solstice",
        ["冬至", "冬至", "Winter Solstice", "solsticio de invierno"],
    ),
    (
        "christmas_eve",
        ["平安夜", "平安夜", "Christmas Eve", "Nochebuena"],
    ),
    (
        "new_years_eve",
        ["跨年夜", "跨年夜", "New Year's Eve", "Nochevieja"],
    ),
    ("xiaohan", ["小寒", "小寒", "Minor Cold", "frío menor"]),
    ("dahan", ["大寒", "大寒", "Major Cold", "frío mayor"]),
    (
        "lichun",
        ["立春", "立春", "Start of Spring", "inicio de la primavera"],
    ),
    ("yushui", ["雨水", "雨水", "Rain Water", "agua de lluvia"]),
    (
        "jingzhe",
        [
            "惊蛰",
            "驚蟄",
            "Awakening of Insects",
            "despertar de los insectos",
        ],
    ),
    (
        "chunfen",
        ["春分", "春分", "Spring Equinox", "equinoccio de primavera"],
    ),
    ("guyu", ["谷雨", "穀雨", "Grain Rain", "lluvia de grano"]),
    (
        "lixia",
        ["立夏", "立夏", "Start of Summer", "inicio del verano"],
    ),
    (
        "xiaoman",
        ["小满", "小滿", "Grain Buds", "grano en formación"],
    ),
    (
        "mangzhong",
        ["芒种", "芒種", "Grain in Ear", "grano en espiga"],
    ),
    (
        "xiazhi",
        ["夏至", "夏至", "Summer Solstice", "solsticio de verano"],
    ),
    ("xiaoshu", ["小暑", "小暑", "Minor Heat", "calor menor"]),
    ("dashu", ["大暑", "大暑", "Major Heat", "calor mayor"]),
    (
        "liqiu",
        ["立秋", "立秋", "Start of Autumn", "inicio del otoño"],
    ),
    ("chushu", ["处暑", "處暑", "End of Heat", "fin del calor"]),
    ("bailu", ["白露", "白露", "White Dew", "rocío blanco"]),
    (
        "qiufen",
        ["秋分", "秋分", "Autumn Equinox", "equinoccio de otoño"],
    ),
    ("hanlu", ["寒露", "寒露", "Cold Dew", "rocío frío"]),
    (
        "shuangjiang",
        ["霜降", "霜降", "Frost's Descent", "descenso de la escarcha"],
    ),
    (
        "lidong",
        ["立冬", "立冬", "Start of Winter", "inicio del invierno"],
    ),
    ("xiaoxue", ["小雪", "小雪", "Minor Snow", "nieve menor"]),
    ("daxue", ["大雪", "大雪", "Major Snow", "nieve mayor"]),
    (
        "dongzhi",
        ["冬至", "冬至", "Winter Solstice", "solsticio de invierno"],
    ),
];

#[cfg(test)]
mod tests {
    use super::{FEASTS, name};
    use crate::render::filters::Speech;

    #[test]
    fn feasts_and_terms_have_a_name_in_every_speech() {
        assert_eq!(name(Speech::Hans, "lidong"), Some("立冬"));
        assert_eq!(name(Speech::English, "mothers_day"), Some("Mother's Day"));
        assert_eq!(name(Speech::Hant, "guyu"), Some("穀雨"));
        assert_eq!(name(Speech::Spanish, "eid"), None);
        for (id, names) in FEASTS {
            assert!(names.iter().all(|name| !name.is_empty()), "{id}");
            assert_eq!(FEASTS.iter().filter(|(other, _)| *other == id).count(), 1);
        }
    }
}
