//! Gathers each module's settings: defaults, then the file, then the environment; checked once.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use crate::channels::sms::smpp::provider::settings as smpp;
use crate::model::class::Channel;
use crate::model::price::Price;
use crate::model::route::{FULL, Route, Routes};
use crate::planning::totals::Tariff;
use crate::render::RESERVED_WORDS;
use crate::{amqp, delivery, gates, inbound, intake, scheduler, telemetry};

/// Everything that can be set. `carebell.example.toml` says what each key means.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The hospital.
    pub site: Site,
    /// API and console.
    pub http: Http,
    /// Metrics and health.
    pub metrics: Metrics,
    /// Where everything is kept.
    pub database: Database,
    /// RabbitMQ; absent: off.
    pub amqp: Option<amqp::Settings>,
    /// Where rules lie.
    pub rules: Rules,
    /// Where templates lie.
    pub templates: Templates,
    /// Who carries messages.
    pub providers: BTreeMap<String, Provider>,
    /// Which provider carries what; empty: each channel's providers take all of it.
    pub routes: Vec<RouteLine>,
    /// Policies of sending.
    pub delivery: delivery::Settings,
    /// What comes in.
    pub intake: intake::Settings,
    /// Replies.
    pub inbound: inbound::Settings,
    /// Which days people work.
    pub calendar: Calendar,
    /// Planning and composing.
    pub scheduler: scheduler::Settings,
    /// What may be sent to whom.
    pub gates: gates::Settings,
    /// Logs.
    pub log: telemetry::Settings,
    /// The folder that relative paths start from.
    #[serde(skip)]
    pub base: PathBuf,
}

/// `[site]`.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Site {
    /// What patients know it by.
    pub name: String,
    /// IANA zone.
    pub timezone: String,
    /// BCP 47, for patients whose own is unknown.
    pub language: String,
    /// ISO 3166-1 alpha-2: how a number without a prefix is read.
    pub country: String,
    /// The number patients may call.
    pub phone: Option<String>,
    /// What prices are in, ISO 4217.
    pub currency: Option<String>,
}

/// `[http]`.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Http {
    /// Address and port.
    pub listen: SocketAddr,
}

/// `[metrics]`.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Metrics {
    /// Address and port.
    pub listen: SocketAddr,
}

/// `[database]`.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Database {
    /// `sqlite://FILE` or `postgres://USER@HOST/NAME`.
    pub url: String,
    /// Whether `serve` migrates by itself; absent: on SQLite it does.
    pub migrate: Option<bool>,
}

/// `[rules]`.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Rules {
    /// The folder.
    pub dir: PathBuf,
}

/// `[templates]`.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Templates {
    /// The folder.
    pub dir: PathBuf,
}

/// `[calendar]`.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Calendar {
    /// Tables of working days, TOML or CSV.
    pub workdays: Vec<PathBuf>,
}

/// `[providers.<name>]`: what all have, and what the kind itself reads.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Provider {
    /// The medium it carries.
    pub channel: Channel,
    /// What it speaks.
    pub kind: String,
    /// What it takes for a segment, in the site's currency.
    #[serde(default)]
    pub price: Option<Price>,
    /// Words that it takes for a stop, so that no text may offer them for anything else; absent: the usual ones.
    #[serde(default)]
    pub reserved_words: Option<Vec<String>>,
    #[serde(flatten, skip_serializing)]
    rest: Secrets,
}

/// Settings that may hold a password: never printed.
#[derive(Clone, Deserialize)]
#[serde(transparent)]
struct Secrets(toml::Table);

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[private]")
    }
}

/// `[[routes]]`.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RouteLine {
    /// The medium.
    pub channel: Channel,
    /// What the address begins with; absent: everything.
    #[serde(default)]
    pub prefix: String,
    /// Names of providers, in order.
    pub providers: Vec<String>,
    /// Points of 100 for each of them; absent: the first takes all, the others stand by.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub weights: Vec<u32>,
}

impl RouteLine {
    fn route(&self) -> Route {
        let (channel, prefix) = (self.channel, self.prefix.clone());
        let mut route = Route::in_order(channel, prefix, self.providers.clone());
        for (share, weight) in route.providers.iter_mut().zip(&self.weights) {
            share.weight = *weight;
        }
        route
    }
}

impl Default for Site {
    fn default() -> Self {
        let word = str::to_owned;
        Self {
            name: word("Demo Hospital"),
            timezone: word("Asia/Shanghai"),
            language: word("zh-CN"),
            country: word("CN"),
            phone: None,
            currency: None,
        }
    }
}

impl Default for Http {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
        }
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 9090)),
        }
    }
}

