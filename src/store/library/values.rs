//! Bytes by their keys.

use std::collections::HashMap;

use rayon::prelude::*;

use crate::canon;
use crate::id::{BlobId, Digest};
use crate::pool::Block;
use crate::store::entry::{Entry, Parts, What};
use crate::store::error::{Error as StoreError, io_error};
use crate::store::index::ask::{Change, FOREVER, ObjectRow};
use crate::store::library::error::Error;
use crate::store::library::handle::{Found, Library, MOST, guard};
use crate::store::library::kind::called;
use crate::store::library::value::{Value, head};
use crate::store::lock;
use crate::store::log::record::Target;
use crate::store::memo::now_ns;
use crate::store::object::objects::Pending;
use crate::store::object::proof::Proof;

impl Library {
    /// Stores bytes, durably and for others to see; returns their key.
    ///
    /// The key is the SHA-256 of the bytes as canonical CBOR, which is what the object's file holds. The
    /// same bytes have the same key, and are stored once. More than
    /// [`Options::most`](crate::store::library::handle::Options::most) bytes are
    /// [`Error::TooLarge`].
    ///
    /// ```
    /// use vox::store::library::handle::Library;
    ///
    /// let store = Library::temporary()?;
    /// let key = store.put(b"bytes")?;
    /// assert_eq!(store.put(b"bytes")?, key);
    /// println!("{key}");
    /// # Ok::<(), vox::store::library::error::Error>(())
    /// ```
    pub fn put(&self, bytes: &[u8]) -> Result<BlobId, Error> {
        self.put_canonical(&[&head(bytes.len()), bytes])
    }

    /// Stores many values, all or none of them acknowledged; returns their keys in order.
    ///
    /// They are made durable together: much quicker than one by one.
    ///
    /// ```
    /// use vox::store::library::handle::Library;
    ///
    /// let store = Library::temporary()?;
    /// let keys = store.put_batch(&["one", "two", "three"])?;
    /// let values = store.get_batch(&keys)?;
    /// assert_eq!(&**values[2].as_ref().expect("it was put"), b"three");
    /// # Ok::<(), vox::store::library::error::Error>(())
    /// ```
    pub fn put_batch(&self, values: &[impl AsRef<[u8]> + Sync]) -> Result<Vec<BlobId>, Error> {
        let heads: Vec<Vec<u8>> = values.iter().map(|value| head(value.as_ref().len())).collect();
        let parts: Vec<[&[u8]; 2]> =
            heads.iter().zip(values).map(|(head, value)| [&**head, value.as_ref()]).collect();
        let parts: Vec<&[&[u8]]> = parts.iter().map(|parts| &parts[..]).collect();
        self.put_all(&parts)
    }

    /// Hands bytes over to be stored behind the caller's back; returns their key.
    ///
    /// They can be read through this handle at once, and by others once they are stored: after two
    /// seconds at most, or when [`Library::flush`] returns. While
    /// [`Options::queue`](crate::store::library::handle::Options::queue) bytes wait for the disk, so
    /// does the caller.
    ///
    /// ```
    /// use vox::store::library::handle::Library;
    ///
    /// let store = Library::temporary()?;
    /// let keys: Vec<_> =
    ///     (0..100).map(|at| store.put_later(format!("{at}").as_bytes())).collect::<Result<_, _>>()?;
    /// assert!(store.has(keys[99])?);
    /// store.flush()?;
    /// # Ok::<(), vox::store::library::error::Error>(())
    /// ```
    pub fn put_later(&self, bytes: &[u8]) -> Result<BlobId, Error> {
        let head = head(bytes.len());
        self.check_size(head.len() + bytes.len())?;
        let value = Value::copied(&[&head, bytes]);
        let key = BlobId(Digest::of(&value));
        let inner = self.inner();
        let writer = inner.writer()?;
        inner.waiting().values.insert(key, value.clone());
        let object: Box<dyn Parts> = Box::new(value.clone());
        writer.submit(Entry { what: What::Object(object), lam: 0, claim: None })?;
        guard(&self.cache).put(key, value);
        self.count_puts(1);
        Ok(key)
    }

