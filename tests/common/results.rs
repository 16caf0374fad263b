//! Reading a results file, without the tool's own reader.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::Value;

/// A results file: its lines, and each row's last one.
#[derive(Debug)]
pub struct Results {
    /// The first line.
    pub header: Value,
    /// All the others but for those of [`Results::runs`].
    pub lines: Vec<Value>,
    /// What runs say of themselves.
    pub runs: Vec<Value>,
    /// The last line of each row, by the row's key.
    pub last: BTreeMap<String, Value>,
}

impl Results {
    /// Reads a file whose last line may be torn.
    pub fn read(path: &Path) -> Self {
        let text = fs::read_to_string(path).unwrap();
        let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
        let mut lines = whole.lines().map(|line| {
            serde_json::from_str::<Value>(line)
                .unwrap_or_else(|error| panic!("{error} in the results: {line}"))
        });
        let header = lines.next().expect("the results have a header");
        assert_eq!(header["type"], "batch", "{header}");
        let (runs, lines): (Vec<_>, Vec<_>) = lines.partition(|line| line["type"] == "run");
        let mut last = BTreeMap::new();
        for line in &lines {
            assert_eq!(line["type"], "row", "{line}");
            let key = line["key"].as_str().expect("a key").to_owned();
            last.insert(key, line.clone());
        }
        Self {
            header,
            lines,
            runs,
            last,
        }
    }

    /// How many rows are in each state.
    pub fn states(&self) -> BTreeMap<&str, usize> {
        let mut states = BTreeMap::new();
        for line in self.last.values() {
            *states.entry(line["state"].as_str().unwrap()).or_default() += 1;
        }
        states
    }

    /// How many rows are in this state.
    pub fn count(&self, state: &str) -> usize {
        self.states().get(state).copied().unwrap_or_default()
    }

    /// The last line of the row with this number.
    #[track_caller]
    pub fn row(&self, number: u64) -> &Value {
        let mut rows = self.last.values().filter(|line| line["row"] == number);
        let row = rows
            .next()
            .unwrap_or_else(|| panic!("no row {number} in {:#?}", self.last));
        assert!(rows.next().is_none(), "row {number} twice");
        row
    }

    /// Makes sure that all of `count` rows are done.
    #[track_caller]
    pub fn all_done(&self, count: usize) {
        let states = self.states();
        assert_eq!(
            states,
            BTreeMap::from([("done", count)]),
            "{:#?}",
            self.not_done()
        );
    }

    /// The last lines of the rows that are not done.
    pub fn not_done(&self) -> Vec<&Value> {
        self.last
            .values()
            .filter(|line| line["state"] != "done")
            .collect()
    }
}
