//! Which objects a label selector selects.

use serde_json::json;

use crate::conformance::{Case, case, is_invalid, refused, same};

pub(super) fn add(cases: &mut Vec<Case>) {
    let table: [(&'static str, &'static [&'static str]); 14] = [
        ("", &["api", "db", "web"]),
        ("app=web", &["web"]),
        ("app==web", &["web"]),
        ("app!=web", &["api", "db"]),
        ("tier", &["api", "web"]),
        ("!tier", &["db"]),
        ("app in (web,db)", &["db", "web"]),
        ("app notin (web,db)", &["api"]),
        ("tier=front,app=web", &["web"]),
        ("tier in (front),app!=web", &[]),
        ("nothing notin (a)", &["api", "db", "web"]),
        ("example.com/size=large", &["db"]),
        ("app in (web, api),tier=back", &["api"]),
        ("app=", &[]),
    ];
    for (selector, expected) in table {
        case(
            cases,
            format!("selector: {selector:?}"),
            move |h| async move {
                for (name, labels) in [
                    ("web", json!({"app": "web", "tier": "front"})),
                    ("api", json!({"app": "api", "tier": "back"})),
                    ("db", json!({"app": "db", "example.com/size": "large"})),
                ] {
                    let mut config = h.config(name, json!({}));
                    config.metadata_mut().insert("labels".to_owned(), labels);
                    h.create(&config).await?;
                }
                let names = h.names(&h.configs(selector)).await?;
                same(&json!(names), &json!(expected), "the names")
            },
        );
    }
    let refused_ones = [
        (
            "a b c",
            "unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt",
        ),
        ("a in (b", "unable to parse requirement: found ''"),
        ("a in b", "unable to parse requirement: found 'b'"),
        (
            "=b",
            "found '=', expected: !, identifier, or 'end of string'",
        ),
        ("a=b c", "found 'c', expected: ',' or 'end of string'"),
        ("a=b,", "found '', expected: identifier after ','"),
    ];
    for (selector, words) in refused_ones {
        case(
            cases,
            format!("selector: {selector:?} is refused"),
            move |h| async move {
                refused(
                    h.cluster.list(&h.configs(selector)).await,
                    is_invalid,
                    words,
                )
            },
        );
    }
}
