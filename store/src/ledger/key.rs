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
pub struct MasterKey([u8; 32]);

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
        "the key file {} does not hold 64 hexadecimal digits: restore it from its backup",
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
    /// [`KeyError`] if the file cannot be read, is open to others than its owner, or holds no key.
    pub fn load(key_file: &Path) -> Result<Self, KeyError> {
        let io = |action| move |source| KeyError::io(key_file, action, source);
        let file = File::open(key_file).map_err(io("open it"))?;
        let mode = file.metadata().map_err(io("read its mode"))?.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(KeyError::Exposed { key_file: key_file.to_owned(), mode });
        }
        let text = io::read_to_string(io::Read::take(file, 128)).map_err(io("read it"))?;
        hex::decode_array(text.trim())
            .map(Self)
            .ok_or_else(|| KeyError::Malformed { key_file: key_file.to_owned() })
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
        let unfinished = key_file.with_extension("new");
        let _ = fs::remove_file(&unfinished);
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&unfinished)
            .map_err(io("create it"))?;
        let written = writeln!(file, "{}", hex::encode(&key.0)).and_then(|()| file.sync_all());
        written.map_err(io("write it"))?;
        // A hard link fails where the name is taken, so that two starts at once cannot replace each other's key.
        fs::hard_link(&unfinished, key_file).map_err(io("name it"))?;
        fs::remove_file(&unfinished).map_err(io("tidy up beside it"))?;
        File::open(directory).and_then(|directory| directory.sync_all()).map_err(io("sync its directory"))?;
        Ok(key)
    }

    /// A fresh key that is written nowhere, for tests and simulations.
    ///
    /// # Errors
    /// If the system has no random bytes.
    pub fn random() -> io::Result<Self> {
        let mut key = [0; 32];
        rand::fill(&mut key).map_err(|_| io::Error::other("the system has no random bytes"))?;
        Ok(Self(key))
    }

    /// A key for one `purpose`: HMAC-SHA256 of the purpose, cut to `N` bytes. The same for the same master key, and
    /// nothing that is derived tells anything about another purpose or the master key.
    #[must_use]
    pub fn derive<const N: usize>(&self, purpose: &str) -> [u8; N] {
        const { assert!(N <= 32) };
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &self.0), purpose.as_bytes());
        let mut derived = [0; N];
        for (to, from) in derived.iter_mut().zip(tag.as_ref()) {
            *to = *from;
        }
        derived
    }
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
        assert_eq!(made.0, loaded.0);
        assert!(matches!(MasterKey::create(&path), Err(KeyError::Io { .. })));
        assert_eq!(MasterKey::load(&path).unwrap().0, made.0);
    }

    #[test]
    fn purposes_have_keys_of_their_own() {
        let key = MasterKey([7; 32]);
        assert_eq!(key.derive::<16>("a"), key.derive::<16>("a"));
        assert_ne!(key.derive::<32>("a"), key.derive::<32>("b"));
        assert_ne!(key.derive::<32>("a"), MasterKey([8; 32]).derive::<32>("a"));
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
