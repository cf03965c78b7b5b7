//! Structural schemas of kinds: which lists are maps, which maps are atomic, what defaults keys have.

use std::{collections::BTreeMap, sync::Arc};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::object::{GroupVersionKind, Scope};

/// Schemas of the kinds of one cluster at one moment, or bundled ones.
pub trait Schemas: Send + Sync {
    /// The schema of a kind; `None` where it is not known.
    fn schema(&self, gvk: &GroupVersionKind) -> Option<Arc<Schema>>;
    /// Whether objects of the kind live in a namespace; `None` where it is not known.
    fn scope(&self, gvk: &GroupVersionKind) -> Option<Scope>;
    /// Changes whenever an answer can change.
    fn generation(&self) -> u64 {
        0
    }
}

impl<T: Schemas + ?Sized> Schemas for Arc<T> {
    fn schema(&self, gvk: &GroupVersionKind) -> Option<Arc<Schema>> {
        (**self).schema(gvk)
    }

    fn scope(&self, gvk: &GroupVersionKind) -> Option<Scope> {
        (**self).scope(gvk)
    }

    fn generation(&self) -> u64 {
        (**self).generation()
    }
}

/// The schema of one kind: types in an arena, so that recursive types need no cycles.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Schema {
    /// The types; [`TypeId`]s index it. Shared between the kinds of one document.
    pub types: Arc<Vec<Type>>,
    /// The type of the whole object.
    pub root: TypeId,
}

impl Schema {
    /// The type behind an id; ids of another schema give an untyped value.
    #[must_use]
    pub fn get(&self, id: TypeId) -> &Type {
        self.types.get(id.0 as usize).unwrap_or(&Type::Any)
    }

    /// The type of the whole object.
    #[must_use]
    pub fn root(&self) -> &Type {
        self.get(self.root)
    }
}

/// Index of a type in its [`Schema`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct TypeId(pub u32);

/// One type.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Type {
    /// Anything, merged by its shape (preserve-unknown-fields; kinds without a schema).
    Any,
    /// Anything, merged as one value (`RawExtension`).
    AnyAtomic,
    /// A string, number or boolean.
    Scalar(Scalar),
    /// A list.
    List(ListType),
    /// An object.
    Map(MapType),
}

/// Kinds of scalars.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Scalar {
    /// A string.
    String,
    /// An integer.
    Integer,
    /// A number.
    Number,
    /// A boolean.
    Boolean,
    /// An integer or a string (`x-kubernetes-int-or-string`).
    IntOrString,
    /// A quantity such as `500m`.
    Quantity,
    /// Not said.
    Untyped,
}

/// A list and how it merges (`x-kubernetes-list-type`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ListType {
    /// Type of the items.
    pub item: TypeId,
    /// How it merges.
    pub topology: ListTopology,
}

/// How a list merges.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum ListTopology {
    /// As one value.
    Atomic,
    /// Item by item; items are scalars and unique.
    Set,
    /// Item by item; items are objects identified by these fields, with the defaults of the fields.
    Map(Vec<ListKey>),
}

/// A field that identifies the items of a list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ListKey {
    /// Name of the field.
    pub name: String,
    /// Its value where an item leaves it out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<Value>,
}

/// An object and how it merges.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MapType {
    /// Known fields.
    pub fields: BTreeMap<String, Field>,
    /// Type of all other fields; `None` where there are none.
    pub additional: Option<TypeId>,
    /// Whether the object merges as one value (`x-kubernetes-map-type: atomic`).
    pub atomic: bool,
    /// Whether unknown fields are kept (`x-kubernetes-preserve-unknown-fields`).
    pub preserve_unknown: bool,
}

/// A known field of an object.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Field {
    /// Its type.
    pub ty: TypeId,
    /// Its value where it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<Value>,
    /// Whether it must be given.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub required: bool,
}
