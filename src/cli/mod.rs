//! The verbs of the command line.

pub mod plan;
pub mod rules;

/// Runs.
pub fn run() -> std::process::ExitCode {
    std::process::ExitCode::SUCCESS
}
