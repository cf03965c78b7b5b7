//! What a provider may spend: sizes and times.

use std::time::Duration;

/// Upper bounds of what is read from a repository. Exceeding one is an error that names it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Bytes of one file. Default: 64 MiB.
    pub file_size: u64,
    /// Bytes of a path. Default: 4096.
    pub path_length: usize,
    /// Directories inside each other. Default: 128.
    pub depth: usize,
    /// Entries of one directory. Default: 100,000.
    pub directory_entries: usize,
    /// Entries that a walk from one directory meets, symlinks followed. Default: 2,000,000.
    pub tree_entries: u64,
    /// Bytes of a pack as the server sends it. Default: 4 GiB.
    pub pack_size: u64,
    /// Bytes of a single object while a pack is unpacked. Default: 1 GiB.
    pub object_size: u64,
    /// References that a server may list. Default: 1,000,000.
    pub references: usize,
    /// Symlinks followed while one path is looked up. Default: 10, as in Argo CD.
    pub symlinks: usize,
    /// Submodules of one tree, theirs included. Default: 100.
    pub submodules: usize,
    /// Submodules inside each other. Default: 10, as in Flux.
    pub submodule_depth: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            file_size: 64 << 20,
            path_length: 4096,
            depth: 128,
            directory_entries: 100_000,
            tree_entries: 2_000_000,
            pack_size: 4 << 30,
            object_size: 1 << 30,
            references: 1_000_000,
            symlinks: 10,
            submodules: 100,
            submodule_depth: 10,
        }
    }
}

impl Limits {
    /// Sets the largest file that is read.
    #[must_use]
    pub fn file_size(mut self, bytes: u64) -> Self {
        self.file_size = bytes;
        self
    }

    /// Sets the largest pack that is received.
    #[must_use]
    pub fn pack_size(mut self, bytes: u64) -> Self {
        self.pack_size = bytes;
        self
    }

    /// Sets the largest object that is unpacked.
    #[must_use]
    pub fn object_size(mut self, bytes: u64) -> Self {
        self.object_size = bytes;
        self
    }
}

/// How long a server may take.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Timeouts {
    /// To a connection. Default: 10 s.
    pub connect: Duration,
    /// From one piece of an answer to the next. Default: 30 s.
    pub idle: Duration,
    /// For a listing of references. Default: 60 s.
    pub list: Duration,
    /// For a whole fetch or push. Default: 10 min.
    pub fetch: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            idle: Duration::from_secs(30),
            list: Duration::from_secs(60),
            fetch: Duration::from_secs(600),
        }
    }
}

impl Timeouts {
    /// The same bound for everything.
    #[must_use]
    pub fn all(bound: Duration) -> Self {
        Self {
            connect: bound,
            idle: bound,
            list: bound,
            fetch: bound,
        }
    }
}
