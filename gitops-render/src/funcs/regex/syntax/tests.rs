use super::*;

fn error(pattern: &str) -> String {
    translate(pattern)
        .expect_err(pattern)
        .to_string()
        .replace("error parsing regexp: ", "")
}

#[test]
fn errors_are_those_of_go() {
    for (pattern, expected) in [
        ("(", "missing closing ): `(`"),
        ("a)", "unexpected ): `a)`"),
        ("[a", "missing closing ]: `[a`"),
        ("[", "missing closing ]: `[`"),
        ("[]", "missing closing ]: `[]`"),
        ("[z-a]", "invalid character class range: `z-a`"),
        ("[[:foo:]]", "invalid character class range: `[:foo:]`"),
        ("\\p{Foo}", "invalid character class range: `\\p{Foo}`"),
        ("\\pX", "invalid character class range: `\\pX`"),
        (
            "\\p{Old_Italic}",
            "invalid character class range: `\\p{Old_Italic}`",
        ),
        ("*", "missing argument to repetition operator: `*`"),
        ("a|+?", "missing argument to repetition operator: `+?`"),
        ("(?i)*", "missing argument to repetition operator: `*`"),
        ("a**", "invalid nested repetition operator: `**`"),
        ("a*?+b", "invalid nested repetition operator: `*?+`"),
        ("a{2}{3}", "invalid nested repetition operator: `{2}{3}`"),
        ("a{1001}", "invalid repeat count: `{1001}`"),
        ("a{3,2}", "invalid repeat count: `{3,2}`"),
        ("(a{100}){11}", "invalid repeat count: `{11}`"),
        ("a\\", "trailing backslash at end of expression: ``"),
        ("\\Z", "invalid escape sequence: `\\Z`"),
        ("\\8", "invalid escape sequence: `\\8`"),
        ("\\1", "invalid escape sequence: `\\1`"),
        ("\\C", "invalid escape sequence: `\\C`"),
        ("\\x{110000}", "invalid escape sequence: `\\x{110000`"),
        ("\\xZ1", "invalid escape sequence: `\\xZ1`"),
        ("(?=a)", "invalid or unsupported Perl syntax: `(?=`"),
        ("(?i", "invalid or unsupported Perl syntax: `(?i`"),
        ("(?P=n)", "invalid or unsupported Perl syntax: `(?P`"),
        ("(?<=a)", "invalid named capture: `(?<=a)`"),
        ("(?P<n!>a)", "invalid named capture: `(?P<n!>`"),
    ] {
        assert_eq!(error(pattern), expected, "{pattern}");
    }
    assert_eq!(error("("), "missing closing ): `(`");
    assert!(
        error(&format!("{}{}", "(".repeat(1001), ")".repeat(1001)))
            .starts_with("expression nests too deeply")
    );
}

#[test]
fn texts_of_panics() {
    let text = |pattern| {
        translate(pattern)
            .expect_err("wrong")
            .panic_text(pattern.as_bytes())
    };
    assert_eq!(
        text("("),
        "regexp: Compile(`(`): error parsing regexp: missing closing ): `(`"
    );
    assert_eq!(
        text("`("),
        "regexp: Compile(\"`(\"): error parsing regexp: missing closing ): ``(`"
    );
}

#[test]
fn what_differs_is_rewritten() {
    for (pattern, expected) in [
        ("a{,2}", "a\\{,2\\}"),
        ("\\d+\\Q.*\\E\\z", "[0-9]+\\.\\*\\z"),
        (
            "[&&~~[]",
            "[\\x{26}-\\x{26}\\x{26}-\\x{26}\\x{7e}-\\x{7e}\\x{7e}-\\x{7e}\\x{5b}-\\x{5b}]",
        ),
        ("(?i)a(?-i:b)", "(?i-ms)a(?-ims:b)"),
        ("a(?i)*b", "a*(?i-ms)b"),
        (
            "a(?U)*b??(?-U:c+)(?:d{2})?",
            "a*?b?(?-ims:c+)(?-ims:d{2}?)??",
        ),
        ("a(b)?(?i){2}(?i)?c", "a(?:(?:(b)?){2})?(?i-ms)c"),
        ("\\141\\x41\\_", "aA_"),
    ] {
        assert_eq!(
            translate(pattern).expect(pattern).pattern,
            expected,
            "{pattern}"
        );
    }
    let names = translate("(?P<a>x)(?<a>y)(z)").expect("valid").names;
    assert_eq!(
        names,
        [None, Some("a".to_owned()), Some("a".to_owned()), None]
    );
}

#[test]
fn bytes_that_are_no_text() {
    for (pattern, expected) in [
        (&b"a\xff("[..], "invalid UTF-8: `\u{fffd}(`"),
        (b"(\xff", "invalid UTF-8: `\u{fffd}`"),
        (b"*\xff", "missing argument to repetition operator: `*`"),
        (b"[a\xffb", "invalid UTF-8: `\u{fffd}b`"),
        (b"(?P<a\xffb>c)", "invalid UTF-8: `\u{fffd}b`"),
        (b"\\x{1\xff}", "invalid UTF-8: `\u{fffd}}`"),
        (b"\\p{L\xff}", "invalid UTF-8: `\u{fffd}`"),
        (
            b"[[:\xff:]]",
            "invalid character class range: `[:\u{fffd}:]`",
        ),
        (b"\\Qa\xff\\Eb", "invalid UTF-8: `\u{fffd}`"),
    ] {
        let error = PatternError::not_utf8(pattern).to_string();
        assert_eq!(error, format!("error parsing regexp: {expected}"));
    }
    assert_eq!(
        PatternError::not_utf8(b"\xff").panic_text(b"\xff"),
        "regexp: Compile(\"\\xff\"): error parsing regexp: invalid UTF-8: `\u{fffd}`"
    );
    // Others may have the characters that mark bytes.
    assert!(translate("\u{f00ff}").is_ok());
}
