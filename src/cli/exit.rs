//! Numbers for the shell; no other room knows them.

use std::process::ExitCode;

use crate::app::error::Whose;

/// Returns the exit code of an error, by whose it is.
pub fn code(whose: Whose) -> u8 {
    match whose {
        Whose::Result | Whose::Ours => 1,
        Whose::Usage => 2,
        Whose::Program => 3,
        Whose::Input => 4,
        Whose::Store => 5,
        Whose::Stopped => 130,
    }
}

/// Returns the exit code of a check that says no.
pub fn check_says_no() -> ExitCode {
    ExitCode::from(6)
}

/// Returns the exit code of an error as the process gives it.
pub fn exit(whose: Whose) -> ExitCode {
    ExitCode::from(code(whose))
}
