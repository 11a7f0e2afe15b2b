//! RabbitMQ: commands in, events out, and whatever may happen to broker, daemon and database meanwhile.

mod dead;
mod inlet;
mod outlet;
mod trouble;

use serde_json::{Value, json};

use crate::clinic::broker::Word;

/// A message to the phone number `n`, under the key `k<n>`.
fn message(n: usize, class: &str) -> Word {
    let body = json!({"to": {"phone": number(n)}, "text": format!("Result {n} is ready."), "reference": format!("r{n}")});
    Word::new(&format!("message.send.{class}"), &format!("k{n}"), &body)
}

fn number(n: usize) -> String {
    format!("+86138{n:08}")
}

fn ana() -> Value {
    json!({"source": "his", "key": "P1", "name": {"full": "Ana"}, "birth_date": "1980-06-15", "language": "en",
        "contacts": [{"phone": "+8613800000001"}]})
}

fn visit(at: &str, version: u32) -> Value {
    json!({"source": "his", "key": "A1", "patient": "his/P1", "kind": "appointment", "at": at, "version": version})
}
