//! The merge of an applied configuration into a live object.

use gitops_core::schema::{Schema, Type};
use serde_json::{Map, Value};

use super::typed::{ListShape, Shape, TypeMismatch, shape};
use crate::fields::PathElement;

/// `live` with everything that `applied` states. Nothing is removed; where both state a leaf, the
/// applied one wins; lists of items keep the order of `live`, except where `applied` orders shared
/// items differently.
pub fn merge(schema: &Schema, live: &Value, applied: &Value) -> Result<Value, TypeMismatch> {
    let mut mismatch = None;
    let merged = combine(
        schema,
        schema.root(),
        Some(live),
        Some(applied),
        &mut mismatch,
    );
    match mismatch {
        Some(mismatch) => Err(mismatch),
        None => Ok(merged.unwrap_or(Value::Null)),
    }
}

/// The first mismatch found. What does not fit is left out of the merged value.
type Mismatch = Option<TypeMismatch>;

fn combine(
    schema: &Schema,
    ty: &Type,
    left: Option<&Value>,
    right: Option<&Value>,
    mismatch: &mut Mismatch,
) -> Option<Value> {
    let (left, right) = match (left, right) {
        (Some(left), Some(right)) => (left, right),
        (None, Some(right)) => {
            if let (None, Err(below)) = (&mismatch, names(schema, ty, right)) {
                *mismatch = Some(below);
            }
            return Some(right.clone());
        }
        (left, None) => return left.cloned(),
    };
    match shape(schema, ty, right) {
        Shape::Scalar | Shape::Atomic => Some(right.clone()),
        Shape::Map(map) => {
            let (l, r) = (non_empty_map(left), non_empty_map(right));
            if l.is_none() && r.is_none() {
                return Some(right.clone());
            }
            let mut out = Map::new();
            for (name, value) in l.into_iter().flatten() {
                let other = r.and_then(|r| r.get(name));
                let mut below = None;
                let ty = map.field(schema, name);
                let merged = combine(schema, ty, Some(value), other, &mut below);
                if let Some(merged) = merged {
                    out.insert(name.clone(), merged);
                }
                if let (None, Some(below)) = (&mismatch, below) {
                    *mismatch = Some(below.under(PathElement::field(name)));
                }
            }
            for (name, value) in r.into_iter().flatten() {
                if l.is_none_or(|l| !l.contains_key(name)) {
                    let ty = map.field(schema, name);
                    if let (None, Err(below)) = (&mismatch, names(schema, ty, value)) {
                        *mismatch = Some(below.under(PathElement::field(name)));
                    }
                    out.insert(name.clone(), value.clone());
                }
            }
            (!out.is_empty()).then_some(Value::Object(out))
        }
        Shape::List(list) => {
            let (l, r) = (items(left), items(right));
            if l.is_empty() && r.is_empty() {
                return Some(right.clone());
            }
            match combine_lists(schema, list, l, r) {
                Ok(out) => (!out.is_empty()).then_some(Value::Array(out)),
                Err(error) => {
                    mismatch.get_or_insert(error);
                    None
                }
            }
        }
    }
}

/// Whether all items of lists that are not themselves below an item have names, as the merge needs.
/// An item of which everything was removed is null and has none.
fn names(schema: &Schema, ty: &Type, value: &Value) -> Result<(), TypeMismatch> {
    match shape(schema, ty, value) {
        Shape::Map(map) => {
            non_empty_map(value)
                .into_iter()
                .flatten()
                .try_for_each(|(name, value)| {
                    names(schema, map.field(schema, name), value)
                        .map_err(|below| below.under(PathElement::field(name)))
                })
        }
        Shape::List(list) => items(value).iter().enumerate().try_for_each(|(at, item)| {
            list.element(item)
                .map(drop)
                .map_err(|reason| TypeMismatch::new(format!("item {at}: {reason}")))
        }),
        Shape::Scalar | Shape::Atomic => Ok(()),
    }
}

