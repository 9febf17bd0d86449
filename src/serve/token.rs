//! Who may do what: tokens with scopes, and the cookies that browsers get for them.
//!
//! A file of tokens has a line for each: `read`, `run` or `admin`, spaces, and the token, of 16 to 200
//! visible characters; empty lines and those that begin with `#` say nothing. Each scope holds those
//! before it. Only the owner may be able to read the file. In memory there are digests of tokens only:
//! comparing these tells nobody how much of a guess was right.

use std::collections::VecDeque;
use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use subtle::{ConditionallySelectable as _, ConstantTimeEq as _};

use crate::app::error::Error;
use crate::id::Digest;
use crate::store::writer::random;

/// What a caller may do; each holds those before it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Scope {
    /// Ask.
    Read,
    /// Run programs.
    Run,
    /// Put and remove.
    Admin,
}

impl Scope {
    /// Returns the word of files and answers.
    pub fn word(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Run => "run",
            Self::Admin => "admin",
        }
    }

    fn parse(word: &str) -> Option<Self> {
        [Self::Read, Self::Run, Self::Admin].into_iter().find(|scope| scope.word() == word)
    }

    fn of(number: u8) -> Option<Self> {
        [None, Some(Self::Read), Some(Self::Run), Some(Self::Admin)][usize::from(number.min(3))]
    }
}

/// Browsers that are logged in, at most.
const SESSIONS: usize = 256;
/// The lengths of tokens.
const LENGTHS: std::ops::RangeInclusive<usize> = 16..=200;
/// A file of tokens has so many bytes at most.
const FILE: u64 = 1 << 20;

/// The tokens that are known, and the browsers that showed one.
#[derive(Default)]
pub struct Tokens {
    known: Vec<(Scope, Digest)>,
    sessions: Mutex<VecDeque<(Scope, Digest)>>,
    open: Option<Scope>,
}

impl Tokens {
    /// Lets everybody in who can connect.
    pub fn none(scope: Scope) -> Self {
        Self { open: Some(scope), ..Self::default() }
    }

    /// Makes one token that may do everything; returns it too.
    pub fn made() -> Result<(Self, String), Error> {
        let token = hex::encode(random()?);
        let known = vec![(Scope::Admin, Digest::of(token.as_bytes()))];
        Ok((Self { known, ..Self::default() }, token))
    }

    /// Reads a file of tokens.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let failed = |source| Error::Read { path: path.to_owned(), source };
        let mut file = File::open(path).map_err(failed)?;
        let found = file.metadata().map_err(failed)?;
        let bad = |what: &str| Error::Usage(format!("the token file `{}` {what}", path.display()));
        if !found.is_file() || found.size() > FILE {
            return Err(bad("is no file of tokens"));
        }
        if found.mode() & 0o077 != 0 {
            return Err(bad("can be read by others than its owner: `chmod 600` it"));
        }
        let mut text = String::new();
        file.read_to_string(&mut text).map_err(failed)?;
        let known = parse(&text).map_err(|what| bad(&what))?;
        if known.is_empty() {
            return Err(bad("holds no token: a line is `read`, `run` or `admin`, and the token"));
        }
        Ok(Self { known, ..Self::default() })
    }

    /// Says whether a token must be shown.
    pub fn are_needed(&self) -> bool {
        self.open.is_none()
    }

    /// Returns what everybody may do who can connect, if no token must be shown.
    pub fn open(&self) -> Option<Scope> {
        self.open
    }

    /// Returns what a token allows.
    pub fn scope(&self, token: &str) -> Option<Scope> {
        find(self.known.iter(), token)
    }

    /// Returns what a cookie's word allows.
    pub fn session(&self, word: &str) -> Option<Scope> {
        find(self.guard().iter(), word)
    }

    /// Begins a session: returns the word that a cookie holds.
    pub fn begin(&self, scope: Scope) -> Result<String, Error> {
        let word = hex::encode(random()?);
        let mut sessions = self.guard();
        if sessions.len() == SESSIONS {
            sessions.pop_front();
        }
        sessions.push_back((scope, Digest::of(word.as_bytes())));
        Ok(word)
    }

    fn guard(&self) -> std::sync::MutexGuard<'_, VecDeque<(Scope, Digest)>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Looks at every entry, whichever is the right one.
fn find<'a>(known: impl Iterator<Item = &'a (Scope, Digest)>, word: &str) -> Option<Scope> {
    let given = Digest::of(word.as_bytes());
    let mut found = 0u8;
    for (scope, digest) in known {
        let number = *scope as u8 + 1;
        found.conditional_assign(&number.max(found), digest.0.ct_eq(&given.0));
    }
    Scope::of(found)
}

fn parse(text: &str) -> Result<Vec<(Scope, Digest)>, String> {
    let mut known = Vec::new();
    for (at, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let mut words = line.split_ascii_whitespace();
        let bad = |what: &str| format!("line {}: {what}", at + 1);
        let scope = words.next().and_then(Scope::parse);
        let scope = scope.ok_or_else(|| bad("the scope is none of read, run, admin"))?;
        let token = words.next().ok_or_else(|| bad("there is no token behind the scope"))?;
        if words.next().is_some() {
            return Err(bad("there is more than a scope and a token"));
        }
        if !LENGTHS.contains(&token.len()) || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(bad("a token has 16 to 200 visible characters"));
        }
        known.push((scope, Digest::of(token.as_bytes())));
    }
    Ok(known)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_file_is_read_by_its_owner_alone() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "# lab\nread 0123456789abcdef\n\nadmin fedcba9876543210\n")
            .unwrap();
        let tokens = Tokens::read(file.path()).unwrap();
        assert!(tokens.are_needed());
        assert_eq!(tokens.scope("0123456789abcdef"), Some(Scope::Read));
        assert_eq!(tokens.scope("fedcba9876543210"), Some(Scope::Admin));
        assert_eq!(tokens.scope("fedcba987654321"), None);
        assert_eq!(tokens.scope(""), None);
        std::fs::set_permissions(file.path(), Permissions::from_mode(0o640)).unwrap();
        assert!(Tokens::read(file.path()).is_err());
    }

    #[test]
    fn lines_that_are_none_are_told() {
        for text in ["write 0123456789abcdef", "read", "read short", "read 0123456789abcdef more"] {
            assert!(parse(text).unwrap_err().starts_with("line 1"), "{text}");
        }
        assert!(Tokens::read(Path::new("/dev/null")).is_err());
    }

    #[test]
    fn the_oldest_session_goes_when_there_are_too_many() {
        let (tokens, token) = Tokens::made().unwrap();
        assert_eq!(tokens.scope(&token), Some(Scope::Admin));
        let first = tokens.begin(Scope::Run).unwrap();
        assert_eq!(tokens.session(&first), Some(Scope::Run));
        assert_eq!(tokens.session(&token), None);
        for _ in 0..SESSIONS {
            tokens.begin(Scope::Read).unwrap();
        }
        assert_eq!(tokens.session(&first), None);
    }
}
