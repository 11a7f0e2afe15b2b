//! Sample data for previews and lints: people who do not exist.

use serde_json::{Value, json};

use crate::model::class::{Channel, Role};
use crate::render::language;

/// Everything the composer may give a template, in a language's own names.
pub fn sample(tag: &str, channel: Channel, role: Role) -> Value {
    let is_chinese = language::primary(tag) == "zh";
    let (site, place, department, doctor) = if is_chinese {
        ("示范医院", "门诊楼三层内科", "内科", "李明")
    } else {
        (
            "Demo Hospital",
            "Building A, 3rd floor",
            "Internal medicine",
            "Dr Lee",
        )
    };
    let (name, given, family) = if is_chinese {
        ("王小兰", "小兰", "王")
    } else {
        ("Mary Miller", "Mary", "Miller")
    };
    let recipient = match (role, is_chinese) {
        (Role::Patient, _) => json!({"role": "patient", "name": name}),
        (Role::Family, true) => json!({"role": "family", "name": "王建国", "relation": "child"}),
        (Role::Family, false) => {
            json!({"role": "family", "name": "John Miller", "relation": "child"})
        }
        (Role::Staff, _) => json!({"role": "staff", "name": department}),
    };
    let occasion = |kind: &str, date: &str, clock: Value| {
        json!({
            "kind": kind, "date": date, "clock": clock, "doctor": doctor, "place": place, "department": department,
            "confirmation": "awaiting",
            "attributes": {"fasting": true, "bring": if is_chinese { "身份证和医保卡" } else { "your ID and insurance card" }},
        })
    };
    let first = occasion("appointment", "2026-07-24", json!("10:00"));
    json!({
        "site": {"name": site, "phone": "010-12345678"},
        "patient": {
            "name": name, "given": given, "family": family, "sex": "female", "age": 72,
            "attributes": {}, "tags": [], "diagnoses": ["E11"],
        },
        "recipient": recipient,
        "occasion": first,
        "occasions": [first, occasion("recheck", "2026-07-24", json!("14:30"))],
        "holiday": {"id": "mid_autumn"},
        "rule": {"id": "sample", "title": if is_chinese { "示例" } else { "Sample" }},
        "count": 12,
        "today": "2026-07-23",
        "items": [
            {"title": if is_chinese { "复查" } else { "Check-up" }, "kind": "recheck", "date": "2026-07-24", "clock": "10:00",
             "patient": name, "doctor": doctor, "place": place, "count": 1},
        ],
        "lead": {"days": 3},
        "ask": matches!(channel, Channel::Sms | Channel::Voice) && role != Role::Staff,
        "data": {"text": if is_chinese { "您预约的讲座改在二楼会议室举行。" } else { "The talk you booked has moved to the meeting room on the 2nd floor." }},
    })
}