impl Default for Database {
    fn default() -> Self {
        Self {
            url: "sqlite://carebell.db".to_owned(),
            migrate: None,
        }
    }
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            dir: "rules".into(),
        }
    }
}

impl Default for Templates {
    fn default() -> Self {
        Self {
            dir: "templates".into(),
        }
    }
}

/// What is wrong with the config. It never shows a value that may be a secret.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("{file}: cannot be read: {why}")]
    Unreadable {
        /// The file.
        file: String,
        /// The system's word.
        why: String,
    },
    /// Something in it is not as it should be.
    #[error("{place}: {what}")]
    Wrong {
        /// File and line, or the name of a variable.
        place: String,
        /// What was expected.
        what: String,
    },
}

const PREFIX: &str = "CAREBELL_";

impl Config {
    /// Reads `file` (absent: `carebell.toml` where it stands, or the defaults) and the environment.
    ///
    /// # Errors
    /// When something cannot be read or does not fit, with file, line and what was expected.
    pub fn load(
        file: Option<&Path>,
        environment: impl Iterator<Item = (String, String)>,
    ) -> Result<Self, ConfigError> {
        let path = file.map_or_else(|| PathBuf::from("carebell.toml"), Path::to_owned);
        let name = path.display().to_string();
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(missing) if file.is_none() && missing.kind() == std::io::ErrorKind::NotFound => {
                String::new()
            }
            Err(why) => {
                return Err(ConfigError::Unreadable {
                    file: name,
                    why: why.to_string(),
                });
            }
        };
        let base = path.parent().map_or_else(PathBuf::new, Path::to_owned);
        Self::parse(&name, &text, environment, base)
    }

    /// Reads `text`, which stands in `name`.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn parse(
        name: &str,
        text: &str,
        environment: impl Iterator<Item = (String, String)>,
        base: PathBuf,
    ) -> Result<Self, ConfigError> {
        let at = |error: &toml::de::Error| {
            let line = error.span().map(|span| {
                1 + text
                    .get(..span.start)
                    .unwrap_or_default()
                    .matches('\n')
                    .count()
            });
            line.map_or_else(|| name.to_owned(), |line| format!("{name}:{line}"))
        };
        let wrong = |error: toml::de::Error| ConfigError::Wrong {
            place: at(&error),
            what: error.message().to_owned(),
        };
        let mut config: Self = toml::from_str(text).map_err(wrong)?;
        let mut table: toml::Table = toml::from_str(text).map_err(wrong)?;
        for (key, value) in environment {
            if let Some(path) = key.strip_prefix(PREFIX).filter(|path| path.contains("__")) {
                (config, table) =
                    overlay(&table, path, &value).map_err(|what| ConfigError::Wrong {
                        place: key.clone(),
                        what,
                    })?;
            }
        }
        config.base = base;
        config.check(name)?;
        Ok(config)
    }

    /// What no single setting can tell: pairs that contradict each other, names that lead nowhere.
    fn check(&self, name: &str) -> Result<(), ConfigError> {
        let wrong = |what: String| {
            Err(ConfigError::Wrong {
                place: name.to_owned(),
                what,
            })
        };
        if TimeZone::get(&self.site.timezone).is_err() {
            return wrong(format!(
                "site.timezone: `{}` is no IANA zone such as Asia/Shanghai",
                self.site.timezone
            ));
        }
        if self.site.country.len() != 2
            || !self.site.country.bytes().all(|b| b.is_ascii_uppercase())
        {
            return wrong(
                "site.country: expected two capital letters such as CN (ISO 3166-1)".to_owned(),
            );
        }
        for route in &self.routes {
            for provider in &route.providers {
                match self.providers.get(provider) {
                    None => return wrong(format!("routes: there is no provider `{provider}`")),
                    Some(found) if found.channel != route.channel => {
                        return wrong(format!(
                            "routes: provider `{provider}` carries {}, not {}",
                            found.channel, route.channel
                        ));
                    }
                    Some(_) => {}
                }
            }
            if route.providers.is_empty() {
                return wrong("routes: a route without providers leads nowhere".to_owned());
            }
            let points: u32 = route
                .weights
                .iter()
                .fold(0, |sum, one| sum.saturating_add(*one));
            let is_one_each = route.weights.len() == route.providers.len() && points == FULL;
            if !route.weights.is_empty() && !is_one_each {
                return wrong(format!(
                    "routes: expected a weight for each of the {} providers, {FULL} together, such as [70, 30]",
                    route.providers.len()
                ));
            }
        }
        for provider in self.providers.keys() {
            self.smpp(provider)?;
        }
        if let Some(Err(what)) = self.amqp.as_ref().map(amqp::Settings::check) {
            return wrong(what);
        }
        if self.delivery.uncertain_wait.is_negative()
            || !self.delivery.response_timeout.is_positive()
        {
            return wrong("delivery: waits and timeouts must be positive".to_owned());
        }
        Ok(())
    }

    /// The SMPP settings of provider `name`, with the password read from its file.
    ///
    /// # Errors
    /// When it is of another kind or something does not fit.
    pub fn smpp(&self, name: &str) -> Result<smpp::Settings, ConfigError> {
        let place = format!("providers.{name}");
        let wrong = |what: String| ConfigError::Wrong {
            place: place.clone(),
            what,
        };
        let provider = self
            .providers
            .get(name)
            .ok_or_else(|| wrong("there is no such provider".to_owned()))?;
        if provider.kind != "smpp" || provider.channel != Channel::Sms {
            return Err(wrong(format!(
                "kind `{}` on channel {}: only kind \"smpp\" on channel \"sms\" is there so far",
                provider.kind, provider.channel
            )));
        }
        let mut settings: smpp::Settings = provider
            .rest
            .0
            .clone()
            .try_into()
            .map_err(|e: toml::de::Error| wrong(e.message().to_owned()))?;
        if let Some(file) = &mut settings.password_file {
            *file = self.base.join(&file);
        }
        Ok(settings)
    }

    /// The routes, or one of each channel's providers where none are given.
    pub fn routes(&self) -> Routes {
        if !self.routes.is_empty() {
            return Routes::new(self.routes.iter().map(RouteLine::route).collect());
        }
        let mut by_channel: BTreeMap<Channel, Vec<String>> = BTreeMap::new();
        for (name, provider) in &self.providers {
            by_channel
                .entry(provider.channel)
                .or_default()
                .push(name.clone());
        }
        let line = |(channel, providers)| Route::in_order(channel, String::new(), providers);
        Routes::new(by_channel.into_iter().map(line).collect())
    }

    /// What segments cost, by who would carry them.
    pub fn tariff(&self) -> Tariff {
        let priced = self.providers.iter();
        let prices = priced.filter_map(|(name, one)| Some((name.clone(), one.price?)));
        Tariff {
            routes: self.routes(),
            prices: prices.collect(),
        }
    }

    /// The words that any provider of SMS takes for a stop; the usual ones where none is said.
    pub fn reserved_words(&self) -> Vec<String> {
        let usual = || RESERVED_WORDS.map(str::to_owned).to_vec();
        let sms = self.providers.values();
        let mut words: Vec<String> = sms
            .filter(|provider| provider.channel == Channel::Sms)
            .flat_map(|provider| provider.reserved_words.clone().unwrap_or_else(usual))
            .collect();
        if self.providers.is_empty() {
            words = usual();
        }
        words.sort();
        words.dedup();
        words
    }

    /// The site's zone.
    pub fn zone(&self) -> TimeZone {
        TimeZone::get(&self.site.timezone).expect("checked when it was read")
    }

    /// A path as it stands in the config, from the config's own folder.
    pub fn path(&self, path: &Path) -> PathBuf {
        self.base.join(path)
    }

    /// Whether `serve` may migrate by itself.
    pub fn may_migrate(&self) -> bool {
        self.database
            .migrate
            .unwrap_or_else(|| self.database.url.starts_with("sqlite:"))
    }
}

