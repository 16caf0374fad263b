//! Figures over many scenarios, so that a green run shows what it has been through.

use std::collections::BTreeMap;
use std::fmt;

macro_rules! figures {
    ($($field:ident: $label:literal,)+) => {
        /// What one scenario, or many, went through.
        #[derive(Clone, Debug, Default, PartialEq, Eq)]
        pub(crate) struct Stats {
            $(pub(crate) $field: u64,)+
            /// Calls that met a fault, by kind.
            pub(crate) faults: BTreeMap<&'static str, u64>,
            /// Rows that failed for good, by code.
            pub(crate) failures: BTreeMap<String, u64>,
        }

        impl Stats {
            /// Adds another scenario's figures.
            pub(crate) fn add(&mut self, other: &Stats) {
                $(self.$field += other.$field;)+
                for (kind, count) in &other.faults {
                    *self.faults.entry(kind).or_default() += count;
                }
                for (code, count) in &other.failures {
                    *self.failures.entry(code.clone()).or_default() += count;
                }
            }
        }

        impl fmt::Display for Stats {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                $(writeln!(f, "  {:<38}{:>12}", $label, self.$field)?;)+
                for (kind, count) in &self.faults {
                    writeln!(f, "  {:<38}{count:>12}", format!("fault {kind}"))?;
                }
                for (code, count) in &self.failures {
                    writeln!(f, "  {:<38}{count:>12}", format!("rows failed for good: {code}"))?;
                }
                Ok(())
            }
        }
    };
}

figures! {
    seeds: "seeds",
    rows: "rows",
    done: "rows done",
    held: "rows held for good",
    runs: "runs of the tool",
    crashes: "crashes",
    crashes_in_call: "  with a call under way",
    crashes_in_write: "  with a write under way",
    stops: "graceful stops",
    lost_results: "results files lost",
    disks_full: "disks full",
    torn: "torn tails cut",
    events: "events a crash could fall on",
    calls: "calls that left",
    executed: "calls that Tray executed",
    late_after_crash: "calls executed after their tool had died",
    throttled: "calls throttled",
    settled: "open outcomes settled",
    created: "things created",
    adopted: "things adopted",
    simulated_seconds: "seconds of simulated time",
}
