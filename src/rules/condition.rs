//! `where`: what the other keys of an audience cannot say, in CEL.
//!
//! An absent attribute is null; a type error is a fault of the rule, never a silent no.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use cel::common::ast::{CallExpr, EntryExpr, Expr, IdedExpr, LiteralValue, operators};
use cel::common::traits::{Container, Indexer};
use cel::common::types::{CelBool, CelDouble, CelInt, CelList, CelNull, CelString, DYN_TYPE, Type};
use cel::common::value::{CowVal, Val};
use cel::{Context, Env, ExecutionError, Program, Value};

use crate::rules::reader::nearest;

/// What a condition may ask of `patient`.
pub(crate) const PATIENT_FIELDS: &[&str] =
    &["attributes", "age", "sex", "tags", "language", "diagnoses"];
/// What a condition may ask of `occasion`.
pub(crate) const OCCASION_FIELDS: &[&str] =
    &["kind", "date", "time", "department", "place", "attributes"];

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

/// A value for a condition: what JSON can say, and records whose absent fields are null.
#[derive(Clone, Debug)]
pub(crate) struct Record(BTreeMap<String, Box<dyn Val>>);

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

/// Finds names that do not exist; `bound` are the variables of `exists`, `all` and the like.
fn check(node: &IdedExpr, bound: &mut Vec<String>, faults: &mut Vec<String>) {
    match &node.expr {
        Expr::Ident(name) if !name.starts_with('@') && !bound.contains(name) && !is_known(name) => {
            faults.push(format!(
                "unknown name `{name}`; expected patient or occasion"
            ));
        }
        Expr::Select(select) => {
            if let Expr::Ident(name) = &select.operand.expr
                && let Some(fields) = fields_of(name)
                && !bound.contains(name)
                && !fields.contains(&select.field.as_str())
            {
                let near = nearest(&select.field, fields.iter().copied())
                    .map(|near| format!("; did you mean `{name}.{near}`?"));
                let near =
                    near.unwrap_or_else(|| format!("; expected one of {}", fields.join(", ")));
                faults.push(format!("unknown field `{name}.{}`{near}", select.field));
            }
            check(&select.operand, bound, faults);
        }
        Expr::Comprehension(comprehension) => {
            check(&comprehension.iter_range, bound, faults);
            check(&comprehension.accu_init, bound, faults);
            let before = bound.len();
            bound.extend([
                comprehension.iter_var.clone(),
                comprehension.accu_var.clone(),
            ]);
            bound.extend(comprehension.iter_var2.clone());
            for part in [
                &comprehension.loop_cond,
                &comprehension.loop_step,
                &comprehension.result,
            ] {
                check(part, bound, faults);
            }
            bound.truncate(before);
        }
        other => parts(other)
            .into_iter()
            .for_each(|part| check(part, bound, faults)),
    }
}

fn is_known(name: &str) -> bool {
    const TYPES: &[&str] = &[
        "bool",
        "int",
        "uint",
        "double",
        "string",
        "bytes",
        "list",
        "map",
        "null_type",
        "type",
        "optional",
    ];
    fields_of(name).is_some() || TYPES.contains(&name)
}

fn fields_of(name: &str) -> Option<&'static [&'static str]> {
    match name {
        "patient" => Some(PATIENT_FIELDS),
        "occasion" => Some(OCCASION_FIELDS),
        _ => None,
    }
}

/// How many expressions stand within each other at most.
fn height(node: &IdedExpr) -> usize {
    1 + parts(&node.expr).into_iter().map(height).max().unwrap_or(0)
}

