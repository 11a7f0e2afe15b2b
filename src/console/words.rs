//! The words of the pages in English and Chinese, each pair on one line.

use crate::pages::Language;

/// Key, English, Chinese.
type Word = (&'static str, &'static str, &'static str);

/// The text of a key.
pub(super) fn text(language: Language, key: &str) -> Option<String> {
    let (_, english, chinese) = TEXTS
        .iter()
        .chain(WORDS)
        .find(|(known, ..)| *known == key)?;
    Some(language.pick(english, chinese).to_owned())
}

/// The name of a value of a set; a value that no page knows is shown as it is written.
pub(super) fn word(language: Language, group: &str, word: &str) -> String {
    // A network's own code follows a colon.
    let (plain, code) = word
        .split_once(':')
        .map_or((word, ""), |(plain, code)| (plain, code));
    let known = text(language, &format!("{group}.{plain}"));
    let name = known.unwrap_or_else(|| plain.replace('_', " "));
    if code.is_empty() {
        name
    } else {
        format!("{name} ({code})")
    }
}

/// How a value of a set is coloured.
pub(super) fn tone(group: &str, word: &str) -> &'static str {
    match (group, word) {
        ("state", "delivered" | "sent")
        | ("confirmation", "confirmed")
        | ("status", "arrived" | "fulfilled")
        | ("reminder", "composed") => "is-good",
        ("state", "submitted" | "sending")
        | ("confirmation", "change_requested")
        | ("intent", "reschedule") => "is-info",
        ("state", "uncertain" | "unconfirmed" | "held")
        | ("confirmation", "awaiting")
        | ("intent", "opt_out" | "stop_wrong_number") => "is-warn",
        ("state", "undelivered" | "failed" | "expired")
        | ("confirmation", "declined")
        | ("status", "no_show")
        | ("intent", "emergency") => "is-bad",
        ("intent", "confirm") => "is-good",
        ("intent", "cancel") => "is-bad",
        _ => "",
    }
}

const TEXTS: &[Word] = &[
    ("skip", "Skip to the content", "跳到正文"),
    ("nav", "Pages", "页面"),
    ("today", "Today", "今日"),
    ("bookings", "Bookings", "预约"),
    ("messages", "Messages", "短信"),
    ("answers", "Answers", "回复"),
    ("tasks", "For staff", "待办"),
    ("phones", "Phones", "手机"),
    ("other_language", "中文", "English"),
    ("live", "Live", "实时"),
    ("not_live", "No connection", "连接中断"),
    ("planned", "Planned", "已计划"),
    ("planned_today", "due today", "条今日到期"),
    ("sent", "Sent today", "今日发出"),
    ("waiting", "waiting", "条排队中"),
    ("withheld", "withheld", "条未发"),
    ("delivered", "Delivered", "已送达"),
    ("not_delivered", "not delivered", "条未送达"),
    ("answered", "Answered", "患者回复"),
    ("need_staff", "for staff to read", "条待人工处理"),
    ("confirmed", "Confirmed", "已确认"),
    ("of_booked", "in the next 14 days", "个预约（未来14天）"),
    ("of", "of", "共"),
    ("latest_answers", "What patients answered", "患者最新回复"),
    (
        "no_answers",
        "Nobody has answered yet today.",
        "今天还没有患者回复。",
    ),
    ("unknown_person", "Unknown number", "未知号码"),
    ("staff_work", "For staff", "待办与提醒"),
    ("no_tasks", "Nothing to do. Well done.", "没有待办事项。"),
    ("coming_bookings", "Coming bookings", "近期预约"),
    (
        "no_bookings",
        "No bookings in the next 14 days.",
        "未来14天没有预约。",
    ),
    ("next_out", "Next to go out", "即将发出"),
    ("no_next", "Nothing is planned.", "没有计划中的提醒。"),
    ("last_sent", "Last sent", "最近发出"),
    ("no_sent", "Nothing was sent yet.", "还没有发出短信。"),
    ("see_all", "All", "全部"),
    ("all_day", "any time", "全天"),
    ("moved", "moved", "已改期"),
    ("urgent", "Urgent", "紧急"),
    ("maybe_twice", "may have gone out twice", "可能重复发送"),
    ("segments", "SMS", "条计费"),
    ("state", "State", "状态"),
    ("all", "All", "全部"),
    ("patient", "Patient", "患者"),
    ("born", "Born", "出生"),
    ("sex", "Sex", "性别"),
    ("language", "Language", "语言"),
    ("contacts", "Reached at", "联系方式"),
    ("family", "Family", "家属"),
    ("refused", "Refused", "已拒收"),
    ("may_be_told", "may be told", "可告知"),
    ("may_not_be_told", "may not be told", "不可告知"),
    ("deceased", "Has died", "已故"),
    ("special", "By way of the family", "须联系家属"),
    ("held", "Blocked by staff", "已由人工暂停"),
    ("conversation", "Conversation", "往来短信"),
    ("no_conversation", "Nothing was said yet.", "还没有往来。"),
    ("reminders", "Reminders, and why not", "提醒及未发原因"),
    ("no_reminders", "No reminders.", "没有提醒。"),
    ("hospital_side", "The hospital's side", "医院一侧"),
    ("nothing_open", "Nothing open", "无"),
    ("us", "Carebell", "医院"),
    ("day_flow", "The day in figures", "今日概览"),
    ("shares", "What patients said about them", "患者答复"),
    ("back", "Back", "返回"),
];

