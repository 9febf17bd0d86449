//! Programs sent to the server: run, checked, planned, watched, cancelled; and what they may not see.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::symlink;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value as Json, json};
use tempfile::TempDir;

use crate::desk::{Reply, Server, demo, request};

const JSON: &[(&str, &str)] = &[("Content-Type", "application/json")];

/// A server over a copy of the demo's store, which may run programs on a folder with a case and ways out.
struct Lab {
    folder: TempDir,
    server: Server,
}

impl Lab {
    fn new(args: &[&str]) -> Self {
        let folder = demo().copy();
        let at = |path: &str| folder.path().join(path);
        fs::create_dir_all(at("open/case-1")).unwrap();
        fs::create_dir_all(at("shut")).unwrap();
        let flair = demo().path("d/cases/case-1/case-1_flair.nii.gz");
        fs::copy(&flair, at("open/case-1/flair.nii.gz")).unwrap();
        fs::copy(&flair, at("shut/flair.nii.gz")).unwrap();
        symlink(at("shut/flair.nii.gz"), at("open/link.nii.gz")).unwrap();
        fs::write(at("secret.imgql"), "secret = 42\n").unwrap();
        let words = ["--allow-run", "--read-root", "open"];
        let server = Server::start(folder.path(), &[&words[..], args].concat());
        Self { folder, server }
    }

    fn post(&self, path: &str, body: &Json) -> Reply {
        self.server.send("POST", path, JSON, body.to_string().as_bytes())
    }

    /// Begins a run; returns its id.
    fn begin(&self, body: &Json) -> String {
        let reply = self.post("/v1/runs", body);
        assert_eq!(reply.status, 202, "{}", words(&reply));
        let told = reply.json();
        assert_eq!(reply.header("location"), format!("/v1/runs/{}", text(&told["id"])));
        text(&told["id"]).to_owned()
    }

    /// Reads a stream of events to its end, from behind an event on.
    fn events(&self, id: &str, behind: Option<u64>) -> String {
        let mut stream = self.listen(id, behind);
        let mut told = String::new();
        stream.read_to_string(&mut told).unwrap();
        let (head, events) = told.split_once("\r\n\r\n").unwrap();
        assert!(head.to_lowercase().contains("content-type: text/event-stream"), "{head}");
        events.to_owned()
    }

    /// Opens a stream of events; without HTTP/1.1 it comes without the marks of chunks.
    fn listen(&self, id: &str, behind: Option<u64>) -> TcpStream {
        let bearer = format!("Bearer {}", self.server.token);
        let behind = behind.map(|behind| behind.to_string());
        let mut headers = vec![("Authorization", bearer.as_str())];
        headers.extend(behind.as_deref().map(|behind| ("Last-Event-ID", behind)));
        let path = format!("/v1/runs/{id}/events");
        let asked = request("GET", &path, &self.server.address, &headers, &[]);
        let asked = String::from_utf8(asked).unwrap().replace("HTTP/1.1", "HTTP/1.0");
        let mut stream = self.server.connect();
        stream.write_all(asked.as_bytes()).unwrap();
        stream
    }

    /// Waits until a job ended.
    fn wait(&self, id: &str) -> Json {
        let begin = Instant::now();
        loop {
            let told = self.server.get(&format!("/v1/runs/{id}")).json();
            if !["queued", "running"].contains(&text(&told["status"])) {
                return told;
            }
            assert!(begin.elapsed() < Duration::from_secs(60), "{told}");
            thread::sleep(Duration::from_millis(10));
        }
    }
}

fn words(reply: &Reply) -> String {
    String::from_utf8_lossy(&reply.body).into_owned()
}

fn text(json: &Json) -> &str {
    json.as_str().unwrap_or_else(|| panic!("no text: {json}"))
}

const PROGRAM: &str =
    "load f = \"case-1/flair.nii.gz\"\nprint \"most\" max(f)\nsave \"bright.nii\" f >. 5\n";

