//! Reading the project's own Markdown: headings, code blocks, spans, links.

use std::fs;
use std::path::{Path, PathBuf};

/// The repository.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A page.
pub struct Page {
    /// Relative to the repository.
    pub path: PathBuf,
    /// Its text.
    pub text: String,
}

/// A line of a page, and what it is part of.
pub enum Part<'p> {
    /// `## Title`: how deep, and the title.
    Heading(usize, &'p str),
    /// A line of a code block; the block's language, if it names one.
    Code(&'p str, &'p str),
    /// Anything else.
    Prose(&'p str),
}

impl Page {
    /// The page at this path of the repository.
    pub fn read(path: impl AsRef<Path>) -> Page {
        let path = path.as_ref().to_owned();
        let text = fs::read_to_string(root().join(&path))
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        Page { path, text }
    }

    /// Every page for users.
    pub fn all() -> Vec<Page> {
        let mut paths = vec![
            PathBuf::from("README.md"),
            PathBuf::from("samples/README.md"),
        ];
        for entry in fs::read_dir(root().join("docs")).unwrap() {
            let name = entry.unwrap().file_name();
            if Path::new(&name)
                .extension()
                .is_some_and(|ending| ending == "md")
            {
                paths.push(Path::new("docs").join(name));
            }
        }
        paths.into_iter().map(Page::read).collect()
    }

    /// The lines in order. Blocks are fenced, or indented after an empty line.
    pub fn parts(&self) -> Vec<Part<'_>> {
        let mut parts = Vec::new();
        let (mut fence, mut indented, mut empty) = (None, false, true);
        for line in self.text.lines() {
            if let Some(language) = fence {
                if line.starts_with("```") {
                    fence = None;
                } else {
                    parts.push(Part::Code(language, line));
                }
            } else if let Some(language) = line.strip_prefix("```") {
                fence = Some(language);
            } else if line.starts_with("    ") && (indented || empty) {
                indented = true;
                parts.push(Part::Code("", &line[4..]));
            } else {
                indented = indented && line.is_empty();
                let title = line.trim_start_matches('#');
                let depth = line.len() - title.len();
                parts.push(match depth {
                    0 => Part::Prose(line),
                    _ => Part::Heading(depth, title.trim()),
                });
            }
            empty = line.is_empty();
        }
        assert!(
            fence.is_none(),
            "{}: a code block without end",
            self.path.display()
        );
        parts
    }

    /// What stands between backticks in prose, lines joined.
    pub fn spans(&self) -> Vec<String> {
        let mut spans = Vec::new();
        let mut paragraph = String::new();
        for part in self.parts() {
            match part {
                Part::Prose(line) if !line.is_empty() => {
                    paragraph.push_str(line);
                    // a cell of a table ends with its line
                    paragraph.push(if line.starts_with('|') { '\n' } else { ' ' });
                }
                _ => {
                    let cut = std::mem::take(&mut paragraph);
                    spans.extend(cut.split('`').skip(1).step_by(2).map(str::to_owned));
                }
            }
        }
        spans.extend(paragraph.split('`').skip(1).step_by(2).map(str::to_owned));
        spans
    }

    /// Where the links lead, those of the web left out.
    pub fn links(&self) -> Vec<String> {
        let mut links = Vec::new();
        for part in self.parts() {
            if let Part::Prose(line) = part {
                let targets = line.split("](").skip(1);
                links.extend(targets.filter_map(|rest| Some(rest.split_once(')')?.0.to_owned())));
            }
        }
        links.retain(|link| !link.starts_with("http"));
        links
    }

    /// What links call the headings.
    pub fn anchors(&self) -> Vec<String> {
        let of = |title: &str| -> String {
            let kept = title.to_lowercase();
            let kept = kept
                .chars()
                .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
            kept.map(|c| if c == ' ' { '-' } else { c }).collect()
        };
        let headings = self.parts().into_iter().filter_map(|part| match part {
            Part::Heading(_, title) => Some(of(title)),
            _ => None,
        });
        headings.collect()
    }
}

/// The words of the command lines of the tool in a line of shell, each without the program's name.
pub fn command_lines(shell: &str) -> Vec<Vec<String>> {
    let shell = shell.strip_prefix("$ ").unwrap_or(shell);
    let mut lines = Vec::new();
    for command in commands(shell) {
        let start = match command.iter().position(|word| word == "tray-import") {
            Some(at) if at == 0 || command[..at].iter().all(|word| is_before(word)) => at,
            _ => match command.iter().position(|word| word == "--") {
                Some(at) if command.starts_with(&["cargo".into(), "run".into()]) => at,
                _ => continue,
            },
        };
        lines.push(command[start + 1..].to_vec());
    }
    lines
}

/// What may stand before a command: a variable, a number or a wrapper.
fn is_before(word: &str) -> bool {
    word.contains('=') || matches!(word, "nohup" | "time" | "exec")
}

/// Splits shell text at `|`, `;`, `&&`, cuts off redirections, substitutions and comments, and takes off quotes.
fn commands(shell: &str) -> Vec<Vec<String>> {
    let mut commands = vec![Vec::new()];
    let (mut word, mut any, mut quote) = (String::new(), false, None);
    let mut redirected = false;
    let end = |word: &mut String, any: &mut bool, redirected: &mut bool, into: &mut Vec<String>| {
        if std::mem::take(any) && !std::mem::take(redirected) {
            into.push(std::mem::take(word));
        }
        word.clear();
    };
    for c in shell.chars() {
        let last = commands.len() - 1;
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (None, '\'' | '"') => (quote, any) = (Some(c), true),
            (None, ' ') => end(&mut word, &mut any, &mut redirected, &mut commands[last]),
            (None, '|' | ';' | '&') => {
                end(&mut word, &mut any, &mut redirected, &mut commands[last]);
                commands.push(Vec::new());
            }
            (None, '>' | '<') => {
                word.clear();
                (any, redirected) = (false, true);
            }
            (None, '#') if !any => break,
            (_, c) => {
                word.push(c);
                any = true;
            }
        }
    }
    let last = commands.len() - 1;
    end(&mut word, &mut any, &mut redirected, &mut commands[last]);
    commands
}
