//! Opening an input: which format, which compression, and which file exactly.

use std::io::{self, BufReader, Read};
use std::path::Path;
use std::time::SystemTime;

use zeroize::Zeroizing;

use crate::issue::Code;

/// How the text of an input is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Comma-separated values with a header.
    Csv,
    /// Tab-separated values with a header.
    Tsv,
    /// One JSON object a line.
    Jsonl,
}

impl Format {
    /// The byte between two cells; none for JSON Lines.
    pub fn delimiter(self) -> Option<u8> {
        match self {
            Format::Csv => Some(b','),
            Format::Tsv => Some(b'\t'),
            Format::Jsonl => None,
        }
    }
}

/// Why an input cannot be read at all.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The file cannot be opened or read.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The name ends in nothing known.
    #[error("cannot tell the format of {name}; name it with --format csv, tsv or jsonl")]
    UnknownFormat {
        /// The input as the user named it.
        name: String,
    },
    /// An encoding that is refused by name.
    #[error("the file is {encoding}, not UTF-8; convert it first (iconv -f {encoding} -t UTF-8)")]
    Encoding {
        /// The encoding's usual name.
        encoding: &'static str,
    },
}

impl OpenError {
    /// The issue code, where the content of the file is at fault rather than the call.
    pub fn code(&self) -> Option<Code> {
        matches!(self, OpenError::Encoding { .. }).then_some(Code::Encoding)
    }
}

/// What tells that a file is still the same one between two readings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fingerprint {
    len: u64,
    modified: Option<SystemTime>,
}

impl Fingerprint {
    /// Length and modification time of the file at `path`.
    ///
    /// # Errors
    /// When the file is not there any more.
    pub fn of(path: &Path) -> io::Result<Fingerprint> {
        let meta = std::fs::metadata(path)?;
        Ok(Fingerprint {
            len: meta.len(),
            modified: meta.modified().ok(),
        })
    }
}

/// An input, decompressed and ready to be cut into blocks.
pub struct Opened {
    /// The text, without compression and without a byte order mark.
    pub reader: Box<dyn Read + Send>,
    /// How it is laid out.
    pub format: Format,
}

const MAGIC_GZIP: &[u8] = &[0x1f, 0x8b];
const MAGIC_ZSTD: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];
const BOM_UTF8: &[u8] = &[0xef, 0xbb, 0xbf];
const BUFFER: usize = 256 * 1024;

/// Opens `path` (`-` is standard input). The format comes from `format`, else from the name
/// (`.csv .tsv .jsonl .ndjson`, then `.gz .zst`), else, for standard input, from the first byte.
///
/// # Errors
/// A file that cannot be read, a name that says nothing, or an encoding other than UTF-8.
pub fn open(path: &Path, format: Option<Format>) -> Result<Opened, OpenError> {
    if path.as_os_str() == "-" {
        return open_reader(Box::new(io::stdin()), format);
    }
    let file = fs_err::File::open(path)?;
    if file.metadata()?.is_dir() {
        return Err(OpenError::Io(io::Error::new(
            io::ErrorKind::IsADirectory,
            format!("{} is a directory, not a file of customers", path.display()),
        )));
    }
    let Some(format) = format.or_else(|| format_of(path)) else {
        return Err(OpenError::UnknownFormat {
            name: path.display().to_string(),
        });
    };
    // without the wrapper, which has each piece of memory filled with zeros before it is read into
    let (file, _) = file.into_parts();
    open_reader(Box::new(file), Some(format))
}

/// Opens what has no name. Without a format, its first byte says which it is.
///
/// # Errors
/// See [`open`].
pub fn open_reader(raw: Box<dyn Read + Send>, format: Option<Format>) -> Result<Opened, OpenError> {
    let (start, text) = peek(decompress(raw)?)?;
    let big = start.starts_with(&[0xfe, 0xff]);
    if big || (start.starts_with(&[0xff, 0xfe]) && start != [0xff, 0xfe, 0, 0]) {
        // units are read one by one
        let units = BufReader::new(io::Cursor::new(start[2..].to_vec()).chain(text));
        return open_reader(Box::new(Utf16::new(units, big)), format);
    }
    refuse_other_encodings(&start)?;
    let skip = usize::from(start.starts_with(BOM_UTF8)) * BOM_UTF8.len();
    let format = format.unwrap_or(match start.get(skip) {
        Some(b'{') => Format::Jsonl,
        _ => Format::Csv,
    });
    let text = io::Cursor::new(start[skip..].to_vec()).chain(text);
    Ok(Opened {
        reader: Box::new(text),
        format,
    })
}

/// UTF-16 as UTF-8.
struct Utf16<R> {
    reader: R,
    big: bool,
    /// Text that was not asked for yet, from `at` on.
    text: Zeroizing<Vec<u8>>,
    at: usize,
}

impl<R: Read> Utf16<R> {
    fn new(reader: R, big: bool) -> Utf16<R> {
        Utf16 {
            reader,
            big,
            text: Zeroizing::new(Vec::with_capacity(3 * UNITS)),
            at: 0,
        }
    }

