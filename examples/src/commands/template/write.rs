//! What the command writes to disk: `--output-dir` and `--dependency-update`.

use std::{
    fs::OpenOptions,
    io::Write as _,
    path::{Component, Path, PathBuf},
};

use gitops_core::clock::Timestamp;
use gitops_render::{
    helm::{Chart, LoadOptions, OutputFile, Profile, WriteMode},
    repositories::ChartRepositories,
    tree::DirTree,
};

use super::locate::said;
use crate::output;

/// Writes documents into files and says so for each.
pub fn write_files(
    directory: &str,
    release: Option<&str>,
    files: &[OutputFile],
) -> Result<(), String> {
    for file in files {
        let leaves = |part: Component<'_>| !matches!(part, Component::Normal(_));
        if Path::new(&file.path).components().any(leaves) {
            return Err(format!(
                "{}: the path leaves the output directory",
                file.path
            ));
        }
        let directory = match release.filter(|_| file.below_release) {
            Some(release) => joined(directory, release),
            None => directory.to_owned(),
        };
        let path = format!("{directory}/{}", file.path);
        write_file(&path, file).map_err(|error| match file.mode {
            WriteMode::AppendIfPresent => error,
            _ => format!("{error}\n\nUse --debug flag to render out invalid YAML"),
        })?;
        output::print(&format!("wrote {path}\n"));
    }
    Ok(())
}

fn write_file(path: &str, file: &OutputFile) -> Result<(), String> {
    if let Some(parent) = Path::new(path).parent() {
        make_directories(parent)?;
    }
    let appends = match file.mode {
        WriteMode::Replace => false,
        WriteMode::Append => true,
        WriteMode::AppendIfPresent => Path::new(path).exists(),
    };
    let mut open = OpenOptions::new();
    if appends {
        open.append(true);
    } else {
        open.create(true).write(true).truncate(true);
    }
    let written = open
        .open(path)
        .and_then(|mut opened| opened.write_all(file.content.as_bytes()));
    written.map_err(|error| go_error("open", path, &error))
}

/// Makes a directory and those above it; an error names the first that cannot be made.
fn make_directories(directory: &Path) -> Result<(), String> {
    let mut above: Vec<&Path> = directory.ancestors().collect();
    above.reverse();
    for directory in above {
        if directory.as_os_str().is_empty() || directory.is_dir() {
            continue;
        }
        std::fs::create_dir(directory)
            .map_err(|error| go_error("mkdir", &directory.display().to_string(), &error))?;
    }
    Ok(())
}

/// Fetches the dependencies of a chart into its `charts/` and writes its lock, as
/// `helm dependency update` does; nothing where it lacks none.
pub async fn update_dependencies(
    directory: &Path,
    repositories: &ChartRepositories,
    profile: &Profile,
    now: Timestamp,
) -> Result<(), String> {
    let Ok(tree) = DirTree::open(directory) else {
        return Ok(());
    };
    // What is wrong with the chart is said when it is rendered.
    let Ok(chart) = Chart::load_with(&tree, profile, &LoadOptions::default()) else {
        return Ok(());
    };
    if chart.missing_dependencies().is_empty() {
        return Ok(());
    }
    let declared = chart.metadata.dependencies.as_deref().unwrap_or_default();
    let remote: Vec<_> = declared
        .iter()
        .filter(|d| !d.repository.is_empty())
        .collect();
    if !remote.is_empty() {
        output::print("Getting updates for unmanaged Helm repositories...\n");
    }
    let updated = repositories.update(&chart, now).await;
    let updated = updated.map_err(|error| said(&error))?;
    let mut seen = Vec::new();
    for dependency in &remote {
        let plain = dependency.repository.trim_end_matches('/');
        if !seen.contains(&plain) {
            seen.push(plain);
            output::print(&format!(
                "...Successfully got an update from the {:?} chart repository\n",
                dependency.repository
            ));
        }
    }
    output::print(&format!("Saving {} charts\n", declared.len()));
    for dependency in declared {
        output::print(&if dependency.repository.is_empty() {
            format!(
                "Dependency {} did not declare a repository. Assuming it exists in the charts directory\n",
                dependency.name
            )
        } else {
            format!(
                "Downloading {} from repo {}\n",
                dependency.name, dependency.repository
            )
        });
    }
    let charts = directory.join("charts");
    make_directories(&charts)?;
    let write = |path: PathBuf, content: &[u8]| {
        std::fs::write(&path, content)
            .map_err(|error| go_error("open", &path.display().to_string(), &error))
    };
    for (name, archive) in &updated.charts {
        write(charts.join(name), archive)?;
    }
    output::print("Deleting outdated charts\n");
    let kept = |name: &str| updated.charts.iter().any(|(file, _)| file == name);
    for entry in std::fs::read_dir(&charts).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() || kept(&entry.file_name().to_string_lossy()) {
            continue;
        }
        let chart = std::fs::read(&path).ok().and_then(|archive| {
            Chart::load_archive(&archive, profile, &LoadOptions::default()).ok()
        });
        match chart {
            Some(chart) if updated.local.contains(&chart.metadata.name) => {}
            Some(_) => std::fs::remove_file(&path)
                .map_err(|error| go_error("remove", &path.display().to_string(), &error))?,
            None => output::print(&format!(
                "Could not verify {} for deletion: it is no chart (Skipping)\n",
                path.display()
            )),
        }
    }
    if let Some((name, content)) = &updated.lock {
        let path = directory.join(name);
        if path.is_symlink() {
            return Err(format!("the {name} file is a symlink"));
        }
        write(path, content.as_bytes())?;
    }
    Ok(())
}

/// A path without `.` and doubled separators, as Go's `filepath.Join` makes it.
fn joined(directory: &str, name: &str) -> String {
    let path = Path::new(directory).join(name);
    path.components().collect::<PathBuf>().display().to_string()
}

/// An error of the operating system in Go's words.
pub fn go_error(operation: &str, path: &str, error: &std::io::Error) -> String {
    let reason = match error.kind() {
        std::io::ErrorKind::NotFound => "no such file or directory".to_owned(),
        std::io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        std::io::ErrorKind::NotADirectory => "not a directory".to_owned(),
        std::io::ErrorKind::IsADirectory => "is a directory".to_owned(),
        std::io::ErrorKind::AlreadyExists => "file exists".to_owned(),
        _ => error.to_string(),
    };
    format!("{operation} {path}: {reason}")
}
