//! Whose fault it is when `SQLite` refuses: the file's, somebody else's, or the machine's.

use std::path::Path;

use rusqlite::ErrorCode;

/// Says whether the file itself is at fault, so that a new one helps.
pub(super) fn is_broken(path: &Path, error: &rusqlite::Error) -> bool {
    match error {
        // A header that forbids writing, in a file that this process may write.
        rusqlite::Error::SqliteFailure(failure, _) if failure.code == ErrorCode::ReadOnly => {
            rustix::fs::access(path, rustix::fs::Access::WRITE_OK).is_ok()
        }
        rusqlite::Error::SqliteFailure(failure, message) => {
            // Rows that break the tables' own rules were written by nobody.
            matches!(
                failure.code,
                ErrorCode::DatabaseCorrupt
                    | ErrorCode::NotADatabase
                    | ErrorCode::ConstraintViolation
                    | ErrorCode::TypeMismatch
            ) || message.as_deref().is_some_and(|message| {
                message.starts_with("no such table") || message.starts_with("no such column")
            })
        }
        rusqlite::Error::InvalidColumnType(..)
        | rusqlite::Error::FromSqlConversionFailure(..)
        | rusqlite::Error::IntegralValueOutOfRange(..) => true,
        _ => false,
    }
}

/// Says whether a file that cannot be opened as a database is at fault: nothing else explains it.
pub(super) fn is_unusable(path: &Path, error: &rusqlite::Error) -> bool {
    let rusqlite::Error::SqliteFailure(failure, _) = error else { return true };
    match failure.code {
        ErrorCode::DatabaseBusy
        | ErrorCode::DatabaseLocked
        | ErrorCode::DiskFull
        | ErrorCode::OutOfMemory
        | ErrorCode::PermissionDenied
        | ErrorCode::CannotOpen => false,
        ErrorCode::ReadOnly => is_broken(path, error),
        _ => true,
    }
}

/// Says whether somebody else is at the file just now.
pub(super) fn is_busy(error: &rusqlite::Error) -> bool {
    matches!(error, rusqlite::Error::SqliteFailure(failure, _)
        if matches!(failure.code, ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked))
}
