//! Where the chart is: a directory, a file, a URL, or a name in a repository.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use bytes::Bytes;
use gitops_core::source::SourceError;
use gitops_render::repositories::{
    ChartRepositories, Credential, Credentials, RepositoryOptions, TlsOptions,
};
use serde::Deserialize;

use super::{HelmProfile, flags::Flags, write::go_error};
use crate::output;

/// A chart that was found.
pub enum Located {
    Directory(PathBuf),
    Archive(Bytes),
}

/// Finds the chart in the order in which Helm looks; what is wrong, in Helm's words.
pub async fn locate(
    flags: &Flags,
    reference: &str,
    access: Access,
    helm: HelmProfile,
) -> Result<Located, String> {
    let reference = reference.trim();
    let mut version = flags.text("version").unwrap_or_default().trim().to_owned();
    if version.is_empty() && flags.is_set("devel") {
        ">0.0.0-0".clone_into(&mut version);
    }
    let repository = flags.text("repo");
    if repository.is_none() || helm == HelmProfile::V3 {
        let path = Path::new(reference);
        if path.exists() {
            if let Some(repository) = repository {
                output::complain(&format!(
                    "WARN local chart found in current working directory. repository url ignored chart={reference} repository={repository}\n"
                ));
            }
            return local(path, flags);
        }
        if path.is_absolute() || reference.starts_with('.') {
            return Err(format!("path \"{reference}\" not found"));
        }
    }
    if flags.is_set("verify") {
        return Err(unverifiable());
    }
    if let Some(repository) = repository {
        if !repository.contains("://") {
            return Err("could not find protocol handler for: ".to_owned());
        }
        return from_repository(repository, reference, &version, access, None).await;
    }
    match reference.split_once("://") {
        Some(("http" | "https", _)) => {
            let archive = access.repositories()?.file(reference).await;
            archive.map(Located::Archive).map_err(|error| said(&error))
        }
        Some(("oci", _)) => Err(format!(
            "{reference}: charts in OCI registries are not supported; pull the chart with `helm pull` and render the file"
        )),
        Some((scheme, _)) => Err(format!("scheme \"{scheme}\" not supported")),
        None => {
            let Some((name, chart)) = reference
                .split_once('/')
                .filter(|(name, _)| !name.is_empty())
            else {
                return Err(format!(
                    "non-absolute URLs should be in form of repo_name/path_to_chart, got: {reference}"
                ));
            };
            let known =
                Configured::named(name, flags)?.ok_or_else(|| format!("repo {name} not found"))?;
            let url = known.url.clone();
            from_repository(&url, chart, &version, known.access(), Some(name)).await
        }
    }
}

fn local(path: &Path, flags: &Flags) -> Result<Located, String> {
    if path.is_dir() {
        if flags.is_set("verify") {
            return Err("unpacked charts cannot be verified".to_owned());
        }
        return Ok(Located::Directory(path.to_owned()));
    }
    if flags.is_set("verify") {
        return Err(unverifiable());
    }
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let shown = absolute.display();
    let content =
        std::fs::read(path).map_err(|error| go_error("open", &shown.to_string(), &error))?;
    if content.starts_with(&[0x1f, 0x8b, 0x08]) {
        return Ok(Located::Archive(content.into()));
    }
    if path
        .extension()
        .is_some_and(|end| end == "yaml" || end == "yml")
    {
        return Err(format!(
            "file '{shown}' seems to be a YAML file, but expected a gzipped archive"
        ));
    }
    // As Go guesses the type of what is no picture, page or document.
    let start = &content[..content.len().min(512)];
    let is_binary = |byte: &u8| matches!(byte, 0x00..=0x08 | 0x0b | 0x0e..=0x1a | 0x1c..=0x1f);
    let kind = if start.iter().any(is_binary) {
        "application/octet-stream"
    } else {
        "text/plain; charset=utf-8"
    };
    Err(format!(
        "file '{shown}' does not appear to be a gzipped archive; got '{kind}'"
    ))
}

fn unverifiable() -> String {
    "--verify: provenance files are not supported; check the package with `helm verify` and leave the flag out"
        .to_owned()
}

async fn from_repository(
    url: &str,
    chart: &str,
    version: &str,
    access: Access,
    name: Option<&str>,
) -> Result<Located, String> {
    let repositories = access.repositories()?;
    let asked = if version.is_empty() {
        format!("chart \"{chart}\"")
    } else {
        format!("chart \"{chart}\" version \"{version}\"")
    };
    let found = repositories.find(url, chart, version).await;
    let found = found.map_err(|error| match error {
        SourceError::UnknownRevision { .. } => format!("{asked} not found in {url} repository"),
        error => match name {
            None => format!(
                "looks like \"{url}\" is not a valid chart repository or cannot be reached: {}",
                said(&error)
            ),
            Some(name) => format!("the index of repo {name} cannot be read: {}", said(&error)),
        },
    })?;
    let archive = repositories.fetch(&found).await;
    archive.map(Located::Archive).map_err(|error| said(&error))
}

/// An error of a download, in Helm's words where it has them.
pub fn said(error: &SourceError) -> String {
    match error {
        SourceError::UnknownRepository { url } => format!("failed to fetch {url} : 404 Not Found"),
        SourceError::Unauthenticated { url, reason } | SourceError::Forbidden { url, reason } => {
            format!("failed to fetch {url} : {reason}")
        }
        error => error.to_string(),
    }
}

