//! Paths with slashes; the `os` forms are those of Unix, which are the same.

use super::Registry;
use crate::template::Str;

pub(super) fn register(registry: &mut Registry) {
    for name in ["base", "osBase"] {
        registry.add(name, |path: Str| base(&path).to_vec());
    }
    for name in ["dir", "osDir"] {
        registry.add(name, |path: Str| {
            let end = path
                .iter()
                .rposition(|&byte| byte == b'/')
                .map_or(0, |at| at + 1);
            clean(&path[..end])
        });
    }
    for name in ["clean", "osClean"] {
        registry.add(name, |path: Str| clean(&path));
    }
    for name in ["ext", "osExt"] {
        registry.add(name, |path: Str| extension(&path).to_vec());
    }
    for name in ["isAbs", "osIsAbs"] {
        registry.add(name, |path: Str| path.starts_with(b"/"));
    }
}

/// The last element; `.` of an empty path, `/` of slashes alone.
fn base(path: &[u8]) -> &[u8] {
    if path.is_empty() {
        return b".";
    }
    let Some(last) = path.iter().rposition(|&byte| byte != b'/') else {
        return b"/";
    };
    let path = &path[..=last];
    path.rsplit(|&byte| byte == b'/').next().unwrap_or(path)
}

/// From the last dot of the last element on.
fn extension(path: &[u8]) -> &[u8] {
    let name = path.rsplit(|&byte| byte == b'/').next().unwrap_or(path);
    name.iter()
        .rposition(|&byte| byte == b'.')
        .map_or(&[], |dot| &name[dot..])
}

/// The shortest path that means the same, by its text alone.
pub(crate) fn clean(path: &[u8]) -> Vec<u8> {
    let rooted = path.starts_with(b"/");
    let mut elements: Vec<&[u8]> = Vec::new();
    for element in path.split(|&byte| byte == b'/') {
        match element {
            b"" | b"." => {}
            b".." => match elements.last() {
                Some(&last) if last != b".." => {
                    elements.pop();
                }
                _ if rooted => {}
                _ => elements.push(element),
            },
            _ => elements.push(element),
        }
    }
    let joined = elements.join(&b'/');
    match (rooted, joined.is_empty()) {
        (true, _) => [b"/", joined.as_slice()].concat(),
        (false, true) => b".".to_vec(),
        (false, false) => joined,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths() {
        for (path, cleaned) in [
            ("", "."),
            ("/", "/"),
            ("a//b/./c/..", "a/b"),
            ("/../a", "/a"),
            ("../../a", "../../a"),
            ("a/../..", ".."),
        ] {
            assert_eq!(clean(path.as_bytes()), cleaned.as_bytes(), "{path}");
        }
        assert_eq!(
            (base(b"a/b//"), base(b"//"), base(b"")),
            (&b"b"[..], &b"/"[..], &b"."[..])
        );
        assert_eq!(
            (extension(b"a.b/c"), extension(b"a/.x.yz")),
            (&b""[..], &b".yz"[..])
        );
    }
}
