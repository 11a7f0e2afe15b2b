//! Conditions in CEL: what they may ask, and what a fault in one does.

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
        Condition::compile(&"(".repeat(17)).is_err_and(|error| error == "more than 16 levels deep")
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
