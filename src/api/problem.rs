//! What a client is told when it cannot be done: RFC 9457 problem details with a stable code.
//!
//! No value of a request, no number and no text is ever repeated.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use tracing::error;
use utoipa::ToSchema;

use crate::intake::messages::{Fault, Refusal};
use crate::store::StoreError;

/// The body of every answer that is no success.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Problem)]
pub(super) struct Details {
    /// A URN made of the code.
    #[serde(rename = "type")]
    kind: String,
    /// The code in words.
    title: &'static str,
    /// The HTTP status.
    status: u16,
    /// A stable word for programs.
    code: &'static str,
    /// What is wrong in this case, and what was expected.
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
    /// Where in the request: `to.phone`, `messages[3].channels[1]`, or a parameter's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<String>,
}

impl Details {
    /// The HTTP status.
    pub(super) fn status(&self) -> u16 {
        self.status
    }
}

/// An answer that is no success.
#[derive(Clone, Debug)]
pub(super) struct Problem {
    status: StatusCode,
    details: Box<Details>,
    retry_after_s: Option<u32>,
}

impl Problem {
    /// A problem of `status`, with a stable `code` and its words.
    pub(super) fn new(status: StatusCode, code: &'static str, title: &'static str) -> Self {
        let details = Details {
            kind: format!("urn:carebell:problem:{code}"),
            title,
            status: status.as_u16(),
            code,
            detail: None,
            path: None,
        };
        Self {
            status,
            details: Box::new(details),
            retry_after_s: None,
        }
    }

    /// With what is wrong in this case.
    #[must_use]
    pub(super) fn detail(mut self, detail: impl Into<String>) -> Self {
        self.details.detail = Some(detail.into());
        self
    }

    /// With the place in the request.
    #[must_use]
    pub(super) fn at(mut self, path: impl Into<String>) -> Self {
        self.details.path = Some(path.into()).filter(|path| !path.is_empty());
        self
    }

    /// With the seconds after which to try again.
    #[must_use]
    pub(super) fn retry_after_s(mut self, seconds: u32) -> Self {
        self.retry_after_s = Some(seconds);
        self
    }

    /// Nothing is there, or nothing by that name.
    pub(super) fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", "There is no such thing")
    }

    /// A parameter of the address that cannot be read.
    pub(super) fn bad_parameter(name: &str, expected: &str) -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            "invalid_parameter",
            "A parameter cannot be read",
        )
        .detail(format!("expected {expected}"))
        .at(name)
    }

    /// Its body, to stand in the answer to a batch.
    pub(super) fn into_details(self) -> Details {
        *self.details
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(self.details)).into_response();
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(seconds) = self.retry_after_s {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

impl From<Fault> for Problem {
    fn from(fault: Fault) -> Self {
        let title = match fault.code {
            "missing_field" => "A member is missing",
            "unknown_field" => "A member is not known",
            "missing_value" => "A value that the template prints is missing",
            "unknown_template" => "There is no such template",
            "no_text" => "The template has no words for this channel",
            "template_fault" => "The template cannot be filled",
            "unknown_patient" => "There is no such patient",
            "unknown_occasion" => "There is no such occasion",
            "too_long" => "The text is too long",
            _ => "A value is not what it should be",
        };
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, fault.code, title)
            .detail(format!("expected {}", fault.expected))
            .at(fault.path)
    }
}

impl From<StoreError> for Problem {
    fn from(problem: StoreError) -> Self {
        Self::from(&problem)
    }
}

impl From<&StoreError> for Problem {
    fn from(problem: &StoreError) -> Self {
        let busy = Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "busy",
            "Too much waits already",
        )
        .retry_after_s(1);
        match problem {
            StoreError::Busy => busy,
            StoreError::DiskLow => Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "disk_low",
                "The disk is nearly full: nothing new is taken in",
            )
            .retry_after_s(30),
            StoreError::Closed => Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "closing",
                "Carebell is closing down",
            )
            .retry_after_s(5),
            StoreError::Database(_)
            | StoreError::BadRow { .. }
            | StoreError::BadUrl(_)
            | StoreError::Schema(_) => {
                error!("A request failed: {problem}");
                Self::new(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    "internal",
                    "It failed on our side; nothing was done",
                )
            }
        }
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Fault(fault) => fault.into(),
            Refusal::KeyReused => Self::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "idempotency_key_reused",
                "Another request used this idempotency key",
            ),
            Refusal::InFlight => Self::new(
                StatusCode::CONFLICT,
                "idempotency_in_flight",
                "The first request with this idempotency key is not done yet",
            )
            .retry_after_s(1),
            Refusal::Store(problem) => problem.into(),
            Refusal::Unavailable(problem) => Self::from(&*problem),
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::http::{StatusCode, header};
    use axum::response::IntoResponse as _;

    use super::Problem;
    use crate::store::StoreError;

    #[track_caller]
    fn check(problem: StoreError, status: StatusCode, retry_after: Option<&str>) {
        let response = Problem::from(problem).into_response();
        let shown = response.headers().get(header::RETRY_AFTER);
        assert_eq!(response.status(), status);
        assert_eq!(shown.and_then(|value| value.to_str().ok()), retry_after);
    }

    #[test]
    fn too_much_to_do_is_said_with_a_time_to_come_back() {
        let internal = StatusCode::INTERNAL_SERVER_ERROR;
        check(StoreError::Busy, StatusCode::SERVICE_UNAVAILABLE, Some("1"));
        check(
            StoreError::DiskLow,
            StatusCode::SERVICE_UNAVAILABLE,
            Some("30"),
        );
        check(
            StoreError::Closed,
            StatusCode::SERVICE_UNAVAILABLE,
            Some("5"),
        );
        check(
            StoreError::Database("no such table".to_owned()),
            internal,
            None,
        );
    }
}
