//! Who may what: each route of the API, by each scope, with each outcome that it has. docs/api.md has the same table.

use serde_json::{Value, json};

use crate::lookups::{events, get, post};
use crate::support::{Answer, Gateway, Site};

const SCOPES: [&str; 4] = ["inspector", "health", "admin", "auditor"];
const RANGE: &str = "from=2026-11-26T00:00:00Z&to=2026-11-27T00:00:00Z";

/// A request that its scope is allowed, and what else may come of it.
struct Route {
    scope: &'static str,
    path: String,
    /// `None`: it is a GET.
    body: Option<Value>,
    status: u16,
    /// What cannot be used: another path, another body.
    unusable: Option<(String, Option<Value>)>,
}

impl Route {
    fn ask(&self, gateway: &Gateway, scope: &str) -> Answer {
        send(gateway, scope, &self.path, self.body.as_ref())
    }
}

fn send(gateway: &Gateway, scope: &str, path: &str, body: Option<&Value>) -> Answer {
    match body {
        Some(body) => post(gateway, scope, path, body),
        None => get(gateway, scope, path),
    }
}

fn routes() -> Vec<Route> {
    let look_up = |by: &str, value: &str| json!({"by": by, "value": value, "reason": "roadside check"});
    let post = |scope, path: &str, body: Value, status, bad: Value| Route {
        scope,
        path: path.to_owned(),
        body: Some(body),
        status,
        unusable: Some((path.to_owned(), Some(bad))),
    };
    let get = |scope, path: String, bad: String| Route {
        scope,
        path,
        body: None,
        status: 200,
        unusable: Some((bad, None)),
    };
    let revocation = "/v1/permits/0101-AHZN/revocation";
    vec![
        post("inspector", "/v1/lookups", look_up("code", "0101-AHZN"), 200, look_up("code", "no code")),
        post("inspector", "/v1/lookups", look_up("document", "AZE10000002"), 200, look_up("document", "?")),
        post("health", "/v1/lookups", look_up("phone", "+994501234567"), 200, look_up("phone", "8103")),
        post("admin", revocation, json!({"reason": "a mistake"}), 404, json!({"reason": " "})),
        post(
            "auditor",
            "/v1/lookups/about",
            json!({"document": "AZE10000002"}),
            200,
            json!({"document": "?"}),
        ),
        get("auditor", "/v1/audit".to_owned(), "/v1/audit?cursor=x".to_owned()),
        get(
            "health",
            format!("/v1/statistics?{RANGE}&by=region"),
            format!("/v1/statistics?{RANGE}&by=phone"),
        ),
        get("health", format!("/v1/decisions?{RANGE}"), format!("/v1/decisions?{RANGE}&limit=0")),
    ]
}

fn assert_problem(answer: &Answer, status: u16) {
    let (told, media_type) = (answer.status, answer.header("content-type"));
    assert_eq!((told, media_type), (status, "application/problem+json"), "{answer:?}");
    assert_eq!(answer.json()["status"], status);
}

#[test]
fn each_scope_has_its_own_and_what_is_refused_is_written_down_too() {
    let site = Site::new("");
    let gateway = site.start_with(&["HTTP__RATE=0"]);
    for route in routes() {
        for scope in SCOPES {
            let answer = route.ask(&gateway, scope);
            let expected = if scope == route.scope { route.status } else { 403 };
            assert_eq!(answer.status, expected, "{scope} {}: {answer:?}", route.path);
            if expected != 200 {
                assert_problem(&answer, expected);
            }
        }
        assert_problem(&route.ask(&gateway, "nobody"), 401);
        if let Some((path, body)) = &route.unusable {
            assert_problem(&send(&gateway, route.scope, path, body.as_ref()), 422);
        }
    }
    for scope in SCOPES {
        let expected = if scope == "health" { 200 } else { 403 };
        assert_eq!(events(&gateway, scope).0, expected, "{scope}");
        assert_problem(&get(&gateway, scope, "/v1/nothing"), 404);
    }
    assert_eq!(events(&gateway, "nobody").0, 401);

    // Six routes are of people; each was refused three times, and the trail read once by each scope.
    let trail = get(&gateway, "auditor", "/v1/audit").json();
    let records = trail["records"].as_array().unwrap();
    let refused = records.iter().filter(|record| record["allowed"] == false).count();
    assert_eq!((refused, &records[0]["action"]), (6 * 3, &json!("read_trail")));
}

#[test]
fn whoever_asks_too_often_is_told_when_to_ask_again() {
    let site = Site::new("");
    let gateway = site.start_with(&["HTTP__RATE=2"]);
    for route in routes() {
        let refused = (0..100).map(|_| route.ask(&gateway, route.scope)).find(|answer| answer.status == 429);
        let refused = refused.unwrap_or_else(|| panic!("{} is never too often", route.path));
        assert_problem(&refused, 429);
        assert!(refused.header("retry-after").parse::<u32>().unwrap() >= 1);
    }
    // Each token has its own pace, and what needs none has none.
    assert_eq!(gateway.ask("GET /healthz", &[], "").status, 200);
}
