//! Who may have something due: patients found by index, in the order of their ids.
//!
//! A candidate is only worth a look; the rule decides.

use serde::Serialize;

use super::{StoreError, Tx, on, rows};
use crate::model::id::PatientId;
use crate::model::patient::Sex;

/// Where to look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Among {
    /// Whose birthday is one of these days, each month × 100 + day.
    Birthdays {
        /// Solar ones.
        solar: Vec<i64>,
        /// Lunar ones.
        lunar: Vec<i64>,
    },
    /// Who has an occasion or fact of this kind.
    Dated {
        /// The kind.
        kind: String,
        /// Occasions from this moment, in ms.
        from: i64,
        /// And before this one.
        to: i64,
        /// Facts from this day, where steps follow them.
        facts_from: Option<String>,
    },
    /// All who are alive.
    Everybody,
}

/// Who may have something due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidates {
    /// Where to look.
    pub among: Among,
    /// Only with a diagnosis that begins so; empty for all.
    pub diagnosis: Vec<String>,
    /// Only of this sex.
    pub sex: Option<Sex>,
    /// Only born on or before this day.
    pub born_until: Option<String>,
    /// Only born after this day.
    pub born_after: Option<String>,
    /// Only with all of these marks.
    pub tags: Vec<String>,
}

#[derive(Serialize)]
struct Number {
    n: i64,
}

#[derive(Serialize)]
struct Prefix<'a> {
    from: String,
    to: String,
    prefix: &'a str,
}

#[derive(Serialize)]
struct Tag {
    like: String,
}

// SQLite keeps the order of a CROSS JOIN: the few ranges first, then the index of facts.

/// The next candidates after `after`, at most `limit`.
///
/// # Errors
/// When the database fails.
pub async fn page(
    tx: &mut Tx,
    candidates: &Candidates,
    after: Option<&PatientId>,
    limit: i64,
) -> Result<Vec<PatientId>, StoreError> {
    const BIRTHDAYS: &str = "SELECT p.id FROM patient AS p WHERE p.deceased = FALSE AND p.id > $1
          AND p.birth_md IN (SELECT CAST(j.value ->> 'n' AS BIGINT) FROM json_each($2) AS j)
        UNION SELECT p.id FROM patient AS p WHERE p.deceased = FALSE AND p.id > $1
          AND p.lunar_md IN (SELECT CAST(j.value ->> 'n' AS BIGINT) FROM json_each($3) AS j)
        ORDER BY 1 LIMIT $4";
    const DATED: &str = "SELECT o.patient_id FROM occasion AS o WHERE o.kind = $1 AND o.at >= $2 AND o.at < $3 AND o.patient_id > $4
        UNION SELECT f.patient_id FROM fact AS f WHERE f.kind = $1 AND f.on_day >= $5 AND f.patient_id > $4
        ORDER BY 1 LIMIT $6";
    const DIAGNOSED: &str = "SELECT DISTINCT f.patient_id FROM json_each($2) AS j CROSS JOIN fact AS f
        WHERE f.kind = 'diagnosis' AND f.code >= j.value ->> 'from' AND f.code < j.value ->> 'to' AND f.patient_id > $1 ORDER BY 1 LIMIT $3";
    const EVERYBODY: &str = "SELECT p.id FROM patient AS p WHERE p.deceased = FALSE AND p.id > $1 ORDER BY p.id LIMIT $2";
    let after = after.map_or("", PatientId::as_str);
    let numbers = |list: &[i64]| rows(&list.iter().map(|n| Number { n: *n }).collect::<Vec<_>>());
    match &candidates.among {
        Among::Birthdays { solar, lunar } => {
            let (solar, lunar) = (numbers(solar), numbers(lunar));
            on!(tx, conn => sqlx::query_scalar(BIRTHDAYS).bind(after).bind(&solar).bind(&lunar).bind(limit).fetch_all(conn).await)
        }
        Among::Dated {
            kind,
            from,
            to,
            facts_from,
        } => {
            // No day is later than this one.
            let facts_from = facts_from.as_deref().unwrap_or("9999-99-99");
            on!(tx, conn => sqlx::query_scalar(DATED).bind(kind).bind(from).bind(to).bind(after).bind(facts_from).bind(limit).fetch_all(conn).await)
        }
        Among::Everybody if !candidates.diagnosis.is_empty() => {
            let ranges = rows(&ranges(&candidates.diagnosis));
            on!(tx, conn => sqlx::query_scalar(DIAGNOSED).bind(after).bind(&ranges).bind(limit).fetch_all(conn).await)
        }
        Among::Everybody => {
            on!(tx, conn => sqlx::query_scalar(EVERYBODY).bind(after).bind(limit).fetch_all(conn).await)
        }
    }
}

/// How many patients there are among everybody that fit all the keys.
///
/// # Errors
/// When the database fails.
pub async fn count(tx: &mut Tx, candidates: &Candidates) -> Result<i64, StoreError> {
    const SQL: &str = "SELECT COUNT(*) FROM patient AS p WHERE p.deceased = FALSE AND ($1 = '' OR p.sex = $1)
          AND ($2 = '' OR p.birth_on <= $2) AND ($3 = '' OR p.birth_on > $3)
          AND NOT EXISTS (SELECT 1 FROM json_each($4) AS t WHERE p.tags NOT LIKE t.value ->> 'like')
          AND ($5 = '[]' OR p.id IN (SELECT f.patient_id FROM json_each($5) AS j CROSS JOIN fact AS f
            WHERE f.kind = 'diagnosis' AND f.code >= j.value ->> 'from' AND f.code < j.value ->> 'to'
              AND UPPER(SUBSTR(f.code, 1, LENGTH(j.value ->> 'prefix'))) = UPPER(j.value ->> 'prefix')))";
    let sex = candidates.sex.map_or("", Sex::as_str);
    let (until, after) = (
        candidates.born_until.as_deref().unwrap_or_default(),
        candidates.born_after.as_deref().unwrap_or_default(),
    );
    let tags: Vec<Tag> = candidates
        .tags
        .iter()
        .map(|tag| Tag {
            like: format!("%{}%", serde_json::Value::from(tag.as_str())),
        })
        .collect();
    let (tags, ranges) = (rows(&tags), rows(&ranges(&candidates.diagnosis)));
    on!(tx, conn => sqlx::query_scalar(SQL).bind(sex).bind(until).bind(after).bind(&tags).bind(&ranges).fetch_one(conn).await)
}

/// The ranges of codes that begin with one of `prefixes`, as people write them: in capitals and not.
fn ranges(prefixes: &[String]) -> Vec<Prefix<'_>> {
    prefixes
        .iter()
        .flat_map(|prefix| {
            let mut spellings = vec![prefix.to_uppercase(), prefix.to_lowercase()];
            spellings.dedup();
            spellings.into_iter().map(move |from| Prefix {
                to: after_all(&from),
                from,
                prefix,
            })
        })
        .collect()
}

/// What comes after every text that begins with `prefix`.
fn after_all(prefix: &str) -> String {
    let mut chars: Vec<char> = prefix.chars().collect();
    if let Some(last) = chars.last_mut() {
        *last = char::from_u32(u32::from(*last) + 1).unwrap_or(char::MAX);
    }
    chars.into_iter().collect()
}
