//! One POST at a time: resolve, look at the address, connect, speak, and read no more of the answer than is needed.

use std::collections::HashMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{HOST, RETRY_AFTER, USER_AGENT};
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, IpAddr, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use url::Host;

use super::guard::{Guard, Refused};
use super::target::Target;

/// How much of an answer's body is read, in bytes: enough to use the connection again, since nobody looks at it.
const MOST_OF_ANSWER: usize = 64 * 1024;
/// How much of an answer's head is read, in bytes.
const MOST_OF_HEAD: usize = 32 * 1024;
/// How long a connection is kept for the next request.
const IDLE: Duration = Duration::from_secs(20);
/// How many connections to one host are kept.
const KEPT: usize = 4;

/// How long things may take.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// To resolve the name and connect, TLS included.
    pub connect: Duration,
    /// For all of it.
    pub whole: Duration,
}

/// What came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Such as 204.
    pub status: u16,
    /// `Retry-After` as it came.
    pub retry_after: Option<String>,
}

/// Why nothing came back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// It must not be reached.
    #[error("the host may not be reached: {0}")]
    Refused(Refused),
    /// Its name leads nowhere.
    #[error("the host's name leads nowhere")]
    NoHost,
    /// Nobody took the connection.
    #[error("the host cannot be reached")]
    Unreachable,
    /// TLS could not be agreed on, or its certificate is not to be trusted.
    #[error("its certificate or its TLS is not to be trusted")]
    Tls,
    /// It took too long.
    #[error("it took too long")]
    TimedOut,
    /// What came back is no HTTP, or it broke off.
    #[error("the connection broke, or what came back is no HTTP")]
    Broken,
}

/// Why the client cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum OutwardError {
    /// The file of certificates cannot be read.
    #[error("`{path}` cannot be read as certificates in PEM: {why}")]
    CaFile {
        /// The file.
        path: String,
        /// What is wrong with it.
        why: String,
    },
    /// TLS does not work at all.
    #[error("TLS cannot be set up: {0}")]
    Tls(#[from] rustls::Error),
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

type Sender = SendRequest<Full<Bytes>>;
/// TLS or not, host, port.
type Place = (bool, String, u16);
/// Connections that may be used again, and since when they rest.
type Idle = HashMap<Place, Vec<(Sender, Instant)>>;

/// The client. Cheap to clone.
#[derive(Clone)]
pub struct Outward {
    guard: Arc<Guard>,
    limits: Limits,
    tls: TlsConnector,
    idle: Arc<Mutex<Idle>>,
}

impl fmt::Debug for Outward {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outward")
            .field("guard", &self.guard)
            .finish_non_exhaustive()
    }
}

