//! Stores elsewhere: what the settings say of them, and how a word on the command line means one.

use std::fs;
use std::path::{Path, PathBuf};

use crate::app::config::{self, Config};
use crate::app::environment::Environment;
use crate::app::error::Error;
use crate::peer::directory::Directory;
use crate::peer::http::{Http, Options};
use crate::peer::source::Source;
use crate::store::object::layout::WriterId;

/// What is believed of a store elsewhere.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Trust {
    /// What it says came out of a computation.
    Receipts,
    /// Nothing but bytes whose digest is known here.
    Bytes,
}

impl Trust {
    /// Reads the word.
    pub fn parse(word: &str) -> Option<Self> {
        match word {
            "receipts" => Some(Self::Receipts),
            "bytes" => Some(Self::Bytes),
            _ => None,
        }
    }

    /// Returns the word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Receipts => "receipts",
            Self::Bytes => "bytes",
        }
    }
}

/// A store elsewhere, as the settings name it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Peer {
    /// The address of a server, or a folder.
    pub url: String,
    /// What is believed of it.
    pub trust: Trust,
    /// The file that holds the token.
    pub token_file: Option<PathBuf>,
    /// The file of certificates that the server's must stem from.
    pub ca_file: Option<PathBuf>,
}

/// What `[peer.NAME]` may hold.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PeerTable {
    url: String,
    trust: Option<String>,
    #[serde(alias = "token-file")]
    token_file: Option<PathBuf>,
    #[serde(alias = "ca-file")]
    ca_file: Option<PathBuf>,
}

impl Peer {
    /// Reads a table; relative paths are meant from `folder`.
    pub fn of(table: PeerTable, folder: &Path) -> Result<Self, String> {
        let word = table.trust.as_deref().unwrap_or("bytes");
        let trust = Trust::parse(word);
        let trust = trust.ok_or_else(|| format!("trust: `{word}` is none of receipts, bytes"))?;
        let url = if is_url(&table.url) {
            table.url
        } else {
            folder.join(&table.url).display().to_string()
        };
        let below = |path: Option<PathBuf>| path.map(|path| folder.join(path));
        Ok(Self { url, trust, token_file: below(table.token_file), ca_file: below(table.ca_file) })
    }
}

/// Reads the names of writers.
pub fn writers(texts: &[String]) -> Result<Vec<WriterId>, String> {
    let parse = |text: &String| {
        WriterId::parse(text).ok_or_else(|| {
            format!("distrust: `{text}` is no writer; write the 32 hex digits of its folder")
        })
    };
    texts.iter().map(parse).collect()
}

/// A store elsewhere that can be asked.
pub struct Reached {
    /// It.
    pub source: Box<dyn Source>,
    /// What is believed of it.
    pub trust: Trust,
    /// Whether the settings name it.
    pub is_named: bool,
}

/// Finds what a word means: the name of a peer, an address, or a folder.
///
/// An address that no peer of the settings has is believed for bytes only; a folder for its receipts
/// too, because whoever copies its files with another program believes them as well.
pub fn reach(environment: &Environment, config: &Config, word: &str) -> Result<Reached, Error> {
    let same = |url: &str| url.trim_end_matches('/') == word.trim_end_matches('/');
    let named = config.peers.get(word).or_else(|| {
        let all = config.peers.values();
        all.into_iter().find(|peer| is_url(word) && same(&peer.value.url))
    });
    if let Some(peer) = named {
        let peer = &peer.value;
        return Ok(Reached { source: open(environment, peer)?, trust: peer.trust, is_named: true });
    }
    let trust = if is_url(word) { Trust::Bytes } else { Trust::Receipts };
    if !is_url(word) && !environment.cwd.join(word).is_dir() {
        let names: Vec<&str> = config.peers.keys().map(String::as_str).collect();
        let known = if names.is_empty() {
            "no peer is configured".to_owned()
        } else {
            format!("peers: {}", names.join(", "))
        };
        return Err(Error::Usage(format!(
            "`{word}` is no folder, no address that begins with http:// or https://, and no \
             configured peer ({known})"
        )));
    }
    let peer = Peer { url: word.to_owned(), trust, token_file: None, ca_file: None };
    Ok(Reached { source: open(environment, &peer)?, trust, is_named: false })
}

