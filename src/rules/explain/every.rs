//! A pattern of the clock in words, where it is one that people would say.

use crate::rules::explain::language::Language;

/// When a cron pattern fires, such as "on the 5th of each month at 09:00".
pub(super) fn words(pattern: &str, language: Language) -> String {
    plain(pattern, language).unwrap_or_else(|| {
        language.pick(
            "按固定的时间表".to_owned(),
            "on a fixed timetable".to_owned(),
        )
    })
}

/// Minute and hour are numbers, and of the rest each is `*` or a list of numbers.
fn plain(pattern: &str, language: Language) -> Option<String> {
    let fields: Vec<&str> = pattern.split_whitespace().collect();
    let [minute, hour, day, month, weekday] = fields[..] else {
        return None;
    };
    let (minute, hour): (u8, u8) = (minute.parse().ok()?, hour.parse().ok()?);
    let clock = format!("{hour:02}:{minute:02}");
    let months = numbers(month)?;
    let months = months.map(|months| language.months(&months));
    let days = match (numbers(day)?, numbers(weekday)?) {
        (None, None) => language.word("每天", "every day"),
        (Some(days), None) => {
            let chinese: Vec<String> = days.iter().map(|day| format!("{day}日")).collect();
            let english: Vec<String> = days.iter().map(|day| ordinal(*day)).collect();
            let of = if months.is_some() {
                ""
            } else {
                " of each month"
            };
            let whole = if months.is_some() { "" } else { "每月" };
            language.pick(
                format!("{whole}{}", chinese.join("、")),
                format!("on the {}{of}", english.join(" and ")),
            )
        }
        (None, Some(days)) => language.weekdays(&days)?,
        (Some(_), Some(_)) => return None,
    };
    Some(match months {
        None => language.pick(format!("{days}{clock}"), format!("{days} at {clock}")),
        Some(months) => language.pick(
            format!("每年{months}的{days}{clock}"),
            format!("{days} in {months} at {clock}"),
        ),
    })
}

/// `None` within for every one.
fn numbers(field: &str) -> Option<Option<Vec<u8>>> {
    if field == "*" {
        return Some(None);
    }
    let each = field.split(',').map(|word| word.parse().ok());
    each.collect::<Option<Vec<u8>>>().map(Some)
}

fn ordinal(day: u8) -> String {
    let end = match (day % 10, day) {
        (_, 11..=13) => "th",
        (1, _) => "st",
        (2, _) => "nd",
        (3, _) => "rd",
        (_, _) => "th",
    };
    format!("{day}{end}")
}

#[cfg(test)]
mod tests {
    use super::words;
    use crate::rules::explain::language::Language;

    #[track_caller]
    fn check(pattern: &str, chinese: &str, english: &str) {
        assert_eq!(words(pattern, Language::Chinese), chinese);
        assert_eq!(words(pattern, Language::English), english);
    }

    #[test]
    fn a_pattern_is_told_as_people_would() {
        check(
            "0 9 5 * *",
            "每月5日09:00",
            "on the 5th of each month at 09:00",
        );
        check("30 8 * * *", "每天08:30", "every day at 08:30");
        check(
            "0 9 * * 1,4",
            "每周一、周四09:00",
            "every Monday and Thursday at 09:00",
        );
        check(
            "0 9 20 1,3 *",
            "每年1月、3月的20日09:00",
            "on the 20th in January and March at 09:00",
        );
        check("*/5 9 * * *", "按固定的时间表", "on a fixed timetable");
        check("0 9 1 * 1", "按固定的时间表", "on a fixed timetable");
    }
}
