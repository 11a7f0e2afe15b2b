//! `carebell apikey create|list|revoke`: keys for other systems.

use std::io::Write;

use clap::Subcommand;
use jiff::Timestamp;
use serde_json::json;

use crate::access::{self, Scope};
use crate::model::id::ApiKeyId;
use crate::store::{Store, api_keys};

/// Who it was, for the audit.
const ACTOR: &str = "cli";

/// What to do with API keys.
#[derive(Debug, Subcommand)]
pub enum ApiKeyVerb {
    /// Make a key; it is shown once and never again.
    Create {
        /// What people call it, such as the system that will hold it.
        #[arg(long)]
        name: String,
        /// What it allows, as often as needed; by default everything but `private:read` and `admin`.
        #[arg(long, value_delimiter = ',')]
        scope: Vec<Scope>,
    },
    /// List the keys that were made.
    List,
    /// Take a key back; it opens nothing within a second.
    Revoke {
        /// The key's id, `key_…`.
        id: String,
    },
}

/// Does it; exit 1 when there is no such key to take back.
///
/// # Errors
/// When the database fails or nobody reads the output.
pub async fn run(
    verb: &ApiKeyVerb,
    store: &Store,
    now: Timestamp,
    json: bool,
    out: &mut impl Write,
) -> anyhow::Result<u8> {
    match verb {
        ApiKeyVerb::Create { name, scope } => create(store, name, scope, now, json, out).await,
        ApiKeyVerb::List => list(store, json, out).await,
        ApiKeyVerb::Revoke { id } => revoke(store, id, now, json, out).await,
    }
}

async fn create(
    store: &Store,
    name: &str,
    scopes: &[Scope],
    now: Timestamp,
    json: bool,
    out: &mut impl Write,
) -> anyhow::Result<u8> {
    let scopes = if scopes.is_empty() {
        Scope::USUAL
    } else {
        scopes
    };
    let mut tx = store.write().await?;
    let fresh = access::create(&mut tx, name, scopes, ACTOR, now).await?;
    tx.commit().await?;
    let key = fresh.key.reveal();
    if json {
        writeln!(out, "{}", json!({"id": fresh.id, "key": key}))?;
    } else {
        let words: Vec<&str> = scopes.iter().map(|scope| scope.as_str()).collect();
        writeln!(out, "{} allows {}", fresh.id, words.join(", "))?;
        writeln!(out, "{key}")?;
        writeln!(out, "Keep it safe: it is not shown again.")?;
    }
    Ok(0)
}

async fn list(store: &Store, json: bool, out: &mut impl Write) -> anyhow::Result<u8> {
    let mut tx = store.read().await?;
    let keys = api_keys::list(&mut tx).await?;
    drop(tx);
    for key in keys {
        let (id, name, scopes) = (&key.id, &key.name, &key.scopes);
        let (created_at, revoked_at) = (key.created_at, key.revoked_at);
        if json {
            let line = json!({"id": id, "name": name, "scopes": scopes, "created_at": created_at, "revoked_at": revoked_at});
            writeln!(out, "{line}")?;
        } else {
            let state = revoked_at.map_or_else(String::new, |at| format!("  revoked {at}"));
            writeln!(
                out,
                "{id}  {created_at}  {name}  {}{state}",
                scopes.join(",")
            )?;
        }
    }
    Ok(0)
}

async fn revoke(
    store: &Store,
    id: &str,
    now: Timestamp,
    json: bool,
    out: &mut impl Write,
) -> anyhow::Result<u8> {
    let mut revoked = false;
    if let Some(id) = ApiKeyId::parse(id) {
        let mut tx = store.write().await?;
        revoked = api_keys::revoke(&mut tx, &id, ACTOR, now).await?;
        tx.commit().await?;
    }
    match (json, revoked) {
        (true, _) => writeln!(out, "{}", json!({"revoked": revoked}))?,
        (false, true) => writeln!(out, "It opens nothing any more.")?,
        (false, false) => writeln!(out, "No key of that id stands.")?,
    }
    Ok(u8::from(!revoked))
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::{ApiKeyVerb, run};
    use crate::access::{Keys, Scope};
    use crate::store::testing;

    #[tokio::test]
    async fn a_key_is_made_listed_and_taken_back() -> anyhow::Result<()> {
        for test in testing::stores().await {
            let mut out = Vec::new();
            let create = ApiKeyVerb::Create {
                name: "his".to_owned(),
                scope: vec![Scope::EventsRead],
            };
            let now = Timestamp::UNIX_EPOCH;
            assert_eq!(run(&create, &test.store, now, true, &mut out).await?, 0);
            let made: serde_json::Value = serde_json::from_slice(&out)?;
            let key = made["key"].as_str().unwrap_or_default();
            let client = Keys::new(test.store.clone()).client(key).await?;
            assert_eq!(
                client.map(|client| client.scopes),
                Some(vec![Scope::EventsRead])
            );

            let mut out = Vec::new();
            assert_eq!(
                run(&ApiKeyVerb::List, &test.store, now, false, &mut out).await?,
                0
            );
            let listed = String::from_utf8(out)?;
            assert!(listed.contains("his") && !listed.contains(key), "{listed}");

            let id = made["id"].as_str().unwrap_or_default().to_owned();
            let revoke = ApiKeyVerb::Revoke { id };
            assert_eq!(
                run(&revoke, &test.store, now, false, &mut Vec::new()).await?,
                0
            );
            assert_eq!(
                run(&revoke, &test.store, now, true, &mut Vec::new()).await?,
                1
            );
            assert_eq!(Keys::new(test.store.clone()).client(key).await?, None);
        }
        Ok(())
    }
}
