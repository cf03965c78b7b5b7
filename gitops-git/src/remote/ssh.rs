//! ssh, through the `ssh` program that the caller names. Key and known hosts are data; they lie in files that
//! only this user can read for as long as a connection lives, and the user's own configuration is not looked at.

use std::{
    io::Write as _,
    path::{Path, PathBuf},
    process::Stdio,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use base64::Engine as _;
use tokio::{
    io::AsyncReadExt,
    process::{Child, ChildStdin, ChildStdout, Command},
};

use super::Service;
use crate::{credentials::SshIdentity, error::GitError, options::Timeouts};

/// What ssh runs to learn a passphrase, which only its environment holds.
const ANSWER: &str = "#!/bin/sh\nprintf '%s\\n' \"$GITOPS_SSH_PASSPHRASE\"\n";
/// What of the program's complaints is kept.
const WORDS: usize = 4096;

static SERIAL: AtomicU64 = AtomicU64::new(0);

/// How ssh is run.
#[derive(Debug, Clone)]
pub(crate) struct SshProgram {
    pub(crate) program: PathBuf,
    /// Where key files lie while they are needed.
    pub(crate) scratch: PathBuf,
}

/// Where to connect.
pub(crate) struct SshTarget<'a> {
    pub(crate) user: Option<&'a str>,
    pub(crate) host: &'a str,
    pub(crate) port: Option<u16>,
    pub(crate) path: &'a str,
}

/// A running ssh.
pub(crate) struct SshProcess {
    child: Child,
    words: Arc<Mutex<String>>,
    _files: Vec<PrivateFile>,
}

impl SshProgram {
    pub(crate) fn dial(
        &self,
        target: &SshTarget<'_>,
        service: Service,
        identity: Option<&SshIdentity>,
        timeouts: &Timeouts,
        url: &str,
    ) -> Result<(SshProcess, ChildStdin, ChildStdout), GitError> {
        let mut files = Vec::new();
        let mut command = Command::new(&self.program);
        command.args(["-F", "/dev/null", "-T", "-x", "-a"]);
        let mut option = |text: &str| {
            command.arg("-o").arg(text);
        };
        // Nobody is asked for anything; in batch mode not even for a passphrase, so that mode does not fit one.
        let passphrase = identity.and_then(|identity| identity.passphrase.as_ref());
        if passphrase.is_none() {
            option("BatchMode=yes");
        }
        option("PasswordAuthentication=no");
        option("KbdInteractiveAuthentication=no");
        option("NumberOfPasswordPrompts=1");
        option("ClearAllForwardings=yes");
        option("IdentitiesOnly=yes");
        option("IdentityAgent=none");
        option("GlobalKnownHostsFile=/dev/null");
        option("UpdateHostKeys=no");
        option("SendEnv=GIT_PROTOCOL");
        option(&format!(
            "ConnectTimeout={}",
            timeouts.connect.as_secs().max(1)
        ));
        let mut hosts = "/dev/null".to_owned();
        let mut check = "yes";
        if let Some(identity) = identity {
            if passphrase.is_none() && is_encrypted(identity.key.expose()) {
                return Err(GitError::InvalidOption {
                    what: "ssh identity",
                    reason: "the private key is encrypted and no passphrase is given".to_owned(),
                });
            }
            let mut key = identity.key.expose().trim().to_owned();
            key.push('\n');
            let file = PrivateFile::write(&self.scratch, "key", &key)?;
            option(&format!("IdentityFile={}", file.argument()?));
            files.push(file);
            if identity.insecure {
                check = "no";
            } else if let Some(known_hosts) = &identity.known_hosts {
                let file = PrivateFile::write(&self.scratch, "hosts", known_hosts)?;
                hosts = file.argument()?;
                files.push(file);
            }
        } else {
            option("IdentityFile=none");
        }
        option(&format!("UserKnownHostsFile={hosts}"));
        option(&format!("StrictHostKeyChecking={check}"));
        if let Some(port) = target.port {
            command.arg("-p").arg(port.to_string());
        }
        if let Some(user) = target.user {
            command.arg("-l").arg(user);
        }
        command.arg("--").arg(target.host);
        command.arg(format!("{} {}", service.name(), quote(target.path)));
        command.env_clear();
        if let Some(passphrase) = passphrase {
            let answer = PrivateFile::write_mode(&self.scratch, "answer", ANSWER, 0o700)?;
            command
                .env("SSH_ASKPASS", &answer.0)
                .env("SSH_ASKPASS_REQUIRE", "force")
                .env("GITOPS_SSH_PASSPHRASE", passphrase.expose());
            files.push(answer);
        }
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        if service == Service::Upload {
            command.env("GIT_PROTOCOL", "version=2");
        }
        let mut child = command.spawn().map_err(|error| GitError::Unavailable {
            url: url.to_owned(),
            reason: format!("cannot run {}: {error}", self.program.display()),
            retry_after: None,
        })?;
        let stdin = child.stdin.take().expect("stdin is piped");
        let stdout = child.stdout.take().expect("stdout is piped");
        let mut stderr = child.stderr.take().expect("stderr is piped");
        let words = Arc::new(Mutex::new(String::new()));
        let sink = words.clone();
        tokio::spawn(async move {
            let mut buffer = [0; 1024];
            while let Ok(read @ 1..) = stderr.read(&mut buffer).await {
                let mut words = sink.lock().unwrap_or_else(PoisonError::into_inner);
                if words.len() < WORDS {
                    words.push_str(&String::from_utf8_lossy(&buffer[..read]));
                }
            }
        });
        let process = SshProcess {
            child,
            words,
            _files: files,
        };
        Ok((process, stdin, stdout))
    }
}

