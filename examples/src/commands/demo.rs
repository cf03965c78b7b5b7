//! `gitops demo`: the shop of `examples/demo`, bootstrapped, drifted, healed and changed.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use gitops_core::{
    cluster::{Patch, WriteOptions},
    controller::{BootstrapSet, ControllerOptions, Pass, Seen},
    object::{GroupVersionKind, ObjectRef},
    pipeline::SyncRequest,
    plan::{Action, Report},
};
use serde_json::json;

use crate::{
    Exit, FAILED,
    args::{Demo, RuleArgs},
    commands::{bootstrap, diff},
    output::{self, Paint, plan_text},
    session::{Repositories, Session, open_cluster},
};

/// URL under which the demo's Applications name their repository.
const REPOSITORY: &str = "https://git.example.com/shop/deployment.git";
/// Somebody who changes things by hand.
const SOMEBODY: &str = "kubectl-edit";

pub async fn run(args: Demo) -> Exit {
    let paint = Paint::new(args.output.color);
    let repository = Repository::create()?;
    let map = vec![(
        REPOSITORY.to_owned(),
        repository.path.to_string_lossy().into_owned(),
    )];
    let opened = open_cluster(&args.cluster).await?;
    let session = Session::join(
        opened,
        &args.cluster,
        Repositories {
            map,
            cache: Some(repository.path.join(".git/demo-cache")),
        },
        &RuleArgs::default(),
        &args.output,
        ControllerOptions::default(),
    )?;
    let set = BootstrapSet {
        name: "apps".to_owned(),
        repository: REPOSITORY.to_owned(),
        path: "apps".to_owned(),
        revision: "HEAD".to_owned(),
        namespace: args.cluster.namespace.clone(),
        parameters: Vec::new(),
    };

    title(
        "Bootstrap: one chart is applied, everything else follows from Git",
        paint,
    );
    let (outcome, pass) = bootstrap::bootstrap(&session, &set).await?;
    output::print(&tree(&pass, paint));
    output::line("");
    output::print(&bootstrap::summary("apps", &outcome, &pass, paint));
    let mut converged = pass.is_converged();

    title("Again: nothing has changed, nothing is written", paint);
    let (outcome, pass) = bootstrap::bootstrap(&session, &set).await?;
    output::print(&bootstrap::summary("apps", &outcome, &pass, paint));
    converged &= pass.is_converged() && pass.object_writes() == 0;

    title(
        "Drift: somebody scales the frontend by hand and deletes the cart's Service",
        paint,
    );
    drift(&session).await?;
    let applications = session.applications(&["shop".to_owned()]).await?;
    let schemas = session.cluster().schemas().await?;
    for application in &applications {
        let comparison = session.plan(application, &SyncRequest::default()).await?;
        output::print(&diff::differences(&comparison, &*schemas, false, paint)?);
        output::line(&paint.faint("field by field:"));
        output::print(&diff::differences(&comparison, &*schemas, true, paint)?);
    }

    title("Healed: the shop's syncPolicy says selfHeal", paint);
    let pass = session.converge().await?;
    output::print(&healed(&pass, paint));
    converged &= pass.is_converged();

    title(
        "A commit: the tag of the release changes, so does what depends on it",
        paint,
    );
    repository.change(
        "charts/shop/values.yaml",
        "tag: \"2026.11\"",
        "tag: \"2026.12\"",
    )?;
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    for application in &applications {
        let comparison = session.plan(application, &SyncRequest::default()).await?;
        output::print(&plan_text(
            application.name(),
            &comparison.plan,
            false,
            paint,
        ));
    }
    let pass = session.converge().await?;
    output::print(&healed(&pass, paint));
    converged &= pass.is_converged();
    session.close().await?;
    Ok(if converged { 0 } else { FAILED })
}

fn title(text: &str, paint: Paint) {
    output::line(&format!("\n{}\n", paint.strong(text)));
}

