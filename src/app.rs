//! Joins the floors.

use std::path::Path;
use std::process::ExitCode;

/// Runs the gateway and the console until a signal.
pub fn serve(_config: Option<&Path>) -> ExitCode {
    eprintln!("error: this build has no server yet");
    ExitCode::FAILURE
}

/// Runs the story of a delete and a restore against the bundled mock.
#[cfg(feature = "demo")]
pub fn demo(_once: bool) -> ExitCode {
    eprintln!("error: this build has no demo yet");
    ExitCode::FAILURE
}
