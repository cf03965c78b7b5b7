use gitops_core::{
    Manifest,
    clock::Timestamp,
    health::{Health, HealthCheck as _, HealthStatus},
};
use serde_json::{Value, json};

use super::{CelRuleError, CelRules};
use crate::health::ArgoHealth;

fn rules(text: &str) -> CelRules<ArgoHealth> {
    CelRules::parse(text, ArgoHealth).unwrap_or_else(|error| panic!("{error}"))
}

fn refused(text: &str) -> CelRuleError {
    match CelRules::parse(text, ArgoHealth) {
        Ok(_) => panic!("{text} is taken"),
        Err(error) => error,
    }
}

fn object(status: Value) -> Manifest {
    Manifest::try_from(json!({
        "apiVersion": "shop.example.com/v1", "kind": "Till",
        "metadata": {"name": "a", "generation": 2}, "status": status,
    }))
    .unwrap()
}

fn judge(rules: &CelRules<ArgoHealth>, status: Value) -> Option<Health> {
    rules
        .assess(&object(status), Timestamp::UNIX_EPOCH)
        .unwrap_or_else(|error| panic!("{error}"))
}

const TILL: &str = r#"
healthCheckExprs:
- apiVersion: shop.example.com/v1alpha1
  kind: Till
  inProgress: "has(status.phase) && status.phase == 'Counting'"
  failed: "status.conditions.exists(c, c.type == 'Open' && c.status == 'False')"
  current: "status.conditions.exists(c, c.type == 'Open' && c.status == 'True')"
  message: "status.?conditions[?0].?message.orValue('')"
"#;

#[test]
fn expressions_are_asked_in_order() {
    let rules = rules(TILL);
    let condition = |status: &str| json!([{"type": "Open", "status": status, "message": "m"}]);
    let health = |status| judge(&rules, status).map(|health| (health.status, health.message));
    let is = |status, message: &str| Some((status, message.to_owned()));
    assert_eq!(
        health(json!({"phase": "Counting", "conditions": condition("True")})),
        is(HealthStatus::Progressing, "m")
    );
    assert_eq!(
        health(json!({"conditions": condition("False")})),
        is(HealthStatus::Degraded, "m")
    );
    assert_eq!(
        health(json!({"conditions": condition("True")})),
        is(HealthStatus::Healthy, "m")
    );
    assert_eq!(
        health(json!({"conditions": condition("Unknown")})),
        is(HealthStatus::Progressing, "")
    );
    assert_eq!(
        health(json!({"conditions": condition("True"), "observedGeneration": 1})),
        is(
            HealthStatus::Progressing,
            "generation 2 is not observed yet"
        )
    );
    assert_eq!(
        health(json!({})),
        is(HealthStatus::Progressing, "there is no conditions yet")
    );
}

#[test]
fn lists_of_rules_leave_the_rest_to_the_other_check() {
    let rules = rules(
        r#"
- apiVersion: shop.example.com/v1
  rules:
  - when: has(status.paused) && status.paused
    status: Suspended
    message: "'paused by ' + status.by"
  - when: has(status.ready) && status.ready >= 2
    status: Healthy
- apiVersion: v1
  kind: ConfigMap
  current: data.a == '1'
"#,
    );
    let health = judge(&rules, json!({"paused": true, "by": "ops"})).unwrap();
    assert_eq!(health.status, HealthStatus::Suspended);
    assert_eq!(health.message, "paused by ops");
    let health = judge(&rules, json!({"ready": 2})).unwrap();
    assert_eq!(health.status, HealthStatus::Healthy);
    assert_eq!(judge(&rules, json!({"ready": 1})), None);
    let map = Manifest::try_from(json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"a": "1"},
    }))
    .unwrap();
    let health = rules.assess(&map, Timestamp::UNIX_EPOCH).unwrap().unwrap();
    assert_eq!(health.status, HealthStatus::Healthy);
}

#[test]
fn what_is_under_deletion_is_left_to_the_other_check() {
    let mut till = object(json!({"conditions": [{"type": "Open", "status": "True"}]}));
    till.metadata_mut().insert(
        "deletionTimestamp".to_owned(),
        "2026-01-01T00:00:00Z".into(),
    );
    let health = rules(TILL).assess(&till, Timestamp::UNIX_EPOCH).unwrap();
    assert_eq!(health.unwrap().message, "Pending deletion");
}

#[test]
fn all_functions_there_are_can_be_called() {
    for expression in [
        "bool('true')",
        "size(bytes('a')) == 1",
        "'abc'.contains('b') && 'abc'.startsWith('a') && 'abc'.endsWith('c')",
        "double('1.5') > 1.0 && int('2') == 2 && uint('2') == 2u",
        "dyn(1) == 1",
        "optional.of(1).hasValue() && !optional.none().hasValue()",
        "optional.ofNonZeroValue(0).orValue(3) == 3",
        "optional.none().or(optional.of(2)).value() == 2",
        "'abc'.matches('^a.c$')",
        "string(1) == '1' && type(1) == int",
        "[1, 2].all(x, x > 0) && [1, 2].exists_one(x, x == 1)",
        "[1, 2].map(x, x * 2) == [2, 4] && {'a': 1}.all(k, k == 'a')",
        "status.count / 2 == 2 && status.count % 3 == 1 && -status.count < 0",
        "'a' in status.map && 4 in [4] && (true ? 1 : 2) == 1",
    ] {
        let text = format!(
            "- apiVersion: shop.example.com/v1\n  kind: Till\n  current: {}\n",
            json!(expression)
        );
        let health = judge(&rules(&text), json!({"count": 4, "map": {"a": 1}}));
        assert_eq!(
            health.map(|health| health.status),
            Some(HealthStatus::Healthy),
            "{expression}"
        );
    }
}

