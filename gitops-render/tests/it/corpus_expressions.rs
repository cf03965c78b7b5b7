//! Single template expressions with the results of Helm: each is the only template of a chart.

use std::fs;

use bytes::Bytes;
use gitops_core::source::MemoryTree;
use gitops_render::helm::{Chart, ChartFile, Helm, Profile, Release, Values};
use serde_json::Value as Json;

use crate::corpus::{Score, folder};

const METADATA: &str = "apiVersion: v2\nname: x\nversion: 1.2.3\nappVersion: \"4.5\"\n";

/// One line of `expressions.jsonl`.
pub(crate) struct Case {
    expression: String,
    values: Values,
    v4: Result<String, String>,
    v3: Result<String, String>,
}

impl Case {
    /// An expression of which the result is not known.
    pub(crate) fn of(expression: &str, values: &Json) -> Self {
        Self {
            expression: expression.to_owned(),
            values: values
                .as_object()
                .map_or_else(Values::new, |values| Values::from_json(values.clone())),
            v4: Ok(String::new()),
            v3: Ok(String::new()),
        }
    }

    fn read(line: &str) -> Self {
        let case: Json = serde_json::from_str(line).unwrap();
        let text = |key: &str| case.get(key).and_then(Json::as_str).map(str::to_owned);
        let outcome = |out: &str, error: &str| match (text(out), text(error)) {
            (Some(out), _) => Some(Ok(out)),
            (None, Some(error)) => Some(Err(error)),
            (None, None) => None,
        };
        let v4 = outcome("out", "error").unwrap();
        let values = match case.get("values") {
            Some(Json::Object(values)) => Values::from_json(values.clone()),
            _ => Values::new(),
        };
        Self {
            expression: text("expr").unwrap(),
            values,
            v3: outcome("out_v3", "error_v3").unwrap_or_else(|| v4.clone()),
            v4,
        }
    }
}

pub(crate) fn helm(profile: Profile) -> Helm {
    let mut options = gitops_render::helm::RenderOptions::default();
    let mut capabilities = gitops_render::helm::Capabilities::default_of(&profile);
    capabilities.kube_version =
        gitops_render::helm::KubeVersion::parse("1.31.0", &profile).unwrap();
    options.capabilities = Some(capabilities);
    options.now = jiff::Timestamp::now();
    Helm::new(profile).with_options(options)
}

pub(crate) fn chart() -> Chart {
    Chart::load(&MemoryTree::new().with("Chart.yaml", METADATA)).unwrap()
}

/// Renders the expression as the only template of the chart.
pub(crate) fn render_bytes(helm: &Helm, chart: &mut Chart, case: &Case) -> Result<Vec<u8>, String> {
    let data = Bytes::from(case.expression.clone());
    chart.templates = vec![ChartFile::new("templates/e.yaml", data)];
    let release = Release::named("r").in_namespace("ns");
    let files = helm
        .render_files(chart, &release, &case.values)
        .map_err(|error| error.to_string())?;
    Ok(files.into_values().next().unwrap_or_default())
}

#[test]
fn corpus_expressions() {
    let Some(folder) = folder("helm") else { return };
    let Ok(text) = fs::read_to_string(folder.join("expressions.jsonl")) else {
        println!("helm expressions: skipped, there is no expressions.jsonl");
        return;
    };
    let mut chart = chart();
    let (helm4, helm3) = (helm(Profile::helm_4_3()), helm(Profile::helm_3_22()));
    let mut score = Score::new("helm expressions");
    for (index, line) in text.lines().enumerate() {
        let case = Case::read(line);
        for (version, helm, expected) in [("v4", &helm4, &case.v4), ("v3", &helm3, &case.v3)] {
            let found = render_bytes(helm, &mut chart, &case)
                .map(|text| String::from_utf8_lossy(&text).into_owned());
            let result = if found == *expected {
                Ok(())
            } else {
                Err(format!("\n  expected {expected:?}\n  found    {found:?}"))
            };
            let id = format!("{:05} {version} {:?}", index + 1, case.expression);
            score.record(&id, result);
        }
    }
    assert!(score.report(), "some expressions differ; see target/corpus");
}
