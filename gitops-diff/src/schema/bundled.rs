//! Schemas and discovery of the built-in kinds of Kubernetes 1.16 to 1.36, bundled.
//!
//! `data/kubernetes.json.zz` is made by the example `bundle_schemas` from the OpenAPI documents of
//! Kubernetes. It is read at the first use.

use std::{
    collections::BTreeMap,
    io::Read as _,
    sync::{Arc, OnceLock},
};

use gitops_core::{
    GroupVersionKind, Scope,
    cluster::{Discovery, ServedKind},
    schema::{Field, ListKey, ListTopology, ListType, MapType, Scalar, Schema, Type, TypeId},
};
use serde::Deserialize;
use serde_json::Value;

use super::SchemaSet;

static DATA: &[u8] = include_bytes!("../../data/kubernetes.json.zz");

/// Schemas of all built-in kinds at all versions that Kubernetes 1.16 to 1.36 served, with all
/// fields that any of these had.
///
/// ```
/// use gitops_core::{GroupVersionKind, schema::Schemas};
/// let schemas = gitops_diff::bundled_schemas();
/// assert!(schemas.schema(&GroupVersionKind::new("apps", "v1", "Deployment")).is_some());
/// assert!(schemas.schema(&GroupVersionKind::new("extensions", "v1beta1", "Ingress")).is_some());
/// ```
#[must_use]
pub fn bundled_schemas() -> Arc<SchemaSet> {
    static ALL: OnceLock<Arc<SchemaSet>> = OnceLock::new();
    Arc::clone(ALL.get_or_init(|| Arc::new(bundle().schemas(None))))
}

/// Schemas of the built-in kinds as one version of Kubernetes served them, such as `1.17` or
/// `v1.34.2`; `None` for versions that are not bundled. They are built at each call.
#[must_use]
pub fn bundled_schemas_of(version: &str) -> Option<SchemaSet> {
    let minor = bundle().minor(version)?;
    Some(bundle().schemas(Some(minor)))
}

/// What one version of Kubernetes serves by default, such as `1.17` or `v1.34.2`; `None` for
/// versions that are not bundled.
///
/// Alpha versions are off by default, and so are beta versions that came with 1.24 or later and the
/// workloads of `extensions/v1beta1` and `apps/v1beta1`.
#[must_use]
pub fn bundled_discovery(version: &str) -> Option<Discovery> {
    let bundle = bundle();
    let minor = bundle.minor(version)?;
    let exact = version.trim_start_matches('v');
    let full = if exact.split('.').count() > 2 {
        exact.to_owned()
    } else {
        bundle.versions[bundle.position(minor)?].clone()
    };
    let mut kinds = BTreeMap::new();
    let mut preferred: BTreeMap<String, String> = BTreeMap::new();
    for kind in bundle
        .kinds
        .iter()
        .filter(|kind| kind.is_served_by_default(minor))
    {
        let best = preferred
            .entry(kind.group.clone())
            .or_insert_with(|| kind.version.clone());
        if maturity(&kind.version) > maturity(best) {
            best.clone_from(&kind.version);
        }
        kinds.insert(
            kind.gvk(),
            ServedKind {
                plural: kind.plural.clone(),
                scope: kind.scope(),
                verbs: kind.verbs.clone(),
                subresources: kind.subresources.clone(),
                short_names: kind.short_names.clone(),
            },
        );
    }
    Some(Discovery {
        version: full,
        kinds,
        preferred,
    })
}

/// Versions of Kubernetes that are bundled, ascending, as in `1.34.4`.
#[must_use]
pub fn bundled_versions() -> &'static [String] {
    &bundle().versions
}

fn bundle() -> &'static Bundle {
    static BUNDLE: OnceLock<Bundle> = OnceLock::new();
    BUNDLE.get_or_init(|| {
        let mut text = Vec::new();
        flate2::read::ZlibDecoder::new(DATA)
            .read_to_end(&mut text)
            .expect("the bundled data is compressed by the generator");
        serde_json::from_slice(&text).expect("the bundled data is written by the generator")
    })
}

#[derive(Deserialize)]
struct Bundle {
    versions: Vec<String>,
    kinds: Vec<Kind>,
    types: Vec<Value>,
}

#[derive(Deserialize)]
struct Kind {
    #[serde(rename = "g")]
    group: String,
    #[serde(rename = "v")]
    version: String,
    #[serde(rename = "k")]
    kind: String,
    #[serde(rename = "p")]
    plural: String,
    #[serde(rename = "t")]
    ty: u32,
    #[serde(rename = "n")]
    namespaced: u8,
    #[serde(rename = "c")]
    verbs: Vec<String>,
    #[serde(rename = "r")]
    subresources: Vec<String>,
    #[serde(rename = "s")]
    short_names: Vec<String>,
    #[serde(rename = "a")]
    first: u32,
    #[serde(rename = "z", default = "never")]
    last: u32,
}

fn never() -> u32 {
    u32::MAX
}

impl Kind {
    fn gvk(&self) -> GroupVersionKind {
        GroupVersionKind::new(&self.group, &self.version, &self.kind)
    }

    fn scope(&self) -> Scope {
        if self.namespaced == 1 {
            Scope::Namespaced
        } else {
            Scope::Cluster
        }
    }

    fn is_known(&self, minor: u32) -> bool {
        (self.first..=self.last).contains(&minor)
    }

