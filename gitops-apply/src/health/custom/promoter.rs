//! GitOps Promoter.

use super::{
    Check,
    view::{Judged, Node, View, degraded, healthy, progressing},
};

/// How a kind speaks of its Ready condition.
pub(super) struct Words {
    pub(super) initializing: &'static str,
    pub(super) unobserved: &'static str,
    /// A failed reconciliation.
    pub(super) failed: &'static str,
    /// Any other failure; the reason follows.
    pub(super) not_ready: &'static str,
    /// `Unknown`; the reason follows. Without it `Unknown` is as good as ready.
    pub(super) unknown: Option<&'static str>,
    pub(super) missing: &'static str,
}

pub(super) fn check(group: &str, kind: &str) -> Option<Check> {
    if group != "promoter.argoproj.io" {
        return None;
    }
    Some(match kind {
        "ArgoCDCommitStatus" => argo_commit_status,
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
        "PullRequest" => pull_request,
        _ => return None,
    })
}

/// A verdict where the condition is not a plain "ready".
pub(super) fn ready(view: View<'_>, words: &Words, kinds: &[&str]) -> Judged {
    if view.truth("/metadata/deletionTimestamp") {
        return progressing("");
    }
    let status = view.at("/status").if_true();
    if !status.exists() {
        return progressing(words.initializing);
    }
    let mut found = false;
    for condition in status.at("conditions").if_true().list() {
        if !kinds.contains(&condition.get("type").unwrap_or_default()) {
            continue;
        }
        found = true;
        let observed = condition.at("observedGeneration");
        let generation = view.at("/metadata/generation");
        if observed.truth() && generation.truth() && !observed.same(generation) {
            return progressing(words.unobserved);
        }
        let (reason, message) = (condition.at("reason"), condition.message());
        if condition.has("False") {
            let message = message.shown_or("Unknown error");
            return degraded(if reason.equals("ReconciliationError") {
                format!("{}: {message}", words.failed)
            } else {
                format!(
                    "{} ({}): {message}",
                    words.not_ready,
                    reason.shown_or("Unknown")
                )
            });
        }
        if let Some(unknown) = words.unknown
            && condition.has("Unknown")
        {
            let (reason, message) = (reason.shown_or("Unknown"), message.shown_or("Unknown"));
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
    let applications = view.at("/status/applicationsSelected").if_true();
    let applications = if applications.exists() {
        applications.length()
    } else {
        0
    };
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
    let (sha, phase) = (view.at("/status/sha"), view.at("/status/phase"));
    if !sha.truth() || !phase.truth() {
        return healthy("Commit status is healthy");
    }
    let (sha, phase) = (sha.shown(), phase.shown());
    healthy(format!("Commit status for commit {sha} reports {phase}"))
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
    let (state, id) = (
        view.at("/status/state").shown(),
        view.at("/status/id").shown(),
    );
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
    let environments = view.at("/status/environments").if_true();
    if !environments.exists() || environments.length() == 0 {
        return healthy(format!("{reconciled} reconciled"));
    }
    let (mut failed, mut pending, mut good) = (Vec::new(), Vec::new(), 0);
    for environment in environments.list() {
        let branch = || environment.at("branch");
        match environment.at("phase").text() {
            Some("failure") => failed.push(branch()),
            Some("success") => good += 1,
            _ => pending.push(branch()),
        }
    }
    let names = |branches: &[Node<'_>]| {
        let names: Vec<String> = branches.iter().map(|b| b.shown_or("?")).collect();
        names.join(", ")
    };
    if !failed.is_empty() {
        return degraded(format!("{what} failed for branch(es): {}", names(&failed)));
    }
    if !pending.is_empty() {
        return progressing(format!(
            "{what} pending for branch(es): {}",
            names(&pending)
        ));
    }
    healthy(format!("{what} {passed} for {good} environment(s)"))
}
