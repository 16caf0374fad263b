//! Which of a few known names a row has.
//!
//! It changes from row to row, and a processor that guesses wrongly where a search ends loses more time than the
//! search takes. So known names are told apart by numbers, in a loop that always goes to its end, and only the
//! likely one is then compared.

/// A number for some names. Others may have the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Brief(u64);

/// The number of some names: of their lengths, and of how they begin and end.
#[inline]
pub fn brief(names: &[&str]) -> Brief {
    Brief(names.iter().fold(0, |brief: u64, name| {
        let name = name.as_bytes();
        let ends = match (name.first_chunk::<4>(), name.last_chunk::<4>()) {
            (Some(first), Some(last)) => {
                u64::from(u32::from_le_bytes(*first)) << 32 | u64::from(u32::from_le_bytes(*last))
            }
            _ => match *name {
                [] => 0,
                [a] => a.into(),
                [a, .., b] => u64::from(a) << 16 | u64::from(name[1]) << 8 | u64::from(b),
            },
        };
        (brief ^ ends ^ name.len() as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }))
}

/// The place of the last of `known` that has this number.
#[inline]
pub fn likely(known: impl Iterator<Item = Brief>, brief: Brief) -> Option<usize> {
    let mut likely = usize::MAX;
    for (number, known) in known.enumerate() {
        likely = if known == brief { number } else { likely };
    }
    (likely != usize::MAX).then_some(likely)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_told_apart() {
        let all = [
            "", "a", "b", "ab", "ba", "aab", "abb", "abcd", "abce", "abcde", "bbcde",
        ];
        for (i, a) in all.iter().enumerate() {
            assert_eq!(brief(&[a, "x"]), brief(&[a, "x"]));
            for b in &all[i + 1..] {
                assert_ne!(brief(&[a, "x"]), brief(&[b, "x"]), "{a} {b}");
                assert_ne!(brief(&[a, b]), brief(&[b, a]), "{a} {b}");
            }
        }
        let known = [brief(&["a"]), brief(&["b"])];
        assert_eq!(likely(known.into_iter(), brief(&["b"])), Some(1));
        assert_eq!(likely(known.into_iter(), brief(&["c"])), None);
    }
}
