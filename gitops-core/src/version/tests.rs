use super::*;

fn version(text: &str) -> Version {
    Version::parse(text).expect(text)
}

fn matches(constraint: &str, text: &str) -> bool {
    Constraint::parse(constraint)
        .expect(constraint)
        .matches(&version(text))
}

#[test]
fn lenient_forms() {
    for (text, normal) in [
        ("1.2.3", "1.2.3"),
        ("v1.2", "1.2.0"),
        ("01.002", "1.2.0"),
        ("1-rc.1+build.5", "1.0.0-rc.1+build.5"),
        ("v1.33.4-gke.1", "1.33.4-gke.1"),
        ("1.2.3+meta", "1.2.3+meta"),
    ] {
        let version = version(text);
        assert_eq!(version.to_string(), normal);
        assert_eq!(version.original(), text);
    }
    for (text, message) in [
        ("", "invalid semantic version"),
        ("abc", "invalid semantic version"),
        ("1.2.3.4", "invalid semantic version"),
        ("1.2.", "invalid semantic version"),
        ("V1", "invalid semantic version"),
        ("1.2.3-", "invalid semantic version"),
        ("1.2.3-01", "version segment starts with 0"),
        (
            "99999999999999999999",
            "error parsing version segment: strconv.ParseUint: parsing \"99999999999999999999\": \
             value out of range",
        ),
    ] {
        let error = Version::parse(text).expect_err(text);
        assert_eq!(error.to_string(), message, "{text}");
    }
}

#[test]
fn strict_forms() {
    assert_eq!(
        Version::parse_strict("1.2.3-rc.1+b")
            .map(|v| v.to_string())
            .as_deref(),
        Ok("1.2.3-rc.1+b")
    );
    for (text, message) in [
        ("", "version string empty"),
        ("1.2", "invalid semantic version"),
        ("v1.2.3", "invalid characters in version"),
        ("1.02.3", "version segment starts with 0"),
        ("1.2.3-", "invalid prerelease string"),
        ("1.2.3-a..b", "invalid prerelease string"),
        ("1.2.3+ü", "invalid metadata string"),
        ("1..3", "strconv.ParseUint: parsing \"\": invalid syntax"),
    ] {
        let error = Version::parse_strict(text).expect_err(text);
        assert_eq!(error.to_string(), message, "{text}");
    }
    assert_eq!(
        Version::parse_strict(&"1".repeat(300)),
        Err(VersionError::TooLong)
    );
}

#[test]
fn order_is_that_of_the_specification() {
    let ordered = [
        "0.9",
        "1.0.0-alpha",
        "1.0.0-alpha.1",
        "1.0.0-alpha.beta",
        "1.0.0-beta",
        "1.0.0-beta.2",
        "1.0.0-beta.11",
        "1.0.0-rc.1",
        "1.0.0",
        "1.0.1",
        "1.10.0",
    ];
    for pair in ordered.windows(2) {
        assert!(version(pair[0]) < version(pair[1]), "{pair:?}");
    }
    assert_eq!(version("1.0.0+a"), version("v1+b"));
}

#[test]
fn successors() {
    let next = |v: Option<Version>| v.map(|v| v.original().to_owned()).unwrap_or_default();
    assert_eq!(next(version("v1.2.3").next_patch()), "v1.2.4");
    assert_eq!(next(version("1.2.3-rc1+x").next_patch()), "1.2.3");
    assert_eq!(next(version("1.2.3-rc1").next_minor()), "1.3.0");
    assert_eq!(next(version("v1.2.3").next_major()), "v2.0.0");
    assert_eq!(version(&format!("1.1.{}", u64::MAX)).next_patch(), None);
}

