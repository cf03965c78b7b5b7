//! `gitops export`: every object of a cluster.

use std::collections::BTreeMap;

use gitops_core::{
    cluster::ListScope,
    object::{GroupKind, GroupVersionKind},
};
use serde_json::{Value, json};

use crate::{Exit, args::Export, args::Format, output, session::open_cluster};

pub async fn run(args: Export) -> Exit {
    let opened = open_cluster(&args.cluster).await?;
    let cluster = opened.cluster();
    let discovery = cluster.discovery().await?;
    // One version a kind: the one that the server prefers.
    let mut kinds: BTreeMap<GroupKind, GroupVersionKind> = BTreeMap::new();
    for (gvk, served) in &discovery.kinds {
        if served.verbs.iter().any(|verb| verb == "list") {
            let kind = gvk.group_kind();
            let preferred = discovery.preferred(&kind).unwrap_or_else(|| gvk.clone());
            kinds.insert(kind, preferred);
        }
    }
    let mut seen = std::collections::BTreeSet::new();
    let mut items = Vec::new();
    for gvk in kinds.into_values() {
        for object in cluster.list(&ListScope::all(gvk)).await?.items {
            let owned = object.owner_references().next().is_some();
            // The same object can be served under two groups (Ingress).
            let is_new = object.uid().is_empty() || seen.insert(object.uid().to_owned());
            if is_new && !(args.roots && owned) {
                items.push(object);
            }
        }
    }
    items.sort_by_key(|object| object.id());
    let list = json!({
        "apiVersion": "v1",
        "kind": "List",
        "metadata": {},
        "items": items.into_iter().map(Value::from).collect::<Vec<_>>(),
    });
    let format = if args.output == Format::Table {
        Format::Yaml
    } else {
        args.output
    };
    output::structured(&list, format)?;
    Ok(0)
}
