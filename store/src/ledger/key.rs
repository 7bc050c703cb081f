//! The master key: kept outside the store, it wraps the keys that its personal data is sealed with.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use aws_lc_rs::{hmac, rand};

use super::segment;
use super::storage::{Storage, create_directory};
use crate::hex;

/// 32 random bytes, from which every other key of the store is derived. `Debug` redacts.
#[derive(Clone)]
pub struct MasterKey {
    /// What hashes, permit codes and all else that lasts is derived from. It never changes.
    secret: [u8; 32],
    /// What the ledger's data keys are wrapped by: the secret itself, until it is rotated.
    wrapping: [u8; 32],
    /// What some of them are still wrapped by, in the middle of a rotation.
    before: Option<[u8; 32]>,
}

/// Why there is no master key.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The store has records, so making a new key would lose their personal data for good.
    #[error(
        "the store {store} has records but its key file {} is missing: restore the file, or set store.key_file to where it is",
        key_file.display()
    )]
    Missing {
        /// Where the records are.
        store: String,
        /// Where the key should be.
        key_file: PathBuf,
    },
    /// The file is there but is no key.
    #[error(
        "the key file {} does not hold one to three lines of 64 hexadecimal digits: restore it from its backup",
        key_file.display()
    )]
    Malformed {
        /// Where it is.
        key_file: PathBuf,
    },
    /// Others than its owner may read or change the file.
    #[error("the key file {} is open to others (mode {mode:03o}): chmod 600 it", key_file.display())]
    Exposed {
        /// Where it is.
        key_file: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// Some data keys are wrapped by what was before, and some by what is now.
    #[error(
        "the key file {} is in the middle of a rotation: run `icaze key rotate` once more, which ends it",
        key_file.display()
    )]
    Unfinished {
        /// The file.
        key_file: PathBuf,
    },
    /// The system refused.
    #[error("the key file {}: cannot {action}: {source}", key_file.display())]
    Io {
        /// Where it is.
        key_file: PathBuf,
        /// What was tried.
        action: &'static str,
        /// What the system said.
        source: io::Error,
    },
}

impl MasterKey {
    /// The key in `key_file`; if neither the file nor any record in `storage` exists, a fresh one, written there with
    /// mode 0600.
    ///
    /// # Errors
    /// [`KeyError`] says which file, and what to do.
    pub fn open(key_file: &Path, storage: &impl Storage) -> Result<Self, KeyError> {
        Self::find(key_file, storage)?.map_or_else(|| Self::create(key_file), Ok)
    }

    /// The key in `key_file`; `None` if neither the file nor any record in `storage` exists.
    ///
    /// # Errors
    /// [`KeyError`] says which file, and what to do.
    pub fn find(key_file: &Path, storage: &impl Storage) -> Result<Option<Self>, KeyError> {
        match Self::load(key_file) {
            Err(KeyError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {}
            loaded => return loaded.map(Some),
        }
        let names = storage.list().map_err(|source| KeyError::io(key_file, "look into the store", source))?;
        if names.iter().any(|name| segment::number_of_log(name).is_some()) {
            return Err(KeyError::Missing { store: storage.location(), key_file: key_file.to_owned() });
        }
        Ok(None)
    }

    /// The key in `key_file`.
    ///
    /// # Errors
    /// [`KeyError`] if the file cannot be read, is open to others than its owner, holds no key, or is being rotated.
    pub fn load(key_file: &Path) -> Result<Self, KeyError> {
        let key = Self::load_any(key_file)?;
        if key.before.is_some() {
            return Err(KeyError::Unfinished { key_file: key_file.to_owned() });
        }
        Ok(key)
    }

    /// The same in the middle of a rotation as well.
    pub(super) fn load_any(key_file: &Path) -> Result<Self, KeyError> {
        let io = |action| move |source| KeyError::io(key_file, action, source);
        let file = File::open(key_file).map_err(io("open it"))?;
        let mode = file.metadata().map_err(io("read its mode"))?.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(KeyError::Exposed { key_file: key_file.to_owned(), mode });
        }
        let text = io::read_to_string(io::Read::take(file, 256)).map_err(io("read it"))?;
        let keys: Option<Vec<[u8; 32]>> = text.lines().map(|line| hex::decode_array(line.trim())).collect();
        let (secret, wrapping, before) = match keys.as_deref() {
            Some(&[secret]) => (secret, secret, None),
            Some(&[secret, wrapping]) => (secret, wrapping, None),
            Some(&[secret, wrapping, before]) => (secret, wrapping, Some(before)),
            _ => return Err(KeyError::Malformed { key_file: key_file.to_owned() }),
        };
        Ok(Self { secret, wrapping, before })
    }

    /// A line for each part, as [`load_any`](Self::load_any) reads them.
    fn lines(&self) -> String {
        let mut text = hex::encode(&self.secret) + "\n";
        if self.wrapping != self.secret || self.before.is_some() {
            text += &(hex::encode(&self.wrapping) + "\n");
        }
        text + &self.before.map_or_else(String::new, |before| hex::encode(&before) + "\n")
    }

    /// A fresh key, written to `key_file`, which must not exist.
    ///
    /// # Errors
    /// [`KeyError::Io`] if the file exists or cannot be written and synced.
    pub fn create(key_file: &Path) -> Result<Self, KeyError> {
        let io = |action| move |source| KeyError::io(key_file, action, source);
        let key = Self::random().map_err(io("draw random bytes for it"))?;
        let directory = match key_file.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        create_directory(directory).map_err(io("make its directory"))?;
        let unfinished = key.write_beside(key_file)?;
        // A hard link fails where the name is taken, so that two starts at once cannot replace each other's key.
        fs::hard_link(&unfinished, key_file).map_err(io("name it"))?;
        fs::remove_file(&unfinished).map_err(io("tidy up beside it"))?;
        File::open(directory).and_then(|directory| directory.sync_all()).map_err(io("sync its directory"))?;
        Ok(key)
    }

