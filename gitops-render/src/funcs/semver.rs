//! Semantic versions; the rules themselves are [`gitops_core::version`]'s.

use std::{any::Any, borrow::Cow};

use gitops_core::version::{Constraint, Version};

use super::{Concrete, Registry};
use crate::template::{CallError, Context, Kind, Object, Signature, Str, Type, Value, marked};

pub(super) fn register(registry: &mut Registry) {
    registry.add("semver", |text: Str| {
        parse(&text).map(|version| Concrete(Value::object(VersionObject::pointer(version))))
    });
    registry.add("semverCompare", |constraint: Str, version: Str| {
        let constraint = match constraint.as_str() {
            Some(text) => Constraint::parse(text),
            None => Constraint::parse(&marked(&constraint)),
        };
        let constraint = constraint.map_err(|error| {
            // Quoted as the bytes that are marked.
            CallError::new(error.to_string().replace("\\U000f00", "\\x"))
        })?;
        Ok::<_, CallError>(constraint.matches(&parse(&version)?))
    });
}

fn parse(text: &Str) -> Result<Version, CallError> {
    Version::parse(&text.to_str()).map_err(|error| CallError::new(error.to_string()))
}

/// Go's `*semver.Version`, or the `semver.Version` that its methods return.
#[derive(Debug)]
struct VersionObject {
    version: Version,
    is_pointer: bool,
}

impl VersionObject {
    fn pointer(version: Version) -> Self {
        Self {
            version,
            is_pointer: true,
        }
    }

    fn plain(version: Version) -> Self {
        Self {
            version,
            is_pointer: false,
        }
    }
}

const POINTER: Type = Type::Object("*semver.Version");

impl Object for VersionObject {
    fn type_name(&self) -> Cow<'static, str> {
        if self.is_pointer {
            POINTER.name().into()
        } else {
            "semver.Version".into()
        }
    }

    /// One without numbers, for none of them is exported.
    fn deep_copy(&self) -> Option<Value> {
        Some(Value::object(Self {
            version: Version::new(0, 0, 0),
            is_pointer: self.is_pointer,
        }))
    }

    fn kind(&self) -> Kind {
        if self.is_pointer {
            Kind::Pointer
        } else {
            Kind::Struct
        }
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    /// Not exported: they are printed and compared, but templates cannot read them.
    fn fields(&self) -> Vec<(&'static str, Value)> {
        let version = &self.version;
        vec![
            ("major", Value::Uint64(version.major())),
            ("minor", Value::Uint64(version.minor())),
            ("patch", Value::Uint64(version.patch())),
            ("pre", version.prerelease().into()),
            ("metadata", version.metadata().into()),
            ("original", version.original().into()),
        ]
    }

    fn field(&self, _name: &str) -> Option<Value> {
        None
    }

    fn method(&self, name: &str) -> Option<Signature> {
        let parameters: &[Type] = match name {
            "Major" | "Minor" | "Patch" | "Prerelease" | "Metadata" | "String" | "IncMajor"
            | "IncMinor" | "IncPatch" | "MarshalText" | "MarshalJSON" | "Value" => &[],
            "SetPrerelease" | "SetMetadata" => &[Type::String],
            // What a template has at hand has no address, so that these are for pointers alone.
            _ if !self.is_pointer => return None,
            "Original" => &[],
            "Compare" | "Equal" | "LessThan" | "LessThanEqual" | "GreaterThan"
            | "GreaterThanEqual" => &[POINTER],
            _ => return None,
        };
        Some(Signature {
            returns_interface: name == "Value",
            ..Signature::new(parameters)
        })
    }

    fn call(
        &self,
        _context: &mut Context<'_>,
        name: &str,
        arguments: &mut [Value],
    ) -> Result<Value, CallError> {
        let version = &self.version;
        let incremented = |next: Option<Version>, what: &str| {
            next.map(|next| Value::object(Self::plain(next)))
                .ok_or_else(|| {
                    CallError::new(format!("{what} version increment would overflow uint64"))
                })
        };
        match (name, arguments) {
            ("Major", _) => Ok(Value::Uint64(version.major())),
            ("Minor", _) => Ok(Value::Uint64(version.minor())),
            ("Patch", _) => Ok(Value::Uint64(version.patch())),
            ("Prerelease", _) => Ok(version.prerelease().into()),
            ("Metadata", _) => Ok(version.metadata().into()),
            ("Original", _) => Ok(version.original().into()),
            ("String" | "Value", _) => Ok(version.to_string().into()),
            ("MarshalText", _) => Ok(Value::Bytes(version.to_string().into_bytes().into())),
            ("MarshalJSON", _) => Ok(Value::Bytes(format!("\"{version}\"").into_bytes().into())),
            ("IncMajor", _) => incremented(version.next_major(), "major"),
            ("IncMinor", _) => incremented(version.next_minor(), "minor"),
            ("IncPatch", _) => incremented(version.next_patch(), "patch"),
            ("SetPrerelease" | "SetMetadata", [Value::Str(text)]) => {
                let text = text.to_str();
                let changed = if name == "SetPrerelease" {
                    version.with_prerelease(&text)
                } else {
                    version.with_metadata(&text)
                };
                changed
                    .map(|version| Value::object(Self::plain(version)))
                    .map_err(|error| CallError::new(error.to_string()))
            }
            ("Equal", [Value::Nil]) => Ok(false.into()),
            (_, [other]) => {
                let Some(Self { version: other, .. }) = other.downcast::<Self>() else {
                    return Err(CallError::nil_pointer());
                };
                let order = version.cmp(other);
                Ok(match name {
                    "Compare" => Value::Int(order as i64),
                    "Equal" => order.is_eq().into(),
                    "LessThan" => order.is_lt().into(),
                    "LessThanEqual" => order.is_le().into(),
                    "GreaterThan" => order.is_gt().into(),
                    _ => order.is_ge().into(),
                })
            }
            _ => Err(CallError::nil_pointer()),
        }
    }

    fn string(&self) -> Option<String> {
        Some(self.version.to_string())
    }

    fn equals(&self, _other: &dyn Object) -> bool {
        // Pointers of two calls are never the same.
        false
    }

    fn to_json(&self) -> Option<Value> {
        Some(self.version.to_string().into())
    }
}
