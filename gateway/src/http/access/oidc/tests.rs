//! An issuer of our own making, which can be slow, away and wrong; a real one is in `tests/program/oidc.rs`.

use std::sync::Mutex;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use axum::Router;
use axum::http::{StatusCode, header};
use axum::routing::get;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use icaze_config::gateway::Settings;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::keys::APART;
use super::*;

const AUDIENCE: &str = "https://icaze.example/api";
const HOUR_S: i64 = 3600;

/// A key to sign with.
struct Signer {
    id: &'static str,
    secret: EncodingKey,
    public: String,
}

impl Signer {
    fn new(id: &'static str) -> Self {
        let pair = Ed25519KeyPair::generate().unwrap();
        Self {
            id,
            secret: EncodingKey::from_ed_der(pair.to_pkcs8().unwrap().as_ref()),
            public: URL_SAFE_NO_PAD.encode(pair.public_key()),
        }
    }

    fn jwk(&self) -> Value {
        json!({"kty": "OKP", "crv": "Ed25519", "kid": self.id, "use": "sig", "alg": "EdDSA", "x": self.public})
    }

    fn header(&self) -> Header {
        Header { kid: Some(self.id.to_owned()), ..Header::new(Algorithm::EdDSA) }
    }

    fn sign(&self, header: &Header, claims: &Value) -> String {
        encode(header, claims, &self.secret).unwrap()
    }
}

/// What the discovery document is answered with.
type Answer = (StatusCode, String);

struct Fake {
    url: String,
    keys: Arc<Mutex<Vec<Value>>>,
    answer: Arc<Mutex<Answer>>,
    /// How often the document was asked for.
    asked: watch::Receiver<usize>,
    /// Whether answers go out.
    answers: watch::Sender<bool>,
}

impl Fake {
    async fn start(keys: &[Signer]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let keys = Arc::new(Mutex::new(keys.iter().map(Signer::jwk).collect::<Vec<_>>()));
        let answer = Arc::new(Mutex::new(Self::sound(&url)));
        let (count, asked) = watch::channel(0);
        let (answers, gate) = watch::channel(true);
        let document = {
            let answer = Arc::clone(&answer);
            async move || {
                count.send_modify(|count| *count += 1);
                gate.clone().wait_for(|&goes| goes).await.unwrap();
                let (status, body) = answer.lock().unwrap().clone();
                (status, [(header::LOCATION, "/other")], body)
            }
        };
        let set = {
            let keys = Arc::clone(&keys);
            async move || json!({"keys": *keys.lock().unwrap()}).to_string()
        };
        let router =
            Router::new().route("/.well-known/openid-configuration", get(document)).route("/keys", get(set));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, keys, answer, asked, answers }
    }

    fn sound(url: &str) -> Answer {
        (StatusCode::OK, json!({"issuer": url, "jwks_uri": format!("{url}/keys")}).to_string())
    }

    fn asked(&self) -> usize {
        *self.asked.borrow()
    }

    fn turn_to(&self, keys: &[Signer]) {
        *self.keys.lock().unwrap() = keys.iter().map(Signer::jwk).collect();
    }

    /// A gateway's view of it.
    fn issuer(&self) -> Arc<Issuer> {
        let mut settings = Settings::shipped();
        let text = format!("[oidc]\nissuer = \"{}\"\naudience = \"{AUDIENCE}\"\nleeway_s = 300", self.url);
        settings.file("", &text);
        Arc::new(Issuer::new(&settings.validate().unwrap().oidc.unwrap()).unwrap())
    }

    fn claims(&self) -> Value {
        let now = jiff::Timestamp::now().as_second();
        json!({"iss": self.url, "aud": AUDIENCE, "sub": "42", "exp": now + HOUR_S, "scope": "icaze:inspector"})
    }

    fn token(&self, key: &Signer) -> String {
        key.sign(&key.header(), &self.claims())
    }
}

