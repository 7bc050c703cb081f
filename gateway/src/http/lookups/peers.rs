//! What gateways that share their allowances ask each other, for somebody who may know it and asked the other one.
//!
//! The trail of the gateway that was asked first has who it was and why, before that one tells or does anything; there is no second record.

use axum::extract::{FromRequestParts, State};
use axum::http::header;
use axum::http::request::Parts;
use axum::routing::post;
use axum::{Json, Router};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::answer::Held;
use super::revocation::{self, DURABLE_WITHIN};
use super::{By, find};
use crate::clock::Now;
use crate::cluster::peers::Unanswered;
use crate::cluster::{self};
use crate::http::Shared;
use crate::http::access::bearer;
use crate::http::body::Body;
use crate::http::problem::Problem;
use crate::permit::code::Code;

/// For other gateways alone: no token of a person's or a program's is good here, and theirs is good nowhere else.
pub(in crate::http) fn routes() -> Router<Shared> {
    Router::new().route("/peers/lookups", post(look_up)).route("/peers/revocations", post(end))
}

/// Another gateway.
struct Peer;

impl FromRequestParts<Shared> for Peer {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, shared: &Shared) -> Result<Self, Problem> {
        let sent = parts.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let cluster = shared.gateway.shared.as_ref();
        let is_peer =
            sent.and_then(bearer).zip(cluster).is_some_and(|(token, cluster)| cluster.peers.sent(token));
        is_peer.then_some(Self).ok_or_else(Problem::unauthenticated)
    }
}

/// A look-up.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Question {
    pub(super) by: By,
    pub(super) value: String,
    pub(super) at: Option<Timestamp>,
}

/// This gateway's own permits.
async fn look_up(
    State(shared): State<Shared>,
    _: Peer,
    Body(Question { by, value, at }): Body<Question>,
) -> Result<Json<Vec<Held>>, Problem> {
    let found = find::own(&shared, by, &value, (at, Now::read().wall)).await?;
    Ok(Json(found.held))
}

/// The end of a permit.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct End {
    code: String,
}

async fn end(
    State(shared): State<Shared>,
    _: Peer,
    Body(End { code }): Body<End>,
) -> Result<Json<()>, Problem> {
    revocation::end(&shared, find::code(&code)?).await.map(Json)
}

/// Asks the gateway that issued this code to end its permit.
///
/// # Errors
/// 404 if none stands, or is to begin; 503 if that gateway does not answer.
pub(super) async fn revoke(cluster: &cluster::Shared, code: Code) -> Result<(), Problem> {
    let (node, _) = cluster.origin(code);
    if !cluster.peers.numbers().contains(&node) {
        return Err(revocation::none());
    }
    let end = End { code: code.to_string() };
    match cluster.peers.ask(node, "/peers/revocations", &end, DURABLE_WITHIN * 2).await {
        Ok(()) => Ok(()),
        Err(Unanswered::Status(404)) => Err(revocation::none()),
        Err(error) => {
            tracing::warn!(node, %error, "a permit cannot be revoked now");
            Err(Problem::unavailable(format!(
                "gateway {node} holds this permit and gives no answer: ask again once it is back; a look-up shows whether the permit ended"
            )))
        }
    }
}
