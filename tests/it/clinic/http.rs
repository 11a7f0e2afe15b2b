//! A tiny HTTP client: one request, one connection.

use std::net::SocketAddr;

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// A program that speaks to the API.
#[derive(Clone)]
pub(crate) struct Http {
    address: SocketAddr,
    key: String,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    /// Such as 202.
    pub(crate) status: u16,
    /// The head, in small letters.
    pub(crate) head: String,
    /// The body as it came.
    pub(crate) text: String,
}

impl Answer {
    /// The body as JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).expect("JSON")
    }
}

impl Http {
    /// A client of the daemon at `address` that shows `key`.
    pub(crate) fn new(address: SocketAddr, key: &str) -> Self {
        Self {
            address,
            key: key.to_owned(),
        }
    }

    /// `GET`.
    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, "", "").await.unwrap()
    }

    /// `POST` of JSON, with more lines of the head.
    pub(crate) async fn post(&self, path: &str, head: &str, body: &Value) -> Answer {
        self.ask("POST", path, head, &body.to_string())
            .await
            .unwrap()
    }

    /// Any request; an error when the daemon is gone.
    pub(crate) async fn ask(
        &self,
        method: &str,
        path: &str,
        head: &str,
        body: &str,
    ) -> std::io::Result<Answer> {
        let mut stream = TcpStream::connect(self.address).await?;
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {key}\r\nConnection: close\r\n\
             Content-Type: application/json\r\nContent-Length: {length}\r\n{head}\r\n{body}",
            address = self.address,
            key = self.key,
            length = body.len(),
        );
        stream.write_all(request.as_bytes()).await?;
        let mut came = Vec::new();
        stream.read_to_end(&mut came).await?;
        let came = String::from_utf8(came).map_err(std::io::Error::other)?;
        let (head, text) = came
            .split_once("\r\n\r\n")
            .ok_or(std::io::ErrorKind::UnexpectedEof)?;
        let status = head
            .split(' ')
            .nth(1)
            .and_then(|code| code.parse().ok())
            .ok_or(std::io::ErrorKind::InvalidData)?;
        Ok(Answer {
            status,
            head: head.to_ascii_lowercase(),
            text: text.to_owned(),
        })
    }
}
