//! The store as files: proved with stock means, copied, rebuilt, and checked.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use vox::canon;
use vox::id::Digest;

use crate::desk::{CASE, Desk, files};

/// A store that holds every node of a case.
fn filled() -> Desk {
    let desk = Desk::demo(1);
    desk.vox(&format!("{CASE} --keep all")).ok();
    desk
}

/// The objects' files, without the log.
fn objects(desk: &Desk) -> Vec<PathBuf> {
    let all = files(&desk.path(".vox/objects")).into_iter();
    all.filter(|path| path.parent().unwrap().file_name().unwrap().len() == 2).collect()
}

fn segments(desk: &Desk) -> Vec<PathBuf> {
    let all = files(&desk.path(".vox/objects/log")).into_iter();
    all.filter(|path| path.extension().is_some_and(|suffix| suffix == "seg")).collect()
}

/// Writes over a file that is read-only.
fn overwrite(path: &Path, bytes: &[u8]) {
    fs::set_permissions(path, fs::Permissions::from_mode(0o644)).unwrap();
    fs::write(path, bytes).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o444)).unwrap();
}

fn flip(path: &Path, at: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[at] ^= 0x10;
    overwrite(path, &bytes);
}

fn copy(from: &Path, to: &Path) {
    let rsync = Command::new("rsync").arg("-a").arg(from).arg(to).status();
    if rsync.is_ok_and(|status| status.success()) {
        return;
    }
    let name = from.file_name().unwrap();
    for path in files(from) {
        let target = to.join(name).join(path.strip_prefix(from).unwrap());
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        fs::copy(&path, target).unwrap();
    }
}

#[test]
fn every_object_is_named_by_its_plain_bytes() {
    let desk = filled();
    let objects = objects(&desk);
    assert!(objects.len() > 10, "{} objects", objects.len());
    for path in objects {
        let folder = path.parent().unwrap().file_name().unwrap().to_str().unwrap();
        let name = format!("{folder}{}", path.file_name().unwrap().to_str().unwrap());
        let plain = zstd::decode_all(&fs::read(&path).unwrap()[..]).unwrap();
        assert_eq!(Digest::of(&plain).hex(), name);
        let tree = canon::read(&plain).unwrap();
        assert_eq!(canon::write(&tree), plain, "{name} is not canonical");
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o444, "{name}");
    }
}

#[test]
fn a_copy_of_the_objects_is_the_store() {
    let desk = filled();
    let right = desk.vox(CASE).ok();
    fs::create_dir(desk.path("copy")).unwrap();
    copy(&desk.path(".vox/objects"), &desk.path("copy"));
    let said = desk.vox(&format!("{CASE} --store copy")).ok().nothing_ran();
    assert_eq!(said.out, right.out);
    desk.vox("verify --store copy").ok();
    // Two stores in one, in any order: the same again over what is there.
    desk.vox(&format!("{CASE} --set hot=0.93 --store copy")).ok();
    copy(&desk.path("copy/objects"), &desk.path(".vox"));
    copy(&desk.path(".vox/objects"), &desk.path("copy"));
    for store in [".vox", "copy"] {
        desk.vox(&format!("{CASE} --set hot=0.93 --store {store}")).ok().nothing_ran();
        desk.vox(&format!("{CASE} --store {store}")).ok().nothing_ran();
        desk.vox(&format!("verify --store {store}")).ok();
    }
    // Half of a copy: what is there is used, what is missing is computed.
    fs::create_dir(desk.path("half")).unwrap();
    copy(&desk.path(".vox/objects"), &desk.path("half"));
    for path in files(&desk.path("half/objects")).iter().step_by(2) {
        fs::remove_file(path).unwrap();
    }
    assert_eq!(desk.vox(&format!("{CASE} --store half")).ok().out, right.out);
    desk.vox("verify --store half").ok();
}

#[test]
fn the_index_comes_back_by_itself_and_on_request() {
    let desk = filled();
    let remove = || {
        for suffix in ["", "-wal", "-shm"] {
            fs::remove_file(desk.path(&format!(".vox/local/index.sqlite{suffix}"))).ok();
        }
    };
    assert!(desk.path(".vox/local/index.sqlite").exists());
    remove();
    desk.vox(CASE).ok().nothing_ran();
    assert!(desk.path(".vox/local/index.sqlite").exists());
    desk.vox("index rebuild").ok().says("made again");
    desk.vox(CASE).ok().nothing_ran();
    // Garbage in its place is a cache that can be deleted, too.
    remove();
    desk.write(".vox/local/index.sqlite", vec![7; 9000]);
    desk.vox(CASE).ok().nothing_ran();
    desk.write(".vox/local/index.sqlite", vec![7; 9000]);
    remove();
    desk.vox("index rebuild").ok();
    // All of `local/` is this host's, and can go.
    fs::remove_dir_all(desk.path(".vox/local")).unwrap();
    desk.vox(CASE).ok().nothing_ran();
    desk.vox("verify").ok();
}

