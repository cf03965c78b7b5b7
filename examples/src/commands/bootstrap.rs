//! `gitops bootstrap`: from nothing to a converged cluster.

use gitops_core::{
    app::{ApplicationStatus, OperationPhase},
    controller::{BootstrapSet, ControllerOptions, Pass},
    pipeline::{Outcome, PipelineError},
    plan::Report,
};
use serde_json::json;

use crate::{
    Exit, FAILED,
    args::Bootstrap,
    output::{self, APPLICATION_HEADERS, Paint, application_row},
    session::Session,
};

pub async fn run(args: Bootstrap) -> Exit {
    let options = ControllerOptions {
        sync_all: args.sync_all,
        ..ControllerOptions::default()
    };
    let session = Session::open(&args.cluster, &args.sources, &args.output, options).await?;
    let set = bootstrap_set(&args);
    let (outcome, pass) = bootstrap(&session, &set).await?;
    session.close().await?;
    let failed = has_failed(&outcome) || !pass.is_converged();
    let value = json!({
        "bootstrap": {"name": set.name, "status": outcome.status, "writes": writes(outcome.report.as_ref())},
        "applications": pass.applications.iter().map(|((namespace, name), seen)| json!({
            "namespace": namespace, "name": name, "status": seen.status,
            "writes": writes(seen.report.as_ref()),
        })).collect::<Vec<_>>(),
    });
    if !output::structured(&value, args.output.output)? {
        output::print(&summary(
            &set.name,
            &outcome,
            &pass,
            Paint::new(args.output.color),
        ));
    }
    Ok(if failed { FAILED } else { 0 })
}

/// Applies the set, then reconciles until nothing is left to do.
pub async fn bootstrap(
    session: &Session,
    set: &BootstrapSet,
) -> Result<(Outcome, Pass), Box<dyn std::error::Error + Send + Sync>> {
    let outcome = session.controller.bootstrap(set).await?;
    session.save()?;
    let pass = if has_failed(&outcome) && outcome.report.is_none() {
        Pass::default()
    } else {
        session.converge().await?
    };
    Ok((outcome, pass))
}

fn bootstrap_set(args: &Bootstrap) -> BootstrapSet {
    let path = args.path.trim_matches('/').trim_start_matches("./");
    let path = if path == "." { "" } else { path };
    let last = |text: &str| {
        let text = text.trim_end_matches('/').trim_end_matches(".git");
        text.rsplit(['/', ':'])
            .next()
            .unwrap_or_default()
            .to_owned()
    };
    let name = if path.is_empty() {
        last(&args.repository)
    } else {
        last(path)
    };
    BootstrapSet {
        name: if name.is_empty() {
            "bootstrap".to_owned()
        } else {
            name
        },
        repository: args.repository.clone(),
        path: path.to_owned(),
        revision: args.revision.clone(),
        namespace: args.cluster.namespace.clone(),
        parameters: args.parameters.clone(),
    }
}

fn has_failed(outcome: &Outcome) -> bool {
    outcome.error.is_some()
        || outcome
            .report
            .as_ref()
            .is_some_and(|report| report.phase != OperationPhase::Succeeded)
}

fn writes(report: Option<&Report>) -> u64 {
    report.map_or(0, |report| report.writes)
}

/// The table at the end, with whatever went wrong below it.
pub fn summary(name: &str, outcome: &Outcome, pass: &Pass, paint: Paint) -> String {
    let mut rows = vec![row(
        &format!("{name} (bootstrap)"),
        &outcome.status,
        outcome.report.as_ref(),
        paint,
    )];
    let mut complaints = complaints(name, &outcome.status);
    complaints.extend(unsaid(name, &outcome.status, outcome.error.as_ref()));
    let mut all_writes = writes(outcome.report.as_ref());
    for ((_, name), seen) in &pass.applications {
        rows.push(row(name, &seen.status, seen.report.as_ref(), paint));
        complaints.extend(self::complaints(name, &seen.status));
        complaints.extend(unsaid(name, &seen.status, seen.error.as_ref()));
        all_writes += writes(seen.report.as_ref());
    }
    let mut text = output::table(&APPLICATION_HEADERS, rows);
    if !complaints.is_empty() {
        text.push('\n');
        for complaint in complaints {
            text.push_str(&format!("{}\n", paint.bad(&complaint)));
        }
    }
    text.push_str(&match all_writes {
        0 => "\nnothing to do: the cluster is as declared, nothing was written\n".to_owned(),
        1 => "\n1 write\n".to_owned(),
        n => format!("\n{n} writes\n"),
    });
    text
}

fn row(
    name: &str,
    status: &ApplicationStatus,
    report: Option<&Report>,
    paint: Paint,
) -> Vec<String> {
    let note = match writes(report) {
        0 => String::new(),
        1 => "1 write".to_owned(),
        n => format!("{n} writes"),
    };
    application_row(name, status, &note, paint)
}

/// An error that no condition tells of.
fn unsaid(name: &str, status: &ApplicationStatus, error: Option<&PipelineError>) -> Option<String> {
    let message = error?.to_string();
    let said = status
        .conditions
        .iter()
        .any(|condition| condition.message == message);
    (!said).then(|| format!("{name}: {message}"))
}

/// The conditions of an application as lines.
pub fn complaints(name: &str, status: &ApplicationStatus) -> Vec<String> {
    status
        .conditions
        .iter()
        .map(|condition| {
            let kind = serde_json::to_value(&condition.condition).unwrap_or_default();
            format!(
                "{name}: {}: {}",
                kind.as_str().unwrap_or_default(),
                condition.message
            )
        })
        .collect()
}
