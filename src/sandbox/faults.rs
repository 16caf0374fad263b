//! Faults: what networks and gateways do to requests, decided from a seed so that any run can be replayed.
//!
//! A fault is named after what the client sees, and whether the operation was executed: after `drop_after` the
//! effect exists although the client never learns of it.

use std::collections::BTreeMap;
use std::time::Duration;

use super::behaviour::parse_duration;

macro_rules! kinds {
    ($($(#[doc = $doc:literal])+ $variant:ident = $name:literal,)+) => {
        /// One way in which a request goes wrong.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum FaultKind {
            $($(#[doc = $doc])+ $variant,)+
        }

        impl FaultKind {
            /// Every kind.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// Its name in text.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)+
                }
            }

            /// What the client sees, and whether the operation is executed.
            pub fn description(self) -> &'static str {
                match self {
                    $(Self::$variant => concat!($($doc),+).trim_ascii_start(),)+
                }
            }
        }
    };
}

kinds! {
    /// The connection closes without an answer; not executed.
    DropBefore = "drop_before",
    /// The connection closes without an answer; executed.
    DropAfter = "drop_after",
    /// HTTP 500; not executed.
    Status500Before = "status_500_before",
    /// HTTP 500; executed.
    Status500After = "status_500_after",
    /// HTTP 502; not executed.
    Status502Before = "status_502_before",
    /// HTTP 502; executed.
    Status502After = "status_502_after",
    /// HTTP 504; not executed.
    Status504Before = "status_504_before",
    /// HTTP 504; executed.
    Status504After = "status_504_after",
    /// No answer for a long time, then the connection closes; not executed.
    HangBefore = "hang_before",
    /// No answer for a long time, then the connection closes; executed at once.
    HangAfter = "hang",
    /// The answer's full length is announced, half of it arrives; executed.
    Truncated = "truncated",
    /// HTTP 200 with a body that is not JSON; executed.
    Garbage = "garbage",
    /// HTTP 504 at once; executed a while later.
    LateCommit = "late_commit",
    /// The throttled answer though no limit was reached; not executed.
    Throttle = "throttle",
}

impl FaultKind {
    /// Whether the operation is executed before the client sees anything.
    pub fn executes(self) -> bool {
        matches!(
            self,
            Self::DropAfter
                | Self::Status500After
                | Self::Status502After
                | Self::Status504After
                | Self::HangAfter
                | Self::Truncated
                | Self::Garbage
        )
    }
}

/// A fault at a chosen place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScriptedFault {
    /// Root field, for example `createUserAuthentication`.
    pub operation: String,
    /// Which request with that root field, from 1.
    pub nth: u64,
    /// What happens to it.
    pub kind: FaultKind,
}

/// Which faults happen, and how often.
#[derive(Clone, Debug, PartialEq)]
pub struct Faults {
    /// Probability of each kind, per request.
    pub rates: BTreeMap<FaultKind, f64>,
    /// Faults at chosen places, which take precedence.
    pub script: Vec<ScriptedFault>,
    /// How long the hanging kinds hold a request.
    pub hang_for: Duration,
    /// How long after its answer a late commit happens.
    pub late_by: Duration,
}

impl Default for Faults {
    fn default() -> Self {
        Self {
            rates: BTreeMap::new(),
            script: Vec::new(),
            hang_for: Duration::from_secs(60),
            late_by: Duration::from_secs(1),
        }
    }
}

impl Faults {
    /// Every kind equally often, `rate` in total.
    pub fn uniform(rate: f64) -> Self {
        let each = rate / FaultKind::ALL.len() as f64;
        Self {
            rates: FaultKind::ALL.iter().map(|&kind| (kind, each)).collect(),
            ..Self::default()
        }
    }

