//! Values of a program's own kinds: written as canonical CBOR, with a name.
//!
//! The bytes are those of `{"t": NAME, "value": tree}`. The name says what they are to whoever finds
//! them later; it has a dot in it, which no kind of vox itself has. The store never looks into a value:
//! only this face does.

use std::any::TypeId;

use thiserror::Error;

use crate::canon::{self, Tree};
use crate::id::BlobId;
use crate::store::library::error::Error;
use crate::store::library::handle::{Library, guard};

/// A kind of values.
///
/// ```
/// use vox::canon::Tree;
/// use vox::store::library::kind::Kind;
/// use vox::store::library::handle::Library;
///
/// #[derive(Debug, PartialEq)]
/// struct Histogram(Vec<u64>);
///
/// impl Kind for Histogram {
///     const NAME: &'static str = "lab.histogram";
///
///     fn write(&self) -> Tree {
///         Tree::Array(self.0.iter().map(|count| Tree::Uint(*count)).collect())
///     }
///
///     fn read(tree: &Tree) -> Result<Self, String> {
///         let counts = tree.as_array().ok_or("no array")?;
///         let counts = counts.iter().map(|count| count.as_uint().ok_or("no count"));
///         Ok(Self(counts.collect::<Result<_, _>>()?))
///     }
/// }
///
/// let store = Library::memory()?;
/// store.register::<Histogram>()?;
/// let key = store.put_as(&Histogram(vec![3, 1, 4]))?;
/// assert_eq!(store.get_as::<Histogram>(key)?, Some(Histogram(vec![3, 1, 4])));
/// assert_eq!(store.kind(key)?.as_deref(), Some("lab.histogram"));
/// # Ok::<(), vox::store::library::error::Error>(())
/// ```
pub trait Kind: Sized + 'static {
    /// Its name, with a dot in it: `lab.histogram`. Another meaning needs another name.
    const NAME: &'static str;

    /// Returns the value as a tree: equal values the same tree, for its bytes are its name.
    fn write(&self) -> Tree;

    /// Makes a value of a tree that was written earlier, maybe by an older program; or says why not.
    fn read(tree: &Tree) -> Result<Self, String>;
}