#[test]
fn comparisons() {
    for (constraint, yes, no) in [
        ("~1.2.3", vec!["1.2.3", "1.2.9"], vec!["1.3.0", "1.2.2"]),
        ("~1.2", vec!["1.2.0"], vec!["1.3.0"]),
        ("~1", vec!["1.9.0"], vec!["2.0.0"]),
        ("~0.0.0", vec!["0.0.0", "7.0.0"], vec![]),
        ("^1.2", vec!["1.9.0"], vec!["1.1.0", "2.0.0"]),
        ("^0.2.3", vec!["0.2.9"], vec!["0.3.0"]),
        ("^0.0.3", vec!["0.0.3"], vec!["0.0.4"]),
        ("^0", vec!["0.9.0"], vec!["1.0.0"]),
        ("^*", vec!["0.0.0"], vec!["0.0.1", "1.0.0"]),
        (">1", vec!["2.0.0"], vec!["1.9.9"]),
        (">1.2", vec!["1.3.0"], vec!["1.2.9"]),
        ("<=1", vec!["1.9.9"], vec!["2.0.0"]),
        ("<=1.2", vec!["1.2.9"], vec!["1.3.0"]),
        ("!=1.2", vec!["1.3.0"], vec!["1.2.7"]),
        ("=1.2", vec!["1.2.7"], vec!["1.3.0"]),
        ("1.x.3", vec!["1.7.0"], vec!["2.0.0"]),
        ("*", vec!["0.0.0", "9.9.9"], vec!["1.0.0-beta"]),
        (">=1.19-0", vec!["1.19.0", "1.33.0-gke.1"], vec!["1.18.9"]),
        ("1.2 - 1.4", vec!["1.2.0", "1.4.9"], vec!["1.5.0", "1.1.9"]),
        ("> 1 , < 3", vec!["2.0.0"], vec!["1.5.0", "3.0.0"]),
        (">=1 <2 || =3.0.0", vec!["1.0.0", "3.0.0"], vec!["2.0.0"]),
        ("=> 1.1 =< 1.3", vec!["1.2.0"], vec!["1.4.0"]),
        ("~> 2.1 ", vec!["2.1.5"], vec!["2.2.0"]),
        ("1.2.3+x", vec!["1.2.3", "1.2.3+y"], vec![]),
    ] {
        for text in yes {
            assert!(matches(constraint, text), "{constraint} {text}");
        }
        for text in no {
            assert!(!matches(constraint, text), "{constraint} {text}");
        }
    }
}

#[test]
fn errors_of_constraints() {
    for (text, message) in [
        ("", "improper constraint: \"\""),
        ("latest", "improper constraint: \"latest\""),
        (">1 ||", "improper constraint: \"\""),
        ("1,", "improper constraint: \"1,\""),
        ("1,,2", "improper constraint: \"1,,2\""),
        (">> 1", "improper constraint: \">> 1\""),
        ("1.2.3.4", "improper constraint: \"1.2.3.4\""),
        ("1.2.3-01", "constraint parser error"),
        ("xx", "constraint parser error"),
        ("1|2", "constraint parser error"),
    ] {
        let error = Constraint::parse(text).expect_err(text);
        assert_eq!(error.to_string(), message, "{text}");
    }
    assert_eq!(
        Constraint::parse(&"1 ".repeat(300)),
        Err(VersionError::ConstraintTooLong)
    );
    assert_eq!(
        Constraint::parse(&["1"; 33].join("||")),
        Err(VersionError::TooManyGroups)
    );
}

#[test]
fn reasons() {
    let reasons = |constraint: &str, text: &str| -> Vec<String> {
        Constraint::parse(constraint)
            .expect(constraint)
            .check(&version(text))
            .expect_err("a mismatch")
            .iter()
            .map(ToString::to_string)
            .collect()
    };
    assert_eq!(
        reasons(">=2 || ^0.2", "1.5"),
        [
            "\"1.5.0\" is less than \"2\"",
            "\"1.5.0\" does not have same major version as \"0.2\"",
        ]
    );
    assert_eq!(
        reasons("^0.0.3", "0.0.4"),
        [
            "\"0.0.4\" does not equal \"0.0.3\". Expect version and constraint to equal when major and minor versions are 0"
        ]
    );
    assert_eq!(
        reasons(">1, <3", "2.0.0-beta"),
        [
            "\"2.0.0-beta\" is a prerelease version and the constraint is only looking for release versions"
        ]
    );
}

#[test]
fn texts_survive() {
    let constraint = Constraint::parse(">=1.2, <2 ||  ~3.x").expect("valid");
    assert_eq!(constraint.to_string(), ">=1.2 <2 || ~3.x");
    let json = serde_json::to_string(&constraint).expect("serialises");
    assert_eq!(
        serde_json::from_str::<Constraint>(&json).expect("reads"),
        constraint
    );
    assert!(
        constraint
            .clone()
            .include_prereleases(true)
            .matches(&version("1.5.0-a"))
    );
    assert!(!constraint.matches(&version("1.5.0-a")));
}
