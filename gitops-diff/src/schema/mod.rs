//! Schemas: from OpenAPI documents and CustomResourceDefinitions, and bundled ones.
//!
//! In: OpenAPI v3 or v2 documents as JSON, CRDs as manifests. Out: [`Schema`]s of core, behind
//! core's [`Schemas`] trait: [`SchemaSet`] is a collection of them, [`deduced_schema`] the one of
//! kinds that have none (objects merge field by field, lists as one value). The rules by which
//! extensions (`x-kubernetes-list-type`, …) become types are those of kube-openapi's schemaconv.

mod bundled;
mod compile;
mod crd;
mod openapi;

#[cfg(test)]
mod tests;

use std::{
    collections::HashMap,
    sync::{Arc, OnceLock},
};

use gitops_core::{
    GroupVersionKind, Scope,
    error::{Classified, ErrorClass},
    schema::{Schema, Schemas, Type, TypeId},
};

pub use bundled::{bundled_discovery, bundled_schemas, bundled_schemas_of, bundled_versions};
pub use crd::crd_schema;

/// The schema of kinds that have none.
#[must_use]
pub fn deduced_schema() -> &'static Schema {
    static DEDUCED: OnceLock<Schema> = OnceLock::new();
    DEDUCED.get_or_init(|| Schema {
        types: Arc::new(vec![Type::Any]),
        root: TypeId(0),
    })
}

/// A collection of schemas, over another one that answers for kinds it does not have.
#[derive(Clone, Default)]
pub struct SchemaSet {
    kinds: HashMap<GroupVersionKind, Known>,
    below: Option<Arc<dyn Schemas>>,
    generation: u64,
}

#[derive(Clone, Default)]
struct Known {
    schema: Option<Arc<Schema>>,
    scope: Option<Scope>,
}

impl SchemaSet {
    /// No schemas.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// No schemas of its own; `below` answers.
    #[must_use]
    pub fn over(below: Arc<dyn Schemas>) -> Self {
        Self {
            below: Some(below),
            ..Self::default()
        }
    }

    /// Adds what is known of a kind; `None` leaves what is known already.
    pub fn insert(
        &mut self,
        gvk: GroupVersionKind,
        schema: Option<Arc<Schema>>,
        scope: Option<Scope>,
    ) {
        let known = self.kinds.entry(gvk).or_default();
        known.schema = schema.or(known.schema.take());
        known.scope = scope.or(known.scope);
        self.generation += 1;
    }

    /// Forgets a kind.
    pub fn remove(&mut self, gvk: &GroupVersionKind) {
        self.kinds.remove(gvk);
        self.generation += 1;
    }

    /// The kinds of this set itself.
    pub fn kinds(&self) -> impl Iterator<Item = &GroupVersionKind> {
        self.kinds.keys()
    }
}

impl Schemas for SchemaSet {
    fn schema(&self, gvk: &GroupVersionKind) -> Option<Arc<Schema>> {
        self.kinds
            .get(gvk)
            .and_then(|known| known.schema.clone())
            .or_else(|| self.below.as_ref()?.schema(gvk))
    }

    fn scope(&self, gvk: &GroupVersionKind) -> Option<Scope> {
        self.kinds
            .get(gvk)
            .and_then(|known| known.scope)
            .or_else(|| self.below.as_ref()?.scope(gvk))
    }

    fn generation(&self) -> u64 {
        let below = self.below.as_ref().map_or(0, |below| below.generation());
        self.generation.wrapping_add(below)
    }
}

/// A schema cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SchemaError {
    /// Neither version 2 nor version 3 of OpenAPI.
    #[error(
        "the document is no OpenAPI document: it has neither `components.schemas` nor `definitions`"
    )]
    NotOpenApi,
    /// A reference points nowhere.
    #[error("the schema refers to `{name}`, which the document does not define")]
    UnknownReference {
        /// The name.
        name: String,
    },
    /// A `type` that JSON schemas do not have.
    #[error("`{name}` is no type of JSON schemas")]
    UnknownType {
        /// The type.
        name: String,
    },
    /// A list type that Kubernetes does not have.
    #[error("`{name}` is no list type; there are atomic, set and map")]
    UnknownListType {
        /// The list type.
        name: String,
    },
    /// A list of type map without keys.
    #[error("a list of type map needs `x-kubernetes-list-map-keys`")]
    NoListKeys,
    /// Too deep.
    #[error("the schema nests deeper than {limit} levels")]
    TooDeep {
        /// The limit.
        limit: usize,
    },
    /// A CustomResourceDefinition lacks a field.
    #[error("the CustomResourceDefinition {name} has no `{field}`")]
    Crd {
        /// Its name.
        name: String,
        /// The field.
        field: &'static str,
    },
}

impl Classified for SchemaError {
    fn class(&self) -> ErrorClass {
        ErrorClass::Invalid
    }
}
