//! Log setup. Field names are the same everywhere: `message.id`, `provider.name`, `stage.name`, `rule.id`.
//!
//! Names, numbers, addresses, texts and raw bodies never go into a log: they are `Private<T>`.

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::FmtSpan;

/// How to log.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// `error`, `warn`, `info`, `debug`, `trace`, or a filter such as `carebell=debug`.
    pub level: String,
    /// `text` or `json`.
    pub format: Format,
}

/// What a log line looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// For people.
    Text,
    /// For machines.
    Json,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            level: "info".to_owned(),
            format: Format::Text,
        }
    }
}

/// Sends log lines to standard error. Calling it twice does nothing.
pub fn start(settings: &Settings) {
    // Database and HTTP libraries would print statements and headers below info; that the broker is away is
    // said once, by us.
    let quiet = "sqlx=warn,hyper=warn,rustls=warn,h2=warn,lapin=off";
    let filter = EnvFilter::try_new(format!("{},{quiet}", settings.level))
        .unwrap_or_else(|_| EnvFilter::new("info"));
    let base = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))
        .with_span_events(FmtSpan::NONE);
    // An error means that a log is set up already.
    let _ = match settings.format {
        Format::Text => base.try_init(),
        Format::Json => base.json().flatten_event(true).try_init(),
    };
}
