//! The first line of a results file: which batch it is, and of which Tray.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::error::FoldError;

/// The version of the format that this tool writes. It reads no other.
pub const VERSION: u32 = 1;

/// The first line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Header {
    /// Always `batch`.
    pub r#type: String,
    /// [`VERSION`].
    pub version: u32,
    /// A name for the batch, unique and sortable by time.
    pub batch_id: String,
    /// The GraphQL endpoint that the batch was made with: ids of another mean nothing there.
    pub endpoint: String,
    /// When the file was created.
    pub created_at: Timestamp,
    /// The tool and version that created it.
    pub tool: String,
}

/// Whether a first line without its end is the beginning of a header, or nothing.
pub(super) fn is_torn_header(line: &[u8]) -> bool {
    const START: &[u8] = br#"{"type":"batch""#;
    let text = line.strip_suffix_nuls();
    text.starts_with(START) || START.starts_with(text)
}

/// Reads the first line.
///
/// # Errors
/// Why this is not the header of a results file that this tool can read.
pub(super) fn read_header(line: &[u8]) -> Result<Header, FoldError> {
    let header: Header = serde_json::from_slice(line).map_err(|error| foreign(&error))?;
    if header.r#type != "batch" {
        return Err(FoldError::Foreign("its type is another"));
    }
    if header.version != VERSION {
        return Err(FoldError::Version {
            found: header.version,
        });
    }
    Ok(header)
}

/// The parser's own words may quote the line, and the line of a foreign file may be a secret.
fn foreign(error: &serde_json::Error) -> FoldError {
    FoldError::Foreign(match error.classify() {
        serde_json::error::Category::Data => "it lacks what a header has",
        _ => "it is not JSON",
    })
}

trait StripNuls {
    fn strip_suffix_nuls(&self) -> &[u8];
}

impl StripNuls for [u8] {
    fn strip_suffix_nuls(&self) -> &[u8] {
        let end = self.iter().rposition(|b| *b != 0).map_or(0, |at| at + 1);
        &self[..end]
    }
}
