//! Reads one template file: a head in TOML, a text for everybody, texts for some.
//!
//! ```text
//! +++
//! title = "Appointment reminder"
//! +++
//! Dear {{ patient | salutation }}, …
//!
//! --- when patient.age >= 70
//! Dear {{ patient | salutation }}, please bring somebody along …
//! ```
//!
//! The first text whose condition holds is taken; the one without a condition is for everybody else.
//! A text for email, task or popup may begin with a line `Subject: …`.

use serde::Deserialize;

use crate::model::class::Channel;
use crate::render::RenderError;

/// How the text of a file is marked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// `.txt`: nothing is escaped.
    Plain,
    /// `.html`: values are escaped.
    Html,
}

/// What a path says: `appointment/zh-CN.sms.txt`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FileName {
    pub(crate) template: String,
    pub(crate) language: String,
    pub(crate) channel: Channel,
    pub(crate) form: Form,
}

impl FileName {
    /// Reads the last two parts of `path`.
    pub(crate) fn parse(path: &str) -> Result<Self, RenderError> {
        let expected = |what: &str| RenderError::Parse {
            file: path.to_owned(),
            line: 0,
            expected: what.to_owned(),
        };
        let mut parts = path.rsplit(['/', '\\']);
        let name = parts.next().unwrap_or_default();
        let template = parts.next().filter(|folder| !folder.is_empty());
        let template =
            template.ok_or_else(|| expected("a path such as `appointment/zh-CN.sms.txt`"))?;
        if !template
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
        {
            return Err(expected("a folder named after the template, in snake_case"));
        }
        let mut ends = name.rsplitn(3, '.');
        let (extension, channel, language) = (ends.next(), ends.next(), ends.next());
        let form = match extension {
            Some("txt") => Form::Plain,
            Some("html") => Form::Html,
            Some(_) | None => return Err(expected("a file name ending in `.txt` or `.html`")),
        };
        let channel = channel.and_then(Channel::parse).ok_or_else(|| {
            let all: Vec<&str> = Channel::ALL.iter().map(|c| c.as_str()).collect();
            expected(&format!(
                "a file name such as `en.sms.txt`, its channel one of {}",
                all.join(", ")
            ))
        })?;
        let language = language
            .filter(|tag| is_language(tag))
            .ok_or_else(|| expected("a language such as `zh-CN` before the channel"))?;
        if form == Form::Html && channel != Channel::Email {
            return Err(expected("`.txt`: only email has `.html`"));
        }
        Ok(Self {
            template: template.to_owned(),
            language: language.to_owned(),
            channel,
            form,
        })
    }
}

fn is_language(tag: &str) -> bool {
    let mut parts = tag.split('-');
    let primary = parts
        .next()
        .is_some_and(|p| (2..=3).contains(&p.len()) && p.bytes().all(|b| b.is_ascii_lowercase()));
    primary
        && parts.all(|p| (1..=8).contains(&p.len()) && p.bytes().all(|b| b.is_ascii_alphanumeric()))
}

/// The TOML head.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Head {
    /// What staff see in lists.
    pub(crate) title: Option<String>,
    /// A remark for those who edit it.
    pub(crate) note: Option<String>,
    /// `approved`: somebody who may has accepted what the text tells of patients.
    pub(crate) private: Option<Approval>,
    /// The carrier's own number of the approved text.
    pub(crate) carrier_ref: Option<String>,
}

/// The word for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Approval {
    /// It was looked at and accepted.
    Approved,
}

/// One text of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Block {
    /// For whom; `None` for everybody else.
    pub(crate) when: Option<String>,
    /// The line of the condition.
    pub(crate) when_line: usize,
    /// The subject and its line.
    pub(crate) subject: Option<(String, usize)>,
    /// The text.
    pub(crate) text: String,
    /// The line the text begins at, counted from 1.
    pub(crate) line: usize,
}

