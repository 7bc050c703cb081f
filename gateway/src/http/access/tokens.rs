//! Bearer tokens. Each is 32 random bytes that its holder alone has; the store has their SHA-256. A guess at 256 random
//! bits needs no slow hash.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use aws_lc_rs::digest::{SHA256, digest};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::scope::{Scope, Scopes};
use super::{hex, random};

/// How often a running gateway looks whether the file has changed.
const POLL: Duration = Duration::from_secs(1);
/// What the file begins with.
const HEAD: &str = "# Who may ask the API; made by `icaze token`. Only hashes: a token that is lost is revoked and made anew.\n\n";

/// A token's text, shown once.
pub struct Token(String);

/// The SHA-256 of a token.
pub(super) type Hash = [u8; 32];

/// Who holds a token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Holder {
    /// Who, as the trail of look-ups says; differs between tokens. 1 to 64 characters.
    pub name: String,
    /// For which institution.
    pub institution: String,
    /// What for.
    pub scopes: Vec<Scope>,
    /// The token's hash, in hexadecimal digits.
    sha256: String,
    /// Since when.
    pub created_at: Timestamp,
}

/// Why there are no tokens.
#[derive(Debug, thiserror::Error)]
pub enum TokensError {
    /// The system failed.
    #[error("{}: cannot {action}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// The file is not what `icaze token` writes.
    #[error("{}: {reason}; restore it, or delete it and make the tokens anew", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// Two tokens would have one name.
    #[error("there is a token named {0}; choose another name, or revoke that one first")]
    Taken(String),
    /// No token has this name.
    #[error("no token is named {0}; `icaze token list` shows them")]
    Unknown(String),
    /// A name or an institution that no log or table could show.
    #[error("a name or institution has 1 to 64 characters, none of them a control character")]
    Name,
}

impl Token {
    /// A fresh one.
    ///
    /// # Errors
    /// If the system has no random bytes.
    pub fn draw() -> io::Result<Self> {
        Ok(Self(format!("icaze_{}", random()?)))
    }

    /// Its text, for its holder alone.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// The hash of a token as it was sent.
    #[must_use]
    pub(super) fn hash_of(text: &str) -> Hash {
        let mut hash = [0; 32];
        for (to, from) in hash.iter_mut().zip(digest(&SHA256, text.as_bytes()).as_ref()) {
            *to = *from;
        }
        hash
    }
}

/// The file of tokens, beside the ledger.
#[derive(Debug, Clone)]
pub struct TokenFile {
    dir: PathBuf,
    path: PathBuf,
}

#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Content {
    #[serde(default)]
    token: Vec<Holder>,
}

impl TokenFile {
    /// The file of the store in `dir`.
    #[must_use]
    pub fn of(dir: &Path) -> Self {
        Self { dir: dir.to_owned(), path: dir.join("tokens.toml") }
    }

    /// Its holders, in the order of their making; none if there is no file.
    ///
    /// # Errors
    /// If the file cannot be read, or is not what [`create`](Self::create) writes.
    pub fn holders(&self) -> Result<Vec<Holder>, TokensError> {
        let text = match fs::read_to_string(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            read => read.map_err(self.failed("read"))?,
        };
        let malformed = |reason: String| TokensError::Malformed { path: self.path.clone(), reason };
        let content: Content =
            toml::from_str(&text).map_err(|error| malformed(error.message().to_owned()))?;
        match content.token.iter().find(|holder| holder.hash().is_none()) {
            Some(holder) => {
                Err(malformed(format!("the hash of {} is not 64 hexadecimal digits", holder.name)))
            }
            None => Ok(content.token),
        }
    }

