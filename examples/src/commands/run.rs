//! `gitops run`: keeps reconciling.

use std::{error::Error, time::Duration};

use gitops_apply::embedded::rest::RestServer;
use gitops_core::{
    cluster::Cluster,
    controller::{ControllerOptions, Pass, running_argocd},
};

use crate::{
    Exit,
    args::Run,
    output::{self, Paint},
    session::Session,
};

pub async fn run(args: Run) -> Exit {
    let options = ControllerOptions {
        poll_interval: Duration::from_secs(args.poll.max(1)),
        sync_all: args.sync_all,
        only: args.applications.clone(),
        selector: args.selector.clone().unwrap_or_default(),
        ..ControllerOptions::default()
    };
    let session = Session::open(&args.cluster, &args.sources, &args.output, options).await?;
    let is_limited = !args.applications.is_empty() || args.selector.is_some();
    if session.embedded().is_none() && !is_limited && !args.takeover {
        refuse_to_fight(session.cluster()).await?;
    }
    let paint = Paint::new(args.output.color);
    let mut before = String::new();
    let work = session.controller.run(interrupted(), |pass| {
        match pass {
            Ok(pass) => {
                let text = changes(pass, paint);
                if !text.is_empty() && (text != before || pass.wrote) {
                    output::print(&text);
                }
                before = text;
            }
            Err(error) => output::complain(&format!("{error}\n")),
        }
        if let Err(error) = session.save() {
            output::complain(&format!("{error}\n"));
        }
    });
    match args.listen {
        None => work.await,
        Some(address) => {
            let Some(cluster) = session.embedded() else {
                return Err("--listen serves an embedded cluster; this one has its own API".into());
            };
            let server = RestServer::bind(cluster, address).await?;
            output::complain(&format!("the cluster is served at {}\n", server.url()));
            tokio::select! {
                () = work => {}
                () = server.run() => {}
            }
        }
    }
    session.close().await?;
    Ok(0)
}

/// On a real cluster where Argo CD reconciles, nothing is taken from it unless that is said.
async fn refuse_to_fight(cluster: &dyn Cluster) -> Result<(), Box<dyn Error + Send + Sync>> {
    let namespaces = running_argocd(cluster).await?;
    if namespaces.is_empty() {
        return Ok(());
    }
    Err(format!(
        "Argo CD's application controller runs in namespace {}; two controllers would undo each \
         other's work: name the applications that are not its with --application or --selector, or \
         stop it and say --takeover",
        namespaces.join(", ")
    )
    .into())
}

/// Ends when the process is asked to: by Ctrl-C, or as Kubernetes and init systems ask.
async fn interrupted() {
    let terminated = async {
        #[cfg(unix)]
        if let Ok(mut signal) =
            tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())
        {
            signal.recv().await;
            return;
        }
        std::future::pending::<()>().await;
    };
    let stopped = async {
        // Without a handler for the signal the process ends by it, which is as good.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    tokio::select! {
        () = terminated => {}
        () = stopped => {}
    }
}

/// What a pass did and what is wrong, a line each.
fn changes(pass: &Pass, paint: Paint) -> String {
    let mut text = String::new();
    for ((_, name), seen) in &pass.applications {
        if let Some(report) = &seen.report {
            text.push_str(&format!(
                "{} {}, {} writes: {}\n",
                paint.strong(name),
                paint.sync(seen.status.sync.status),
                report.writes,
                report.message
            ));
            for result in report
                .results
                .iter()
                .filter(|result| result.action.changes())
            {
                text.push_str(&format!(
                    "    {} {}\n",
                    paint.action(result.action),
                    result.object
                ));
            }
        }
        for complaint in crate::commands::bootstrap::complaints(name, &seen.status) {
            text.push_str(&format!("{}\n", paint.bad(&complaint)));
        }
    }
    text
}
