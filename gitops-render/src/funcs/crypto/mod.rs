//! Hashes, random values, passwords, keys and certificates.

mod hash;
mod random;

use super::Registry;

pub(crate) use random::random_below;

pub(super) fn register(registry: &mut Registry) {
    hash::register(registry);
    random::register(registry);
}
