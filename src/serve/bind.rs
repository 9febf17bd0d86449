//! Where the server listens.

use std::fmt;
use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::unix::fs::FileTypeExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use rustix::fs::Mode;

/// Where the server listens.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Bind {
    /// An address and a port; port 0 takes a free one.
    Tcp(SocketAddr),
    /// A socket in the file system, which only its owner can open.
    Unix(PathBuf),
}

impl Bind {
    /// Says whether only this host reaches it.
    pub fn is_local(&self) -> bool {
        match self {
            Self::Tcp(address) => address.ip().is_loopback(),
            Self::Unix(_) => true,
        }
    }
}

impl Default for Bind {
    fn default() -> Self {
        Self::Tcp(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8731))
    }
}

impl FromStr for Bind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(path) = text.strip_prefix("unix:") {
            return match path {
                "" => Err("`unix:` wants the path of a socket behind it".to_owned()),
                path => Ok(Self::Unix(path.into())),
            };
        }
        let local = text.strip_prefix("localhost:").map(|port| format!("127.0.0.1:{port}"));
        let address = local.as_deref().unwrap_or(text);
        address.parse().map(Self::Tcp).map_err(|_| {
            format!("`{text}` is no address with a port, as in 127.0.0.1:8731 or unix:vox.socket")
        })
    }
}

impl fmt::Display for Bind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => write!(f, "http://{address}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// A socket that listens, and what must be removed when it no longer does.
pub struct Listening {
    /// The socket.
    pub socket: Socket,
    /// The address it got.
    pub bind: Bind,
}

/// A socket that listens.
pub enum Socket {
    /// On an address.
    Tcp(std::net::TcpListener),
    /// In the file system.
    Unix(UnixListener),
}

impl Listening {
    /// Listens. A socket in the file system that nobody listens to any more is replaced; a new one can be
    /// opened by its owner alone from the moment on at which it is there.
    pub fn begin(bind: &Bind) -> io::Result<Self> {
        match bind {
            Bind::Tcp(address) => {
                let socket = std::net::TcpListener::bind(address)?;
                socket.set_nonblocking(true)?;
                let bind = Bind::Tcp(socket.local_addr()?);
                Ok(Self { socket: Socket::Tcp(socket), bind })
            }
            Bind::Unix(path) => {
                remove_left_over(path)?;
                // The mask is the process' own: nothing else runs yet.
                let before = rustix::process::umask(Mode::from_bits_truncate(0o177));
                let socket = UnixListener::bind(path);
                rustix::process::umask(before);
                let socket = socket?;
                socket.set_nonblocking(true)?;
                Ok(Self { socket: Socket::Unix(socket), bind: bind.clone() })
            }
        }
    }
}

/// Removes a socket that a process left behind which ended without a word.
fn remove_left_over(path: &Path) -> io::Result<()> {
    let is_socket = fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_socket());
    if is_socket && UnixStream::connect(path).is_err() {
        fs::remove_file(path)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn addresses_are_read() {
        for (text, is_local) in [
            ("127.0.0.1:8731", true),
            ("localhost:80", true),
            ("[::1]:80", true),
            ("unix:/tmp/a b", true),
            ("0.0.0.0:80", false),
            ("192.168.1.2:80", false),
        ] {
            assert_eq!(text.parse::<Bind>().unwrap().is_local(), is_local, "{text}");
        }
        for text in ["", "unix:", "8731", "example.org:80", "127.0.0.1"] {
            assert!(text.parse::<Bind>().is_err(), "{text}");
        }
    }
}
