//! Departments and the people who work in them.

use std::collections::HashMap;

use jiff::Timestamp;
use jiff::civil::Date;
use serde_json::json;

use super::{Id, StoreError, Tx, on, rows};
use crate::model::id::StaffId;
use crate::model::private::Private;
use crate::model::staff::{Away, StaffKey};

/// A member of staff with the addresses for work.
#[derive(Clone, Debug)]
pub struct Staff {
    /// Our own id.
    pub id: StaffId,
    /// How the source calls them.
    pub key: StaffKey,
    /// What they are called.
    pub name: Private<String>,
    /// Where they work.
    pub department: Option<String>,
    /// What they are there.
    pub role: Option<String>,
    /// Number in E.164.
    pub phone: Option<Private<String>>,
    /// Mail address.
    pub email: Option<Private<String>>,
    /// Whether they work here now.
    pub active: bool,
    /// When they are away.
    pub away: Vec<Away>,
    /// Who gets meanwhile what is theirs.
    pub substitute: Option<StaffKey>,
}

impl Staff {
    /// The absence that `day` lies in.
    pub fn away_on(&self, day: Date) -> Option<Away> {
        self.away.iter().copied().find(|away| away.covers(day))
    }
}

#[derive(sqlx::FromRow)]
struct StaffRow {
    id: StaffId,
    source: String,
    source_key: String,
    name: String,
    department: Option<String>,
    role: Option<String>,
    phone: Option<String>,
    email: Option<String>,
    active: bool,
    away: Option<String>,
    substitute: Option<String>,
}

impl StaffRow {
    fn into_staff(self) -> Result<Staff, StoreError> {
        let away = match self.away {
            Some(text) => serde_json::from_str(&text).map_err(|_| StoreError::BadRow {
                table: "staff",
                what: "away",
            })?,
            None => Vec::new(),
        };
        Ok(Staff {
            id: self.id,
            key: StaffKey {
                source: self.source,
                key: self.source_key,
            },
            name: Private::new(self.name),
            department: self.department,
            role: self.role,
            phone: self.phone.map(Private::new),
            email: self.email.map(Private::new),
            active: self.active,
            away,
            substitute: self.substitute.as_deref().and_then(StaffKey::parse),
        })
    }
}

/// Who works in these departments now, by name.
///
/// # Errors
/// When the database refuses or a row cannot be read.
pub async fn of_departments(tx: &mut Tx, departments: &[&str]) -> Result<Vec<Staff>, StoreError> {
    const SQL: &str = "SELECT s.id, s.source, s.source_key, s.name, s.department, s.role, s.phone, s.email, s.active, s.away, s.substitute
        FROM json_each($1) AS j CROSS JOIN staff AS s WHERE s.department = j.value ->> 'id' AND s.active = TRUE ORDER BY s.name, s.id";
    if departments.is_empty() {
        return Ok(Vec::new());
    }
    let set: Vec<Id<'_>> = departments.iter().map(|id| Id { id }).collect();
    let found: Vec<StaffRow> =
        on!(tx, conn => sqlx::query_as(SQL).bind(rows(&set)).fetch_all(conn).await)?;
    found.into_iter().map(StaffRow::into_staff).collect()
}

/// The members of staff whom sources call by these keys, those who left as well.
///
/// # Errors
/// When the database refuses or a row cannot be read.
pub async fn by_keys(tx: &mut Tx, keys: &[&StaffKey]) -> Result<Vec<Staff>, StoreError> {
    const SQL: &str = "SELECT s.id, s.source, s.source_key, s.name, s.department, s.role, s.phone, s.email, s.active, s.away, s.substitute
        FROM json_each($1) AS j CROSS JOIN staff AS s WHERE s.source = j.value ->> 'source' AND s.source_key = j.value ->> 'key'
        ORDER BY s.name, s.id";
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    let found: Vec<StaffRow> =
        on!(tx, conn => sqlx::query_as(SQL).bind(rows(keys)).fetch_all(conn).await)?;
    found.into_iter().map(StaffRow::into_staff).collect()
}

