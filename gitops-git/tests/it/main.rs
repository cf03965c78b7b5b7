//! Integration tests against real Git: repositories made with the `git` program, served from disk, by
//! `git http-backend` on loopback, and by `git daemon`.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::type_complexity,
    clippy::print_stderr
)]

mod app;
mod fixtures;
mod http;
mod local;
mod server;
mod ssh;
mod store;
mod submodules;
mod tls;
mod trees;
mod verify;
mod world;
mod write;
