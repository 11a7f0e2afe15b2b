//! What became of reminders of the same rule already.

use crate::model::message::MessageState;
use crate::model::reminder::{ReminderState, SkipReason};
use crate::planning::explain::company;
use crate::rules::explain::language::Language;
use crate::rules::explain::{Line, Said, Section, refusal};
use crate::rules::rule::Rule;
use crate::store::reminder_history::{Past, PastMessage};

/// One line for each.
pub(super) fn lines(past: &[Past], rule: &Rule, language: Language) -> Vec<Line> {
    let line = |one: &Past| said(one, rule, language).line(&one.occurrence, &one.step, &one.lead);
    past.iter().map(line).collect()
}

fn said(one: &Past, rule: &Rule, language: Language) -> Said {
    let due = language.moment(one.due_at, &rule.timezone);
    let who = language.role(one.role);
    let what = language.pick(
        format!("{due}发给{who}的提醒："),
        format!("The reminder of {due} to {who}: "),
    );
    let (reason, text) = match one.state {
        ReminderState::Planned => (
            "planned",
            language.word(
                "已列入计划，等待发送。",
                "it is on the plan and waits for its moment.",
            ),
        ),
        ReminderState::Superseded => (
            "superseded",
            language.word(
                "计划改变，已作废。",
                "it was called off, since the plan changed.",
            ),
        ),
        // It went out all the same, as a part of another's message.
        ReminderState::Skipped
            if one.reason.as_deref() == Some(SkipReason::Merged.as_str())
                && one.message.is_some() =>
        {
            let text = one
                .message
                .as_ref()
                .map(|message| sent(message, rule, language));
            (SkipReason::Merged.as_str(), text.unwrap_or_default())
        }
        ReminderState::Skipped => {
            let reason = one.reason.as_deref().and_then(SkipReason::parse);
            let why = reason.map_or_else(
                || language.pick("原因不详", "nobody kept why"),
                |reason| refusal(reason, language),
            );
            let at = language.moment(one.updated_at, &rule.timezone);
            (
                reason.map_or("skipped", SkipReason::as_str),
                language.pick(
                    format!("没有发出（{at}决定）：{why}。"),
                    format!("it was not sent (decided on {at}): {why}."),
                ),
            )
        }
        ReminderState::Composed => match &one.message {
            Some(message) => (message.state.as_str(), sent(message, rule, language)),
            None if one.is_task => (
                "composed",
                language.word("已生成一项工作人员待办。", "it became a task for staff."),
            ),
            None => ("composed", language.word("已处理。", "it was dealt with.")),
        },
    };
    Said::yes(Section::History, reason, format!("{what}{text}")).at(one.due_at)
}

fn sent(message: &PastMessage, rule: &Rule, language: Language) -> String {
    let shown = |at| language.moment(at, &rule.timezone);
    let by = language.channel(message.channel);
    let mut text = match message.sent_at {
        Some(at) => {
            let at = shown(at);
            language.pick(
                format!("{at}以{by}发出"),
                format!("it left by {by} on {at}"),
            )
        }
        None => language.pick(format!("已写成{by}"), format!("it was written as {by}")),
    };
    let at = shown(message.updated_at);
    let state = state(message.state, language);
    text.push_str(&language.pick(format!("，{state}（{at}）"), format!(" and {state} ({at})")));
    if let Some(reason) = message.reason.as_deref() {
        let why = self::why(reason, language);
        text.push_str(&language.pick(format!("，原因：{why}"), format!(", because {why}")));
    }
    if !message.tells_of.is_empty() {
        let bookings = message.tells_of.iter();
        let bookings: Vec<String> = bookings
            .map(|one| company::told(&one.kind, one.when, language))
            .collect();
        let (bookings, id) = (bookings.join(language.pick("、", "; ")), &message.id);
        text.push_str(&language.pick(
            format!("；这一条消息（编号 {id}）合在一起提到：{bookings}"),
            format!("; that one message ({id}) told of all of these together: {bookings}"),
        ));
    }
    if let Some((intent, at)) = &message.reply {
        let (meant, at) = (self::intent(intent, language), shown(*at));
        text.push_str(&language.pick(
            format!("；{at}收到答复：{meant}"),
            format!("; the answer of {at}: {meant}"),
        ));
    }
    text.push_str(language.pick("。", "."));
    text
}

