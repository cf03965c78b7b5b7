//! Checks of kinds for which a rule of conditions and phases is not enough. One file per family; each
//! check is a pure function of the object.

mod argo;
mod crossplane;
mod databases;
mod flux;
mod gateways;
mod kruise;
mod kubernetes;
mod numa;
mod operators;
mod policies;
mod promoter;
mod serving;
mod view;

use gitops_core::{
    Manifest,
    health::{Health, HealthError},
};
use view::{Judged, View};

use super::rules::matches_group;

type Check = fn(View<'_>) -> Judged;

/// The verdict of the check of a kind; `None` where there is none.
pub(super) fn assess(object: &Manifest) -> Option<Result<Option<Health>, HealthError>> {
    let (group, kind) = (object.group(), object.kind());
    let families: [fn(&str, &str) -> Option<Check>; 12] = [
        argo::check,
        crossplane::check,
        databases::check,
        flux::check,
        gateways::check,
        kruise::check,
        kubernetes::check,
        numa::check,
        operators::check,
        policies::check,
        promoter::check,
        serving::check,
    ];
    let exact = families.iter().find_map(|family| family(group, kind));
    let check = exact.or_else(|| pattern(group))?;
    Some(check(View { object }))
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
