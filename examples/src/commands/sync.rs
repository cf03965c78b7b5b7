//! `gitops sync`: now.

use gitops_core::{
    app::OperationPhase, controller::ControllerOptions, pipeline::SyncRequest, plan::Outcome,
};

use crate::{
    Exit, FAILED,
    args::Sync,
    commands::bootstrap::complaints,
    output::{self, APPLICATION_HEADERS, Paint, application_row},
    session::Session,
};

pub async fn run(args: Sync) -> Exit {
    let options = ControllerOptions::default();
    let session = Session::open(&args.cluster, &args.sources, &args.output, options).await?;
    let paint = Paint::new(args.output.color);
    if let Some(file) = &args.plan {
        let plan = gitops_apply::plan::load_plan(file)?;
        let report = session.execute(&plan).await?;
        session.close().await?;
        if !output::structured(&report, args.output.output)? {
            for result in &report.results {
                let outcome = match result.outcome {
                    Outcome::Failed => paint.bad("failed"),
                    Outcome::Skipped => paint.faint("skipped"),
                    _ => paint.action(result.action),
                };
                output::line(&format!("{outcome} {}  {}", result.object, result.message));
            }
            output::line(&format!("{:?}: {}", report.phase, report.message));
        }
        return Ok(if report.phase == OperationPhase::Succeeded {
            0
        } else {
            FAILED
        });
    }
    let request = SyncRequest {
        prune: args.prune,
        recreate: args.recreate,
        skip_hooks: args.skip_hooks,
        only: Vec::new(),
    };
    let mut rows = Vec::new();
    let mut notes = Vec::new();
    let mut values = Vec::new();
    let mut failed = false;
    for application in session.applications(&args.applications).await? {
        let outcome = session.sync(&application, &request).await?;
        failed |= outcome.error.is_some()
            || outcome
                .report
                .as_ref()
                .is_some_and(|r| r.phase != OperationPhase::Succeeded);
        let writes = outcome.report.as_ref().map_or(0, |report| report.writes);
        let note = if writes == 0 {
            "nothing to do".to_owned()
        } else {
            format!("{writes} writes")
        };
        rows.push(application_row(
            application.name(),
            &outcome.status,
            &note,
            paint,
        ));
        notes.extend(complaints(application.name(), &outcome.status));
        values.push(serde_json::json!({
            "name": application.name(), "status": outcome.status, "report": outcome.report,
        }));
    }
    session.close().await?;
    if !output::structured(&values, args.output.output)? {
        output::print(&output::table(&APPLICATION_HEADERS, rows));
        for note in notes {
            output::line(&paint.bad(&note));
        }
    }
    Ok(if failed { FAILED } else { 0 })
}