fn parts(expression: &Expr) -> Vec<&IdedExpr> {
    match expression {
        Expr::Call(call) => call
            .target
            .as_deref()
            .into_iter()
            .chain(&call.args)
            .collect(),
        Expr::List(list) => list.elements.iter().collect(),
        Expr::Map(map) => map
            .entries
            .iter()
            .flat_map(|entry| entry_parts(&entry.expr))
            .collect(),
        Expr::Struct(record) => record
            .entries
            .iter()
            .flat_map(|entry| entry_parts(&entry.expr))
            .collect(),
        Expr::Select(select) => vec![&select.operand],
        Expr::Comprehension(all) => vec![
            &all.iter_range,
            &all.accu_init,
            &all.loop_cond,
            &all.loop_step,
            &all.result,
        ],
        Expr::Unspecified | Expr::Ident(_) | Expr::Literal(_) => Vec::new(),
    }
}

fn entry_parts(entry: &EntryExpr) -> Vec<&IdedExpr> {
    match entry {
        EntryExpr::StructField(field) => vec![&field.value],
        EntryExpr::MapEntry(entry) => vec![&entry.key, &entry.value],
    }
}

/// Turns every `has(a.b)` into `a.b != null`, since here what is absent is null.
fn ask_for_null(node: &mut IdedExpr) {
    match &mut node.expr {
        Expr::Select(select) => {
            ask_for_null(&mut select.operand);
            if select.test {
                select.test = false;
                let asked = IdedExpr {
                    id: node.id,
                    expr: Expr::Select(select.clone()),
                };
                let null = IdedExpr {
                    id: node.id,
                    expr: Expr::Literal(LiteralValue::Null),
                };
                node.expr = Expr::Call(CallExpr {
                    func_name: operators::NOT_EQUALS.to_owned(),
                    target: None,
                    args: vec![asked, null],
                });
            }
        }
        Expr::Call(call) => call
            .target
            .as_deref_mut()
            .into_iter()
            .chain(&mut call.args)
            .for_each(ask_for_null),
        Expr::List(list) => list.elements.iter_mut().for_each(ask_for_null),
        Expr::Map(map) => map
            .entries
            .iter_mut()
            .for_each(|entry| ask_in_entry(&mut entry.expr)),
        Expr::Struct(record) => record
            .entries
            .iter_mut()
            .for_each(|entry| ask_in_entry(&mut entry.expr)),
        Expr::Comprehension(comprehension) => {
            let all = comprehension.as_mut();
            [
                &mut all.iter_range,
                &mut all.accu_init,
                &mut all.loop_cond,
                &mut all.loop_step,
                &mut all.result,
            ]
            .into_iter()
            .for_each(ask_for_null);
        }
        Expr::Unspecified | Expr::Ident(_) | Expr::Literal(_) => {}
    }
}

fn ask_in_entry(entry: &mut EntryExpr) {
    match entry {
        EntryExpr::StructField(field) => ask_for_null(&mut field.value),
        EntryExpr::MapEntry(entry) => {
            ask_for_null(&mut entry.key);
            ask_for_null(&mut entry.value);
        }
    }
}

impl Record {
    /// A record of named values.
    pub(crate) fn new(fields: impl IntoIterator<Item = (&'static str, serde_json::Value)>) -> Self {
        Self(
            fields
                .into_iter()
                .map(|(name, value)| (name.to_owned(), val(&value)))
                .collect(),
        )
    }
}

fn val(value: &serde_json::Value) -> Box<dyn Val> {
    match value {
        serde_json::Value::Null => Box::new(CelNull),
        serde_json::Value::Bool(yes) => Box::new(CelBool::from(*yes)),
        serde_json::Value::Number(number) => match number.as_i64() {
            Some(whole) => Box::new(CelInt::from(whole)),
            None => Box::new(CelDouble::from(number.as_f64().unwrap_or(f64::NAN))),
        },
        serde_json::Value::String(text) => Box::new(CelString::from(text.clone())),
        serde_json::Value::Array(items) => {
            Box::new(CelList::from(items.iter().map(val).collect::<Vec<_>>()))
        }
        serde_json::Value::Object(fields) => Box::new(Record(
            fields
                .iter()
                .map(|(name, value)| (name.clone(), val(value)))
                .collect(),
        )),
    }
}

impl Val for Record {
    fn get_type(&self) -> &Type {
        &DYN_TYPE
    }

