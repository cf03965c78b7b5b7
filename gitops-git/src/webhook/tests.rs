use serde_json::json;

use super::*;

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn sign(secret: &str, body: &[u8]) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    hex(hmac::sign(&key, body).as_ref())
}

fn pushes(delivery: Delivery) -> Vec<Push> {
    match delivery {
        Delivery::Pushed(pushes) => pushes,
        other => panic!("{other:?}"),
    }
}

const NEW: &str = "1111111111111111111111111111111111111111";
const ZERO: &str = "0000000000000000000000000000000000000000";

#[test]
fn the_signature_that_github_documents() {
    // From "Validating webhook deliveries" of GitHub's documentation.
    let secrets = WebhookSecrets {
        github: Some("It's a Secret to Everybody".into()),
        ..WebhookSecrets::default()
    };
    let good = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
    for (signature, expected) in [
        (Some(good), None),
        (Some("sha256=00"), Some("another secret")),
        (Some("sha1=757107ea"), Some("another secret")),
        (Some("sha256=zz"), Some("another secret")),
        (None, Some("not signed")),
    ] {
        let mut headers = vec![("x-github-event", "issues")];
        headers.extend(signature.map(|signature| ("X-Hub-Signature-256", signature)));
        let result = receive(headers.as_slice(), b"Hello, World!", &secrets);
        match expected {
            None => assert!(matches!(result, Ok(Delivery::Ignored { .. })), "{result:?}"),
            Some(words) => {
                let error = result.unwrap_err();
                assert!(error.to_string().contains(words), "{error}");
            }
        }
    }
}

#[test]
fn github_and_gitea() {
    let body = json!({
        "ref": "refs/heads/main",
        "before": ZERO,
        "after": NEW,
        "repository": {
            "clone_url": "https://github.com/a/b.git",
            "ssh_url": "git@github.com:a/b.git",
            "html_url": "https://github.com/a/b",
        },
        "commits": [
            {"added": ["x"], "modified": ["apps/a"], "removed": []},
            {"added": [], "modified": ["apps/a"], "removed": ["y"]},
        ],
    })
    .to_string();
    let secrets = WebhookSecrets {
        github: Some("a".into()),
        gitea: Some("b".into()),
        ..WebhookSecrets::default()
    };
    let github = format!("sha256={}", sign("a", body.as_bytes()));
    let gitea = sign("b", body.as_bytes());
    for headers in [
        vec![("X-GitHub-Event", "push"), ("X-Hub-Signature-256", &github)],
        vec![
            ("X-GitHub-Event", "push"),
            ("X-Gitea-Event", "push"),
            ("X-Gitea-Signature", gitea.as_str()),
        ],
        vec![("X-Forgejo-Event", "push"), ("X-Forgejo-Signature", &gitea)],
    ] {
        let pushed = pushes(receive(headers.as_slice(), body.as_bytes(), &secrets).unwrap());
        assert_eq!(pushed.len(), 1);
        assert_eq!(pushed[0].reference, "refs/heads/main");
        assert_eq!(pushed[0].commit.as_deref(), Some(NEW));
        assert_eq!(pushed[0].before, None);
        assert_eq!(pushed[0].urls.len(), 3);
        let files = ["apps/a", "x", "y"].map(str::to_owned).to_vec();
        assert_eq!(pushed[0].files, Some(files));
    }
}

#[test]
fn forms_and_forced_pushes() {
    let event = |forced: bool| {
        json!({
            "ref": "refs/heads/main",
            "before": NEW,
            "after": NEW.replace('1', "2"),
            "forced": forced,
            "repository": {"clone_url": "https://github.com/a/b.git"},
            "commits": [{"added": ["a&b=c d"], "modified": [], "removed": []}],
        })
        .to_string()
    };
    let form = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("other", "x")
        .append_pair("payload", &event(false))
        .finish();
    let secrets = WebhookSecrets {
        github: Some("a".into()),
        gitea: Some("a".into()),
        ..WebhookSecrets::default()
    };
    let signature = sign("a", form.as_bytes());
    let github = format!("sha256={signature}");
    for headers in [
        [
            ("X-GitHub-Event", "push"),
            ("X-Hub-Signature-256", github.as_str()),
            (
                "content-type",
                "application/x-www-form-urlencoded; charset=utf-8",
            ),
        ],
        [
            ("X-Gogs-Event", "push"),
            ("X-Gogs-Signature", &signature),
            ("Content-Type", "application/x-www-form-urlencoded"),
        ],
    ] {
        let pushed = pushes(receive(&headers[..], form.as_bytes(), &secrets).unwrap());
        assert_eq!(pushed[0].files, Some(vec!["a&b=c d".to_owned()]));
        assert_eq!(pushed[0].before.as_deref(), Some(NEW));
    }
    let open = WebhookSecrets::default().allow_unsigned();
    let headers = [("X-GitHub-Event", "push")];
    let pushed = pushes(receive(&headers[..], event(true).as_bytes(), &open).unwrap());
    assert_eq!(pushed[0].files, None);
}

