//! Autoscalers, disruption budgets and API services.

use gitops_core::{GroupKind, Manifest, ObjectId};
use serde_json::{Value, json};

use super::{CONTROLLER, generation, is_ready, number, status_of};
use crate::embedded::{
    definitions::set_condition, selector::Selector, server::Server, status::ApiError,
};

impl Server {
    pub(super) fn simulate_autoscaler(
        &mut self,
        id: &ObjectId,
        scaler: &Manifest,
    ) -> Result<(), ApiError> {
        let text = |pointer: &str| {
            scaler
                .pointer(pointer)
                .and_then(Value::as_str)
                .unwrap_or_default()
        };
        let api_version = text("/spec/scaleTargetRef/apiVersion");
        let group = api_version.split_once('/').map_or("", |(group, _)| group);
        let target = ObjectId {
            group: group.to_owned(),
            kind: text("/spec/scaleTargetRef/kind").to_owned(),
            namespace: id.namespace.clone(),
            name: text("/spec/scaleTargetRef/name").to_owned(),
        };
        let (min, max) = (
            number(scaler, "/spec/minReplicas", 1),
            number(scaler, "/spec/maxReplicas", 1),
        );
        let current = self
            .stored(&target)
            .map(|target| number(target, "/spec/replicas", 1));
        let Some(current) = current else {
            let now = self.now_text();
            let message = format!(
                "the HPA controller was unable to get the target's current scale: {}s.{} \"{}\" not found",
                target.kind.to_lowercase(),
                target.group,
                target.name
            );
            return self.control(id, CONTROLLER, "status", |scaler| {
                let status = status_of(scaler);
                set_condition(
                    status,
                    "AbleToScale",
                    ("False", "FailedGetScale", message),
                    &now,
                );
            });
        };
        let wanted = current.clamp(min, max);
        if wanted != current && current != 0 {
            self.control(&target, CONTROLLER, "", |target| {
                if let Some(spec) = target
                    .as_map_mut()
                    .get_mut("spec")
                    .and_then(Value::as_object_mut)
                {
                    spec.insert("replicas".to_owned(), wanted.into());
                }
            })?;
        }
        let now = self.now_text();
        self.control(id, CONTROLLER, "status", |scaler| {
            let is_detailed = scaler.version() != "v1";
            let metrics = scaler
                .pointer("/spec/metrics")
                .and_then(Value::as_array)
                .cloned()
                .unwrap_or_default();
            let status = status_of(scaler);
            status.insert("currentReplicas".to_owned(), current.into());
            status.insert("desiredReplicas".to_owned(), wanted.into());
            if !is_detailed {
                return;
            }
            set_condition(
                status,
                "AbleToScale",
                (
                    "True",
                    "ReadyForNewScale",
                    "recommended size matches current size".to_owned(),
                ),
                &now,
            );
            set_condition(
                status,
                "ScalingActive",
                (
                    "True",
                    "ValidMetricFound",
                    "the HPA was able to successfully calculate a replica count".to_owned(),
                ),
                &now,
            );
            set_condition(
                status,
                "ScalingLimited",
                (
                    "False",
                    "DesiredWithinRange",
                    "the desired count is within the acceptable range".to_owned(),
                ),
                &now,
            );
            let current: Vec<Value> = metrics
                .iter()
                .filter_map(|metric| {
                    let name = metric.get("resource")?.get("name")?;
                    Some(json!({"type": "Resource", "resource": {
                        "name": name, "current": {"averageUtilization": 1, "averageValue": "1m"},
                    }}))
                })
                .collect();
            if current.is_empty() {
                status.insert("currentMetrics".to_owned(), Value::Null);
            } else {
                status.insert("currentMetrics".to_owned(), Value::Array(current));
            }
        })
    }

    pub(super) fn simulate_budget(
        &mut self,
        id: &ObjectId,
        budget: &Manifest,
    ) -> Result<(), ApiError> {
        let selector = budget
            .pointer("/spec/selector")
            .and_then(Selector::from_object);
        let pods: Vec<&Manifest> = self
            .store
            .list(&GroupKind::new("", "Pod"), Some(&id.namespace))
            .filter(|pod| selector.as_ref().is_some_and(|s| s.matches(pod)))
            .collect();
        let expected = pods.len() as i64;
        let healthy = pods.iter().filter(|pod| is_ready(pod)).count() as i64;
        let share = |value: &Value| match value {
            Value::Number(number) => number.as_i64().unwrap_or(0),
            Value::String(text) => {
                let percent: i64 = text.trim_end_matches('%').parse().unwrap_or(0);
                (expected * percent + 99) / 100
            }
            _ => 0,
        };
        let desired = match (
            budget.pointer("/spec/minAvailable"),
            budget.pointer("/spec/maxUnavailable"),
        ) {
            (Some(min), _) if !min.is_null() => share(min),
            (_, Some(max)) if !max.is_null() => (expected - share(max)).max(0),
            _ => 0,
        };
        let allowed = if healthy > desired {
            healthy - desired
        } else {
            0
        };
        let observed = generation(budget);
        let (now, minor) = (self.now_text(), self.minor);
        self.control(id, CONTROLLER, "status", |budget| {
            let status = status_of(budget);
            for (key, count) in [
                ("currentHealthy", healthy),
                ("desiredHealthy", desired),
                ("disruptionsAllowed", allowed),
                ("expectedPods", expected),
                ("observedGeneration", observed),
            ] {
                status.insert(key.to_owned(), count.into());
            }
            if minor >= 20 {
                let condition = if allowed > 0 {
                    ("True", "SufficientPods", String::new())
                } else {
                    ("False", "InsufficientPods", String::new())
                };
                set_condition(status, "DisruptionAllowed", condition, &now);
            }
        })
    }

    pub(super) fn simulate_api_service(
        &mut self,
        id: &ObjectId,
        service: &Manifest,
    ) -> Result<(), ApiError> {
        let is_local = service.pointer("/spec/service").is_none_or(Value::is_null);
        let now = self.now_text();
        self.control(id, "kube-apiserver", "status", |service| {
            let (reason, message) = if is_local {
                ("Local", "Local APIServices are always available")
            } else {
                ("Passed", "all checks passed")
            };
            set_condition(
                status_of(service),
                "Available",
                ("True", reason, message.to_owned()),
                &now,
            );
        })
    }
}
