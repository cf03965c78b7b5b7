//! Diff only: what a server-side apply would change in a live object, and who owns those fields.

#![allow(clippy::print_stdout, reason = "it is a program")]

use gitops_core::{
    Manifest,
    diff::{DiffOptions, Differ as _},
    schema::Schemas as _,
    yaml,
};
use gitops_diff::{
    StructuralDiffer, bundled_schemas, patch,
    view::{View, ViewOptions},
};

type Failure = Box<dyn std::error::Error>;

const DESIRED: &str = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - name: web
        image: registry.example.com/web:2.0
";

const LIVE: &str = "
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
  namespace: shop
  managedFields:
  - manager: kubectl-scale
    operation: Update
    apiVersion: apps/v1
    fieldsType: FieldsV1
    subresource: scale
    fieldsV1: {f:spec: {f:replicas: {}}}
spec:
  replicas: 5
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - name: web
        image: registry.example.com/web:1.0
        imagePullPolicy: IfNotPresent
";

fn main() -> Result<(), Failure> {
    print!("{}", run()?);
    Ok(())
}

pub(crate) fn run() -> Result<String, Failure> {
    let desired = Manifest::try_from(yaml::from_str(DESIRED)?)?;
    let live = Manifest::try_from(yaml::from_str(LIVE)?)?;

    let schemas = bundled_schemas();
    let options = DiffOptions::default();
    let diff = StructuralDiffer::default().diff(&desired, Some(&live), &schemas, &options)?;

    let mut text = String::new();
    for change in &diff.changes {
        text.push_str(&format!("{change}\n"));
    }
    if let Some(predicted) = &diff.predicted {
        let schema = schemas.schema(&live.gvk());
        let mut patch =
            patch::json_patch(schema.as_deref(), &live.to_value(), &predicted.to_value());
        // Who owns what moves, too; here only the fields themselves matter.
        patch.0.retain(|operation| {
            !operation
                .path()
                .as_str()
                .starts_with("/metadata/managedFields")
        });
        text.push_str(&format!("{}\n", serde_json::to_string(&patch)?));
    }
    let view = View::new(Some(&live), diff.predicted.as_ref(), ViewOptions::default());
    text.push_str(&view.unified());
    Ok(text)
}
