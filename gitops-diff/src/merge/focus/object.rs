//! The walk from the root: identity, metadata, and what a request cannot write.

use serde_json::{Map, Value};

use super::{
    Concern, Focus, Sides,
    look::{Look, LookObject as _},
    walk::{Place, Walk, fields_of, is_empty},
};
use crate::{
    fields::FieldSet,
    merge::{
        SERVER_WRITTEN,
        metadata::UNOWNED_METADATA,
        typed::{MapShape, Shape, shape},
    },
};

impl<'s> Walk<'s> {
    pub(super) fn sides(&mut self, sides: Sides<'_>) -> Concern {
        match sides.live.packed() {
            Some(live) => {
                let others = live.others();
                let live = Live {
                    metadata: Some(live.metadata()),
                    entries: live.managed_fields(),
                    others: |name: &str| others.get(name),
                };
                self.seen(sides, live)
            }
            None => {
                let entry = |entry| (entry, Value::get(entry, "fieldsV1"));
                let live = Live {
                    metadata: sides.live.metadata(),
                    entries: sides.live.managed_fields().map(entry),
                    others: |name: &str| sides.live.as_map().get(name),
                };
                self.seen(sides, live)
            }
        }
    }

    fn seen<'v, V: Look<'v>>(
        &mut self,
        sides: Sides<'_>,
        live: Live<V::Object, impl Iterator<Item = (V, Option<V>)>, impl Fn(&str) -> Option<V>>,
    ) -> Concern {
        let desired = sides.desired;
        let own = match own_entry(live.entries, sides.manager) {
            Entry::Several => return Concern::All,
            // The first apply to an object without entries writes them for what is there.
            Entry::None { others: false } => return Concern::All,
            // An applier that states nothing has no entry.
            Entry::None { others: true } => None,
            Entry::One(entry, fields) => {
                if text(entry, "apiVersion") != desired.api_version() {
                    return Concern::All;
                }
                match fields.map(V::object) {
                    None => None,
                    Some(Some(fields)) => Some(fields),
                    Some(None) => return Concern::All,
                }
            }
        };
        let (was, is) = (sides.live, desired);
        if was.api_version() != is.api_version() || was.kind() != is.kind() {
            return Concern::All;
        }
        self.object(
            live.metadata,
            live.others,
            desired.as_map(),
            own,
            sides.reset,
        )
        .unwrap_or(Concern::All)
    }

    /// `None` where the whole object is concerned.
    fn object<'v, V: Look<'v>>(
        &mut self,
        metadata: Option<V::Object>,
        others: impl Fn(&str) -> Option<V>,
        desired: &Map<String, Value>,
        own: Option<V::Object>,
        reset: &FieldSet,
    ) -> Option<Concern> {
        let Shape::Map(root) = shape(self.schema, self.schema.root(), &Value::Null) else {
            return None;
        };
        let whole = || ("apiVersion".to_owned(), Focus::Whole);
        let mut kept = vec![whole()];
        let mut owned = 0;
        let mut concerned = false;
        for (name, desired) in desired {
            match reset.get_field(name) {
                Some(node) if node.member => continue,
                Some(_) => return None,
                None => {}
            }
            let field = root.typed(self.schema, name);
            match name.as_str() {
                "apiVersion" => {}
                "kind" => kept.push((name.clone(), Focus::Whole)),
                "metadata" => {
                    let below = own.and_then(|own| own.get("f:metadata"));
                    owned += usize::from(below.is_some());
                    let (Shape::Map(shape), Value::Object(desired), Some(live)) =
                        (shape(self.schema, field.ty, desired), desired, metadata)
                    else {
                        return None;
                    };
                    let below = match below.map(V::object) {
                        None => None,
                        Some(Some(below)) => Some(below),
                        Some(None) => return None,
                    };
                    let (changes, fields) = self.metadata::<V>(shape, live, desired, below)?;
                    concerned |= changes;
                    kept.push((name.clone(), Focus::Fields(fields)));
                }
                _ => {
                    self.note(!field.allowed);
                    let below = own.and_then(|own| own.get(self.field_key(name)));
                    owned += usize::from(below.is_some());
                    let place = Place {
                        live: others(name),
                        desired,
                        own: below,
                        member: !field.declared || is_empty(desired),
                    };
                    if let Some(focus) = self.node(field.ty, place) {
                        concerned = true;
                        kept.push((name.clone(), focus));
                    }
                }
            }
            if concerned && self.first_only {
                return None;
            }
        }
        if !desired.contains_key("metadata") {
            return None;
        }
        if own.is_some_and(|own| own.len() != owned) {
            concerned = true;
            let fields = own.into_iter().flat_map(|own| own.fields());
            for (key, _) in fields {
                let name = key.strip_prefix("f:")?;
                let stated = desired.contains_key(name)
                    && reset.get_field(name).is_none()
                    && !matches!(name, "apiVersion" | "kind");
                if !stated {
                    kept.push((name.to_owned(), Focus::Whole));
                }
            }
        }
        if !concerned {
            return Some(Concern::Nothing);
        }
        Some(Concern::Part(fields_of(kept)))
    }

