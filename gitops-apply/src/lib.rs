//! Plans and executes changes on Kubernetes, real or embedded.
//!
//! * [`hooks`]: when an object is handled: phases, waves, order.
//! * [`health`]: whether an object does what it is for.

pub mod execute;
pub mod health;
pub mod hooks;
