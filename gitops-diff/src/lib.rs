//! What would change in a Kubernetes object, exactly, and why: field ownership ([`fields`]),
//! schemas ([`schema`]) and the API server's structured merge ([`merge`]), without a cluster.

pub mod argocd;
pub mod fields;
pub mod ignore;
pub mod json_merge;
pub mod mask;
pub mod merge;
mod normalize;
pub mod patch;
pub mod proof;
pub mod schema;
pub mod strategic;
pub mod structural;
pub mod view;

pub use schema::{
    SchemaSet, bundled_discovery, bundled_schemas, bundled_schemas_of, bundled_versions,
};
pub use structural::StructuralDiffer;
