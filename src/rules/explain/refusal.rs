//! Each reason why nothing is sent, as a sentence.

use crate::model::reminder::SkipReason;
use crate::rules::explain::language::Language;

/// Why not, without a full stop, so that it can follow "because".
#[expect(
    clippy::too_many_lines,
    reason = "a sentence for each variant, in two languages"
)]
pub fn refusal(reason: SkipReason, language: Language) -> &'static str {
    let (chinese, english) = match reason {
        SkipReason::Deceased => (
            "患者已去世，不再给任何人发送",
            "the patient has died, and nothing goes to anybody",
        ),
        SkipReason::Sensitive => (
            "病历中已没有这位患者",
            "there is no such patient in the records any more",
        ),
        SkipReason::Held => (
            "有工作人员暂停了对这位患者的全部消息",
            "a member of staff holds everything to this patient",
        ),
        SkipReason::OptedOut => ("收件人已退订或拒收", "the recipient asked us to stop"),
        SkipReason::NoConsent => (
            "没有取得发送或告知家属的同意",
            "there is no consent to send this or to tell the family",
        ),
        SkipReason::NoContactPoint => (
            "没有可用的手机号码或邮箱",
            "there is no number or address that can be used",
        ),
        SkipReason::QuietHours => (
            "落在免打扰时间内，前后都挪不开",
            "it falls into quiet hours and there is no room before or after",
        ),
        SkipReason::FrequencyCap => (
            "收件人近期收到的此类消息已达上限",
            "the recipient has had as many messages of this sort as are allowed",
        ),
        SkipReason::Merged => ("内容已并入另一条消息", "it became part of another message"),
        SkipReason::Superseded => (
            "计划有变，已由新的提醒取代",
            "the plan changed and another reminder took its place",
        ),
        SkipReason::AlreadyAnswered => ("患者已经答复", "the patient has answered already"),
        SkipReason::Declined => ("患者已表示不来", "the patient said they will not come"),
        SkipReason::AlreadyDelivered => (
            "前一条消息已经送达",
            "an earlier message has arrived already",
        ),
        SkipReason::TooLate => (
            "太晚了，发了也没有用",
            "it would come too late to be of use",
        ),
        SkipReason::Missed => ("该发的时间已经过去", "its time was past already"),
        SkipReason::Cancelled => ("安排已取消", "it was called off"),
        SkipReason::Past => (
            "安排已经过去，或患者没有来",
            "it is over, or the patient did not come",
        ),
        SkipReason::MissingValue => (
            "消息里要用的内容在病历中没有",
            "the message needs something that the records do not have",
        ),
        SkipReason::TemplateFault => (
            "消息模板缺失或有错误",
            "the wording is missing or has a fault",
        ),
        SkipReason::RuleFault => ("规则本身有错误", "the rule itself has a fault"),
        SkipReason::RuleOff => ("规则已停用", "the rule is switched off"),
        SkipReason::Shadow => (
            "规则处于试运行，只计划不发送",
            "the rule is on trial: it plans and never sends",
        ),
        SkipReason::NotInAudience => (
            "患者不在规则的对象范围内",
            "the patient is not among those the rule is for",
        ),
        SkipReason::NotEffective => (
            "规则那时还没有生效",
            "the rule is not in force yet on that day",
        ),
        SkipReason::Duplicate => (
            "同样的内容已经发过或正要发出",
            "the same was sent already or goes out anyway",
        ),
        SkipReason::Done => (
            "病历显示这件事已经完成",
            "the records show that it was done already",
        ),
        SkipReason::NotTold => (
            "患者没有被告知过原来的时间，无需通知改期",
            "the patient was never told the old time, so there is nothing to correct",
        ),
        SkipReason::Overridden => (
            "这位患者单独关闭了该规则",
            "the rule is switched off for this patient",
        ),
        SkipReason::NoGuardian => (
            "患者未成年，且没有可以告知的监护人",
            "the patient is a minor and there is no guardian who may be told",
        ),
    };
    language.pick(chinese, english)
}
