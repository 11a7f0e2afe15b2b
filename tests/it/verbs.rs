//! The verbs about rules and patients' own settings as an operator types them: what they print, their exit codes,
//! and errors that say what to do.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use carebell::app::House;
use carebell::config::Config;
use carebell::model::campaign::SwitchState;
use carebell::store::rule_switches::{self, Switch};
use serde_json::Value;

const TIP: &str = "title = \"Tip\"\ndepartment = \"clinical\"\nclass = \"health_tip\"\n[trigger]\non = \"every\"\ncron = \"0 9 1 * *\"\n[[step]]\nto = \"patient\"\nsend = \"hello\"\nby = [\"sms\"]\n";
const RECHECK: &str = "title = \"Recheck\"\ndepartment = \"clinical\"\nclass = \"appointment\"\n[trigger]\non = \"recheck\"\n[[step]]\nto = \"patient\"\nbefore = [\"3d\", \"1d\"]\nsend = \"hello\"\nby = [\"sms\"]\n";

/// A small hospital on disk: a config, two rules, a text and one patient.
struct Desk {
    folder: PathBuf,
}

/// What a verb printed.
struct Told {
    code: i32,
    out: String,
    err: String,
}

impl Drop for Desk {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

impl Desk {
    fn open(name: &str) -> Self {
        let folder =
            std::env::temp_dir().join(format!("carebell-verbs-{}-{name}", std::process::id()));
        let desk = Self { folder };
        for folder in ["rules", "templates/hello"] {
            fs::create_dir_all(desk.folder.join(folder)).unwrap();
        }
        let listen = "[http]\nlisten = \"127.0.0.1:0\"\n[metrics]\nlisten = \"127.0.0.1:0\"\n";
        desk.put(
            "carebell.toml",
            &format!("[site]\nlanguage = \"en\"\n{listen}[database]\nurl = \"sqlite://desk.db\"\n"),
        );
        desk.put("rules/tip.toml", TIP);
        desk.put("rules/recheck.toml", RECHECK);
        desk.put("templates/hello/en.sms.txt", "Hello {{ patient.name }}");
        desk.put(
            "people.ndjson",
            "{\"patient\": {\"key\": \"P1\", \"name\": {\"full\": \"Ana\"}, \"contacts\": [{\"phone\": \"13800000001\"}]}}\n",
        );
        desk.run(&["import", "people.ndjson", "--format", "json"])
            .must_be(0);
        desk
    }

    fn put(&self, file: &str, text: &str) {
        fs::write(self.folder.join(file), text).unwrap();
    }

    fn run(&self, words: &[&str]) -> Told {
        let done = Command::new(env!("CARGO_BIN_EXE_carebell"))
            .args(words)
            .current_dir(&self.folder)
            .env("CAREBELL_LOG__LEVEL", "error")
            .output()
            .unwrap();
        Told {
            code: done.status.code().unwrap(),
            out: String::from_utf8(done.stdout).unwrap(),
            err: String::from_utf8(done.stderr).unwrap(),
        }
    }

    /// Has a rule wait for a second person.
    fn hold(&self, rule: &str) {
        let file = self.folder.join("carebell.toml");
        let config = Config::load(Some(&file), std::iter::empty()).unwrap();
        let now = "2026-07-01T02:00:00Z".parse().unwrap();
        let switch = Switch {
            rule: rule.to_owned(),
            timing: "t".to_owned(),
            mode: "live".to_owned(),
            state: SwitchState::Waiting,
            baseline: 0,
            reach: 1234,
            approver: None,
            since: now,
            approved_at: None,
        };
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async {
            let house = House::open(config).await.unwrap();
            let mut tx = house.store.write().await.unwrap();
            rule_switches::put(&mut tx, &switch).await.unwrap();
            tx.commit().await.unwrap();
            house.store.close().await;
        });
    }
}

impl Told {
    #[track_caller]
    fn must_be(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{}\n{}", self.out, self.err);
        self
    }

    #[track_caller]
    fn says(self, words: &str) -> Self {
        let all = format!("{}{}", self.out, self.err);
        assert!(all.contains(words), "expected {words:?} in {all}");
        self
    }

    /// The lines of standard output as JSON.
    fn json(&self) -> Vec<Value> {
        let lines = self.out.lines();
        lines
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }
}

