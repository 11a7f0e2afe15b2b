//! What is reached over the network: our own ports, carriers, the broker.

use std::net::SocketAddr;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use super::{Finding, certificate};
use crate::channels::sms::smpp::provider as smpp;
use crate::clock::Clock;
use crate::config::Config;

/// How long a peer may take.
const WITHIN: Duration = Duration::from_secs(5);
/// A certificate that ends sooner wants renewing.
const SOON: SignedDuration = SignedDuration::from_hours(30 * 24);

/// What a running daemon says of itself; `None`: none runs by this config.
pub(super) async fn running(config: &Config) -> Option<Value> {
    let body = timeout(WITHIN, ask(config.metrics.listen, "/readyz")).await;
    let body: Value = serde_json::from_str(&body.ok()??).ok()?;
    body.get("database").is_some().then_some(body)
}

async fn ask(address: SocketAddr, path: &str) -> Option<String> {
    let mut stream = TcpStream::connect(address).await.ok()?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.ok()?;
    let mut answer = String::new();
    stream
        .take(1 << 20)
        .read_to_string(&mut answer)
        .await
        .ok()?;
    answer
        .split_once("\r\n\r\n")
        .map(|(_, body)| body.to_owned())
}

pub(super) async fn look(config: &Config, running: Option<&Value>) -> Vec<Finding> {
    let mut found = Vec::new();
    match running {
        Some(daemon) => found.push(daemon_says(daemon)),
        None => {
            found.push(port("http.listen", config.http.listen).await);
            found.push(port("metrics.listen", config.metrics.listen).await);
        }
    }
    if !config.http.listen.ip().is_loopback() {
        found.push(Finding::warn(
            "http",
            format!("the API listens on {} without TLS", config.http.listen),
            "put a proxy that speaks TLS before it, on an address that only your own systems reach",
        ));
    }
    for name in config.providers.keys() {
        found.extend(provider(config, name, running).await);
    }
    if config.providers.is_empty() {
        found.push(Finding::warn(
            "providers",
            "no provider is configured: nothing can leave",
            "add a [providers.<name>] block",
        ));
    }
    if let Some(amqp) = &config.amqp {
        found.push(broker(amqp.url.reveal()).await);
    }
    found
}

fn daemon_says(daemon: &Value) -> Finding {
    let status = daemon.get("status").and_then(Value::as_str).unwrap_or("?");
    let reasons: Vec<&str> = daemon
        .get("reasons")
        .and_then(Value::as_array)
        .map(|all| all.iter().filter_map(Value::as_str).collect())
        .unwrap_or_default();
    match status {
        "ready" => Finding::ok("daemon", "it runs and is ready"),
        "degraded" => Finding::warn(
            "daemon",
            format!("it runs, degraded: {}", reasons.join("; ")),
            "see below, and its log",
        ),
        other => Finding::fail(
            "daemon",
            format!("it runs and is {other}: {}", reasons.join("; ")),
            "see its log",
        ),
    }
}

async fn port(key: &'static str, address: SocketAddr) -> Finding {
    match TcpListener::bind(address).await {
        Ok(_) => Finding::ok("ports", format!("{key} {address} is free")),
        Err(why) if why.kind() == std::io::ErrorKind::AddrInUse => Finding::fail(
            "ports",
            format!("{key} {address} is taken, and not by a daemon of this config"),
            format!("stop what listens there, or set another {key}"),
        ),
        Err(why) => Finding::fail(
            "ports",
            format!("{key} {address} cannot be listened on: {why}"),
            format!("set an address of this machine, and a port that we may use, as {key}"),
        ),
    }
}

async fn provider(config: &Config, name: &str, running: Option<&Value>) -> Vec<Finding> {
    let settings = match config.smpp(name) {
        Ok(settings) => settings,
        Err(problem) => {
            return vec![Finding::fail(
                "providers",
                problem.to_string(),
                "correct its block",
            )];
        }
    };
    let mut found = Vec::new();
    if let Some(tls) = &settings.tls {
        if let Some(file) = &tls.ca_file {
            found.extend(certificates(&config.path(file), name));
        }
    } else if settings
        .host
        .parse()
        .is_ok_and(|ip: std::net::IpAddr| !ip.is_loopback())
    {
        found.push(Finding::warn(
            "providers",
            format!("{name}: the password and every text go over the net in the clear"),
            "use TLS where the carrier has it, else a private line",
        ));
    }
    // The daemon holds the bind: another might push it out.
    let told = running.and_then(|daemon| daemon.get("providers")?.get(name)?.as_str());
    found.push(match told {
        Some("up") => Finding::ok("providers", format!("{name}: the daemon is bound")),
        Some(_) => Finding::fail(
            "providers",
            format!("{name}: the daemon has no bind"),
            "its log says why; nothing is lost, messages wait",
        ),
        None => match smpp::try_bind(settings, name).await {
            Ok(()) => Finding::ok("providers", format!("{name}: the carrier lets us in")),
            Err(problem) => Finding::fail(
                "providers",
                format!("{name}: {problem}"),
                "compare host, port, system_id, password, system_type and bind with the carrier's letter, and ask whether this address may come in",
            ),
        },
    });
    found
}

fn certificates(file: &std::path::Path, name: &str) -> Option<Finding> {
    let now = Clock::System.now();
    let ends: Vec<Timestamp> = CertificateDer::pem_file_iter(file)
        .ok()?
        .filter_map(|one| certificate::ends_at(&one.ok()?))
        .collect();
    let first = ends.into_iter().min()?;
    let day = first.strftime("%Y-%m-%d");
    let path = file.display();
    Some(if first <= now {
        Finding::fail(
            "certificates",
            format!("{name}: {path} ended on {day}"),
            "get the carrier's new one",
        )
    } else if first.duration_since(now) < SOON {
        Finding::warn(
            "certificates",
            format!("{name}: {path} ends on {day}"),
            "get the carrier's new one in time",
        )
    } else {
        Finding::ok(
            "certificates",
            format!("{name}: {path} is good until {day}"),
        )
    })
}

async fn broker(url: &str) -> Finding {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let place = rest.split('/').next().unwrap_or_default();
    let place = place.rsplit('@').next().unwrap_or_default();
    let default_port = if url.starts_with("amqps") { 5671 } else { 5672 };
    let (host, port) = match place.rsplit_once(':') {
        Some((host, port)) => (host, port.parse().unwrap_or(default_port)),
        None => (place, default_port),
    };
    match timeout(WITHIN, TcpStream::connect((host, port))).await {
        Ok(Ok(_)) => Finding::ok("amqp", format!("{host}:{port} answers")),
        Ok(Err(_)) | Err(_) => Finding::fail(
            "amqp",
            format!("{host}:{port} cannot be reached"),
            "start the broker or correct [amqp] url; HTTP goes on meanwhile",
        ),
    }
}
