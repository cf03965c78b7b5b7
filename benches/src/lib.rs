//! Benches of every layer beside the tools they replace: see `benches/` and, for the peers, `peers/`.
//! Here is what they measure with.

use std::{fs, time::Duration};

/// Processor time of this thread so far; zero where the kernel does not tell.
#[must_use]
pub fn processor_time() -> Duration {
    let text = fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanoseconds = text.split(' ').next().and_then(|field| field.parse().ok());
    Duration::from_nanos(nanoseconds.unwrap_or(0))
}

/// A line of `/proc/self/status` in KiB, as in `VmHWM`, the most memory the process held so far; zero
/// where the kernel does not tell.
#[must_use]
pub fn status_kib(field: &str) -> u64 {
    let text = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = text.lines().find(|line| line.starts_with(field));
    line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok())
        .unwrap_or(0)
}
