//! The first line of a results file: which batch it is, and of which Tray.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::checksum::{BatchTag, Checksum, check, seal};
use super::error::ReplayError;

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
    pub created_at: Timestamp,
    /// The tool and version that created the file.
    pub tool: String,
}

impl Header {
    /// The header of a new batch.
    pub fn new(endpoint: &str) -> Header {
        Header {
            r#type: "batch".to_owned(),
            version: VERSION,
            batch_id: uuid::Uuid::now_v7().to_string(),
            endpoint: endpoint.to_owned(),
            created_at: Timestamp::now(),
            tool: concat!("tray-import ", env!("CARGO_PKG_VERSION")).to_owned(),
        }
    }

    pub fn tag(&self) -> BatchTag {
        BatchTag::new(&self.batch_id)
    }

    /// The line, its end included.
    pub fn to_line(&self) -> Vec<u8> {
        // writing to memory, of types that always serialise
        let mut line = serde_json::to_vec(self).unwrap_or_default();
        line.push(b'\n');
        seal(&line, self.tag())
    }

    /// Reads the first line.
    ///
    /// # Errors
    /// Why this is not the header of a results file that this tool can read.
    pub(super) fn read(line: &[u8]) -> Result<Header, ReplayError> {
        // the parser's own words may quote the line, and the line of a foreign file may be a secret
        let foreign = |error: serde_json::Error| {
            ReplayError::Foreign(match error.classify() {
                serde_json::error::Category::Data => "it lacks what a header has",
                _ => "it is not JSON",
            })
        };
        let header: Header = serde_json::from_slice(line).map_err(foreign)?;
        if header.r#type != "batch" {
            return Err(ReplayError::Foreign("its type is another"));
        }
        if header.version != VERSION {
            return Err(ReplayError::Version {
                found: header.version,
                known: VERSION,
            });
        }
        match check(line) {
            Checksum::Broken => Err(ReplayError::line(1, "its checksum does not match")),
            _ => Ok(header),
        }
    }
}

/// Whether a first line without its end is the beginning of a header, or nothing. Some file systems leave NULs at
/// the end of a file after a power cut.
pub(super) fn is_torn_header(line: &[u8]) -> bool {
    const START: &[u8] = br#"{"type":"batch""#;
    let end = line.iter().rposition(|b| *b != 0).map_or(0, |at| at + 1);
    line[..end].starts_with(START) || START.starts_with(&line[..end])
}
