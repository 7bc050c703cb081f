//! From what was typed to a [`Config`], collecting every problem on the way.

mod oidc;
mod operator;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use super::settings::{Settings, Value};
use super::{
    Away, Config, Http, Identity, Limits, Log, LogFormat, LogLevel, Probe, Redis, Regime, Register, Replies,
    Retention, Smpp, Store,
};
use crate::problem::{Problem, Problems};

const SHORT_NUMBER_DIGITS: RangeInclusive<usize> = 1..=20;
/// A session or a part costs memory: what one gateway can be asked to hold.
const SESSIONS: RangeInclusive<u64> = 1..=10_000;
const PARTS: RangeInclusive<u64> = 1..=1_000_000;
const DAY_S: u64 = 86_400;
/// Allowances of a month and the history need some; nothing is for ever.
const RETENTION_DAYS: RangeInclusive<u64> = 31..=36_500;
/// What [`is_document`] asks for.
const DOCUMENT: &str = "one to three capitals and five to nine digits";
const TIMER_S: RangeInclusive<u64> = 1..=3_600;

impl Settings {
    /// Turns what was typed into a configuration.
    ///
    /// # Errors
    ///
    /// Every problem found, not only the first.
    pub fn validate(&self) -> Result<Config, Problems> {
        let (config, problems) = self.inspect();
        if problems.is_empty() { Ok(config) } else { Err(Problems(problems)) }
    }

    /// The configuration with something harmless in place of what will not do, and every problem: for a check that looks
    /// further, at the files that it names. Nothing runs on it.
    #[must_use]
    pub fn inspect(&self) -> (Config, Vec<Problem>) {
        let mut check = Check { settings: self, problems: self.problems.clone() };
        let config = check.config();
        (config, check.problems)
    }
}

/// Reads keys; a value that will not do becomes a problem and stands as something harmless meanwhile.
struct Check<'a> {
    settings: &'a Settings,
    problems: Vec<Problem>,
}

