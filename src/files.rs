//! Files that hold what concerns nobody else.

use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// The mode of every file that this tool writes: read and written by its owner only.
pub const PRIVATE: u32 = 0o600;

/// Creates or empties a file that only its owner can read, also where it existed with other rights.
///
/// # Errors
/// When it cannot be created; the path is named.
pub fn create_private(path: &Path) -> io::Result<File> {
    let open = || {
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(PRIVATE)
            .open(path)?;
        // `/dev/null` and the like are not ours to change
        if file.metadata()?.is_file() {
            file.set_permissions(Permissions::from_mode(PRIVATE))?;
        }
        Ok(file)
    };
    open().map_err(|error: io::Error| {
        io::Error::new(
            error.kind(),
            format!("cannot create {}: {error}", path.display()),
        )
    })
}

/// Writes a file whole or not at all. Whoever reads the file meanwhile, or after a crash, sees the old content
/// or the new.
///
/// # Errors
/// When it cannot be written; the path is named and an existing file is as it was.
pub fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = WholeFile::create(path)?;
    file.write_all(bytes)
        .and_then(|()| file.finish())
        .map_err(|error| {
            let message = format!("cannot write {}: {error}", path.display());
            io::Error::new(error.kind(), message)
        })
}

/// Creates a file that was not there; never writes over one.
///
/// # Errors
/// When there is one already ([`io::ErrorKind::AlreadyExists`]), or it cannot be written; the path is named.
pub fn create_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let write = || {
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(PRIVATE)
            .open(path)?;
        file.write_all(bytes)?;
        file.sync_all()
    };
    write().map_err(|error: io::Error| {
        io::Error::new(
            error.kind(),
            format!("cannot write {}: {error}", path.display()),
        )
    })
}

/// A file that appears whole or not at all: written beside its place, private, and moved there in the end.
///
/// What is no regular file (`/dev/stdout`, a pipe) is written to as it is.
pub struct WholeFile {
    out: BufWriter<File>,
    /// Where it is written, and where it belongs; none where it is written in its place.
    moving: Option<(PathBuf, PathBuf)>,
}

/// Files under way, for a process that is ended from outside.
static UNDER_WAY: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

impl WholeFile {
    /// Begins the file that is to stand at `path`.
    ///
    /// # Errors
    /// When nothing can be created there; the path is named.
    pub fn create(path: &Path) -> io::Result<WholeFile> {
        if path.exists() && !path.is_file() {
            return Ok(WholeFile {
                out: BufWriter::new(create_private(path)?),
                moving: None,
            });
        }
        // what a link points to is replaced, not the link
        let target = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        let mut name = std::ffi::OsString::from(".");
        name.push(target.file_name().unwrap_or_default());
        name.push(format!(".{}.tmp", std::process::id()));
        let temporary = target.with_file_name(name);
        let file = create_private(&temporary).map_err(|error| {
            // the name that was asked for is what tells the reader something
            let cause = error.to_string();
            let cause = cause.rsplit_once(": ").map_or(&*cause, |(_, cause)| cause);
            let message = format!("cannot create {}: {cause}", path.display());
            io::Error::new(error.kind(), message)
        })?;
        lock_under_way().push(temporary.clone());
        Ok(WholeFile {
            out: BufWriter::with_capacity(256 * 1024, file),
            moving: Some((temporary, target)),
        })
    }

    /// Makes sure that all of it is on disk, and moves it to its place.
    ///
    /// # Errors
    /// When it cannot be written; nothing is at its place then that was not there before.
    pub fn finish(mut self) -> io::Result<()> {
        self.out.flush()?;
        if let Some((temporary, target)) = &self.moving {
            self.out.get_ref().sync_all()?;
            std::fs::rename(temporary, target)?;
            lock_under_way().retain(|path| path != temporary);
            let parent = target.parent().filter(|p| !p.as_os_str().is_empty());
            File::open(parent.unwrap_or(Path::new(".")))?.sync_all()?;
            self.moving = None;
        }
        Ok(())
    }
}

impl Write for WholeFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.out.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

impl Drop for WholeFile {
    fn drop(&mut self) {
        if let Some((temporary, _)) = &self.moving {
            // best effort: the process is in trouble already
            let _ = std::fs::remove_file(temporary);
            lock_under_way().retain(|path| path != temporary);
        }
    }
}

/// Removes what is half written, before the process ends without unwinding.
pub fn remove_unfinished() {
    for path in lock_under_way().drain(..) {
        let _ = std::fs::remove_file(path);
    }
}

fn lock_under_way() -> std::sync::MutexGuard<'static, Vec<PathBuf>> {
    UNDER_WAY.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_appears_whole_or_not_at_all() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ids.csv");
        std::fs::write(&path, "before").unwrap();
        let mut file = WholeFile::create(&path).unwrap();
        file.write_all(b"half").unwrap();
        file.flush().unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"before");
        drop(file);
        assert_eq!(std::fs::read(&path).unwrap(), b"before");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
        let mut file = WholeFile::create(&path).unwrap();
        file.write_all(b"whole").unwrap();
        file.finish().unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"whole");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, PRIVATE);
    }
}
