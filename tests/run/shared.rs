//! Stores of several users: a group that writes one together, and people who may only read.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use crate::desk::{CASE, Desk, Said};

const GROUP: u32 = 54_321;
const ANNA: u32 = 54_001;
const BEN: u32 = 54_002;

/// Is this process one that can become others?
fn is_root(what: &str) -> bool {
    let is_root = rustix::process::geteuid().is_root();
    if !is_root {
        println!("skipped: {what} needs root");
    }
    is_root
}

/// A folder that everybody can read, with the program in it.
fn desk() -> Desk {
    let desk = Desk::demo(1);
    let mode = |name: &str, mode| {
        fs::set_permissions(desk.path(name), fs::Permissions::from_mode(mode)).unwrap();
    };
    fs::copy(env!("CARGO_BIN_EXE_vox"), desk.path("vox")).unwrap();
    mode("vox", 0o755);
    mode("", 0o755);
    for user in [ANNA, BEN] {
        let folder = desk.path(&user.to_string());
        fs::create_dir(&folder).unwrap();
        chown(&folder, Some(user), Some(GROUP)).unwrap();
    }
    desk
}

/// Runs `vox` as somebody who lets nobody read what he makes.
fn vox_as(desk: &Desk, user: u32, group: u32, words: &str) -> Said {
    let mut command = Command::new("sh");
    command.args(["-c", "umask 077; exec ./vox \"$@\"", "vox"]).args(words.split_whitespace());
    desk.around(&mut command);
    command.env("HOME", desk.path(&user.to_string())).uid(user).gid(group);
    Said::from(command.output().unwrap())
}

/// Returns the program over the case, with what is saved in the user's own folder.
fn case(user: u32, more: &str) -> String {
    CASE.replace("-o out", &format!("-o {user}/out{}", more.len())) + " --store lab/.vox " + more
}

#[test]
fn two_users_of_a_group_write_one_store() {
    if !is_root("becoming two users") {
        return;
    }
    let desk = desk();
    fs::create_dir(desk.path("lab")).unwrap();
    chown(desk.path("lab"), None, Some(GROUP)).unwrap();
    fs::set_permissions(desk.path("lab"), fs::Permissions::from_mode(0o2775)).unwrap();
    vox_as(&desk, ANNA, GROUP, "init --shared group lab").ok().says("made the store");
    vox_as(&desk, BEN, GROUP, "init --shared group lab").ok().says("already a store");
    let first = vox_as(&desk, ANNA, GROUP, &case(ANNA, "--keep all")).ok();
    let second = vox_as(&desk, BEN, GROUP, &case(BEN, "")).ok().nothing_ran();
    assert_eq!(first.out, second.out);
    // What Ben adds Anna has, and Ben replaces what Anna made.
    vox_as(&desk, BEN, GROUP, &case(BEN, "--keep all --set warm=0.8")).ok();
    vox_as(&desk, ANNA, GROUP, &case(ANNA, "--set warm=0.8")).ok().nothing_ran();
    vox_as(&desk, BEN, GROUP, "index rebuild --store lab/.vox").ok();
    vox_as(&desk, ANNA, GROUP, &case(ANNA, "--set warm=0.8")).ok().nothing_ran();
    vox_as(&desk, ANNA, GROUP, &case(ANNA, "--keep all --set warm=0.81")).ok();
    vox_as(&desk, ANNA, GROUP, "verify --store lab/.vox").ok();
    let mut owners = std::collections::BTreeSet::new();
    for entry in walkdir::WalkDir::new(desk.path("lab/.vox")) {
        let entry = entry.unwrap();
        let found = entry.metadata().unwrap();
        owners.insert(found.uid());
        assert_eq!(found.gid(), GROUP, "{}", entry.path().display());
        let least = if found.is_dir() { 0o2770 } else { 0o440 };
        assert_eq!(found.mode() & least, least, "{}: {:o}", entry.path().display(), found.mode());
    }
    assert_eq!(owners, [ANNA, BEN].into());
    // A store of one user does not become one of all.
    vox_as(&desk, ANNA, GROUP, &format!("init {ANNA}")).ok();
    vox_as(&desk, ANNA, GROUP, &format!("init --shared group {ANNA}")).code_is(2).says("one user");
}

