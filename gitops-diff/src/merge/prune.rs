//! What an applier lets go: fields that it stated last time and states no more are removed, unless
//! somebody else owns them.

use gitops_core::schema::{Schema, Type};
use serde_json::Value;

use super::{
    remove::{add_named_fields, remove},
    to_set::field_set,
    typed::{Shape, TypeMismatch, shape},
};
use crate::fields::{FieldNode, FieldSet, PathElement};

/// Removes from `merged` what is in `last` and in none of `owned`.
pub(super) fn prune(
    schema: &Schema,
    mut merged: Value,
    last: &FieldSet,
    owned: &[&FieldSet],
) -> Result<Value, TypeMismatch> {
    let walk = Walk { schema };
    let gone = match walk.below(schema.root(), &merged, last, owned, Fate::default()) {
        Ok(below) => below.gone,
        Err(Unusual) => by_sets(schema, &merged, last, owned)?,
    };
    remove(schema, schema.root(), &mut merged, &gone);
    Ok(merged)
}

/// The definition, by sets of fields of the whole object.
fn by_sets(
    schema: &Schema,
    merged: &Value,
    last: &FieldSet,
    owned: &[&FieldSet],
) -> Result<FieldSet, TypeMismatch> {
    let root = schema.root();
    let named = |mut set: FieldSet| {
        add_named_fields(schema, Some(root), &mut set);
        set
    };
    let stated = |object: &Value| field_set(schema, object).map(named);
    let without = |fields: &FieldSet| {
        let mut object = merged.clone();
        remove(schema, root, &mut object, fields);
        object
    };
    let last = named(last.clone());
    let mut gone = stated(merged)?;

    // What the manager stated last time is gone …
    let mut stays = stated(&without(&last))?;
    // … but for what is owned by anybody now …
    let mut all = FieldSet::new();
    for owned in owned {
        all.add(owned);
    }
    stays.add(&named(all));
    // … and for what it never stated itself.
    let left = stated(&without(&gone.difference(&stays)))?;
    gone.subtract(&left, false);
    Ok(gone.intersection(&last))
}

/// The same in one walk over what was stated last: a field is gone that was stated last and that
/// nobody owns, or that is in one that nobody owns.
struct Walk<'s> {
    schema: &'s Schema,
}

/// Items that share a name, items whose names go, fields that state nothing: left to the definition.
struct Unusual;

/// What became of what a field is in.
#[derive(Clone, Copy, Default)]
struct Fate {
    /// It was stated last time.
    last: bool,
    /// Nobody owns it any more.
    lost: bool,
}

/// What is gone below a value.
struct Below {
    gone: FieldSet,
    /// Whether nothing is left.
    all: bool,
}

impl<'s> Walk<'s> {
    fn below(
        &self,
        ty: &'s Type,
        value: &Value,
        last: &FieldSet,
        owned: &[&FieldSet],
        fate: Fate,
    ) -> Result<Below, Unusual> {
        let mut gone = FieldSet::new();
        let mut count = 0;
        let size = match (shape(self.schema, ty, value), value) {
            (Shape::Map(map), Value::Object(fields)) => {
                let states = |(name, value): (&String, &Value)| {
                    !map.declares(name)
                        || states_something(self.schema, map.field(self.schema, name), value)
                };
                if !fields.iter().all(states) {
                    return Err(Unusual);
                }
                for node in last.nodes() {
                    let PathElement::Field(name) = &node.element else {
                        continue;
                    };
                    let Some(value) = fields.get(name.as_str()) else {
                        continue;
                    };
                    let declared = map.declares(name);
                    let ty = map.field(self.schema, name);
                    let node = self.node(ty, value, (node, declared), owned, fate)?;
                    count += usize::from(node.member);
                    gone.push(node);
                }
                fields.len()
            }
            (Shape::List(list), Value::Array(items)) => {
                let mut known: Vec<PathElement> = Vec::new();
                for item in items {
                    let element = list.element(item).map_err(|_| Unusual)?;
                    let Some(node) = last.get(&element) else {
                        continue;
                    };
                    if !node.member || known.contains(&element) {
                        return Err(Unusual);
                    }
                    known.push(element);
                    let node = self.node(list.item, item, (node, false), owned, fate)?;
                    count += usize::from(node.member);
                    gone.push(node);
                }
                items.len()
            }
            _ => return Ok(Below { gone, all: false }),
        };
        Ok(Below {
            gone,
            all: count == size,
        })
    }

