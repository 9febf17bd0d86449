//! What goes, and in which order. Pure: no files, no clock.
//!
//! First what is past its time, then what was not used for too long, then, while the store is above
//! its limit, the greatest (time since last use x bytes / cost), down to 90 % of the limit: by cost
//! alone old expensive results would never leave and new ones go at once, and a store that is emptied
//! to its limit exactly would be above it after the next result.

use std::cmp::Ordering;

use crate::id::BlobId;

/// An object that may go.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Candidate {
    /// Which.
    pub id: BlobId,
    /// The bytes that it takes.
    pub bytes: u64,
    /// When it was last used, in seconds since 1970.
    pub used: u64,
    /// What it costs to compute it again, in microseconds; 0 when nobody knows.
    pub cost_us: u64,
    /// When it may go, in milliseconds since 1970; 0 when nobody said.
    pub until_ms: u64,
    /// Is it pinned, or stands a live run on it?
    pub is_kept: bool,
}

/// How much may stay.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Limits {
    /// So many bytes, the log and folders among them.
    pub bytes: Option<u64>,
    /// So many files, segments of the log among them.
    pub files: Option<u64>,
    /// What was used within so many seconds.
    pub age_s: Option<u64>,
}

/// What is not an object and counts all the same.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Fixed {
    /// Bytes of the log and of folders.
    pub bytes: u64,
    /// Segments.
    pub files: u64,
}

/// Why an object goes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Why {
    /// It is past the time that its run gave it.
    Expired,
    /// It was not used for longer than was asked for.
    Old,
    /// Others need the room more.
    Room,
}

impl Why {
    /// Returns the word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Expired => "expired",
            Self::Old => "old",
            Self::Room => "room",
        }
    }
}

/// Returns to what a limit is brought down once it is passed.
pub fn low_water(limit: u64) -> u64 {
    limit / 10 * 9 + limit % 10 * 9 / 10
}

/// Chooses what goes: indices into the candidates in the order in which they go, and why.
pub fn choose(
    candidates: &[Candidate],
    fixed: Fixed,
    limits: &Limits,
    now_ms: u64,
) -> Vec<(usize, Why)> {
    let now = now_ms / 1000;
    let mut bytes = fixed.bytes + candidates.iter().map(|one| one.bytes).sum::<u64>();
    let mut files = fixed.files + candidates.len() as u64;
    let mut chosen = Vec::new();
    let mut rest = Vec::new();
    for (at, one) in candidates.iter().enumerate().filter(|(_, one)| !one.is_kept) {
        let is_expired = one.until_ms > 0 && one.until_ms < now_ms;
        let is_old = limits.age_s.is_some_and(|age| now.saturating_sub(one.used) > age);
        match (is_expired, is_old) {
            (true, _) => chosen.push((at, Why::Expired)),
            (_, true) => chosen.push((at, Why::Old)),
            _ => rest.push(at),
        }
    }
    chosen.sort_by(|(a, one), (b, other)| {
        one.cmp(other).then_with(|| before(&candidates[*a], &candidates[*b], now))
    });
    for (at, _) in &chosen {
        bytes -= candidates[*at].bytes;
        files -= 1;
    }
    let target = |limit: Option<u64>, is: u64| match limit {
        Some(limit) if is > limit => low_water(limit),
        _ => u64::MAX,
    };
    let (few_bytes, few_files) = (target(limits.bytes, bytes), target(limits.files, files));
    if bytes <= few_bytes && files <= few_files {
        return chosen;
    }
    rest.sort_unstable_by(|a, b| before(&candidates[*a], &candidates[*b], now));
    for at in rest {
        if bytes <= few_bytes && files <= few_files {
            break;
        }
        chosen.push((at, Why::Room));
        bytes -= candidates[at].bytes;
        files -= 1;
    }
    chosen
}

