//! GitOps Promoter: promotions from environment to environment.

use super::{
    Check,
    promoter::{Words, ready},
    view::{Judged, Node, View, degraded, healthy, progressing},
};

pub(super) fn check(group: &str, kind: &str) -> Option<Check> {
    match (group, kind) {
        ("promoter.argoproj.io", "ChangeTransferPolicy") => Some(transfer_policy),
        ("promoter.argoproj.io", "PromotionStrategy") => Some(strategy),
        _ => None,
    }
}

/// Commit statuses of one side of an environment, counted.
struct Tally<'a> {
    pending: Vec<Node<'a>>,
    failed: Vec<Node<'a>>,
    good: usize,
}

impl<'a> Tally<'a> {
    fn of(side: Node<'a>) -> Self {
        let mut tally = Self {
            pending: Vec::new(),
            failed: Vec::new(),
            good: 0,
        };
        for status in side.at("commitStatuses").if_true().list() {
            match status.get("phase") {
                Some("pending") => tally.pending.push(status.at("key")),
                Some("success") => tally.good += 1,
                Some("failure") => tally.failed.push(status.at("key")),
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
                // One without a key counts, but has no name.
                let keys: Vec<String> = keys
                    .iter()
                    .filter(|key| key.exists())
                    .map(|key| key.shown())
                    .collect();
                text.push_str(&format!("{what} commit statuses: {}. ", keys.join(", ")));
            }
        }
        text
    }
}

/// The dry commit of a side; nothing where it is empty or not there.
fn sha(side: Node<'_>) -> Node<'_> {
    filled(side.if_true().at("dry").if_true().at("sha"))
}

/// This, with `false` and the empty text for nothing.
fn filled(node: Node<'_>) -> Node<'_> {
    if node.equals("") {
        node.nothing()
    } else {
        node.if_true()
    }
}

fn short(sha: Node<'_>) -> String {
    let text = filled(sha).shown_or("");
    text.get(..7)
        .map_or_else(|| text.clone(), ToOwned::to_owned)
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
    let (active, proposed) = (view.at("/status/active"), view.at("/status/proposed"));
    let now = sha(active);
    if !now.exists() {
        return progressing("The active commit DRY SHA is missing or empty.");
    }
    let next = sha(proposed);
    if !next.exists() {
        return progressing("The proposed commit DRY SHA is missing or empty.");
    }
    if !now.same(next) {
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
    let environments = view.at("/status/environments").if_true();
    if !environments.exists() || environments.length() == 0 {
        return degraded("Promotion strategy has no environments configured");
    }
    let environments = environments.list();
    let branch = |environment: Node<'_>| environment.at("branch").shown();
    for &environment in &environments {
        if !sha(environment.at("active")).exists() {
            return progressing(format!(
                "The active commit DRY SHA is missing or empty in environment '{}'.",
                branch(environment)
            ));
        }
        if !hydrated(environment).exists() {
            return progressing(format!(
                "The proposed commit DRY SHA is missing or empty in environment '{}'.",
                branch(environment)
            ));
        }
    }
    let first = environments.first().copied().unwrap_or(view.nothing());
    for &environment in &environments {
        if !hydrated(environment).same(hydrated(first)) {
            return progressing(
                "Not all environments have the same proposed commit SHA. This likely means the hydrator has not run for all environments yet.",
            );
        }
    }
    for &environment in &environments {
        let (active, proposed) = (environment.at("active"), environment.at("proposed"));
        let next = proposed.at("dry").need().at("sha");
        if !next.same(sha(active)) {
            return progressing(format!(
                "Promotion in progress for environment '{}' from '{}' to '{}': {}Hydrator has processed dry commit '{}'. ",
                branch(environment),
                short(sha(active)),
                short(next),
                Tally::of(proposed).describe(),
                short(hydrated(environment)),
            ));
        }
    }
    let unclear = unclear(&environments);
    if !unclear.is_empty() {
        return healthy(format!(
            "Environments are up-to-date, but some environments have non-successful commit statuses: {}.",
            unclear.join(", ")
        ));
    }
    healthy(format!(
        "All environments are up-to-date on commit '{}'. Hydrator has processed dry commit '{}'.",
        short(sha(first.at("active"))),
        short(hydrated(first))
    ))
}

/// Environments whose commit statuses are not all good, by branch.
fn unclear(environments: &[Node<'_>]) -> Vec<String> {
    let mut unclear: Vec<(Node<'_>, String)> = Vec::new();
    for &environment in environments {
        let tally = Tally::of(environment.at("active"));
        if tally.is_clear() {
            continue;
        }
        let branch = environment.at("branch");
        let text = format!(
            "{} ({} failed, {} pending)",
            branch.shown(),
            tally.failed.len(),
            tally.pending.len()
        );
        match unclear.iter_mut().find(|(known, _)| known.same(branch)) {
            Some((_, known)) => *known = text,
            None => unclear.push((branch, text)),
        }
    }
    unclear.into_iter().map(|(_, text)| text).collect()
}

/// The dry commit that was hydrated for an environment: the one in the note, else the proposed one.
fn hydrated(environment: Node<'_>) -> Node<'_> {
    let proposed = environment.at("proposed").if_true();
    let noted = filled(proposed.at("note").if_true().at("drySha"));
    if noted.exists() { noted } else { sha(proposed) }
}
