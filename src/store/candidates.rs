//! Who may have something due: patients found by index, in the order of their ids.
//!
//! A candidate is only worth a look; the rule decides. Where the keys of an audience are given, the one that an index
//! answers best leads, and the others narrow down what it finds.

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
    /// Who has leads of their own for this rule.
    OfOwnLeads {
        /// The rule's id.
        rule: String,
    },
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
    word: String,
}

/// What an audience asks beside diagnoses: $1 sex, $2 and $3 the span of births, $4 marks.
macro_rules! fits {
    () => {
        "p.deceased = FALSE AND ($1 = '' OR p.sex = $1) AND ($2 = '' OR p.birth_on <= $2) AND ($3 = '' OR p.birth_on > $3)
          AND ($4 = '[]' OR NOT EXISTS (SELECT 1 FROM json_each($4) AS t WHERE REPLACE(p.tags, t.value ->> 'word', '') = p.tags))"
    };
}

/// The ranges of codes are $7. What stands before the range keeps SQLite from looking all facts of the range up.
macro_rules! diagnosed {
    () => {
        " AND ($7 = '[]' OR EXISTS (SELECT 1 FROM fact AS f CROSS JOIN json_each($7) AS j WHERE f.patient_id = p.id
            AND f.kind || '' = 'diagnosis' AND UPPER(SUBSTR(f.code, 1, LENGTH(j.value ->> 'prefix'))) = UPPER(j.value ->> 'prefix')))"
    };
}

/// The facts of a diagnosis lead. SQLite keeps the order of a CROSS JOIN: the few ranges first, then the index of facts.
macro_rules! by_diagnosis {
    ($ranges:literal) => {
        concat!(
            " FROM json_each(",
            $ranges,
            ") AS j CROSS JOIN fact AS f CROSS JOIN patient AS p
            WHERE f.kind = 'diagnosis' AND f.code >= j.value ->> 'from' AND f.code < j.value ->> 'to'
              AND UPPER(SUBSTR(f.code, 1, LENGTH(j.value ->> 'prefix'))) = UPPER(j.value ->> 'prefix')
              AND p.id = f.patient_id AND "
        )
    };
}

/// A span of births that is open where no day is given.
macro_rules! born {
    () => {
        "p.birth_on > $3 AND p.birth_on <= CASE WHEN $2 = '' THEN '9999-99-99' ELSE $2 END"
    };
}

const BIRTHDAYS: &str = concat!(
    "SELECT p.id FROM patient AS p WHERE p.id > $5
          AND p.birth_md IN (SELECT CAST(d.value ->> 'n' AS BIGINT) FROM json_each($8) AS d) AND ",
    fits!(),
    diagnosed!(),
    " UNION SELECT p.id FROM patient AS p WHERE p.id > $5
          AND p.lunar_md IN (SELECT CAST(d.value ->> 'n' AS BIGINT) FROM json_each($9) AS d) AND ",
    fits!(),
    diagnosed!(),
    " ORDER BY 1 LIMIT $6"
);
const DATED: &str = "SELECT o.patient_id FROM occasion AS o WHERE o.kind = $1 AND o.at >= $2 AND o.at < $3 AND o.patient_id > $4
    UNION SELECT f.patient_id FROM fact AS f WHERE f.kind = $1 AND f.on_day >= $5 AND f.patient_id > $4
    ORDER BY 1 LIMIT $6";
// SQLite keeps the order of a CROSS JOIN: the few settings first.
const OF_OWN_LEADS: &str = concat!(
    "SELECT p.id FROM rule_override AS o CROSS JOIN patient AS p
        WHERE o.rule_id = $8 AND o.leads IS NOT NULL AND o.patient_id > $5 AND p.id = o.patient_id AND ",
    fits!(),
    diagnosed!(),
    " ORDER BY o.patient_id LIMIT $6"
);
const DIAGNOSED: &str = concat!(
    "SELECT DISTINCT f.patient_id",
    by_diagnosis!("$7"),
    fits!(),
    " AND f.patient_id > $5 ORDER BY 1 LIMIT $6"
);
const TAGGED: &str = concat!(
    "SELECT p.id FROM patient AS p WHERE p.tags <> '[]' AND p.id > $5 AND ",
    fits!(),
    " ORDER BY p.id LIMIT $6"
);
// Written so that SQLite goes by the index of births and not by that of ids.
const BORN: &str = concat!(
    "SELECT p.id FROM patient AS p WHERE ",
    born!(),
    " AND p.id || '' > $5 AND ",
    fits!(),
    " ORDER BY p.id || '' LIMIT $6"
);
const OF_SEX: &str = concat!(
    "SELECT p.id FROM patient AS p WHERE p.sex = $1 AND p.id > $5 AND ",
    fits!(),
    " ORDER BY p.id LIMIT $6"
);
const EVERYBODY: &str =
    "SELECT p.id FROM patient AS p WHERE p.deceased = FALSE AND p.id > $1 ORDER BY p.id LIMIT $2";