    /// Makes a token for `name`; a running gateway takes it within a second.
    ///
    /// # Errors
    /// If the name is taken or unfit, or the file cannot be written.
    pub fn create(
        &self,
        name: &str,
        institution: &str,
        scopes: &[Scope],
        now: Timestamp,
    ) -> Result<Token, TokensError> {
        let fits = |text: &str| (1..=64).contains(&text.chars().count()) && !text.contains(char::is_control);
        if !fits(name) || !fits(institution) {
            return Err(TokensError::Name);
        }
        let token = Token::draw().map_err(self.failed("draw random bytes for"))?;
        let holder = Holder {
            name: name.to_owned(),
            institution: institution.to_owned(),
            scopes: scopes.to_vec(),
            sha256: hex(&Token::hash_of(token.expose())),
            created_at: now,
        };
        self.change(|holders| {
            if holders.iter().any(|other| other.name == holder.name) {
                return Err(TokensError::Taken(holder.name));
            }
            holders.push(holder);
            Ok(())
        })?;
        Ok(token)
    }

    /// Ends the token of `name`, and the sessions that were opened with it.
    ///
    /// # Errors
    /// If there is none, or the file cannot be written.
    pub fn revoke(&self, name: &str) -> Result<(), TokensError> {
        self.change(|holders| {
            let before = holders.len();
            holders.retain(|holder| holder.name != name);
            if holders.len() < before { Ok(()) } else { Err(TokensError::Unknown(name.to_owned())) }
        })
    }

    /// Changes the file as a whole, one process at a time.
    fn change(
        &self,
        change: impl FnOnce(&mut Vec<Holder>) -> Result<(), TokensError>,
    ) -> Result<(), TokensError> {
        fs::create_dir_all(&self.dir).map_err(self.failed("make the directory of"))?;
        let directory = File::open(&self.dir).map_err(self.failed("open the directory of"))?;
        directory.lock().map_err(self.failed("lock the directory of"))?;
        let mut content = Content { token: self.holders()? };
        change(&mut content.token)?;
        let text = toml::to_string(&content)
            .map_err(|error| TokensError::Malformed { path: self.path.clone(), reason: error.to_string() })?;
        let new = self.path.with_extension("toml.new");
        let mut options = OpenOptions::new();
        let mut file = options
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&new)
            .map_err(self.failed("create"))?;
        let written = file.write_all(HEAD.as_bytes()).and_then(|()| file.write_all(text.as_bytes()));
        written.and_then(|()| file.sync_all()).map_err(self.failed("write"))?;
        fs::rename(&new, &self.path).map_err(self.failed("name"))?;
        directory.sync_all().map_err(self.failed("sync the directory of"))
    }

    /// Differs once the file has been changed.
    fn stamp(&self) -> Option<(u64, i64, i64)> {
        let data = fs::metadata(&self.path).ok()?;
        Some((data.ino(), data.mtime(), data.mtime_nsec()))
    }

    fn failed(&self, action: &'static str) -> impl Fn(io::Error) -> TokensError {
        move |source| TokensError::Io { path: self.path.clone(), action, source }
    }
}

impl Holder {
    fn hash(&self) -> Option<Hash> {
        let digits = Some(self.sha256.as_str()).filter(|digits| digits.len() == 64 && digits.is_ascii())?;
        let mut hash = [0; 32];
        for (at, byte) in hash.iter_mut().enumerate() {
            *byte = u8::from_str_radix(digits.get(2 * at..2 * at + 2)?, 16).ok()?;
        }
        Some(hash)
    }

    /// What the token is good for.
    #[must_use]
    pub fn scopes(&self) -> Scopes {
        self.scopes.iter().copied().collect()
    }

    fn demo(scope: Scope) -> (Hash, Arc<Self>) {
        let name = format!("demo-{scope}");
        let hash = Token::hash_of(&name);
        let (sha256, created_at) = (hex(&hash), Timestamp::UNIX_EPOCH);
        (
            hash,
            Arc::new(Self { name, institution: "demo".to_owned(), scopes: vec![scope], sha256, created_at }),
        )
    }
}

/// The tokens of a running gateway, which follow their file.
pub struct Tokens {
    file: TokenFile,
    /// Whether the public tokens are good too.
    demo: bool,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    holders: HashMap<Hash, Arc<Holder>>,
    stamp: Option<(u64, i64, i64)>,
    looked_at: Option<Instant>,
}

