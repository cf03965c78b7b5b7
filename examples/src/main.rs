//! gitops.
fn main() {}
