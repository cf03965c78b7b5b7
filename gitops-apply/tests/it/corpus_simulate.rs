//! Whole syncs step by step against gitops-engine, on the fake cluster that the family's README
//! describes.

use std::collections::BTreeMap;

use gitops_apply::{
    execute::{
        Action, Completion, Machine, MachineOptions, Observation, Operation, Progress, Refusal,
        RequestKind, Sent, SyncTask, TaskStatus, key,
    },
    health::ArgoHealth,
    hooks::{self, Task},
};
use gitops_core::{
    Manifest, ObjectId,
    app::OperationPhase,
    clock::Timestamp,
    plan::{Delivery, Method, Preflight},
};
use serde_json::{Value, json};

use crate::{
    corpus::{Score, cases, equal, root},
    corpus_hooks::{is_namespaced, manifests_of, task_options},
};

#[test]
fn corpus_hook_simulation() {
    let Some(cases) = root().and_then(|root| cases(&root.join("hooks/simulate.jsonl"))) else {
        return;
    };
    let mut score = Score::of("hooks simulate");
    for case in cases {
        let id = case["id"].as_str().unwrap_or_default();
        score.case(id, simulate(&case));
    }
    score.finish();
}

const MAX_STEPS: usize = 30;

struct FakeCluster {
    outcomes: BTreeMap<String, String>,
    objects: BTreeMap<ObjectId, (Manifest, u32)>,
    calls: Vec<(String, String, String)>,
    dry_runs: usize,
}

impl FakeCluster {
    /// What becomes of an object. Names of generated hooks match by prefix.
    fn outcome(&self, name: &str) -> &str {
        self.outcomes
            .get(name)
            .or_else(|| {
                self.outcomes
                    .iter()
                    .find_map(|(key, value)| name.starts_with(key.as_str()).then_some(value))
            })
            .map_or("ok", String::as_str)
    }

    fn send(&mut self, request: &gitops_apply::execute::Request) -> Completion {
        let refuse = |message: &str| {
            Err(Refusal {
                message: message.to_owned(),
                not_found: message == "not found",
            })
        };
        let mut call = |op: &str, kind: &str, name: &str| {
            self.calls
                .push((op.to_owned(), kind.to_owned(), name.to_owned()));
        };
        let outcome = match &request.kind {
            RequestKind::DryRun { object, .. } => {
                self.dry_runs += 1;
                if self.outcome(object.name()) == "dryrun-error" {
                    refuse("dry run refused")
                } else {
                    Ok(Sent::default())
                }
            }
            RequestKind::Write {
                object, delivery, ..
            } => {
                let op = match delivery.method {
                    Method::Create => "create",
                    Method::Replace => "replace",
                    _ => "apply",
                };
                call(op, object.kind(), object.name());
                if self.outcome(object.name()) == "apply-error" {
                    refuse("apply refused")
                } else {
                    let id = object.id();
                    let mut object = object.clone();
                    if object.kind() == "Pod" {
                        let status = json!({"phase": "Pending"});
                        object.as_map_mut().insert("status".into(), status);
                    }
                    self.objects.insert(id, (object.clone(), 0));
                    Ok(Sent {
                        message: format!("{} applied", object.name()),
                        object: None,
                    })
                }
            }
            RequestKind::Prune { object } | RequestKind::DeleteHook { object } => {
                let op = match request.kind {
                    RequestKind::Prune { .. } => "prune",
                    _ => "delete-hook",
                };
                call(op, &object.gvk.kind, &object.name);
                match self.objects.get_mut(&object.id()) {
                    None => refuse("not found"),
                    Some((live, _)) if live.finalizers().next().is_some() => {
                        live.metadata_mut()
                            .insert("deletionTimestamp".into(), json!("2024-01-01T00:00:00Z"));
                        Ok(Sent::default())
                    }
                    Some(_) => {
                        self.objects.remove(&object.id());
                        Ok(Sent::default())
                    }
                }
            }
            RequestKind::RemoveFinalizer { object } => {
                call("remove-finalizer", object.kind(), object.name());
                match self.objects.get_mut(&object.id()) {
                    None => refuse("not found"),
                    Some((live, _)) => {
                        let rest: Vec<Value> = live
                            .finalizers()
                            .filter(|name| *name != hooks::HOOK_FINALIZER)
                            .map(Value::from)
                            .collect();
                        live.metadata_mut().insert("finalizers".into(), json!(rest));
                        if rest.is_empty() {
                            live.metadata_mut().remove("finalizers");
                            if live.is_terminating() {
                                self.objects.remove(&object.id());
                            }
                        }
                        Ok(Sent::default())
                    }
                }
            }
            other => panic!("unknown request {other:?}"),
        };
        Completion {
            task: request.task,
            outcome,
        }
    }

