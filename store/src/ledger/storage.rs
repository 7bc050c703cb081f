//! Where the ledger's files lie: a narrow trait, and the file system.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{Advice, FallocateFlags, fadvise, fallocate};

/// A flat directory of files, as much of it as a log needs. Nothing is durable before it was synced: a file's bytes by
/// [`sync`](Self::sync), its name by [`sync_names`](Self::sync_names).
pub trait Storage {
    /// An open file.
    type File;

    /// What to call it in an error: the directory's path.
    fn location(&self) -> String;

    /// The names of all files, in any order.
    ///
    /// # Errors
    /// If the directory cannot be read.
    fn list(&self) -> io::Result<Vec<String>>;

    /// Creates a file of `size` bytes that read as zeros, with the space for them set aside.
    ///
    /// # Errors
    /// [`io::ErrorKind::StorageFull`] without that space; if the name is taken.
    fn create(&self, name: &str, size: u64) -> io::Result<Self::File>;

    /// Opens a file.
    ///
    /// # Errors
    /// [`io::ErrorKind::NotFound`] if there is none of that name.
    fn open(&self, name: &str) -> io::Result<Self::File>;

    /// The file's length in bytes.
    ///
    /// # Errors
    /// If the system fails.
    fn size(&self, file: &Self::File) -> io::Result<u64>;

    /// Fills `to` from `offset` on as far as the file goes, and returns how far that was.
    ///
    /// # Errors
    /// If the system fails.
    fn read_at(&self, file: &Self::File, offset: u64, to: &mut [u8]) -> io::Result<usize>;

    /// A file will hardly be read again: the system need not keep in memory what is on the disk.
    fn release(&self, _name: &str) {}

    /// Writes all of `bytes` at `offset`.
    ///
    /// # Errors
    /// If not all of it could be written.
    fn write_at(&self, file: &Self::File, offset: u64, bytes: &[u8]) -> io::Result<()>;

    /// Cuts the file to `size`, giving back the space behind it.
    ///
    /// # Errors
    /// If the system fails.
    fn truncate(&self, file: &Self::File, size: u64) -> io::Result<()>;

    /// Makes the file's bytes durable. After an error their fate is unknown, and trying again proves nothing.
    ///
    /// # Errors
    /// If the system cannot promise it.
    fn sync(&self, file: &Self::File) -> io::Result<()>;

    /// Makes creations, renamings and removals durable.
    ///
    /// # Errors
    /// If the system cannot promise it.
    fn sync_names(&self) -> io::Result<()>;

    /// Renames a file.
    ///
    /// # Errors
    /// If there is none of that name.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Removes a file.
    ///
    /// # Errors
    /// If there is none of that name.
    fn remove(&self, name: &str) -> io::Result<()>;
}

/// A directory of the file system. `open` takes it for this process alone.
#[derive(Debug)]
pub struct FileStorage {
    path: PathBuf,
    directory: File,
    /// Held for its lock; `None` for readers.
    lock: Option<File>,
}

const LOCK: &str = "lock";

impl FileStorage {
    /// Takes the directory for this process, creating it with mode 0700 if it is not there.
    ///
    /// # Errors
    /// [`io::ErrorKind::ResourceBusy`] if another process has it, and whatever the system says.
    pub fn open(path: &Path) -> io::Result<Self> {
        create_directory(path)?;
        let lock =
            OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path.join(LOCK))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let message =
                    format!("the store {} is in use by another process: stop that one first", path.display());
                return Err(io::Error::new(io::ErrorKind::ResourceBusy, message));
            }
            Err(TryLockError::Error(error)) => return Err(error),
        }
        Ok(Self { lock: Some(lock), ..Self::read_only(path)? })
    }

    /// Looks at a directory that another process may be writing to.
    ///
    /// # Errors
    /// If there is no such directory.
    pub fn read_only(path: &Path) -> io::Result<Self> {
        Ok(Self { path: path.to_owned(), directory: File::open(path)?, lock: None })
    }

    /// The same directory once more, for another thread.
    ///
    /// # Errors
    /// If the system has no room for open files.
    pub fn try_clone(&self) -> io::Result<Self> {
        let lock = self.lock.as_ref().map(File::try_clone).transpose()?;
        Ok(Self { path: self.path.clone(), directory: self.directory.try_clone()?, lock })
    }

    fn writable(&self) -> io::Result<()> {
        match self.lock {
            Some(_) => Ok(()),
            None => {
                Err(io::Error::new(io::ErrorKind::PermissionDenied, "the store was opened for reading only"))
            }
        }
    }
}

