//! Which of a few known names a row has, looked up once and remembered.
//!
//! It changes from row to row, and a processor that guesses wrongly where a search ends loses more time than the
//! search takes. So known names are told apart by numbers, in a loop that always goes to its end, and only the
//! likely one is then compared.

/// A few names, each with what was found of them.
pub struct Known<const N: usize, T> {
    list: Vec<(Brief, [String; N], T)>,
}

/// So many are remembered; a file with more has the others looked up each time.
const MOST: usize = 16;

impl<const N: usize, T> Default for Known<N, T> {
    fn default() -> Known<N, T> {
        Known { list: Vec::new() }
    }
}

impl<const N: usize, T> Known<N, T> {
    /// The place of these names.
    #[inline]
    pub fn place(&self, names: [&str; N]) -> Option<usize> {
        // an empty `String` points nowhere, and to compare bytes there, none though they are, can take long
        let same = |(known, name): (&String, &str)| {
            known.len() == name.len() && (name.is_empty() || known == name)
        };
        let is = |(_, known, _): &(Brief, [String; N], T)| known.iter().zip(names).all(same);
        likely(self.list.iter().map(|known| known.0), brief(&names))
            .filter(|place| is(&self.list[*place]))
            .or_else(|| self.list.iter().position(is))
    }

    /// What was found of the names at a place.
    pub fn get(&self, place: usize) -> &T {
        &self.list[place].2
    }

    /// Remembers names that are not there yet: their place, if there is one left.
    pub fn add(&mut self, names: [&str; N], found: T) -> Option<usize> {
        if self.list.len() == MOST {
            return None;
        }
        self.list
            .push((brief(&names), names.map(str::to_owned), found));
        Some(self.list.len() - 1)
    }
}

/// A number for some names. Others may have the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Brief(u64);

/// The number of some names: of their lengths, and of how they begin and end.
#[inline]
fn brief(names: &[&str]) -> Brief {
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
fn likely(known: impl Iterator<Item = Brief>, brief: Brief) -> Option<usize> {
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

    #[test]
    fn only_the_names_themselves_are_known() {
        let mut known = Known::default();
        // the last two have one number
        let all = [
            ["c", "1", ""],
            ["c", "1", "x"],
            ["abcdXefgh", "", ""],
            ["abcdYefgh", "", ""],
        ];
        for (number, names) in all.into_iter().enumerate() {
            assert_eq!(known.place(names), None);
            assert_eq!(known.add(names, number), Some(number));
        }
        for (number, names) in all.into_iter().enumerate() {
            assert_eq!(known.place(names).map(|at| *known.get(at)), Some(number));
        }
        let more = (0..MOST).filter_map(|n| known.add([&n.to_string(), "", ""], n));
        assert_eq!(more.count(), MOST - all.len());
    }
}
