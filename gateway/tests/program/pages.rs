//! The pages as a browser asks for them.

use crate::support::{Answer, Gateway, Site};

const FORM: &str = "Content-Type: application/x-www-form-urlencoded";

/// The cookie of a session that `token` opened.
fn log_in(gateway: &Gateway, token: &str) -> String {
    let answer = gateway.ask("POST /login", &[FORM], &format!("token={token}"));
    assert_eq!((answer.status, answer.header("location")), (303, "/"), "{token}");
    format!("Cookie: {}", answer.header("set-cookie").split(';').next().unwrap())
}

fn goes_to(answer: &Answer, address: &str) {
    assert_eq!((answer.status, answer.header("location")), (303, address), "{answer:?}");
}

#[test]
fn a_stranger_is_asked_to_log_in() {
    let site = Site::new("");
    let gateway = site.start();
    goes_to(&gateway.ask("GET /", &[], ""), "/login");
    let page = gateway.ask("GET /login", &[], "");
    assert!(page.status == 200 && page.body.contains("lang=\"az\"") && !page.body.contains("role=\"alert\""));
    goes_to(&gateway.ask("POST /login", &[FORM], "token=wrong"), "/login?failed");
    assert!(gateway.ask("GET /login?failed", &[], "").body.contains("role=\"alert\""));
}

#[test]
fn each_scope_sees_its_pages_and_no_others() {
    let site = Site::new("");
    let gateway = site.start();
    for (token, status) in
        [("demo-health", 200), ("demo-admin", 200), ("demo-inspector", 403), ("demo-auditor", 403)]
    {
        let cookie = log_in(&gateway, token);
        assert_eq!(gateway.ask("GET /", &[&cookie], "").status, status, "{token}");
        goes_to(&gateway.ask("GET /login", &[&cookie], ""), "/");
    }
}

#[test]
fn the_language_is_the_readers_choice() {
    let site = Site::new("");
    let gateway = site.start();
    let chosen = gateway.ask("POST /language", &[FORM], "to=ru&back=/login");
    goes_to(&chosen, "/login");
    let cookie = format!("Cookie: {}", chosen.header("set-cookie").split(';').next().unwrap());
    assert!(gateway.ask("GET /login", &[&cookie], "").body.contains("<html lang=\"ru\">"));
    goes_to(&gateway.ask("POST /language", &[FORM], "to=xx&back=https://elsewhere.example/"), "/");
}

#[test]
fn a_page_may_use_only_what_we_serve_and_that_is_there() {
    let site = Site::new("");
    let gateway = site.start();
    let page = gateway.ask("GET /", &[&log_in(&gateway, "demo-health")], "");
    let policy = page.header("content-security-policy");
    assert!(policy.starts_with("default-src 'none'; ") && !policy.contains("unsafe"), "{policy}");
    assert_eq!(page.header("cache-control"), "no-store");
    let assets: Vec<&str> = page.body.split('"').filter(|value| value.starts_with("/assets/")).collect();
    assert_eq!(assets.len(), 3, "{assets:?}");
    for asset in assets {
        let answer = gateway.ask(&format!("GET {asset}"), &[], "");
        assert_eq!(answer.status, 200, "{asset}");
        assert!(answer.header("cache-control").contains("immutable"), "{answer:?}");
    }
}
