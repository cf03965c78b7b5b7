//! The bodies that each host sends.

use std::{borrow::Cow, collections::BTreeSet};

use serde_json::Value;

use super::{Delivery, Headers, Push, WebhookError};

/// More commits than this are not all in an event (GitHub's and GitLab's limit).
const LISTED_COMMITS: usize = 20;

/// The JSON of a body; GitHub and its kin can be set to send it as the field `payload` of a form.
pub(super) fn json_of<'a>(headers: &(impl Headers + ?Sized), body: &'a [u8]) -> Cow<'a, [u8]> {
    let is_form = headers.header("Content-Type").is_some_and(|kind| {
        kind.to_ascii_lowercase()
            .starts_with("application/x-www-form-urlencoded")
    });
    let payload = is_form
        .then(|| {
            url::form_urlencoded::parse(body)
                .find(|(name, _)| name == "payload")
                .map(|(_, value)| value.into_owned().into_bytes())
        })
        .flatten();
    payload.map_or(Cow::Borrowed(body), Cow::Owned)
}

pub(super) fn github_like(
    host: &'static str,
    event: &str,
    body: &[u8],
) -> Result<Delivery, WebhookError> {
    match event {
        "ping" => return Ok(Delivery::Ping),
        "push" => {}
        other => return ignored(other),
    }
    let body = parse(host, body)?;
    let repository = &body["repository"];
    Ok(Delivery::Pushed(vec![Push {
        urls: urls(
            repository,
            &["clone_url", "ssh_url", "git_url", "html_url", "url"],
        ),
        reference: required(host, &body, "ref")?,
        commit: commit(&body["after"]),
        before: commit(&body["before"]),
        // What a forced push takes away no commit in the event mentions.
        files: match body["forced"].as_bool() {
            Some(true) => None,
            _ => files(&body["commits"], LISTED_COMMITS),
        },
    }]))
}

pub(super) fn gitlab(event: &str, body: &[u8]) -> Result<Delivery, WebhookError> {
    const HOST: &str = "GitLab";
    let parsed = parse(HOST, body)?;
    let kind = match event {
        "System Hook" => parsed["event_name"].as_str().unwrap_or_default().to_owned(),
        other => other.to_owned(),
    };
    if !matches!(
        kind.as_str(),
        "Push Hook" | "Tag Push Hook" | "push" | "tag_push"
    ) {
        return ignored(&kind);
    }
    let mut all = urls(
        &parsed["project"],
        &[
            "git_http_url",
            "git_ssh_url",
            "http_url",
            "ssh_url",
            "web_url",
        ],
    );
    all.extend(urls(
        &parsed["repository"],
        &["git_http_url", "git_ssh_url", "homepage"],
    ));
    dedup(&mut all);
    Ok(Delivery::Pushed(vec![Push {
        urls: all,
        reference: required(HOST, &parsed, "ref")?,
        commit: commit(&parsed["after"]),
        before: commit(&parsed["before"]),
        files: files(&parsed["commits"], LISTED_COMMITS).filter(|_| {
            let total = parsed["total_commits_count"].as_u64();
            let listed = parsed["commits"].as_array().map(|list| list.len() as u64);
            total.is_none() || total == listed
        }),
    }]))
}

pub(super) fn bitbucket(event: &str, body: &[u8]) -> Result<Delivery, WebhookError> {
    const HOST: &str = "Bitbucket";
    match event {
        "diagnostics:ping" => Ok(Delivery::Ping),
        // Cloud
        "repo:push" => {
            let body = parse(HOST, body)?;
            let repository = &body["repository"];
            let mut all = urls(&repository["links"]["html"], &["href"]);
            if let Some(name) = repository["full_name"].as_str() {
                all.push(format!("https://bitbucket.org/{name}.git"));
                all.push(format!("git@bitbucket.org:{name}.git"));
            }
            dedup(&mut all);
            let changes = body["push"]["changes"]
                .as_array()
                .ok_or_else(|| malformed(HOST, "`push.changes` is missing"))?;
            let pushes = changes
                .iter()
                .filter_map(|change| {
                    let now = &change["new"];
                    let before = &change["old"];
                    let named = if now.is_object() { now } else { before };
                    let folder = match named["type"].as_str()? {
                        "tag" | "annotated_tag" => "tags",
                        _ => "heads",
                    };
                    Some(Push {
                        urls: all.clone(),
                        reference: format!("refs/{folder}/{}", named["name"].as_str()?),
                        commit: commit(&now["target"]["hash"]),
                        before: commit(&before["target"]["hash"]),
                        files: None,
                    })
                })
                .collect();
            Ok(Delivery::Pushed(pushes))
        }
        // Server and Data Center
        "repo:refs_changed" => {
            let body = parse(HOST, body)?;
            let links = &body["repository"]["links"];
            let mut all: Vec<String> = ["clone", "self"]
                .iter()
                .flat_map(|name| links[*name].as_array().cloned().unwrap_or_default())
                .flat_map(|link| urls(&link, &["href"]))
                .collect();
            dedup(&mut all);
            let changes = body["changes"]
                .as_array()
                .ok_or_else(|| malformed(HOST, "`changes` is missing"))?;
            let pushes = changes
                .iter()
                .filter_map(|change| {
                    Some(Push {
                        urls: all.clone(),
                        reference: change["ref"]["id"].as_str()?.to_owned(),
                        commit: commit(&change["toHash"]),
                        before: commit(&change["fromHash"]),
                        files: None,
                    })
                })
                .collect();
            Ok(Delivery::Pushed(pushes))
        }
        other => ignored(other),
    }
}

fn ignored(event: &str) -> Result<Delivery, WebhookError> {
    Ok(Delivery::Ignored {
        event: event.chars().take(100).collect(),
    })
}

fn parse(host: &'static str, body: &[u8]) -> Result<Value, WebhookError> {
    serde_json::from_slice(body).map_err(|error| malformed(host, &error.to_string()))
}

fn malformed(host: &'static str, reason: &str) -> WebhookError {
    WebhookError::Malformed {
        host,
        reason: reason.to_owned(),
    }
}

fn required(host: &'static str, body: &Value, field: &str) -> Result<String, WebhookError> {
    body[field]
        .as_str()
        .map(str::to_owned)
        .ok_or_else(|| malformed(host, &format!("`{field}` is missing")))
}

/// A commit; all zeros stand for none.
fn commit(value: &Value) -> Option<String> {
    value
        .as_str()
        .filter(|id| !id.is_empty() && id.bytes().any(|byte| byte != b'0'))
        .map(str::to_owned)
}

fn urls(object: &Value, fields: &[&str]) -> Vec<String> {
    let mut found: Vec<String> = fields
        .iter()
        .filter_map(|field| object[*field].as_str())
        .filter(|url| !url.is_empty())
        .map(str::to_owned)
        .collect();
    dedup(&mut found);
    found
}

fn dedup(urls: &mut Vec<String>) {
    let mut seen = BTreeSet::new();
    urls.retain(|url| seen.insert(url.clone()));
}

/// The files of all commits, where the event has all commits.
fn files(commits: &Value, most: usize) -> Option<Vec<String>> {
    let commits = commits.as_array()?;
    if commits.is_empty() || commits.len() >= most {
        return None;
    }
    let mut files = BTreeSet::new();
    for commit in commits {
        for list in ["added", "modified", "removed"] {
            for file in commit[list].as_array()? {
                files.insert(file.as_str()?.to_owned());
            }
        }
    }
    Some(files.into_iter().collect())
}
