//! Kubernetes' strategic merge patch.
//!
//! In: objects and patches as JSON, and the kind, whose Go type says how lists are patched. Out:
//! patches ([`two_way`], [`three_way`]) and patched objects ([`apply`]), equal to those of
//! apimachinery's strategicpatch. Kinds that are not built in have no strategic patch; for them
//! [`crate::json_merge`] is used.

mod diff;
mod merge;
mod order;

use gitops_core::{
    GroupVersionKind,
    error::{Classified, ErrorClass},
};
use serde_json::{Map, Value};

use crate::normalize::{GoRef, GoType, go_types};

pub(crate) use self::diff::DiffRules;

const DIRECTIVE: &str = "$patch";
const RETAIN_KEYS: &str = "$retainKeys";
const DELETE_LIST: &str = "$deleteFromPrimitiveList";
const ELEMENT_ORDER: &str = "$setElementOrder";

/// A strategic merge patch cannot be made or applied.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StrategicError {
    /// The kind is not built in.
    #[error("{gvk} is not built in, so it has no strategic merge patch; use a JSON merge patch")]
    UnknownKind {
        /// The kind.
        gvk: GroupVersionKind,
    },
    /// A field that the kind does not have.
    #[error("the field `{field}` is not one of its kind")]
    UnknownField {
        /// The field.
        field: String,
    },
    /// An item of a list lacks the field that identifies it.
    #[error("an item of the list has no `{key}`, by which items are merged")]
    NoMergeKey {
        /// The field.
        key: String,
    },
    /// Items of different types, or lists of lists.
    #[error("the items of the list `{field}` cannot be merged: {reason}")]
    Items {
        /// The list.
        field: String,
        /// Why.
        reason: &'static str,
    },
    /// A directive that is malformed or contradicts the rest of the patch.
    #[error("the directive `{directive}` is malformed: {reason}")]
    Directive {
        /// The directive.
        directive: String,
        /// Why.
        reason: &'static str,
    },
    /// A value of the wrong type.
    #[error("a {expected} is expected")]
    Type {
        /// What is expected.
        expected: &'static str,
    },
}

impl Classified for StrategicError {
    fn class(&self) -> ErrorClass {
        match self {
            Self::UnknownKind { .. } => ErrorClass::Unsupported,
            _ => ErrorClass::Invalid,
        }
    }
}

type Result<T> = std::result::Result<T, StrategicError>;
type Object = Map<String, Value>;

/// The patch that makes `modified` of `original`.
pub fn two_way(gvk: &GroupVersionKind, original: &Value, modified: &Value) -> Result<Value> {
    let rules = DiffRules {
        element_order: true,
        ..DiffRules::default()
    };
    let (mut original, modified) = (object(original)?, object(modified)?);
    diff::maps(&mut original, &modified, Meta::of(gvk)?, rules).map(Value::Object)
}

/// The patch that makes `modified` of `current`, and removes what `original` has and `modified`
/// does not. Changes in `current` that are in the way are overwritten.
pub fn three_way(
    gvk: &GroupVersionKind,
    original: &Value,
    modified: &Value,
    current: &Value,
) -> Result<Value> {
    let meta = Meta::of(gvk)?;
    let modified = object(modified)?;
    let additions = DiffRules {
        element_order: true,
        ignore_deletions: true,
        ..DiffRules::default()
    };
    let delta = diff::maps(&mut object(current)?, &modified, meta, additions)?;
    let deletions = DiffRules {
        element_order: true,
        ignore_changes: true,
        ..DiffRules::default()
    };
    let deleted = diff::maps(&mut object(original)?, &modified, meta, deletions)?;
    merge::maps(Some(deleted), delta, meta, merge::Rules::patches()).map(Value::Object)
}

/// `original` with the patch applied.
pub fn apply(gvk: &GroupVersionKind, original: &Value, patch: &Value) -> Result<Value> {
    merge::maps(
        Some(object(original)?),
        object(patch)?,
        Meta::of(gvk)?,
        merge::Rules::objects(),
    )
    .map(Value::Object)
}

/// `null` is an object without fields, as where Go reads it into a map.
fn object(value: &Value) -> Result<Object> {
    match value {
        Value::Null => Ok(Map::new()),
        Value::Object(map) => Ok(map.clone()),
        _ => Err(StrategicError::Type {
            expected: "JSON object",
        }),
    }
}

/// How the fields of an object are patched.
#[derive(Clone, Copy)]
struct Meta {
    ty: GoRef<'static>,
}

/// How one field is patched.
#[derive(Clone, Copy)]
struct FieldMeta {
    below: Meta,
    retain_keys: bool,
    strategy: &'static str,
    merge_key: &'static str,
}

impl Meta {
    fn of(gvk: &GroupVersionKind) -> Result<Self> {
        go_types()
            .kind(gvk)
            .map(|ty| Self { ty })
            .ok_or_else(|| StrategicError::UnknownKind { gvk: gvk.clone() })
    }

    fn map(self, name: &str) -> Result<FieldMeta> {
        let field = self
            .ty
            .field(name)
            .ok_or_else(|| StrategicError::UnknownField {
                field: name.to_owned(),
            })?;
        let (mut retain_keys, mut strategy) = (false, "");
        for part in field.patch_strategy.split(',') {
            if part == "retainKeys" {
                retain_keys = true;
            } else {
                strategy = part;
            }
        }
        Ok(FieldMeta {
            below: Self {
                ty: self.ty.to(field.ty),
            },
            retain_keys,
            strategy,
            merge_key: &field.merge_key,
        })
    }

    fn list(self, name: &str) -> Result<FieldMeta> {
        let field = self.map(name)?;
        match field.below.ty.get() {
            GoType::List(item) => Ok(FieldMeta {
                below: Self {
                    ty: field.below.ty.to(*item),
                },
                ..field
            }),
            _ => Err(StrategicError::Type { expected: "list" }),
        }
    }
}

/// The types that Go tells apart in decoded JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum JsonType {
    Null,
    Bool,
    Integer,
    Float,
    Text,
    List,
    Object,
}

fn type_of(value: &Value) -> JsonType {
    match value {
        Value::Null => JsonType::Null,
        Value::Bool(_) => JsonType::Bool,
        Value::Number(number) if number.is_i64() => JsonType::Integer,
        Value::Number(_) => JsonType::Float,
        Value::String(_) => JsonType::Text,
        Value::Array(_) => JsonType::List,
        Value::Object(_) => JsonType::Object,
    }
}

/// The one type of all items.
fn item_type(field: &str, lists: &[&[Value]]) -> Result<JsonType> {
    let bad = |reason| StrategicError::Items {
        field: field.to_owned(),
        reason,
    };
    let mut found = None;
    for item in lists.iter().copied().flatten() {
        let ty = type_of(item);
        match found {
            _ if ty == JsonType::List => return Err(bad("there are lists of lists")),
            _ if ty == JsonType::Null => return Err(bad("there is a null")),
            None => found = Some(ty),
            Some(known) if known != ty => return Err(bad("they are of different types")),
            Some(_) => {}
        }
    }
    found.ok_or_else(|| bad("there are none"))
}

/// A scalar as Go's `%v` writes it.
fn plain_text(value: &Value) -> String {
    match value {
        Value::Null => "<nil>".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn key_of<'v>(item: &'v Value, key: &str) -> Result<&'v Value> {
    item.as_object()
        .ok_or(StrategicError::Type {
            expected: "JSON object",
        })?
        .get(key)
        .ok_or_else(|| StrategicError::NoMergeKey {
            key: key.to_owned(),
        })
}
