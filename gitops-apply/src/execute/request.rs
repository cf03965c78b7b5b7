//! What the machine asks for and what it is told.

use gitops_core::{
    Manifest, ObjectRef,
    plan::{Delivery, Phase},
};

/// What is to be done next.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Action {
    /// Look at an object and tell its state in [`Observation::reads`].
    Read(ObjectRef),
    /// Send a request and tell the outcome in [`Observation::completions`]. All requests of one turn
    /// may be under way at once.
    Send(Request),
    /// A wave was sent; a good moment for a pause.
    WaveEnded {
        /// Phase.
        phase: Phase,
        /// Wave.
        wave: i64,
        /// Whether it was the last one.
        last: bool,
        /// How many tasks it had.
        tasks: usize,
    },
    /// Nothing to do before some time has passed.
    Wait,
    /// The sync has ended.
    Finish,
}

/// One request.
#[derive(Debug, Clone)]
pub struct Request {
    /// The task it belongs to: index into [`Machine::tasks`](super::Machine::tasks).
    pub task: usize,
    /// What to do.
    pub kind: RequestKind,
}

/// What a request does.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum RequestKind {
    /// Checks whether the object would be accepted.
    DryRun {
        /// The object.
        object: Manifest,
        /// How.
        delivery: Delivery,
    },
    /// Brings the object into being.
    Write {
        /// The object.
        object: Manifest,
        /// How.
        delivery: Delivery,
        /// Deletes the live object first.
        recreate: bool,
    },
    /// Deletes an object that is no longer declared.
    Prune {
        /// The object.
        object: ObjectRef,
    },
    /// Deletes a hook.
    DeleteHook {
        /// The object.
        object: ObjectRef,
    },
    /// Removes the finalizer of a hook.
    RemoveFinalizer {
        /// The hook as it was seen last.
        object: Manifest,
    },
}

/// The outcome of a request.
#[derive(Debug, Clone)]
pub struct Completion {
    /// The task.
    pub task: usize,
    /// A line for people, or why it failed.
    pub outcome: Result<Sent, Refusal>,
}

/// A request that went well.
#[derive(Debug, Clone, Default)]
pub struct Sent {
    /// A line for people.
    pub message: String,
    /// The object afterwards, where there is one.
    pub object: Option<Manifest>,
}

/// A request that failed for good.
#[derive(Debug, Clone)]
pub struct Refusal {
    /// Why.
    pub message: String,
    /// Whether the object does not exist.
    pub not_found: bool,
}

/// What has happened since the last turn.
#[derive(Debug, Clone, Default)]
pub struct Observation {
    /// Objects that were asked for, as they are now; `None` where they do not exist.
    pub reads: Vec<(ObjectRef, Option<Manifest>)>,
    /// Outcomes of requests.
    pub completions: Vec<Completion>,
    /// Why the sync is to end early.
    pub terminate: Option<String>,
}
