//! What systemd is told of the daemon: datagrams of `NAME=value` lines to the socket it names (sd_notify(3)).

use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use tracing::warn;

/// Whom to tell. Without a socket nobody hears it, and nothing fails.
#[derive(Debug, Default)]
pub struct Notify {
    to: Option<(UnixDatagram, SocketAddr)>,
    watchdog: Option<Duration>,
}

impl Notify {
    /// As `NOTIFY_SOCKET` and `WATCHDOG_USEC` say.
    pub fn from_environment() -> Self {
        let watchdog = std::env::var("WATCHDOG_USEC").ok();
        let is_anothers =
            std::env::var("WATCHDOG_PID").is_ok_and(|pid| pid != std::process::id().to_string());
        let watchdog = watchdog
            .filter(|_| !is_anothers)
            .and_then(|it| it.parse().ok());
        let to = std::env::var_os("NOTIFY_SOCKET").and_then(|path| {
            let bytes = path.as_bytes();
            let address = match bytes.strip_prefix(b"@") {
                Some(name) => SocketAddr::from_abstract_name(name),
                None => SocketAddr::from_pathname(&path),
            };
            let open = |address| {
                let socket = UnixDatagram::unbound()?;
                // A manager that does not listen must not hold us up.
                socket.set_nonblocking(true)?;
                Ok((socket, address))
            };
            match address.and_then(open) {
                Ok(to) => Some(to),
                Err(problem) => {
                    warn!("NOTIFY_SOCKET leads nowhere: {problem}");
                    None
                }
            }
        });
        Self {
            to,
            watchdog: watchdog.map(Duration::from_micros),
        }
    }

    /// It listens and works.
    pub fn ready(&self) {
        self.tell("READY=1\nSTATUS=Carebell is up");
    }

    /// It reads its documents anew; `ready` ends it.
    pub fn reloading(&self) {
        let now = clock_gettime(ClockId::Monotonic);
        let micros = now
            .tv_sec
            .saturating_mul(1_000_000)
            .saturating_add(now.tv_nsec / 1_000);
        self.tell(&format!(
            "RELOADING=1\nMONOTONIC_USEC={micros}\nSTATUS=Reading config, rules and templates anew"
        ));
    }

    /// It is about to end, and may take so long.
    pub fn stopping(&self, within: Duration) {
        let micros = within.as_micros();
        self.tell(&format!(
            "STOPPING=1\nEXTEND_TIMEOUT_USEC={micros}\nSTATUS=Waiting for answers on their way"
        ));
    }

    /// It is alive.
    pub fn alive(&self) {
        self.tell("WATCHDOG=1");
    }

    /// How often it has to say that it is alive: twice in the time that systemd waits.
    pub fn alive_every(&self) -> Option<Duration> {
        self.watchdog.map(|within| within / 2)
    }

    fn tell(&self, state: &str) {
        if let Some((socket, address)) = &self.to
            && let Err(problem) = socket.send_to_addr(state.as_bytes(), address)
        {
            warn!("The service manager cannot be told: {problem}");
        }
    }
}
