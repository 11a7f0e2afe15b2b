//! The catalog as a composer uses it, and the shipped templates.

use std::path::Path;

use serde_json::{Value, json};

use crate::model::class::{Channel, Class, Role};
use crate::render::{Catalog, RenderError, Severity, lint, sample};

fn catalog(files: &[(&str, &str)]) -> Catalog {
    let (catalog, errors) = Catalog::load(
        files
            .iter()
            .map(|(path, text)| ((*path).to_owned(), (*text).to_owned())),
    );
    assert_eq!(errors, []);
    catalog
}

fn shipped() -> Catalog {
    let (catalog, errors) =
        Catalog::load_dir(&Path::new(env!("CARGO_MANIFEST_DIR")).join("templates"));
    assert_eq!(errors, []);
    catalog
}

#[track_caller]
fn check(text: &str, data: &Value, expected: Result<&str, &str>) {
    let catalog = catalog(&[("t/en.sms.txt", text)]);
    let rendered = catalog.render("t", &["en"], Channel::Sms, data);
    let found = rendered
        .map(|rendered| rendered.text.into_revealed())
        .map_err(|error| error.to_string());
    assert_eq!(found, expected.map(str::to_owned).map_err(str::to_owned));
}

#[test]
fn a_value_that_is_not_there_is_never_printed_as_nothing() {
    let nobody = |path: &str| format!("template `t` prints `{path}`, which has no value");
    let data = json!({"patient": {"name": null, "given": " "}, "a": {"b": ""}});
    check(
        "Dear {{ patient.name }},",
        &data,
        Err(&nobody("patient.name")),
    );
    check(
        "Dear {{ patient.given }},",
        &data,
        Err(&nobody("patient.given")),
    );
    check(
        "Dear {{ patient.family }},",
        &data,
        Err(&nobody("patient.family")),
    );
    check(
        "Dear {{ patient | salutation }},",
        &data,
        Err(&nobody("patient | salutation")),
    );
    check(
        "On {{ occasion.date | day }}",
        &data,
        Err(&nobody("occasion.date | day")),
    );
    check("{{ a.b }}", &data, Err(&nobody("a.b")));
    check("{{ x.y.z }}", &data, Err(&nobody("x.y.z")));
    check(
        "Dear {{ 'Ms ' ~ patient.family }},",
        &data,
        Err(&nobody("'Ms ' ~ patient.family")),
    );
    check(
        "Dear {% if patient.family %}{{ patient.family }}{% else %}patient{% endif %},",
        &data,
        Ok("Dear patient,"),
    );
    check(
        "At {% if occasion.place %}{{ occasion.place }}{% else %}our house{% endif %}",
        &json!({}),
        Ok("At our house"),
    );
    check(
        "{% if occasion.attributes.fasting %}fast{% endif %}.",
        &json!({}),
        Ok("."),
    );
}

#[test]
fn enqueued_values_stand_at_top_level_too() {
    let data = json!({"data": {"time": "10:00"}});
    check(
        "At {{ time }} or {{ data.time }}",
        &data,
        Ok("At 10:00 or 10:00"),
    );
}

#[test]
fn values_cannot_break_the_frame() {
    let data = json!({"a": "x\u{202e}y\u{7}【z】"});
    check("{{ a }}", &data, Ok("xy[z]"));
    check("{{ a }}", &json!({"a": "<b>&"}), Ok("<b>&"));
    let catalog = catalog(&[(
        "t/en.email.html",
        "Subject: For {{ a }}\n<p>Dear {{ a }},</p><p>x</p>",
    )]);
    let rendered = catalog
        .render("t", &["en"], Channel::Email, &json!({"a": "<b>&\nx"}))
        .unwrap();
    assert_eq!(
        rendered.html.unwrap().reveal(),
        "<p>Dear &lt;b&gt;&amp;\nx,</p><p>x</p>"
    );
    assert_eq!(rendered.text.reveal(), "Dear <b>&\nx,\nx");
    assert_eq!(rendered.subject.unwrap().reveal(), "For <b>& x");
}

#[test]
fn a_text_cannot_run_away() {
    check(
        "{% for a in range(10000) %}{% for b in range(10000) %}x{% endfor %}{% endfor %}",
        &json!({}),
        Err("t/en.sms.txt:1: engine ran out of fuel"),
    );
    check(
        "{{ 'x' * 100000 }}",
        &json!({}),
        Err("t/en.sms.txt: the text is longer than 65536 bytes"),
    );
}

#[test]
fn mistakes_are_named_by_line() {
    let load = |text: &str| {
        Catalog::load([("t/en.sms.txt".to_owned(), text.to_owned())])
            .1
            .first()
            .map(ToString::to_string)
    };
    assert_eq!(
        load("+++\ntitle = \"a\"\n+++\nHello\n{% if %}").as_deref(),
        Some("t/en.sms.txt:5: unexpected end of block")
    );
    assert_eq!(
        load("A\n--- when patient.age >\nB").as_deref(),
        Some("t/en.sms.txt:2: unexpected end of block")
    );
    check(
        "A\n\n{{ x | shout }}",
        &json!({"x": 1}),
        Err("t/en.sms.txt:3: unknown filter near `shout`"),
    );
}

