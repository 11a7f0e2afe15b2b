//! The RabbitMQ that `scripts/with-rabbitmq` gives to tests: a virtual host for each scenario, programs that
//! publish commands and hear events, and hands that stop and kill the node.

use std::process::Command;
use std::time::Duration;

use carebell::amqp::topology;
use futures::StreamExt as _;
use futures::future::join_all;
use lapin::options::{
    BasicAckOptions, BasicConsumeOptions, BasicGetOptions, BasicPublishOptions,
    ConfirmSelectOptions, QueueBindOptions, QueueDeclareOptions, QueueDeleteOptions,
};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties, Consumer};
use serde_json::Value;
use tokio::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::{LOOK, PATIENCE};

/// Those that stop the node want it for themselves.
static NODE: RwLock<()> = RwLock::const_new(());

/// Keeps the node as it is, or for oneself.
pub(crate) enum Hold {
    Shared(#[expect(dead_code, reason = "held")] RwLockReadGuard<'static, ()>),
    Alone(#[expect(dead_code, reason = "held")] RwLockWriteGuard<'static, ()>),
}

/// A virtual host that nobody else uses.
pub(crate) struct Broker {
    /// What the config calls it.
    pub(crate) url: String,
    _hold: Hold,
}

/// A command.
#[derive(Clone, Debug)]
pub(crate) struct Word {
    pub(crate) key: String,
    pub(crate) id: Option<String>,
    pub(crate) body: String,
}

/// What the broker told.
#[derive(Clone, Debug)]
pub(crate) struct Heard {
    pub(crate) key: String,
    pub(crate) body: String,
    pub(crate) properties: BasicProperties,
}

/// A program that hears events.
pub(crate) struct Ear {
    _connection: Connection,
    consumer: Consumer,
}

impl Broker {
    /// A virtual host beside those of others. `None` where there is no node: only a run without servers is that.
    pub(crate) async fn shared() -> Option<Self> {
        let node = node()?;
        Some(Self::fresh(&node, Hold::Shared(NODE.read().await)))
    }

    /// The same on a node that no other scenario uses meanwhile.
    pub(crate) async fn alone() -> Option<Self> {
        let node = node()?;
        Some(Self::fresh(&node, Hold::Alone(NODE.write().await)))
    }

    fn fresh(node: &str, hold: Hold) -> Self {
        let name = format!("scenario_{}", uuid::Uuid::now_v7().simple());
        control(&["vhost", &name]);
        let base = node.rsplit_once('/').unwrap().0;
        Self {
            url: format!("{base}/{name}"),
            _hold: hold,
        }
    }

    /// The lines of a config that lead here.
    pub(crate) fn config(&self, more: &str) -> &'static str {
        format!("[amqp]\nurl = \"{}\"\ndeclare = true\n{more}\n", self.url).leak()
    }

    /// A connection, as soon as there is one.
    pub(crate) async fn connect(&self) -> Connection {
        let connecting = async {
            let mut look = tokio::time::interval(LOOK);
            loop {
                look.tick().await;
                let options = ConnectionProperties::default();
                if let Ok(connection) = Connection::connect(&self.url, options).await {
                    return connection;
                }
            }
        };
        tokio::time::timeout(PATIENCE * 2, connecting)
            .await
            .expect("the node answers")
    }

    /// Makes exchanges and queues.
    pub(crate) async fn declare(&self) {
        topology::declare(&self.connect().await).await.unwrap();
    }

    /// Publishes commands until the broker has confirmed each: what is not confirmed is published again.
    pub(crate) async fn publish(&self, words: &[Word]) {
        let mut left: Vec<&Word> = words.iter().collect();
        while !left.is_empty() {
            let connection = self.connect().await;
            let opening = async {
                let channel = connection.create_channel().await?;
                let confirming = channel.confirm_select(ConfirmSelectOptions::default());
                confirming.await.map(|()| channel)
            };
            // The node may go at any moment.
            let Ok(Ok(channel)) = tokio::time::timeout(PATIENCE / 4, opening).await else {
                continue;
            };
            while !left.is_empty() {
                let some = left.len().min(100);
                let sent = join_all(left[..some].iter().map(|word| once(&channel, word))).await;
                let mut confirmed = sent.into_iter();
                let mut again = Vec::new();
                for word in left.drain(..some) {
                    if !confirmed.next().unwrap() {
                        again.push(word);
                    }
                }
                let is_broken = !again.is_empty();
                left.extend(again);
                if is_broken {
                    break;
                }
            }
        }
    }

    /// Listens to events of the routing keys `binding`.
    pub(crate) async fn listen(&self, binding: &str) -> Ear {
        let connection = self.connect().await;
        let channel = connection.create_channel().await.unwrap();
        let durable = QueueDeclareOptions {
            durable: true,
            ..QueueDeclareOptions::default()
        };
        let name = format!("ear_{}", uuid::Uuid::now_v7().simple());
        channel
            .queue_declare(name.as_str().into(), durable, FieldTable::default())
            .await
            .unwrap();
        channel
            .queue_bind(
                name.as_str().into(),
                topology::EVENTS.into(),
                binding.into(),
                QueueBindOptions::default(),
                FieldTable::default(),
            )
            .await
            .unwrap();
        let consumer = channel
            .basic_consume(
                name.as_str().into(),
                "ear".into(),
                BasicConsumeOptions::default(),
                FieldTable::default(),
            )
            .await
            .unwrap();
        Ear {
            _connection: connection,
            consumer,
        }
    }

    /// A queue for events that nobody reads yet.
    pub(crate) async fn bind(&self, name: &str, binding: &str) {
        let channel = self.connect().await.create_channel().await.unwrap();
        let durable = QueueDeclareOptions {
            durable: true,
            ..QueueDeclareOptions::default()
        };
        channel
            .queue_declare(name.into(), durable, FieldTable::default())
            .await
            .unwrap();
        channel
            .queue_bind(
                name.into(),
                topology::EVENTS.into(),
                binding.into(),
                QueueBindOptions::default(),
                FieldTable::default(),
            )
            .await
            .unwrap();
    }

    /// Takes everything out of a queue.
    pub(crate) async fn drain(&self, queue: &str) -> Vec<Heard> {
        let connection = self.connect().await;
        let channel = connection.create_channel().await.unwrap();
        let mut all = Vec::new();
        while let Some(got) = channel
            .basic_get(queue.into(), BasicGetOptions::default())
            .await
            .unwrap()
        {
            got.delivery
                .acker
                .ack(BasicAckOptions::default())
                .await
                .unwrap();
            all.push(heard(got.delivery));
        }
        all
    }

    /// How many messages a queue holds that nobody has been handed; none where there is no such queue.
    pub(crate) async fn count(&self, queue: &str) -> Option<u32> {
        let connection = self.connect().await;
        let channel = connection.create_channel().await.ok()?;
        let passive = QueueDeclareOptions {
            passive: true,
            ..QueueDeclareOptions::default()
        };
        let found = channel
            .queue_declare(queue.into(), passive, FieldTable::default())
            .await;
        found.ok().map(|queue| queue.message_count())
    }

    /// Takes a queue away.
    pub(crate) async fn delete(&self, queue: &str) {
        let channel = self.connect().await.create_channel().await.unwrap();
        channel
            .queue_delete(queue.into(), QueueDeleteOptions::default())
            .await
            .unwrap();
    }

    /// Takes dead letters out once there are `n`.
    pub(crate) async fn dead(&self, n: usize) -> Vec<Heard> {
        let mut all = Vec::new();
        let waiting = async {
            let mut look = tokio::time::interval(LOOK);
            while all.len() < n {
                look.tick().await;
                all.extend(self.drain(topology::DEAD).await);
            }
        };
        let done = tokio::time::timeout(PATIENCE, waiting).await;
        assert!(done.is_ok(), "{} dead letters instead of {n}", all.len());
        all
    }
}

impl Ear {
    /// The next event; it is acknowledged.
    pub(crate) async fn next(&mut self) -> Heard {
        let next = tokio::time::timeout(PATIENCE, self.consumer.next()).await;
        let delivery = next.expect("an event in time").unwrap().unwrap();
        delivery
            .acker
            .ack(BasicAckOptions::default())
            .await
            .unwrap();
        heard(delivery)
    }
}

impl Heard {
    /// The body as JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).expect("JSON")
    }

