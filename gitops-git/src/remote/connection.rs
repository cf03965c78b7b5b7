//! A conversation with one service of one repository.

use std::{sync::Arc, time::Duration};

use gitops_core::{clock::Clock, events::EventSink};
use gix::ObjectId;
use tokio::io::{AsyncWrite, AsyncWriteExt};
use url::Url;

use super::{
    AGENT, Packet, PacketReader, Reference, References, Service, WireError, daemon,
    http::{Clients, Endpoint},
    pkt::{self, Body},
    ssh::{SshProcess, SshProgram, SshTarget},
};
use crate::{
    credentials::{Access, Authorization, Credentials},
    error::GitError,
    options::{Limits, Timeouts},
    url::{Address, GitUrl},
};

/// Bytes of an advertisement or listing per allowed reference.
const REFERENCE_SIZE: u64 = 512;

/// What is needed to make connections.
pub(crate) struct Dialer {
    pub(crate) clients: Clients,
    pub(crate) credentials: Arc<dyn Credentials>,
    pub(crate) timeouts: Timeouts,
    pub(crate) limits: Limits,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) ssh: Option<SshProgram>,
    pub(crate) events: Arc<dyn EventSink>,
}

/// What a server told about itself.
#[derive(Debug, Clone)]
pub(crate) enum Advertisement {
    /// Version 2: capabilities.
    Two(Vec<String>),
    /// Version 0 or 1: capabilities and all references.
    Zero {
        capabilities: Vec<String>,
        references: References,
    },
}

impl Advertisement {
    /// Whether a command (version 2) or the connection (version 0) has this feature.
    pub(crate) fn has(&self, command: &str, feature: &str) -> bool {
        match self {
            Self::Two(capabilities) => capabilities.iter().any(|line| {
                line.strip_prefix(command)
                    .and_then(|rest| rest.strip_prefix('='))
                    .is_some_and(|features| features.split(' ').any(|one| one == feature))
            }),
            Self::Zero { capabilities, .. } => capabilities.iter().any(|one| one == feature),
        }
    }

    fn object_format(&self) -> Option<&str> {
        let (Self::Two(capabilities) | Self::Zero { capabilities, .. }) = self;
        capabilities
            .iter()
            .find_map(|line| line.strip_prefix("object-format="))
    }
}

/// What a server said at the start of a conversation over HTTP, which need not be asked again for the next.
#[derive(Debug, Clone)]
pub(crate) struct Greeting {
    /// Where redirects led.
    base: Url,
    capabilities: Vec<String>,
}

/// A conversation.
pub(crate) struct Connection<'a> {
    channel: Channel<'a>,
    service: Service,
    pub(crate) advertisement: Advertisement,
    pub(crate) url: &'a str,
    limits: &'a Limits,
    idle: Duration,
}

enum Channel<'a> {
    Http(Endpoint<'a>, Option<PacketReader>),
    Stream {
        writer: Box<dyn AsyncWrite + Send + Unpin>,
        reader: PacketReader,
        /// Lives as long as the conversation.
        process: Option<SshProcess>,
    },
}

