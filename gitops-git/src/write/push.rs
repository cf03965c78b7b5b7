//! Commits in a remote repository: Git's send-pack.

use gitops_core::error::BoxError;
use gix::ObjectId;

use super::{
    Attempt, CommitOptions, Committed, Proposal, build, local::revision, pack, proposal_failed,
};
use crate::{
    error::GitError,
    remote::{
        AGENT, Connection, Packet, PacketReader, Reference, RemoteRepository, Service, pkt, tell,
    },
    source::GitSource,
    tree::GitTree,
};

/// Bytes of a server's report, at most.
const REPORT: u64 = 1 << 20;
/// How long to wait for a reference that somebody else is moving.
const BUSY: std::time::Duration = std::time::Duration::from_millis(200);
/// Bytes of what hooks say, at most.
const WORDS: usize = 2000;

impl GitSource {
    pub(crate) async fn commit_remote(
        &self,
        repository: &RemoteRepository,
        reference: &str,
        options: &CommitOptions,
        propose: &impl Fn(&GitTree) -> Result<Proposal, BoxError>,
    ) -> Result<Attempt, GitError> {
        let bound = repository.timeouts().fetch;
        let work = async {
            let mut connection = repository.connect_to(Service::Receive).await?;
            // A service that receives always lists its references.
            let references = connection.references(&[]).await?;
            let tip = references.named(reference).map(|known| known.object);
            let base = match (tip, &options.from) {
                (Some(tip), _) => Some(tip),
                (None, Some(from)) => {
                    let name = format!("refs/heads/{from}");
                    Some(
                        references
                            .named(&name)
                            .map(Reference::target)
                            .ok_or_else(|| self.unknown(&name))?,
                    )
                }
                (None, None) if references.is_empty() => None,
                (None, None) => return Err(self.unknown(reference)),
            };
            let tree = self.tree_or_empty(base).await?;
            let proposal = propose(&tree).map_err(proposal_failed)?;
            let Some(commit) = build(&tree, base, &proposal, options)? else {
                connection.close().await;
                return Ok(Attempt::Done(Committed::Unchanged(revision(
                    &tree.commit(),
                    reference,
                ))));
            };
            let pack = pack::pack(&commit.objects);
            match connection.push(reference, tip, commit.id, &pack).await? {
                Report::Accepted => {
                    connection.close().await;
                    repository.invalidate().await;
                    repository.keep(commit.id, pack).await?;
                    let new = revision(&commit.id.to_string(), reference);
                    Ok(Attempt::Done(Committed::Pushed(new)))
                }
                Report::Rejected(reason) => {
                    // The server's words differ by make; where the branch is now does not.
                    repository.invalidate().await;
                    let now = repository.references(None).await?;
                    if now.named(reference).map(|known| known.object) != tip {
                        return Ok(Attempt::Moved);
                    }
                    // Somebody else is just moving it.
                    if is_locked(&reason) {
                        tokio::time::sleep(BUSY).await;
                        return Ok(Attempt::Moved);
                    }
                    Err(GitError::PushRejected {
                        url: self.url().to_string(),
                        reference: reference.to_owned(),
                        reason,
                    })
                }
            }
        };
        match tokio::time::timeout(bound, work).await {
            Ok(result) => result,
            Err(_) => Err(GitError::Timeout {
                url: self.url().to_string(),
                after: bound,
            }),
        }
    }
}

/// Whether a server refuses a push because another one of the same reference is under way.
fn is_locked(reason: &str) -> bool {
    let lower = reason.to_ascii_lowercase();
    [
        "lock ref",
        "failed to lock",
        "failed to update ref",
        ".lock'",
    ]
    .iter()
    .any(|words| lower.contains(words))
}

/// What the server made of a push.
enum Report {
    Accepted,
    Rejected(String),
}

