//! Who gets in: tokens, cookies, hosts, origins; and what does not start.

use std::fs;
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use crate::desk::{Server, command, demo, through};

const READ: &str = "read-token-0123456789";
const RUN: &str = "run-token-0123456789ab";
const ADMIN: &str = "admin-token-0123456789";

fn tokens(folder: &Path) -> String {
    let path = folder.join("tokens");
    fs::write(&path, format!("# who\nread {READ}\nrun {RUN}\nadmin {ADMIN}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn scopes_hold_those_before_them() {
    let copy = demo().copy();
    let file = tokens(copy.path());
    let server = Server::start(copy.path(), &["-q", "--token-file", &file, "--allow-put"]);
    assert_eq!(server.token, "", "no token is made beside a file");
    let json = [("Content-Type", "application/json")];
    let body = b"\xf5";
    let put = format!("/cas/{}", crate::desk::name(body));
    // Put needs admin, a check needs run, the rest read.
    for (token, read, run, admin) in [
        ("", 401, 401, 401),
        ("wrong-token-0123456789", 401, 401, 401),
        (&READ[..READ.len() - 1], 401, 401, 401),
        (READ, 200, 403, 403),
        (RUN, 200, 0, 403),
        (ADMIN, 200, 0, 201),
    ] {
        let bearer = format!("Bearer {token}");
        let token = ("Authorization", bearer.as_str());
        assert_eq!(server.bare("GET", "/v1/heads", &[token], &[]).status, read);
        assert_eq!(server.bare("GET", "/metrics", &[token], &[]).status, read);
        let octets = ("Content-Type", "application/octet-stream");
        assert_eq!(server.bare("PUT", &put, &[token, octets], body).status, admin);
        let checked = server.bare("POST", "/v1/verify", &[token, json[0]], b"{}").status;
        assert!(checked == run || run == 0, "{checked}");
        assert_eq!(server.bare("GET", "/healthz", &[token], &[]).status, 200);
        assert_eq!(server.bare("GET", "/readyz", &[], &[]).status, 200);
    }
    let refused = server.bare("GET", "/v1/heads", &[], &[]);
    refused.is_problem(401, "token");
    assert_eq!(refused.header("www-authenticate"), "Bearer realm=\"vox\"");
    server
        .bare("GET", "/v1/heads", &[("Authorization", "Basic eDp5")], &[])
        .is_problem(401, "token");
    server.bare("GET", "/v1/nothing", &[], &[]).is_problem(401, "token");
}

#[test]
fn a_browser_gets_a_cookie_for_the_token() {
    let server = Server::start(demo().folder(), &["-q"]);
    let login = server.bare("GET", &format!("/login?token={}", server.token), &[], &[]);
    assert_eq!((login.status, login.header("location")), (303, "/"));
    let cookie = login.header("set-cookie");
    assert!(cookie.contains("; HttpOnly") && cookie.contains("; SameSite=Strict"), "{cookie}");
    assert!(!cookie.contains(&server.token), "the cookie is not the token");
    let pair = cookie.split(';').next().unwrap();
    let with = |cookie: &str| server.bare("GET", "/v1/version", &[("Cookie", cookie)], &[]).status;
    assert_eq!(with(pair), 200);
    assert_eq!(with(&format!("a=b; {pair}; c=d")), 200);
    assert_eq!(with(&format!("{pair}0")), 401);
    let name = pair.split('=').next().unwrap();
    assert_eq!(with(&format!("{name}={}", server.token)), 401, "a token is no cookie");
    server.bare("GET", "/login?token=guessed-token-0000", &[], &[]).is_problem(401, "token");
    server.bare("GET", "/login", &[], &[]).is_problem(400, "query");
}

#[test]
fn only_its_own_names_are_answered() {
    let server = Server::start(demo().folder(), &["-q", "--host", "images.lab.example"]);
    let port = server.address.rsplit(':').next().unwrap();
    let as_host = |host: &str| server.bare("GET", "/healthz", &[("Host", host)], &[]).status;
    for host in ["localhost", "LOCALHOST", "127.0.0.1", "[::1]", "images.lab.example", "localhost."]
    {
        assert_eq!(as_host(host), 200, "{host}");
        assert_eq!(as_host(&format!("{host}:{port}")), 200, "{host}");
    }
    for host in
        ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "xlocalhost", ""]
    {
        assert_eq!(as_host(host), 421, "{host:?}");
    }
    let twice = [("Host", "localhost"), ("Host", "evil.example")];
    assert_eq!(server.bare("GET", "/healthz", &twice, &[]).status, 400);
    let named = server.bare("GET", "http://evil.example/healthz", &[("Host", "localhost")], &[]);
    assert_eq!(named.status, 400);
}

#[test]
fn pages_of_others_change_nothing() {
    let server = Server::start(demo().folder(), &["-q"]);
    let address = server.address.clone();
    let post = |headers: &[(&str, &str)]| server.send("POST", "/v1/nothing", headers, b"{}");
    let json = ("Content-Type", "application/json");
    let ours = format!("http://{address}");
    // What passes the guard finds nothing there.
    post(&[json]).is_problem(404, "path");
    post(&[json, ("Origin", &ours)]).is_problem(404, "path");
    post(&[("Content-Type", "application/json; charset=utf-8")]).is_problem(404, "path");
    for headers in [
        [json, ("Origin", "http://evil.example")],
        [json, ("Origin", "null")],
        [json, ("Origin", "http://localhost")],
        [json, ("Sec-Fetch-Site", "cross-site")],
        [json, ("Sec-Fetch-Site", "same-site")],
    ] {
        post(&headers).is_problem(403, "origin");
    }
    post(&[json, ("Sec-Fetch-Site", "same-origin")]).is_problem(404, "path");
    for kind in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data",
        "application/jsonx",
    ] {
        post(&[("Content-Type", kind)]).is_problem(415, "content-type");
    }
    post(&[]).is_problem(415, "content-type");
    let asked = server.ask("OPTIONS", "/v1/heads", &[("Origin", "http://evil.example")]);
    assert_eq!((asked.status, asked.header("access-control-allow-origin")), (403, ""));
}