#[test]
fn rules_list_shows_every_rule_and_which_wait_or_cannot_be_read() {
    let desk = Desk::open("list");
    desk.put("rules/torn.toml", "title = \n");
    desk.hold("tip");
    desk.run(&["rules", "list"])
        .must_be(0)
        .says("recheck  Recheck  clinical  appointment  recheck  live")
        .says(
            "WAITS FOR APPROVAL (1234 patients within a day): carebell rules approve tip --by NAME",
        )
        .says("torn  CANNOT BE READ: see carebell check");
    let all = desk.run(&["rules", "list", "--json"]).must_be(0).json();
    let of = |id: &str| all.iter().find(|line| line["id"] == id).unwrap();
    assert_eq!(of("tip")["waits_for_approval"], true);
    assert_eq!(of("tip")["reach"], 1234);
    assert_eq!(of("recheck")["waits_for_approval"], false);
    assert_eq!(of("torn")["error"], "rule_fault");
}

#[test]
fn rules_show_fills_in_the_defaults_and_helps_with_a_wrong_name() {
    let desk = Desk::open("show");
    desk.run(&["rules", "show", "recheck"])
        .must_be(0)
        .says("at = \"09:00\"")
        .says("mode = \"live\"");
    let one = desk
        .run(&["rules", "show", "recheck", "--json"])
        .must_be(0)
        .json();
    assert_eq!(one[0]["document"]["title"], "Recheck");
    desk.run(&["rules", "show", "rechek"])
        .must_be(1)
        .says("There is no rule `rechek`; did you mean `recheck`?");
    desk.run(&["rules", "show", "somethingelse"])
        .must_be(1)
        .says("`carebell rules list` shows all");
    let told = desk
        .run(&["rules", "show", "rechek", "--json"])
        .must_be(1)
        .json();
    assert_eq!(told[0]["error"], "not_found");
    desk.run(&["rules", "show"]).must_be(2);
}

#[test]
fn rules_approve_takes_another_person_than_the_one_who_installed_it() {
    let desk = Desk::open("approve");
    desk.run(&["rules", "approve", "tip"]).must_be(2);
    desk.run(&["rules", "approve", "tip", "--by", " "])
        .must_be(1)
        .says("Expected --by NAME");
    desk.run(&["rules", "approve", "tipp", "--by", "Li Qiang"])
        .must_be(1)
        .says("did you mean `tip`?");
    desk.run(&["rules", "approve", "tip", "--by", "Li Qiang"])
        .must_be(1)
        .says("does not wait for anybody; `carebell rules list` says which do");
    fs::create_dir_all(desk.folder.join("new")).unwrap();
    desk.put("new/tip.toml", &TIP.replace("0 9 1", "0 9 2"));
    desk.run(&["rules", "apply", "new", "--by", "Wang Fang"])
        .must_be(0);
    desk.hold("tip");
    desk.run(&["rules", "approve", "tip", "--by", " wang fang"])
        .must_be(1)
        .says("another person has to agree");
    let told = desk.run(&["rules", "approve", "tip", "--by", "Wang Fang", "--json"]);
    assert_eq!(told.must_be(1).json()[0]["error"], "same_person");
    let told = desk.run(&["rules", "approve", "tip", "--by", "Li Qiang", "--json"]);
    assert_eq!(told.must_be(0).json()[0]["outcome"], "approved");
    desk.run(&["rules", "show", "tip"])
        .must_be(0)
        .says("approved by Li Qiang");
}

#[test]
fn rules_apply_shows_what_changes_and_installs_all_or_nothing() {
    let desk = Desk::open("apply");
    fs::create_dir_all(desk.folder.join("new")).unwrap();
    desk.put("new/tip.toml", &TIP.replace("0 9 1", "0 9 2"));
    desk.put(
        "new/extra.toml",
        &RECHECK.replace("\"Recheck\"", "\"Extra\""),
    );
    let before = fs::read_to_string(desk.folder.join("rules/tip.toml")).unwrap();
    desk.run(&["rules", "apply", "new", "--dry-run"])
        .must_be(0)
        .says("extra  is new")
        .says("tip  changes when or to whom")
        .says("Nothing was installed.");
    assert_eq!(
        fs::read_to_string(desk.folder.join("rules/tip.toml")).unwrap(),
        before
    );
    let lines = desk
        .run(&["rules", "apply", "new", "--dry-run", "--json"])
        .must_be(0)
        .json();
    let change = |id: &str| {
        lines
            .iter()
            .find(|line| line["rule"] == id)
            .map(|line| line["change"].clone())
    };
    assert_eq!(change("tip"), Some("timing".into()));
    assert_eq!(change("recheck"), None, "without --prune nothing goes");
    desk.put("new/torn.toml", "title = \"Torn\"\nclass = \"greting\"\n");
    desk.run(&["rules", "apply", "new"])
        .must_be(1)
        .says("torn.toml:2: class: `greting` is none of")
        .says("nothing was installed: the folder has faults");
    assert_eq!(
        fs::read_to_string(desk.folder.join("rules/tip.toml")).unwrap(),
        before
    );
    fs::remove_file(desk.folder.join("new/torn.toml")).unwrap();
    desk.run(&["rules", "apply", "new", "--prune"])
        .must_be(0)
        .says("recheck  goes")
        .says("from its next start");
    assert!(desk.folder.join("rules/extra.toml").is_file());
    assert!(!desk.folder.join("rules/recheck.toml").exists());
    desk.run(&["rules", "apply", "nowhere"])
        .must_be(3)
        .says("nowhere: cannot be read: expected a folder of rules");
    desk.run(&["rules", "apply"]).must_be(2);
}

