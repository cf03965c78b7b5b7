//! Gateway API and gateways that report to several parents: Envoy Gateway, Gloo, Contour, Airlock.

use serde_json::Value;

use super::{
    Check,
    view::{Cond, Judged, View, degraded, healthy, is_observed, progressing, suspended},
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

fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value
        .get(key)
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
}

fn failure<'a>(conditions: &'a [Value], kind: &str) -> Option<String> {
    let failed = conditions
        .iter()
        .map(Cond)
        .find(|condition: &Cond<'a>| condition.says(kind, "False"))?;
    Some(
        failed
            .get("message")
            .map_or_else(|| format!("Failed condition: {kind}"), ToOwned::to_owned),
    )
}

/// References that do not resolve, then what is not accepted.
fn any_failure(conditions: &[Value]) -> Option<String> {
    failure(conditions, "ResolvedRefs").or_else(|| failure(conditions, "Accepted"))
}

fn unprogrammed<'a>(conditions: &'a [Value], default: &'a str) -> Option<&'a str> {
    conditions
        .iter()
        .map(Cond)
        .find(|condition| condition.is("Programmed") && !condition.has("True"))
        .map(|condition| condition.message_or(default))
}

fn route(view: View<'_>) -> Judged {
    let parents = view.list("/status/parents")?;
    for parent in parents {
        let conditions = list(parent, "conditions");
        if parent.get("conditions").is_none() || !is_observed(view, conditions) {
            continue;
        }
        let name = parent
            .pointer("/parentRef/name")
            .and_then(Value::as_str)
            .unwrap_or_default();
        if let Some(message) = any_failure(conditions) {
            return degraded(format!("Parent {name}: {message}"));
        }
        if let Some(message) = unprogrammed(conditions, "Route is still being programmed") {
            return progressing(format!("Parent {name}: {message}"));
        }
    }
    let kind = view.object.kind();
    let reported = parents.iter().any(|parent| {
        let conditions = list(parent, "conditions");
        !conditions.is_empty() && is_observed(view, conditions)
    });
    if reported {
        healthy(format!("{kind} is healthy"))
    } else {
        progressing(format!("Waiting for {kind} status"))
    }
}

fn tls_route(view: View<'_>) -> Judged {
    let (mut good, mut programming, mut waiting) = (false, None, None);
    for parent in view.list("/status/parents")? {
        let conditions = list(parent, "conditions");
        if conditions.is_empty() || !is_observed(view, conditions) {
            continue;
        }
        let name = parent
            .pointer("/parentRef/name")
            .and_then(Value::as_str)
            .unwrap_or_default();
        let find = |kind: &str| conditions.iter().map(Cond).find(|c| c.is(kind));
        let (resolved, accepted) = (find("ResolvedRefs"), find("Accepted"));
        for (condition, kind) in [(resolved, "ResolvedRefs"), (accepted, "Accepted")] {
            if let Some(condition) = condition.filter(|c| c.has("False")) {
                let message = match condition.message() {
                    "" => format!("Failed condition: {kind}"),
                    message => message.to_owned(),
                };
                return degraded(format!("Parent {name}: {message}"));
            }
        }
        let is_true = |condition: Option<Cond<'_>>| condition.is_some_and(|c| c.has("True"));
        if let Some(programmed) = find("Programmed").filter(|c| !c.has("True")) {
            let message = programmed.message_or("Route is still being programmed");
            programming.get_or_insert_with(|| format!("Parent {name}: {message}"));
        } else if is_true(accepted) && is_true(resolved) {
            good = true;
        } else {
            waiting
                .get_or_insert_with(|| format!("Parent {name}: Waiting for TLSRoute conditions"));
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
    let conditions = view.list("/status/conditions")?;
    if let Some(message) = any_failure(conditions) {
        return degraded(message);
    }
    if let Some(message) = unprogrammed(conditions, "Gateway is still being programmed") {
        return progressing(message);
    }
    let listeners = view.list("/status/listeners")?;
    for listener in listeners {
        let conditions = list(listener, "conditions");
        if let Some(message) = any_failure(conditions) {
            return degraded(format!("Listener: {message}"));
        }
        if let Some(message) = unprogrammed(conditions, "Listener is still being programmed") {
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
    view.need("/status/conditions")?;
    let conditions = view.list("/status/conditions")?;
    if !conditions.is_empty() && !is_observed(view, conditions) {
        return progressing(waiting);
    }
    let mut programming = None;
    for condition in conditions.iter().map(Cond) {
        if condition.says("Accepted", "False") {
            return degraded(condition.need(view, "message")?);
        }
        if condition.is("Programmed") && !condition.has("True") {
            programming = Some(condition.message_or("ListenerSet is still being programmed"));
        }
    }
    if let Some(message) = programming {
        return progressing(message);
    }
    let listeners = view.list("/status/listeners")?;
    for listener in listeners {
        let mut programming = None;
        for condition in list(listener, "conditions").iter().map(Cond) {
            let message = condition.get("message");
            if condition.says("ResolvedRefs", "False") || condition.says("Accepted", "False") {
                return degraded(format!("Listener: {}", condition.need(view, "message")?));
            }
            if condition.says("Conflicted", "True") {
                let message = message.unwrap_or("Listener is conflicted");
                return degraded(format!("Listener: {message}"));
            }
            if condition.is("Programmed") && !condition.has("True") {
                let message = message.unwrap_or("Listener is still being programmed");
                programming = Some(format!("Listener: {message}"));
            }
        }
        if let Some(message) = programming {
            return progressing(message);
        }
    }
    if listeners.is_empty() {
        progressing(waiting)
    } else {
        healthy("ListenerSet is healthy")
    }
}

fn ancestor_name(ancestor: &Value) -> &str {
    ancestor
        .pointer("/ancestorRef/name")
        .and_then(Value::as_str)
        .unwrap_or_default()
}

fn tls_policy(view: View<'_>) -> Judged {
    let ancestors = view.list("/status/ancestors")?;
    if let Some(generation) = view.at("/metadata/generation") {
        for ancestor in ancestors {
            let stale = list(ancestor, "conditions").iter().any(|condition| {
                condition
                    .get("observedGeneration")
                    .is_some_and(|observed| !observed.is_null() && observed != generation)
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
        for condition in list(ancestor, "conditions").iter().map(Cond) {
            let counts = condition.is("Accepted") || condition.is("ResolvedRefs");
            if counts && !condition.has("True") {
                let message = condition.need(view, "message")?;
                return degraded(format!("Ancestor {}: {message}", ancestor_name(ancestor)));
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
    let ancestors = view.list("/status/ancestors")?;
    if let Some(generation) = view.at("/metadata/generation") {
        for ancestor in ancestors {
            let stale = list(ancestor, "conditions")
                .iter()
                .any(|condition| condition.get("observedGeneration") != Some(generation));
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
        let name = ancestor_name(ancestor);
        let mut accepted = false;
        for condition in list(ancestor, "conditions").iter().map(Cond) {
            let counts = condition.is("Accepted") || condition.is("ResolvedRefs");
            if counts && !condition.has("True") {
                let message = condition.need(view, "message")?;
                return degraded(format!("Ancestor {name}: {message}"));
            }
            if condition.is("Accepted") {
                accepted = true;
                verdict = healthy(format!("{kind} is healthy"));
            }
        }
        if !accepted {
            verdict = degraded(format!("Ancestor {name}: {kind} is not accepted"));
        }
    }
    verdict
}

fn envoy_policy(view: View<'_>) -> Judged {
    let kind = view.object.kind();
    let ancestors = view.list("/status/ancestors")?;
    let observed = |ancestor: &&Value| {
        ancestor.get("conditions").is_some() && is_observed(view, list(ancestor, "conditions"))
    };
    for ancestor in ancestors.iter().filter(observed) {
        for condition in list(ancestor, "conditions").iter().map(Cond) {
            if condition.says("Accepted", "False") {
                return degraded(condition.message());
            }
        }
    }
    let reported = ancestors
        .iter()
        .filter(observed)
        .any(|ancestor| !list(ancestor, "conditions").is_empty());
    if reported {
        healthy(format!("{kind} is healthy"))
    } else {
        progressing(format!("Waiting for {kind} status"))
    }
}

fn gloo(view: View<'_>) -> Judged {
    let by_state = |status: &Value| {
        let state = &status["state"];
        let is = |name: &str, number: i64| *state == name || *state == number;
        let reason = status["reason"].as_str().unwrap_or_default();
        if is("Accepted", 1) {
            Some(healthy("The resource has been validated"))
        } else if is("Warning", 3) || is("Rejected", 2) {
            Some(degraded(reason))
        } else if is("Pending", 0) {
            Some(suspended("The resource has not yet been validated"))
        } else {
            None
        }
    };
    let statuses: Vec<&Value> = match view.at("/status/statuses") {
        Some(Value::Object(map)) => {
            // Namespaces in the order of their names.
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_by_key(|(name, _)| name.as_str());
            entries.into_iter().map(|(_, status)| status).collect()
        }
        Some(Value::Array(list)) => list.iter().collect(),
        _ => Vec::new(),
    };
    statuses
        .into_iter()
        .find_map(by_state)
        .or_else(|| view.at("/status").and_then(by_state))
        .unwrap_or_else(|| progressing("Update in progress"))
}

fn http_proxy(view: View<'_>) -> Judged {
    let description = view.text("/status/description").unwrap_or_default();
    if !view.truth("/status/conditions") {
        return progressing(if view.truth("/status/currentStatus") {
            description
        } else {
            "Waiting for status"
        });
    }
    let mut verdict = progressing("Waiting for status");
    let generation = view.at("/metadata/generation");
    for condition in view.conditions()? {
        if condition.0.get("observedGeneration") != generation {
            continue;
        }
        if condition.says("Valid", "True") {
            return healthy(description);
        }
        if view.has("/spec/includes") && condition.has("False") {
            verdict = healthy("HTTPProxy inclusions cannot be health checked");
        } else if condition.says("Valid", "False") {
            return degraded(description);
        }
    }
    verdict
}
