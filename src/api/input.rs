//! What a request brings: its caller, its JSON, its parameters. What cannot be read ends in a problem.

use std::collections::BTreeMap;

use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use bytes::Bytes;
use jiff::Timestamp;
use serde_json::Value;

use super::ApiState;
use super::problem::Problem;
use crate::access::{Client, Scope};
use crate::intake::messages::RecordKey;
use crate::model::id::PatientId;
use crate::model::private::Private;
use crate::store::message_view::Place;
use crate::store::{Tx, api_keys, patients};

/// The most rows of one page.
pub(super) const MOST_ROWS: i64 = 500;

/// Who asks, by the key they showed.
pub(super) struct Caller(Client);

impl Caller {
    /// Refuses a caller whose key does not allow `scope`.
    pub(super) fn must(&self, scope: Scope) -> Result<(), Problem> {
        if self.0.may(scope) {
            return Ok(());
        }
        let problem = Problem::new(
            StatusCode::FORBIDDEN,
            "forbidden",
            "The key does not allow this",
        );
        Err(problem.detail(format!("expected a key with the scope {}", scope.as_str())))
    }

    /// Whether names, numbers and texts may be shown.
    pub(super) fn sees_private(&self) -> bool {
        self.0.may(Scope::PrivateRead)
    }

    /// The name of the caller's key: where two persons are needed, keys of one name are one.
    pub(super) async fn person(&self, tx: &mut Tx) -> Result<String, Problem> {
        let named = api_keys::name(tx, &self.0.id).await?;
        Ok(named.unwrap_or_else(|| self.name()))
    }

    /// The word for this caller in rows.
    pub(super) fn name(&self) -> String {
        self.0.name()
    }
}

impl FromRequestParts<ApiState> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &ApiState) -> Result<Self, Problem> {
        let unknown = || {
            Problem::new(StatusCode::UNAUTHORIZED, "unauthorized", "A key is needed")
                .detail("expected `Authorization: Bearer <key>` with a key that stands")
        };
        let shown = parts
            .headers
            .get(header::AUTHORIZATION)
            .and_then(|value| value.to_str().ok())
            .ok_or_else(unknown)?;
        let (scheme, key) = shown.split_once(' ').ok_or_else(unknown)?;
        if !scheme.eq_ignore_ascii_case("bearer") {
            return Err(unknown());
        }
        state
            .keys
            .client(key.trim())
            .await?
            .map(Self)
            .ok_or_else(unknown)
    }
}

/// A body of JSON.
pub(super) struct Body(pub(super) Value);

impl<S: Send + Sync> FromRequest<S> for Body {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let media = request
            .headers()
            .get(header::CONTENT_TYPE)
            .map(|value| value.to_str().unwrap_or_default().to_ascii_lowercase());
        let is_json = |media: &str| {
            let media = media.split(';').next().unwrap_or_default().trim();
            media == "application/json"
                || (media.starts_with("application/") && media.ends_with("+json"))
        };
        if media.is_some_and(|media| !is_json(&media)) {
            let problem = Problem::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "unsupported_media_type",
                "The body is of another kind",
            );
            return Err(problem.detail("expected application/json"));
        }
        let bytes = Bytes::from_request(request, state)
            .await
            .map_err(|refused| {
                if refused.status() == StatusCode::PAYLOAD_TOO_LARGE {
                    Problem::new(
                        StatusCode::PAYLOAD_TOO_LARGE,
                        "too_large",
                        "The body is too large",
                    )
                } else {
                    Problem::new(
                        StatusCode::BAD_REQUEST,
                        "unreadable_body",
                        "The body ended early",
                    )
                }
            })?;
        serde_json::from_slice(&bytes)
            .map(Self)
            .map_err(|problem| not_json(&problem))
    }
}

/// A syntax error by its place: serde's own words may quote the text.
fn not_json(problem: &serde_json::Error) -> Problem {
    let place = format!("line {}, column {}", problem.line(), problem.column());
    Problem::new(
        StatusCode::BAD_REQUEST,
        "invalid_json",
        "The body is no JSON",
    )
    .detail(format!("expected JSON in UTF-8; it breaks off at {place}"))
}

/// A body of JSON, or none.
pub(super) struct OptionalBody(pub(super) Option<Value>);

