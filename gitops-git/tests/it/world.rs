//! Repositories made with the `git` program, away from the machine's own configuration.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::Arc,
    time::Duration,
};

use gitops_core::clock::{Clock, Timestamp};
use gitops_git::{GitProvider, GitProviderBuilder};
use tempfile::TempDir;

/// Temporary directories of one test.
pub(crate) struct World {
    pub(crate) dir: TempDir,
}

impl World {
    pub(crate) fn new() -> Self {
        Self {
            dir: TempDir::new().unwrap(),
        }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A repository with a work tree.
    pub(crate) fn repository(&self, name: &str) -> Repo {
        let path = self.path(name);
        fs::create_dir_all(&path).unwrap();
        let repo = Repo { path };
        repo.git(&["init", "-q", "-b", "main"]);
        repo
    }

    pub(crate) fn provider(&self) -> GitProviderBuilder {
        GitProvider::builder(self.path("cache"), Arc::new(SystemClock))
            .refresh_interval(Duration::ZERO)
    }
}

/// The real clock.
pub(crate) struct SystemClock;

#[async_trait::async_trait]
impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

/// A repository with a work tree.
#[derive(Clone)]
pub(crate) struct Repo {
    pub(crate) path: PathBuf,
}

impl Repo {
    pub(crate) fn url(&self) -> String {
        self.path.display().to_string()
    }

    pub(crate) fn git(&self, args: &[&str]) -> String {
        git(&self.path, args)
    }

    pub(crate) fn write(&self, path: &str, content: impl AsRef<[u8]>) {
        let file = self.path.join(path);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, content).unwrap();
    }

    pub(crate) fn link(&self, path: &str, target: &str) {
        let file = self.path.join(path);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::os::unix::fs::symlink(target, file).unwrap();
    }

    /// Commits everything and returns the commit.
    pub(crate) fn commit(&self, message: &str) -> String {
        self.git(&["add", "-A"]);
        self.git(&["commit", "-q", "--allow-empty", "-m", message]);
        self.head()
    }

    pub(crate) fn head(&self) -> String {
        self.git(&["rev-parse", "HEAD"])
    }

    /// Writes an object as it is, without checks.
    pub(crate) fn raw_object(&self, kind: &str, content: &[u8]) -> String {
        let file = self.path.join(".git/raw-object");
        fs::write(&file, content).unwrap();
        self.git(&[
            "hash-object",
            "-w",
            "--literally",
            "-t",
            kind,
            ".git/raw-object",
        ])
    }

    /// Commits a tree object as it is.
    pub(crate) fn commit_tree(&self, tree: &str) -> String {
        let commit = self.git(&["commit-tree", "-m", "hostile", tree]);
        self.git(&["update-ref", "refs/heads/main", &commit]);
        commit
    }
}

pub(crate) fn git(dir: &Path, args: &[&str]) -> String {
    let output = git_output(dir, args);
    assert!(
        output.status.success(),
        "git {args:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

pub(crate) fn git_output(dir: &Path, args: &[&str]) -> Output {
    git_command(dir).args(args).output().unwrap()
}

pub(crate) fn git_command(dir: &Path) -> Command {
    let mut command = Command::new("git");
    isolate(&mut command);
    command
        .current_dir(dir)
        .args(["-c", "core.autocrlf=false", "-c", "gc.auto=0"])
        .args(["-c", "protocol.file.allow=always"]);
    command
}

/// Cuts the machine's and the user's configuration off.
pub(crate) fn isolate(command: &mut Command) {
    command
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("HOME", "/nonexistent")
        .env("GIT_AUTHOR_NAME", "A U Thor")
        .env("GIT_AUTHOR_EMAIL", "author@example.org")
        .env("GIT_AUTHOR_DATE", "2024-01-01T00:00:00Z")
        .env("GIT_COMMITTER_NAME", "A U Thor")
        .env("GIT_COMMITTER_EMAIL", "author@example.org")
        .env("GIT_COMMITTER_DATE", "2024-01-01T00:00:00Z")
        .env("GIT_TERMINAL_PROMPT", "0")
        .env_remove("GIT_DIR");
}
