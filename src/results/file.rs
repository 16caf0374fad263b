//! A results file on disk: opened, locked, created, appended to.
//!
//! Nothing is changed of a file that has not been read and found to be a results file of this batch's Tray; what is
//! no regular file is not even opened. And a file that is written may be deleted, renamed or cut by somebody while a
//! run goes on: every append notices, before the call that it is about leaves, so that no second run, which would
//! find no file and no lock, works beside this one for long.

use std::fs::{self, File, OpenOptions, Permissions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::checksum::BatchTag;
use super::error::ReplayError;
use super::header::Header;
use super::journal::AppendFile;
use super::replay::{Replay, replay_file};
use crate::files::{PRIVATE, open_new, sync_directory};

/// Why a results file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// It cannot be opened, read or written.
    #[error("the results file {path}: {source}")]
    Io { path: PathBuf, source: io::Error },
    /// A device, a pipe, a directory.
    #[error("{path} is no regular file, so it is not a results file")]
    Irregular { path: PathBuf },
    /// Another process writes it.
    #[error(
        "the results file {path} is in use by another tray-import; wait for it to end, or give this run a file of its own"
    )]
    Locked { path: PathBuf },
    /// It cannot be understood.
    #[error("{path}: {source}")]
    Replay { path: PathBuf, source: ReplayError },
    /// It belongs to another Tray.
    #[error(
        "the results file {path} was made with {theirs}, this run goes to {ours}; ids of one mean nothing to the other. Use another --results file"
    )]
    Endpoint {
        path: PathBuf,
        theirs: String,
        ours: String,
    },
}

impl FileError {
    fn io(path: &Path) -> impl Fn(io::Error) -> FileError {
        |source| FileError::Io {
            path: path.to_owned(),
            source,
        }
    }
}

/// A results file opened for writing, and locked.
#[derive(Debug)]
pub struct ResultsFile {
    file: Arc<File>,
    path: PathBuf,
    batch: BatchTag,
    length: u64,
}

impl ResultsFile {
    /// Opens and locks an existing file, replays it, and cuts off a torn last line. `None` where there is
    /// no such file yet.
    ///
    /// # Errors
    /// A file that is locked, unreadable, or of another endpoint.
    pub fn open(path: &Path, endpoint: &str) -> Result<Option<(ResultsFile, Replay)>, FileError> {
        let io = FileError::io(path);
        let file = match open(path, OpenOptions::new().read(true).append(true)) {
            Err(FileError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                return Ok(None);
            }
            opened => opened?,
        };
        locked(file.try_lock(), path)?;
        let mut replay = replay_of(&file, path)?;
        of_endpoint(&replay, path, endpoint)?;
        (file.set_permissions(Permissions::from_mode(PRIVATE))).map_err(&io)?;
        if replay.torn > 0 {
            file.set_len(replay.whole).map_err(&io)?;
            file.sync_all().map_err(&io)?;
        }
        let (header, is_new) = match replay.header.take() {
            Some(header) => (header, false),
            None => (Header::new(endpoint), true),
        };
        let mut opened = ResultsFile {
            file: Arc::new(file),
            path: path.to_owned(),
            batch: header.tag(),
            length: replay.whole,
        };
        if is_new {
            opened.write_header(&header).map_err(io)?;
        }
        replay.header = Some(header);
        Ok(Some((opened, replay)))
    }

    /// Creates and locks a new file, and makes sure that it survives a crash. Whatever stands there already, be it
    /// a link to nothing, stays.
    ///
    /// # Errors
    /// When there is something already, or it cannot be written.
    pub fn create(path: &Path, endpoint: &str) -> Result<ResultsFile, FileError> {
        let io = FileError::io(path);
        let mut options = OpenOptions::new();
        options
            .read(true)
            .append(true)
            .create_new(true)
            .mode(PRIVATE);
        let file = options.open(path).map_err(&io)?;
        locked(file.try_lock(), path)?;
        let header = Header::new(endpoint);
        let mut created = ResultsFile {
            file: Arc::new(file),
            path: path.to_owned(),
            batch: header.tag(),
            length: 0,
        };
        created.write_header(&header).map_err(&io)?;
        // a file whose directory entry is lost in a crash is lost
        sync_directory(path).map_err(&io)?;
        Ok(created)
    }

    fn write_header(&mut self, header: &Header) -> io::Result<()> {
        let line = header.to_line();
        let mut file: &File = &self.file;
        file.write_all(&line)?;
        self.length += line.len() as u64;
        file.sync_all()
    }
}

impl AppendFile for ResultsFile {
    fn batch(&self) -> BatchTag {
        self.batch
    }

    async fn append(&mut self, bytes: Vec<u8>) -> io::Result<()> {
        let (file, path, length) = (Arc::clone(&self.file), self.path.clone(), self.length);
        self.length += bytes.len() as u64;
        let append = move || {
            let mut file: &File = &file;
            if file.metadata()?.len() < length {
                return Err(io::Error::other(
                    "somebody has cut it shorter during the run; restore it from a copy, or remove it: what it held is then looked up in Tray",
                ));
            }
            file.write_all(&bytes)?;
            file.sync_data()?;
            // what was written to a file that was moved is in it; one that was deleted is put back
            still_there(file, &path)
        };
        tokio::task::spawn_blocking(append)
            .await
            .map_err(io::Error::other)?
            .map_err(|error| {
                io::Error::new(error.kind(), format!("{}: {error}", self.path.display()))
            })
    }
}

