//! What a token says of its holder.

use icaze_config::gateway::Oidc;
use serde_json::{Map, Value};

use super::super::scope::{Scope, Scopes};
use super::{Caller, Refused};

/// Longer names are none: they go into trail and metrics.
const NAME_MAX: usize = 128;

/// The claims of a token that was verified.
#[derive(Debug)]
pub(super) struct Claims(pub(super) Map<String, Value>);

impl Claims {
    /// Who it is, for which institution, and what for. Scopes that are not ours do not matter.
    pub(super) fn caller(&self, settings: &Oidc) -> Result<Caller, Refused> {
        let subject = self.text("sub").ok_or(Refused::Unusable("no sub"))?;
        let institution = self.text(&settings.institution_claim).unwrap_or_default();
        if [subject, institution].iter().any(|text| text.len() > NAME_MAX || text.contains(char::is_control))
        {
            return Err(Refused::Unusable("a name that is too long, or none"));
        }
        let scopes = self.scopes(&settings.scope_claim).filter_map(|scope| {
            let name = scope.strip_prefix(settings.scope_prefix.as_str())?;
            Scope::from_name(name)
        });
        // Names of our own tokens have no such ending.
        let host = settings.issuer.split('/').nth(2).unwrap_or_default();
        Ok(Caller::new(&format!("{subject}@{host}"), institution, Scopes::from_iter(scopes)))
    }

    /// In one string (RFC 9068, 2.2.3) or in a list.
    fn scopes<'c>(&'c self, claim: &str) -> impl Iterator<Item = &'c str> {
        let (one, list) = match self.0.get(claim) {
            Some(Value::String(text)) => (Some(text.split(' ')), None),
            Some(Value::Array(list)) => (None, Some(list.iter().filter_map(Value::as_str))),
            _ => (None, None),
        };
        one.into_iter().flatten().chain(list.into_iter().flatten())
    }

    pub(super) fn text(&self, claim: &str) -> Option<&str> {
        self.0.get(claim)?.as_str().filter(|text| !text.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use icaze_config::gateway::Settings;
    use serde_json::json;

    fn settings() -> Oidc {
        let mut settings = Settings::shipped();
        settings.file("", "[oidc]\nissuer = \"https://login.example/realm\"\naudience = \"icaze\"");
        settings.validate().unwrap().oidc.unwrap()
    }

    fn caller(claims: Value) -> Result<Caller, Refused> {
        let Value::Object(claims) = claims else { panic!("{claims}") };
        Claims(claims).caller(&settings())
    }

    #[test]
    fn scopes_are_ours_in_a_string_or_a_list_and_nothing_else_is() {
        let inspector = |scope: Value| {
            let caller = caller(json!({"sub": "42", "institution": "police", "scope": scope})).unwrap();
            assert_eq!((&*caller.name, &*caller.institution), ("42@login.example", "police"));
            let has = |scope| caller.require(scope).is_ok();
            assert!(!has(Scope::Health) && !has(Scope::Auditor));
            (has(Scope::Inspector), has(Scope::Admin))
        };
        assert_eq!(inspector(json!("openid icaze:inspector profile")), (true, false));
        assert_eq!(inspector(json!(["icaze:inspector", "icaze:admin", 7])), (true, true));
        assert_eq!(inspector(json!("inspector xicaze:admin icaze: icaze:root")), (false, false));
        assert_eq!(inspector(json!({"icaze:admin": true})), (false, false));
        assert_eq!(inspector(Value::Null), (false, false));
    }

    #[test]
    fn a_name_is_there_and_fits_a_line() {
        for claims in [
            json!({}),
            json!({"sub": ""}),
            json!({"sub": 42}),
            json!({"sub": "a\nb"}),
            json!({"sub": "a".repeat(129)}),
            json!({"sub": "a", "institution": "b".repeat(129)}),
        ] {
            assert!(caller(claims.clone()).is_err(), "{claims}");
        }
    }
}