    /// Waits until all that was handed over is stored durably; what could not be is an error, once.
    pub fn flush(&self) -> Result<(), Error> {
        let inner = self.inner();
        if let Some(writer) = &inner.writer {
            writer.flush()?;
        }
        inner.waiting().check()
    }

    /// Returns the bytes under a key, none when they are not here.
    ///
    /// A key is a [`BlobId`] or its 64 hex digits; another text is [`Error::Key`]. What is read is checked:
    /// a damaged object is put aside and not here.
    ///
    /// ```
    /// use vox::store::library::handle::Library;
    ///
    /// let store = Library::memory()?;
    /// let key = store.put(b"bytes")?.to_string();
    /// assert_eq!(&*store.get(key.as_str())?.expect("it was put"), b"bytes");
    /// assert_eq!(store.get("0".repeat(64).as_str())?, None);
    /// assert!(store.get("0".repeat(63).as_str()).is_err());
    /// # Ok::<(), vox::store::library::error::Error>(())
    /// ```
    pub fn get(
        &self,
        key: impl TryInto<BlobId, Error: Into<Error>>,
    ) -> Result<Option<Value>, Error> {
        let key = key.try_into().map_err(Into::into)?;
        let Some(canonical) = self.get_canonical(key)? else { return Ok(None) };
        match canonical.content() {
            Some(bytes) => Ok(Some(bytes)),
            None => match canon::read(&canonical) {
                Ok(tree) => {
                    Err(Error::Kind { key, found: called(&tree), wanted: "plain bytes".to_owned() })
                }
                Err(source) => Err(Error::Form { key, source }),
            },
        }
    }

    /// Returns the bytes under many keys, in their order; large ones are read beside each other.
    pub fn get_batch<K>(&self, keys: &[K]) -> Result<Vec<Option<Value>>, Error>
    where
        K: TryInto<BlobId, Error: Into<Error>> + Copy,
    {
        let keys: Vec<BlobId> = keys
            .iter()
            .map(|key| (*key).try_into())
            .collect::<Result<_, K::Error>>()
            .map_err(Into::into)?;
        keys.into_par_iter().map(|key| self.get(key)).collect()
    }

    /// Returns the canonical CBOR of any value: what an object's file holds, uncompressed.
    pub fn get_canonical(
        &self,
        key: impl TryInto<BlobId, Error: Into<Error>>,
    ) -> Result<Option<Value>, Error> {
        let key = key.try_into().map_err(Into::into)?;
        if let Some(value) = guard(&self.cache).get(key) {
            self.count_get(Found::InMemory);
            return Ok(Some(value));
        }
        let inner = self.inner();
        if let Some(value) = inner.waiting().values.get(&key) {
            self.count_get(Found::InMemory);
            return Ok(Some(value.clone()));
        }
        let store = &inner.store;
        let mut found = None;
        if let Some(blob) = store.open_blob(key)? {
            let len = blob.len();
            let mut block = Block::take(len);
            match blob.fill(&mut block.bytes_mut()[..len]) {
                Ok(()) => found = Some(Value::of(block, len)),
                Err(error) if error.is_damage() => store.spoilt(&blob, &error)?,
                Err(error) => return Err(StoreError::from(error).into()),
            }
        }
        if found.is_none() {
            found = store.small(key)?.map(|small| Value::copied(&[&small]));
        }
        if let Some(value) = &found {
            guard(&self.cache).put(key, value.clone());
        }
        self.count_get(if found.is_some() { Found::InStore } else { Found::Nowhere });
        Ok(found)
    }

    /// Says whether a value is here; its bytes are not looked at.
    pub fn has(&self, key: impl TryInto<BlobId, Error: Into<Error>>) -> Result<bool, Error> {
        let key = key.try_into().map_err(Into::into)?;
        let inner = self.inner();
        if inner.waiting().values.contains_key(&key) {
            return Ok(true);
        }
        Ok(inner.store.has(key)? || inner.store.small(key)?.is_some())
    }