/// Reads `text` as the file `name`. The block without a condition comes first.
pub(crate) fn parse(
    path: &str,
    name: &FileName,
    text: &str,
) -> Result<(Head, Vec<Block>), RenderError> {
    let text = text
        .strip_prefix('\u{feff}')
        .unwrap_or(text)
        .replace("\r\n", "\n");
    let mut lines = text
        .lines()
        .enumerate()
        .map(|(at, line)| (at + 1, line))
        .peekable();
    let fault = |line: usize, expected: String| RenderError::Parse {
        file: path.to_owned(),
        line,
        expected,
    };
    let mut head = Head::default();
    if lines
        .peek()
        .is_some_and(|(_, line)| line.trim_end() == "+++")
    {
        lines.next();
        let mut toml = String::new();
        loop {
            let Some((_, line)) = lines.next() else {
                return Err(fault(1, "a line `+++` that ends the head".to_owned()));
            };
            if line.trim_end() == "+++" {
                break;
            }
            toml.push_str(line);
            toml.push('\n');
        }
        head = toml::from_str(&toml).map_err(|error| {
            let before = error.span().map_or(0, |span| {
                toml[..span.start.min(toml.len())].matches('\n').count()
            });
            fault(before + 2, format!("a head in TOML: {}", error.message()))
        })?;
    }
    let mut blocks = vec![Block {
        when: None,
        when_line: 0,
        subject: None,
        text: String::new(),
        line: 0,
    }];
    for (at, line) in lines {
        if let Some(rest) = line.strip_prefix("---") {
            let when = rest
                .trim()
                .strip_prefix("when ")
                .map(str::trim)
                .filter(|when| !when.is_empty());
            let when = when.ok_or_else(|| fault(at, "`--- when <condition>`".to_owned()))?;
            blocks.push(Block {
                when: Some(when.to_owned()),
                when_line: at,
                subject: None,
                text: String::new(),
                line: 0,
            });
            continue;
        }
        let block = blocks.last_mut().expect("there is one from the start");
        take_line(block, name, at, line);
    }
    for block in &mut blocks {
        block.text = join_tag_lines(&block.text);
    }
    check_blocks(name, &blocks, &fault)?;
    Ok((head, blocks))
}

fn take_line(block: &mut Block, name: &FileName, at: usize, line: &str) {
    if block.text.is_empty() && line.trim().is_empty() {
        return;
    }
    let may_have_subject = matches!(
        name.channel,
        Channel::Email | Channel::Popup | Channel::Task
    );
    if block.text.is_empty()
        && block.subject.is_none()
        && may_have_subject
        && let Some(subject) = line.strip_prefix("Subject:")
    {
        block.subject = Some((subject.trim().to_owned(), at));
        return;
    }
    if block.text.is_empty() {
        block.line = at;
    } else {
        block.text.push('\n');
    }
    let trimmed = line.trim();
    match trimmed.strip_suffix("%}").filter(|_| is_only_tags(trimmed)) {
        // The line break goes into the tag: lines stay counted, and nothing is printed.
        Some(open) => {
            block.text.push_str(open.strip_suffix('-').unwrap_or(open));
            block.text.push_str(TAG_LINE_END);
        }
        None => block.text.push_str(line),
    }
}

/// Ends a line of tags; the break that follows every line is taken away after it.
const TAG_LINE_END: &str = "\u{1}%}";

/// Moves the breaks after lines of tags into the tags.
fn join_tag_lines(text: &str) -> String {
    text.replace("\u{1}%}\n", "\n%}")
        .replace(TAG_LINE_END, "%}")
}

/// Whether a line holds tags such as `{% if … %}` and nothing else.
fn is_only_tags(line: &str) -> bool {
    let mut rest = line;
    while let Some(inside) = rest.strip_prefix("{%") {
        let Some((_, after)) = inside.split_once("%}") else {
            return false;
        };
        rest = after.trim_start();
    }
    rest.is_empty() && !line.is_empty()
}

