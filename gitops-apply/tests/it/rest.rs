//! The REST API of the embedded cluster.

use bytes::Bytes;
use futures::executor::block_on;
use gitops_apply::embedded::EmbeddedCluster;
use gitops_core::{
    GroupVersionKind,
    schema::{ListTopology, Schema, Schemas, Type},
};
use http::Request;
use http_body_util::{BodyExt as _, Full};
use serde_json::{Value, json};
use tower::Service as _;

const CONFIGS: &str = "/api/v1/namespaces/default/configmaps";
const APPLY: &str = "application/apply-patch+yaml";

fn cluster() -> EmbeddedCluster {
    EmbeddedCluster::builder().build().expect("a cluster")
}

fn ask(
    cluster: &EmbeddedCluster,
    method: &str,
    path: &str,
    media: &str,
    body: &str,
) -> (u16, Value) {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("content-type", media)
        .header("user-agent", "tester/1.0")
        .body(Full::new(Bytes::from(body.to_owned())))
        .expect("a request");
    block_on(async {
        let response = cluster.rest().call(request).await.expect("it never fails");
        let status = response.status().as_u16();
        let body = response
            .into_body()
            .collect()
            .await
            .expect("a body")
            .to_bytes();
        let value = serde_json::from_slice(&body)
            .unwrap_or_else(|_| String::from_utf8_lossy(&body).into_owned().into());
        (status, value)
    })
}

fn get(cluster: &EmbeddedCluster, path: &str) -> (u16, Value) {
    ask(cluster, "GET", path, "application/json", "")
}

fn config(name: &str) -> String {
    json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "labels": {"n": name}},
        "data": {"k": "v"},
    })
    .to_string()
}

#[test]
fn objects_are_made_read_changed_and_deleted() {
    let cluster = cluster();
    let (status, made) = ask(&cluster, "POST", CONFIGS, "application/json", &config("a"));
    assert_eq!(status, 201);
    assert_eq!(made["metadata"]["managedFields"][0]["manager"], "tester");
    let one = format!("{CONFIGS}/a");
    assert_eq!(get(&cluster, &one), (200, made));
    let (status, changed) = ask(
        &cluster,
        "PATCH",
        &one,
        "application/merge-patch+json",
        r#"{"data":{"k":"w"}}"#,
    );
    assert_eq!((status, &changed["data"]["k"]), (200, &json!("w")));
    let (status, done) = ask(&cluster, "DELETE", &one, "application/json", "");
    assert_eq!((status, &done["status"]), (200, &json!("Success")));
    let (status, gone) = get(&cluster, &one);
    assert_eq!(status, 404);
    assert_eq!(gone["message"], "configmaps \"a\" not found");
    assert_eq!(gone["details"], json!({"name": "a", "kind": "configmaps"}));
}

#[test]
fn apply_takes_yaml_and_reports_conflicts() {
    let cluster = cluster();
    let path = |manager: &str| format!("{CONFIGS}/a?fieldManager={manager}");
    let yaml = |value: &str| {
        format!("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\ndata:\n  k: {value}\n")
    };
    assert_eq!(
        ask(&cluster, "PATCH", &path("one"), APPLY, &yaml("v")).0,
        201
    );
    assert_eq!(
        ask(&cluster, "PATCH", &path("one"), APPLY, &yaml("v")).0,
        200
    );
    let (status, refused) = ask(&cluster, "PATCH", &path("two"), APPLY, &yaml("w"));
    assert_eq!(status, 409);
    assert_eq!(
        refused["message"],
        "Apply failed with 1 conflict: conflict with \"one\": .data.k"
    );
    assert_eq!(
        refused["details"]["causes"][0]["reason"],
        "FieldManagerConflict"
    );
    let forced = format!("{}&force=true", path("two"));
    assert_eq!(ask(&cluster, "PATCH", &forced, APPLY, &yaml("w")).0, 200);
    let (status, refused) = ask(
        &cluster,
        "PATCH",
        &format!("{CONFIGS}/a"),
        APPLY,
        &yaml("w"),
    );
    assert_eq!(status, 422);
    assert_eq!(refused["details"]["causes"][0]["field"], "fieldManager");
}

#[test]
fn lists_select_and_come_in_pages() {
    let cluster = cluster();
    for name in ["a", "b", "c"] {
        ask(&cluster, "POST", CONFIGS, "application/json", &config(name));
    }
    let names = |list: &Value| -> Vec<String> {
        let items = list["items"].as_array().expect("items");
        items
            .iter()
            .map(|o| o["metadata"]["name"].as_str().expect("a name").to_owned())
            .collect()
    };
    let (_, list) = get(
        &cluster,
        &format!("{CONFIGS}?labelSelector=n+in+%28a%2Cc%29"),
    );
    assert_eq!(list["kind"], "ConfigMapList");
    assert_eq!(names(&list), ["a", "c"]);
    let (_, list) = get(
        &cluster,
        &format!("{CONFIGS}?fieldSelector=metadata.name%3Db"),
    );
    assert_eq!(names(&list), ["b"]);
    let (_, page) = get(&cluster, &format!("{CONFIGS}?limit=2"));
    assert_eq!(names(&page), ["a", "b"]);
    let token = page["metadata"]["continue"].as_str().expect("a token");
    let (_, page) = get(&cluster, &format!("{CONFIGS}?limit=2&continue={token}"));
    assert_eq!(names(&page), ["c", "kube-root-ca.crt"]);
    assert_eq!(page["metadata"].get("continue"), None);
    assert_eq!(
        get(&cluster, &format!("{CONFIGS}?continue=nonsense")).0,
        400
    );
}

