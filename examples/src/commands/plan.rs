//! `gitops plan`: what a sync would do, in order and with reasons.

use gitops_core::{controller::ControllerOptions, pipeline::SyncRequest};

use crate::{
    DIFFERENT, Exit, FAILED,
    args::Plan,
    output::{self, Paint, plan_text},
    session::Session,
};

pub async fn run(args: Plan) -> Exit {
    let options = ControllerOptions::default();
    let session = Session::open(&args.cluster, &args.sources, &args.output, options).await?;
    let applications = session.applications(&args.applications).await?;
    if args.out.is_some() && applications.len() != 1 {
        return Err("--out saves the plan of one application; name it".into());
    }
    let paint = Paint::new(args.output.color);
    let request = SyncRequest {
        prune: args.prune,
        ..SyncRequest::default()
    };
    let mut plans = Vec::new();
    let mut status = 0;
    for application in &applications {
        match session.plan(application, &request).await {
            Ok(comparison) => {
                output::complain(&output::rewrites(application.name(), &comparison.desired));
                if !comparison.plan.is_empty() && status == 0 {
                    status = DIFFERENT;
                }
                if let Some(file) = &args.out {
                    gitops_apply::plan::save_plan(&comparison.plan, file)?;
                }
                plans.push((application.name().to_owned(), comparison.plan));
            }
            Err(error) => {
                status = FAILED;
                output::complain(&format!("{}: {error}\n", application.name()));
            }
        }
    }
    session.close().await?;
    let documents: Vec<_> = plans.iter().map(|(_, plan)| plan).collect();
    if !output::structured(&documents, args.output.output)? {
        for (name, plan) in &plans {
            output::print(&plan_text(name, plan, args.all, paint));
        }
    }
    Ok(status)
}
