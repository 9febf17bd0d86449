//! Bounded caches.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};

/// Things by their keys, so much of them.
///
/// Two generations: when the young one is full it becomes the old one, and what was not asked for since
/// goes.
pub struct Cache<K, V> {
    generations: Mutex<Generations<K, V>>,
    most: usize,
}

struct Generations<K, V> {
    young: HashMap<K, (V, usize)>,
    old: HashMap<K, (V, usize)>,
    weight: usize,
}

impl<K: Eq + Hash, V: Clone> Cache<K, V> {
    /// Makes a cache of things that weigh so much together, at most.
    pub fn new(most: usize) -> Self {
        let generations = Generations { young: HashMap::new(), old: HashMap::new(), weight: 0 };
        Self { generations: Mutex::new(generations), most }
    }

    /// Returns what is kept under a key.
    pub fn get(&self, key: &K) -> Option<V> {
        let mut generations = self.generations.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((value, _)) = generations.young.get(key) {
            return Some(value.clone());
        }
        let (key, (value, weight)) = generations.old.remove_entry(key)?;
        generations.put(key, value.clone(), weight, self.most);
        Some(value)
    }

    /// Keeps something; what weighs more than a generation holds is not kept.
    pub fn put(&self, key: K, value: V, weight: usize) {
        let mut generations = self.generations.lock().unwrap_or_else(PoisonError::into_inner);
        generations.put(key, value, weight, self.most);
    }
}

impl<K: Eq + Hash, V> Generations<K, V> {
    fn put(&mut self, key: K, value: V, weight: usize, most: usize) {
        let room = most / 2;
        if weight > room {
            return;
        }
        if self.weight + weight > room {
            self.old = std::mem::take(&mut self.young);
            self.weight = 0;
        }
        match self.young.insert(key, (value, weight)) {
            Some((_, before)) => self.weight = self.weight + weight - before,
            None => self.weight += weight,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_holds_what_was_put_last_and_no_more_than_it_may(
            steps in proptest::collection::vec((0u8..40, 1usize..30), 1..300)
        ) {
            let cache = Cache::new(200);
            for (key, weight) in steps {
                cache.put(key, weight, weight);
                prop_assert_eq!(cache.get(&key), Some(weight));
                let generations = cache.generations.lock().expect("no panic holds it");
                let young: usize = generations.young.values().map(|(_, weight)| weight).sum();
                let old: usize = generations.old.values().map(|(_, weight)| weight).sum();
                prop_assert_eq!(young, generations.weight);
                prop_assert!(young + old <= 200);
            }
        }
    }
}
