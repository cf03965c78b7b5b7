//! RBAC objects of `v1alpha1` as `v1`: subjects name a group instead of a version.

use super::draft::{Draft, objects_mut, text};

const GROUP: &str = "rbac.authorization.k8s.io";

#[allow(
    clippy::unnecessary_wraps,
    reason = "the type that all entries of the table have"
)]
pub(super) fn alpha(draft: &mut Draft, _from: &str) -> Result<(), String> {
    let mut notes = Vec::new();
    for subject in objects_mut(draft.fields(), "subjects") {
        let version = subject.remove("apiVersion").unwrap_or_default();
        let group = match text(subject, "kind") {
            "ServiceAccount" => "",
            "User" | "Group" => GROUP,
            _ => version
                .as_str()
                .and_then(|version| version.split_once('/'))
                .map_or("", |(group, _)| group),
        };
        if !group.is_empty() {
            subject.insert("apiGroup".to_owned(), group.into());
            notes.push("subjects name apiGroup");
        }
        if text(subject, "kind") == "User" && text(subject, "name") == "*" {
            subject.insert("kind".to_owned(), "Group".into());
            subject.insert("name".to_owned(), "system:authenticated".into());
            notes.push("the User * is the Group system:authenticated");
        }
    }
    for note in notes {
        draft.changed(note);
    }
    Ok(())
}
