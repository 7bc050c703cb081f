//! `[operators.NAME]`: what a bind sheet says, and what cannot be meant by it.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::time::Duration;

use ipnet::IpNet;

use super::super::settings::DEMO;
use super::super::{
    AddressRange, Bind, Config, DefaultAlphabet, Operator, Outbind, OutsideRanges, Password, ReceiptIds,
    Role, Validity,
};
use super::{Check, DAY_S, SESSIONS, TIMER_S, is_digits};

const SYSTEM_ID_BYTES: RangeInclusive<usize> = 1..=15;
const PASSWORD_BYTES: RangeInclusive<usize> = 1..=8;
const SYSTEM_TYPE_BYTES: RangeInclusive<usize> = 0..=12;
const ADDRESS_RANGE_BYTES: RangeInclusive<usize> = 0..=40;
/// A window costs memory: what one gateway can be asked to hold.
const WINDOW: RangeInclusive<u64> = 1..=10_000;
/// Copies of a reply that the operator does not answer: each may be one more SMS to the phone.
const COPIES: RangeInclusive<u64> = 0..=5;
/// Binds of a kind that we hold open to one operator.
const CONNECTIONS: RangeInclusive<u64> = 1..=100;

impl Check<'_> {
    /// `public`: the key of a listener that is not on loopback.
    pub(super) fn operators(&mut self, public: Option<&str>, config: &Config) -> BTreeMap<String, Operator> {
        let mut operators = BTreeMap::new();
        for name in self.settings.operators() {
            operators.insert(name.clone(), self.operator(&name, public, config));
        }
        self.accounts_differ(&operators);
        // The shipped account goes without saying only where it is harmless: on loopback, if no operator of the site's
        // has its name. It is also the reason why a configuration off loopback without operators is refused.
        if operators.is_empty() || (public.is_none() && !operators.contains_key(DEMO)) {
            let demo = self.operator(DEMO, public, config);
            if operators.values().all(|operator| operator.system_id != demo.system_id) {
                operators.insert(DEMO.to_owned(), demo);
            }
        }
        operators
    }

    fn operator(&mut self, name: &str, public: Option<&str>, config: &Config) -> Operator {
        let key = |key: &str| format!("operators.{name}.{key}");
        let operator = Operator {
            role: self.choice(
                &key("role"),
                &[("listen", Role::Listen), ("connect", Role::Connect), ("both", Role::Both)],
            ),
            addresses: self.list(&key("addresses")),
            system_id: self.octets(&key("system_id"), SYSTEM_ID_BYTES),
            password: Password(self.octets(&key("password"), PASSWORD_BYTES)),
            system_type: self.octets(&key("system_type"), SYSTEM_TYPE_BYTES),
            binds: self.choices(
                &key("binds"),
                &[
                    ("transceiver", Bind::Transceiver),
                    ("transmitter", Bind::Transmitter),
                    ("receiver", Bind::Receiver),
                ],
            ),
            sessions: self.number(&key("sessions"), SESSIONS),
            connections: self.number(&key("connections"), CONNECTIONS),
            interface_version: self
                .choice(&key("interface_version"), &[("3.4", 0x34), ("3.3", 0x33), ("5.0", 0x50)]),
            address_range: AddressRange {
                ton: self.number(&key("address_ton"), 0..=u64::from(u8::MAX)),
                npi: self.number(&key("address_npi"), 0..=u64::from(u8::MAX)),
                digits: self.octets(&key("address_range"), ADDRESS_RANGE_BYTES),
            },
            enquire_link_timer: self.timer(
                &key("enquire_link_timer_s"),
                TIMER_S,
                config.smpp.enquire_link_timer,
            ),
            inactivity_timer: self.timer(&key("inactivity_timer_s"), 1..=DAY_S, config.smpp.inactivity_timer),
            window_in: self.number(&key("window_in"), WINDOW),
            window_out: self.number(&key("window_out"), WINDOW),
            rate_in: self.rate(&key("rate_in")),
            rate_out: self.rate(&key("rate_out")),
            retry_status: self.number(&key("retry_status"), 1..=u64::from(u32::MAX)),
            connect_retry_status: self.number(&key("connect_retry_status"), 1..=u64::from(u32::MAX)),
            retry_on: self.statuses(&key("retry_on")),
            copies_max: self.number(&key("copies_max"), COPIES),
            registered_delivery: self.number(&key("registered_delivery"), 0..=u64::from(u8::MAX)),
            receipt_ids: self.choice(
                &key("receipt_ids"),
                &[
                    ("auto", ReceiptIds::Auto),
                    ("same", ReceiptIds::Same),
                    ("hex", ReceiptIds::Hex),
                    ("decimal", ReceiptIds::Decimal),
                ],
            ),
            validity: self.choice(
                &key("validity"),
                &[
                    ("none", Validity::None),
                    ("relative", Validity::Relative),
                    ("absolute", Validity::Absolute),
                ],
            ),
            allow: self.networks(&key("allow")),
            outbind: self.outbind(&key("outbind_system_id"), &key("outbind_password")),
            ranges: self.list(&key("ranges")),
            outside_ranges: self.choice(
                &key("outside_ranges"),
                &[("take", OutsideRanges::Take), ("refuse", OutsideRanges::Refuse)],
            ),
            tls: self.switch(&key("tls")),
            tls_ca: self.optional_path(&key("tls_ca")),
            tls_identity: self.identity(&key("tls_certificate"), &key("tls_key")),
            data_coding_0: self.choice(
                &key("data_coding_0"),
                &[
                    ("gsm7", DefaultAlphabet::Gsm7),
                    ("gsm7_packed", DefaultAlphabet::Gsm7Packed),
                    ("latin1", DefaultAlphabet::Latin1),
                    ("ascii", DefaultAlphabet::Ascii),
                    ("ucs2", DefaultAlphabet::Ucs2),
                ],
            ),
            latin: self.switch(&key("latin")),
            identity_tlv: self.number(&key("identity_tlv"), 1..=u64::from(u16::MAX)),
        };
        self.every_is(&key("addresses"), &operator.addresses, is_host_and_port, "HOST:PORT");
        self.every_is(
            &key("ranges"),
            &operator.ranges,
            |range| is_digits(range) && range.len() <= 15,
            "1 to 15 digits",
        );
        self.demo_stays_at_home(name, public);
        self.roles_fit(name, &operator);
        self.tls_fits(name, &operator, config);
        self.timers_fit(name, &operator);
        operator
    }

    /// Numbers of statuses, none of which is a success.
    fn statuses(&mut self, key: &str) -> Vec<u32> {
        let said = self.list(key);
        self.every_is(key, &said, |said| status(said).is_some(), "a command_status such as 0x58, and not 0");
        said.iter().filter_map(|said| status(said)).collect()
    }

    /// The shipped account is public knowledge, whatever section it stands in.
    fn demo_stays_at_home(&mut self, name: &str, public: Option<&str>) {
        let Some(listener) = public else { return };
        for account in ["system_id", "password"] {
            let key = format!("operators.{name}.{account}");
            if self.settings.is_as_shipped(&key) {
                self.problem(
                    &key,
                    &format!("is the public demo account's, and {listener} is not on loopback"),
                    "write an account agreed with the operator, or listen on 127.0.0.1",
                );
            }
        }
    }

    fn accounts_differ(&mut self, operators: &BTreeMap<String, Operator>) {
        let mut seen: BTreeMap<&str, &str> = BTreeMap::new();
        for (name, operator) in operators {
            if let Some(other) =
                seen.insert(&operator.system_id, name).filter(|_| !operator.system_id.is_empty())
            {
                self.problem(
                    &format!("operators.{name}.system_id"),
                    &format!("is also operators.{other}'s, so that a bind could be either"),
                    "give each operator a system_id of its own",
                );
            }
        }
    }

    /// Who connects has somewhere to connect to, and carries messages one way and replies the other.
    fn roles_fit(&mut self, name: &str, operator: &Operator) {
        let key = |key: &str| format!("operators.{name}.{key}");
        let outbind = operator.outbind.is_some();
        if operator.role == Role::Listen {
            if !operator.addresses.is_empty() {
                self.problem(
                    &key("addresses"),
                    "is of no use to an operator that binds to us",
                    "leave the key out, or set role to connect or both",
                );
            }
            if outbind {
                self.problem(
                    &key("outbind_system_id"),
                    "is of no use to an operator that we do not bind to",
                    "leave the key out, or set role to connect or both",
                );
            }
            return;
        }
        if operator.addresses.is_empty() && !outbind {
            self.problem(
                &key("addresses"),
                "names none, and role says that we connect",
                "write HOST:PORT of the operator's SMSC",
            );
        }
        if outbind && operator.allow.is_empty() {
            self.problem(
                &key("allow"),
                "names none, and an outbind is taken from allowed addresses only",
                "write the addresses that the SMSC calls from",
            );
        }
        let has = |kind| operator.binds.contains(&Bind::Transceiver) || operator.binds.contains(&kind);
        if operator.role == Role::Connect && !operator.addresses.is_empty() {
            if !has(Bind::Transmitter) {
                self.problem(
                    &key("binds"),
                    "has none that carries replies",
                    "add transmitter, or use transceiver",
                );
            }
            if !has(Bind::Receiver) && !outbind {
                self.problem(
                    &key("binds"),
                    "has none that brings messages",
                    "add receiver, or use transceiver",
                );
            }
        }
    }

    fn tls_fits(&mut self, name: &str, operator: &Operator, config: &Config) {
        let key = |key: &str| format!("operators.{name}.{key}");
        let connects = operator.role != Role::Listen && !operator.addresses.is_empty();
        if operator.tls && operator.role != Role::Connect && config.smpp.tls_listen.is_none() {
            self.problem(
                &key("tls"),
                "asks for TLS, and there is no listener for it",
                "set smpp.tls_listen, and the gateway's certificate in [tls]",
            );
        }
        if operator.tls && connects && operator.tls_ca.is_none() {
            self.problem(
                &key("tls_ca"),
                "is missing: the SMSC's certificate could not be checked",
                "name a PEM file with the authorities that it may come from",
            );
        }
        if !(operator.tls && connects) {
            for (given, of) in
                [(operator.tls_ca.is_some(), "tls_ca"), (operator.tls_identity.is_some(), "tls_certificate")]
            {
                if given {
                    self.problem(
                        &key(of),
                        "is of no use where we do not connect in TLS",
                        "leave the key out, or set tls and addresses",
                    );
                }
            }
        }
    }

    fn timers_fit(&mut self, name: &str, operator: &Operator) {
        if operator.inactivity_timer <= operator.enquire_link_timer {
            let key = format!("operators.{name}.inactivity_timer_s");
            // Said once, where both are the node's own.
            if self.settings.is_as_shipped(&key)
                && self.settings.is_as_shipped(&format!("operators.{name}.enquire_link_timer_s"))
            {
                return;
            }
            self.problem(
                &key,
                "is not longer than enquire_link_timer_s, so that every idle session would end",
                "make it several times as long",
            );
        }
    }

    /// 0: as long as the node's.
    fn timer(&mut self, key: &str, range: RangeInclusive<u64>, node: Duration) -> Duration {
        let said = self.seconds(key, 0..=*range.end());
        if said.is_zero() { node } else { said }
    }

    fn networks(&mut self, key: &str) -> Vec<IpNet> {
        let said = self.list(key);
        self.every_is(key, &said, |entry| network(entry).is_some(), "an address or ADDRESS/PREFIX");
        said.iter().filter_map(|entry| network(entry)).collect()
    }

    fn outbind(&mut self, system_id: &str, password: &str) -> Option<Outbind> {
        match (self.typed(system_id), self.typed(password)) {
            (false, false) => None,
            (false, true) => {
                self.problem(system_id, "is missing", "write the system_id that the SMSC's outbind says");
                None
            }
            (true, _) => Some(Outbind {
                system_id: self.octets(system_id, SYSTEM_ID_BYTES),
                password: Password(self.octets(password, 0..=8)),
            }),
        }
    }
}

fn status(said: &str) -> Option<u32> {
    let number = match said.strip_prefix("0x") {
        Some(hex) => u32::from_str_radix(hex, 16),
        None => said.parse(),
    };
    number.ok().filter(|&number| number != 0)
}

fn is_host_and_port(text: &str) -> bool {
    text.rsplit_once(':').is_some_and(|(host, port)| {
        !host.is_empty()
            && port.parse::<u16>().is_ok_and(|port| port != 0)
            && !text.contains(char::is_whitespace)
    })
}

/// An IP address, or one with the number of its leading bits that count.
fn network(text: &str) -> Option<IpNet> {
    text.parse().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))
}
