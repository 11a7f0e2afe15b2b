//! Departments and the people who work in them.

use super::{StoreError, Tx, on};
use crate::model::id::StaffId;
use crate::model::private::Private;

/// A member of staff with the addresses for work.
#[derive(Clone, Debug, sqlx::FromRow)]
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
    let found: Vec<StaffRow> = on!(tx, conn => sqlx::query_as(SQL).bind(department).fetch_all(conn).await)?;
    Ok(found.into_iter().map(|row| Staff {
        id: row.id,
        name: Private::new(row.name),
        department: row.department,
        role: row.role,
        phone: row.phone.map(Private::new),
        email: row.email.map(Private::new),
    }).collect())
}
