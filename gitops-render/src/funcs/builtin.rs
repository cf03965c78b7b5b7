//! text/template's own functions.

use super::Registry;
use crate::template::Value;

pub(super) fn register(registry: &mut Registry) {
    registry.add("not", |value: Value| !value.is_true());
}
