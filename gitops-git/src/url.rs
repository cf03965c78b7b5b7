//! Repository URLs: parsed once, shown without credentials.

use std::{collections::BTreeMap, fmt, path::PathBuf};

use url::Url;

use crate::error::GitError;

/// A repository URL whose `Display` and `Debug` never show credentials.
///
/// Accepts `https://`, `http://`, `ssh://`, `git://`, `file://`, the `user@host:path` form of ssh,
/// and plain paths.
#[derive(Clone, PartialEq, Eq)]
pub struct GitUrl {
    address: Address,
    /// User and password that the URL itself carried.
    userinfo: Option<(String, Option<String>)>,
    shown: String,
}

/// Where a repository lives.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Address {
    Local(PathBuf),
    /// Without credentials, query and trailing slashes.
    Http(Url),
    Ssh {
        user: Option<String>,
        host: String,
        port: Option<u16>,
        path: String,
    },
    Daemon {
        host: String,
        port: Option<u16>,
        path: String,
    },
}

impl GitUrl {
    /// Parses a URL.
    pub fn parse(text: &str) -> Result<Self, GitError> {
        let text = text.trim();
        let invalid = |reason: &str| GitError::InvalidUrl {
            url: redact(text),
            reason: reason.to_owned(),
        };
        if text.is_empty() {
            return Err(invalid("it is empty"));
        }
        if text.chars().any(char::is_control) {
            return Err(invalid("it contains control characters"));
        }
        if let Some((helper, _)) = text.split_once("::")
            && helper.bytes().all(|byte| byte.is_ascii_alphanumeric())
            && !helper.is_empty()
        {
            return Err(invalid("programs that fetch (`name::`) are not run here"));
        }
        let Some((scheme, rest)) = text.split_once("://") else {
            return match scp_like(text) {
                Some((user, host, path)) => {
                    check_ssh(host, user, path).map_err(|reason| invalid(&reason))?;
                    Ok(Self {
                        shown: text.to_owned(),
                        userinfo: None,
                        address: Address::Ssh {
                            user: user.map(str::to_owned),
                            host: host.to_owned(),
                            port: None,
                            path: path.to_owned(),
                        },
                    })
                }
                None => Ok(Self {
                    shown: text.to_owned(),
                    userinfo: None,
                    address: Address::Local(PathBuf::from(text)),
                }),
            };
        };
        let scheme = scheme.to_ascii_lowercase();
        if scheme == "file" {
            let path = rest.strip_prefix("localhost").unwrap_or(rest);
            if !path.starts_with('/') {
                return Err(invalid("a file URL needs an absolute path"));
            }
            let url = Url::parse(&format!("file://{path}"))
                .map_err(|error| invalid(&error.to_string()))?;
            let path = url
                .to_file_path()
                .map_err(|()| invalid("a file URL needs an absolute path"))?;
            return Ok(Self {
                shown: text.to_owned(),
                userinfo: None,
                address: Address::Local(path),
            });
        }
        let mut url = Url::parse(text).map_err(|error| invalid(&error.to_string()))?;
        let host = url
            .host_str()
            .filter(|host| !host.is_empty())
            .ok_or_else(|| invalid("it names no host"))?
            .to_owned();
        let user = decode(url.username());
        let password = url.password().map(decode);
        match scheme.as_str() {
            "http" | "https" => {
                let userinfo = (!user.is_empty() || password.is_some()).then_some((user, password));
                let _ = url.set_username("");
                let _ = url.set_password(None);
                url.set_fragment(None);
                url.set_query(None);
                let path = url.path().trim_end_matches('/').to_owned();
                url.set_path(&path);
                Ok(Self {
                    shown: url.to_string(),
                    userinfo,
                    address: Address::Http(url),
                })
            }
            "ssh" | "git+ssh" | "ssh+git" => {
                let user = (!user.is_empty()).then_some(user);
                let path = ssh_path(&decode(url.path()));
                check_ssh(&host, user.as_deref(), &path).map_err(|reason| invalid(&reason))?;
                let port = url.port();
                Ok(Self {
                    shown: format!(
                        "ssh://{}{host}{}{}",
                        user.as_ref()
                            .map(|user| format!("{user}@"))
                            .unwrap_or_default(),
                        port.map(|port| format!(":{port}")).unwrap_or_default(),
                        url.path()
                    ),
                    userinfo: None,
                    address: Address::Ssh {
                        user,
                        host,
                        port,
                        path,
                    },
                })
            }
            "git" => Ok(Self {
                shown: redact(text),
                userinfo: None,
                address: Address::Daemon {
                    host,
                    port: url.port(),
                    path: decode(url.path()),
                },
            }),
            other => Err(invalid(&format!(
                "the scheme `{other}` is not known; use https, http, ssh, git, file or a path"
            ))),
        }
    }

