//! `metadata.managedFields`: who owns which fields.

use std::{cmp::Ordering, collections::BTreeMap};

use gitops_core::{Manifest, clock::Timestamp};
use serde_json::{Map, Value};

use super::set::FieldSet;

/// The way in which a manager came to own fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(clippy::exhaustive_enums)]
pub enum Operation {
    /// Server-side apply.
    Apply,
    /// Create, update, patch.
    Update,
}

impl Operation {
    /// The text of `operation`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Apply => "Apply",
            Self::Update => "Update",
        }
    }
}

/// What tells entries of `managedFields` apart. An applier has one entry whatever the version.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ManagerId {
    /// Name of the field manager.
    pub manager: String,
    /// How it came to own its fields.
    pub operation: Operation,
    /// API version, for updates only.
    pub api_version: Option<String>,
    /// Sub-resource through which the fields were written; empty for the object itself.
    pub subresource: String,
}

impl ManagerId {
    /// The entry of an applier.
    pub fn applier(manager: impl Into<String>, subresource: impl Into<String>) -> Self {
        Self {
            manager: non_empty(manager.into()),
            operation: Operation::Apply,
            api_version: None,
            subresource: subresource.into(),
        }
    }

    /// The entry of an updater.
    pub fn updater(
        manager: impl Into<String>,
        api_version: impl Into<String>,
        subresource: impl Into<String>,
    ) -> Self {
        Self {
            manager: non_empty(manager.into()),
            operation: Operation::Update,
            api_version: Some(api_version.into()),
            subresource: subresource.into(),
        }
    }
}

impl PartialOrd for ManagerId {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for ManagerId {
    fn cmp(&self, other: &Self) -> Ordering {
        let subresource = || match (&*self.subresource, &*other.subresource) {
            // Mostly; comparing nothing with nothing byte by byte is slow on some processors.
            ("", "") => Ordering::Equal,
            (one, other) => one.cmp(other),
        };
        (self.manager.cmp(&other.manager))
            .then_with(|| self.operation.cmp(&other.operation))
            .then_with(|| self.api_version.cmp(&other.api_version))
            .then_with(subresource)
    }
}

fn non_empty(manager: String) -> String {
    if manager.is_empty() {
        "unknown".to_owned()
    } else {
        manager
    }
}

/// The fields of one manager.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManagedEntry {
    /// API version in which the fields are named.
    pub api_version: String,
    /// The fields.
    pub fields: FieldSet,
    /// When the entry changed last, as written.
    pub time: Option<String>,
}

/// `metadata.managedFields` of one object.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ManagedFields {
    /// The entries.
    pub entries: BTreeMap<ManagerId, ManagedEntry>,
}

/// `metadata.managedFields` cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("entry {index} of metadata.managedFields cannot be read: {reason}")]
pub struct ManagedFieldsError {
    /// Index of the entry.
    pub index: usize,
    /// What is wrong.
    pub reason: String,
}

impl ManagedFields {
    /// Reads the entries of an object.
    pub fn of(object: &Manifest) -> Result<Self, ManagedFieldsError> {
        Self::from_values(object.managed_fields())
    }

    /// Reads entries.
    pub fn from_values<'a>(
        values: impl Iterator<Item = &'a Value>,
    ) -> Result<Self, ManagedFieldsError> {
        let mut entries = BTreeMap::new();
        for (index, value) in values.enumerate() {
            let (id, entry) =
                read_entry(value).map_err(|reason| ManagedFieldsError { index, reason })?;
            entries.insert(id, entry);
        }
        Ok(Self { entries })
    }

    /// The entries as the API server writes and orders them; `None` where there are none.
    #[must_use]
    pub fn to_value(&self) -> Option<Value> {
        if self.entries.is_empty() {
            return None;
        }
        let mut entries: Vec<_> = self.entries.iter().collect();
        entries.sort_by(order);
        let written = entries
            .into_iter()
            .map(|(id, entry)| write_entry(id, entry));
        Some(Value::Array(written.collect()))
    }

    /// Reads one entry but for its fields; `text` gives what it says of itself.
    pub(crate) fn read_head<'t>(
        text: impl Fn(&str) -> Option<&'t str>,
    ) -> Result<(ManagerId, ManagedEntry), String> {
        read_head(text)
    }

    /// Names of the managers that own a field, sorted, each once.
    #[must_use]
    pub fn owners(&self, path: &super::Path) -> Vec<String> {
        let mut owners: Vec<String> = self
            .entries
            .iter()
            .filter(|(_, entry)| entry.fields.contains(path))
            .map(|(id, _)| id.manager.clone())
            .collect();
        owners.dedup();
        owners
    }
}

