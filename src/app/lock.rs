//! One daemon to an SQLite file: an exclusive lock beside it, held while the process lives.

use std::fs::File;
use std::path::Path;

use crate::store::Store;

/// The lock. The system lets go of it when the process ends, however it ends.
#[derive(Debug)]
pub(crate) struct Lock {
    _file: Option<File>,
}

/// Another daemon works on the same file.
#[derive(Debug, thiserror::Error)]
#[error(
    "another `carebell serve` works on {file}: stop it first, or give this one a database of its own"
)]
pub struct Taken {
    file: String,
}

impl Lock {
    /// Takes the lock of `store`; PostgreSQL needs none.
    pub(crate) fn take(store: &Store) -> anyhow::Result<Self> {
        let Store::Sqlite { file, .. } = store else {
            return Ok(Self { _file: None });
        };
        let path = file.with_extension("lock");
        let lock = open(&path)?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { _file: Some(lock) }),
            Err(std::fs::TryLockError::WouldBlock) => Err(Taken {
                file: file.display().to_string(),
            }
            .into()),
            Err(std::fs::TryLockError::Error(why)) => Err(why.into()),
        }
    }
}

fn open(path: &Path) -> anyhow::Result<File> {
    use anyhow::Context as _;
    let options = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(path);
    options.with_context(|| format!("{} cannot be opened", path.display()))
}
