//! Jobs.

use std::time::Duration;

use gitops_core::{Manifest, ObjectId, clock::Timestamp, cluster::Propagation};
use serde_json::{Value, json};

use super::{CONTROLLER, PodName, after, is_ready, number, phase, set_count, status_of};
use crate::embedded::{definitions::set_condition, server::Server, status::ApiError};

impl Server {
    pub(super) fn simulate_job(&mut self, id: &ObjectId, job: &Manifest) -> Result<(), ApiError> {
        if job.is_terminating() {
            return Ok(());
        }
        if let Some(finished) = finished_at(job) {
            return self.expire_job(id, job, finished);
        }
        let now = self.now();
        let is_suspended = job.pointer("/spec/suspend").and_then(Value::as_bool) == Some(true);
        let parallelism = number(job, "/spec/parallelism", 1);
        let completions = number(job, "/spec/completions", parallelism.min(1));
        let limit = number(job, "/spec/backoffLimit", 6);
        let pods = self.pods_of(job);
        let count = |wanted: &str| pods.iter().filter(|pod| phase(pod) == wanted).count() as i64;
        let (succeeded, failed) = (count("Succeeded"), count("Failed"));
        let active = pods.len() as i64 - succeeded - failed;
        let started: Timestamp = job
            .pointer("/status/startTime")
            .and_then(Value::as_str)
            .and_then(|text| text.parse().ok())
            .unwrap_or(now);
        let deadline = job
            .pointer("/spec/activeDeadlineSeconds")
            .and_then(Value::as_u64)
            .map(|seconds| after(started, Duration::from_secs(seconds)));
        let outcome = if is_suspended {
            None
        } else if succeeded >= completions {
            Some(Outcome::Complete)
        } else if failed > limit {
            Some(Outcome::Failed(
                "BackoffLimitExceeded",
                "Job has reached the specified backoff limit",
            ))
        } else if deadline.is_some_and(|deadline| deadline <= now) {
            Some(Outcome::Failed(
                "DeadlineExceeded",
                "Job was active longer than specified deadline",
            ))
        } else {
            None
        };
        if is_suspended || matches!(outcome, Some(Outcome::Failed(..))) {
            for pod in pods
                .iter()
                .filter(|pod| !matches!(phase(pod), "Succeeded" | "Failed"))
            {
                self.control_delete(&pod.id(), Propagation::Background)?;
            }
        } else if outcome.is_none() {
            let wanted = parallelism.min(completions - succeeded);
            let prefix = format!("{}-", id.name);
            for _ in active..wanted {
                self.make_pod(job, PodName::Prefix(&prefix), |_| {})?;
            }
            if let Some(deadline) = deadline {
                self.simulate_at(deadline, id);
            }
        }
        let pods = self.pods_of(job);
        let active = pods
            .iter()
            .filter(|pod| !matches!(phase(pod), "Succeeded" | "Failed"))
            .count() as i64;
        let ready = pods.iter().filter(|pod| is_ready(pod)).count() as i64;
        let now = self.now_text();
        let minor = self.minor;
        self.control(id, CONTROLLER, "status", |job| {
            let status = status_of(job);
            if is_suspended {
                status.remove("startTime");
                set_condition(
                    status,
                    "Suspended",
                    ("True", "JobSuspended", "Job suspended".to_owned()),
                    &now,
                );
            } else {
                status
                    .entry("startTime")
                    .or_insert_with(|| now.clone().into());
                let was_suspended = status
                    .get("conditions")
                    .and_then(Value::as_array)
                    .is_some_and(|c| !c.is_empty());
                if was_suspended && outcome.is_none() {
                    set_condition(
                        status,
                        "Suspended",
                        ("False", "JobResumed", "Job resumed".to_owned()),
                        &now,
                    );
                }
            }
            set_count(status, "active", active);
            set_count(status, "succeeded", succeeded);
            set_count(status, "failed", failed);
            if minor >= 24 {
                status.insert("ready".to_owned(), ready.into());
            }
            if minor >= 26 {
                status.insert("uncountedTerminatedPods".to_owned(), json!({}));
            }
            match outcome {
                Some(Outcome::Complete) => {
                    status.insert("completionTime".to_owned(), now.clone().into());
                    let reached = "Reached expected number of succeeded pods";
                    let (reason, message) = if minor >= 32 {
                        ("CompletionsReached", reached)
                    } else {
                        ("", "")
                    };
                    if minor >= 31 {
                        set_condition(
                            status,
                            "SuccessCriteriaMet",
                            ("True", reason, message.to_owned()),
                            &now,
                        );
                    }
                    set_condition(
                        status,
                        "Complete",
                        ("True", reason, message.to_owned()),
                        &now,
                    );
                }
                Some(Outcome::Failed(reason, message)) => {
                    if minor >= 31 {
                        set_condition(
                            status,
                            "FailureTarget",
                            ("True", reason, message.to_owned()),
                            &now,
                        );
                    }
                    set_condition(status, "Failed", ("True", reason, message.to_owned()), &now);
                }
                None => {}
            }
            for condition in status
                .get_mut("conditions")
                .and_then(Value::as_array_mut)
                .into_iter()
                .flatten()
            {
                if let Some(condition) = condition.as_object_mut() {
                    condition.retain(|key, value| {
                        !(matches!(key.as_str(), "reason" | "message") && value == "")
                    });
                    condition
                        .entry("lastProbeTime")
                        .or_insert_with(|| now.clone().into());
                }
            }
        })
    }

    /// Deletes a finished job when its time is over.
    fn expire_job(
        &mut self,
        id: &ObjectId,
        job: &Manifest,
        finished: Timestamp,
    ) -> Result<(), ApiError> {
        let Some(keep) = job
            .pointer("/spec/ttlSecondsAfterFinished")
            .and_then(Value::as_u64)
        else {
            return Ok(());
        };
        let due = after(finished, Duration::from_secs(keep));
        if due <= self.now() {
            return self.control_delete(id, Propagation::Background);
        }
        self.simulate_at(due, id);
        Ok(())
    }
}

#[derive(Clone, Copy)]
enum Outcome {
    Complete,
    Failed(&'static str, &'static str),
}

fn finished_at(job: &Manifest) -> Option<Timestamp> {
    let conditions = job.pointer("/status/conditions")?.as_array()?;
    let text = |condition: &Value, key: &str| {
        condition
            .get(key)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    conditions
        .iter()
        .find(|c| {
            matches!(text(c, "type").as_str(), "Complete" | "Failed") && text(c, "status") == "True"
        })
        .and_then(|c| text(c, "lastTransitionTime").parse().ok())
}
