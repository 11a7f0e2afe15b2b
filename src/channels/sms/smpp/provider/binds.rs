//! Keeps the binds of one account up.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout};

use super::Account;
use crate::channels::sms::smpp::client::{BindError, bind};
use crate::channels::sms::smpp::pdu::{Bind, BindKind, VERSION};
use crate::channels::sms::smpp::session::outcome::End;
use crate::channels::sms::smpp::session::{Halves, Request, Session};

/// How long dialling, TLS and the bind may take, each.
const STEP_WITHIN: Duration = Duration::from_secs(10);
/// The pauses between attempts double from the first to the second.
const BACK_OFF: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(30));
/// The same when the carrier does not know us: more haste would only lock the account.
const BACK_OFF_REFUSED: (Duration, Duration) = (Duration::from_secs(60), Duration::from_secs(600));
/// A bind that lived this long or carried so many PDUs was a good one: the next pause is short again.
const GOOD_AFTER: (Duration, u64) = (Duration::from_secs(10), 1000);

/// Why there is no bind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DialError {
    /// No connection.
    #[error("the carrier cannot be reached: {0}")]
    Unreachable(std::io::ErrorKind),
    /// No trust.
    #[error("the carrier's TLS was not accepted: {0}")]
    Tls(std::io::ErrorKind),
    /// No leave.
    #[error("{0}")]
    Bind(#[from] BindError),
}

/// The pauses of one bind.
struct BackOff {
    next: Option<Duration>,
    refused: bool,
}

impl BackOff {
    const fn new() -> Self {
        Self {
            next: None,
            refused: false,
        }
    }

    /// The pause before the next attempt, ±20 %.
    fn pause(&mut self, refused: bool) -> Duration {
        let (first, longest) = if refused { BACK_OFF_REFUSED } else { BACK_OFF };
        let pause = self
            .next
            .filter(|_| self.refused == refused)
            .unwrap_or(first)
            .min(longest);
        self.refused = refused;
        self.next = Some((pause * 2).min(longest));
        let random = u32::try_from(RandomState::new().build_hasher().finish() % 401).unwrap_or(200);
        pause * (800 + random) / 1000
    }
}

/// Keeps one bind of `kind` up until the account closes.
pub(super) async fn keep(account: Arc<Account>, kind: BindKind, inbound: mpsc::Sender<Request>) {
    let mut closing = account.closing.subscribe();
    let mut back_off = BackOff::new();
    let mut told: Option<DialError> = None;
    loop {
        let dialled = tokio::select! {
            biased;
            _ = closing.wait_for(Option::is_some) => return,
            dialled = dial(&account, kind, &inbound) => dialled,
        };
        let pause = match dialled {
            Ok(session) => {
                told = None;
                tracing::info!(provider.name = %account.name, bind = ?kind, "SMPP bind of {} is up", account.name);
                let since = Instant::now();
                let Some(end) = serve(&account, kind, &session).await else {
                    return;
                };
                tracing::warn!(provider.name = %account.name, bind = ?kind, end = ?end, "SMPP bind of {} is down", account.name);
                if since.elapsed() >= GOOD_AFTER.0 || session.heard() >= GOOD_AFTER.1 {
                    back_off = BackOff::new();
                }
                back_off.pause(false)
            }
            Err(error) => {
                // Once for each reason, not once for each attempt.
                if told != Some(error) {
                    tracing::warn!(provider.name = %account.name, bind = ?kind, "SMPP bind of {} fails: {error}", account.name);
                    told = Some(error);
                }
                let refused = matches!(error, DialError::Bind(BindError::Refused(status)) if status.is_credentials());
                back_off.pause(refused)
            }
        };
        tokio::select! {
            _ = closing.wait_for(Option::is_some) => return,
            () = sleep(pause) => {}
        }
    }
}

/// Offers the bind to senders while it lives. `None` when the account closed.
async fn serve(account: &Account, kind: BindKind, session: &Session) -> Option<End> {
    let mut closing = account.closing.subscribe();
    if kind.transmits() {
        account.up.send_modify(|up| up.push(session.clone()));
    }
    let (end, within) = tokio::select! {
        biased;
        end = session.closed() => (Some(end), None),
        within = closing.wait_for(Option::is_some) => (None, within.ok().and_then(|within| *within)),
    };
    if kind.transmits() {
        account.up.send_modify(|up| up.retain(Session::is_open));
    }
    if end.is_none() {
        if !kind.transmits() {
            // Receipts for what the transmitters still have under way come here.
            account.transmitters_gone().await;
        }
        session.close(within.unwrap_or_default()).await;
        account.up.send_modify(|up| up.retain(Session::is_open));
    }
    end
}

pub(super) async fn dial(
    account: &Account,
    kind: BindKind,
    inbound: &mpsc::Sender<Request>,
) -> Result<Session, DialError> {
    let settings = &account.settings;
    let late = std::io::ErrorKind::TimedOut;
    let stream = timeout(
        STEP_WITHIN,
        TcpStream::connect((settings.host.as_str(), settings.port)),
    )
    .await
    .map_err(|_| DialError::Unreachable(late))?
    .map_err(|error| DialError::Unreachable(error.kind()))?;
    let options = account.options.clone();
    let session = match &account.tls {
        None => Session::start(Halves::tcp(stream), options, inbound.clone()),
        Some((connector, domain)) => {
            // TCP_NODELAY here too; what cannot be set costs time only.
            let _ = stream.set_nodelay(true);
            let secured = timeout(STEP_WITHIN, connector.connect(domain.clone(), stream))
                .await
                .map_err(|_| DialError::Tls(late))?
                .map_err(|error| DialError::Tls(error.kind()))?;
            Session::start(Halves::of(secured), options, inbound.clone())
        }
    };
    let ours = Bind {
        system_id: settings.system_id.as_str().into(),
        password: account.password.reveal().as_str().into(),
        system_type: settings.system_type.as_str().into(),
        interface_version: VERSION,
        ..Bind::default()
    };
    bind(&session, kind, ours, STEP_WITHIN).await?;
    Ok(session)
}

#[cfg(test)]
mod tests {
    use super::{BACK_OFF, BACK_OFF_REFUSED, BackOff};

    #[test]
    fn pauses_double_and_are_long_where_we_are_not_known() {
        let mut back_off = BackOff::new();
        let pauses: Vec<_> = (0..12).map(|_| back_off.pause(false)).collect();
        assert!(pauses[0] >= BACK_OFF.0 * 8 / 10 && pauses[0] <= BACK_OFF.0 * 12 / 10);
        assert!(pauses[1] > BACK_OFF.0 * 15 / 10);
        assert!(pauses[11] >= BACK_OFF.1 * 8 / 10 && pauses[11] <= BACK_OFF.1 * 12 / 10);
        let refused = back_off.pause(true);
        assert!(refused >= BACK_OFF_REFUSED.0 * 8 / 10 && refused <= BACK_OFF_REFUSED.0 * 12 / 10);
    }
}
