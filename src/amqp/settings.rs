//! `[amqp]`: where the broker is and what we do there.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use lapin::uri::AMQPUri;
use serde::{Deserialize, Serialize};

use super::AmqpError;
use super::link::Link;
use crate::model::private::Private;

/// Both sides say that they are alive this often.
const HEARTBEAT_S: u16 = 10;
/// How long a connection may take.
const CONNECT_WITHIN_MS: u64 = 10_000;

/// `[amqp]`.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// `amqp://USER@HOST:PORT/VHOST`, or `amqps://…`; may hold a password.
    #[serde(skip_serializing)]
    pub url: Private<String>,
    /// A file whose first line is the password.
    #[serde(default)]
    pub password_file: Option<PathBuf>,
    /// Certificates to trust for `amqps`, PEM; absent: the system's.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// Whether commands are taken in.
    #[serde(default = "yes")]
    pub commands: bool,
    /// Whether events are told.
    #[serde(default = "yes")]
    pub events: bool,
    /// Whether `serve` makes exchanges and queues that are missing.
    #[serde(default)]
    pub declare: bool,
    /// How many commands of each queue may be on their way to the database.
    #[serde(default = "prefetch")]
    pub prefetch: u16,
    /// The `source` of our CloudEvents.
    #[serde(default = "source")]
    pub source: String,
    /// Users of the broker that are holders of an API key: their idempotency keys are the same on both ways in.
    #[serde(default)]
    pub clients: BTreeMap<String, String>,
}

const fn yes() -> bool {
    true
}

const fn prefetch() -> u16 {
    2000
}

fn source() -> String {
    "/carebell".to_owned()
}

impl Settings {
    /// Says what is wrong with single values. Reads no files.
    ///
    /// # Errors
    /// What was expected, without any value.
    pub fn check(&self) -> Result<(), String> {
        self.uri()?;
        if self.prefetch == 0 {
            return Err("amqp.prefetch: expected a number from 1 to 65535".to_owned());
        }
        if self.source.is_empty()
            || self
                .source
                .chars()
                .any(|c| c.is_whitespace() || c.is_control())
        {
            return Err("amqp.source: expected a URI without blanks, such as /carebell".to_owned());
        }
        Ok(())
    }

    fn uri(&self) -> Result<AMQPUri, String> {
        // The parser's own words may quote a password.
        self.url.reveal().parse().map_err(|_| {
            "amqp.url: expected amqp://USER@HOST:PORT/VHOST or amqps://…, with a / in VHOST written %2f"
                .to_owned()
        })
    }

    /// The way to the broker. Paths start at `base`.
    ///
    /// # Errors
    /// When the URL cannot be read, or a file.
    pub fn link(&self, base: &Path) -> Result<Link, AmqpError> {
        let mut uri = self.uri().map_err(AmqpError::Settings)?;
        if let Some(file) = &self.password_file {
            let text = read(base, file, "amqp.password_file")?;
            text.lines()
                .next()
                .unwrap_or_default()
                .clone_into(&mut uri.authority.userinfo.password);
        }
        let file = self.ca_file.as_ref();
        let authorities = file
            .map(|file| read(base, file, "amqp.ca_file"))
            .transpose()?;
        uri.query.heartbeat.get_or_insert(HEARTBEAT_S);
        uri.query
            .connection_timeout
            .get_or_insert(CONNECT_WITHIN_MS);
        Ok(Link::new(uri, authorities))
    }
}

fn read(base: &Path, file: &Path, setting: &str) -> Result<String, AmqpError> {
    let path = base.join(file);
    std::fs::read_to_string(&path).map_err(|why| {
        AmqpError::Settings(format!(
            "{setting}: {} cannot be read: {why}",
            path.display()
        ))
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::Settings;

    fn read(text: &str) -> Settings {
        toml::from_str(text).expect("settings")
    }

    #[test]
    fn a_password_is_never_shown() {
        let settings = read("url = \"amqp://carebell:hunter2@127.0.0.1:5672/%2f\"");
        let link = settings.link(Path::new("")).expect("a link");
        assert!(!format!("{settings:?} {link:?}").contains("hunter2"));
        let wrong = read("url = \"http://carebell:hunter2@127.0.0.1\"");
        let error = wrong.check().expect_err("no AMQP");
        assert!(
            error.starts_with("amqp.url: expected") && !error.contains("hunter2"),
            "{error}"
        );
    }

    #[test]
    fn a_password_comes_from_its_file() {
        let settings =
            read("url = \"amqp://carebell@127.0.0.1\"\npassword_file = \"/nowhere/secret\"");
        let error = settings
            .link(Path::new(""))
            .expect_err("no such file")
            .to_string();
        assert!(
            error.contains("amqp.password_file: /nowhere/secret"),
            "{error}"
        );
    }
}
