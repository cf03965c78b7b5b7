//! Plans and executes changes on Kubernetes, real or embedded.
//!
//! * [`plan`]: what must be done, in which order, and why.
//! * [`embedded`]: a cluster in memory with the API server's semantics.
//! * [`execute`]: does it: a state machine without IO and the [`Applier`](gitops_core::apply::Applier)
//!   that drives it.
//! * [`hooks`]: when an object is handled: phases, waves, order.
//! * [`health`]: whether an object does what it is for.

#[cfg_attr(
    not(feature = "rest"),
    allow(
        dead_code,
        reason = "some of the server is reached by its REST face only"
    )
)]
pub mod embedded;
pub mod execute;
pub mod health;
pub mod hooks;
#[cfg(feature = "kube")]
pub mod kube;
pub mod plan;
mod refusal;
