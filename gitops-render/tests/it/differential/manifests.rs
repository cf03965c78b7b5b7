//! Documents that a template may print, and files of charts with mistakes.

use super::random::Random;

const SEPARATORS: &[&str] = &[
    "---\n",
    "---\n",
    "---\n",
    "--- \n",
    "---\n---\n",
    "\n---\n",
    "--- # c\n",
    "---\t\n",
    " ---\n",
    "----\n",
    "---\r\n",
    "...\n---\n",
    "---kind: Glued\n",
    "\n\n---\n\n",
    "---\n\n\n",
];

const HEADS: &[&str] = &[
    "kind: ConfigMap\n",
    "kind: Namespace\n",
    "kind: Secret\n",
    "kind: Service\n",
    "kind: Deployment\n",
    "kind: Widget\n",
    "kind: APIService\n",
    "kind: NetworkPolicy\n",
    "kind: PriorityClass\n",
    "kind: CustomResourceDefinition\n",
    "kind: \"Job\"\n",
    "kind: null\n",
    "kind: [X]\n",
    "kind: 5\n",
    "kind: true\n",
    "Kind: x\n",
    "kind:\n",
    "kind: {a: b}\n",
    "apiVersion: v1\nkind: Pod\n",
    "apiVersion: 1\nkind: Pod\n",
    "apiVersion: [v1]\nkind: Pod\n",
    "apiVersion: v1\n",
    "",
    "kind: A\nkind: B\n",
];

const METADATA: &[&str] = &[
    "metadata:\n  name: n\n",
    "metadata: {name: m, namespace: o}\n",
    "metadata: null\n",
    "metadata: []\n",
    "metadata: x\n",
    "metadata:\n  name: 5\n",
    "metadata:\n  name: null\n",
    "metadata:\n  annotations:\n    a: 1\n",
    "metadata:\n  annotations: null\n",
    "metadata:\n  annotations: {}\n",
    "metadata:\n  annotations: [a]\n",
    "metadata:\n  annotations:\n    a: null\n",
    "metadata:\n  annotations:\n    helm.sh/hook: pre-install\n    helm.sh/hook-weight: \"-5\"\n",
    "metadata:\n  annotations:\n    helm.sh/hook: pre-install\n    helm.sh/hook-weight: x\n",
    "metadata:\n  annotations:\n    helm.sh/hook: post-install, pre-delete\n    helm.sh/hook-delete-policy: before-hook-creation, hook-failed\n",
    "metadata:\n  annotations:\n    helm.sh/hook: test\n    helm.sh/hook-delete-policy: nope\n",
    "metadata:\n  annotations:\n    helm.sh/hook: null\n",
    "metadata:\n  annotations:\n    helm.sh/hook: 5\n",
    "metadata:\n  annotations: {\"helm.sh/hook\": \"Post-Upgrade\", \"helm.sh/hook-output-log-policy\": \"hook-succeeded\"}\n",
    "metadata:\n  annotations:\n    helm.sh/resource-policy: keep\n",
    "",
];

const BODIES: &[&str] = &[
    "data: {a: b}\n",
    "spec:\n  x: 1\n",
    "# comment\n",
    "a: b: c\n",
    "\tx: 1\n",
    "x: [\n",
    "x: \"open\n",
    "- l\n",
    "v: {{ .Values.a }}\n",
    "x: *a\n",
    "x: &a 1\ny: *a\n",
    "<<: {a: 1}\n",
    "? a\n: b\n",
    "a: 1\na: 2\n",
    "x: !!binary a\n",
    "x: |\n  text\n  --- no\n",
    "%YAML 1.1\n",
    "\u{feff}a: 1\n",
    "x: |-\n    a\n\n\n",
    "x: é\n",
    "\r\ny: 1\r\n",
    "x: 'it''s'\n",
    "  indented: 1\n",
    "x: @a\n",
    "x: `a`\n",
    "x: %a\n",
    "text\n",
    "x: {a: 1, a: 2}\n",
    "y: !x z\n",
    "\"a\": 1\n",
    "1: 2\n",
    "? [a]\n: b\n",
    "null: x\n",
    "...\n",
    "x: 2024-01-02\n",
    "x: 1e400\n",
    "x: \"\\x41\\q\"\n",
    "\u{7}: x\n",
    "x: \u{7f}\n",
];

/// Lines of a Chart.yaml that are rare, doubled or wrong.
pub(super) const CHART_LINES: &[&str] = &[
    "version: 1\n",
    "keywords: a\n",
    "maintainers:\n- name: m\n  email: e\n",
    "maintainers: [x]\n",
    "maintainers:\n- null\n",
    "maintainers:\n- name: \"\"\n",
    "sources: [1, true]\n",
    "annotations:\n  a: 1\n",
    "annotations: []\n",
    "annotations:\n  a: null\n",
    "icon: 5\n",
    "home: null\n",
    "appVersion: 1.10\n",
    "appVersion: true\n",
    "appVersion: \"é\"\n",
    "kubeVersion: x\n",
    "kubeVersion: \"\"\n",
    "kubeVersion: \"~1.37\"\n",
    "type: nope\n",
    "type: library\n",
    "type: \"\"\n",
    "tags: a\n",
    "condition: enabled\n",
    "deprecated: yes\n",
    "deprecated: x\n",
    "description: |\n  a\n  b\n",
    "dependencies: null\n",
    "dependencies: []\n",
    "dependencies:\n- null\n",
    "dependencies:\n- name: sub\n",
    "dependencies:\n- name: \"\"\n  version: 1\n",
    "dependencies:\n- name: sub\n  version: \"*\"\n  alias: \"a b\"\n",
    "dependencies:\n- name: sub\n  version: \"*\"\n  tags: x\n",
    "engine: gotpl\n",
    "apiVersion: null\n",
    "name: other\n",
    "name: \"a/b\"\n",
    "name: \"..\"\n",
    "name: null\n",
    "\tbad\n",
    "x: [\n",
    "icon: \"a\\nb\"\n",
    "description: \"a\\u0007b\"\n",
    "version: \"1.2.3+a_b\"\n",
    "version: v1\n",
    "version: x\n",
    "version: null\n",
];

