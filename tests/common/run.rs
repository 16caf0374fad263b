//! Running the built binary.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::Write;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use super::{Bench, MASTER, Tray};

/// The binary, about to be run in a bench's directory.
///
/// It inherits nothing of the caller's that could change what it does: neither its own variables nor a proxy.
pub struct Tool<'b> {
    bench: &'b Bench,
    command: Command,
    stdin: Option<Vec<u8>>,
    largest_file: Option<u32>,
}

impl<'b> Tool<'b> {
    pub(super) fn new(bench: &'b Bench, arguments: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tray-import"));
        for (name, _) in std::env::vars_os() {
            let lower = name.to_string_lossy().to_lowercase();
            if lower.starts_with("tray_") || lower.ends_with("_proxy") {
                command.env_remove(name);
            }
        }
        command.args(arguments).current_dir(bench.dir.path());
        Self {
            bench,
            command,
            stdin: None,
            largest_file: None,
        }
    }

    /// One more argument.
    pub fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.command.arg(argument);
        self
    }

    /// More arguments.
    pub fn args<A: AsRef<OsStr>>(mut self, arguments: impl IntoIterator<Item = A>) -> Self {
        self.command.args(arguments);
        self
    }

    /// An environment variable.
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// What standard input holds; without it, nothing.
    pub fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.stdin = Some(bytes.into());
        self
    }

    /// Has the system refuse to let a file grow beyond so many blocks (of 512 or 1024 bytes): a full disk.
    pub fn largest_file(mut self, blocks: u32) -> Self {
        self.largest_file = Some(blocks);
        self
    }

    /// Sends the calls to this Tray, with its master token.
    pub fn tray(self, tray: &Tray) -> Self {
        self.args(["--endpoint", &tray.endpoint(), "--api", &tray.api()])
            .env("TRAY_MASTER_TOKEN", MASTER)
    }

    /// Starts the process and returns at once.
    pub fn start(mut self) -> Started {
        let (stdout, stderr) = self.bench.next_output();
        if let Some(blocks) = self.largest_file {
            self.command = limited(&self.command, blocks);
        }
        let line = format!("{:?}", self.command);
        self.command
            .stdout(File::create(&stdout).unwrap())
            .stderr(File::create(&stderr).unwrap())
            .stdin(match self.stdin {
                Some(_) => Stdio::piped(),
                None => Stdio::null(),
            });
        let mut child = self.command.spawn().unwrap();
        let writer = self.stdin.map(|bytes| {
            let mut pipe = child.stdin.take().unwrap();
            // the tool may end before it has read everything
            std::thread::spawn(move || drop(pipe.write_all(&bytes)))
        });
        Started {
            child,
            line,
            stdout,
            stderr,
            writer,
        }
    }

    /// Runs the process to its end.
    pub fn run(self) -> Output {
        self.start().wait()
    }

    /// Runs the process and makes sure of its exit code.
    pub fn expect(self, code: i32) -> Output {
        self.run().expect(code)
    }

    /// Runs the process with `--json`, makes sure of its exit code and returns the object.
    pub fn json(self, code: i32) -> Value {
        self.arg("--json").expect(code).json()
    }
}

/// The same command in a shell that limits the size of files, and has going beyond it be an error only.
fn limited(command: &Command, blocks: u32) -> Command {
    let mut shell = Command::new("sh");
    let script = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" \"$@\"");
    shell.args(["-c", &script]).arg(command.get_program());
    shell.args(command.get_args());
    shell.current_dir(command.get_current_dir().unwrap());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => shell.env(name, value),
            None => shell.env_remove(name),
        };
    }
    shell
}

/// A process under way.
pub struct Started {
    child: Child,
    line: String,
    stdout: PathBuf,
    stderr: PathBuf,
    writer: Option<std::thread::JoinHandle<()>>,
}

impl Started {
    /// The process's id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Whether it still runs.
    pub fn runs(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Standard output so far.
    pub fn stdout(&self) -> String {
        fs::read_to_string(&self.stdout).unwrap()
    }

    /// Ends it as a crash would: with SIGKILL.
    pub fn kill(mut self) -> Output {
        self.child.kill().unwrap();
        self.wait()
    }

    /// Sends a signal by name, such as `INT`.
    pub fn signal(&self, name: &str) {
        let status = Command::new("sh")
            .args(["-c", "kill -s \"$0\" \"$1\"", name, &self.id().to_string()])
            .status();
        assert!(status.unwrap().success());
    }

    /// Waits for its end.
    pub fn wait(mut self) -> Output {
        let status = self.child.wait().unwrap();
        if let Some(writer) = self.writer {
            writer.join().unwrap();
        }
        Output {
            line: self.line,
            code: status.code(),
            stdout: String::from_utf8(fs::read(self.stdout).unwrap()).unwrap(),
            stderr: String::from_utf8(fs::read(self.stderr).unwrap()).unwrap(),
        }
    }
}

/// What a process that has ended left behind.
#[derive(Debug)]
pub struct Output {
    line: String,
    /// Exit code; none where a signal ended it.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Output {
    /// Makes sure of the exit code.
    #[track_caller]
    pub fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{}", self.shown());
        self
    }

    /// Makes sure that standard error holds all of these.
    #[track_caller]
    pub fn says(self, parts: &[&str]) -> Self {
        for part in parts {
            assert!(
                self.stderr.contains(part),
                "no {part:?} in\n{}",
                self.shown()
            );
        }
        self
    }

    /// Makes sure that one of the two outputs holds all of these.
    #[track_caller]
    pub fn tells(self, parts: &[&str]) -> Self {
        for part in parts {
            let told = self.stdout.contains(part) || self.stderr.contains(part);
            assert!(told, "no {part:?} in\n{}", self.shown());
        }
        self
    }

    /// Standard output as the one object that `--json` promises.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("no single object ({error})\n{}", self.shown()))
    }

    /// All of it, for a message.
    pub fn shown(&self) -> String {
        format!(
            "{}\nexit {:?}\n--- stdout\n{}\n--- stderr\n{}",
            self.line, self.code, self.stdout, self.stderr
        )
    }
}
