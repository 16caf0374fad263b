//! A results file on disk: opening, locking, creating.

use std::fs::{File, OpenOptions, Permissions, TryLockError};
use std::io::{self, Seek, SeekFrom, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;

use super::error::FoldError;
use super::fold::{Folded, fold_from};
use super::journal::AppendFile;
use crate::files::PRIVATE;
use crate::results::header::Header;
use crate::results::header::VERSION;

/// Why a results file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// It cannot be opened, read or written.
    #[error("the results file {path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Another process writes it.
    #[error(
        "the results file {path} is in use by another tray-import; wait for it to end, or give this run a file of its own"
    )]
    Locked {
        /// The file.
        path: PathBuf,
    },
    /// It cannot be understood.
    #[error("{path}: {source}")]
    Fold {
        /// The file.
        path: PathBuf,
        /// Which line, and why.
        source: FoldError,
    },
    /// It belongs to another Tray.
    #[error(
        "the results file {path} was made with {theirs}, this run goes to {ours}; ids of one mean nothing to the other. Use another --results file"
    )]
    Endpoint {
        /// The file.
        path: PathBuf,
        /// The endpoint in the header.
        theirs: String,
        /// The endpoint of this run.
        ours: String,
    },
}

/// A results file opened for writing, and locked.
#[derive(Debug)]
pub struct ResultsFile {
    file: Arc<File>,
    path: PathBuf,
}

impl ResultsFile {
    /// Opens and locks an existing file, reads it, and cuts off a torn last line. `None` where there is
    /// no such file yet.
    ///
    /// # Errors
    /// A file that is locked, unreadable, or of another endpoint.
    pub fn open(path: &Path, endpoint: &str) -> Result<Option<(ResultsFile, Folded)>, FileError> {
        let io = |source| FileError::Io {
            path: path.to_owned(),
            source,
        };
        let mut file = match OpenOptions::new().read(true).append(true).open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(io(error)),
        };
        lock(&file, path)?;
        file.set_permissions(Permissions::from_mode(PRIVATE))
            .map_err(io)?;
        file.seek(SeekFrom::Start(0)).map_err(io)?;
        let folded = understand(&file, path)?;
        of_endpoint(&folded, path, endpoint)?;
        if folded.torn > 0 {
            file.set_len(folded.whole).map_err(io)?;
            file.sync_all().map_err(io)?;
        }
        let mut opened = ResultsFile {
            file: Arc::new(file),
            path: path.to_owned(),
        };
        if folded.header.is_none() {
            opened.write_header(endpoint)?;
        }
        Ok(Some((opened, folded)))
    }

    /// Creates and locks a new file, and makes sure that it survives a crash.
    ///
    /// # Errors
    /// When it exists already or cannot be written.
    pub fn create(path: &Path, endpoint: &str) -> Result<ResultsFile, FileError> {
        let io = |source| FileError::Io {
            path: path.to_owned(),
            source,
        };
        let file = OpenOptions::new()
            .read(true)
            .append(true)
            .create_new(true)
            .mode(PRIVATE)
            .open(path)
            .map_err(io)?;
        lock(&file, path)?;
        let mut created = ResultsFile {
            file: Arc::new(file),
            path: path.to_owned(),
        };
        created.write_header(endpoint)?;
        // a file whose directory entry is lost in a crash is lost
        let directory = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        File::open(directory)
            .and_then(|d| d.sync_all())
            .map_err(io)?;
        Ok(created)
    }

    fn write_header(&mut self, endpoint: &str) -> Result<(), FileError> {
        let header = Header {
            r#type: "batch".to_owned(),
            version: VERSION,
            batch_id: uuid::Uuid::now_v7().to_string(),
            endpoint: endpoint.to_owned(),
            created_at: Timestamp::now(),
            tool: concat!("tray-import ", env!("CARGO_PKG_VERSION")).to_owned(),
        };
        let mut line = serde_json::to_vec(&header).unwrap_or_default();
        line.push(b'\n');
        let mut file: &File = &self.file;
        file.write_all(&line)
            .and_then(|()| file.sync_all())
            .map_err(|source| FileError::Io {
                path: self.path.clone(),
                source,
            })
    }
}

