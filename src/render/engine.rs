//! The template engine as we set it up: strict, bounded, and without a way to print nothing for something.

use std::io;

use minijinja::value::{Value, ValueKind};
use minijinja::{
    AutoEscape, Environment, Error, ErrorKind, Output, State, UndefinedBehavior, escape_formatter,
};

use crate::render::filters;

/// Steps a text may take; the longest of ours takes a few hundred.
const FUEL: u64 = 50_000;

/// Bytes a text may grow to.
pub(crate) const MOST_BYTES: usize = 64 * 1024;

/// What a text fails with.
#[derive(Debug)]
pub(crate) enum Failure {
    /// It prints a value that is not there; with the expression as the template has it.
    Missing(String),
    /// It grew past [`MOST_BYTES`].
    TooLong,
    /// Another fault, at this line of the text (from 1).
    Fault { line: usize, message: String },
}

/// The engine for the texts. Everything printed must be there and not be empty.
pub(crate) fn texts() -> Environment<'static> {
    let mut engine = base();
    engine.set_undefined_behavior(UndefinedBehavior::SemiStrict);
    engine.set_auto_escape_callback(|name| {
        if name.contains(".html") {
            AutoEscape::Html
        } else {
            AutoEscape::None
        }
    });
    engine.set_formatter(print);
    filters::add(&mut engine);
    engine
}

/// The engine for conditions. What is not there is simply not so.
pub(crate) fn conditions() -> Environment<'static> {
    let mut engine = base();
    engine.set_undefined_behavior(UndefinedBehavior::Chainable);
    engine
}

fn base() -> Environment<'static> {
    let mut engine = Environment::new();
    engine.set_debug(true);
    engine.set_fuel(Some(FUEL));
    engine.set_recursion_limit(50);
    engine
}

/// Prints a value, or fails when there is nothing to print.
fn print(out: &mut Output<'_>, state: &mut State<'_, '_>, value: &Value) -> Result<(), Error> {
    let is_empty = match value.kind() {
        ValueKind::Undefined | ValueKind::None => true,
        ValueKind::String => value.as_str().is_some_and(|text| text.trim().is_empty()),
        _ => false,
    };
    if is_empty {
        return Err(Error::from(ErrorKind::UndefinedError));
    }
    match value.as_str().filter(|_| !value.is_safe()) {
        Some(text) if text.chars().any(is_unwelcome) => {
            let clean: String = text.chars().filter_map(welcome).collect();
            escape_formatter(out, state, &Value::from(clean))
        }
        Some(_) | None => escape_formatter(out, state, value),
    }
}

/// Characters of a value that could break a frame: a second signature, a control, a turned direction.
fn is_unwelcome(c: char) -> bool {
    welcome(c) != Some(c)
}

fn welcome(c: char) -> Option<char> {
    match c {
        '【' => Some('['),
        '】' => Some(']'),
        '\n' => Some('\n'),
        '\t' | '\u{2028}' | '\u{2029}' => Some(' '),
        '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}' => None,
        c if c.is_control() => None,
        c => Some(c),
    }
}

/// Renders the text `name` of `engine`.
pub(crate) fn render(
    engine: &Environment<'static>,
    name: &str,
    context: &Value,
) -> Result<String, Failure> {
    let template = engine.get_template(name).map_err(|error| failure(&error))?;
    let mut out = Limited {
        bytes: Vec::with_capacity(256),
        is_full: false,
    };
    let done = template
        .render_captured_to(context.clone(), &mut out)
        .map(|_| ());
    if out.is_full {
        return Err(Failure::TooLong);
    }
    done.map_err(|error| failure(&error))?;
    let text = String::from_utf8(out.bytes).map_err(|_| Failure::Fault {
        line: 1,
        message: "not text".to_owned(),
    })?;
    Ok(text.trim().to_owned())
}

/// Whether the condition `name` of `engine` holds.
///
/// A condition that compares (`<`, `>`) something that is not there does not hold.
pub(crate) fn holds(
    engine: &Environment<'static>,
    name: &str,
    context: &Value,
) -> Result<bool, Failure> {
    let template = engine.get_template(name).map_err(|error| failure(&error))?;
    let compares = template
        .source()
        .trim_start_matches(CONDITION_HEAD)
        .trim_end_matches(CONDITION_TAIL)
        .contains(['<', '>']);
    if compares
        && template
            .undeclared_variables(true)
            .iter()
            .any(|path| is_absent(context, path))
    {
        return Ok(false);
    }
    let text = template
        .render(context.clone())
        .map_err(|error| failure(&error))?;
    Ok(text == "1")
}

const CONDITION_HEAD: &str = "{%- if ";
const CONDITION_TAIL: &str = " -%}1{%- endif -%}";

/// `when` as a text that prints `1` when it holds.
pub(crate) fn condition(when: &str) -> String {
    format!("{CONDITION_HEAD}{when}{CONDITION_TAIL}")
}

/// Whether a dotted path leads to nothing.
fn is_absent(context: &Value, path: &str) -> bool {
    let mut value = context.clone();
    for part in path.split('.') {
        match value.get_attr(part) {
            Ok(next) if !next.is_undefined() && !next.is_none() => value = next,
            Ok(_) | Err(_) => return true,
        }
    }
    false
}

/// Takes from an engine's error what cannot hold a value of the data.
pub(crate) fn failure(error: &Error) -> Failure {
    let place = error.template_source().zip(error.range());
    let expression = place.clone().and_then(|(source, range)| source.get(range));
    match error.kind() {
        ErrorKind::UndefinedError => {
            let printed = place.and_then(|(source, range)| printed_at(source, range.start));
            Failure::Missing(path_of(printed.or(expression).unwrap_or("a value")))
        }
        ErrorKind::SyntaxError | ErrorKind::BadEscape => {
            let detail = error.detail().unwrap_or("a mistake in the markup");
            Failure::Fault {
                line: error.line().unwrap_or(1),
                message: detail.to_owned(),
            }
        }
        kind => {
            let near =
                expression.map_or_else(String::new, |text| format!(" near `{}`", path_of(text)));
            Failure::Fault {
                line: error.line().unwrap_or(1),
                message: format!("{kind}{near}"),
            }
        }
    }
}

/// The inside of the `{{ … }}` around the byte `at`.
fn printed_at(source: &str, at: usize) -> Option<&str> {
    let (before, after) = (source.get(..at)?, source.get(at..)?);
    let start = before.rfind("{{")? + 2;
    let end = at + after.find("}}")?;
    source
        .get(start..end)
        .filter(|inside| !inside.contains("%}"))
}

fn path_of(expression: &str) -> String {
    let inner = expression
        .trim()
        .trim_start_matches("{{")
        .trim_end_matches("}}")
        .trim_matches(['-', ' ']);
    inner.chars().take(80).collect()
}

/// A writer that takes no more than [`MOST_BYTES`].
struct Limited {
    bytes: Vec<u8>,
    is_full: bool,
}

impl io::Write for &mut Limited {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.bytes.len() + bytes.len() > MOST_BYTES {
            self.is_full = true;
            return Err(io::Error::other("too long"));
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
