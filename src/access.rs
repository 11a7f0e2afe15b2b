//! Who may do what: API keys and their scopes.
//!
//! A key is shown once, at its making; the database holds a hash of it. Staff and sessions come later.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use crate::model::id::ApiKeyId;
use crate::model::private::Private;
use crate::store::{Store, StoreError, Tx, api_keys};

/// What every key begins with, so that people and secret scanners know one when they see it.
pub const KEY_PREFIX: &str = "cb_";

/// How long a key that was found is believed: a revoked one stops within this time.
const BELIEVED_FOR: Duration = Duration::from_secs(1);

/// One thing that a key may allow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// Enqueue, cancel, resend and resolve messages.
    MessagesWrite,
    /// See messages, replies and what came in; no texts, no numbers.
    MessagesRead,
    /// Write patients, occasions, suppressions; answer change requests and tasks.
    RecordsWrite,
    /// See patients, occasions, suppressions, change requests, tasks; no names, no numbers.
    RecordsRead,
    /// Follow the feed of events.
    EventsRead,
    /// See webhooks and what they were told.
    WebhooksRead,
    /// Have events told to other systems, and say what they are told.
    WebhooksWrite,
    /// See names, numbers, addresses and texts in what the other scopes show.
    PrivateRead,
    /// Everything but private data.
    Admin,
}

impl Scope {
    /// Every scope.
    pub const ALL: &'static [Self] = &[
        Self::MessagesWrite,
        Self::MessagesRead,
        Self::RecordsWrite,
        Self::RecordsRead,
        Self::EventsRead,
        Self::WebhooksRead,
        Self::WebhooksWrite,
        Self::PrivateRead,
        Self::Admin,
    ];

    /// What a key may do when its maker did not say: the work of a hospital system, without private data.
    pub const USUAL: &'static [Self] = &[
        Self::MessagesWrite,
        Self::MessagesRead,
        Self::RecordsWrite,
        Self::RecordsRead,
        Self::EventsRead,
    ];

    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::MessagesWrite => "messages:write",
            Self::MessagesRead => "messages:read",
            Self::RecordsWrite => "records:write",
            Self::RecordsRead => "records:read",
            Self::EventsRead => "events:read",
            Self::WebhooksRead => "webhooks:read",
            Self::WebhooksWrite => "webhooks:write",
            Self::PrivateRead => "private:read",
            Self::Admin => "admin",
        }
    }

    /// Reads the word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL
            .iter()
            .copied()
            .find(|scope| scope.as_str() == word)
    }
}

impl std::str::FromStr for Scope {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        let all = || {
            Self::ALL
                .iter()
                .map(|scope| scope.as_str())
                .collect::<Vec<_>>()
                .join(", ")
        };
        Self::parse(word).ok_or_else(|| format!("expected one of {}", all()))
    }
}

/// The system behind a request: the key it showed and what that allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Client {
    /// The key's id, never the key.
    pub id: ApiKeyId,
    /// What it allows.
    pub scopes: Vec<Scope>,
}

impl Client {
    /// Whether the key allows `scope`.
    pub fn may(&self, scope: Scope) -> bool {
        self.scopes.contains(&scope)
            || (scope != Scope::PrivateRead && self.scopes.contains(&Scope::Admin))
    }

    /// The word for this client in the `source` of messages and the `actor` of the audit.
    pub fn name(&self) -> String {
        format!("api:{}", self.id)
    }
}

/// A key at the one moment when it can be read.
#[derive(Debug)]
pub struct FreshKey {
    /// Names it from now on.
    pub id: ApiKeyId,
    /// What the client shows; kept nowhere.
    pub key: Private<String>,
}

/// Makes a key called `name` that allows `scopes`, and writes it into the audit.
///
/// # Errors
/// When the database fails.
pub async fn create(
    tx: &mut Tx,
    name: &str,
    scopes: &[Scope],
    actor: &str,
    now: Timestamp,
) -> Result<FreshKey, StoreError> {
    let (id, key) = (
        ApiKeyId::generate(),
        Private::new(format!("{KEY_PREFIX}{}", random_hex())),
    );
    let scopes: Vec<&str> = scopes.iter().map(|scope| scope.as_str()).collect();
    api_keys::add(
        tx,
        &api_keys::NewApiKey {
            id: &id,
            name,
            hash: &hash_of(key.reveal()),
            scopes: &scopes,
        },
        actor,
        now,
    )
    .await?;
    Ok(FreshKey { id, key })
}

/// Finds the client behind a key, and remembers it for a moment so that a burst asks the database once.
#[derive(Clone, Debug)]
pub struct Keys {
    store: Store,
    known: Arc<Mutex<HashMap<String, (Instant, Client)>>>,
}

impl Keys {
    /// Looks keys up in `store`.
    pub fn new(store: Store) -> Self {
        Self {
            store,
            known: Arc::default(),
        }
    }