impl Dialer {
    /// Opens a conversation with a service.
    pub(crate) async fn connect<'a>(
        &'a self,
        url: &'a GitUrl,
        lenders: &[GitUrl],
        shown: &'a str,
        service: Service,
    ) -> Result<Connection<'a>, GitError> {
        let access = self.access(url, lenders).await?;
        let idle = self.timeouts.idle;
        let listing = self.limits.references as u64 * REFERENCE_SIZE;
        let (mut channel, mut first) = match url.address() {
            Address::Local(path) => {
                return Err(GitError::InvalidUrl {
                    url: shown.to_owned(),
                    reason: format!("{} is a local path", path.display()),
                });
            }
            Address::Http(base) => {
                let mut endpoint = self.endpoint(url, base, shown, &access)?;
                let body = endpoint.discover(service).await?;
                let reader = PacketReader::new(body, idle, "references", listing);
                (Channel::Http(endpoint, None), Some(reader))
            }
            Address::Daemon { host, port, path } => {
                let stream =
                    daemon::dial(host, *port, path, service, shown, &self.timeouts).await?;
                let (reader, writer) = tokio::io::split(stream);
                let reader =
                    PacketReader::new(Body::Stream(Box::new(reader)), idle, "references", listing);
                (
                    Channel::Stream {
                        writer: Box::new(writer),
                        reader,
                        process: None,
                    },
                    None,
                )
            }
            Address::Ssh {
                user,
                host,
                port,
                path,
            } => {
                let Some(program) = &self.ssh else {
                    return Err(GitError::Unsupported {
                        url: shown.to_owned(),
                        reason: "ssh is not switched on here; name the ssh program".to_owned(),
                    });
                };
                let target = SshTarget {
                    user: user.as_deref(),
                    host,
                    port: *port,
                    path,
                };
                let (process, writer, reader) =
                    program.dial(&target, service, access.ssh.as_ref(), &self.timeouts, shown)?;
                let reader =
                    PacketReader::new(Body::Stream(Box::new(reader)), idle, "references", listing);
                (
                    Channel::Stream {
                        writer: Box::new(writer),
                        reader,
                        process: Some(process),
                    },
                    None,
                )
            }
        };
        let reader = match (&mut channel, &mut first) {
            (Channel::Stream { reader, .. }, _) => reader,
            (Channel::Http(..), Some(reader)) => reader,
            (Channel::Http(..), None) => unreachable!("an HTTP conversation begins with a listing"),
        };
        let over_http = first_is_http(url);
        let advertisement = match read_advertisement(reader, service, over_http, &self.limits).await
        {
            Ok(advertisement) => advertisement,
            Err(error) => {
                // Where ssh itself failed, it said why elsewhere.
                if let (
                    WireError::Cut,
                    Channel::Stream {
                        process: Some(process),
                        ..
                    },
                ) = (&error, &mut channel)
                {
                    return Err(process.explain(shown).await);
                }
                return Err(tell(error, shown));
            }
        };
        if let Some(format) = advertisement.object_format()
            && format != "sha1"
        {
            return Err(GitError::Unsupported {
                url: shown.to_owned(),
                reason: format!("it names objects by {format}; only SHA-1 repositories are read"),
            });
        }
        Ok(Connection {
            channel,
            service,
            advertisement,
            url: shown,
            limits: &self.limits,
            idle,
        })
    }
}

impl Dialer {
    /// Opens a conversation with a server that was greeted a moment ago.
    pub(crate) async fn resume<'a>(
        &'a self,
        url: &'a GitUrl,
        lenders: &[GitUrl],
        shown: &'a str,
        greeting: Greeting,
    ) -> Result<Connection<'a>, GitError> {
        let Address::Http(origin) = url.address() else {
            return self.connect(url, lenders, shown, Service::Upload).await;
        };
        let access = self.access(url, lenders).await?;
        let endpoint = Endpoint {
            base: greeting.base,
            ..self.endpoint(url, origin, shown, &access)?
        };
        Ok(Connection {
            channel: Channel::Http(endpoint, None),
            service: Service::Upload,
            advertisement: Advertisement::Two(greeting.capabilities),
            url: shown,
            limits: &self.limits,
            idle: self.timeouts.idle,
        })
    }

    fn endpoint<'a>(
        &'a self,
        url: &GitUrl,
        base: &Url,
        shown: &'a str,
        access: &Access,
    ) -> Result<Endpoint<'a>, GitError> {
        Ok(Endpoint {
            client: self.clients.get(access, &self.timeouts)?,
            base: base.clone(),
            origin: base.clone(),
            authorization: authorization(url, access),
            url: shown,
            idle: self.timeouts.idle,
            clock: &*self.clock,
        })
    }

    /// How `url` is reached: with its own credentials, or, where it has none, with those of the nearest of `lenders`,
    /// repositories on the same host, that has some.
    async fn access(&self, url: &GitUrl, lenders: &[GitUrl]) -> Result<Access, GitError> {
        let access = self.credentials.access(url).await?;
        if !access.is_anonymous() || url.userinfo().is_some() {
            return Ok(access);
        }
        for lender in lenders.iter().rev() {
            let mut lent = self.credentials.access(lender).await?;
            lent.authorization = authorization(lender, &lent);
            if !lent.is_anonymous() {
                return Ok(lent);
            }
        }
        Ok(access)
    }
}

fn first_is_http(url: &GitUrl) -> bool {
    matches!(url.address(), Address::Http(_))
}

fn authorization(url: &GitUrl, access: &Access) -> Option<Authorization> {
    access.authorization.clone().or_else(|| {
        url.userinfo().map(|(user, password)| Authorization::Basic {
            user: user.to_owned(),
            password: crate::credentials::Secret::new(password.unwrap_or_default()),
        })
    })
}

