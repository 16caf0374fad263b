//! What was typed for `completions` and `man`.

use std::path::PathBuf;

use clap::Args;
use clap_complete::Shell;

/// `completions`.
#[derive(Debug, Args)]
pub struct CompletionsArgs {
    /// The shell
    #[arg(value_enum)]
    pub shell: Shell,
}

/// `man`.
#[derive(Debug, Args)]
pub struct ManArgs {
    /// Write a page for every command into DIR, instead of printing the main one
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
}

/// How it is used.
pub(super) const EXAMPLES: &str = "\
Examples:
  source <(tray-import completions bash)
  tray-import completions zsh > ~/.zfunc/_tray-import
  tray-import completions fish > ~/.config/fish/completions/tray-import.fish";

/// How it is used.
pub(super) const MAN_EXAMPLES: &str = "\
Examples:
  tray-import man | man -l -
  tray-import man --dir ~/.local/share/man/man1 && man tray-import-import";