    /// The client that shows `key`, unless the key is unknown or revoked.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn client(&self, key: &str) -> Result<Option<Client>, StoreError> {
        // Nothing that long was ever given out: do not even hash it.
        if !key.starts_with(KEY_PREFIX) || key.len() > 128 {
            return Ok(None);
        }
        let hash = hash_of(key);
        if let Some(client) = self.remembered(&hash) {
            return Ok(Some(client));
        }
        let mut tx = self.store.read().await?;
        let found = api_keys::by_hash(&mut tx, &hash).await?;
        drop(tx);
        let same = |kept: &str| bool::from(kept.as_bytes().ct_eq(hash.as_bytes()));
        let Some(row) = found.filter(|row| row.revoked_at.is_none() && same(&row.hash)) else {
            return Ok(None);
        };
        let client = Client {
            id: row.id,
            scopes: row
                .scopes
                .iter()
                .filter_map(|word| Scope::parse(word))
                .collect(),
        };
        self.remember(hash, &client);
        Ok(Some(client))
    }

    fn remembered(&self, hash: &str) -> Option<Client> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known
            .get(hash)
            .filter(|(since, _)| since.elapsed() < BELIEVED_FOR)
            .map(|(_, client)| client.clone())
    }

    fn remember(&self, hash: String, client: &Client) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|_, (since, _)| since.elapsed() < BELIEVED_FOR);
        known.insert(hash, (Instant::now(), client.clone()));
    }
}

/// What the database keeps of a key. 256 random bits need no salt and no slow hash.
fn hash_of(key: &str) -> String {
    hex(&Sha256::digest(key.as_bytes()))
}

fn random_hex() -> String {
    let mut secret = [0_u8; 32];
    // The same source of randomness that TLS uses.
    let random = rustls::crypto::ring::default_provider().secure_random;
    random
        .fill(&mut secret)
        .expect("the system gives randomness");
    hex(&secret)
}

fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}");
            hex
        })
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::{Client, Keys, Scope, create};
    use crate::model::id::ApiKeyId;
    use crate::store::{StoreError, api_keys, on, testing};

    #[tokio::test]
    async fn a_key_opens_and_is_kept_nowhere() -> Result<(), StoreError> {
        for test in testing::stores().await {
            let mut tx = test.store.write().await?;
            let fresh = create(
                &mut tx,
                "his",
                &[Scope::MessagesWrite],
                "cli",
                Timestamp::UNIX_EPOCH,
            )
            .await?;
            tx.commit().await?;
            let client = Keys::new(test.store.clone())
                .client(fresh.key.reveal())
                .await?;
            assert_eq!(
                client,
                Some(Client {
                    id: fresh.id,
                    scopes: vec![Scope::MessagesWrite]
                })
            );

            let mut tx = test.store.read().await?;
            let rows: Vec<(String, String, String, String)> = on!(&mut tx, conn => sqlx::query_as("SELECT id, name, hash, scopes FROM api_key").fetch_all(conn).await)?;
            let audit: Vec<(String, String)> = on!(&mut tx, conn => sqlx::query_as("SELECT target, detail FROM audit").fetch_all(conn).await)?;
            let kept = format!("{rows:?}{audit:?}");
            let secret = fresh.key.reveal().trim_start_matches("cb_");
            assert!(rows.len() == 1 && !kept.contains(secret));
            assert!(!format!("{:?}", fresh.key).contains(secret));
        }
        Ok(())
    }

    #[tokio::test]
    async fn a_revoked_or_altered_key_opens_nothing() -> Result<(), StoreError> {
        for test in testing::stores().await {
            let mut tx = test.store.write().await?;
            let fresh = create(&mut tx, "his", Scope::USUAL, "cli", Timestamp::UNIX_EPOCH).await?;
            tx.commit().await?;
            let altered = fresh.key.reveal().replace("cb_", "cb_0");
            assert_eq!(Keys::new(test.store.clone()).client(&altered).await?, None);
            assert_eq!(Keys::new(test.store.clone()).client("").await?, None);

            let mut tx = test.store.write().await?;
            assert!(api_keys::revoke(&mut tx, &fresh.id, "cli", Timestamp::UNIX_EPOCH).await?);
            assert!(!api_keys::revoke(&mut tx, &fresh.id, "cli", Timestamp::UNIX_EPOCH).await?);
            tx.commit().await?;
            assert_eq!(
                Keys::new(test.store.clone())
                    .client(fresh.key.reveal())
                    .await?,
                None
            );
        }
        Ok(())
    }

    #[test]
    fn admin_may_all_but_see_private_data() {
        let admin = Client {
            id: ApiKeyId::generate(),
            scopes: vec![Scope::Admin],
        };
        for scope in Scope::ALL {
            assert_eq!(
                admin.may(*scope),
                *scope != Scope::PrivateRead,
                "{}",
                scope.as_str()
            );
        }
    }
}
