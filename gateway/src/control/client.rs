//! The commands' side of the control socket.

use std::io;
use std::path::Path;

use anyhow::{Context as _, bail};
use axum::body::{self, Body};
use axum::http::{Method, Request, header};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::net::UnixStream;

use super::{Address, SOCKET};

/// What an answer may hold, in bytes.
const ANSWER_MAX: usize = 64 << 20;

/// Asks the gateway that runs on the store in `dir`.
///
/// # Errors
/// If none runs there, and what it answers if it will not.
pub async fn get<T: DeserializeOwned>(dir: &Path, path: &str) -> anyhow::Result<T> {
    ask(dir, Method::GET, path, Body::empty()).await
}

/// Has the gateway that runs on the store in `dir` do something.
///
/// # Errors
/// If none runs there, and what it answers if it will not.
pub async fn post<T: DeserializeOwned>(dir: &Path, path: &str, what: &impl Serialize) -> anyhow::Result<T> {
    ask(dir, Method::POST, path, serde_json::to_vec(what)?.into()).await
}

async fn ask<T: DeserializeOwned>(dir: &Path, method: Method, path: &str, body: Body) -> anyhow::Result<T> {
    let stream = connect(dir).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header(header::HOST, "icaze")
        .header(header::CONTENT_TYPE, "application/json")
        .body(body)?;
    let answered = async move {
        let response = sender.send_request(request).await?;
        let status = response.status();
        let answer = body::to_bytes(Body::new(response.into_body()), ANSWER_MAX).await?;
        anyhow::Ok((status, answer))
    };
    let (answered, _) = tokio::join!(answered, connection);
    let (status, answer) =
        answered.context("the gateway ended before it answered; ask again once it runs")?;
    if !status.is_success() {
        bail!("the gateway answers {}: {}", status.as_u16(), String::from_utf8_lossy(&answer).trim());
    }
    serde_json::from_slice(&answer).context("the gateway is of another version than this command")
}

async fn connect(dir: &Path) -> anyhow::Result<UnixStream> {
    let connected = match Address::new(dir) {
        Ok(address) => UnixStream::connect(&address.path).await,
        Err(error) => Err(error),
    };
    connected.map_err(|error| {
        let socket = dir.join(SOCKET);
        let socket = socket.display();
        match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => anyhow::anyhow!(
                "no gateway runs here: nobody answers at {socket}; start one with icaze serve, or name the running \
                 one's configuration with --config"
            ),
            io::ErrorKind::PermissionDenied => {
                anyhow::anyhow!("{socket} is another user's; ask as the user that the gateway runs as")
            }
            _ => anyhow::anyhow!("{socket}: {error}"),
        }
    })
}