#[test]
fn the_first_variant_that_holds_is_taken() {
    let files = [(
        "t/en.sms.txt",
        "all\n--- when patient.age >= 70\nold\n--- when patient.age < 18\nyoung\n--- when \"vip\" in patient.tags\nvip\n--- when patient.attributes.job == \"teacher\"\nteacher",
    )];
    let catalog = catalog(&files);
    let variant = |patient: Value| {
        let rendered = catalog
            .render("t", &["en"], Channel::Sms, &json!({"patient": patient}))
            .unwrap();
        (rendered.text.into_revealed(), rendered.variant)
    };
    assert_eq!(
        variant(json!({"age": 70, "tags": []})),
        ("old".to_owned(), Some(0))
    );
    assert_eq!(
        variant(json!({"age": 7, "tags": []})),
        ("young".to_owned(), Some(1))
    );
    assert_eq!(
        variant(json!({"age": null, "tags": ["vip"]})),
        ("vip".to_owned(), Some(2))
    );
    assert_eq!(
        variant(json!({"attributes": {"job": "teacher"}, "tags": []})),
        ("teacher".to_owned(), Some(3))
    );
    assert_eq!(variant(json!({"tags": []})), ("all".to_owned(), None));
}

#[test]
fn what_is_not_there_is_said() {
    let catalog = catalog(&[("t/en.sms.txt", "x"), ("t/zh-CN.task.txt", "y")]);
    let render = |template: &str, languages: &[&str], channel: Channel| {
        catalog.render(template, languages, channel, &json!({}))
    };
    assert_eq!(
        render("u", &["en"], Channel::Sms).unwrap_err(),
        RenderError::UnknownTemplate {
            template: "u".to_owned()
        }
    );
    assert_eq!(
        render("t", &["en"], Channel::Email)
            .unwrap_err()
            .to_string(),
        "template `t` has no text for email"
    );
    assert_eq!(
        render("t", &["en"], Channel::Popup).unwrap().text.reveal(),
        "y"
    );
    assert_eq!(
        render("t", &["fr", "zh-CN"], Channel::Sms)
            .unwrap()
            .warnings,
        ["no text in fr, zh-CN: taken in en"]
    );
}

#[test]
fn shipped_templates_fill_for_everyone_in_each_language() {
    let catalog = shipped();
    let mut filled = 0;
    for template in catalog.names() {
        for text in catalog.texts_of(template) {
            for role in [Role::Patient, Role::Family, Role::Staff] {
                let mut data = sample(&text.language, text.channel, role);
                for several in [true, false] {
                    if !several {
                        data.as_object_mut().unwrap().remove("occasions");
                    }
                    let rendered = catalog.render(template, &[&text.language], text.channel, &data);
                    let rendered =
                        rendered.unwrap_or_else(|error| panic!("{}: {error}", text.file));
                    assert_eq!(rendered.language, text.language);
                    assert!(!rendered.text.reveal().contains("\n\n\n"), "{}", text.file);
                    filled += 1;
                }
            }
        }
    }
    assert!(filled > 300, "{filled}");
}

#[test]
fn shipped_templates_are_without_findings() {
    let catalog = shipped();
    let mut uses = Vec::new();
    for template in catalog.names() {
        let class = if template.starts_with("answer_") || template == "custom" {
            Class::Reply
        } else {
            Class::Appointment
        };
        for channel in Channel::ALL {
            if catalog.has(template, *channel) {
                uses.push((template, *channel, class));
            }
        }
    }
    let findings: Vec<_> = lint(&catalog, &uses)
        .into_iter()
        .filter(|f| !f.message.contains("in es for"))
        .collect();
    assert_eq!(findings, []);
}

#[track_caller]
fn check_lint(path: &str, text: &str, expected: Option<(Severity, &str)>) {
    let catalog = catalog(&[(path, text)]);
    let channel = catalog.texts_of("t")[0].channel;
    let findings = lint(&catalog, &[("t", channel, Class::Appointment)]);
    let found = findings
        .first()
        .map(|f| (f.severity, format!("{}: {}", f.line, f.message)));
    assert_eq!(
        found
            .as_ref()
            .map(|(severity, text)| (*severity, text.as_str())),
        expected
    );
}