fn open(environment: &Environment, peer: &Peer) -> Result<Box<dyn Source>, Error> {
    if !is_url(&peer.url) {
        return Ok(Box::new(Directory::at(&environment.cwd.join(&peer.url))?));
    }
    let options = Options {
        token: peer.token_file.as_deref().map(token).transpose()?,
        authority: peer.ca_file.as_deref().map(read).transpose()?,
        ..Options::default()
    };
    Ok(Box::new(Http::at(&peer.url, &options)?))
}

fn read(path: &Path) -> Result<Vec<u8>, Error> {
    let failed = |source| config::Error::Read { path: path.to_owned(), source };
    Ok(fs::read(path).map_err(failed)?)
}

fn token(path: &Path) -> Result<String, Error> {
    let text = String::from_utf8_lossy(&read(path)?).trim().to_owned();
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(Error::Usage(format!(
            "`{}` holds no token: one word of printable characters",
            path.display()
        )));
    }
    Ok(text)
}

fn is_url(text: &str) -> bool {
    text.contains("://")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::app::config::Flags;

    fn config(text: &str) -> (tempfile::TempDir, Environment, Result<Config, String>) {
        let root = tempfile::tempdir().unwrap();
        let cwd = root.path().to_owned();
        fs::write(cwd.join("vox.toml"), text).unwrap();
        let environment = Environment { home: Some(cwd.clone()), cwd, ..Environment::default() };
        let config = Config::gather(&Flags::default(), &environment);
        (root, environment, config.map_err(|error| error.to_string()))
    }

    #[test]
    fn a_peer_is_believed_for_what_the_settings_say() {
        let (root, environment, config) = config(
            "distrust = [\"000102030405060708090a0b0c0d0e0f\"]\n\
             [peer.lab]\nurl = \"http://lab:1/\"\ntrust = \"receipts\"\ntoken-file = \"t\"\n\
             [peer.web]\nurl = \"https://web\"\n[peer.disk]\nurl = \"d\"\n",
        );
        let config = config.unwrap();
        assert_eq!(config.distrust.value.len(), 1);
        fs::create_dir_all(root.path().join("d/objects")).unwrap();
        let reach = |word: &str| reach(&environment, &config, word);
        // Without its token nothing is asked.
        assert!(reach("lab").is_err());
        fs::write(root.path().join("t"), " secret\n").unwrap();
        for (word, trust, is_named) in [
            ("lab", Trust::Receipts, true),
            ("http://lab:1", Trust::Receipts, true),
            ("http://lab:2", Trust::Bytes, false),
            ("https://web/", Trust::Bytes, true),
            ("disk", Trust::Bytes, true),
            ("d", Trust::Receipts, false),
        ] {
            let reached = reach(word).unwrap();
            assert_eq!((reached.trust, reached.is_named), (trust, is_named), "{word}");
        }
        fs::write(root.path().join("t"), "two words").unwrap();
        assert!(reach("lab").is_err());
        let error = reach("nowhere").err().unwrap().to_string();
        assert!(error.contains("lab"), "{error}");
    }

    #[test]
    fn mistakes_name_their_place() {
        for (text, word) in [
            ("[peer.a]\nurl = \"u\"\ntrust = \"all\"", "peer.a"),
            ("[peer.a]\ntrust = \"bytes\"", "url"),
            ("[peer.a]\nurl = \"u\"\nkey = 1", "key"),
            ("distrust = [\"me\"]", "me"),
        ] {
            let error = config(text).2.unwrap_err();
            assert!(error.contains("vox.toml") && error.contains(word), "{error}");
        }
    }
}
