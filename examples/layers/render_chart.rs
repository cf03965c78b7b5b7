//! Render only: a chart as `helm template` renders it. No cluster, no async, no global state.

#![allow(clippy::print_stdout, reason = "it is a program")]

use gitops_render::{
    helm::{Chart, Helm, Profile, Release, Values},
    tree::DirTree,
};

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    print!("{}", run()?);
    Ok(())
}

pub(crate) fn run() -> Result<String, Failure> {
    let tree = DirTree::open(concat!(env!("CARGO_MANIFEST_DIR"), "/demo/charts/shop"))?;
    let chart = Chart::load(&tree)?;
    let release = Release::named("shop").in_namespace("shop");
    let values = Values::parse("frontend: {replicas: 7}\ncart: {enabled: false}")?;

    let out = Helm::new(Profile::helm_4_3()).render(&chart, &release, values)?;

    let mut text = String::new();
    for document in out.hooks.iter().chain(&out.manifests) {
        let object = document.manifest()?;
        text.push_str(&format!("{}  from {}\n", object.id(), document.template()));
        if object.kind() == "Deployment" {
            text.push_str(&format!(
                "    replicas: {}\n",
                object.as_map()["spec"]["replicas"]
            ));
        }
    }
    Ok(text)
}