#[test]
fn pages_are_of_one_snapshot() {
    let cluster = cluster();
    for name in ["a", "b", "c"] {
        ask(&cluster, "POST", CONFIGS, "application/json", &config(name));
    }
    let (_, first) = get(&cluster, &format!("{CONFIGS}?limit=1"));
    let version = first["metadata"]["resourceVersion"].as_str();
    let version = version.expect("a version").to_owned();
    let token = first["metadata"]["continue"].as_str().expect("a token");
    ask(
        &cluster,
        "DELETE",
        &format!("{CONFIGS}/b"),
        "application/json",
        "",
    );
    ask(&cluster, "POST", CONFIGS, "application/json", &config("bb"));
    let names = |list: &Value| -> Vec<String> {
        let items = list["items"].as_array().expect("items");
        items
            .iter()
            .map(|o| o["metadata"]["name"].as_str().expect("a name").to_owned())
            .collect()
    };
    let rest = format!("{CONFIGS}?continue={token}");
    let (_, page) = get(&cluster, &rest);
    assert_eq!(names(&page), ["b", "c", "kube-root-ca.crt"]);
    assert_eq!(page["metadata"]["resourceVersion"], version.as_str());
    let exact = format!("{CONFIGS}?resourceVersion={version}&resourceVersionMatch=Exact");
    assert_eq!(
        names(&get(&cluster, &exact).1),
        ["a", "b", "c", "kube-root-ca.crt"]
    );
    cluster.compact();
    let (status, gone) = get(&cluster, &rest);
    assert_eq!((status, &gone["reason"]), (410, &json!("Expired")));
    let token = gone["metadata"]["continue"].as_str().expect("a token");
    let (_, page) = get(&cluster, &format!("{CONFIGS}?continue={token}"));
    assert_eq!(names(&page), ["bb", "c", "kube-root-ca.crt"]);
}

#[test]
fn objects_come_as_metadata_and_as_tables() {
    let cluster = cluster();
    ask(&cluster, "POST", CONFIGS, "application/json", &config("a"));
    let as_form = |path: &str, form: &str| -> Value {
        let request = Request::builder()
            .uri(path)
            .header(
                "accept",
                format!("application/json;as={form};g=meta.k8s.io;v=v1,application/json"),
            )
            .body(Full::new(Bytes::new()))
            .expect("a request");
        let body = block_on(async {
            let response = cluster.rest().call(request).await.expect("it never fails");
            response.into_body().collect().await.expect("a body")
        });
        serde_json::from_slice(&body.to_bytes()).expect("JSON")
    };
    let list = as_form(CONFIGS, "PartialObjectMetadataList");
    assert_eq!(list["kind"], "PartialObjectMetadataList");
    assert_eq!(list["items"][0]["metadata"]["name"], "a");
    assert_eq!(list["items"][0].get("data"), None);
    let table = as_form(&format!("{CONFIGS}/a"), "Table");
    assert_eq!(table["kind"], "Table");
    assert_eq!(table["rows"][0]["cells"][0], "a");
    assert_eq!(table["rows"][0]["cells"][1], 1);
    assert_eq!(table["rows"][0]["object"]["kind"], "PartialObjectMetadata");
    let request = Request::builder()
        .uri(CONFIGS)
        .header("accept", "application/vnd.kubernetes.protobuf")
        .body(Full::new(Bytes::new()))
        .expect("a request");
    let refused = block_on(cluster.rest().call(request)).expect("it never fails");
    assert_eq!(refused.status(), 406);
}

#[test]
fn watches_end_in_time_with_a_bookmark() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let cluster = cluster();
    ask(&cluster, "POST", CONFIGS, "application/json", &config("a"));
    let request = Request::builder()
        .uri(format!(
            "{CONFIGS}?watch=true&allowWatchBookmarks=true&timeoutSeconds=1&resourceVersion=0&labelSelector=n%3Da"
        ))
        .body(Full::new(Bytes::new()))
        .expect("a request");
    let body = runtime.block_on(async {
        let response = cluster.rest().with_timers().call(request).await;
        let body = response.expect("it never fails").into_body();
        body.collect().await.expect("it ends").to_bytes()
    });
    let kinds: Vec<Value> = body
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_slice::<Value>(line).expect("JSON")["type"].clone())
        .collect();
    assert_eq!(kinds, ["ADDED", "BOOKMARK"]);
}