#[tokio::test]
async fn a_new_key_is_asked_for_at_once_but_not_again_within_ten_seconds() {
    let keys = ["old", "new", "unknown"].map(Signer::new);
    let fake = Fake::start(&keys[..1]).await;
    let (issuer, start) = (fake.issuer(), Instant::now());
    let [old, new, unknown] = [0, 1, 2].map(|key| fake.token(&keys[key]));
    assert!(issuer.caller(&old, start).await.is_ok());
    fake.turn_to(&keys[1..2]);
    let just_before = start + APART - Duration::from_millis(1);
    assert!(matches!(issuer.caller(&new, just_before).await, Err(Refused::Unusable(_))));
    assert_eq!(fake.asked(), 1);
    assert!(issuer.caller(&new, start + APART).await.is_ok());
    assert!(matches!(issuer.caller(&old, start + APART).await, Err(Refused::Unusable(_))), "withdrawn");
    assert_eq!(fake.asked(), 2);

    let strangers = (0..100).map(|_| {
        let (issuer, unknown) = (Arc::clone(&issuer), unknown.clone());
        tokio::spawn(async move { issuer.caller(&unknown, start + 2 * APART).await })
    });
    for stranger in strangers.collect::<Vec<_>>() {
        assert!(matches!(stranger.await.unwrap(), Err(Refused::Unusable(_))));
    }
    assert_eq!(fake.asked(), 3, "once for all of them");
}

#[tokio::test]
async fn who_goes_away_takes_no_answer_along() {
    let key = Signer::new("key");
    let mut fake = Fake::start(std::slice::from_ref(&key)).await;
    let (issuer, now, token) = (fake.issuer(), Instant::now(), fake.token(&key));
    fake.answers.send_replace(false);
    let impatient = {
        let (issuer, token) = (Arc::clone(&issuer), token.clone());
        tokio::spawn(async move { issuer.caller(&token, now).await })
    };
    fake.asked.wait_for(|&asked| asked == 1).await.unwrap();
    impatient.abort();
    assert!(impatient.await.is_err());
    fake.answers.send_replace(true);
    assert!(issuer.caller(&token, now).await.is_ok());
    assert_eq!(fake.asked(), 1);
}

#[tokio::test]
async fn keys_that_are_known_stay_good_while_the_issuer_is_slow_or_away() {
    let (key, unknown) = (Signer::new("key"), Signer::new("unknown"));
    let mut fake = Fake::start(std::slice::from_ref(&key)).await;
    let (issuer, start, token) = (fake.issuer(), Instant::now(), fake.token(&key));
    assert!(issuer.caller(&token, start).await.is_ok());

    // It does not answer. Only whoever has it asked waits.
    let later = start + issuer.settings.refresh;
    fake.answers.send_replace(false);
    let waiting = {
        let (issuer, token) = (Arc::clone(&issuer), token.clone());
        tokio::spawn(async move { issuer.caller(&token, later).await })
    };
    fake.asked.wait_for(|&asked| asked == 2).await.unwrap();
    assert!(issuer.caller(&token, later).await.is_ok());
    assert!(!waiting.is_finished());
    *fake.answer.lock().unwrap() = (StatusCode::BAD_GATEWAY, String::new());
    fake.answers.send_replace(true);
    assert!(waiting.await.unwrap().is_ok());

    let stranger = fake.token(&unknown);
    assert!(matches!(issuer.caller(&stranger, later + APART).await, Err(Refused::Unusable(_))));
    assert!(issuer.caller(&token, later + 100 * APART).await.is_ok());
}

#[tokio::test]
async fn an_issuer_that_is_none_is_not_believed() {
    let key = Signer::new("key");
    let fake = Fake::start(std::slice::from_ref(&key)).await;
    let (issuer, mut now, token) = (fake.issuer(), Instant::now(), fake.token(&key));
    let document = |issuer: &str| json!({"issuer": issuer, "jwks_uri": format!("{}/keys", fake.url)});
    let mut long = document(&fake.url);
    long["more"] = "x".repeat(300 << 10).into();
    for (why, answer) in [
        ("an error", (StatusCode::INTERNAL_SERVER_ERROR, Fake::sound(&fake.url).1)),
        ("elsewhere", (StatusCode::FOUND, String::new())),
        ("no JSON", (StatusCode::OK, "<html>".to_owned())),
        ("no keys", (StatusCode::OK, json!({"issuer": fake.url}).to_string())),
        ("another's", (StatusCode::OK, document("https://login.example").to_string())),
        ("its own but for a slash", (StatusCode::OK, document(&format!("{}/", fake.url)).to_string())),
        ("too long", (StatusCode::OK, long.to_string())),
    ] {
        *fake.answer.lock().unwrap() = answer;
        let refused = issuer.caller(&token, now).await;
        assert!(matches!(refused, Err(Refused::Issuer(_))), "{why}: {refused:?}");
        assert_eq!(Problem::from(refused.unwrap_err()).status(), StatusCode::SERVICE_UNAVAILABLE);
        now += APART;
    }
    *fake.answer.lock().unwrap() = Fake::sound(&fake.url);
    assert!(issuer.caller(&token, now).await.is_ok());
}

