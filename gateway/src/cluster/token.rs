//! How gateways know each other: a JWT (RFC 7519) for one gateway, good for seconds, under a key that comes from the key file which all of
//! them have.

use icaze_store::ledger::MasterKey;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, encode};
use serde::{Deserialize, Serialize};

use crate::clock::Now;

/// How long one is good, in seconds.
const LIFE_S: i64 = 15;
/// By how much clocks may differ, in seconds.
const LEEWAY_S: u64 = 5;

/// Makes and checks them.
pub(super) struct Tokens {
    own: u8,
    signs: EncodingKey,
    verifies: DecodingKey,
}

#[derive(Serialize, Deserialize)]
struct Claims {
    /// The gateway that asks.
    iss: String,
    /// The gateway that is asked.
    aud: String,
    exp: i64,
}

impl Tokens {
    pub(super) fn new(own: u8, key: &MasterKey) -> Self {
        let secret: [u8; 32] = key.derive("questions between gateways");
        Self { own, signs: EncodingKey::from_secret(&secret), verifies: DecodingKey::from_secret(&secret) }
    }

    /// One to ask `node` with; `None` if it cannot be made.
    pub(super) fn draw(&self, node: u8) -> Option<String> {
        self.draw_until(node, Now::read().wall.as_second() + LIFE_S)
    }

    fn draw_until(&self, node: u8, exp: i64) -> Option<String> {
        let claims = Claims { iss: name(self.own), aud: name(node), exp };
        encode(&Header::new(Algorithm::HS256), &claims, &self.signs).ok()
    }

    /// Whether another gateway made it to ask this one with.
    pub(super) fn is_good(&self, token: &str) -> bool {
        let mut validation = Validation::new(Algorithm::HS256);
        validation.set_audience(&[name(self.own)]);
        validation.set_required_spec_claims(&["exp", "aud", "iss"]);
        validation.leeway = LEEWAY_S;
        decode::<Claims>(token, &self.verifies, &validation).is_ok()
    }
}

fn name(node: u8) -> String {
    format!("icaze-node-{node}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_good_at_the_gateway_that_it_is_for_for_a_while_and_under_one_key() {
        let key = MasterKey::random().unwrap();
        let (asks, asked) = (Tokens::new(1, &key), Tokens::new(2, &key));
        let token = asks.draw(2).unwrap();
        assert!(asked.is_good(&token));
        assert!(!Tokens::new(3, &key).is_good(&token), "another gateway's");
        assert!(!Tokens::new(2, &MasterKey::random().unwrap()).is_good(&token), "another key");
        let past = Now::read().wall.as_second() - LEEWAY_S.cast_signed() - 1;
        assert!(!asked.is_good(&asks.draw_until(2, past).unwrap()), "over");
        let [head, claims, mac] = token.split('.').collect::<Vec<_>>().try_into().unwrap();
        let later = asks.draw_until(2, i64::MAX / 2).unwrap();
        let forged = format!("{head}.{}.{mac}", later.split('.').nth(1).unwrap());
        assert!(!asked.is_good(&forged), "other claims under the same signature");
        // {"alg":"none","typ":"JWT"}
        assert!(!asked.is_good(&format!("eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.{claims}.")), "no signature");
        assert!(!asked.is_good(""));
    }
}
