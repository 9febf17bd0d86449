//! Why bytes are no value.

use thiserror::Error;

use crate::canon;
use crate::id::BlobId;

/// Why a value could not be had from bytes; `E` is what the source of the bytes says.
#[derive(Debug, Error)]
pub enum Error<E> {
    /// The bytes are not what vox writes: damaged, or made by something else.
    #[error("not the canonical bytes of a value: {0}")]
    Malformed(&'static str),
    /// The value mentions an image that is not here; the value counts as not here either.
    #[error("mentions the image `{0}`, which is not here")]
    Missing(BlobId),
    /// The bytes, or those of an image that they mention, could not be read.
    #[error("could not read the bytes of a value")]
    Source(#[source] E),
}

impl<E> From<canon::Error> for Error<E> {
    fn from(error: canon::Error) -> Self {
        let canon::Error::Malformed(why) = error;
        Self::Malformed(why)
    }
}
