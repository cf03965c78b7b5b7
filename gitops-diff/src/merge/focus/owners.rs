//! `managedFields` cut down to a focus, and put back.

use std::{borrow::Cow, sync::Arc};

use gitops_core::{
    Manifest,
    schema::{ListTopology, Schema, Type},
};
use serde_json::{Map, Value};

use super::{
    Focus,
    look::{Look, LookObject as _, Seen},
    project::{Whose, project_fields},
};
use crate::fields::{
    Edit, FieldSet, ManagedEntry, ManagedFields, ManagedFieldsError, ManagerId, PathElement,
    edit_fields_v1, write_entry, write_sorted,
};

/// The entries of a live object cut down to a focus.
#[derive(Debug, Clone)]
pub(crate) struct Owners {
    /// The entries that own something in the focus.
    pub(crate) cut: Arc<ManagedFields>,
}

impl Owners {
    /// `None` where entries have to be looked at as a whole: those under other versions, those that
    /// name a field by what has become one value since, and those that share their identity.
    pub(crate) fn of(
        schema: &Schema,
        live: &Manifest,
        api_version: &str,
        manager: &ManagerId,
        focus: &Focus,
    ) -> Result<Option<Self>, ManagedFieldsError> {
        let rules = Rules {
            schema,
            api_version,
            manager,
            focus,
        };
        match live.packed() {
            Some(live) => rules.cut(live.managed_fields()),
            None => rules.cut(tree_entries(live)),
        }
    }

    /// The entries of the live object after `cut` has become `after`, as a value; one of them
    /// gets a new time.
    pub(crate) fn put_back(
        &self,
        live: &Manifest,
        after: &ManagedFields,
        touched: Option<(&ManagerId, &str)>,
    ) -> Result<Option<Value>, ManagedFieldsError> {
        match live.packed() {
            Some(live) => self.put_into(live.managed_fields(), after, touched),
            None => self.put_into(tree_entries(live), after, touched),
        }
    }

    fn put_into<'v, V: Look<'v>>(
        &self,
        live: impl Iterator<Item = (V, Option<V>)>,
        after: &ManagedFields,
        touched: Option<(&ManagerId, &str)>,
    ) -> Result<Option<Value>, ManagedFieldsError> {
        let none = FieldSet::new();
        let mut entries: Vec<(ManagerId, ManagedEntry, Option<Value>)> = Vec::new();
        for (index, (value, fields)) in live.enumerate() {
            let failed = |reason| ManagedFieldsError { index, reason };
            let (id, mut entry) = read_head(value).map_err(failed)?;
            let (old, new) = (self.cut.entries.get(&id), after.entries.get(&id));
            let touched = touched.filter(|(touched, _)| **touched == id);
            entry.time = touched.map(|(_, time)| time.to_owned()).or(entry.time);
            if old.map(|entry| &entry.fields) == new.map(|entry| &entry.fields) {
                let mut value = value.value().into_owned();
                if let Value::Object(written) = &mut value {
                    if let Some(time) = &entry.time {
                        written.insert("time".to_owned(), time.as_str().into());
                    }
                    if let Some(fields) = fields {
                        written
                            .entry("fieldsV1")
                            .or_insert_with(|| fields.value().into_owned());
                    }
                }
                entries.push((id, entry, Some(value)));
                continue;
            }
            let (lost, won) = {
                let old = old.map_or(&none, |entry| &entry.fields);
                let new = new.map_or(&none, |entry| &entry.fields);
                (old.difference(new), new.difference(old))
            };
            let mut edited = match fields.map(|fields| fields.value().into_owned()) {
                Some(Value::Object(fields)) => fields,
                _ => Map::new(),
            };
            if edit_fields_v1(&mut edited, &lost, Edit::Take) {
                edit_fields_v1(&mut edited, &won, Edit::Add);
                if !edited.is_empty() {
                    let mut written = write_entry(&id, &entry);
                    written["fieldsV1"] = Value::Object(edited);
                    entries.push((id, entry, Some(written)));
                }
                continue;
            }
            let fields = fields.map_or(Cow::Owned(Value::Null), V::value);
            let fields = FieldSet::from_fields_v1(&fields).map_err(|e| failed(e.reason))?;
            entry.fields = fields.difference(&lost).union(&won);
            if !entry.fields.is_empty() {
                entries.push((id, entry, None));
            }
        }
        for (id, entry) in &after.entries {
            if !entries.iter().any(|(known, _, _)| known == id) {
                let mut entry = entry.clone();
                let touched = touched.filter(|(touched, _)| *touched == id);
                entry.time = touched.map(|(_, time)| time.to_owned()).or(entry.time);
                entries.push((id.clone(), entry, None));
            }
        }
        Ok(write_sorted(entries))
    }
}