    /// The path, where the repository is on this machine.
    #[must_use]
    pub fn local_path(&self) -> Option<&std::path::Path> {
        match &self.address {
            Address::Local(path) => Some(path),
            _ => None,
        }
    }

    /// The host, where there is one.
    #[must_use]
    pub fn host(&self) -> Option<&str> {
        match &self.address {
            Address::Local(_) => None,
            Address::Http(url) => url.host_str(),
            Address::Ssh { host, .. } | Address::Daemon { host, .. } => Some(host),
        }
    }

    /// The path on the host.
    pub(crate) fn path(&self) -> Option<&str> {
        match &self.address {
            Address::Local(_) => None,
            Address::Http(url) => Some(url.path()),
            Address::Ssh { path, .. } | Address::Daemon { path, .. } => Some(path),
        }
    }

    /// The URL of a submodule as `.gitmodules` writes it: one that begins with `./` or `../` is relative to this one,
    /// by Git's rule that each `../` takes one name off the path.
    pub fn submodule(&self, text: &str) -> Result<Self, GitError> {
        let invalid = |reason: &str| GitError::InvalidUrl {
            url: redact(text),
            reason: format!("{reason}, and {self} names it as its submodule"),
        };
        if text.starts_with('-') {
            return Err(invalid("it begins with `-`"));
        }
        if !(text.starts_with("./") || text.starts_with("../") || matches!(text, "." | "..")) {
            return Self::parse(text);
        }
        let base = self.shown.trim_end_matches('/');
        // Where the path begins: names before that cannot be taken off.
        let path = match (&self.address, base.split_once("://")) {
            (_, Some((scheme, rest))) => scheme.len() + 3 + rest.find('/').unwrap_or(rest.len()),
            (Address::Ssh { .. }, None) => base.find(':').map_or(0, |colon| colon + 1),
            (_, None) => 0,
        };
        let (place, path) = base.split_at(path);
        let rooted = path.starts_with('/');
        let mut names: Vec<&str> = path.split('/').filter(|name| !name.is_empty()).collect();
        for name in text.split('/') {
            match name {
                "" | "." => {}
                ".." => {
                    names
                        .pop()
                        .ok_or_else(|| invalid("it leads above the host's root"))?;
                }
                name => names.push(name),
            }
        }
        if names.is_empty() {
            return Err(invalid("it leads to no repository"));
        }
        let root = if rooted { "/" } else { "" };
        let mut url = Self::parse(&format!("{place}{root}{}", names.join("/")))?;
        url.userinfo.clone_from(&self.userinfo);
        Ok(url)
    }

    /// Whether both are reached at the same place: scheme, host, port, and over ssh the user.
    pub(crate) fn same_host(&self, other: &Self) -> bool {
        match (&self.address, &other.address) {
            (Address::Http(a), Address::Http(b)) => a.origin() == b.origin(),
            (
                Address::Ssh {
                    user, host, port, ..
                },
                Address::Ssh {
                    user: user_b,
                    host: host_b,
                    port: port_b,
                    ..
                },
            ) => {
                user == user_b
                    && host.eq_ignore_ascii_case(host_b)
                    && port.unwrap_or(22) == port_b.unwrap_or(22)
            }
            _ => false,
        }
    }

    /// The form by which two spellings of one repository are compared, as Argo CD does it: lower
    /// case, without scheme `ssh://`, credentials, trailing `/` and `.git`; `git@host:path` is
    /// `git@host/path`.
    #[must_use]
    pub fn normalized(&self) -> String {
        normalize(&self.shown)
    }

    pub(crate) fn address(&self) -> &Address {
        &self.address
    }

    pub(crate) fn userinfo(&self) -> Option<(&str, Option<&str>)> {
        self.userinfo
            .as_ref()
            .map(|(user, password)| (user.as_str(), password.as_deref()))
    }
}

impl fmt::Display for GitUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl fmt::Debug for GitUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("GitUrl").field(&self.shown).finish()
    }
}