impl Connection<'_> {
    /// Asks to move a reference from `old` (or from nowhere) to `new`.
    async fn push(
        &mut self,
        reference: &str,
        old: Option<ObjectId>,
        new: ObjectId,
        pack: &[u8],
    ) -> Result<Report, GitError> {
        let url = self.url;
        for needed in ["report-status", "side-band-64k"] {
            if !self.advertisement.has("", needed) {
                return Err(GitError::Unsupported {
                    url: url.to_owned(),
                    reason: format!("the server does not know `{needed}`"),
                });
            }
        }
        let old = old.unwrap_or_else(|| ObjectId::null(gix::hash::Kind::Sha1));
        let mut capabilities = String::from("report-status side-band-64k");
        if self.advertisement.has("", "agent") || self.advertisement_names("agent=") {
            capabilities.push_str(&format!(" agent={AGENT}"));
        }
        let mut body = Vec::with_capacity(pack.len() + 256);
        pkt::data(
            &mut body,
            format!("{old} {new} {reference}\0 {capabilities}").as_bytes(),
        );
        pkt::flush(&mut body);
        body.extend_from_slice(pack);
        let idle = self.idle();
        let reader = self.request(body, ("push report in bytes", REPORT)).await?;
        let (report, words) = demultiplex(reader)
            .await
            .map_err(|error| tell(error, url))?;
        let mut lines = PacketReader::new(
            pkt::Body::Stream(Box::new(std::io::Cursor::new(report))),
            idle,
            "push report in bytes",
            REPORT,
        );
        read_report(&mut lines, reference, &words)
            .await
            .map_err(|error| tell(error, url))
    }
}

/// Splits the side bands: the report, and what hooks said.
async fn demultiplex(reader: &mut PacketReader) -> Result<(Vec<u8>, String), pkt::WireError> {
    let mut report = Vec::new();
    let mut words = String::new();
    loop {
        match reader.try_next().await? {
            None | Some(Packet::Flush | Packet::ResponseEnd) => return Ok((report, words)),
            Some(Packet::Delimiter) => {}
            Some(Packet::Data(data)) => match data.first() {
                Some(1) => report.extend_from_slice(&data[1..]),
                Some(2) if words.len() < WORDS => {
                    words.push_str(&String::from_utf8_lossy(&data[1..]));
                }
                Some(2) => {}
                Some(3) => {
                    let message = String::from_utf8_lossy(&data[1..]).trim().to_owned();
                    return Err(pkt::WireError::Refused(message));
                }
                _ => {
                    let line = String::from_utf8_lossy(&data);
                    if let Some(message) = line.strip_prefix("ERR ") {
                        return Err(pkt::WireError::Refused(message.trim().to_owned()));
                    }
                    return Err(pkt::WireError::Malformed("an unknown side band".to_owned()));
                }
            },
        }
    }
}

async fn read_report(
    lines: &mut PacketReader,
    reference: &str,
    words: &str,
) -> Result<Report, pkt::WireError> {
    let mut unpacked = None;
    let mut verdict = None;
    while let Some(packet) = lines.try_next().await? {
        let Some(line) = packet.line() else { break };
        if let Some(result) = line.strip_prefix("unpack ") {
            unpacked = Some(result.to_owned());
        } else if let Some(name) = line.strip_prefix("ok ") {
            if name == reference {
                verdict = Some(Report::Accepted);
            }
        } else if let Some(rest) = line.strip_prefix("ng ")
            && let Some((name, reason)) = rest.split_once(' ')
            && name == reference
        {
            let hooks: Vec<&str> = words
                .lines()
                .map(str::trim)
                .filter(|line| !line.is_empty())
                .collect();
            verdict = Some(Report::Rejected(if hooks.is_empty() {
                reason.to_owned()
            } else {
                format!("{reason}: {}", hooks.join("; "))
            }));
        }
    }
    match (unpacked.as_deref(), verdict) {
        (Some("ok"), Some(verdict)) => Ok(verdict),
        (Some("ok") | None, _) => Err(pkt::WireError::Malformed(
            "the report does not say what became of the push".to_owned(),
        )),
        (Some(reason), _) => Ok(Report::Rejected(format!("it cannot unpack: {reason}"))),
    }
}
