//! Keys and signatures as GnuPG writes them (`tests/fixtures/openpgp/make.sh`), and what becomes of damaged ones.

use std::{fs, path::PathBuf};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use gitops_core::clock::Timestamp;
use gitops_git::verify::{Keyring, SignatureFormat};
use proptest::prelude::*;

fn file(name: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/openpgp")
        .join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn ring(keys: &[&str]) -> Keyring {
    let mut ring = Keyring::new();
    for key in keys {
        ring.add_openpgp(&file(&format!("{key}.asc"))).unwrap();
    }
    ring
}

fn now() -> Timestamp {
    Timestamp::from_second(1_800_000_000).unwrap()
}

fn check(ring: &Keyring, commit: &str) -> Result<String, String> {
    ring.check_commit(file(&format!("{commit}.commit")).as_bytes(), now())
        .map(|by| {
            assert_eq!(by.format, SignatureFormat::OpenPgp);
            by.fingerprint
        })
        .map_err(|rejection| rejection.reason)
}

#[test]
fn every_kind_of_key_is_verified() {
    for (key, commit) in [
        ("rsa2048", "rsa2048"),
        ("rsa4096", "rsa4096"),
        ("dsa2048", "dsa2048"),
        ("dsa3072", "dsa3072"),
        ("p256", "p256"),
        ("p384", "p384"),
        ("p521", "p521"),
        ("bp256", "bp256"),
        ("bp384", "bp384"),
        ("bp512", "bp512"),
        ("secp256k1", "secp256k1"),
        ("ed25519", "ed25519"),
        ("p256", "p256-sha512"),
        ("bp256", "bp256-sha512"),
        ("rsa2048", "rsa2048-sha512"),
        ("rsa2048", "notation"),
        ("sub", "sub"),
        ("rsasub", "rsasub"),
        ("prolonged", "prolonged"),
        ("users", "users"),
        ("oldself", "oldself"),
    ] {
        let by = check(&ring(&[key]), commit).unwrap_or_else(|why| panic!("{commit}: {why}"));
        assert_eq!(by.len(), 40, "{by}");
        // Another text under the same signature.
        let forged = file(&format!("{commit}.commit")).replace("author A", "author B");
        let why = ring(&[key])
            .check_commit(forged.as_bytes(), now())
            .unwrap_err();
        assert!(why.reason.contains("is wrong"), "{commit}: {why}");
        // Somebody else's keys.
        let other = if key == "ed25519" { "p256" } else { "ed25519" };
        let why = check(&ring(&[other]), commit).unwrap_err();
        assert!(why.contains("not a trusted key"), "{commit}: {why}");
    }
}

#[test]
fn what_must_not_be_believed_is_refused_with_the_reason() {
    for (keys, commit, words) in [
        (&["rsa2048"][..], "rsa2048-sha1", "SHA-1"),
        (&["rsa2048"], "rsa2048-ripemd160", "hash that is broken"),
        (&["rsa2048"], "rsa2048-sha224", "hash that is not known"),
        (
            &["rsa2048"],
            "critical-notation",
            "kind that is not verified",
        ),
        (&["rsa2048"], "text", "kind that is not verified"),
        (&["ended-signature"], "ended-signature", "has ended"),
        (&["ended"], "ended", "has ended; trust a renewed one"),
        (&["revoked"], "revoked", "has been revoked"),
        // The older copy does not make it good again.
        (
            &["revoked-before", "revoked"],
            "revoked",
            "has been revoked",
        ),
        (&["subrevoked"], "subrevoked", "has been revoked"),
        (&["certonly"], "certonly", "not meant to sign"),
        (&["rsa1024"], "rsa1024", "too short"),
    ] {
        let why = check(&ring(keys), commit).expect_err(commit);
        assert!(why.contains(words), "{commit}: {why}");
    }
    assert!(check(&ring(&["revoked-before"]), "revoked").is_ok());
    // The day before the key ended it was good.
    let then = Timestamp::from_second(1_700_002_800).unwrap();
    let commit = file("ended.commit");
    assert!(
        ring(&["ended"])
            .check_commit(commit.as_bytes(), then)
            .is_ok()
    );
    // A signature from the future is not.
    let early = Timestamp::from_second(1_700_000_000).unwrap();
    let why = ring(&["ended"])
        .check_commit(commit.as_bytes(), early)
        .unwrap_err();
    assert!(why.reason.contains("impossible time"), "{why}");
}

fn bytes(armor: &str) -> Vec<u8> {
    let body: String = armor
        .lines()
        .skip_while(|line| !line.is_empty())
        .take_while(|line| !line.starts_with('=') && !line.starts_with("-----END"))
        .collect();
    STANDARD.decode(body).unwrap()
}

fn armor(bytes: &[u8]) -> String {
    format!(
        "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n{}\n-----END PGP PUBLIC KEY BLOCK-----\n",
        STANDARD.encode(bytes)
    )
}

#[test]
fn a_subkey_without_its_consent_is_nobodys() {
    let mut key = bytes(&file("sub.asc"));
    // The embedded signature becomes a statement of another type. It is not in the hashed part.
    let at = key
        .windows(3)
        .position(|window| window == [0x20, 0x04, 0x19])
        .unwrap();
    key[at] = 100;
    let mut ring = Keyring::new();
    ring.add_openpgp(&armor(&key)).unwrap();
    let why = check(&ring, "sub").unwrap_err();
    assert!(why.contains("did not itself sign"), "{why}");
}

#[test]
fn rings_of_many_keys() {
    let many: String = ["ed25519", "revoked", "rsa2048", "bp256"]
        .map(|name| file(&format!("{name}.asc")))
        .concat();
    let mut ring = Keyring::new();
    ring.add_openpgp(&format!("a comment\n\n{many}")).unwrap();
    for commit in ["ed25519", "rsa2048", "bp256"] {
        check(&ring, commit).unwrap();
    }
    assert!(check(&ring, "revoked").is_err());
    assert!(Keyring::new().add_openpgp("nothing").is_err());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn nothing_panics_on_garbage(text in "\\PC{0,200}", data in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = Keyring::new().add_openpgp(&text);
        let _ = Keyring::new().add_ssh(&text);
        let _ = Keyring::new().add_openpgp(&armor(&data));
        let _ = Keyring::new().add_ssh(&format!("ssh-ed25519 {}", STANDARD.encode(&data)));
        let ring = ring(&["ed25519"]);
        for kind in ["PGP", "SSH"] {
            let signature = format!("-----BEGIN {kind} SIGNATURE-----\n {}\n -----END {kind} SIGNATURE-----", STANDARD.encode(&data));
            let commit = format!("tree x\ngpgsig {signature}\n\nmessage\n");
            prop_assert!(ring.check_commit(commit.as_bytes(), now()).is_err());
        }
        let _ = ring.check_commit(&data, now());
        let _ = ring.check_tag(&data, now());
    }

    #[test]
    fn no_damaged_signature_is_believed(at in 0_usize..90, change in 1_u8..=255, key_at in 0_usize..220) {
        let commit = file("ed25519.commit");
        let (head, rest) = commit.split_once("gpgsig ").unwrap();
        let (signature, message) = rest.split_once("\n -----END PGP SIGNATURE-----").unwrap();
        let mut raw = bytes(&signature.lines().map(|line| line.trim_start()).collect::<Vec<_>>().join("\n"));
        let at = at % raw.len();
        raw[at] ^= change;
        let damaged = format!("{head}gpgsig -----BEGIN PGP SIGNATURE-----\n \n {}\n -----END PGP SIGNATURE-----{message}", STANDARD.encode(&raw));
        // What is not hashed may change, the key's number in the packet for one: then the key's own signature holds still.
        if let Ok(by) = ring(&["ed25519"]).check_commit(damaged.as_bytes(), now()) {
            prop_assert_eq!(by.fingerprint, check(&ring(&["ed25519"]), "ed25519").unwrap());
        }
        let mut key = bytes(&file("ed25519.asc"));
        let key_at = key_at % key.len();
        key[key_at] ^= change;
        let mut ring = Keyring::new();
        if ring.add_openpgp(&armor(&key)).is_ok() {
            let _ = check(&ring, "ed25519");
        }
    }
}
