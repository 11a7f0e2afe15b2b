//! Rules, templates and reply words as versions: a running message names the one it used.

use jiff::Timestamp;
use serde::Serialize;

use super::{StoreError, Tx, execute, on, rows};

/// One version of a document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Document {
    /// `rule`, `template` or `reply_words`.
    pub kind: &'static str,
    /// The rule's id, or `<template>/<language>.<channel>.<ext>`.
    pub id: String,
    /// Hash of the body.
    pub version: String,
    /// The document itself.
    pub body: String,
    /// Who owns it.
    pub department: Option<String>,
}

/// Records what the folders hold as provisioned documents: new versions become active, the versions
/// before are replaced, and what is in no folder any more is gone. Of the rules in `broken` the last
/// version that could be read stays the active one. Doing it twice changes nothing.
///
/// # Errors
/// When the database fails.
pub async fn provision(
    tx: &mut Tx,
    documents: &[Document],
    broken: &[String],
    now: Timestamp,
) -> Result<(), StoreError> {
    const INSERT: &str = "INSERT INTO document (kind, id, version, body, origin, state, department, author, created_at)
        SELECT j.value ->> 'kind', j.value ->> 'id', j.value ->> 'version', j.value ->> 'body', 'provisioned', 'active',
          j.value ->> 'department', NULL, $2 FROM json_each($1) AS j WHERE TRUE
        ON CONFLICT (kind, id, version) DO UPDATE SET state = 'active' WHERE document.state <> 'active'";
    const REPLACED: &str = "UPDATE document SET state = 'replaced' WHERE origin = 'provisioned' AND state = 'active' AND EXISTS
          (SELECT 1 FROM json_each($1) AS j WHERE j.value ->> 'kind' = document.kind AND j.value ->> 'id' = document.id
            AND j.value ->> 'version' <> document.version)";
    const GONE: &str = "UPDATE document SET state = 'gone' WHERE origin = 'provisioned' AND state = 'active' AND NOT EXISTS
          (SELECT 1 FROM json_each($1) AS j WHERE j.value ->> 'kind' = document.kind AND j.value ->> 'id' = document.id)
          AND NOT (kind = 'rule' AND id IN (SELECT b.value ->> 'id' FROM json_each($2) AS b))";
    let set = rows(documents);
    execute!(
        &mut *tx,
        sqlx::query(INSERT).bind(&set).bind(now.as_millisecond())
    )?;
    execute!(&mut *tx, sqlx::query(REPLACED).bind(&set))?;
    let broken = rows(&broken.iter().map(|id| super::Id { id }).collect::<Vec<_>>());
    execute!(&mut *tx, sqlx::query(GONE).bind(&set).bind(&broken))?;
    Ok(())
}

/// The active version of every document of `kind`: id, version, body.
///
/// # Errors
/// When the database fails.
pub async fn active(tx: &mut Tx, kind: &str) -> Result<Vec<(String, String, String)>, StoreError> {
    const SQL: &str =
        "SELECT id, version, body FROM document WHERE kind = $1 AND state = 'active' ORDER BY id";
    on!(tx, conn => sqlx::query_as(SQL).bind(kind).fetch_all(conn).await)
}

/// One version of a document, as it is kept.
#[derive(Clone, Debug)]
pub struct Version {
    /// Hash of the body.
    pub version: String,
    /// `active`, `replaced` or `gone`.
    pub state: String,
    /// `provisioned` or `console`.
    pub origin: String,
    /// When it was first there.
    pub created_at: Timestamp,
}

/// Every version of a document, the newest first.
///
/// # Errors
/// When the database fails or a row cannot be read.
pub async fn versions(tx: &mut Tx, kind: &str, id: &str) -> Result<Vec<Version>, StoreError> {
    const SQL: &str = "SELECT version, state, origin, created_at FROM document WHERE kind = $1 AND id = $2 ORDER BY created_at DESC, version";
    let found: Vec<(String, String, String, i64)> =
        on!(tx, conn => sqlx::query_as(SQL).bind(kind).bind(id).fetch_all(conn).await)?;
    found
        .into_iter()
        .map(|(version, state, origin, at)| {
            let created_at = Timestamp::from_millisecond(at).map_err(|_| StoreError::BadRow {
                table: "document",
                what: "created_at",
            })?;
            Ok(Version {
                version,
                state,
                origin,
                created_at,
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::{Document, active, provision};
    use crate::store::{StoreError, testing};

    fn rule(id: &str, version: &str) -> Document {
        Document {
            kind: "rule",
            id: id.to_owned(),
            version: version.to_owned(),
            body: "title = \"x\"".to_owned(),
            department: None,
        }
    }

    #[tokio::test]
    async fn the_folder_decides_which_version_is_active() -> Result<(), StoreError> {
        for test in testing::stores().await {
            let now = Timestamp::UNIX_EPOCH;
            let mut tx = test.store.write().await?;
            provision(&mut tx, &[rule("a", "1"), rule("b", "1")], &[], now).await?;
            provision(&mut tx, &[rule("a", "2")], &[], now).await?;
            let seen: Vec<_> = active(&mut tx, "rule")
                .await?
                .into_iter()
                .map(|(id, version, _)| (id, version))
                .collect();
            assert_eq!(seen, [("a".to_owned(), "2".to_owned())]);
            provision(&mut tx, &[rule("a", "1"), rule("b", "1")], &[], now).await?;
            provision(&mut tx, &[rule("a", "1")], &["b".to_owned()], now).await?;
            let seen: Vec<_> = active(&mut tx, "rule")
                .await?
                .into_iter()
                .map(|(id, version, _)| (id, version))
                .collect();
            assert_eq!(
                seen,
                [
                    ("a".to_owned(), "1".to_owned()),
                    ("b".to_owned(), "1".to_owned())
                ]
            );
        }
        Ok(())
    }
}
