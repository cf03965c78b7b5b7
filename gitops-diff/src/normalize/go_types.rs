//! The Go types of the built-in kinds: what the JSON of an object becomes when a Go program reads
//! and writes it, and how lists are patched.
//!
//! `data/gotypes.json.zz` is made by `data/dump_types`.

use std::{collections::HashMap, io::Read as _, sync::OnceLock};

use gitops_core::GroupVersionKind;
use serde_json::Value;

static DATA: &[u8] = include_bytes!("../../data/gotypes.json.zz");

/// A Go type.
#[derive(Debug)]
pub(crate) enum GoType {
    String,
    Bool,
    Int32,
    Int64,
    Unsigned,
    Float,
    Bytes,
    Time,
    MicroTime,
    Duration,
    Quantity,
    IntOrString,
    Any,
    List(usize),
    Map(usize),
    Pointer(usize),
    Struct(Vec<GoField>),
}

/// A field of a struct.
#[derive(Debug)]
pub(crate) struct GoField {
    pub(crate) name: String,
    pub(crate) ty: usize,
    pub(crate) omit_empty: bool,
    pub(crate) omit_zero: bool,
    pub(crate) pointer: bool,
    pub(crate) patch_strategy: String,
    pub(crate) merge_key: String,
}

/// All types.
#[derive(Debug)]
pub(crate) struct GoTypes {
    types: Vec<GoType>,
    kinds: HashMap<GroupVersionKind, usize>,
    /// Types of `k8s.io/api/core/v1` by name.
    core: HashMap<String, usize>,
}

/// A type among all types.
#[derive(Debug, Clone, Copy)]
pub(crate) struct GoRef<'t> {
    types: &'t GoTypes,
    at: usize,
}

pub(crate) fn go_types() -> &'static GoTypes {
    static TYPES: OnceLock<GoTypes> = OnceLock::new();
    TYPES.get_or_init(|| {
        let mut text = Vec::new();
        flate2::read::ZlibDecoder::new(DATA)
            .read_to_end(&mut text)
            .expect("the bundled types are compressed by the generator");
        let data: Value =
            serde_json::from_slice(&text).expect("the bundled types are written by the generator");
        read(&data)
    })
}

impl GoTypes {
    pub(crate) fn kind(&self, gvk: &GroupVersionKind) -> Option<GoRef<'_>> {
        self.kinds.get(gvk).map(|at| GoRef {
            types: self,
            at: *at,
        })
    }

    /// A type of `k8s.io/api/core/v1`, as in `PodSpec`.
    pub(crate) fn core(&self, name: &str) -> Option<GoRef<'_>> {
        self.core.get(name).map(|at| GoRef {
            types: self,
            at: *at,
        })
    }

    /// The first type of this shape.
    pub(crate) fn scalar(&self, is: impl Fn(&GoType) -> bool) -> Option<GoRef<'_>> {
        let at = self.types.iter().position(is)?;
        Some(GoRef { types: self, at })
    }
}

impl<'t> GoRef<'t> {
    /// The type; pointers are looked through.
    pub(crate) fn get(self) -> &'t GoType {
        match &self.types.types[self.at] {
            GoType::Pointer(to) => self.to(*to).get(),
            ty => ty,
        }
    }

    pub(crate) fn is_pointer(self) -> bool {
        matches!(self.types.types[self.at], GoType::Pointer(_))
    }

    pub(crate) fn to(self, at: usize) -> Self {
        Self { at, ..self }
    }

    /// The field that Go's JSON decoder would use: exact, else whatever the case.
    pub(crate) fn field(self, name: &str) -> Option<&'t GoField> {
        let GoType::Struct(fields) = self.get() else {
            return None;
        };
        fields.iter().find(|field| field.name == name).or_else(|| {
            fields
                .iter()
                .find(|field| field.name.eq_ignore_ascii_case(name))
        })
    }
}

fn read(data: &Value) -> GoTypes {
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let index = |value: &Value| {
        value
            .as_u64()
            .and_then(|at| usize::try_from(at).ok())
            .unwrap_or_default()
    };
    let text = |value: Option<&Value>| value.and_then(Value::as_str).unwrap_or_default().to_owned();
    let types = list(&data["types"])
        .iter()
        .map(|ty| match ty {
            Value::String(name) => match name.as_str() {
                "string" => GoType::String,
                "bool" => GoType::Bool,
                "int32" => GoType::Int32,
                "int64" => GoType::Int64,
                "uint64" => GoType::Unsigned,
                "float" => GoType::Float,
                "bytes" => GoType::Bytes,
                "time" => GoType::Time,
                "microtime" => GoType::MicroTime,
                "duration" => GoType::Duration,
                "quantity" => GoType::Quantity,
                "intstr" => GoType::IntOrString,
                _ => GoType::Any,
            },
            Value::Object(map) => match map.iter().next().map(|(k, v)| (k.as_str(), v)) {
                Some(("l", item)) => GoType::List(index(item)),
                Some(("m", item)) => GoType::Map(index(item)),
                Some(("p", item)) => GoType::Pointer(index(item)),
                Some((_, fields)) => GoType::Struct(
                    list(fields)
                        .iter()
                        .map(|field| {
                            let flags = field[2].as_u64().unwrap_or_default();
                            GoField {
                                name: text(field.get(0)),
                                ty: index(&field[1]),
                                omit_empty: flags & 1 != 0,
                                omit_zero: flags & 2 != 0,
                                pointer: flags & 4 != 0,
                                patch_strategy: text(field.get(3)),
                                merge_key: text(field.get(4)),
                            }
                        })
                        .collect(),
                ),
                None => GoType::Any,
            },
            _ => GoType::Any,
        })
        .collect();
    let kinds = list(&data["kinds"])
        .iter()
        .map(|kind| {
            let gvk =
                GroupVersionKind::new(text(kind.get(0)), text(kind.get(1)), text(kind.get(2)));
            (gvk, index(&kind[3]))
        })
        .collect();
    let core = data["names"]
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, at)| (name.clone(), index(at)))
        .collect();
    GoTypes { types, kinds, core }
}
