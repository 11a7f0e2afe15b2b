//! What the site knows of itself and of the systems it reads from.

use jiff::Timestamp;

use super::{Store, StoreError, Tx, on};

/// The key of every address hash of this site; made once, at the first call.
///
/// # Errors
/// When the database refuses or what it keeps is no key.
pub async fn address_key(store: &Store) -> Result<Vec<u8>, StoreError> {
    const READ: &str = "SELECT value FROM site WHERE name = 'address_key'";
    const MAKE: &str =
        "INSERT INTO site (name, value) VALUES ('address_key', $1) ON CONFLICT (name) DO NOTHING";
    let mut tx = store.read().await?;
    let mut kept: Option<String> =
        on!(&mut tx, conn => sqlx::query_scalar(READ).fetch_optional(conn).await)?;
    drop(tx);
    if kept.is_none() {
        let mut tx = store.write().await?;
        on!(&mut tx, conn => sqlx::query(MAKE).bind(random_hex()).execute(conn).await.map(|_| ()))?;
        // Another process may have been first: what is kept counts, not what we made.
        kept = on!(&mut tx, conn => sqlx::query_scalar(READ).fetch_optional(conn).await)?;
        tx.commit().await?;
    }
    let bad = StoreError::BadRow {
        table: "site",
        what: "address_key is not 64 hexadecimal digits",
    };
    kept.as_deref().and_then(from_hex).ok_or(bad)
}

/// When `name` was first imported; `None` if never.
///
/// # Errors
/// When the database refuses.
pub async fn first_imported_at(tx: &mut Tx, name: &str) -> Result<Option<Timestamp>, StoreError> {
    const SQL: &str = "SELECT first_imported_at FROM source WHERE name = $1";
    let at: Option<i64> =
        on!(tx, conn => sqlx::query_scalar(SQL).bind(name).fetch_optional(conn).await)?;
    Ok(at.and_then(|at| Timestamp::from_millisecond(at).ok()))
}

/// Keeps that `name` has been imported; the first time counts.
///
/// # Errors
/// When the database refuses.
pub async fn imported(tx: &mut Tx, name: &str, now: Timestamp) -> Result<(), StoreError> {
    const SQL: &str = "INSERT INTO source (name, first_imported_at) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING";
    on!(tx, conn => sqlx::query(SQL).bind(name).bind(now.as_millisecond()).execute(conn).await.map(|_| ()))?;
    Ok(())
}

fn random_hex() -> String {
    let mut key = [0_u8; 32];
    // The same source of randomness that TLS uses.
    let random = rustls::crypto::ring::default_provider().secure_random;
    random.fill(&mut key).expect("the system gives randomness");
    use std::fmt::Write as _;
    key.iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

fn from_hex(hex: &str) -> Option<Vec<u8>> {
    if hex.len() != 64 {
        return None;
    }
    (0..32)
        .map(|i| {
            hex.get(2 * i..2 * i + 2)
                .and_then(|pair| u8::from_str_radix(pair, 16).ok())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use crate::store::{StoreError, sources, testing};

    #[tokio::test]
    async fn the_address_key_is_made_once() -> Result<(), StoreError> {
        for test in testing::stores().await {
            let key = sources::address_key(&test.store).await?;
            assert_eq!(key.len(), 32);
            assert_eq!(sources::address_key(&test.store).await?, key);
        }
        Ok(())
    }
}
