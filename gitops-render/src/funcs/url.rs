//! URLs as Go's package `net/url` takes them apart and puts them together.

use std::net::Ipv6Addr;

use gitops_core::go::quote;

use super::Registry;
use crate::template::{CallError, Kind, Map, Str, Value};

pub(super) fn register(registry: &mut Registry) {
    registry.add("urlParse", url_parse);
    registry.add("urlJoin", url_join);
}

fn url_parse(text: Str) -> Result<Map, CallError> {
    let url = Url::parse(&text)
        .map_err(|error| CallError::new(format!("unable to parse url: {error}")))?;
    let host_name = url.host_name().to_vec();
    let user = url.user.as_ref().map(User::text).unwrap_or_default();
    Ok([
        ("scheme", url.scheme),
        ("host", url.host),
        ("hostname", host_name),
        ("path", url.path),
        ("query", url.query),
        ("opaque", url.opaque),
        ("fragment", url.fragment),
        ("userinfo", user),
    ]
    .into_iter()
    .map(|(key, value)| (key, Value::str(value)))
    .collect())
}

fn url_join(parts: Map) -> Result<Vec<u8>, CallError> {
    let part = |key: &str| match parts.get(key) {
        None => Ok(Vec::new()),
        Some(Value::Str(text)) => Ok(text.to_vec()),
        Some(Value::Nil) => Err(CallError::nil_pointer()),
        Some(other) if other.kind() == Kind::String => {
            Ok(super::strings::printed(&other.underlying())?.to_vec())
        }
        Some(other) => Err(CallError::new(format!(
            "unable to parse {key} key, must be of type string, but {} found",
            other.kind().name()
        ))),
    };
    let mut url = Url {
        scheme: part("scheme")?,
        host: part("host")?,
        path: part("path")?,
        query: part("query")?,
        opaque: part("opaque")?,
        fragment: part("fragment")?,
        ..Url::default()
    };
    let user = part("userinfo")?;
    if !user.is_empty() {
        let text = [b"proto://", user.as_slice(), b"@host"].concat();
        let parsed = Url::parse(&text).map_err(|error| {
            CallError::new(format!("unable to parse userinfo in dict: {error}"))
        })?;
        url.user = parsed.user;
    }
    Ok(url.text())
}

/// Go's `url.URL`, decoded.
#[derive(Debug, Default)]
struct Url {
    scheme: Vec<u8>,
    opaque: Vec<u8>,
    user: Option<User>,
    host: Vec<u8>,
    path: Vec<u8>,
    query: Vec<u8>,
    fragment: Vec<u8>,
}

#[derive(Debug)]
struct User {
    name: Vec<u8>,
    password: Option<Vec<u8>>,
}

/// A text is no URL; the message is Go's.
#[derive(Debug, thiserror::Error)]
#[error("parse {}: {reason}", quote(url))]
struct UrlError {
    url: Vec<u8>,
    reason: Reason,
}

#[derive(Debug, thiserror::Error)]
enum Reason {
    #[error("net/url: invalid control character in URL")]
    ControlCharacter,
    #[error("missing protocol scheme")]
    MissingScheme,
    #[error("first path segment in URL cannot contain colon")]
    ColonInSegment,
    #[error("net/url: invalid userinfo")]
    User,
    #[error("invalid IP-literal")]
    IpLiteral,
    #[error("missing ']' in host")]
    MissingBracket,
    #[error("invalid port {} after host", quote(.0))]
    Port(Vec<u8>),
    #[error("invalid host: ParseAddr({}): unable to parse IP", quote(.0))]
    Address(Vec<u8>),
    #[error("invalid URL escape {}", quote(.0))]
    Escape(Vec<u8>),
    #[error("invalid character {} in host name", quote([*.0]))]
    HostCharacter(u8),
}

/// Where in a URL a text stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Path,
    Host,
    Zone,
    User,
    Fragment,
}

impl Url {
    fn parse(text: &[u8]) -> Result<Self, UrlError> {
        let (before, fragment) = cut(text, b'#');
        let failure = |url: &[u8]| {
            let url = url.to_vec();
            move |reason| UrlError { url, reason }
        };
        let mut url = Self::parse_without_fragment(before).map_err(failure(before))?;
        if let Some(fragment) = fragment.filter(|fragment| !fragment.is_empty()) {
            url.fragment = unescape(fragment, Place::Fragment).map_err(failure(text))?;
        }
        Ok(url)
    }