    /// Removes a value's object; says whether there was one.
    ///
    /// Results that gave it are known as before, and are computed again when they are asked for. A small
    /// result that rides in its receipt stays. What a pin names is [`Error::Pinned`]. It waits for who
    /// stores something just now, so this is not for many values: `vox gc` is.
    ///
    /// ```
    /// use vox::store::library::handle::Library;
    ///
    /// let store = Library::temporary()?;
    /// let key = store.put(b"bytes")?;
    /// assert!(store.delete(key)?);
    /// assert!(!store.delete(key)? && store.get(key)?.is_none());
    /// # Ok::<(), vox::store::library::error::Error>(())
    /// ```
    pub fn delete(&self, key: impl TryInto<BlobId, Error: Into<Error>>) -> Result<bool, Error> {
        let key = key.try_into().map_err(Into::into)?;
        let inner = self.inner();
        inner.writer()?.flush()?;
        let store = &inner.store;
        let lock = if store.is_memory() {
            None
        } else {
            let local = store.layout().local();
            Some(lock::collecting(local).map_err(io_error("lock", local))?)
        };
        store.rest()?;
        let keeps = |target: Target| target == Target::Blob(key);
        if let Some(pin) = store.pins()?.into_iter().find(|one| one.pin.on && keeps(one.pin.target))
        {
            return Err(Error::Pinned { key, pin: pin.pin.name });
        }
        let removed = inner.sweep.remove(key).map_err(StoreError::from)?.is_some();
        let change = Change { lost: vec![key], ..Change::default() };
        store.ask(|index| index.apply(&change))?;
        drop(lock);
        guard(&self.cache).remove(key);
        Ok(removed)
    }

    pub(in crate::store::library) fn put_canonical(
        &self,
        parts: &[&[u8]],
    ) -> Result<BlobId, Error> {
        Ok(self.put_all(&[parts])?[0])
    }

    pub(in crate::store::library) fn check_size(&self, bytes: usize) -> Result<(), Error> {
        let (bytes, limit) = (bytes as u64, self.options.most.min(MOST));
        if bytes > limit { Err(Error::TooLarge { bytes, limit }) } else { Ok(()) }
    }

