//! The walk over lists whose items have names.

use std::{
    collections::HashSet,
    hash::{DefaultHasher, Hash as _, Hasher as _},
};

use gitops_core::schema::ListKey;
use serde_json::{Map, Value};

use super::{
    Focus, Items, Kept, node_of,
    walk::{Place, Walk},
};
use crate::{
    fields::{PathElement, values_equal, write_json, write_key_object},
    merge::typed::{ListShape, key_fields},
};

impl<'s> Walk<'s> {
    /// As [`Walk::node`]. `Focus::Whole` where items have no names or share them.
    pub(super) fn list(
        &mut self,
        list: ListShape<'s>,
        live: &[Value],
        desired: &[Value],
        own: Option<&Map<String, Value>>,
        member: bool,
    ) -> Option<Focus> {
        let (Some(names), Some(live_names)) = (Names::of(list, desired), Names::of(list, live))
        else {
            return Some(Focus::Whole);
        };
        let mut kept: Vec<Kept> = Vec::new();
        let (mut owned, mut next, mut in_order, mut gains) = (0, 0, true, false);
        let mut sample = None;
        for (position, (item, name)) in desired.iter().zip(&names.hashes).enumerate() {
            let own = own.and_then(|own| own.get(self.item_key(list.keys, item)));
            owned += usize::from(own.is_some());
            let at = live_names.find(*name, next);
            let found = at.map(|at| &live[at]);
            if found.is_some_and(|found| !same_item(list.keys, item, found)) {
                return Some(Focus::Whole);
            }
            match at {
                Some(at) => {
                    in_order &= at >= next;
                    next = at + 1;
                }
                None => gains = true,
            }
            let place = Place {
                live: found,
                desired: item,
                own,
                member: true,
            };
            let Some(focus) = self.node(list.item, place) else {
                sample = sample.or(Some((position, at)));
                continue;
            };
            let Ok(element) = list.element(item) else {
                return Some(Focus::Whole);
            };
            if self.first_only {
                return Some(Focus::Whole);
            }
            kept.push(Kept {
                element,
                live: at,
                desired: Some(position),
                focus: with_names(list.keys, focus),
            });
        }
        let (owns, children) = node_of(own);
        if children != owned {
            let Some(own) = own.filter(|_| !self.first_only) else {
                return Some(Focus::Whole);
            };
            let Some(mut lost) = self.lost(list.keys, desired, own) else {
                return Some(Focus::Whole);
            };
            lost.sort();
            for (at, item) in live.iter().enumerate() {
                if names.find(live_names.hashes[at], at).is_some() {
                    continue;
                }
                let Ok(element) = list.element(item) else {
                    return Some(Focus::Whole);
                };
                if let Ok(known) = lost.binary_search(&element) {
                    lost.remove(known);
                    kept.push(Kept {
                        element,
                        live: Some(at),
                        desired: None,
                        focus: Focus::Whole,
                    });
                }
            }
            kept.extend(lost.into_iter().map(|element| Kept {
                element,
                live: None,
                desired: None,
                focus: Focus::Whole,
            }));
        } else if kept.is_empty() && in_order && owns == member {
            return None;
        }
        let all_names = gains || !in_order;
        // With nothing left in it, a list would count as empty.
        if let Some((position, at)) = sample.filter(|_| !all_names) {
            let Ok(element) = list.element(&desired[position]) else {
                return Some(Focus::Whole);
            };
            kept.push(Kept {
                focus: Focus::names_in(&element),
                element,
                live: at,
                desired: Some(position),
            });
        }
        let items = Items::new(kept, all_names);
        Some(items.map_or(Focus::Whole, |items| Focus::Items(Box::new(items))))
    }

    /// The items that the manager owns and desired does not have.
    fn lost(
        &mut self,
        keys: Option<&[ListKey]>,
        desired: &[Value],
        own: &Map<String, Value>,
    ) -> Option<Vec<PathElement>> {
        let mut stated = HashSet::with_capacity(desired.len());
        for item in desired {
            stated.insert(self.item_key(keys, item).to_owned());
        }
        let keys = own
            .keys()
            .filter(|key| *key != "." && !stated.contains(*key));
        keys.map(|key| match PathElement::parse(key) {
            Ok(Some(element @ (PathElement::Key(_) | PathElement::Value(_))))
                if element.to_text() == *key =>
            {
                Some(element)
            }
            _ => None,
        })
        .collect()
    }