impl SshProcess {
    /// Why the program ended before the server said anything.
    pub(crate) async fn explain(&mut self, url: &str) -> GitError {
        let _ = tokio::time::timeout(Duration::from_secs(2), self.child.wait()).await;
        // The reader of its complaints may be a moment behind.
        tokio::time::sleep(Duration::from_millis(20)).await;
        let words = self
            .words
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        classify(&words, url)
    }
}

fn classify(words: &str, url: &str) -> GitError {
    let url = url.to_owned();
    let reason = words
        .lines()
        .map(str::trim)
        .rfind(|line| !line.is_empty())
        .unwrap_or("ssh ended without a word")
        .chars()
        .take(300)
        .collect::<String>();
    let has = |text: &str| words.contains(text);
    if has("Host key verification failed") || has("REMOTE HOST IDENTIFICATION HAS CHANGED") {
        return GitError::Unauthenticated {
            url,
            reason: "the host key is not among the known hosts".to_owned(),
        };
    }
    if has("Permission denied") || has("Load key") || has("Too many authentication failures") {
        return GitError::Unauthenticated { url, reason };
    }
    let lower = words.to_ascii_lowercase();
    if lower.contains("not appear to be a git repository")
        || lower.contains("repository not found")
        || lower.contains("does not exist")
    {
        return GitError::UnknownRepository { url };
    }
    GitError::Unavailable {
        url,
        reason,
        retry_after: None,
    }
}

/// Whether a private key can be used only with a passphrase.
fn is_encrypted(key: &str) -> bool {
    if key.contains("BEGIN ENCRYPTED PRIVATE KEY") || key.contains("Proc-Type: 4,ENCRYPTED") {
        return true;
    }
    // OpenSSH's own format: a name, then the cipher, which is `none` or not.
    let body: String = key
        .lines()
        .map(str::trim)
        .skip_while(|line| *line != "-----BEGIN OPENSSH PRIVATE KEY-----")
        .skip(1)
        .take_while(|line| !line.starts_with('-'))
        .collect();
    let decoded = base64::engine::general_purpose::STANDARD
        .decode(body)
        .unwrap_or_default();
    decoded
        .strip_prefix(b"openssh-key-v1\0")
        .is_some_and(|rest| !rest.starts_with(b"\0\0\0\x04none"))
}

/// Quotes for the shell on the other side.
fn quote(path: &str) -> String {
    format!("'{}'", path.replace('\'', r"'\''"))
}

/// A file that only this user can read; it goes when dropped.
struct PrivateFile(PathBuf);

impl PrivateFile {
    fn write(scratch: &Path, name: &str, content: &str) -> Result<Self, GitError> {
        Self::write_mode(scratch, name, content, 0o600)
    }

    fn write_mode(scratch: &Path, name: &str, content: &str, mode: u32) -> Result<Self, GitError> {
        let failed = |error| GitError::store(scratch, error);
        std::fs::create_dir_all(scratch).map_err(failed)?;
        let serial = SERIAL.fetch_add(1, Ordering::Relaxed);
        let path = scratch.join(format!("{name}-{}-{serial}", std::process::id()));
        // One left over by a process that had this id before.
        let _ = std::fs::remove_file(&path);
        let mut options = std::fs::OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, mode);
        let mut file = options.open(&path).map_err(failed)?;
        let this = Self(path);
        file.write_all(content.as_bytes()).map_err(failed)?;
        Ok(this)
    }

    /// The path as ssh's options take it.
    fn argument(&self) -> Result<String, GitError> {
        let text = self.0.display().to_string();
        if text.contains(['"', '%', '\\']) {
            return Err(GitError::InvalidOption {
                what: "cache directory",
                reason: "ssh cannot use a path with quotes, `%` or `\\`".to_owned(),
            });
        }
        Ok(format!("\"{text}\""))
    }
}

impl Drop for PrivateFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}
