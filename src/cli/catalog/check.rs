//! `catalog check`: what is wrong with a catalog, before a row meets it.

use serde_json::json;

use crate::cli::args::Shared;
use crate::cli::exit::{Exit, Failure};
use crate::cli::printer::Printer;
use crate::cli::settings;

/// Runs the command.
///
/// # Errors
/// The first file that cannot be used, with the key.
pub(super) fn run(shared: &Shared, printer: &Printer) -> Result<Exit, Failure> {
    let catalog = settings::catalog(shared, None)?;
    let mut remarks = Vec::new();
    for entry in catalog.entries() {
        let name = format!("{} {}", entry.connector, entry.versions.join(", "));
        for (key, remark) in entry.remarks() {
            remarks.push(json!({
                "file": entry.file.display().to_string(), "key": key, "remark": remark,
            }));
            printer.result(&format!("{name}: {}: {key}{remark}", entry.file.display()));
        }
    }
    let (entries, count) = (catalog.entries().len(), remarks.len());
    if printer.is_json() {
        printer.object(&json!({
            "command": "catalog check", "exitCode": 0, "entries": entries, "remarks": remarks,
        }));
    } else {
        printer.result(&format!("{entries} entries can be used; {count} remarks."));
    }
    Ok(Exit::Done)
}