impl Tokens {
    /// Reads `file`. `demo`: `demo-inspector`, `demo-health`, `demo-admin` and `demo-auditor` are good too.
    ///
    /// # Errors
    /// If the file is there and cannot be read.
    pub fn open(file: TokenFile, demo: bool) -> Result<Self, TokensError> {
        let tokens = Self { file, demo, known: Mutex::default() };
        let (stamp, holders) = (tokens.file.stamp(), tokens.load()?);
        *tokens.known.lock().unwrap_or_else(PoisonError::into_inner) =
            Known { holders, stamp, looked_at: None };
        Ok(tokens)
    }

    /// Who holds the token with this hash.
    pub(super) fn holder(&self, hash: &Hash, now: Instant) -> Option<Arc<Holder>> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.looked_at.is_none_or(|at| now.saturating_duration_since(at) >= POLL) {
            known.looked_at = Some(now);
            let stamp = self.file.stamp();
            if stamp != known.stamp {
                match self.load() {
                    Ok(holders) => known.holders = holders,
                    Err(error) => tracing::warn!(%error, "the tokens stay as they were"),
                }
                known.stamp = stamp;
            }
        }
        known.holders.get(hash).cloned()
    }

    fn load(&self) -> Result<HashMap<Hash, Arc<Holder>>, TokensError> {
        let demo = Scope::ALL.into_iter().filter(|_| self.demo).map(Holder::demo);
        let holders = self.file.holders()?.into_iter();
        Ok(demo.chain(holders.filter_map(|holder| Some((holder.hash()?, Arc::new(holder))))).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at() -> Timestamp {
        "2020-12-14T10:00:00Z".parse().unwrap()
    }

    #[test]
    fn a_token_is_good_from_its_making_to_its_end_and_its_text_stands_nowhere() {
        let dir = tempfile::tempdir().unwrap();
        let file = TokenFile::of(dir.path());
        let now = Instant::now();
        let tokens = Tokens::open(file.clone(), false).unwrap();
        let token = file.create("patrol 12", "Baku police", &[Scope::Inspector], at()).unwrap();
        let hash = Token::hash_of(token.expose());
        let holder = tokens.holder(&hash, now).unwrap();
        assert_eq!(
            (&*holder.institution, holder.scopes()),
            ("Baku police", Scopes::from_iter([Scope::Inspector]))
        );
        let text = fs::read_to_string(dir.path().join("tokens.toml")).unwrap();
        assert!(!text.contains(&token.expose()[6..]), "{text}");

        assert!(matches!(file.create("patrol 12", "x", &[], at()), Err(TokensError::Taken(_))));
        file.create("patrol 13", "Baku police", &[Scope::Inspector], at()).unwrap();
        file.revoke("patrol 12").unwrap();
        assert!(matches!(file.revoke("patrol 12"), Err(TokensError::Unknown(_))));
        assert_eq!(tokens.holder(&hash, now + POLL), None);
        assert_eq!(file.holders().unwrap().len(), 1);
    }

    #[test]
    fn a_file_that_is_damaged_while_the_gateway_runs_changes_nothing_and_stops_the_next_start() {
        let dir = tempfile::tempdir().unwrap();
        let file = TokenFile::of(dir.path());
        let token = file.create("a", "b", &[Scope::Health], at()).unwrap();
        let tokens = Tokens::open(file.clone(), false).unwrap();
        fs::write(dir.path().join("tokens.toml"), "[[token]]\nname = 1").unwrap();
        assert!(tokens.holder(&Token::hash_of(token.expose()), Instant::now()).is_some());
        assert!(matches!(Tokens::open(file, false), Err(TokensError::Malformed { .. })));
    }

    #[test]
    fn public_tokens_are_good_only_where_they_were_asked_for() {
        let dir = tempfile::tempdir().unwrap();
        for demo in [true, false] {
            let tokens = Tokens::open(TokenFile::of(dir.path()), demo).unwrap();
            for scope in Scope::ALL {
                let holder = tokens.holder(&Token::hash_of(&format!("demo-{scope}")), Instant::now());
                assert_eq!(holder.map(|holder| holder.scopes()), demo.then(|| Scopes::from_iter([scope])));
            }
        }
    }
}
