//! `gitops template` beyond what the corpus has.

use std::process::Command;

fn template(arguments: &[&str]) -> (i32, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_gitops"))
        .args(["template", "shop", "demo/charts/shop"])
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("the command starts");
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    (
        output.status.code().unwrap_or(-1),
        text(output.stdout),
        text(output.stderr),
    )
}

#[test]
fn a_post_renderer_changes_manifests_and_leaves_hooks() {
    let arguments = [
        "--post-renderer",
        "sed",
        "--post-renderer-args",
        "s/kind: .*/kind: Changed/",
    ];
    let (code, out, error) = template(&arguments);
    assert_eq!(code, 0, "{error}");
    assert!(out.contains("kind: Changed"), "{out}");
    assert!(!out.contains("kind: Deployment"), "{out}");
    assert!(out.contains("kind: Job"), "{out}");
}

#[test]
fn a_post_renderer_that_fails_is_an_error() {
    let (code, out, error) = template(&["--post-renderer", "false"]);
    assert_eq!((code, out.as_str()), (1, ""));
    assert!(
        error.starts_with("Error: error while running post render on files: "),
        "{error}"
    );
    let (code, _, error) = template(&["--post-renderer", "./no-such-program"]);
    assert_eq!(code, 1);
    assert!(
        error.contains("unable to find binary at ./no-such-program"),
        "{error}"
    );
}
