//! The walk over desired, live and owned fields at once.

use gitops_core::{
    Manifest,
    schema::{Schema, Type},
};
use serde_json::{Map, Value, map::Iter};

use super::{Concern, Focus, Sides, is_container, node_of};
use crate::{
    fields::{FieldSet, values_equal},
    merge::{
        SERVER_WRITTEN,
        metadata::UNOWNED_METADATA,
        typed::{MapShape, Shape, check, shape},
    },
};

pub(super) struct Walk<'s> {
    pub(super) schema: &'s Schema,
    /// Ends at the first difference, whose place does not matter.
    pub(super) first_only: bool,
    misfit: bool,
    /// Text of a `fieldsV1` key, reused.
    key: String,
}

/// One place in the three.
#[derive(Clone, Copy)]
pub(super) struct Place<'v> {
    pub(super) live: Option<&'v Value>,
    pub(super) desired: &'v Value,
    /// The node of `fieldsV1`.
    pub(super) own: Option<&'v Value>,
    /// Whether whoever states this owns the node itself, whatever its type says.
    pub(super) member: bool,
}

impl<'s> Walk<'s> {
    pub(super) fn new(schema: &'s Schema, first_only: bool) -> Self {
        Self {
            schema,
            first_only,
            misfit: false,
            key: String::with_capacity(64),
        }
    }

    /// Whether desired has something that may not fit its schema.
    pub(super) fn misfit(&self) -> bool {
        self.misfit
    }

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

    /// What is to be kept of a value; `None` where nothing changes.
    pub(super) fn node(&mut self, ty: &'s Type, place: Place<'_>) -> Option<Focus> {
        let own = match place.own {
            None => None,
            Some(Value::Object(own)) => Some(own),
            Some(_) => return self.whole(ty, place.desired),
        };
        match (shape(self.schema, ty, place.desired), place.desired) {
            (Shape::Map(map), Value::Object(desired)) if !desired.is_empty() => match place.live {
                Some(Value::Object(live)) => self.map(map, live, desired, own, place.member),
                _ => self.whole(ty, place.desired),
            },
            (Shape::List(list), Value::Array(desired)) if !desired.is_empty() => match place.live {
                Some(Value::Array(live)) => match self.list(list, live, desired, own, place.member)
                {
                    Some(Focus::Whole) => self.whole(ty, place.desired),
                    focus => focus,
                },
                _ => self.whole(ty, place.desired),
            },
            (shape, desired) => {
                self.check(ty, desired);
                let is_the_same = |live: &Value| values_equal(live, desired);
                let (same, member) = match shape {
                    Shape::Scalar | Shape::Atomic => (place.live.is_some_and(is_the_same), true),
                    // What states nothing leaves what there is.
                    Shape::Map(_) => {
                        let filled = |live: &Value| live.as_object().is_some_and(|l| !l.is_empty());
                        let same = |live: &Value| filled(live) || is_the_same(live);
                        (place.live.is_some_and(same), place.member)
                    }
                    Shape::List(_) => {
                        let filled = |live: &Value| live.as_array().is_some_and(|l| !l.is_empty());
                        let same = |live: &Value| filled(live) || is_the_same(live);
                        (place.live.is_some_and(same), place.member)
                    }
                };
                let (owns, below) = node_of(own);
                (!same || below > 0 || owns != member).then_some(Focus::Whole)
            }
        }
    }