    /// The next units, with both halves of a surrogate pair.
    fn units(&mut self) -> io::Result<Zeroizing<Vec<u16>>> {
        let mut units = Zeroizing::new(Vec::with_capacity(UNITS + 1));
        let is_open = |units: &[u16]| {
            units
                .last()
                .is_some_and(|unit| (0xd800..0xdc00).contains(unit))
        };
        while units.len() < UNITS || is_open(&units) {
            let mut unit = [0; 2];
            match self.reader.read(&mut unit[..1])? {
                0 => break,
                _ => self.reader.read_exact(&mut unit[1..])?,
            }
            units.push(match self.big {
                true => u16::from_be_bytes(unit),
                false => u16::from_le_bytes(unit),
            });
        }
        Ok(units)
    }
}

/// So many units are decoded at a time.
const UNITS: usize = 8192;

impl<R: Read> Read for Utf16<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.at == self.text.len() {
            let units = self.units()?;
            self.text.clear();
            self.at = 0;
            for character in char::decode_utf16(units.iter().copied()) {
                let character = character.map_err(|_| {
                    io::Error::new(io::ErrorKind::InvalidData, "the file is no valid UTF-16")
                })?;
                self.text
                    .extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
            }
        }
        let count = into.len().min(self.text.len() - self.at);
        into[..count].copy_from_slice(&self.text[self.at..self.at + count]);
        self.at += count;
        Ok(count)
    }
}

/// The format that a file's name says, compression endings aside.
pub fn format_of(path: &Path) -> Option<Format> {
    let name = path.file_name()?.to_str()?.to_ascii_lowercase();
    let plain = name
        .strip_suffix(".gz")
        .or_else(|| name.strip_suffix(".zst"))
        .unwrap_or(&name);
    let ending = plain.rsplit_once('.')?.1;
    match ending {
        "csv" => Some(Format::Csv),
        "tsv" | "tab" => Some(Format::Tsv),
        "jsonl" | "ndjson" => Some(Format::Jsonl),
        _ => None,
    }
}

/// The text. Goes by the first bytes rather than the name, so that a renamed or piped file works too.
fn decompress(raw: Box<dyn Read + Send>) -> io::Result<Box<dyn Read + Send>> {
    let (start, raw) = peek(raw)?;
    let (gzip, zstd) = (start.starts_with(MAGIC_GZIP), start.starts_with(MAGIC_ZSTD));
    let raw = io::Cursor::new(start).chain(raw);
    let buffered = |raw| BufReader::with_capacity(BUFFER, raw);
    Ok(if gzip {
        Box::new(flate2::bufread::MultiGzDecoder::new(buffered(raw)))
    } else if zstd {
        Box::new(zstd::stream::read::Decoder::with_buffer(buffered(raw))?)
    } else {
        // read in large pieces as it is: a buffer would only copy
        Box::new(raw)
    })
}

/// The first four bytes (fewer where the input ends) and the reader that goes on behind them. A pipe may
/// deliver a byte at a time, so this reads until it has them.
fn peek<R: Read>(mut reader: R) -> io::Result<(Vec<u8>, R)> {
    let mut start = Vec::with_capacity(4);
    reader.by_ref().take(4).read_to_end(&mut start)?;
    Ok((start, reader))
}

fn refuse_other_encodings(start: &[u8]) -> Result<(), OpenError> {
    let encoding = match start {
        [0xff, 0xfe, 0, 0] => "UTF-32LE",
        [0, 0, 0xfe, 0xff] => "UTF-32BE",
        [0xff, 0xfe, ..] => "UTF-16LE",
        [0xfe, 0xff, ..] => "UTF-16BE",
        // without a byte order mark: ASCII text in UTF-16 has a zero in every other byte
        [a, 0, b, 0] if a.is_ascii_graphic() && b.is_ascii_graphic() => "UTF-16LE",
        [0, a, 0, b] if a.is_ascii_graphic() && b.is_ascii_graphic() => "UTF-16BE",
        _ => return Ok(()),
    };
    Err(OpenError::Encoding { encoding })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_by_name() {
        let of = |name: &str| format_of(Path::new(name));
        assert_eq!(of("a/customers.csv"), Some(Format::Csv));
        assert_eq!(of("customers.CSV.gz"), Some(Format::Csv));
        assert_eq!(of("x.tsv.zst"), Some(Format::Tsv));
        assert_eq!(of("x.ndjson"), Some(Format::Jsonl));
        assert_eq!(of("x.xlsx"), None);
        assert_eq!(of("csv"), None);
    }

    #[test]
    fn other_encodings_are_refused_by_name() {
        for (bytes, name) in [
            (&b"\xff\xfea\0"[..], "UTF-16LE"),
            (b"\xfe\xff\0a", "UTF-16BE"),
            (b"a\0b\0", "UTF-16LE"),
            (b"\xff\xfe\0\0", "UTF-32LE"),
        ] {
            let error = refuse_other_encodings(bytes).unwrap_err().to_string();
            assert!(error.contains(name), "{error}");
        }
        assert!(refuse_other_encodings(b"exte").is_ok());
    }
}
