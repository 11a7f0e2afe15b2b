//! The way to the broker: connections that say who they are, and waiting that grows until it is there again.

use std::fmt;
use std::time::Duration;

use lapin::tcp::OwnedTLSConfig;
use lapin::uri::AMQPUri;
use lapin::{Connection, ConnectionProperties};

use super::AmqpError;
use crate::stage::Stop;

/// How long one answer of the broker may take.
pub(super) const ANSWER_WITHIN: Duration = Duration::from_secs(20);

/// Where the broker is and how to speak to it. Never prints a password.
#[derive(Clone)]
pub struct Link {
    uri: AMQPUri,
    authorities: Option<String>,
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").finish_non_exhaustive()
    }
}

impl Link {
    pub(super) const fn new(uri: AMQPUri, authorities: Option<String>) -> Self {
        Self { uri, authorities }
    }

    /// Who we are to the broker.
    pub fn user(&self) -> &str {
        &self.uri.authority.userinfo.username
    }

    /// Opens a connection that the broker's operators see as `carebell <what>`.
    ///
    /// # Errors
    /// When the broker cannot be reached or does not let us in.
    pub async fn connect(&self, what: &str) -> Result<Connection, AmqpError> {
        let options =
            ConnectionProperties::default().with_connection_name(format!("carebell {what}").into());
        let tls = OwnedTLSConfig {
            cert_chain: self.authorities.clone(),
            ..OwnedTLSConfig::default()
        };
        let runtime = lapin::runtime::default_runtime()?;
        let connecting =
            Connection::connect_uri_with_config(self.uri.clone(), options, tls, runtime);
        let connected = tokio::time::timeout(ANSWER_WITHIN, connecting).await;
        let silent = || AmqpError::Unreachable("no answer in time".to_owned());
        connected
            .map_err(|_| silent())?
            .map_err(|problem| AmqpError::Unreachable(problem.to_string()))
    }
}

/// Takes leave of the broker; one that does not answer is left without.
pub(super) async fn leave(connection: &Connection) {
    let leaving = connection.close(200, "bye".into());
    let _ = tokio::time::timeout(Duration::from_secs(2), leaving).await;
}

/// Waits between tries: half a second at first, ten seconds at most.
#[derive(Debug)]
pub(super) struct Backoff(Duration);

impl Backoff {
    const FIRST: Duration = Duration::from_millis(500);
    const LONGEST: Duration = Duration::from_secs(10);

    pub(super) const fn new() -> Self {
        Self(Self::FIRST)
    }

    /// Begins anew, after it went well for a while.
    pub(super) const fn reset(&mut self) {
        self.0 = Self::FIRST;
    }

    /// Waits, unless told to stop.
    pub(super) async fn wait(&mut self, stop: &Stop) {
        let pause = self.0;
        self.0 = (self.0 * 2).min(Self::LONGEST);
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = stop.said() => {}
        }
    }
}
