//! Execution: a plan becomes requests, in order, waiting where it must.
//!
//! The heart is [`Machine`], a state machine without IO: it is told what was seen and answers what to
//! do. It behaves like Argo CD's sync: phases, waves with health gates, hooks with delete policies,
//! SyncFail hooks after a failure. All that must survive a crash is a small serialisable
//! [`Progress`]; from it and the same plan the sync goes on where it was.

mod applier;
mod assess;
mod client;
mod confirm;
mod machine;
mod outdated;
mod ownership;
mod parent;
mod program;
mod progress;
mod proven;
mod report;
mod request;
mod run;
mod send;

pub use applier::SyncApplier;
pub use machine::{Machine, MachineOptions, Operation, SyncTask};
pub use progress::{Progress, TaskResult, TaskStatus, key};
pub use request::{Action, Completion, Observation, Refusal, Request, RequestKind, Sent};