/// A member of staff to be written. Holds private data in the open: it has no `Debug`.
#[derive(serde::Serialize)]
pub struct StaffPut {
    /// A new id, used if the member is not known yet.
    pub id: StaffId,
    /// The source's key.
    pub source_key: String,
    /// What they are called.
    pub name: String,
    /// Where they work; not told: what we had stays.
    pub department: Option<String>,
    /// What they are there; not told: what we had stays.
    pub role: Option<String>,
    /// In E.164.
    pub phone: Option<String>,
    /// Mail address.
    pub email: Option<String>,
    /// Whether they work here now.
    pub active: bool,
    /// JSON list of `Away`; not told: what we had stays.
    pub away: Option<String>,
    /// `source/key` of who stands in, empty for nobody; not told: what we had stays.
    pub substitute: Option<String>,
    /// Of the record.
    pub row_hash: String,
}

/// The hashes of the staff that `source` calls by these keys.
///
/// # Errors
/// When the database refuses.
pub async fn known(
    tx: &mut Tx,
    source: &str,
    keys: &[&str],
) -> Result<HashMap<String, String>, StoreError> {
    const SQL: &str = "SELECT s.source_key, s.row_hash FROM staff AS s
        WHERE s.source = $1 AND s.source_key IN (SELECT j.value ->> 'key' FROM json_each($2) AS j)";
    let set = rows(
        &keys
            .iter()
            .map(|key| json!({"key": key}))
            .collect::<Vec<_>>(),
    );
    let found: Vec<(String, String)> =
        on!(tx, conn => sqlx::query_as(SQL).bind(source).bind(set).fetch_all(conn).await)?;
    Ok(found.into_iter().collect())
}

/// Writes staff of `source`.
///
/// # Errors
/// When the database refuses.
pub async fn put(
    tx: &mut Tx,
    source: &str,
    staff: &[StaffPut],
    now: Timestamp,
) -> Result<(), StoreError> {
    const SQL: &str = "INSERT INTO staff (id, source, source_key, name, department, role, phone, email, active, away, substitute,
            row_hash, created_at, updated_at)
        SELECT j.value ->> 'id', $1, j.value ->> 'source_key', j.value ->> 'name', j.value ->> 'department', j.value ->> 'role',
            j.value ->> 'phone', j.value ->> 'email', CAST(j.value ->> 'active' AS BOOLEAN), j.value ->> 'away', j.value ->> 'substitute',
            j.value ->> 'row_hash', CAST($3 AS BIGINT), CAST($3 AS BIGINT)
        FROM json_each($2) AS j WHERE TRUE
        ON CONFLICT (source, source_key) DO UPDATE SET name = excluded.name, department = COALESCE(excluded.department, staff.department),
            role = COALESCE(excluded.role, staff.role), phone = excluded.phone, email = excluded.email, active = excluded.active,
            away = COALESCE(excluded.away, staff.away), substitute = COALESCE(excluded.substitute, staff.substitute),
            row_hash = excluded.row_hash, updated_at = excluded.updated_at";
    on!(tx, conn => sqlx::query(SQL).bind(source).bind(rows(staff)).bind(now.as_millisecond()).execute(conn).await.map(|_| ()))
}

/// A department.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, sqlx::FromRow)]
pub struct Department {
    /// As rules name it.
    pub id: String,
    /// As staff name it.
    pub name: String,
    /// As patients may read it.
    pub public_name: Option<String>,
}

/// Every department, by id.
///
/// # Errors
/// When the database refuses.
pub async fn departments(tx: &mut Tx) -> Result<Vec<Department>, StoreError> {
    const SQL: &str = "SELECT id, name, public_name FROM department ORDER BY id";
    on!(tx, conn => sqlx::query_as(SQL).fetch_all(conn).await)
}

/// Writes departments.
///
/// # Errors
/// When the database refuses.
pub async fn put_departments(
    tx: &mut Tx,
    departments: &[Department],
    now: Timestamp,
) -> Result<(), StoreError> {
    const SQL: &str = "INSERT INTO department (id, name, public_name, created_at)
        SELECT j.value ->> 'id', j.value ->> 'name', j.value ->> 'public_name', CAST($2 AS BIGINT) FROM json_each($1) AS j WHERE TRUE
        ON CONFLICT (id) DO UPDATE SET name = excluded.name, public_name = COALESCE(excluded.public_name, department.public_name)";
    on!(tx, conn => sqlx::query(SQL).bind(rows(departments)).bind(now.as_millisecond()).execute(conn).await.map(|_| ()))
}
