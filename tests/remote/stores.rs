//! What is there already, stores that are not shared, and what all cases share.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use serde_json::Value as Json;

use crate::cohort::{Left, end, left, lines, over, six, transport, wait, words};
use crate::desk::{Desk, image};

/// Starts a worker as if it were on a host of its own: with a store, and a state folder.
fn host(desk: &Desk, name: &str, more: &[&str]) -> Child {
    let mut command = desk.command("worker --spool groups --wait 60s --store");
    command.arg(format!("own-{name}/.vox")).args(more);
    command.env_remove("VOX_STORE").env("XDG_STATE_HOME", desk.path(&format!("state-{name}")));
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// What a run leaves besides what lies in its store, where workers keep what is no goal.
fn shown(left: &Left) -> (String, String, usize) {
    (left.out.clone(), left.table.clone(), left.saved.len())
}

#[test]
fn what_is_there_already_needs_no_engine() {
    let desk = six();
    // What changed within the last two seconds is hashed each time.
    sleep(Duration::from_millis(2100));
    let local = desk.vox(&words("a")).ok();
    let right = left(&desk, "a", &local);
    // This engine does nothing but fail.
    let said = desk.vox(&format!("{} --engine cmd:false", words("a"))).ok().nothing_ran();
    assert_eq!(left(&desk, "a", &said), right);
    // A case more: that one goes out, and no other.
    let Some(engine) = transport() else { return };
    desk.write("cases/case-7/f.nii", image([16, 12, 8], |x, y, z| (x + y + z) as f32));
    let pids = desk.path("pids");
    let mut command = over(&desk, &words("a"), &engine);
    let said = end(command.env("PIDS", &pids).spawn().unwrap()).ok();
    assert!(
        said.out.starts_with(&right.out) && said.out.contains("case-7\tmax=33"),
        "{}",
        said.out
    );
    assert_eq!(fs::read_to_string(&pids).unwrap().lines().count(), 1, "workers");
    // What an operator refused is tried again where it is asked for, and hashing again is not trusting.
    let again =
        over(&desk, &format!("{} --rehash", words("a")), &engine).env("PIDS", &pids).spawn();
    end(again.unwrap()).ok().nothing_ran();
    assert!(
        fs::read_to_string(&pids).unwrap().lines().count() > 1,
        "it was not looked at the memo"
    );
}

#[test]
fn workers_have_stores_of_their_own_in_folders() {
    let desk = six();
    let local = desk.vox(&words("local")).ok();
    let right = left(&desk, "local", &local);
    let run = format!("{} --engine spool:groups --group 2 --own-stores", words("far"));
    let driver = desk.start(&run);
    let (one, two) = (host(&desk, "one", &[]), host(&desk, "two", &[]));
    let said = end(driver).ok().says("came from workers' stores");
    let far = left(&desk, "far", &said);
    assert_eq!(shown(&far), shown(&right));
    assert_eq!(far.saved, right.saved);
    assert_eq!(said.counts(), local.counts());
    let codes: Vec<_> = [one, two].map(|child| end(child).ok()).into_iter().collect();
    assert_eq!(
        codes.iter().map(|said| said.out.matches("\"status\":\"done\"").count()).sum::<usize>(),
        6
    );
    for store in ["store-far", "own-one/.vox", "own-two/.vox"] {
        if desk.path(store).exists() {
            desk.vox(&format!("verify --store {store}")).ok();
        }
    }
    desk.vox(&words("far")).ok().nothing_ran();
    // Without that word another store is refused.
    let driver = desk.start(&format!("{} --engine spool:groups --group 6", words("other")));
    for name in ["one", "two"] {
        end(host(&desk, name, &[])).code_is(5).says("is another store than the run's");
    }
    end(driver).code_is(5).says("another store");
}

/// Starts `vox serve` over a folder's store; returns its address.
fn serve(desk: &Desk, store: &str) -> (Child, String) {
    let mut command = desk.command("serve --bind 127.0.0.1:0 --store");
    let mut child = command.arg(store).stderr(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let address = lines
        .map_while(Result::ok)
        .find_map(|line| line.split_once("listening on ").map(|(_, address)| address.to_owned()));
    (child, address.unwrap())
}

/// Starts nginx over `objects/` of a store, where it is installed.
fn nginx(desk: &Desk, store: &str) -> Option<(Child, String)> {
    let place = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let folder = desk.path("nginx");
    fs::create_dir_all(&folder).unwrap();
    let at = |path: &Path| path.display().to_string();
    let config = desk.write(
        "nginx/conf",
        format!(
            "daemon off; master_process off; pid {0}/pid; error_log {0}/log; events {{}}\n\
             http {{ access_log off; client_body_temp_path {0}/a; proxy_temp_path {0}/b; fastcgi_temp_path {0}/c;\n\
             uwsgi_temp_path {0}/d; scgi_temp_path {0}/e;\n\
             server {{ listen {place}; location /objects/ {{ alias {1}/objects/; autoindex on; }} }} }}\n",
            at(&folder),
            at(&desk.path(store))
        ),
    );
    let child = Command::new("nginx").arg("-c").arg(config).stderr(Stdio::null()).spawn();
    let Ok(mut child) = child else {
        println!("skipped: there is no nginx");
        return None;
    };
    wait(|| {
        assert!(child.try_wait().unwrap().is_none(), "nginx ended");
        TcpStream::connect(place).ok()
    });
    Some((child, format!("http://{place}")))
}

#[test]
fn a_static_web_server_over_objects_is_enough() {
    let desk = six();
    let local = desk.vox(&words("local")).ok();
    let right = left(&desk, "local", &local);
    // A worker whose store is seen through a web server only.
    desk.vox("init own-web").ok();
    let Some((mut server, address)) = nginx(&desk, "own-web/.vox") else { return };
    let driver = desk.start(&format!("{} --engine spool:groups --own-stores", words("far")));
    let worker = host(&desk, "web", &["--offer", &address]);
    let said = end(driver).ok().says("came from workers' stores");
    end(worker).ok();
    let far = left(&desk, "far", &said);
    assert_eq!((shown(&far), &far.saved), (shown(&right), &right.saved));
    desk.vox("verify --store store-far").ok();
    // And a worker that asks one for what the run has.
    let peer = format!("--engine spool:groups --own-stores={address}");
    let driver = desk.start(&format!("{} {peer}", words("third")));
    let said = end(host(&desk, "new", &[])).ok();
    assert_eq!(said.out.matches("\"status\":\"hit\"").count(), 6, "{}", said.out);
    end(driver).ok().nothing_ran();
    assert_eq!(left(&desk, "third", &said_of(&desk, "third")).saved, right.saved);
    // The same without any engine.
    desk.write("vox.toml", format!("[peer.web]\nurl = \"{address}\"\ntrust = \"receipts\"\n"));
    desk.vox(&format!("{} --remote web", words("fourth"))).ok().nothing_ran();
    server.kill().unwrap();
    server.wait().unwrap();
}

/// Runs once more what has run.
fn said_of(desk: &Desk, name: &str) -> crate::desk::Said {
    desk.vox(&words(name)).ok().nothing_ran()
}

#[test]
fn a_store_that_is_served_is_enough() {
    let desk = six();
    let local = desk.vox(&words("local")).ok();
    let right = left(&desk, "local", &local);
    desk.vox("init own-a").ok();
    let (mut server, address) = serve(&desk, "own-a/.vox");
    // Its token keeps strangers out: what cannot be had is computed here, and said.
    let driver = desk.start(&format!("{} --engine spool:groups --own-stores", words("far")));
    let worker = host(&desk, "a", &["--offer", &address]);
    let said = end(driver).ok().says("warning:").says("what it has is computed here");
    end(worker).ok();
    let far = left(&desk, "far", &said);
    assert_eq!((shown(&far), &far.saved), (shown(&right), &right.saved));
    desk.vox("verify --store store-far").ok();
    server.kill().unwrap();
    server.wait().unwrap();
}

#[test]
fn what_all_cases_share_and_is_dear_goes_ahead() {
    let desk = Desk::new();
    // Estimated far above a second, and quickly computed.
    let step = |step| format!("let s{} = BinaryDilate(s{step}, 1, 1, 1)\n", step + 1);
    let steps = (0..9).map(step).collect::<Vec<_>>().concat();
    let size = [150, 150, 140];
    let atlas = desk.write("atlas.nii", image(size, |x, y, z| ((x * y + z * 7) % 97) as f32));
    desk.write(
        "p.imgql",
        format!(
            "import \"simpleitk\"\nload f\nload atlas = \"{}\"\nlet s0 = atlas >. 90\n{steps}\
             print \"inside\" volume(s9 & (f >. 50))\n",
            atlas.display()
        ),
    );
    for case in 0..3 {
        desk.write(
            &format!("cases/c{case}/f.nii"),
            image(size, |x, y, z| ((x + y * z + case) % 97) as f32),
        );
    }
    let run = "run p.imgql --cases cases --table t.csv --store s";
    let driver = desk.start(&format!("{run} --engine spool:groups --group 1 --report r.json"));
    let todo = desk.path("groups/todo");
    let group = wait(|| {
        let mut names = fs::read_dir(&todo).ok()?.map(|entry| entry.unwrap().path());
        names.find(|path| path.extension().is_some_and(|end| end == "json"))
    });
    let group: Json = serde_json::from_slice(&fs::read(group).unwrap()).unwrap();
    assert_eq!(group["nodes"].as_array().map(Vec::len), Some(1), "{group}");
    assert_eq!(fs::read_dir(&todo).unwrap().count(), 1, "the others wait");
    let hosts = ["one", "two"].map(|name| {
        let mut command = desk.command("worker --spool groups --wait 60s --store s");
        command.env("XDG_STATE_HOME", desk.path(&format!("state-{name}")));
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    });
    end(driver).ok();
    let said = hosts.map(|host| end(host).ok());
    let told: Vec<Json> = said.iter().flat_map(|said| lines(&said.out)).collect();
    assert_eq!(told.iter().filter(|line| line["event"] == "start").count(), 4, "{told:?}");
    // Each node ran once, whoever ran it, and the report tells of those of workers.
    let report: Json = serde_json::from_str(&desk.text("r.json")).unwrap();
    let cases = report["cases"].as_array().unwrap();
    let nodes = cases.iter().flat_map(|case| case["nodes"].as_array().unwrap());
    let ops: Vec<&str> = nodes.map(|node| node["op"].as_str().unwrap()).collect();
    assert!(ops.iter().filter(|op| **op == "vox1.volume").count() == 3, "{ops:?}");
    assert!(!ops.contains(&"simpleitk.BinaryDilate"), "{ops:?}");
    desk.vox("verify --store s").ok();
    // The same as at home.
    let far = desk.text("t.csv");
    desk.vox("run p.imgql --cases cases --table t.csv --store local").ok();
    assert_eq!(desk.text("t.csv"), far);
}