    fn map(
        &mut self,
        map: MapShape<'s>,
        live: &Map<String, Value>,
        desired: &Map<String, Value>,
        own: Option<&Map<String, Value>>,
        member: bool,
    ) -> Option<Focus> {
        let mut kept = Vec::new();
        let mut owned = 0;
        let (mut best, mut sample) = (None, None);
        let (mut live_fields, mut own_fields) = (Fields::of(live), own.map(Fields::of));
        for (name, desired) in desired {
            let field = map.typed(self.schema, name);
            self.note(!field.allowed);
            let below = own_fields
                .as_mut()
                .and_then(|own| own.get("f:", name, &mut self.key));
            owned += usize::from(below.is_some());
            let place = Place {
                live: live_fields.get("", name, &mut self.key),
                desired,
                own: below,
                member: !field.declared || is_empty(desired),
            };
            match self.node(field.ty, place) {
                Some(_) if self.first_only => return Some(Focus::Whole),
                Some(focus) => kept.push((name.clone(), focus)),
                None => {
                    // One that states something, of little size.
                    let rank = |value: &Value, own: bool| (own, !is_container(value));
                    let this = rank(desired, below.is_some());
                    if best.is_none_or(|best| this > best) {
                        (best, sample) = (Some(this), Some((name, desired)));
                    }
                }
            }
        }
        let (owns, children) = node_of(own);
        if children != owned {
            for key in own
                .into_iter()
                .flat_map(Map::keys)
                .filter(|key| *key != ".")
            {
                match key.strip_prefix("f:") {
                    None => return Some(Focus::Whole),
                    Some(name) if desired.contains_key(name) => {}
                    Some(name) => kept.push((name.to_owned(), Focus::Whole)),
                }
            }
        }
        if kept.is_empty() && owns == member {
            return None;
        }
        // Whether it stays is a question of what others own in it.
        if !desired.values().any(states_something) {
            return Some(Focus::Whole);
        }
        // With nothing left in it, a map would count as empty.
        let sample = sample.or_else(|| {
            live.iter().find(|(name, _)| {
                let lost = own.is_some_and(|own| own.contains_key(self.field_key(name)));
                !lost && !desired.contains_key(*name)
            })
        });
        let sample = sample.map(|(name, value)| (name.clone(), Focus::sample(value)));
        kept.extend(sample);
        Some(fields_of(kept))
    }

    /// The whole value, of which nothing is known.
    pub(super) fn whole(&mut self, ty: &Type, desired: &Value) -> Option<Focus> {
        self.check(ty, desired);
        Some(Focus::Whole)
    }

    fn check(&mut self, ty: &Type, desired: &Value) {
        if !self.first_only && !self.misfit {
            self.misfit = check(self.schema, ty, desired, false).is_err();
        }
    }

    fn note(&mut self, misfit: bool) {
        self.misfit |= misfit;
    }

    fn field_key(&mut self, name: &str) -> &str {
        let key = self.fresh_key();
        key.push_str("f:");
        key.push_str(name);
        key
    }

    pub(super) fn fresh_key(&mut self) -> &mut String {
        self.key.clear();
        &mut self.key
    }
}

/// Fields of an object that are looked for in the order in which the object has them.
struct Fields<'v> {
    object: &'v Map<String, Value>,
    rest: Iter<'v>,
    next: Option<(&'v String, &'v Value)>,
}

/// As many fields are found as quickly without their order.
const FEW: usize = 11;

impl<'v> Fields<'v> {
    fn of(object: &'v Map<String, Value>) -> Self {
        let mut rest = object.iter();
        let next = if object.len() > FEW {
            rest.next()
        } else {
            None
        };
        Self { object, rest, next }
    }

    /// The field `prefix` and `name`, whose text goes into `key` where it is needed.
    fn get(&mut self, prefix: &str, name: &str, key: &mut String) -> Option<&'v Value> {
        while let Some((found, value)) = self.next {
            let order = match found.strip_prefix(prefix) {
                Some(found) => found.cmp(name),
                None => found.as_str().cmp(prefix),
            };
            if order.is_gt() {
                break;
            }
            self.next = self.rest.next();
            if order.is_eq() {
                return Some(value);
            }
        }
        // Few, missing, or in another order.
        if prefix.is_empty() {
            return self.object.get(name);
        }
        key.clear();
        key.push_str(prefix);
        key.push_str(name);
        self.object.get(key.as_str())
    }
}

fn fields_of(mut fields: Vec<(String, Focus)>) -> Focus {
    fields.sort_by(|a, b| a.0.cmp(&b.0));
    fields.dedup_by(|a, b| a.0 == b.0);
    Focus::Fields(fields)
}

fn is_empty(value: &Value) -> bool {
    value.is_null() || value.as_object().is_some_and(Map::is_empty)
}

/// Whether whoever states a value owns anything of it, whatever its type.
fn states_something(value: &Value) -> bool {
    match value {
        Value::Array(items) => !items.is_empty(),
        Value::Object(map) => map.is_empty() || map.values().any(states_something),
        _ => true,
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