/// Whether the path still leads to the file.
fn still_there(file: &File, path: &Path) -> io::Result<()> {
    let ours = file.metadata()?;
    let same = |there: &fs::Metadata| (there.dev(), there.ino()) == (ours.dev(), ours.ino());
    if fs::metadata(path).is_ok_and(|there| same(&there)) {
        return Ok(());
    }
    if ours.nlink() > 0 {
        return Err(io::Error::other(
            "it was renamed or replaced during the run; all results are in the file under its new name: put it back, and start the same command again",
        ));
    }
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".saved-{}", std::process::id()));
    let saved = path.with_file_name(name);
    let message = match save(file, &saved) {
        Ok(()) => format!(
            "it was deleted during the run; what it held is in {}: rename that, and start the same command again",
            saved.display()
        ),
        Err(error) => format!(
            "it was deleted during the run, and what it held cannot be saved to {} ({error}); what was made is looked up in Tray by the next run",
            saved.display()
        ),
    };
    Err(io::Error::other(message))
}

fn save(file: &File, path: &Path) -> io::Result<()> {
    let mut copy = open_new(path)?;
    let mut buffer = vec![0; 256 * 1024];
    let mut at = 0;
    loop {
        let read = file.read_at(&mut buffer, at)?;
        if read == 0 {
            break;
        }
        copy.write_all(&buffer[..read])?;
        at += read as u64;
    }
    copy.sync_all()
}

/// Replays a results file without locking it: for commands that only look.
///
/// # Errors
/// A file that cannot be read or understood.
pub fn read(path: &Path) -> Result<Replay, FileError> {
    replay_of(&open_to_read(path)?, path)
}

/// Opens a results file to read all of its lines.
///
/// # Errors
/// It cannot be opened.
pub fn open_to_read(path: &Path) -> Result<File, FileError> {
    open(path, OpenOptions::new().read(true))
}

/// [`read_of`] of a file that stays as it is as long as what is returned lives: no import can write it, and
/// it is not read while one does.
///
/// # Errors
/// As [`read_of`]; a file that is in use.
pub fn hold(path: &Path, endpoint: &str) -> Result<(Held, Replay), FileError> {
    let file = open_to_read(path)?;
    locked(file.try_lock_shared(), path)?;
    let replay = replay_of(&file, path)?;
    of_endpoint(&replay, path, endpoint)?;
    Ok((Held { _file: file }, replay))
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
pub fn read_of(path: &Path, endpoint: &str) -> Result<Replay, FileError> {
    let replay = read(path)?;
    of_endpoint(&replay, path, endpoint)?;
    Ok(replay)
}

fn open(path: &Path, options: &OpenOptions) -> Result<File, FileError> {
    let io = FileError::io(path);
    // looked at first: to open a pipe may wait for ever, to open a device may do something
    if !fs::metadata(path).map_err(&io)?.is_file() {
        return Err(FileError::Irregular {
            path: path.to_owned(),
        });
    }
    options.open(path).map_err(io)
}

fn of_endpoint(replay: &Replay, path: &Path, endpoint: &str) -> Result<(), FileError> {
    match &replay.header {
        Some(header) if header.endpoint != endpoint => Err(FileError::Endpoint {
            path: path.to_owned(),
            theirs: header.endpoint.clone(),
            ours: endpoint.to_owned(),
        }),
        _ => Ok(()),
    }
}

fn replay_of(file: &File, path: &Path) -> Result<Replay, FileError> {
    let replay = file
        .try_clone()
        .map_err(ReplayError::Io)
        .and_then(replay_file);
    replay.map_err(|error| match error {
        ReplayError::Io(source) => FileError::io(path)(source),
        source => FileError::Replay {
            path: path.to_owned(),
            source,
        },
    })
}

fn locked(outcome: Result<(), TryLockError>, path: &Path) -> Result<(), FileError> {
    outcome.map_err(|error| match error {
        TryLockError::WouldBlock => FileError::Locked {
            path: path.to_owned(),
        },
        TryLockError::Error(source) => FileError::io(path)(source),
    })
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
        let (_, replay) = ResultsFile::open(&path, "e").unwrap().unwrap();
        assert_eq!(replay.header.unwrap().endpoint, "e");
    }

    #[test]
    fn a_torn_tail_is_cut_off() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("results.jsonl");
        drop(ResultsFile::create(&path, "e").unwrap());
        let whole = std::fs::metadata(&path).unwrap().len();
        let mut file = OpenOptions::new().append(true).open(&path).unwrap();
        file.write_all(b"{\"type\":\"row\",\"ro").unwrap();
        let (_, replay) = ResultsFile::open(&path, "e").unwrap().unwrap();
        assert_eq!(replay.torn, 17);
        assert_eq!(std::fs::metadata(&path).unwrap().len(), whole);
    }
}
