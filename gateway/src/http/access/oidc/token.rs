//! A token of the issuer, from its text to what it says.

use std::time::Instant;

use jsonwebtoken::{Algorithm, Header, Validation, decode, decode_header};

use super::claims::Claims;
use super::{Issuer, Refused};

/// Signatures that only the issuer can make. What verifies with a shared secret does not prove who signed.
const ALGORITHMS: [Algorithm; 9] = [
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
    Algorithm::ES256,
    Algorithm::ES384,
    Algorithm::EdDSA,
];
/// What else an issuer signs, such as a log-out, has another type (RFC 8725, 3.11).
const TYPES: [&str; 3] = ["jwt", "at+jwt", "application/at+jwt"];

impl Issuer {
    /// What a token says, if the issuer signed it for `audience` and it holds now.
    pub(super) async fn verify(&self, token: &str, audience: &str, now: Instant) -> Result<Claims, Refused> {
        let header = decode_header(token)?;
        let key = key(&header)?;
        let known = self.keys.known(Some(key), now).await?;
        let key = known.key(key).filter(|key| key.is_for(header.alg));
        let key = key.ok_or(Refused::Unusable("a key that the issuer does not have for this"))?;
        let mut validation = Validation::new(header.alg);
        validation.set_audience(&[audience]);
        validation.set_issuer(&[&self.settings.issuer]);
        validation.set_required_spec_claims(&["exp", "aud", "iss", "sub"]);
        validation.validate_nbf = true;
        validation.leeway = self.settings.leeway.as_secs();
        Ok(Claims(decode(token, &key.key, &validation)?.claims))
    }
}

/// The name of the key that a token is signed with, if that may be.
fn key(header: &Header) -> Result<&str, Refused> {
    if !ALGORITHMS.contains(&header.alg) {
        return Err(Refused::Unusable("a signature that anybody can make who has a secret"));
    }
    let is_known = |kind: &String| TYPES.contains(&kind.to_ascii_lowercase().as_str());
    if !header.typ.as_ref().is_none_or(is_known) {
        return Err(Refused::Unusable("no access token"));
    }
    // What is critical must be understood (RFC 7515, 4.1.11).
    if header.crit.is_some() {
        return Err(Refused::Unusable("it has an extension"));
    }
    header.kid.as_deref().ok_or(Refused::Unusable("no kid"))
}
