//! What to apply where differences are ignored.

use gitops_core::{
    Manifest,
    diff::{DiffError, Ignored},
    schema::{Schema, Type},
};
use serde_json::Value;

use super::{IgnoreRules, paths::JsonStep, selected};
use crate::{
    fields::{FieldSet, ManagedFields, Operation, PathElement, values_equal},
    merge::{ANY, Shape, shape},
};

/// What to send instead of `desired`, so that the ignored fields of `live` stay as they are.
///
/// A field that another manager owns is left out, which releases it ([`Ignored::Released`]), or keeps
/// its live value; one that nobody else owns is stated with its live value, since leaving it out
/// would remove it; one that the live object does not have is left out.
pub fn respect(
    desired: &Manifest,
    live: &Manifest,
    rules: &IgnoreRules,
    manager: &str,
    schema: &Schema,
    ignored: Ignored,
) -> Result<Manifest, DiffError> {
    let rules: Vec<_> = rules.of(live, desired).collect();
    if rules.is_empty() {
        return Ok(desired.clone());
    }
    let rules = || rules.iter().copied();
    let managers = ManagedFields::of(live).map_err(|error| DiffError::ManagedFields {
        object: live.id().to_string(),
        reason: error.to_string(),
    })?;
    let live_value = live.to_value();
    let mut payload = desired.to_value();

    let mut fields: Vec<Vec<PathElement>> = Vec::new();
    for state in [&live_value, &payload] {
        let paths = selected(rules(), state)?;
        let typed = paths.iter().map(|path| typed_path(schema, state, path));
        fields.extend(typed.filter(|path| !path.is_empty()));
    }
    // Positions in lists stay valid when the last ones go first.
    fields.sort_by(|a, b| b.cmp(a));
    fields.dedup();

    let (mut own, mut others) = (FieldSet::new(), FieldSet::new());
    for (id, entry) in &managers.entries {
        let ours = id.manager == manager && id.operation == Operation::Apply;
        let set = if ours { &mut own } else { &mut others };
        *set = set.union(&entry.fields);
    }
    let mut leaving = Leaving {
        schema,
        payload: &mut payload,
        live: &live_value,
        own: &own,
        others: &others,
        ignored,
    };
    for field in &fields {
        leaving.leave(field);
    }
    for trusted in rules().flat_map(|rule| &rule.managers) {
        for (id, entry) in &managers.entries {
            if id.manager == *trusted && id.manager != manager {
                for field in entry.fields.leaves().paths() {
                    leaving.leave_where_different(&field);
                }
            }
        }
    }
    Manifest::try_from(payload).map_err(|error| DiffError::IgnoreRule {
        rule: "the rules of this object".to_owned(),
        reason: format!("they leave nothing of it to apply: {error}"),
    })
}

struct Leaving<'a> {
    schema: &'a Schema,
    payload: &'a mut Value,
    live: &'a Value,
    own: &'a FieldSet,
    others: &'a FieldSet,
    ignored: Ignored,
}

impl Leaving<'_> {
    fn leave(&mut self, field: &[PathElement]) {
        let released = self.ignored == Ignored::Released && owns(self.others, field);
        match find(self.schema, self.live, field) {
            None => take_out(self.schema, self.payload, field),
            Some(_) if released => take_out(self.schema, self.payload, field),
            Some(value) => {
                let stated = find(self.schema, self.payload, field).is_some();
                if stated || self.ignored == Ignored::Kept || owns(self.own, field) {
                    put(self.schema, self.payload, field, value.clone());
                }
            }
        }
    }

    fn leave_where_different(&mut self, field: &[PathElement]) {
        let wanted = find(self.schema, self.payload, field);
        let is = find(self.schema, self.live, field);
        if let (Some(wanted), Some(is)) = (wanted, is)
            && !values_equal(wanted, is)
        {
            let is = is.clone();
            match self.ignored {
                Ignored::Released => take_out(self.schema, self.payload, field),
                _ => put(self.schema, self.payload, field, is),
            }
        }
    }
}

/// Whether a set has the field, something below it, or something atomic above it.
pub(crate) fn owns(set: &FieldSet, field: &[PathElement]) -> bool {
    let mut set = set;
    for (at, element) in field.iter().enumerate() {
        let Some(node) = set.get(element) else {
            return false;
        };
        let no_children = node.children.is_empty();
        if at + 1 == field.len() {
            return node.member || !no_children;
        }
        if no_children {
            return node.member;
        }
        set = &node.children;
    }
    false
}

/// A path by positions as a path by names, where lists have names.
fn typed_path(schema: &Schema, value: &Value, path: &[JsonStep]) -> Vec<PathElement> {
    let mut typed = Vec::with_capacity(path.len());
    let (mut ty, mut at) = (schema.root(), value);
    for step in path {
        match (step, at) {
            (JsonStep::Field(name), Value::Object(map)) => {
                ty = match shape(schema, ty, at) {
                    Shape::Map(map) => map.field(schema, name),
                    _ => &ANY,
                };
                typed.push(PathElement::field(name));
                match map.get(name) {
                    Some(below) => at = below,
                    None => return Vec::new(),
                }
            }
            (JsonStep::Index(index), Value::Array(items)) => {
                let Some(item) = usize::try_from(*index).ok().and_then(|at| items.get(at)) else {
                    return Vec::new();
                };
                let (element, item_type) = match shape(schema, ty, at) {
                    Shape::List(list) => match list.element(item) {
                        Ok(element) => (element, list.item),
                        Err(_) => return Vec::new(),
                    },
                    _ => (PathElement::Index(*index), &ANY),
                };
                typed.push(element);
                ty = item_type;
                at = item;
            }
            _ => return Vec::new(),
        }
    }
    typed
}

