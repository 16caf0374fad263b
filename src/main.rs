//! See the library: this is only its way in.

use std::process::ExitCode;

fn main() -> ExitCode {
    tray_import::cli::main(std::env::args_os().collect())
}