impl Outward {
    /// A client that trusts the system's certificates, and those in `ca_file` as well.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn new(guard: Guard, limits: Limits, ca_file: Option<&Path>) -> Result<Self, OutwardError> {
        let mut roots = RootCertStore::empty();
        // Some of the system's may be odd, and there may be none: then nobody is trusted but those of the file.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if let Some(path) = ca_file {
            let wrong = |why: String| OutwardError::CaFile {
                path: path.display().to_string(),
                why,
            };
            let read = CertificateDer::pem_file_iter(path).map_err(|why| wrong(why.to_string()))?;
            let own: Vec<_> = read
                .collect::<Result<_, _>>()
                .map_err(|why| wrong(why.to_string()))?;
            if own.is_empty() {
                return Err(wrong("there is none".to_owned()));
            }
            for certificate in own {
                roots
                    .add(certificate)
                    .map_err(|why| wrong(why.to_string()))?;
            }
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self {
            guard: Arc::new(guard),
            limits,
            tls: TlsConnector::from(Arc::new(config)),
            idle: Arc::default(),
        })
    }

    /// Posts `body` with these headers, and follows no redirect.
    ///
    /// # Errors
    /// When no answer came.
    pub async fn post(
        &self,
        target: &Target,
        headers: &[(&'static str, String)],
        body: Bytes,
    ) -> Result<Answer, Failure> {
        let all = self.post_unbounded(target, headers, body);
        tokio::time::timeout(self.limits.whole, all)
            .await
            .unwrap_or(Err(Failure::TimedOut))
    }

    async fn post_unbounded(
        &self,
        target: &Target,
        headers: &[(&'static str, String)],
        body: Bytes,
    ) -> Result<Answer, Failure> {
        // One that was kept may have been closed at this moment: then a fresh one is tried.
        while let Some(mut sender) = self.kept(target) {
            if sender.ready().await.is_err() {
                continue;
            }
            match sender
                .send_request(request(target, headers, body.clone())?)
                .await
            {
                Ok(response) => return Ok(self.finish(target, sender, response).await),
                Err(_) => break,
            }
        }
        let mut sender = self.connect(target).await?;
        let response = sender
            .send_request(request(target, headers, body)?)
            .await
            .map_err(|_| Failure::Broken)?;
        Ok(self.finish(target, sender, response).await)
    }

    /// Keeps the connection if the rest of the answer is short and whole; the status counts either way.
    async fn finish(
        &self,
        target: &Target,
        sender: Sender,
        response: Response<Incoming>,
    ) -> Answer {
        let retry_after = response.headers().get(RETRY_AFTER);
        let answer = Answer {
            status: response.status().as_u16(),
            retry_after: retry_after
                .and_then(|value| value.to_str().ok())
                .map(str::to_owned),
        };
        let mut rest = Limited::new(response.into_body(), MOST_OF_ANSWER);
        let drain = async {
            while let Some(frame) = rest.frame().await {
                if frame.is_err() {
                    return false;
                }
            }
            true
        };
        // Whoever has answered and then dawdles is not waited for.
        if tokio::time::timeout(Duration::from_secs(1), drain).await == Ok(true) {
            self.keep(target, sender);
        }
        answer
    }

    async fn connect(&self, target: &Target) -> Result<Sender, Failure> {
        let connecting = async {
            let address = self.resolve(target).await?;
            let tcp = tcp(&address).await?;
            // The last look is at where it really leads.
            let peer = tcp.peer_addr().map_err(|_| Failure::Unreachable)?;
            self.guard
                .admit(target, peer.ip())
                .map_err(Failure::Refused)?;
            let _ = tcp.set_nodelay(true);
            if !target.is_https {
                return Ok(Box::new(tcp) as Box<dyn Stream>);
            }
            let name = server_name(target).ok_or(Failure::Tls)?;
            let tls = self
                .tls
                .connect(name, tcp)
                .await
                .map_err(|_| Failure::Tls)?;
            Ok(Box::new(tls) as Box<dyn Stream>)
        };
        let stream = tokio::time::timeout(self.limits.connect, connecting)
            .await
            .map_err(|_| Failure::TimedOut)??;
        let (sender, connection) = http1::Builder::new()
            .max_buf_size(MOST_OF_HEAD)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(|_| Failure::Broken)?;
        // It ends by itself when the sender is dropped or the other side closes.
        tokio::spawn(async move { drop(connection.await) });
        Ok(sender)
    }

    /// The addresses that the host leads to and that may be reached.
    async fn resolve(&self, target: &Target) -> Result<Vec<SocketAddr>, Failure> {
        let found: Vec<SocketAddr> = match &target.host {
            Host::Ipv4(address) => vec![((*address), target.port).into()],
            Host::Ipv6(address) => vec![((*address), target.port).into()],
            Host::Domain(name) => tokio::net::lookup_host((name.as_str(), target.port))
                .await
                .map_err(|_| Failure::NoHost)?
                .collect(),
        };
        pick(&self.guard, target, &found)
    }

    fn kept(&self, target: &Target) -> Option<Sender> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let all = idle.get_mut(&place(target))?;
        all.retain(|(sender, since)| !sender.is_closed() && since.elapsed() < IDLE);
        all.pop().map(|(sender, _)| sender)
    }

    fn keep(&self, target: &Target, sender: Sender) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        for all in idle.values_mut() {
            all.retain(|(sender, since)| !sender.is_closed() && since.elapsed() < IDLE);
        }
        idle.retain(|_, all| !all.is_empty());
        let all = idle.entry(place(target)).or_default();
        if all.len() < KEPT {
            all.push((sender, Instant::now()));
        }
    }
}

/// Of the addresses that were `found`, those that may be reached.
fn pick(guard: &Guard, target: &Target, found: &[SocketAddr]) -> Result<Vec<SocketAddr>, Failure> {
    let mut refused = None;
    let mut may = Vec::new();
    for address in found {
        match guard.admit(target, address.ip()) {
            Ok(()) => may.push(*address),
            Err(why) => refused = Some(why),
        }
    }
    match (may.is_empty(), refused) {
        (false, _) => Ok(may),
        (true, Some(why)) => Err(Failure::Refused(why)),
        (true, None) => Err(Failure::NoHost),
    }
}

async fn tcp(addresses: &[SocketAddr]) -> Result<TcpStream, Failure> {
    for address in addresses {
        if let Ok(stream) = TcpStream::connect(address).await {
            return Ok(stream);
        }
    }
    Err(Failure::Unreachable)
}

fn place(target: &Target) -> Place {
    (target.is_https, target.host.to_string(), target.port)
}

fn server_name(target: &Target) -> Option<ServerName<'static>> {
    match &target.host {
        Host::Domain(name) => ServerName::try_from(name.trim_end_matches('.').to_owned()).ok(),
        Host::Ipv4(address) => Some(ServerName::IpAddress(IpAddr::from(std::net::IpAddr::V4(
            *address,
        )))),
        Host::Ipv6(address) => Some(ServerName::IpAddress(IpAddr::from(std::net::IpAddr::V6(
            *address,
        )))),
    }
}

fn request(
    target: &Target,
    headers: &[(&'static str, String)],
    body: Bytes,
) -> Result<Request<Full<Bytes>>, Failure> {
    let mut request = Request::builder()
        .method(Method::POST)
        .uri(&target.path)
        .header(HOST, target.authority())
        .header(USER_AGENT, concat!("Carebell/", env!("CARGO_PKG_VERSION")));
    for (name, value) in headers {
        request = request.header(*name, value);
    }
    request.body(Full::new(body)).map_err(|_| Failure::Broken)
}

#[cfg(test)]
mod tests;
