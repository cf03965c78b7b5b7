//! Packed charts: gzip, tar, and the checks on paths and sizes that make unpacking safe.

use std::io::Read as _;

use bytes::Bytes;
use flate2::read::MultiGzDecoder;
use gitops_core::go::quote;

use crate::helm::{ChartFile, HelmError};

/// What is too large for a packed chart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct ArchiveLimits {
    /// Sum of all files in bytes; 100 MiB by default, as in Helm.
    pub total_bytes: u64,
    /// One file in bytes, where it is limited by itself.
    pub file_bytes: Option<u64>,
    /// Number of files; 100,000 by default.
    pub files: usize,
}

impl Default for ArchiveLimits {
    fn default() -> Self {
        Self {
            total_bytes: 100 << 20,
            file_bytes: None,
            files: 100_000,
        }
    }
}

/// Unpacks a `.tgz`; names are relative to the chart's directory.
pub(crate) fn read_archive(
    archive: &[u8],
    limits: &ArchiveLimits,
) -> Result<Vec<ChartFile>, HelmError> {
    if !archive.starts_with(&[0x1f, 0x8b]) {
        return Err(HelmError::chart("gzip: invalid header"));
    }
    // The reader is bounded too: headers and names of members count, padding as well.
    let bound = limits
        .total_bytes
        .saturating_mul(2)
        .saturating_add(64 << 20);
    let mut tar = tar::Archive::new(MultiGzDecoder::new(archive).take(bound));
    let mut remaining = limits.total_bytes;
    let mut files = Vec::new();
    let broken =
        |error: std::io::Error| HelmError::chart(format!("unable to load chart archive: {error}"));
    for entry in tar.entries().map_err(broken)? {
        let mut entry = entry.map_err(broken)?;
        let header = entry.header().entry_type();
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        if header.is_dir() || name.ends_with('/') || header.is_pax_global_extensions() {
            continue;
        }
        let path = checked_path(&name)?;
        let size = entry.size();
        if let Some(allowed) = limits.file_bytes
            && size > allowed
        {
            return Err(HelmError::chart(format!(
                "decompressed chart file {} is larger than the maximum file size {allowed}",
                quote(&name)
            )));
        }
        let too_large = || {
            let what = if limits.file_bytes.is_some() {
                "file size"
            } else {
                "size"
            };
            HelmError::chart(format!(
                "decompressed chart is larger than the maximum {what} {}",
                limits.total_bytes
            ))
        };
        if size > remaining {
            return Err(too_large());
        }
        let mut data = Vec::with_capacity(usize::try_from(size.min(1 << 20)).unwrap_or(0));
        if header.is_file() || header.is_contiguous() || header.is_gnu_sparse() {
            (&mut entry)
                .take(remaining)
                .read_to_end(&mut data)
                .map_err(broken)?;
        }
        remaining -= data.len() as u64;
        if remaining == 0 || ((data.len() as u64) < size && header.is_file()) {
            return Err(too_large());
        }
        files.push(ChartFile::new(path, Bytes::from(data)));
        if files.len() > limits.files {
            return Err(HelmError::LimitExceeded {
                what: "the chart archive".to_owned(),
                limit: "number of files",
                allowed: limits.files as u64,
            });
        }
    }
    if files.is_empty() {
        return Err(HelmError::chart("no files in chart archive"));
    }
    Ok(files)
}

/// The path of a member below the chart's directory.
fn checked_path(name: &str) -> Result<String, HelmError> {
    let delimiter = if name.contains('\\') { '\\' } else { '/' };
    let (first, rest) = name.split_once(delimiter).unwrap_or((name, ""));
    let rest = rest.replace(delimiter, "/");
    if rest.starts_with('/') {
        return Err(HelmError::chart("chart illegally contains absolute paths"));
    }
    let mut parts: Vec<&str> = Vec::new();
    for part in rest.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    let path = parts.join("/");
    if path.is_empty() {
        return Err(HelmError::chart(format!(
            "chart illegally contains content outside the base directory: {}",
            quote(name)
        )));
    }
    if path.starts_with("..") {
        return Err(HelmError::chart(
            "chart illegally references parent directory",
        ));
    }
    let drive = path.as_bytes();
    if drive.len() >= 3 && drive[0].is_ascii_alphabetic() && &drive[1..3] == b":/" {
        return Err(HelmError::chart("chart contains illegally named files"));
    }
    if first == "Chart.yaml" {
        return Err(HelmError::chart("chart yaml not in base directory"));
    }
    Ok(path)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Packs files as `helm package` would.
    pub(crate) fn pack(files: &[(&str, &[u8])]) -> Vec<u8> {
        let encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        let mut builder = tar::Builder::new(encoder);
        for (name, data) in files {
            let mut header = tar::Header::new_gnu();
            // `set_path` refuses the very paths that the loader must refuse.
            header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
            header.set_size(data.len() as u64);
            header.set_mode(0o644);
            header.set_cksum();
            builder.append(&header, *data).unwrap();
        }
        builder.into_inner().unwrap().finish().unwrap()
    }

    fn error_of(name: &str) -> String {
        let archive = pack(&[(name, b"hello: world")]);
        match read_archive(&archive, &ArchiveLimits::default()) {
            Ok(files) => files[0].name.clone(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn paths_are_checked() {
        let parent = "chart illegally references parent directory";
        let absolute = "chart illegally contains absolute paths";
        let named = "chart contains illegally named files";
        for (name, expected) in [
            ("c/Chart.yaml", "Chart.yaml"),
            ("c\\templates\\a.yaml", "templates/a.yaml"),
            ("/Chart.yaml", "Chart.yaml"),
            ("../../malformed", parent),
            ("/foo/../../malformed", parent),
            ("./../../malformed", parent),
            ("//foo", absolute),
            ("\\\\foo", absolute),
            ("\\..\\..\\foo", parent),
            ("\\.\\c:\\\\foo", named),
            ("/./c://foo", named),
            ("Chart.yaml/x", "chart yaml not in base directory"),
        ] {
            assert_eq!(error_of(name), expected, "{name}");
        }
        for name in ["./.", "missing-leading-slash"] {
            assert!(
                error_of(name).contains("outside the base directory"),
                "{name}"
            );
        }
    }

    #[test]
    fn bombs_are_refused() {
        let zeros = vec![0_u8; 2 << 20];
        let archive = pack(&[("c/Chart.yaml", &zeros)]);
        assert!(archive.len() < 10_000);
        let limits = ArchiveLimits {
            total_bytes: 1 << 20,
            ..ArchiveLimits::default()
        };
        let error = read_archive(&archive, &limits).unwrap_err();
        assert!(error.to_string().contains("larger than the maximum size"));
    }
}
