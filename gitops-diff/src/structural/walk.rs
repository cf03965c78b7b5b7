//! The changed fields between two states of an object.

use gitops_core::{
    diff::ChangeKind,
    schema::{Schema, Type},
};
use serde_json::{Map, Value};

use super::path::pointer_step;
use crate::{
    fields::{PathElement, values_equal},
    merge::{ANY, ListShape, Shape, shape},
};

/// A changed field before it is written down for people.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) path: Vec<PathElement>,
    pub(super) kind: ChangeKind,
    /// Pointer into the state before; empty for added fields.
    pub(super) before: Option<String>,
    /// Pointer into the state after; empty for removed fields.
    pub(super) after: Option<String>,
    /// Names of the items where only their order changes.
    pub(super) order: Option<(Value, Value)>,
}

/// The top-level fields and fields of `metadata` that are the server's.
const SERVER_METADATA: [&str; 8] = [
    "managedFields",
    "resourceVersion",
    "uid",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "generation",
    "selfLink",
];

pub(super) fn changed_fields(schema: &Schema, before: &Value, after: &Value) -> Vec<Found> {
    let mut walk = Walk {
        schema,
        path: Vec::new(),
        found: Vec::new(),
    };
    walk.pair(schema.root(), before, after, "", "");
    walk.found
}

struct Walk<'s> {
    schema: &'s Schema,
    path: Vec<PathElement>,
    found: Vec<Found>,
}

impl<'s> Walk<'s> {
    fn pair(&mut self, ty: &'s Type, before: &Value, after: &Value, old: &str, new: &str) {
        if values_equal(before, after) {
            return;
        }
        match (before, after) {
            (Value::Object(a), Value::Object(b)) => self.maps(ty, (before, a), b, old, new),
            (Value::Array(a), Value::Array(b)) => match shape(self.schema, ty, before) {
                Shape::List(list) if self.named(list, a) && self.named(list, b) => {
                    self.lists(list, a, b, old, new);
                }
                _ if a.len() == b.len() && a.iter().chain(b).all(Value::is_object) => {
                    for (at, (x, y)) in a.iter().zip(b).enumerate() {
                        let index = i64::try_from(at).unwrap_or(i64::MAX);
                        self.path.push(PathElement::Index(index));
                        let step = at.to_string();
                        let (old, new) = (pointer_step(old, &step), pointer_step(new, &step));
                        self.pair(&ANY, x, y, &old, &new);
                        self.path.pop();
                    }
                }
                _ => self.add(ChangeKind::Changed, Some(old), Some(new)),
            },
            _ => self.add(ChangeKind::Changed, Some(old), Some(new)),
        }
    }

    fn maps(
        &mut self,
        ty: &'s Type,
        (before, a): (&Value, &Map<String, Value>),
        b: &Map<String, Value>,
        old: &str,
        new: &str,
    ) {
        let shape = shape(self.schema, ty, before);
        let mut names: Vec<&String> = a
            .keys()
            .chain(b.keys().filter(|k| !a.contains_key(*k)))
            .collect();
        names.sort();
        for name in names {
            if self.is_server_owned(name) {
                continue;
            }
            let (x, y) = (a.get(name), b.get(name));
            if let (Some(x), Some(y)) = (x, y)
                && values_equal(x, y)
            {
                continue;
            }
            let below = match (shape, ty) {
                (Shape::Map(map), _) => map.field(self.schema, name),
                (_, Type::Map(map)) => map.fields.get(name).map_or(&ANY, |f| self.schema.get(f.ty)),
                _ => &ANY,
            };
            self.path.push(PathElement::field(name));
            let (old, new) = (pointer_step(old, name), pointer_step(new, name));
            match (x, y) {
                (Some(x), Some(y)) => self.pair(below, x, y, &old, &new),
                (Some(_), None) => self.add(ChangeKind::Removed, Some(&old), None),
                (None, Some(_)) => self.add(ChangeKind::Added, None, Some(&new)),
                (None, None) => {}
            }
            self.path.pop();
        }
    }

    fn is_server_owned(&self, name: &str) -> bool {
        match self.path.as_slice() {
            [] => name == "status",
            [PathElement::Field(parent)] => {
                *parent == "metadata" && SERVER_METADATA.contains(&name)
            }
            _ => false,
        }
    }

    /// Whether each item of a list has a name of its own.
    fn named(&self, list: ListShape<'_>, items: &[Value]) -> bool {
        let mut names: Vec<_> = items
            .iter()
            .filter_map(|item| list.element(item).ok())
            .collect();
        if names.len() != items.len() {
            return false;
        }
        names.sort();
        names.windows(2).all(|pair| pair[0] != pair[1])
    }

    fn lists(&mut self, list: ListShape<'s>, a: &[Value], b: &[Value], old: &str, new: &str) {
        let names = |items: &[Value]| -> Vec<PathElement> {
            items
                .iter()
                .filter_map(|item| list.element(item).ok())
                .collect()
        };
        let (before, after) = (names(a), names(b));
        let index = |names: &[PathElement]| {
            let mut index: Vec<usize> = (0..names.len()).collect();
            index.sort_by(|x, y| names[*x].cmp(&names[*y]));
            index
        };
        let (a_index, b_index) = (index(&before), index(&after));
        let find = |names: &[PathElement], index: &[usize], element: &PathElement| {
            index
                .binary_search_by(|at| names[*at].cmp(element))
                .ok()
                .map(|at| index[at])
        };
        let mut shared = Vec::new();
        for (i, element) in before.iter().enumerate() {
            let found = find(&after, &b_index, element);
            shared.extend(found);
            if found.is_some_and(|j| values_equal(&a[i], &b[j])) {
                continue;
            }
            let old = pointer_step(old, &i.to_string());
            self.path.push(element.clone());
            match found {
                Some(j) => {
                    let new = pointer_step(new, &j.to_string());
                    self.pair(list.item, &a[i], &b[j], &old, &new);
                }
                None => self.add(ChangeKind::Removed, Some(&old), None),
            }
            self.path.pop();
        }
        for (j, element) in after.iter().enumerate() {
            if find(&before, &a_index, element).is_none() {
                let new = pointer_step(new, &j.to_string());
                self.path.push(element.clone());
                self.add(ChangeKind::Added, None, Some(&new));
                self.path.pop();
            }
        }
        if !shared.is_sorted() {
            let text = |names: &[PathElement]| {
                Value::Array(names.iter().map(|n| name_of(n).into()).collect())
            };
            let order = (text(&before), text(&after));
            self.add(ChangeKind::Changed, Some(old), Some(new));
            if let Some(last) = self.found.last_mut() {
                last.order = Some(order);
            }
        }
    }

    fn add(&mut self, kind: ChangeKind, before: Option<&str>, after: Option<&str>) {
        self.found.push(Found {
            path: self.path.clone(),
            kind,
            before: before.map(str::to_owned),
            after: after.map(str::to_owned),
            order: None,
        });
    }
}

/// `web`, `containerPort=80,protocol=TCP`.
fn name_of(element: &PathElement) -> String {
    let text = super::path::readable_path(std::slice::from_ref(element));
    let inner = text.trim_start_matches('[').trim_end_matches(']');
    let inner = inner.strip_prefix('=').unwrap_or(inner);
    match (element, inner.split_once('=')) {
        (PathElement::Key(fields), Some((_, value))) if fields.len() == 1 => value.to_owned(),
        _ => inner.to_owned(),
    }
}
