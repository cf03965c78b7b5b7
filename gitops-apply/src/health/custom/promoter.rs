//! GitOps Promoter.

use serde_json::Value;

use super::{
    Check,
    view::{Judged, View, degraded, healthy, progressing},
};

/// How a kind speaks of its Ready condition.
struct Words {
    initializing: &'static str,
    unobserved: &'static str,
    /// A failed reconciliation.
    failed: &'static str,
    /// Any other failure; the reason follows.
    not_ready: &'static str,
    /// `Unknown`; the reason follows. Without it `Unknown` is as good as ready.
    unknown: Option<&'static str>,
    missing: &'static str,
}

pub(super) fn check(group: &str, kind: &str) -> Option<Check> {
    if group != "promoter.argoproj.io" {
        return None;
    }
    Some(match kind {
        "ArgoCDCommitStatus" => argo_commit_status,
        "ChangeTransferPolicy" => transfer_policy,
        "ClusterScmProvider" => |view| {
            let words = Words {
                initializing: "Initializing cluster SCM provider",
                unobserved: "Waiting for ClusterScmProvider spec update to be observed",
                failed: "Cluster SCM provider validation failed",
                not_ready: "Cluster SCM provider not ready",
                unknown: Some("Cluster SCM provider readiness unknown"),
                missing: "ClusterScmProvider Ready condition is missing",
            };
            ready(view, &words, &["Ready"])?
                .map_or_else(|| healthy("Cluster SCM provider is ready"), |v| Ok(Some(v)))
        },
        "ScmProvider" => |view| {
            let words = Words {
                initializing: "Initializing SCM provider",
                unobserved: "Waiting for ScmProvider spec update to be observed",
                failed: "SCM provider validation failed",
                not_ready: "SCM provider not ready",
                unknown: Some("SCM provider readiness unknown"),
                missing: "ScmProvider Ready condition is missing",
            };
            ready(view, &words, &["Ready"])?
                .map_or_else(|| healthy("SCM provider is ready"), |v| Ok(Some(v)))
        },
        "GitRepository" => |view| {
            let words = Words {
                initializing: "Initializing Git repository",
                unobserved: "Waiting for GitRepository spec update to be observed",
                failed: "Git repository validation failed",
                not_ready: "Git repository not ready",
                unknown: Some("Git repository readiness unknown"),
                missing: "GitRepository Ready condition is missing",
            };
            ready(view, &words, &["Ready"])?
                .map_or_else(|| healthy("Git repository is ready"), |v| Ok(Some(v)))
        },
        "CommitStatus" => commit_status,
        "GitCommitStatus" => git_commit_status,
        "TimedCommitStatus" => timed_commit_status,
        "WebRequestCommitStatus" => web_commit_status,
        "PromotionStrategy" => strategy,
        "PullRequest" => pull_request,
        _ => return None,
    })
}

/// A verdict where the condition is not a plain "ready".
fn ready(view: View<'_>, words: &Words, kinds: &[&str]) -> Judged {
    if !view.truth("/status") {
        return progressing(words.initializing);
    }
    let mut found = false;
    for condition in view.conditions()? {
        if !kinds.contains(&condition.get("type").unwrap_or_default()) {
            continue;
        }
        found = true;
        if let (Some(observed), Some(generation)) = (
            condition.0.get("observedGeneration"),
            view.at("/metadata/generation"),
        ) && !observed.is_null()
            && observed != generation
        {
            return progressing(words.unobserved);
        }
        let reason = condition.reason().unwrap_or("Unknown");
        if condition.has("False") {
            let message = condition.message_or("Unknown error");
            return degraded(if reason == "ReconciliationError" {
                format!("{}: {message}", words.failed)
            } else {
                format!("{} ({reason}): {message}", words.not_ready)
            });
        }
        if let Some(unknown) = words.unknown
            && condition.has("Unknown")
        {
            let message = condition.message_or("Unknown");
            return progressing(format!("{unknown} ({reason}): {message}"));
        }
    }
    if found {
        Ok(None)
    } else {
        progressing(words.missing)
    }
}

fn argo_commit_status(view: View<'_>) -> Judged {
    let words = Words {
        initializing: "Initializing Argo CD commit status",
        unobserved: "Waiting for Argo CD commit status spec update to be observed",
        failed: "Argo CD commit status reconciliation failed",
        not_ready: "Argo CD commit status reconciliation failed",
        unknown: None,
        missing: "Argo CD commit status is not ready yet",
    };
    if let Some(verdict) = ready(view, &words, &["Ready"])? {
        return Ok(Some(verdict));
    }
    let applications = view.list("/status/applicationsSelected")?.len();
    if applications == 0 {
        return degraded("Argo CD commit status has no applications configured");
    }
    healthy(format!(
        "Argo CD commit status is healthy and is tracking {applications} applications"
    ))
}