    fn is_served_by_default(&self, minor: u32) -> bool {
        // The first bundled version says nothing about when a kind came.
        let new_beta = self.version.contains("beta")
            && self.first >= FIRST_WITHOUT_NEW_BETAS
            && self.group != "flowcontrol.apiserver.k8s.io";
        // Since 1.16 workloads are served by apps/v1 alone unless asked for.
        let old_workload = match self.group.as_str() {
            "apps" => self.version != "v1",
            "extensions" => self.kind != "Ingress",
            _ => false,
        };
        let hidden = self.version.contains("alpha") || new_beta || old_workload;
        self.is_known(minor) && !hidden
    }
}

/// From 1.24 new beta versions are off by default (KEP-3136).
const FIRST_WITHOUT_NEW_BETAS: u32 = 24;

/// `v2` before `v1` before `v1beta2` before `v1beta1` before `v1alpha1`.
fn maturity(version: &str) -> (u8, u32, u32) {
    let number = |text: &str| text.parse().unwrap_or(0);
    let rest = version.trim_start_matches('v');
    match rest.split_once("beta").map(|parts| (1, parts)) {
        Some((rank, (major, minor))) => (rank, number(major), number(minor)),
        None => match rest.split_once("alpha") {
            Some((major, minor)) => (0, number(major), number(minor)),
            None => (2, number(rest), 0),
        },
    }
}

impl Bundle {
    fn minor(&self, version: &str) -> Option<u32> {
        let mut parts = version.trim_start_matches('v').split('.');
        if parts.next() != Some("1") {
            return None;
        }
        let minor = parts.next()?.parse().ok()?;
        self.position(minor).map(|_| minor)
    }

    fn position(&self, minor: u32) -> Option<usize> {
        let prefix = format!("1.{minor}.");
        self.versions.iter().position(|v| v.starts_with(&prefix))
    }

    fn schemas(&self, minor: Option<u32>) -> SchemaSet {
        let mut types: Vec<Type> = self.types.iter().map(|ty| read_type(ty, minor)).collect();
        complete_keys(&mut types);
        let types = Arc::new(types);
        let mut set = SchemaSet::new();
        for kind in &self.kinds {
            if minor.is_none_or(|minor| kind.is_known(minor)) {
                let schema = Schema {
                    types: Arc::clone(&types),
                    root: TypeId(kind.ty),
                };
                set.insert(kind.gvk(), Some(Arc::new(schema)), Some(kind.scope()));
            }
        }
        set
    }
}

fn id(value: &Value) -> TypeId {
    let index = value.as_u64().and_then(|index| u32::try_from(index).ok());
    TypeId(index.unwrap_or_default())
}

fn read_type(value: &Value, minor: Option<u32>) -> Type {
    match value {
        Value::String(code) => match code.as_str() {
            "s" => Type::Scalar(Scalar::String),
            "i" => Type::Scalar(Scalar::Integer),
            "n" => Type::Scalar(Scalar::Number),
            "b" => Type::Scalar(Scalar::Boolean),
            "q" => Type::Scalar(Scalar::Quantity),
            "x" => Type::Scalar(Scalar::IntOrString),
            "!" => Type::AnyAtomic,
            _ => Type::Any,
        },
        Value::Array(parts) => Type::List(ListType {
            item: parts.first().map(id).unwrap_or(TypeId(0)),
            topology: match parts.get(1) {
                None => ListTopology::Atomic,
                Some(Value::Array(keys)) => ListTopology::Map(
                    keys.iter()
                        .filter_map(Value::as_str)
                        .map(|name| ListKey {
                            name: name.to_owned(),
                            default: None,
                        })
                        .collect(),
                ),
                Some(_) => ListTopology::Set,
            },
        }),
        Value::Object(map) => {
            let fields = map.get("f").and_then(Value::as_object);
            Type::Map(MapType {
                fields: fields
                    .into_iter()
                    .flatten()
                    .filter_map(|(name, field)| Some((name.clone(), read_field(field, minor)?)))
                    .collect(),
                additional: map.get("+").map(id),
                atomic: map.contains_key("@"),
                preserve_unknown: false,
            })
        }
        _ => Type::Any,
    }
}

fn read_field(field: &Value, minor: Option<u32>) -> Option<Field> {
    let (ty, extra) = match field {
        Value::Array(parts) => (parts.first().map(id)?, parts.get(1)),
        plain => (id(plain), None),
    };
    let number = |key: &str| {
        extra
            .and_then(|extra| extra.get(key))
            .and_then(Value::as_u64)
    };
    if let Some(minor) = minor.map(u64::from) {
        let too_new = number("a").is_some_and(|first| minor < first);
        let gone = number("z").is_some_and(|last| minor > last);
        if too_new || gone {
            return None;
        }
    }
    Some(Field {
        ty,
        default: extra.and_then(|extra| extra.get("d")).cloned(),
        required: number("r").is_some(),
    })
}

/// Gives the keys of lists the defaults of the fields of their items.
fn complete_keys(types: &mut [Type]) {
    for at in 0..types.len() {
        let Type::List(list) = &types[at] else {
            continue;
        };
        let (ListTopology::Map(keys), Some(Type::Map(item))) =
            (&list.topology, types.get(list.item.0 as usize))
        else {
            continue;
        };
        let keys = keys
            .iter()
            .map(|key| ListKey {
                name: key.name.clone(),
                default: item.fields.get(&key.name).and_then(|f| f.default.clone()),
            })
            .collect();
        let item = list.item;
        types[at] = Type::List(ListType {
            item,
            topology: ListTopology::Map(keys),
        });
    }
}
