//! Hashes, random values, passwords, keys and certificates.

#[cfg(feature = "crypto")]
mod certificate;
#[cfg(feature = "crypto")]
mod der;
mod hash;
#[cfg(feature = "crypto")]
mod key;
#[cfg(feature = "crypto")]
mod password;
#[cfg(feature = "crypto")]
mod pem;
#[cfg(feature = "crypto")]
mod prime;
mod random;

use super::Registry;

pub(crate) use random::random_below;

pub(super) fn register(registry: &mut Registry) {
    hash::register(registry);
    random::register(registry);
    #[cfg(feature = "crypto")]
    {
        password::register(registry);
        certificate::register(registry);
    }
}