    /// The fields of `metadata` to keep, and whether anything can change in them. Most of
    /// `metadata` no manager owns, and never `metadata` itself.
    fn metadata<'v, V: Look<'v>>(
        &mut self,
        shape: MapShape<'s>,
        live: V::Object,
        desired: &Map<String, Value>,
        own: Option<V::Object>,
    ) -> Option<(bool, Vec<(String, Focus)>)> {
        if own.is_some_and(|own| own.len() == 0 || own.has_dot()) {
            return None;
        }
        let identity = ["name", "namespace", "generateName"];
        let mut kept: Vec<_> = identity
            .iter()
            .map(|name| ((*name).to_owned(), Focus::Whole))
            .collect();
        let identified = kept.len();
        let mut owned = 0;
        for (name, desired) in desired {
            if SERVER_WRITTEN.contains(&name.as_str()) {
                continue;
            }
            let field = shape.typed(self.schema, name);
            self.note(!field.allowed);
            if UNOWNED_METADATA.contains(&name.as_str()) {
                // Neither name nor namespace ever change.
                self.check(field.ty, desired);
                if !live
                    .get(name)
                    .is_some_and(|live| !live.is_container() && live.equals(desired))
                {
                    return None;
                }
                continue;
            }
            let below = own.and_then(|own| own.get(self.field_key(name)));
            owned += usize::from(below.is_some());
            let place = Place {
                live: live.get(name),
                desired,
                own: below,
                member: !field.declared || is_empty(desired),
            };
            if let Some(focus) = self.node(field.ty, place) {
                kept.push((name.clone(), focus));
            }
        }
        let mut lost = false;
        if own.is_some_and(|own| own.len() != owned) {
            lost = true;
            let fields = own.into_iter().flat_map(|own| own.fields());
            for (key, _) in fields {
                let name = key.strip_prefix("f:")?;
                if !desired.contains_key(name) || UNOWNED_METADATA.contains(&name) {
                    kept.push((name.to_owned(), Focus::Whole));
                }
            }
        }
        let changes = lost || kept.len() > identified;
        match fields_of(kept) {
            Focus::Fields(kept) => Some((changes, kept)),
            _ => None,
        }
    }
}

/// A live object: its metadata, its entries with their fields, and everything else by name.
struct Live<M, E, O> {
    metadata: Option<M>,
    entries: E,
    others: O,
}

/// The Apply entries of a manager for the object itself.
enum Entry<V> {
    None {
        /// Whether there are entries of others.
        others: bool,
    },
    /// With its fields.
    One(V, Option<V>),
    /// Several, or one that cannot be read.
    Several,
}

fn own_entry<'v, V: Look<'v>>(
    entries: impl Iterator<Item = (V, Option<V>)>,
    manager: &str,
) -> Entry<V> {
    let mut found = Entry::None { others: false };
    for (entry, fields) in entries {
        if text(entry, "manager") == manager
            && text(entry, "operation") == "Apply"
            && text(entry, "subresource").is_empty()
        {
            if matches!(found, Entry::One(..)) || text(entry, "fieldsType") != "FieldsV1" {
                return Entry::Several;
            }
            found = Entry::One(entry, fields);
        } else if let Entry::None { others } = &mut found {
            *others = true;
        }
    }
    found
}

fn text<'v, V: Look<'v>>(entry: V, name: &str) -> &'v str {
    let value = entry.object().and_then(|entry| entry.get(name));
    value.and_then(V::text).unwrap_or_default()
}