    fn parse_without_fragment(text: &[u8]) -> Result<Self, Reason> {
        if text.iter().any(|byte| byte.is_ascii_control()) {
            return Err(Reason::ControlCharacter);
        }
        let mut url = Self::default();
        if text == b"*" {
            url.path = text.to_vec();
            return Ok(url);
        }
        let (scheme, rest) = scheme(text)?;
        url.scheme = scheme.to_ascii_lowercase();
        let (mut rest, query) = cut(rest, b'?');
        url.query = query.unwrap_or_default().to_vec();
        if !rest.starts_with(b"/") {
            if !url.scheme.is_empty() {
                url.opaque = rest.to_vec();
                return Ok(url);
            }
            if cut(rest, b'/').0.contains(&b':') {
                return Err(Reason::ColonInSegment);
            }
        }
        if (!url.scheme.is_empty() || !rest.starts_with(b"///"))
            && let Some(after) = rest.strip_prefix(b"//")
        {
            let end = after
                .iter()
                .position(|&byte| byte == b'/')
                .unwrap_or(after.len());
            let (authority, path) = after.split_at(end);
            (url.user, url.host) = parse_authority(&url.scheme, authority)?;
            rest = path;
        }
        url.path = unescape(rest, Place::Path)?;
        Ok(url)
    }

    /// The host without its port and brackets.
    fn host_name(&self) -> &[u8] {
        let mut host = self.host.as_slice();
        if let Some(colon) = host.iter().rposition(|&byte| byte == b':')
            && is_optional_port(&host[colon..])
        {
            host = &host[..colon];
        }
        host.strip_prefix(b"[")
            .and_then(|host| host.strip_suffix(b"]"))
            .unwrap_or(host)
    }

    fn text(&self) -> Vec<u8> {
        let mut out = Vec::new();
        if !self.scheme.is_empty() {
            out.extend_from_slice(&self.scheme);
            out.push(b':');
        }
        if self.opaque.is_empty() {
            self.write_hierarchy(&mut out);
        } else {
            out.extend_from_slice(&self.opaque);
        }
        if !self.query.is_empty() {
            out.push(b'?');
            out.extend_from_slice(&self.query);
        }
        if !self.fragment.is_empty() {
            out.push(b'#');
            out.extend(escape(&self.fragment, Place::Fragment));
        }
        out
    }

    fn write_hierarchy(&self, out: &mut Vec<u8>) {
        let has_host = !self.host.is_empty() || self.user.is_some();
        if has_host || (!self.scheme.is_empty() && !self.path.is_empty()) {
            out.extend_from_slice(b"//");
            if let Some(user) = &self.user {
                out.extend(user.text());
                out.push(b'@');
            }
            out.extend(escape(&self.host, Place::Host));
        }
        let path = if self.path == b"*" {
            self.path.clone()
        } else {
            escape(&self.path, Place::Path)
        };
        if !path.is_empty() && !path.starts_with(b"/") && !self.host.is_empty() {
            out.push(b'/');
        }
        if out.is_empty() && cut(&path, b'/').0.contains(&b':') {
            out.extend_from_slice(b"./");
        }
        out.extend(path);
    }
}

impl User {
    fn text(&self) -> Vec<u8> {
        let mut text = escape(&self.name, Place::User);
        if let Some(password) = &self.password {
            text.push(b':');
            text.extend(escape(password, Place::User));
        }
        text
    }
}

fn cut(text: &[u8], separator: u8) -> (&[u8], Option<&[u8]>) {
    match text.iter().position(|&byte| byte == separator) {
        Some(at) => (&text[..at], Some(&text[at + 1..])),
        None => (text, None),
    }
}

fn scheme(text: &[u8]) -> Result<(&[u8], &[u8]), Reason> {
    for (index, byte) in text.iter().enumerate() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' => {}
            b'0'..=b'9' | b'+' | b'-' | b'.' if index > 0 => {}
            b':' if index == 0 => return Err(Reason::MissingScheme),
            b':' => return Ok((&text[..index], &text[index + 1..])),
            _ => break,
        }
    }
    Ok((b"", text))
}

