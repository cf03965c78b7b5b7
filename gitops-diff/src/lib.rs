//! What would change in a Kubernetes object, exactly, and why, without a cluster.
//!
//! | question | answer |
//! |---|---|
//! | What would an apply change, and who owns it? | [`StructuralDiffer`], a [`Differ`](gitops_core::diff::Differ) |
//! | Would an apply change nothing, surely? | [`proof`] |
//! | What would the API server store, and whose are the fields then? | [`merge::server_side_apply`], [`merge::record_update`] |
//! | Which patch leads from one to the other? | [`patch::json_patch`], [`strategic`], [`json_merge`] |
//! | How do I show it? | [`view::View`]; Secrets are masked ([`mask`]) |
//! | Which fields do not count? | [`ignore`] |
//! | What would Argo CD say? | [`argocd`] |
//! | What does a kind look like? | [`schema`]: [`bundled_schemas`], OpenAPI documents, CRDs |
//!
//! ```
//! use gitops_core::{Manifest, diff::{DiffOptions, Differ}};
//! use gitops_diff::{StructuralDiffer, bundled_schemas, view::{View, ViewOptions}};
//!
//! let object = |image: &str| Manifest::try_from(serde_json::json!({
//!     "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web"},
//!     "spec": {"containers": [{"name": "web", "image": image}]},
//! })).unwrap();
//! let (desired, live) = (object("web:2"), object("web:1"));
//!
//! let diff = StructuralDiffer::default()
//!     .diff(&desired, Some(&live), &bundled_schemas(), &DiffOptions::default())?;
//! assert_eq!(diff.changes[0].path, "spec.containers[name=web].image");
//!
//! let text = View::new(Some(&live), diff.predicted.as_ref(), ViewOptions::default()).unified();
//! assert!(text.contains("-  - image: web:1\n+  - image: web:2\n"));
//! # Ok::<(), gitops_core::diff::DiffError>(())
//! ```
//!
//! Nothing here reads files, the environment or the clock. The one thread that is ever started runs
//! a jq expression that need not end ([`ignore::TIME_LIMIT`]).

pub mod argocd;
pub mod fields;
pub mod ignore;
pub mod json_merge;
pub mod mask;
pub mod merge;
pub mod normalize;
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
