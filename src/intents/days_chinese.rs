//! Days as Chinese readers name them: 后天, 下周三, 十五号, 三天后.

use jiff::ToSpan;

use crate::intents::dates::{self, Calendar, Day, day_of_month, ends, ends_any, month_day, plus};
use crate::intents::numbers::number;
use crate::intents::token::Tokens;

pub(crate) fn relative(tokens: &Tokens, at: usize, calendar: Calendar) -> Option<(Day, usize)> {
    const NAMES: [(&str, i64); 15] = [
        ("大后天", 3),
        ("大后日", 3),
        ("后天", 2),
        ("后日", 2),
        ("后儿", 2),
        ("明天", 1),
        ("明日", 1),
        ("明儿", 1),
        ("听日", 1),
        ("第二天", 1),
        ("今天", 0),
        ("今日", 0),
        ("今儿", 0),
        ("今个", 0),
        ("当日", 0),
    ];
    for (name, days) in NAMES.iter().take(14) {
        if let Some(end) = ends(tokens, at, name) {
            return Some((Day::exact(plus(calendar.today, *days)?), end));
        }
    }
    // 明早, 今晚, 听朝: the part of the day follows and is read for itself.
    let is_part = matches!(
        tokens.text(at + 1),
        "早" | "晚" | "晨" | "朝" | "上" | "下" | "中" | "午"
    );
    let days = match tokens.text(at) {
        "明" | "听" if is_part => Some(1),
        "今" if is_part => Some(0),
        _ => None,
    };
    if let Some(days) = days {
        return Some((Day::exact(plus(calendar.today, days)?), at + 1));
    }
    distance(tokens, at, calendar)
}

/// `三天后`, `过两天以后`, `一周之后`.
fn distance(tokens: &Tokens, at: usize, calendar: Calendar) -> Option<(Day, usize)> {
    let start = ends(tokens, at, "过").unwrap_or(at);
    let (count, next) = number(tokens, start)?;
    let next = ends(tokens, next, "个").unwrap_or(next);
    let (days, next) = if let Some(end) = ends_any(tokens, next, "天|日") {
        (i64::from(count), end)
    } else {
        (
            i64::from(count) * 7,
            ends_any(tokens, next, "周|星期|礼拜")?,
        )
    };
    let end = ends_any(tokens, next, "之后|以后|过后|后")?;
    Some((Day::exact(plus(calendar.today, days)?), end))
}

pub(crate) fn weekday(tokens: &Tokens, at: usize, calendar: Calendar) -> Option<(Day, usize)> {
    let (weeks, next) = if let Some(end) = ends_any(tokens, at, "下下个|下下") {
        (Some(2), end)
    } else if let Some(end) = ends_any(tokens, at, "下个|下一个|下") {
        (Some(1), end)
    } else if let Some(end) = ends_any(tokens, at, "这个|这|本|今个") {
        (Some(0), end)
    } else {
        (None, at)
    };
    let next = ends_any(tokens, next, "周|星期|礼拜")?;
    let index = match tokens.text(next) {
        "一" | "1" => 0,
        "二" | "2" => 1,
        "三" | "3" => 2,
        "四" | "4" => 3,
        "五" | "5" => 4,
        "六" | "6" => 5,
        "日" | "天" | "7" => 6,
        _ => return None,
    };
    // 周一到周五, 周三次: not a day.
    if matches!(tokens.text(next + 1), "次" | "个" | "至") {
        return None;
    }
    Some((
        Day::exact(dates::weekday(calendar.today, index, weeks)?),
        next + 1,
    ))
}

pub(crate) fn date(tokens: &Tokens, at: usize, calendar: Calendar) -> Option<(Day, usize)> {
    let month_end = |at: usize| {
        let end = ends_any(tokens, at, "这个月底|本月底|月底|这个月末|月末|月尾")?;
        Some((
            Day {
                date: calendar.today.last_of_month(),
                is_rough: true,
            },
            end,
        ))
    };
    if let Some(found) = month_end(at) {
        return Some(found);
    }
    let relative = if let Some(end) = ends_any(tokens, at, "下个月的|下个月|下月") {
        Some((1, end))
    } else {
        ends_any(tokens, at, "这个月的|这个月|本月|今个月").map(|end| (0, end))
    };
    if let Some((months, next)) = relative {
        let (number, next) = number(tokens, next)?;
        let end = ends_any(tokens, next, "号|日")?;
        let first = calendar
            .today
            .first_of_month()
            .checked_add(i64::from(months).months())
            .ok()?;
        return Some((
            Day::exact(dates::date(
                i32::from(first.year()),
                first.month().into(),
                number,
            )?),
            end,
        ));
    }
    let (mut value, mut next) = number(tokens, at)?;
    let mut year = None;
    if let Some(end) = ends(tokens, next, "年") {
        year = Some(i32::try_from(value).ok()?);
        (value, next) = number(tokens, end)?;
    } else if matches!(tokens.text(at.wrapping_sub(1)), "第" | "挂" | "楼" | "诊") {
        return None;
    }
    if let Some(next) = ends(tokens, next, "月") {
        let (number, next) = number(tokens, next)?;
        let end = ends_any(tokens, next, "号|日").unwrap_or(next);
        return Some((
            Day::exact(month_day(calendar.today, year, value, number)?),
            end,
        ));
    }
    let end = ends_any(tokens, next, "号|日")?;
    if matches!(
        tokens.text(end),
        "楼" | "线" | "窗" | "门" | "诊" | "床" | "房" | "桌" | "医" | "厅"
    ) {
        return None;
    }
    Some((Day::exact(day_of_month(calendar.today, value)?), end))
}
