//! What is kept, by constants of the program, never by the clock of a run.
//!
//! Keeping a value costs hashing, compressing, a durable file and reading back; not keeping it costs
//! computing it again, with everything below it that is not kept either. Keeping enters no name.

use crate::plan::graph::{NodeIndex, Plan};
use crate::primitive::signature::Cost;
use crate::value::data::Value;

/// Which values a run keeps besides its goals, numbers, booleans, texts and whatever is small.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Keep {
    /// Those that cost more to compute again than to keep.
    #[default]
    Auto,
    /// All.
    All,
    /// None.
    Goals,
}

/// Values of at most so many canonical bytes ride in their receipt.
pub const INLINE: usize = 4096;

/// A node is claimed when it is estimated above this.
pub const CLAIMED_PS: u64 = 10_000_000_000;

/// A durable file of its own: made, synced, looked up and opened again.
const OBJECT_PS: u64 = 30_000_000_000;
/// Hashing, compressing and decoding, a byte.
const BYTE_PS: u64 = 1_200;
/// Decoding alone, a byte.
const LOAD_PS: u64 = 500;
/// Hashing alone, a byte.
const HASH_PS: u64 = 600;
/// The bits of a thresholded distance, a voxel, instead of the distance itself.
pub const FUSED_PS: u64 = 600;
/// Reading an input, a voxel: cheaper than writing one.
const READ_PS: u64 = 600;
/// Work above a value must be so many times its hash before the hash is computed for its own sake.
const WORTH: u64 = 20;

/// Returns about what a node costs by itself for each voxel, in picoseconds.
pub fn own_ps(plan: &Plan, node: NodeIndex) -> u64 {
    let signature = plan.signature(node);
    if signature.cost == Cost::File && plan.args(node).is_empty() {
        READ_PS
    } else {
        signature.cost.picoseconds()
    }
}

/// Returns about what a kept value costs whoever wants it again, in picoseconds.
pub fn load_ps(bytes: u64) -> u64 {
    LOAD_PS.saturating_mul(bytes)
}

/// Says whether hashing so many bytes is worth it, for the work above that it may spare.
pub fn is_hash_worth(bytes: u64, above_ps: u64) -> bool {
    above_ps > hash_ps(bytes).saturating_mul(WORTH)
}

/// Returns about what the name of a value of so many bytes costs, in picoseconds.
pub fn hash_ps(bytes: u64) -> u64 {
    HASH_PS.saturating_mul(bytes)
}

/// What decides about one node, known before its value is.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    /// What the run keeps.
    pub keep: Keep,
    /// Is it a goal, or what a goal saves?
    pub goal: bool,
    /// Is it an input? Its file is copy enough.
    pub input: bool,
}

impl Rule {
    /// Says whether a value of so many bytes is kept that costs `again_ps` to compute again with
    /// everything below it that is not kept.
    pub fn keeps(self, bytes: u64, again_ps: u64) -> bool {
        match self.keep {
            _ if self.goal => true,
            Keep::All => true,
            Keep::Goals => false,
            Keep::Auto => {
                !self.input && again_ps > OBJECT_PS.saturating_add(BYTE_PS.saturating_mul(bytes))
            }
        }
    }

    /// Says whether a value is kept that has been computed.
    pub fn keeps_value(self, value: &Value, again_ps: u64) -> bool {
        matches!(value, Value::Null | Value::Bool(_) | Value::Number(_) | Value::Text(_))
            || self.keeps(value.size() as u64, again_ps)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The volume of a brain scan.
    const VOXELS: u64 = 240 * 240 * 155;

    #[test]
    fn expensive_images_are_kept_and_cheap_ones_are_not() {
        let rule = Rule { keep: Keep::Auto, goal: false, input: false };
        let read = READ_PS * VOXELS;
        let ranks = read + Cost::Ranks.picoseconds() * VOXELS;
        let threshold = ranks + Cost::Pass.picoseconds() * VOXELS;
        let correlation = threshold + ranks + Cost::Correlation.picoseconds() * VOXELS;
        assert!(!rule.keeps(VOXELS * 4, ranks), "a percentile image");
        assert!(!rule.keeps(VOXELS / 8, threshold), "a threshold");
        assert!(rule.keeps(VOXELS * 4, correlation), "a local correlation");
        assert!(rule.keeps(VOXELS / 8, correlation), "a mask of an expensive cone");
        assert!(!Rule { input: true, ..rule }.keeps(VOXELS, u64::MAX), "an input");
        assert!(Rule { goal: true, keep: Keep::Goals, ..rule }.keeps(VOXELS, 0), "a goal");
        assert!(Rule { keep: Keep::All, ..rule }.keeps(VOXELS, 0));
    }

    #[test]
    fn numbers_are_kept_whatever_is_said() {
        let rule = Rule { keep: Keep::Goals, goal: false, input: false };
        assert!(rule.keeps_value(&Value::Number(1.0), 0));
        assert!(!rule.keeps_value(&Value::sequence(vec![Value::Number(1.0); 4096]), 0));
    }
}
