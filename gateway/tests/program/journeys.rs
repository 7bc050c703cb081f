//! What people do with the pages, in a real browser. Needs what `./check peers` installs, hence the feature `peers`.

use std::process::Command;

use crate::browser::Browser;
use crate::support::{Gateway, Site};

/// Texts the gateway as a phone; the reply.
fn sms(gateway: &Gateway, from: &str, text: &str) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_icaze"))
        .args(["sms", "--server", &gateway.smpp, "--from", from, text])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

const LOOKS: [(&str, u32); 4] = [("light", 1280), ("dark", 1280), ("light", 360), ("dark", 360)];
const LANGUAGES: [&str; 3] = ["az", "en", "ru"];

#[test]
fn a_health_authority_sees_the_counters_move() {
    let site = Site::new("");
    let gateway = site.start();
    let mut browser = Browser::start(&gateway.http);
    browser.log_in("wrong");
    browser.wait("[role=alert]", "etibarsızdır");
    browser.log_in("demo-health");
    browser.wait("#empty", "Hələ mesaj yoxdur");
    sms(&gateway, "994501112233", "2 AZE10000002");
    sms(&gateway, "994501112233", "2 AZE10000003");
    // Nobody reloads.
    browser.wait("#reasons", "Yaş qaydası");
    browser.wait("#tiles", "1 / 2 qərar");
    browser.click("button[value=en]");
    browser.wait("h1", "Dashboard");
    browser.wait("#tiles", "1 of 2 decisions");
    browser.click("button#pause");
    browser.wait("button#pause", "Go on");
    browser.click("form.reader button");
    browser.wait("h1", "Log in");
    browser.open("/");
    browser.wait("h1", "Log in");
}

#[test]
fn an_officer_checks_a_permit_that_was_just_issued() {
    let site = Site::new("");
    let gateway = site.start();
    let reply = sms(&gateway, "994501112233", "2 AZE10000002");
    let code = reply.split("№ ").nth(1).unwrap().trim().to_owned();
    let mut browser = Browser::start(&gateway.http);
    browser.look("dark", 360);
    browser.log_in("demo-inspector");
    browser.wait("h1", "İcazənin yoxlanması");
    browser.fill("#value", &code.to_lowercase());
    browser.click("button.main");
    browser.wait("#verdict h1", "QÜVVƏDƏDİR");
    assert_eq!(browser.run("return document.activeElement.tagName"), "H1", "what is read out first");
    browser.wait(".permits", &code);
    browser.fill("#value", "AZE10000003");
    browser.click("button.main");
    browser.wait("#verdict h1", "ETİBARSIZDIR");
    browser.click("button[value=en]");
    browser.wait("h1", "Check a permit");
    browser.click("form.reader button");
    browser.wait("h1", "Log in");
}

#[test]
fn nothing_on_any_page_keeps_anybody_out() {
    let site = Site::new("");
    let gateway = site.start();
    sms(&gateway, "994501112233", "2 AZE10000002");
    sms(&gateway, "994501112244", "2 AZE10000003");
    let mut browser = Browser::start(&gateway.http);
    let hold = |browser: &mut Browser, page: &str| {
        for language in LANGUAGES {
            browser.click(&format!("button[value={language}]"));
            browser.wait(&format!("html[lang={language}]"), "");
            for (scheme, width) in LOOKS {
                browser.look(scheme, width);
                browser.holds(&format!("{page} {language} {scheme} {width}"));
                let wide = browser.run("return document.documentElement.scrollWidth > innerWidth");
                assert_eq!(wide, false, "{page} {language} at {width} scrolls sideways");
            }
        }
    };
    browser.open("/login");
    hold(&mut browser, "login");
    browser.log_in("demo-health");
    browser.wait("#reasons", "");
    hold(&mut browser, "dashboard");
    browser.click("form.reader button");
    browser.log_in("demo-inspector");
    hold(&mut browser, "check");
    for (document, verdict) in [("AZE10000002", "valid"), ("AZE10000003", "invalid")] {
        for (scheme, width) in LOOKS {
            browser.fill("#value", document);
            browser.click("button.main");
            browser.wait(&format!("#verdict.{verdict}"), "");
            browser.look(scheme, width);
            browser.holds(&format!("{verdict} {scheme} {width}"));
        }
    }
    browser.click("form.reader button");
    browser.log_in("demo-auditor");
    browser.wait("#trail", "");
    hold(&mut browser, "audit");
}
