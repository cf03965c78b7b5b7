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
//! * the fields that identify an item, of all items of a list that gains items or changes its order;
//! * one field or item that stays, of each map or list that is cut: that it is not empty, and its
//!   owner's entry neither, is known without the rest.

mod graft;
mod lists;
mod look;
mod object;
mod owners;
mod project;
mod walk;

#[cfg(test)]
mod tests;

use std::borrow::Cow;

use gitops_core::{Manifest, schema::Schema};
use serde_json::Value;

pub(super) use self::{graft::graft_object, owners::Owners, project::project_object};
use self::{look::LookObject, walk::Walk};
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
    /// These items of a list with names.
    Items(Box<Items>),
}

/// Items of a list in which something can change.
#[derive(Debug, Clone)]
pub(crate) struct Items {
    /// In the order of names.
    kept: Vec<Kept>,
    /// Which of them live has, in its order.
    live: Vec<usize>,
    /// Which of them desired has, in its order.
    desired: Vec<usize>,
    /// Whether the names of all other items are kept too.
    names: bool,
}

#[derive(Debug, Clone)]
struct Kept {
    element: PathElement,
    /// Position in the live list.
    live: Option<usize>,
    /// Position in the desired list.
    desired: Option<usize>,
    focus: Focus,
}

/// One of the two objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Live,
    Desired,
}

impl Items {
    /// `None` where items share a name.
    fn new(mut kept: Vec<Kept>, names: bool) -> Option<Self> {
        kept.sort_by(|a, b| a.element.cmp(&b.element));
        if kept
            .windows(2)
            .any(|pair| pair[0].element == pair[1].element)
        {
            return None;
        }
        let order = |side| {
            let has = |at: &usize| kept[*at].position(side).is_some();
            let mut order: Vec<usize> = (0..kept.len()).filter(has).collect();
            order.sort_by_key(|at| kept[*at].position(side));
            order
        };
        let (live, desired) = (order(Side::Live), order(Side::Desired));
        Some(Self {
            kept,
            live,
            desired,
            names,
        })
    }

    fn find(&self, element: &PathElement) -> Option<&Kept> {
        let at = self.kept.binary_search_by(|kept| kept.element.cmp(element));
        at.ok().map(|at| &self.kept[at])
    }

    fn order(&self, side: Side) -> &[usize] {
        match side {
            Side::Live => &self.live,
            Side::Desired => &self.desired,
        }
    }

    /// The items that one object has, in its order, with their positions.
    fn of(&self, side: Side) -> impl Iterator<Item = (usize, &Kept)> {
        let order = self.order(side).iter();
        order.filter_map(move |at| Some((self.kept[*at].position(side)?, &self.kept[*at])))
    }

    /// The position in the object, and the focus, of an item of the list that was cut down.
    fn position(&self, cut: usize, side: Side) -> Option<(usize, Option<&Focus>)> {
        let order = self.order(side);
        if self.names {
            let found = order.binary_search_by_key(&Some(cut), |at| self.kept[*at].position(side));
            let kept = found.ok().map(|at| &self.kept[order[at]].focus);
            return Some((cut, kept));
        }
        let kept = &self.kept[*order.get(cut)?];
        Some((kept.position(side)?, Some(&kept.focus)))
    }
}

impl Kept {
    fn position(&self, side: Side) -> Option<usize> {
        match side {
            Side::Live => self.live,
            Side::Desired => self.desired,
        }
    }
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

    /// The fields by which an item is known.
    fn names_in(element: &PathElement) -> Self {
        match element {
            PathElement::Key(fields) => {
                let names = fields
                    .iter()
                    .map(|(name, _)| (name.to_string(), Self::Whole));
                Self::Fields(names.collect())
            }
            _ => Self::Whole,
        }
    }

    /// A pointer into an object from one into what was cut out of it.
    pub(crate) fn pointer(&self, cut: &str, side: Side) -> String {
        let mut focus = Some(self);
        let mut out = String::with_capacity(cut.len());
        for step in cut.split('/').skip(1) {
            out.push('/');
            match focus {
                Some(Self::Items(items)) => {
                    let found = step.parse().ok().and_then(|cut| items.position(cut, side));
                    match found {
                        Some((position, below)) => {
                            out.push_str(&position.to_string());
                            focus = below;
                        }
                        None => out.push_str(step),
                    }
                }
                Some(Self::Fields(fields)) => {
                    out.push_str(step);
                    let name = match step.contains('~') {
                        true => Cow::Owned(step.replace("~1", "/").replace("~0", "~")),
                        false => Cow::Borrowed(step),
                    };
                    let at = fields.binary_search_by(|(field, _)| field.as_str().cmp(&name));
                    focus = at.ok().map(|at| &fields[at].1);
                }
                Some(Self::Whole) | None => out.push_str(step),
            }
        }
        out
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
fn node_of<'v>(own: Option<impl LookObject<'v>>) -> (bool, usize) {
    let Some(own) = own else { return (false, 0) };
    let children = own.len() - usize::from(own.has_dot());
    (children < own.len() || children == 0, children)
}