fn check_blocks(
    name: &FileName,
    blocks: &[Block],
    fault: &impl Fn(usize, String) -> RenderError,
) -> Result<(), RenderError> {
    for block in blocks {
        if block.text.trim().is_empty() {
            let what = match &block.when {
                None => "a text for everybody, before any `--- when`",
                Some(_) => "a text below `--- when`",
            };
            return Err(fault(block.when_line.max(1), what.to_owned()));
        }
    }
    let has_subject = blocks.first().is_some_and(|block| block.subject.is_some());
    if name.channel == Channel::Email && !has_subject {
        return Err(fault(
            blocks.first().map_or(1, |block| block.line),
            "a first line `Subject: …`".to_owned(),
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{FileName, parse};

    #[track_caller]
    fn check(path: &str, text: &str, expected: Result<&[&str], &str>) {
        let read = FileName::parse(path).and_then(|name| parse(path, &name, text));
        let read = read.map(|(_, blocks)| {
            blocks
                .into_iter()
                .map(|b| format!("{:?} {}", b.when, b.text))
                .collect::<Vec<_>>()
        });
        match (read, expected) {
            (Ok(blocks), Ok(expected)) => assert_eq!(blocks, expected),
            (Err(error), Err(expected)) => assert_eq!(error.to_string(), expected),
            (read, _) => panic!("{read:?}"),
        }
    }

    #[test]
    fn a_file_is_a_head_and_texts() {
        check("t/en.sms.txt", "Hello\n", Ok(&["None Hello"]));
        check(
            "a/b/t/en.sms.txt",
            "+++\ntitle = \"T\"\n+++\n\nHello\nyou\n",
            Ok(&["None Hello\nyou"]),
        );
        check(
            "t/zh-CN.sms.txt",
            "A\n--- when patient.age >= 70\nB\n",
            Ok(&["None A", "Some(\"patient.age >= 70\") B"]),
        );
        check("t/en.email.txt", "Subject: S\n\nHello", Ok(&["None Hello"]));
        check(
            "t/en.sms.txt",
            "A\n{% if b %}\nB\n  {% endif %}\nC",
            Ok(&["None A\n{% if b \n%}B\n{% endif \n%}C"]),
        );
    }

    #[test]
    fn mistakes_name_file_line_and_what_was_expected() {
        check(
            "t/en.sms.txt",
            "+++\ntitle = 1\n+++\nx",
            Err(
                "t/en.sms.txt:2: expected a head in TOML: invalid type: integer `1`, expected a string",
            ),
        );
        check(
            "t/en.sms.txt",
            "+++\ntitle = \"x\"\n",
            Err("t/en.sms.txt:1: expected a line `+++` that ends the head"),
        );
        check(
            "t/en.sms.txt",
            "A\n--- if x\nB",
            Err("t/en.sms.txt:2: expected `--- when <condition>`"),
        );
        check(
            "t/en.sms.txt",
            "A\n\n--- when x\n\n",
            Err("t/en.sms.txt:3: expected a text below `--- when`"),
        );
        check(
            "t/en.sms.txt",
            "\n",
            Err("t/en.sms.txt:1: expected a text for everybody, before any `--- when`"),
        );
        check(
            "t/en.email.txt",
            "\nHello",
            Err("t/en.email.txt:2: expected a first line `Subject: …`"),
        );
        check(
            "t/en.fax.txt",
            "",
            Err(
                "t/en.fax.txt: expected a file name such as `en.sms.txt`, its channel one of sms, email, voice, popup, task",
            ),
        );
        check(
            "en.sms.txt",
            "",
            Err("en.sms.txt: expected a path such as `appointment/zh-CN.sms.txt`"),
        );
        check(
            "t/sms.txt",
            "",
            Err("t/sms.txt: expected a language such as `zh-CN` before the channel"),
        );
        check(
            "t/en.sms.html",
            "",
            Err("t/en.sms.html: expected `.txt`: only email has `.html`"),
        );
    }
}
