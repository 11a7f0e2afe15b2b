//! The client against sockets of loopback that answer as they please.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

use super::{Failure, Limits, Outward, Stream, pick};
use crate::outward::{Guard, Refused, Target};

fn client(allow: &[&str]) -> Outward {
    let guard = Guard {
        allowed: allow.iter().map(|one| one.parse().unwrap()).collect(),
        ports: vec![443],
    };
    let limits = Limits {
        connect: Duration::from_secs(5),
        whole: Duration::from_secs(10),
    };
    Outward::new(guard, limits, None).unwrap()
}

/// Answers each connection with `answer`, as often as it asks, and counts connections.
async fn server(answer: &'static [u8]) -> (SocketAddr, tokio::sync::watch::Receiver<u32>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (count, counted) = tokio::sync::watch::channel(0);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            count.send_modify(|n| *n += 1);
            tokio::spawn(answer_all(stream, answer));
        }
    });
    (address, counted)
}

async fn answer_all(mut stream: impl Stream, answer: &'static [u8]) {
    let mut seen = Vec::new();
    let mut buffer = [0; 4096];
    while let Ok(read @ 1..) = stream.read(&mut buffer).await {
        seen.extend_from_slice(&buffer[..read]);
        if seen.ends_with(b"{}") {
            seen.clear();
            if stream.write_all(answer).await.is_err() {
                return;
            }
        }
    }
}

async fn post(client: &Outward, address: SocketAddr) -> Result<u16, Failure> {
    let target = Target::parse(&format!("http://{address}/in")).unwrap();
    client
        .post(&target, &[], "{}".into())
        .await
        .map(|answer| answer.status)
}

#[tokio::test]
async fn one_connection_serves_many_requests() {
    let (address, count) = server(b"HTTP/1.1 204 No Content\r\n\r\n").await;
    let client = client(&["127.0.0.1"]);
    for _ in 0..5 {
        assert_eq!(post(&client, address).await, Ok(204));
    }
    assert_eq!(*count.borrow(), 1);
}

#[tokio::test]
async fn an_inner_host_that_nobody_allowed_never_sees_a_connection() {
    let (address, count) = server(b"HTTP/1.1 204 No Content\r\n\r\n").await;
    let refused = Err(Failure::Refused(Refused::InnerHost));
    assert_eq!(post(&client(&[]), address).await, refused);
    assert_eq!(
        post(&client(&["127.0.0.2", "10.0.0.0/8"]), address).await,
        refused
    );
    // By name as well: what counts is where it leads.
    let named = Target::parse(&format!("http://localhost:{}/", address.port())).unwrap();
    assert_eq!(
        client(&["10.0.0.0/8"]).post(&named, &[], "{}".into()).await,
        Err(Failure::Refused(Refused::InnerHost))
    );
    assert_eq!(*count.borrow(), 0);
}

#[test]
fn of_the_addresses_of_a_name_only_those_that_may_be_reached_are() {
    let guard = Guard {
        allowed: Vec::new(),
        ports: vec![443],
    };
    let target = Target::parse("https://his.example.org/").unwrap();
    let all: Vec<SocketAddr> = ["10.0.0.1:443", "1.1.1.1:443", "[::1]:443"]
        .iter()
        .map(|one| one.parse().unwrap())
        .collect();
    assert_eq!(pick(&guard, &target, &all), Ok(vec![all[1]]));
    assert_eq!(
        pick(&guard, &target, &all[..1]),
        Err(Failure::Refused(Refused::InnerHost))
    );
    assert_eq!(pick(&guard, &target, &[]), Err(Failure::NoHost));
}

#[tokio::test]
async fn a_redirect_is_an_answer_like_any_other() {
    let (address, count) =
        server(b"HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n").await;
    assert_eq!(post(&client(&["127.0.0.1"]), address).await, Ok(302));
    assert_eq!(*count.borrow(), 1);
}

#[tokio::test]
async fn an_answer_without_end_is_not_read_to_its_end() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await;
        // Until the other side hangs up.
        while stream.write_all(&[b'x'; 65_536]).await.is_ok() {}
    });
    assert_eq!(post(&client(&["127.0.0.1"]), address).await, Ok(200));
}

#[tokio::test]
async fn what_is_no_http_or_too_long_a_head_is_broken() {
    for answer in [
        &b"SSH-2.0-OpenSSH_9.2\r\n"[..],
        b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
    ] {
        let (address, _) = server(Box::leak(answer.to_vec().into_boxed_slice())).await;
        assert_eq!(
            post(&client(&["127.0.0.1"]), address).await,
            Err(Failure::Broken)
        );
    }
    let head: &'static [u8] = Box::leak(
        format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "y".repeat(100_000))
            .into_bytes()
            .into_boxed_slice(),
    );
    let (address, _) = server(head).await;
    assert_eq!(
        post(&client(&["127.0.0.1"]), address).await,
        Err(Failure::Broken)
    );
}

#[tokio::test]
async fn who_is_not_there_or_never_answers_is_told_apart() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let limits = Limits {
        connect: Duration::from_secs(5),
        whole: Duration::from_millis(200),
    };
    let guard = Guard {
        allowed: vec!["127.0.0.1".parse().unwrap()],
        ports: Vec::new(),
    };
    let client = Outward::new(guard, limits, None).unwrap();
    assert_eq!(post(&client, address).await, Err(Failure::TimedOut));
    drop(listener);
    assert_eq!(post(&client, address).await, Err(Failure::Unreachable));
}

#[tokio::test]
async fn tls_is_spoken_to_whom_a_certificate_vouches_for_and_to_nobody_else() {
    let file = |name: &str| {
        std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/tls")
            .join(name)
    };
    let chain: Vec<_> = CertificateDer::pem_file_iter(file("cert.pem"))
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap();
    let key = rustls::pki_types::PrivateKeyDer::from_pem_file(file("key.pem")).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap();
    let config = config
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                if let Ok(stream) = acceptor.accept(stream).await {
                    answer_all(stream, b"HTTP/1.1 204 No Content\r\n\r\n").await;
                }
            });
        }
    });
    let target = Target::parse(&format!("https://{address}/")).unwrap();
    let limits = Limits {
        connect: Duration::from_secs(5),
        whole: Duration::from_secs(10),
    };
    let guard = || Guard {
        allowed: vec!["127.0.0.1".parse().unwrap()],
        ports: Vec::new(),
    };
    let trusting = Outward::new(guard(), limits, Some(&file("ca.pem"))).unwrap();
    let answer = trusting.post(&target, &[], "{}".into()).await;
    assert_eq!(answer.map(|answer| answer.status), Ok(204));
    let wary = Outward::new(guard(), limits, None).unwrap();
    assert_eq!(
        wary.post(&target, &[], "{}".into()).await,
        Err(Failure::Tls)
    );
    let missing = Outward::new(guard(), limits, Some(&file("nothing.pem")));
    assert!(missing.is_err_and(|why| why.to_string().contains("nothing.pem")));
}
