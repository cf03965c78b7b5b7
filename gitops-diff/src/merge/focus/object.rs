//! The walk from the root: identity, metadata, and what a request cannot write.

use gitops_core::Manifest;
use serde_json::{Map, Value};

use super::{
    Concern, Focus, Sides, is_container,
    walk::{Place, Walk, fields_of, is_empty},
};
use crate::{
    fields::{FieldSet, values_equal},
    merge::{
        SERVER_WRITTEN,
        metadata::UNOWNED_METADATA,
        typed::{MapShape, Shape, shape},
    },
};

impl<'s> Walk<'s> {
    pub(super) fn sides(&mut self, sides: Sides<'_>) -> Concern {
        let Sides { desired, live, .. } = sides;
        let own = match own_entry(live, sides.manager) {
            Entry::Several => return Concern::All,
            // The first apply to an object without entries writes them for what is there.
            Entry::None if live.managed_fields().next().is_none() => return Concern::All,
            // An applier that states nothing has no entry.
            Entry::None => None,
            Entry::One(entry) => {
                if entry.get("apiVersion").and_then(Value::as_str) != Some(desired.api_version()) {
                    return Concern::All;
                }
                match entry.get("fieldsV1") {
                    None => None,
                    Some(Value::Object(fields)) => Some(fields),
                    Some(_) => return Concern::All,
                }
            }
        };
        if live.api_version() != desired.api_version() || live.kind() != desired.kind() {
            return Concern::All;
        }
        self.object(live.as_map(), desired.as_map(), own, sides.reset)
            .unwrap_or(Concern::All)
    }

    /// `None` where the whole object is concerned.
    fn object(
        &mut self,
        live: &Map<String, Value>,
        desired: &Map<String, Value>,
        own: Option<&Map<String, Value>>,
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
            let live = live.get(name);
            match name.as_str() {
                "apiVersion" => {}
                "kind" => kept.push((name.clone(), Focus::Whole)),
                "metadata" => {
                    let below = own.and_then(|own| own.get("f:metadata"));
                    owned += usize::from(below.is_some());
                    let (Shape::Map(shape), Value::Object(desired), Some(Value::Object(live))) =
                        (shape(self.schema, field.ty, desired), desired, live)
                    else {
                        return None;
                    };
                    let below = match below {
                        None => None,
                        Some(Value::Object(below)) => Some(below),
                        Some(_) => return None,
                    };
                    let (changes, fields) = self.metadata(shape, live, desired, below)?;
                    concerned |= changes;
                    kept.push((name.clone(), Focus::Fields(fields)));
                }
                _ => {
                    self.note(!field.allowed);
                    let below = own.and_then(|own| own.get(self.field_key(name)));
                    owned += usize::from(below.is_some());
                    let place = Place {
                        live,
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
            for key in own.into_iter().flat_map(Map::keys) {
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
    fn metadata(
        &mut self,
        shape: MapShape<'s>,
        live: &Map<String, Value>,
        desired: &Map<String, Value>,
        own: Option<&Map<String, Value>>,
    ) -> Option<(bool, Vec<(String, Focus)>)> {
        if own.is_some_and(|own| own.is_empty() || own.contains_key(".")) {
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
                    .is_some_and(|live| !is_container(live) && values_equal(live, desired))
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
            for key in own.into_iter().flat_map(Map::keys) {
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

/// The Apply entries of a manager for the object itself.
enum Entry<'a> {
    None,
    One(&'a Value),
    /// Several, or one that cannot be read.
    Several,
}

fn own_entry<'a>(live: &'a Manifest, manager: &str) -> Entry<'a> {
    let mut found = Entry::None;
    for entry in live.managed_fields() {
        let text = |key: &str| entry.get(key).and_then(Value::as_str).unwrap_or_default();
        if text("manager") == manager
            && text("operation") == "Apply"
            && text("subresource").is_empty()
        {
            if !matches!(found, Entry::None) || text("fieldsType") != "FieldsV1" {
                return Entry::Several;
            }
            found = Entry::One(entry);
        }
    }
    found
}
