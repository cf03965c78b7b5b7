//! Gateway API and gateways that report to several parents: Envoy Gateway, Gloo, Contour, Airlock.

use super::{
    Check,
    view::{Judged, Message, Node, View, degraded, healthy, progressing, suspended},
};

pub(super) fn check(group: &str, kind: &str) -> Option<Check> {
    Some(match (group, kind) {
        ("gateway.networking.k8s.io", "BackendTLSPolicy") => tls_policy,
        ("gateway.networking.k8s.io", "GRPCRoute" | "HTTPRoute") => route,
        ("gateway.networking.k8s.io", "TLSRoute") => tls_route,
        ("gateway.networking.k8s.io", "Gateway") => gateway,
        ("gateway.networking.k8s.io", "ListenerSet") => listener_set,
        (
            "gateway.envoyproxy.io",
            "BackendTrafficPolicy"
            | "ClientTrafficPolicy"
            | "EnvoyExtensionPolicy"
            | "EnvoyPatchPolicy"
            | "SecurityPolicy",
        ) => envoy_policy,
        (
            "gateway.solo.io",
            "Gateway"
            | "MatchableHttpGateway"
            | "RouteOption"
            | "RouteTable"
            | "VirtualHostOption"
            | "VirtualService",
        )
        | ("gloo.solo.io", "Proxy" | "Settings" | "Upstream" | "UpstreamGroup") => gloo,
        ("projectcontour.io", "HTTPProxy") => http_proxy,
        _ => return None,
    })
}

/// Whether the generation that the conditions of an entry were made for is the present one, where
/// both are said.
fn is_observed(view: View<'_>, entry: Node<'_>) -> bool {
    let generation = view.at("/metadata/generation");
    if !generation.exists() {
        return true;
    }
    let conditions = entry.at("conditions");
    conditions.exists()
        && conditions.length() > 0
        && conditions.list().into_iter().all(|condition| {
            let observed = condition.at("observedGeneration");
            !observed.exists() || observed.same(generation)
        })
}

/// What a condition that went wrong says, and its kind.
type Failure<'a> = Option<(Node<'a>, &'static str)>;

fn failure<'a>(conditions: &[Node<'a>], kind: &'static str) -> Failure<'a> {
    let mut conditions = conditions.iter();
    let failed = conditions.find(|condition| condition.says(kind, "False"))?;
    Some((failed.message(), kind))
}

fn any_failure<'a>(conditions: &[Node<'a>]) -> Failure<'a> {
    // Both are looked for, whatever the first finds.
    let (unresolved, refused) = (
        failure(conditions, "ResolvedRefs"),
        failure(conditions, "Accepted"),
    );
    unresolved.or(refused)
}

fn unprogrammed<'a>(conditions: &[Node<'a>]) -> Option<Node<'a>> {
    let mut conditions = conditions.iter();
    conditions
        .find(|condition| condition.is("Programmed") && !condition.has("True"))
        .map(|condition| condition.message())
}

fn failed_text(kind: &str) -> String {
    format!("Failed condition: {kind}")
}

fn parent_name(parent: Node<'_>) -> String {
    parent.at("parentRef").need().at("name").shown_or("")
}

fn route(view: View<'_>) -> Judged {
    let parents = view.at("/status/parents").list();
    for &parent in &parents {
        let conditions = parent.at("conditions");
        if !conditions.exists() || !is_observed(view, parent) {
            continue;
        }
        let conditions = conditions.list();
        if let Some((message, kind)) = any_failure(&conditions) {
            let message = message.shown_or(&failed_text(kind));
            return degraded(format!("Parent {}: {message}", parent_name(parent)));
        }
        if let Some(message) = unprogrammed(&conditions) {
            let message = message.shown_or("Route is still being programmed");
            return progressing(format!("Parent {}: {message}", parent_name(parent)));
        }
    }
    let kind = view.object.kind();
    let reported = parents.into_iter().any(|parent| {
        let conditions = parent.at("conditions");
        conditions.exists() && conditions.length() > 0 && is_observed(view, parent)
    });
    if reported {
        healthy(format!("{kind} is healthy"))
    } else {
        progressing(format!("Waiting for {kind} status"))
    }
}

