//! `[oidc]`.

use std::ops::RangeInclusive;

use url::{Host, Url};

use super::Check;
use crate::gateway::Oidc;

/// Beyond some minutes a leeway only lets tokens live longer.
const LEEWAY_S: RangeInclusive<u64> = 0..=300;
/// Below, an issuer would be asked all the time; above, a key that was withdrawn stays good for more than a day.
const REFRESH_S: RangeInclusive<u64> = 60..=86_400;

impl Check<'_> {
    pub(super) fn oidc(&mut self) -> Option<Oidc> {
        let oidc = Oidc {
            issuer: self.text("oidc.issuer"),
            name: self.text("oidc.name"),
            client_id: self.text("oidc.client_id"),
            client_secret_file: self.optional_path("oidc.client_secret_file"),
            audience: self.text("oidc.audience"),
            scope_claim: self.text("oidc.scope_claim"),
            scope_prefix: self.text("oidc.scope_prefix"),
            institution_claim: self.text("oidc.institution_claim"),
            leeway: self.seconds("oidc.leeway_s", LEEWAY_S),
            refresh: self.seconds("oidc.refresh_s", REFRESH_S),
            public_url: self.text("oidc.public_url"),
        };
        if oidc.issuer.is_empty() {
            return None;
        }
        if !safe(&oidc.issuer).is_some_and(|url| url.query().is_none() && url.fragment().is_none()) {
            let remedy = "write the issuer's https address, as its discovery document has it";
            self.problem("oidc.issuer", "is neither https nor on loopback", remedy);
        }
        let is_origin = |url: Url| url.origin().ascii_serialization() == oidc.public_url;
        if !oidc.client_id.is_empty() && !safe(&oidc.public_url).is_some_and(is_origin) {
            let remedy = "write the https address that browsers reach the pages by: host and port, no slash at the end";
            self.problem("oidc.public_url", "is no such address, and oidc.client_id needs one", remedy);
        }
        let audience = if oidc.audience.is_empty() { oidc.client_id.clone() } else { oidc.audience.clone() };
        if audience.is_empty() {
            let remedy = "write whom the issuer's access tokens are for, or a client_id";
            self.problem("oidc.audience", "is empty, and so is oidc.client_id", remedy);
        }
        Some(Oidc { audience, ..oidc })
    }
}

/// The address, if nobody on the way to it can read or change what goes there.
fn safe(address: &str) -> Option<Url> {
    let url = Url::parse(address).ok()?;
    let on_loopback = match url.host()? {
        Host::Domain(name) => name == "localhost",
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(address) => address.is_loopback(),
    };
    let is_safe = url.scheme() == "https" || url.scheme() == "http" && on_loopback;
    (is_safe && url.username().is_empty() && url.password().is_none()).then_some(url)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::gateway::Settings;

    fn oidc(keys: &str) -> Result<Option<Oidc>, String> {
        let mut settings = Settings::shipped();
        settings.file("site.toml", &format!("[oidc]\n{keys}"));
        settings.validate().map(|config| config.oidc).map_err(|problems| problems.to_string())
    }

    #[test]
    fn an_issuer_needs_an_address_that_nobody_can_listen_to_and_somebody_to_be_for() {
        assert_eq!(oidc(""), Ok(None));
        let found = oidc("issuer = \"https://login.example\"\naudience = \"icaze\"").unwrap().unwrap();
        assert_eq!((found.client_id.as_str(), found.scope_prefix.as_str()), ("", "icaze:"));
        assert_eq!((found.leeway, found.refresh), (Duration::from_secs(30), Duration::from_secs(3600)));
        let client = "client_id = \"icaze\"\npublic_url = \"http://localhost:8080\"";
        let found = oidc(&format!("issuer = \"http://[::1]:9000/realm\"\n{client}")).unwrap().unwrap();
        assert_eq!(found.audience, "icaze");
        assert!(oidc("leeway_s = 301").unwrap_err().contains("oidc.leeway_s"));
        for (keys, key) in [
            ("audience = \"icaze\"\nissuer = \"http://login.example\"", "oidc.issuer"),
            ("audience = \"icaze\"\nissuer = \"http://127.0.0.1.example\"", "oidc.issuer"),
            ("audience = \"icaze\"\nissuer = \"http://127.0.0.1:80@login.example\"", "oidc.issuer"),
            ("audience = \"icaze\"\nissuer = \"https://login.example/?realm=1\"", "oidc.issuer"),
            ("audience = \"icaze\"\nissuer = \"login.example\"", "oidc.issuer"),
            ("issuer = \"https://login.example\"", "oidc.audience"),
            ("issuer = \"https://login.example\"\nclient_id = \"icaze\"", "oidc.public_url"),
            (
                "issuer = \"https://login.example\"\nclient_id = \"icaze\"\npublic_url = \"https://a.example/\"",
                "oidc.public_url",
            ),
            ("issuer = \"https://login.example\"\naudience = \"icaze\"\nrefresh_s = 0", "oidc.refresh_s"),
            ("isuer = \"https://login.example\"", "oidc.isuer"),
        ] {
            let problems = oidc(keys).unwrap_err();
            assert!(problems.contains(key), "{problems}");
        }
    }
}
