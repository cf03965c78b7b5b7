//! Service instances and bindings of the SAP BTP operator.

use super::{
    Check,
    view::{Judged, Message, View, degraded, healthy, progressing},
};

pub(super) fn check(group: &str, kind: &str) -> Option<Check> {
    match (group, kind) {
        ("services.cloud.sap.com", "ServiceBinding" | "ServiceInstance") => Some(service),
        _ => None,
    }
}

fn service(view: View<'_>) -> Judged {
    if view.truth("/metadata/deletionTimestamp") {
        return progressing("Resource is being deleted");
    }
    let conditions = view.at("/status/conditions");
    if !conditions.is_table() {
        return progressing("Waiting for status");
    }
    let generation = view.at("/metadata/generation");
    for condition in conditions.list() {
        let observed = condition.at("observedGeneration");
        if observed.truth() && generation.truth() && !observed.same(generation) {
            return progressing("Waiting for spec update to be observed");
        }
        if condition.says("Succeeded", "False") || condition.says("Failed", "True") {
            return degraded(Message::or(condition.message(), ""));
        }
    }
    healthy("Ready to use")
}