impl Check<'_> {
    fn config(&mut self) -> Config {
        let config = Config {
            node: self.number("node.id", 0..=15),
            smpp: self.smpp(),
            tls: self.identity("tls.certificate", "tls.key"),
            http: self.http(),
            limits: Limits {
                phone_max: self.number("limits.phone_max", 1..=1_000_000),
                phone_window: self.seconds("limits.phone_window_s", 1..=DAY_S),
                unknown_max: self.number("limits.unknown_max", 1..=1_000_000),
                unknown_window: self.seconds("limits.unknown_window_s", 1..=DAY_S),
                notice: self.seconds("limits.notice_s", 1..=DAY_S),
                ask: self.seconds("limits.ask_s", 1..=DAY_S),
            },
            probe: self.probe(),
            oidc: self.oidc(),
            store: Store {
                dir: self.path("store.dir"),
                key_file: self.path("store.key_file"),
                segment_mib: self.number("store.segment_mib", 1..=1024),
            },
            retention: self.retention(),
            register: Register { path: self.path("register.path") },
            regime: Regime { dir: self.path("regime.dir") },
            replies: self.replies(),
            redis: self.redis(),
            log: Log {
                format: self.choice("log.format", &[("text", LogFormat::Text), ("json", LogFormat::Json)]),
                level: self.choice(
                    "log.level",
                    &[
                        ("info", LogLevel::Info),
                        ("error", LogLevel::Error),
                        ("warn", LogLevel::Warn),
                        ("debug", LogLevel::Debug),
                        ("trace", LogLevel::Trace),
                    ],
                ),
            },
            operators: BTreeMap::new(),
        };
        let listeners = [
            ("smpp.listen", Some(config.smpp.listen)),
            ("smpp.tls_listen", config.smpp.tls_listen),
            ("http.listen", Some(config.http.listen)),
        ];
        let public =
            listeners.into_iter().find(|(_, listen)| listen.is_some_and(|listen| !listen.ip().is_loopback()));
        if config.limits.ask > config.retention.texts {
            self.problem(
                "limits.ask_s",
                "is longer than retention.texts_s, so that a restart would forget questions that are open",
                "ask for at most as long as texts are kept",
            );
        }
        self.tls_listener(&config);
        self.advertised(&config);
        let operators = self.operators(public.map(|(key, _)| key), &config);
        Config { operators, ..config }
    }

    fn smpp(&mut self) -> Smpp {
        let smpp = Smpp {
            listen: self.listen("smpp.listen"),
            tls_listen: self.typed("smpp.tls_listen").then(|| self.listen("smpp.tls_listen")),
            tls_client_ca: self.optional_path("smpp.tls_client_ca"),
            short_numbers: self.list("smpp.short_numbers"),
            country_code: self.digits("smpp.country_code", 1..=3),
            national_digits: self.number("smpp.national_digits", 4..=14),
            dedupe: self.seconds("smpp.dedupe_s", 1..=DAY_S),
            answer_lifetime: self.seconds("smpp.answer_lifetime_s", 1..=DAY_S),
            session_init_timer: self.seconds("smpp.session_init_timer_s", TIMER_S),
            enquire_link_timer: self.seconds("smpp.enquire_link_timer_s", TIMER_S),
            inactivity_timer: self.seconds("smpp.inactivity_timer_s", 1..=DAY_S),
            response_timer: self.seconds("smpp.response_timer_s", TIMER_S),
            pdu_timer: self.seconds("smpp.pdu_timer_s", TIMER_S),
            drain: self.seconds("smpp.drain_s", TIMER_S),
            sessions_max: self.number("smpp.sessions_max", SESSIONS),
            unbound_sessions_max: self.number("smpp.unbound_sessions_max", SESSIONS),
            parts_timeout: self.seconds("smpp.parts_timeout_s", TIMER_S),
            parts_keep: self.seconds("smpp.parts_keep_s", 1..=DAY_S),
            parts_max: self.number("smpp.parts_max", PARTS),
        };
        self.every_is(
            "smpp.short_numbers",
            &smpp.short_numbers,
            |number| {
                let digits = number.strip_prefix('+').unwrap_or(number);
                is_digits(digits) && SHORT_NUMBER_DIGITS.contains(&digits.len())
            },
            "1 to 20 digits",
        );
        if smpp.short_numbers.is_empty() {
            self.problem("smpp.short_numbers", "names none", "name the short number that citizens text to");
        }
        if smpp.country_code.len() + usize::from(smpp.national_digits) > 15 {
            self.problem(
                "smpp.national_digits",
                "makes numbers of more than the 15 digits of E.164",
                "give the digits of a national number without the country code",
            );
        }
        if smpp.inactivity_timer <= smpp.enquire_link_timer {
            self.problem(
                "smpp.inactivity_timer_s",
                "is not longer than enquire_link_timer_s, so that every idle session would end",
                "make it several times as long",
            );
        }
        smpp
    }

    fn tls_listener(&mut self, config: &Config) {
        if config.smpp.tls_listen.is_some() && config.tls.is_none() {
            self.problem(
                "smpp.tls_listen",
                "has no certificate to show",
                "name the gateway's own in [tls] certificate and key",
            );
        }
        if config.http.tls && config.tls.is_none() {
            self.problem(
                "http.tls",
                "has no certificate to show",
                "name the gateway's own in [tls] certificate and key",
            );
        }
        if config.smpp.tls_client_ca.is_some() && config.smpp.tls_listen.is_none() {
            self.problem("smpp.tls_client_ca", "is of no use without tls_listen", "set both or neither");
        }
    }

    /// A certificate and its key, or neither.
    fn identity(&mut self, certificate: &str, key: &str) -> Option<Identity> {
        match (self.optional_path(certificate), self.optional_path(key)) {
            (Some(certificate), Some(key)) => Some(Identity { certificate, key }),
            (None, None) => None,
            (given, _) => {
                let missing = if given.is_some() { key } else { certificate };
                self.problem(missing, "is missing", "name the files of both the certificate and its key");
                None
            }
        }
    }

    fn probe(&mut self) -> Probe {
        let probe = Probe { phones: self.list("probe.phones"), documents: self.list("probe.documents") };
        let is_phone = |phone: &str| {
            let digits = phone.strip_prefix('+').unwrap_or(phone);
            is_digits(digits) && (7..=15).contains(&digits.len())
        };
        self.every_is("probe.phones", &probe.phones, is_phone, "7 to 15 digits with the country code");
        self.every_is("probe.documents", &probe.documents, is_document, DOCUMENT);
        probe
    }

    fn http(&mut self) -> Http {
        let advertise = Some(self.text("http.advertise")).filter(|said| !said.is_empty());
        if advertise.as_deref().is_some_and(|said| !is_address(said)) {
            self.problem("http.advertise", "is not HOST:PORT", "write one such as icaze-2.example:8080");
        }
        Http {
            listen: self.listen("http.listen"),
            advertise,
            tls: self.switch("http.tls"),
            rate: self.number("http.rate", 0..=1_000_000),
        }
    }

    /// Gateways that share ask each other.
    fn advertised(&mut self, config: &Config) {
        let Http { listen, advertise, .. } = &config.http;
        if !config.redis.nodes.is_empty() && advertise.is_none() && listen.ip().is_unspecified() {
            self.problem(
                "http.advertise",
                "is empty, and http.listen names no address that other gateways could ask",
                "write HOST:PORT as the other gateways of redis.nodes reach this one",
            );
        }
    }

    fn redis(&mut self) -> Redis {
        let nodes = self.list("redis.nodes");
        self.every_is("redis.nodes", &nodes, is_address, "HOST:PORT");
        let choices = [Away::Refuse, Away::Local].map(|away| (away.name(), away));
        let redis = Redis {
            nodes,
            user: self.text("redis.user"),
            password_file: self.optional_path("redis.password_file"),
            tls: self.switch("redis.tls"),
            tls_ca: self.optional_path("redis.tls_ca"),
            away: self.choice("redis.away", &choices),
            local_after: self.seconds("redis.local_after_s", 1..=DAY_S),
            local_max: self.number("redis.local_max", 1..=1_000_000),
        };
        if redis.user.contains(|c: char| c.is_whitespace() || c.is_control()) {
            self.problem("redis.user", "is no name", "write it as ACL LIST on the servers shows it");
        }
        if !redis.user.is_empty() && redis.password_file.is_none() {
            self.problem(
                "redis.user",
                "has no password",
                "name the file of its password in redis.password_file",
            );
        }
        if redis.tls_ca.is_some() && !redis.tls {
            self.problem("redis.tls_ca", "is of no use without redis.tls", "set both or neither");
        }
        redis
    }

    fn replies(&mut self) -> Replies {
        let (example, examples) = (self.text("replies.example"), self.list("replies.examples"));
        self.every_is("replies.examples", &examples, is_document, DOCUMENT);
        if example.is_empty() || example.chars().count() > 20 || !example.chars().all(is_plain) {
            self.problem(
                "replies.example",
                "is not 1 to 20 letters, digits and spaces",
                "write a correct request with the reserved serial, such as 2 AZE12345678",
            );
        } else if !examples.iter().any(|serial| example.ends_with(serial.as_str())) {
            self.problem(
                "replies.example",
                "does not end with a serial of replies.examples",
                "add its serial there: citizens copy it, so that it must be nobody's",
            );
        }
        Replies {
            dir: self.optional_path("replies.dir"),
            hotline: self.digits("replies.hotline", 1..=15),
            emergency: self.digits("replies.emergency", 1..=15),
            example,
            examples,
        }
    }

    fn every_is(&mut self, key: &str, items: &[String], fits: fn(&str) -> bool, expected: &str) {
        for (index, _) in items.iter().enumerate().filter(|(_, item)| !fits(item)) {
            self.problem(
                key,
                &format!("entry {} is not {expected}", index + 1),
                &format!("write each entry as {expected}"),
            );
        }
    }

    fn listen(&mut self, key: &str) -> SocketAddr {
        let said = self.text(key);
        said.parse().unwrap_or_else(|_| {
            self.problem(key, "is not ADDRESS:PORT", "write one such as 127.0.0.1:2775 or [::1]:2775");
            SocketAddr::from(([127, 0, 0, 1], 0))
        })
    }

    fn path(&mut self, key: &str) -> PathBuf {
        let said = self.text(key);
        if said.is_empty() {
            self.problem(key, "is empty", "write a path");
        }
        PathBuf::from(said)
    }

    fn optional_path(&mut self, key: &str) -> Option<PathBuf> {
        Some(self.text(key)).filter(|said| !said.is_empty()).map(PathBuf::from)
    }

    /// Whether a text key says something.
    fn typed(&mut self, key: &str) -> bool {
        !self.text(key).is_empty()
    }

    fn digits(&mut self, key: &str, length: RangeInclusive<usize>) -> String {
        let said = self.text(key);
        if !is_digits(&said) || !length.contains(&said.len()) {
            let expected = format!("{} to {} digits", length.start(), length.end());
            self.problem(key, &format!("is not {expected}"), &format!("write {expected}"));
        }
        said
    }

    /// A C-Octet String of the SMPP account: refused beyond its field, never cut (SMPP v3.4, 4.1.1).
    fn octets(&mut self, key: &str, length: RangeInclusive<usize>) -> String {
        let Some(Value::Text(said)) = self.value(key) else { return String::new() };
        if said.contains('\0') {
            self.problem(key, "holds a NUL, which ends the field on the wire", "remove it");
        }
        if !length.contains(&said.len()) {
            self.problem(
                key,
                &format!(
                    "is {} bytes long; SMPP has room for {} to {}",
                    said.len(),
                    length.start(),
                    length.end()
                ),
                "agree on one that fits with the operator; it is never cut",
            );
        }
        said
    }

    fn retention(&mut self) -> Retention {
        let (people, records): (u64, u64) = (
            self.number("retention.people_days", RETENTION_DAYS),
            self.number("retention.records_days", RETENTION_DAYS),
        );
        if records < people {
            self.problem(
                "retention.records_days",
                "is shorter than retention.people_days",
                "keep records at least as long as the people in them",
            );
        }
        Retention {
            texts: self.seconds("retention.texts_s", 2..=7 * DAY_S),
            people: Duration::from_secs(people * DAY_S),
            records: Duration::from_secs(records * DAY_S),
        }
    }

    fn seconds(&mut self, key: &str, range: RangeInclusive<u64>) -> Duration {
        Duration::from_secs(self.number(key, range))
    }

    /// Messages a second; 0 is unlimited.
    fn rate(&mut self, key: &str) -> Option<u32> {
        Some(self.number(key, 0..=1_000_000)).filter(|&rate| rate > 0)
    }

    fn number<N: TryFrom<u64> + Default>(&mut self, key: &str, range: RangeInclusive<u64>) -> N {
        let said = match self.value(key) {
            Some(Value::Number(number)) => u64::try_from(number).ok(),
            _ => None,
        };
        let number = said.filter(|number| range.contains(number)).and_then(|number| N::try_from(number).ok());
        number.unwrap_or_else(|| {
            let expected = format!("from {} to {}", range.start(), range.end());
            self.problem(key, "is out of range", &format!("write a number {expected}"));
            N::default()
        })
    }

    fn switch(&mut self, key: &str) -> bool {
        matches!(self.value(key), Some(Value::Switch(true)))
    }

    fn text(&mut self, key: &str) -> String {
        match self.value(key) {
            Some(Value::Text(text)) => text,
            _ => String::new(),
        }
    }

    fn list(&mut self, key: &str) -> Vec<String> {
        match self.value(key) {
            Some(Value::List(items)) => items,
            _ => Vec::new(),
        }
    }

    fn choice<T: Copy>(&mut self, key: &str, choices: &[(&str, T)]) -> T {
        let said = self.text(key);
        self.choose(key, &said, choices)
    }

    fn choices<T: Copy>(&mut self, key: &str, choices: &[(&str, T)]) -> Vec<T> {
        let said = self.list(key);
        if said.is_empty() {
            self.problem(key, "names none", &format!("write some of {}", names(choices)));
        }
        said.iter().map(|said| self.choose(key, said, choices)).collect()
    }

    fn choose<T: Copy>(&mut self, key: &str, said: &str, choices: &[(&str, T)]) -> T {
        match choices.iter().find(|(name, _)| *name == said) {
            Some(&(_, choice)) => choice,
            None => {
                let names = names(choices);
                self.problem(key, "is none of the choices", &format!("write one of {names}"));
                // The callers' tables are never empty.
                choices[0].1
            }
        }
    }

    /// The value, or a problem and `None` if the key has no default and was not typed.
    fn value(&mut self, key: &str) -> Option<Value> {
        let value = self.settings.get(key).map(|setting| setting.value.clone());
        if value.is_none() {
            self.problem(key, "is missing", "write what was agreed with the operator");
        }
        value
    }

    fn problem(&mut self, key: &str, reason: &str, remedy: &str) {
        self.problems.push(Problem {
            place: self.settings.place(key),
            key: key.to_owned(),
            reason: reason.to_owned(),
            remedy: remedy.to_owned(),
        });
    }
}

fn names<T>(choices: &[(&str, T)]) -> String {
    choices.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
}

/// `HOST:PORT`.
fn is_address(text: &str) -> bool {
    let (host, port) = text.rsplit_once(':').unwrap_or_default();
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '[' | ']');
    !host.is_empty() && host.chars().all(plain) && port.parse::<u16>().is_ok_and(|port| port > 0)
}

fn is_document(said: &str) -> bool {
    let digits = said.trim_start_matches(|c: char| c.is_ascii_uppercase());
    let letters = said.len() - digits.len();
    (1..=3).contains(&letters) && is_digits(digits) && (5..=9).contains(&digits.len())
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_plain(c: char) -> bool {
    c.is_alphanumeric() || c == ' '
}