/// Why a kind cannot be used.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
pub enum BadKind {
    /// A name that could be mistaken for one of vox.
    #[error(
        "`{0}` is no name of a kind: lower-case letters, digits and `-` around dots, as in `lab.histogram`"
    )]
    Name(&'static str),
    /// Two kinds of one name.
    #[error("there is another kind called `{0}`")]
    Taken(&'static str),
    /// Never registered.
    #[error("the kind `{0}` is not registered with this store")]
    Unknown(&'static str),
}

fn is_name(name: &str) -> bool {
    let is_word = |word: &str| {
        let of = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-');
        !word.is_empty() && word.bytes().all(of)
    };
    name.contains('.') && name.split('.').all(is_word) && name.len() <= 100
}

impl Library {
    /// Makes a kind known; twice is harmless, two kinds of one name are an error.
    pub fn register<T: Kind>(&self) -> Result<(), Error> {
        if !is_name(T::NAME) {
            return Err(BadKind::Name(T::NAME).into());
        }
        match guard(&self.kinds).entry(T::NAME).or_insert_with(TypeId::of::<T>) {
            known if *known == TypeId::of::<T>() => Ok(()),
            _ => Err(BadKind::Taken(T::NAME).into()),
        }
    }

    /// Stores a value of a registered kind, durably; returns its key.
    pub fn put_as<T: Kind>(&self, value: &T) -> Result<BlobId, Error> {
        self.put_canonical(&[&self.written(value)?])
    }

    /// Returns a value of a registered kind, none when it is not here.
    ///
    /// What is here and of another kind is [`Error::Kind`].
    pub fn get_as<T: Kind>(
        &self,
        key: impl TryInto<BlobId, Error: Into<Error>>,
    ) -> Result<Option<T>, Error> {
        self.known::<T>()?;
        let key = key.try_into().map_err(Into::into)?;
        let Some(tree) = self.tree(key)? else { return Ok(None) };
        if name_of(&tree) != Some(T::NAME) {
            let (found, wanted) = (called(&tree), format!("a `{}`", T::NAME));
            return Err(Error::Kind { key, found, wanted });
        }
        let read = T::read(tree.get("value").unwrap_or(&Tree::Null));
        read.map(Some).map_err(|reason| Error::Read { key, kind: T::NAME, reason })
    }

    /// Returns the name of the kind of a value; none when it is not here, or has no such name.
    pub fn kind(
        &self,
        key: impl TryInto<BlobId, Error: Into<Error>>,
    ) -> Result<Option<String>, Error> {
        let tree = self.tree(key.try_into().map_err(Into::into)?)?;
        Ok(tree.as_ref().and_then(name_of).map(str::to_owned))
    }

    /// Returns the canonical bytes of a value of a registered kind.
    pub(in crate::store::library) fn written<T: Kind>(&self, value: &T) -> Result<Vec<u8>, Error> {
        self.known::<T>()?;
        Ok(canon::write(&Tree::map([("t", Tree::text(T::NAME)), ("value", value.write())])))
    }

    fn known<T: Kind>(&self) -> Result<(), Error> {
        let is_known = guard(&self.kinds).get(T::NAME) == Some(&TypeId::of::<T>());
        if is_known { Ok(()) } else { Err(BadKind::Unknown(T::NAME).into()) }
    }

    fn tree(&self, key: BlobId) -> Result<Option<Tree>, Error> {
        let Some(bytes) = self.get_canonical(key)? else { return Ok(None) };
        canon::read(&bytes).map(Some).map_err(|source| Error::Form { key, source })
    }
}

fn name_of(tree: &Tree) -> Option<&str> {
    tree.get("t").and_then(Tree::as_text)
}

/// Says what a value is, in words.
pub(in crate::store::library) fn called(tree: &Tree) -> String {
    match tree {
        Tree::Bytes(_) => "plain bytes".to_owned(),
        tree => name_of(tree).map_or("a value of vox".to_owned(), |name| format!("a `{name}`")),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[derive(Debug, PartialEq)]
    struct Note(String);

    impl Kind for Note {
        const NAME: &'static str = "test.note";

        fn write(&self) -> Tree {
            Tree::text(&self.0)
        }

        fn read(tree: &Tree) -> Result<Self, String> {
            tree.as_text().map(|text| Self(text.to_owned())).ok_or_else(|| "no text".to_owned())
        }
    }

    #[derive(Debug)]
    struct Other<const N: usize>;

    impl<const N: usize> Kind for Other<N> {
        const NAME: &'static str = ["test.note", "image"][N];

        fn write(&self) -> Tree {
            Tree::Null
        }

        fn read(_tree: &Tree) -> Result<Self, String> {
            Err("never".to_owned())
        }
    }

    #[test]
    fn a_kind_is_registered_once_under_a_name_of_its_own() {
        let store = Library::memory().unwrap();
        let unknown = store.put_as(&Note("x".into())).unwrap_err();
        assert!(matches!(unknown, Error::BadKind(BadKind::Unknown(_))));
        store.register::<Note>().unwrap();
        store.register::<Note>().unwrap();
        let taken = store.register::<Other<0>>().unwrap_err();
        assert!(matches!(taken, Error::BadKind(BadKind::Taken(_))));
        let name = store.register::<Other<1>>().unwrap_err();
        assert!(matches!(name, Error::BadKind(BadKind::Name(_))));
    }

    #[test]
    fn what_is_of_another_kind_is_said() {
        let store = Library::memory().unwrap();
        store.register::<Note>().unwrap();
        let plain = store.put(b"x").unwrap();
        let told = store.get_as::<Note>(plain).unwrap_err().to_string();
        assert!(told.ends_with("is plain bytes, not a `test.note`"), "{told}");
        assert_eq!(store.kind(plain).unwrap(), None);
        let note = store.put_as(&Note("x".into())).unwrap();
        let told = store.get(note).unwrap_err().to_string();
        assert!(told.ends_with("is a `test.note`, not plain bytes"), "{told}");
        let absent = BlobId(crate::id::Digest::of(b"nothing"));
        assert_eq!(store.get_as::<Note>(absent).unwrap(), None);
    }
}
