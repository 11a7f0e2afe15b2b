//! Patients' own settings for rules. Setting one has the patient planned again; it outlives rules and imports.

use std::collections::HashMap;
use std::fmt::Write as _;

use jiff::Timestamp;
use serde_json::json;

use super::audits::{self, NewAudit};
use super::message_view::Place;
use super::{StoreError, Tx, execute, id_set, marks, on};
use crate::model::id::PatientId;
use crate::model::private::Private;

/// A setting as it is kept: words, which the rules read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// The rule.
    pub rule: String,
    /// Whether nothing of the rule is planned.
    pub off: bool,
    /// Leads, such as `5d`.
    pub before: Option<Vec<String>>,
    /// Channels, such as `voice`.
    pub by: Option<Vec<String>>,
}

/// A setting with who made it.
#[derive(Clone, Debug)]
pub struct Kept {
    /// What is set.
    pub setting: Setting,
    /// By whom.
    pub set_by: String,
    /// When it was set last.
    pub updated_at: Timestamp,
}

#[derive(sqlx::FromRow)]
struct Row {
    patient_id: PatientId,
    rule_id: String,
    is_off: bool,
    leads: Option<String>,
    channels: Option<String>,
    set_by: String,
    updated_at: i64,
}

impl Row {
    fn into_kept(self) -> Result<(PatientId, Kept), StoreError> {
        let bad = |what| StoreError::BadRow {
            table: "rule_override",
            what,
        };
        let list = |text: Option<String>, what| {
            text.map(|text| serde_json::from_str(&text).map_err(|_| bad(what)))
                .transpose()
        };
        let setting = Setting {
            rule: self.rule_id,
            off: self.is_off,
            before: list(self.leads, "leads")?,
            by: list(self.channels, "channels")?,
        };
        let kept = Kept {
            setting,
            set_by: self.set_by,
            updated_at: Timestamp::from_millisecond(self.updated_at)
                .map_err(|_| bad("updated_at"))?,
        };
        Ok((self.patient_id, kept))
    }
}

/// The settings of these patients with who made them.
///
/// # Errors
/// When the database fails or a row cannot be read.
pub async fn of(
    tx: &mut Tx,
    patients: &[PatientId],
) -> Result<HashMap<PatientId, Vec<Kept>>, StoreError> {
    const SQL: &str = "SELECT o.patient_id, o.rule_id, o.is_off, o.leads, o.channels, o.set_by, o.updated_at FROM json_each($1) AS j CROSS JOIN rule_override AS o
        WHERE o.patient_id = j.atom ORDER BY o.patient_id, o.rule_id";
    let mut all: HashMap<PatientId, Vec<Kept>> = HashMap::new();
    if patients.is_empty() {
        return Ok(all);
    }
    let set = id_set(patients.iter().map(PatientId::as_str));
    let found: Vec<Row> = on!(tx, conn => sqlx::query_as(SQL).bind(set).fetch_all(conn).await)?;
    for row in found {
        let (patient, kept) = row.into_kept()?;
        all.entry(patient).or_default().push(kept);
    }
    Ok(all)
}

/// The settings of one patient with who made them, by rule.
///
/// # Errors
/// When the database fails or a row cannot be read.
pub async fn list(tx: &mut Tx, patient: &PatientId) -> Result<Vec<Kept>, StoreError> {
    const SQL: &str =
        "SELECT patient_id, rule_id, is_off, leads, channels, set_by, updated_at FROM rule_override
        WHERE patient_id = $1 ORDER BY rule_id";
    let found: Vec<Row> = on!(tx, conn => sqlx::query_as(SQL).bind(patient).fetch_all(conn).await)?;
    let kept = found
        .into_iter()
        .map(|row| row.into_kept().map(|row| row.1));
    kept.collect()
}