fn parse_authority(scheme: &[u8], authority: &[u8]) -> Result<(Option<User>, Vec<u8>), Reason> {
    let Some(at) = authority.iter().rposition(|&byte| byte == b'@') else {
        return Ok((None, parse_host(scheme, authority)?));
    };
    let host = parse_host(scheme, &authority[at + 1..])?;
    let user = &authority[..at];
    if !user
        .iter()
        .all(|byte| byte.is_ascii_alphanumeric() || b"-._:~!$&'()*+,;=%@".contains(byte))
    {
        return Err(Reason::User);
    }
    let (name, password) = cut(user, b':');
    let user = User {
        name: unescape(name, Place::User)?,
        password: password
            .map(|password| unescape(password, Place::User))
            .transpose()?,
    };
    Ok((Some(user), host))
}

fn parse_host(scheme: &[u8], host: &[u8]) -> Result<Vec<u8>, Reason> {
    match host.iter().rposition(|&byte| byte == b'[') {
        Some(0) => return parse_bracketed(host),
        Some(_) => return Err(Reason::IpLiteral),
        None => {}
    }
    let colons = |&byte: &u8| byte == b':';
    if let Some(first) = host.iter().position(colons) {
        let last = host.iter().rposition(colons).unwrap_or(first);
        // Several colons are wrong in the web's schemes only.
        let port = if scheme == b"http" || scheme == b"https" {
            &host[first..]
        } else {
            &host[last..]
        };
        if !is_optional_port(port) {
            return Err(Reason::Port(port.to_vec()));
        }
    }
    unescape(host, Place::Host)
}

fn parse_bracketed(host: &[u8]) -> Result<Vec<u8>, Reason> {
    let close = host
        .iter()
        .rposition(|&byte| byte == b']')
        .ok_or(Reason::MissingBracket)?;
    let port = &host[close + 1..];
    if !is_optional_port(port) {
        return Err(Reason::Port(port.to_vec()));
    }
    let inner = &host[1..close];
    let name = match inner.windows(3).position(|window| window == b"%25") {
        Some(zone) => {
            let mut name = unescape(&inner[..zone], Place::Host)?;
            name.extend(unescape(&inner[zone..], Place::Zone)?);
            name
        }
        None => unescape(inner, Place::Host)?,
    };
    let text = String::from_utf8_lossy(&name);
    let address = text.split_once('%').map_or(&*text, |(address, _)| address);
    if text.parse::<std::net::Ipv4Addr>().is_ok() {
        return Err(Reason::IpLiteral);
    }
    if address.parse::<Ipv6Addr>().is_err() || text.ends_with('%') {
        return Err(Reason::Address(name));
    }
    Ok([b"[", name.as_slice(), b"]", port].concat())
}

fn is_optional_port(text: &[u8]) -> bool {
    match text.split_first() {
        None => true,
        Some((b':', digits)) => digits.iter().all(u8::is_ascii_digit),
        Some(_) => false,
    }
}

fn unescape(text: &[u8], place: Place) -> Result<Vec<u8>, Reason> {
    let mut out = Vec::with_capacity(text.len());
    let in_host = matches!(place, Place::Host | Place::Zone);
    let mut rest = text;
    while let Some((&byte, after)) = rest.split_first() {
        if byte == b'%' {
            let digit = |index: usize| {
                let digit = char::from(*after.get(index)?).to_digit(16)?;
                u8::try_from(digit).ok()
            };
            let Some((high, low)) = digit(0).zip(digit(1)) else {
                return Err(Reason::Escape(rest[..rest.len().min(3)].to_vec()));
            };
            let value = high << 4 | low;
            let escape = &rest[..3];
            // In a host only bytes beyond ASCII are escaped, in a zone also what may stand there.
            let wrong = escape != b"%25"
                && match place {
                    Place::Host => high < 8,
                    Place::Zone => value != b' ' && must_escape(value, Place::Host),
                    _ => false,
                };
            if wrong {
                return Err(Reason::Escape(escape.to_vec()));
            }
            out.push(value);
            rest = &rest[3..];
            continue;
        }
        if in_host && byte.is_ascii() && must_escape(byte, place) {
            return Err(Reason::HostCharacter(byte));
        }
        out.push(byte);
        rest = after;
    }
    Ok(out)
}