    /// Writes the key beside `key_file`, synced; where.
    fn write_beside(&self, key_file: &Path) -> Result<PathBuf, KeyError> {
        let io = |action| move |source| KeyError::io(key_file, action, source);
        let unfinished = key_file.with_extension("new");
        let _ = fs::remove_file(&unfinished);
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&unfinished)
            .map_err(io("create it"))?;
        let written = file.write_all(self.lines().as_bytes()).and_then(|()| file.sync_all());
        written.map_err(io("write it"))?;
        Ok(unfinished)
    }

    /// Puts the key in place of what is in `key_file`.
    fn replace(&self, key_file: &Path) -> Result<(), KeyError> {
        let io = |action| move |source| KeyError::io(key_file, action, source);
        let unfinished = self.write_beside(key_file)?;
        fs::rename(unfinished, key_file).map_err(io("replace it"))?;
        let directory = key_file.parent().filter(|parent| !parent.as_os_str().is_empty());
        let synced =
            File::open(directory.unwrap_or(Path::new("."))).and_then(|directory| directory.sync_all());
        synced.map_err(io("sync its directory"))
    }

    /// Begins a rotation, or goes on with one that was interrupted: `key_file` then holds what wraps from now on, and what wrapped
    /// before. Returns both, each as a key.
    pub(super) fn begin_rotation(key_file: &Path) -> Result<(Self, Self), KeyError> {
        let mut key = Self::load_any(key_file)?;
        if key.before.is_none() {
            let Self { secret: fresh, .. } = Self::random()
                .map_err(|source| KeyError::io(key_file, "draw random bytes for it", source))?;
            key = Self { before: Some(key.wrapping), wrapping: fresh, ..key };
            key.replace(key_file)?;
        }
        let before = Self { wrapping: key.before.unwrap_or(key.wrapping), before: None, ..key.clone() };
        Ok((before, key))
    }

    /// Ends a rotation: what wrapped before is in `key_file` no more.
    pub(super) fn end_rotation(self, key_file: &Path) -> Result<(), KeyError> {
        Self { before: None, ..self }.replace(key_file)
    }

    /// A fresh key that is written nowhere, for tests and simulations.
    ///
    /// # Errors
    /// If the system has no random bytes.
    pub fn random() -> io::Result<Self> {
        let mut key = [0; 32];
        rand::fill(&mut key).map_err(|_| io::Error::other("the system has no random bytes"))?;
        Ok(Self { secret: key, wrapping: key, before: None })
    }

    /// A key for one `purpose`: HMAC-SHA256 of the purpose, cut to `N` bytes. The same for the same master key, and
    /// nothing that is derived tells anything about another purpose or the master key.
    #[must_use]
    pub fn derive<const N: usize>(&self, purpose: &str) -> [u8; N] {
        derive(&self.secret, purpose)
    }

    /// The same from what wraps data keys.
    pub(super) fn derive_for_wrapping<const N: usize>(&self, purpose: &str) -> [u8; N] {
        derive(&self.wrapping, purpose)
    }
}

fn derive<const N: usize>(secret: &[u8; 32], purpose: &str) -> [u8; N] {
    const { assert!(N <= 32) };
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), purpose.as_bytes());
    let mut derived = [0; N];
    for (to, from) in derived.iter_mut().zip(tag.as_ref()) {
        *to = *from;
    }
    derived
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MasterKey(…)")
    }
}

impl KeyError {
    fn io(key_file: &Path, action: &'static str, source: io::Error) -> Self {
        Self::Io { key_file: key_file.to_owned(), action, source }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::FileStorage;

    fn store(dir: &Path) -> FileStorage {
        FileStorage::open(&dir.join("store")).unwrap()
    }

    #[test]
    fn a_key_is_made_once_for_its_owner_only_and_comes_back() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("keys/ledger.key");
        let storage = store(dir.path());
        let made = MasterKey::open(&path, &storage).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let loaded = MasterKey::open(&path, &storage).unwrap();
        assert_eq!(made.secret, loaded.secret);
        assert!(matches!(MasterKey::create(&path), Err(KeyError::Io { .. })));
        assert_eq!(MasterKey::load(&path).unwrap().secret, made.secret);
    }

    #[test]
    fn purposes_have_keys_of_their_own() {
        let of = |byte| MasterKey { secret: [byte; 32], wrapping: [byte; 32], before: None };
        let key = of(7);
        assert_eq!(key.derive::<16>("a"), key.derive::<16>("a"));
        assert_ne!(key.derive::<32>("a"), key.derive::<32>("b"));
        assert_ne!(key.derive::<32>("a"), of(8).derive::<32>("a"));
        assert_eq!(format!("{key:?}"), "MasterKey(…)");
    }

    #[test]
    fn a_key_that_others_can_read_or_that_is_cut_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ledger.key");
        MasterKey::create(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(MasterKey::load(&path), Err(KeyError::Exposed { mode: 0o640, .. })));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        fs::write(&path, "abc").unwrap();
        assert!(matches!(MasterKey::load(&path), Err(KeyError::Malformed { .. })));
    }
}
