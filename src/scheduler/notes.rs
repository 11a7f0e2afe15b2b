//! What the composer itself tells staff: few words, in the languages of the house.

use jiff::civil::Date;

use crate::model::reminder::SkipReason;
use crate::render::RenderError;

/// Title and text of a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Note {
    pub(crate) title: String,
    pub(crate) text: String,
}

fn is_chinese(language: &str) -> bool {
    language
        .split(['-', '_'])
        .next()
        .is_some_and(|primary| primary.eq_ignore_ascii_case("zh"))
}

/// A template prints a value that the records lack. Names the path, never a value.
pub(crate) fn missing_value(language: &str, rule: &str, template: &str, path: &str) -> Note {
    if is_chinese(language) {
        return Note {
            title: format!("模板 {template} 缺少 {path}"),
            text: format!(
                "规则“{rule}”的提醒未发送：模板 {template} 要用到 {path}，记录里没有。请补全记录或修改模板。"
            ),
        };
    }
    Note {
        title: format!("Template {template} lacks {path}"),
        text: format!(
            "A reminder of rule \"{rule}\" was not sent: template {template} prints {path}, which the records do not have. Complete the records or change the template."
        ),
    }
}

/// A template cannot be filled.
pub(crate) fn template_fault(
    language: &str,
    rule: &str,
    template: &str,
    fault: &RenderError,
) -> Note {
    if is_chinese(language) {
        return Note {
            title: format!("模板 {template} 有错误"),
            text: format!("规则“{rule}”的提醒未发送：{fault}。"),
        };
    }
    Note {
        title: format!("Template {template} has a fault"),
        text: format!("A reminder of rule \"{rule}\" was not sent: {fault}."),
    }
}

/// A patient whom no message can reach.
pub(crate) fn unreachable(language: &str, rule: &str, reason: SkipReason, patient: &str) -> Note {
    let chinese = is_chinese(language);
    let why = match (reason, chinese) {
        (SkipReason::OptedOut, true) => "对方已退订",
        (SkipReason::OptedOut, false) => "they have opted out",
        (SkipReason::Held, true) => "有人暂停了给该患者的一切消息",
        (SkipReason::Held, false) => "a person holds everything to this patient",
        (SkipReason::NoGuardian, true) => "患者未成年，没有可联系的监护人",
        (SkipReason::NoGuardian, false) => "the patient is under age and no guardian can be told",
        (SkipReason::NoConsent, true) => "没有患者或家属的同意记录",
        (SkipReason::NoConsent, false) => "there is no consent on record",
        (_, true) => "没有可用的联系方式",
        (_, false) => "there is no usable number or address",
    };
    if chinese {
        return Note {
            title: format!("无法提醒：{patient}"),
            text: format!("“{rule}”没有发送：{why}。请用其他方式联系。"),
        };
    }
    Note {
        title: format!("Cannot be reached: {patient}"),
        text: format!("\"{rule}\" was not sent: {why}. Please reach out in another way."),
    }
}

/// A campaign that reaches so many that another person has to agree.
pub(crate) fn campaign_waits(
    language: &str,
    title: &str,
    started_by: &str,
    id: &str,
    reach: i64,
) -> Note {
    if is_chinese(language) {
        return Note {
            title: format!("{title}：要发给{reach}位患者，等另一个人批准"),
            text: format!(
                "由 {started_by} 启动。须由另一个人放行：carebell campaign approve {id} --by 姓名；或撤销：carebell campaign cancel {id}"
            ),
        };
    }
    Note {
        title: format!("{title}: campaign for {reach} patients waits for a second person"),
        text: format!(
            "{started_by} started it. Another person lets it go: carebell campaign approve {id} --by NAME, or calls it off: carebell campaign cancel {id}"
        ),
    }
}

/// A rule that was switched on and reaches so many that another person has to agree.
pub(crate) fn rule_waits(language: &str, title: &str, id: &str, reach: i64) -> Note {
    if is_chinese(language) {
        return Note {
            title: format!("{title}：一天之内要通知{reach}位患者，等待批准"),
            text: format!(
                "规则刚启用或修改过。批准之前什么也不发：carebell rules approve {id} --by 姓名"
            ),
        };
    }
    Note {
        title: format!("{title}: would tell {reach} patients within a day and waits for a person"),
        text: format!(
            "It was switched on or changed. Nothing of it goes out until somebody lets it: carebell rules approve {id} --by NAME"
        ),
    }
}

/// A year of working days that no table knows.
pub(crate) fn missing_workdays(language: &str, zone: &str, year: i16) -> Note {
    if is_chinese(language) {
        return Note {
            title: format!("缺少{year}年的工作日表"),
            text: format!(
                "有按工作日的提醒排到了{year}年（{zone}），但工作日表中没有这一年，暂按周一至周五计算。请在配置 [calendar] workdays 中加入当年的放假安排。"
            ),
        };
    }
    Note {
        title: format!("Working days of {year} are missing"),
        text: format!(
            "Reminders that go by working days are planned into {year} ({zone}), which the table does not know: Monday to Friday count. Add the year's days off under [calendar] workdays."
        ),
    }
}

/// For whom somebody else is told; `until` is `None` when they work here no more.
pub(crate) fn instead_of(language: &str, name: &str, until: Option<Option<Date>>) -> String {
    match (until, is_chinese(language)) {
        (Some(Some(day)), true) => format!("（代{name}：休假至{day}）"),
        (Some(Some(day)), false) => format!("(For {name}, away until {day}.)"),
        (Some(None), true) => format!("（代{name}：休假中）"),
        (Some(None), false) => format!("(For {name}, who is away.)"),
        (None, true) => format!("（代{name}：已离职）"),
        (None, false) => format!("(For {name}, who works here no more.)"),
    }
}

/// A department that gets what is a doctor's who is not there.
pub(crate) fn nobody_stands_in(language: &str, name: &str) -> String {
    if is_chinese(language) {
        return format!("（{name}没有代班人，请科室处理。）");
    }
    format!("(Nobody stands in for {name}: please see to it in the department.)")
}

/// A department that gets what is the treating doctor's.
pub(crate) fn unknown_doctor(language: &str, name: Option<&str>) -> String {
    match (name, is_chinese(language)) {
        (Some(name), true) => format!("（接诊医生{name}不在医护名单中，请科室处理。）"),
        (Some(name), false) => format!(
            "(For the treating doctor: no single member of staff is known as {name}, so the department is told.)"
        ),
        (None, true) => "（记录中没有接诊医生，请科室处理。）".to_owned(),
        (None, false) => {
            "(For the treating doctor: the record names none, so the department is told.)"
                .to_owned()
        }
    }
}

/// A doctor who has no address for what a rule wants to send.
pub(crate) fn no_own_address(language: &str, name: &str, channel: &str) -> String {
    if is_chinese(language) {
        return format!("（{name}没有可用的 {channel} 地址或通道，改为任务。）");
    }
    format!("({name} has no {channel} address or route for it, so this became a task.)")
}

/// A department that has no address for what a rule wants to send it.
pub(crate) fn no_staff_address(language: &str, channel: &str) -> String {
    if is_chinese(language) {
        return format!("（科室没有可用的 {channel} 地址或通道，改为任务。）");
    }
    format!("(The department has no {channel} address or route for it, so this became a task.)")
}
