//! What to do about a difference: what was asked for, or what the sync policy says.

use std::time::Duration;

use crate::{
    app::{Application, OperationPhase, OperationState, Retry},
    clock::Timestamp,
    pipeline::{Comparison, SyncRequest, reconcile::is_kept, status},
    plan::{Action, Phase, Plan, Step},
};

/// What to do about a difference.
pub(super) enum Decision {
    Nothing,
    Wait(Duration),
    /// As `Wait`; so many syncs in a row were undone by somebody.
    BackOff(Duration, i64),
    Refuse(&'static str),
    Sync {
        request: SyncRequest,
        tries: Tries,
    },
}

/// How often the same thing was tried before.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Tries {
    /// Failed syncs of the same revision.
    pub(super) retries: i64,
    /// Syncs that reverted changes made in the cluster.
    pub(super) self_heals: i64,
}

/// Decides: a request before the policy.
pub(super) fn decide(
    application: &Application,
    comparison: &Comparison,
    request: Option<&SyncRequest>,
    now: Timestamp,
) -> Decision {
    let Some(request) = request else {
        return by_policy(application, comparison, now);
    };
    let idle = comparison.plan.is_empty() || only_hooks(&comparison.plan, request);
    if idle && synced_before(application, comparison) {
        return Decision::Nothing;
    }
    Decision::Sync {
        request: request.clone(),
        tries: Tries::default(),
    }
}

fn only_hooks(plan: &Plan, request: &SyncRequest) -> bool {
    request.only.is_empty() && plan.changes().all(|step| step.hook)
}

/// Whether the last sync was one of exactly what is desired now, and went well.
fn synced_before(application: &Application, comparison: &Comparison) -> bool {
    attempted(application, comparison).is_some_and(|state| state.phase == OperationPhase::Succeeded)
}

/// The last sync, if it was one of exactly what is desired now.
fn attempted<'a>(
    application: &'a Application,
    comparison: &Comparison,
) -> Option<&'a OperationState> {
    let state = application.status.as_ref()?.operation_state.as_ref()?;
    let result = state.sync_result.as_ref()?;
    let revisions: Vec<&str> = comparison
        .desired
        .sources
        .iter()
        .map(|source| source.revision.id.as_str())
        .collect();
    let same_revision = if revisions.len() > 1 {
        result.revisions == revisions
    } else {
        revisions.first() == Some(&result.revision.as_str())
    };
    let sources = application.sources();
    let same_source = if application.spec.sources.is_empty() {
        result.source.as_ref() == sources.first()
    } else {
        result.sources == sources
    };
    (same_revision && same_source).then_some(state)
}

pub(super) fn finished_at(state: &OperationState) -> Option<Timestamp> {
    state.finished_at.as_deref()?.parse().ok()
}

/// What the application's sync policy asks for.
fn by_policy(application: &Application, comparison: &Comparison, now: Timestamp) -> Decision {
    let Some(policy) = &application.spec.sync_policy else {
        return Decision::Nothing;
    };
    let Some(automated) = policy.automated.as_ref().filter(|a| a.is_enabled()) else {
        return Decision::Nothing;
    };
    let changes: Vec<&Step> = comparison
        .plan
        .changes()
        .filter(|step| !step.hook)
        .collect();
    let Some(state) = attempted(application, comparison) else {
        let everything_goes = !comparison.plan.steps.iter().any(is_kept)
            && changes.iter().any(|step| step.action == Action::Prune);
        if everything_goes && !automated.allow_empty {
            return Decision::Refuse(
                "auto-sync will wipe out all resources: nothing is declared any more; set \
                 syncPolicy.automated.allowEmpty if that is meant",
            );
        }
        if changes.is_empty() && !has_new_hooks(comparison) {
            return Decision::Nothing;
        }
        let request = SyncRequest {
            prune: automated.prune,
            ..SyncRequest::default()
        };
        return Decision::Sync {
            request,
            tries: Tries::default(),
        };
    };
    if changes.is_empty() {
        return Decision::Nothing;
    }
    let since = finished_at(state).map_or(Duration::MAX, |time| {
        Duration::try_from(now.duration_since(time)).unwrap_or_default()
    });
    let retries = state.retry_count.unwrap_or(0);
    let (wait, request, tries) = if state.phase == OperationPhase::Succeeded {
        let approved =
            is_approved(application) && changes.iter().any(|step| step.action == Action::Prune);
        if !automated.self_heal && !approved {
            return Decision::Nothing;
        }
        let only = changes.iter().map(|step| step.object.clone()).collect();
        let request = SyncRequest {
            prune: automated.prune,
            only,
            ..SyncRequest::default()
        };
        let self_heals = match status::self_heals(state) {
            _ if since > SELF_HEAL_QUIET => 0,
            self_heals => self_heals,
        };
        (
            self_heal_wait(self_heals),
            request,
            Tries {
                retries: 0,
                self_heals: self_heals + 1,
            },
        )
    } else {
        let limit = policy
            .retry
            .as_ref()
            .and_then(|retry| retry.limit)
            .unwrap_or(5);
        if limit >= 0 && retries >= limit {
            return Decision::Nothing;
        }
        let request = SyncRequest {
            prune: automated.prune,
            ..SyncRequest::default()
        };
        (
            backoff(policy.retry.as_ref(), retries),
            request,
            Tries {
                retries: retries + 1,
                self_heals: 0,
            },
        )
    };
    match wait.checked_sub(since) {
        Some(left) if !left.is_zero() && tries.self_heals > 0 => {
            Decision::BackOff(left, tries.self_heals - 1)
        }
        Some(left) if !left.is_zero() => Decision::Wait(left),
        _ => Decision::Sync { request, tries },
    }
}

