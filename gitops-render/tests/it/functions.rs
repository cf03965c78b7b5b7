//! Functions whose results are random: reproducible from a seed, remembered, or forbidden.

use std::sync::Arc;

use gitops_core::{clock::Timestamp, render::Randomness};
use gitops_render::template::{EngineOptions, Host, Program, TemplateError, Value};

const NAME: &str = "x/templates/e.yaml";

fn now() -> Timestamp {
    "2026-05-06T07:08:09Z".parse().unwrap()
}

fn render_with(text: &str, randomness: Randomness) -> (Result<String, TemplateError>, Host) {
    let program = Program::parse([(NAME, text)], &EngineOptions::helm_4()).unwrap();
    let mut host = Host::new(now()).with_randomness(randomness);
    let out = program
        .execute(NAME, Value::Nil, &mut host)
        .map(|out| String::from_utf8(out).unwrap());
    (out, host)
}

fn seeded(text: &str, seed: u64) -> String {
    render_with(text, Randomness::Seeded(seed)).0.unwrap()
}

const RANDOM: [&str; 16] = [
    "{{ randAlphaNum 20 }}",
    "{{ randAlpha 20 }}",
    "{{ randNumeric 20 }}",
    "{{ randAscii 20 }}",
    "{{ randBytes 20 }}",
    "{{ randInt 0 1000000000 }}",
    "{{ uuidv4 }}",
    "{{ shuffle \"abcdefghijklmnopqrstuvwxyz\" }}",
    "{{ bcrypt \"secret\" }}",
    "{{ htpasswd \"user\" \"secret\" }}",
    "{{ encryptAES \"key\" \"text\" }}",
    "{{ genPrivateKey \"ecdsa\" }}",
    "{{ genPrivateKey \"ed25519\" }}",
    "{{ (genCA \"ca\" 365).Cert }}",
    "{{ (genSelfSignedCert \"cn\" (list \"10.0.0.1\") (list \"a.b\") 10).Key }}",
    "{{ $ca := genCA \"ca\" 365 }}{{ (genSignedCert \"cn\" nil (list \"a.b\") 10 $ca).Cert }}",
];

#[test]
fn the_same_seed_gives_the_same_results() {
    for text in RANDOM {
        let first = seeded(text, 1);
        assert_eq!(first, seeded(text, 1), "{text}");
        assert_ne!(first, seeded(text, 2), "{text}");
    }
}

#[test]
fn remembered_results_come_back() {
    for text in RANDOM {
        let (first, host) = render_with(text, Randomness::Remembered(Arc::default()));
        let first = first.unwrap();
        let remembered = host.into_remembered();
        assert!(!remembered.0.is_empty(), "{text}");
        let (second, host) =
            render_with(text, Randomness::Remembered(Arc::new(remembered.clone())));
        assert_eq!(first, second.unwrap(), "{text}");
        assert_eq!(host.into_remembered(), remembered, "{text}");
    }
}

#[test]
fn forbidden_randomness_is_told() {
    for text in RANDOM {
        let error = render_with(text, Randomness::Forbidden).0.unwrap_err();
        let TemplateError::Forbidden { what, at } = error else {
            panic!("{text}: {error}");
        };
        assert_eq!(what, "randomness", "{text}");
        assert!(at.contains("e.yaml:1:"), "{text}: {at}");
    }
}

#[test]
fn keys_and_certificates_are_accepted_again() {
    let text = r#"
{{- range $kind := list "ecdsa" "ed25519" }}
{{- $key := genPrivateKey $kind }}
{{- $ca := genCAWithKey "ca & co" 365 $key }}
{{- $leaf := genSignedCertWithKey "leaf" (list "::1" "10.0.0.1") (list "a.b" "*.c") 10 $ca $key }}
{{- $own := genSelfSignedCertWithKey "" nil (list "d") 1 $key }}
{{- eq $ca.Key $leaf.Key $own.Key $key }}
{{- $again := buildCustomCert ($leaf.Cert | b64enc) ($leaf.Key | b64enc) }}
{{- eq $again.Cert $leaf.Cert }}
{{- end }}"#;
    assert_eq!(seeded(text, 3), "truetruetruetrue");
}

#[test]
fn wrong_keys_are_errors_without_the_key() {
    for (text, expected) in [
        (
            "{{ genCAWithKey \"ca\" 1 \"secret\" }}",
            "error calling genCAWithKey: parsing private key: no PEM data in input",
        ),
        (
            "{{ $k := genPrivateKey \"ecdsa\" }}{{ genCAWithKey \"ca\" 1 (replace \"EC PRIVATE\" \"X\" $k) }}",
            "parsing private key: no private key data in PEM block of type X KEY",
        ),
        (
            "{{ $ca := genCAWithKey \"ca\" 1 (genPrivateKey \"ecdsa\") }}{{ $other := genCAWithKey \"ca\" 1 (genPrivateKey \"ecdsa\") }}{{ genSignedCert \"x\" nil nil 1 (buildCustomCert ($ca.Cert | b64enc) ($other.Key | b64enc)) }}",
            "error creating certificate: x509: provided PrivateKey doesn't match parent's PublicKey",
        ),
        (
            "{{ genSelfSignedCert \"cn\" nil (list 1) 1 }}",
            "error processing alternate dns name: 1 is not a string",
        ),
    ] {
        let error = render_with(text, Randomness::Seeded(1))
            .0
            .unwrap_err()
            .to_string();
        assert!(error.contains(expected), "{text}: {error}");
        assert!(!error.contains("-----BEGIN"), "{error}");
    }
}

#[test]
fn known_answers() {
    for (text, expected) in [
        (
            "{{ derivePassword 1 \"long\" \"password\" \"user\" \"example.com\" }}",
            "ZedaFaxcZaso9*",
        ),
        ("{{ derivePassword 2 \"pin\" \"pw\" \"me\" \"s\" }}", "0168"),
        (
            "{{ derivePassword 1 \"maximum\" \"pw\" \"me\" \"s\" }}",
            "ZL@TB*^cxy&GqPb%EP6+",
        ),
        (
            "{{ derivePassword 1 \"x\" \"pw\" \"me\" \"s\" }}",
            "cannot find password template x",
        ),
        (
            "{{ encryptAES \"key\" \"some text\" | decryptAES \"key\" }}",
            "some text",
        ),
        ("{{ now | date \"2006-01-02 15:04\" }}", "2026-05-06 07:08"),
        ("{{ ago (toDate \"2006-01-02\" \"2026-05-06\") }}", "7h8m9s"),
        (
            "{{ bcrypt \"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\" }}",
            "failed to encrypt string with bcrypt: bcrypt: password length exceeds 72 bytes",
        ),
        ("{{ htpasswd \"u:x\" \"p\" }}", "invalid username: u:x"),
        ("{{ randAlpha -1 }}", ""),
    ] {
        assert_eq!(seeded(text, 1), expected, "{text}");
    }
}
