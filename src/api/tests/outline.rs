//! The document says what the API does, and all of it.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::bench::{Outcome, benches};
use crate::api::{document, routes};
use crate::intake::messages::MEMBERS;

const METHODS: [&str; 5] = ["get", "put", "post", "delete", "patch"];

fn described() -> BTreeSet<(String, String)> {
    let document = serde_json::to_value(document()).expect("a document is JSON");
    let paths = document["paths"].as_object().cloned().unwrap_or_default();
    let of = |(path, item): (String, Value)| {
        METHODS
            .into_iter()
            .filter(move |m| item.get(m).is_some())
            .map(move |m| (m.to_owned(), path.clone()))
    };
    paths.into_iter().flat_map(of).collect()
}

#[tokio::test]
async fn every_route_is_described_and_every_description_is_a_route() -> Outcome {
    let described = described();
    let bench = benches().await.remove(0);
    let mut served = BTreeSet::new();
    for (path, _) in routes() {
        for method in METHODS {
            // Whatever else comes of it, a method that is not there is 405.
            let asked = path.replace(['{', '}'], "");
            if bench
                .ask(&method.to_uppercase(), &asked, &[], b"")
                .await?
                .status
                != 405
            {
                served.insert((method.to_owned(), path.to_owned()));
            }
        }
    }
    assert_eq!(served, described);
    Ok(())
}

#[tokio::test]
async fn every_description_is_whole() -> Outcome {
    let document = serde_json::to_value(document())?;
    assert_eq!(document["openapi"], "3.1.0");
    let text = document.to_string();
    for part in text.split("\"$ref\":\"#/components/schemas/").skip(1) {
        let name = part.split('"').next().unwrap_or_default();
        assert!(
            document["components"]["schemas"].get(name).is_some(),
            "{name} is missing"
        );
    }
    let mut names = BTreeSet::new();
    for (path, item) in document["paths"].as_object().into_iter().flatten() {
        for (method, operation) in item.as_object().into_iter().flatten() {
            assert!(
                names.insert(operation["operationId"].to_string()),
                "{method} {path} has the name of another"
            );
            assert!(
                operation["summary"].is_string() || operation["description"].is_string(),
                "{method} {path} says nothing"
            );
            assert!(
                operation.get("security").is_some(),
                "{method} {path} does not say which key it needs"
            );
        }
    }
    Ok(())
}

#[test]
fn every_member_of_a_message_is_described_and_read() {
    let document = serde_json::to_value(document()).expect("a document is JSON");
    let described = &document["components"]["schemas"]["MessageRequest"];
    assert_eq!(described["additionalProperties"], json!(false));
    let members = described["properties"].as_object().expect("it has members");
    let described: BTreeSet<&str> = members.keys().map(String::as_str).collect();
    assert_eq!(described, MEMBERS.iter().copied().collect());
}