#[test]
fn verify_finds_every_kind_of_damage() {
    let desk = filled();
    let said = desk.vox("verify").ok();
    assert!(said.out.contains("clean"), "{}", said.out);
    let count = format!("{} objects", objects(&desk).len());
    assert!(said.out.contains(&count), "{}", said.out);
    let right = desk.vox(CASE).ok();
    let whole = desk.path("whole");
    fs::create_dir(&whole).unwrap();
    copy(&desk.path(".vox/objects"), &whole);
    let restore = || {
        fs::remove_dir_all(desk.path(".vox")).unwrap();
        fs::create_dir(desk.path(".vox")).unwrap();
        copy(&whole.join("objects"), &desk.path(".vox"));
    };
    let found = |what: &str| {
        let said = desk.vox("verify").code_is(5);
        assert!(said.out.contains(what) && said.out.contains("NOT CLEAN"), "{}", said.out);
        // The next run never uses it.
        assert_eq!(desk.vox(CASE).ok().out, right.out);
    };
    let name = |path: &Path| {
        let folder = path.parent().unwrap().file_name().unwrap().to_str().unwrap();
        format!("{folder}{}", path.file_name().unwrap().to_str().unwrap())
    };

    // A flipped byte, at the begin, in the middle, at the end.
    let len = fs::metadata(&objects(&desk)[3]).unwrap().len() as usize;
    for at in [0, len / 2, len - 1] {
        let object = &objects(&desk)[3];
        flip(object, at);
        found(&name(object));
        restore();
    }
    // Two objects in each other's place: whole frames, wrong names.
    let (one, two) = (objects(&desk)[0].clone(), objects(&desk)[1].clone());
    let (first, second) = (fs::read(&one).unwrap(), fs::read(&two).unwrap());
    overwrite(&one, &second);
    overwrite(&two, &first);
    let said = desk.vox("verify").code_is(5);
    assert!(said.out.contains(&name(&one)) && said.out.contains(&name(&two)), "{}", said.out);
    found(&name(&one));
    restore();
    // CBOR that says the same in another form, under its own name.
    let plain = [0xfb, 0x40, 0x08, 0, 0, 0, 0, 0, 0];
    let hex = Digest::of(&plain).hex();
    let frame = vox::store::object::frame::compress_frame(&plain);
    desk.write(&format!(".vox/objects/{}/{}", &hex[..2], &hex[2..]), frame);
    let said = desk.vox("verify").code_is(5);
    assert!(said.out.contains("not canonical"), "{}", said.out);
    found(&hex);
    restore();
    // A byte of the log; and a segment cut short.
    let segment = segments(&desk)[0].clone();
    let bytes = fs::read(&segment).unwrap();
    flip(&segment, bytes.len() / 2);
    found("segment");
    restore();
    overwrite(&segment, &bytes[..bytes.len() - 40]);
    found("segment");
    restore();
    desk.vox("verify").ok();
    // As JSON the same is told.
    flip(&objects(&desk)[0].clone(), 9);
    let json: serde_json::Value =
        serde_json::from_str(&desk.vox("verify --json").code_is(5).out).unwrap();
    assert_eq!(json["clean"], false);
    assert_eq!(json["damaged"].as_array().unwrap().len(), 1);
}

#[test]
fn no_path_and_no_time_is_in_what_is_shared() {
    // Two folders, other names of files, another program text: the same objects.
    let (one, two) = (filled(), Desk::demo(1));
    two.rename("cases/case-1", "cases/other");
    let program = format!("// elsewhere\n{}", two.text("lesion.imgql").replace("brain", "head"));
    two.write("deep/er/method.imgql", program);
    two.vox(
        "run deep/er/method.imgql --in flair=cases/other/case-1_flair.nii.gz \
         --in seg=cases/other/case-1_seg.nii.gz -o there --keep all --threads 1",
    )
    .ok();
    let names = |desk: &Desk| -> BTreeSet<PathBuf> {
        let root = desk.path(".vox/objects");
        objects(desk).iter().map(|path| path.strip_prefix(&root).unwrap().to_owned()).collect()
    };
    assert_eq!(names(&one), names(&two));
    let words = [one.path("").display().to_string(), "case-1".to_owned(), "lesion".to_owned()];
    for path in segments(&one) {
        let plain = zstd::decode_all(&fs::read(&path).unwrap()[..]).unwrap();
        for word in &words {
            let there = plain.windows(word.len()).any(|part| part == word.as_bytes());
            assert!(!there, "`{word}` in {}", path.display());
        }
    }
}