fn commit_status(view: View<'_>) -> Judged {
    let words = Words {
        initializing: "Initializing commit status",
        unobserved: "Waiting for commit status spec update to be observed",
        failed: "Commit status reconciliation failed",
        not_ready: "Commit status reconciliation failed",
        unknown: None,
        missing: "Commit status is not ready yet",
    };
    if let Some(verdict) = ready(view, &words, &["Ready"])? {
        return Ok(Some(verdict));
    }
    match (view.text("/status/sha"), view.text("/status/phase")) {
        (Some(sha), Some(phase)) => {
            healthy(format!("Commit status for commit {sha} reports {phase}"))
        }
        _ => healthy("Commit status is healthy"),
    }
}

fn pull_request(view: View<'_>) -> Judged {
    let words = Words {
        initializing: "Initializing pull request",
        unobserved: "Waiting for pull request spec update to be observed",
        failed: "Pull request reconciliation failed",
        not_ready: "Pull request reconciliation failed",
        unknown: None,
        missing: "Pull request is not ready yet",
    };
    if let Some(verdict) = ready(view, &words, &["Reconciled", "Ready"])? {
        return Ok(Some(verdict));
    }
    if !view.truth("/status/id") || !view.truth("/status/state") {
        return healthy("Pull request is healthy");
    }
    let (state, id) = (view.show("/status/state")?, view.show("/status/id")?);
    healthy(format!("Pull request is {state} as PR {id}"))
}

fn git_commit_status(view: View<'_>) -> Judged {
    let words = Words {
        initializing: "Initializing git commit validation",
        unobserved: "Waiting for GitCommitStatus spec update to be observed",
        failed: "Git commit validation failed",
        not_ready: "Git commit validation not ready",
        unknown: Some("Git commit validation status unknown"),
        missing: "GitCommitStatus Ready condition is missing",
    };
    if let Some(verdict) = ready(view, &words, &["Ready"])? {
        return Ok(Some(verdict));
    }
    branches(
        view,
        "Git commit validation",
        "Git commit validation",
        "passed",
    )
}

fn timed_commit_status(view: View<'_>) -> Judged {
    let words = Words {
        initializing: "Initializing timed commit gate",
        unobserved: "Waiting for TimedCommitStatus spec update to be observed",
        failed: "Timed commit gate failed",
        not_ready: "Timed commit gate not ready",
        unknown: Some("Timed commit gate status unknown"),
        missing: "TimedCommitStatus Ready condition is missing",
    };
    if let Some(verdict) = ready(view, &words, &["Ready"])? {
        return Ok(Some(verdict));
    }
    branches(view, "Timed commit gate", "Timed commit gate", "satisfied")
}

fn web_commit_status(view: View<'_>) -> Judged {
    let words = Words {
        initializing: "Initializing web request commit validation",
        unobserved: "Waiting for WebRequestCommitStatus spec update to be observed",
        failed: "Web request commit validation failed",
        not_ready: "Web request commit validation not ready",
        unknown: Some("Web request commit validation unknown"),
        missing: "WebRequestCommitStatus Ready condition is missing",
    };
    if let Some(verdict) = ready(view, &words, &["Ready"])? {
        return Ok(Some(verdict));
    }
    branches(
        view,
        "Web request commit validation",
        "Web request validation",
        "passed",
    )
}

/// The environments of a gate, by phase.
fn branches(view: View<'_>, reconciled: &str, what: &str, passed: &str) -> Judged {
    let environments = view.list("/status/environments")?;
    if environments.is_empty() {
        return healthy(format!("{reconciled} reconciled"));
    }
    let (mut failed, mut pending, mut good) = (Vec::new(), Vec::new(), 0);
    for environment in environments {
        let branch = environment["branch"].as_str().unwrap_or("?");
        match environment["phase"].as_str().unwrap_or("pending") {
            "failure" => failed.push(branch),
            "success" => good += 1,
            _ => pending.push(branch),
        }
    }
    if !failed.is_empty() {
        return degraded(format!(
            "{what} failed for branch(es): {}",
            failed.join(", ")
        ));
    }
    if !pending.is_empty() {
        return progressing(format!(
            "{what} pending for branch(es): {}",
            pending.join(", ")
        ));
    }
    healthy(format!("{what} {passed} for {good} environment(s)"))
}

/// Commit statuses of one side of an environment, counted.
struct Tally<'a> {
    pending: Vec<&'a str>,
    failed: Vec<&'a str>,
    good: usize,
}

impl<'a> Tally<'a> {
    fn of(side: &'a Value) -> Self {
        let mut tally = Self {
            pending: Vec::new(),
            failed: Vec::new(),
            good: 0,
        };
        for status in side["commitStatuses"].as_array().into_iter().flatten() {
            let key = status["key"].as_str().unwrap_or_default();
            match status["phase"].as_str() {
                Some("pending") => tally.pending.push(key),
                Some("success") => tally.good += 1,
                Some("failure") => tally.failed.push(key),
                _ => {}
            }
        }
        tally
    }

    fn is_clear(&self) -> bool {
        self.pending.is_empty() && self.failed.is_empty()
    }

