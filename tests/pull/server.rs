//! A small web server over a store's folder, as `vox serve` answers or as any that gives out files;
//! and one that lies.

use std::fs;
use std::io::{BufRead as _, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::json;
use vox::id::{Digest, NodeId};
use vox::peer::directory::Directory;
use vox::peer::source::Source as _;

/// What a server does with the paths that it lies about.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Lie {
    /// Another byte in the middle.
    Wrong,
    /// The bytes of something else that the store has.
    Other(PathBuf),
    /// Announces all, sends half.
    Truncated,
    /// Announces half, sends half.
    Half,
    /// Sends more than it announces, and never ends.
    Endless,
    /// Announces more bytes than there are on earth.
    Huge,
    /// Takes the question and sends nothing.
    Silent,
    /// Sends a byte now and then.
    Dribble,
    /// Closes at once.
    Closes,
    /// Answers with this status.
    Status(u16),
    /// Answers with this text.
    Text(String),
    /// Sends elsewhere.
    Redirect(String),
    /// Sends no HTTP.
    Garbage,
}

/// What a server is.
#[derive(Clone, Default)]
pub(crate) struct Manner {
    /// One that gives out files, and lists folders.
    pub(crate) is_plain: bool,
    /// Sends values decoded, as a proxy makes a server do that takes no zstd away.
    pub(crate) is_decoded: bool,
    /// What it wants to be told.
    pub(crate) token: Option<String>,
    /// Which paths it lies about, by a part of them, and how.
    pub(crate) lie: Option<(String, Lie)>,
}

/// A server; dropped, it takes no more connections.
pub(crate) struct Server {
    pub(crate) url: String,
    asked: Arc<Mutex<Vec<String>>>,
    manner: Arc<Mutex<Manner>>,
}

impl Server {
    /// Begins to serve the store in a folder.
    pub(crate) fn of(root: &Path, manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked: Arc<Mutex<Vec<String>>> = Arc::default();
        let manner = Arc::new(Mutex::new(manner));
        let (root, log, how) = (root.to_owned(), asked.clone(), manner.clone());
        // It ends with the process: a test is short.
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (root, log) = (root.clone(), log.clone());
                let manner = how.lock().unwrap().clone();
                std::thread::spawn(move || answer(stream, &root, &manner, &log).ok());
            }
        });
        Self { url, asked, manner }
    }

    /// Returns the paths that were asked for so far.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }

    /// Behaves otherwise from now on.
    pub(crate) fn behave(&self, manner: Manner) {
        *self.manner.lock().unwrap() = manner;
    }
}

fn answer(
    stream: TcpStream,
    root: &Path,
    manner: &Manner,
    asked: &Mutex<Vec<String>>,
) -> std::io::Result<()> {
    let mut out = stream.try_clone()?;
    let mut lines = BufReader::new(stream).lines();
    let first = lines.next().unwrap_or_else(|| Ok(String::new()))?;
    let path = first.split(' ').nth(1).unwrap_or_default().to_owned();
    let mut token = None;
    for line in lines.by_ref() {
        let line = line?;
        if line.is_empty() {
            break;
        }
        if let Some((name, value)) = line.split_once(": ")
            && name.eq_ignore_ascii_case("authorization")
        {
            token = value.strip_prefix("Bearer ").map(str::to_owned);
        }
    }
    asked.lock().unwrap().push(path.clone());
    if manner.token != token {
        return write(&mut out, 401, "text/plain", "", b"who are you?");
    }
    let found = if manner.is_plain { file(root, &path) } else { served(root, &path) };
    match &manner.lie {
        Some((part, lie)) if path.contains(part.as_str()) => tell(&mut out, lie, found),
        _ => match found {
            None => write(&mut out, 404, "text/plain", "", b"no"),
            Some(body) if path.starts_with("/v1/blob") && manner.is_decoded => {
                let raw = zstd::stream::decode_all(&*body)?;
                write(&mut out, 200, "application/cbor", "", &raw)
            }
            Some(body) if path.starts_with("/v1/blob") => {
                write(&mut out, 200, "application/cbor", "Content-Encoding: zstd\r\n", &body)
            }
            Some(body) => write(&mut out, 200, "application/octet-stream", "", &body),
        },
    }
}

fn write(
    out: &mut TcpStream,
    status: u16,
    kind: &str,
    more: &str,
    body: &[u8],
) -> std::io::Result<()> {
    let len = body.len();
    let head = format!(
        "HTTP/1.1 {status} x\r\nContent-Type: {kind}\r\nContent-Length: {len}\r\n{more}Connection: close\r\n\r\n"
    );
    out.write_all(head.as_bytes())?;
    out.write_all(body)
}

