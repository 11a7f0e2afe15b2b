//! The verbs of the command line. Each gives an exit code: 0 ok, 1 the thing asked about is wrong,
//! 2 usage, 3 cannot run.

pub mod amqp;
pub mod apikey;
pub mod backup;
pub mod campaign;
pub mod carrier;
pub mod check;
pub mod demo;
pub mod doctor;
pub mod explain;
pub mod import;
mod install;
pub mod message;
pub mod openapi;
pub mod overrides;
pub mod plan;
pub mod replies;
pub mod retention;
pub mod rulebook;
pub mod rules;
pub mod send;
pub mod serve;
pub mod templates;
pub mod webhook;
pub mod workdays;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use jiff::civil::Date;

use crate::app::House;
use crate::clock::Clock;
use crate::config::{Config, ConfigError};
use crate::model::class::Channel;
use crate::telemetry;

/// The thing asked about is wrong.
pub const WRONG: u8 = 1;
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
    /// The whole story on this machine: a made-up hospital, a carrier, patients' phones.
    Demo(demo::Args),
    /// The daemon.
    Serve,
    /// Bring the database up to date.
    Migrate,
    /// Check config, rules and templates.
    Check,
    /// Rules: run cases against them, list, show and install them, let one act that waits.
    #[command(subcommand)]
    Rules(RulesVerb),
    /// Templates: see what one says.
    #[command(subcommand)]
    Templates(TemplatesVerb),
    /// Replies: see what they are taken for.
    #[command(subcommand)]
    Replies(RepliesVerb),
    /// Working days: which years are known, and whether a table can be read.
    #[command(subcommand)]
    Workdays(WorkdaysVerb),
    /// The built-in SMSC alone, with phones that answer.
    Carrier(Box<carrier::Args>),
    /// RabbitMQ: make exchanges and queues, look after commands that could not be done.
    #[command(subcommand)]
    Amqp(amqp::AmqpVerb),
    /// Print the description of the HTTP API (OpenAPI 3.1).
    Openapi,
    /// Copy the database while the daemon works on it.
    Backup(backup::BackupArgs),
    /// Look for what is wrong with this installation, and say what to do.
    Doctor,
    #[command(flatten)]
    House(HouseVerb),
}

/// The verbs that work on the database, beside a running daemon or without one.
#[derive(Debug, Subcommand)]
enum HouseVerb {
    /// Records in: extract, filter, stage with a diff, apply.
    Import(Box<import::ImportArgs>),
    /// What would be sent, to whom, when, by what; and what would not, and why. Writes nothing.
    Plan(PlanArgs),
    /// Why somebody gets something by a rule, or nothing: each decision in order. Writes nothing.
    Explain(explain::ExplainArgs),
    /// One message through the real path; a running `serve` sends it.
    Send(Box<send::SendArgs>),
    /// Look at a message, or act on it.
    #[command(subcommand)]
    Message(message::MessageVerb),
    /// Keys for other systems.
    #[command(subcommand)]
    Apikey(apikey::ApiKeyVerb),
    /// Start a rule by hand for all it is meant for, and follow it.
    #[command(subcommand)]
    Campaign(campaign::CampaignVerb),
    /// What one patient has of a rule that others have not: off, other leads, other channels.
    #[command(subcommand)]
    Override(overrides::OverrideVerb),
    /// Other systems that are told what happened, by HTTP.
    #[command(subcommand)]
    Webhook(webhook::WebhookVerb),
    /// What is kept how long, and what is past its keep date.
    Retention(retention::RetentionArgs),
}

#[derive(Debug, Args)]
struct PlanArgs {
    /// The first day; today where it is left out.
    #[arg(long, value_name = "DATE")]
    from: Option<Date>,
    /// How many days.
    #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(i32).range(1..=3660))]
    days: i32,
    /// One rule alone.
    #[arg(long, value_name = "ID")]
    rule: Option<String>,
    /// One patient alone: SOURCE/KEY or pat_….
    #[arg(long, value_name = "PATIENT")]
    patient: Option<String>,
    /// Totals only: by day, channel and class.
    #[arg(long)]
    summary: bool,
}

