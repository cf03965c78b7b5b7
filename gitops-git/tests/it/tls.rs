//! The options of a transport, against TLS servers and proxies on loopback.

use std::{
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

use gitops_core::{
    Classified, ErrorClass,
    source::{FileTree, RevisionSpec},
};
use gitops_git::{
    GitError, Timeouts,
    credentials::{Access, ByPrefix, ClientCertificate, Proxy, Secret, Tls},
};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::{
    RootCertStore, ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer},
    server::WebPkiClientVerifier,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::TlsAcceptor;

use crate::{
    server::{Behaviour, Io, Server, publish},
    world::World,
};

/// A certificate authority.
struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    fn pem(&self) -> String {
        self.0.pem()
    }

    fn issue(&self, name: &str) -> (rcgen::Certificate, KeyPair) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        (params.signed_by(&key, &self.0).unwrap(), key)
    }

    /// A server with a certificate for this name, that perhaps wants one of its clients.
    async fn serve(&self, root: &Path, name: &str, clients: Option<&Self>) -> Server {
        let (certificate, key) = self.issue(name);
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ServerConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .unwrap();
        let builder = match clients {
            None => builder.with_no_client_auth(),
            Some(authority) => {
                let mut roots = RootCertStore::empty();
                roots.add(authority.0.der().clone()).unwrap();
                builder.with_client_cert_verifier(
                    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
                        .build()
                        .unwrap(),
                )
            }
        };
        let chain = vec![CertificateDer::from(certificate.der().to_vec())];
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(builder.with_single_cert(chain, key).unwrap()));
        Server::start_with(root, move |stream| {
            let acceptor = acceptor.clone();
            async move {
                let stream = acceptor.accept(stream).await.ok()?;
                Some(Box::new(stream) as Box<dyn Io>)
            }
        })
        .await
    }
}

fn sample(world: &World) {
    let repo = world.repository("repo");
    repo.write("a", "a\n");
    repo.commit("first");
    publish(&repo.path, &world.path("srv"), "repo.git");
}

async fn read(world: &World, url: &str, access: Access) -> Result<(), GitError> {
    let source = world
        .provider()
        .credentials(ByPrefix::new().with(url, access))
        .timeouts(Timeouts::all(Duration::from_secs(20)))
        .build()
        .open_url(url)
        .await?;
    let revision = source.resolve(&RevisionSpec::head()).await?;
    let tree = source.tree(&revision).await?;
    assert_eq!(&tree.read("a").unwrap().unwrap()[..], b"a\n");
    std::fs::remove_dir_all(world.path("cache")).unwrap();
    Ok(())
}

fn secure(server: &Server) -> String {
    server.url("repo.git").replace("http://", "https://")
}

fn tls(authorities: Option<String>) -> Tls {
    let mut tls = Tls::default();
    tls.authorities = authorities;
    tls
}

