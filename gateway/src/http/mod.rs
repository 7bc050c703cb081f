//! What people and programs ask over HTTP: is it alive, what does it measure; who may ask.

pub mod access;
mod body;
mod bulk;
mod events;
mod lookups;
mod metrics;
mod openapi;
mod pages;
pub mod problem;
mod reports;
mod secure;
mod state;
pub mod trail;

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, MatchedPath, Request, State};
use axum::http::{HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::net::TcpListener;

use self::problem::Problem;
use self::secure::Secure;
pub use self::state::Shared;
use crate::tls::Acceptor;

/// Nobody has to send more than this.
const BODY_MAX: usize = 16 << 10;

/// Serves until the task is dropped; in TLS if there is an acceptor.
///
/// # Errors
/// If the listener fails.
pub async fn serve(
    listener: TcpListener,
    acceptor: Option<Arc<Acceptor>>,
    shared: Shared,
) -> std::io::Result<()> {
    match acceptor {
        None => axum::serve(listener, router(shared)).await,
        Some(acceptor) => axum::serve(Secure::new(listener, acceptor)?, router(shared)).await,
    }
}

/// Everything that is answered.
pub fn router(shared: Shared) -> Router {
    let peers = shared.gateway.shared.is_some().then(lookups::peers::routes);
    Router::new()
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics::metrics))
        .route("/openapi.json", get(openapi::openapi))
        .route("/v1/events", get(events::events))
        .merge(access::routes())
        .merge(lookups::routes())
        .merge(peers.unwrap_or_default())
        .merge(reports::routes())
        .merge(pages::routes())
        .fallback(async |_: Uri| Problem::not_found("no such page; /openapi.json names them all"))
        .method_not_allowed_fallback(async |_: Method| {
            let detail = "another method is needed here; /openapi.json names it";
            Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method", detail)
        })
        .layer(DefaultBodyLimit::max(BODY_MAX))
        .layer(middleware::from_fn_with_state(shared.clone(), observe))
        .with_state(shared)
}

/// Counts each answer, and says what no browser or cache may do with it.
async fn observe(State(shared): State<Shared>, request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned());
    let mut response = next.run(request).await;
    shared.gateway.telemetry.http(route.as_deref().unwrap_or("none"), response.status().as_u16());
    let headers = response.headers_mut();
    let defaults = [
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_FRAME_OPTIONS, "DENY"),
    ];
    for (name, value) in defaults {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
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
