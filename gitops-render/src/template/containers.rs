//! Slices and maps of templates.

use std::{
    cell::{Ref, RefCell},
    fmt,
    rc::Rc,
};

use super::{
    entries::{Entries, Place},
    error::CallError,
    growth,
    text::Str,
    types::{ListType, MapType},
    value::Value,
};

/// A Go slice: shared, never changed in place.
#[derive(Clone)]
pub struct List {
    items: Option<Rc<Items>>,
    list_type: ListType,
}

/// The items, and for how many more Go had made room.
struct Items(Vec<Value>, usize);

impl Drop for Items {
    fn drop(&mut self) {
        let items = std::mem::take(&mut self.0);
        if items.iter().any(is_container) {
            with_stack(|| drop(items));
        }
    }
}

impl List {
    /// A `[]interface {}`.
    #[must_use]
    pub fn new(items: Vec<Value>) -> Self {
        Self::typed(ListType::Any, items)
    }

    /// A slice of another type; the items must be of its element type.
    #[must_use]
    pub fn typed(list_type: ListType, items: Vec<Value>) -> Self {
        Self {
            items: Some(Rc::new(Items(items, 0))),
            list_type,
        }
    }

    /// A list to which Go appended item by item, having made room for `room` items at first. It has
    /// more room than items, which a slice beyond the end shows.
    pub(crate) fn appended(list_type: ListType, items: Vec<Value>, room: usize) -> Self {
        let size = match list_type {
            ListType::Ints => 8,
            _ => 16,
        };
        let spare = growth::capacity(room, items.len(), size, size == 16) - items.len();
        Self::with_spare(list_type, items, spare)
    }

    /// A list with room for more items.
    pub(crate) fn with_spare(list_type: ListType, items: Vec<Value>, spare: usize) -> Self {
        Self {
            items: Some(Rc::new(Items(items, spare))),
            list_type,
        }
    }

    /// For how many more items Go had made room.
    pub(crate) fn spare(&self) -> usize {
        self.items.as_ref().map_or(0, |items| items.1)
    }

    /// A `[]string`.
    #[must_use]
    pub fn strings<S: Into<Str>>(items: impl IntoIterator<Item = S>) -> Self {
        let items = items.into_iter().map(|item| Value::Str(item.into()));
        Self::typed(ListType::Strings, items.collect())
    }

    /// The nil slice of a type.
    #[must_use]
    pub fn nil(list_type: ListType) -> Self {
        Self {
            items: None,
            list_type,
        }
    }

    /// Its type.
    #[must_use]
    pub fn list_type(&self) -> ListType {
        self.list_type
    }

    /// Whether it is the nil slice.
    #[must_use]
    pub fn is_nil(&self) -> bool {
        self.items.is_none()
    }

    /// The items.
    #[must_use]
    pub fn as_slice(&self) -> &[Value] {
        self.items.as_ref().map_or(&[], |items| &items.0)
    }

    /// The number of items.
    #[must_use]
    pub fn len(&self) -> usize {
        self.as_slice().len()
    }

    /// Whether there are no items.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.as_slice().is_empty()
    }

    /// The items in order.
    pub fn iter(&self) -> std::slice::Iter<'_, Value> {
        self.as_slice().iter()
    }
}

impl<'a> IntoIterator for &'a List {
    type Item = &'a Value;
    type IntoIter = std::slice::Iter<'a, Value>;
    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl FromIterator<Value> for List {
    fn from_iter<I: IntoIterator<Item = Value>>(items: I) -> Self {
        Self::new(items.into_iter().collect())
    }
}

impl fmt::Debug for List {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.as_slice()).finish()
    }
}

/// A Go map with string keys: shared and mutable. A clone is the same map.
#[derive(Clone)]
pub struct Map {
    entries: Option<Rc<Shared>>,
    map_type: MapType,
}

struct Shared(RefCell<Entries>);

impl Drop for Shared {
    fn drop(&mut self) {
        let entries = std::mem::take(self.0.get_mut());
        if entries.values().any(is_container) {
            with_stack(|| drop(entries));
        }
    }
}

impl Map {
    /// An empty `map[string]interface {}`.
    #[must_use]
    pub fn new() -> Self {
        Self::from_entries(MapType::Any, Entries::new())
    }

    /// A map of a type; the values must be of its element type.
    #[must_use]
    pub fn from_entries(map_type: MapType, entries: Entries) -> Self {
        Self {
            entries: Some(Rc::new(Shared(RefCell::new(entries)))),
            map_type,
        }
    }

    /// The nil map of a type.
    #[must_use]
    pub fn nil(map_type: MapType) -> Self {
        Self {
            entries: None,
            map_type,
        }
    }

