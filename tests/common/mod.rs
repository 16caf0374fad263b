//! The harness of the integration tests: the built binary, a sandbox in this process, and what must hold
//! of both whatever happened in between.
//!
//! [`Bench`] is a working directory in which the binary is run, [`Tray`] a sandbox that a test can seed and
//! look into, [`rows`] makes customers, [`audit`] compares what Tray holds with what the customers are.

#![allow(
    dead_code,
    unused_imports,
    reason = "every test binary uses a part of the harness"
)]

pub mod audit;
pub mod checked;
pub mod fuzzing;
pub mod left;
pub mod results;
pub mod rows;
mod run;
pub mod tray;

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use tempfile::TempDir;

pub use results::Results;
pub use run::{Output, Started, Tool};
pub use tray::{MASTER, Tray, catalog};

/// A file or directory of `samples/`.
pub fn sample(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("samples")
        .join(name)
}

/// A working directory, and everything that the tool wrote while the test ran.
///
/// When it goes, it makes sure that no secret is in any of it: every test is a test of that too.
pub struct Bench {
    dir: TempDir,
    /// Where the output of processes is kept, apart from the working directory.
    outputs: TempDir,
    /// Files that hold secrets because the test put them there, or asked for rows to be set aside.
    with_secrets: RefCell<BTreeSet<PathBuf>>,
    runs: RefCell<usize>,
    searched: bool,
}

impl Bench {
    /// An empty working directory.
    pub fn new() -> Self {
        Self {
            dir: TempDir::new().unwrap(),
            outputs: TempDir::new().unwrap(),
            with_secrets: RefCell::default(),
            runs: RefCell::default(),
            searched: true,
        }
    }

    /// A working directory without secrets, whose outputs may speak of canaries: the help does.
    pub fn of_help() -> Self {
        let mut bench = Self::new();
        bench.searched = false;
        bench
    }

    /// A path in the working directory.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Writes an input: a file that may hold secrets.
    pub fn input(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.aside(name);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).unwrap();
        }
        fs::write(&path, bytes).unwrap();
        path
    }

    /// Writes rows as JSON Lines.
    pub fn customers(&self, name: &str, rows: &[Value]) -> PathBuf {
        self.input(name, rows::jsonl(rows))
    }

    /// A path that the tool is asked to write rows with their secrets to.
    pub fn aside(&self, name: &str) -> PathBuf {
        let path = self.path(name);
        self.with_secrets.borrow_mut().insert(path.clone());
        path
    }

    /// A file of the working directory as text.
    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    /// A results file.
    pub fn results(&self, name: &str) -> Results {
        Results::read(&self.path(name))
    }

    /// The binary with these arguments.
    pub fn tool<'b>(&'b self, arguments: &[&str]) -> Tool<'b> {
        Tool::new(self, arguments)
    }

    /// `import INPUT --results r.jsonl` into this Tray, with the samples' catalog and as fast as it goes.
    pub fn import<'b>(&'b self, tray: &Tray, input: &Path) -> Tool<'b> {
        self.tool(&["import"])
            .arg(input)
            .args(["--results", "r.jsonl"])
            .tray(tray)
            .args(["--catalog"])
            .arg(sample("catalog"))
            .args(["--rate", "unlimited", "--enable-delay", "0s"])
    }

    /// `verify r.jsonl` of this Tray, as fast as it goes, without much of a wait before a second look.
    pub fn verify<'b>(&'b self, tray: &Tray) -> Tool<'b> {
        self.verify_after(tray, "10ms")
    }

    fn verify_after<'b>(&'b self, tray: &Tray, settle: &str) -> Tool<'b> {
        self.tool(&["verify", "r.jsonl", "--rate", "unlimited"])
            .args(["--settle", settle, "--timeout", "500ms"])
            .tray(tray)
    }

    /// Makes sure that `verify` finds no difference, can tell everything, and changes nothing.
    #[track_caller]
    pub fn verify_clean(&self, tray: &Tray) -> Value {
        let before = (self.read("r.jsonl"), tray.holds());
        // longer than any listing of the tests lags behind
        let output = self.verify_after(tray, "1500ms").arg("--json").run();
        assert_eq!(output.code, Some(0), "{}", output.shown());
        let summary = output.json();
        assert_eq!(summary["differences"]["total"], 0, "{summary}");
        assert_eq!(summary["unchecked"]["users"], 0, "{summary}");
        for (what, untold) in summary["cannotBeTold"].as_object().unwrap() {
            assert_eq!(*untold, 0, "{what}: {summary}");
        }
        assert!(before == (self.read("r.jsonl"), tray.holds()));
        summary
    }

    /// `validate INPUT` with the samples' catalog.
    pub fn validate<'b>(&'b self, input: &Path) -> Tool<'b> {
        self.tool(&["validate"])
            .arg(input)
            .arg("--catalog")
            .arg(sample("catalog"))
    }

    /// Where the next process's output goes.
    fn next_output(&self) -> (PathBuf, PathBuf) {
        let mut runs = self.runs.borrow_mut();
        *runs += 1;
        let at = |name: &str| self.outputs.path().join(format!("{runs}.{name}"));
        (at("stdout"), at("stderr"))
    }

    /// Searches all that the tool wrote for secrets: the marker of the inputs' secrets, which the master
    /// token bears too, and anything in the form of a user token.
    pub fn no_secret(&self) {
        for root in [self.dir.path(), self.outputs.path()] {
            for path in files(root) {
                if self.with_secrets.borrow().contains(&path) {
                    continue;
                }
                if let Some(found) = secret_in(&fs::read(&path).unwrap()) {
                    panic!("a secret is in {}: {found}", path.display());
                }
            }
        }
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        if self.searched && !std::thread::panicking() {
            self.no_secret();
        }
    }
}

/// Every file under a directory.
fn files(root: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(root).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => found.extend(files(&path)),
            false => found.push(path),
        }
    }
    found
}

/// The surroundings of a secret in these bytes, if there is one.
pub fn secret_in(bytes: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(bytes);
    let marked = text.to_lowercase().find("canary");
    let at = marked.or_else(|| token_in(&text))?;
    let from = text.floor_char_boundary(at.saturating_sub(80));
    let to = text.floor_char_boundary(at + 80);
    Some(text[from..to].to_owned())
}

/// Where 64 hex digits stand, which is what a user token looks like.
fn token_in(text: &str) -> Option<usize> {
    let mut run = 0;
    for (at, byte) in text.bytes().enumerate() {
        run = if byte.is_ascii_hexdigit() { run + 1 } else { 0 };
        if run == 64 {
            return Some(at - 63);
        }
    }
    None
}