fn tree_entries(live: &Manifest) -> impl Iterator<Item = (&Value, Option<&Value>)> {
    let entries = live.managed_fields();
    entries.map(|entry| (entry, entry.get("fieldsV1")))
}

fn read_head<'v, V: Look<'v>>(entry: V) -> Result<(ManagerId, ManagedEntry), String> {
    ManagedFields::read_head(|key| entry.object()?.get(key)?.text())
}

/// By what entries are cut down.
struct Rules<'a> {
    schema: &'a Schema,
    api_version: &'a str,
    manager: &'a ManagerId,
    focus: &'a Focus,
}

impl Rules<'_> {
    fn cut<'v, V: Look<'v>>(
        &self,
        live: impl Iterator<Item = (V, Option<V>)>,
    ) -> Result<Option<Owners>, ManagedFieldsError> {
        let mut cut = ManagedFields::default();
        let mut known: Vec<ManagerId> = Vec::new();
        for (index, (value, fields)) in live.enumerate() {
            let failed = |reason| ManagedFieldsError { index, reason };
            let (id, mut entry) = read_head(value).map_err(failed)?;
            let whose = if id == *self.manager {
                Whose::Own
            } else {
                Whose::Other
            };
            let current = match fields {
                Some(fields) if !matches!(fields.seen(), Seen::Null) => {
                    entry.fields =
                        project_fields(fields, self.focus, whose).map_err(|e| failed(e.reason))?;
                    // Outside of the focus, the manager's own entry is what desired states.
                    whose == Whose::Own || is_current(self.schema, Some(self.schema.root()), fields)
                }
                _ => true,
            };
            if !current
                || entry.api_version != self.api_version
                || known.contains(&id)
                || cut.entries.contains_key(&id)
            {
                return Ok(None);
            }
            if entry.fields.is_empty() {
                known.push(id);
            } else {
                cut.entries.insert(id, entry);
            }
        }
        Ok(Some(Owners { cut: Arc::new(cut) }))
    }
}

/// Whether a `fieldsV1` names nothing below what is one value under the schema, and nothing that
/// cannot be read.
fn is_current<'v, V: Look<'v>>(schema: &Schema, ty: Option<&Type>, fields: V) -> bool {
    let Some(fields) = fields.object() else {
        return matches!(fields.seen(), Seen::Null);
    };
    fields.fields().all(|(key, below)| {
        let name = key.strip_prefix("f:");
        if key == "." {
            return true;
        }
        if name.is_none() && !matches!(PathElement::parse(key), Ok(Some(_))) {
            return false;
        }
        let ty = match (ty, name) {
            (Some(Type::Map(map)), Some(name)) => {
                let known = map.fields.get(name).map(|field| field.ty);
                known.or(map.additional).map(|id| schema.get(id))
            }
            (Some(Type::List(list)), _) => Some(schema.get(list.item)),
            _ => None,
        };
        let one_value = match ty {
            Some(Type::Map(map)) => map.atomic,
            Some(Type::AnyAtomic) => true,
            Some(Type::List(list)) => matches!(list.topology, ListTopology::Atomic),
            _ => false,
        };
        let has_parts = || {
            below
                .object()
                .is_some_and(|below| below.fields().any(|(key, _)| key != "."))
        };
        !(one_value && has_parts()) && is_current(schema, ty, below)
    })
}
