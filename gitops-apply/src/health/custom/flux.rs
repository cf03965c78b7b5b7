//! The toolkits of Flux: readiness is counted over several conditions.

use super::{
    Check,
    view::{Judged, Message, View, degraded, healthy, progressing, suspended},
};

/// How conditions of a kind are counted.
struct Counting {
    /// The status of `Ready` that means "on its way".
    pending: &'static str,
    /// Reasons of `Reconciling` that count; all where there are none.
    reasons: &'static [&'static str],
    /// Other conditions that count as a success.
    successes: &'static [&'static str],
    /// How many successes it takes.
    needed: usize,
    /// Two signs of being on its way mean a failure.
    fails: bool,
}

impl Counting {
    fn has_artifact(&self) -> bool {
        self.successes.contains(&"ArtifactInStorage")
    }
}

const PLAIN: Counting = Counting {
    pending: "Unknown",
    reasons: &[],
    successes: &[],
    needed: 1,
    fails: false,
};

const SOURCE: Counting = Counting {
    successes: &["ArtifactInStorage"],
    needed: 2,
    ..PLAIN
};

pub(super) fn check(group: &str, kind: &str) -> Option<Check> {
    let toolkit = group.strip_suffix(".toolkit.fluxcd.io")?;
    Some(match (toolkit, kind) {
        ("source", "Bucket" | "GitRepository" | "HelmChart" | "OCIRepository") => source,
        ("source", "HelmRepository") => helm_repository,
        ("kustomize", "Kustomization") | ("image", "ImageUpdateAutomation") => plain,
        ("helm", "HelmRelease") => release,
        ("image", "ImagePolicy") => image_policy,
        ("image", "ImageRepository") => image_repository,
        ("notification", "Receiver") => receiver,
        _ => return None,
    })
}

fn plain(view: View<'_>) -> Judged {
    unless_suspended(view, &PLAIN)
}

fn source(view: View<'_>) -> Judged {
    unless_suspended(view, &SOURCE)
}

fn helm_repository(view: View<'_>) -> Judged {
    if !is_suspended(view) && view.is("/spec/type", "oci") {
        return healthy(
            "Helm repositories of type 'oci' do not contain any information in the status.",
        );
    }
    unless_suspended(view, &SOURCE)
}

fn release(view: View<'_>) -> Judged {
    let counting = Counting {
        successes: &["Released", "TestSuccess"],
        needed: 2,
        ..PLAIN
    };
    unless_suspended(view, &counting)
}

fn image_policy(view: View<'_>) -> Judged {
    let counting = Counting {
        pending: "False",
        reasons: &["NewGeneration", "AccessingRepository", "ApplyingPolicy"],
        ..PLAIN
    };
    count(view, &counting)
}

fn image_repository(view: View<'_>) -> Judged {
    let counting = Counting {
        pending: "False",
        reasons: &["NewGeneration", "Scanning"],
        ..PLAIN
    };
    unless_suspended(view, &counting)
}

fn receiver(view: View<'_>) -> Judged {
    let counting = Counting {
        pending: "False",
        fails: true,
        ..PLAIN
    };
    unless_suspended(view, &counting)
}

fn is_suspended(view: View<'_>) -> bool {
    view.need("/spec").at("suspend").bool() == Some(true)
}

fn unless_suspended(view: View<'_>, counting: &Counting) -> Judged {
    if is_suspended(view) {
        return suspended(format!("{} is suspended", view.object.kind()));
    }
    count(view, counting)
}

fn count(view: View<'_>, counting: &Counting) -> Judged {
    if !view.has("/status/conditions") {
        return progressing("Status unknown");
    }
    let (mut pending, mut successes, mut is_known) = (0, 0, false);
    // The reason of `Ready`, until something is added to it.
    let mut ready = view.nothing();
    let mut added: Option<String> = None;
    for condition in view.conditions() {
        let kind = condition.get("type").unwrap_or_default();
        let is_true = condition.has("True");
        if kind == "Ready" {
            if is_true {
                successes += 1;
            } else if condition.has(counting.pending) {
                pending += 1;
            }
            is_known = true;
            (ready, added) = (condition.at("reason"), None);
        } else if kind == "Reconciling" && is_true {
            let reason = condition.reason().unwrap_or_default();
            if counting.reasons.is_empty() || counting.reasons.contains(&reason) {
                pending += 1;
            }
        } else if kind == "ArtifactOutdated" && is_true && counting.has_artifact() {
            let before = match added {
                Some(before) => before,
                None if is_known => ready.shown(),
                None => String::new(),
            };
            added = Some(format!("{before} {}", condition.at("reason").shown()));
        } else if counting.successes.contains(&kind) && is_true {
            successes += 1;
        }
    }
    let message = added.map_or_else(|| Message::from(ready), Message::from);
    if pending == 2 && counting.fails {
        degraded(message)
    } else if pending == 2 {
        progressing(message)
    } else if successes == counting.needed {
        healthy(message)
    } else {
        degraded(message)
    }
}
