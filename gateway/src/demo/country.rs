//! What the demo's gateway starts with: its configuration, and a world that needs no file.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use icaze_codec::pdu::BindKind;
use icaze_config::gateway::{Config, Settings};
use icaze_config::regime::Regimes;
use icaze_config::replies::Texts;
use icaze_store::register::{Builder, Register, synth};
use jiff::Timestamp;

use crate::world::{Contacts, World};

/// The synthetic adults, with documents from `AZE20000000` on.
pub const PEOPLE: u32 = 100_000;

/// The short number that everybody texts.
pub const SHORT_NUMBER: &str = "8103";

/// A simulated operator: how it binds, and whose phones are its own.
#[derive(Debug)]
pub struct Operator {
    /// Its name, which is its system_id as well.
    pub name: &'static str,
    /// The first digits of its phones' numbers.
    pub prefixes: [&'static str; 2],
    /// Its binds. At least one transmits and one receives.
    pub binds: &'static [BindKind],
}

use BindKind::{Receiver, Transceiver, Transmitter};

/// The operators: between them, every way to bind.
pub const OPERATORS: [Operator; 3] = [
    Operator { name: "azercell", prefixes: ["99450", "99451"], binds: &[Transceiver, Transceiver] },
    Operator { name: "bakcell", prefixes: ["99455", "99499"], binds: &[Transmitter, Receiver] },
    Operator { name: "nar", prefixes: ["99470", "99477"], binds: &[Transmitter, Receiver, Transceiver] },
];

impl Operator {
    /// Its password: the ports are on loopback and the store is gone at the end.
    pub const PASSWORD: &str = "demo1234";

    /// Its binds in words: `2 transceivers`.
    #[must_use]
    pub fn binds_in_words(&self) -> String {
        let count = |kind, one: &str| match self.binds.iter().filter(|bind| **bind == kind).count() {
            0 => None,
            1 => Some(one.to_owned()),
            more => Some(format!("{more} {one}s")),
        };
        let kinds = [(Transceiver, "transceiver"), (Transmitter, "transmitter"), (Receiver, "receiver")];
        kinds.into_iter().filter_map(|(kind, one)| count(kind, one)).collect::<Vec<_>>().join(" + ")
    }
}

/// The shipped settings on free loopback ports, with the demo's operators and a store in `dir`.
///
/// # Errors
/// If a setting does not hold: a defect of the demo.
pub fn config(dir: &Path) -> anyhow::Result<Config> {
    let mut settings = Settings::shipped();
    settings.flag("demo", "smpp.listen", "127.0.0.1:0");
    settings.flag("demo", "http.listen", "127.0.0.1:0");
    settings.flag("demo", "store.dir", &dir.join("data").to_string_lossy());
    settings.flag("demo", "store.key_file", &dir.join("ledger.key").to_string_lossy());
    for operator in &OPERATORS {
        let account = format!(
            "[operators.{name}]\nsystem_id = {name:?}\npassword = {password:?}\n",
            name = operator.name,
            password = Operator::PASSWORD,
        );
        settings.file("demo", &account);
    }
    Ok(settings.validate()?)
}

/// The demo regime, the shipped texts, and a register of the known documents and [`PEOPLE`] adults made from `seed`.
///
/// # Errors
/// If one of them does not hold: a defect of the demo.
pub fn world(config: &Config, seed: u64) -> anyhow::Result<World> {
    const REGIME: &str = include_str!("../../../config/regimes/demo/demo.toml");
    let regimes = Regimes::parse(&[(PathBuf::from("demo.toml"), REGIME.to_owned())]);
    let regimes = regimes.map_err(|problems| anyhow::anyhow!("{problems:?}")).context("the demo's regime")?;
    let texts = Texts::shipped();
    let texts = texts.map_err(|problems| anyhow::anyhow!("{problems:?}")).context("the shipped texts")?;
    let contacts = Contacts::of(&config.replies);
    Ok(World::new(register(seed)?, regimes, texts, contacts))
}

fn register(seed: u64) -> anyhow::Result<Register> {
    let mut builder = Builder::default();
    for (line, row) in (1_u64..).zip(synth::rows(PEOPLE, seed)) {
        builder
            .add(line, &row)
            .map_err(|conflict| anyhow::anyhow!("synthetic resident {line}: {conflict}"))?;
    }
    Ok(builder.finish(0, made_at()))
}

fn made_at() -> Timestamp {
    crate::clock::Now::read().wall
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_configuration_holds_and_every_operator_can_do_both() {
        let config = config(Path::new("demo")).unwrap();
        for operator in &OPERATORS {
            assert!(config.operators.contains_key(operator.name));
            assert!(operator.binds.iter().any(|bind| *bind != Receiver), "{} cannot send", operator.name);
            assert!(
                operator.binds.iter().any(|bind| *bind != Transmitter),
                "{} cannot receive",
                operator.name
            );
        }
        assert!(config.operators.contains_key("demo"), "the account of `icaze sms`");
        assert_eq!(OPERATORS[2].binds_in_words(), "transceiver + transmitter + receiver");
    }

    #[test]
    fn the_world_knows_the_known_and_the_synthetic() {
        let config = config(Path::new("demo")).unwrap();
        let world = world(&config, 1).unwrap();
        for serial in ["AZE10000001", "AZE20000000", "AZE20099999"] {
            assert!(world.register.find(serial.parse().unwrap()).is_some(), "{serial}");
        }
        assert!(world.register.find("AZE20100000".parse().unwrap()).is_none());
    }
}
