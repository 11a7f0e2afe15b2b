//! The verbs of the command line. Each gives an exit code: 0 ok, 1 the thing asked about is wrong,
//! 2 usage, 3 cannot run.

pub mod carrier;
pub mod check;
pub mod demo;
pub mod import;
pub mod plan;
pub mod rules;
pub mod serve;

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::config::Config;
use crate::telemetry;

/// It could not run at all: unreadable file, database, port taken.
pub const CANNOT_RUN: u8 = 3;

/// Carebell: the system a hospital uses to talk to its patients.
#[derive(Debug, Parser)]
#[command(name = "carebell", version, max_term_width = 100)]
struct Cli {
    /// The config; `carebell.toml` where it stands.
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Output for machines.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// The daemon.
    Serve,
    /// Bring the database up to date.
    Migrate,
    /// Check config, rules and templates.
    Check,
    Carrier(carrier::Args),
    Demo(demo::Args),
    /// Rules: run cases against them.
    #[command(subcommand)]
    Rules(RulesVerb),
}

#[derive(Debug, Subcommand)]
enum RulesVerb {
    /// Run cases: JSON lines, or TOML with [[case]].
    Test {
        /// Files of cases.
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
}

/// Runs the verb that the command line names.
pub fn run() -> ExitCode {
    let cli = Cli::parse();
    // Two TLS libraries would each want their own provider of cryptography: ours is ring.
    let _ = rustls::crypto::ring::default_provider().install_default();
    match dispatch(cli) {
        Ok(code) => ExitCode::from(code),
        Err(problem) => {
            // The whole chain of causes in one line, the nearest first.
            let _ = writeln!(std::io::stderr(), "carebell: {problem:#}");
            ExitCode::from(CANNOT_RUN)
        }
    }
}

fn dispatch(cli: Cli) -> anyhow::Result<u8> {
    let config = Config::load(cli.config.as_deref(), std::env::vars())?;
    let mut log = config.log.clone();
    if matches!(cli.verb, Verb::Demo(_)) && log == telemetry::Settings::default() {
        // The demo tells its own story; who wants the log's as well sets a level.
        log.level = "warn".to_owned();
    }
    telemetry::start(&log);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let json = cli.json;
    match cli.verb {
        Verb::Serve => runtime.block_on(serve::serve(config)),
        Verb::Migrate => runtime.block_on(serve::migrate(config)),
        Verb::Demo(args) => runtime.block_on(demo::run(&config, args, json)),
        Verb::Carrier(args) => runtime.block_on(carrier::run(args)),
        Verb::Check => check::check(&config, json),
        Verb::Rules(RulesVerb::Test { files }) => rules::test(
            &files,
            json,
            &config.path(&config.rules.dir),
            &crate::app::site(&config),
        ),
    }
}