fn tls_route(view: View<'_>) -> Judged {
    let (mut good, mut programming, mut waiting) = (false, None, None);
    for parent in view.at("/status/parents").list() {
        let conditions = parent.at("conditions");
        if !conditions.exists() || conditions.length() == 0 || !is_observed(view, parent) {
            continue;
        }
        let conditions = conditions.list();
        let name = parent.at("parentRef").at("name");
        let name = || {
            if name.exists() {
                name.shown()
            } else {
                String::new()
            }
        };
        let find = |kind: &str| conditions.iter().find(|c| c.is(kind)).copied();
        let (resolved, accepted) = (find("ResolvedRefs"), find("Accepted"));
        let programmed = find("Programmed");
        for (condition, kind) in [(resolved, "ResolvedRefs"), (accepted, "Accepted")] {
            if let Some(condition) = condition.filter(|c| c.has("False")) {
                let message = condition.message();
                let message = if message.exists() && !message.equals("") {
                    message.shown()
                } else {
                    failed_text(kind)
                };
                return degraded(format!("Parent {}: {message}", name()));
            }
        }
        let is_true = |condition: Option<Node<'_>>| condition.is_some_and(|c| c.has("True"));
        if let Some(programmed) = programmed.filter(|c| !c.has("True")) {
            programming.get_or_insert_with(|| {
                let message = programmed
                    .message()
                    .shown_or("Route is still being programmed");
                format!("Parent {}: {message}", name())
            });
        } else if is_true(accepted) && is_true(resolved) {
            good = true;
        } else {
            waiting.get_or_insert_with(|| {
                format!("Parent {}: Waiting for TLSRoute conditions", name())
            });
        }
    }
    match (programming, good, waiting) {
        (Some(message), _, _) => progressing(message),
        (None, true, _) => healthy("TLSRoute is healthy"),
        (None, false, Some(message)) => progressing(message),
        (None, false, None) => progressing("Waiting for TLSRoute status"),
    }
}

fn gateway(view: View<'_>) -> Judged {
    let conditions = view.conditions();
    if let Some((message, kind)) = any_failure(&conditions) {
        return degraded(Message::or(message, &failed_text(kind)));
    }
    if let Some(message) = unprogrammed(&conditions) {
        return progressing(Message::or(message, "Gateway is still being programmed"));
    }
    let listeners = view.at("/status/listeners").list();
    for listener in &listeners {
        let conditions = listener.at("conditions").list();
        if let Some((message, kind)) = any_failure(&conditions) {
            let message = message.shown_or(&failed_text(kind));
            return degraded(format!("Listener: {message}"));
        }
        if let Some(message) = unprogrammed(&conditions) {
            let message = message.shown_or("Listener is still being programmed");
            return progressing(format!("Listener: {message}"));
        }
    }
    if view.has("/status/conditions") || !listeners.is_empty() {
        healthy("Gateway is healthy")
    } else {
        progressing("Waiting for Gateway status")
    }
}

fn listener_set(view: View<'_>) -> Judged {
    let waiting = "Waiting for ListenerSet status";
    if !view.has("/status") {
        return progressing(waiting);
    }
    let generation = view.at("/metadata/generation");
    let conditions = view.need("/status/conditions").list();
    let stale = |condition: &Node<'_>| {
        let observed = condition.at("observedGeneration");
        observed.exists() && !observed.same(generation)
    };
    if generation.exists() && conditions.iter().any(stale) {
        return progressing(waiting);
    }
    let mut programming = None;
    for condition in conditions {
        if condition.says("Accepted", "False") {
            // There is no other text.
            return degraded(condition.message().if_true().need());
        }
        if condition.is("Programmed") && !condition.has("True") {
            programming = Some(condition.message());
        }
    }
    if let Some(message) = programming {
        return progressing(Message::or(
            message,
            "ListenerSet is still being programmed",
        ));
    }
    let listeners = view.at("/status/listeners");
    if !listeners.exists() || listeners.length() == 0 {
        return progressing(waiting);
    }
    for listener in listeners.list() {
        let mut programming = None;
        for condition in listener.at("conditions").list() {
            let message = condition.message();
            if condition.says("ResolvedRefs", "False") || condition.says("Accepted", "False") {
                return degraded(format!("Listener: {}", message.if_true().shown()));
            }
            if condition.says("Conflicted", "True") {
                let message = message.shown_or("Listener is conflicted");
                return degraded(format!("Listener: {message}"));
            }
            if condition.is("Programmed") && !condition.has("True") {
                let message = message.shown_or("Listener is still being programmed");
                programming = Some(format!("Listener: {message}"));
            }
        }
        if let Some(message) = programming {
            return progressing(message);
        }
    }
    healthy("ListenerSet is healthy")
}

fn ancestor_name(ancestor: Node<'_>) -> String {
    ancestor.at("ancestorRef").need().at("name").shown_or("")
}

