//! A GitHub App's tokens, from a stand-in of GitHub's API on loopback.

use std::{
    process::Command,
    sync::{Arc, Mutex},
    time::Duration,
};

use aws_lc_rs::{
    rsa::KeyPair,
    signature::{KeyPair as _, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey},
};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use gitops_core::{
    Classified, ErrorClass, Manifest,
    clock::{Clock, ManualClock, Timestamp},
};
use gitops_git::{
    GitUrl,
    credentials::{Access, ArgoCdSecrets, Authorization, Credentials, GitHubApp, SecretData},
};
use serde_json::json;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpListener,
};

use crate::world::World;

/// Answers as GitHub does; keeps the request lines and the statements.
struct Api {
    base: String,
    seen: Arc<Mutex<Vec<(String, String)>>>,
    status: Arc<Mutex<&'static str>>,
}

impl Api {
    async fn start(ends: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}/api/v3", listener.local_addr().unwrap());
        let seen = Arc::new(Mutex::new(Vec::new()));
        let status = Arc::new(Mutex::new("200 OK"));
        let (log, state) = (seen.clone(), status.clone());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (log, state) = (log.clone(), state.clone());
                tokio::spawn(async move {
                    let mut stream = BufReader::new(stream);
                    let mut line = String::new();
                    while stream.read_line(&mut line).await.is_ok_and(|read| read > 0) {
                        let request = line.trim().to_owned();
                        let mut statement = String::new();
                        let mut length = 0;
                        loop {
                            line.clear();
                            stream.read_line(&mut line).await.unwrap();
                            let Some((name, value)) = line.trim().split_once(": ") else {
                                break;
                            };
                            match name.to_lowercase().as_str() {
                                "authorization" => statement = value.to_owned(),
                                "content-length" => length = value.parse().unwrap(),
                                _ => {}
                            }
                        }
                        let mut body = vec![0; length];
                        stream.read_exact(&mut body).await.unwrap();
                        let answer = answer(&request, ends);
                        log.lock().unwrap().push((request, statement));
                        let status = *state.lock().unwrap();
                        let text = format!(
                            "HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{answer}",
                            answer.len()
                        );
                        stream.get_mut().write_all(text.as_bytes()).await.unwrap();
                        line.clear();
                    }
                });
            }
        });
        Self { base, seen, status }
    }

    fn requests(&self) -> Vec<String> {
        let mut seen = self.seen.lock().unwrap();
        std::mem::take(&mut *seen)
            .into_iter()
            .map(|(request, _)| request)
            .collect()
    }
}

fn answer(request: &str, ends: &str) -> String {
    let installation = |id: u32, login: &str| json!({"id": id, "account": {"login": login}});
    if request.starts_with("GET /api/v3/app/installations?") {
        let list: Vec<_> = if request.contains("page=1 ") {
            (0..100)
                .map(|n| installation(n, &format!("other-{n}")))
                .collect()
        } else {
            vec![installation(500, "Acme"), installation(501, "second")]
        };
        return json!(list).to_string();
    }
    let token = request
        .split('/')
        .find(|part| part.parse::<u32>().is_ok())
        .map(|id| format!("token-{id}"));
    json!({"token": token, "expires_at": ends}).to_string()
}

fn private_key(world: &World, format: &str) -> String {
    let file = world.path(&format!("app-{format}"));
    let made = Command::new("ssh-keygen")
        .args([
            "-q", "-t", "rsa", "-b", "2048", "-m", format, "-N", "", "-f",
        ])
        .arg(&file)
        .status()
        .unwrap();
    assert!(made.success());
    std::fs::read_to_string(file).unwrap()
}