#[test]
fn a_run_is_begun_watched_and_answered() {
    let lab = Lab::new(&[]);
    let id = lab.begin(&json!({ "program": PROGRAM }));
    let told = lab.wait(&id);
    assert_eq!((&told["status"], &told["exit"]), (&json!("done"), &json!(0)), "{told}");
    let goals = told["answer"]["goals"].as_array().unwrap();
    assert!(goals[0]["value"].as_f64().unwrap() > 0.0, "{told}");
    assert_eq!(goals[1]["written"], false);
    assert!(!lab.folder.path().join("bright.nii").exists());
    assert!(!lab.folder.path().join("open/bright.nii").exists());
    // What was computed is in the store, and its value can be fetched.
    let found = lab.server.get(&format!("/ac/{}", text(&goals[0]["node"]))).json();
    let value = lab.server.get(&format!("/v1/value/{}", text(&found["blob"])));
    assert_eq!(value.status, 200, "{}", words(&value));
    // The events, from the beginning and from behind one of them.
    let events = lab.events(&id, None);
    assert!(events.starts_with("id: 0\ndata: {"), "{events}");
    assert!(events.contains("event: over\ndata: {"), "{events}");
    let last = told["events"].as_u64().unwrap() - 1;
    let rest = lab.events(&id, Some(last));
    assert!(rest.starts_with("event: over"), "{rest}");
    let list = lab.server.get("/v1/runs").json();
    assert_eq!(list["runs"][0]["id"], *id);
    assert_eq!(lab.server.get("/v1/runs/none").status, 404);
    // The same in a cohort.
    let program = "load f = \"flair.nii.gz\"\nprint \"most\" max(f)\n";
    let told = lab.wait(&lab.begin(&json!({ "program": program, "cases": "" })));
    assert_eq!(told["answer"]["cases"][0]["case"], "case-1", "{told}");
}

#[test]
fn a_program_sees_its_folder_and_no_path_of_the_host() {
    let lab = Lab::new(&[]);
    let shut = lab.folder.path().join("shut/flair.nii.gz");
    let host = lab.folder.path().to_str().unwrap().to_owned();
    let mut answers = Vec::new();
    for path in
        [shut.to_str().unwrap(), "../shut/flair.nii.gz", "link.nii.gz", "/etc/passwd", "none"]
    {
        let program = format!("load f = \"{path}\"\nprint \"most\" max(f)\n");
        let told = lab.wait(&lab.begin(&json!({ "program": program })));
        assert_eq!((&told["status"], &told["exit"]), (&json!("failed"), &json!(4)), "{told}");
        let said = told.to_string();
        answers.push(text(&told["mistakes"][0]["message"]).replace(path, "PATH"));
        assert!(!said.replace(path, "").contains(&host), "{said}");
        let checked = lab.post("/v1/check", &json!({ "program": program })).json();
        assert_eq!(checked["valid"], false);
        assert!(!checked.to_string().replace(path, "").contains(&host), "{checked}");
    }
    answers.dedup();
    assert_eq!(answers.len(), 1, "{answers:?}");
    for program in [
        "import \"../secret.imgql\"\nprint \"s\" secret",
        "print \"d\" dir(\"..\", \"*\", true, true)",
    ] {
        let told = lab.wait(&lab.begin(&json!({ "program": program })));
        assert_eq!(told["status"], "failed", "{told}");
        assert!(!told.to_string().contains("shut"), "{told}");
    }
    let told = lab.wait(&lab.begin(&json!({ "program": "print \"where\" \"$cwd $dir $file\"" })));
    assert!(!told.to_string().contains(&host), "{told}");
    // Flags are no values.
    let flags = json!({ "program": "load f\nprint \"m\" max(f)", "inputs": { "f": "--no-store" } });
    assert_eq!(lab.wait(&lab.begin(&flags))["exit"], 4);
}

