//! `carebell explain`: each decision on the way from trigger to message, for people who do not program. Writes nothing.

use std::io::Write;

use clap::Args;
use jiff::Timestamp;
use jiff::civil::{Date, DateTime, Time};
use serde_json::{Value, json};

use crate::app::House;
use crate::calendar::wall;
use crate::cli::{CANNOT_RUN, WRONG, plan};
use crate::planning::book::Book;
use crate::planning::explain::{Answer, Question, answer};
use crate::rules::explain::language::Language;
use crate::rules::explain::{Line, Section};
use crate::rules::lead::{Distance, Lead};
use crate::rules::reader::nearest;
use crate::rules::rule::Rule;

/// `carebell explain`.
#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// The rule.
    #[arg(long, value_name = "ID")]
    rule: String,
    /// The patient: SOURCE/KEY or pat_….
    #[arg(long, value_name = "PATIENT")]
    patient: String,
    /// The moment to plan at, such as 2026-07-20T10:00; now where it is left out.
    #[arg(long, value_name = "TIME")]
    at: Option<String>,
    /// zh-CN or en; the site's language where it is left out.
    #[arg(long, value_name = "LANGUAGE")]
    lang: Option<String>,
    /// Add the stable word of each line, such as [quiet_shift], to look it up.
    #[arg(long)]
    codes: bool,
}

/// So many lines fit on a screen: a longer explanation begins with its end.
const SCREEN: usize = 20;

/// Explains, to `out`. 1 when there is no such rule or patient.
///
/// # Errors
/// When the database fails or nothing can be written.
pub async fn run(
    args: &ExplainArgs,
    house: &House,
    now: Timestamp,
    json: bool,
    out: &mut (dyn Write + Send),
) -> anyhow::Result<u8> {
    let tag = args.lang.as_deref().unwrap_or(&house.plans.language);
    let language = Language::of(tag);
    let Some(rule) = house.book.rule(&args.rule) else {
        complain(&no_rule(&args.rule, &house.book, language))?;
        return Ok(WRONG);
    };
    let at = match args.at.as_deref().map(|text| moment(text, rule)) {
        None => now,
        Some(Some(at)) => at,
        Some(None) => {
            complain("--at: expected a time such as 2026-07-20T10:00 or 2026-07-20")?;
            return Ok(CANNOT_RUN - 1);
        }
    };
    let patient = plan::find(&house.store, &args.patient).await?;
    let answer = match &patient {
        Some(patient) => {
            let question = Question {
                rule,
                patient,
                at,
                language: tag,
                caps: house.config.scheduler.caps(),
                need_consent: &house.config.gates.need_consent,
            };
            answer(&house.store, &house.book, &house.plans, &question).await?
        }
        None => None,
    };
    let Some(answer) = answer else {
        complain(&no_patient(language))?;
        return Ok(WRONG);
    };
    if json {
        writeln!(out, "{}", as_json(&answer, rule, at))?;
    } else {
        let manner = (language, args.codes);
        write_text(out, &answer, rule, at, manner)?;
    }
    Ok(0)
}

fn complain(what: &str) -> std::io::Result<()> {
    writeln!(std::io::stderr(), "carebell: {what}")
}

/// There is no such rule: the nearest name, and all names where none is near.
fn no_rule(id: &str, book: &Book, language: Language) -> String {
    match nearest(id, book.rules().map(|rule| rule.id.as_str())) {
        Some(near) => language.pick(
            format!("没有规则 {id}；您要找的是 {near} 吗？"),
            format!("there is no rule `{id}`; did you mean `{near}`?"),
        ),
        None => {
            let all: Vec<&str> = book.rules().map(|rule| rule.id.as_str()).collect();
            let all = all.join(language.pick("、", ", "));
            language.pick(
                format!("没有规则 {id}；现有规则：{all}"),
                format!("there is no rule `{id}`; there are {all}"),
            )
        }
    }
}

fn no_patient(language: Language) -> String {
    language.word(
        "没有这位患者；请用“来源/编号”（如 his/10023）或 pat_… 指明",
        "there is no such patient; expected SOURCE/KEY, such as his/10023, or pat_…",
    )
}

/// RFC 3339, or day and clock on the rule's wall clock, or a day alone.
fn moment(text: &str, rule: &Rule) -> Option<Timestamp> {
    if let Ok(at) = text.parse::<Timestamp>() {
        return Some(at);
    }
    let wall = text.parse::<DateTime>().ok().or_else(|| {
        let day = text.parse::<Date>().ok()?;
        Some(day.to_datetime(Time::midnight()))
    })?;
    Some(wall::instant(&rule.timezone, wall))
}

