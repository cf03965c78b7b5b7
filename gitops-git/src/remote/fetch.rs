//! Getting the objects of a commit.

use std::collections::BTreeSet;

use gix::ObjectId;

use super::{
    AGENT, Connection, Packet, PacketReader, Progress, WireError,
    connection::{Advertisement, malformed, parse_id, tell},
    pkt,
};
use crate::{
    error::GitError,
    options::Limits,
    store::{PackSink, Store},
};

/// How much history comes along.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Depth {
    /// The commit alone.
    One,
    /// Everything that leads to it.
    Full,
    /// All commits that lead to it, without their files, where the server can do that.
    Commits,
}

/// What is asked for, and what is there already.
pub(crate) struct FetchRequest<'a> {
    pub(crate) want: &'a [ObjectId],
    pub(crate) have: &'a [ObjectId],
    pub(crate) depth: Depth,
    pub(crate) progress: &'a Progress<'a>,
}

impl Connection<'_> {
    /// Fetches into `store`. When this returns, all objects asked for are there.
    pub(crate) async fn fetch(
        &mut self,
        request: &FetchRequest<'_>,
        store: &Store,
        limits: &Limits,
    ) -> Result<(), GitError> {
        let url = self.url;
        let mut shallow = store.shallow()?;
        let deepen = request.depth == Depth::One;
        let filter = request.depth == Depth::Commits && self.has_filter();
        let body = match &self.advertisement {
            Advertisement::Two(_) => body_2(request, &shallow, deepen, filter),
            Advertisement::Zero { .. } => self.body_0(request, &shallow, deepen, filter)?,
        };
        let version_2 = matches!(self.advertisement, Advertisement::Two(_));
        let reader = self
            .request(body, ("pack size in bytes", limits.pack_size))
            .await?;
        let changes = if version_2 {
            head_2(reader).await
        } else {
            head_0(reader, deepen).await
        }
        .map_err(|error| tell(error, url))?;
        let sink = store.receive(request.have.is_empty())?;
        receive(reader, sink, request.progress, url).await?;
        for change in changes {
            match change {
                Boundary::Shallow(id) => shallow.insert(id),
                Boundary::Unshallow(id) => shallow.remove(&id),
            };
        }
        store.set_shallow(&shallow)
    }

    /// Whether the server leaves out objects on request.
    pub(crate) fn has_filter(&self) -> bool {
        self.advertisement.has("fetch", "filter")
    }

    fn body_0(
        &self,
        request: &FetchRequest<'_>,
        shallow: &BTreeSet<ObjectId>,
        deepen: bool,
        filter: bool,
    ) -> Result<Vec<u8>, GitError> {
        if deepen && !self.advertisement.has("", "shallow") {
            return Err(GitError::Unsupported {
                url: self.url.to_owned(),
                reason: "the server cannot send a single commit (no `shallow`)".to_owned(),
            });
        }
        if !self.advertisement.has("", "side-band-64k") {
            return Err(GitError::Unsupported {
                url: self.url.to_owned(),
                reason: "the server does not know `side-band-64k`".to_owned(),
            });
        }
        let mut capabilities = String::from("side-band-64k ofs-delta no-progress");
        if !request.have.is_empty() {
            capabilities.push_str(" thin-pack");
        }
        if filter {
            capabilities.push_str(" filter");
        }
        if self.advertisement.has("", "agent") {
            capabilities.push_str(" agent=");
            capabilities.push_str(AGENT);
        }
        let mut body = Vec::new();
        for (at, want) in request.want.iter().enumerate() {
            if at == 0 {
                pkt::line(&mut body, &format!("want {want} {capabilities}"));
            } else {
                pkt::line(&mut body, &format!("want {want}"));
            }
        }
        if !request.have.is_empty() {
            for commit in shallow {
                pkt::line(&mut body, &format!("shallow {commit}"));
            }
        }
        if deepen {
            pkt::line(&mut body, "deepen 1");
        }
        if filter {
            pkt::line(&mut body, "filter tree:0");
        }
        pkt::flush(&mut body);
        for have in request.have {
            pkt::line(&mut body, &format!("have {have}"));
        }
        pkt::line(&mut body, "done");
        Ok(body)
    }
}

fn body_2(
    request: &FetchRequest<'_>,
    shallow: &BTreeSet<ObjectId>,
    deepen: bool,
    filter: bool,
) -> Vec<u8> {
    let mut body = Vec::new();
    pkt::line(&mut body, "command=fetch");
    pkt::line(&mut body, &format!("agent={AGENT}"));
    pkt::delimiter(&mut body);
    if !request.have.is_empty() {
        pkt::line(&mut body, "thin-pack");
    }
    pkt::line(&mut body, "no-progress");
    pkt::line(&mut body, "ofs-delta");
    if !request.have.is_empty() {
        for commit in shallow {
            pkt::line(&mut body, &format!("shallow {commit}"));
        }
    }
    if deepen {
        pkt::line(&mut body, "deepen 1");
    }
    if filter {
        pkt::line(&mut body, "filter tree:0");
    }
    for want in request.want {
        pkt::line(&mut body, &format!("want {want}"));
    }
    for have in request.have {
        pkt::line(&mut body, &format!("have {have}"));
    }
    pkt::line(&mut body, "done");
    pkt::flush(&mut body);
    body
}

