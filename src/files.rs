//! Files that hold what concerns nobody else.

use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

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

/// Writes a file whole or not at all: to a neighbour first, which then takes its name. Whoever reads the
/// file meanwhile, or after a crash, sees the old content or the new.
///
/// # Errors
/// When it cannot be written; the path is named and an existing file is as it was.
pub fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    // not `.json`, and hidden: what a crash leaves behind is nobody's catalog
    let beside = path.with_file_name(format!(".{name}.{}.new", std::process::id()));
    let write = || {
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(PRIVATE)
            .open(&beside)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        std::fs::rename(&beside, path)?;
        let directory = path
            .parent()
            .filter(|parent| !parent.as_os_str().is_empty());
        File::open(directory.unwrap_or(Path::new(".")))?.sync_all()
    };
    write().map_err(|error: io::Error| {
        let _ = std::fs::remove_file(&beside);
        io::Error::new(
            error.kind(),
            format!("cannot write {}: {error}", path.display()),
        )
    })
}
