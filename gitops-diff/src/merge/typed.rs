//! A value seen through its type: what shape it has, what its items are called, whether it fits.

use gitops_core::schema::{Field, ListKey, ListTopology, MapType, Scalar, Schema, Type};
use serde_json::{Map, Value};

use crate::fields::PathElement;

/// A value does not fit its type.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {reason}")]
pub struct TypeMismatch {
    /// Where, as in `.spec.replicas`.
    pub path: String,
    /// What is wrong.
    pub reason: String,
}

impl TypeMismatch {
    pub(crate) fn new(reason: impl Into<String>) -> Self {
        Self {
            path: String::new(),
            reason: reason.into(),
        }
    }

    /// The same mismatch seen from one level higher.
    pub(crate) fn under(mut self, element: impl std::fmt::Display) -> Self {
        self.path = format!("{element}{}", self.path);
        self
    }
}

/// How a value of a type merges.
#[derive(Clone, Copy)]
pub(crate) enum Shape<'s> {
    /// As one value.
    Scalar,
    /// As one value, whatever is in it.
    Atomic,
    /// Item by item.
    List(ListShape<'s>),
    /// Field by field.
    Map(MapShape<'s>),
}

#[derive(Clone, Copy)]
pub(crate) struct ListShape<'s> {
    pub(crate) item: &'s Type,
    /// The fields that identify items; `None` for sets.
    pub(crate) keys: Option<&'s [ListKey]>,
}

#[derive(Clone, Copy)]
pub(crate) struct MapShape<'s> {
    ty: Option<&'s MapType>,
}

/// A field of a map.
#[derive(Clone, Copy)]
pub(crate) struct TypedField<'s> {
    pub(crate) ty: &'s Type,
    /// Whether the schema names it.
    pub(crate) declared: bool,
    /// Whether the schema lets it be.
    pub(crate) allowed: bool,
}

/// The shape of a value; `null` takes the shape that the type prefers.
pub(crate) fn shape<'s>(schema: &'s Schema, ty: &'s Type, value: &Value) -> Shape<'s> {
    match ty {
        Type::Any => match value {
            Value::Array(_) => Shape::Atomic,
            Value::Object(_) | Value::Null => Shape::Map(MapShape { ty: None }),
            _ => Shape::Scalar,
        },
        Type::Scalar(_) => Shape::Scalar,
        Type::List(list) => match &list.topology {
            ListTopology::Set => Shape::List(ListShape {
                item: schema.get(list.item),
                keys: None,
            }),
            ListTopology::Map(keys) => Shape::List(ListShape {
                item: schema.get(list.item),
                keys: Some(keys),
            }),
            _ => Shape::Atomic,
        },
        Type::Map(map) if !map.atomic => Shape::Map(MapShape { ty: Some(map) }),
        _ => Shape::Atomic,
    }
}

/// Type of a value whose type is not known.
pub(crate) static ANY: Type = Type::Any;