/// Why a message ended as it did, after "because"; what a carrier said stands behind in its own word.
fn why(reason: &str, language: Language) -> String {
    if let Some(reason) = SkipReason::parse(reason) {
        return refusal(reason, language).to_owned();
    }
    let (word, code) = reason.split_once(':').unwrap_or((reason, ""));
    let known = [
        (
            "expired",
            "等到发出时已经没有用了",
            "it had become useless before it could leave",
        ),
        (
            "undelivered",
            "运营商没能送到",
            "the carrier could not bring it there",
        ),
        (
            "provider_reject",
            "运营商拒绝接收",
            "the carrier refused it",
        ),
        (
            "throttled",
            "运营商要求放慢",
            "the carrier asked us to slow down",
        ),
        (
            "no_route",
            "没有能发这个号码或地址的通道",
            "nobody carries messages to that number or address",
        ),
        (
            "no_bind",
            "与运营商没有连接",
            "there was no connection to the carrier",
        ),
        (
            "no_address",
            "没有可用的号码或地址",
            "there is no number or address that can be used",
        ),
        ("stop", "收件人已退订", "the recipient asked us to stop"),
        (
            "wrong_number",
            "号码是别人的",
            "the number is somebody else's",
        ),
        ("complaint", "收件人投诉过", "the recipient complained"),
        ("moved", "安排改了时间", "the occasion was moved"),
    ];
    let found = known.iter().find(|(known, ..)| *known == word);
    let said = found.map_or_else(
        || language.word("发送没有成功", "it did not work out"),
        |(_, chinese, english)| language.word(chinese, english),
    );
    let code = match (found, code) {
        (Some(_), code) => code,
        (None, _) => reason,
    };
    if code.is_empty() {
        return said;
    }
    language.pick(
        format!("{said}（供技术人员：{code}）"),
        format!("{said} (for the technicians: {code})"),
    )
}

/// How a message stands, after "it … and".
pub(super) fn state(state: MessageState, language: Language) -> &'static str {
    let (chinese, english) = match state {
        MessageState::Scheduled => ("等待到时发送", "waits for its moment"),
        MessageState::Held => ("被暂停", "is held"),
        MessageState::Queued => ("正在排队", "waits in the queue"),
        MessageState::Sending => ("正在发送", "is being sent"),
        MessageState::Uncertain => ("不确定是否发出", "may or may not have gone out"),
        MessageState::Submitted => ("等待回执", "waits for its receipt"),
        MessageState::Sent => ("已发出，不会有回执", "was sent; no receipt will come"),
        MessageState::Delivered => ("已送达", "arrived"),
        MessageState::Undelivered => ("未能送达", "did not arrive"),
        MessageState::Failed => ("发送失败", "could not be sent"),
        MessageState::Expired => ("已过期，未发出", "expired before it was sent"),
        MessageState::Suppressed => ("被拦下，没有发出", "was stopped"),
        MessageState::Cancelled => ("已撤销", "was called off"),
        MessageState::Unconfirmed => ("已发出，没有等到回执", "was sent, and no receipt came"),
    };
    language.pick(chinese, english)
}

fn intent(word: &str, language: Language) -> String {
    let known = [
        ("confirm", "确认会来", "will come"),
        ("cancel", "不来了", "will not come"),
        ("reschedule", "想改时间", "wants another time"),
        ("running_late", "会晚到", "will be late"),
        ("choice", "选了一个时间", "chose one of the times"),
        ("rating", "给了评分", "gave a rating"),
        ("complaint", "投诉", "complains"),
        ("question", "提问", "asks something"),
        (
            "help",
            "问这个号码是做什么的",
            "asks what this number is for",
        ),
        ("gratitude", "致谢", "says thank you"),
        (
            "emergency",
            "可能有危险，已转人工",
            "may be in danger, so a person was told at once",
        ),
        ("opt_out", "退订", "asks us to stop"),
        ("opt_in", "又想收消息", "wants messages again"),
        ("stop_wrong_number", "不是本人", "is somebody else"),
    ];
    let found = known.iter().find(|(key, ..)| *key == word);
    found.map_or_else(
        || {
            language.word(
                "看不懂，已转人工",
                "cannot be read, so a person looks at it",
            )
        },
        |(_, chinese, english)| language.word(chinese, english),
    )
}