/// Position of an item among the items of a list.
fn position(schema: &Schema, ty: &Type, list: &Value, element: &PathElement) -> Option<usize> {
    let items = list.as_array()?;
    match (element, shape(schema, ty, list)) {
        (PathElement::Index(index), _) => {
            usize::try_from(*index).ok().filter(|at| *at < items.len())
        }
        (element, Shape::List(list)) => items
            .iter()
            .position(|item| list.element(item).is_ok_and(|found| found == *element)),
        _ => None,
    }
}

fn below<'s>(schema: &'s Schema, ty: &'s Type, value: &Value, element: &PathElement) -> &'s Type {
    match (element, shape(schema, ty, value)) {
        (PathElement::Field(name), Shape::Map(map)) => map.field(schema, name),
        (PathElement::Key(_) | PathElement::Value(_), Shape::List(list)) => list.item,
        _ => &ANY,
    }
}

/// The value at a path by names.
pub(crate) fn find<'v>(
    schema: &Schema,
    value: &'v Value,
    path: &[PathElement],
) -> Option<&'v Value> {
    let (mut ty, mut at) = (schema.root(), value);
    for element in path {
        let next = match element {
            PathElement::Field(name) => at.as_object()?.get(name.as_str())?,
            element => at.as_array()?.get(position(schema, ty, at, element)?)?,
        };
        ty = below(schema, ty, at, element);
        at = next;
    }
    Some(at)
}

fn take_out(schema: &Schema, value: &mut Value, path: &[PathElement]) {
    edit(schema, schema.root(), value, path, None);
}

fn put(schema: &Schema, value: &mut Value, path: &[PathElement], new: Value) {
    edit(schema, schema.root(), value, path, Some(new));
}

/// Replaces or removes the value at a path; parents that are missing are made for a replacement,
/// parents that become empty are removed with what was in them.
fn edit(schema: &Schema, ty: &Type, value: &mut Value, path: &[PathElement], new: Option<Value>) {
    let Some((first, rest)) = path.split_first() else {
        return;
    };
    let ty_below = below(schema, ty, value, first);
    match first {
        PathElement::Field(name) => {
            let Value::Object(map) = value else { return };
            match (rest.is_empty(), new) {
                (true, Some(new)) => {
                    map.insert(name.to_string(), new);
                }
                (true, None) => {
                    map.remove(name.as_str());
                }
                (false, new) => {
                    if new.is_some() && !map.contains_key(name.as_str()) {
                        let parent = match rest[0] {
                            PathElement::Field(_) => Value::Object(serde_json::Map::new()),
                            _ => Value::Array(Vec::new()),
                        };
                        map.insert(name.to_string(), parent);
                    }
                    let removes = new.is_none();
                    if let Some(child) = map.get_mut(name.as_str()) {
                        edit(schema, ty_below, child, rest, new);
                        if removes && is_empty(child) {
                            map.remove(name.as_str());
                        }
                    }
                }
            }
        }
        element => {
            let at = position(schema, ty, value, element);
            let Value::Array(items) = value else { return };
            match (at, rest.is_empty(), new) {
                (Some(at), true, Some(new)) => items[at] = new,
                (Some(at), true, None) => {
                    items.remove(at);
                }
                (Some(at), false, new) => edit(schema, ty_below, &mut items[at], rest, new),
                (None, true, Some(new)) => items.push(new),
                (None, false, Some(new)) => {
                    // An item that is only known by its keys is made of them.
                    if let PathElement::Key(keys) = element {
                        let mut item = Value::Object(
                            keys.iter()
                                .map(|(name, value)| (name.to_string(), value.clone()))
                                .collect(),
                        );
                        edit(schema, ty_below, &mut item, rest, Some(new));
                        items.push(item);
                    }
                }
                (None, _, None) => {}
            }
        }
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Object(map) => map.is_empty(),
        Value::Array(items) => items.is_empty(),
        _ => false,
    }
}

/// The JSON pointer of a path by names; `None` where it leads to nothing.
pub(crate) fn pointer_to(schema: &Schema, value: &Value, path: &[PathElement]) -> Option<String> {
    let (mut ty, mut at) = (schema.root(), value);
    let mut pointer = String::new();
    for element in path {
        pointer.push('/');
        let next = match element {
            PathElement::Field(name) => {
                pointer.push_str(&name.replace('~', "~0").replace('/', "~1"));
                at.as_object()?.get(name.as_str())?
            }
            element => {
                let index = position(schema, ty, at, element)?;
                pointer.push_str(&index.to_string());
                at.as_array()?.get(index)?
            }
        };
        ty = below(schema, ty, at, element);
        at = next;
    }
    Some(pointer)
}
