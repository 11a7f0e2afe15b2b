//! `where`: what the other keys of an audience cannot say, in CEL.
//!
//! An absent attribute is null; a type error is a fault of the rule, never a silent no.

mod names;
pub(crate) mod record;

use std::sync::{Arc, OnceLock};

use cel::common::ast::IdedExpr;
use cel::{Context, Env, ExecutionError, Program, Value};

use crate::rules::condition::names::{ask_for_null, check, height};
use crate::rules::condition::record::Record;

/// Longer, or more deeply nested, than any condition a person can check by reading it.
/// The parser of the crate recurses and has no limit of its own.
const LONGEST: usize = 1000;
const DEEPEST: usize = 16;
const DEEPEST_TREE: usize = 40;
const MOST_LINKS: usize = 100;

/// A condition, compiled once.
#[derive(Clone, Debug)]
pub struct Condition {
    source: String,
    expression: IdedExpr,
}

impl Condition {
    /// Compiles `source`.
    /// # Errors
    /// When it is no CEL, or names a variable or field that there is not.
    pub(crate) fn compile(source: &str) -> Result<Self, String> {
        if source.len() > LONGEST {
            return Err(format!("longer than {LONGEST} letters"));
        }
        if depth(source) > DEEPEST {
            return Err(format!("more than {DEEPEST} levels deep"));
        }
        if source
            .matches([
                '.', '[', '+', '-', '*', '/', '%', '<', '>', '=', '!', '?', '&', '|',
            ])
            .count()
            > MOST_LINKS
        {
            return Err(format!("more than {MOST_LINKS} operators"));
        }
        let mut expression = parse(source)?;
        // A chain such as 1+1+1 nests to the left.
        if height(&expression) > DEEPEST_TREE {
            return Err(
                "too many operators in a chain; use brackets or a simpler condition".to_owned(),
            );
        }
        let mut faults = Vec::new();
        check(&expression, &mut Vec::new(), &mut faults);
        if !faults.is_empty() {
            return Err(faults.join("; "));
        }
        ask_for_null(&mut expression);
        Ok(Self {
            source: source.to_owned(),
            expression,
        })
    }

    /// As it was written.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Whether it holds.
    /// # Errors
    /// When it compares or calls what does not fit; the text tells types, never values.
    pub(crate) fn holds(&self, patient: &Record, occasion: &Record) -> Result<bool, String> {
        static ENV: OnceLock<Arc<Env>> = OnceLock::new();
        let env = ENV.get_or_init(|| Arc::new(Env::stdlib()));
        let mut context = Context::with_env(Arc::clone(env));
        context.add_variable_as_val("patient", Box::new(patient.clone()));
        context.add_variable_as_val("occasion", Box::new(occasion.clone()));
        match Value::resolve(&self.expression, &context) {
            Ok(Value::Bool(holds)) => Ok(holds),
            Ok(other) => Err(format!(
                "the condition gives {} and not true or false",
                other.type_of()
            )),
            Err(error) => Err(without_values(&error)),
        }
    }
}

/// The parser takes some hundred kilobytes of stack for each level, more than the threads of a runtime have.
const STACK: usize = 64 << 20;

fn parse(source: &str) -> Result<IdedExpr, String> {
    let parse = || {
        let program = Program::compile(source).map_err(|errors| {
            let told: Vec<String> = errors
                .errors
                .iter()
                .map(|error| format!("column {}: {}", error.pos.1, error.msg))
                .collect();
            format!("no CEL expression: {}", told.join("; "))
        })?;
        Ok(program.expression().clone())
    };
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new()
            .name("parse".into())
            .stack_size(STACK)
            .spawn_scoped(scope, parse);
        let parsed = thread.map(std::thread::ScopedJoinHandle::join);
        parsed
            .map_err(|_| "no room to read it in".to_owned())?
            .unwrap_or_else(|_| Err("no CEL expression that can be read".to_owned()))
    })
}

/// How deep brackets, conditionals and signs nest at most; brackets in quotes count too, which does no harm.
fn depth(source: &str) -> usize {
    let (mut open, mut signs, mut deepest, mut asked) = (0_usize, 0_usize, 0, 0);
    for letter in source.chars() {
        match letter {
            '(' | '[' | '{' => open += 1,
            ')' | ']' | '}' => open = open.saturating_sub(1),
            '?' => asked += 1,
            _ => {}
        }
        signs = if matches!(letter, '!' | '-') {
            signs + 1
        } else if letter.is_whitespace() {
            signs
        } else {
            0
        };
        deepest = deepest.max(open + signs + asked);
    }
    deepest
}

/// What went wrong, without the values it went wrong on: they may be a patient's.
fn without_values(error: &ExecutionError) -> String {
    match error {
        ExecutionError::NoSuchOverload(overload) => {
            let types = overload.argument_types().join(", ");
            format!("`{}` does not go with ({types})", overload.function())
        }
        ExecutionError::UndeclaredReference(name) => format!("there is no `{name}`"),
        ExecutionError::UnexpectedType { got, want } => {
            format!("found {got} where {want} is needed")
        }
        ExecutionError::InvalidArgumentCount { expected, actual } => {
            format!("a function takes {expected} values, not {actual}")
        }
        ExecutionError::FunctionError { function, .. } => format!("`{function}` failed"),
        ExecutionError::UnsupportedBinaryOperator(operator, ..) => {
            format!("`{operator}` does not go with its two sides")
        }
        ExecutionError::ValuesNotComparable(..) => "two values cannot be compared".to_owned(),
        ExecutionError::DivisionByZero(_) | ExecutionError::RemainderByZero(_) => {
            "division by zero".to_owned()
        }
        ExecutionError::IndexOutOfBounds(_) => "a list has no such place".to_owned(),
        // The crate may add kinds; none is told with its values.
        _ => "the condition cannot be worked out".to_owned(),
    }
}

#[cfg(test)]
mod tests;