/// A setting in a list of all: whose it is, as the source names them too.
#[derive(Clone, Debug)]
pub struct Listed {
    /// Whose.
    pub patient: PatientId,
    /// The system that knows the patient.
    pub source: String,
    /// The patient's key there.
    pub source_key: Private<String>,
    /// The setting.
    pub kept: Kept,
}

impl Listed {
    /// Its id in a list: patient and rule.
    pub fn id(&self) -> String {
        let mut id = format!("{}_", self.patient);
        for byte in self.kept.setting.rule.bytes() {
            let _ = write!(id, "{byte:02x}");
        }
        id
    }
}

/// Patient and rule of an id that [`Listed::id`] gave; what is none stands before all.
fn named(id: &str) -> (&str, String) {
    let (patient, rule) = id.rsplit_once('_').unwrap_or((id, ""));
    let bytes = rule.as_bytes().chunks(2).map(|pair| {
        let pair = std::str::from_utf8(pair).ok()?;
        u8::from_str_radix(pair, 16).ok()
    });
    let bytes: Vec<u8> = bytes.collect::<Option<_>>().unwrap_or_default();
    (patient, String::from_utf8(bytes).unwrap_or_default())
}

/// One page of all settings, the latest first; of one rule, if it is not empty.
///
/// # Errors
/// When the database fails or a row cannot be read.
pub async fn page(
    tx: &mut Tx,
    rule: &str,
    after: Option<&Place>,
    most: i64,
) -> Result<Vec<Listed>, StoreError> {
    const SQL: &str = "SELECT o.patient_id, o.rule_id, o.is_off, o.leads, o.channels, o.set_by, o.updated_at, p.source, p.source_key
        FROM rule_override AS o JOIN patient AS p ON p.id = o.patient_id
        WHERE ($1 = '' OR o.rule_id = $1) AND (o.updated_at, o.patient_id, o.rule_id) < ($2, $3, $4)
        ORDER BY o.updated_at DESC, o.patient_id DESC, o.rule_id DESC LIMIT $5";
    #[derive(sqlx::FromRow)]
    struct Whose {
        #[sqlx(flatten)]
        row: Row,
        source: String,
        source_key: String,
    }
    let at = after.map_or(i64::MAX, |place| place.at);
    let (patient, named) = after.map_or(("zzzz", String::new()), |place| named(&place.id));
    let found: Vec<Whose> = on!(tx, conn => sqlx::query_as(SQL).bind(rule).bind(at).bind(patient).bind(&named).bind(most).fetch_all(conn).await)?;
    let listed = found.into_iter().map(|whose| {
        let (patient, kept) = whose.row.into_kept()?;
        Ok(Listed {
            patient,
            source: whose.source,
            source_key: Private::new(whose.source_key),
            kept,
        })
    });
    listed.collect()
}

/// Keeps a setting for `actor`, in place of an earlier one, and has the patient planned again. What a rule
/// that is turned off has planned is superseded at once. False when the same one stood before.
///
/// # Errors
/// When the database fails.
pub async fn set(
    tx: &mut Tx,
    patient: &PatientId,
    setting: &Setting,
    actor: &str,
    now: Timestamp,
) -> Result<bool, StoreError> {
    const SQL: &str = "INSERT INTO rule_override (patient_id, rule_id, is_off, leads, channels, set_by, updated_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7)
        ON CONFLICT (patient_id, rule_id) DO UPDATE SET is_off = excluded.is_off, leads = excluded.leads, channels = excluded.channels,
          set_by = excluded.set_by, updated_at = excluded.updated_at
        WHERE rule_override.is_off <> excluded.is_off OR rule_override.leads IS DISTINCT FROM excluded.leads
          OR rule_override.channels IS DISTINCT FROM excluded.channels";
    const SUPERSEDE: &str =
        "UPDATE reminder SET state = 'superseded', reason = 'superseded', updated_at = $3
        WHERE patient_id = $1 AND rule_id = $2 AND state = 'planned'";
    let text = |list: &Option<Vec<String>>| list.as_ref().map(|list| json!(list).to_string());
    let at = now.as_millisecond();
    let written = execute!(
        &mut *tx,
        sqlx::query(SQL)
            .bind(patient)
            .bind(&setting.rule)
            .bind(setting.off)
            .bind(text(&setting.before))
            .bind(text(&setting.by))
            .bind(actor)
            .bind(at)
    )?;
    if written == 0 {
        return Ok(false);
    }
    if setting.off {
        execute!(
            &mut *tx,
            sqlx::query(SUPERSEDE)
                .bind(patient)
                .bind(&setting.rule)
                .bind(at)
        )?;
    }
    let detail = json!({"rule": setting.rule, "off": setting.off, "before": setting.before, "by": setting.by});
    changed(tx, patient, "override.set", detail, actor, now).await?;
    Ok(true)
}