/// A URL with its credentials cut out, whatever else is wrong with it.
#[must_use]
pub fn redact(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else {
        return url.to_owned();
    };
    let authority = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    match rest[..authority].rfind('@') {
        Some(at) => format!("{scheme}://{}", &rest[at + 1..]),
        None => url.to_owned(),
    }
}

/// Argo CD's `NormalizeGitURL`, on the text of a URL.
pub(crate) fn normalize(url: &str) -> String {
    let mut text = redact_http(url.trim()).to_lowercase();
    if !text.contains("://")
        && let Some((user, host, path)) = scp_like(&text)
    {
        let user = user.map(|user| format!("{user}@")).unwrap_or_default();
        text = format!("{user}{host}/{}", path.trim_start_matches('/'));
    }
    let text = text.strip_prefix("ssh://").unwrap_or(&text);
    let text = text.trim_end_matches('/');
    text.strip_suffix(".git").unwrap_or(text).to_owned()
}

fn redact_http(url: &str) -> String {
    if url.to_ascii_lowercase().starts_with("http") {
        redact(url)
    } else {
        url.to_owned()
    }
}

/// Redirections of repository URLs to other URLs or local paths.
#[derive(Debug, Clone, Default)]
pub struct UrlMap {
    targets: BTreeMap<String, String>,
}

impl UrlMap {
    /// No redirections.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Redirects `url` (in any of its spellings) to another URL or a path.
    #[must_use]
    pub fn with(mut self, url: &str, target: impl Into<String>) -> Self {
        self.insert(url, target);
        self
    }

    /// Redirects `url` (in any of its spellings) to another URL or a path.
    pub fn insert(&mut self, url: &str, target: impl Into<String>) {
        self.targets.insert(normalize(url), target.into());
    }

    /// Where `url` leads, where it is redirected.
    #[must_use]
    pub fn get(&self, url: &str) -> Option<&str> {
        self.targets.get(&normalize(url)).map(String::as_str)
    }
}

impl<U: AsRef<str>, T: Into<String>> FromIterator<(U, T)> for UrlMap {
    fn from_iter<I: IntoIterator<Item = (U, T)>>(pairs: I) -> Self {
        let mut map = Self::new();
        for (url, target) in pairs {
            map.insert(url.as_ref(), target);
        }
        map
    }
}

/// `user@host:path`, where no `/` stands before the colon.
fn scp_like(text: &str) -> Option<(Option<&str>, &str, &str)> {
    let (authority, path) = text.split_once(':')?;
    if authority.contains('/') || authority.contains('\\') || path.is_empty() {
        return None;
    }
    // A drive letter, or a path such as `./a:b`.
    if authority.len() == 1 || authority.starts_with('.') {
        return None;
    }
    Some(match authority.rsplit_once('@') {
        Some((user, host)) => (Some(user), host, path),
        None => (None, authority, path),
    })
}

/// `/~user/x` means `~user/x` over ssh.
fn ssh_path(path: &str) -> String {
    path.strip_prefix('/')
        .filter(|rest| rest.starts_with('~'))
        .unwrap_or(path)
        .to_owned()
}

/// Parts of an ssh URL become arguments of a program: none may look like an option.
fn check_ssh(host: &str, user: Option<&str>, path: &str) -> Result<(), String> {
    if host.starts_with('-') || user.is_some_and(|user| user.starts_with('-')) {
        return Err("host and user must not start with `-`".to_owned());
    }
    if path.starts_with('-') {
        return Err("the path must not start with `-`".to_owned());
    }
    if host.is_empty() || path.is_empty() {
        return Err("an ssh URL needs a host and a path".to_owned());
    }
    Ok(())
}

