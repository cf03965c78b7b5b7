//! `gitops get`: applications as the cluster knows them.

use gitops_core::{
    app::{Application, ResourceStatus},
    cluster::ListScope,
};

use crate::{
    Exit, FAILED,
    args::Get,
    commands::bootstrap::complaints,
    output::{self, APPLICATION_HEADERS, Paint, application_row},
    session::open_cluster,
};

pub async fn run(args: Get) -> Exit {
    let opened = open_cluster(&args.cluster).await?;
    let scope = ListScope::all(gitops_core::app::application_kind());
    let list = opened.cluster().list(&scope).await?;
    let is_wanted = |name: &str| {
        args.applications.is_empty() || args.applications.iter().any(|wanted| wanted == name)
    };
    let applications: Vec<_> = list
        .items
        .iter()
        .filter(|object| is_wanted(object.name()))
        .collect();
    for wanted in &args.applications {
        if !applications.iter().any(|object| object.name() == wanted) {
            return Err(format!("there is no application `{wanted}`").into());
        }
    }
    if output::structured(&applications, args.output.output)? {
        return Ok(0);
    }
    let paint = Paint::new(args.output.color);
    let mut rows = Vec::new();
    let mut rest = String::new();
    for object in applications {
        let application = Application::from_manifest(object)?;
        let status = application.status.clone().unwrap_or_default();
        rows.push(application_row(application.name(), &status, "", paint));
        for line in complaints(application.name(), &status) {
            rest.push_str(&format!("{}\n", paint.bad(&line)));
        }
        if args.resources {
            rest.push_str(&format!("\n{}\n", paint.strong(application.name())));
            rest.push_str(&resources(&status.resources, paint));
        }
    }
    if rows.is_empty() {
        output::complain("no applications\n");
        return Ok(FAILED);
    }
    output::print(&output::table(&APPLICATION_HEADERS, rows));
    if !rest.is_empty() {
        output::print(&format!("\n{rest}"));
    }
    Ok(0)
}

fn resources(resources: &[ResourceStatus], paint: Paint) -> String {
    let rows = resources
        .iter()
        .map(|resource| {
            let health = resource.health.clone().unwrap_or_default();
            let kind = if resource.group.is_empty() {
                resource.kind.clone()
            } else {
                format!("{}.{}", resource.kind, resource.group)
            };
            vec![
                kind,
                resource.namespace.clone(),
                resource.name.clone(),
                paint.sync(resource.status),
                paint.health(health.status),
                health.message,
            ]
        })
        .collect();
    output::table(
        &["kind", "namespace", "name", "sync", "health", "message"],
        rows,
    )
}