#[test]
fn bad_rules_are_refused_when_they_are_read() {
    let current = |expression: &str| {
        let expression = json!(expression);
        format!("- apiVersion: v1\n  kind: A\n  current: {expression}\n")
    };
    let deep = format!("{}1{} == 1", "(".repeat(100), ")".repeat(100));
    let loops = "[1].all(a, [1].all(b, [1].all(c, a + b + c == 3)))";
    let long = format!("'{}' == ''", "x".repeat(5000));
    let messages: Vec<String> = [
        "a: [",
        "7",
        "- kind: A\n",
        "- apiVersion: v1\n  kind: A\n",
        "- apiVersion: v1\n  curent: 'true'\n",
        "- apiVersion: v1\n  current: 'true'\n  rules: [{when: 'true', status: Healthy}]\n",
        "- apiVersion: v1\n  rules: [{when: 'true', status: Fine}]\n",
        &current("status.a =="),
        &current("now() == status.b"),
        &current("status.conditions.any(c, c.b)"),
        &current(&deep),
        &current(loops),
        &current(&long),
    ]
    .iter()
    .map(|text| refused(text).to_string())
    .collect();
    insta::assert_snapshot!(messages.join("\n"));
}

#[test]
fn evaluation_is_bounded_and_tells_no_values() {
    let rules = rules(
        "- apiVersion: shop.example.com/v1\n  kind: Till\n  \
         current: status.a.all(x, status.a.all(y, x == y))\n",
    );
    let many: Vec<u32> = (0..5_000).collect();
    let error = rules
        .assess(&object(json!({"a": many})), Timestamp::UNIX_EPOCH)
        .unwrap_err();
    assert!(error.to_string().contains("steps"), "{error}");
    let error = CelRules::parse(
        "- apiVersion: shop.example.com/v1\n  kind: Till\n  current: status.secret > 1\n",
        ArgoHealth,
    )
    .unwrap_or_else(|error| panic!("{error}"))
    .assess(&object(json!({"secret": "hunter2"})), Timestamp::UNIX_EPOCH)
    .unwrap_err();
    assert!(!error.to_string().contains("hunter2"), "{error}");
    insta::assert_snapshot!(error.to_string());
}

#[test]
fn times_and_durations() {
    let status = json!({
        "started": "2026-01-31T22:30:15.250Z", "ended": "2026-02-01T00:00:15.250+01:00",
        "limit": "1h30m",
    });
    let holds = |test: &str| {
        let text = format!(
            "- {{apiVersion: shop.example.com/v1, kind: Till, rules: [{{when: {test:?}, status: Healthy}}]}}"
        );
        judge(&rules(&text), status.clone()).is_some()
    };
    for test in [
        "timestamp(status.started) < timestamp(status.ended)",
        "timestamp(status.ended) - timestamp(status.started) == duration('30m')",
        "timestamp(status.ended) - timestamp(status.started) < duration(status.limit)",
        "timestamp(status.started) + duration(status.limit) > timestamp(status.ended)",
        "timestamp(status.ended) - duration('30m') == timestamp(status.started)",
        "duration('1h') + duration('30m') == duration(status.limit)",
        "duration(status.limit) - duration('90m') == duration('0s')",
        "timestamp(status.started).getFullYear() == 2026",
        "timestamp(status.started).getMonth() == 0",
        "timestamp(status.started).getDate() == 31",
        "timestamp(status.started).getDayOfMonth() == 30",
        "timestamp(status.started).getDayOfWeek() == 6",
        "timestamp(status.started).getDayOfYear() == 30",
        "timestamp(status.started).getHours() == 22",
        "timestamp(status.started).getHours('+02:00') == 0",
        "timestamp(status.started).getHours('Europe/Berlin') == 23",
        "timestamp(status.started).getMinutes() == 30",
        "timestamp(status.started).getSeconds() == 15",
        "timestamp(status.started).getMilliseconds() == 250",
        "duration(status.limit).getHours() == 1",
        "duration(status.limit).getMinutes() == 90",
        "duration(status.limit).getSeconds() == 5400",
        "int(timestamp('1970-01-01T00:01:00Z')) == 60",
        "timestamp('1970-01-01T00:01:00Z') == timestamp(60)",
        "string(duration('1m30s')) == '90s'",
        "[timestamp(status.ended), timestamp(status.started)].exists(t, t.getMonth() == 0)",
    ] {
        assert!(holds(test), "{test}");
    }
    let text = "- {apiVersion: shop.example.com/v1, rules: [{when: \"timestamp('noon') > timestamp('1970-01-01T00:00:00Z')\", status: Healthy}]}";
    let error = rules(text).assess(&object(json!({})), Timestamp::UNIX_EPOCH);
    assert!(error.is_err());
    for overflow in [
        "timestamp('9999-12-31T23:59:59Z') + duration('2540400h') > timestamp(0)",
        "duration('999999999999999h') > duration('1s')",
    ] {
        let text = format!(
            "- {{apiVersion: shop.example.com/v1, rules: [{{when: {overflow:?}, status: Healthy}}]}}"
        );
        let answer = rules(&text).assess(&object(json!({})), Timestamp::UNIX_EPOCH);
        assert!(answer.is_err(), "{overflow}");
    }
}
