//! How segments hang together: heads, gaps, forks.

use std::collections::{BTreeMap, BTreeSet};

use crate::id::Digest;
use crate::store::log::append::Head;
use crate::store::log::error::Error;
use crate::store::log::segment::Span;
use crate::store::object::layout::{SegmentName, WriterId};

/// How the segments of some logs hang together.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Survey {
    /// Where each log ends: more than once, if it forks.
    pub heads: BTreeMap<WriterId, BTreeSet<Head>>,
    /// What is missing before a segment.
    pub gaps: Vec<Gap>,
    /// Where a log says two things.
    pub forks: Vec<Fork>,
}

/// Records that must have been, and are not here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Gap {
    /// Whose.
    pub writer: WriterId,
    /// Number of the first record that is missing for sure: at most `last`.
    pub first: u64,
    /// Number of the last record that is missing.
    pub last: u64,
}

/// Two segments of one writer that differ in a record of one number: clones, restored backups.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fork {
    /// Whose.
    pub writer: WriterId,
    /// A number at which both have a hash, and another one.
    pub seq: u64,
    /// One segment.
    pub one: SegmentName,
    /// The other.
    pub other: SegmentName,
}

/// Says how segments hang together; gaps and forks are legal, and all their records count.
///
/// A hash of the chain covers all records before it, so two segments that agree behind one record
/// agree on everything up to it. `hash_at` returns the hash behind a record in the middle of a
/// segment (an index into `spans`, and a number); it is asked only where segments overlap.
pub fn survey(
    spans: &[Span],
    mut hash_at: impl FnMut(usize, u64) -> Result<Digest, Error>,
) -> Result<Survey, Error> {
    let mut order: Vec<usize> = (0..spans.len()).collect();
    order.sort_by_key(|at| (spans[*at].writer, spans[*at].name));
    order.dedup_by_key(|at| spans[*at]);
    let mut survey = Survey::default();
    let mut ends = BTreeSet::new();
    let mut continued = BTreeSet::new();
    let mut open: Vec<usize> = Vec::new();
    let mut at = |index: usize, seq: u64| -> Result<Digest, Error> {
        let span = &spans[index];
        if seq == span.name.last {
            Ok(span.after)
        } else if seq + 1 == span.name.first {
            Ok(span.before)
        } else {
            hash_at(index, seq)
        }
    };
    let mut furthest = (None, 0);
    for &index in &order {
        let span = &spans[index];
        let name = &span.name;
        if furthest.0 != Some(span.writer) {
            furthest = (Some(span.writer), 0);
        }
        ends.insert((span.writer, Head { seq: name.last, hash: span.after }));
        open.retain(|&one| {
            spans[one].writer == span.writer && spans[one].name.last + 1 >= name.first
        });
        let mut follows = name.first == 1;
        for &one in &open {
            let other = &spans[one];
            // Both have a hash from `first - 1` to the nearer end; there they differ if anywhere.
            let seq = name.last.min(other.name.last);
            if at(index, seq)? != at(one, seq)? {
                let (one, other) = (other.name, *name);
                survey.forks.push(Fork { writer: span.writer, seq, one, other });
            } else if name.last > other.name.last {
                continued.insert((span.writer, Head { seq, hash: other.after }));
            } else if name.last < other.name.last {
                continued.insert((span.writer, Head { seq, hash: span.after }));
            }
            let before = name.first - 1;
            follows = follows || (before >= other.name.first && at(one, before)? == span.before);
        }
        if !follows {
            let first = (furthest.1 + 1).min(name.first - 1);
            survey.gaps.push(Gap { writer: span.writer, first, last: name.first - 1 });
        }
        furthest.1 = furthest.1.max(name.last);
        open.push(index);
    }
    survey.gaps.sort();
    survey.gaps.dedup();
    for (writer, head) in ends.difference(&continued) {
        survey.heads.entry(*writer).or_default().insert(*head);
    }
    Ok(survey)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use proptest::prelude::*;

    use super::*;

    const WRITER: WriterId = WriterId([7; 16]);

    /// A history is named by its records; two that begin alike have equal hashes so far.
    fn hash(history: &[u8], seq: u64) -> Digest {
        Digest::of(&history[..seq as usize])
    }

    fn span(history: &[u8], first: u64, last: u64) -> Span {
        let digest = hash(&history[..last as usize], last).prefix().to_be_bytes();
        Span {
            writer: WRITER,
            name: SegmentName { first, last, digest },
            before: hash(history, first - 1),
            after: hash(history, last),
        }
    }

    fn check(segments: &[(&[u8], u64, u64)]) -> Survey {
        let spans: Vec<Span> =
            segments.iter().map(|(history, first, last)| span(history, *first, *last)).collect();
        survey(&spans, |index, seq| Ok(hash(segments[index].0, seq))).unwrap()
    }

    fn heads(survey: &Survey) -> Vec<u64> {
        survey.heads.values().flatten().map(|head| head.seq).collect()
    }

    #[test]
    fn segments_that_follow_or_cover_each_other_have_one_head() {
        let a = b"aaaaaaaaaa";
        for segments in [
            vec![(a as &[u8], 1, 4), (a, 5, 10)],
            vec![(a, 5, 10), (a, 1, 4)],
            vec![(a, 1, 6), (a, 4, 10)],
            vec![(a, 1, 10), (a, 2, 3), (a, 4, 4)],
            vec![(a, 1, 10), (a, 1, 10)],
            vec![(a, 1, 10), (a, 6, 10)],
        ] {
            let survey = check(&segments);
            assert_eq!(heads(&survey), [10], "{segments:?}");
            assert!(survey.gaps.is_empty() && survey.forks.is_empty(), "{segments:?}");
        }
    }

    #[test]
    fn a_missing_predecessor_is_a_gap() {
        let a = b"aaaaaaaaaa";
        let survey = check(&[(a, 1, 2), (a, 5, 10)]);
        assert_eq!(survey.gaps, [Gap { writer: WRITER, first: 3, last: 4 }]);
        assert_eq!(heads(&survey), [2, 10]);
        assert_eq!(check(&[(a, 2, 10)]).gaps, [Gap { writer: WRITER, first: 1, last: 1 }]);
    }

    #[test]
    fn two_hashes_at_one_number_are_a_fork() {
        let (a, b) = (b"aaaaaaaaaa", b"aaaabbbbbb");
        let survey = check(&[(a, 1, 7), (b, 5, 9)]);
        assert_eq!(survey.forks.len(), 1);
        assert_eq!(survey.forks[0].seq, 7);
        assert_eq!(heads(&survey), [7, 9]);
        assert!(survey.gaps.is_empty());
        // The second continues a sixth record that is not here.
        let survey = check(&[(a, 1, 6), (b, 7, 9)]);
        assert_eq!((survey.forks.len(), survey.gaps.len()), (1, 1));
    }

    proptest! {
        /// Against the definition: every record is one (number, hash).
        #[test]
        fn heads_gaps_and_forks_are_those_of_the_definition(
            segments in proptest::collection::vec((0usize..3, 1u64..12, 0u64..6), 1..8)
        ) {
            let histories: [&[u8]; 3] = [b"aaaaaaaaaaaaaaaaaa", b"aaaaabbbbbbbbbbbbb", b"aaaaabbbbccccccccc"];
            let segments: Vec<(&[u8], u64, u64)> =
                segments.iter().map(|(h, first, more)| (histories[*h], *first, first + more)).collect();
            let survey = check(&segments);
            let points: BTreeSet<(u64, Digest)> = segments
                .iter()
                .flat_map(|(h, first, last)| (*first..=*last).map(|seq| (seq, hash(h, seq))))
                .collect();
            // What a record says comes before it: (number, hash) pairs that have a successor here.
            let before: BTreeSet<(u64, Digest)> = segments
                .iter()
                .flat_map(|(h, first, last)| (first - 1..*last).map(|seq| (seq, hash(h, seq))))
                .collect();
            let ends: Vec<u64> = points.difference(&before).map(|(seq, _)| *seq).collect();
            prop_assert_eq!(heads(&survey), ends);
            let missing: BTreeSet<u64> =
                before.difference(&points).map(|(seq, _)| *seq).filter(|seq| *seq > 0).collect();
            let gaps: BTreeSet<u64> = survey.gaps.iter().map(|gap| gap.last).collect();
            prop_assert_eq!(gaps, missing);
            let known: BTreeSet<(u64, Digest)> = points.union(&before).copied().collect();
            let numbers: BTreeSet<u64> = known.iter().map(|(seq, _)| *seq).collect();
            prop_assert!(survey.forks.is_empty() || known.len() > numbers.len());
            let two = points.len() > points.iter().map(|(seq, _)| *seq).collect::<BTreeSet<_>>().len();
            prop_assert!(!two || !survey.forks.is_empty());
        }
    }
}