/// The config with `value` where `SECTION__KEY` says: as text, and where text does not fit as the TOML value it reads as.
fn overlay(table: &toml::Table, path: &str, value: &str) -> Result<(Config, toml::Table), String> {
    let text = toml::Value::String(value.to_owned());
    let read = toml::from_str::<toml::Table>(&format!("v = {value}"))
        .ok()
        .and_then(|mut t| t.remove("v"));
    let mut problem = "expected CAREBELL_<SECTION>__<KEY>".to_owned();
    for candidate in std::iter::once(text).chain(read) {
        let mut changed = table.clone();
        if put(&mut changed, path, candidate).is_none() {
            continue;
        }
        match changed.clone().try_into() {
            Ok(config) => return Ok((config, changed)),
            Err(error) => problem = toml::de::Error::message(&error).to_owned(),
        }
    }
    Err(problem)
}

fn put(table: &mut toml::Table, path: &str, value: toml::Value) -> Option<()> {
    let lower = path.to_lowercase();
    let mut keys: Vec<&str> = lower.split("__").collect();
    let last = keys.pop().filter(|key| !key.is_empty())?;
    let mut here = table;
    for key in keys {
        here = here
            .entry(key)
            .or_insert_with(|| toml::Value::Table(toml::Table::new()))
            .as_table_mut()?;
    }
    here.insert(last.to_owned(), value);
    Some(())
}

#[cfg(test)]
mod tests;
