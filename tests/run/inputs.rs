//! Input files: content decides, whatever their names and times say, and whenever they change.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use crate::desk::{CASE, Desk, image};

const DIMS: [usize; 3] = [20, 18, 16];
const PROGRAM: &str =
    "load f = \"f.nii\"\nprint \"top\" max(f)\nprint \"count\" volume(dt(f >. 3) <. 2)\n";

/// An image whose content is known by `seed`.
fn scan(seed: usize) -> Vec<u8> {
    image(DIMS, |x, y, z| ((x * 7 + y * 3 + z * seed) % 23) as f32 + seed as f32)
}

/// What a content gives, by a run without any store.
fn answer(desk: &Desk, bytes: &[u8]) -> String {
    desk.write("alone/f.nii", bytes);
    desk.vox("run p.imgql --no-store --in f=alone/f.nii").ok().out
}

#[test]
fn names_and_times_are_no_content() {
    let desk = Desk::demo(1);
    let first = desk.vox(CASE).ok();
    let flair = "cases/case-1/case-1_flair.nii.gz";
    let file = fs::File::options().write(true).open(desk.path(flair)).unwrap();
    file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000)).unwrap();
    desk.vox(CASE).ok().nothing_ran();
    file.set_modified(SystemTime::now()).unwrap();
    desk.vox(CASE).ok().nothing_ran();
    let moved = |to: &str, case: &str| {
        let said = desk.vox(&case.replace(flair, to)).ok().nothing_ran();
        assert_eq!(said.out, first.out);
    };
    desk.rename(flair, "cases/case-1/renamed.nii.gz");
    moved("cases/case-1/renamed.nii.gz", CASE);
    fs::create_dir(desk.path("far")).unwrap();
    desk.rename("cases/case-1/renamed.nii.gz", "far/scan.nii.gz");
    moved("far/scan.nii.gz", CASE);
    fs::copy(desk.path("far/scan.nii.gz"), desk.path("far/copy.nii.gz")).unwrap();
    moved("far/copy.nii.gz", CASE);
    let absolute = desk.path("far/copy.nii.gz");
    moved(absolute.to_str().unwrap(), CASE);
    desk.vox(&format!("{} --rehash", CASE.replace(flair, "far/copy.nii.gz"))).ok().nothing_ran();
}

#[test]
fn one_voxel_makes_another_answer_even_when_the_time_stays() {
    let desk = Desk::new();
    desk.write("p.imgql", PROGRAM);
    let path = desk.write("f.nii", scan(1));
    let old = fs::metadata(&path).unwrap().modified().unwrap();
    let first = desk.vox("run p.imgql").ok();
    let mut bytes = scan(1);
    let last = bytes.len() - 4;
    bytes[last..].copy_from_slice(&1000f32.to_le_bytes());
    // In place, of one length, and with the old time put back.
    fs::write(&path, &bytes).unwrap();
    fs::File::options().write(true).open(&path).unwrap().set_modified(old).unwrap();
    let second = desk.vox("run p.imgql").ok();
    assert_ne!(second.out, first.out);
    assert_eq!(second.printed("top"), "1000.0");
    assert_eq!(second.out, answer(&desk, &bytes));
    fs::write(&path, scan(1)).unwrap();
    let third = desk.vox("run p.imgql").ok().nothing_ran();
    assert_eq!(third.out, first.out);
}

/// Runs while another thread keeps changing the file, then asks the store for each content.
fn swapped(change: impl Fn(&Desk, usize, &[u8]) + Sync) {
    let desk = Desk::new();
    desk.write("p.imgql", PROGRAM);
    let contents = [scan(1), scan(2)];
    let right: Vec<String> = contents.iter().map(|bytes| answer(&desk, bytes)).collect();
    assert_ne!(right[0], right[1]);
    let done = AtomicBool::new(false);
    desk.write("f.nii", &contents[0]);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for turn in 0.. {
                if done.load(Ordering::Relaxed) {
                    return;
                }
                change(&desk, turn, &contents[turn % 2]);
            }
        });
        for round in 0..12 {
            let rehash = if round % 3 == 0 { " --rehash" } else { "" };
            let said = desk.vox(&format!("run p.imgql --keep all{rehash}"));
            match said.code {
                Some(0) => {}
                Some(4) => {
                    assert!(said.err.contains("f.nii"), "{}", said.err);
                }
                _ => panic!("{:?} {}", said.code, said.err),
            }
        }
        done.store(true, Ordering::Relaxed);
    });
    for (bytes, right) in contents.iter().zip(&right) {
        desk.write("f.nii", bytes);
        assert_eq!(&desk.vox("run p.imgql --rehash").ok().out, right);
        assert_eq!(&desk.vox("run p.imgql").ok().out, right);
        desk.write("elsewhere.nii", bytes);
        assert_eq!(&desk.vox("run p.imgql --in f=elsewhere.nii").ok().out, right);
    }
    desk.vox("verify").ok();
}

