//! Which fields differ between two objects.

use gitops_core::schema::{Schema, Type};
use serde_json::Value;

use super::{
    to_set::whole,
    typed::{ListShape, MapShape, Shape, TypeMismatch, shape},
};
use crate::fields::{FieldNode, FieldSet, PathElement, values_equal};

/// The fields in which two objects differ; each is in one of the sets.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[allow(clippy::exhaustive_structs)]
pub struct Comparison {
    /// Only in the second object.
    pub added: FieldSet,
    /// In both, with other values.
    pub modified: FieldSet,
    /// Only in the first object.
    pub removed: FieldSet,
}

impl Comparison {
    /// Whether the objects are equal, but for the order of list items that have names.
    #[must_use]
    pub fn is_same(&self) -> bool {
        self.added.is_empty() && self.modified.is_empty() && self.removed.is_empty()
    }

    pub(crate) fn without(mut self, fields: &FieldSet) -> Self {
        for set in [&mut self.added, &mut self.modified, &mut self.removed] {
            set.subtract(fields, true);
        }
        self
    }
}

/// Compares two objects of one schema.
pub fn compare(schema: &Schema, before: &Value, after: &Value) -> Result<Comparison, TypeMismatch> {
    let mut walk = Walk {
        schema,
        path: Vec::new(),
        found: Comparison::default(),
    };
    walk.pair(schema.root(), before, after)?;
    Ok(walk.found)
}

struct Walk<'s> {
    schema: &'s Schema,
    path: Vec<PathElement>,
    found: Comparison,
}

impl<'s> Walk<'s> {
    fn pair(&mut self, ty: &'s Type, before: &Value, after: &Value) -> Result<(), TypeMismatch> {
        if values_equal(before, after) {
            return Ok(());
        }
        let (old, new) = (
            shape(self.schema, ty, before),
            shape(self.schema, ty, after),
        );
        self.handle(new, before, after)?;
        if std::mem::discriminant(&old) != std::mem::discriminant(&new) {
            self.handle(old, before, after)?;
        }
        Ok(())
    }

    fn handle(
        &mut self,
        shape: Shape<'s>,
        before: &Value,
        after: &Value,
    ) -> Result<(), TypeMismatch> {
        match shape {
            Shape::Scalar | Shape::Atomic => self.modified(),
            Shape::Map(map) => {
                let (old, new) = (fields(before), fields(after));
                if old.is_none_or(serde_json::Map::is_empty)
                    && new.is_none_or(serde_json::Map::is_empty)
                {
                    self.modified();
                    return Ok(());
                }
                self.maps(map, old, new)?;
            }
            Shape::List(list) => {
                let (old, new) = (items(before), items(after));
                if old.is_empty() && new.is_empty() {
                    self.modified();
                    return Ok(());
                }
                self.lists(list, old, new)?;
            }
        }
        Ok(())
    }

    fn maps(
        &mut self,
        map: MapShape<'s>,
        old: Option<&serde_json::Map<String, Value>>,
        new: Option<&serde_json::Map<String, Value>>,
    ) -> Result<(), TypeMismatch> {
        for (name, before) in old.into_iter().flatten() {
            let ty = map.field(self.schema, name);
            match new.and_then(|new| new.get(name)) {
                Some(after) if values_equal(before, after) => {}
                after => self
                    .one(PathElement::field(name), ty, Some(before), after)
                    .map_err(|error| error.under(PathElement::field(name)))?,
            }
        }
        for (name, after) in new.into_iter().flatten() {
            if old.is_none_or(|old| !old.contains_key(name)) {
                self.one(
                    PathElement::field(name),
                    map.field(self.schema, name),
                    None,
                    Some(after),
                )
                .map_err(|error| error.under(PathElement::field(name)))?;
            }
        }
        Ok(())
    }