#[test]
fn faults_are_found_before_a_patient_finds_them() {
    check_lint("t/en.sms.txt", "Dear {{ patient.name }}, see you.", None);
    check_lint(
        "t/en.sms.txt",
        "Hello\n{{ patient.nmae }}",
        Some((
            Severity::Error,
            "2: `patient.nmae` is nothing a reminder knows; did you mean `patient.name`?",
        )),
    );
    check_lint(
        "t/zh-CN.sms.txt",
        "【{{ site.name }}】请留意{{ patient.diagnoses | first }}",
        Some((
            Severity::Error,
            "1: `patient.diagnoses` may not be said by sms: no diagnosis, drug, result or identity number",
        )),
    );
    check_lint(
        "t/zh-CN.sms.txt",
        "【甲】请看【乙】",
        Some((
            Severity::Error,
            "1: 【】 may stand once, around the signature that leads the text",
        )),
    );
    check_lint(
        "t/zh-CN.sms.txt",
        "【甲】拒收请回复R",
        Some((
            Severity::Error,
            "1: `R` is a reserved word of carriers: offer digits instead",
        )),
    );
    check_lint(
        "t/en.sms.txt",
        "Reply CANCEL to cancel",
        Some((
            Severity::Error,
            "1: `CANCEL` is a reserved word of carriers: offer digits instead",
        )),
    );
    check_lint("t/en.sms.txt", "Reply 2 to cancel", None);
}

#[test]
fn a_placeholder_says_no_more_than_its_channel_may() {
    let tells = |path: &str, channel: &str| {
        Some((
            Severity::Warning,
            format!(
                "1: `{path}` may tell by {channel} what the patient has to whoever sees it; leave it out, or write `private = \"approved\"` in the head"
            ),
        ))
    };
    let check = |file: &str, text: &str, expected: Option<(Severity, String)>| {
        let expected = expected
            .as_ref()
            .map(|(severity, text)| (*severity, text.as_str()));
        check_lint(file, text, expected);
    };
    let clinic = "{% if occasion.department %}{{ occasion.department }}{% endif %}";
    check("t/en.sms.txt", clinic, tells("occasion.department", "sms"));
    check(
        "t/en.voice.txt",
        "You are {{ patient.age }}",
        tells("patient.age", "voice"),
    );
    check("t/en.email.txt", &format!("Subject: Visit\n{clinic}"), None);
    check(
        "t/en.task.txt",
        &format!("Subject: Visit\n{{{{ patient.diagnoses | first }}}}{clinic}"),
        None,
    );
    check(
        "t/en.sms.txt",
        "{% if patient.age %}Bring somebody{% endif %}",
        None,
    );
    check(
        "t/en.sms.txt",
        &format!("+++\nprivate = \"approved\"\n+++\n{clinic}"),
        None,
    );
    let both =
        "{{ patient.name }}: {% if occasion.department %}{{ occasion.department }}{% endif %}";
    let (catalog, _) = Catalog::load([("t/en.sms.txt".to_owned(), both.to_owned())]);
    let findings = lint(&catalog, &[("t", Channel::Sms, Class::Appointment)]);
    let together =
        |finding: &crate::render::Finding| finding.message.contains("in full beside the clinic");
    assert!(findings.iter().any(together), "{findings:?}");
}

#[test]
fn what_costs_or_tells_too_much_is_found() {
    check_lint(
        "t/zh-CN.sms.txt",
        "【甲】糖尿病讲座",
        Some((
            Severity::Warning,
            "1: `糖尿病` tells what the patient has to whoever sees the phone",
        )),
    );
    check_lint(
        "t/en.sms.txt",
        "Don’t forget",
        Some((
            Severity::Warning,
            "1: `’` makes every segment hold 70 characters instead of 160: write plain quotes, dashes and dots",
        )),
    );
    check_lint(
        "t/en.sms.txt",
        "At {{ occasion.place }}",
        Some((
            Severity::Warning,
            "1: prints `occasion.place` always: reminders without it will not be sent; write {% if … %} around it",
        )),
    );
    check_lint(
        "t/en.sms.txt",
        "{{ 'word ' * 200 }}",
        Some((
            Severity::Warning,
            "1: 7 segments with sample data: more than 3 are costly and often cut",
        )),
    );
}

#[test]
fn a_condition_looks_at_what_is_there() {
    check_lint(
        "t/en.sms.txt",
        "A\n--- when \"E11\" in patient.diagnoses\nB",
        None,
    );
    check_lint(
        "t/en.sms.txt",
        "A\n--- when patient.agee >= 70\nB",
        Some((
            Severity::Error,
            "2: `patient.agee` is nothing a reminder knows; did you mean `patient.age`?",
        )),
    );
}

#[test]
fn missing_texts_are_found() {
    let catalog = catalog(&[
        ("t/en.sms.txt", "x"),
        ("u/zh-CN.sms.txt", "y"),
        ("u/en.sms.txt", "y"),
    ]);
    let uses = [
        ("t", Channel::Sms, Class::Greeting),
        ("t", Channel::Email, Class::Greeting),
        ("u", Channel::Sms, Class::Greeting),
        ("v", Channel::Sms, Class::Greeting),
    ];
    let found: Vec<String> = lint(&catalog, &uses)
        .iter()
        .map(|f| format!("{} {}", f.file, f.message))
        .collect();
    assert_eq!(
        found,
        [
            "t there is no text for email",
            "t there is no text in zh-CN for sms, as other templates have",
            "v there is no such template"
        ]
    );
}
