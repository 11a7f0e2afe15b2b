//! Another system that is told of events: a real HTTP server that answers as the scenario says.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::PATIENCE;

/// A request that came.
#[derive(Clone, Debug)]
pub(crate) struct Heard {
    /// Its headers, names in small letters.
    pub(crate) headers: BTreeMap<String, String>,
    /// Its body as it came.
    pub(crate) body: String,
    /// What it was answered with.
    pub(crate) status: u16,
}

impl Heard {
    /// The body as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    /// The event's type.
    pub(crate) fn kind(&self) -> String {
        self.json()["type"].as_str().unwrap().to_owned()
    }

    /// `webhook-id`.
    pub(crate) fn id(&self) -> &str {
        &self.headers["webhook-id"]
    }
}

/// What it answers: by the body of the request.
pub(crate) type Conduct = Arc<dyn Fn(&Value) -> Answer + Send + Sync>;

/// An answer, or none.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    /// A status, and one more header.
    Status(u16, Option<(&'static str, String)>),
    /// Nothing until the receiver is let go, then a 204.
    Silence,
}

impl From<u16> for Answer {
    fn from(status: u16) -> Self {
        Self::Status(status, None)
    }
}

#[derive(Clone)]
struct Ear {
    heard: watch::Sender<Vec<Heard>>,
    conduct: Arc<Mutex<Conduct>>,
    is_let_go: watch::Sender<bool>,
}

/// The server.
pub(crate) struct Receiver {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    ear: Ear,
    serving: JoinHandle<()>,
}

impl Receiver {
    /// One that takes everything.
    pub(crate) async fn start() -> Self {
        Self::start_at("127.0.0.1:0".parse().unwrap()).await
    }

    /// The same at a place.
    pub(crate) async fn start_at(address: SocketAddr) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let ear = Ear {
            heard: watch::Sender::new(Vec::new()),
            conduct: Arc::new(Mutex::new(Arc::new(|_: &Value| Answer::from(204)))),
            is_let_go: watch::Sender::new(false),
        };
        let router = Router::new().fallback(listen).with_state(ear.clone());
        let address = listener.local_addr().unwrap();
        let serving = tokio::spawn(async move {
            axum::serve(listener, router).await.unwrap();
        });
        Self {
            address,
            ear,
            serving,
        }
    }

    /// Where webhooks find it.
    pub(crate) fn url(&self) -> String {
        format!("http://{}/carebell?key=1", self.address)
    }

    /// From now on it answers so.
    pub(crate) fn answers(&self, conduct: impl Fn(&Value) -> Answer + Send + Sync + 'static) {
        *self.ear.conduct.lock().unwrap() = Arc::new(conduct);
    }

    /// Lets it answer what it was silent about.
    pub(crate) fn let_go(&self) {
        self.ear.is_let_go.send_replace(true);
    }

    /// Stops it: nobody takes a connection any more. Gives its place.
    pub(crate) async fn stop(mut self) -> SocketAddr {
        self.serving.abort();
        let _ = (&mut self.serving).await;
        self.address
    }

    /// All that came, in order.
    pub(crate) fn heard(&self) -> Vec<Heard> {
        self.ear.heard.borrow().clone()
    }

    /// The types of what it took.
    pub(crate) fn taken(&self) -> Vec<String> {
        let heard = self.heard();
        let taken = heard.iter().filter(|one| (200..300).contains(&one.status));
        taken.map(Heard::kind).collect()
    }

    /// Waits until requests about so many events came.
    pub(crate) async fn has_heard_of(&self, count: usize) {
        let mut heard = self.ear.heard.subscribe();
        let distinct = |all: &Vec<Heard>| {
            let ids: std::collections::BTreeSet<&str> = all.iter().map(Heard::id).collect();
            ids.len() >= count
        };
        let came = tokio::time::timeout(PATIENCE * 2, heard.wait_for(distinct)).await;
        assert!(came.is_ok(), "only {} requests came", self.heard().len());
    }

    /// Waits until so many requests came.
    pub(crate) async fn has_heard(&self, count: usize) {
        let mut heard = self.ear.heard.subscribe();
        let came = tokio::time::timeout(PATIENCE, heard.wait_for(|all| all.len() >= count)).await;
        assert!(came.is_ok(), "only {} requests came", self.heard().len());
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn listen(State(ear): State<Ear>, headers: HeaderMap, body: Bytes) -> Response {
    let body = String::from_utf8(body.to_vec()).unwrap();
    let conduct = Arc::clone(&*ear.conduct.lock().unwrap());
    let answer = conduct(&serde_json::from_str(&body).unwrap());
    let text = |value: &axum::http::HeaderValue| value.to_str().unwrap().to_owned();
    let status = match answer {
        Answer::Status(status, _) => status,
        Answer::Silence => 204,
    };
    let headers = headers
        .iter()
        .map(|(name, value)| (name.to_string(), text(value)));
    let heard = Heard {
        headers: headers.collect(),
        body,
        status,
    };
    ear.heard.send_modify(|all| all.push(heard));
    match answer {
        Answer::Status(status, header) => {
            let mut response = StatusCode::from_u16(status).unwrap().into_response();
            if let Some((name, value)) = header {
                response.headers_mut().insert(name, value.parse().unwrap());
            }
            response
        }
        Answer::Silence => {
            let mut is_let_go = ear.is_let_go.subscribe();
            let _ = is_let_go.wait_for(|go| *go).await;
            StatusCode::NO_CONTENT.into_response()
        }
    }
}
