//! Departments and the people who work in them.

use std::collections::HashMap;

use jiff::Timestamp;
use serde_json::json;

use super::{StoreError, Tx, on, rows};
use crate::model::id::StaffId;
use crate::model::private::Private;

#[derive(sqlx::FromRow)]
struct StaffRow {
    id: StaffId,
    name: String,
    department: Option<String>,
    role: Option<String>,
    phone: Option<String>,
    email: Option<String>,
}

/// A member of staff with the addresses for work.
#[derive(Clone, Debug)]
pub struct Staff {
    /// Our own id.
    pub id: StaffId,
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
}

/// Who works in `department` now, by name.
///
/// # Errors
/// When the database refuses.
pub async fn of_department(tx: &mut Tx, department: &str) -> Result<Vec<Staff>, StoreError> {
    const SQL: &str = "SELECT id, name, department, role, phone, email FROM staff WHERE department = $1 AND active = TRUE ORDER BY name, id";
    let found: Vec<StaffRow> =
        on!(tx, conn => sqlx::query_as(SQL).bind(department).fetch_all(conn).await)?;
    Ok(found
        .into_iter()
        .map(|row| Staff {
            id: row.id,
            name: Private::new(row.name),
            department: row.department,
            role: row.role,
            phone: row.phone.map(Private::new),
            email: row.email.map(Private::new),
        })
        .collect())
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
    const SQL: &str = "INSERT INTO staff (id, source, source_key, name, department, role, phone, email, active, row_hash, created_at, updated_at)
        SELECT j.value ->> 'id', $1, j.value ->> 'source_key', j.value ->> 'name', j.value ->> 'department', j.value ->> 'role',
            j.value ->> 'phone', j.value ->> 'email', CAST(j.value ->> 'active' AS BOOLEAN), j.value ->> 'row_hash', CAST($3 AS BIGINT), CAST($3 AS BIGINT)
        FROM json_each($2) AS j WHERE TRUE
        ON CONFLICT (source, source_key) DO UPDATE SET name = excluded.name, department = COALESCE(excluded.department, staff.department),
            role = COALESCE(excluded.role, staff.role), phone = excluded.phone, email = excluded.email, active = excluded.active,
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
