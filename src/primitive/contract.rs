//! What every operator must do.

use crate::canon::Tree;
use crate::primitive::refusal::Refusal;
use crate::primitive::signature::Signature;
use crate::value::data::Value;

/// One call of a kernel: everything that may enter the result.
#[derive(Clone, Copy)]
pub struct Call<'a> {
    /// The arguments in the order of `args`, defaults written in.
    pub args: &'a [Value],
    /// `p` of the node, a map.
    pub params: &'a Tree,
    /// Of a read: the contents of the files in the order the format fixes.
    pub files: &'a [&'a [u8]],
}

/// What a kernel returns.
#[derive(Clone, Debug)]
pub struct Output {
    /// The value.
    pub value: Value,
    /// Things to tell, counted: the receipt's `warn`.
    pub warnings: Vec<Warning>,
    /// Of an encoder: the bytes of the file, which are no part of the value.
    pub file: Option<Vec<u8>>,
}

/// Something a kernel did that a person may want to know, and how often.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// A short word, such as `nonfinite`.
    pub code: &'static str,
    /// How many voxels or values it concerns.
    pub count: u64,
}

impl From<Value> for Output {
    fn from(value: Value) -> Self {
        Self { value, warnings: Vec::new(), file: None }
    }
}

/// An operator.
///
/// For whoever implements one: `kernel` is a function of `call` alone, returns the same bits for the
/// same call on every machine and any number of threads, and never panics on any values of the kinds
/// its signature names. What it cannot do it refuses; a refusal is a result and is kept.
pub trait Primitive: Send + Sync {
    /// Returns what the operator says of itself.
    fn signature(&self) -> &Signature;

    /// Computes.
    fn kernel(&self, call: &Call<'_>) -> Result<Output, Refusal>;
}

/// A primitive made of a signature and a function.
pub struct Plain {
    /// What it says of itself.
    pub signature: Signature,
    /// Its code.
    pub run: fn(&Call<'_>) -> Result<Output, Refusal>,
}

impl Primitive for Plain {
    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn kernel(&self, call: &Call<'_>) -> Result<Output, Refusal> {
        (self.run)(call)
    }
}