impl<'s> MapShape<'s> {
    /// Type of a field. Fields that the schema does not know are taken as they are.
    pub(crate) fn field(self, schema: &'s Schema, name: &str) -> &'s Type {
        let Some(map) = self.ty else { return &ANY };
        match map.fields.get(name) {
            Some(field) => schema.get(field.ty),
            None => map.additional.map_or(&ANY, |id| schema.get(id)),
        }
    }

    /// The type of a field with what the schema says of it.
    pub(crate) fn typed(self, schema: &'s Schema, name: &str) -> TypedField<'s> {
        let field = |ty, declared, allowed| TypedField {
            ty,
            declared,
            allowed,
        };
        let Some(map) = self.ty else {
            return field(&ANY, false, true);
        };
        match (map.fields.get(name), map.additional) {
            (Some(known), _) => field(schema.get(known.ty), true, true),
            (None, Some(id)) => field(schema.get(id), false, true),
            (None, None) => field(&ANY, false, map.preserve_unknown),
        }
    }

    /// Whether the schema names the field.
    pub(crate) fn declares(self, name: &str) -> bool {
        self.ty.is_some_and(|map| map.fields.contains_key(name))
    }
}

/// Fields of types that were looked up before: those of one item of a list are mostly those of the
/// next one too.
#[derive(Default)]
pub(crate) struct KnownFields<'s> {
    slots: [Option<KnownField<'s>>; SLOTS],
}

/// A field of a type, by its name.
type KnownField<'s> = (&'s MapType, &'s str, &'s Field);

const SLOTS: usize = 32;

impl<'s> KnownFields<'s> {
    /// As [`MapShape::typed`].
    pub(crate) fn typed(
        &mut self,
        schema: &'s Schema,
        map: MapShape<'s>,
        name: &str,
    ) -> TypedField<'s> {
        let Some(ty) = map.ty.filter(|ty| ty.fields.len() > 1) else {
            return map.typed(schema, name);
        };
        let mut place = std::ptr::from_ref(ty).addr() >> 5;
        if let [first, .., last] = name.as_bytes() {
            place += 31 * usize::from(*first) + 7 * usize::from(*last);
        }
        let slot = &mut self.slots[(place + name.len()) % SLOTS];
        let known = slot.filter(|(of, known, _)| std::ptr::eq(*of, ty) && *known == name);
        let known = known.or_else(|| {
            let (known, field) = ty.fields.get_key_value(name)?;
            Some((ty, known.as_str(), field))
        });
        let Some((_, _, field)) = known else {
            return map.typed(schema, name);
        };
        *slot = known;
        TypedField {
            ty: schema.get(field.ty),
            declared: true,
            allowed: true,
        }
    }
}

impl ListShape<'_> {
    /// What an item is called: its keys completed with the schema's defaults, or its value.
    pub(crate) fn element(&self, item: &Value) -> Result<PathElement, String> {
        let Some(keys) = self.keys else {
            return match item {
                Value::Object(_) => Err("a set cannot hold objects".to_owned()),
                Value::Array(_) => Err("a set cannot hold lists".to_owned()),
                Value::Null => Err("a set cannot hold null".to_owned()),
                scalar => Ok(PathElement::Value(scalar.clone())),
            };
        };
        let item = match item {
            Value::Object(item) => item,
            Value::Null => return Err("the item is null; it must be an object".to_owned()),
            _ => return Err("the item must be an object".to_owned()),
        };
        let fields: Vec<_> = key_fields(keys, item)
            .map(|(name, value)| (name.into(), value.clone()))
            .collect();
        if fields.is_empty() && !keys.is_empty() {
            let names: Vec<_> = keys.iter().map(|key| format!("{:?}", key.name)).collect();
            return Err(format!(
                "the item states none of the fields that identify it ({})",
                names.join(", ")
            ));
        }
        Ok(PathElement::key(fields))
    }
}

/// The fields that identify an item, completed with defaults, in the order of the schema.
pub(crate) fn key_fields<'a>(
    keys: &'a [ListKey],
    item: &'a Map<String, Value>,
) -> impl Iterator<Item = (&'a str, &'a Value)> {
    keys.iter().filter_map(|key| {
        let value = item.get(&key.name).or(key.default.as_ref())?;
        Some((key.name.as_str(), value))
    })
}

/// Whether an object fits its schema, as the API server checks it before a merge.
pub fn validate(schema: &Schema, object: &Value) -> Result<(), TypeMismatch> {
    check(schema, schema.root(), object, false)
}

