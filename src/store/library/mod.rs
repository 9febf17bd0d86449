//! The store for programs that use vox as a crate: bytes by their digest, results by what they compute.
//!
//! A [`handle::Library`] keeps plain bytes ([`values`]), values of a program's own kinds ([`kind`]) and
//! the results of computations, each computed once however many threads and processes ask for it
//! ([`results`]). A folder that it keeps is a store like any other: `vox run` shares it, `vox gc` bounds
//! it, `vox verify` checks it. What was read lately stays in memory ([`cache`]); [`value`] says how bytes
//! are written, [`error`] what can go wrong.
//!
//! It adds no promise to those of [`open`](crate::store::open) and takes none away: it is a face for
//! people who do not want to know what a receipt is.
//!
//! ```
//! use vox::store::library::handle::Library;
//!
//! let store = Library::temporary()?;
//! let key = store.put(b"what took all night")?;
//! assert_eq!(&*store.get(key)?.expect("it was put"), b"what took all night");
//! # Ok::<(), vox::store::library::error::Error>(())
//! ```

pub mod cache;
pub mod error;
pub mod handle;
pub mod kind;
pub mod results;
pub mod value;
pub mod values;