#[test]
fn an_override_is_set_listed_and_taken_back() {
    let desk = Desk::open("override");
    desk.run(&["override", "list", "his/P1"]).must_be(0);
    let set = [
        "override",
        "set",
        "his/P1",
        "recheck",
        "--before",
        "5d,1d",
        "--by",
        "voice,sms",
        "--by-whom",
        "Wang Fang",
    ];
    desk.run(&set)
        .must_be(0)
        .says("It is set; the patient is planned again.");
    desk.run(&set).must_be(0).says("The same one stood before.");
    desk.run(&["override", "list", "his/P1"])
        .must_be(0)
        .says("recheck  before 5d,1d  by voice,sms  set by Wang Fang");
    let kept = desk
        .run(&["override", "list", "his/P1", "--json"])
        .must_be(0)
        .json();
    assert_eq!(kept[0]["before"], serde_json::json!(["5d", "1d"]));
    assert_eq!(kept[0]["set_by"], "Wang Fang");
    let told = desk.run(&["override", "set", "his/P1", "recheck", "--off", "--json"]);
    assert_eq!(told.must_be(0).json()[0]["outcome"], "set");
    desk.run(&["override", "remove", "his/P1", "recheck"])
        .must_be(0)
        .says("It is taken back");
    desk.run(&["override", "remove", "his/P1", "recheck"])
        .must_be(1)
        .says("There is none for that rule.");
}

#[test]
fn an_override_that_cannot_be_says_what_was_expected() {
    let desk = Desk::open("refused");
    desk.run(&["override", "set", "his/P9", "recheck", "--off"])
        .must_be(1)
        .says("There is no such patient: expected SOURCE/KEY or pat_…");
    desk.run(&["override", "set", "his/P1", "rechek", "--off"])
        .must_be(1)
        .says("There is no rule `rechek`; did you mean `recheck`?");
    desk.run(&["override", "set", "his/P1", "recheck"])
        .must_be(1)
        .says("expected `off`, or `before` and `by`");
    desk.run(&["override", "set", "his/P1", "recheck", "--before", "soon"])
        .must_be(1)
        .says("`soon` is no lead; expected a list such as 5d,1d");
    desk.run(&["override", "set", "his/P1", "recheck", "--by", "pigeon"])
        .must_be(1)
        .says("expected a list of sms, voice and email");
    let told = desk.run(&[
        "override", "set", "his/P1", "recheck", "--by", "pigeon", "--json",
    ]);
    assert_eq!(told.must_be(1).json()[0]["error"], "invalid");
    desk.run(&[
        "override", "set", "his/P1", "recheck", "--off", "--by", "sms",
    ])
    .must_be(2);
    desk.put(
        "carebell.toml",
        "[database]\nurl = \"sqlite:///nowhere/at/all/desk.db\"\n",
    );
    for words in [
        &["override", "list", "his/P1"][..],
        &["rules", "list"],
        &["explain", "--rule", "recheck", "--patient", "his/P1"],
    ] {
        desk.run(words)
            .must_be(3)
            .says("the database cannot be opened");
    }
}

#[test]
fn explain_reads_plainly_and_gives_its_words_where_they_are_asked_for() {
    let desk = Desk::open("explain");
    let plain = desk
        .run(&[
            "explain",
            "--rule",
            "recheck",
            "--patient",
            "his/P1",
            "--lang",
            "zh-CN",
        ])
        .must_be(0);
    assert!(!plain.out.contains('['), "{}", plain.out);
    assert!(
        plain.out.contains("病历中没有这位患者的复查"),
        "{}",
        plain.out
    );
    desk.run(&[
        "explain",
        "--rule",
        "recheck",
        "--patient",
        "his/P1",
        "--codes",
    ])
    .must_be(0)
    .says("[no_occasion]");
    desk.run(&["explain", "--rule", "rechek", "--patient", "his/P1"])
        .must_be(1)
        .says("did you mean `recheck`?");
    desk.run(&["explain", "--rule", "recheck", "--patient", "his/P9"])
        .must_be(1);
    desk.run(&[
        "explain",
        "--rule",
        "recheck",
        "--patient",
        "his/P1",
        "--at",
        "noon",
    ])
    .must_be(2);
}