fn section(section: Section, language: Language) -> &'static str {
    let (chinese, english) = match section {
        Section::Rule => ("规则", "The rule"),
        Section::Own => ("这位患者的单独设置", "What is different for this patient"),
        Section::Trigger => ("由什么引起", "What starts it"),
        Section::Audience => ("是否在对象范围内", "Who it is for"),
        Section::Stop => ("是否已无需提醒", "Whether it is done already"),
        Section::Timing => ("何时", "When"),
        Section::Recipient => ("发给谁、用什么方式", "To whom and by what"),
        Section::Plan => ("计划", "The plan"),
        Section::Gates => ("到时会再核对", "What is checked again at that moment"),
        Section::Template => ("内容", "What it says"),
        Section::History => ("已经发生的", "What became of it so far"),
    };
    language.pick(chinese, english)
}

fn write_text(
    out: &mut (dyn Write + Send),
    answer: &Answer,
    rule: &Rule,
    at: Timestamp,
    (language, with_codes): (Language, bool),
) -> std::io::Result<()> {
    let who = format!("{}/{}", answer.patient.0, answer.patient.1.reveal());
    let when = language.moment(at, &rule.timezone);
    let head = language.pick(
        format!("规则“{}”对患者 {who} 的说明（{when}）", rule.title),
        format!(
            "The rule \"{}\" for the patient {who}, as of {when}",
            rule.title
        ),
    );
    let sum = language.pick("结论：", "In short: ");
    writeln!(out, "{head}")?;
    if answer.lines.len() > SCREEN {
        writeln!(out, "{sum}{}", answer.outcome.text)?;
    }
    let mut before: Option<&Line> = None;
    for line in &answer.lines {
        if let Some(step) = new_step(line, before) {
            writeln!(out, "\n{}", step_head(&step, rule, language))?;
        }
        if begins(line, before) {
            let indent = if is_of_step(line) { "  " } else { "\n" };
            writeln!(out, "{indent}{}", section(line.section, language))?;
        }
        let indent = if is_of_step(line) { "    " } else { "  " };
        let mark = if line.is_no { "✗" } else { "·" };
        write!(out, "{indent}{mark} {}", line.text)?;
        if with_codes {
            write!(out, " [{}]", line.reason)?;
        }
        writeln!(out)?;
        before = Some(line);
    }
    if answer.more > 0 {
        let more = answer.more;
        let text = language.pick(
            format!("（此后还有{more}次，情形相同，不再列出。）"),
            format!("({more} more come after these; they come about alike and are not shown.)"),
        );
        writeln!(out, "\n{text}")?;
    }
    writeln!(out, "\n{sum}{}", answer.outcome.text)
}

fn is_of_step(line: &Line) -> bool {
    !line.step.is_empty() && line.section != Section::History
}

/// Whether a section begins with `line`.
fn begins(line: &Line, before: Option<&Line>) -> bool {
    let Some(before) = before.filter(|before| before.section == line.section) else {
        return true;
    };
    is_of_step(line) && (&before.step, &before.lead) != (&line.step, &line.lead)
}

/// Step and lead of `line`, where they begin.
fn new_step(line: &Line, before: Option<&Line>) -> Option<(String, String)> {
    let same = before.is_some_and(|before| {
        (&before.occurrence, &before.step, &before.lead)
            == (&line.occurrence, &line.step, &line.lead)
    });
    (is_of_step(line) && !same).then(|| (line.step.clone(), line.lead.clone()))
}

fn step_head((step, lead): &(String, String), rule: &Rule, language: Language) -> String {
    let place = rule.steps.iter().position(|one| one.id == *step);
    let found = place.and_then(|place| rule.steps.get(place));
    let number = place.map_or_else(|| step.clone(), |place| (place + 1).to_string());
    let to = found.map_or("", |step| language.role(step.to));
    let known = found.and_then(|step| step.leads.iter().find(|one| one.is_called(lead)));
    // A lead that is not the rule's is the patient's own.
    let known = known
        .copied()
        .or_else(|| Distance::parse(lead).map(Lead::Before));
    let when = known.map_or_else(
        || language.word("补发", "late reminder"),
        |lead| language.lead(lead),
    );
    language.pick(
        format!("第{number}步（发给{to}，{when}）"),
        format!("Step {number} (to {to}, {when})"),
    )
}

fn as_json(answer: &Answer, rule: &Rule, at: Timestamp) -> Value {
    let clock = |at: Timestamp| plan::clock(at, &rule.timezone);
    let lines: Vec<Value> = answer
        .lines
        .iter()
        .map(|line| {
            let word = |text: &str| (!text.is_empty()).then(|| text.to_owned());
            json!({
                "section": line.section, "occurrence": word(&line.occurrence), "step": word(&line.step), "lead": word(&line.lead),
                "at": line.at.map(clock), "reason": line.reason, "decided_by": line.decided_by, "ends_here": line.is_no, "text": line.text,
            })
        })
        .collect();
    let outcome = &answer.outcome;
    json!({
        "rule": rule.id, "patient": format!("{}/{}", answer.patient.0, answer.patient.1.reveal()), "at": clock(at), "lines": lines,
        "more_occurrences": answer.more,
        "outcome": {
            "state": outcome.state, "at": outcome.at.map(clock), "to": outcome.to, "channel": outcome.channel,
            "reason": outcome.reason, "text": outcome.text,
        },
    })
}