#[test]
fn gitlab_compares_its_token() {
    let body = json!({
        "ref": "refs/tags/v1",
        "before": ZERO,
        "after": NEW,
        "project": {"git_http_url": "https://gitlab.com/a/b.git", "git_ssh_url": "git@gitlab.com:a/b.git"},
        "repository": {"git_http_url": "https://gitlab.com/a/b.git"},
        "commits": [],
    })
    .to_string();
    let secrets = WebhookSecrets {
        gitlab: Some("token".into()),
        ..WebhookSecrets::default()
    };
    let headers = [
        ("X-Gitlab-Event", "Tag Push Hook"),
        ("X-Gitlab-Token", "token"),
    ];
    let pushed = pushes(receive(&headers[..], body.as_bytes(), &secrets).unwrap());
    assert_eq!(pushed[0].reference, "refs/tags/v1");
    assert_eq!(pushed[0].urls.len(), 2);
    assert_eq!(pushed[0].files, None);
    let wrong = [("X-Gitlab-Event", "Push Hook"), ("X-Gitlab-Token", "tok")];
    assert!(matches!(
        receive(&wrong[..], body.as_bytes(), &secrets),
        Err(WebhookError::WrongSignature { .. })
    ));
}

#[test]
fn bitbucket_cloud_and_server() {
    let cloud = json!({
        "repository": {"full_name": "a/b", "links": {"html": {"href": "https://bitbucket.org/a/b"}}},
        "push": {"changes": [
            {"new": {"type": "branch", "name": "main", "target": {"hash": NEW}}, "old": null},
            {"new": null, "old": {"type": "tag", "name": "v1", "target": {"hash": NEW}}},
        ]},
    })
    .to_string();
    let server = json!({
        "repository": {"links": {"clone": [
            {"href": "https://bb.example.org/scm/a/b.git", "name": "http"},
            {"href": "ssh://git@bb.example.org/a/b.git", "name": "ssh"},
        ]}},
        "changes": [{"ref": {"id": "refs/heads/main"}, "fromHash": ZERO, "toHash": NEW}],
    })
    .to_string();
    let open = WebhookSecrets::default().allow_unsigned();
    let pushed =
        pushes(receive(&[("X-Event-Key", "repo:push")][..], cloud.as_bytes(), &open).unwrap());
    assert_eq!(pushed.len(), 2);
    assert_eq!(pushed[0].reference, "refs/heads/main");
    assert_eq!(pushed[1].reference, "refs/tags/v1");
    assert_eq!(pushed[1].commit, None);
    assert!(
        pushed[0]
            .urls
            .contains(&"https://bitbucket.org/a/b.git".to_owned())
    );
    let headers = [("X-Event-Key", "repo:refs_changed")];
    let pushed = pushes(receive(&headers[..], server.as_bytes(), &open).unwrap());
    assert_eq!(pushed[0].urls.len(), 2);
    assert_eq!(pushed[0].commit.as_deref(), Some(NEW));
}

#[test]
fn garbage_is_an_error() {
    let open = WebhookSecrets::default().allow_unsigned();
    for (event, header) in [
        ("push", "X-GitHub-Event"),
        ("Push Hook", "X-Gitlab-Event"),
        ("repo:push", "X-Event-Key"),
        ("repo:refs_changed", "X-Event-Key"),
    ] {
        for body in [&b""[..], b"[]", b"{}", b"null", b"{\"ref\":7}"] {
            let result = receive(&[(header, event)][..], body, &open);
            assert!(
                matches!(result, Err(WebhookError::Malformed { .. })),
                "{header} {body:?} {result:?}"
            );
        }
    }
    let none: [(&str, &str); 0] = [];
    assert_eq!(
        receive(&none[..], b"{}", &open),
        Err(WebhookError::UnknownHost)
    );
    assert!(matches!(
        receive(
            &[("X-GitHub-Event", "push")][..],
            b"{}",
            &WebhookSecrets::default()
        ),
        Err(WebhookError::NoSecret { .. })
    ));
}
