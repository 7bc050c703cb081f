//! `GET /openapi.json`: the API described (OpenAPI 3.1), made from the handlers and their types.

use axum::http::header;
use axum::response::IntoResponse;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{IntoResponses, Modify, OpenApi};

use super::events::{self, Counts};
use super::lookups;
use super::problem::ProblemBody;
use super::reports;

/// What every request may be refused with.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "for the description only")]
pub(super) enum Refused {
    /// No token, or an unknown or revoked one.
    #[response(status = 401, content_type = "application/problem+json")]
    Unauthenticated(ProblemBody),
    /// Another scope is needed.
    #[response(status = 403, content_type = "application/problem+json")]
    Forbidden(ProblemBody),
    /// Too many requests of this token; `Retry-After` says when.
    #[response(status = 429, content_type = "application/problem+json")]
    TooOften(ProblemBody),
    /// The gateway cannot answer now: the trail cannot be written, or something is full; `Retry-After` says when.
    #[response(status = 503, content_type = "application/problem+json")]
    Unavailable(ProblemBody),
}

/// What a request with a body may be refused with besides.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "for the description only")]
pub(super) enum RefusedBody {
    /// The body is no JSON.
    #[response(status = 400, content_type = "application/problem+json")]
    Syntax(ProblemBody),
    /// The body is longer than 16 KiB.
    #[response(status = 413, content_type = "application/problem+json")]
    Length(ProblemBody),
    /// The body is not sent as `application/json`.
    #[response(status = 415, content_type = "application/problem+json")]
    MediaType(ProblemBody),
    /// No reason, a field too many or too few, a code, serial or number that is none.
    #[response(status = 422, content_type = "application/problem+json")]
    Unusable(ProblemBody),
}

/// What a request with a query may be refused with besides.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "for the description only")]
pub(super) enum RefusedQuery {
    /// A parameter that is not described, is missing, or has no such value.
    #[response(status = 422, content_type = "application/problem+json")]
    Unusable(ProblemBody),
}

/// Tokens are sent as `Authorization: Bearer TOKEN`.
struct Bearer;

impl Modify for Bearer {
    fn modify(&self, openapi: &mut utoipa::openapi::OpenApi) {
        let scheme = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some(
                "A token of the scope that the route names: `icaze token create` makes one, or it is a JWT of the OpenID Connect issuer \
                 that is configured.",
            ));
        let components = openapi.components.get_or_insert_default();
        components.add_security_scheme("token", SecurityScheme::Http(scheme.build()));
    }
}

/// Permits looked up and ended, the trail of who looked, live counts, reports. Serials and phone numbers travel in bodies only. Instants are
/// RFC 3339.
#[derive(OpenApi)]
#[openapi(
    info(title = "Icaze", license(name = "Apache-2.0", identifier = "Apache-2.0")),
    paths(
        lookups::look_up,
        lookups::revocation::revoke,
        lookups::about::about,
        lookups::about::trail,
        events::events,
        reports::statistics::statistics,
        reports::decisions::decisions,
    ),
    components(schemas(Counts)),
    tags(
        (name = "permits", description = "What stands, and its end"),
        (name = "trail", description = "Who looked whom up"),
        (name = "counts", description = "What the gateway does"),
        (name = "reports", description = "What was decided, without names"),
    ),
    security(("token" = [])),
    modifiers(&Bearer),
)]
struct Description;

/// The description, as a reviewed copy of it in docs/openapi.json has it.
pub(super) async fn openapi() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], text())
}

fn text() -> String {
    Description::openapi().to_pretty_json().unwrap_or_default() + "\n"
}

#[cfg(test)]
mod dictionary;

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    /// What is served is what was reviewed, and so is the dictionary. `ICAZE_REVIEW=1` writes them anew.
    #[test]
    fn the_description_is_the_reviewed_one() {
        let description = serde_json::from_str(&text()).unwrap();
        for (file, text) in [("openapi.json", text()), ("data-dictionary.md", dictionary::of(&description))] {
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs").join(file);
            if std::env::var_os("ICAZE_REVIEW").is_some() {
                std::fs::write(&path, &text).unwrap();
            }
            let reviewed = std::fs::read_to_string(&path).unwrap_or_default();
            assert!(
                reviewed == text,
                "docs/{file}: look at what changed, and set ICAZE_REVIEW=1 to write it"
            );
        }
    }

    #[test]
    fn each_field_of_the_api_has_a_meaning() {
        let description: serde_json::Value = serde_json::from_str(&text()).unwrap();
        let lacking = dictionary::lacking(&description);
        assert!(lacking.is_empty(), "without a description: {lacking:?}");
    }

    #[test]
    fn each_route_of_the_api_is_described() {
        let description = Description::openapi();
        let described: Vec<&String> = description.paths.paths.keys().collect();
        let sources = ["mod.rs", "lookups/mod.rs", "reports/mod.rs"].map(|file| {
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/http").join(file);
            std::fs::read_to_string(path).unwrap()
        });
        let routes: Vec<&str> = sources
            .iter()
            .flat_map(|source| source.split(".route(\"").skip(1))
            .filter_map(|rest| rest.split('"').next())
            .filter(|route| route.starts_with("/v1/"))
            .collect();
        assert!(routes.len() >= 7);
        let missing: Vec<_> =
            routes.iter().filter(|route| !described.iter().any(|path| path == *route)).collect();
        assert!(missing.is_empty(), "not described: {missing:?}");
        assert_eq!(routes.len(), described.len());
    }
}