    fn node(
        &self,
        ty: &'s Type,
        value: &Value,
        (node, declared): (&FieldNode, bool),
        owned: &[&FieldSet],
        fate: Fate,
    ) -> Result<FieldNode, Unusual> {
        let is_owner = |node: &FieldNode| {
            // A struct belongs to whoever owns something in it.
            node.member || declared && !node.children.is_empty()
        };
        let owned: Vec<&FieldNode> = owned
            .iter()
            .filter_map(|owned| owned.get(&node.element))
            .collect();
        let was_stated = is_owner(node);
        let last = fate.last || was_stated;
        let is_owned = owned.iter().any(|node| is_owner(node));
        let lost = fate.lost || last && !is_owned;
        let mut out = FieldNode::new(node.element.clone());
        if lost && was_stated {
            out.member = true;
            return Ok(out);
        }
        if let (PathElement::Key(keys), true, false) = (&node.element, last, lost) {
            let has_owner = |name: &str| {
                let field = |node: &&FieldNode| {
                    node.children
                        .get_field(name)
                        .is_some_and(|field| field.member)
                };
                owned.iter().any(field)
            };
            let is_lost = |name: &str| value.get(name).is_some() && !has_owner(name);
            if keys.iter().any(|(name, _)| is_lost(name)) {
                return Err(Unusual);
            }
        }
        let owned: Vec<&FieldSet> = owned.iter().map(|node| &node.children).collect();
        let below = self.below(ty, value, &node.children, &owned, Fate { last, lost })?;
        let is_item = !matches!(node.element, PathElement::Field(_));
        if is_item && below.all {
            return Err(Unusual);
        }
        out.children = below.gone;
        Ok(out)
    }
}

/// Whether whoever states a value of a field owns anything of it.
fn states_something(schema: &Schema, ty: &Type, value: &Value) -> bool {
    match (shape(schema, ty, value), value) {
        (Shape::List(_), Value::Array(items)) => !items.is_empty(),
        (Shape::Map(map), Value::Object(fields)) => {
            fields.is_empty()
                || fields.iter().any(|(name, value)| {
                    !map.declares(name) || states_something(schema, map.field(schema, name), value)
                })
        }
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use gitops_core::{GroupVersionKind, schema::Schemas as _};
    use serde_json::json;

    use super::*;
    use crate::schema::{bundled_schemas, deduced_schema};

    /// Numbers that look random and are the same each time.
    struct Numbers(u64);

    impl Numbers {
        fn below(&mut self, limit: u64) -> u64 {
            self.0 = self
                .0
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (self.0 >> 33) % limit
        }
    }

    fn object(numbers: &mut Numbers) -> Value {
        let mut ports = Vec::new();
        for port in 80..83 {
            if numbers.below(2) == 0 {
                let mut item = json!({"port": port, "protocol": "TCP"});
                if numbers.below(2) == 0 {
                    item["name"] = json!(format!("p{port}"));
                }
                if numbers.below(2) == 0 {
                    item["targetPort"] = json!(port);
                }
                ports.push(item);
            }
        }
        let mut object = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "a"}});
        for (at, key) in ["labels", "annotations"].iter().enumerate() {
            for name in ["a", "b"] {
                if numbers.below(2) == 0 {
                    object["metadata"][key][name] = json!(at.to_string());
                }
            }
        }
        if numbers.below(4) > 0 && (!ports.is_empty() || numbers.below(8) == 0) {
            object["spec"]["ports"] = ports.into();
        }
        for (name, value) in [
            ("type", json!("ClusterIP")),
            ("selector", json!({"app": "a"})),
            ("externalIPs", json!(["10.0.0.1", "10.0.0.2"])),
            (
                "sessionAffinityConfig",
                json!({"clientIP": {"timeoutSeconds": 1}}),
            ),
        ] {
            if numbers.below(2) == 0 {
                object["spec"][name] = value;
            }
        }
        object
    }

    /// Some of the members of a set.
    fn some_of(numbers: &mut Numbers, set: &FieldSet, share: u64) -> FieldSet {
        let mut some = FieldSet::new();
        for path in set.paths() {
            if numbers.below(4) < share {
                some.insert(&path);
            }
        }
        some
    }

    #[test]
    fn the_walk_finds_what_the_sets_say() {
        let schemas = bundled_schemas();
        let service = schemas.schema(&GroupVersionKind::new("", "v1", "Service"));
        let service = service.expect("a Service is bundled");
        let mut numbers = Numbers(7);
        let (mut quick, mut removed) = (0, 0);
        for round in 0..8000 {
            let schema = match round % 4 {
                0 => deduced_schema(),
                _ => &*service,
            };
            let merged = object(&mut numbers);
            let stated = field_set(schema, &merged).expect("it fits");
            let other = field_set(schema, &object(&mut numbers)).expect("it fits");
            let share = numbers.below(3) + 2;
            let last = some_of(&mut numbers, &stated.union(&other), share);
            let own = some_of(&mut numbers, &stated, 2);
            let others = some_of(&mut numbers, &stated, 1);
            let owned = [&own, &others];
            let walk = Walk { schema };
            let walked = walk.below(schema.root(), &merged, &last, &owned, Fate::default());
            let Ok(walked) = walked else { continue };
            let cut = |gone: &FieldSet| {
                let mut cut = merged.clone();
                remove(schema, schema.root(), &mut cut, gone);
                cut
            };
            // It fails where somebody owns an item without what names it.
            let Ok(defined) = by_sets(schema, &merged, &last, &owned) else {
                continue;
            };
            assert_eq!(
                cut(&walked.gone),
                cut(&defined),
                "{merged} {last:?} {owned:?}"
            );
            quick += 1;
            removed += usize::from(!defined.is_empty());
        }
        assert!(quick > 1000 && removed > 500, "{quick} {removed}");
    }
}