#[test]
fn every_answer_carries_what_keeps_browsers_safe() {
    let server = Server::start(demo().folder(), &["-q"]);
    let (id, _) = &demo().objects()[0];
    for reply in [
        server.get("/v1/version"),
        server.get("/v1/nothing"),
        server.bare("GET", "/v1/version", &[], &[]),
        server.get(&format!("/v1/blob/{id}/%3Cscript%3E.html")),
    ] {
        assert_eq!(reply.header("x-content-type-options"), "nosniff");
        assert_eq!(reply.header("cross-origin-resource-policy"), "same-origin");
        assert_eq!(reply.header("referrer-policy"), "no-referrer");
        assert!(reply.header("content-security-policy").starts_with("default-src 'none'"));
        assert_eq!(reply.header("access-control-allow-origin"), "");
    }
    let named = server.get(&format!("/v1/blob/{id}/a%22%0d%0ab.html"));
    assert_eq!(named.header("content-disposition"), "attachment; filename=\"a___b.html\"");
    assert_eq!(named.header("content-type"), "application/cbor");
}

#[test]
fn what_is_not_safe_does_not_start() {
    let copy = demo().copy();
    let file = tokens(copy.path());
    let ends = |args: &[&str]| {
        let output = command(copy.path(), args).output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    for args in [
        &["--bind", "0.0.0.0:0"][..],
        &["--bind", "[::]:0"],
        &["--bind", "0.0.0.0:0", "--no-auth"],
        &["--bind", "127.0.0.1:0", "--no-auth", "--allow-put"],
        &["--bind", "127.0.0.1:0", "--no-auth", "--allow-gc"],
        &["--bind", "127.0.0.1:0", "--no-auth", "--token-file", &file],
        &["--bind", "nowhere"],
    ] {
        let (code, said) = ends(args);
        assert_eq!(code, Some(2), "{args:?}: {said}");
    }
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    let (code, said) = ends(&["--bind", "127.0.0.1:0", "--token-file", &file]);
    assert!(code == Some(2) && said.contains("chmod 600"), "{said}");
    let (code, _) = ends(&["--bind", "127.0.0.1:0", "--token-file", "absent"]);
    assert_eq!(code, Some(4));
    let empty = tempfile::tempdir().unwrap();
    let output = command(empty.path(), &["--bind", "127.0.0.1:0"]).output().unwrap();
    assert_eq!(output.status.code(), Some(5), "reading makes no store");
    assert!(!empty.path().join(".vox").exists());
}

#[test]
fn without_tokens_everybody_reads_and_nobody_changes() {
    let server = Server::start(demo().folder(), &["-q", "--no-auth"]);
    assert_eq!(server.token, "");
    assert_eq!(server.bare("GET", "/v1/heads", &[], &[]).status, 200);
    let (id, _) = &demo().objects()[0];
    let blob = server.bare("GET", &format!("/v1/blob/{id}"), &[], &[]);
    assert_eq!(blob.header("cache-control"), "public, max-age=31536000, immutable");
    let octets = [("Content-Type", "application/octet-stream")];
    let put = server.bare("PUT", &format!("/cas/{id}"), &octets, b"\xf5");
    put.is_problem(403, "scope");
}

#[test]
fn a_socket_is_its_owners() {
    let copy = demo().copy();
    let socket = copy.path().join("s");
    let mut server = Server::started(copy.path(), &["-q", "--bind", "unix:s"]);
    assert_eq!((server.token.as_str(), server.address.as_str()), ("", "unix:s"));
    assert_eq!(fs::metadata(&socket).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(through(&socket, "GET", "/v1/heads", &[]).status, 200);
    let body = b"\xf5";
    let put = through(&socket, "PUT", &format!("/cas/{}", crate::desk::name(body)), body);
    put.is_problem(403, "scope");
    // What changes the store needs a token, also through a socket.
    let open = command(copy.path(), &["--bind", "unix:other", "--allow-put"]).output().unwrap();
    assert_eq!(open.status.code(), Some(2));
    let second = command(copy.path(), &["--bind", "unix:s"]).output().unwrap();
    assert_eq!(second.status.code(), Some(5), "somebody listens there");
    server.terminate();
    assert_eq!(server.wait(), Some(0));
    assert!(!socket.exists());
    // One that nobody listens to any more is replaced.
    drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
    let server = Server::started(copy.path(), &["-q", "--bind", "unix:s"]);
    assert_eq!(through(&socket, "GET", "/healthz", &[]).status, 200);
    drop(server);
}

#[test]
fn the_log_of_requests_names_no_case() {
    let copy = demo().copy();
    let mut server = Server::start(copy.path(), &["--access-log", "access.json"]);
    let (id, _) = &demo().objects()[0];
    server.get(&format!("/v1/blob/{id}/patient-name.nii.gz?label=secret"));
    server.bare("GET", &format!("/login?token={}", server.token), &[], &[]);
    server.get("/v1/blob/nonsense-of-somebody");
    let metrics = String::from_utf8(server.get("/metrics").body).unwrap();
    let line =
        "vox_http_requests_total{method=\"GET\",route=\"/v1/blob/{id}/{name}\",status=\"200\"} 1";
    assert!(metrics.contains(line), "{metrics}");
    assert!(metrics.contains("vox_hits_total 1\n"), "{metrics}");
    server.terminate();
    server.wait();
    let mut said = String::new();
    server.said.take().unwrap().read_to_string(&mut said).unwrap();
    let log = fs::read_to_string(copy.path().join("access.json")).unwrap();
    for word in ["patient", "secret", "nonsense", server.token.as_str()] {
        assert!(!log.contains(word) && !said.contains(word), "{word}: {log} {said}");
    }
    let lines: Vec<serde_json::Value> =
        log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 4, "{log}");
    assert_eq!(lines[0]["route"], "/v1/blob/{id}/{name}");
    assert_eq!((&lines[0]["id"], &lines[0]["status"]), (&id.0.hex().into(), &200.into()));
    assert_eq!(lines[2]["status"], 400);
}
