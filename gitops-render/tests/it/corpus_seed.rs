//! The Applications of a real GitOps repository, rendered as Argo CD would, with their dependencies
//! fetched from chart repositories.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use gitops_core::{
    Manifest,
    app::{Application, ApplicationSource, HelmSource},
    clock::Timestamp,
    render::{Dependencies as _, Randomness, RenderInput, RenderOutcome, Renderer, Trees},
    yaml,
};
use gitops_render::{
    DirectoryRenderer, HelmRenderer,
    helm::{ChartSource, Profile, TemplateOptions, template},
    repositories::{ChartRepositories, RepositoryOptions},
    tree::DirTree,
};
use serde_json::Value;

use crate::corpus::{Score, compare, folder, mask};

struct Seed {
    folder: PathBuf,
    urls: BTreeMap<String, String>,
    repositories: ChartRepositories,
}

/// One Application: its name, source and namespace.
struct App {
    name: String,
    source: ApplicationSource,
    namespace: String,
}

impl Seed {
    fn open(folder: PathBuf) -> Self {
        let urls: BTreeMap<String, String> =
            serde_json::from_slice(&fs::read(folder.join("urls.json")).unwrap()).unwrap();
        let mut options = RepositoryOptions::default();
        for (url, path) in &urls {
            let place = folder.join(path).display().to_string();
            options.redirects.insert(url.clone(), place);
        }
        Self {
            repositories: ChartRepositories::new(options).unwrap(),
            folder,
            urls,
        }
    }

    fn trees(&self, app: &App) -> Trees {
        let path = &self.urls[&app.source.repo_url];
        let tree = DirTree::open(self.folder.join(path)).unwrap();
        let trees = Trees::new(Arc::new(tree), app.source.path.clone().unwrap());
        futures::executor::block_on(self.repositories.complete(trees, &app.source)).unwrap()
    }

    fn manifests(&self, app: &App, renderer: &dyn Renderer) -> Vec<Manifest> {
        let trees = self.trees(app);
        assert!(renderer.detects(&trees, &app.source).unwrap());
        let prepared = renderer.prepare(&trees, &app.source).unwrap();
        let input = RenderInput {
            application: app.name.clone(),
            namespace: app.namespace.clone(),
            source: app.source.clone(),
            kube_version: "1.17.0".to_owned(),
            api_versions: Vec::new(),
            build_environment: BTreeMap::new(),
            randomness: Randomness::Real,
            now: Timestamp::now(),
            answers: BTreeMap::new(),
            lookups: false,
        };
        match prepared.render(&input).unwrap() {
            RenderOutcome::Rendered(rendered) => rendered.manifests,
            other => panic!("{other:?}"),
        }
    }

    /// What `helm template` prints for the Application, as the golden files were made.
    fn text(&self, app: &App) -> String {
        let trees = self.trees(app);
        let tree = gitops_core::source::SubTree::new(trees.root, &trees.path).unwrap();
        let mut options = TemplateOptions::default();
        options.name = Some(app.name.clone());
        options.namespace = Some(app.namespace.clone());
        options.kube_version = Some("1.17.0".to_owned());
        options.include_crds = true;
        options.render.now = Timestamp::now();
        let helm = app.source.helm.clone().unwrap_or_default();
        for parameter in &helm.parameters {
            let value = parameter.value.replace(',', "\\,");
            options
                .values
                .set
                .push(format!("{}={value}", parameter.name));
        }
        let no_files = |name: &str| Err(format!("open {name}: no such file or directory"));
        let output = template(
            ChartSource::Directory(&tree),
            &options,
            &Profile::helm_4_3(),
            &no_files,
        );
        output.stdout + &output.stderr
    }

    fn golden(&self, name: &str) -> String {
        fs::read_to_string(self.folder.join("golden").join(name)).unwrap()
    }
}

fn apps(seed: &Seed) -> Vec<App> {
    let root = App {
        name: "seed".to_owned(),
        source: ApplicationSource {
            repo_url: "https://github.com/edgelevel/gitops-k8s.git".to_owned(),
            path: Some("charts/seed".to_owned()),
            helm: Some(HelmSource::default()),
            ..ApplicationSource::default()
        },
        namespace: "argocd".to_owned(),
    };
    let mut apps = vec![root];
    // Every Application found among what an Application renders is rendered as well.
    let mut at = 0;
    while at < apps.len() {
        let app = &apps[at];
        at += 1;
        if app.name == "guestbook" {
            continue;
        }
        let found: Vec<App> = seed
            .manifests(app, &HelmRenderer::default())
            .iter()
            .filter(|manifest| manifest.kind() == "Application")
            .map(|manifest| {
                let application = Application::from_manifest(manifest).unwrap();
                App {
                    name: application.name().to_owned(),
                    source: application.spec.source.clone().unwrap(),
                    namespace: application.spec.destination.namespace.clone().unwrap(),
                }
            })
            .collect();
        for app in found {
            if !apps.iter().any(|known| known.name == app.name) {
                apps.push(app);
            }
        }
    }
    apps
}

fn check(seed: &Seed, app: &App) -> Result<(), String> {
    if seed
        .folder
        .join("golden")
        .join(format!("{}.json", app.name))
        .exists()
    {
        let golden: Value =
            serde_json::from_str(&seed.golden(&format!("{}.json", app.name))).unwrap();
        let expected: Vec<Value> = match golden {
            Value::Array(items) => items,
            Value::Object(mut object) => match object.remove("items") {
                Some(Value::Array(items)) => items,
                _ => vec![Value::Object(object)],
            },
            other => vec![other],
        };
        let mut found: Vec<String> = seed
            .manifests(app, &DirectoryRenderer::default())
            .iter()
            .map(|manifest| manifest.to_value().to_string())
            .collect();
        let mut expected: Vec<String> = expected.iter().map(ToString::to_string).collect();
        found.sort();
        expected.sort();
        return if found == expected {
            Ok(())
        } else {
            Err(format!("{found:?} != {expected:?}"))
        };
    }
    let golden = seed.golden(&format!("{}.yaml", app.name));
    let mask_file = seed
        .folder
        .join("golden")
        .join(format!("{}.mask", app.name));
    let masked = mask(Path::new(&mask_file));
    compare(&golden, &seed.text(app), &masked)?;
    // The renderer gives the same documents as objects.
    let expected = yaml::documents(&golden)
        .filter(|document| !document.as_ref().unwrap().is_null())
        .count();
    let found = seed.manifests(app, &HelmRenderer::default()).len();
    if expected == found {
        Ok(())
    } else {
        Err(format!("{found} manifests, expected {expected}"))
    }
}

#[test]
fn corpus_seed() {
    let Some(folder) = folder("seed") else { return };
    let seed = Seed::open(folder);
    let mut score = Score::new("seed render");
    for app in apps(&seed) {
        let run = || check(&seed, &app);
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(run))
            .unwrap_or_else(|_| Err("panicked".to_owned()));
        score.record(&app.name, result);
    }
    assert!(
        score.report(),
        "some Applications failed; see target/corpus"
    );
}
