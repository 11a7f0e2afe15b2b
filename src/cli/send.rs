//! `carebell send`: one message through the real path.

use std::io::Write;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::intake::messages::{Intake, MessageRequest, Order, Ready, Refusal, ready};
use crate::model::id::MessageId;
use crate::model::message::MessageState;
use crate::store::messages::{self, Offered};
use crate::store::{Store, message_view};

/// A message as the command line gives it.
#[derive(Debug, Default, Args)]
pub struct SendArgs {
    /// A phone number or a mail address; without it the patient's own.
    #[arg(long, required_unless_present_any = ["patient", "occasion"])]
    pub to: Option<String>,
    /// sms, voice or email; more than one are fallbacks in order.
    #[arg(long, value_delimiter = ',')]
    pub channel: Vec<String>,
    /// What to say.
    #[arg(
        long,
        required_unless_present = "template",
        conflicts_with = "template"
    )]
    pub text: Option<String>,
    /// The head line of a mail.
    #[arg(long)]
    pub subject: Option<String>,
    /// A template that says it.
    #[arg(long)]
    pub template: Option<String>,
    /// A JSON file with the values of the template.
    #[arg(long, value_name = "FILE", requires = "template")]
    pub data: Option<PathBuf>,
    /// urgent, appointment, clinical, survey, health_tip, invitation, greeting or promotion.
    #[arg(long, default_value = "appointment")]
    pub class: String,
    /// The patient it is about, SOURCE/KEY.
    #[arg(long)]
    pub patient: Option<String>,
    /// The occasion it is about, SOURCE/KEY.
    #[arg(long)]
    pub occasion: Option<String>,
    /// The language to say it in.
    #[arg(long)]
    pub language: Option<String>,
    /// What a reply answers: confirm, choice, rsvp or survey.
    #[arg(long)]
    pub ask: Option<String>,
    /// Not before, RFC 3339.
    #[arg(long)]
    pub send_at: Option<String>,
    /// Not after, RFC 3339.
    #[arg(long)]
    pub expires_at: Option<String>,
    /// urgent, normal or bulk.
    #[arg(long)]
    pub priority: Option<String>,
    /// Your own reference, handed back in events.
    #[arg(long)]
    pub reference: Option<String>,
    /// Same key, same message.
    #[arg(long)]
    pub idempotency_key: Option<String>,
}

impl SendArgs {
    /// The request as another system would send it.
    ///
    /// # Errors
    /// When the file of values cannot be read.
    fn request(&self) -> anyhow::Result<Value> {
        let mut request = Map::new();
        let mut put = |name: &str, value: Option<&String>| {
            if let Some(value) = value {
                request.insert(name.to_owned(), json!(value));
            }
        };
        put("class", Some(&self.class));
        put("text", self.text.as_ref());
        put("subject", self.subject.as_ref());
        put("template", self.template.as_ref());
        put("patient", self.patient.as_ref());
        put("occasion", self.occasion.as_ref());
        put("language", self.language.as_ref());
        put("ask", self.ask.as_ref());
        put("send_at", self.send_at.as_ref());
        put("expires_at", self.expires_at.as_ref());
        put("priority", self.priority.as_ref());
        put("reference", self.reference.as_ref());
        put("idempotency_key", self.idempotency_key.as_ref());
        if let Some(to) = &self.to {
            let kind = if to.contains('@') { "email" } else { "phone" };
            request.insert("to".to_owned(), json!({kind: to}));
        }
        if !self.channel.is_empty() {
            request.insert("channels".to_owned(), json!(self.channel));
        }
        if let Some(file) = &self.data {
            let name = file.display();
            let text =
                std::fs::read_to_string(file).with_context(|| format!("{name} cannot be read"))?;
            let data: Value = serde_json::from_str(&text).map_err(|problem| {
                anyhow::anyhow!(
                    "{name}:{}: expected JSON with the values of the template",
                    problem.line()
                )
            })?;
            request.insert("data".to_owned(), data);
        }
        Ok(Value::Object(request))
    }
}

/// Stores the message; a running daemon sends it. Exit 1 when it is refused or must not be sent.
///
/// # Errors
/// When the database fails, a file cannot be read, or nobody reads the output.
pub async fn run(
    args: &SendArgs,
    intake: &Intake,
    now: Timestamp,
    json: bool,
    out: &mut impl Write,
) -> anyhow::Result<u8> {
    let body = args.request()?;
    let request = match MessageRequest::read(&body, &intake.site.country, &intake.desk.address_key)
    {
        Ok(request) => request,
        Err(fault) => return refused(&fault.into(), json, out),
    };
    let order = Order {
        request,
        source: "cli".to_owned(),
    };
    let ready = match ready(intake, vec![order], now).await?.into_iter().next() {
        Some(Ok(ready)) => ready,
        Some(Err(refusal)) => return refused(&refusal, json, out),
        None => anyhow::bail!("one order has one answer"),
    };
    let (id, is_repeat) = match ready {
        Ready::Repeated(id) => (id, true),
        Ready::New(message) => {
            let mut tx = intake.store.write().await?;
            let offered = messages::insert(&mut tx, &[*message], &intake.desk, now).await?;
            tx.commit().await?;
            match offered.into_iter().next() {
                Some(Offered::New { id, .. }) => (id, false),
                Some(Offered::Repeated { id, .. }) => (id, true),
                Some(Offered::KeyTaken) => return refused(&Refusal::KeyReused, json, out),
                None => anyhow::bail!("one message has one answer"),
            }
        }
    };
    say(&intake.store, &id, is_repeat, json, out).await
}