impl Connection<'_> {
    /// Sends a request and returns the reader of its answer.
    pub(crate) async fn request(
        &mut self,
        body: Vec<u8>,
        limit: (&'static str, u64),
    ) -> Result<&mut PacketReader, GitError> {
        let version_2 = matches!(self.advertisement, Advertisement::Two(_));
        match &mut self.channel {
            Channel::Http(endpoint, reader) => {
                let body = endpoint.request(self.service, version_2, body).await?;
                Ok(reader.insert(PacketReader::new(body, self.idle, limit.0, limit.1)))
            }
            Channel::Stream { writer, reader, .. } => {
                let sent = tokio::time::timeout(self.idle, async {
                    writer.write_all(&body).await?;
                    writer.flush().await
                })
                .await;
                let unavailable = |reason: String| GitError::Unavailable {
                    url: self.url.to_owned(),
                    reason,
                    retry_after: None,
                };
                match sent {
                    Ok(Ok(())) => {}
                    Ok(Err(error)) => return Err(unavailable(error.to_string())),
                    Err(_) => {
                        return Err(GitError::Timeout {
                            url: self.url.to_owned(),
                            after: self.idle,
                        });
                    }
                }
                reader.set_limit(limit.0, limit.1);
                Ok(reader)
            }
        }
    }

    /// The references; with version 2 only those that begin with one of `prefixes`.
    pub(crate) async fn references(&mut self, prefixes: &[String]) -> Result<References, GitError> {
        if let Advertisement::Zero { references, .. } = &self.advertisement {
            return Ok(references.clone());
        }
        let mut body = Vec::new();
        pkt::line(&mut body, "command=ls-refs");
        pkt::line(&mut body, &format!("agent={AGENT}"));
        pkt::delimiter(&mut body);
        pkt::line(&mut body, "peel");
        pkt::line(&mut body, "symrefs");
        for prefix in prefixes {
            pkt::line(&mut body, &format!("ref-prefix {prefix}"));
        }
        pkt::flush(&mut body);
        let url = self.url;
        let limits = self.limits;
        let reader = self
            .request(
                body,
                ("references", limits.references as u64 * REFERENCE_SIZE),
            )
            .await?;
        read_references(reader, limits)
            .await
            .map_err(|error| tell(error, url))
    }

    /// What the next conversation with this server need not ask again.
    pub(crate) fn greeting(&self) -> Option<Greeting> {
        match (&self.channel, &self.advertisement) {
            (Channel::Http(endpoint, _), Advertisement::Two(capabilities)) => Some(Greeting {
                base: endpoint.base.clone(),
                capabilities: capabilities.clone(),
            }),
            _ => None,
        }
    }

    /// The time between two pieces of an answer.
    pub(crate) fn idle(&self) -> Duration {
        self.idle
    }

    /// Whether a capability with this beginning is offered.
    pub(crate) fn advertisement_names(&self, prefix: &str) -> bool {
        let (Advertisement::Two(capabilities) | Advertisement::Zero { capabilities, .. }) =
            &self.advertisement;
        capabilities.iter().any(|one| one.starts_with(prefix))
    }

    /// Ends a conversation over a stream politely.
    pub(crate) async fn close(mut self) {
        if let Channel::Stream { writer, .. } = &mut self.channel {
            let _ = tokio::time::timeout(Duration::from_secs(1), async {
                writer.write_all(b"0000").await?;
                writer.shutdown().await
            })
            .await;
        }
    }
}

