//! Git's packet lines (gitprotocol-common): four hex digits of length, then data.

use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt};

/// The largest packet that the protocol allows.
const MAX_PACKET: usize = 65520;
/// Data in one packet at most.
pub(crate) const MAX_DATA: usize = MAX_PACKET - 4;

/// One packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Packet {
    Data(Bytes),
    /// `0000`
    Flush,
    /// `0001`
    Delimiter,
    /// `0002`
    ResponseEnd,
}

impl Packet {
    /// The text of a line without its line end; `None` for the special packets.
    pub(crate) fn line(&self) -> Option<&str> {
        match self {
            Self::Data(data) => std::str::from_utf8(data)
                .ok()
                .map(|text| text.trim_end_matches('\n')),
            _ => None,
        }
    }
}

/// Appends a line; a line end is added.
pub(crate) fn line(buffer: &mut Vec<u8>, text: &str) {
    data(buffer, format!("{text}\n").as_bytes());
}

/// Appends a packet with `content`, which must fit.
pub(crate) fn data(buffer: &mut Vec<u8>, content: &[u8]) {
    debug_assert!(content.len() <= MAX_DATA, "a packet line is too long");
    buffer.extend_from_slice(format!("{:04x}", content.len() + 4).as_bytes());
    buffer.extend_from_slice(content);
}

/// Appends a flush packet.
pub(crate) fn flush(buffer: &mut Vec<u8>) {
    buffer.extend_from_slice(b"0000");
}

/// Appends a delimiter packet.
pub(crate) fn delimiter(buffer: &mut Vec<u8>) {
    buffer.extend_from_slice(b"0001");
}

/// Why an exchange failed, before it is told with the URL.
#[derive(Debug)]
pub(crate) enum WireError {
    /// The other side closed the connection too early.
    Cut,
    /// Nothing came for this long.
    Idle(Duration),
    /// The server refuses, in its own words.
    Refused(String),
    /// Not Git's protocol.
    Malformed(String),
    /// More bytes than allowed.
    TooLarge { limit: &'static str, allowed: u64 },
    /// The transport failed.
    Transport(String),
}

/// Where the bytes of an answer come from.
pub(crate) enum Body {
    Http(Box<reqwest::Response>),
    Stream(Box<dyn AsyncRead + Send + Sync + Unpin>),
}

impl Body {
    async fn chunk(&mut self) -> Result<Option<Bytes>, WireError> {
        match self {
            Self::Http(response) => response
                .chunk()
                .await
                .map_err(|error| WireError::Transport(super::http::describe(&error))),
            Self::Stream(stream) => {
                let mut buffer = BytesMut::with_capacity(64 << 10);
                match stream.read_buf(&mut buffer).await {
                    Ok(0) => Ok(None),
                    Ok(_) => Ok(Some(buffer.freeze())),
                    Err(error) => Err(WireError::Transport(error.to_string())),
                }
            }
        }
    }
}

/// Reads packets.
pub(crate) struct PacketReader {
    body: Body,
    buffer: BytesMut,
    idle: Duration,
    received: u64,
    limit: u64,
    limit_name: &'static str,
}

impl PacketReader {
    /// Reads `body`; waits `idle` at most for each piece and takes `limit` bytes at most.
    pub(crate) fn new(body: Body, idle: Duration, limit_name: &'static str, limit: u64) -> Self {
        Self {
            body,
            buffer: BytesMut::new(),
            idle,
            received: 0,
            limit,
            limit_name,
        }
    }

    /// Sets another bound for what is still to come.
    pub(crate) fn set_limit(&mut self, name: &'static str, limit: u64) {
        self.limit_name = name;
        self.limit = limit;
        self.received = 0;
    }

    /// The next packet; an end of the stream is [`WireError::Cut`].
    pub(crate) async fn next(&mut self) -> Result<Packet, WireError> {
        self.try_next().await?.ok_or(WireError::Cut)
    }

    /// The next packet, or `None` at a clean end of the stream.
    pub(crate) async fn try_next(&mut self) -> Result<Option<Packet>, WireError> {
        if !self.fill(4).await? {
            return if self.buffer.is_empty() {
                Ok(None)
            } else {
                Err(WireError::Cut)
            };
        }
        let length = std::str::from_utf8(&self.buffer[..4])
            .ok()
            .filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
            .and_then(|digits| usize::from_str_radix(digits, 16).ok())
            .ok_or_else(|| {
                let seen = String::from_utf8_lossy(&self.buffer[..self.buffer.len().min(32)])
                    .escape_debug()
                    .to_string();
                WireError::Malformed(format!("a packet begins with `{seen}`"))
            })?;
        let packet = match length {
            0 => Packet::Flush,
            1 => Packet::Delimiter,
            2 => Packet::ResponseEnd,
            3 => return Err(WireError::Malformed("a packet of length 3".to_owned())),
            length if length > MAX_PACKET => {
                return Err(WireError::Malformed(format!("a packet of length {length}")));
            }
            length => {
                if !self.fill(length).await? {
                    return Err(WireError::Cut);
                }
                self.buffer.advance(4);
                return Ok(Some(Packet::Data(
                    self.buffer.split_to(length - 4).freeze(),
                )));
            }
        };
        self.buffer.advance(4);
        Ok(Some(packet))
    }

    /// Makes sure that `amount` bytes are in the buffer; `false` at the end of the stream.
    async fn fill(&mut self, amount: usize) -> Result<bool, WireError> {
        while self.buffer.len() < amount {
            let chunk = tokio::time::timeout(self.idle, self.body.chunk())
                .await
                .map_err(|_| WireError::Idle(self.idle))??;
            let Some(chunk) = chunk else {
                return Ok(false);
            };
            self.received += chunk.len() as u64;
            if self.received > self.limit {
                return Err(WireError::TooLarge {
                    limit: self.limit_name,
                    allowed: self.limit,
                });
            }
            self.buffer.extend_from_slice(&chunk);
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reader(bytes: &[u8]) -> PacketReader {
        PacketReader::new(
            Body::Stream(Box::new(std::io::Cursor::new(bytes.to_vec()))),
            Duration::from_secs(5),
            "test",
            1 << 20,
        )
    }

    #[tokio::test]
    async fn packets_come_back() {
        let mut bytes = Vec::new();
        line(&mut bytes, "hello");
        delimiter(&mut bytes);
        data(&mut bytes, b"");
        flush(&mut bytes);
        let mut reader = reader(&bytes);
        assert_eq!(reader.next().await.unwrap().line(), Some("hello"));
        assert_eq!(reader.next().await.unwrap(), Packet::Delimiter);
        assert_eq!(reader.next().await.unwrap(), Packet::Data(Bytes::new()));
        assert_eq!(reader.next().await.unwrap(), Packet::Flush);
        assert!(reader.try_next().await.unwrap().is_none());
    }

    #[tokio::test]
    async fn bad_packets_are_errors() {
        for bad in [&b"<htm"[..], b"0003", b"ffff", b"+123", b"\xff\xff\xff\xff"] {
            assert!(
                matches!(
                    reader(bad).next().await,
                    Err(WireError::Malformed(_) | WireError::Cut)
                ),
                "{bad:?}"
            );
        }
        for cut in [&b"00"[..], b"0009ab", b""] {
            assert!(matches!(reader(cut).next().await, Err(WireError::Cut)));
        }
    }
}
