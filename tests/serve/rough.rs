//! Clients that behave badly, and a server that ends.

use std::io::{Read as _, Write as _};
use std::net::Shutdown;
use std::time::{Duration, Instant};

use crate::desk::{Reply, Server, demo, request};

fn is_well(server: &Server) {
    assert_eq!(server.get("/v1/version").status, 200);
}

#[test]
fn garbage_is_answered_or_dropped() {
    let server = Server::start(demo().folder(), &["-q"]);
    let long =
        format!("GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: {}\r\n\r\n", "x".repeat(100_000));
    let many =
        format!("GET /healthz HTTP/1.1\r\nHost: localhost\r\n{}\r\n", "X: y\r\n".repeat(500));
    let path = format!("GET /{} HTTP/1.1\r\nHost: localhost\r\n\r\n", "a".repeat(60_000));
    let mut noise: Vec<u8> =
        (0..4096u32).map(|x| (x.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    noise.push(b'\n');
    for bytes in [
        &noise[..],
        b"\r\n\r\n\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"POST /v1/check HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\nzz\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
        long.as_bytes(),
        many.as_bytes(),
        path.as_bytes(),
    ] {
        let mut stream = server.connect();
        // It may hang up before all is written.
        stream.write_all(bytes).ok();
        stream.shutdown(Shutdown::Write).ok();
        let mut said = Vec::new();
        stream.read_to_end(&mut said).ok();
        let said = String::from_utf8_lossy(&said);
        let status = said.split(' ').nth(1).unwrap_or("none");
        assert!(said.is_empty() || status.starts_with('4'), "{said}");
    }
    is_well(&server);
}

#[test]
fn who_stops_talking_still_gets_the_answer() {
    let server = Server::start(demo().folder(), &["-q"]);
    let mut stream = server.connect();
    stream.write_all(&request("GET", "/healthz", "localhost", &[], &[])).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    assert_eq!(Reply::read(&mut stream, "GET").body, b"ok\n");
}

#[test]
fn one_connection_serves_many_requests() {
    let server = Server::start(demo().folder(), &["-q"]);
    let mut stream = server.connect();
    for _ in 0..50 {
        stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
        assert_eq!(Reply::read(&mut stream, "GET").status, 200);
    }
}

#[test]
fn those_who_wait_stop_nobody() {
    let server = Server::start(demo().folder(), &["-q"]);
    let mut idle: Vec<_> = (0..300).map(|_| server.connect()).collect();
    for (at, stream) in idle.iter_mut().enumerate() {
        match at % 3 {
            0 => {}
            1 => stream.write_all(b"GET /v1/ver").unwrap(),
            _ => stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap(),
        }
    }
    // Readers that take nothing of what they asked for.
    let (id, _) = &demo().objects()[0];
    let bearer = format!("Bearer {}", server.token);
    let wanted =
        request("GET", &format!("/v1/blob/{id}"), "localhost", &[("Authorization", &bearer)], &[]);
    let mut deaf: Vec<_> = (0..100).map(|_| server.connect()).collect();
    for stream in &mut deaf {
        stream.write_all(&wanted).unwrap();
    }
    for _ in 0..20 {
        is_well(&server);
    }
    let metrics = String::from_utf8(server.get("/metrics").body).unwrap();
    let open = metrics.lines().find_map(|line| line.strip_prefix("vox_connections ")).unwrap();
    assert!(open.parse::<u32>().unwrap() >= 200, "{open}");
    // A body that never comes.
    let mut slow = server.connect();
    let body = format!(
        "POST /v1/check HTTP/1.1\r\nHost: localhost\r\nAuthorization: {bearer}\r\n\
         Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{{"
    );
    slow.write_all(body.as_bytes()).unwrap();
    is_well(&server);
    drop((idle, deaf, slow));
    is_well(&server);
}

#[test]
fn sigterm_ends_it_well() {
    let mut server = Server::start(demo().folder(), &["-q"]);
    // One that is idle, one in the middle of its head, one that reads nothing.
    let _idle = server.connect();
    let mut half = server.connect();
    half.write_all(b"GET /v1/ver").unwrap();
    let mut kept = server.connect();
    kept.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    assert_eq!(Reply::read(&mut kept, "GET").status, 200);
    is_well(&server);
    let begin = Instant::now();
    server.terminate();
    assert_eq!(server.wait(), Some(0));
    assert!(begin.elapsed() < Duration::from_secs(10), "{:?}", begin.elapsed());
    let mut rest = Vec::new();
    kept.read_to_end(&mut rest).ok();
    assert_eq!(rest, b"");
}

#[test]
fn what_is_under_way_is_finished() {
    let mut server = Server::start(demo().folder(), &["-q"]);
    let (id, stored) = &demo().objects()[0];
    let bearer = format!("Bearer {}", server.token);
    let accept = [("Authorization", bearer.as_str()), ("Accept-Encoding", "zstd")];
    let mut stream = server.connect();
    stream
        .write_all(&request("GET", &format!("/v1/blob/{id}"), "localhost", &accept, &[]))
        .unwrap();
    let mut first = [0; 1];
    stream.read_exact(&mut first).unwrap();
    server.terminate();
    std::thread::sleep(Duration::from_millis(100));
    let mut rest = first.to_vec();
    stream.read_to_end(&mut rest).unwrap();
    assert!(rest.ends_with(stored));
    assert_eq!(server.wait(), Some(0));
    assert!(std::net::TcpStream::connect(&server.address).is_err());
}
