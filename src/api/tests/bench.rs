//! A running API with its own database, and a client that speaks HTTP to it.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::access::{self, Keys, Scope};
use crate::api::{ApiState, Bells, router};
use crate::clock::Clock;
use crate::intake::SiteInfo;
use crate::intake::messages::testing;
use crate::intake::sensitive::Sensitive;
use crate::store::testing::{TestStore, stores};
use crate::store::writer::Writer;
use crate::store::{Store, Tx, outbox};

/// What a handler's test may fail with.
pub(super) type Outcome = anyhow::Result<()>;

/// A running API.
pub(super) struct Bench {
    pub(super) store: Store,
    pub(super) state: ApiState,
    pub(super) clock: Clock,
    /// A key with the usual scopes.
    pub(super) key: String,
    address: std::net::SocketAddr,
    server: tokio::task::JoinHandle<()>,
    _held: TestStore,
}

impl Drop for Bench {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// An answer.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: BTreeMap<String, String>,
    pub(super) text: String,
}

impl Answer {
    /// The body as JSON; null when it is none.
    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_default()
    }

    /// The member `name` of the body, as text.
    pub(super) fn member(&self, name: &str) -> String {
        self.json()[name].as_str().unwrap_or_default().to_owned()
    }

    #[track_caller]
    pub(super) fn must_be(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.text);
        self
    }
}

/// One running API for each database at hand. It is half past ten in the morning in Shanghai.
pub(super) async fn benches() -> Vec<Bench> {
    let mut all = Vec::new();
    for held in stores().await {
        all.push(open(held).await.expect("a bench opens"));
    }
    all
}

async fn open(held: TestStore) -> anyhow::Result<Bench> {
    let clock = Clock::by_hand("2026-11-23T02:30:00Z".parse()?);
    let store = held.store.clone();
    let (writer, _) = Writer::start(store.clone(), testing::desk(), clock.clone());
    let intake = testing::intake(&store);
    let records = SiteInfo {
        timezone: intake.site.timezone.clone(),
        country: intake.site.country.clone(),
        address_key: intake.desk.address_key.clone(),
        sensitive: Sensitive::default(),
        clearings: Vec::new(),
    };
    let state = ApiState {
        intake,
        records: Arc::new(records),
        writer,
        clock: clock.clone(),
        keys: Keys::new(store.clone()),
        bells: Bells::default(),
        providers: Arc::new([]),
        rules: Arc::new(["recheck".to_owned(), "open_day".to_owned()]),
        manual_rules: Arc::new(["open_day".to_owned()]),
    };
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let app = router(state.clone());
    let server = tokio::spawn(async move {
        let _ = axum::serve(listener, app).await;
    });
    let key = key(&store, Scope::USUAL).await?;
    Ok(Bench {
        store,
        state,
        clock,
        key,
        address,
        server,
        _held: held,
    })
}

async fn key(store: &Store, scopes: &[Scope]) -> anyhow::Result<String> {
    let mut tx = store.write().await?;
    let fresh =
        access::create(&mut tx, "bench", scopes, "cli", jiff::Timestamp::UNIX_EPOCH).await?;
    tx.commit().await?;
    Ok(fresh.key.into_revealed())
}

impl Bench {
    /// A key with these scopes only.
    pub(super) async fn key_for(&self, scopes: &[Scope]) -> anyhow::Result<String> {
        key(&self.store, scopes).await
    }

    /// Asks with the usual key.
    pub(super) async fn get(&self, path: &str) -> anyhow::Result<Answer> {
        self.ask(
            "GET",
            path,
            &[("authorization", &format!("Bearer {}", self.key))],
            b"",
        )
        .await
    }

    /// Posts JSON with the usual key.
    pub(super) async fn post(&self, path: &str, body: &Value) -> anyhow::Result<Answer> {
        self.send("POST", path, body, &[]).await
    }

    /// Sends JSON with the usual key and more headers.
    pub(super) async fn send(
        &self,
        method: &str,
        path: &str,
        body: &Value,
        more: &[(&str, &str)],
    ) -> anyhow::Result<Answer> {
        let bearer = format!("Bearer {}", self.key);
        let mut headers = vec![
            ("authorization", bearer.as_str()),
            ("content-type", "application/json"),
        ];
        headers.extend_from_slice(more);
        self.ask(method, path, &headers, body.to_string().as_bytes())
            .await
    }