#[test]
fn programs_are_checked_planned_and_put_into_form() {
    let lab = Lab::new(&[]);
    let checked = lab.post("/v1/check", &json!({ "program": "print \"x\" maxx(1)" })).json();
    assert_eq!(
        (&checked["valid"], &checked["mistakes"][0]["code"]),
        (&json!(false), &json!("E0201"))
    );
    let checked = lab.post("/v1/check", &json!({ "program": PROGRAM })).json();
    assert_eq!(checked, json!({ "valid": true, "mistakes": [] }));
    let plan = lab.post("/v1/plan", &json!({ "program": PROGRAM })).json();
    assert_eq!(plan["goals"].as_array().unwrap().len(), 2, "{plan}");
    assert_eq!(plan["nodes"][0]["files"][0], "case-1/flair.nii.gz");
    let reply = lab.post("/v1/plan", &json!({ "program": "print \"x\" maxx(1)" }));
    assert_eq!((reply.status, reply.header("content-type")), (422, "application/problem+json"));
    assert_eq!(reply.json()["code"], "E0201");
    let form = lab.post("/v1/fmt", &json!({ "program": "print   \"x\"   1+1 // sum" })).json();
    assert_eq!(form["program"], "print \"x\" 1 + 1 // sum\n");
    assert_eq!(lab.post("/v1/fmt", &json!({ "program": "print" })).status, 422);
    for body in [
        json!({}),
        json!({ "program": 1 }),
        json!({ "program": "x", "output": "/tmp" }),
        json!({ "program": "x", "settings": { "a": 1 } }),
    ] {
        let reply = lab.post("/v1/check", &body);
        assert!(matches!(reply.status, 400 | 422), "{body}: {}", words(&reply));
    }
    let reply = lab.post("/v1/check", &json!({ "program": "x", "settings": { "a=b": "c" } }));
    assert_eq!(reply.status, 422);
}

#[test]
fn a_run_is_cancelled_or_ends_for_its_own_fault_and_the_server_goes_on() {
    let lab = Lab::new(&["--jobs", "1", "--queue", "1"]);
    let endless = json!({ "program": ENDLESS });
    let first = lab.begin(&endless);
    while lab.server.get(&format!("/v1/runs/{first}")).json()["status"] == "queued" {
        thread::sleep(Duration::from_millis(5));
    }
    let second = lab.begin(&endless);
    let third = lab.post("/v1/runs", &endless);
    assert_eq!(third.status, 429, "{}", words(&third));
    // A stream that is open while its job is cancelled ends.
    let mut stream = lab.listen(&first, None);
    for id in [&second, &first] {
        let reply = lab.post(&format!("/v1/runs/{id}/cancel"), &json!({}));
        assert_eq!(reply.status, 200, "{}", words(&reply));
        assert_eq!(lab.wait(id)["status"], "cancelled");
    }
    let mut told = String::new();
    stream.read_to_string(&mut told).unwrap();
    assert!(told.contains("event: over"), "{told}");
    // One that takes too long.
    let late = lab.begin(&json!({ "program": endless["program"], "seconds": 1 }));
    let told = lab.wait(&late);
    assert_eq!((&told["status"], &told["exit"]), (&json!("failed"), &Json::Null), "{told}");
    assert!(text(&told["detail"]).contains("longer"), "{told}");
    assert_eq!(lab.server.get("/readyz").status, 200);
}

/// A program that runs for minutes, whatever the machine.
const ENDLESS: &str = "load f = \"case-1/flair.nii.gz\"\n\
    x = for i in 0:20000 do max(dt(f >. (i / 97)))\nprint \"x\" x\n";

