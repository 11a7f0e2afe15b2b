//! What a condition names, and how deep it goes; and `has`, where what is absent is null.

use cel::common::ast::{CallExpr, EntryExpr, Expr, IdedExpr, LiteralValue, operators};

use crate::rules::reader::nearest;

/// What a condition may ask of `patient`.
pub(crate) const PATIENT_FIELDS: &[&str] =
    &["attributes", "age", "sex", "tags", "language", "diagnoses"];
/// What a condition may ask of `occasion`.
pub(crate) const OCCASION_FIELDS: &[&str] = &[
    "kind",
    "date",
    "time",
    "status",
    "department",
    "place",
    "attributes",
];

/// Finds names that do not exist; `bound` are the variables of `exists`, `all` and the like.
pub(super) fn check(node: &IdedExpr, bound: &mut Vec<String>, faults: &mut Vec<String>) {
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
pub(super) fn height(node: &IdedExpr) -> usize {
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
pub(super) fn ask_for_null(node: &mut IdedExpr) {
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
