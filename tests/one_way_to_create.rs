//! Creations, which must not be repeated, are sent from one function of the whole program.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test ends where something is not as expected"
)]

use std::path::{Path, PathBuf};

use tray_import::tray::operations::ALL;

fn sources(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            found.push(path);
        }
    }
}

/// `createExternalUser` as the name of its static.
fn constant(name: &str) -> String {
    let mut constant = String::new();
    for letter in name.chars() {
        if letter.is_uppercase() {
            constant.push('_');
        }
        constant.push(letter.to_ascii_uppercase());
    }
    constant
}

#[test]
fn a_creation_is_sent_from_one_function() {
    let creations: Vec<_> = (ALL.iter().filter(|operation| !operation.repeatable()))
        .map(|operation| constant(operation.name))
        .collect();
    assert_eq!(creations.len(), 3, "{creations:?}");
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut paths = Vec::new();
    sources(&root, &mut paths);
    let mut named = 0;
    for path in paths {
        let text = std::fs::read_to_string(&path).unwrap();
        let file = path.strip_prefix(&root).unwrap().display().to_string();
        // what is there for tests only is no part of the program
        let text = text.split("#[cfg(test)]\nmod tests").next().unwrap();
        // imports may be wrapped; what is left of a name are its uses
        let text = text
            .split(';')
            .filter(|item| !item.trim_start().starts_with("use "));
        let text = text.collect::<Vec<_>>().join(";");
        for line in text.lines().map(str::trim) {
            let names = |constant: &String| line.contains(constant.as_str());
            if file != "tray/operations.rs" && creations.iter().any(names) {
                let declares = line.starts_with("const OPERATION: &'static Operation = &");
                assert!(declares, "{file}: {line}");
                named += 1;
            }
            if line.contains("::OPERATION") {
                assert_eq!(file, "import/create_once.rs", "{line}");
            }
        }
    }
    assert_eq!(named, creations.len());
}