    /// The key of an item in `fieldsV1`.
    fn item_key(&mut self, keys: Option<&[ListKey]>, item: &Value) -> &str {
        let key = self.fresh_key();
        match (keys, item) {
            (Some([only]), Value::Object(item)) => {
                let value = item.get(&only.name).or(only.default.as_ref());
                key.push_str("k:");
                write_key_object(
                    key,
                    value.map(|value| (only.name.as_str(), value)).into_iter(),
                );
            }
            (Some(keys), Value::Object(item)) => {
                let mut fields: Vec<_> = key_fields(keys, item).collect();
                fields.sort_unstable_by_key(|field| field.0);
                key.push_str("k:");
                write_key_object(key, fields.into_iter());
            }
            (_, item) => {
                key.push_str("v:");
                write_json(key, item, true);
            }
        }
        key
    }
}

/// An item is known by its names, so that they are kept with whatever changes in it.
fn with_names(keys: Option<&[ListKey]>, mut focus: Focus) -> Focus {
    if let Focus::Fields(_) = focus {
        for key in keys.into_iter().flatten() {
            focus.add(&[&key.name]);
        }
    }
    focus
}

/// The names of items, each its own, as hashes.
struct Names {
    hashes: Vec<u64>,
    /// Hashes with their positions, sorted, where there are many.
    sorted: Vec<(u64, usize)>,
}

/// As many are looked for one by one.
const FEW: usize = 16;

impl Names {
    /// `None` where an item has no name, or one that another has, or may have, too.
    fn of(list: ListShape<'_>, items: &[Value]) -> Option<Self> {
        let mut hashes = Vec::with_capacity(items.len());
        for item in items {
            hashes.push(name_hash(list.keys, item)?);
        }
        let mut sorted = Vec::new();
        let unique = if hashes.len() <= FEW {
            (1..hashes.len()).all(|at| !hashes[..at].contains(&hashes[at]))
        } else {
            sorted.extend(hashes.iter().copied().zip(0..));
            sorted.sort_unstable();
            sorted.windows(2).all(|pair| pair[0].0 != pair[1].0)
        };
        unique.then_some(Self { hashes, sorted })
    }

    /// The position of a name, which is often at `expected`.
    fn find(&self, name: u64, expected: usize) -> Option<usize> {
        if self.hashes.get(expected) == Some(&name) {
            return Some(expected);
        }
        if self.hashes.len() <= FEW {
            return self.hashes.iter().position(|hash| *hash == name);
        }
        let at = self.sorted.binary_search_by_key(&name, |entry| entry.0);
        at.ok().map(|at| self.sorted[at].1)
    }
}

fn name_hash(keys: Option<&[ListKey]>, item: &Value) -> Option<u64> {
    let mut hash = DefaultHasher::new();
    match (keys, item) {
        (Some(keys), Value::Object(item)) => {
            let mut stated = false;
            for key in keys {
                let value = item.get(&key.name);
                stated |= value.is_some();
                match value.or(key.default.as_ref()) {
                    Some(value) => hash_value(&mut hash, value),
                    None => hash.write_u8(0),
                }
            }
            // An item that leaves all its names to defaults has none without them.
            stated.then(|| hash.finish())
        }
        (None, Value::String(_) | Value::Number(_) | Value::Bool(_)) => {
            hash_value(&mut hash, item);
            Some(hash.finish())
        }
        _ => None,
    }
}

/// Equal for values that are equal; names are hardly ever lists or objects.
fn hash_value(hash: &mut DefaultHasher, value: &Value) {
    match value {
        Value::String(text) => text.hash(hash),
        Value::Number(number) => {
            // Zero has two signs.
            (number.as_f64().unwrap_or(f64::NAN) + 0.0)
                .to_bits()
                .hash(hash);
        }
        Value::Bool(flag) => flag.hash(hash),
        _ => hash.write_u8(1),
    }
}

fn same_item(keys: Option<&[ListKey]>, a: &Value, b: &Value) -> bool {
    match (keys, a, b) {
        (None, a, b) => values_equal(a, b),
        (Some(keys), Value::Object(a), Value::Object(b)) => keys.iter().all(|key| {
            let default = key.default.as_ref();
            match (a.get(&key.name).or(default), b.get(&key.name).or(default)) {
                (Some(a), Some(b)) => values_equal(a, b),
                (a, b) => a.is_none() && b.is_none(),
            }
        }),
        _ => false,
    }
}