/// A first sync of something that has only hooks still runs them.
fn has_new_hooks(comparison: &Comparison) -> bool {
    comparison
        .plan
        .steps
        .iter()
        .any(|step| step.hook && step.action == Action::RunHook && step.phase != Phase::SyncFail)
}

/// Whether prunes that ask for confirmation were approved since the last sync began.
pub(super) fn is_approved(application: &Application) -> bool {
    let last = application
        .status
        .as_ref()
        .and_then(|status| status.operation_state.as_ref());
    application.is_deletion_approved(last.map(|state| state.started_at.as_str()))
}

/// So many syncs in a row that were undone are no chance any more.
pub(super) const CONTESTED: i64 = 3;

/// After this long without a self-heal the next one is the first again.
const SELF_HEAL_QUIET: Duration = Duration::from_secs(600);

/// The wait before a change made in the cluster is reverted once more: somebody who changes it back
/// every second must not keep the engine busy.
fn self_heal_wait(self_heals: i64) -> Duration {
    if self_heals <= 0 {
        return Duration::ZERO;
    }
    let exponent = u32::try_from(self_heals - 1).unwrap_or(u32::MAX).min(8);
    Duration::from_secs((2 * 3_u64.pow(exponent)).min(300))
}

/// The wait before the next try: `duration · factor^tries`, at most `maxDuration`.
fn backoff(retry: Option<&Retry>, tries: i64) -> Duration {
    let backoff = retry.and_then(|retry| retry.backoff.as_ref());
    let seconds = |text: Option<&String>, default: u64| {
        text.and_then(|text| parse_duration(text))
            .unwrap_or(Duration::from_secs(default))
    };
    let first = seconds(backoff.and_then(|b| b.duration.as_ref()), 5);
    let longest = seconds(backoff.and_then(|b| b.max_duration.as_ref()), 180);
    let factor = backoff.and_then(|b| b.factor).unwrap_or(2).max(1) as f64;
    let exponent = i32::try_from(tries).unwrap_or(i32::MAX).clamp(0, 64);
    let wait = first.as_secs_f64() * factor.powi(exponent);
    if wait >= longest.as_secs_f64() {
        longest
    } else {
        Duration::from_secs_f64(wait)
    }
}

/// A duration such as `1m30s`; a bare number is seconds.
fn parse_duration(text: &str) -> Option<Duration> {
    if let Ok(seconds) = text.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let duration: crate::go::Duration = text.parse().ok()?;
    Duration::try_from(duration).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        assert_eq!(parse_duration("90"), Some(Duration::from_secs(90)));
        assert_eq!(parse_duration("1m30s"), Some(Duration::from_secs(90)));
        assert_eq!(parse_duration("1.5h"), Some(Duration::from_secs(5400)));
        assert_eq!(parse_duration("5x"), None);
    }

    #[test]
    fn backoff_grows_to_its_limit() {
        assert_eq!(backoff(None, 0), Duration::from_secs(5));
        assert_eq!(backoff(None, 2), Duration::from_secs(20));
        assert_eq!(backoff(None, 60), Duration::from_secs(180));
    }
}