impl<S: Send + Sync> FromRequest<S> for OptionalBody {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let length = request
            .headers()
            .get(header::CONTENT_LENGTH)
            .and_then(|value| value.to_str().ok());
        let is_empty = length.is_none_or(|length| length.trim() == "0")
            && !request.headers().contains_key(header::TRANSFER_ENCODING);
        if is_empty {
            return Ok(Self(None));
        }
        Body::from_request(request, state)
            .await
            .map(|Body(value)| Self(Some(value).filter(|value| !value.is_null())))
    }
}

/// `{source}/{key}` of a path: a record by the hospital's own key.
pub(super) struct RecordPath(pub(super) String, pub(super) Private<String>);

impl<S: Send + Sync> FromRequestParts<S> for RecordPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Params((source, key)) =
            Params::<(String, String)>::from_request_parts(parts, state).await?;
        let record =
            RecordKey::parse(&format!("{source}/{key}")).filter(|record| record.source == source);
        record
            .map(|record| Self(record.source, record.key))
            .ok_or_else(Problem::not_found)
    }
}

/// The patient of our id, or of source/key.
pub(super) async fn patient_of(tx: &mut Tx, name: &str) -> Result<Option<PatientId>, Problem> {
    if let Some(id) = PatientId::parse(name) {
        return Ok(Some(id));
    }
    let key = RecordKey::parse(name)
        .ok_or_else(|| Problem::bad_parameter("patient", "source/key, such as his/12345"))?;
    Ok(patients::find(tx, &key.source, key.key.reveal()).await?)
}

/// The parts of the path.
pub(super) struct Params<T>(pub(super) T);

impl<T: serde::de::DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Params<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        Path::from_request_parts(parts, state)
            .await
            .map(|Path(params)| Self(params))
            .map_err(|_| Problem::not_found())
    }
}

/// The parameters behind the question mark.
pub(super) struct Asked(BTreeMap<String, String>);

impl<S: Send + Sync> FromRequestParts<S> for Asked {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let unreadable = || Problem::bad_parameter("?", "name=value pairs, each name once");
        let Query(pairs) = Query::<Vec<(String, String)>>::from_request_parts(parts, state)
            .await
            .map_err(|_| unreadable())?;
        let count = pairs.len();
        let map: BTreeMap<String, String> = pairs.into_iter().collect();
        let is_clean = map.len() == count && !map.values().any(|value| value.contains('\0'));
        if is_clean {
            Ok(Self(map))
        } else {
            Err(unreadable())
        }
    }
}

impl Asked {
    /// Refuses parameters but those `known`.
    pub(super) fn only(&self, known: &[&str]) -> Result<(), Problem> {
        if self.0.keys().all(|name| known.contains(&name.as_str())) {
            return Ok(());
        }
        Err(Problem::bad_parameter(
            "?",
            &format!("only the parameters {}", known.join(", ")),
        ))
    }

    /// A parameter, unless absent or empty.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.0
            .get(name)
            .map(String::as_str)
            .filter(|text| !text.is_empty())
    }

    /// A word of a closed set.
    pub(super) fn word<T>(
        &self,
        name: &str,
        read: impl Fn(&str) -> Option<T>,
        expected: &str,
    ) -> Result<Option<T>, Problem> {
        let Some(text) = self.text(name) else {
            return Ok(None);
        };
        read(text)
            .map(Some)
            .ok_or_else(|| Problem::bad_parameter(name, expected))
    }

    /// A moment.
    pub(super) fn instant(&self, name: &str) -> Result<Option<Timestamp>, Problem> {
        // A plus that was not escaped arrives as a blank.
        self.word(
            name,
            |text| text.replace(' ', "+").parse().ok(),
            "a moment with its offset, such as 2026-12-01T09:00:00Z",
        )
    }

    /// How many rows are wanted.
    pub(super) fn limit(&self) -> Result<i64, Problem> {
        let read = |text: &str| {
            text.parse()
                .ok()
                .filter(|rows| (1..=MOST_ROWS).contains(rows))
        };
        Ok(self
            .word("limit", read, &format!("a number from 1 to {MOST_ROWS}"))?
            .unwrap_or(100))
    }

    /// Where the last page ended.
    pub(super) fn cursor(&self) -> Result<Option<Place>, Problem> {
        self.word("cursor", read_place, "the next_cursor of an earlier answer")
    }
}

/// A place in a list as a cursor.
pub(super) fn cursor(at: Timestamp, id: &str) -> String {
    format!("{}.{id}", at.as_millisecond())
}

fn read_place(text: &str) -> Option<Place> {
    let (at, id) = text.split_once('.')?;
    let is_id =
        (1..=400).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    is_id.then_some(Place {
        at: at.parse().ok()?,
        id: id.to_owned(),
    })
}
