//! A browser for tests: a real socket, and as much HTTP as it takes.

use axum::Router;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines
            .filter(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
            .next()
    }
}

/// Serves `router` on a free port of this machine.
pub(crate) async fn serve(router: Router) -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

/// Sends one request and reads all of the answer.
pub(crate) async fn send(
    address: std::net::SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Answer {
    use std::fmt::Write as _;
    let mut request = format!(
        "{method} {path} HTTP/1.1\r\nConnection: close\r\nContent-Length: {}\r\n",
        body.len()
    );
    if !headers
        .iter()
        .any(|(name, _)| name.eq_ignore_ascii_case("host"))
    {
        write!(request, "Host: {address}\r\n").unwrap();
    }
    for (name, value) in headers {
        write!(request, "{name}: {value}\r\n").unwrap();
    }
    write!(request, "\r\n{body}").unwrap();
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut raw = Vec::new();
    stream.read_to_end(&mut raw).await.unwrap();
    let text = String::from_utf8(raw).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Answer {
        status,
        head: head.to_owned(),
        body: body.to_owned(),
    }
}

/// Asks for a page.
pub(crate) async fn get(
    address: std::net::SocketAddr,
    path: &str,
    headers: &[(&str, &str)],
) -> Answer {
    send(address, "GET", path, headers, "").await
}

/// Every address in `text` that leads away from this site.
pub(crate) fn foreign(text: &str) -> Vec<String> {
    let starts = ["http://", "https://", "\"//", "'//", "(//", "@import"];
    let all = starts.iter().flat_map(|start| {
        text.match_indices(start)
            .map(|(at, _)| text[at..].chars().take(60).collect::<String>())
    });
    // The name of the SVG vocabulary is no address that anybody asks for.
    all.filter(|found| !found.starts_with("http://www.w3.org/2000/svg"))
        .collect()
}
