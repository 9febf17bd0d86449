//! What the store costs, and what comes near it.
//!
//! `cargo bench --bench store [-- volumes | results | collector]`: in new folders below the system's
//! temporary one (`TMPDIR`; a fresh file system tells most). Each row is the median of its runs, then the
//! limit that the project promises and the part of it that is used. Limits that are ratios are made of
//! yardsticks that are measured just before, in the same process. `scripts/peers-store` times programs
//! that are not written in Rust on the same bytes, under the same names.

#![allow(
    clippy::disallowed_methods,
    reason = "a bench asks where to write, and writes as others do"
)]
#![expect(clippy::print_stdout, reason = "a bench speaks to people")]

mod collector;
mod results;
mod row;
mod volumes;

fn main() {
    let wanted = std::env::args().skip(1).find(|word| !word.starts_with('-'));
    let is_wanted = |name: &str| wanted.as_ref().is_none_or(|word| word == name);
    println!("{:52} {:>12} {:>12} {:>6}", "", "", "limit", "of it");
    if is_wanted("volumes") {
        volumes::run();
    }
    if is_wanted("results") {
        results::run();
    }
    if is_wanted("collector") {
        collector::run();
    }
}
