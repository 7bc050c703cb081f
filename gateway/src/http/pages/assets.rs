//! The style sheet, the script and the icon, compiled in. Their addresses change with their content, so that a browser
//! may keep them for good.

use std::hash::Hasher as _;
use std::sync::LazyLock;

use axum::Router;
use axum::http::header;
use axum::response::IntoResponse;
use axum::routing::get;
use siphasher::sip::SipHasher13;

const STYLE: &str = include_str!("templates/style.css");
const SCRIPT: &str = include_str!("templates/live.js");
const ICON: &str = include_str!("templates/icon.svg");

static HREFS: LazyLock<[String; 3]> = LazyLock::new(|| {
    [("style", "css", STYLE), ("live", "js", SCRIPT), ("icon", "svg", ICON)].map(|(name, kind, content)| {
        let mut hash = SipHasher13::new();
        hash.write(content.as_bytes());
        format!("/assets/{name}-{:016x}.{kind}", hash.finish())
    })
});

pub(super) fn style_href() -> &'static str {
    &HREFS[0]
}

pub(super) fn script_href() -> &'static str {
    &HREFS[1]
}

pub(super) fn icon_href() -> &'static str {
    &HREFS[2]
}

/// Where they are served.
pub(super) fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    let asset = |kind, content: &'static str| {
        get(async move || {
            let headers = [
                (header::CONTENT_TYPE, kind),
                (header::CACHE_CONTROL, "public, max-age=31536000, immutable"),
            ];
            (headers, content).into_response()
        })
    };
    Router::new()
        .route(style_href(), asset("text/css; charset=utf-8", STYLE))
        .route(script_href(), asset("text/javascript; charset=utf-8", SCRIPT))
        .route(icon_href(), asset("image/svg+xml", ICON))
}
