//! Names of hosts.

use super::Registry;
use crate::template::{CallError, Context, Str};

pub(super) fn register(registry: &mut Registry) {
    registry.add("getHostByName", get_host_by_name);
}

/// An address of a host; empty where the host of the render does not resolve names.
fn get_host_by_name(context: &mut Context<'_>, name: Str) -> Result<String, CallError> {
    let Some(addresses) = context.host().resolve(&name.to_str()) else {
        return Ok(String::new());
    };
    let Ok(count) = u64::try_from(addresses.len()) else {
        return Ok(String::new());
    };
    if count == 0 {
        return Err(CallError::new("invalid argument to Intn"));
    }
    let index = super::crypto::random_below(context, count)?;
    Ok(addresses[index as usize].clone())
}
