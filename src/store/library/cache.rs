//! What was read or put lately, in memory, up to a limit.

use std::collections::{BTreeMap, HashMap};

use crate::id::BlobId;
use crate::store::library::value::Value;

/// Values by their keys; what was not asked for the longest goes first.
#[derive(Debug)]
pub struct Cache {
    limit: usize,
    bytes: usize,
    values: HashMap<BlobId, (Value, u64)>,
    /// Who was asked for when: the least number first.
    order: BTreeMap<u64, BlobId>,
    clock: u64,
}

impl Cache {
    /// Makes one that keeps at most so many bytes.
    pub fn new(limit: usize) -> Self {
        let (values, order) = (HashMap::new(), BTreeMap::new());
        Self { limit, bytes: 0, values, order, clock: 0 }
    }

    /// Returns a value, which was asked for now.
    pub fn get(&mut self, key: BlobId) -> Option<Value> {
        let (value, at) = self.values.get_mut(&key)?;
        self.clock += 1;
        self.order.remove(at);
        self.order.insert(self.clock, key);
        *at = self.clock;
        Some(value.clone())
    }

    /// Keeps a value, unless it is larger than half of what there is room for.
    pub fn put(&mut self, key: BlobId, value: Value) {
        if value.len() > self.limit / 2 || self.get(key).is_some() {
            return;
        }
        self.clock += 1;
        self.bytes += value.len();
        self.order.insert(self.clock, key);
        self.values.insert(key, (value, self.clock));
        while self.bytes > self.limit
            && let Some((_, oldest)) = self.order.pop_first()
        {
            let gone = self.values.remove(&oldest);
            self.bytes -= gone.map_or(0, |(value, _)| value.len());
        }
    }

    /// Lets go of a value.
    pub fn remove(&mut self, key: BlobId) {
        if let Some((value, at)) = self.values.remove(&key) {
            self.bytes -= value.len();
            self.order.remove(&at);
        }
    }

    /// Returns how many values are kept, and their bytes.
    pub fn held(&self) -> (usize, usize) {
        (self.values.len(), self.bytes)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use proptest::prelude::*;

    use super::*;
    use crate::id::Digest;

    fn key(number: u8) -> BlobId {
        BlobId(Digest::of(&[number]))
    }

    fn value(len: usize) -> Value {
        Value::copied(&[&vec![7; len]])
    }

    #[test]
    fn the_longest_unasked_goes_first() {
        let mut cache = Cache::new(100);
        (0..3).for_each(|number| cache.put(key(number), value(30)));
        assert!(cache.get(key(0)).is_some());
        cache.put(key(3), value(30));
        assert!(cache.get(key(1)).is_none());
        assert!(cache.get(key(0)).is_some());
        cache.put(key(4), value(51));
        assert!(cache.get(key(4)).is_none(), "one value does not drive out all others");
    }

    proptest! {
        #[test]
        fn the_limit_holds_and_the_sum_is_right(
            steps in proptest::collection::vec((0u8..20, 0usize..60, any::<bool>()), 0..200)
        ) {
            let mut cache = Cache::new(100);
            for (number, len, removes) in steps {
                if removes { cache.remove(key(number)) } else { cache.put(key(number), value(len)) }
                let bytes: usize = cache.values.values().map(|(value, _)| value.len()).sum();
                prop_assert_eq!(cache.held(), (cache.values.len(), bytes));
                prop_assert_eq!(cache.order.len(), cache.values.len());
                prop_assert!(bytes <= 100);
            }
        }
    }
}
