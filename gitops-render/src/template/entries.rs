//! Entries of maps.

use std::{
    collections::{BTreeMap, btree_map},
    sync::atomic::{AtomicU32, Ordering},
};

use super::{text::Str, value::Value};

/// Up to so many entries lie in a row. Most maps of templates have fewer, and are then quicker to
/// make, to search and to copy than a tree.
const ROW: usize = 64;

/// Entries of a map, sorted by key as Go prints and ranges over them.
#[derive(Clone)]
pub struct Entries(Store);

#[derive(Clone)]
enum Store {
    Row(Vec<(Str, Value)>),
    Tree(BTreeMap<Str, Value>),
}

impl Entries {
    /// No entries.
    #[must_use]
    pub const fn new() -> Self {
        Self(Store::Row(Vec::new()))
    }

    /// The number of entries.
    #[must_use]
    pub fn len(&self) -> usize {
        match &self.0 {
            Store::Row(row) => row.len(),
            Store::Tree(tree) => tree.len(),
        }
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The value of a key.
    #[must_use]
    pub fn get(&self, key: &[u8]) -> Option<&Value> {
        match &self.0 {
            Store::Row(row) => find(row, key).map(|at| &row[at].1),
            Store::Tree(tree) => tree.get(key),
        }
    }

    /// The value of a key that was asked for before: it is looked for where it was then.
    pub(super) fn get_at(&self, key: &[u8], place: &Place) -> Option<&Value> {
        let Store::Row(row) = &self.0 else {
            return self.get(key);
        };
        if let Some((known, value)) = row.get(place.0.load(Ordering::Relaxed) as usize)
            && known.as_bytes() == key
        {
            return Some(value);
        }
        let at = find(row, key)?;
        place.0.store(at as u32, Ordering::Relaxed);
        Some(&row[at].1)
    }

    /// Sets a key; gives what was there.
    pub fn insert(&mut self, key: Str, value: Value) -> Option<Value> {
        match &mut self.0 {
            Store::Row(row) => {
                // Keys often come in order.
                if row.last().is_none_or(|(last, _)| *last < key) {
                    row.push((key, value));
                } else {
                    match row.binary_search_by(|(known, _)| known.cmp(&key)) {
                        Ok(at) => return Some(std::mem::replace(&mut row[at].1, value)),
                        Err(at) => row.insert(at, (key, value)),
                    }
                }
                if row.len() > ROW {
                    self.0 = Store::Tree(std::mem::take(row).into_iter().collect());
                }
                None
            }
            Store::Tree(tree) => tree.insert(key, value),
        }
    }

    /// Removes a key.
    pub fn remove(&mut self, key: &[u8]) -> Option<Value> {
        match &mut self.0 {
            Store::Row(row) => find(row, key).map(|at| row.remove(at).1),
            Store::Tree(tree) => tree.remove(key),
        }
    }

    /// Keys and values, sorted by key.
    #[must_use]
    pub fn iter(&self) -> Iter<'_> {
        Iter(match &self.0 {
            Store::Row(row) => Walk::Row(row.iter()),
            Store::Tree(tree) => Walk::Tree(tree.iter()),
        })
    }

    /// The keys, sorted.
    pub fn keys(&self) -> impl Iterator<Item = &Str> {
        self.iter().map(|(key, _)| key)
    }

    /// The values, in the order of their keys.
    pub fn values(&self) -> impl Iterator<Item = &Value> {
        self.iter().map(|(_, value)| value)
    }
}

impl Default for Entries {
    fn default() -> Self {
        Self::new()
    }
}

impl FromIterator<(Str, Value)> for Entries {
    /// Of equal keys the last counts.
    fn from_iter<I: IntoIterator<Item = (Str, Value)>>(entries: I) -> Self {
        let mut row: Vec<_> = entries.into_iter().collect();
        if !row.is_sorted_by(|(a, _), (b, _)| a < b) {
            return Self(Store::Tree(row.into_iter().collect())).compact();
        }
        row.shrink_to_fit();
        if row.len() > ROW {
            Self(Store::Tree(row.into_iter().collect()))
        } else {
            Self(Store::Row(row))
        }
    }
}

impl Entries {
    /// A row, where a tree has few entries.
    fn compact(self) -> Self {
        match self.0 {
            Store::Tree(tree) if tree.len() <= ROW => Self(Store::Row(tree.into_iter().collect())),
            other => Self(other),
        }
    }
}

impl<'a> IntoIterator for &'a Entries {
    type Item = (&'a Str, &'a Value);
    type IntoIter = Iter<'a>;
    fn into_iter(self) -> Iter<'a> {
        self.iter()
    }
}

/// Iterator of [`Entries::iter`].
pub struct Iter<'a>(Walk<'a>);

enum Walk<'a> {
    Row(std::slice::Iter<'a, (Str, Value)>),
    Tree(btree_map::Iter<'a, Str, Value>),
}

impl<'a> Iterator for Iter<'a> {
    type Item = (&'a Str, &'a Value);

    fn next(&mut self) -> Option<Self::Item> {
        match &mut self.0 {
            Walk::Row(row) => row.next().map(|(key, value)| (key, value)),
            Walk::Tree(tree) => tree.next(),
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        match &self.0 {
            Walk::Row(row) => row.size_hint(),
            Walk::Tree(tree) => tree.size_hint(),
        }
    }
}

/// Where in a row a key was found last. It is a guess that costs nothing where it is wrong, so that
/// renders on several threads may share it.
#[derive(Debug, Default)]
pub(super) struct Place(AtomicU32);

/// The place of a key. To tell that keys differ mostly takes their lengths alone.
fn find(row: &[(Str, Value)], key: &[u8]) -> Option<usize> {
    const SHORT: usize = 12;
    if row.len() <= SHORT {
        return row.iter().position(|(known, _)| known.as_bytes() == key);
    }
    row.binary_search_by(|(known, _)| known.as_bytes().cmp(key))
        .ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn entries_are_those_of_a_tree(
            made in prop::collection::vec((0u8..99, 0i64..9), 0..90),
            steps in prop::collection::vec((0u8..99, prop::option::of(0i64..9)), 0..200),
        ) {
            let key = |number: u8| Str::from(number.to_string());
            let pairs = || made.iter().map(|(k, v)| (key(*k), Value::Int(*v)));
            let mut entries: Entries = pairs().collect();
            let mut tree: BTreeMap<Str, Value> = pairs().collect();
            let number = |value: Option<&Value>| match value {
                Some(Value::Int(number)) => Some(*number),
                _ => None,
            };
            let place = Place::default();
            for (k, step) in steps {
                let (k, step) = (key(k), step.map(Value::Int));
                prop_assert_eq!(number(entries.get(&k)), number(tree.get(&k)));
                prop_assert_eq!(number(entries.get_at(&k, &place)), number(tree.get(&k)));
                let (a, b) = match step {
                    Some(v) => (entries.insert(k.clone(), v.clone()), tree.insert(k, v)),
                    None => (entries.remove(&k), tree.remove(&k)),
                };
                prop_assert_eq!(number(a.as_ref()), number(b.as_ref()));
                prop_assert_eq!(entries.len(), tree.len());
            }
            let all = |(k, v): (&Str, &Value)| (k.to_string(), number(Some(v)));
            let found: Vec<_> = entries.iter().map(all).collect();
            let expected: Vec<_> = tree.iter().map(all).collect();
            prop_assert_eq!(found, expected);
        }
    }
}
