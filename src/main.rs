//! The binary: a few lines; all else is the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    carebell::cli::run()
}
