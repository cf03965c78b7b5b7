//! `gitops diff`: what a sync would change, as text or field by field.

use gitops_core::{
    controller::ControllerOptions,
    diff::{DiffOptions, Differ as _},
    pipeline::{Comparison, SyncRequest},
    plan::Action,
    schema::Schemas,
};
use gitops_diff::{
    StructuralDiffer,
    view::{View, ViewOptions},
};

use crate::{
    DIFFERENT, Exit, FAILED,
    args::Diff,
    output::{self, Paint},
    session::Session,
};

pub async fn run(args: Diff) -> Exit {
    let options = ControllerOptions::default();
    let session = Session::open(&args.cluster, &args.sources, &args.output, options).await?;
    let paint = Paint::new(args.output.color);
    let request = SyncRequest {
        prune: args.prune,
        ..SyncRequest::default()
    };
    let schemas = session.cluster().schemas().await?;
    let mut status = 0;
    let mut values = Vec::new();
    let mut text = String::new();
    for application in session.applications(&args.applications).await? {
        let comparison = match session.plan(&application, &request).await {
            Ok(comparison) => comparison,
            Err(error) => {
                status = FAILED;
                output::complain(&format!("{}: {error}\n", application.name()));
                continue;
            }
        };
        output::complain(&output::rewrites(application.name(), &comparison.desired));
        if comparison.differences().next().is_some() && status == 0 {
            status = DIFFERENT;
        }
        values.push(serde_json::json!({
            "application": application.name(),
            "revision": comparison.plan.revision,
            "differences": comparison.differences().collect::<Vec<_>>(),
        }));
        text.push_str(&differences(&comparison, &*schemas, args.fields, paint)?);
    }
    session.close().await?;
    if !output::structured(&values, args.output.output)? {
        output::print(&text);
    }
    Ok(status)
}

/// The differences of one application for people.
pub fn differences(
    comparison: &Comparison,
    schemas: &dyn Schemas,
    fields: bool,
    paint: Paint,
) -> Result<String, Box<dyn std::error::Error + Send + Sync>> {
    let mut text = String::new();
    for (index, step) in comparison.plan.steps.iter().enumerate() {
        let is_change = step.action.changes() && !step.hook;
        if !is_change
            && !comparison
                .differences()
                .any(|other| std::ptr::eq(other, step))
        {
            continue;
        }
        text.push_str(&format!(
            "{} {}  {}\n",
            paint.action(step.action),
            paint.strong(&step.object.to_string()),
            paint.faint(&step.reason.to_string())
        ));
        if fields {
            for change in &step.changes {
                text.push_str(&format!("    {change}\n"));
            }
            continue;
        }
        let live = comparison.live_object(&step.object);
        let options = ViewOptions {
            colour: paint.is_enabled(),
            ..ViewOptions::default()
        };
        if step.action == Action::Prune {
            text.push_str(&View::new(live, None, options).unified());
        } else if let Some(desired) = comparison.plan.payload.0.get(&index) {
            let ignore = comparison.desired.set.ignore_differences.clone();
            let diff_options = DiffOptions {
                ignore,
                ..DiffOptions::default()
            };
            let diff = StructuralDiffer::default().diff(desired, live, schemas, &diff_options)?;
            text.push_str(&View::new(live, diff.predicted.as_ref(), options).unified());
        }
    }
    Ok(text)
}