    fn lists(
        &mut self,
        list: ListShape<'s>,
        old: &[Value],
        new: &[Value],
    ) -> Result<(), TypeMismatch> {
        let (old, new) = (grouped(list, old)?, grouped(list, new)?);
        let (mut i, mut j) = (0, 0);
        while i < old.len() || j < new.len() {
            let order = match (old.get(i), new.get(j)) {
                (Some(a), Some(b)) => a.0.cmp(&b.0),
                (Some(_), None) => std::cmp::Ordering::Less,
                _ => std::cmp::Ordering::Greater,
            };
            let before = if order.is_le() { &old[i].1[..] } else { &[] };
            let after = if order.is_ge() { &new[j].1[..] } else { &[] };
            let element = if order.is_le() { &old[i].0 } else { &new[j].0 };
            match (before, after) {
                (before, after) if before.len() <= 1 && after.len() <= 1 => {
                    let (before, after) = (before.first().copied(), after.first().copied());
                    self.one(element.clone(), list.item, before, after)
                        .map_err(|error| error.under(element))?;
                }
                (before, after) if before.len() >= 2 && after.len() >= 2 => {
                    let same = before.len() == after.len()
                        && before.iter().zip(after).all(|(a, b)| values_equal(a, b));
                    if !same {
                        self.at(element, |walk| walk.modified());
                    }
                }
                (before, after) if before.len() >= 2 => {
                    if let Some(after) = after.first() {
                        self.one(element.clone(), list.item, None, Some(after))?;
                    }
                    self.at(element, |walk| walk.found.removed.insert(&walk.path));
                }
                (before, _) => {
                    if let Some(before) = before.first() {
                        self.one(element.clone(), list.item, Some(before), None)?;
                    }
                    self.at(element, |walk| walk.found.added.insert(&walk.path));
                }
            }
            i += usize::from(order.is_le());
            j += usize::from(order.is_ge());
        }
        Ok(())
    }

    /// Compares what is under one step.
    fn one(
        &mut self,
        element: PathElement,
        ty: &'s Type,
        before: Option<&Value>,
        after: Option<&Value>,
    ) -> Result<(), TypeMismatch> {
        match (before, after) {
            (Some(before), Some(after)) => {
                self.path.push(element);
                let result = self.pair(ty, before, after);
                self.path.pop();
                result?;
            }
            (Some(value), None) | (None, Some(value)) => {
                let node = FieldNode {
                    element,
                    member: true,
                    children: whole(self.schema, ty, value)?,
                };
                let set = if before.is_some() {
                    &mut self.found.removed
                } else {
                    &mut self.found.added
                };
                set.at(&self.path).push(node);
            }
            (None, None) => {}
        }
        Ok(())
    }

    fn at(&mut self, element: &PathElement, change: impl FnOnce(&mut Self)) {
        self.path.push(element.clone());
        change(self);
        self.path.pop();
    }

    fn modified(&mut self) {
        self.found.modified.insert(&self.path);
    }
}

fn fields(value: &Value) -> Option<&serde_json::Map<String, Value>> {
    value.as_object()
}

fn items(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

type Group<'v> = (PathElement, Vec<&'v Value>);

/// Items by name, in the order of names.
fn grouped<'v>(list: ListShape<'_>, items: &'v [Value]) -> Result<Vec<Group<'v>>, TypeMismatch> {
    let mut named = Vec::with_capacity(items.len());
    for (at, item) in items.iter().enumerate() {
        let element = list
            .element(item)
            .map_err(|reason| TypeMismatch::new(format!("item {at}: {reason}")))?;
        named.push((element, item));
    }
    named.sort_by(|a, b| a.0.cmp(&b.0));
    let mut groups: Vec<Group<'v>> = Vec::with_capacity(named.len());
    for (element, item) in named {
        match groups.last_mut() {
            Some((last, items)) if *last == element => items.push(item),
            _ => groups.push((element, vec![item])),
        }
    }
    Ok(groups)
}
