//! Health: is an object that was applied doing what it is for?
//!
//! In comes one live object, out comes a [`Health`] or `None` (there is no rule for the kind: it does
//! not count). Two dialects implement [`HealthCheck`]: [`ArgoHealth`] with the verdicts and messages
//! of Argo CD, and [`Kstatus`] with those of `kstatus`, which Flux waits by. The
//! health of an application is [`aggregate`](gitops_core::health::aggregate)d from that of its objects.
//!
//! Rules are pure functions of the object and of the time that is passed in.

mod builtin;
#[cfg(feature = "cel")]
mod cel;
mod custom;
mod go;
mod kstatus;
mod node;
mod pods;
mod rules;
mod shapes;
mod typed;
mod workloads;

#[cfg(feature = "cel")]
pub use cel::{CelRuleError, CelRules};
use gitops_core::{
    Classified, ErrorClass, GroupKind, Manifest,
    clock::Timestamp,
    health::{Health, HealthCheck, HealthError, HealthStatus},
};
pub use kstatus::{Kstatus, KstatusCondition, KstatusResult, KstatusStatus};

use self::rules::Said;
use crate::hooks;

/// Rules of your own, as text, before those of another check.
///
/// Kinds without a rule here, and objects to which no line of their rule applies, are left to the
/// other check.
///
/// ```
/// use gitops_apply::health::{ArgoHealth, WithRules};
/// use gitops_core::{Manifest, clock::Timestamp, health::{HealthCheck, HealthStatus}};
/// let check = WithRules::parse(
///     "shop.example.com/Till:\n  each Open=True: Healthy {message}\n  Progressing Counting coins\n",
///     ArgoHealth,
/// )?;
/// let till = Manifest::try_from(serde_json::json!({
///     "apiVersion": "shop.example.com/v1", "kind": "Till", "metadata": {"name": "a"},
///     "status": {"conditions": [{"type": "Open", "status": "True", "message": "open"}]},
/// }))?;
/// let health = check.assess(&till, Timestamp::UNIX_EPOCH)?.expect("there is a rule");
/// assert_eq!(health.status, HealthStatus::Healthy);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// A header names kinds as `group/Kind`, separated by commas; `_` stands for any kind, `_.` at the
/// beginning of a group for any prefix. Below it, line by line, the first verdict counts:
///
/// * `each TEST: VERDICT` looks at `status.conditions`. Neighbouring `each` lines are asked together
///   for one condition after the other; `--` begins a new round.
/// * `if TEST: VERDICT` looks at the object; a lone `VERDICT` ends the rule.
/// * `need PATH` is an error where the object has nothing there.
///
/// A verdict is a status (or `None`) and a message, in which `{…}` is a field of the condition or a
/// path in the object, with alternatives separated by `|` and texts in single quotes. Tests are
/// `Ready=True` (type and status of a condition), `Ready`, `reason=X`, `.path=value`, `.path!=value`,
/// `.path=.other`, `.path<value`, `.path>value`, `.path^=prefix`, `.path in a|b`, `.path is number`,
/// `.path` (is there), `!.path` and `.path?` (is there and not false), joined by `and` and `or`.
///
/// An object of a shape that the rule does not expect is an error where the rule gets to it: a field
/// of a number, conditions that are no list, a prefix of something that is no text, the order of a
/// number and a text. A message that is something else than a text makes no verdict.
pub struct WithRules<H> {
    rules: rules::Rules,
    otherwise: H,
}

impl<H: HealthCheck> WithRules<H> {
    /// Parses rules.
    ///
    /// # Errors
    /// When a line is not understood; the error names it.
    pub fn parse(text: &str, otherwise: H) -> Result<Self, RuleError> {
        let rules = rules::Rules::parse(&[text]).map_err(|reason| RuleError { reason })?;
        Ok(Self { rules, otherwise })
    }
}

impl<H: HealthCheck> HealthCheck for WithRules<H> {
    fn assess(&self, object: &Manifest, now: Timestamp) -> Result<Option<Health>, HealthError> {
        match self.rules.assess(object) {
            Some(said) => match said? {
                Said::Verdict(verdict) => Ok(verdict),
                Said::Nothing => self.otherwise.assess(object, now),
            },
            None => self.otherwise.assess(object, now),
        }
    }
}

/// A health rule is not understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the health rules cannot be read: {reason}")]
#[non_exhaustive]
pub struct RuleError {
    /// The line and what is wrong with it.
    pub reason: String,
}

impl Classified for RuleError {
    fn class(&self) -> ErrorClass {
        ErrorClass::Invalid
    }
}

/// Health as Argo CD sees it.
///
/// An object under deletion is Progressing whatever its kind; then the rules for kinds beyond the
/// built-in ones are asked, then the built-in ones. A kind that has a built-in rule, at a version
/// that has none, is an error.
#[derive(Debug, Clone, Copy, Default)]
pub struct ArgoHealth;

impl HealthCheck for ArgoHealth {
    fn assess(&self, object: &Manifest, _now: Timestamp) -> Result<Option<Health>, HealthError> {
        if is_terminating(object) && !hooks::has_hook_finalizer(object) {
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

    fn needs_content(&self, kind: &GroupKind) -> bool {
        !PLAIN_KINDS.contains(&(kind.group.as_str(), kind.kind.as_str()))
    }
}

/// Whether the object is under deletion; something else than a time, and the zero time, say nothing.
fn is_terminating(object: &Manifest) -> bool {
    let deletion = object.pointer("/metadata/deletionTimestamp");
    let deletion = deletion
        .and_then(serde_json::Value::as_str)
        .unwrap_or_default();
    !deletion.starts_with("0001-01-01T00:00:00") && go::time(deletion).is_some()
}

/// Frequent kinds that have no rule.
const PLAIN_KINDS: [(&str, &str); 9] = [
    ("", "ConfigMap"),
    ("", "Secret"),
    ("", "ServiceAccount"),
    ("networking.k8s.io", "NetworkPolicy"),
    ("rbac.authorization.k8s.io", "ClusterRole"),
    ("rbac.authorization.k8s.io", "ClusterRoleBinding"),
    ("rbac.authorization.k8s.io", "Role"),
    ("rbac.authorization.k8s.io", "RoleBinding"),
    ("scheduling.k8s.io", "PriorityClass"),
];

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn plain_kinds_have_no_rule_whatever_they_hold() {
        for (group, kind) in PLAIN_KINDS {
            let version = if group.is_empty() {
                "v1".to_owned()
            } else {
                format!("{group}/v1")
            };
            let object = Manifest::try_from(json!({
                "apiVersion": version, "kind": kind, "metadata": {"name": "a"},
                "status": {"phase": "Failed", "conditions": [{"type": "Ready", "status": "False"}]},
            }))
            .unwrap();
            let verdict = ArgoHealth.assess(&object, Timestamp::UNIX_EPOCH).unwrap();
            assert_eq!(verdict, None, "{kind}");
            assert!(!ArgoHealth.needs_content(&object.gvk().group_kind()));
        }
    }
}