async fn read_advertisement(
    reader: &mut PacketReader,
    service: Service,
    over_http: bool,
    limits: &Limits,
) -> Result<Advertisement, WireError> {
    let mut packet = reader.next().await?;
    if over_http
        && let Some(line) = packet.line()
        && let Some(found) = line.strip_prefix("# service=")
    {
        if found != service.name() {
            return Err(malformed(format!("it offers the service `{found}`")));
        }
        if reader.next().await? != Packet::Flush {
            return Err(malformed("the announcement of the service does not end"));
        }
        packet = reader.next().await?;
    }
    if packet.line() == Some("version 1") {
        packet = reader.next().await?;
    }
    if packet.line() == Some("version 2") {
        let mut capabilities = Vec::new();
        loop {
            match reader.next().await? {
                Packet::Flush => return Ok(Advertisement::Two(capabilities)),
                packet => match packet.line() {
                    Some(line) if capabilities.len() < 1000 => capabilities.push(line.to_owned()),
                    _ => return Err(malformed("the list of capabilities cannot be read")),
                },
            }
        }
    }
    let mut capabilities: Option<Vec<String>> = None;
    let mut list: Vec<Reference> = Vec::new();
    loop {
        let Packet::Data(data) = &packet else {
            if packet == Packet::Flush {
                break;
            }
            return Err(malformed("an unexpected packet in the list of references"));
        };
        let mut data: &[u8] = data;
        if capabilities.is_none() {
            let end = data.iter().position(|byte| *byte == 0);
            let text = end.map_or(&b""[..], |end| &data[end + 1..]);
            capabilities = Some(
                String::from_utf8_lossy(text)
                    .trim_end_matches('\n')
                    .split(' ')
                    .filter(|capability| !capability.is_empty())
                    .map(str::to_owned)
                    .collect(),
            );
            data = &data[..end.unwrap_or(data.len())];
        }
        let line = String::from_utf8_lossy(data);
        let line = line.trim_end_matches('\n');
        if let Some(message) = line.strip_prefix("ERR ") {
            return Err(WireError::Refused(message.to_owned()));
        }
        if !line.starts_with("shallow ") {
            let (id, name) = line
                .split_once(' ')
                .ok_or_else(|| malformed(format!("`{line}` is no reference")))?;
            let object = parse_id(id)?;
            match name.strip_suffix("^{}") {
                Some("capabilities") => {}
                Some(name) => {
                    if let Some(last) = list.last_mut().filter(|last| last.name == name) {
                        last.peeled = Some(object);
                    }
                }
                None => push(
                    &mut list,
                    limits,
                    Reference {
                        name: name.to_owned(),
                        object,
                        peeled: None,
                        symbolic: None,
                    },
                )?,
            }
        }
        packet = reader.next().await?;
    }
    let capabilities = capabilities.unwrap_or_default();
    for capability in &capabilities {
        if let Some((name, target)) = capability
            .strip_prefix("symref=")
            .and_then(|pair| pair.split_once(':'))
            && let Some(reference) = list.iter_mut().find(|reference| reference.name == name)
        {
            reference.symbolic = Some(target.to_owned());
        }
    }
    Ok(Advertisement::Zero {
        capabilities,
        references: References::new(list),
    })
}

async fn read_references(
    reader: &mut PacketReader,
    limits: &Limits,
) -> Result<References, WireError> {
    let mut list = Vec::new();
    loop {
        let packet = reader.next().await?;
        let Packet::Data(data) = &packet else {
            if packet == Packet::Flush {
                return Ok(References::new(list));
            }
            return Err(malformed("an unexpected packet in the list of references"));
        };
        let line = String::from_utf8_lossy(data);
        let line = line.trim_end_matches('\n');
        if let Some(message) = line.strip_prefix("ERR ") {
            return Err(WireError::Refused(message.to_owned()));
        }
        let mut parts = line.split(' ');
        let id = parts.next().unwrap_or_default();
        let name = parts
            .next()
            .ok_or_else(|| malformed(format!("`{line}` is no reference")))?;
        // A branch without commits.
        if id == "unborn" {
            continue;
        }
        let mut reference = Reference {
            name: name.to_owned(),
            object: parse_id(id)?,
            peeled: None,
            symbolic: None,
        };
        for attribute in parts {
            if let Some(target) = attribute.strip_prefix("symref-target:") {
                reference.symbolic = Some(target.to_owned());
            } else if let Some(id) = attribute.strip_prefix("peeled:") {
                reference.peeled = Some(parse_id(id)?);
            }
        }
        push(&mut list, limits, reference)?;
    }
}

fn push(list: &mut Vec<Reference>, limits: &Limits, reference: Reference) -> Result<(), WireError> {
    if list.len() >= limits.references {
        return Err(WireError::TooLarge {
            limit: "references",
            allowed: limits.references as u64,
        });
    }
    list.push(reference);
    Ok(())
}

pub(crate) fn parse_id(text: &str) -> Result<ObjectId, WireError> {
    ObjectId::from_hex(text.as_bytes())
        .ok()
        .filter(|_| text.len() == 40)
        .ok_or_else(|| malformed(format!("`{text}` is no object id")))
}

pub(crate) fn malformed(text: impl Into<String>) -> WireError {
    WireError::Malformed(text.into())
}

