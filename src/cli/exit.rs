//! Numbers for the shell.

use std::process::ExitCode;

use crate::app::error::Whose;

/// Returns the exit code of a check that says no.
pub fn check_says_no() -> ExitCode {
    ExitCode::from(6)
}

/// Returns the exit code of an error as the process gives it.
pub fn exit(whose: Whose) -> ExitCode {
    ExitCode::from(whose.code())
}
