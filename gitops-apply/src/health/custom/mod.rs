//! Checks of kinds for which a rule of conditions and phases is not enough. One file per family; each
//! check is a pure function of the object.

mod argo;
mod crossplane;
mod databases;
mod flux;
mod gateways;
mod knative;
mod kruise;
mod kubernetes;
mod numa;
mod openshift;
mod operators;
mod policies;
mod promoter;
mod promotion;
mod sap;
mod serving;
mod view;

use gitops_core::{
    Manifest,
    health::{Health, HealthError},
};
use view::{Judged, View};

use super::{node::Fault, rules::matches_group};

type Check = fn(View<'_>) -> Judged;

/// The verdict of the check of a kind; `None` where there is none.
pub(super) fn assess(object: &Manifest) -> Option<Result<Option<Health>, HealthError>> {
    let (group, kind) = (object.group(), object.kind());
    let families: [fn(&str, &str) -> Option<Check>; 16] = [
        argo::check,
        crossplane::check,
        databases::check,
        flux::check,
        gateways::check,
        knative::check,
        kruise::check,
        kubernetes::check,
        numa::check,
        openshift::check,
        operators::check,
        policies::check,
        promoter::check,
        promotion::check,
        sap::check,
        serving::check,
    ];
    let exact = families.iter().find_map(|family| family(group, kind));
    let check = exact.or_else(|| pattern(group))?;
    let fault = Fault::default();
    let verdict = check(View {
        object,
        fault: &fault,
    });
    Some(fault.settle(object, verdict))
}

fn pattern(group: &str) -> Option<Check> {
    if matches_group("_.crossplane.io", group) {
        Some(crossplane::any)
    } else if matches_group("_.upbound.io", group) {
        Some(crossplane::upbound)
    } else if group == "microgateway.airlock.com" {
        Some(gateways::airlock)
    } else {
        None
    }
}