fn with(tls: Tls) -> Access {
    Access::default().with_tls(tls)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn servers_are_trusted_by_their_authority() {
    let world = World::new();
    sample(&world);
    let authority = Authority::new();
    let root = world.path("srv");
    let server = authority.serve(&root, "127.0.0.1", None).await;
    let url = secure(&server);
    read(&world, &url, with(tls(Some(authority.pem()))))
        .await
        .unwrap();
    // A bundle with others in it.
    let bundle = format!("{}\n{}", Authority::new().pem(), authority.pem());
    read(&world, &url, with(tls(Some(bundle)))).await.unwrap();
    for strangers in [None, Some(Authority::new().pem())] {
        let error = read(&world, &url, with(tls(strangers))).await.unwrap_err();
        assert_eq!(error.class(), ErrorClass::Unavailable, "{error}");
        assert!(error.to_string().contains("certificate"), "{error}");
    }
    // No trust at all, as an explicit option.
    let mut open = Tls::default();
    open.insecure = true;
    read(&world, &url, with(open.clone())).await.unwrap();
    // A certificate for another name.
    let other = authority.serve(&root, "git.example.org", None).await;
    let url = secure(&other);
    let error = read(&world, &url, with(tls(Some(authority.pem()))))
        .await
        .unwrap_err();
    assert_eq!(error.class(), ErrorClass::Unavailable, "{error}");
    read(&world, &url, with(open)).await.unwrap();
    for garbage in [
        "nothing",
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    ] {
        let error = read(&world, &url, with(tls(Some(garbage.to_owned()))))
            .await
            .unwrap_err();
        assert_eq!(error.class(), ErrorClass::Invalid, "{error}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_show_their_certificate() {
    let world = World::new();
    sample(&world);
    let (authority, clients) = (Authority::new(), Authority::new());
    let server = authority
        .serve(&world.path("srv"), "127.0.0.1", Some(&clients))
        .await;
    let url = secure(&server);
    let identity = |issuer: &Authority| {
        let (certificate, key) = issuer.issue("me");
        let mut tls = tls(Some(authority.pem()));
        tls.client = Some(ClientCertificate {
            certificate: certificate.pem(),
            key: Secret::new(key.serialize_pem()),
        });
        tls
    };
    let good = identity(&clients);
    assert!(!format!("{good:?}").contains("PRIVATE KEY"));
    read(&world, &url, with(good)).await.unwrap();
    for refused in [identity(&Authority::new()), tls(Some(authority.pem()))] {
        let error = read(&world, &url, with(refused)).await.unwrap_err();
        assert_eq!(error.class(), ErrorClass::Unavailable, "{error}");
    }
    let mut bad = tls(Some(authority.pem()));
    bad.client = Some(ClientCertificate {
        certificate: "no certificate".to_owned(),
        key: Secret::new("s3cret key"),
    });
    let error = read(&world, &url, with(bad)).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Invalid, "{error}");
    assert!(!error.to_string().contains("s3cret"), "{error}");
}

/// A proxy that connects where it is told, after it saw the right login.
struct Gate {
    url: String,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Gate {
    async fn start(login: Option<&'static str>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let seen = Arc::new(Mutex::new(Vec::new()));
        let this = Self {
            url,
            seen: seen.clone(),
        };
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(pass(stream, login, seen.clone()));
            }
        });
        this
    }

    fn proxy(&self) -> Proxy {
        Proxy {
            url: self.url.clone(),
            login: None,
            except: None,
        }
    }
}