fn decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let hex = (bytes[at] == b'%')
            .then(|| text.get(at + 1..at + 3))
            .flatten()
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match hex {
            Some(byte) => {
                out.push(byte);
                at += 3;
            }
            None => {
                out.push(bytes[at]);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_never_shown() {
        for text in [
            "https://user:s3cret@example.org/a/b.git",
            "https://s3cret@example.org/a/b.git",
        ] {
            let url = GitUrl::parse(text).unwrap();
            assert_eq!(url.to_string(), "https://example.org/a/b.git");
            assert!(!format!("{url:?}").contains("s3cret"));
            assert!(url.userinfo().is_some());
        }
        let error = GitUrl::parse("gopher://user:s3cret@example.org/x").unwrap_err();
        assert!(!error.to_string().contains("s3cret"), "{error}");
        assert_eq!(redact("https://a:b@c@host/x@y"), "https://host/x@y");
    }

    #[test]
    fn forms() {
        assert!(matches!(
            GitUrl::parse("git@github.com:a/b.git").unwrap().address(),
            Address::Ssh { user: Some(user), host, port: None, path } if user == "git" && host == "github.com" && path == "a/b.git"
        ));
        assert!(matches!(
            GitUrl::parse("ssh://git@host:2222/~me/b.git").unwrap().address(),
            Address::Ssh { port: Some(2222), path, .. } if path == "~me/b.git"
        ));
        assert!(matches!(
            GitUrl::parse("./some:dir").unwrap().address(),
            Address::Local(_)
        ));
        assert_eq!(
            GitUrl::parse("file:///a%20b").unwrap().local_path(),
            Some(std::path::Path::new("/a b"))
        );
        for bad in ["", "ssh://-oProxyCommand=x/y", "-x@h:p", "git@-h:p"] {
            assert!(GitUrl::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn submodules_are_found_from_their_parents() {
        for (base, text, expected) in [
            (
                "https://h/org/repo.git",
                "../lib.git",
                "https://h/org/lib.git",
            ),
            (
                "https://h/org/repo.git/",
                "../../other/lib",
                "https://h/other/lib",
            ),
            ("https://h/org/repo", "./lib", "https://h/org/repo/lib"),
            ("git@h:org/repo.git", "../lib.git", "git@h:org/lib.git"),
            ("git@h:repo.git", "../lib.git", "git@h:lib.git"),
            (
                "ssh://git@h:22/org/repo",
                "../lib",
                "ssh://git@h:22/org/lib",
            ),
            ("/srv/repo", "../lib", "/srv/lib"),
            ("repo", "../lib", "lib"),
            ("file:///srv/repo", "../lib", "file:///srv/lib"),
            (
                "https://h/org/repo",
                "https://other/lib",
                "https://other/lib",
            ),
        ] {
            let base = GitUrl::parse(base).unwrap();
            let found = base.submodule(text).unwrap();
            assert_eq!(found.to_string(), expected, "{base} {text}");
        }
        for (base, text) in [
            ("https://h/repo", "../../x"),
            ("https://h/repo", ".."),
            ("git@h:repo", "../../x"),
            ("https://h/repo", "--upload-pack=x"),
            ("https://h/repo", "ext::sh -c x"),
        ] {
            let base = GitUrl::parse(base).unwrap();
            assert!(base.submodule(text).is_err(), "{base} {text}");
        }
        let parse = |text: &str| GitUrl::parse(text).unwrap();
        let secret = parse("https://me:s3cret@h/org/repo");
        let relative = secret.submodule("../lib").unwrap();
        assert_eq!(relative.userinfo(), Some(("me", Some("s3cret"))));
        let absolute = secret.submodule("https://h/org/lib").unwrap();
        assert!(absolute.userinfo().is_none() && absolute.same_host(&secret));
        for other in ["https://h:444/x", "http://h/x", "https://i/x", "git@h:x"] {
            assert!(!parse(other).same_host(&secret), "{other}");
        }
        assert!(parse("git@h:a").same_host(&parse("ssh://git@H:22/b")));
        assert!(!parse("git@h:a").same_host(&parse("ssh://me@h/b")));
    }

    proptest::proptest! {
        #[test]
        fn no_text_panics_or_shows_a_password(
            text in "\\PC{0,40}",
            scheme in "(https|ssh|git|file|HTTP|ext:|x)",
            sub in "(\\./|\\.\\./|/|)\\PC{0,20}",
        ) {
            let _ = GitUrl::parse(&text);
            let _ = normalize(&text);
            if let Ok(url) = GitUrl::parse(&format!("{scheme}://u:s3cr3t@h/{text}")) {
                assert!(!format!("{url}{url:?}").contains("s3cr3t") || text.contains("s3cr3t"));
                let _ = url.submodule(&sub);
            }
        }
    }

    #[test]
    fn spellings_of_one_repository_are_equal() {
        let expected = normalize("https://github.com/Org/Repo.git");
        for other in [
            "https://github.com/org/repo",
            "https://github.com/org/repo/",
            " https://user:pw@github.com/org/repo.git ",
        ] {
            assert_eq!(normalize(other), expected, "{other}");
        }
        assert_eq!(
            normalize("git@github.com:org/repo.git"),
            normalize("ssh://git@github.com/org/repo")
        );
    }
}
