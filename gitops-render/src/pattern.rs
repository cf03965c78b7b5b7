//! Paths with `**` between slashes, as Argo CD expands them in `valueFiles`.

use gitops_core::glob::{BadPattern, file_path_match};

/// Whether a path has any of the characters that make it a glob.
pub(crate) fn is_glob(path: &str) -> bool {
    path.contains(['*', '?', '[', '{'])
}

/// Whether `path` matches `pattern`, part by part; `**` as a whole part matches any number of parts.
pub(crate) fn doublestar(pattern: &str, path: &str) -> Result<bool, BadPattern> {
    for pattern in braces(pattern, 0)? {
        let parts: Vec<&str> = pattern.split('/').collect();
        let names: Vec<&str> = path.split('/').collect();
        if parts_match(&parts, &names)? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn parts_match(pattern: &[&str], path: &[&str]) -> Result<bool, BadPattern> {
    // reachable[i]: the pattern so far matches the first i parts of the path.
    let mut reachable = vec![false; path.len() + 1];
    reachable[0] = true;
    for part in pattern {
        let mut next = vec![false; path.len() + 1];
        if *part == "**" {
            let mut open = false;
            for i in 0..=path.len() {
                open |= reachable[i];
                next[i] = open;
            }
        } else {
            for i in 0..path.len() {
                next[i + 1] = reachable[i] && file_path_match(part, path[i])?;
            }
        }
        reachable = next;
    }
    Ok(reachable[path.len()])
}

/// Expands `{a,b}`; the number of results is bounded.
fn braces(pattern: &str, depth: usize) -> Result<Vec<String>, BadPattern> {
    let Some(open) = pattern.find('{') else {
        return Ok(vec![pattern.to_owned()]);
    };
    if depth > 8 {
        return Err(BadPattern);
    }
    let mut level = 0;
    let mut start = open + 1;
    let mut alternatives = Vec::new();
    let mut close = None;
    for (i, c) in pattern[open..].char_indices() {
        let i = open + i;
        match c {
            '{' => level += 1,
            '}' => {
                level -= 1;
                if level == 0 {
                    alternatives.push(&pattern[start..i]);
                    close = Some(i);
                    break;
                }
            }
            ',' if level == 1 => {
                alternatives.push(&pattern[start..i]);
                start = i + 1;
            }
            _ => {}
        }
    }
    let close = close.ok_or(BadPattern)?;
    let mut all = Vec::new();
    for alternative in alternatives {
        let text = format!("{}{alternative}{}", &pattern[..open], &pattern[close + 1..]);
        all.extend(braces(&text, depth + 1)?);
        if all.len() > 256 {
            return Err(BadPattern);
        }
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::doublestar;

    #[test]
    fn stars_cross_directories_only_in_pairs() {
        for (pattern, path, expected) in [
            ("**/*.yaml", "a/b/c.yaml", true),
            ("**/*.yaml", "c.yaml", true),
            ("a/*.yaml", "a/b/c.yaml", false),
            ("a/**/c.yaml", "a/c.yaml", true),
            ("a/{b,c}.yaml", "a/c.yaml", true),
            ("a/**", "a/b/c", true),
        ] {
            assert_eq!(doublestar(pattern, path), Ok(expected), "{pattern} {path}");
        }
    }
}
