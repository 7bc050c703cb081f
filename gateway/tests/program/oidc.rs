//! An OpenID Connect issuer beside our own tokens: a real one, with its access tokens and its log-in. Needs what `./check peers`
//! installs, hence the feature `peers`.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::browser::Browser;
use crate::lookups::{ask, get};
use crate::peers::installed;
use crate::support::{Answer, Gateway, Site, until, workspace};

const API: &str = "https://icaze.example/api";
const HOUR_S: i64 = 3600;

/// A port that nobody listens at.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// `issuer.mjs`, as long as it lives.
struct Issuer {
    process: Child,
    orders: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Issuer {
    fn start(port: u16, site: &str) -> Self {
        let mut process = Command::new("node")
            .arg(workspace().join("gateway/tests/peers/issuer.mjs"))
            .args([&port.to_string(), site])
            .env("PEERS", installed())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let (orders, answers) = (process.stdin.take(), BufReader::new(process.stdout.take().unwrap()));
        let mut issuer = Self { process, orders, answers };
        assert_eq!(issuer.answer(), format!("ready http://127.0.0.1:{port}"));
        issuer
    }

    fn answer(&mut self) -> String {
        let mut line = String::new();
        self.answers.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    fn order(&mut self, order: &Value) -> String {
        writeln!(self.orders.as_mut().unwrap(), "{order}").unwrap();
        self.answer()
    }

    fn token(&mut self, scope: &str, resource: &str) -> String {
        self.order(&json!({"scope": scope, "resource": resource}))
    }
}

impl Drop for Issuer {
    /// It ends with the orders.
    fn drop(&mut self) {
        self.orders.take();
        let _ = self.process.wait();
    }
}

/// A gateway that takes this issuer's tokens, and where browsers find it.
fn gateway(site: &Site, issuer: u16) -> (Gateway, String) {
    let http = free_port();
    let public = format!("http://127.0.0.1:{http}");
    let more = [format!("HTTP__LISTEN=127.0.0.1:{http}"), "HTTP__RATE=0".to_owned()];
    (gateway_at(&public, site, issuer, &more), public)
}

/// The same, found at `public`, with `more` settings.
fn gateway_at(public: &str, site: &Site, issuer: u16, more: &[String]) -> Gateway {
    let secret = site.dir.path().join("secret");
    std::fs::write(&secret, "secret+of 100%: the gateway\n").unwrap();
    let settings = [
        format!("OIDC__ISSUER=http://127.0.0.1:{issuer}"),
        "OIDC__NAME=ASAN Login".to_owned(),
        "OIDC__CLIENT_ID=icaze".to_owned(),
        format!("OIDC__CLIENT_SECRET_FILE={}", secret.display()),
        format!("OIDC__AUDIENCE={API}"),
        format!("OIDC__PUBLIC_URL={public}"),
        "LOG__LEVEL=debug".to_owned(),
    ];
    let settings: Vec<&str> = settings.iter().chain(more).map(String::as_str).collect();
    site.start_with(&settings)
}

fn look_up(gateway: &Gateway, token: &str) -> Answer {
    let headers = [&format!("Authorization: Bearer {token}"), "Content-Type: application/json"];
    gateway.ask("POST /v1/lookups", &headers, &ask("document", "AZE10000002").to_string())
}

#[test]
fn an_access_token_of_the_issuer_speaks_for_whom_it_was_made_and_nothing_else_does() {
    let (site, port) = (Site::new(""), free_port());
    let (gateway, public) = gateway(&site, port);
    assert_eq!(look_up(&gateway, "a.b.c").status, 401, "nobody's, whoever is away");

    let mut issuer = Issuer::start(port, &public);
    let inspector = issuer.token("icaze:inspector", API);
    until("the issuer is asked again", || look_up(&gateway, &inspector).status == 200);
    let health = issuer.token("icaze:health", API);
    assert_eq!(look_up(&gateway, &health).status, 403);
    let trail = get(&gateway, "auditor", "/v1/audit").json();
    let who: Vec<[&str; 2]> = trail["records"].as_array().unwrap()[1..3]
        .iter()
        .map(|record| ["who", "institution"].map(|field| record[field].as_str().unwrap()))
        .collect();
    assert_eq!(who, [[&format!("patrol-cars@127.0.0.1:{port}"), "Baku police"]; 2]);

    let now = jiff::Timestamp::now().as_second();
    let sound = json!({"aud": API, "exp": now + HOUR_S});
    let forged = |issuer: &mut Issuer, claims: &Value, alg: &str, kid: Option<&str>| {
        issuer.order(&json!({"forge": claims, "alg": alg, "kid": kid}))
    };
    for alg in ["RS256", "PS256", "ES256", "EdDSA"] {
        let token = forged(&mut issuer, &sound, alg, None);
        assert_eq!(look_up(&gateway, &token).status, 200, "{alg}: what the following differ from");
    }
    let rsa = forged(&mut issuer, &sound, "RS256", None);
    let header = URL_SAFE_NO_PAD.decode(rsa.split('.').next().unwrap()).unwrap();
    let rsa = serde_json::from_slice::<Value>(&header).unwrap()["kid"].as_str().unwrap().to_owned();
    for (why, claims, alg, kid) in [
        ("expired", json!({"aud": API, "exp": now - 60}), "RS256", None),
        ("never ends", json!({"aud": API}), "RS256", None),
        ("not yet", json!({"aud": API, "exp": now + HOUR_S, "nbf": now + 60}), "RS256", None),
        ("for another", json!({"aud": "https://other.example", "exp": now + HOUR_S}), "RS256", None),
        ("for nobody", json!({"exp": now + HOUR_S}), "RS256", None),
        ("of another", json!({"iss": public, "aud": API, "exp": now + HOUR_S}), "RS256", None),
        ("unsigned", sound.clone(), "none", None),
        ("signed with what all know", sound.clone(), "HS256", None),
        ("by an unknown key", sound.clone(), "RS256", Some("another")),
        ("by a key for other signatures", sound.clone(), "PS256", Some(&*rsa)),
        ("for a browser", json!({"aud": "icaze", "exp": now + HOUR_S}), "RS256", None),
    ] {
        let token = forged(&mut issuer, &claims, alg, kid);
        let answer = look_up(&gateway, &token);
        assert_eq!(
            (answer.status, answer.header("content-type")),
            (401, "application/problem+json"),
            "{why}"
        );
    }
    let (text, signature) = inspector.rsplit_once('.').unwrap();
    let reversed: String = signature.chars().rev().collect();
    assert_eq!(look_up(&gateway, &format!("{text}.{reversed}")).status, 401);
    let wrong = issuer.token("icaze:inspector", "https://other.example/api");
    assert_eq!(look_up(&gateway, &wrong).status, 401);

    // The issuer goes, and its keys are known; it comes back with others.
    drop(issuer);
    assert_eq!(look_up(&gateway, &inspector).status, 200);
    let mut issuer = Issuer::start(port, &public);
    let renewed = issuer.token("icaze:inspector", API);
    until("the new key is taken", || look_up(&gateway, &renewed).status == 200);
    assert_eq!(look_up(&gateway, &inspector).status, 401, "by a key that was withdrawn");

    let log = site.log();
    for personal in ["patrol-cars", "AZE10000002", inspector.rsplit('.').next().unwrap()] {
        assert!(!log.contains(personal), "{personal}: {log}");
    }
}

#[test]
fn somebody_logs_in_by_the_issuer_and_out_of_both() {
    let (site, port) = (Site::new(""), free_port());
    let (gateway, public) = gateway(&site, port);
    let mut browser = Browser::start(&gateway.http);
    browser.open("/login/oidc");
    browser.wait("[role=alert]", "Giriş xidməti");
    browser.holds("an issuer that does not answer");
    let log = site.log();
    assert!(
        log.contains("the issuer of log-ins cannot be asked") && log.contains("check oidc.issuer"),
        "{log}"
    );

    let _issuer = Issuer::start(port, &public);
    until("the issuer is asked again", || {
        let away = gateway.ask("GET /login/oidc", &[], "");
        away.header("location").starts_with(&format!("http://127.0.0.1:{port}/"))
    });
    browser.open("/login");
    browser.wait("a.main", "ASAN Login");
    browser.click("a.main");
    // At the issuer: who one is, and that the gateway may know.
    browser.wait("button", "Sign-in");
    browser.fill("[name=login]", "health");
    browser.fill("[name=password]", "any");
    browser.click("button");
    browser.wait("button", "Continue");
    browser.click("button");
    browser.wait("h1", "Göstəricilər");
    browser.wait("form.reader", "health@127.0.0.1");
    browser.wait("form.reader", "Ministry of Health");
    browser.open("/check");
    browser.wait("h1", "Bu hesab üçün deyil");
    assert_eq!(browser.run("return document.cookie"), "", "out of reach of scripts");

    browser.click("form.reader button");
    browser.wait("h1", "Do you want to sign-out");
    browser.click("button[name=logout]");
    browser.wait("a.main", "ASAN Login");
    browser.open("/");
    browser.wait("h1", "Daxil ol");
    browser.open("/login/oidc");
    browser.wait("button", "Sign-in");
    let log = site.log();
    for personal in ["health@", "id_token", "code="] {
        assert!(!log.contains(personal), "{personal}: {log}");
    }
}

/// The value of a parameter of an address.
fn parameter(address: &str, name: &str) -> String {
    let address = url::Url::parse(address).unwrap();
    address.query_pairs().find(|(key, _)| key == name).unwrap().1.into_owned()
}

#[test]
fn whoever_comes_back_was_sent_there_in_the_same_browser() {
    let (site, port) = (Site::new(""), free_port());
    let public = "https://icaze.example";
    let _issuer = Issuer::start(port, public);
    let gateway = gateway_at(public, &site, port, &[]);
    let depart = || {
        let answer = gateway.ask("GET /login/oidc", &[], "");
        let cookie = answer.header("set-cookie").to_owned();
        assert!(cookie.starts_with("__Host-icaze_oidc="), "{cookie}");
        assert!(cookie.ends_with("; Path=/; HttpOnly; SameSite=Lax; Max-Age=600; Secure"), "{cookie}");
        let to = answer.header("location");
        assert_eq!(parameter(to, "redirect_uri"), format!("{public}/login/oidc/callback"));
        assert_eq!(parameter(to, "code_challenge_method"), "S256");
        (format!("Cookie: {}", cookie.split(';').next().unwrap()), parameter(to, "state"))
    };
    let ((cookie, state), (other, _)) = (depart(), depart());
    let arrive = |cookie: &str, query: &str| {
        let before = site.log().len();
        let answer = gateway.ask(&format!("GET /login/oidc/callback?{query}"), &[cookie], "");
        assert_eq!((answer.status, answer.header("location")), (303, "/login?refused"), "{query}");
        assert!(answer.header("set-cookie").starts_with("__Host-icaze_oidc=; "), "{query}");
        site.log()[before..].to_owned()
    };
    let stray = "who was not sent there";
    for (cookie, query) in [
        ("Cookie: none=0", format!("code=x&state={state}")),
        (&other, format!("code=x&state={state}")),
        (&cookie, "code=x&state=".to_owned()),
        (&cookie, "code=x".to_owned()),
        (&cookie, format!("code=x&state={state}&state={state}")),
        (&cookie, format!("code=x&state={state}&iss=https://other.example")),
    ] {
        let log = arrive(cookie, &query);
        assert!(log.contains(stray), "{query}: {log}");
    }
    let log = arrive(&cookie, &format!("error=access_denied&state={state}"));
    assert!(log.contains("did not let somebody in"), "{log}");
    let log = arrive(&cookie, &format!("code=x&state={state}&iss=http://127.0.0.1:{port}"));
    assert!(log.contains("invalid_grant"), "{log}");
}

#[test]
fn a_token_of_the_issuer_may_ask_as_often_as_another() {
    let (site, port) = (Site::new(""), free_port());
    let mut issuer = Issuer::start(port, "http://127.0.0.1");
    let gateway = gateway_at("http://127.0.0.1", &site, port, &["HTTP__RATE=1".to_owned()]);
    let token = issuer.token("icaze:inspector", API);
    assert_eq!(look_up(&gateway, &token).status, 200);
    // Another of the same holder counts with it.
    let again = issuer.token("icaze:inspector", API);
    until("it asks too often", || look_up(&gateway, &again).status == 429);
}