/// How the edge of the known history moves.
enum Boundary {
    Shallow(ObjectId),
    Unshallow(ObjectId),
}

fn boundary(line: &str) -> Result<Option<Boundary>, WireError> {
    if let Some(id) = line.strip_prefix("shallow ") {
        return parse_id(id).map(|id| Some(Boundary::Shallow(id)));
    }
    if let Some(id) = line.strip_prefix("unshallow ") {
        return parse_id(id).map(|id| Some(Boundary::Unshallow(id)));
    }
    Ok(None)
}

fn error_line(line: &str) -> Result<(), WireError> {
    match line.strip_prefix("ERR ") {
        Some(message) => Err(WireError::Refused(message.to_owned())),
        None => Ok(()),
    }
}

/// Reads a version 2 answer up to its pack.
async fn head_2(reader: &mut PacketReader) -> Result<Vec<Boundary>, WireError> {
    let mut changes = Vec::new();
    let mut section = String::new();
    loop {
        let packet = reader.next().await?;
        let Some(line) = packet.line() else {
            match packet {
                Packet::Delimiter => {
                    section.clear();
                    continue;
                }
                _ => return Err(malformed("the answer has no pack")),
            }
        };
        error_line(line)?;
        match section.as_str() {
            "" => {
                if line == "packfile" {
                    return Ok(changes);
                }
                section = line.to_owned();
            }
            "shallow-info" => changes.extend(boundary(line)?),
            // Nothing there concerns a client that says `done` at once.
            _ => {}
        }
    }
}

/// Reads a version 0 answer up to its pack, whose first packet is the next.
async fn head_0(reader: &mut PacketReader, deepen: bool) -> Result<Vec<Boundary>, WireError> {
    let mut changes = Vec::new();
    if deepen {
        loop {
            let packet = reader.next().await?;
            if packet == Packet::Flush {
                break;
            }
            let line = packet
                .line()
                .ok_or_else(|| malformed("the list of shallow commits cannot be read"))?;
            error_line(line)?;
            changes.extend(boundary(line)?);
        }
    }
    // Without `multi_ack` exactly one line answers `done`.
    let packet = reader.next().await?;
    let line = packet
        .line()
        .ok_or_else(|| malformed("the answer has no acknowledgement"))?;
    error_line(line)?;
    if line != "NAK" && !line.starts_with("ACK ") {
        return Err(malformed(format!("`{line}` is no acknowledgement")));
    }
    Ok(changes)
}

/// Passes a pack on from the side band to the store.
async fn receive(
    reader: &mut PacketReader,
    sink: PackSink,
    progress: &Progress<'_>,
    url: &str,
) -> Result<(), GitError> {
    loop {
        let packet = match reader.try_next().await.map_err(|error| tell(error, url))? {
            // The end of an answer over a stream of version 0.
            None | Some(Packet::Flush | Packet::ResponseEnd) => break,
            Some(Packet::Data(data)) => data,
            Some(Packet::Delimiter) => {
                return Err(tell(malformed("a delimiter inside the pack"), url));
            }
        };
        match packet.first() {
            Some(1) => {
                progress.received(&packet[1..]);
                if sink.send(packet.slice(1..)).await.is_err() {
                    break;
                }
            }
            Some(2) => {}
            Some(3) => {
                let message = String::from_utf8_lossy(&packet[1..]).trim().to_owned();
                return Err(GitError::Unavailable {
                    url: url.to_owned(),
                    reason: format!("it broke off: {message}"),
                    retry_after: None,
                });
            }
            // Servers send an acknowledgement before the pack more than once when they had to look twice.
            Some(b'A' | b'N') => {}
            _ => return Err(tell(malformed("an unknown side band"), url)),
        }
    }
    sink.finish(url).await
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn answers_of_all_kinds_end(
            lines in proptest::collection::vec("(shallow [0-9a-f]{40}|packfile|shallow-info|NAK|ACK x|ERR y|\\PC{0,9})", 0..9),
            flush in any::<bool>(),
            deepen in any::<bool>(),
        ) {
            let mut bytes = Vec::new();
            for line in lines {
                pkt::line(&mut bytes, &line);
            }
            if flush {
                pkt::flush(&mut bytes);
            }
            let reader = || {
                let body = pkt::Body::Stream(Box::new(std::io::Cursor::new(bytes.clone())));
                PacketReader::new(body, Duration::from_secs(5), "test", 1 << 20)
            };
            tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap()
                .block_on(async {
                    let _ = head_2(&mut reader()).await;
                    let _ = head_0(&mut reader(), deepen).await;
                });
        }
    }
}
