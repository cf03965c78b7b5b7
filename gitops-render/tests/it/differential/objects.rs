//! Fields and methods of what a chart is given, of times, durations and versions, in pipelines and scopes.

use super::random::Random;

/// Objects and names that they have, or have not.
const OBJECTS: &[(&str, &[&str])] = &[
    (
        ".Files",
        &[
            "Get",
            "GetBytes",
            "Glob",
            "Lines",
            "AsConfig",
            "AsSecrets",
            "Nope",
            "a",
        ],
    ),
    (
        ".Capabilities",
        &[
            "KubeVersion",
            "APIVersions",
            "HelmVersion",
            "Copy",
            "Nope",
            "KubeVersion.Version",
            "KubeVersion.Major",
            "KubeVersion.Minor",
            "KubeVersion.GitVersion",
            "KubeVersion.String",
            "APIVersions.Has",
            "HelmVersion.Version",
            "HelmVersion.GoVersion",
            "HelmVersion.GitCommit",
            "KubeVersion.Nope",
            "KubeVersion.normalizedVersion",
            "APIVersions.Nope",
        ],
    ),
    (
        ".Release",
        &[
            "Name",
            "Namespace",
            "Revision",
            "Service",
            "IsInstall",
            "IsUpgrade",
            "Nope",
            "Nope.x",
            "Time",
            "Name.x",
        ],
    ),
    (
        ".Chart",
        &[
            "Name",
            "Version",
            "AppVersion",
            "Metadata",
            "IsRoot",
            "Dependencies",
            "Maintainers",
            "Annotations",
            "Annotations.x",
            "Keywords",
            "Sources",
            "Type",
            "Nope",
            "Nope.x",
            "Deprecated",
            "KubeVersion",
            "Condition",
            "Tags",
            "Home",
            "Icon",
            "Description",
            "APIVersion",
            "Validate",
            "Metadata.Name",
            "name",
        ],
    ),
    (".Template", &["Name", "BasePath", "Nope"]),
    (
        ".Values",
        &[
            "a",
            "b",
            "c",
            "m",
            "m.a",
            "m.a.b.c",
            "m.k",
            "nul",
            "nul.x",
            "nope",
            "nope.x",
            "nope.x.y",
            "a.x",
            "YAML",
            "Table",
            "AsMap",
            "Encode",
            "PathValue",
            "l",
            "s.x",
            "t.x",
            "c.x",
        ],
    ),
    (".Subcharts", &["x", "Nope.y"]),
    (
        "(toDate \"2006-01-02T15:04:05Z07:00\" \"2024-05-06T07:08:09.5+05:30\")",
        &[
            "Unix",
            "Year",
            "Month",
            "Day",
            "Weekday",
            "Format",
            "Add",
            "AddDate",
            "Sub",
            "Before",
            "After",
            "Equal",
            "Compare",
            "IsZero",
            "UTC",
            "Local",
            "Location",
            "In",
            "String",
            "GoString",
            "MarshalJSON",
            "MarshalText",
            "YearDay",
            "Zone",
            "Date",
            "Clock",
            "ISOWeek",
            "Nanosecond",
            "Round",
            "Truncate",
            "UnixNano",
            "UnixMilli",
            "Hour",
            "Nope",
            "wall",
            "AppendFormat",
            "GobEncode",
            "MarshalBinary",
            "IsDST",
            "ZoneBounds",
            "Month.String",
            "Location.String",
            "Weekday.String",
            "Month.Nope",
        ],
    ),
    (
        "(mustToDuration \"1h30m15.25s\")",
        &[
            "Seconds",
            "Minutes",
            "Hours",
            "Milliseconds",
            "Microseconds",
            "Nanoseconds",
            "Round",
            "Truncate",
            "String",
            "Abs",
            "Nope",
        ],
    ),
    (
        "(semver \"1.2.3-a.1+b\")",
        &[
            "Major",
            "Minor",
            "Patch",
            "Prerelease",
            "Metadata",
            "Original",
            "String",
            "IncMajor",
            "IncMinor",
            "IncPatch",
            "SetPrerelease",
            "SetMetadata",
            "Compare",
            "Equal",
            "LessThan",
            "GreaterThan",
            "LessThanEqual",
            "GreaterThanEqual",
            "MarshalJSON",
            "MarshalText",
            "Nope",
            "major",
            "Value",
        ],
    ),
    ("(list 1 2)", &["x", "Len"]),
    ("(dict \"a\" 1)", &["a", "b", "a.b", "b.c"]),
    ("\"str\"", &["x"]),
    ("1", &["x"]),
    ("nil", &["x"]),
    ("true", &["x"]),
    ("(urlParse \"http://a\")", &["host", "Nope", "host.x"]),
    ("$x", &["a", "x.y"]),
    (
        "$",
        &[
            "Values",
            "Values.a",
            "Chart.Name",
            "Release",
            "Nope",
            "Files.Get",
        ],
    ),
    ("", &["a", "Values.a"]),
];

const ARGUMENTS: &[&str] = &[
    "",
    "\"a\"",
    "\"m\"",
    "1",
    "nil",
    ".Values.a",
    "\"2006\"",
    "(toDate \"2006-01-02T15:04:05Z07:00\" \"2024-05-06T07:08:09.5+05:30\")",
    "(mustToDuration \"1h30m15.25s\")",
    "1 2 3",
    "(semver \"1.3\")",
    "\"x.io/v1\"",
    "\"v1\"",
    "\"**\"",
    "true",
    "\"m.a\"",
    "\"a\" \"b\"",
    ".Values",
    "$",
    "'a'",
    "1.5",
    "(int64 1)",
    "\"\"",
    "(list)",
    "\"1h\"",
];

