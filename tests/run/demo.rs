//! `vox demo`: what a newcomer sees first.

use std::fs;
use std::process::Command;

use vox::app::demo::phantom;
use vox::id::Digest;

use crate::desk::{Desk, Said, overlap};

/// The rows of `dice.csv`: the case, then its numbers.
fn rows(table: &str) -> Vec<(String, Vec<f64>)> {
    let mut lines = table.split("\r\n");
    assert_eq!(lines.next(), Some("case,dice_core,dice_bright,dice_grown,dice"));
    lines
        .filter(|line| !line.is_empty())
        .map(|line| {
            let (case, cells) = line.split_once(',').unwrap();
            (case.to_owned(), cells.split(',').map(|cell| cell.parse().unwrap()).collect())
        })
        .collect()
}

/// The commands to try next, as they are printed.
fn commands(said: &Said) -> Vec<String> {
    let next = said.err.split("Try next:\n").nth(1).unwrap();
    let lines = next.lines().map(str::trim).filter(|line| !line.is_empty());
    lines.filter(|line| !line.starts_with('#')).map(str::to_owned).collect()
}

fn paste(desk: &Desk, line: &str) -> Said {
    let mut shell = Command::new("sh");
    desk.around(shell.args(["-c", line]));
    Said::from(shell.env_remove("VOX_STORE").output().unwrap())
}

#[test]
fn a_newcomer_sees_lesions_found_and_commands_that_work() {
    let desk = Desk::new();
    let mut command = desk.command("demo");
    let said = Said::from(command.env_remove("VOX_STORE").output().unwrap()).ok();
    let table = rows(&desk.text("vox-demo/dice.csv"));
    assert_eq!(
        table.iter().map(|row| row.0.as_str()).collect::<Vec<_>>(),
        ["case-1", "case-2", "case-3"]
    );
    for (at, (case, numbers)) in table.iter().enumerate() {
        let dice = numbers[3];
        assert!((0.90..=0.99).contains(&dice), "{case}: {dice}");
        // The table says what stdout says.
        assert!(said.out.contains(&format!("{case}\tdice={dice:?}\n")), "{}", said.out);
        let head = phantom::head(at, [96, 96, 64]);
        let mask = desk.read(&format!("vox-demo/out/{case}/lesion.nii.gz"));
        let (found, wrong) = overlap(&mask, &head.distractor);
        assert!(found > 1000, "{case}: {found} voxels");
        assert_eq!(wrong, 0, "{case}: voxels of the distractor");
        // The demo's own mask gives the Dice that is printed.
        let (_, both) = overlap(&mask, &head.truth);
        assert_eq!(2.0 * both as f64 / (found as f64 + head.truth.count() as f64), dice);
    }

    let picture = fs::File::open(desk.path("vox-demo/preview.png")).unwrap();
    let mut reader = png::Decoder::new(std::io::BufReader::new(picture)).read_info().unwrap();
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    let frame = reader.next_frame(&mut pixels).unwrap();
    assert!(frame.width > 3 * 96 && frame.height >= 96, "{frame:?}");
    // Both outlines are there, in every third of the width.
    for colour in [[255, 176, 0], [0, 200, 255]] {
        for third in 0..3 {
            let width = frame.width as usize;
            let there = (0..pixels.len() / 3)
                .any(|at| at % width * 3 / width == third && pixels[at * 3..at * 3 + 3] == colour);
            assert!(there, "no {colour:?} in third {third}");
        }
    }

    for place in ["vox-demo/out/", "vox-demo/dice.csv", "vox-demo/preview.png", "vox-demo/.vox"] {
        assert!(said.err.contains(place), "no {place} in {}", said.err);
    }
    let next = commands(&said);
    assert_eq!(next.len(), 3, "{next:?}");
    let core = |said: &Said| said.out.lines().next().unwrap().to_owned();
    let hot = paste(&desk, &next[0]).ok();
    assert!(hot.counts().computed > 0);
    assert_ne!(core(&hot), core(&said), "another threshold, another dice_core");
    let again = paste(&desk, &next[1]).ok().nothing_ran();
    assert_eq!(again.out, said.out);
    let held = paste(&desk, &next[2]).ok();
    assert!(held.out.contains("clean"), "{}", held.out);
}

#[test]
fn the_cohort_is_the_same_to_the_byte() {
    let desk = Desk::new();
    desk.vox("demo a --no-run --cases 2 --size 48x56x48").ok();
    desk.vox("demo b --no-run --cases 2 --size 48x56x48").ok();
    let digests = desk.digests("a");
    assert_eq!(digests, desk.digests("b"));
    let names: Vec<_> = digests.keys().map(|path| path.to_str().unwrap()).collect();
    assert_eq!(
        names,
        [
            "cases/case-1/case-1_flair.nii.gz",
            "cases/case-1/case-1_seg.nii.gz",
            "cases/case-2/case-2_flair.nii.gz",
            "cases/case-2/case-2_seg.nii.gz",
            "lesion.imgql"
        ]
    );
    // On every machine: these are the bytes that the first one wrote.
    let mut plain = Vec::new();
    let file = desk.read("a/cases/case-1/case-1_flair.nii.gz");
    std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(&file[..]), &mut plain).unwrap();
    assert_eq!(plain.len(), 352 + 4 * 48 * 56 * 48);
    assert_eq!(
        Digest::of(&plain).hex(),
        "47bb40452e747b6fdc6c2561dcf7a17845049a2cc07752211fc531eac5dfff7f"
    );
}

#[test]
fn only_an_empty_folder_is_written_to() {
    let desk = Desk::new();
    desk.write("full/notes.txt", "mine");
    desk.vox("demo full --size 48x48x48").code_is(2).says("not empty").says("vox demo other-demo");
    assert_eq!(desk.digests("full").len(), 1);
    desk.vox("demo full/notes.txt").code_is(2).says("no folder");
    fs::create_dir(desk.path("empty")).unwrap();
    desk.vox("demo empty --no-run --cases 1 --size 48x48x48").ok().says("--cases empty/cases");
    assert_eq!(desk.digests("empty").len(), 3, "only cohort and program are written");
    assert!(!desk.path(".vox").exists() && !desk.path("empty/.vox").exists());
    desk.vox("demo small --size 8x8x8").code_is(2).says("48");
    desk.vox("demo odd --size 96x96").code_is(2).says("96x96x64");
    assert!(!desk.path("small").exists() && !desk.path("odd").exists());
}

#[test]
fn the_store_is_where_it_is_said_to_be() {
    let desk = Desk::new();
    let demo = "demo d --cases 1 --size 48x48x48";
    let said = desk.vox(&format!("{demo} --store there")).ok().says("there");
    assert!(desk.path("there/objects").is_dir() && !desk.path("d/.vox").exists());
    assert!(commands(&said).iter().all(|line| line.contains("--store there")));
    fs::remove_dir_all(desk.path("d")).unwrap();
    desk.vox(demo).ok();
    assert!(desk.path(".vox/objects").is_dir() && !desk.path("d/.vox").exists());
}