fn tell(out: &mut TcpStream, lie: &Lie, found: Option<Vec<u8>>) -> std::io::Result<()> {
    let body = found.unwrap_or_else(|| b"nothing".to_vec());
    let head = |out: &mut TcpStream, len: &str| {
        out.write_all(format!("HTTP/1.1 200 OK\r\n{len}Connection: close\r\n\r\n").as_bytes())
    };
    match lie {
        Lie::Wrong => {
            let mut body = body;
            let at = body.len() / 2;
            body[at] ^= 1;
            write(out, 200, "x/y", "", &body)
        }
        Lie::Other(path) => write(out, 200, "x/y", "", &fs::read(path)?),
        Lie::Truncated => {
            head(out, &format!("Content-Length: {}\r\n", body.len()))?;
            out.write_all(&body[..body.len() / 2])
        }
        Lie::Half => write(out, 200, "x/y", "", &body[..body.len() / 2]),
        Lie::Endless => {
            head(out, "")?;
            loop {
                out.write_all(&[7; 1 << 12])?;
            }
        }
        Lie::Huge => {
            head(out, &format!("Content-Length: {}\r\n", 1u64 << 50))?;
            out.write_all(&body)
        }
        Lie::Silent => {
            std::thread::sleep(Duration::from_secs(3600));
            Ok(())
        }
        Lie::Dribble => {
            head(out, "Content-Length: 1000000\r\n")?;
            loop {
                out.write_all(b"x")?;
                std::thread::sleep(Duration::from_millis(5));
            }
        }
        Lie::Closes => Ok(()),
        Lie::Status(status) => write(out, *status, "x/y", "", &body),
        Lie::Text(text) => write(out, 200, "x/y", "", text.as_bytes()),
        Lie::Redirect(to) => write(out, 302, "x/y", &format!("Location: {to}\r\n"), b""),
        Lie::Garbage => out.write_all(&[0xff; 10_000]),
    }
}

/// Answers as `vox serve` does.
fn served(root: &Path, path: &str) -> Option<Vec<u8>> {
    let directory = Directory::at(root).unwrap();
    let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    match parts[..] {
        ["v1", "heads"] => {
            let mut writers: Vec<serde_json::Value> = Vec::new();
            for offer in directory.heads().unwrap() {
                let (writer, name) = (offer.writer.to_string(), offer.name);
                let segment = json!({
                    "name": name.to_string(), "first": name.first, "last": name.last,
                    "size": offer.size,
                });
                match writers.iter_mut().find(|log| log["writer"] == writer.as_str()) {
                    Some(log) => log["segments"].as_array_mut().unwrap().push(segment),
                    None => writers.push(json!({"writer": writer, "segments": [segment]})),
                }
            }
            let heads = json!({"store": "s", "format": 1, "writers": writers});
            Some(heads.to_string().into_bytes())
        }
        ["v1", "log", writer, name] => {
            let first: u64 = name.split('-').next()?.parse().ok()?;
            let folder = root.join("objects/log").join(writer);
            fs::read(folder.join(format!("{:08}", first / 65536)).join(name)).ok()
        }
        ["v1", "blob", id] => fs::read(root.join("objects").join(&id[..2]).join(&id[2..])).ok(),
        ["ac", node] => {
            let id = NodeId(Digest::parse(node)?);
            let offer = directory.receipt(id).unwrap().into_iter().next()?;
            let segment = format!("{}/{}", offer.writer, offer.name);
            let writer = offer.writer.to_string();
            let told = json!({"node": node, "status": 0, "segment": segment, "writer": writer});
            Some(told.to_string().into_bytes())
        }
        _ => None,
    }
}

/// Answers as a server of files that lists folders does.
fn file(root: &Path, path: &str) -> Option<Vec<u8>> {
    let at = root.join(path.trim_start_matches('/'));
    if !at.is_dir() {
        return fs::read(at).ok();
    }
    let mut page = "<html><body><a href=\"../\">../</a>\n".to_owned();
    for entry in fs::read_dir(at).ok()?.map_while(Result::ok) {
        let slash = if entry.path().is_dir() { "/" } else { "" };
        let name = entry.file_name().into_string().unwrap();
        page += &format!("<a href=\"{name}{slash}\">{name}</a>\n");
    }
    Some(page.into_bytes())
}