/// The error as the caller sees it.
pub(crate) fn tell(error: WireError, url: &str) -> GitError {
    let url = url.to_owned();
    match error {
        WireError::Cut => GitError::Unavailable {
            url,
            reason: "it closed the connection in the middle of an answer".to_owned(),
            retry_after: None,
        },
        WireError::Idle(after) => GitError::Timeout { url, after },
        WireError::Malformed(reason) => GitError::Protocol { url, reason },
        WireError::Refused(message) => refused(url, message),
        WireError::TooLarge { limit, allowed } => GitError::LimitExceeded {
            url,
            limit,
            allowed,
        },
        WireError::Transport(reason) => GitError::Unavailable {
            url,
            reason,
            retry_after: None,
        },
    }
}

/// What servers say instead of a status code.
fn refused(url: String, message: String) -> GitError {
    let lower = message.to_ascii_lowercase();
    if [
        "not found",
        "does not exist",
        "no such repository",
        "not exported",
        "not appear to be a git repository",
    ]
    .iter()
    .any(|words| lower.contains(words))
    {
        return GitError::UnknownRepository { url };
    }
    GitError::Refused { url, message }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn reader(bytes: Vec<u8>) -> PacketReader {
        PacketReader::new(
            Body::Stream(Box::new(std::io::Cursor::new(bytes))),
            Duration::from_secs(5),
            "test",
            1 << 20,
        )
    }

    fn run<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap()
            .block_on(future)
    }

    /// Lines of the kind that servers send, and some that they do not.
    fn lines() -> impl Strategy<Value = Vec<u8>> {
        let line = prop_oneof![
            Just("version 2".to_owned()),
            Just("version 1".to_owned()),
            Just("# service=git-upload-pack".to_owned()),
            Just("ls-refs=unborn".to_owned()),
            Just("shallow-info".to_owned()),
            Just("packfile".to_owned()),
            Just("NAK".to_owned()),
            Just("unborn HEAD symref-target:refs/heads/main".to_owned()),
            "[0-9a-f]{38,41} [a-zA-Z/^{}]{0,20}( peeled:[0-9a-f]{40})?",
            "(shallow|unshallow|ACK|ERR) [0-9a-f]{0,40}",
            "\\PC{0,30}",
        ];
        let packet = prop_oneof![
            8 => line.prop_map(|text| {
                let mut out = Vec::new();
                pkt::line(&mut out, &text);
                out
            }),
            1 => Just(b"0000".to_vec()),
            1 => Just(b"0001".to_vec()),
            1 => proptest::collection::vec(any::<u8>(), 0..8),
        ];
        proptest::collection::vec(packet, 0..12).prop_map(|packets| packets.concat())
    }

    proptest! {
        #[test]
        fn whatever_a_server_says_is_read_or_refused(bytes in lines(), over_http in any::<bool>()) {
            let limits = Limits { references: 5, ..Limits::default() };
            run(async {
                let _ = read_advertisement(&mut reader(bytes.clone()), Service::Upload, over_http, &limits).await;
                if let Ok(references) = read_references(&mut reader(bytes), &limits).await {
                    assert!(references.iter().count() <= 5);
                }
            });
        }
    }

    #[test]
    fn greetings_of_both_versions() {
        let mut two = Vec::new();
        pkt::line(&mut two, "version 2");
        pkt::line(&mut two, "agent=git/2.47");
        pkt::line(&mut two, "fetch=shallow filter");
        pkt::flush(&mut two);
        let limits = Limits::default();
        let greeting = run(read_advertisement(
            &mut reader(two),
            Service::Upload,
            false,
            &limits,
        ))
        .unwrap();
        assert!(greeting.has("fetch", "filter") && !greeting.has("fetch", "ref-in-want"));
        let id = "1".repeat(40);
        let mut zero = Vec::new();
        pkt::line(
            &mut zero,
            &format!("{id} HEAD\0shallow symref=HEAD:refs/heads/main"),
        );
        pkt::line(&mut zero, &format!("{id} refs/tags/v1"));
        pkt::line(&mut zero, &format!("{} refs/tags/v1^{{}}", "2".repeat(40)));
        pkt::flush(&mut zero);
        let greeting = run(read_advertisement(
            &mut reader(zero),
            Service::Upload,
            false,
            &limits,
        ))
        .unwrap();
        let Advertisement::Zero { references, .. } = &greeting else {
            panic!("{greeting:?}");
        };
        assert!(greeting.has("", "shallow"));
        let head = references.named("HEAD").unwrap();
        assert_eq!(head.symbolic.as_deref(), Some("refs/heads/main"));
        let tag = references.named("refs/tags/v1").unwrap();
        assert_eq!(tag.target().to_string(), "2".repeat(40));
    }
}
