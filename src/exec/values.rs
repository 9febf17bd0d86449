//! The values in memory, and values out of the store.

use std::sync::Arc;

use crate::codec::decode::{self, Source};
use crate::codec::encode::Encoded;
use crate::codec::error::Error as CodecError;
use crate::exec::budget::{Budget, Grant};
use crate::id::BlobId;
use crate::plan::graph::NodeIndex;
use crate::store::entry::Parts;
use crate::store::error::Error;
use crate::store::object::blob::Blob;
use crate::value::data::Value;

/// Values below this many bytes do not count against the budget.
const COUNTED: usize = 4096;

/// The values of nodes, while somebody may want them.
pub struct Values {
    values: Vec<Option<(Value, Option<Grant>)>>,
    budget: Arc<Budget>,
}

impl Values {
    /// Begins empty.
    pub fn new(budget: Arc<Budget>) -> Self {
        Self { values: Vec::new(), budget }
    }

    /// Makes room for so many nodes.
    pub fn grow(&mut self, len: usize) {
        self.values.resize_with(len, || None);
    }

    /// Puts a value in.
    pub fn put(&mut self, node: NodeIndex, value: Value) {
        let size = value.size();
        let grant = (size >= COUNTED).then(|| self.budget.value(size as u64));
        self.values[node.0 as usize] = Some((value, grant));
    }

    /// Returns a value that is there.
    pub fn get(&self, node: NodeIndex) -> Option<&Value> {
        self.values[node.0 as usize].as_ref().map(|(value, _)| value)
    }

    /// Forgets a value.
    pub fn drop(&mut self, node: NodeIndex) {
        self.values[node.0 as usize] = None;
    }
}

impl Parts for Encoded {
    fn parts(&self) -> Vec<&[u8]> {
        Encoded::parts(self)
    }
}

/// A blob as the codec reads it.
struct Opened(Blob);

impl Source for Opened {
    type Error = Error;

    fn len(&self) -> u64 {
        self.0.len() as u64
    }

    fn prefix(&self, n: usize) -> Result<Vec<u8>, Error> {
        Ok(self.0.prefix(n)?)
    }

    fn fill(&self, out: &mut [u8]) -> Result<(), Error> {
        Ok(self.0.fill(out)?)
    }
}

/// Decodes an opened blob; `None` when it is no value, or mentions an image that is not here.
///
/// Both mean that the value is computed again.
pub fn decode(
    blob: Blob,
    open: &dyn Fn(BlobId) -> Result<Option<Blob>, Error>,
) -> Result<Option<Value>, Error> {
    let resolve = |id: BlobId| match open(id)? {
        // An image mentions nothing.
        Some(blob) => settle(decode::decode(&Opened(blob), &|_| Ok(None))),
        None => Ok(None),
    };
    settle(decode::decode(&Opened(blob), &resolve))
}

/// Decodes small canonical bytes that rode in a receipt.
pub fn decode_small(
    bytes: &[u8],
    open: &dyn Fn(BlobId) -> Result<Option<Blob>, Error>,
) -> Result<Option<Value>, Error> {
    let resolve = |id: BlobId| match open(id)? {
        Some(blob) => settle(decode::decode(&Opened(blob), &|_| Ok(None))),
        None => Ok(None),
    };
    settle(decode::decode_slice(bytes, &resolve))
}

fn settle(decoded: Result<Value, CodecError<Error>>) -> Result<Option<Value>, Error> {
    match decoded {
        Ok(value) => Ok(Some(value)),
        Err(CodecError::Source(error)) => Err(error),
        Err(CodecError::Malformed(_) | CodecError::Missing(_)) => Ok(None),
    }
}
