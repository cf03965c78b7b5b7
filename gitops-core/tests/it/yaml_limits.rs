//! Hostile texts are refused, and large ones are read.

use gitops_core::yaml::{self, Limit, Options, YamlErrorKind};

fn limit_of(text: &str, options: &Options) -> Option<Limit> {
    match yaml::from_str_with(text, options) {
        Err(error) => match error.kind {
            YamlErrorKind::Limit { limit, .. } => Some(limit),
            _ => None,
        },
        Ok(_) => None,
    }
}

#[test]
fn every_limit_has_its_error() {
    let small = Options {
        max_bytes: 1000,
        max_documents: 2,
        max_depth: 3,
        max_nodes: 20,
        max_alias_expansion: 5,
        max_key_length: 4,
        max_scalar_length: 8,
        ..Options::default()
    };
    let many = format!("[{}]", "1, ".repeat(30));
    for (text, limit) in [
        ("x".repeat(1001).as_str(), Limit::Bytes),
        ("[[[[1]]]]", Limit::Depth),
        ("a: &a\n  b: {c: 1}\nd:\n  e: *a", Limit::Depth),
        (&many, Limit::Nodes),
        ("- &a [1, 2]\n- *a\n- *a\n", Limit::AliasExpansion),
        ("abcde: 1", Limit::KeyLength),
        ("&a abcde: 1", Limit::KeyLength),
        ("a: 123456789", Limit::ScalarLength),
        ("- &a 123456789", Limit::ScalarLength),
    ] {
        assert_eq!(limit_of(text, &small), Some(limit), "{text}");
    }
    let mut documents = yaml::documents_with("a\n---\nb\n---\nc\n", small);
    assert!(documents.next().is_some_and(|read| read.is_ok()));
    assert!(documents.next().is_some_and(|read| read.is_ok()));
    let error = documents.next().expect("an error").expect_err("an error");
    assert!(error.is_limit() && error.to_string().contains("documents in a stream"));
    assert_eq!(error.line, 5);
    assert!(documents.next().is_none());
}

#[test]
fn billion_laughs() {
    let mut text = "a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol]\n".to_owned();
    for level in 1..10 {
        let inner = format!("*a{}", level - 1);
        let inner = vec![inner; 9].join(", ");
        text.push_str(&format!("a{level}: &a{level} [{inner}]\n"));
    }
    let error = yaml::from_str(&text).expect_err("refused");
    assert_eq!(
        error.to_string(),
        "yaml: document contains excessive aliasing"
    );
    assert!(error.is_limit());
    let itself = yaml::from_str("a: &a [*a]").expect_err("refused");
    assert_eq!(itself.to_string(), "yaml: anchor 'a' value contains itself");
}

#[test]
fn deep_nesting_ends_in_an_error() {
    for text in [
        "[".repeat(200_000),
        "{a: ".repeat(200_000),
        "- ".repeat(200_000),
        "? ".repeat(200_000),
        "a:\n".to_owned()
            + &(1..3000)
                .map(|n| " ".repeat(n) + "a:\n")
                .collect::<String>(),
    ] {
        let start = &text[..8];
        assert!(yaml::from_str(&text).is_err(), "{start:?}");
    }
    let deepest = Options::default().max_depth;
    let text = "[".repeat(deepest) + &"]".repeat(deepest);
    assert!(yaml::from_str(&text).is_ok());
}

#[test]
fn large_texts_are_read() {
    let sequence = format!("[{}]", "1, ".repeat(1_000_000));
    let read = yaml::from_str(&sequence).expect("a list");
    assert_eq!(read.as_array().map(Vec::len), Some(1_000_000));

    let mut anchors = String::new();
    for number in 0..100_000 {
        anchors.push_str(&format!("- &a{number} {number}\n"));
    }
    anchors.push_str("- *a99999\n");
    let read = yaml::from_str(&anchors).expect("a list");
    assert_eq!(read[100_000], 99_999);

    let words = "word ".repeat(200_000);
    for text in [
        format!("a: {words}"),
        format!("a: \"{words}\""),
        format!("a: '{words}'"),
        format!("a: |\n  {words}\n"),
        format!("a: >\n{}", "  word\n".repeat(150_000)),
        format!("a: {}", "word\n  ".repeat(150_000)),
        format!("a: \"{}\"", "\\n".repeat(500_000)),
    ] {
        let read = yaml::from_str(&text).expect("a mapping");
        let written = yaml::to_string(&read);
        assert_eq!(yaml::from_str(&written), Ok(read));
    }
}