    /// The same map under another type of the same shape, as after Go's conversion between
    /// `common.Values` and `map[string]interface {}`.
    #[must_use]
    pub fn with_type(mut self, map_type: MapType) -> Self {
        self.map_type = map_type;
        self
    }

    /// Its type.
    #[must_use]
    pub fn map_type(&self) -> MapType {
        self.map_type
    }

    /// Whether it is the nil map.
    #[must_use]
    pub fn is_nil(&self) -> bool {
        self.entries.is_none()
    }

    /// Whether both are the same map.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        match (&self.entries, &other.entries) {
            (Some(a), Some(b)) => Rc::ptr_eq(a, b),
            _ => false,
        }
    }

    /// An address for the map's identity, for `%p` and for finding cycles; 0 for the nil map.
    #[must_use]
    pub fn address(&self) -> usize {
        self.entries
            .as_ref()
            .map_or(0, |entries| Rc::as_ptr(entries).cast::<()>() as usize)
    }

    /// The value of a key; None if there is no such key.
    #[must_use]
    pub fn get(&self, key: impl AsRef<[u8]>) -> Option<Value> {
        self.entries.as_ref()?.0.borrow().get(key.as_ref()).cloned()
    }

    /// The value of a key that is often asked for at one place.
    pub(super) fn get_at(&self, key: &str, place: &Place) -> Option<Value> {
        let entries = self.entries.as_ref()?.0.borrow();
        entries.get_at(key.as_bytes(), place).cloned()
    }

    /// Whether there is such a key.
    #[must_use]
    pub fn contains_key(&self, key: impl AsRef<[u8]>) -> bool {
        self.entries
            .as_ref()
            .is_some_and(|entries| entries.0.borrow().get(key.as_ref()).is_some())
    }

    /// Sets a key; fails on the nil map, with Go's text.
    pub fn insert(&self, key: impl Into<Str>, value: Value) -> Result<(), CallError> {
        match &self.entries {
            Some(entries) => {
                let previous = entries.0.borrow_mut().insert(key.into(), value);
                drop(previous);
                Ok(())
            }
            None => Err(CallError::new("assignment to entry in nil map")),
        }
    }

    /// Removes a key.
    pub fn remove(&self, key: impl AsRef<[u8]>) -> Option<Value> {
        self.entries
            .as_ref()
            .and_then(|entries| entries.0.borrow_mut().remove(key.as_ref()))
    }

    /// The number of entries.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries
            .as_ref()
            .map_or(0, |entries| entries.0.borrow().len())
    }

    /// Whether there are no entries.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The entries, for reading. The map must not be changed while they are borrowed: hold them
    /// only over code that cannot run templates. None for the nil map.
    #[must_use]
    pub fn entries(&self) -> Option<Ref<'_, Entries>> {
        self.entries.as_ref().map(|entries| entries.0.borrow())
    }

    /// A copy of the entries as they are now, sorted by key.
    #[must_use]
    pub fn snapshot(&self) -> Vec<(Str, Value)> {
        self.entries().map_or_else(Vec::new, |entries| {
            entries
                .iter()
                .map(|(key, value)| (key.clone(), value.clone()))
                .collect()
        })
    }

    /// The keys, sorted.
    #[must_use]
    pub fn keys(&self) -> Vec<Str> {
        self.entries()
            .map_or_else(Vec::new, |entries| entries.keys().cloned().collect())
    }

    /// A new map with the same entries.
    #[must_use]
    pub fn shallow_copy(&self) -> Self {
        let entries = self.entries().map(|entries| entries.clone());
        Self::from_entries(self.map_type, entries.unwrap_or_default())
    }
}

impl Default for Map {
    fn default() -> Self {
        Self::new()
    }
}

impl<K: Into<Str>> FromIterator<(K, Value)> for Map {
    fn from_iter<I: IntoIterator<Item = (K, Value)>>(entries: I) -> Self {
        let entries = entries.into_iter().map(|(key, value)| (key.into(), value));
        Self::from_entries(MapType::Any, entries.collect())
    }
}

impl fmt::Debug for Map {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Entries are not printed: maps may contain themselves, and values may be secret.
        write!(f, "Map({} entries)", self.len())
    }
}

fn is_container(value: &Value) -> bool {
    matches!(value, Value::List(_) | Value::Map(_) | Value::Object(_))
}

/// Runs `work` with enough stack for one more level of recursion over nested values or templates:
/// depth is bounded by limits, never by the size of the thread's stack.
pub fn with_stack<R>(work: impl FnOnce() -> R) -> R {
    stacker::maybe_grow(128 * 1024, 2 * 1024 * 1024, work)
}
