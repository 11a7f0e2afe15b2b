//! What people write in a cell for yes and no, for sex, status and kind, where no map is given.

use crate::model::occasion::OccasionStatus;
use crate::model::patient::Sex;

/// Yes or no, in the ways that tables say it.
pub(super) fn truth(word: &str) -> Option<bool> {
    match word.to_lowercase().as_str() {
        "1" | "y" | "yes" | "true" | "t" | "x" | "是" | "有" | "√" | "✓" | "已" | "同意"
        | "死亡" | "已故" => Some(true),
        "0" | "n" | "no" | "false" | "f" | "否" | "无" | "×" | "未" | "不同意" | "-" => {
            Some(false)
        }
        _ => None,
    }
}

/// GB/T 2261.1 has 0 unknown, 1 male, 2 female, 9 not told.
pub(super) fn sex(word: &str) -> Option<Sex> {
    match word.to_lowercase().as_str() {
        "m" | "male" | "man" | "1" | "男" | "男性" => Some(Sex::Male),
        "f" | "female" | "woman" | "2" | "女" | "女性" => Some(Sex::Female),
        "o" | "other" | "其他" | "其它" | "9" => Some(Sex::Other),
        "u" | "unknown" | "0" | "未知" | "未说明" | "不详" => Some(Sex::Unknown),
        _ => None,
    }
}

/// What a hospital system says of a booking.
pub(super) fn status(word: &str) -> Option<OccasionStatus> {
    let word = word.to_lowercase().replace(['-', ' '], "_");
    match word.as_str() {
        "booked" | "scheduled" | "confirmed" | "active" | "pending" | "open" | "new" | "预约"
        | "已预约" | "预约成功" | "正常" | "有效" | "已挂号" | "已确认" | "待就诊" => {
            Some(OccasionStatus::Booked)
        }
        "cancelled" | "canceled" | "cancel" | "deleted" | "取消" | "已取消" | "退号" | "已退号"
        | "退约" | "作废" | "停诊" | "无效" => Some(OccasionStatus::Cancelled),
        "arrived" | "checked_in" | "签到" | "已签到" | "已报到" | "已到" | "已取号" => {
            Some(OccasionStatus::Arrived)
        }
        "fulfilled" | "completed" | "complete" | "done" | "finished" | "完成" | "已完成"
        | "已就诊" | "就诊完成" => Some(OccasionStatus::Fulfilled),
        "no_show" | "noshow" | "missed" | "爽约" | "未到" | "失约" => {
            Some(OccasionStatus::NoShow)
        }
        _ => None,
    }
}

/// The kind of an occasion: words that we know, another plain word as it is, else an appointment.
pub(super) fn kind(word: &str) -> String {
    const WORDS: [(&str, &[&str]); 6] = [
        (
            "recheck",
            &["复查", "复检", "recheck", "re-check", "checkup", "check-up"],
        ),
        ("revisit", &["复诊", "随访", "revisit", "follow"]),
        ("vaccination", &["接种", "疫苗", "vaccin"]),
        ("discharge", &["出院", "discharge"]),
        ("pickup", &["取药", "领药", "pickup", "pick-up"]),
        (
            "prescription_end",
            &["续方", "用药结束", "prescription_end"],
        ),
    ];
    let lower = word.to_lowercase();
    if let Some((kind, _)) = WORDS
        .iter()
        .find(|(_, list)| list.iter().any(|part| lower.contains(part)))
    {
        return (*kind).to_owned();
    }
    let plain = lower.replace([' ', '-'], "_");
    let fits = plain.len() <= 40
        && plain.starts_with(|c: char| c.is_ascii_lowercase())
        && plain
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
    if fits {
        plain
    } else {
        "appointment".to_owned()
    }
}

/// What somebody is to the patient.
pub(super) fn relation(word: &str) -> String {
    const WORDS: [(&str, &[&str]); 6] = [
        ("guardian", &["监护", "guardian"]),
        (
            "spouse",
            &["配偶", "妻", "夫", "爱人", "spouse", "wife", "husband"],
        ),
        (
            "parent",
            &["父", "母", "爸", "妈", "parent", "mother", "father"],
        ),
        (
            "sibling",
            &["兄", "弟", "姐", "妹", "sibling", "brother", "sister"],
        ),
        ("child", &["子", "女", "child", "son", "daughter"]),
        ("friend", &["朋友", "friend"]),
    ];
    let lower = word.to_lowercase();
    // 孙子 and 孙女 hold the word for a child.
    if lower.contains('孙') {
        return "grandchild".to_owned();
    }
    WORDS
        .iter()
        .find(|(_, list)| list.iter().any(|part| lower.contains(part)))
        .map_or("other", |(kind, _)| *kind)
        .to_owned()
}