#[test]
fn want_of_memory_is_the_jobs_own_failure() {
    let lab = Lab::new(&["--job-memory", "48M"]);
    let big = json!({ "program": "x = for i in 0:3000000 do i * 2\nprint \"x\" x[7]\n" });
    let told = lab.wait(&lab.begin(&big));
    assert_eq!((&told["status"], &told["exit"]), (&json!("failed"), &Json::Null), "{told}");
    assert!(text(&told["detail"]).contains("memory"), "{told}");
    assert_eq!(lab.server.get("/healthz").status, 200);
    let small = lab.wait(&lab.begin(&json!({ "program": "print \"x\" 1 + 1" })));
    assert_eq!(small["status"], "done", "{small}");
}

#[test]
fn the_store_is_told_verified_and_collected() {
    let lab = Lab::new(&["--allow-gc"]);
    let status = lab.server.get("/v1/store").json();
    assert!(status["objects"].as_u64().unwrap() > 0, "{status}");
    let told = lab.post("/v1/verify", &json!({})).json();
    let told = lab.wait(text(&told["id"]));
    assert_eq!(
        (&told["status"], &told["answer"]["clean"]),
        (&json!("done"), &json!(true)),
        "{told}"
    );
    assert!(!told.to_string().contains(lab.folder.path().to_str().unwrap()));
    // Unless it is told otherwise it only says what would go.
    let told = lab.post("/v1/gc", &json!({ "max_bytes": 0 })).json();
    let told = lab.wait(text(&told["id"]));
    assert_eq!(told["answer"]["dry_run"], true, "{told}");
    assert!(!told["answer"]["removed"].as_array().unwrap().is_empty());
    assert_eq!(lab.server.get("/v1/store").json()["objects"], status["objects"]);
    let told = lab.post("/v1/gc", &json!({ "max_bytes": 0, "dry_run": false })).json();
    let told = lab.wait(text(&told["id"]));
    assert_eq!(told["status"], "done", "{told}");
    assert_eq!(lab.server.get("/v1/store").json()["objects"], 0);
    let metrics = words(&lab.server.get("/metrics"));
    assert!(!metrics.contains("vox_gc_objects_total 0\n"), "{metrics}");
    assert_eq!(lab.server.get("/v1/pins").json(), json!({ "pins": [] }));
}

#[test]
fn what_was_not_allowed_is_refused() {
    let folder = demo().copy();
    let server = Server::start(folder.path(), &[]);
    let send = |path: &str, body: &str| server.send("POST", path, JSON, body.as_bytes());
    for path in ["/v1/runs", "/v1/check", "/v1/plan"] {
        let reply = send(path, "{\"program\": \"print \\\"x\\\" 1\"}");
        assert_eq!((reply.status, &reply.json()["code"]), (403, &json!("run")), "{path}");
    }
    let reply = send("/v1/gc", "{\"dry_run\": false}");
    assert_eq!((reply.status, &reply.json()["code"]), (403, &json!("gc")));
    // What is asked in the way of a form on somebody's page is refused before anything is read.
    let form = [("Content-Type", "application/x-www-form-urlencoded")];
    assert_eq!(server.send("POST", "/v1/gc", &form, b"{}").status, 415);
}

#[test]
fn jobs_end_with_the_server() {
    let lab = Lab::new(&[]);
    let id = lab.begin(&json!({ "program": ENDLESS }));
    while lab.server.get(&format!("/v1/runs/{id}")).json()["status"] == "queued" {
        thread::sleep(Duration::from_millis(5));
    }
    let Lab { folder, mut server } = lab;
    let begin = Instant::now();
    server.terminate();
    assert_eq!(server.wait(), Some(0));
    assert!(begin.elapsed() < Duration::from_secs(10));
    // No process of it is left: each would hold the folder of live runs' locks.
    let store = folder.path().join(".vox");
    let ours = fs::read_dir("/proc").unwrap().filter_map(|entry| {
        let line = fs::read(entry.ok()?.path().join("cmdline")).ok()?;
        let line = String::from_utf8_lossy(&line).into_owned();
        line.contains(store.to_str()?).then_some(line)
    });
    assert_eq!(ours.collect::<Vec<_>>(), Vec::<String>::new());
}