#[test]
fn a_file_that_is_swapped_gives_the_answer_of_one_content() {
    swapped(|desk, turn, bytes| {
        let next = format!("next-{}", turn % 2);
        desk.write(&next, bytes);
        desk.rename(&next, "f.nii");
        std::thread::sleep(Duration::from_micros(300));
    });
}

#[test]
fn a_file_that_is_written_to_is_never_under_a_wrong_key() {
    use std::os::unix::fs::FileExt as _;
    swapped(|desk, _, bytes| {
        let file = fs::File::options().write(true).open(desk.path("f.nii")).unwrap();
        for (at, part) in bytes.chunks(4096).enumerate() {
            file.write_all_at(part, at as u64 * 4096).unwrap();
        }
        std::thread::sleep(Duration::from_micros(500));
    });
}

#[test]
fn a_file_that_changes_after_planning_is_planned_again() {
    let desk = Desk::new();
    desk.write("big.nii", image([120, 120, 120], |x, y, z| ((x * 3 + y * z) % 31) as f32));
    desk.write(
        "p.imgql",
        "load big = \"big.nii\"\nload f = \"f.nii\"\nk = 3\n\
         print \"both\" max(big) + volume(f >. k)\n",
    );
    let run = |name: &str, more: &str| format!("run p.imgql --threads 1 --in f={name} {more}");
    for at in 0..6 {
        desk.write(&format!("f{at}.nii"), scan(1));
        desk.write(&format!("next{at}.nii"), scan(2));
    }
    let right = |name: &str| desk.vox(&run(name, "--no-store --set k=15")).ok().out;
    let right = [right("f0.nii"), right("next0.nii")];
    assert_ne!(right[0], right[1]);
    // Only what has not changed for two seconds is believed to be unchanged by its times.
    std::thread::sleep(Duration::from_millis(2200));
    let mut planned = Vec::new();
    for at in 0..6 {
        let (name, next) = (format!("f{at}.nii"), format!("next{at}.nii"));
        desk.vox(&run(&name, &format!("--store s{at}"))).ok();
        let mut child = desk.start(&run(&name, &format!("--store s{at} --set k=15 --events")));
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        assert!(lines.next().unwrap().unwrap().contains("start"));
        desk.rename(&next, &name);
        let said: Vec<String> = lines.map(Result::unwrap).collect();
        assert!(child.wait().unwrap().success(), "{said:?}");
        planned.push(1 + said.iter().filter(|line| line.contains("\"start\"")).count());
        // Whichever was read, each content has its own answer from now on.
        desk.write(&next, scan(1));
        for _ in 0..2 {
            assert_eq!(
                desk.vox(&run(&next, &format!("--store s{at} --set k=15"))).ok().out,
                right[0]
            );
            assert_eq!(
                desk.vox(&run(&name, &format!("--store s{at} --set k=15"))).ok().out,
                right[1]
            );
        }
    }
    assert!(planned.contains(&2), "it never changed in time: {planned:?}");
}

#[test]
fn computed_paths_are_read_by_content_too() {
    let desk = Desk::new();
    desk.write("data/a.nii", scan(1));
    desk.write("data/b.nii", scan(2));
    desk.write("names.txt", "data/a\ndata/b\n");
    desk.write(
        "p.imgql",
        "load names = \"names.txt\"\n\
         base = ReadImage(concat(\"data/\", concat(\"a\", \".nii\")))\n\
         print \"one\" max(base)\n\
         print \"later\" max(ReadImage(concat(names[1], \".nii\")))\n\
         print \"all\" for p in dir(\"data\", \"*.nii\", false, true) do volume(ReadImage(p) >. 5)\n",
    );
    let first = desk.vox("run p.imgql").ok();
    assert!(first.counts().computed > 0);
    let again = desk.vox("run p.imgql").ok().nothing_ran();
    assert_eq!(again.out, first.out);
    let list = |said: &crate::desk::Said| {
        said.printed("all")
            .trim_matches(['[', ']'])
            .split(", ")
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let [a, b] = &list(&first)[..] else { panic!("{}", first.out) };
    // Another time, another inode.
    desk.write("data/new", scan(1));
    desk.rename("data/new", "data/a.nii");
    desk.vox("run p.imgql").ok().nothing_ran();
    // Another name, which sorts last: the listing changes, the elements do not.
    desk.rename("data/b.nii", "data/z.nii");
    desk.write("names.txt", "data/a\ndata/z\n");
    let renamed = desk.vox("run p.imgql").ok();
    assert_eq!(renamed.out, first.out);
    assert_eq!(renamed.printed("later"), first.printed("later"));
    // A new file is one new element.
    desk.write("data/m.nii", scan(3));
    let more = desk.vox("run p.imgql --report more.json").ok();
    let [a2, m, z] = &list(&more)[..] else { panic!("{}", more.out) };
    assert_eq!((a2, z), (a, b));
    assert_ne!(m, b);
    // Another content under a known name.
    desk.write("data/z.nii", scan(3));
    let other = desk.vox("run p.imgql").ok();
    assert_ne!(other.printed("later"), first.printed("later"));
    assert_eq!(list(&other)[2], *m);
}
