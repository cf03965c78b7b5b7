//! The part of an object that an apply concerns.
//!
//! In: a live object, a desired one, the fields that the manager owns. Out: [`Concern`]: nothing,
//! which is the strict proof that an apply writes nothing, or a [`Focus`], the fields in which
//! something can change. One walk over the three finds it, and copies nothing of what is the same on
//! all sides. The merge then runs on the two objects and the `managedFields` cut down to the focus,
//! and its result is put back into the live object when somebody looks at it. So the cost of an apply
//! is one walk plus what grows with the change.
//!
//! The rules of the merge are local: they look at a field, its parents and its siblings in a list.
//! So a focus keeps, beside what changes,
//!
//! * the fields that identify an item, of all items of a list in which something changes;
//! * one field that stays, of each map that is cut: that a map is not empty, and its owner's entry
//!   neither, is known without the rest.

mod graft;
mod lists;
mod owners;
mod project;
mod walk;

#[cfg(test)]
mod tests;

use gitops_core::{Manifest, schema::Schema};
use serde_json::{Map, Value};

use self::walk::Walk;
pub(super) use self::{graft::graft_object, owners::Owners, project::project_object};
use crate::fields::{FieldSet, PathElement};

/// What an apply can change in an object.
#[derive(Debug)]
pub(crate) enum Concern {
    /// Nothing: desired states exactly what its manager owns, and live has it.
    Nothing,
    /// These fields.
    Part(Focus),
    /// It takes the whole object to say.
    All,
}

/// Fields of a value in which something can change.
#[derive(Debug, Clone)]
pub(crate) enum Focus {
    /// The value with everything in it.
    Whole,
    /// These fields of an object, in the order of their names.
    Fields(Vec<(String, Self)>),
    /// These items of a list with names, in the order of names; of the others their names only.
    Items(Vec<(PathElement, Self)>),
}

/// What is to be walked over.
#[derive(Clone, Copy)]
pub(crate) struct Sides<'a> {
    pub(crate) schema: &'a Schema,
    pub(crate) desired: &'a Manifest,
    pub(crate) live: &'a Manifest,
    pub(crate) manager: &'a str,
    /// Fields that the request cannot write.
    pub(crate) reset: &'a FieldSet,
}

/// The concern of an apply, and whether desired is known to fit its schema; where it is not known,
/// [`validate`](super::validate) says.
pub(crate) fn concern_of(sides: Sides<'_>) -> (Concern, bool) {
    let mut walk = Walk::new(sides.schema, false);
    let concern = walk.sides(sides);
    (concern, !walk.misfit())
}

/// Whether an apply is proven to change nothing.
pub(crate) fn is_of_no_concern(sides: Sides<'_>) -> bool {
    matches!(Walk::new(sides.schema, true).sides(sides), Concern::Nothing)
}

impl Focus {
    /// The field of an object in which nothing changes, cut down to one value.
    fn sample(value: &Value) -> Self {
        match value {
            Value::Object(map) => match sample_of(map.iter()) {
                Some((name, value)) => Self::Fields(vec![(name.clone(), Self::sample(value))]),
                None => Self::Whole,
            },
            _ => Self::Whole,
        }
    }

    /// Adds a field with everything in it.
    pub(crate) fn add(&mut self, path: &[&str]) {
        let (Self::Fields(fields), Some((first, rest))) = (&mut *self, path.split_first()) else {
            *self = Self::Whole;
            return;
        };
        match fields.binary_search_by(|(name, _)| name.as_str().cmp(first)) {
            Ok(at) => fields[at].1.add(rest),
            Err(at) => fields.insert(at, ((*first).to_owned(), Self::of_path(rest))),
        }
    }

    fn of_path(path: &[&str]) -> Self {
        match path.split_first() {
            None => Self::Whole,
            Some((first, rest)) => Self::Fields(vec![((*first).to_owned(), Self::of_path(rest))]),
        }
    }
}

/// The cheapest of some fields to keep.
fn sample_of<'a>(
    fields: impl Iterator<Item = (&'a String, &'a Value)>,
) -> Option<(&'a String, &'a Value)> {
    let mut found = None;
    for (name, value) in fields {
        if !is_container(value) {
            return Some((name, value));
        }
        found = found.or(Some((name, value)));
    }
    found
}

fn is_container(value: &Value) -> bool {
    value.is_object() || value.is_array()
}

/// Whether an entry of `managedFields` names the node itself, and how many it names below.
fn node_of(own: Option<&Map<String, Value>>) -> (bool, usize) {
    let Some(own) = own else { return (false, 0) };
    let children = own.len() - usize::from(own.contains_key("."));
    (children < own.len() || children == 0, children)
}
