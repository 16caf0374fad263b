//! `completions` and `man`: what the command line says of itself, for shells and for paper.

use std::io;
use std::path::Path;
use std::time::Instant;

use clap::{Command, CommandFactory};
use serde_json::json;

use super::args::Cli;
use super::args::completions::{CompletionsArgs, ManArgs};
use super::exit::{Exit, Failure};
use super::printer::Printer;
use crate::report::summary::Summary;

/// The name under which the tool is called.
const NAME: &str = "tray-import";

/// Prints the completion script of a shell.
pub fn run(args: &CompletionsArgs, printer: &Printer) -> Exit {
    let started = Instant::now();
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), NAME, &mut script);
    // clap_complete 4.6 calls the commands of a tool with a hyphen by two names, and finds no flag of theirs
    let script = String::from_utf8_lossy(&script).replace("tray__subcmd__import", "tray__import");
    if printer.is_json() {
        let mut summary = Summary::new("completions", 0, started.elapsed());
        summary.add("script", json!(script));
        printer.object(&summary.to_json());
    } else {
        printer.result(script.trim_end());
    }
    Exit::Done
}

/// Prints the main manual page, or writes a page for every command.
///
/// # Errors
/// A directory or file that cannot be written.
pub fn man(args: &ManArgs, printer: &Printer) -> Result<Exit, Failure> {
    let started = Instant::now();
    let mut command = Cli::command();
    command.build();
    let mut summary = Summary::new("man", 0, started.elapsed());
    match &args.dir {
        None => {
            let page = page(&command).map_err(Failure::internal)?;
            if !printer.is_json() {
                printer.result(page.trim_end());
            }
            summary.add("page", json!(page));
        }
        Some(dir) => {
            let mut files = Vec::new();
            fs_err::create_dir_all(dir)
                .and_then(|()| write_pages(&command, NAME, dir, &mut files))
                .map_err(|error| Failure::internal(format!("the manual: {error}")))?;
            if !printer.is_json() {
                let (count, dir) = (files.len(), dir.display());
                printer.result(&format!("{count} pages are in {dir}: man {dir}/{NAME}.1"));
            }
            summary.add("files", json!(files));
        }
    }
    if printer.is_json() {
        printer.object(&summary.to_json());
    }
    Ok(Exit::Done)
}

/// One page for the command and one for each below it, named as `man` wants them: `tray-import-import.1`.
fn write_pages(
    command: &Command,
    name: &str,
    dir: &Path,
    files: &mut Vec<String>,
) -> io::Result<()> {
    let file = format!("{name}.1");
    // not private, unlike all else that this tool writes: a manual is for everybody
    fs_err::write(dir.join(&file), page(command)?)?;
    files.push(file);
    for sub in command.get_subcommands().filter(|sub| !sub.is_hide_set()) {
        write_pages(sub, &format!("{name}-{}", sub.get_name()), dir, files)?;
    }
    Ok(())
}

fn page(command: &Command) -> io::Result<String> {
    let mut page = Vec::new();
    clap_mangen::Man::new(command.clone()).render(&mut page)?;
    Ok(String::from_utf8_lossy(&page).into_owned())
}