/// The applications and their objects as a tree.
fn tree(pass: &Pass, paint: Paint) -> String {
    let mut text = format!("{}\n", paint.strong("apps"));
    let count = pass.applications.len();
    for (index, ((_, name), seen)) in pass.applications.iter().enumerate() {
        let is_last = index + 1 == count;
        let (branch, trunk) = if is_last {
            ("└── ", "    ")
        } else {
            ("├── ", "│   ")
        };
        text.push_str(&format!(
            "{branch}{} {} {}\n",
            paint.strong(name),
            paint.sync(seen.status.sync.status),
            paint.health(seen.status.health.status)
        ));
        text.push_str(&objects(seen, trunk, paint));
    }
    text
}

fn objects(seen: &Seen, trunk: &str, paint: Paint) -> String {
    let mut text = String::new();
    let count = seen.status.resources.len();
    for (index, resource) in seen.status.resources.iter().enumerate() {
        let branch = if index + 1 == count {
            "└── "
        } else {
            "├── "
        };
        let health = resource.health.as_ref().and_then(|health| health.status);
        text.push_str(&format!(
            "{trunk}{branch}{} {} {}\n",
            resource.kind,
            resource.name,
            health
                .map(|health| paint.health(Some(health)))
                .unwrap_or_default()
        ));
    }
    text
}

fn healed(pass: &Pass, paint: Paint) -> String {
    let mut text = String::new();
    for ((_, name), seen) in &pass.applications {
        let Some(report) = &seen.report else { continue };
        text.push_str(&format!(
            "{}\n{}",
            paint.strong(name),
            written(report, paint)
        ));
        text.push_str(&format!(
            "    now {} {}\n",
            paint.sync(seen.status.sync.status),
            paint.health(seen.status.health.status)
        ));
    }
    text
}

fn written(report: &Report, paint: Paint) -> String {
    report
        .results
        .iter()
        .filter(|result| result.action.changes() && result.action != Action::Skip)
        .map(|result| format!("    {} {}\n", paint.action(result.action), result.object))
        .collect()
}

async fn drift(session: &Session) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let options = WriteOptions {
        field_manager: SOMEBODY.to_owned(),
        ..WriteOptions::default()
    };
    let frontend = ObjectRef::new(
        GroupVersionKind::new("apps", "v1", "Deployment"),
        "shop",
        "frontend",
    );
    let patch = Patch::Merge(json!({"spec": {"replicas": 5}}));
    session.cluster().patch(&frontend, &patch, &options).await?;
    let cart = ObjectRef::new(GroupVersionKind::new("", "v1", "Service"), "shop", "cart");
    session
        .cluster()
        .delete(&cart, &gitops_core::cluster::DeleteOptions::default())
        .await?;
    Ok(())
}

/// The demo's files in a Git repository of their own, removed at the end.
struct Repository {
    path: PathBuf,
}

impl Repository {
    fn create() -> std::io::Result<Self> {
        let path = std::env::temp_dir().join(format!("gitops-demo-{}", std::process::id()));
        let repository = Self { path };
        copy(
            Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/demo")),
            &repository.path,
        )?;
        repository.git(&["init", "--quiet", "--initial-branch=main"])?;
        repository.commit("The shop")?;
        Ok(repository)
    }

    fn change(&self, file: &str, from: &str, to: &str) -> std::io::Result<()> {
        let file = self.path.join(file);
        let text = std::fs::read_to_string(&file)?;
        std::fs::write(&file, text.replace(from, to))?;
        self.commit(&format!("{from} becomes {to}"))
    }

    fn commit(&self, message: &str) -> std::io::Result<()> {
        self.git(&["add", "--all"])?;
        self.git(&["commit", "--quiet", "--message", message])
    }

    fn git(&self, arguments: &[&str]) -> std::io::Result<()> {
        let status = Command::new("git")
            .args(["-c", "user.name=demo", "-c", "user.email=demo@example.com"])
            .args(["-c", "commit.gpgsign=false"])
            .args(arguments)
            .current_dir(&self.path)
            .status()?;
        if status.success() {
            Ok(())
        } else {
            Err(std::io::Error::other(format!(
                "git {}: {status}",
                arguments.join(" ")
            )))
        }
    }
}

impl Drop for Repository {
    fn drop(&mut self) {
        // A folder for temporary files that cannot be removed is the system's to clean.
        drop(std::fs::remove_dir_all(&self.path));
    }
}

fn copy(from: &Path, to: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            std::fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}