async fn pass(
    mut stream: TcpStream,
    login: Option<&'static str>,
    seen: Arc<Mutex<Vec<String>>>,
) -> Option<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    let head = String::from_utf8(head).ok()?;
    let line = head.lines().next()?.to_owned();
    seen.lock().unwrap().push(line.clone());
    let lower = head.to_lowercase();
    if login.is_some_and(|login| !lower.contains(&login.to_lowercase())) {
        let answer = "HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n";
        stream.write_all(answer.as_bytes()).await.ok()?;
        return None;
    }
    let mut words = line.split(' ');
    let (method, target) = (words.next()?, words.next()?);
    let mut upstream = if method == "CONNECT" {
        let upstream = TcpStream::connect(target).await.ok()?;
        stream
            .write_all(b"HTTP/1.1 200 Connection established\r\n\r\n")
            .await
            .ok()?;
        upstream
    } else {
        // Plain HTTP: the whole URL stands in the request line.
        let address = target.strip_prefix("http://")?.split('/').next()?;
        let mut upstream = TcpStream::connect(address).await.ok()?;
        upstream.write_all(head.as_bytes()).await.ok()?;
        upstream
    };
    tokio::io::copy_bidirectional(&mut stream, &mut upstream)
        .await
        .ok()?;
    Some(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn proxies_are_gone_through() {
    let world = World::new();
    sample(&world);
    let authority = Authority::new();
    let server = authority.serve(&world.path("srv"), "127.0.0.1", None).await;
    let url = secure(&server);
    let access = |proxy: Proxy| with(tls(Some(authority.pem()))).with_proxy(proxy);
    let gate = Gate::start(None).await;
    read(&world, &url, access(gate.proxy())).await.unwrap();
    let target = format!("CONNECT {} HTTP/1.1", server.address);
    {
        let seen = gate.seen.lock().unwrap();
        assert!(!seen.is_empty());
        assert!(seen.iter().all(|line| *line == target), "{seen:?}");
    }
    // Not for this host.
    gate.seen.lock().unwrap().clear();
    let mut except = gate.proxy();
    except.except = Some("10.0.0.1, 127.0.0.1".to_owned());
    read(&world, &url, access(except)).await.unwrap();
    assert!(gate.seen.lock().unwrap().is_empty());
    // With a login.
    let guarded = Gate::start(Some("Proxy-Authorization: Basic YWxpY2U6czNjcmV0")).await;
    let mut known = guarded.proxy();
    known.login = Some(("alice".to_owned(), Secret::from("s3cret")));
    read(&world, &url, access(known)).await.unwrap();
    let error = read(&world, &url, access(guarded.proxy()))
        .await
        .unwrap_err();
    assert!(
        matches!(
            error.class(),
            ErrorClass::Unavailable | ErrorClass::Unauthenticated
        ),
        "{error}"
    );
    let mut wrong = guarded.proxy();
    wrong.login = Some(("alice".to_owned(), Secret::from("wr0ng")));
    let error = read(&world, &url, access(wrong)).await.unwrap_err();
    assert!(!format!("{error} {error:?}").contains("wr0ng"), "{error:?}");
    // A proxy that is not there, and one that is none.
    let mut gone = gate.proxy();
    gone.url = "http://127.0.0.1:1".to_owned();
    let error = read(&world, &url, access(gone)).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Unavailable, "{error}");
    let mut bad = gate.proxy();
    bad.url = "not a url".to_owned();
    let error = read(&world, &url, access(bad)).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Invalid, "{error}");
    // Over plain HTTP the proxy is told the whole URL.
    let plain = Server::start(&world.path("srv")).await;
    let gate = Gate::start(None).await;
    let access = Access::default().with_proxy(gate.proxy());
    read(&world, &plain.url("repo.git"), access).await.unwrap();
    assert!(
        gate.seen
            .lock()
            .unwrap()
            .iter()
            .all(|line| line.contains("http://"))
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redirects_never_become_less_safe() {
    let world = World::new();
    sample(&world);
    let authority = Authority::new();
    let root = world.path("srv");
    let server = authority.serve(&root, "127.0.0.1", None).await;
    let plain = Server::start(&root).await;
    let mut access = Access::basic("alice", "s3cret");
    access.tls = tls(Some(authority.pem()));
    let moved = |server: &Server, to: String| {
        server.set(Behaviour {
            redirect: Some(to),
            ..Behaviour::default()
        });
    };
    // Down to plain HTTP: refused.
    moved(&server, plain.url("repo.git"));
    let error = read(&world, &secure(&server), access.clone())
        .await
        .unwrap_err();
    assert!(error.to_string().contains("less safe"), "{error}");
    assert!(plain.take_log().is_empty());
    // Up to TLS: followed, on another port and so without the credentials.
    server.set(Behaviour::default());
    server.take_log();
    moved(&plain, secure(&server));
    read(&world, &plain.url("repo.git"), access.clone())
        .await
        .unwrap();
    let log = server.take_log();
    assert!(log.len() >= 3, "{log:?}");
    assert!(
        log.iter().all(|seen| seen.authorization.is_none()),
        "{log:?}"
    );
    // To another TLS server: the same, for the listing, the fetch and all that follows.
    let third = authority.serve(&root, "127.0.0.1", None).await;
    moved(&server, secure(&third));
    read(&world, &secure(&server), access.clone())
        .await
        .unwrap();
    assert!(
        server
            .take_log()
            .iter()
            .all(|seen| seen.authorization.is_some())
    );
    let log = third.take_log();
    assert!(log.len() >= 2 && log.iter().all(|seen| seen.authorization.is_none()));
    // Where the place itself wants credentials of its own, it is said that there are none.
    third.set(Behaviour {
        require: Some("Basic YWxpY2U6czNjcmV0".to_owned()),
        ..Behaviour::default()
    });
    let error = read(&world, &secure(&server), access).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Unauthenticated, "{error}");
}
