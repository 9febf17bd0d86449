//! A store with results, a server over it, and a client that knows nothing but sockets.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use serde_json::Value as Json;
use tempfile::TempDir;
use vox::id::{BlobId, Digest};

/// A folder with a store of the demo cohort.
pub(crate) struct Demo {
    folder: TempDir,
    /// The nodes that its last run told.
    pub(crate) nodes: Vec<String>,
}

/// Returns the demo that all tests read.
pub(crate) fn demo() -> &'static Demo {
    static DEMO: OnceLock<Demo> = OnceLock::new();
    DEMO.get_or_init(Demo::new)
}

/// Runs `vox` in a folder; returns what it wrote to stdout.
pub(crate) fn vox(folder: &Path, args: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_vox"))
        .args(args)
        .current_dir(folder)
        .env("HOME", folder)
        .env_remove("VOX_STORE")
        .env_remove("VOX_TOKEN_FILE")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "vox {args:?}: {said}");
    String::from_utf8(output.stdout).unwrap()
}

impl Demo {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        vox(folder.path(), &["demo", "d", "--no-run", "--size", "64x64x48"]);
        let run = "run d/lesion.imgql --in flair=d/cases/case-1/case-1_flair.nii.gz \
                   --in seg=d/cases/case-1/case-1_seg.nii.gz -o out --store .vox --keep all \
                   --report report.json";
        vox(folder.path(), &run.split_whitespace().collect::<Vec<_>>());
        let told = fs::read_to_string(folder.path().join("report.json")).unwrap();
        let mut nodes = Vec::new();
        collect(&serde_json::from_str(&told).unwrap(), &mut nodes);
        nodes.sort();
        nodes.dedup();
        assert!(!nodes.is_empty(), "{told}");
        Self { folder, nodes }
    }

    /// Returns a path below the folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Returns the folder.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Returns the stored files, the largest first: names and bytes.
    pub(crate) fn objects(&self) -> Vec<(BlobId, Vec<u8>)> {
        objects(&self.path(".vox"))
    }

    /// Returns a store of the same results that a test may write.
    pub(crate) fn copy(&self) -> TempDir {
        let copy = tempfile::tempdir().unwrap();
        copy_folder(&self.path(".vox"), &copy.path().join(".vox"));
        copy
    }
}

/// Returns the stored files of a store, the largest first.
pub(crate) fn objects(store: &Path) -> Vec<(BlobId, Vec<u8>)> {
    let mut found = Vec::new();
    for folder in fs::read_dir(store.join("objects")).unwrap() {
        let folder = folder.unwrap();
        let name = folder.file_name().into_string().unwrap();
        for file in fs::read_dir(folder.path()).unwrap() {
            let file = file.unwrap();
            let full = format!("{name}{}", file.file_name().to_str().unwrap());
            if let Ok(id) = BlobId::try_from(full.as_str()) {
                found.push((id, fs::read(file.path()).unwrap()));
            }
        }
    }
    found.sort_by_key(|(_, bytes)| std::cmp::Reverse(bytes.len()));
    found
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_folder(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), &target).unwrap();
        }
    }
}

fn collect(json: &Json, nodes: &mut Vec<String>) {
    match json {
        Json::Array(items) => items.iter().for_each(|item| collect(item, nodes)),
        Json::Object(fields) => {
            for (name, value) in fields {
                match value.as_str() {
                    Some(node) if name == "node" => nodes.push(node.to_owned()),
                    _ => collect(value, nodes),
                }
            }
        }
        _ => {}
    }
}

/// A running server.
pub(crate) struct Server {
    child: Child,
    /// `ADDRESS:PORT`.
    pub(crate) address: String,
    /// The token that it made.
    pub(crate) token: String,
    /// What it says on stderr, after it was ready.
    pub(crate) said: Option<BufReader<std::process::ChildStderr>>,
}

impl Server {
    /// Starts one over a folder's store.
    pub(crate) fn start(folder: &Path, args: &[&str]) -> Self {
        Self::started(folder, &[&["--bind", "127.0.0.1:0"], args].concat())
    }

    /// Starts one that says itself where it listens.
    pub(crate) fn started(folder: &Path, args: &[&str]) -> Self {
        let mut child = command(folder, args).spawn().unwrap();
        let mut said = BufReader::new(child.stderr.take().unwrap());
        let (mut address, mut token) = (String::new(), String::new());
        let mut all = String::new();
        while address.is_empty() {
            let mut line = String::new();
            assert!(said.read_line(&mut line).unwrap() > 0, "it ended: {all}");
            if let Some((_, word)) = line.trim().split_once("?token=") {
                token = word.to_owned();
            } else if let Some((_, place)) = line.trim().split_once("listening on ") {
                address = place.trim_start_matches("http://").to_owned();
            }
            all.push_str(&line);
        }
        Self { child, address, token, said: Some(said) }
    }