/// Takes a setting back for `actor` and has the patient planned again; false when there is none.
///
/// # Errors
/// When the database fails.
pub async fn remove(
    tx: &mut Tx,
    patient: &PatientId,
    rule: &str,
    actor: &str,
    now: Timestamp,
) -> Result<bool, StoreError> {
    const SQL: &str = "DELETE FROM rule_override WHERE patient_id = $1 AND rule_id = $2";
    if execute!(&mut *tx, sqlx::query(SQL).bind(patient).bind(rule))? == 0 {
        return Ok(false);
    }
    let detail = json!({"rule": rule});
    changed(tx, patient, "override.remove", detail, actor, now).await?;
    Ok(true)
}

async fn changed(
    tx: &mut Tx,
    patient: &PatientId,
    action: &str,
    detail: serde_json::Value,
    actor: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    let act = NewAudit {
        actor,
        action,
        target: patient.as_str(),
        detail,
    };
    audits::add(tx, &act, now).await?;
    marks::add(tx, std::slice::from_ref(patient), now).await
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::{Setting, list, of, remove, set};
    use crate::model::id::PatientId;
    use crate::store::{StoreError, execute, marks, testing};

    #[tokio::test]
    async fn a_setting_replaces_the_one_before_and_has_the_patient_planned()
    -> Result<(), StoreError> {
        const PATIENT: &str = "INSERT INTO patient (id, source, source_key, name, deceased, special, held, tags, prefer, attributes,
            row_hash, created_at, updated_at) VALUES ($1, 'his', 'P1', '{}', FALSE, FALSE, FALSE, '[]', '[]', '{}', '', 0, 0)";
        for test in testing::stores().await {
            let (ana, now) = (PatientId::generate(), Timestamp::UNIX_EPOCH);
            let mut tx = test.store.write().await?;
            execute!(&mut tx, sqlx::query(PATIENT).bind(&ana))?;
            let off = Setting {
                rule: "recheck".to_owned(),
                off: true,
                before: None,
                by: None,
            };
            let early = Setting {
                off: false,
                before: Some(vec!["5d".to_owned()]),
                ..off.clone()
            };
            assert!(set(&mut tx, &ana, &off, "cli", now).await?);
            assert!(!set(&mut tx, &ana, &off, "other", now).await?);
            assert!(set(&mut tx, &ana, &early, "cli", now).await?);
            let ids = [ana.clone(), PatientId::generate()];
            let kept = of(&mut tx, &ids).await?.remove(&ana).unwrap_or_default();
            let kept: Vec<Setting> = kept.into_iter().map(|kept| kept.setting).collect();
            assert_eq!(kept, [early]);
            assert_eq!(marks::take(&mut tx, 10).await?.len(), 1);
            assert_eq!(list(&mut tx, &ana).await?[0].set_by, "cli");
            assert!(remove(&mut tx, &ana, "recheck", "cli", now).await?);
            assert!(!remove(&mut tx, &ana, "recheck", "cli", now).await?);
            assert!(of(&mut tx, &ids).await?.is_empty());
        }
        Ok(())
    }
}