fn escape(text: &[u8], place: Place) -> Vec<u8> {
    const HEXADECIMAL: &[u8; 16] = b"0123456789ABCDEF";
    let mut out = Vec::with_capacity(text.len());
    for &byte in text {
        if must_escape(byte, place) {
            let digit = |value: u8| HEXADECIMAL[usize::from(value)];
            out.extend([b'%', digit(byte >> 4), digit(byte & 15)]);
        } else {
            out.push(byte);
        }
    }
    out
}

fn must_escape(byte: u8, place: Place) -> bool {
    if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
        return false;
    }
    let allowed: &[u8] = match place {
        Place::Host | Place::Zone => b"!$&'()*+,;=:[]<>\"",
        Place::Path => b"$&+,/:;=@",
        Place::User => b"$&+,;=",
        Place::Fragment => b"$&+,/:;=?@!()*",
    };
    !allowed.contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(text: &str) -> String {
        match url_parse(Str::from(text)) {
            Ok(map) => map
                .snapshot()
                .into_iter()
                .map(|(key, value)| match value {
                    Value::Str(value) => format!("{key}={value}"),
                    _ => String::new(),
                })
                .collect::<Vec<_>>()
                .join(" "),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn taking_apart() {
        assert_eq!(
            parts("HTTP://a%20b:p%40@h.x:80/p%20q?x=1&y#f%20g"),
            "fragment=f g host=h.x:80 hostname=h.x opaque= path=/p q query=x=1&y scheme=http userinfo=a%20b:p%40"
        );
        assert_eq!(
            parts("mailto:a@b"),
            "fragment= host= hostname= opaque=a@b path= query= scheme=mailto userinfo="
        );
        assert_eq!(
            parts("http://[fe80::1%25en0]:8/"),
            "fragment= host=[fe80::1%en0]:8 hostname=fe80::1%en0 opaque= path=/ query= scheme=http userinfo="
        );
    }

    #[test]
    fn errors() {
        for (text, expected) in [
            (
                "://bad",
                r#"unable to parse url: parse "://bad": missing protocol scheme"#,
            ),
            (
                "http://a b/",
                r#"unable to parse url: parse "http://a b/": invalid character " " in host name"#,
            ),
            (
                "http://h:x/",
                r#"unable to parse url: parse "http://h:x/": invalid port ":x" after host"#,
            ),
            (
                "/%zz",
                r#"unable to parse url: parse "/%zz": invalid URL escape "%zz""#,
            ),
            (
                "a\n",
                r#"unable to parse url: parse "a\n": net/url: invalid control character in URL"#,
            ),
            (
                "a:b/c",
                "fragment= host= hostname= opaque=b/c path= query= scheme=a userinfo=",
            ),
            (
                "1a:b",
                r#"unable to parse url: parse "1a:b": first path segment in URL cannot contain colon"#,
            ),
            (
                "http://[::1",
                r#"unable to parse url: parse "http://[::1": missing ']' in host"#,
            ),
        ] {
            assert_eq!(parts(text), expected, "{text}");
        }
    }

    #[test]
    fn putting_together() {
        let join = |parts: &[(&str, &str)]| {
            let map: Map = parts
                .iter()
                .map(|&(key, value)| (key, Value::str(value)))
                .collect();
            String::from_utf8(url_join(map).expect("valid")).expect("ASCII")
        };
        assert_eq!(
            join(&[
                ("scheme", "http"),
                ("host", "h"),
                ("path", "a b"),
                ("userinfo", "u:p")
            ]),
            "http://u:p@h/a%20b"
        );
        assert_eq!(join(&[("path", "a:b/c")]), "./a:b/c");
        assert_eq!(
            join(&[("scheme", "mailto"), ("opaque", "a@b"), ("query", "s=1")]),
            "mailto:a@b?s=1"
        );
    }
}
