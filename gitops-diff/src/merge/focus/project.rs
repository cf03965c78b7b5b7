//! Objects and field sets cut down to a focus.

use gitops_core::{
    Manifest,
    schema::{Schema, Type},
};
use serde_json::{Map, Value};

use super::{
    Focus, Items, Kept, Side,
    look::{Look, LookItems, LookObject, Seen},
    node_of,
};
use crate::{
    fields::{FieldNode, FieldSet, FieldsV1Error, PathElement},
    merge::typed::{ANY, ListShape, Shape, shape},
};

/// The object cut down, without `managedFields`.
pub(in crate::merge) fn project_object(
    schema: &Schema,
    object: &Manifest,
    focus: &Focus,
    side: Side,
) -> Value {
    let cut = Cut { schema, side };
    let mut cut = match (object.packed(), focus) {
        (Some(packed), Focus::Fields(kept)) => {
            let others = packed.others();
            let kept_of = |name: &'static str| kept.iter().filter(move |kept| kept.0 == name);
            let mut fields = cut.fields(schema.root(), others, kept);
            for (name, focus) in kept_of("metadata") {
                let ty = cut.field(schema.root(), name);
                let metadata = match focus {
                    Focus::Fields(kept) => cut.fields(ty, packed.metadata(), kept),
                    _ => packed.metadata().to_map(),
                };
                fields.insert(name.clone(), Value::Object(metadata));
            }
            fields
        }
        (None, Focus::Fields(kept)) => cut.fields(schema.root(), object.as_map(), kept),
        _ => object.as_map().clone(),
    };
    if let Some(Value::Object(metadata)) = cut.get_mut("metadata") {
        metadata.remove("managedFields");
    }
    Value::Object(cut)
}

struct Cut<'s> {
    schema: &'s Schema,
    side: Side,
}

/// Any list, for [`shape`].
static LIST: Value = Value::Array(Vec::new());

impl<'s> Cut<'s> {
    fn field(&self, ty: &'s Type, name: &str) -> &'s Type {
        match shape(self.schema, ty, &Value::Null) {
            Shape::Map(map) => map.field(self.schema, name),
            _ => &ANY,
        }
    }

    fn fields<'v>(
        &self,
        ty: &'s Type,
        object: impl LookObject<'v>,
        kept: &[(String, Focus)],
    ) -> Map<String, Value> {
        kept.iter()
            .filter_map(|(name, focus)| {
                let value = object.get(name)?;
                let ty = self.field(ty, name);
                Some((name.clone(), self.value(ty, value, focus)))
            })
            .collect()
    }

    fn value<'v, V: Look<'v>>(&self, ty: &'s Type, value: V, focus: &Focus) -> Value {
        let cut = match focus {
            Focus::Whole => None,
            Focus::Fields(kept) => value
                .object()
                .map(|object| Value::Object(self.fields(ty, object, kept))),
            Focus::Items(kept) => match (shape(self.schema, ty, &LIST), value.items()) {
                (Shape::List(list), Some(items)) => Some(self.items(list, &items, kept)),
                _ => None,
            },
        };
        cut.unwrap_or_else(|| value.value().into_owned())
    }

    fn items<'v, V: Look<'v>>(
        &self,
        list: ListShape<'s>,
        items: &impl LookItems<Value = V>,
        kept: &Items,
    ) -> Value {
        let cut = |(at, kept): (usize, &Kept)| self.value(list.item, items.at(at), &kept.focus);
        if !kept.names {
            return kept.of(self.side).map(cut).collect();
        }
        let mut kept = kept.of(self.side).peekable();
        let items = items.iter().enumerate();
        items
            .map(|(at, item)| match kept.next_if(|(kept, _)| *kept == at) {
                Some(kept) => cut(kept),
                None => names_of(list, item),
            })
            .collect()
    }
}

/// What of an item names it.
fn names_of<'v, V: Look<'v>>(list: ListShape<'_>, item: V) -> Value {
    match (list.keys, item.object()) {
        (Some(keys), Some(item)) => keys
            .iter()
            .filter_map(|key| Some((key.name.clone(), item.get(&key.name)?.value().into_owned())))
            .collect(),
        _ => item.value().into_owned(),
    }
}

/// Whose `fieldsV1` is cut down.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Whose {
    /// The manager's that applies: what is kept is what remains.
    Own,
    /// Where nothing below a node is left, one step says that there was.
    Other,
}

/// A `fieldsV1` cut down.
pub(super) fn project_fields<'v, V: Look<'v>>(
    fields: V,
    focus: &Focus,
    whose: Whose,
) -> Result<FieldSet, FieldsV1Error> {
    let (Focus::Fields(_) | Focus::Items(_), Some(below)) = (focus, fields.object()) else {
        return FieldSet::from_fields_v1(&fields.value());
    };
    let mut set = FieldSet::new();
    let mut push = |element: PathElement, below: V, children: FieldSet| {
        let (member, _) = node_of(below.object());
        set.push(FieldNode {
            element,
            member: member || matches!(below.seen(), Seen::Null),
            children,
        });
    };
    let mut key = String::new();
    match focus {
        Focus::Fields(kept) => {
            for (name, focus) in kept {
                key.clear();
                key.push_str("f:");
                key.push_str(name);
                if let Some(below) = below.get(&key) {
                    push(
                        PathElement::field(name),
                        below,
                        project_fields(below, focus, whose)?,
                    );
                }
            }
        }
        Focus::Items(items) if items.names => {
            for (key, below) in below.fields().filter(|(key, _)| *key != ".") {
                let parsed = PathElement::parse(key).map_err(|reason| FieldsV1Error { reason })?;
                let Some(element) = parsed else { continue };
                let children = match items.find(&element) {
                    Some(kept) => project_fields(below, &kept.focus, whose)?,
                    None => project_fields(below, &Focus::names_in(&element), whose)?,
                };
                push(element, below, children);
            }
        }
        Focus::Items(items) => {
            for kept in &items.kept {
                if let Some(below) = below.get(&kept.element.to_text()) {
                    let children = project_fields(below, &kept.focus, whose)?;
                    push(kept.element.clone(), below, children);
                }
            }
        }
        Focus::Whole => {}
    }
    let left_out = whose == Whose::Other && set.nodes().next().is_none();
    if left_out && let Some(element) = below.fields().find_map(|(key, _)| step(key)) {
        set.push(FieldNode {
            element,
            member: true,
            children: FieldSet::new(),
        });
    }
    Ok(set)
}

fn step(key: &str) -> Option<PathElement> {
    PathElement::parse(key)
        .ok()
        .flatten()
        .filter(|_| key != ".")
}
