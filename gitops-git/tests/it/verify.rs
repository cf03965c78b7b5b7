//! Signatures made by `ssh-keygen` and `gpg`, verified in-process.

use std::{fs, path::Path, process::Command};

use gitops_core::{Classified, ErrorClass, source::Revision};
use gitops_git::{
    GitSource,
    verify::{Keyring, SignatureFormat, VerifyMode},
};

use crate::{
    server::{Server, publish},
    world::{Repo, World, git_command},
};

fn run(program: &str, home: &Path, args: &[&str]) -> Option<String> {
    let output = Command::new(program)
        .args(args)
        .env("GNUPGHOME", home)
        .output()
        .ok()?;
    assert!(
        output.status.success(),
        "{program} {args:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn git_signed(repo: &Repo, home: &Path, config: &[&str], args: &[&str]) {
    let mut command = git_command(&repo.path);
    command.env("GNUPGHOME", home);
    for one in config {
        command.args(["-c", one]);
    }
    let output = command.args(args).output().unwrap();
    assert!(
        output.status.success(),
        "git {args:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}

async fn open(world: &World, repo: &Repo) -> GitSource {
    world
        .provider()
        .build()
        .open_url(&repo.url())
        .await
        .unwrap()
}

async fn at(source: &GitSource, spec: &str) -> Revision {
    source.resolve(&spec.into()).await.unwrap()
}

async fn refusal(source: &GitSource, spec: &str, mode: VerifyMode, ring: &Keyring) -> String {
    let error = source
        .verify(&at(source, spec).await, mode, ring)
        .await
        .expect_err("must be refused");
    assert_eq!(error.class(), ErrorClass::Forbidden, "{error}");
    error.to_string()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ssh_signatures() {
    let world = World::new();
    for (kind, bits) in [
        ("ed25519", "256"),
        ("rsa", "3072"),
        ("ecdsa", "256"),
        ("ecdsa", "384"),
        ("ecdsa", "521"),
    ] {
        let name = format!("{kind}{bits}");
        let key = world.path(&format!("key-{name}"));
        let file = key.display().to_string();
        run(
            "ssh-keygen",
            world.dir.path(),
            &[
                "-q", "-t", kind, "-b", bits, "-N", "", "-C", "me@here", "-f", &file,
            ],
        )
        .expect("ssh-keygen is part of the development environment");
        let public = fs::read_to_string(key.with_extension("pub")).unwrap();
        let repo = world.repository(&format!("repo-{name}"));
        repo.write("a", "a");
        repo.git(&["add", "-A"]);
        let config = ["gpg.format=ssh", &format!("user.signingkey={file}")];
        git_signed(
            &repo,
            world.dir.path(),
            &config,
            &["commit", "-q", "-S", "-m", "signed"],
        );
        git_signed(
            &repo,
            world.dir.path(),
            &config,
            &["tag", "-s", "-m", "signed", "v1"],
        );
        repo.git(&["tag", "-a", "-m", "x", "unsigned"]);
        repo.git(&["tag", "light"]);

        let mut ring = Keyring::new();
        ring.add_ssh(&format!("# mine\n\nnamespaces=\"git\" {public}"))
            .unwrap();
        let source = open(&world, &repo).await;
        let verified = source
            .verify(&at(&source, "v1").await, VerifyMode::TagAndHead, &ring)
            .await
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        let shown = run("ssh-keygen", world.dir.path(), &["-l", "-f", &file]).unwrap();
        for by in [verified.tag.unwrap(), verified.commit.unwrap()] {
            assert_eq!(by.format, SignatureFormat::Ssh);
            assert!(shown.contains(&by.fingerprint), "{shown} {by:?}");
        }
        for (spec, mode, words) in [
            ("main", VerifyMode::Tag, "it is not a tag"),
            ("light", VerifyMode::Tag, "not an annotated tag"),
            ("unsigned", VerifyMode::Tag, "is not signed"),
        ] {
            let error = refusal(&source, spec, mode, &ring).await;
            assert!(error.contains(words), "{error}");
        }
        let error = refusal(&source, "main", VerifyMode::Head, &Keyring::new()).await;
        assert!(error.contains("not a trusted key"), "{error}");

        // The same signature over another commit.
        let raw = repo.git(&["cat-file", "commit", "HEAD"]);
        let forged = format!("{}\n", raw.replace("A U Thor", "M Allory"));
        let id = repo.raw_object("commit", forged.as_bytes());
        let error = source
            .verify(&Revision::new(id), VerifyMode::Head, &ring)
            .await
            .unwrap_err();
        assert!(error.to_string().contains("is wrong"), "{error}");
        repo.write("a", "b");
        repo.commit("not signed");
        let error = refusal(&source, "main", VerifyMode::Head, &ring).await;
        assert!(error.contains("is not signed"), "{error}");
    }
    assert!(Keyring::new().add_ssh("ssh-ed25519 garbage").is_err());
    assert!(Keyring::new().add_ssh("hello").is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn openpgp_signatures() {
    let world = World::new();
    let home = world.path("gnupg");
    fs::create_dir(&home).unwrap();
    Command::new("chmod")
        .arg("700")
        .arg(&home)
        .status()
        .unwrap();
    let gpg = |args: &[&str]| {
        let mut all = vec![
            "--batch",
            "--quiet",
            "--pinentry-mode",
            "loopback",
            "--passphrase",
            "",
        ];
        all.extend(args);
        run("gpg", &home, &all)
    };
    if Command::new("gpg").arg("--version").output().is_err() {
        eprintln!("gpg is not installed: OpenPGP signatures are not tried");
        return;
    }
    let mut rings = Vec::new();
    // A primary key that signs itself, and one whose subkey signs.
    for (user, algorithm, usage, subkey) in [
        ("ed", "ed25519", "sign", None),
        ("rsa", "rsa2048", "sign", None),
        ("p256", "nistp256", "sign", None),
        ("p384", "nistp384", "sign", None),
        ("sub", "ed25519", "cert", Some("ed25519")),
        ("rsasub", "rsa3072", "cert", Some("rsa2048")),
        ("short", "ed25519", "sign", None),
    ] {
        let address = format!("{user}@example.org");
        let expire = if user == "short" { "1d" } else { "never" };
        gpg(&["--quick-gen-key", &address, algorithm, usage, expire]);
        let listing = gpg(&["--list-keys", "--with-colons", &address]).unwrap();
        let fingerprint = |at: usize| {
            listing
                .lines()
                .filter(|line| line.starts_with("fpr:"))
                .nth(at)
                .map(|line| line.split(':').nth(9).unwrap().to_owned())
                .unwrap()
        };
        let primary = fingerprint(0);
        let mut signer = primary.clone();
        if let Some(algorithm) = subkey {
            gpg(&["--quick-add-key", &primary, algorithm, "sign", "never"]);
            let listing = gpg(&["--list-keys", "--with-colons", &address]).unwrap();
            signer = listing
                .lines()
                .rfind(|line| line.starts_with("fpr:"))
                .map(|line| line.split(':').nth(9).unwrap().to_owned())
                .unwrap();
        }
        let armor = gpg(&["--armor", "--export", &address]).unwrap();
        let repo = world.repository(&format!("repo-{user}"));
        repo.write("a", user);
        repo.git(&["add", "-A"]);
        let config = [format!("user.signingkey={signer}!")];
        let config = [config[0].as_str()];
        git_signed(
            &repo,
            &home,
            &config,
            &["commit", "-q", "-S", "-m", "signed"],
        );
        git_signed(&repo, &home, &config, &["tag", "-s", "-m", "signed", "v1"]);
        let mut ring = Keyring::new();
        ring.add_openpgp(&armor).unwrap();
        let source = open(&world, &repo).await;
        let verified = source
            .verify(&at(&source, "v1").await, VerifyMode::TagAndHead, &ring)
            .await
            .unwrap_or_else(|error| panic!("{user}: {error}"));
        for by in [verified.tag.unwrap(), verified.commit.unwrap()] {
            assert_eq!(by.format, SignatureFormat::OpenPgp);
            assert_eq!(by.fingerprint, signer, "{user}");
        }
        let raw = repo.git(&["cat-file", "commit", "HEAD"]);
        let forged = format!("{}\n", raw.replace("A U Thor", "M Allory"));
        let id = repo.raw_object("commit", forged.as_bytes());
        let error = source
            .verify(&Revision::new(id), VerifyMode::Head, &ring)
            .await
            .unwrap_err();
        assert!(error.to_string().contains("is wrong"), "{user}: {error}");
        if let Some((_, other)) = rings.last() {
            let error = refusal(&source, "v1", VerifyMode::Head, other).await;
            assert!(error.contains("not a trusted key"), "{error}");
        }
        rings.push((user, ring));

        if user == "sub" {
            // A subkey that was revoked signs no more.
            let commands = world.path("revoke");
            fs::write(&commands, "key 1\nrevkey\ny\n0\n\ny\nsave\n").unwrap();
            let status = Command::new("gpg")
                .args([
                    "--batch",
                    "--quiet",
                    "--yes",
                    "--pinentry-mode",
                    "loopback",
                    "--passphrase",
                    "",
                ])
                .args(["--command-file", &commands.display().to_string()])
                .args(["--expert", "--edit-key", &primary])
                .env("GNUPGHOME", &home)
                .output()
                .unwrap();
            let armor = gpg(&["--armor", "--export", &address]).unwrap();
            let listing = gpg(&["--list-keys", "--with-colons", &address]).unwrap();
            if listing.lines().any(|line| line.starts_with("sub:r")) {
                let mut ring = Keyring::new();
                ring.add_openpgp(&armor).unwrap();
                let error = refusal(&source, "v1", VerifyMode::Head, &ring).await;
                assert!(error.contains("has been revoked"), "{error}");
            } else {
                eprintln!("gpg did not revoke: {status:?}");
            }
        }
        if user == "ed" {
            // A key that was revoked is none.
            let file = home.join(format!("openpgp-revocs.d/{primary}.rev"));
            let text = fs::read_to_string(&file)
                .unwrap()
                .replace(":-----BEGIN", "-----BEGIN");
            let import = world.path("revocation.asc");
            fs::write(&import, text).unwrap();
            gpg(&["--import", &import.display().to_string()]);
            let armor = gpg(&["--armor", "--export", &address]).unwrap();
            let mut ring = Keyring::new();
            ring.add_openpgp(&armor).unwrap();
            let error = refusal(&source, "v1", VerifyMode::Head, &ring).await;
            assert!(error.contains("has been revoked"), "{error}");
        }
    }
    let _ = Command::new("gpgconf")
        .args(["--kill", "all"])
        .env("GNUPGHOME", &home)
        .status();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tag_of_a_remote_repository() {
    let world = World::new();
    let key = world.path("key").display().to_string();
    run(
        "ssh-keygen",
        world.dir.path(),
        &["-q", "-t", "ed25519", "-N", "", "-f", &key],
    )
    .unwrap();
    let repo = world.repository("repo");
    repo.write("a", "a");
    repo.commit("not signed");
    let config = ["gpg.format=ssh", &format!("user.signingkey={key}")];
    git_signed(
        &repo,
        world.dir.path(),
        &config,
        &["tag", "-s", "-m", "signed", "v1"],
    );
    // The signed tag under another name, which its text does not have.
    repo.git(&["update-ref", "refs/tags/v2", "v1"]);
    publish(&repo.path, &world.path("srv"), "repo.git");
    let server = Server::start(&world.path("srv")).await;
    let source = world
        .provider()
        .build()
        .open_url(&server.url("repo.git"))
        .await
        .unwrap();
    let mut ring = Keyring::new();
    ring.add_ssh(&fs::read_to_string(format!("{key}.pub")).unwrap())
        .unwrap();
    source
        .verify(&at(&source, "v1").await, VerifyMode::Tag, &ring)
        .await
        .unwrap();
    let error = refusal(&source, "v2", VerifyMode::Tag, &ring).await;
    assert!(error.contains("another name"), "{error}");
    let error = refusal(&source, "v1", VerifyMode::TagAndHead, &ring).await;
    assert!(error.contains("is not signed"), "{error}");
}