const COUNT_DIAGNOSED: &str = concat!(
    "SELECT COUNT(DISTINCT f.patient_id)",
    by_diagnosis!("$5"),
    fits!()
);
const COUNT_TAGGED: &str = concat!(
    "SELECT COUNT(*) FROM patient AS p WHERE p.tags <> '[]' AND ",
    fits!()
);
const COUNT_BORN: &str = concat!(
    "SELECT COUNT(*) FROM patient AS p WHERE ",
    born!(),
    " AND ",
    fits!()
);
const COUNT_OF_SEX: &str = concat!(
    "SELECT COUNT(*) FROM patient AS p WHERE p.sex = $1 AND ",
    fits!()
);
const COUNT_EVERYBODY: &str = "SELECT COUNT(*) FROM patient AS p WHERE p.deceased = FALSE";

/// What an index answers best.
#[derive(Clone, Copy)]
enum By {
    Diagnosis,
    Tags,
    Birth,
    Sex,
    Nothing,
}

/// The values of the keys, as the statements take them.
struct Keys {
    sex: &'static str,
    born_until: String,
    born_after: String,
    tags: String,
    ranges: String,
}

/// Binds the keys to $1 … $4.
macro_rules! bind {
    ($sql:expr, $keys:expr) => {
        $sql.bind($keys.sex)
            .bind(&$keys.born_until)
            .bind(&$keys.born_after)
            .bind(&$keys.tags)
    };
}

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
    let after = after.map_or("", PatientId::as_str);
    let numbers = |list: &[i64]| rows(&list.iter().map(|n| Number { n: *n }).collect::<Vec<_>>());
    let keys = candidates.keys();
    match &candidates.among {
        Among::Birthdays { solar, lunar } => {
            let (solar, lunar) = (numbers(solar), numbers(lunar));
            on!(tx, conn => bind!(sqlx::query_scalar(BIRTHDAYS), keys).bind(after).bind(limit).bind(&keys.ranges)
                .bind(&solar).bind(&lunar).fetch_all(conn).await)
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
        Among::OfOwnLeads { rule } => {
            on!(tx, conn => bind!(sqlx::query_scalar(OF_OWN_LEADS), keys).bind(after).bind(limit).bind(&keys.ranges)
                .bind(rule).fetch_all(conn).await)
        }
        Among::Everybody => {
            let sql = match candidates.by() {
                By::Diagnosis => {
                    return on!(tx, conn => bind!(sqlx::query_scalar(DIAGNOSED), keys).bind(after).bind(limit)
                        .bind(&keys.ranges).fetch_all(conn).await);
                }
                By::Tags => TAGGED,
                By::Birth => BORN,
                By::Sex => OF_SEX,
                By::Nothing => {
                    return on!(tx, conn => sqlx::query_scalar(EVERYBODY).bind(after).bind(limit).fetch_all(conn).await);
                }
            };
            on!(tx, conn => bind!(sqlx::query_scalar(sql), keys).bind(after).bind(limit).fetch_all(conn).await)
        }
    }
}

/// The next candidates after `after` of several searches together, at most `limit`.
///
/// # Errors
/// When the database fails.
pub async fn page_of_all(
    tx: &mut Tx,
    searches: &[Candidates],
    after: Option<&PatientId>,
    limit: i64,
) -> Result<Vec<PatientId>, StoreError> {
    let mut found = Vec::new();
    for search in searches {
        found.extend(page(tx, search, after, limit).await?);
    }
    if searches.len() > 1 {
        // What the last of them left for the next page must not be passed over.
        found.sort_unstable();
        found.dedup();
        found.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    }
    Ok(found)
}

/// How many patients there are among everybody that fit all the keys.
///
/// # Errors
/// When the database fails.
pub async fn count(tx: &mut Tx, candidates: &Candidates) -> Result<i64, StoreError> {
    let keys = candidates.keys();
    let sql = match candidates.by() {
        By::Diagnosis => {
            return on!(tx, conn => bind!(sqlx::query_scalar(COUNT_DIAGNOSED), keys).bind(&keys.ranges).fetch_one(conn).await);
        }
        By::Nothing => {
            return on!(tx, conn => sqlx::query_scalar(COUNT_EVERYBODY).fetch_one(conn).await);
        }
        By::Tags => COUNT_TAGGED,
        By::Birth => COUNT_BORN,
        By::Sex => COUNT_OF_SEX,
    };
    on!(tx, conn => bind!(sqlx::query_scalar(sql), keys).fetch_one(conn).await)
}

impl Candidates {
    fn by(&self) -> By {
        if !self.diagnosis.is_empty() {
            By::Diagnosis
        } else if !self.tags.is_empty() {
            By::Tags
        } else if self.born_until.is_some() || self.born_after.is_some() {
            By::Birth
        } else if self.sex.is_some() {
            By::Sex
        } else {
            By::Nothing
        }
    }

    fn keys(&self) -> Keys {
        let tags: Vec<Tag> = self
            .tags
            .iter()
            .map(|tag| Tag {
                word: serde_json::Value::from(tag.as_str()).to_string(),
            })
            .collect();
        Keys {
            sex: self.sex.map_or("", Sex::as_str),
            born_until: self.born_until.clone().unwrap_or_default(),
            born_after: self.born_after.clone().unwrap_or_default(),
            tags: rows(&tags),
            ranges: rows(&ranges(&self.diagnosis)),
        }
    }
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

#[cfg(test)]
mod tests;
