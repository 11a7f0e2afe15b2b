//! The real binary as a process of its own: started, watched, killed.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use carebell::access::{self, Scope};
use carebell::app::House;
use carebell::clock::Clock;
use carebell::config::Config;
use tokio::sync::watch;

use super::database::Database;
use super::{PATIENCE, shipped};

/// The line by which the daemon says that it is up.
const UP: &str = "API on http://";

/// A running `carebell serve`.
pub(crate) struct Daemon {
    /// Where its API listens.
    pub(crate) address: SocketAddr,
    child: Child,
    said: Arc<Mutex<String>>,
    listening: Option<JoinHandle<()>>,
}

/// Writes the config of a daemon on `database` and makes a key for its API. Gives the file and the key.
pub(crate) async fn prepare(database: &Database, more: &str) -> (PathBuf, String) {
    let text = format!(
        "[site]\nname = \"Lakeside Hospital\"\nlanguage = \"en\"\n[http]\nlisten = \"127.0.0.1:0\"\n[metrics]\nlisten = \"127.0.0.1:0\"\n\
         [database]\nurl = \"{}\"\nmigrate = true\n[rules]\ndir = {:?}\n[templates]\ndir = {:?}\n{more}",
        database.url,
        shipped("rules"),
        shipped("templates"),
    );
    let file = database.folder.join("carebell.toml");
    std::fs::write(&file, text).unwrap();
    let house = House::open(Config::load(Some(&file), std::iter::empty()).unwrap())
        .await
        .unwrap();
    let mut tx = house.store.write().await.unwrap();
    let key = access::create(&mut tx, "scenario", Scope::ALL, "test", Clock::System.now())
        .await
        .unwrap();
    tx.commit().await.unwrap();
    house.store.close().await;
    (file, key.key.into_revealed())
}

/// `carebell` with these arguments and nothing of ours in its environment.
pub(crate) fn carebell(arguments: &[&str], config: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_carebell"));
    command
        .args(arguments)
        .arg("--config")
        .arg(config)
        .stdin(Stdio::null());
    command
}

impl Daemon {
    /// Starts one and waits until it is up.
    pub(crate) async fn start(config: &Path) -> Self {
        Self::start_with(config, &[]).await
    }

    /// The same with these variables in its environment.
    pub(crate) async fn start_with(config: &Path, environment: &[(&str, &str)]) -> Self {
        let mut command = carebell(&["serve"], config);
        command.envs(environment.iter().copied());
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let said = Arc::new(Mutex::new(String::new()));
        let up = watch::Sender::new(None);
        let mut is_up = up.subscribe();
        let errors = BufReader::new(child.stderr.take().unwrap());
        let listening = std::thread::spawn({
            let said = Arc::clone(&said);
            move || {
                for line in errors.lines().map_while(Result::ok) {
                    if let Some((_, address)) = line.split_once(UP) {
                        let end = address
                            .find(|c: char| c == '"' || c.is_whitespace())
                            .unwrap_or(address.len());
                        up.send_replace(address[..end].parse().ok());
                    }
                    let mut said = said.lock().unwrap();
                    said.push_str(&line);
                    said.push('\n');
                }
            }
        });
        // The hand of `up` goes when the process ends, so that waiting ends as well.
        let address = tokio::time::timeout(PATIENCE, is_up.wait_for(Option::is_some)).await;
        let address = address.ok().and_then(|up| up.ok().and_then(|up| *up));
        let Some(address) = address else {
            let _ = child.kill();
            panic!("the daemon did not start:\n{}", said.lock().unwrap());
        };
        Self {
            address,
            child,
            said,
            listening: Some(listening),
        }
    }

    /// Ends it as a power cut would.
    pub(crate) fn kill_9(mut self) -> String {
        self.child.kill().unwrap();
        self.end().1
    }

    /// Asks it to stop, and waits until it has.
    pub(crate) fn stop(mut self) -> (ExitStatus, String) {
        let asked = Command::new("kill")
            .arg("-TERM")
            .arg(self.child.id().to_string())
            .status()
            .unwrap();
        assert!(asked.success());
        self.end()
    }

    /// What it has said so far.
    pub(crate) fn said(&self) -> String {
        self.said.lock().unwrap().clone()
    }

    /// What it keeps in memory, in KiB.
    pub(crate) fn resident_kib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }

    fn end(&mut self) -> (ExitStatus, String) {
        let status = self.child.wait().unwrap();
        if let Some(listening) = self.listening.take() {
            listening.join().unwrap();
        }
        let mut out = String::new();
        if let Some(stdout) = self.child.stdout.take() {
            std::io::Read::read_to_string(&mut BufReader::new(stdout), &mut out).unwrap();
        }
        (status, out + &self.said.lock().unwrap())
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // It has ended already, or the test broke.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
