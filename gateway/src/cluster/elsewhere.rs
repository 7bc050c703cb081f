//! Permits of other gateways, as far as Redis knows them.

use icaze_cluster::{Error, Kept};
use icaze_store::ledger::Interval;
use jiff::Timestamp;

use super::Shared;
use crate::permit::code::Code;
use crate::pipeline::shared::SharedPermit;

/// A permit as Redis knows it.
#[derive(Debug, Clone, Copy)]
pub struct Elsewhere {
    /// The gateway that holds it.
    pub node: u8,
    /// Its code.
    pub code: Code,
    /// Whose it is.
    pub person: u32,
    /// What for.
    pub purpose: u8,
    /// When it was decided.
    pub decided_at: Timestamp,
    /// When it was to hold, and until when it does; `None` if it ended undelivered.
    pub holds: Option<(Interval, Timestamp)>,
}

impl Elsewhere {
    fn of(kept: &Kept, person: u32) -> Option<Self> {
        let (node, purpose) = (kept.node, kept.purpose);
        if kept.given_back {
            // A reservation that was given back has no code for its name.
            let (code, moment) = kept.grant.0.split_once('@')?;
            let code = Code::from_u64(code.parse().ok()?)?;
            let decided_at = Timestamp::from_millisecond(moment.parse().ok()?).ok()?;
            return Some(Self { node, code, person, purpose, decided_at, holds: None });
        }
        let permit = SharedPermit::read(&kept.permit)?;
        let until = Timestamp::from_millisecond(kept.until_ms.try_into().ok()?).ok()?;
        Some(Self {
            node,
            code: Code::from_u64(permit.code)?,
            person,
            purpose,
            decided_at: permit.decided_at,
            holds: Some((permit.interval, until)),
        })
    }
}

impl Shared {
    /// The gateway that issued a code, and its counter there.
    #[must_use]
    pub fn origin(&self, code: Code) -> (u8, u32) {
        self.codes.origin(code)
    }

    /// This gateway's number.
    #[must_use]
    pub fn node(&self) -> u8 {
        self.node
    }

    /// Whether another gateway issued a code.
    #[must_use]
    pub fn is_of_another(&self, code: Code) -> bool {
        self.origin(code).0 != self.node
    }

    /// What a person was granted, by whichever gateway.
    ///
    /// # Errors
    /// If the cluster does not answer.
    pub async fn permits_of(&self, person: u32) -> Result<Vec<Elsewhere>, Error> {
        let kept = self.cluster.grants(person).await?;
        Ok(kept.iter().filter_map(|kept| Elsewhere::of(kept, person)).collect())
    }

    /// The permit with this code, if Redis still knows it.
    ///
    /// # Errors
    /// If the cluster does not answer.
    pub async fn permit_with(&self, code: Code) -> Result<Option<Elsewhere>, Error> {
        let (node, counter) = self.origin(code);
        let Some(person) = self.cluster.person(node, counter).await? else { return Ok(None) };
        let permits = self.permits_of(person).await?.into_iter();
        // Codes come round after years.
        Ok(permits.filter(|permit| permit.code == code).max_by_key(|permit| permit.decided_at))
    }
}
