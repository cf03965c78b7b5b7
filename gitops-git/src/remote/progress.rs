//! Telling a listener how a fetch goes.

use std::sync::{Mutex, PoisonError};

use gitops_core::events::{Event, EventSink, FetchProgress};

use crate::error::GitError;

/// Bytes between two reports.
const STEP: u64 = 1 << 20;

/// One fetch, as the listener sees it. It is told of an end whatever way the fetch ends: one that is dropped was cancelled.
pub(crate) struct Progress<'a> {
    events: &'a dyn EventSink,
    url: &'a str,
    revision: String,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    bytes: u64,
    told: u64,
    objects: Option<u32>,
    ended: bool,
}

impl<'a> Progress<'a> {
    pub(crate) fn start(events: &'a dyn EventSink, url: &'a str, revision: String) -> Self {
        let this = Self {
            events,
            url,
            revision,
            state: Mutex::default(),
        };
        this.tell(FetchProgress::Started);
        this
    }

    /// A piece of a pack came.
    pub(crate) fn received(&self, piece: &[u8]) {
        let told = {
            let mut state = self.state();
            if state.bytes == 0 && piece.starts_with(b"PACK") {
                // The header of a pack: its name, its version, how many objects.
                state.objects = piece
                    .get(8..12)
                    .and_then(|count| Some(u32::from_be_bytes(count.try_into().ok()?)));
            }
            let first = state.bytes == 0;
            state.bytes += piece.len() as u64;
            if !first && state.bytes - state.told < STEP {
                return;
            }
            state.told = state.bytes;
            FetchProgress::Receiving {
                bytes: state.bytes,
                objects: state.objects,
            }
        };
        self.tell(told);
    }

    pub(crate) fn end<T>(self, result: &Result<T, GitError>) {
        let end = {
            let mut state = self.state();
            state.ended = true;
            match result {
                Ok(_) => FetchProgress::Ended { bytes: state.bytes },
                Err(error) => FetchProgress::Failed {
                    message: error.to_string(),
                },
            }
        };
        self.tell(end);
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, progress: FetchProgress) {
        self.events.event(&Event::Fetch {
            url: self.url.to_owned(),
            revision: self.revision.clone(),
            progress,
        });
    }
}

impl Drop for Progress<'_> {
    fn drop(&mut self) {
        if !self.state().ended {
            self.tell(FetchProgress::Failed {
                message: "it was cancelled".to_owned(),
            });
        }
    }
}