const FILTERS: &[&str] = &[
    "quote",
    "len",
    "toJson",
    "toYaml",
    "print",
    "printf \"%v\"",
    "printf \"%T\"",
    "printf \"%s\"",
    "html",
    "typeOf",
    "kindOf",
    "upper",
    "not",
    "default \"d\"",
    "index",
    "join \",\"",
    "first",
    "toString",
    "eq 1",
    "and 1",
    "or 0",
    "list",
    "dict \"k\"",
    "sortAlpha",
    "has \"a\"",
    "contains \"a\"",
    "call",
    "int",
    "ternary 1 2",
    "required \"m\"",
    "tpl",
    "include",
    "fromYaml",
    "slice",
    "keys | sortAlpha",
    "hasKey \"a\"",
    "get \"a\"",
    "empty",
    "coalesce \"\"",
    "deepCopy",
    "nindent 2",
    "trim",
];

/// Where an expression stands, `%s`.
const PLACES: &[&str] = &[
    "{{ %s }}",
    "{{ %s }}",
    "{{ %s }}",
    "{{ $x := %s }}{{ $x }}",
    "{{ with %s }}{{ . }}{{ else }}-{{ end }}",
    "{{ range %s }}{{ . }},{{ else }}-{{ end }}",
    "{{ range $i, $e := %s }}{{ $i }}={{ $e }};{{ end }}",
    "{{ if %s }}y{{ else }}n{{ end }}",
    "{{ with $x := %s }}{{ $x }}{{ . }}{{ end }}",
    "{{ range $x := %s }}{{ $x }}{{ if eq (toString $x) \"b\" }}{{ break }}{{ end }}{{ continue }}z{{ end }}",
    "{{ $x := 1 }}{{ with %s }}{{ $x = . }}{{ end }}{{ $x }}",
    "{{ $x := 1 }}{{ if true }}{{ $x := %s }}{{ $x }}{{ end }}{{ $x }}",
    "{{ define \"t\" }}{{ . }}{{ end }}{{ template \"t\" %s }}",
    "{{ define \"t\" }}{{ %s }}{{ end }}{{ include \"t\" . }}",
    "{{ define \"t\" }}{{ %s }}{{ end }}{{ include \"t\" .Values }}",
    "{{ tpl \"{{ `%s` }}\" . }}",
    "{{ tpl `{{ %s }}` $ }}",
    "{{ tpl `{{ %s }}` .Values }}",
    "{{ tpl `{{ %s }}` (dict \"Template\" .Template \"Values\" .Values) }}",
    "{{ block \"b\" %s }}{{ . }}{{ end }}",
    "{{ range $i := until 3 }}{{ range $j := until 3 }}{{ if eq $j 1 }}{{ break }}{{ end }}{{ %s }}{{ end }}{{ end }}",
    "{{- $x := %s -}}\n{{- $x -}}\n",
    "{{ define \"r\" }}{{ if lt (len .) 3 }}{{ include \"r\" (printf \"%qx\" .) }}{{ else }}{{ . }}{{ end }}{{ end }}{{ include \"r\" \"\" }}{{ %s }}",
    "{{ include (%s) . }}",
    "{{ template \"nope\" %s }}",
    "{{ include \"nope\" (%s) }}",
    "{{ define \"a\" }}{{ template \"b\" . }}{{ end }}{{ define \"b\" }}{{ %s }}{{ end }}{{ include \"a\" . }}",
    "{{ print (%s) }}",
    "{{ list (%s) (%s) | len }}",
    "{{ eq (%s) (%s) }}",
    "{{ lt (%s) (%s) }}",
    "{{ index (%s) (%s) }}",
    "{{ and (%s) (%s) }}",
    "{{ or (%s) (%s) }}",
    "{{ default (%s) (%s) }}",
    "{{ call (%s) }}",
    "{{ slice (%s) 0 1 }}",
    "{{ dict \"a\" (%s) | toJson }}",
    "{{ set .Values.m \"z\" (%s) | toJson }}",
    "{{ merge (dict) (%s) | toJson }}",
    "{{ dig \"a\" \"d\" (%s) }}",
];

/// A template around expressions with fields and methods.
pub(super) fn template(random: &mut Random) -> String {
    let place = random.pick(PLACES);
    let mut text = String::new();
    for (index, part) in place.split("%s").enumerate() {
        if index > 0 {
            text.push_str(&expression(random, 0));
        }
        text.push_str(part);
    }
    let text = text.replace("%q", "%s");
    // Ranging over what may be billions of nanoseconds would not end.
    let is_long = ["Unix", "ano", "uration", "Sub", "icro", "illi"];
    if text.contains("range") && is_long.iter().any(|part| text.contains(part)) {
        return "{{ .Values.a.b.c }}".to_owned();
    }
    text
}

fn path(random: &mut Random) -> String {
    let (object, names) = OBJECTS[random.below(OBJECTS.len())];
    if !object.is_empty() && random.chance(8) {
        return object.to_owned();
    }
    format!("{object}.{}", random.pick(names))
}

fn expression(random: &mut Random, depth: usize) -> String {
    let mut text = path(random);
    match random.below(20) {
        0..9 => {
            text.push(' ');
            text.push_str(random.pick(ARGUMENTS));
        }
        9..12 => {
            let argument = random.pick(ARGUMENTS);
            let name = random.pick(&["x", "String", "Name", "a", "Has", "Format", "Unix"]);
            text = format!("({text} {argument}).{name}");
        }
        12 if depth < 2 => {
            let inner = expression(random, depth + 1);
            text.push_str(&format!(" ({inner})"));
        }
        _ => {}
    }
    while random.chance(40) {
        text.push_str(" | ");
        if random.chance(85) {
            text.push_str(random.pick(FILTERS));
        } else {
            text.push_str(&path(random));
        }
    }
    text
}
