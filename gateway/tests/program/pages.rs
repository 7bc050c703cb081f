//! The pages as a browser asks for them.

use crate::cli::{code, sms};
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
    // Whoever may not see the dashboard is sent to the first page that they may see.
    for (token, dashboard, check, audit) in [
        ("demo-health", 200, 403, 403),
        ("demo-admin", 200, 403, 403),
        ("demo-inspector", 303, 200, 403),
        ("demo-auditor", 303, 403, 200),
    ] {
        let cookie = log_in(&gateway, token);
        assert_eq!(gateway.ask("GET /", &[&cookie], "").status, dashboard, "{token}");
        assert_eq!(gateway.ask("GET /check", &[&cookie], "").status, check, "{token}");
        assert_eq!(gateway.ask("GET /audit", &[&cookie], "").status, audit, "{token}");
        goes_to(&gateway.ask("GET /login", &[&cookie], ""), "/");
    }
}

/// What a form must send back.
fn csrf(page: &Answer) -> &str {
    let field = page.body.split("name=\"csrf\" value=\"").nth(1).unwrap();
    field.split('"').next().unwrap()
}

#[test]
fn an_officer_checks_permits_without_a_script_and_in_20_kilobytes() {
    let site = Site::new("");
    let gateway = site.start();
    let reply = sms(&gateway, "+994501234567", "2 AZE10000002");
    let code = code(&reply).unwrap();
    let cookie = log_in(&gateway, "demo-inspector");
    goes_to(&gateway.ask("GET /", &[&cookie], ""), "/check");
    goes_to(&gateway.ask("POST /language", &[FORM], "to=en&back=/check"), "/check");
    let cookie = format!("{cookie}; icaze_language=en");
    let form = gateway.ask("GET /check", &[&cookie], "");
    assert!(!form.body.contains("<script"), "{}", form.body);
    let check = |csrf: &str, value: &str, more: &str| {
        let body = format!("csrf={csrf}&value={value}&reason=street&{more}");
        gateway.ask("POST /check", &[&cookie, FORM], &body)
    };
    assert_eq!(check("0000", code, "other=").status, 403, "from another site");
    for value in [code, &code.to_lowercase().replace('-', ""), "AZE10000002", "aze+10000002"] {
        let page = check(csrf(&form), value, "other=");
        assert_eq!(page.status, 200, "{value}");
        assert!(
            page.body.contains(">VALID <span class=\"times\">UNTIL ") && page.body.contains(code),
            "{}",
            page.body
        );
        let assets = page.body.split('"').filter(|value| value.starts_with("/assets/"));
        let loaded: usize =
            assets.map(|asset| gateway.ask(&format!("GET {asset}"), &[], "").body.len()).sum();
        assert!(loaded + page.body.len() <= 20 * 1024, "{loaded} and {}", page.body.len());
    }
    let none = check(csrf(&form), "AZE10000004", "");
    assert!(none.body.contains(">NOT VALID<") && none.body.contains("No permit was found"), "{}", none.body);
    let unreadable = check(csrf(&form), "7K3M", "");
    assert!(unreadable.status == 422 && unreadable.body.contains("role=\"alert\""), "{unreadable:?}");
    check(csrf(&form), "AZE10000002", "other=a+search+warrant");

    let trail = gateway.ask("GET /v1/audit", &["Authorization: Bearer demo-auditor"], "").json();
    let told: Vec<_> = trail["records"].as_array().unwrap().iter().map(|entry| &entry["reason"]).collect();
    assert_eq!((told[1], told[2]), (&"a search warrant".into(), &"street check".into()), "{told:?}");
    assert_eq!(told.len(), 7, "each look-up that was answered, and the reading");
}

#[test]
fn an_auditor_reads_the_trail_and_one_persons_part_of_it() {
    let site = Site::new("");
    let gateway = site.start_with(&["HTTP__RATE=0"]);
    let look_up = |document: &str, covert: bool| {
        let body = format!(
            r#"{{"by":"document","value":"{document}","reason":"for {document}","covert":{covert}}}"#
        );
        let headers = ["Authorization: Bearer demo-inspector", "Content-Type: application/json"];
        assert_eq!(gateway.ask("POST /v1/lookups", &headers, &body).status, 200);
    };
    look_up("AZE10000001", false);
    look_up("AZE10000001", true);
    (0..100).for_each(|_| look_up("AZE10000002", false));
    let cookie = format!("{}; icaze_language=en", log_in(&gateway, "demo-auditor"));
    goes_to(&gateway.ask("GET /", &[&cookie], ""), "/audit");
    let page = gateway.ask("GET /audit", &[&cookie], "");
    assert!(page.body.contains("Read the trail") && page.body.contains("for AZE10000002"), "{}", page.body);
    assert!(!page.body.contains("for AZE10000001"), "{}", page.body);
    let older = page.body.split("href=\"").find(|rest| rest.starts_with("/audit?cursor=")).unwrap();
    let older = gateway.ask(&format!("GET {}", older.split('"').next().unwrap()), &[&cookie], "");
    assert!(older.body.contains("for AZE10000001"), "{}", older.body);

    let about = |document: &str| {
        let body = format!("csrf={}&document={document}", csrf(&page));
        gateway.ask("POST /audit", &[&cookie, FORM], &body)
    };
    let person = about("aa1000001").body;
    assert!(
        person.contains("for AZE10000001") && !person.contains("for AZE10000002"),
        "by any of their documents"
    );
    assert!(person.contains("Covert inquiries, not shown: 1."), "{person}");
    let unreadable = about("x");
    assert!(unreadable.status == 422 && unreadable.body.contains("role=\"alert\""), "{unreadable:?}");
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