    /// Stores values that lie with the caller: what is written is compressed where it lies.
    ///
    /// The order is that of a batch of results, see `seal`: objects durable, then, while nothing is
    /// removed, a last look, then rows.
    fn put_all(&self, values: &[&[&[u8]]]) -> Result<Vec<BlobId>, Error> {
        for parts in values {
            self.check_size(parts.iter().map(|part| part.len()).sum())?;
        }
        let inner = self.inner();
        inner.writer()?;
        let store = &inner.store;
        let put = || -> Result<Vec<Pending>, StoreError> {
            // One after the other where each is dealt out to all threads by itself.
            let put = |parts: &&[&[u8]]| Ok(store.objects().put(parts)?);
            if values.len() < 4 {
                values.iter().map(put).collect()
            } else {
                values.par_iter().map(put).collect()
            }
        };
        let pending = put()?;
        let keys: Vec<BlobId> = pending.iter().map(Pending::id).collect();
        let mut proofs: HashMap<BlobId, Proof> = match store.objects().settle(pending) {
            Ok(settled) => settled.into_iter().collect(),
            // After a failed sync a second one proves nothing: all is written again, once.
            Err(_) => {
                store.objects().settle(put()?).map_err(StoreError::from)?.into_iter().collect()
            }
        };
        let sealing = if store.is_memory() {
            None
        } else {
            let local = store.layout().local();
            Some(lock::sealing(local).map_err(io_error("lock", local))?)
        };
        let mut again = Vec::new();
        for (key, parts) in keys.iter().zip(values) {
            let now = store.objects().stat(*key).map_err(StoreError::from)?;
            if now.is_none() || proofs.get(key) != now.as_ref() {
                again.push(store.objects().put(parts).map_err(StoreError::from)?);
            }
        }
        if !again.is_empty() {
            proofs.extend(store.objects().settle(again).map_err(StoreError::from)?);
        }
        let used = (now_ns() / 1_000_000_000) as u64;
        let row = |(id, proof): (&BlobId, &Proof)| {
            let (id, proof) = (*id, *proof);
            ObjectRow { id, proof, used, uses: 1, cost_us: 0, until_ms: FOREVER }
        };
        let change = Change { objects: proofs.iter().map(row).collect(), ..Change::default() };
        // Rows may be lost: they come back when the objects are next read or counted.
        store.ask(|index| index.apply(&change)).ok();
        drop(sealing);
        self.count_puts(keys.len());
        Ok(keys)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::store::library::handle::{Options, Statistics};

    fn both() -> [Library; 2] {
        [Library::temporary().unwrap(), Library::memory().unwrap()]
    }

    #[test]
    fn what_is_put_can_be_read_until_it_is_deleted() {
        for store in both() {
            for bytes in [&b""[..], b"x", &[7; 5000], &vec![3; 3 << 20]] {
                let key = store.put(bytes).unwrap();
                assert_eq!(&*store.get(key).unwrap().unwrap(), bytes);
                assert_eq!(&*store.get(key.to_string().as_str()).unwrap().unwrap(), bytes);
                assert!(store.delete(key).unwrap());
                assert!(!store.has(key).unwrap());
                assert_eq!(store.get(key).unwrap(), None);
                assert!(!store.delete(key).unwrap());
            }
        }
    }

    #[test]
    fn keys_that_are_none_and_values_that_are_too_large_are_errors() {
        let folder = tempfile::tempdir().unwrap();
        let options = Options { most: 100, ..Options::default() };
        let store = Library::at(&folder.path().join("s"), options).unwrap();
        for key in ["", "xyz", &"0".repeat(63), &"0".repeat(65), &"G".repeat(64), &"é".repeat(32)]
        {
            assert!(matches!(store.get(key), Err(Error::Key(_))), "{key}");
            assert!(matches!(store.has(key), Err(Error::Key(_))), "{key}");
            assert!(matches!(store.delete(key), Err(Error::Key(_))), "{key}");
            assert!(matches!(store.get_batch(&[key]), Err(Error::Key(_))), "{key}");
        }
        assert!(matches!(store.put(&[0; 99]), Err(Error::TooLarge { bytes: 101, limit: 100 })));
        assert!(matches!(store.put_later(&[0; 99]), Err(Error::TooLarge { .. })));
        store.put(&[0; 98]).unwrap();
        assert!(matches!(store.clear(), Err(Error::NotTemporary)));
    }

    #[test]
    fn what_is_handed_over_is_here_at_once_and_there_after_a_flush() {
        for store in both() {
            let values: Vec<Vec<u8>> = (0..300u32).map(|at| at.to_le_bytes().repeat(9)).collect();
            let keys: Vec<BlobId> =
                values.iter().map(|value| store.put_later(value).unwrap()).collect();
            assert_eq!(&*store.get(keys[299]).unwrap().unwrap(), &values[299][..]);
            store.flush().unwrap();
            assert_eq!(store.inner().waiting().values.len(), 0);
            assert_eq!(store.statistics().unwrap().objects, 300);
            let again = store.get_batch(&keys).unwrap();
            assert!(again.iter().zip(&values).all(|(got, put)| **got.as_ref().unwrap() == put[..]));
            assert_eq!(store.put_batch(&values).unwrap(), keys);
            store.clear().unwrap();
            assert_eq!(store.statistics().unwrap(), Statistics::default());
        }
    }

    #[test]
    fn a_store_that_is_left_can_be_opened_and_is_clean() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        let key = {
            let store = Library::at(&path, Options::default()).unwrap();
            store.put_later(b"left at once").unwrap()
        };
        let store = Library::at(&path, Options { cache: 0, ..Options::default() }).unwrap();
        assert_eq!(&*store.get(key).unwrap().unwrap(), b"left at once");
        let report = store.store().verify().unwrap();
        assert!(report.is_clean() && report.objects == 1);
        assert_eq!(store.statistics().unwrap().memory_hits, 0);
    }

    #[test]
    fn what_a_pin_names_is_not_deleted() {
        let store = Library::temporary().unwrap();
        let key = store.put(b"dear").unwrap();
        let below = store.store();
        let pin = |on: bool| {
            let entry = if on {
                below.pinning("it", Target::Blob(key)).unwrap()
            } else {
                below.pins().unwrap()[0].again(false)
            };
            let writer = below.writer(None).unwrap();
            writer.submit(entry).unwrap();
            writer.finish().unwrap();
        };
        pin(true);
        assert!(matches!(store.delete(key), Err(Error::Pinned { .. })));
        pin(false);
        assert!(store.delete(key).unwrap());
    }
}
