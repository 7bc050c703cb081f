//! A regime as lines of text that do not depend on how its file is laid out.

use std::fmt::Write as _;
use std::hash::Hasher as _;

use siphasher::sip::SipHasher24;

use super::{Names, Regime};

/// Fixed for ever: decisions in the ledger name regimes by the hash that it makes.
const KEY: &[u8; 16] = b"icaze regime 01.";

impl Regime {
    /// What the file means as lines `key = value`, each rule under its own key: two regimes differ where their lines do.
    #[must_use]
    pub fn canonical(&self) -> String {
        let mut lines = Lines(String::new());
        lines.put("id", &self.id);
        lines.put("time_zone", self.zone.iana_name().unwrap_or_default());
        lines.put("from", &self.from.to_string());
        lines.put("until", &self.until.map(|until| until.to_string()).unwrap_or_default());
        lines.put("ends_standing", &self.ends_standing.to_string());
        lines.put("minimum_minutes", &self.minimum_minutes.to_string());
        lines.put("documents", &self.documents.join(","));
        let exempt_from: Vec<_> = self.exempt_from.iter().map(|rule| rule.name()).collect();
        lines.put("exempt_from", &exempt_from.join(","));
        lines.put("outside_area", self.outside_area.name());
        // Only where it is stated: regimes from before there was a choice keep their hash.
        if let Some(away) = self.without_cluster {
            lines.put("without_cluster", away.name());
        }
        match &self.areas {
            None => lines.put("areas", "all"),
            Some(areas) => {
                for area in areas {
                    lines.names(&format!("areas.{}", area.region), &area.names, String::as_str);
                }
            }
        }
        self.canonical_purposes(&mut lines);
        for quota in &self.quotas {
            let purposes: Vec<_> = quota.purposes.iter().map(u8::to_string).collect();
            let key = format!("quota.{}.{}", purposes.join("+"), quota.per.name());
            lines.put(&key, &quota.limit.to_string());
        }
        lines.0
    }

    fn canonical_purposes(&self, lines: &mut Lines) {
        for purpose in &self.purposes {
            let key = format!("purpose.{}", purpose.code);
            lines.names(&format!("{key}.short"), &purpose.names, |name| &name.short);
            lines.names(&format!("{key}.long"), &purpose.names, |name| &name.long);
            lines.put(&format!("{key}.minutes"), &purpose.minutes.to_string());
            lines.put(&format!("{key}.delay_minutes"), &purpose.delay_minutes.to_string());
            let hours: Vec<_> = purpose.hours.iter().map(ToString::to_string).collect();
            lines.put(&format!("{key}.hours"), &hours.join(","));
            lines.put(
                &format!("{key}.age_over"),
                &purpose.age_over.map(|age| age.to_string()).unwrap_or_default(),
            );
            lines.put(&format!("{key}.stay_home"), &purpose.stay_home.to_string());
        }
    }

    pub(super) fn set_hash(&mut self) {
        let mut hasher = SipHasher24::new_with_key(KEY);
        hasher.write(self.canonical().as_bytes());
        self.hash = hasher.finish();
    }
}

struct Lines(String);

impl Lines {
    fn put(&mut self, key: &str, value: &str) {
        // Writing to a String cannot fail; a value never holds a line break, which `file` checks.
        let _ = writeln!(self.0, "{key} = {value}");
    }

    fn names<T>(&mut self, key: &str, names: &Names<T>, text: impl Fn(&T) -> &str) {
        self.put(&format!("{key}.az"), text(&names.az));
        self.put(&format!("{key}.en"), text(&names.en));
        self.put(&format!("{key}.ru"), text(&names.ru));
    }
}