/// With what rights repositories are read.
#[derive(Default)]
pub struct Access {
    username: Option<String>,
    password: Option<String>,
    pass_credentials: bool,
    ca_file: Option<String>,
    cert_file: Option<String>,
    key_file: Option<String>,
    insecure: bool,
}

impl Access {
    pub fn of(flags: &Flags) -> Self {
        let text = |name: &str| flags.text(name).map(str::to_owned);
        Self {
            username: text("username"),
            password: text("password"),
            pass_credentials: flags.is_set("pass-credentials"),
            ca_file: text("ca-file"),
            cert_file: text("cert-file"),
            key_file: text("key-file"),
            insecure: flags.is_set("insecure-skip-tls-verify"),
        }
    }

    /// Reads the certificates, which Helm does before everything else; errors in its words.
    pub fn checked(self, helm: HelmProfile) -> Result<Self, String> {
        const CONTEXT: &str = "can't create TLS config for client";
        let missing = |file: &Option<String>| {
            let file = file.as_deref()?;
            let error = std::fs::read(file).err()?;
            Some((file.to_owned(), go_error("open", file, &error)))
        };
        let (certificate, key) = (missing(&self.cert_file), missing(&self.key_file));
        if helm == HelmProfile::V3 {
            if let Some((_, error)) = certificate.or(key) {
                let name = |file: &Option<String>| file.clone().unwrap_or_default();
                return Err(format!(
                    "{CONTEXT}: can't load key pair from cert {} and key {}: {error}",
                    name(&self.cert_file),
                    name(&self.key_file)
                ));
            }
        } else if let Some((file, error)) = certificate {
            return Err(format!(
                "{CONTEXT}: unable to read cert file: {file:?}: {error}"
            ));
        } else if let Some((file, error)) = key {
            return Err(format!(
                "{CONTEXT}: unable to read key file: {file:?}: {error}"
            ));
        }
        match missing(&self.ca_file) {
            Some((file, _)) if helm == HelmProfile::V3 => {
                Err(format!("{CONTEXT}: can't read CA file: {file}"))
            }
            Some((file, error)) => Err(format!("{CONTEXT}: can't read CA file: {file:?}: {error}")),
            None => Ok(self),
        }
    }

    pub fn repositories(self) -> Result<ChartRepositories, String> {
        let read = |file: &Option<String>| match file.as_deref().filter(|file| !file.is_empty()) {
            None => Ok(None),
            Some(file) => match std::fs::read(file) {
                Ok(content) => Ok(Some(Bytes::from(content))),
                Err(error) => Err(go_error("open", file, &error)),
            },
        };
        let mut options = RepositoryOptions::default();
        options.pass_credentials = self.pass_credentials;
        options.tls = TlsOptions::default();
        options.tls.ca = read(&self.ca_file)?;
        options.tls.certificate = read(&self.cert_file)?;
        options.tls.key = read(&self.key_file)?;
        options.tls.accept_invalid_certificates = self.insecure;
        // Helm sends them only where there are both.
        if let (Some(username), Some(password)) = (self.username, self.password)
            && !username.is_empty()
            && !password.is_empty()
        {
            options.credentials = Arc::new(Everywhere(Credential::new(username, password)));
        }
        ChartRepositories::new(options).map_err(|error| error.to_string())
    }
}

/// One credential for the one repository of a command line.
struct Everywhere(Credential);

impl Credentials for Everywhere {
    fn for_repository(&self, _url: &str) -> Option<Credential> {
        Some(self.0.clone())
    }
}

/// What `helm repo add` wrote.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Configuration {
    repositories: Vec<Configured>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Configured {
    name: String,
    url: String,
    username: String,
    password: String,
    #[serde(rename = "caFile")]
    ca_file: String,
    #[serde(rename = "certFile")]
    cert_file: String,
    #[serde(rename = "keyFile")]
    key_file: String,
    insecure_skip_tls_verify: bool,
    pass_credentials_all: bool,
}

impl Configured {
    fn named(name: &str, flags: &Flags) -> Result<Option<Self>, String> {
        let Some(path) = configuration_path(flags) else {
            return Ok(None);
        };
        let Ok(content) = std::fs::read(&path) else {
            return Ok(None);
        };
        let unreadable = |error: String| format!("{}: {error}", path.display());
        let value: serde_json::Value = gitops_core::yaml::from_slice(&content)
            .map_err(|error| unreadable(error.to_string()))?;
        let configuration: Configuration =
            serde_json::from_value(value).map_err(|error| unreadable(error.to_string()))?;
        let mut repositories = configuration.repositories.into_iter();
        Ok(repositories.find(|repository| repository.name == name))
    }

    fn access(self) -> Access {
        let text = |text: String| Some(text).filter(|text| !text.is_empty());
        Access {
            username: text(self.username),
            password: text(self.password),
            pass_credentials: self.pass_credentials_all,
            ca_file: text(self.ca_file),
            cert_file: text(self.cert_file),
            key_file: text(self.key_file),
            insecure: self.insecure_skip_tls_verify,
        }
    }
}

fn configuration_path(flags: &Flags) -> Option<PathBuf> {
    let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    if let Some(path) = flags.text("repository-config") {
        return Some(path.into());
    }
    if let Some(path) = variable("HELM_REPOSITORY_CONFIG") {
        return Some(path.into());
    }
    let home = variable("HELM_CONFIG_HOME").map(PathBuf::from);
    let home = home.or_else(|| Some(PathBuf::from(variable("XDG_CONFIG_HOME")?).join("helm")));
    let home = home.or_else(|| Some(PathBuf::from(variable("HOME")?).join(".config/helm")))?;
    Some(home.join("repositories.yaml"))
}
