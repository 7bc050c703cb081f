//! `POST /trace`: what `icaze trace` prints, a look at a time.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};

use crate::clock::Now;
use crate::gateway::Gateway;

/// A look at an operator's PDUs. Come again within five seconds.
#[derive(Debug, Serialize, Deserialize)]
pub struct Ask {
    /// Its name in the configuration.
    pub operator: String,
    /// Whether numbers and texts are shown.
    pub shows: bool,
    /// What the last look was answered with; none at the first.
    pub viewer: Option<u64>,
}

/// What has passed since the last look.
#[derive(Debug, Serialize, Deserialize)]
pub struct Seen {
    /// Who looks: to be named at the next look.
    pub viewer: u64,
    /// A line for each PDU.
    pub lines: Vec<String>,
    /// PDUs that there was no room for.
    pub lost: u64,
}

pub(super) async fn trace(
    State(gateway): State<Arc<Gateway>>,
    Json(ask): Json<Ask>,
) -> Result<Json<Seen>, (StatusCode, String)> {
    let operator = {
        let pipeline = gateway.pipeline();
        (0..)
            .zip(pipeline.operators())
            .find(|(_, operator)| *operator.name == *ask.operator)
            .map(|(id, _)| id)
    };
    let unknown = || (StatusCode::NOT_FOUND, format!("no operator is called {}", ask.operator));
    let operator: u16 = operator.ok_or_else(unknown)?;
    let taken = || (StatusCode::CONFLICT, "somebody else has begun a trace; one at a time".to_owned());
    let look = gateway.traces.look(operator, ask.viewer, ask.shows, Now::read()).ok_or_else(taken)?;
    if look.begins {
        tracing::warn!(operator = ask.operator, numbers_and_texts = look.shows, "PDUs are being traced");
    }
    let lines = look.pdus.iter().map(|traced| traced.describe(look.shows)).collect();
    Ok(Json(Seen { viewer: look.viewer, lines, lost: look.lost }))
}
