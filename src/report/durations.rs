//! Many durations in little room: counts by size, each size 5% above the one before.

/// Durations in milliseconds.
#[derive(Debug, Default)]
pub struct Durations {
    counts: Vec<u64>,
    /// How many there are.
    pub count: u64,
    /// The longest, and the row that it was of.
    pub longest: Option<(u64, u64)>,
}

const STEP: f64 = 1.05;

impl Durations {
    /// Adds a duration of a row.
    pub fn add(&mut self, millis: u64, row: u64) {
        let size = ((millis.max(1) as f64).ln() / STEP.ln()) as usize;
        if self.counts.len() <= size {
            self.counts.resize(size + 1, 0);
        }
        self.counts[size] += 1;
        self.count += 1;
        if self.longest.is_none_or(|(longest, _)| millis > longest) {
            self.longest = Some((millis, row));
        }
    }

    /// The duration, in milliseconds and to within 5%, that this share of them does not exceed.
    pub fn quantile(&self, share: f64) -> u64 {
        let wanted = ((self.count as f64 * share).ceil() as u64).max(1);
        let mut below = 0;
        for (size, count) in self.counts.iter().enumerate() {
            below += count;
            if below >= wanted {
                let millis = STEP.powf(size as f64 + 0.5).round() as u64;
                return millis.min(self.longest.map_or(millis, |(longest, _)| longest));
            }
        }
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_within_five_percent() {
        let mut durations = Durations::default();
        assert_eq!(durations.quantile(0.5), 0);
        for millis in 1..=10_000 {
            durations.add(millis, millis);
        }
        for share in [0.1, 0.5, 0.95] {
            let (got, want) = (durations.quantile(share) as f64, share * 10_000.0);
            assert!((got / want - 1.0).abs() < 0.05, "{share}: {got}");
        }
        assert_eq!(durations.longest, Some((10_000, 10_000)));
    }
}
