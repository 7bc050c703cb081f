//! `[oidc]`.

use std::path::PathBuf;

use super::Check;
use crate::gateway::Oidc;

impl Check<'_> {
    pub(super) fn oidc(&mut self) -> Option<Oidc> {
        let issuer = self.text("oidc.issuer");
        let (client_id, public_url) = (self.text("oidc.client_id"), self.text("oidc.public_url"));
        if issuer.is_empty() {
            return None;
        }
        if !is_safe(&issuer) {
            let remedy = "write the issuer's https address, as its discovery document has it";
            self.problem("oidc.issuer", "is neither https nor on loopback", remedy);
        }
        if !client_id.is_empty() && (!is_safe(&public_url) || public_url.ends_with('/')) {
            let remedy =
                "write the https address that browsers reach the pages by, without a slash at the end";
            self.problem("oidc.public_url", "is no such address, and oidc.client_id needs one", remedy);
        }
        let audience = Some(self.text("oidc.audience")).filter(|audience| !audience.is_empty());
        let audience = audience.unwrap_or_else(|| client_id.clone());
        if audience.is_empty() {
            let remedy = "write whom the issuer's access tokens are for, or a client_id";
            self.problem("oidc.audience", "is empty, and so is oidc.client_id", remedy);
        }
        let secret = self.text("oidc.client_secret_file");
        Some(Oidc {
            issuer,
            name: self.text("oidc.name"),
            client_id,
            client_secret_file: Some(PathBuf::from(secret)).filter(|path| !path.as_os_str().is_empty()),
            audience,
            scope_claim: self.text("oidc.scope_claim"),
            scope_prefix: self.text("oidc.scope_prefix"),
            institution_claim: self.text("oidc.institution_claim"),
            public_url,
        })
    }
}

/// Whether nobody on the way to this address can read or change what goes there.
fn is_safe(url: &str) -> bool {
    let on_loopback = |host: &str| {
        url.strip_prefix("http://")
            .and_then(|rest| rest.strip_prefix(host))
            .is_some_and(|rest| rest.is_empty() || rest.starts_with([':', '/']))
    };
    url.strip_prefix("https://").is_some_and(|rest| !rest.is_empty())
        || ["127.0.0.1", "localhost", "[::1]"].into_iter().any(on_loopback)
}

#[cfg(test)]
mod tests {
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
        let client = "client_id = \"icaze\"\npublic_url = \"http://localhost:8080\"";
        let found = oidc(&format!("issuer = \"http://127.0.0.1:9000/realm\"\n{client}")).unwrap().unwrap();
        assert_eq!(found.audience, "icaze");
        for (keys, key) in [
            ("issuer = \"http://login.example\"\naudience = \"icaze\"", "oidc.issuer"),
            ("issuer = \"http://127.0.0.1.example\"\naudience = \"icaze\"", "oidc.issuer"),
            ("issuer = \"https://login.example\"", "oidc.audience"),
            ("issuer = \"https://login.example\"\nclient_id = \"icaze\"", "oidc.public_url"),
        ] {
            let problems = oidc(keys).unwrap_err();
            assert!(problems.contains(key), "{problems}");
        }
    }
}