    fn cel_type() -> &'static Type {
        &DYN_TYPE
    }

    fn as_indexer<'b, 'v>(&'b self) -> Option<&'b (dyn Indexer + 'v)>
    where
        Self: 'v,
    {
        Some(self)
    }

    fn as_container(&self) -> Option<&dyn Container> {
        Some(self)
    }

    fn clone_as_boxed<'v>(&self) -> Box<dyn Val + 'v> {
        Box::new(self.clone())
    }
}

impl Indexer for Record {
    fn get<'b, 'v>(&'b self, index: &dyn Val) -> Result<CowVal<'b, 'v>, ExecutionError>
    where
        Self: 'v,
    {
        let Some(key) = index.downcast_ref::<CelString>() else {
            return Err(ExecutionError::UnexpectedType {
                got: index.get_type().name().to_owned(),
                want: "string".to_owned(),
            });
        };
        Ok(self.0.get(key.inner()).map_or_else(
            || CowVal::owned(CelNull),
            |value| CowVal::Borrowed(value.as_ref()),
        ))
    }

    fn steal<'v>(self: Box<Self>, index: &dyn Val) -> Result<Box<dyn Val + 'v>, ExecutionError>
    where
        Self: 'v,
    {
        self.get(index).map(CowVal::into_owned)
    }
}

impl Container for Record {
    fn contains(&self, value: &dyn Val) -> Result<bool, ExecutionError> {
        Ok(value
            .downcast_ref::<CelString>()
            .is_some_and(|key| self.0.contains_key(key.inner())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[track_caller]
    fn check(source: &str, expected: Result<bool, &str>) {
        let patient = Record::new([
            (
                "attributes",
                json!({"occupation": "teacher", "visits": 3, "home": {"city": "Suzhou"}}),
            ),
            ("age", json!(61)),
            ("sex", json!("female")),
            ("tags", json!(["vip"])),
            ("language", json!(null)),
            ("diagnoses", json!(["E11.9", "I10"])),
        ]);
        let occasion = Record::new([("kind", json!("recheck")), ("date", json!("2026-07-24"))]);
        let found =
            Condition::compile(source).and_then(|condition| condition.holds(&patient, &occasion));
        assert_eq!(
            found.as_ref().map_err(String::as_str).copied(),
            expected,
            "{source}"
        );
    }

    #[test]
    fn conditions_hold_or_not() {
        check("patient.attributes.occupation == \"teacher\"", Ok(true));
        check(
            "patient.attributes[\"visits\"] >= 3 && patient.age > 60",
            Ok(true),
        );
        check("patient.attributes.home.city == 'Suzhou'", Ok(true));
        check("patient.diagnoses.exists(d, d.startsWith('E1'))", Ok(true));
        check("'vip' in patient.tags && !('x' in patient.tags)", Ok(true));
        check(
            "occasion.kind == 'recheck' && occasion.date < '2026-08-01'",
            Ok(true),
        );
        check("patient.attributes.occupation.matches('^tea')", Ok(true));
        check("size(patient.diagnoses) == 2", Ok(true));
    }

    #[test]
    fn what_is_absent_is_null() {
        check("patient.attributes.employer == null", Ok(true));
        check("patient.attributes.employer == 'x'", Ok(false));
        check("has(patient.attributes.employer)", Ok(false));
        check("has(patient.attributes.occupation)", Ok(true));
        check("patient.language == 'en'", Ok(false));
        check(
            "has(patient.attributes.employer) && patient.attributes.employer.startsWith('x')",
            Ok(false),
        );
        check("'employer' in patient.attributes", Ok(false));
    }

    #[test]
    fn a_type_error_is_a_fault() {
        check(
            "patient.attributes.employer > 3",
            Err("`_>_` does not go with (null_type, int)"),
        );
        check(
            "patient.age",
            Err("the condition gives int and not true or false"),
        );
    }

    #[test]
    fn wrong_names_are_found_before() {
        check(
            "patient.agee > 3",
            Err("unknown field `patient.agee`; did you mean `patient.age`?"),
        );
        check(
            "pateint.age > 3",
            Err("unknown name `pateint`; expected patient or occasion"),
        );
        check(
            "patient.diagnoses.exists(d, e == 'x')",
            Err("unknown name `e`; expected patient or occasion"),
        );
        assert!(
            Condition::compile("patient.age >")
                .is_err_and(|error| error.starts_with("no CEL expression: column"))
        );
    }

    #[test]
    fn deep_and_long_conditions_are_refused_or_fit_a_small_stack() {
        let sources = [
            "(".repeat(900),
            format!("{}true{}", "(".repeat(16), ")".repeat(16)),
            format!("{}true", "!".repeat(16)),
            format!("{}true", "! ".repeat(400)),
            "a".repeat(1001),
            format!("1{} == 1", "+1".repeat(490)),
            format!("1{} == 1", "+1".repeat(98)),
            format!("1{} == 1", "+1".repeat(37)),
            format!("true{}", "&&true".repeat(50)),
            format!("patient.attributes{} == 1", ".b".repeat(97)),
            format!("patient.attributes{} == 1", ".b".repeat(36)),
            format!("patient.attributes{} == 1", "[0]".repeat(97)),
            format!("{}true", "true?".repeat(15)),
            "true?true:".repeat(16) + "true",
            format!("{}1{}", "[".repeat(16), "]".repeat(16)),
            format!("1{}", "<1".repeat(100)),
            format!("1{} == 1", "-1".repeat(98)),
            format!("{}true{}", "[1].all(x,".repeat(8), ")".repeat(8)),
        ];
        for source in sources {
            let run = move || {
                Condition::compile(&source)
                    .and_then(|condition| condition.holds(&Record::new([]), &Record::new([])))
            };
            // As much as a worker thread of the runtime has.
            let thread = std::thread::Builder::new()
                .name("eval".into())
                .stack_size(2 << 20)
                .spawn(run)
                .unwrap();
            let _ = thread.join().unwrap();
        }
        assert!(
            Condition::compile(&"(".repeat(17))
                .is_err_and(|error| error == "more than 16 levels deep")
        );
    }

    proptest::proptest! {
        #![proptest_config(proptest::test_runner::Config { cases: 300, failure_persistence: None, ..Default::default() })]

        #[test]
        fn no_text_makes_it_panic(parts in proptest::collection::vec(proptest::sample::select(vec![
            "patient", "occasion", ".", "age", "attributes", "tags", "[", "]", "(", ")", "'", "\"", " in ", "==", "<", "&&", "||", "!", "?", ":", "1", "x", "has", "exists", ",", "{", "}", "null", "9999999999999999999", "é", "\\", "-", "%", "/0",
        ]), 0..14)) {
            if let Ok(condition) = Condition::compile(&parts.concat()) {
                let patient = Record::new([("attributes", json!({"x": [1]})), ("age", json!(3)), ("tags", json!([]))]);
                let _ = condition.holds(&patient, &Record::new([]));
            }
        }
    }

    #[test]
    fn a_fault_never_tells_a_value() {
        let patient = Record::new([("attributes", json!({"secret": "hepatitis"}))]);
        for source in [
            "patient.attributes.secret + 1 == 2",
            "patient.attributes.secret > 1",
            "[1][5] == 1",
            "patient.attributes.secret.foo == 1",
            "int(patient.attributes.secret) == 1",
        ] {
            let told = Condition::compile(source)
                .unwrap()
                .holds(&patient, &Record::new([]))
                .unwrap_err();
            assert!(!told.contains("hepatitis"), "{told}");
        }
    }
}
