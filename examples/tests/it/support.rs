//! Repositories in temporary folders, and the command run on them.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use serde_json::Value;

/// A folder for temporary files with repositories, a map of their URLs and an embedded cluster's file.
pub(crate) struct World {
    pub(crate) folder: tempfile::TempDir,
    map: BTreeMap<String, String>,
}

/// What a run of the command gave.
pub(crate) struct Ran {
    pub(crate) status: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ran {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out)
            .unwrap_or_else(|error| panic!("{error}: {}\n{}", self.out, self.err))
    }
}

impl World {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder for temporary files");
        Self {
            folder,
            map: BTreeMap::new(),
        }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Maps a URL to a folder of this world.
    pub(crate) fn map(&mut self, url: &str, name: &str) {
        self.map.insert(url.to_owned(), name.to_owned());
        let text = serde_json::to_string(&self.map).expect("a map of texts");
        std::fs::write(self.path("urls.json"), text).expect("the folder is writable");
    }

    /// Copies `from` and makes a Git repository of it.
    pub(crate) fn repository(&mut self, url: &str, name: &str, from: &Path) {
        copy(from, &self.path(name));
        git(
            &self.path(name),
            &["init", "--quiet", "--initial-branch=main"],
        );
        self.commit(name);
        self.map(url, name);
    }

    /// Writes files and makes a Git repository of them.
    pub(crate) fn repository_of(&mut self, url: &str, name: &str, files: &[(&str, &str)]) {
        std::fs::create_dir_all(self.path(name)).expect("the folder is writable");
        git(
            &self.path(name),
            &["init", "--quiet", "--initial-branch=main"],
        );
        for (path, text) in files {
            self.write(name, path, text);
        }
        self.commit(name);
        self.map(url, name);
    }

    pub(crate) fn write(&self, repository: &str, path: &str, text: &str) {
        let path = self.path(repository).join(path);
        std::fs::create_dir_all(path.parent().expect("a file in a folder"))
            .expect("the folder is writable");
        std::fs::write(path, text).expect("the folder is writable");
    }

    /// Replaces text of a file, which must be there.
    pub(crate) fn edit(&self, repository: &str, path: &str, from: &str, to: &str) {
        let file = self.path(repository).join(path);
        let text = std::fs::read_to_string(&file).expect("the file exists");
        assert!(text.contains(from), "{path} does not hold {from:?}");
        std::fs::write(file, text.replace(from, to)).expect("the folder is writable");
        self.commit(repository);
    }

    pub(crate) fn commit(&self, repository: &str) {
        git(&self.path(repository), &["add", "--all", "--force"]);
        git(
            &self.path(repository),
            &["commit", "--quiet", "--allow-empty", "--message", "change"],
        );
    }

    /// Runs the command on this world's embedded cluster.
    pub(crate) fn gitops(&self, arguments: &[&str]) -> Ran {
        let cluster = format!("embedded={}", self.path("cluster.json").display());
        self.gitops_on(&cluster, &[], arguments)
    }

    /// Runs the command on another cluster.
    pub(crate) fn gitops_on(
        &self,
        cluster: &str,
        environment: &[(&str, &Path)],
        arguments: &[&str],
    ) -> Ran {
        let mut command = Command::new(env!("CARGO_BIN_EXE_gitops"));
        command.args(arguments).arg("--cluster").arg(cluster);
        let reads_sources = !matches!(arguments.first().copied(), Some("get" | "export" | "demo"));
        if reads_sources {
            if self.path("urls.json").exists() {
                command.arg("--map").arg(self.path("urls.json"));
            }
            command.arg("--cache").arg(self.path("cache"));
        }
        command.env("HOME", self.folder.path()).env("TZ", "UTC");
        for (name, value) in environment {
            command.env(name, value);
        }
        ran(command.output().expect("the command starts"))
    }

    /// Every object of the embedded cluster.
    pub(crate) fn objects(&self) -> Vec<Value> {
        let exported = self.gitops(&["export", "-o", "json"]);
        exported.json()["items"].as_array().expect("a list").clone()
    }

    /// One object of the embedded cluster.
    pub(crate) fn object(&self, kind: &str, namespace: &str, name: &str) -> Option<Value> {
        self.objects().into_iter().find(|object| {
            let metadata = &object["metadata"];
            object["kind"] == kind
                && metadata["name"] == name
                && metadata["namespace"].as_str().unwrap_or_default() == namespace
        })
    }
}

fn ran(output: Output) -> Ran {
    Ran {
        status: output.status.code().unwrap_or(-1),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

pub(crate) fn git(folder: &Path, arguments: &[&str]) {
    let output = Command::new("git")
        .args(["-c", "user.name=test", "-c", "user.email=test@example.com"])
        .args(["-c", "commit.gpgsign=false", "-c", "core.autocrlf=false"])
        .args(arguments)
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .current_dir(folder)
        .output()
        .expect("git starts");
    assert!(output.status.success(), "git {arguments:?}: {output:?}");
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("the folder is writable");
    for entry in std::fs::read_dir(from).expect("the folder exists") {
        let entry = entry.expect("the folder is readable");
        let target = to.join(entry.file_name());
        if entry.file_type().expect("the folder is readable").is_dir() {
            copy(&entry.path(), &target);
        } else {
            // Read and written, so that the copy is writable where the original is not.
            let content = std::fs::read(entry.path()).expect("the file is readable");
            std::fs::write(target, content).expect("the folder is writable");
        }
    }
}