    /// Asks, with the token.
    pub(crate) fn get(&self, path: &str) -> Reply {
        self.ask("GET", path, &[])
    }

    /// Asks, with the token and more headers.
    pub(crate) fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> Reply {
        self.send(method, path, headers, &[])
    }

    /// Sends a body, with the token.
    pub(crate) fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Reply {
        let bearer = format!("Bearer {}", self.token);
        let mut all = vec![("Authorization", bearer.as_str())];
        all.extend(headers);
        self.bare(method, path, &all, body)
    }

    /// Sends just these headers, and those without which nothing works.
    pub(crate) fn bare(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Reply {
        let request = request(method, path, &self.address, headers, body);
        let mut stream = self.connect();
        stream.write_all(&request).unwrap();
        Reply::read(&mut stream, method)
    }

    /// Opens a connection.
    pub(crate) fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        stream
    }

    /// Sends SIGTERM.
    pub(crate) fn terminate(&self) {
        let pid = rustix::process::Pid::from_raw(self.child.id() as i32).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    }

    /// Waits until it ended; returns its exit code.
    pub(crate) fn wait(&mut self) -> Option<i32> {
        self.child.wait().unwrap().code()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// Returns the command of a server.
pub(crate) fn command(folder: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_vox"));
    command
        .args(["serve", "--store", ".vox"])
        .args(args)
        .current_dir(folder)
        .env("HOME", folder)
        .env_remove("VOX_TOKEN_FILE")
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    command
}

/// Writes a request as it goes over the wire.
pub(crate) fn request(
    method: &str,
    path: &str,
    host: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Vec<u8> {
    let mut text = format!("{method} {path} HTTP/1.1\r\nConnection: close\r\n");
    if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
        text.push_str(&format!("Host: {host}\r\n"));
    }
    for (name, value) in headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    if !body.is_empty() {
        text.push_str(&format!("Content-Length: {}\r\n", body.len()));
    }
    text.push_str("\r\n");
    let mut bytes = text.into_bytes();
    bytes.extend_from_slice(body);
    bytes
}

/// What was answered.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    /// Reads an answer, up to its end or that of the connection.
    pub(crate) fn read(stream: &mut impl Read, method: &str) -> Self {
        let mut reader = BufReader::new(stream);
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        let status = line.split(' ').nth(1).and_then(|status| status.parse().ok());
        let status = status.unwrap_or_else(|| panic!("no status: {line:?}"));
        let mut headers = BTreeMap::new();
        loop {
            line.clear();
            reader.read_line(&mut line).unwrap();
            let Some((name, value)) = line.trim_end().split_once(": ") else { break };
            headers.insert(name.to_ascii_lowercase(), value.to_owned());
        }
        let mut body = Vec::new();
        if method != "HEAD" && status != 304 {
            match headers.get("content-length").and_then(|len| len.parse().ok()) {
                Some(len) => {
                    body.resize(len, 0);
                    reader.read_exact(&mut body).unwrap();
                }
                None => {
                    reader.read_to_end(&mut body).unwrap();
                }
            }
        }
        let mut rest = Vec::new();
        if method == "HEAD" {
            reader.read_to_end(&mut rest).unwrap();
            assert_eq!(rest, b"", "an answer to HEAD has no body");
        }
        Self { status, headers, body }
    }

    /// Returns a header, or nothing.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    /// Returns the body as JSON.
    pub(crate) fn json(&self) -> Json {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|_| panic!("{} {:?}", self.status, String::from_utf8_lossy(&self.body)))
    }

    /// Checks that it is a problem with this status and code.
    pub(crate) fn is_problem(&self, status: u16, code: &str) {
        let text = String::from_utf8_lossy(&self.body);
        assert_eq!(self.status, status, "{text}");
        assert_eq!(self.header("content-type"), "application/problem+json");
        let problem = self.json();
        assert_eq!(problem["status"], status);
        assert_eq!(problem["code"], code, "{text}");
        assert!(!text.contains("/tmp"), "it names a path: {text}");
    }
}

/// Asks through a socket in the file system.
pub(crate) fn through(socket: &Path, method: &str, path: &str, body: &[u8]) -> Reply {
    let mut stream = UnixStream::connect(socket).unwrap();
    let kind = ("Content-Type", "application/octet-stream");
    stream.write_all(&request(method, path, "x", &[kind], body)).unwrap();
    Reply::read(&mut stream, method)
}

/// Returns the name of bytes.
pub(crate) fn name(bytes: &[u8]) -> String {
    Digest::of(bytes).hex()
}

/// Decodes stored bytes.
pub(crate) fn decoded(stored: &[u8]) -> Vec<u8> {
    zstd::stream::decode_all(stored).unwrap()
}
