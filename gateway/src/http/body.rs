//! What a program sends.

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{FromRequest, Request};
use axum::http::StatusCode;
use serde::de::DeserializeOwned;

use super::problem::Problem;

/// A body in JSON. What is wrong with it is answered as a [`Problem`], which never repeats what was sent.
pub(super) struct Body<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let body = Json::<T>::from_request(request, state).await;
        body.map(|Json(body)| Self(body)).map_err(|rejection| match rejection {
            JsonRejection::JsonDataError(_) => Problem::unusable(
                "body",
                "the body lacks a field, or has one too many or one of another type; see /openapi.json",
            ),
            JsonRejection::JsonSyntaxError(_) => {
                Problem::new(StatusCode::BAD_REQUEST, "body", "the body is no JSON")
            }
            JsonRejection::MissingJsonContentType(_) => Problem::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "media-type",
                "send the body as application/json",
            ),
            other => Problem::new(other.status(), "body", "the body cannot be read, or is too long"),
        })
    }
}
