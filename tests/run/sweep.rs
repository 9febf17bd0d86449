//! Many parameters over one case: what pairs of thresholds share is computed once.

use crate::desk::{Desk, image};

const METHOD: &str = "load f = \"f.nii\"\n\
    grown(hi, lo) = volume(touch(f > lo, f > hi))\n";

/// The pairs of so many high and 7 low thresholds; of 11, they are 77.
fn program(highs: usize) -> String {
    format!(
        "{METHOD}lows(hi) = for lo in range(5, 12) do grown(hi, lo)\n\
         print \"n\" map(lows, range(20, {}))\n",
        20 + highs
    )
}

#[test]
fn a_sweep_shares_all_that_its_pairs_share() {
    let desk = Desk::new();
    desk.write("f.nii", image([16, 15, 14], |x, y, z| (x + y + z) as f32));
    desk.write("p.imgql", program(11));
    let swept = desk.vox("run p.imgql --keep all").ok();
    // The image, 18 thresholds, 11 times near, and of each pair the components, their volume; and the
    // sequences.
    let counts = swept.counts();
    assert_eq!(counts.redone + counts.failed + counts.reused, 0, "{}", swept.err);
    let least = 1 + 18 + 11 + 2 * 77;
    assert!((least..least + 14).contains(&counts.computed), "{}", swept.err);
    // The written-out program has the same nodes.
    let mut out = METHOD.to_owned();
    for hi in 20..31 {
        for lo in 5..12 {
            out += &format!("print \"{hi}/{lo}\" grown({hi}, {lo})\n");
        }
    }
    desk.write("out.imgql", &out);
    let said = desk.vox("run out.imgql").ok();
    assert_eq!(said.counts().computed, 0, "{}", said.err);
    let values: Vec<&str> = said.out.lines().filter_map(|line| line.split('=').nth(1)).collect();
    let flat = swept.out.trim().trim_start_matches("n=").replace(['[', ']'], "");
    assert_eq!(values, flat.split(", ").collect::<Vec<_>>());
    // Another high threshold computes its own nodes only: itself, near, 7 pairs, two sequences; volumes of
    // components that were counted before are cut off.
    desk.write("p.imgql", program(12));
    let more = desk.vox("run p.imgql --keep all").ok().counts();
    assert!((2 + 7..=2 + 14 + 2).contains(&more.computed), "{more:?}");
}