/// Orders by what is given up for the room: exactly, in whole numbers, so that every host and build
/// chooses the same; equals by name.
fn before(one: &Candidate, other: &Candidate, now: u64) -> Ordering {
    let weight = |one: &Candidate| {
        // A clock that was set back makes nothing younger than now.
        let age = u128::from(now.saturating_sub(one.used).max(1));
        age.saturating_mul(u128::from(one.bytes.max(1)))
    };
    let cost = |one: &Candidate| u128::from(one.cost_us.max(1));
    let (left, right) =
        (weight(one).saturating_mul(cost(other)), weight(other).saturating_mul(cost(one)));
    right.cmp(&left).then_with(|| one.id.cmp(&other.id))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;
    use crate::id::Digest;

    const NOW_MS: u64 = 1_000_000_000;

    fn candidate(number: u64) -> impl Strategy<Value = Candidate> {
        let numbers = (1u64..5000, 0u64..1_100_000, 0u64..100_000, 0u64..3, any::<bool>());
        numbers.prop_map(move |(bytes, used, cost_us, until, is_kept)| Candidate {
            id: BlobId(Digest::of(&number.to_le_bytes())),
            bytes,
            used,
            cost_us,
            until_ms: [0, NOW_MS - 1, u64::MAX / 2][until as usize],
            is_kept,
        })
    }

    fn candidates() -> impl Strategy<Value = Vec<Candidate>> {
        (0u64..40).prop_flat_map(|count| (0..count).map(candidate).collect::<Vec<_>>())
    }

    fn limits() -> impl Strategy<Value = Limits> {
        let bytes = proptest::option::of(0u64..100_000);
        let files = proptest::option::of(0u64..40);
        let age_s = proptest::option::of(0u64..1_000_000);
        (bytes, files, age_s).prop_map(|(bytes, files, age_s)| Limits { bytes, files, age_s })
    }

    /// The definition of the order, in real numbers.
    fn score(one: &Candidate) -> f64 {
        let age = (NOW_MS / 1000).saturating_sub(one.used).max(1) as f64;
        age * one.bytes as f64 / one.cost_us.max(1) as f64
    }

    proptest! {
        #[test]
        fn what_is_kept_never_goes_and_nothing_goes_twice(
            all in candidates(), limits in limits()
        ) {
            let chosen = choose(&all, Fixed::default(), &limits, NOW_MS);
            let once: BTreeSet<usize> = chosen.iter().map(|(at, _)| *at).collect();
            prop_assert_eq!(once.len(), chosen.len());
            prop_assert!(chosen.iter().all(|(at, _)| !all[*at].is_kept));
        }

        #[test]
        fn what_is_past_its_time_or_old_goes_whatever_the_limit(
            all in candidates(), limits in limits()
        ) {
            let chosen = choose(&all, Fixed::default(), &limits, NOW_MS);
            let gone: BTreeSet<usize> = chosen.iter().map(|(at, _)| *at).collect();
            for (at, one) in all.iter().enumerate().filter(|(_, one)| !one.is_kept) {
                let expired = one.until_ms == NOW_MS - 1;
                let old = limits.age_s.is_some_and(|age| NOW_MS / 1000 > one.used + age);
                prop_assert!(!(expired || old) || gone.contains(&at));
            }
            let whys: Vec<Why> = chosen.iter().map(|(_, why)| *why).collect();
            prop_assert!(whys.is_sorted());
        }

        #[test]
        fn above_the_limit_it_goes_down_to_ninety_percent_and_no_further(
            all in candidates(), limits in limits(), log in 0u64..5000
        ) {
            let fixed = Fixed { bytes: log, files: 3 };
            let chosen = choose(&all, fixed, &limits, NOW_MS);
            let whole = |gone: &[(usize, Why)]| {
                let bytes: u64 = all.iter().map(|one| one.bytes).sum();
                let less: u64 = gone.iter().map(|(at, _)| all[*at].bytes).sum();
                (bytes - less + log, (all.len() - gone.len()) as u64 + 3)
            };
            let forced = chosen.iter().filter(|(_, why)| *why != Why::Room).count();
            let (bytes, files) = whole(&chosen[..forced]);
            let is_over = limits.bytes.is_some_and(|limit| bytes > limit)
                || limits.files.is_some_and(|limit| files > limit);
            prop_assert_eq!(is_over || chosen.len() == forced, true);
            let is_low = |(now_bytes, now_files): (u64, u64)| {
                limits.bytes.is_none_or(|limit| bytes <= limit || now_bytes <= low_water(limit))
                    && limits.files.is_none_or(|limit| files <= limit || now_files <= low_water(limit))
            };
            let left = all.iter().filter(|one| !one.is_kept).count() - chosen.len();
            prop_assert!(is_low(whole(&chosen)) || left == 0);
            if chosen.len() > forced {
                prop_assert!(!is_low(whole(&chosen[..chosen.len() - 1])), "one too many");
            }
        }

        #[test]
        fn what_goes_for_room_gives_up_least(all in candidates(), limits in limits()) {
            let chosen = choose(&all, Fixed::default(), &limits, NOW_MS);
            let gone: BTreeSet<usize> = chosen.iter().map(|(at, _)| *at).collect();
            let room: Vec<f64> = chosen
                .iter()
                .filter(|(_, why)| *why == Why::Room)
                .map(|(at, _)| score(&all[*at]))
                .collect();
            let near = |a: f64, b: f64| a >= b * (1.0 - 1e-12);
            prop_assert!(room.windows(2).all(|pair| near(pair[0], pair[1])));
            if let Some(last) = room.last() {
                for (at, one) in all.iter().enumerate() {
                    prop_assert!(one.is_kept || gone.contains(&at) || near(*last, score(one)));
                }
            }
        }

        #[test]
        fn the_order_of_the_rows_does_not_matter(all in candidates(), limits in limits()) {
            let ids = |all: &[Candidate]| -> Vec<BlobId> {
                let chosen = choose(all, Fixed::default(), &limits, NOW_MS);
                chosen.iter().map(|(at, _)| all[*at].id).collect()
            };
            let mut back = all.clone();
            back.reverse();
            prop_assert_eq!(ids(&all), ids(&back));
        }
    }

    #[test]
    fn an_hour_of_work_outlives_a_cheap_volume_and_leaves_when_it_is_old_enough() {
        let one = |number: u64, used: u64, cost_us: u64| Candidate {
            id: BlobId(Digest::of(&[number as u8])),
            bytes: 1000,
            used,
            cost_us,
            until_ms: 0,
            is_kept: false,
        };
        let (dear, cheap) = (one(1, 999_000, 3_600_000_000), one(2, 999_990, 10_000));
        let limits = Limits { bytes: Some(1500), ..Limits::default() };
        let first = |all: &[Candidate]| choose(all, Fixed::default(), &limits, NOW_MS)[0].0;
        assert_eq!(first(&[dear, cheap]), 1);
        // Nothing stays for ever: not even that, when it was not asked for long enough.
        let fresh = one(2, 999_999, 10_000);
        assert_eq!(first(&[one(1, 1000, 3_600_000), fresh]), 0);
        assert_eq!((low_water(100), low_water(0), low_water(5)), (90, 0, 4));
    }
}