pub(crate) fn check(
    schema: &Schema,
    ty: &Type,
    value: &Value,
    allow_duplicates: bool,
) -> Result<(), TypeMismatch> {
    match (ty, value) {
        (_, Value::Null) | (Type::Any | Type::AnyAtomic, _) => Ok(()),
        (Type::Scalar(scalar), value) => check_scalar(*scalar, value),
        (Type::List(list), Value::Array(items)) => {
            let keys = match &list.topology {
                ListTopology::Map(keys) => Some(Some(keys.as_slice())),
                ListTopology::Set => Some(None),
                _ => None,
            };
            let item_type = schema.get(list.item);
            let mut seen: Vec<PathElement> = Vec::new();
            for (at, item) in items.iter().enumerate() {
                let element = match keys {
                    None => PathElement::Index(i64::try_from(at).unwrap_or(i64::MAX)),
                    Some(keys) => {
                        let shape = ListShape {
                            item: item_type,
                            keys,
                        };
                        let element = shape
                            .element(item)
                            .map_err(|reason| TypeMismatch::new(format!("item {at}: {reason}")))?;
                        if !allow_duplicates {
                            seen.push(element.clone());
                        }
                        element
                    }
                };
                check(schema, item_type, item, allow_duplicates)
                    .map_err(|error| error.under(&element))?;
            }
            seen.sort();
            match seen.windows(2).find(|pair| pair[0] == pair[1]) {
                Some(pair) => Err(TypeMismatch::new(format!(
                    "two items are called {}; keep one",
                    pair[0]
                ))),
                None => Ok(()),
            }
        }
        (Type::Map(map), Value::Object(fields)) => {
            for (name, value) in fields {
                let ty = match (map.fields.get(name), map.additional) {
                    (Some(field), _) => schema.get(field.ty),
                    (None, Some(id)) => schema.get(id),
                    (None, None) if map.preserve_unknown => &ANY,
                    (None, None) => {
                        return Err(TypeMismatch::new(undeclared(map, name))
                            .under(PathElement::field(name)));
                    }
                };
                check(schema, ty, value, allow_duplicates)
                    .map_err(|error| error.under(PathElement::field(name)))?;
            }
            Ok(())
        }
        (Type::List(_), _) => Err(expected("a list", value)),
        (Type::Map(_), _) => Err(expected("an object", value)),
        _ => Ok(()),
    }
}

fn check_scalar(scalar: Scalar, value: &Value) -> Result<(), TypeMismatch> {
    let (fits, name) = match scalar {
        Scalar::String => (value.is_string(), "a string"),
        Scalar::Integer | Scalar::Number => (value.is_number(), "a number"),
        Scalar::Boolean => (value.is_boolean(), "a boolean"),
        _ => (
            !value.is_object() && !value.is_array(),
            "a string, number or boolean",
        ),
    };
    if fits {
        Ok(())
    } else {
        Err(expected(name, value))
    }
}

/// The type found is named, never the value: it can be a secret.
fn expected(what: &str, value: &Value) -> TypeMismatch {
    let found = match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    };
    let advice = match (what, value) {
        ("a string", Value::Number(_) | Value::Bool(_)) => "; put it in quotes",
        ("a number", Value::String(_)) => "; write it without quotes",
        ("a boolean", _) => "; write true or false, without quotes",
        ("a list", _) => "; begin each of its items with a dash",
        ("an object", Value::Array(_)) => "; write its fields without dashes",
        _ => "",
    };
    TypeMismatch::new(format!("must be {what}, is {found}{advice}"))
}

/// The field is not known: the API server's words, and what may have been meant.
fn undeclared(map: &MapType, name: &str) -> String {
    let like = map
        .fields
        .keys()
        .map(|field| (distance(field, name), field))
        .min()
        .filter(|(distance, _)| *distance * 3 <= name.len().max(3));
    match like {
        Some((_, field)) => format!("field not declared in schema; did you mean {field:?}?"),
        None => {
            "field not declared in schema; remove it, or use the API version that has it".into()
        }
    }
}

/// So many letters have to be changed, added or removed; case does not matter.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<u8> = b.bytes().map(|byte| byte.to_ascii_lowercase()).collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, y) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(x.to_ascii_lowercase() != *y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}
