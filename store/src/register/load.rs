//! Opening a register's file, whichever form it has.

use std::fs::File;
use std::io::{self, Read, Seek};
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::Register;
use super::builder::{Builder, Conflict};
use super::csv::{CsvError, import};
use super::snapshot::{MAGIC, SnapshotError};

/// Why a register was not loaded: which file, what is wrong, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The file cannot be opened.
    #[error("{}: {source}; set `path` in `[register]` to a register's CSV or snapshot", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A snapshot that is not what was written.
    #[error("{}: {source}; copy it again, or make it again with `icaze register import`", path.display())]
    Snapshot {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: SnapshotError,
    },
    /// A CSV file that is not right.
    #[error("{}: {source}; correct it, or take its other lines with `icaze register import --accept-rejects`", path.display())]
    Csv {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: CsvError,
    },
    /// It states what this register has no room for.
    #[error("{}: {source}; correct it", path.display())]
    Conflict {
        /// The file.
        path: PathBuf,
        /// What there is no room for.
        source: Conflict,
    },
    /// It lost more documents than was agreed.
    #[error("{}: {documents} documents, {previous} before: shrunk by more than {shrink_max_percent} %; check the extract, \
        or agree to more", path.display())]
    Shrunk {
        /// The file.
        path: PathBuf,
        /// In the register that it was to replace.
        previous: u64,
        /// In this one.
        documents: u64,
        /// What was agreed.
        shrink_max_percent: u8,
    },
}

impl Register {
    /// Loads a snapshot, or a CSV file without any rejected line, which gets generation 0 and the age of the file.
    ///
    /// # Errors
    /// If the file cannot be read, or is not right as a whole.
    pub fn load(path: &Path) -> Result<Self, LoadError> {
        let open = |source| LoadError::Open { path: path.to_owned(), source };
        let mut file = File::open(path).map_err(open)?;
        if is_snapshot(&mut file).map_err(open)? {
            let bytes = file.metadata().map_err(open)?.len();
            let register = Self::read(file, bytes);
            return register.map_err(|source| LoadError::Snapshot { path: path.to_owned(), source });
        }
        let made_at = modified(&file).map_err(open)?;
        let builder = import(file, Builder::default(), false, |_| {});
        let builder = builder.map_err(|source| LoadError::Csv { path: path.to_owned(), source })?;
        Ok(builder.finish(0, made_at))
    }

    /// The register that takes this one's place once `path` is applied, under the next generation's number: a CSV file states
    /// [changes](Self::with), a snapshot is a whole register, of which at most `shrink_max_percent` of this one's documents
    /// may be gone.
    ///
    /// # Errors
    /// If the file cannot be read, or is not right as a whole.
    pub fn apply(&self, path: &Path, shrink_max_percent: u8) -> Result<Self, LoadError> {
        let open = |source| LoadError::Open { path: path.to_owned(), source };
        let mut file = File::open(path).map_err(open)?;
        if is_snapshot(&mut file).map_err(open)? {
            let whole = Self::load_after(path, self.documents(), shrink_max_percent)?;
            let generation = whole.generation().max(self.generation() + 1);
            return Ok(whole.numbered(generation));
        }
        let made_at = modified(&file).map_err(open)?;
        let changes = import(file, Builder::default(), false, |_| {});
        let changes = changes.map_err(|source| LoadError::Csv { path: path.to_owned(), source })?;
        self.with(&changes, made_at).map_err(|source| LoadError::Conflict { path: path.to_owned(), source })
    }

    /// [`Register::load`] in place of a register with `previous` documents, of which at most `shrink_max_percent` may
    /// be gone.
    ///
    /// # Errors
    /// Also if more documents are gone.
    pub fn load_after(path: &Path, previous: u64, shrink_max_percent: u8) -> Result<Self, LoadError> {
        let register = Self::load(path)?;
        let documents = register.documents();
        let kept_min_percent = 100_u128.saturating_sub(shrink_max_percent.into());
        if u128::from(documents) * 100 < u128::from(previous) * kept_min_percent {
            return Err(LoadError::Shrunk { path: path.to_owned(), previous, documents, shrink_max_percent });
        }
        Ok(register)
    }
}

fn is_snapshot(file: &mut File) -> io::Result<bool> {
    let mut magic = Vec::with_capacity(MAGIC.len());
    file.by_ref().take(MAGIC.len() as u64).read_to_end(&mut magic)?;
    file.rewind()?;
    Ok(magic == MAGIC)
}

/// When the file was last written: the age of what it states.
fn modified(file: &File) -> io::Result<Timestamp> {
    let modified = file.metadata()?.modified()?;
    Ok(Timestamp::try_from(modified).unwrap_or(Timestamp::UNIX_EPOCH))
}
