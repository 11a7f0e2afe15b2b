//! The demo as a stranger runs it: the binary, its transcript, and a log at its loudest.

use std::process::Command;

/// What the demo's people are called, their numbers, and what is said to and by them.
const PRIVATE: [&str; 12] = [
    "李静",
    "王伟",
    "Johnson",
    "Okafor",
    "谢琳娜",
    "1380000",
    "1212555",
    "胸口",
    "打错了",
    "Reply 1",
    "回复1",
    "医保卡",
];

#[test]
fn every_step_of_the_story_holds_and_no_log_line_tells_of_a_patient() {
    let demo = Command::new(env!("CARGO_BIN_EXE_carebell"))
        .args(["demo", "--headless", "--json"])
        .env("CAREBELL_LOG__LEVEL", "trace")
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    let (told, log) = (
        String::from_utf8(demo.stdout).unwrap(),
        String::from_utf8(demo.stderr).unwrap(),
    );
    let last: serde_json::Value =
        serde_json::from_str(told.lines().last().unwrap_or("null")).unwrap();
    assert_eq!(
        (demo.status.code(), &last["ok"]),
        (Some(0), &true.into()),
        "{told}\n{log}"
    );
    assert!(log.lines().count() > 20, "the log is not at its loudest");
    for word in PRIVATE {
        assert!(!log.contains(word), "the log tells of a patient: {word}");
        assert!(
            !told.contains(word),
            "the transcript tells of a patient: {word}"
        );
    }
}

#[test]
fn a_taken_port_is_an_error_with_advice() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let demo = Command::new(env!("CARGO_BIN_EXE_carebell"))
        .args(["demo", "--listen", &address])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert_eq!(demo.status.code(), Some(3));
    let told = String::from_utf8(demo.stderr).unwrap();
    assert!(
        told.contains(&address) && told.contains("--listen"),
        "{told}"
    );
}