#[tokio::test]
async fn a_set_may_hold_keys_of_any_kind_and_only_those_that_sign_are_good() {
    let [key, bound, cipher] = ["key", "bound", "cipher"].map(Signer::new);
    let fake = Fake::start(std::slice::from_ref(&key)).await;
    let with = |signer: &Signer, name: &str, value: &str| {
        let mut jwk = signer.jwk();
        jwk[name] = value.into();
        jwk
    };
    let secret = b"what everybody knows";
    fake.keys.lock().unwrap().extend([
        json!({"kty": "OKP", "crv": "X25519", "kid": "x", "x": cipher.public}),
        json!({"kty": "EC", "crv": "secp256k1", "kid": "y", "x": cipher.public, "y": cipher.public}),
        json!({"kty": "AKP", "alg": "ML-DSA-44", "kid": "z", "pub": cipher.public}),
        json!({"kty": "oct", "kid": "shared", "k": URL_SAFE_NO_PAD.encode(secret)}),
        with(&bound, "alg", "Ed448"),
        with(&cipher, "use", "enc"),
    ]);
    let (issuer, now) = (fake.issuer(), Instant::now());
    assert!(issuer.caller(&fake.token(&key), now).await.is_ok());
    for other in [bound, cipher] {
        let refused = issuer.caller(&fake.token(&other), now).await;
        assert!(matches!(refused, Err(Refused::Unusable(_))), "{}: {refused:?}", other.id);
    }
    let header = Header { kid: Some("shared".to_owned()), ..Header::new(Algorithm::HS256) };
    let shared = encode(&header, &fake.claims(), &EncodingKey::from_secret(secret)).unwrap();
    assert!(matches!(issuer.caller(&shared, now).await, Err(Refused::Unusable(_))));
}

#[tokio::test]
async fn a_token_is_an_access_token_of_this_time_without_what_we_do_not_know() {
    let key = Signer::new("key");
    let fake = Fake::start(std::slice::from_ref(&key)).await;
    let (issuer, now) = (fake.issuer(), Instant::now());
    let wall_s = jiff::Timestamp::now().as_second();
    let typed = |kind: &str| Header { typ: Some(kind.to_owned()), ..key.header() };
    let critical = Header { crit: Some(vec!["b64".to_owned()]), ..key.header() };
    for (why, header, claim, is_good) in [
        ("as it should be", key.header(), json!({}), true),
        ("RFC 9068", typed("at+JWT"), json!({}), true),
        ("for several", key.header(), json!({"aud": ["https://other.example", AUDIENCE]}), true),
        ("over, but clocks differ", key.header(), json!({"exp": wall_s - 100}), true),
        ("a log-out", typed("logout+jwt"), json!({}), false),
        ("an extension", critical, json!({}), false),
        ("no kid", Header { kid: None, ..key.header() }, json!({}), false),
        ("an ID token", key.header(), json!({"nonce": "n"}), false),
        ("over", key.header(), json!({"exp": wall_s - 400}), false),
        ("not yet", key.header(), json!({"nbf": wall_s + 400}), false),
        ("an end that is no time", key.header(), json!({"exp": "never"}), false),
        ("a beginning that is no time", key.header(), json!({"nbf": "never"}), false),
    ] {
        let mut claims = fake.claims();
        claims.as_object_mut().unwrap().extend(claim.as_object().unwrap().clone());
        let told = issuer.caller(&key.sign(&header, &claims), now).await;
        assert_eq!(told.is_ok(), is_good, "{why}: {told:?}");
    }
}
