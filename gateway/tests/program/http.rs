//! Who may ask over HTTP, from outside.

use std::process::Command;

use crate::support::{Answer, Site, workspace};

const FORM: &str = "Content-Type: application/x-www-form-urlencoded";

/// `icaze token` with the site's configuration.
fn token(site: &Site, args: &[&str]) -> (bool, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_icaze"))
        .arg("token")
        .args(args)
        .arg("--config")
        .arg(site.config())
        .current_dir(workspace())
        .output()
        .unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(said).unwrap().trim().to_owned())
}

fn problem(answer: &Answer, status: u16, kind: &str) {
    assert_eq!(answer.status, status, "{answer:?}");
    assert_eq!(answer.header("content-type"), "application/problem+json");
    let problem = answer.json();
    assert_eq!(problem["status"], status);
    assert_eq!(problem["type"], format!("urn:icaze:problem:{kind}"));
    assert!(problem["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "{problem}");
}

#[test]
fn what_is_not_there_is_a_problem_too() {
    let site = Site::new("");
    let gateway = site.start();
    problem(&gateway.ask("GET /nowhere", &[], ""), 404, "not-found");
    problem(&gateway.ask("POST /healthz", &[], ""), 405, "method");
    let answer = gateway.ask("GET /healthz", &[], "");
    assert_eq!((answer.status, answer.header("cache-control")), (200, "no-store"));
    let metrics = gateway.metrics();
    assert!(metrics.contains("icaze_http_requests_total{route=\"/healthz\",status=\"200\"} 1"), "{metrics}");
}

#[test]
fn tokens_are_made_shown_once_listed_and_revoked() {
    let site = Site::new("");
    let create = ["create", "--scope", "inspector", "--name", "patrol-12", "--institution", "Baku police"];
    let (made, secret) = token(&site, &create);
    assert!(made && secret.starts_with("icaze_"), "{secret}");
    let (again, said) = token(&site, &create);
    assert!(!again && said.contains("there is a token named patrol-12"), "{said}");
    let (_, listed) = token(&site, &["list"]);
    assert!(listed.starts_with("patrol-12: Baku police: inspector") && !listed.contains(&secret), "{listed}");

    let gateway = site.start();
    let log_in = || gateway.ask("POST /login", &[FORM], &format!("token={secret}"));
    let answer = log_in();
    assert_eq!((answer.status, answer.header("location")), (303, "/"), "{answer:?}");
    let cookie = answer.header("set-cookie").to_owned();
    assert!(cookie.contains("HttpOnly; SameSite=Strict"), "{cookie}");

    let (revoked, _) = token(&site, &["revoke", "patrol-12"]);
    assert!(revoked);
    // The gateway looks at the file once a second.
    while log_in().header("location") == "/" {
        std::thread::yield_now();
    }
    let cookie = format!("Cookie: {}", cookie.split(';').next().unwrap());
    problem(&gateway.ask("POST /logout", &[FORM, &cookie], "csrf="), 401, "unauthenticated");
}

#[test]
fn a_browsers_changes_carry_its_csrf_token() {
    let site = Site::new("");
    let gateway = site.start();
    let answer = gateway.ask("POST /login", &[FORM], "token=demo-inspector");
    let cookie = format!("Cookie: {}", answer.header("set-cookie").split(';').next().unwrap());
    problem(&gateway.ask("POST /logout", &[FORM, &cookie], "csrf=guessed"), 403, "forbidden");
    problem(&gateway.ask("POST /logout", &[FORM, &cookie], ""), 422, "form");
    problem(&gateway.ask("POST /logout", &[FORM], "csrf=guessed"), 401, "unauthenticated");
    assert_eq!(gateway.ask("POST /login", &[FORM], "token=wrong").header("location"), "/login?failed");
}