fn ancestor_conditions(ancestor: Node<'_>) -> Vec<Node<'_>> {
    ancestor.at("conditions").need().list()
}

fn tls_policy(view: View<'_>) -> Judged {
    let ancestors = view.at("/status/ancestors").list();
    let generation = view.at("/metadata/generation");
    if generation.exists() {
        for &ancestor in &ancestors {
            let stale = ancestor_conditions(ancestor).into_iter().any(|condition| {
                let observed = condition.at("observedGeneration");
                observed.exists() && !observed.same(generation)
            });
            if stale {
                return progressing(format!(
                    "Waiting for Ancestor {} to update BackendTLSPolicy status",
                    ancestor_name(ancestor)
                ));
            }
        }
    }
    let mut accepted = false;
    for ancestor in ancestors {
        for condition in ancestor_conditions(ancestor) {
            let counts = condition.is("Accepted") || condition.is("ResolvedRefs");
            if counts && !condition.has("True") {
                let (name, message) = (ancestor_name(ancestor), condition.message().shown());
                return degraded(format!("Ancestor {name}: {message}"));
            }
            accepted |= condition.is("Accepted");
        }
    }
    if accepted {
        healthy("BackendTLSPolicy is healthy")
    } else {
        progressing("Waiting for BackendTLSPolicy status")
    }
}

pub(super) fn airlock(view: View<'_>) -> Judged {
    let kind = view.object.kind();
    if !kind.ends_with("Policy") {
        return healthy(format!("{kind} is healthy"));
    }
    let ancestors = view.at("/status/ancestors").list();
    let generation = view.at("/metadata/generation");
    if generation.exists() {
        for &ancestor in &ancestors {
            let stale = ancestor_conditions(ancestor)
                .into_iter()
                .any(|condition| !condition.at("observedGeneration").same(generation));
            if stale {
                return progressing(format!(
                    "Waiting for Ancestor {} to update {kind} status",
                    ancestor_name(ancestor)
                ));
            }
        }
    }
    let mut verdict = progressing(format!("Waiting for {kind} status"));
    for ancestor in ancestors {
        let mut accepted = false;
        for condition in ancestor_conditions(ancestor) {
            let counts = condition.is("Accepted") || condition.is("ResolvedRefs");
            if counts && !condition.has("True") {
                let (name, message) = (ancestor_name(ancestor), condition.message().shown());
                return degraded(format!("Ancestor {name}: {message}"));
            }
            if condition.is("Accepted") {
                accepted = true;
                verdict = healthy(format!("{kind} is healthy"));
            }
        }
        if !accepted {
            let name = ancestor_name(ancestor);
            verdict = degraded(format!("Ancestor {name}: {kind} is not accepted"));
        }
    }
    verdict
}

fn envoy_policy(view: View<'_>) -> Judged {
    let kind = view.object.kind();
    let ancestors = view.at("/status/ancestors").list();
    for &ancestor in &ancestors {
        let conditions = ancestor.at("conditions");
        if !conditions.exists() || !is_observed(view, ancestor) {
            continue;
        }
        for condition in conditions.list() {
            if condition.says("Accepted", "False") {
                return degraded(condition.message());
            }
        }
    }
    let reported = ancestors.into_iter().any(|ancestor| {
        let conditions = ancestor.at("conditions");
        conditions.exists() && conditions.length() > 0 && is_observed(view, ancestor)
    });
    if reported {
        healthy(format!("{kind} is healthy"))
    } else {
        progressing(format!("Waiting for {kind} status"))
    }
}

/// Namespaces are asked in the order of their names.
fn gloo(view: View<'_>) -> Judged {
    for status in view.at("/status/statuses").values() {
        if let Some(verdict) = gloo_state(status) {
            return verdict;
        }
    }
    gloo_state(view.at("/status")).unwrap_or_else(|| progressing("Update in progress"))
}

fn gloo_state(status: Node<'_>) -> Option<Judged> {
    let state = status.at("state");
    let is = |name: &str, number: f64| state.equals(name) || state.number() == Some(number);
    if is("Accepted", 1.0) {
        Some(healthy("The resource has been validated"))
    } else if is("Warning", 3.0) || is("Rejected", 2.0) {
        Some(degraded(status.at("reason")))
    } else if is("Pending", 0.0) {
        Some(suspended("The resource has not yet been validated"))
    } else {
        None
    }
}

fn http_proxy(view: View<'_>) -> Judged {
    let description = view.at("/status").if_true().at("description");
    let conditions = view.at("/status").if_true().at("conditions");
    if !conditions.truth() {
        return if view.at("/status").if_true().at("currentStatus").truth() {
            progressing(description)
        } else {
            progressing("Waiting for status")
        };
    }
    let mut verdict = progressing("Waiting for status");
    let generation = view.at("/metadata/generation");
    for condition in conditions.list() {
        if !condition.at("observedGeneration").same(generation) {
            continue;
        }
        if condition.says("Valid", "True") {
            return healthy(description);
        }
        if view.need("/spec").at("includes").exists() && condition.has("False") {
            verdict = healthy("HTTPProxy inclusions cannot be health checked");
        } else if condition.says("Valid", "False") {
            return degraded(description);
        }
    }
    verdict
}
