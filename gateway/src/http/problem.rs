//! Errors as RFC 9457 writes them: one type for everything that is answered with another status than success.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

/// What goes wrong, as the caller is told. What the log is told is another message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    status: StatusCode,
    kind: &'static str,
    detail: String,
    retry_after_s: Option<u64>,
}

impl Problem {
    /// The media type of a problem (RFC 9457, 3).
    pub const MEDIA_TYPE: &str = "application/problem+json";

    /// A problem of this `kind`, a name that programs may rely on; `detail` is for people, and says what to do.
    pub fn new(status: StatusCode, kind: &'static str, detail: impl Into<String>) -> Self {
        Self { status, kind, detail: detail.into(), retry_after_s: None }
    }

    /// Nobody who is known asks.
    #[must_use]
    pub fn unauthenticated() -> Self {
        let detail = "send Authorization: Bearer TOKEN with a token that is valid, or log in";
        Self::new(StatusCode::UNAUTHORIZED, "unauthenticated", detail)
    }

    /// The caller has another scope than is needed.
    pub fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden", detail)
    }

    /// There is no such thing.
    pub fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not-found", detail)
    }

    /// The request can be read, but what it says will not do.
    pub fn unusable(kind: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, kind, detail)
    }

    /// The caller asks too often.
    #[must_use]
    pub fn too_often(retry_after_s: u64) -> Self {
        let detail = format!("this token asks too often; wait {retry_after_s} s");
        let problem = Self::new(StatusCode::TOO_MANY_REQUESTS, "too-often", detail);
        Self { retry_after_s: Some(retry_after_s), ..problem }
    }

    /// The gateway cannot answer now.
    pub fn unavailable(detail: impl Into<String>) -> Self {
        let problem = Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", detail);
        Self { retry_after_s: Some(1), ..problem }
    }

    /// Something failed that the caller has no part in; the log knows what.
    #[must_use]
    pub fn internal() -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "the gateway failed; its log says why")
    }

    /// Its HTTP status.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.status
    }
}

/// What is answered when a request is not (RFC 9457).
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Problem)]
pub(super) struct ProblemBody {
    /// What is wrong, as a name that programs may rely on.
    #[schema(example = "urn:icaze:problem:reason")]
    r#type: String,
    /// The status in words.
    #[schema(example = "Unprocessable Entity")]
    title: Option<&'static str>,
    /// The status once more.
    #[schema(example = 422, minimum = 400, maximum = 599)]
    status: u16,
    /// For people: what is wrong, and what to do. Never repeats what was sent.
    #[schema(example = "say in `reason` why you ask")]
    detail: String,
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = ProblemBody {
            r#type: format!("urn:icaze:problem:{}", self.kind),
            title: self.status.canonical_reason(),
            status: self.status.as_u16(),
            detail: self.detail,
        };
        let media_type = [(header::CONTENT_TYPE, Self::MEDIA_TYPE)];
        // Strings and a number under string keys: serde_json has no error for them.
        let body = serde_json::to_string(&body).unwrap_or_default();
        let mut response = (self.status, media_type, body).into_response();
        let headers = response.headers_mut();
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"icaze\""));
        }
        if let Some(seconds) = self.retry_after_s {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        response
    }
}
