//! How fast `vox serve` answers, with a client of its own on the same host.
//!
//! `cargo bench --bench serve [-- word]`: `start` (until it listens, and its memory then), `stored` (the stored
//! bytes of a volume of 35.7 MB that does not compress, beside nginx on the same file where there is one),
//! `decoded` (the same, decoded for the client), `small` (blobs of some hundred bytes over 32 connections: how
//! many a second, and how long the slowest hundredth took; the client needs as much of the cores as the
//! server). Files go to a new folder below the system's temporary one (`TMPDIR`).

#![allow(clippy::disallowed_methods, reason = "a bench asks where to write")]
#![expect(clippy::print_stdout, reason = "a bench speaks to people")]

use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use vox::codec::encode::encode;
use vox::pool::Buffer;
use vox::store::entry::{Entry, What};
use vox::store::open::{Options, Store};
use vox::store::place::Place;
use vox::value::data::Value;
use vox::value::grid::Grid;
use vox::value::volume::Volume;

const ROUNDS: usize = 40;
const SMALLS: usize = 2000;
const CONNECTIONS: usize = 32;
const SECONDS: u64 = 5;

fn main() {
    let wanted = std::env::args().skip(1).find(|word| !word.starts_with('-'));
    let is_wanted = |name: &str| wanted.as_ref().is_none_or(|word| name.contains(word.as_str()));
    let folder = tempfile::Builder::new().prefix("vox-bench-").tempdir();
    let folder = folder.expect("a temporary folder can be made");
    let (volume, smalls) = fill(folder.path());
    if is_wanted("start") {
        let mut times: Vec<f64> = (0..15)
            .map(|_| {
                let begin = Instant::now();
                let server = Server::start(folder.path());
                let took = begin.elapsed().as_secs_f64() * 1e3;
                drop(server);
                took
            })
            .collect();
        times.sort_by(f64::total_cmp);
        println!("start until ready   {:8.1} ms median, {:.1} least", times[7], times[0]);
    }
    let server = Server::start(folder.path());
    println!("memory, idle        {:8.1} MB", server.memory());
    if is_wanted("stored") {
        let path = format!("/v1/blob/{volume}");
        let ours = rate(&server.address, &path, "Accept-Encoding: zstd\r\n");
        println!("stored bytes        {ours:8.2} GB/s");
        let object = folder.path().join(".vox/objects").join(&volume[..2]);
        match nginx(folder.path(), &object) {
            Some((nginx, address)) => {
                let theirs = rate(&address, &format!("/{}", &volume[2..]), "");
                println!(
                    "nginx, same file    {theirs:8.2} GB/s, ours is {:.2} of it",
                    ours / theirs
                );
                drop(nginx);
            }
            None => println!("nginx               not here"),
        }
    }
    if is_wanted("decoded") {
        let ours = rate(&server.address, &format!("/cas/{volume}"), "");
        println!("decoded bytes       {ours:8.2} GB/s");
    }
    if is_wanted("small") {
        small(&server.address, &smalls);
    }
    println!("memory, at the end  {:8.1} MB", server.memory());
}

/// Stores a volume and small values; returns their names.
fn fill(folder: &Path) -> (String, Vec<String>) {
    let place = Place { root: folder.join(".vox"), is_cache: false };
    let store = Store::open(&place, &Options::default()).expect("a new store can be made");
    let mut seed = 1u64;
    let mut noise = || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        f32::from_bits((seed >> 32) as u32 & 0x3fff_ffff)
    };
    let grid = Arc::new(Grid::plain(&[240, 240, 155]).expect("a plain grid"));
    let voxels: Vec<f32> = (0..240 * 240 * 155).map(|_| noise()).collect();
    let volume = encode(&Value::Volume(Volume::f32(grid, Buffer::copied(&voxels)))).to_vec();
    let writer = store.writer(None).expect("a writer begins");
    let put = |bytes: Vec<u8>| {
        let name = vox::id::Digest::of(&bytes).hex();
        let entry = Entry { what: What::Object(Box::new(bytes)), lam: 0, claim: None };
        writer.submit(entry).expect("the writer goes on");
        name
    };
    let name = put(volume);
    let smalls = (0..SMALLS)
        .map(|at| {
            let numbers = (0..40).map(|x| Value::Number((at * 40 + x) as f64)).collect();
            put(encode(&Value::sequence(numbers)).to_vec())
        })
        .collect();
    let summary = writer.finish().expect("the writer ends");
    assert!(summary.error.is_none(), "{summary:?}");
    (name, smalls)
}

struct Server {
    child: Child,
    address: String,
}