#[derive(Debug, Subcommand)]
enum RulesVerb {
    /// Run cases: JSON lines, or TOML with [[case]].
    Test {
        /// Files of cases.
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
    },
    #[command(flatten)]
    Book(rulebook::BookVerb),
}

#[derive(Debug, Subcommand)]
enum TemplatesVerb {
    /// Text, encoding, segments and warnings.
    Preview {
        /// The template.
        template: String,
        /// The language, BCP 47; the site's where it is left out.
        #[arg(long)]
        lang: Option<String>,
        /// sms, email, voice, popup or task.
        #[arg(long, default_value = "sms")]
        channel: Channel,
        /// Values as JSON; made-up ones where it is left out.
        #[arg(long, value_name = "FILE")]
        data: Option<PathBuf>,
    },
}

#[derive(Debug, Subcommand)]
enum RepliesVerb {
    /// JSON lines in, JSON lines out.
    Classify {
        /// The file; standard input where it is left out.
        file: Option<PathBuf>,
    },
}

#[derive(Debug, Subcommand)]
enum WorkdaysVerb {
    /// Which years are known for which zones.
    List,
    /// Read a table as `[calendar] workdays` would.
    Check {
        /// TOML, or CSV with a day and `off` or `work` a line.
        file: PathBuf,
    },
}

/// Runs the verb that the command line names.
pub fn run() -> ExitCode {
    let cli = Cli::parse();
    // Two TLS libraries would each want their own provider of cryptography: ours is ring.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let checking = matches!(cli.verb, Verb::Check);
    match dispatch(cli) {
        Ok(code) => ExitCode::from(code),
        // Whoever reads us through a pipe may stop reading.
        Err(problem) if is_broken_pipe(&problem) => ExitCode::SUCCESS,
        Err(problem) => {
            // The whole chain of causes in one line, the nearest first.
            let _ = writeln!(std::io::stderr(), "carebell: {problem:#}");
            let wrong = matches!(problem.downcast_ref(), Some(ConfigError::Wrong { .. }));
            ExitCode::from(if checking && wrong { WRONG } else { CANNOT_RUN })
        }
    }
}

fn is_broken_pipe(problem: &anyhow::Error) -> bool {
    problem
        .downcast_ref::<std::io::Error>()
        .is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
}

fn days(verb: &WorkdaysVerb, config: &Config, json: bool) -> anyhow::Result<u8> {
    let mut out = std::io::stdout();
    match verb {
        WorkdaysVerb::List => workdays::list(config, json, &mut out),
        WorkdaysVerb::Check { file } => workdays::check(config, file, json, &mut out),
    }
}