    /// One request on a connection of its own.
    pub(super) async fn ask(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> anyhow::Result<Answer> {
        let mut stream = TcpStream::connect(self.address).await?;
        let mut head = format!(
            "{method} {path} HTTP/1.1\r\nhost: bench\r\nconnection: close\r\ncontent-length: {}\r\n",
            body.len()
        );
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str("\r\n");
        stream.write_all(head.as_bytes()).await?;
        // A server that refuses a body early may close before it has read all of it.
        let _ = stream.write_all(body).await;
        let mut bytes = Vec::new();
        let _ = stream.read_to_end(&mut bytes).await;
        answer(&bytes)
    }

    /// Every row of a list, page by page.
    pub(super) async fn walk(&self, path: &str, limit: usize) -> anyhow::Result<Vec<Value>> {
        let (mut rows, mut cursor) = (Vec::new(), String::new());
        let mark = if path.contains('?') { '&' } else { '?' };
        loop {
            let page = self
                .get(&format!("{path}{mark}limit={limit}{cursor}"))
                .await?
                .must_be(200)
                .json();
            rows.extend(page["data"].as_array().cloned().unwrap_or_default());
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return Ok(rows),
            }
        }
    }

    /// The state of a message.
    pub(super) async fn state(&self, id: &str) -> anyhow::Result<String> {
        Ok(self
            .get(&format!("/v1/messages/{id}"))
            .await?
            .must_be(200)
            .member("state"))
    }

    /// Puts JSON with the usual key.
    pub(super) async fn put(&self, path: &str, body: &Value) -> anyhow::Result<Answer> {
        self.send("PUT", path, body, &[]).await
    }

    /// Deletes with the usual key.
    pub(super) async fn delete(&self, path: &str) -> anyhow::Result<u16> {
        Ok(self.send("DELETE", path, &Value::Null, &[]).await?.status)
    }

    /// Asks with another key, of these scopes only.
    pub(super) async fn get_as(&self, scopes: &[Scope], path: &str) -> anyhow::Result<Answer> {
        let bearer = format!("Bearer {}", self.key_for(scopes).await?);
        self.ask("GET", path, &[("authorization", &bearer)], b"")
            .await
    }

    /// Numbers what happened, as the outbox stage does.
    pub(super) async fn publish(&self) -> anyhow::Result<usize> {
        let mut tx = self.store.write().await?;
        let numbered = outbox::number(&mut tx, 100).await?;
        tx.commit().await?;
        Ok(usize::try_from(numbered)?)
    }

    /// A transaction to write in.
    pub(super) async fn write(&self) -> anyhow::Result<Tx> {
        Ok(self.store.write().await?)
    }
}

fn answer(bytes: &[u8]) -> anyhow::Result<Answer> {
    let text = String::from_utf8_lossy(bytes);
    let (head, body) = text
        .split_once("\r\n\r\n")
        .ok_or_else(|| anyhow::anyhow!("no answer"))?;
    let mut lines = head.lines();
    let status = lines
        .next()
        .and_then(|line| line.split(' ').nth(1))
        .and_then(|word| word.parse().ok());
    let headers: BTreeMap<String, String> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let is_chunked = headers
        .get("transfer-encoding")
        .is_some_and(|value| value == "chunked");
    let text = if is_chunked {
        unchunk(body)
    } else {
        body.to_owned()
    };
    Ok(Answer {
        status: status.ok_or_else(|| anyhow::anyhow!("no status"))?,
        headers,
        text,
    })
}

fn unchunk(mut body: &str) -> String {
    let mut text = String::new();
    while let Some((size, rest)) = body.split_once("\r\n") {
        let size = usize::from_str_radix(size.trim(), 16).unwrap_or(0);
        if size == 0 {
            break;
        }
        text.push_str(rest.get(..size).unwrap_or(rest));
        body = rest.get(size + 2..).unwrap_or_default();
    }
    text
}
