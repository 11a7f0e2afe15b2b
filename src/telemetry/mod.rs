//! Log setup. Field names are the same everywhere: `message.id`, `provider.name`, `stage.name`, `rule.id`.
//!
//! Names, numbers, addresses, texts and raw bodies never go into a log: they are `Private<T>`.
//! What is counted stands in [`metrics`].

pub mod metrics;
pub mod registry;

use std::io::IsTerminal as _;
use std::sync::OnceLock;

use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Registry, fmt, reload};

/// How to log.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// `error`, `warn`, `info`, `debug`, `trace`, or a filter such as `info,carebell::delivery=debug`.
    pub level: String,
    /// `auto`, `text` or `json`.
    pub format: Format,
}

/// What a log line looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// JSON where the journal of systemd reads it, else text.
    Auto,
    /// For people.
    Text,
    /// For machines: one object a line.
    Json,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            level: "info".to_owned(),
            format: Format::Auto,
        }
    }
}

impl Settings {
    /// What is wrong with the level, if anything is.
    ///
    /// # Errors
    /// When it is no filter.
    pub fn check(&self) -> Result<(), String> {
        self.filter().map(|_| ())
    }

    fn filter(&self) -> Result<EnvFilter, String> {
        // Database and HTTP libraries would print statements and headers below info; that the broker is away is
        // said once, by us.
        let quiet = "sqlx=warn,hyper=warn,rustls=warn,h2=warn,lapin=off";
        EnvFilter::try_new(format!("{},{quiet}", self.level)).map_err(|_| {
            "expected error, warn, info, debug, trace, or a filter such as info,carebell::delivery=debug"
                .to_owned()
        })
    }

    fn is_json(&self) -> bool {
        match self.format {
            Format::Text => false,
            Format::Json => true,
            Format::Auto => {
                std::env::var_os("JOURNAL_STREAM").is_some() && !std::io::stderr().is_terminal()
            }
        }
    }
}

/// The filter that is in force, to be changed while we run.
static FILTER: OnceLock<reload::Handle<EnvFilter, Registry>> = OnceLock::new();

/// Sends log lines to standard error. Calling it twice does nothing.
pub fn start(settings: &Settings) {
    let filter = settings.filter().unwrap_or_else(|_| EnvFilter::new("info"));
    let (filter, handle) = reload::Layer::new(filter);
    let lines = tracing_subscriber::registry().with(filter);
    // An error means that a log is set up already.
    let started = if settings.is_json() {
        let layer = fmt::layer().json().flatten_event(true);
        lines.with(layer.with_writer(std::io::stderr)).try_init()
    } else {
        let layer = fmt::layer().with_ansi(std::io::stderr().is_terminal());
        lines.with(layer.with_writer(std::io::stderr)).try_init()
    };
    if started.is_ok() {
        let _ = FILTER.set(handle);
    }
}

/// Logs by the level of `settings` from now on.
pub fn follow(settings: &Settings) {
    if let (Some(handle), Ok(filter)) = (FILTER.get(), settings.filter()) {
        // It fails only when the log is gone.
        let _ = handle.reload(filter);
    }
}

#[cfg(test)]
mod tests {
    use super::Settings;

    #[test]
    fn a_level_is_a_word_or_a_filter_by_module() {
        let check = |level: &str| {
            let settings = Settings {
                level: level.to_owned(),
                ..Settings::default()
            };
            settings.check().is_ok()
        };
        assert!(check("debug") && check("warn,carebell::delivery=debug"));
        assert!(!check("carebell=loud"));
    }
}
