//! Takes from a reply what the patient did not write now: quoted messages, our menu, signatures of phones.

/// The reply without what is quoted or added by a machine. Never empty when the reply was not.
pub(crate) fn strip(text: &str) -> String {
    let unquoted = without_quotes(text);
    let mut kept: Vec<&str> = Vec::new();
    for line in unquoted.lines() {
        let line = line.trim();
        if is_signature(line) || is_thread_head(line) {
            // What follows is the phone's or an old message, not the patient's.
            if kept.iter().any(|line| !line.is_empty()) {
                break;
            }
            continue;
        }
        if line.starts_with('>') || line.starts_with('|') || is_ours(line) {
            continue;
        }
        kept.push(line);
    }
    let whole = kept.join("\n");
    let whole = whole.trim();
    if whole.is_empty() {
        text.trim().to_owned()
    } else {
        whole.to_owned()
    }
}

/// Whether a line is a message of ours, which the reply quotes: it offers more than one answer.
fn is_ours(line: &str) -> bool {
    let lower = line.to_lowercase();
    let marks = [
        "回复1",
        "回覆1",
        "2取消",
        "3改期",
        "退订回t",
        "退訂回t",
        "reply yes",
        "reply 1",
        "to confirm",
        "to cancel",
        "to reschedule",
        "to opt out",
        "responda sí",
        "responda si",
        "responda 1",
        "para no recibir",
        "stop to",
        "help for help",
    ];
    let hits = marks.iter().filter(|mark| lower.contains(*mark)).count();
    hits >= 2
        || (hits == 1
            && (line.contains('【')
                || lower.starts_with("reply ")
                || lower.starts_with("responda ")))
}

fn is_signature(line: &str) -> bool {
    let lower = line
        .trim_start_matches(['-', '—', '–', ' ', '_', '(', '（'])
        .to_lowercase();
    let heads = [
        "发自我的",
        "發自我的",
        "来自我的",
        "來自我的",
        "发送自",
        "发自",
        "傳送自",
        "从我的",
        "從我的",
        "sent from",
        "sent via",
        "get outlook",
        "enviado desde",
        "enviado de",
        "enviado con",
        "从我的手机",
        "由我的",
        "来自我",
        "this message was sent",
        "confidentiality notice",
    ];
    heads.iter().any(|head| lower.starts_with(head)) || line == "--" || line == "-- "
}

fn is_thread_head(line: &str) -> bool {
    let lower = line.to_lowercase();
    (lower.starts_with("on ") && lower.ends_with("wrote:"))
        || lower.starts_with("-----original")
        || (lower.starts_with("el ") && lower.ends_with("escribió:"))
        || (line.starts_with('在') && line.ends_with("写道："))
}

/// Takes out quotations in brackets of a message of ours: 「…回复1确认…」 1.
fn without_quotes(text: &str) -> String {
    let mut rest = text.to_owned();
    for (open, close) in [
        ('“', '”'),
        ('「', '」'),
        ('"', '"'),
        ('『', '』'),
        ('《', '》'),
    ] {
        let Some(start) = rest.find(open) else {
            continue;
        };
        let Some(length) = rest
            .get(start + open.len_utf8()..)
            .and_then(|after| after.find(close))
        else {
            continue;
        };
        let end = start + open.len_utf8() + length + close.len_utf8();
        if rest.get(start..end).is_some_and(is_ours) {
            rest.replace_range(start..end, "\n");
        }
    }
    // A quote that was cut in one line: our text up to its end, then the answer.
    for tail in [
        "退订回T",
        "退訂回T",
        "STOP to opt out.",
        "HELP for help.",
        "BAJA para no recibir más.",
    ] {
        if let Some(at) = rest.find(tail)
            && is_ours(rest.get(..at + tail.len()).unwrap_or_default())
        {
            rest = rest.get(at + tail.len()..).unwrap_or_default().to_owned();
        }
    }
    rest
}

#[cfg(test)]
mod tests {
    use super::strip;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        assert_eq!(strip(text), expected);
    }

    #[test]
    fn only_the_patients_own_words_stay() {
        check("确认\n发自我的华为手机", "确认");
        check("Yes\n\nSent from my Galaxy", "Yes");
        check("> Reply YES to confirm\nno", "no");
        check(
            "【示范医院】您预约了周五。回复1确认，2取消，3改期；退订回T\n2",
            "2",
        );
        check("“回复1确认，2取消，3改期；退订回T” 1", "1");
        check("回复1确认，2取消，3改期；退订回T 1", "1");
        check("ok\nOn Mon, Demo Hospital wrote:\nReply 1", "ok");
        check("  ", "");
        check("Sent from my iPhone", "Sent from my iPhone");
    }
}
