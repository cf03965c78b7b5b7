//! The walk over lists whose items have names.

use std::collections::HashSet;

use gitops_core::schema::ListKey;
use serde_json::Value;

use super::{
    Focus, Items, Kept,
    look::{Look, LookItems, LookObject as _, Search as _, Seen},
    node_of,
    walk::{Place, Walk},
};
use crate::{
    fields::{PathElement, values_equal, write_json, write_key_object},
    merge::typed::{ListShape, key_fields},
};

impl<'s> Walk<'s> {
    /// As [`Walk::node`]. `Focus::Whole` where items have no names or share them.
    pub(super) fn list<'v, V: Look<'v>>(
        &mut self,
        list: ListShape<'s>,
        live: &V::Items,
        desired: &[Value],
        own: Option<V::Object>,
        member: bool,
    ) -> Option<Focus> {
        let Some(names) = Names::of(list, &desired) else {
            return Some(Focus::Whole);
        };
        // Mostly live has the same items in the same order.
        let paired = desired.len() == live.len()
            && (desired.iter().zip(live.iter()))
                .all(|(desired, live)| same_item(list.keys, desired, live));
        let mut others = None;
        if !paired {
            others = Names::of(list, live);
            if others.is_none() {
                return Some(Focus::Whole);
            }
        }
        let live_names = others.as_ref().unwrap_or(&names);
        let mut kept: Vec<Kept> = Vec::new();
        let (mut owned, mut next, mut in_order, mut gains) = (0, 0, true, false);
        let mut sample = None;
        let mut own_items = own.map(|own| own.search());
        for (position, (item, name)) in desired.iter().zip(&names.hashes).enumerate() {
            let own = own_items.as_mut().and_then(|own| {
                self.item_key(list.keys, item);
                own.find(&self.key)
            });
            owned += usize::from(own.is_some());
            let at = live_names.find(*name, next);
            let found = at.map(|at| live.at(at));
            if !paired && found.is_some_and(|found| !same_item(list.keys, item, found)) {
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
            let Some(mut lost) = self.lost::<V>(list.keys, desired, own) else {
                return Some(Focus::Whole);
            };
            lost.sort();
            for (at, item) in live.iter().enumerate() {
                if names.find(live_names.hashes[at], at).is_some() {
                    continue;
                }
                let Ok(element) = list.element(&item.value()) else {
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
    fn lost<'v, V: Look<'v>>(
        &mut self,
        keys: Option<&[ListKey]>,
        desired: &[Value],
        own: V::Object,
    ) -> Option<Vec<PathElement>> {
        let mut stated = HashSet::with_capacity(desired.len());
        for item in desired {
            stated.insert(self.item_key(keys, item).to_owned());
        }
        let keys = own.fields().map(|(key, _)| key);
        let keys = keys.filter(|key| *key != "." && !stated.contains(*key));
        keys.map(|key| match PathElement::parse(key) {
            Ok(Some(element @ (PathElement::Key(_) | PathElement::Value(_))))
                if element.to_text() == key =>
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
    fn of<'v, V: Look<'v>>(list: ListShape<'_>, items: &impl LookItems<Value = V>) -> Option<Self> {
        let mut hashes = Vec::with_capacity(items.len());
        for item in items.iter() {
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

fn name_hash<'v, V: Look<'v>>(keys: Option<&[ListKey]>, item: V) -> Option<u64> {
    match (keys, item.object()) {
        (Some(keys), Some(item)) => {
            let (mut hash, mut stated) = (0, false);
            for key in keys {
                hash = match (item.get(&key.name), &key.default) {
                    (Some(value), _) => {
                        stated = true;
                        hash_value(hash, value.seen())
                    }
                    (None, Some(default)) => hash_value(hash, default.seen()),
                    (None, None) => mixed(hash, 0),
                };
            }
            // An item that leaves all its names to defaults has none without them.
            stated.then_some(hash)
        }
        (None, None) => match item.seen() {
            Seen::Null | Seen::Container => None,
            scalar => Some(hash_value(0, scalar)),
        },
        _ => None,
    }
}

/// Equal for values that are equal; names are hardly ever lists or objects.
fn hash_value(hash: u64, value: Seen<'_>) -> u64 {
    match value {
        Seen::String(text) => {
            let (words, rest) = text.as_bytes().as_chunks();
            let hash = words
                .iter()
                .fold(hash, |hash, word| mixed(hash, u64::from_le_bytes(*word)));
            let rest = rest
                .iter()
                .fold(0, |word, byte| (word << 8) | u64::from(*byte));
            mixed(mixed(hash, rest), text.len() as u64)
        }
        // Zero has two signs.
        Seen::Number(number) => mixed(hash, (number.as_f64().unwrap_or(f64::NAN) + 0.0).to_bits()),
        Seen::Bool(flag) => mixed(hash, u64::from(flag)),
        Seen::Null | Seen::Container => mixed(hash, 1),
    }
}

/// Names whose hashes are the same are taken for one name that two items have, which is safe.
fn mixed(hash: u64, word: u64) -> u64 {
    let product = u128::from(hash ^ word ^ 0x9e37_79b9_7f4a_7c15) * 0xd6e8_feb8_6659_fd93;
    (product >> 64) as u64 ^ product as u64
}

fn same_item<'v, V: Look<'v>>(keys: Option<&[ListKey]>, desired: &Value, live: V) -> bool {
    match (keys, desired, live.object()) {
        (None, desired, _) => live.equals(desired),
        (Some(keys), Value::Object(desired), Some(live)) => keys.iter().all(|key| {
            let default = key.default.as_ref();
            match (desired.get(&key.name).or(default), live.get(&key.name)) {
                (Some(desired), Some(live)) => live.equals(desired),
                (desired, None) => match (desired, default) {
                    (Some(desired), Some(default)) => values_equal(desired, default),
                    (desired, default) => desired.is_none() && default.is_none(),
                },
                (None, Some(_)) => false,
            }
        }),
        _ => false,
    }
}
