//! What the shared state knows, for those who only look.

use std::time::Duration;

use redis::{Cmd, FromRedisValue};
use tokio::time::sleep;

use crate::call::{Grant, PERSON_SLOTS, Text, tag};
use crate::client::{Cluster, Error};
use crate::index;

/// How often a question is asked; the servers may have changed places.
const ATTEMPTS: u32 = 2;

/// A grant as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// Its name.
    pub grant: Grant,
    /// The node that made it.
    pub node: u8,
    /// The purpose, 0 to 9.
    pub purpose: u8,
    /// Whether it was given back.
    pub given_back: bool,
    /// When it ends, in milliseconds since 1970.
    pub until_ms: u64,
    /// As [`Call::Confirm`](crate::Call::Confirm) said it; empty if it was given back.
    pub permit: Text,
}

impl Kept {
    /// `None` if it is a reservation, or another version wrote it.
    fn read(name: &str, value: &str) -> Option<Self> {
        let mut words = value.splitn(7, ' ');
        let given_back = match words.next()? {
            "C" => false,
            "X" => true,
            _ => return None,
        };
        let (purpose, _day, _week) = (words.next()?.parse().ok()?, words.next()?, words.next()?);
        let (node, until_ms) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
        let permit = Text::from(words.next().unwrap_or_default()).ok()?;
        Some(Self { grant: Grant(Text::from(name).ok()?), node, purpose, given_back, until_ms, permit })
    }
}

impl Cluster {
    /// What was granted to `person`, by whichever node.
    ///
    /// # Errors
    ///
    /// If the person's shard does not answer.
    pub async fn grants(&self, person: u32) -> Result<Vec<Kept>, Error> {
        let mut command = redis::cmd("HGETALL");
        command.arg(format!("{}:p:{person}", tag(person % PERSON_SLOTS)));
        let fields: Vec<(String, String)> = self.ask(&command).await?;
        Ok(fields.into_iter().filter_map(|(name, value)| Kept::read(&name, &value)).collect())
    }

    /// Who was granted the permit whose code is made of this node and counter.
    ///
    /// # Errors
    ///
    /// If the shard that knows it does not answer.
    pub async fn person(&self, node: u8, counter: u32) -> Result<Option<u32>, Error> {
        let entry: Vec<u8> = self.ask(&index::read(&node.to_string(), counter)).await?;
        Ok(index::person(&entry))
    }

    /// Says for so long where `node` answers the other nodes.
    ///
    /// # Errors
    ///
    /// If its shard does not answer.
    pub async fn announce(&self, node: u8, address: &str, time: Duration) -> Result<(), Error> {
        let mut command = redis::cmd("SET");
        let ms = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        command.arg(format!("{}:http:{node}", tag(0))).arg(address).arg("PX").arg(ms);
        self.ask(&command).await
    }

    /// Which of `nodes` have [agreed](Cluster::agree) on their store as `node:NUMBER`, and where each answers the others, if it
    /// says so.
    ///
    /// # Errors
    ///
    /// If their shard does not answer.
    pub async fn members(
        &self,
        nodes: impl Iterator<Item = u8> + Clone,
    ) -> Result<Vec<(u8, Option<String>)>, Error> {
        let mut command = redis::cmd("MGET");
        for node in nodes.clone() {
            command.arg(format!("{}:node:{node}", tag(0))).arg(format!("{}:http:{node}", tag(0)));
        }
        let known: Vec<Option<String>> = self.ask(&command).await?;
        let (pairs, _) = known.as_chunks::<2>();
        Ok(nodes
            .zip(pairs)
            .filter(|(_, [store, _])| store.is_some())
            .map(|(node, [_, address])| (node, address.clone()))
            .collect())
    }

    pub(crate) async fn ask<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, Error> {
        let mut attempt = 1;
        loop {
            match command.query_async(&mut self.connection()).await {
                Ok(answer) => return Ok(answer),
                Err(error) if attempt == ATTEMPTS => return Err(error.into()),
                Err(_) => {}
            }
            attempt += 1;
            sleep(self.pause()).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grants_are_read_and_reservations_are_not() {
        let read = |value| Kept::read("12@34", value);
        let kept = read("C 2 18000 2571 3 1607943600000 12 60 3660 61000001 5").unwrap();
        assert_eq!((kept.node, kept.purpose, kept.given_back), (3, 2, false));
        assert_eq!((kept.until_ms, &*kept.permit), (1_607_943_600_000, "12 60 3660 61000001 5"));
        assert!(read("X 2 18000 2571 3 0 ").unwrap().given_back);
        for other in ["R 2 18000 2571 3 1607943600000 ", "", "C 2 18000 2571 a 5 ", "C 2 18000 2571 3"] {
            assert_eq!(read(other), None, "{other}");
        }
    }
}