    /// One step has passed.
    fn tick(&mut self) {
        let ids: Vec<ObjectId> = self.objects.keys().cloned().collect();
        for id in ids {
            let outcome = self.outcome(&id.name).to_owned();
            let Some((object, age)) = self.objects.get_mut(&id) else {
                continue;
            };
            if object.is_terminating() {
                continue;
            }
            *age += 1;
            if outcome == "vanish" && *age == 1 {
                self.objects.remove(&id);
                continue;
            }
            let ready_at = match outcome.split_once(':') {
                Some(("slow", ticks)) => 1 + ticks.parse::<u32>().expect("ticks"),
                _ => 1,
            };
            let status = match outcome.as_str() {
                "stuck" => None,
                "fail" if *age >= 1 => Some(false),
                _ if *age >= ready_at => Some(true),
                _ => None,
            };
            if let Some(good) = status {
                set_status(object, good);
            }
        }
    }
}

fn set_status(object: &mut Manifest, good: bool) {
    let status = match (object.kind(), good) {
        ("Job", true) => {
            json!({"conditions": [{"type": "Complete", "status": "True", "message": "done"}]})
        }
        ("Job", false) => {
            json!({"conditions": [{"type": "Failed", "status": "True", "message": "job failed"}]})
        }
        ("Pod", true) => json!({"phase": "Succeeded"}),
        ("Pod", false) => json!({"phase": "Failed", "message": "pod failed"}),
        ("Deployment", true) => {
            json!({"replicas": 1, "updatedReplicas": 1, "availableReplicas": 1, "readyReplicas": 1})
        }
        ("Deployment", false) => json!({"conditions": [
            {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"},
        ]}),
        _ => return,
    };
    object.as_map_mut().insert("status".into(), status);
}

fn sync_task(task: &Task, options: &Value) -> SyncTask {
    let object = task.object();
    let option = |name: &str| {
        [&task.target, &task.live]
            .into_iter()
            .flatten()
            .find_map(|object| hooks::sync_option(object, name))
    };
    let operation = if task.is_prune() {
        if options["noPrune"] == json!(true) {
            Operation::KeepUndeclared("ignored (requires pruning)".into())
        } else if option("Prune") == Some("false") {
            Operation::KeepUndeclared("ignored (no prune)".into())
        } else {
            Operation::Prune
        }
    } else {
        let method = match (option("Replace") == Some("true"), &task.live) {
            (false, _) => Method::Apply,
            (true, None) => Method::Create,
            (true, Some(_)) => Method::Replace,
        };
        Operation::Write {
            delivery: Delivery {
                method,
                ..Delivery::default()
            },
            recreate: false,
        }
    };
    let mut target = task.target.clone();
    if let Some(target) = &mut target {
        target.set_namespace(&task.namespace);
    }
    SyncTask {
        phase: task.phase,
        wave: task.wave,
        stage: 0,
        operation,
        object: target.as_ref().unwrap_or(object).object_ref(),
        target,
        hook: task.is_hook().then(|| hooks::delete_policies(object)),
        skip_dry_run: false,
    }
}

fn simulate(case: &Value) -> Result<(), String> {
    let manifests = manifests_of(&case["manifests"])?;
    let mut live = manifests_of(&case["live"])?;
    for object in &mut live {
        set_status(object, true);
    }
    let mut cluster = FakeCluster {
        outcomes: case["outcomes"]
            .as_object()
            .into_iter()
            .flatten()
            .map(|(name, outcome)| (name.clone(), outcome.as_str().unwrap_or("ok").to_owned()))
            .collect(),
        objects: live
            .into_iter()
            .map(|object| (object.id(), (object, 1)))
            .collect(),
        calls: Vec::new(),
        dry_runs: 0,
    };
    let options = MachineOptions {
        preflight: Preflight::All,
        dry_run: case["options"]["dryRun"] == json!(true),
        ..MachineOptions::default()
    };
    let (mut trace, mut waves) = (Vec::new(), Vec::new());
    let mut progress = Progress::default();
    let mut known = BTreeMap::new();
    for step in 0..MAX_STEPS {
        // As upstream does it, each step begins with tasks made anew from what is there now.
        let live: Vec<Manifest> = cluster
            .objects
            .values()
            .map(|(live, _)| live.clone())
            .collect();
        let tasks: Vec<SyncTask> =
            hooks::tasks(&manifests, &live, &task_options(case), &is_namespaced)
                .iter()
                .map(|task| sync_task(task, &case["options"]))
                .collect();
        for task in &tasks {
            known.insert(key(task.phase, &task.object.id()), task.clone());
        }
        let mut machine = Machine::new(tasks, options.clone(), progress, &ArgoHealth);
        cluster.calls.clear();
        cluster.dry_runs = 0;
        turn(&mut machine, &mut cluster, step, &mut waves);
        trace.push(json!({
            "calls": sorted_calls(&cluster.calls),
            "phase": machine.progress().phase,
            "message": machine.progress().message,
            "dry_runs": cluster.dry_runs,
        }));
        // Only what is durable survives each step.
        let stored = serde_json::to_string(machine.progress()).expect("progress is JSON");
        progress = serde_json::from_str(&stored).expect("progress is JSON");
        if progress.is_completed() {
            break;
        }
        cluster.tick();
    }
    let expected: Vec<Value> = case["trace"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|step| {
            let mut step = step.clone();
            if step.get("dry_runs").is_none() {
                step["dry_runs"] = json!(0);
            }
            step
        })
        .collect();
    equal(
        "trace",
        json!(trace).to_string(),
        json!(expected).to_string(),
    )?;
    equal("waves", json!(waves), case["wave_hooks"].clone())?;
    results(&progress, &known, case)?;
    let after: Vec<String> = cluster
        .objects
        .values()
        .map(|(object, _)| {
            let suffix = if object.is_terminating() {
                " (terminating)"
            } else {
                ""
            };
            format!("{}/{}{suffix}", object.kind(), object.name())
        })
        .collect();
    let mut after = after;
    after.sort();
    equal("cluster_after", json!(after), case["cluster_after"].clone())?;
    equal(
        "completed",
        json!(progress.is_completed()),
        case["completed"].clone(),
    )
}

/// Runs the machine until it waits or ends.
fn turn(machine: &mut Machine<'_>, cluster: &mut FakeCluster, step: usize, waves: &mut Vec<Value>) {
    let mut observation = Observation::default();
    loop {
        let actions = machine.next(&observation, Timestamp::UNIX_EPOCH);
        observation = Observation::default();
        for action in actions {
            match action {
                Action::Read(object) => {
                    let live = cluster
                        .objects
                        .get(&object.id())
                        .map(|(live, _)| live.clone());
                    observation.reads.push((object, live));
                }
                Action::Send(request) => observation.completions.push(cluster.send(&request)),
                Action::WaveEnded {
                    phase, wave, last, ..
                } => waves.push(json!([step, phase.to_string(), wave, last])),
                Action::Wait | Action::Finish => return,
                other => panic!("unknown action {other:?}"),
            }
        }
    }
}

/// Neighbouring calls of the same verb and kind run at once, prunes of all kinds do: they are sorted.
fn sorted_calls(calls: &[(String, String, String)]) -> Value {
    let mut sorted: Vec<(String, String, String)> = Vec::new();
    for group in calls.chunk_by(|a, b| a.0 == b.0 && (a.1 == b.1 || a.0 == "prune")) {
        let mut group = group.to_vec();
        group.sort();
        sorted.extend(group);
    }
    json!(sorted)
}

fn results(
    progress: &Progress,
    known: &BTreeMap<String, SyncTask>,
    case: &Value,
) -> Result<(), String> {
    let mut found: Vec<String> = progress
        .results
        .iter()
        .map(|(key, result)| {
            let task = &known[key];
            let status = match result.status {
                Some(TaskStatus::Synced) => "Synced",
                Some(TaskStatus::SyncFailed) => "SyncFailed",
                Some(TaskStatus::Pruned) => "Pruned",
                Some(TaskStatus::PruneSkipped) => "PruneSkipped",
                None => "",
            };
            let hook_type = task
                .hook
                .as_ref()
                .map_or(String::new(), |_| task.phase.to_string());
            json!({
                "group": task.object.gvk.group,
                "kind": task.object.gvk.kind,
                "namespace": task.object.namespace,
                "name": task.object.name,
                "status": status,
                "operation_phase": result.state.unwrap_or(OperationPhase::Running),
                "sync_phase": task.phase.to_string(),
                "hook_type": hook_type,
                "message": result.message,
            })
            .to_string()
        })
        .collect();
    found.sort();
    let mut expected: Vec<String> = case["results"]
        .as_array()
        .into_iter()
        .flatten()
        .map(ToString::to_string)
        .collect();
    expected.sort();
    equal("results", found, expected)
}
