//! A page as a script: the commands of its `console` blocks, in order, with the output that it shows.

use std::fs;
use std::ops::Range;
use std::path::PathBuf;

/// One command of the page.
#[derive(Debug)]
pub struct Step {
    /// Shell text, without the prompt.
    pub command: String,
    /// Where it stands, for messages.
    pub line: usize,
    /// The lines of output that the page shows.
    pub shown: Range<usize>,
    /// Whether the page asks for its exit code next; otherwise it is to be 0.
    pub may_fail: bool,
}

/// The page.
pub struct Page {
    path: PathBuf,
    /// Its lines.
    pub lines: Vec<String>,
}

impl Page {
    /// Reads the page.
    pub fn read(path: PathBuf) -> Page {
        let text = fs::read_to_string(&path).unwrap();
        let lines = text.lines().map(str::to_owned).collect();
        Page { path, lines }
    }

    /// The commands in order.
    pub fn steps(&self) -> Vec<Step> {
        let mut steps: Vec<Step> = Vec::new();
        let mut inside = false;
        for (number, line) in self.lines.iter().enumerate() {
            if line.starts_with("```") {
                inside = !inside && line == "```console";
                continue;
            }
            if !inside {
                continue;
            }
            let begun = steps.last_mut();
            if let Some(command) = line.strip_prefix("$ ") {
                if let Some(before) = begun.filter(|_| command == "echo $?") {
                    before.may_fail = true;
                }
                steps.push(Step {
                    command: command.to_owned(),
                    line: number + 1,
                    shown: number + 1..number + 1,
                    may_fail: false,
                });
                continue;
            }
            let step = begun.expect("output before the first command");
            match line.strip_prefix("> ").or((line == ">").then_some("")) {
                Some(more) if step.shown.is_empty() => {
                    step.command += &format!("\n{more}");
                    step.shown = number + 1..number + 1;
                }
                _ => step.shown.end = number + 1,
            }
        }
        steps
    }

    /// What the page shows of a step's output.
    pub fn shown(&self, step: &Step) -> Vec<String> {
        self.lines[step.shown.clone()].to_vec()
    }

    /// Writes the page with these outputs in place of those it shows.
    pub fn write(&self, outputs: &[(Step, Vec<String>)]) {
        let mut lines = self.lines.clone();
        for (step, output) in outputs.iter().rev() {
            lines.splice(step.shown.clone(), output.iter().cloned());
        }
        fs::write(&self.path, lines.join("\n") + "\n").unwrap();
    }
}

/// What differs from run to run, by name in place of the value.
const VOLATILE: [(&str, &str); 10] = [
    ("%%%%%%%%-%%%%-%%%%-%%%%-%%%%%%%%%%%%", "<id>"),
    ("#-#-#T#:#:#.#Z", "<time>"),
    ("#-#-#T#:#:#Z", "<time>"),
    ("#-#-# #:#:# UTC", "<time>"),
    ("#-#-# #:# UTC", "<time>"),
    ("#.# a second", "<rate>"),
    ("# h # min", "<duration>"),
    ("# min # s", "<duration>"),
    ("#.# s", "<duration>"),
    ("\"elapsedSeconds\":#.#", "<duration>"),
];

/// Output with what differs from run to run taken out.
pub fn normalised(lines: &[String]) -> Vec<String> {
    let of = |line: &String| {
        let line = VOLATILE.iter().fold(line.clone(), |line, (pattern, name)| {
            replaced(&line, pattern, name)
        });
        line.trim_end().to_owned()
    };
    lines.iter().map(of).collect()
}

/// Text with every match of the pattern replaced: `#` stands for digits, `%` for one hex digit.
fn replaced(text: &str, pattern: &str, with: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        // a number is taken from its first digit on
        let inside = out.ends_with(|c: char| c.is_ascii_digit()) && first.is_ascii_digit();
        match matched(rest, pattern).filter(|_| !inside) {
            Some(length) => {
                out += with;
                rest = &rest[length..];
            }
            None => {
                out.push(first);
                rest = &rest[first.len_utf8()..];
            }
        }
    }
    out
}

fn matched(text: &str, pattern: &str) -> Option<usize> {
    let mut at = 0;
    for wanted in pattern.chars() {
        let rest = &text[at..];
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        at += match wanted {
            '#' if digits > 0 => digits,
            '%' if rest.starts_with(|c: char| c.is_ascii_hexdigit()) => 1,
            '#' | '%' => return None,
            literal if rest.starts_with(literal) => literal.len_utf8(),
            _ => return None,
        };
    }
    Some(at)
}

#[test]
fn what_is_volatile_is_taken_out() {
    let line = "row 17 of 20 (12.5 s), 24.8 a second, 3 min 20 s, 2026-11-21 09:05 UTC at 1.25";
    let want = "row 17 of 20 (<duration>), <rate>, <duration>, <time> at 1.25";
    assert_eq!(normalised(&[line.to_owned()]), [want]);
    let id = "id 0190a5b2-7e7f-7cc0-8000-0123456789ab.".to_owned();
    assert_eq!(normalised(&[id]), ["id <id>."]);
}