/// Files of values that are rare or wrong.
pub(super) const VALUES: &[&str] = &[
    "",
    "null\n",
    "- a\n",
    "text",
    "a: 1\n---\nb: 2\n",
    "a: [\n",
    "# c\n",
    "a: 1\na: 2\n",
    "~",
    "{}",
    "1: 2\ntrue: x\n",
    "a: &x {b: 1}\nc: *x\n",
    "\ta: 1\n",
    "a: 2024-01-02\n",
    "a: 0o17\nb: 0x1F\nc: 1_000\n",
    "global: null\n",
    "global: []\n",
    "sub: null\n",
    "sub: text\n",
    "sub: []\n",
    "tags: null\n",
    "tags: x\n",
    "tags: {front: x}\n",
    "exports: x\n",
    "exports: {data: x}\n",
    "global: {sub: 1}\n",
    "sub: {global: x}\n",
    "sub: {enabled: \"true\"}\n",
    "enabled: \"no\"\n",
    "sub: {enabled: null}\n",
    "m: {<<: {a: 1}, b: 2}\n",
    "a: .inf\nb: .nan\n",
    "\u{feff}a: 1\n",
    "a: !!str 1\nb: !!int \"2\"\n",
    "? [a]\n: b\n",
    "---\na: 1\n...\n",
    "--- {a: 1}\n--- {a: 2, b: null}\n",
];

pub(super) const SCHEMAS: &[&str] = &[
    "{\"properties\":{\"a\":{\"const\":1}}}",
    "{\"properties\":{\"a\":{\"not\":{\"type\":\"null\"}}}}",
    "{\"anyOf\":[{\"required\":[\"x\"]},{\"required\":[\"y\"]}]}",
    "{\"oneOf\":[{\"required\":[\"a\"]},{\"required\":[\"b\"]}]}",
    "{\"allOf\":[{\"required\":[\"x\"]},{\"properties\":{\"a\":{\"type\":\"integer\"}}}]}",
    "{\"if\":{\"required\":[\"a\"]},\"then\":{\"required\":[\"zz\"]}}",
    "{\"propertyNames\":{\"maxLength\":1}}",
    "{\"patternProperties\":{\"^[a-c]$\":{\"type\":\"boolean\"}}}",
    "{\"dependentRequired\":{\"a\":[\"zz\"]}}",
    "{\"properties\":{\"l\":{\"uniqueItems\":true,\"minItems\":2,\"contains\":{\"const\":1}}}}",
    "{\"properties\":{\"l\":{\"items\":{\"type\":\"string\",\"minLength\":2}}}}",
    "{\"properties\":{\"l\":{\"prefixItems\":[{\"type\":\"number\"}],\"items\":false}}}",
    "{\"properties\":{\"n\":{\"multipleOf\":2,\"exclusiveMaximum\":5}}}",
    "{\"$defs\":{\"t\":{\"type\":\"string\"}},\"properties\":{\"a\":{\"$ref\":\"#/$defs/t\"}}}",
    "{\"properties\":{\"a\":{\"$ref\":\"#/nope\"}}}",
    "{\"additionalProperties\":false}",
    "{\"properties\":{\"sub\":{\"required\":[\"a\"]}}}",
    "{\"minProperties\":9}",
    "{\"type\":\"array\"}",
    "true",
    "false",
    "[]",
    "\"x\"",
    "{\"properties\":{\"s\":{\"pattern\":\"(\"}}}",
    "{\"$schema\":\"http://json-schema.org/draft-04/schema#\",\"properties\":{\"n\":{\"minimum\":3,\"exclusiveMinimum\":true}}}",
    "{\"$schema\":\"nope\"}",
    "{\"properties\":{\"s\":{\"format\":\"uri\"}}}",
    "{\"unevaluatedProperties\":false}",
];

/// What a template prints: one to four documents.
pub(super) fn manifest(random: &mut Random) -> String {
    let mut text = random
        .pick(&["", "", "---\n", "\n", "# first\n"])
        .to_owned();
    for index in 0..1 + random.below(4) {
        if index > 0 {
            text.push_str(random.pick(SEPARATORS));
        }
        // Most documents are as they should be, or nothing after the first would be seen.
        let (heads, metadata) = match random.chance(85) {
            true => (&HEADS[..11], &METADATA[..2]),
            false => (HEADS, METADATA),
        };
        text.push_str(random.pick(heads));
        text.push_str(if random.chance(30) {
            random.pick(METADATA)
        } else {
            random.pick(metadata)
        });
        text.push_str(if random.chance(8) {
            random.pick(BODIES)
        } else {
            random.pick(&BODIES[..3])
        });
    }
    if random.chance(10) {
        text.truncate(text.trim_end().len());
    }
    text
}
