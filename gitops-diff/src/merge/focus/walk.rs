//! The walk over desired, live and owned fields at once.

use gitops_core::schema::{Schema, Type};
use serde_json::{Map, Value};

use super::{
    Focus, is_container,
    look::{Look, LookItems as _, LookObject as _, Search as _},
    node_of,
};
use crate::merge::typed::{KnownFields, MapShape, Shape, check, shape};

pub(super) struct Walk<'s> {
    pub(super) schema: &'s Schema,
    /// Ends at the first difference, whose place does not matter.
    pub(super) first_only: bool,
    misfit: bool,
    /// Text of a `fieldsV1` key, reused.
    pub(super) key: String,
    /// Fields that were looked up.
    known: KnownFields<'s>,
}

/// One place in the three.
#[derive(Clone, Copy)]
pub(super) struct Place<'d, V> {
    pub(super) live: Option<V>,
    pub(super) desired: &'d Value,
    /// The node of `fieldsV1`.
    pub(super) own: Option<V>,
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
            known: KnownFields::default(),
        }
    }

    /// Whether desired has something that may not fit its schema.
    pub(super) fn misfit(&self) -> bool {
        self.misfit
    }

    /// What is to be kept of a value; `None` where nothing changes.
    pub(super) fn node<'v, V: Look<'v>>(
        &mut self,
        ty: &'s Type,
        place: Place<'_, V>,
    ) -> Option<Focus> {
        let own = match place.own.map(V::object) {
            None => None,
            Some(Some(own)) => Some(own),
            Some(None) => return self.whole(ty, place.desired),
        };
        match (shape(self.schema, ty, place.desired), place.desired) {
            (Shape::Map(map), Value::Object(desired)) if !desired.is_empty() => {
                match place.live.and_then(V::object) {
                    Some(live) => self.map::<V>(map, live, desired, own, place.member),
                    None => self.whole(ty, place.desired),
                }
            }
            (Shape::List(list), Value::Array(desired)) if !desired.is_empty() => {
                let found = match place.live.and_then(V::items) {
                    Some(live) => self.list::<V>(list, &live, desired, own, place.member),
                    None => Some(Focus::Whole),
                };
                match found {
                    Some(Focus::Whole) => self.whole(ty, place.desired),
                    focus => focus,
                }
            }
            (shape, desired) => {
                let is_the_same = |live: V| live.equals(desired);
                let (same, member) = match shape {
                    Shape::Scalar | Shape::Atomic => (place.live.is_some_and(is_the_same), true),
                    // What states nothing leaves what there is.
                    Shape::Map(_) => {
                        let filled = |live: V| live.object().is_some_and(|live| live.len() > 0);
                        let same = |live: V| filled(live) || is_the_same(live);
                        (place.live.is_some_and(same), place.member)
                    }
                    Shape::List(_) => {
                        let filled = |live: V| live.items().is_some_and(|live| live.len() > 0);
                        let same = |live: V| filled(live) || is_the_same(live);
                        (place.live.is_some_and(same), place.member)
                    }
                };
                // What live has already fits.
                let has = matches!(shape, Shape::Scalar | Shape::Atomic) && same;
                if !has {
                    self.check(ty, desired);
                }
                let (owns, below) = node_of(own);
                (!same || below > 0 || owns != member).then_some(Focus::Whole)
            }
        }
    }

    fn map<'v, V: Look<'v>>(
        &mut self,
        map: MapShape<'s>,
        live: V::Object,
        desired: &Map<String, Value>,
        own: Option<V::Object>,
        member: bool,
    ) -> Option<Focus> {
        let mut kept = Vec::new();
        let mut owned = 0;
        let (mut best, mut sample) = (None, None);
        let (mut live_fields, mut own_fields) = (live.search(), own.map(|own| own.search()));
        for (name, desired) in desired {
            let field = self.known.typed(self.schema, map, name);
            self.note(!field.allowed);
            let below = own_fields
                .as_mut()
                .and_then(|own| own.find_owned(name, &mut self.key));
            owned += usize::from(below.is_some());
            let place = Place {
                live: live_fields.find(name),
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
            let keys = own.into_iter().flat_map(|own| own.fields());
            for (key, _) in keys.filter(|(key, _)| *key != ".") {
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
        match sample {
            Some((name, value)) => kept.push((name.clone(), Focus::sample(value))),
            None => {
                let other = live.fields().find(|(name, _)| {
                    let lost = own.is_some_and(|own| own.get(self.field_key(name)).is_some());
                    !lost && !desired.contains_key(*name)
                });
                kept.extend(
                    other.map(|(name, value)| (name.to_owned(), Focus::sample(&value.value()))),
                );
            }
        }
        Some(fields_of(kept))
    }

    /// The whole value, of which nothing is known.
    pub(super) fn whole(&mut self, ty: &Type, desired: &Value) -> Option<Focus> {
        self.check(ty, desired);
        Some(Focus::Whole)
    }

    pub(super) fn check(&mut self, ty: &Type, desired: &Value) {
        if !self.first_only && !self.misfit {
            self.misfit = check(self.schema, ty, desired, false).is_err();
        }
    }

    pub(super) fn note(&mut self, misfit: bool) {
        self.misfit |= misfit;
    }

    pub(super) fn field_key(&mut self, name: &str) -> &str {
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

pub(super) fn fields_of(mut fields: Vec<(String, Focus)>) -> Focus {
    fields.sort_by(|a, b| a.0.cmp(&b.0));
    fields.dedup_by(|a, b| a.0 == b.0);
    Focus::Fields(fields)
}

pub(super) fn is_empty(value: &Value) -> bool {
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