fn non_empty_map(value: &Value) -> Option<&Map<String, Value>> {
    value.as_object().filter(|map| !map.is_empty())
}

fn items(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// The items of a list by name; the index of an item that shares its name is `None`.
struct Named {
    elements: Vec<PathElement>,
    by_name: Vec<(usize, Option<usize>)>,
}

impl Named {
    fn new(
        list: ListShape<'_>,
        items: &[Value],
        allow_duplicates: bool,
    ) -> Result<Self, TypeMismatch> {
        let mut elements = Vec::with_capacity(items.len());
        for (at, item) in items.iter().enumerate() {
            elements.push(
                list.element(item)
                    .map_err(|reason| TypeMismatch::new(format!("item {at}: {reason}")))?,
            );
        }
        let mut order: Vec<usize> = (0..elements.len()).collect();
        order.sort_by(|a, b| elements[*a].cmp(&elements[*b]).then(a.cmp(b)));
        let mut by_name: Vec<(usize, Option<usize>)> = Vec::with_capacity(order.len());
        for at in order {
            match by_name.last_mut() {
                Some((first, item)) if elements[*first] == elements[at] => {
                    if !allow_duplicates {
                        return Err(TypeMismatch::new(format!(
                            "two items are called {}; keep one",
                            elements[at]
                        )));
                    }
                    *item = None;
                }
                _ => by_name.push((at, Some(at))),
            }
        }
        Ok(Self { elements, by_name })
    }

    /// The position among names, and the item unless several share the name.
    fn find(&self, element: &PathElement) -> Option<(usize, Option<usize>)> {
        let at = self
            .by_name
            .binary_search_by(|(first, _)| self.elements[*first].cmp(element))
            .ok()?;
        Some((at, self.by_name[at].1))
    }
}

fn combine_lists(
    schema: &Schema,
    list: ListShape<'_>,
    left: &[Value],
    right: &[Value],
) -> Result<Vec<Value>, TypeMismatch> {
    let r = Named::new(list, right, false)?;
    let l = Named::new(list, left, true)?;
    let mut shared = r
        .elements
        .iter()
        .filter(|element| l.find(element).is_some())
        .peekable();
    let mut done = vec![false; r.by_name.len()];
    let mut out = Vec::with_capacity(left.len().max(right.len()));
    let null = Value::Null;

    let take_right = |element: &PathElement, done: &mut [bool], out: &mut Vec<Value>| {
        let (name, at) = r
            .find(element)
            .expect("the element is one of the right list");
        done[name] = true;
        let item = at.map_or(&null, |at| &right[at]);
        // Items that share a name are not merged with: the new one replaces them.
        let live = l
            .find(element)
            .map(|(_, at)| at.map_or(&null, |at| &left[at]));
        // The API server, too, takes no notice of what does not fit below an item.
        out.extend(combine(schema, list.item, live, Some(item), &mut None));
    };

    let (mut li, mut ri) = (0, 0);
    while li < left.len() || ri < right.len() {
        if li < left.len() && ri < right.len() {
            let element = &l.elements[li];
            if *element == r.elements[ri] {
                take_right(element, &mut done, &mut out);
                li += 1;
                ri += 1;
                shared.next();
                continue;
            }
            if r.find(element).is_some() && shared.peek().is_some_and(|next| *next != element) {
                // Shared, but another shared item comes first on the right.
                li += 1;
                continue;
            }
        }
        if li < left.len() {
            let element = &l.elements[li];
            match r.find(element) {
                None => {
                    out.push(left[li].clone());
                    li += 1;
                    continue;
                }
                Some((name, _)) if done[name] => li += 1,
                Some(_) => {}
            }
        }
        if ri < right.len() {
            let element = &r.elements[ri];
            take_right(element, &mut done, &mut out);
            ri += 1;
            if shared.peek().is_some_and(|next| *next == element) {
                shared.next();
            }
        }
    }
    Ok(out)
}