impl Server {
    fn start(folder: &Path) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_vox"))
            .args(["serve", "--store", ".vox", "--bind", "127.0.0.1:0", "--no-auth", "-q"])
            .current_dir(folder)
            .stderr(Stdio::piped())
            .spawn()
            .expect("vox starts");
        let said = BufReader::new(child.stderr.take().expect("it is a pipe"));
        let address = said.lines().map_while(Result::ok).find_map(|line| {
            line.split_once("listening on http://").map(|(_, address)| address.to_owned())
        });
        Self { child, address: address.expect("it listens") }
    }

    /// Returns resident megabytes.
    fn memory(&self) -> f64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()));
        let status = status.unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kb = line.and_then(|line| line.trim().split(' ').next()?.parse::<f64>().ok());
        kb.unwrap_or(0.0) / 1024.0
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// Starts nginx over a folder, if it is installed.
fn nginx(folder: &Path, root: &Path) -> Option<(Server, String)> {
    let free = std::net::TcpListener::bind("127.0.0.1:0").ok()?.local_addr().ok()?;
    let mut text = String::new();
    writeln!(text, "daemon off; master_process off; pid {0}/nginx.pid;", folder.display()).ok()?;
    writeln!(text, "error_log {0}/nginx.log; events {{}}", folder.display()).ok()?;
    writeln!(text, "http {{ access_log off; sendfile on; tcp_nopush on;").ok()?;
    for kind in ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"] {
        writeln!(text, "{kind}_temp_path {}/{kind};", folder.display()).ok()?;
    }
    writeln!(text, "server {{ listen {free}; root {}; }} }}", root.display()).ok()?;
    let config = folder.join("nginx.conf");
    fs::write(&config, text).ok()?;
    let child = Command::new("nginx").arg("-c").arg(&config).stderr(Stdio::null()).spawn().ok()?;
    let address = free.to_string();
    let begin = Instant::now();
    while TcpStream::connect(&address).is_err() {
        if begin.elapsed() > Duration::from_secs(5) {
            return None;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    Some((Server { child, address: address.clone() }, address))
}

/// One connection that asks again and again.
struct Client {
    stream: BufReader<TcpStream>,
    buffer: Vec<u8>,
    line: String,
}

impl Client {
    fn connect(address: &str) -> Self {
        let stream = TcpStream::connect(address).expect("the server listens");
        stream.set_nodelay(true).expect("a socket takes options");
        Self { stream: BufReader::new(stream), buffer: vec![0; 1 << 20], line: String::new() }
    }

    /// Asks once; returns the bytes of the body.
    fn get(&mut self, path: &str, headers: &str) -> usize {
        let request = format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{headers}\r\n");
        self.stream.get_mut().write_all(request.as_bytes()).expect("the server reads");
        let (mut len, mut is_first) = (0, true);
        loop {
            self.line.clear();
            self.stream.read_line(&mut self.line).expect("the server answers");
            if is_first {
                assert!(self.line.starts_with("HTTP/1.1 200"), "{}", self.line);
                is_first = false;
            }
            if self.line.trim().is_empty() {
                break;
            }
            let line = self.line.to_ascii_lowercase();
            if let Some(count) = line.strip_prefix("content-length:") {
                len = count.trim().parse().expect("a length is a number");
            }
        }
        let mut rest = len;
        while rest > 0 {
            let most = rest.min(self.buffer.len());
            let got = self.stream.read(&mut self.buffer[..most]).expect("the body comes");
            assert!(got > 0, "the body was cut short");
            rest -= got;
        }
        len
    }
}

/// Returns gigabytes a second of one large body, asked for again and again.
fn rate(address: &str, path: &str, headers: &str) -> f64 {
    let mut client = Client::connect(address);
    client.get(path, headers);
    let mut best = 0f64;
    for _ in 0..ROUNDS {
        let begin = Instant::now();
        let len = client.get(path, headers);
        best = best.max(len as f64 / begin.elapsed().as_secs_f64() / 1e9);
    }
    best
}

fn small(address: &str, names: &[String]) {
    let end = Instant::now() + Duration::from_secs(SECONDS);
    let threads: Vec<_> = (0..CONNECTIONS)
        .map(|first| {
            let (address, names) = (address.to_owned(), names.to_vec());
            std::thread::spawn(move || {
                let mut client = Client::connect(&address);
                let mut times = Vec::new();
                let mut at = first;
                while Instant::now() < end {
                    let path = format!("/v1/blob/{}", names[at % names.len()]);
                    let begin = Instant::now();
                    client.get(&path, "Accept-Encoding: zstd\r\n");
                    times.push(begin.elapsed().as_secs_f64() * 1e3);
                    at += CONNECTIONS;
                }
                times
            })
        })
        .collect();
    let mut times: Vec<f64> =
        threads.into_iter().flat_map(|thread| thread.join().expect("a client ends")).collect();
    times.sort_by(f64::total_cmp);
    let (rate, p99) = (times.len() as f64 / SECONDS as f64, times[times.len() * 99 / 100]);
    println!("small blobs         {rate:8.0} a second, p99 {p99:.2} ms");
}