const WORDS: &[Word] = &[
    ("state.scheduled", "Scheduled", "待定时"),
    ("state.held", "Held", "已暂停"),
    ("state.queued", "Waiting", "排队中"),
    ("state.sending", "Sending", "发送中"),
    ("state.uncertain", "Uncertain", "结果未知"),
    ("state.submitted", "Sent", "已发出"),
    ("state.sent", "Sent, no receipt due", "已发出，无回执"),
    ("state.delivered", "Delivered", "已送达"),
    ("state.undelivered", "Not delivered", "未送达"),
    ("state.failed", "Failed", "失败"),
    ("state.expired", "Expired", "已过期"),
    ("state.suppressed", "Withheld", "已拦截"),
    ("state.cancelled", "Called off", "已取消"),
    ("state.unconfirmed", "No receipt came", "未收到回执"),
    ("confirmation.none", "Not asked yet", "未询问"),
    ("confirmation.awaiting", "Awaiting answer", "待回复"),
    ("confirmation.confirmed", "Confirmed", "已确认"),
    ("confirmation.declined", "Declined", "不来"),
    (
        "confirmation.change_requested",
        "Wants another time",
        "希望改期",
    ),
    ("status.booked", "Booked", "已预约"),
    ("status.cancelled", "Called off", "已取消"),
    ("status.arrived", "Arrived", "已到院"),
    ("status.fulfilled", "Took place", "已完成"),
    ("status.no_show", "Did not come", "未到"),
    ("reminder.planned", "Planned", "已计划"),
    ("reminder.composed", "Sent", "已生成"),
    ("reminder.skipped", "Not sent", "未发"),
    ("reminder.superseded", "Replaced", "已被取代"),
    ("channel.sms", "SMS", "短信"),
    ("channel.email", "Email", "邮件"),
    ("channel.voice", "Call", "电话"),
    ("channel.popup", "Pop-up", "弹窗"),
    ("channel.task", "Task", "待办"),
    ("role.patient", "patient", "患者"),
    ("role.family", "family", "家属"),
    ("role.staff", "staff", "医护"),
    ("kind.appointment", "Appointment", "就诊"),
    ("kind.revisit", "Follow-up visit", "复诊"),
    ("kind.recheck", "Recheck", "复查"),
    ("kind.birthday", "Birthday", "生日"),
    ("kind.holiday", "Holiday greeting", "节日问候"),
    (
        "kind.mid_autumn_diabetes",
        "Mid-Autumn, diabetes",
        "中秋·糖尿病",
    ),
    ("kind.mid_autumn", "Mid-Autumn", "中秋"),
    ("kind.discharge", "Discharge", "出院"),
    ("kind.vaccination", "Vaccination", "接种"),
    ("kind.pickup", "Pick-up", "取药"),
    ("kind.prescription_end", "End of prescription", "处方到期"),
    ("kind.reply", "Our answer", "自动答复"),
    ("kind.rule", "Rule", "规则"),
    ("kind.cli", "By hand", "手工发送"),
    ("kind.api", "Another system", "外部系统"),
    ("kind.amqp", "Another system", "外部系统"),
    ("department.clinical", "Clinical", "临床"),
    ("department.marketing", "Marketing", "客服"),
    ("task.reminder", "Reminder", "提醒"),
    ("task.reply", "Answer to read", "待阅回复"),
    ("task.emergency", "May be an emergency", "可能急症"),
    ("task.change_request", "Change request", "改期请求"),
    ("task.missing_value", "Something is missing", "资料缺失"),
    ("task.unreachable", "Cannot be reached", "无法联系"),
    ("task.fault", "Fault", "故障"),
    ("task.approval", "Needs a second person", "待他人批准"),
    ("priority.urgent", "Urgent", "紧急"),
    ("priority.normal", "In its turn", "普通"),
    ("outcome.confirmed", "Booking confirmed", "预约已确认"),
    ("outcome.declined", "Booking declined", "已表示不来"),
    (
        "outcome.change_requested",
        "Another time asked for",
        "已提出改期",
    ),
    ("outcome.answered", "Answer kept", "已记录答复"),
    (
        "outcome.asked_which",
        "Asked which booking is meant",
        "已询问是哪一项",
    ),
    ("outcome.task", "Given to staff", "已转人工"),
    (
        "outcome.emergency",
        "Given to staff at once",
        "已紧急转人工",
    ),
    ("outcome.opted_out", "No more messages", "已停止发送"),
    ("outcome.opted_in", "Messages again", "已恢复发送"),
    (
        "outcome.wrong_number",
        "Number not used any more",
        "号码已停用",
    ),
    ("outcome.deceased", "All messages stopped", "已全部停发"),
    ("outcome.helped", "Told what this is", "已说明用途"),
    ("outcome.noted", "Nothing to do", "无需处理"),
    ("intent.emergency", "Emergency?", "疑似急症"),
    ("intent.stop_wrong_number", "Wrong number", "号码有误"),
    ("intent.opt_out", "No more messages", "退订"),
    ("intent.reschedule", "Another time", "改期"),
    ("intent.cancel", "Will not come", "不来"),
    ("intent.running_late", "Running late", "会迟到"),
    ("intent.choice", "Chose", "已选择"),
    ("intent.rating", "Rated", "已评分"),
    ("intent.confirm", "Will come", "会来"),
    ("intent.complaint", "Complaint", "投诉"),
    ("intent.question", "Question", "提问"),
    ("intent.help", "Asks for help", "求助"),
    ("intent.opt_in", "Wants messages again", "恢复接收"),
    ("intent.gratitude", "Thanks", "致谢"),
    ("intent.unknown", "Staff will read it", "转人工"),
    ("contact.ok", "in use", "可用"),
    ("contact.wrong_number", "wrong number", "号码有误"),
    ("contact.invalid", "does not exist", "空号"),
    ("sex.female", "Female", "女"),
    ("sex.male", "Male", "男"),
    ("sex.other", "Other", "其他"),
    ("sex.unknown", "Not known", "未知"),
    ("scope.all", "everything", "全部"),
    ("scope.urgent", "urgent messages", "紧急通知"),
    ("scope.appointment", "appointment reminders", "预约提醒"),
    ("scope.clinical", "clinical messages", "诊疗通知"),
    ("scope.survey", "surveys", "调查"),
    ("scope.health_tip", "health tips", "健康提示"),
    ("scope.invitation", "invitations", "邀请"),
    ("scope.greeting", "greetings", "问候"),
    ("scope.promotion", "promotions", "推广"),
    ("scope.sms", "SMS", "短信"),
    ("scope.email", "email", "邮件"),
    ("scope.voice", "calls", "电话"),
    ("relation.child", "Child", "子女"),
    ("relation.parent", "Parent", "父母"),
    ("relation.spouse", "Spouse", "配偶"),
    ("relation.guardian", "Guardian", "监护人"),
    ("relation.mother", "Mother", "母亲"),
    ("relation.father", "Father", "父亲"),
    ("relation.daughter", "Daughter", "女儿"),
    ("relation.son", "Son", "儿子"),
    ("reason.deceased", "has died", "已故"),
    ("reason.sensitive", "sensitive patient", "敏感患者"),
    ("reason.held", "blocked by staff", "已暂停"),
    ("reason.opted_out", "opted out", "已退订"),
    ("reason.no_consent", "no consent", "未同意"),
    ("reason.no_contact_point", "no usable number", "无可用号码"),
    ("reason.quiet_hours", "quiet hours", "免打扰时段"),
    (
        "reason.frequency_cap",
        "enough messages already",
        "超过频次",
    ),
    ("reason.merged", "part of another message", "已合并"),
    (
        "reason.done",
        "the record shows that it is done",
        "记录显示已完成",
    ),
    (
        "reason.not_told",
        "was never told the old date",
        "未曾告知原日期",
    ),
    (
        "reason.overridden",
        "set otherwise for this patient",
        "已为该患者单独设置",
    ),
    ("reason.superseded", "the plan changed", "计划已变"),
    ("reason.already_answered", "answered already", "已答复"),
    ("reason.declined", "will not come", "患者不来"),
    ("reason.already_delivered", "arrived already", "已送达"),
    ("reason.too_late", "too late to be of use", "已过时"),
    ("reason.missed", "its time had passed", "错过时间"),
    ("reason.cancelled", "called off", "已取消"),
    ("reason.past", "is over", "已结束"),
    ("reason.missing_value", "a value is missing", "资料缺失"),
    ("reason.template_fault", "fault in the template", "模板有误"),
    ("reason.rule_fault", "fault in the rule", "规则有误"),
    ("reason.rule_off", "the rule is off", "规则停用"),
    (
        "reason.shadow",
        "shadow rule: shown, never sent",
        "影子规则",
    ),
    ("reason.not_in_audience", "not in the audience", "不在受众"),
    (
        "reason.not_effective",
        "before the rule's first day",
        "规则未生效",
    ),
    ("reason.duplicate", "goes out already", "已有相同提醒"),
    (
        "reason.no_guardian",
        "a minor without a guardian to tell",
        "未成年且无监护人",
    ),
    ("reason.stop", "opted out", "已退订"),
    ("reason.wrong_number", "wrong number", "号码有误"),
    ("reason.complaint", "complained", "投诉"),
    ("reason.import", "by the records", "来自档案"),
    ("reason.staff", "by staff", "人工设置"),
    ("reason.no_route", "no carrier for it", "无通道"),
    ("reason.expired", "too late to be of use", "已过期"),
    ("reason.throttled", "the carrier slowed us down", "被限速"),
    (
        "reason.provider_reject",
        "refused by the carrier",
        "被运营商拒绝",
    ),
    (
        "reason.no_bind",
        "no connection to the carrier",
        "通道未连接",
    ),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{TEXTS, WORDS, text, word};
    use crate::model::class::{Channel, Class, Role};
    use crate::model::message::MessageState;
    use crate::model::occasion::{Confirmation, OccasionStatus};
    use crate::model::patient::{ContactStatus, Sex};
    use crate::model::reminder::{ReminderState, SkipReason};
    use crate::model::reply::ReplyOutcome;
    use crate::model::task::{Priority, TaskKind};
    use crate::pages::Language;

    #[test]
    fn every_word_of_every_set_is_there_in_both_languages() {
        let mut keys = Vec::new();
        let mut all = |group: &str, words: Vec<&'static str>| {
            keys.extend(words.iter().map(|word| format!("{group}.{word}")))
        };
        all(
            "state",
            MessageState::ALL.iter().map(|w| w.as_str()).collect(),
        );
        all(
            "confirmation",
            Confirmation::ALL.iter().map(|w| w.as_str()).collect(),
        );
        all(
            "status",
            OccasionStatus::ALL.iter().map(|w| w.as_str()).collect(),
        );
        all(
            "reminder",
            ReminderState::ALL.iter().map(|w| w.as_str()).collect(),
        );
        all(
            "reason",
            SkipReason::ALL.iter().map(|w| w.as_str()).collect(),
        );
        all("task", TaskKind::ALL.iter().map(|w| w.as_str()).collect());
        all(
            "priority",
            Priority::ALL.iter().map(|w| w.as_str()).collect(),
        );
        all(
            "outcome",
            ReplyOutcome::ALL.iter().map(|w| w.as_str()).collect(),
        );
        all("channel", Channel::ALL.iter().map(|w| w.as_str()).collect());
        all("role", Role::ALL.iter().map(|w| w.as_str()).collect());
        all(
            "contact",
            ContactStatus::ALL.iter().map(|w| w.as_str()).collect(),
        );
        all("sex", Sex::ALL.iter().map(|w| w.as_str()).collect());
        all(
            "scope",
            Class::ALL
                .iter()
                .filter(|c| **c != Class::Reply)
                .map(|w| w.as_str())
                .collect(),
        );
        for key in keys {
            assert!(
                text(Language::English, &key).is_some() && text(Language::Chinese, &key).is_some(),
                "{key}"
            );
        }
    }

    #[test]
    fn no_key_is_there_twice_and_none_is_empty() {
        let mut seen = BTreeSet::new();
        for (key, english, chinese) in TEXTS.iter().chain(WORDS) {
            assert!(seen.insert(key), "{key} is there twice");
            assert!(!english.is_empty() && !chinese.is_empty(), "{key}");
        }
    }

    #[test]
    fn an_unknown_word_is_shown_as_it_is_and_a_code_stands_behind() {
        assert_eq!(word(Language::English, "kind", "eye_check"), "eye check");
        assert_eq!(
            word(
                Language::Chinese,
                "reason",
                "provider_reject:ESME_RINVDSTADR"
            ),
            "被运营商拒绝 (ESME_RINVDSTADR)"
        );
    }
}