#[test]
fn watches_stream_lines() {
    let cluster = cluster();
    ask(&cluster, "POST", CONFIGS, "application/json", &config("a"));
    let request = Request::builder()
        .uri(format!(
            "{CONFIGS}?watch=true&resourceVersion=0&labelSelector=n%3Da"
        ))
        .body(Full::new(Bytes::new()))
        .expect("a request");
    block_on(async {
        let mut body = cluster
            .rest()
            .call(request)
            .await
            .expect("it never fails")
            .into_body();
        let mut line = async || -> Value {
            let frame = body.frame().await.expect("a frame").expect("no error");
            serde_json::from_slice(frame.data_ref().expect("data")).expect("JSON")
        };
        let first = line().await;
        assert_eq!(
            (&first["type"], &first["object"]["metadata"]["name"]),
            (&json!("ADDED"), &json!("a"))
        );
        cluster
            .rest()
            .call(
                Request::builder()
                    .method("DELETE")
                    .uri(format!("{CONFIGS}/a"))
                    .body(Full::new(Bytes::new()))
                    .expect("a request"),
            )
            .await
            .expect("it never fails");
        assert_eq!(line().await["type"], "DELETED");
    });
}

#[test]
fn discovery_in_both_forms() {
    let cluster = cluster();
    assert_eq!(get(&cluster, "/version").1["minor"], "34");
    let (_, groups) = get(&cluster, "/apis");
    let names: Vec<&Value> = groups["groups"]
        .as_array()
        .expect("groups")
        .iter()
        .map(|g| &g["name"])
        .collect();
    assert!(names.contains(&&json!("apps")));
    let (_, resources) = get(&cluster, "/apis/apps/v1");
    let resources = resources["resources"].as_array().expect("resources");
    assert!(resources.iter().any(|r| r["name"] == "deployments/status"));
    let request = Request::builder()
        .uri("/apis")
        .header(
            "accept",
            "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json",
        )
        .body(Full::new(Bytes::new()))
        .expect("a request");
    let body = block_on(async {
        let response = cluster.rest().call(request).await.expect("it never fails");
        response
            .into_body()
            .collect()
            .await
            .expect("a body")
            .to_bytes()
    });
    let list: Value = serde_json::from_slice(&body).expect("JSON");
    assert_eq!(list["kind"], "APIGroupDiscoveryList");
    assert_eq!(get(&cluster, "/apis/nowhere.example.com/v1").0, 404);
}

#[test]
fn schemas_survive_open_api() {
    let cluster = cluster();
    let (_, index) = get(&cluster, "/openapi/v3");
    assert!(index["paths"]["apis/apps/v1"]["serverRelativeURL"].is_string());
    let (_, document) = get(&cluster, "/openapi/v3/api/v1");
    let mut set = gitops_diff::SchemaSet::new();
    set.add_openapi(&document).expect("it can be read");
    let gvk = GroupVersionKind::new("", "v1", "Service");
    let schema = set.schema(&gvk).expect("a schema");
    let field = |schema: &Schema, ty: &Type, name: &str| -> Type {
        let Type::Map(map) = ty else {
            panic!("a map has fields")
        };
        schema.get(map.fields[name].ty).clone()
    };
    let spec = field(&schema, schema.root(), "spec");
    let Type::List(ports) = field(&schema, &spec, "ports") else {
        panic!("ports are a list")
    };
    let ListTopology::Map(keys) = &ports.topology else {
        panic!("ports have keys")
    };
    let names: Vec<&str> = keys.iter().map(|key| key.name.as_str()).collect();
    assert_eq!(names, ["port", "protocol"]);
    assert_eq!(keys[1].default, Some(json!("TCP")));
}

#[test]
fn a_kube_client_works_against_the_service() {
    use k8s_openapi::api::core::v1::ConfigMap;
    use kube::{
        Api, Client,
        api::{DeleteParams, ListParams, Patch, PatchParams},
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let client = Client::new(cluster().rest(), "default");
        assert_eq!(
            client.apiserver_version().await.expect("a version").minor,
            "34"
        );
        let api: Api<ConfigMap> = Api::default_namespaced(client);
        let object: Value = serde_json::from_str(&config("a")).expect("JSON");
        let params = PatchParams::apply("kube");
        let made = api
            .patch("a", &params, &Patch::Apply(&object))
            .await
            .expect("it is applied");
        assert_eq!(made.data.expect("data")["k"], "v");
        let list = api
            .list(&ListParams::default().labels("n=a"))
            .await
            .expect("a list");
        assert_eq!(list.items.len(), 1);
        api.delete("a", &DeleteParams::default())
            .await
            .expect("it is deleted");
        assert!(api.get_opt("a").await.expect("an answer").is_none());
    });
}
