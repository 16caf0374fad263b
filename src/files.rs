//! Files that hold what concerns nobody else.

use std::fs::{File, OpenOptions, Permissions};
use std::io;
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
