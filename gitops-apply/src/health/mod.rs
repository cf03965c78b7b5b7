//! Health: is an object that was applied doing what it is for?
//!
//! In comes one live object, out comes a [`Health`] or `None` (there is no rule for the kind: it does
//! not count). Two dialects implement [`HealthCheck`]: [`ArgoHealth`] with the verdicts and messages
//! of Argo CD, and [`Kstatus`] with those of `kstatus`, which Flux waits by. [`aggregate`] makes the
//! health of an application out of that of its objects.
//!
//! Rules are pure functions of the object and of the time that is passed in.

mod aggregate;
mod builtin;
mod custom;
mod kstatus;
mod pods;
mod rules;
mod typed;
mod workloads;

pub use aggregate::{Managed, aggregate};
use gitops_core::{
    Manifest,
    clock::Timestamp,
    health::{Health, HealthCheck, HealthError, HealthStatus},
};
pub use kstatus::{Kstatus, KstatusCondition, KstatusResult, KstatusStatus};

use self::rules::Said;
use crate::hooks;

/// Health as Argo CD sees it.
///
/// An object under deletion is Progressing whatever its kind; then the rules for kinds beyond the
/// built-in ones are asked, then the built-in ones. A kind that has a built-in rule, at a version
/// that has none, is an error.
#[derive(Debug, Clone, Copy, Default)]
pub struct ArgoHealth;

impl HealthCheck for ArgoHealth {
    fn assess(&self, object: &Manifest, _now: Timestamp) -> Result<Option<Health>, HealthError> {
        if object.is_terminating() && !hooks::has_hook_finalizer(object) {
            return Ok(Some(Health::new(
                HealthStatus::Progressing,
                "Pending deletion",
            )));
        }
        if let Some(said) = rules::builtin().assess(object)
            && let Said::Verdict(verdict) = said?
        {
            return Ok(verdict);
        }
        if let Some(verdict) = custom::assess(object) {
            return verdict;
        }
        builtin::assess(object).transpose()
    }
}
