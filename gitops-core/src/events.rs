//! What happens, told to whoever listens.

use crate::{
    health::Health,
    object::ObjectId,
    plan::{Action, Outcome, Owner, Phase},
};

/// Is told what happens. Must not block.
pub trait EventSink: Send + Sync {
    /// One event.
    fn event(&self, event: &Event);
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// A wave of a sync begins.
    WaveStarted {
        /// Whose sync.
        owner: Owner,
        /// Phase.
        phase: Phase,
        /// Wave.
        wave: i64,
        /// How many steps it has.
        steps: usize,
    },
    /// A step ended.
    StepEnded {
        /// Whose sync.
        owner: Owner,
        /// The object.
        object: ObjectId,
        /// What was done.
        action: Action,
        /// How it ended.
        outcome: Outcome,
        /// In words.
        message: String,
    },
    /// The health of an object changed while it was waited for.
    HealthChanged {
        /// Whose sync.
        owner: Owner,
        /// The object.
        object: ObjectId,
        /// The new verdict.
        health: Health,
    },
    /// An application is looked at.
    ApplicationStarted {
        /// Whose.
        owner: Owner,
    },
    /// An application was looked at.
    ApplicationEnded {
        /// Whose.
        owner: Owner,
        /// Its sync state and health, or what went wrong.
        summary: String,
        /// Whether objects were written.
        wrote: bool,
    },
    /// A revision of a repository is being fetched. Whoever asked for it meanwhile waits for the same fetch.
    Fetch {
        /// URL of the repository, without credentials.
        url: String,
        /// The revision.
        revision: String,
        /// How far it got.
        progress: FetchProgress,
    },
    /// Something worth a line for people.
    Note {
        /// Whose.
        owner: Owner,
        /// The line.
        message: String,
    },
}

/// How far a fetch got.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum FetchProgress {
    /// The server is asked.
    Started,
    /// Data comes in.
    Receiving {
        /// Bytes so far.
        bytes: u64,
        /// How many objects there will be, once that is known.
        objects: Option<u32>,
    },
    /// Everything is there.
    Ended {
        /// Bytes that came.
        bytes: u64,
    },
    /// It failed.
    Failed {
        /// Why.
        message: String,
    },
}

/// Listens to nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl EventSink for Silent {
    fn event(&self, _: &Event) {}
}
