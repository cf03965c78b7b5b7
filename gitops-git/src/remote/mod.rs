//! Talking to a remote repository: [`Connection`] speaks Git's protocol, version 2 where the server
//! knows it and version 0 otherwise, over HTTP or a stream (`git://`, ssh).
//!
//! In: a URL and how it is reached. Out: its [`References`], and packs of objects for a store.

mod connection;
mod daemon;
mod fetch;
pub(crate) mod http;
pub(crate) mod pkt;
mod progress;
mod references;
mod repository;
mod ssh;

pub(crate) use connection::{Connection, Dialer, Greeting, tell};
pub(crate) use fetch::{Depth, FetchRequest};
pub(crate) use pkt::{Packet, PacketReader, WireError};
pub(crate) use progress::Progress;
pub(crate) use references::{Reference, References};
pub(crate) use repository::{Identified, Lease, Leases, RemoteRepository};
pub(crate) use ssh::SshProgram;

/// How this crate names itself to servers.
pub(crate) const AGENT: &str = concat!("gitops-git/", env!("CARGO_PKG_VERSION"));

/// A service of a Git server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Service {
    /// Sends objects to us.
    Upload,
    /// Receives objects from us.
    Receive,
}

impl Service {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Upload => "git-upload-pack",
            Self::Receive => "git-receive-pack",
        }
    }
}
