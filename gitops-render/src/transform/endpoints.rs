//! EndpointSlice as `discovery.k8s.io/v1`: places have fields of their own.

use serde_json::Value;

use super::draft::{Draft, objects_mut, set_default};

const ZONE: &str = "topology.kubernetes.io/zone";
const NODE: &str = "kubernetes.io/hostname";

#[allow(
    clippy::unnecessary_wraps,
    reason = "the type that all entries of the table have"
)]
pub(super) fn slice(draft: &mut Draft, _from: &str) -> Result<(), String> {
    let mut losses = Vec::new();
    let mut has_places = false;
    for endpoint in objects_mut(draft.fields(), "endpoints") {
        let Some(Value::Object(topology)) = endpoint.remove("topology") else {
            continue;
        };
        has_places |= !topology.is_empty();
        for (key, value) in topology {
            match key.as_str() {
                ZONE => {
                    set_default(endpoint, "zone", value);
                }
                NODE => {
                    set_default(endpoint, "nodeName", value);
                }
                key => losses.push(format!("topology {key}")),
            }
        }
    }
    if has_places {
        draft.changed("topology is nodeName and zone");
    }
    for loss in losses {
        draft.lost(loss);
    }
    Ok(())
}
