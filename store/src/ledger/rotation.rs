//! Another key for what wraps the data keys of the ledger. What was copied of the key file before opens nothing that is left.

use std::path::Path;

use super::reader::Walker;
use super::retention::{key_file, replace, unusable};
use super::seal::WrappingKey;
use super::{KeyError, MasterKey, ReadError, Storage};

/// Why a rotation did not end. The store is sound, and the rotation goes on when it is tried again.
#[derive(Debug, thiserror::Error)]
pub enum RotateError {
    /// The key file cannot be read or replaced.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// A segment's key file cannot be read or replaced.
    #[error(transparent)]
    Ledger(#[from] ReadError),
}

/// Draws another wrapping key into `key_file`, and wraps the data keys of each segment by it; how many segments that were. What is
/// derived from the master key otherwise stays as it is. The storage is this process's own.
///
/// # Errors
/// [`RotateError`] names the file, and what to do.
pub fn rotate<S: Storage>(storage: &S, master: &Path) -> Result<u64, RotateError> {
    let (before, after) = MasterKey::begin_rotation(master)?;
    let wrapping = |key| {
        WrappingKey::new(key).map_err(|source| KeyError::Io {
            key_file: master.to_owned(),
            action: "derive keys from it",
            source,
        })
    };
    let (old, new) = (wrapping(&before)?, wrapping(&after)?);
    let walker = Walker::new(storage, Some(&old), 0);
    let mut count = 0;
    for number in walker.segments()? {
        let id = walker.header(number)?.id;
        let content = key_file(storage, number)?;
        let rewrapped = new.rewrap(&old, id, &content).map_err(|error| unusable(storage, number, error))?;
        if let Some(content) = rewrapped {
            replace(storage, number, &content)?;
            count += 1;
        }
    }
    after.end_rotation(master)?;
    Ok(count)
}