impl AppendFile for ResultsFile {
    async fn append(&mut self, bytes: Vec<u8>) -> io::Result<()> {
        let file = Arc::clone(&self.file);
        tokio::task::spawn_blocking(move || {
            let mut file: &File = &file;
            file.write_all(&bytes)?;
            file.sync_data()
        })
        .await
        .map_err(io::Error::other)?
        .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", self.path.display())))
    }
}

/// Reads a results file without locking it: for commands that only look.
///
/// # Errors
/// A file that cannot be read or understood.
pub fn read(path: &Path) -> Result<Folded, FileError> {
    let file = File::open(path).map_err(|source| FileError::Io {
        path: path.to_owned(),
        source,
    })?;
    understand(&file, path)
}

/// [`read_of`] of a file that stays as it is as long as what is returned lives: no import can write it, and
/// it is not read while one does.
///
/// # Errors
/// As [`read_of`]; a file that is in use.
pub fn hold(path: &Path, endpoint: &str) -> Result<(Held, Folded), FileError> {
    let io = |source| FileError::Io {
        path: path.to_owned(),
        source,
    };
    let file = File::open(path).map_err(io)?;
    locked(file.try_lock_shared(), path)?;
    let folded = understand(&file, path)?;
    of_endpoint(&folded, path, endpoint)?;
    Ok((Held { _file: file }, folded))
}

/// A results file that nobody writes meanwhile.
#[derive(Debug)]
pub struct Held {
    _file: File,
}

/// [`read`] of a file whose ids are to be used: it must be of this endpoint.
///
/// # Errors
/// A file that cannot be read or understood, or of another endpoint.
pub fn read_of(path: &Path, endpoint: &str) -> Result<Folded, FileError> {
    let folded = read(path)?;
    of_endpoint(&folded, path, endpoint)?;
    Ok(folded)
}

fn of_endpoint(folded: &Folded, path: &Path, endpoint: &str) -> Result<(), FileError> {
    match &folded.header {
        Some(header) if header.endpoint != endpoint => Err(FileError::Endpoint {
            path: path.to_owned(),
            theirs: header.endpoint.clone(),
            ours: endpoint.to_owned(),
        }),
        _ => Ok(()),
    }
}

fn understand(file: &File, path: &Path) -> Result<Folded, FileError> {
    let folded = fold_from(file);
    let folded = folded.map_err(|source| FileError::Io {
        path: path.to_owned(),
        source,
    })?;
    folded.map_err(|source| FileError::Fold {
        path: path.to_owned(),
        source,
    })
}

fn lock(file: &File, path: &Path) -> Result<(), FileError> {
    locked(file.try_lock(), path)
}

fn locked(outcome: Result<(), TryLockError>, path: &Path) -> Result<(), FileError> {
    match outcome {
        Ok(()) => Ok(()),
        Err(TryLockError::WouldBlock) => Err(FileError::Locked {
            path: path.to_owned(),
        }),
        Err(TryLockError::Error(source)) => Err(FileError::Io {
            path: path.to_owned(),
            source,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn created_private_locked_and_of_one_endpoint() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("results.jsonl");
        assert!(ResultsFile::open(&path, "e").unwrap().is_none());
        let first = ResultsFile::create(&path, "e").unwrap();
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert!(matches!(
            ResultsFile::open(&path, "e"),
            Err(FileError::Locked { .. })
        ));
        drop(first);
        assert!(matches!(
            ResultsFile::open(&path, "other"),
            Err(FileError::Endpoint { .. })
        ));
        let (_, folded) = ResultsFile::open(&path, "e").unwrap().unwrap();
        assert_eq!(folded.header.unwrap().endpoint, "e");
    }

    #[test]
    fn a_torn_tail_is_cut_off() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("results.jsonl");
        drop(ResultsFile::create(&path, "e").unwrap());
        let whole = std::fs::metadata(&path).unwrap().len();
        let mut file = OpenOptions::new().append(true).open(&path).unwrap();
        file.write_all(b"{\"type\":\"row\",\"ro").unwrap();
        let (_, folded) = ResultsFile::open(&path, "e").unwrap().unwrap();
        assert_eq!(folded.torn, 17);
        assert_eq!(std::fs::metadata(&path).unwrap().len(), whole);
    }
}