fn dispatch(cli: Cli) -> anyhow::Result<u8> {
    let config = |quiet: bool| {
        let config = Config::load(cli.config.as_deref(), std::env::vars())?;
        let mut log = config.log.clone();
        if quiet && log == telemetry::Settings::default() {
            log.level = "warn".to_owned();
        }
        telemetry::start(&log);
        anyhow::Ok(config)
    };
    match cli.verb {
        Verb::Openapi => openapi::run(&mut std::io::stdout()),
        Verb::Carrier(args) => {
            telemetry::start(&telemetry::Settings::default());
            runtime()?.block_on(carrier::run(*args))
        }
        // The demo tells its own story; who wants the log's as well sets a level.
        Verb::Demo(args) => runtime()?.block_on(demo::run(&config(true)?, args, cli.json)),
        Verb::Check => {
            let config = config(false)?;
            let today = Clock::System.now().to_zoned(config.zone()).date();
            check::check(&config, today, cli.json)
        }
        Verb::Rules(RulesVerb::Test { files }) => {
            let config = config(false)?;
            let dir = config.path(&config.rules.dir);
            rules::test(&files, cli.json, &dir, &crate::app::site(&config)?)
        }
        Verb::Rules(RulesVerb::Book(verb)) => {
            runtime()?.block_on(with_book(&verb, config(false)?, cli.json))
        }
        Verb::Templates(TemplatesVerb::Preview {
            template,
            lang,
            channel,
            data,
        }) => {
            let config = config(false)?;
            let lang = lang.unwrap_or_else(|| config.site.language.clone());
            let dir = config.path(&config.templates.dir);
            templates::preview(&dir, &template, &lang, channel, data.as_deref(), cli.json)
        }
        Verb::Replies(RepliesVerb::Classify { file }) => {
            let config = config(false)?;
            let words = config.path(&config.rules.dir).join("replies");
            replies::classify(file, words.is_dir().then_some(words.as_path()))
        }
        Verb::Workdays(verb) => days(&verb, &config(false)?, cli.json),
        Verb::Serve => runtime()?.block_on(serve::serve(config(false)?, cli.config.as_deref())),
        Verb::Backup(args) => {
            let (config, now) = (config(true)?, Clock::System.now());
            let mut out = std::io::stdout();
            runtime()?.block_on(backup::run(&args, &config, now, cli.json, &mut out))
        }
        Verb::Doctor => {
            let config = Config::load(cli.config.as_deref(), std::env::vars());
            let mut out = std::io::stdout();
            runtime()?.block_on(doctor::run(
                config,
                cli.config.as_deref(),
                cli.json,
                &mut out,
            ))
        }
        Verb::Amqp(verb) => {
            let (config, mut out) = (config(true)?, std::io::stdout());
            runtime()?.block_on(amqp::run(&verb, &config, cli.json, &mut out))
        }
        Verb::Migrate => runtime()?.block_on(serve::migrate(config(false)?)),
        Verb::House(verb) => runtime()?.block_on(with_house(verb, config(false)?, cli.json)),
    }
}

fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?)
}

async fn with_book(verb: &rulebook::BookVerb, config: Config, json: bool) -> anyhow::Result<u8> {
    let house = House::open(config).await?;
    let now = Clock::System.now();
    let code = rulebook::run(verb, &house, now, json, &mut std::io::stdout()).await?;
    house.store.close().await;
    Ok(code)
}

async fn with_house(verb: HouseVerb, config: Config, json: bool) -> anyhow::Result<u8> {
    let mut out = std::io::stdout();
    let house = House::open(config).await?;
    let (store, now) = (&house.store, Clock::System.now());
    let code = match verb {
        HouseVerb::Import(args) => {
            let settings = &house.config.intake;
            import::run(&args, store, &house.info, settings, json, now, &mut out).await?
        }
        HouseVerb::Plan(args) => {
            let today = now.to_zoned(house.site.timezone.clone()).date();
            let asked = plan::Asked {
                from: args.from.unwrap_or(today),
                days: args.days,
                rule: args.rule.as_deref(),
                patient: args.patient.as_deref(),
                is_summary: args.summary,
                tariff: &house.config.tariff(),
                currency: house.config.site.currency.as_deref(),
                json,
            };
            plan::plan(store, &house.book, &house.plans, &asked).await?
        }
        HouseVerb::Explain(args) => explain::run(&args, &house, now, json, &mut out).await?,
        HouseVerb::Send(args) => send::run(&args, &house.intake(), now, json, &mut out).await?,
        HouseVerb::Message(verb) => {
            message::run(&verb, store, &house.desk, now, json, &mut out).await?
        }
        HouseVerb::Apikey(verb) => apikey::run(&verb, store, now, json, &mut out).await?,
        HouseVerb::Campaign(verb) => campaign::run(&verb, &house, now, json, &mut out).await?,
        HouseVerb::Webhook(verb) => webhook::run(&verb, &house, now, json, &mut out).await?,
        HouseVerb::Retention(args) => {
            retention::run(&args, &house, &Clock::System, json, &mut out).await?
        }
        HouseVerb::Override(verb) => {
            overrides::run(&verb, store, &house.book, now, json, &mut out).await?
        }
    };
    house.store.close().await;
    Ok(code)
}