fn token(authorization: Option<&Authorization>) -> String {
    match authorization {
        Some(Authorization::Basic { user, password }) => {
            assert_eq!(user, "x-access-token");
            password.expose().to_owned()
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_are_asked_for_and_renewed() {
    let world = World::new();
    let api = Api::start("2024-01-01T01:00:00Z").await;
    let clock = Arc::new(ManualClock::at("2024-01-01T00:00:00Z".parse().unwrap()));
    let pem = private_key(&world, "PKCS8");
    let secret: Manifest = serde_json::from_value(json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "x", "labels": {"argocd.argoproj.io/secret-type": "repo-creds"}},
        "stringData": {
            "url": "https://github.com/",
            "githubAppID": "7",
            "githubAppPrivateKey": pem,
            "githubAppEnterpriseBaseUrl": api.base,
        },
    }))
    .unwrap();
    let dyn_clock: Arc<dyn Clock> = clock.clone();
    let known = ArgoCdSecrets::read([&secret], &dyn_clock).unwrap();
    let access = async |url: &str| known.access(&GitUrl::parse(url).unwrap()).await;
    let acme = access("https://github.com/acme/a").await.unwrap();
    assert_eq!(token(acme.authorization.as_ref()), "token-500");
    let lines: Vec<_> = api.seen.lock().unwrap().clone();
    assert_eq!(lines.len(), 3, "two pages and a token: {lines:?}");

    // The statement says who asks, and is signed by the App's key.
    let statement = lines[2].1.strip_prefix("Bearer ").unwrap();
    let (text, signature) = statement.rsplit_once('.').unwrap();
    let claims = URL_SAFE_NO_PAD
        .decode(text.split('.').nth(1).unwrap())
        .unwrap();
    let claims: serde_json::Value = serde_json::from_slice(&claims).unwrap();
    let now = Timestamp::as_second(clock.now());
    assert_eq!(claims["iss"], "7");
    assert!(claims["iat"].as_i64().unwrap() <= now);
    assert!(claims["exp"].as_i64().unwrap() - now <= 600);
    let der: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    let key = KeyPair::from_pkcs8(&STANDARD.decode(der).unwrap()).unwrap();
    UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, key.public_key().as_ref())
        .verify(text.as_bytes(), &URL_SAFE_NO_PAD.decode(signature).unwrap())
        .unwrap();

    // Another repository of the same owner needs no other token, another owner does.
    api.requests();
    let again = access("https://github.com/ACME/b").await.unwrap();
    assert_eq!(token(again.authorization.as_ref()), "token-500");
    assert!(api.requests().is_empty());
    let second = access("https://github.com/second/b").await.unwrap();
    assert_eq!(token(second.authorization.as_ref()), "token-501");
    api.requests();
    // Renewed before it ends.
    clock.advance(Duration::from_secs(3400));
    access("https://github.com/acme/a").await.unwrap();
    assert_eq!(api.requests().len(), 3);

    let error = access("https://github.com/stranger/a").await.unwrap_err();
    assert!(
        error.to_string().contains("not installed for `stranger`"),
        "{error}"
    );
    for (status, class) in [
        ("401 Unauthorized", ErrorClass::Unauthenticated),
        ("403 Forbidden\r\nRetry-After: 30", ErrorClass::Throttled),
        ("429 Too Many Requests", ErrorClass::Throttled),
        ("502 Bad Gateway", ErrorClass::Unavailable),
    ] {
        *api.status.lock().unwrap() = status;
        let error = access("https://github.com/new/a").await.unwrap_err();
        assert_eq!(error.class(), class, "{error}");
        assert!(!error.to_string().contains("PRIVATE"), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn flux_names_the_installation_or_its_owner() {
    let world = World::new();
    let api = Api::start("2024-01-01T01:00:00Z").await;
    let clock: Arc<dyn Clock> = Arc::new(ManualClock::at("2024-01-01T00:00:00Z".parse().unwrap()));
    let data = |key: &str, value: &str| {
        SecretData::default()
            .with("githubAppID", "7")
            .with("githubAppPrivateKey", private_key(&world, "PEM"))
            .with("githubAppBaseURL", api.base.clone())
            .with(key, value)
    };
    for (key, value, requests) in [
        ("githubAppInstallationID", "42", 1),
        ("githubAppInstallationOwner", "acme", 3),
    ] {
        let data = data(key, value);
        assert!(!format!("{data:?}").contains("PRIVATE"));
        let app = GitHubApp::from_flux(&data, clock.clone()).unwrap();
        assert!(!format!("{app:?}").contains("PRIVATE"));
        let url = GitUrl::parse("https://github.com/whoever/a").unwrap();
        let access = app.grant(&url, Access::default()).await.unwrap();
        let expected = if requests == 1 {
            "token-42"
        } else {
            "token-500"
        };
        assert_eq!(token(access.authorization.as_ref()), expected);
        assert_eq!(api.requests().len(), requests);
        std::fs::remove_file(world.path("app-PEM")).unwrap();
        let _ = std::fs::remove_file(world.path("app-PEM.pub"));
    }
    let none = SecretData::default()
        .with("githubAppID", "7")
        .with("githubAppPrivateKey", "no key");
    assert!(GitHubApp::from_flux(&none, clock).is_err());
}
