//! `config.kubernetes.io/depends-on`: objects that wait for others of the same set.

use std::collections::BTreeMap;

use gitops_core::{Manifest, ObjectId, apply::PlanError};

use crate::hooks::Task;

/// Annotation with the objects that an object depends on: `group/namespaces/namespace/Kind/name` or
/// `group/Kind/name`, separated by commas.
const DEPENDS_ON: &str = "config.kubernetes.io/depends-on";

/// Gives tasks their stage within the wave: dependencies come in an earlier one. A dependency that
/// would come later is moved to the phase and wave of what depends on it. Dependencies that are not
/// part of the sync are taken to exist.
pub(super) fn arrange(tasks: &mut [Task]) -> Result<(), PlanError> {
    let needs: Vec<Vec<ObjectId>> = tasks
        .iter()
        .map(|task| task.target.as_ref().map(dependencies).unwrap_or_default())
        .collect();
    if needs.iter().all(Vec::is_empty) {
        return Ok(());
    }
    let places: BTreeMap<ObjectId, usize> = tasks
        .iter()
        .enumerate()
        .filter_map(|(index, task)| Some((task.target.as_ref()?.id(), index)))
        .collect();
    let edges: Vec<Vec<usize>> = needs
        .iter()
        .map(|ids| {
            ids.iter()
                .filter_map(|id| places.get(id).copied())
                .collect()
        })
        .collect();
    let order = dependencies_first(tasks, &edges)?;
    // What depends on others is visited after them, so in reverse each task is moved before its own
    // dependencies are.
    for &task in order.iter().rev() {
        let place = (tasks[task].phase, tasks[task].wave);
        for &dependency in &edges[task] {
            let other = &mut tasks[dependency];
            if (other.phase, other.wave) > place {
                (other.phase, other.wave) = place;
            }
        }
    }
    for &task in &order {
        let place = (tasks[task].phase, tasks[task].wave);
        let stage = edges[task]
            .iter()
            .map(|&dependency| &tasks[dependency])
            .filter(|other| (other.phase, other.wave) == place)
            .map(|other| other.stage + 1)
            .max();
        tasks[task].stage = stage.unwrap_or(0);
    }
    tasks.sort_by_key(|task| (task.phase, task.wave, task.stage));
    Ok(())
}

fn dependencies_first(tasks: &[Task], edges: &[Vec<usize>]) -> Result<Vec<usize>, PlanError> {
    #[derive(Clone, Copy, PartialEq)]
    enum Mark {
        New,
        Open,
        Done,
    }
    let mut marks = vec![Mark::New; tasks.len()];
    let mut order = Vec::with_capacity(tasks.len());
    for start in 0..tasks.len() {
        if marks[start] != Mark::New {
            continue;
        }
        marks[start] = Mark::Open;
        let mut path = vec![(start, 0)];
        while let Some((task, next)) = path.last_mut() {
            let Some(&dependency) = edges[*task].get(*next) else {
                marks[*task] = Mark::Done;
                order.push(*task);
                path.pop();
                continue;
            };
            *next += 1;
            match marks[dependency] {
                Mark::Done => {}
                Mark::New => {
                    marks[dependency] = Mark::Open;
                    path.push((dependency, 0));
                }
                Mark::Open => {
                    let from = path
                        .iter()
                        .position(|(task, _)| *task == dependency)
                        .unwrap_or(0);
                    let circle = path[from..].iter().map(|(task, _)| *task);
                    return Err(PlanError::Cycle {
                        objects: circle
                            .chain([dependency])
                            .map(|task| tasks[task].object().id().to_string())
                            .collect(),
                    });
                }
            }
        }
    }
    Ok(order)
}

fn dependencies(object: &Manifest) -> Vec<ObjectId> {
    let text = object.annotation(DEPENDS_ON).unwrap_or_default();
    text.split(',')
        .filter_map(|item| parse(item.trim()))
        .collect()
}

fn parse(text: &str) -> Option<ObjectId> {
    let parts: Vec<&str> = text.split('/').collect();
    let (group, namespace, kind, name) = match parts[..] {
        [group, "namespaces", namespace, kind, name] => (group, namespace, kind, name),
        [group, kind, name] => (group, "", kind, name),
        _ => return None,
    };
    (!kind.is_empty() && !name.is_empty()).then(|| ObjectId {
        group: group.to_owned(),
        kind: kind.to_owned(),
        namespace: namespace.to_owned(),
        name: name.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use gitops_core::plan::Phase;
    use serde_json::json;

    use super::*;

    fn task(name: &str, wave: i64, needs: &str) -> Task {
        let target = Manifest::try_from(json!({
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": name, "namespace": "a", "annotations": {DEPENDS_ON: needs}},
        }))
        .unwrap();
        Task {
            phase: Phase::Sync,
            wave,
            stage: 0,
            target: Some(target),
            live: None,
            namespace: "a".to_owned(),
        }
    }

    fn places(tasks: &[Task]) -> Vec<(String, i64, u32)> {
        tasks
            .iter()
            .map(|task| (task.object().name().to_owned(), task.wave, task.stage))
            .collect()
    }

    #[test]
    fn dependencies_move_forward_and_get_an_earlier_stage() {
        let on = |name: &str| format!("/namespaces/a/ConfigMap/{name}");
        let mut tasks = vec![
            task("a", 0, &on("b")),
            task("free", 0, "/namespaces/a/ConfigMap/not-there"),
            task("b", 3, &on("c")),
            task("c", 5, ""),
        ];
        arrange(&mut tasks).unwrap();
        let expected = [("free", 0, 0), ("c", 0, 0), ("b", 0, 1), ("a", 0, 2)];
        let expected: Vec<_> = expected
            .iter()
            .map(|(n, w, s)| ((*n).to_owned(), *w, *s))
            .collect();
        assert_eq!(places(&tasks), expected);
    }

    #[test]
    fn a_circle_is_named() {
        let mut tasks = vec![
            task("a", 0, "/namespaces/a/ConfigMap/b"),
            task("b", 0, "/namespaces/a/ConfigMap/a"),
        ];
        let error = arrange(&mut tasks).unwrap_err();
        assert_eq!(
            error.to_string(),
            "objects depend on each other in a circle: ConfigMap a/a -> ConfigMap a/b -> ConfigMap a/a"
        );
    }
}
