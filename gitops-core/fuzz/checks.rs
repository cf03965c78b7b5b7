//! What must hold for any bytes. The fuzz targets and the replay of their inputs share this.

use gitops_core::yaml::{self, Options};
use serde_json::Value;

/// Reading any bytes ends with a value or an error, and whatever strict reading takes, lax reading
/// takes to the same value.
pub(crate) fn yaml_parse(bytes: &[u8]) {
    let lax = yaml::from_slice(bytes);
    if let Ok(strict) = yaml::from_slice_with(bytes, &Options::strict()) {
        assert_eq!(lax, Ok(strict));
    }
    if let Ok(text) = std::str::from_utf8(bytes) {
        assert_eq!(yaml::from_str(text), yaml::from_slice(bytes));
        let chunks = yaml::chunks(text).filter_map(Result::ok).count();
        assert!(chunks <= text.len());
        let _ = yaml::documents(text).count();
    }
}

/// What was read is the same when it is written and read again.
pub(crate) fn yaml_roundtrip(bytes: &[u8]) {
    let Ok(value) = yaml::from_slice(bytes) else {
        return;
    };
    if reads_otherwise(&value) {
        return;
    }
    let written = yaml::to_string(&value);
    assert_eq!(yaml::from_str(&written).as_ref(), Ok(&value), "{written}");
    let pretty = yaml::to_string_pretty(&value);
    if !pretty.contains('\t') {
        assert_eq!(yaml::from_str(&pretty).as_ref(), Ok(&value), "{pretty}");
    }
}

/// Whether there is something in a value that go-yaml writes so that it is read as something else:
/// a key `<<`, which is a merge, and negative zero, which is the integer 0.
fn reads_otherwise(value: &Value) -> bool {
    match value {
        Value::Number(number) => number.as_f64() == Some(0.0) && !number.is_u64(),
        Value::Array(items) => items.iter().any(reads_otherwise),
        Value::Object(map) => map
            .iter()
            .any(|(key, value)| key == "<<" || reads_otherwise(value)),
        _ => false,
    }
}