    /// Only what is scripted: the `nth` request (from 1) with root field `operation` meets `kind`.
    pub fn scripted<'a>(script: impl IntoIterator<Item = (&'a str, u64, FaultKind)>) -> Self {
        let script = (script.into_iter())
            .map(|(operation, nth, kind)| ScriptedFault {
                operation: operation.into(),
                nth,
                kind,
            })
            .collect();
        Self {
            script,
            ..Self::default()
        }
    }

    /// Sets the rate of one kind, or `hang_for` or `late_by`, by name from text.
    ///
    /// # Errors
    ///
    /// The message names what is known, or what the value should be.
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), String> {
        let duration = || {
            parse_duration(value)
                .ok_or_else(|| format!("{name} is a duration such as 500ms or 2s, not \"{value}\""))
        };
        match name {
            "hang_for" => self.hang_for = duration()?,
            "late_by" => self.late_by = duration()?,
            _ => {
                let Some(&kind) = FaultKind::ALL.iter().find(|kind| kind.name() == name) else {
                    let known: Vec<_> = FaultKind::ALL.iter().map(|kind| kind.name()).collect();
                    return Err(format!(
                        "no fault is called \"{name}\"; known: {}, hang_for, late_by",
                        known.join(", ")
                    ));
                };
                let rate = (value.parse::<f64>().ok()).filter(|rate| (0.0..=1.0).contains(rate));
                let rate =
                    rate.ok_or_else(|| format!("{name} is a rate from 0 to 1, not \"{value}\""))?;
                self.rates.insert(kind, rate);
            }
        }
        Ok(())
    }

    /// The fault of the request with this ordinal, by chance alone: the same seed and ordinal, the same answer.
    pub fn drawn(&self, seed: u64, ordinal: u64) -> Option<FaultKind> {
        if self.rates.is_empty() {
            return None;
        }
        // Spread neighbouring ordinals over the whole space before the generator sees them.
        let mixed = ordinal.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let mut draw = fastrand::Rng::with_seed(seed ^ mixed).f64();
        for (&kind, &rate) in &self.rates {
            if draw < rate {
                return Some(kind);
            }
            draw -= rate;
        }
        None
    }
}

/// [`Faults`] under way: counts the requests and says what happens to each.
#[derive(Debug)]
pub struct FaultPlan {
    faults: Faults,
    seed: u64,
    ordinal: u64,
    seen: BTreeMap<String, u64>,
}

impl FaultPlan {
    /// A plan before its first request.
    pub fn new(faults: Faults, seed: u64) -> Self {
        Self {
            faults,
            seed,
            ordinal: 0,
            seen: BTreeMap::new(),
        }
    }

    /// What happens to the next request, which has these root fields.
    pub fn next<'a>(&mut self, operations: impl IntoIterator<Item = &'a str>) -> Option<FaultKind> {
        let ordinal = self.ordinal;
        self.ordinal += 1;
        self.scripted(operations)
            .or_else(|| self.faults.drawn(self.seed, ordinal))
    }

    fn scripted<'a>(&mut self, operations: impl IntoIterator<Item = &'a str>) -> Option<FaultKind> {
        if self.faults.script.is_empty() {
            return None;
        }
        let mut found = None;
        for operation in operations {
            let nth = self.seen.entry(operation.to_owned()).or_default();
            *nth += 1;
            found = found.or_else(|| {
                let due =
                    |fault: &&ScriptedFault| fault.operation == operation && fault.nth == *nth;
                Some(self.faults.script.iter().find(due)?.kind)
            });
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_faults() {
        let faults = Faults::uniform(0.3);
        let run = |seed| {
            let mut plan = FaultPlan::new(faults.clone(), seed);
            (0..500).map(|_| plan.next(["users"])).collect::<Vec<_>>()
        };
        assert_eq!(run(7), run(7));
        assert_ne!(run(7), run(8));
    }

    #[test]
    fn rates_are_kept_and_every_kind_occurs() {
        let faults = Faults::uniform(0.28);
        let drawn: Vec<_> = (0..20_000)
            .filter_map(|ordinal| faults.drawn(1, ordinal))
            .collect();
        assert!((5_300..=5_900).contains(&drawn.len()), "{}", drawn.len());
        for kind in FaultKind::ALL {
            let times = drawn.iter().filter(|&drawn| drawn == kind).count();
            assert!((300..=500).contains(&times), "{}: {times}", kind.name());
        }
    }

    #[test]
    fn a_script_counts_each_operation_on_its_own() {
        let faults = Faults::scripted([("authorize", 2, FaultKind::DropAfter)]);
        let mut plan = FaultPlan::new(faults, 0);
        assert_eq!(plan.next(["authorize"]), None);
        assert_eq!(plan.next(["users"]), None);
        assert_eq!(plan.next(["authorize"]), Some(FaultKind::DropAfter));
        assert_eq!(plan.next(["authorize"]), None);
    }

    #[test]
    fn rates_are_set_by_name() {
        let mut faults = Faults::default();
        faults.set("late_commit", "0.5").unwrap();
        faults.set("late_by", "250ms").unwrap();
        assert_eq!(faults.rates[&FaultKind::LateCommit], 0.5);
        assert_eq!(faults.late_by, Duration::from_millis(250));
        assert!(faults.set("late_commit", "1.5").is_err());
        assert!(
            faults
                .set("late", "0.5")
                .unwrap_err()
                .contains("late_commit,")
        );
    }
}