    /// A header of ours.
    pub(crate) fn header(&self, name: &str) -> String {
        let headers = self.properties.headers().as_ref().expect("headers");
        match headers.inner().get(name) {
            Some(AMQPValue::LongString(text)) => {
                String::from_utf8(text.as_bytes().to_vec()).unwrap()
            }
            other => panic!("header {name} is {other:?}"),
        }
    }
}

impl Word {
    pub(crate) fn new(key: &str, id: &str, body: &Value) -> Self {
        Self {
            key: key.to_owned(),
            id: Some(id.to_owned()),
            body: body.to_string(),
        }
    }
}

fn heard(delivery: lapin::message::Delivery) -> Heard {
    Heard {
        key: delivery.routing_key.as_str().to_owned(),
        body: String::from_utf8_lossy(&delivery.data).into_owned(),
        properties: delivery.properties,
    }
}

/// Publishes one; true when the broker has it.
async fn once(channel: &Channel, word: &Word) -> bool {
    let mut properties = BasicProperties::default()
        .with_delivery_mode(2)
        .with_app_id("his".into());
    if let Some(id) = &word.id {
        properties = properties.with_message_id(id.as_str().into());
    }
    let sending = async {
        let (exchange, key) = (topology::COMMANDS.into(), word.key.as_str().into());
        let options = BasicPublishOptions::default();
        channel
            .basic_publish(exchange, key, options, word.body.as_bytes(), properties)
            .await?
            .await
    };
    // One that is neither confirmed nor refused for long is published again.
    let sent = tokio::time::timeout(Duration::from_secs(15), sending).await;
    matches!(sent, Ok(Ok(confirmation)) if confirmation.is_ack())
}

/// The node of this run.
fn node() -> Option<String> {
    let node = std::env::var("CAREBELL_TEST_AMQP").ok();
    let all = std::env::var("CAREBELL_TEST_ALL").is_ok_and(|all| all == "1");
    assert!(
        node.is_some() || !all,
        "CAREBELL_TEST_ALL wants a RabbitMQ: scripts/with-rabbitmq"
    );
    node
}

/// Does something to the node: `vhost NAME`, `stop_app`, `start_app`, `kill` (and it is up again).
pub(crate) fn control(words: &[&str]) {
    let program =
        std::env::var("CAREBELL_TEST_AMQP_CONTROL").expect("as scripts/with-rabbitmq sets it");
    let run = || Command::new(program).args(words).status();
    let done = tokio::task::block_in_place(run).unwrap();
    assert!(done.success(), "control {words:?}");
}