async fn say(
    store: &Store,
    id: &MessageId,
    is_repeat: bool,
    json: bool,
    out: &mut impl Write,
) -> anyhow::Result<u8> {
    let mut tx = store.read().await?;
    let message = message_view::find(&mut tx, id)
        .await?
        .context("the message is gone")?;
    let (state, reason) = (message.state, message.reason);
    if json {
        let line = json!({"id": id, "state": state, "reason": reason, "repeated": is_repeat});
        writeln!(out, "{line}")?;
    } else {
        let why = reason.map_or_else(String::new, |reason| format!(" ({reason})"));
        let again = if is_repeat { ", stored before" } else { "" };
        writeln!(out, "{id}  {state}{why}{again}")?;
    }
    let is_wrong = matches!(state, MessageState::Suppressed | MessageState::Failed);
    Ok(u8::from(is_wrong))
}

fn refused(refusal: &Refusal, json: bool, out: &mut impl Write) -> anyhow::Result<u8> {
    let fault = match refusal {
        Refusal::Fault(fault) => {
            json!({"error": {"code": fault.code, "path": fault.path, "expected": fault.expected}})
        }
        Refusal::KeyReused => json!({"error": {"code": "idempotency_key_reused"}}),
        Refusal::InFlight => json!({"error": {"code": "idempotency_in_flight"}}),
        Refusal::Store(problem) => anyhow::bail!("{problem}"),
        Refusal::Unavailable(problem) => anyhow::bail!("{problem}"),
    };
    if json {
        writeln!(out, "{fault}")?;
    } else {
        writeln!(out, "Refused: {refusal}")?;
    }
    Ok(1)
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::{SendArgs, run};
    use crate::cli::message::{self, MessageVerb, Outcome};
    use crate::intake::messages::testing::intake;
    use crate::store::testing;

    fn args(to: &str) -> SendArgs {
        SendArgs {
            to: Some(to.to_owned()),
            text: Some("private words".to_owned()),
            class: "appointment".to_owned(),
            ..SendArgs::default()
        }
    }

    #[tokio::test]
    async fn a_message_is_sent_shown_and_called_off_from_the_shell() -> anyhow::Result<()> {
        for test in testing::stores().await {
            let (intake, now) = (intake(&test.store), Timestamp::UNIX_EPOCH);
            let mut out = Vec::new();
            assert_eq!(
                run(&args("13800000001"), &intake, now, true, &mut out).await?,
                0
            );
            let sent: serde_json::Value = serde_json::from_slice(&out)?;
            assert_eq!(sent["state"], "queued");
            let id = sent["id"].as_str().unwrap_or_default().to_owned();

            let act = async |verb: MessageVerb, json: bool| {
                let mut out = Vec::new();
                let code =
                    message::run(&verb, &test.store, &intake.desk, now, json, &mut out).await?;
                anyhow::Ok((code, String::from_utf8(out)?))
            };
            let show = |id: &str, private| MessageVerb::Show {
                id: id.to_owned(),
                private,
            };
            let (code, shown) = act(show(&id, false), false).await?;
            assert!(code == 0 && shown.contains("accepted"), "{shown}");
            assert!(
                !shown.contains("private words") && !shown.contains("1380"),
                "{shown}"
            );
            assert!(
                act(show(&id, true), true)
                    .await?
                    .1
                    .contains("private words")
            );
            let resolve = MessageVerb::Resolve {
                id: id.clone(),
                outcome: Outcome::Sent,
            };
            assert_eq!(act(resolve, true).await?.0, 1);
            assert_eq!(
                act(MessageVerb::Resend { id: id.clone() }, false).await?.0,
                1
            );
            assert_eq!(
                act(MessageVerb::Cancel { id: id.clone() }, false).await?.0,
                0
            );
            assert_eq!(act(MessageVerb::Resend { id }, true).await?.0, 0);
            assert_eq!(act(show("msg_none", false), true).await?.0, 1);
            assert_eq!(act(show("none", false), false).await?.0, 1);
        }
        Ok(())
    }

    #[tokio::test]
    async fn a_wrong_message_is_refused_by_its_place() -> anyhow::Result<()> {
        for test in testing::stores().await {
            let (intake, now) = (intake(&test.store), Timestamp::UNIX_EPOCH);
            let mut out = Vec::new();
            assert_eq!(run(&args("n/a"), &intake, now, false, &mut out).await?, 1);
            let said = String::from_utf8(out)?;
            assert!(said.contains("to.phone") && !said.contains("n/a"), "{said}");
        }
        Ok(())
    }
}