#[test]
fn whoever_may_only_read_reads() {
    if !is_root("becoming another user") {
        return;
    }
    let desk = desk();
    let right = desk.vox(&format!("{CASE} --keep all --store lab/.vox")).ok();
    let before = desk.digests("lab/.vox");
    let words = case(BEN, "--read-only");
    assert_eq!(vox_as(&desk, BEN, BEN, &words).ok().nothing_ran().out, right.out);
    // What is not there is computed, and kept by nobody; without being asked, too.
    let words = case(BEN, "--read-only --set warm=0.8");
    assert!(vox_as(&desk, BEN, BEN, &words).ok().counts().computed > 0);
    assert_eq!(vox_as(&desk, BEN, BEN, &case(BEN, "")).ok().nothing_ran().out, right.out);
    assert_eq!(desk.digests("lab/.vox"), before);
}

#[test]
fn what_somebody_else_planted_is_not_used() {
    if !is_root("becoming two users") {
        return;
    }
    let desk = desk();
    let found_from = |folder: &str, words: &str| {
        let mut command = Command::new("sh");
        let script = format!("cd {folder}; unset VOX_STORE; exec ../vox {words}");
        command.args(["-c", &script]);
        desk.around(&mut command);
        command.env("HOME", desk.path(&BEN.to_string())).uid(BEN).gid(BEN);
        Said::from(command.output().unwrap())
    };
    for folder in ["store", "settings"] {
        fs::create_dir(desk.path(folder)).unwrap();
        chown(desk.path(folder), Some(ANNA), Some(GROUP)).unwrap();
    }
    vox_as(&desk, ANNA, GROUP, "init store").ok();
    // He can read it, and uses it only by name.
    for path in ["store/.vox", "store/.vox/vox-store.toml", "store/.vox/objects"] {
        let mode = if path.ends_with("toml") { 0o644 } else { 0o755 };
        fs::set_permissions(desk.path(path), fs::Permissions::from_mode(mode)).unwrap();
    }
    found_from("store", "status").code_is(5).says("belongs to another user");
    desk.write(&format!("{BEN}/.config/vox/config.toml"), "safe_stores = []\n");
    found_from("store", "run ../lesion.imgql").code_is(5).says("safe_stores");
    desk.write("settings/vox.toml", "keep = \"all\"\n");
    chown(desk.path("settings/vox.toml"), Some(ANNA), Some(GROUP)).unwrap();
    found_from("settings", "config").code_is(5).says("belongs to another user");
    chown(desk.path("settings/vox.toml"), Some(BEN), Some(BEN)).unwrap();
    found_from("settings", "config").ok();
}

#[test]
fn a_store_on_a_read_only_mount_is_read() {
    let desk = Desk::demo(1);
    let right = desk.vox(&format!("{CASE} --keep all --store lab/.vox")).ok();
    let script = "mount --bind lab lab && mount -o remount,ro,bind lab && exec \"$@\"";
    let mount = |words: &str| {
        let mut command = Command::new("unshare");
        command.args(["-m", "sh", "-c", script, "sh", env!("CARGO_BIN_EXE_vox")]);
        desk.around(&mut command);
        Said::from(command.args(words.split_whitespace()).output().unwrap())
    };
    let can_mount = Command::new("unshare").args(["-m", "true"]).status();
    if !can_mount.is_ok_and(|status| status.success()) {
        println!("skipped: a mount of one's own needs root");
        return;
    }
    let store = "--store lab/.vox";
    let read = mount(&format!("{CASE} {store} --read-only")).ok().nothing_ran();
    assert_eq!(read.out, right.out);
    assert_eq!(mount(&format!("{CASE} {store}")).ok().nothing_ran().out, right.out);
    mount(&format!("verify {store}")).ok();
    mount(&format!("index rebuild {store}")).code_is(5).says("read-only");
}
