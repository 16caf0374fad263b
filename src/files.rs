//! Files that hold what concerns nobody else.

use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use parking_lot::Mutex;
use tempfile::TempPath;

/// The mode of every file that this tool writes: read and written by its owner only.
pub(crate) const PRIVATE: u32 = 0o600;

/// Creates or empties a file that only its owner can read, also where it existed with other rights.
///
/// # Errors
/// When it cannot be created; the path is named.
pub(crate) fn create_private(path: &Path) -> io::Result<File> {
    let open = || {
        let mut options = OpenOptions::new();
        options
            .write(true)
            .create(true)
            .truncate(true)
            .mode(PRIVATE);
        let file = options.open(path)?;
        // `/dev/null` and the like are not ours to change
        if file.metadata()?.is_file() {
            file.set_permissions(Permissions::from_mode(PRIVATE))?;
        }
        Ok(file)
    };
    open().map_err(naming("create", path))
}

/// A file of text without its byte order mark; UTF-16 that has one is decoded.
///
/// # Errors
/// When it cannot be read, or is not text.
pub fn read_text(path: &Path) -> io::Result<String> {
    let bytes = zeroize::Zeroizing::new(fs_err::read(path)?);
    let invalid = || {
        let message = format!("{} is not text in UTF-8 or UTF-16", path.display());
        io::Error::new(io::ErrorKind::InvalidData, message)
    };
    let wide = |read: fn([u8; 2]) -> u16| {
        let units = bytes[2..]
            .chunks_exact(2)
            .map(|pair| read([pair[0], pair[1]]));
        let text: Result<String, _> = char::decode_utf16(units).collect();
        text.map_err(|_| invalid())
    };
    match bytes.as_slice() {
        [0xff, 0xfe, ..] => wide(u16::from_le_bytes),
        [0xfe, 0xff, ..] => wide(u16::from_be_bytes),
        bytes => {
            let text = std::str::from_utf8(bytes).map_err(|_| invalid())?;
            Ok(text.trim_start_matches('\u{feff}').to_owned())
        }
    }
}

/// Writes a file whole or not at all. Whoever reads the file meanwhile, or after a crash, sees the old content
/// or the new.
///
/// # Errors
/// When it cannot be written; the path is named and an existing file is as it was.
pub(crate) fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = WholeFile::create(path)?;
    file.write_all(bytes)
        .and_then(|()| file.finish())
        .map_err(naming("write", path))
}

/// Creates a file that was not there; never writes over one, and follows no link.
///
/// # Errors
/// When there is one already ([`io::ErrorKind::AlreadyExists`]), or it cannot be written; the path is named.
pub(crate) fn create_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let write = || {
        let mut file = open_new(path)?;
        file.write_all(bytes)?;
        file.sync_all()
    };
    write().map_err(naming("write", path))
}

/// Opens a file that was not there and that only its owner can read; follows no link.
///
/// # Errors
/// As [`create_new`], without the path.
pub(crate) fn open_new(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    (options.write(true).create_new(true).mode(PRIVATE)).open(path)
}

fn naming(what: &str, path: &Path) -> impl Fn(io::Error) -> io::Error {
    move |error| {
        let message = format!("cannot {what} {}: {error}", path.display());
        io::Error::new(error.kind(), message)
    }
}

/// Makes sure that the directory entry of a file is on disk.
///
/// # Errors
/// When it is not, or may not be.
pub(crate) fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(directory(path))?.sync_all()
}

fn directory(path: &Path) -> &Path {
    let parent = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    parent.unwrap_or(Path::new("."))
}

/// A file that appears whole or not at all: written beside its place, private, and moved there in the end.
///
/// What is no regular file (`/dev/stdout`, a pipe) is written to as it is.
pub(crate) struct WholeFile {
    out: BufWriter<File>,
    /// Where it is written, and where it belongs; none where it is written in its place.
    moving: Option<(TempPath, PathBuf)>,
}

/// What is half written, for a process that is ended without unwinding.
static UNFINISHED: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

impl WholeFile {
    /// Begins the file that is to stand at `path`.
    ///
    /// # Errors
    /// When nothing can be created there; the path is named.
    pub(crate) fn create(path: &Path) -> io::Result<WholeFile> {
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
        let created = tempfile::Builder::new()
            .prefix(&name)
            .suffix(".tmp")
            .tempfile_in(directory(&target))
            // the name that was asked for is what tells the reader something
            .map_err(|error| naming("create", path)(error.kind().into()))?;
        let (file, temporary) = created.into_parts();
        UNFINISHED.lock().push(temporary.to_path_buf());
        Ok(WholeFile {
            out: BufWriter::with_capacity(256 * 1024, file),
            moving: Some((temporary, target)),
        })
    }

    /// Makes sure that all of it is on disk, and moves it to its place.
    ///
    /// # Errors
    /// When it cannot be written; nothing is at its place then that was not there before.
    pub(crate) fn finish(mut self) -> io::Result<()> {
        self.out.flush()?;
        if let Some((temporary, target)) = self.moving.take() {
            self.out.get_ref().sync_all()?;
            let path = temporary.to_path_buf();
            let moved = temporary.persist(&target);
            UNFINISHED.lock().retain(|other| *other != path);
            moved?;
            sync_directory(&target)?;
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

/// Removes what is half written, before the process ends without unwinding.
pub(crate) fn remove_unfinished() {
    for path in UNFINISHED.lock().drain(..) {
        // best effort: the process is in trouble already
        let _ = std::fs::remove_file(path);
    }
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
