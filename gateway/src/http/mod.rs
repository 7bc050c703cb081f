//! What people and programs ask over HTTP. So far: is it alive, is it ready, what does it measure.

mod metrics;
mod pages;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::routing::get;
use tokio::net::TcpListener;

use crate::gateway::Gateway;

/// What stands at `/` until there is a dashboard.
const INDEX: &str = "Icaze. /healthz: is it alive; /readyz: does it take messages; /metrics: what it does\n";

/// What the handlers share.
#[derive(Clone)]
struct Shared {
    gateway: Arc<Gateway>,
    /// The directory of the ledger.
    store: Arc<PathBuf>,
}

/// Serves until the task is dropped. `store` is the directory of the ledger.
///
/// # Errors
/// If the listener fails.
pub async fn serve(listener: TcpListener, gateway: Arc<Gateway>, store: PathBuf) -> std::io::Result<()> {
    let router = Router::new()
        .route("/", get(async || INDEX))
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics::metrics))
        .with_state(Shared { gateway, store: Arc::new(store) });
    axum::serve(listener, router).await
}

/// Binds the listener of the API.
///
/// # Errors
/// If the address is taken or not ours; the message names the key.
pub async fn bind(listen: SocketAddr) -> anyhow::Result<TcpListener> {
    use anyhow::Context as _;
    TcpListener::bind(listen).await.with_context(|| {
        format!("http.listen: cannot listen on {listen}; choose a free port, or 0 to take any")
    })
}

async fn ready(State(shared): State<Shared>) -> impl IntoResponse {
    match shared.gateway.not_ready() {
        None => (StatusCode::OK, "ready\n".to_owned()),
        Some(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {why}\n")),
    }
}
