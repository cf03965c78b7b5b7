//! What a server does when it reads an object of a built-in kind: fields that the kind does not
//! have are dropped and reported, nulls and empty collections are as if left out, types must fit.

use gitops_core::schema::{ListType, MapType, Scalar, Schema, Type, TypeId};
use serde_json::Value;

/// What was found in an object.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    /// Paths of dropped fields, as the server words them: `spec.containers[0].imag`.
    pub(crate) unknown: Vec<String>,
    /// The first value of a wrong type.
    pub(crate) mismatch: Option<Mismatch>,
}

/// A value of a wrong type.
#[derive(Debug)]
pub(crate) struct Mismatch {
    pub(crate) path: String,
    pub(crate) found: &'static str,
    pub(crate) wanted: &'static str,
}

/// Reads `value` under the schema of its kind.
pub(crate) fn decode(schema: &Schema, value: &mut Value) -> Findings {
    let mut walk = Walk {
        schema,
        findings: Findings::default(),
    };
    walk.value(schema.root, value, &Place::Root);
    walk.findings
}

/// Where a value is, from its parents' places: a path costs nothing until somebody asks for it.
enum Place<'p> {
    Root,
    Field(&'p Self, &'p str),
    Index(&'p Self, usize),
}

struct Walk<'a> {
    schema: &'a Schema,
    findings: Findings,
}

impl Walk<'_> {
    fn value(&mut self, ty: TypeId, value: &mut Value, place: &Place<'_>) {
        match self.schema.get(ty) {
            Type::Scalar(scalar) => self.scalar(*scalar, value, place),
            Type::List(list) => self.list(list, value, place),
            Type::Map(map) => self.map(map, value, place),
            _ => {}
        }
    }

    fn scalar(&mut self, scalar: Scalar, value: &Value, place: &Place<'_>) {
        let wanted = match (scalar, value) {
            (Scalar::String, Value::String(_))
            | (Scalar::Boolean, Value::Bool(_))
            | (Scalar::Number, Value::Number(_))
            | (Scalar::Quantity | Scalar::IntOrString, Value::String(_) | Value::Number(_))
            | (_, Value::Null) => return,
            (Scalar::Integer, Value::Number(number)) if !number.is_f64() => return,
            (Scalar::Integer, Value::Number(number))
                if number.as_f64().is_some_and(|n| n.fract() == 0.0) =>
            {
                return;
            }
            (Scalar::String, _) => "string",
            (Scalar::Integer, _) => "int32",
            (Scalar::Number, _) => "float64",
            (Scalar::Boolean, _) => "bool",
            (Scalar::Quantity, _) => "resource.Quantity",
            (Scalar::IntOrString, _) => "intstr.IntOrString",
            _ => return,
        };
        self.mismatch(value, wanted, place);
    }

    fn list(&mut self, list: &ListType, value: &mut Value, place: &Place<'_>) {
        let Value::Array(items) = value else {
            return self.mismatch(value, "[]", place);
        };
        for (index, item) in items.iter_mut().enumerate() {
            self.value(list.item, item, &Place::Index(place, index));
        }
    }

    fn map(&mut self, map: &MapType, value: &mut Value, place: &Place<'_>) {
        if let Value::Array(_) | Value::Bool(_) | Value::Number(_) | Value::String(_) = value {
            // Raw bytes and times are maps nowhere, so this is a mistake of the caller.
            return self.mismatch(value, "object", place);
        }
        let Value::Object(fields) = value else { return };
        fields.retain(|name, child| {
            let place = Place::Field(place, name);
            let (ty, is_declared) = match map.fields.get(name) {
                Some(field) => (field.ty, true),
                None => match map.additional {
                    Some(ty) => (ty, false),
                    None if map.preserve_unknown => return true,
                    None => {
                        self.findings.unknown.push(place.text());
                        return false;
                    }
                },
            };
            if child.is_null() {
                return false;
            }
            self.value(ty, child, &place);
            !(is_declared && self.is_omitted(ty, child))
        });
    }

    /// Empty lists and empty maps of values are not written back.
    fn is_omitted(&self, ty: TypeId, value: &Value) -> bool {
        match (self.schema.get(ty), value) {
            (Type::List(_), Value::Array(items)) => items.is_empty(),
            (Type::Map(map), Value::Object(fields)) => {
                // Without a type for its values it is a struct without fields, not a map.
                let is_map = map.additional.is_some_and(|ty| {
                    matches!(
                        self.schema.get(ty),
                        Type::Scalar(_) | Type::List(_) | Type::Map(_)
                    )
                });
                fields.is_empty() && map.fields.is_empty() && is_map
            }
            _ => false,
        }
    }

    fn mismatch(&mut self, value: &Value, wanted: &'static str, place: &Place<'_>) {
        if self.findings.mismatch.is_some() || value.is_null() {
            return;
        }
        let found = match value {
            Value::Bool(_) => "bool",
            Value::Number(_) => "number",
            Value::String(_) => "string",
            Value::Array(_) => "array",
            _ => "object",
        };
        self.findings.mismatch = Some(Mismatch {
            path: place.text(),
            found,
            wanted,
        });
    }
}

impl Place<'_> {
    fn text(&self) -> String {
        let mut text = String::new();
        self.write(&mut text);
        text
    }

    fn write(&self, text: &mut String) {
        match self {
            Self::Root => {}
            Self::Field(above, name) => {
                above.write(text);
                if !text.is_empty() {
                    text.push('.');
                }
                text.push_str(name);
            }
            Self::Index(above, index) => {
                above.write(text);
                text.push_str(&format!("[{index}]"));
            }
        }
    }
}
