//! The verbs of the command line.

pub mod apikey;
pub mod check;
pub mod message;
pub mod openapi;
pub mod rules;
pub mod send;
pub mod serve;

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::app::House;
use crate::clock::Clock;
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
    /// Keys for other systems.
    #[command(subcommand)]
    Apikey(apikey::ApiKeyVerb),
    /// Store one message; the daemon sends it.
    Send(Box<send::SendArgs>),
    /// Look at a message, call it off, send it again, settle it.
    #[command(subcommand)]
    Message(message::MessageVerb),
    /// Print the description of the HTTP API, OpenAPI 3.1.
    Openapi,
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
    telemetry::start(&config.log);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let json = cli.json;
    match cli.verb {
        Verb::Serve => runtime.block_on(serve::serve(config)),
        Verb::Migrate => runtime.block_on(serve::migrate(config)),
        Verb::Check => check::check(&config, json),
        Verb::Openapi => openapi::run(&mut std::io::stdout()),
        Verb::Apikey(verb) => runtime.block_on(async {
            let house = House::open(config).await?;
            let now = Clock::System.now();
            apikey::run(&verb, &house.store, now, json, &mut std::io::stdout()).await
        }),
        Verb::Send(args) => runtime.block_on(async {
            let intake = House::open(config).await?.intake();
            let now = Clock::System.now();
            send::run(&args, &intake, now, json, &mut std::io::stdout()).await
        }),
        Verb::Message(verb) => runtime.block_on(async {
            let house = House::open(config).await?;
            let (now, mut out) = (Clock::System.now(), std::io::stdout());
            message::run(&verb, &house.store, &house.desk, now, json, &mut out).await
        }),
        Verb::Rules(RulesVerb::Test { files }) => rules::test(
            &files,
            json,
            &config.path(&config.rules.dir),
            &crate::app::site(&config),
        ),
    }
}