impl Storage for FileStorage {
    type File = File;

    fn location(&self) -> String {
        self.path.display().to_string()
    }

    fn list(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.path)? {
            // What is no UTF-8 is none of the ledger's names.
            if let Ok(name) = entry?.file_name().into_string() {
                names.push(name);
            }
        }
        Ok(names)
    }

    fn create(&self, name: &str, size: u64) -> io::Result<File> {
        self.writable()?;
        let path = self.path.join(name);
        let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(path)?;
        if size > 0 {
            match fallocate(&file, FallocateFlags::empty(), 0, size) {
                Ok(()) => {}
                Err(rustix::io::Errno::OPNOTSUPP) => write_zeros(&file, size)?,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(file)
    }

    fn open(&self, name: &str) -> io::Result<File> {
        OpenOptions::new().read(true).write(self.lock.is_some()).open(self.path.join(name))
    }

    fn size(&self, file: &File) -> io::Result<u64> {
        Ok(file.metadata()?.len())
    }

    fn read_at(&self, file: &File, offset: u64, to: &mut [u8]) -> io::Result<usize> {
        let mut done = 0;
        while let Some(rest) = to.get_mut(done..).filter(|rest| !rest.is_empty()) {
            match file.read_at(rest, offset + done as u64) {
                Ok(0) => break,
                Ok(count) => done += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(done)
    }

    fn release(&self, name: &str) {
        if let Ok(file) = File::open(self.path.join(name)) {
            // Advice: a system that does not take it keeps the file in memory for longer, and nothing else.
            let _ = fadvise(&file, 0, None, Advice::DontNeed);
        }
    }

    fn write_at(&self, file: &File, offset: u64, bytes: &[u8]) -> io::Result<()> {
        file.write_all_at(bytes, offset)
    }

    fn truncate(&self, file: &File, size: u64) -> io::Result<()> {
        file.set_len(size)
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        file.sync_data()
    }

    fn sync_names(&self) -> io::Result<()> {
        self.directory.sync_all()
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.writable()?;
        fs::rename(self.path.join(from), self.path.join(to))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.writable()?;
        fs::remove_file(self.path.join(name))
    }
}

/// Makes a directory that only its owner may enter, and those that lead to it, and syncs their names: a store or a key
/// whose directory a power cut takes away is lost as a whole.
pub(super) fn create_directory(path: &Path) -> io::Result<()> {
    let missing: Vec<&Path> =
        path.ancestors().take_while(|path| !path.as_os_str().is_empty() && !path.exists()).collect();
    DirBuilder::new().recursive(true).mode(0o700).create(path)?;
    for made in missing {
        let parent = made.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(parent)?.sync_all()?;
    }
    Ok(())
}

/// Sets space aside where the file system cannot do so by itself.
fn write_zeros(file: &File, size: u64) -> io::Result<()> {
    static ZEROS: [u8; 1 << 16] = [0; 1 << 16];
    let mut offset = 0;
    while offset < size {
        let count = (size - offset).min(ZEROS.len() as u64);
        file.write_all_at(ZEROS.get(..count as usize).unwrap_or(&ZEROS), offset)?;
        offset += count;
    }
    Ok(())
}
