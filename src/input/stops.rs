//! Where the separators, quotes and line ends of CSV text stand: 64 bytes are looked at in one go.

use wide::u8x16;

/// Goes from one separator, quote or line end to the next.
#[derive(Clone, Copy)]
pub(super) struct Stops<'b> {
    bytes: &'b [u8],
    delimiter: u8x16,
    /// Where the piece under way begins.
    base: usize,
    /// The stops of the piece that have not been passed: a bit for each byte, the first byte's the lowest.
    ahead: u64,
}

const PIECE: usize = 64;

impl<'b> Stops<'b> {
    pub(super) fn new(bytes: &'b [u8], delimiter: u8) -> Stops<'b> {
        let mut stops = Stops {
            bytes,
            delimiter: u8x16::splat(delimiter),
            base: 0,
            ahead: 0,
        };
        stops.go_to(0);
        stops
    }

    /// Has the next stop be the first one at `at` or behind it.
    pub(super) fn go_to(&mut self, at: usize) {
        self.base = at;
        self.look();
    }

    /// Passes the next stop, and says where it is.
    #[inline]
    pub(super) fn pass(&mut self) -> Option<usize> {
        while self.ahead == 0 {
            if self.base >= self.bytes.len() {
                return None;
            }
            self.base += PIECE;
            self.look();
        }
        let at = self.base + self.ahead.trailing_zeros() as usize;
        self.ahead &= self.ahead - 1;
        Some(at)
    }

    #[inline]
    fn look(&mut self) {
        let rest = self.bytes.get(self.base..).unwrap_or_default();
        let mut end = [0; PIECE];
        let piece = rest.first_chunk::<PIECE>().unwrap_or_else(|| {
            end[..rest.len()].copy_from_slice(rest);
            &end
        });
        let (parts, _) = piece.as_chunks::<16>();
        self.ahead = 0;
        for (number, part) in parts.iter().enumerate() {
            let part = u8x16::new(*part);
            let is_stop = part.simd_eq(self.delimiter)
                | part.simd_eq(u8x16::splat(b'\n'))
                | part.simd_eq(u8x16::splat(b'"'));
            self.ahead |= u64::from(is_stop.to_bitmask()) << (number * 16);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_stop_is_passed_once(text in "[abc,\n\"\u{e4}]{0,200}", from in 0..200_usize) {
            let bytes = text.as_bytes();
            let from = from.min(bytes.len());
            let mut stops = Stops::new(bytes, b',');
            stops.go_to(from);
            let passed: Vec<usize> = std::iter::from_fn(|| stops.pass()).collect();
            let is_stop = |at: &usize| matches!(bytes[*at], b',' | b'\n' | b'"');
            prop_assert_eq!(passed, (from..bytes.len()).filter(is_stop).collect::<Vec<_>>());
        }
    }
}