    fn describe(&self) -> String {
        let mut text = format!(
            "{} pending, {} successful, {} failed. ",
            self.pending.len(),
            self.good,
            self.failed.len()
        );
        for (what, keys) in [("Pending", &self.pending), ("Failed", &self.failed)] {
            if !keys.is_empty() {
                text.push_str(&format!("{what} commit statuses: {}. ", keys.join(", ")));
            }
        }
        text
    }
}

fn sha(side: &Value) -> Option<&str> {
    side.pointer("/dry/sha")?
        .as_str()
        .filter(|sha| !sha.is_empty())
}

fn short(sha: &str) -> &str {
    sha.get(..7).unwrap_or(sha)
}

fn transfer_policy(view: View<'_>) -> Judged {
    let words = Words {
        initializing: "Initializing change transfer policy",
        unobserved: "Waiting for change transfer policy spec update to be observed",
        failed: "Change transfer policy reconciliation failed",
        not_ready: "Change transfer policy reconciliation failed",
        unknown: None,
        missing: "Change transfer policy is not ready yet",
    };
    if let Some(verdict) = ready(view, &words, &["Ready"])? {
        return Ok(Some(verdict));
    }
    let status = view.need("/status")?;
    let (active, proposed) = (&status["active"], &status["proposed"]);
    let Some(now) = sha(active) else {
        return progressing("The active commit DRY SHA is missing or empty.");
    };
    let Some(next) = sha(proposed) else {
        return progressing("The proposed commit DRY SHA is missing or empty.");
    };
    if now != next {
        return progressing(format!(
            "Promotion in progress from '{}' to '{}': {}",
            short(now),
            short(next),
            Tally::of(proposed).describe()
        ));
    }
    let tally = Tally::of(active);
    if tally.is_clear() {
        return healthy(format!(
            "Environment is up-to-date on commit {}.",
            short(now)
        ));
    }
    healthy(format!(
        "Environment is up-to-date, but there are non-successful active commit statuses: {}",
        tally.describe()
    ))
}

fn strategy(view: View<'_>) -> Judged {
    let words = Words {
        initializing: "Initializing promotion strategy",
        unobserved: "Waiting for promotion strategy spec update to be observed",
        failed: "Promotion strategy reconciliation failed",
        not_ready: "Promotion strategy reconciliation failed",
        unknown: None,
        missing: "Promotion strategy is not ready yet",
    };
    if let Some(verdict) = ready(view, &words, &["Ready"])? {
        return Ok(Some(verdict));
    }
    let environments = view.list("/status/environments")?;
    let Some(first) = environments.first() else {
        return degraded("Promotion strategy has no environments configured");
    };
    for environment in environments {
        let branch = environment["branch"].as_str().unwrap_or_default();
        if sha(&environment["active"]).is_none() {
            return progressing(format!(
                "The active commit DRY SHA is missing or empty in environment '{branch}'."
            ));
        }
        if hydrated(environment).is_none() {
            return progressing(format!(
                "The proposed commit DRY SHA is missing or empty in environment '{branch}'."
            ));
        }
    }
    if environments
        .iter()
        .any(|environment| hydrated(environment) != hydrated(first))
    {
        return progressing(
            "Not all environments have the same proposed commit SHA. This likely means the hydrator has not run for all environments yet.",
        );
    }
    for environment in environments {
        let (active, proposed) = (&environment["active"], &environment["proposed"]);
        let dry = |side: &Value| side.pointer("/dry/sha").cloned();
        if !proposed["dry"].is_object() {
            return Err(view.fail("an environment has no proposed dry commit"));
        }
        if dry(active) != dry(proposed) {
            return progressing(format!(
                "Promotion in progress for environment '{}' from '{}' to '{}': {}Hydrator has processed dry commit '{}'. ",
                environment["branch"].as_str().unwrap_or_default(),
                short(sha(active).unwrap_or_default()),
                short(sha(proposed).unwrap_or_default()),
                Tally::of(proposed).describe(),
                short(hydrated(environment).unwrap_or_default()),
            ));
        }
    }
    let unclear: Vec<String> = environments
        .iter()
        .filter_map(|environment| {
            let tally = Tally::of(&environment["active"]);
            let branch = environment["branch"].as_str().unwrap_or_default();
            (!tally.is_clear()).then(|| {
                format!(
                    "{branch} ({} failed, {} pending)",
                    tally.failed.len(),
                    tally.pending.len()
                )
            })
        })
        .collect();
    if !unclear.is_empty() {
        return healthy(format!(
            "Environments are up-to-date, but some environments have non-successful commit statuses: {}.",
            unclear.join(", ")
        ));
    }
    healthy(format!(
        "All environments are up-to-date on commit '{}'. Hydrator has processed dry commit '{}'.",
        short(sha(&first["active"]).unwrap_or_default()),
        short(hydrated(first).unwrap_or_default())
    ))
}

/// The dry commit that was hydrated for an environment: the one in the note, else the proposed one.
fn hydrated(environment: &Value) -> Option<&str> {
    environment
        .pointer("/proposed/note/drySha")
        .and_then(Value::as_str)
        .filter(|sha| !sha.is_empty())
        .or_else(|| sha(&environment["proposed"]))
}
