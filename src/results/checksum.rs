//! The end of every line: a CRC32C over the line and the batch it belongs to, as
//! `"crc":"<checksum>-<batch>"}`.
//!
//! It buys two things. A line that still reads as JSON but is not what was written (a flipped bit, an edit by
//! hand, lines of another results file pasted in) is noticed. And a line whose checksum holds need not be parsed
//! to be known as whole: of a row's six lines or so, only the last is (see [`super::replay`]).
//!
//! Lines of versions that wrote no checksum have none, and are read.

use std::io::Write;

/// Which batch a line belongs to: 16 bits of its id's digest, enough to notice lines of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchTag(u16);

impl BatchTag {
    pub fn new(batch_id: &str) -> BatchTag {
        BatchTag(crate::model::digest("batch", &[batch_id]) as u16)
    }
}

/// What the checksum of a line says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Checksum {
    /// There is none.
    Absent,
    /// The line is as it was written, for this batch.
    Holds(BatchTag),
    /// The line is not as it was written.
    Broken,
}

const KEY: &[u8] = br#","crc":""#;
/// `01234567-89ab"}`
const VALUE: usize = 15;

/// Gives each of these lines its checksum.
pub fn seal(lines: &[u8], tag: BatchTag) -> Vec<u8> {
    let mut sealed = Vec::with_capacity(lines.len() + lines.len() / 8);
    for line in lines.split_inclusive(|byte| *byte == b'\n') {
        match line.strip_suffix(b"}\n") {
            Some(open) => {
                sealed.extend_from_slice(open);
                let crc = crc(open, tag);
                // memory takes everything
                let _ = writeln!(sealed, ",\"crc\":\"{crc:08x}-{:04x}\"}}", tag.0);
            }
            None => sealed.extend_from_slice(line),
        }
    }
    sealed
}

/// Looks at the checksum of a line without its end.
pub(super) fn check(line: &[u8]) -> Checksum {
    let split = line.len().checked_sub(VALUE).map(|at| line.split_at(at));
    let Some((before, value)) = split else {
        return Checksum::Absent;
    };
    let Some(open) = before.strip_suffix(KEY) else {
        return Checksum::Absent;
    };
    // as it is written: in lower case, without a sign
    let digit = |number: u32, byte: &u8| match byte {
        b'0'..=b'9' => Some(number << 4 | u32::from(byte - b'0')),
        b'a'..=b'f' => Some(number << 4 | u32::from(byte - b'a' + 10)),
        _ => None,
    };
    let hex = |digits: &[u8]| digits.iter().try_fold(0, digit);
    let read = || {
        let tag = BatchTag(u16::try_from(hex(&value[9..13])?).ok()?);
        let holds =
            value[8] == b'-' && &value[13..] == b"\"}" && hex(&value[..8])? == crc(open, tag);
        holds.then_some(tag)
    };
    read().map_or(Checksum::Broken, Checksum::Holds)
}

fn crc(line: &[u8], tag: BatchTag) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(line), &tag.0.to_le_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_changed_byte_is_noticed() {
        let tag = BatchTag::new("b");
        let sealed = seal(b"{\"a\":1}\n{\"b\":[2]}\n", tag);
        let lines: Vec<&[u8]> = sealed.split(|byte| *byte == b'\n').collect();
        assert_eq!(check(lines[0]), Checksum::Holds(tag));
        assert_eq!(check(lines[1]), Checksum::Holds(tag));
        assert_eq!(check(b"{\"a\":1}"), Checksum::Absent);
        let value: serde_json::Value = serde_json::from_slice(lines[1]).unwrap();
        assert_eq!(value["b"][0], 2);
        for at in 0..lines[0].len() {
            for bit in 0..8 {
                let mut bent = lines[0].to_vec();
                bent[at] ^= 1 << bit;
                assert!(!matches!(check(&bent), Checksum::Holds(_)), "{at}");
            }
        }
    }
}