fn seconds(time: Option<&str>) -> i64 {
    time.and_then(|time| time.parse::<Timestamp>().ok())
        .map_or(0, Timestamp::as_second)
}

fn order(a: &(&ManagerId, &ManagedEntry), b: &(&ManagerId, &ManagedEntry)) -> Ordering {
    (a.0.operation.cmp(&b.0.operation))
        .then_with(|| seconds(a.1.time.as_deref()).cmp(&seconds(b.1.time.as_deref())))
        .then_with(|| a.0.manager.cmp(&b.0.manager))
        .then_with(|| a.1.api_version.cmp(&b.1.api_version))
        .then_with(|| a.0.subresource.cmp(&b.0.subresource))
}

/// Older first, as the API server sorts updates before it merges the oldest.
pub(crate) fn older(a: &(&ManagerId, &ManagedEntry), b: &(&ManagerId, &ManagedEntry)) -> Ordering {
    seconds(a.1.time.as_deref())
        .cmp(&seconds(b.1.time.as_deref()))
        .then_with(|| a.0.cmp(b.0))
}

/// Entries as the API server writes and orders them, some of which are written already; `None`
/// where there are none.
pub(crate) fn write_sorted(
    mut entries: Vec<(ManagerId, ManagedEntry, Option<Value>)>,
) -> Option<Value> {
    if entries.is_empty() {
        return None;
    }
    entries.sort_by(|a, b| order(&(&a.0, &a.1), &(&b.0, &b.1)));
    let write = |(id, entry, written): (ManagerId, ManagedEntry, Option<Value>)| {
        written.unwrap_or_else(|| write_entry(&id, &entry))
    };
    Some(Value::Array(entries.into_iter().map(write).collect()))
}

fn read_entry(value: &Value) -> Result<(ManagerId, ManagedEntry), String> {
    let (id, mut entry) = read_head(|key| value.get(key).and_then(Value::as_str))?;
    match value.get("fieldsV1") {
        None | Some(Value::Null) => {}
        Some(fields) => {
            entry.fields = FieldSet::from_fields_v1(fields).map_err(|error| error.reason)?;
        }
    }
    Ok((id, entry))
}

fn read_head<'t>(
    value: impl Fn(&str) -> Option<&'t str>,
) -> Result<(ManagerId, ManagedEntry), String> {
    let text = |key: &str| value(key).unwrap_or_default();
    let operation = match text("operation") {
        "Apply" => Operation::Apply,
        "Update" => Operation::Update,
        other => {
            return Err(format!(
                "the operation is `{other}`; it must be Apply or Update"
            ));
        }
    };
    let api_version = text("apiVersion");
    if api_version.is_empty() {
        return Err("apiVersion is empty".to_owned());
    }
    match text("fieldsType") {
        "FieldsV1" => {}
        "" => return Err("fieldsType is missing".to_owned()),
        other => return Err(format!("fieldsType is `{other}`; only FieldsV1 is known")),
    }
    let id = ManagerId {
        manager: text("manager").to_owned(),
        operation,
        api_version: (operation == Operation::Update).then(|| api_version.to_owned()),
        subresource: text("subresource").to_owned(),
    };
    let entry = ManagedEntry {
        api_version: api_version.to_owned(),
        fields: FieldSet::new(),
        time: value("time").map(str::to_owned),
    };
    Ok((id, entry))
}

pub(crate) fn write_entry(id: &ManagerId, entry: &ManagedEntry) -> Value {
    let mut out = Map::new();
    let mut text = |key: &str, value: &str| {
        if !value.is_empty() {
            out.insert(key.to_owned(), Value::String(value.to_owned()));
        }
    };
    text("apiVersion", &entry.api_version);
    text("fieldsType", "FieldsV1");
    text("manager", &id.manager);
    text("operation", id.operation.as_str());
    text("subresource", &id.subresource);
    text("time", entry.time.as_deref().unwrap_or_default());
    out.insert("fieldsV1".to_owned(), entry.fields.to_fields_v1());
    Value::Object(out)
}
