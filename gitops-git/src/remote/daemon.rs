//! `git://`: plain TCP, anonymous.

use tokio::{io::AsyncWriteExt, net::TcpStream};

use super::{Service, pkt};
use crate::{error::GitError, options::Timeouts};

const PORT: u16 = 9418;

/// Connects to a Git daemon and asks for a service.
pub(crate) async fn dial(
    host: &str,
    port: Option<u16>,
    path: &str,
    service: Service,
    url: &str,
    timeouts: &Timeouts,
) -> Result<TcpStream, GitError> {
    let unavailable = |error: std::io::Error| GitError::Unavailable {
        url: url.to_owned(),
        reason: error.to_string(),
        retry_after: None,
    };
    let address = host.trim_start_matches('[').trim_end_matches(']');
    let mut stream = tokio::time::timeout(
        timeouts.connect,
        TcpStream::connect((address, port.unwrap_or(PORT))),
    )
    .await
    .map_err(|_| GitError::Timeout {
        url: url.to_owned(),
        after: timeouts.connect,
    })?
    .map_err(unavailable)?;
    let host = match port {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    };
    let version = match service {
        Service::Upload => "\0version=2\0",
        Service::Receive => "",
    };
    let mut request = Vec::new();
    pkt::data(
        &mut request,
        format!("{} {path}\0host={host}\0{version}", service.name()).as_bytes(),
    );
    stream.write_all(&request).await.map_err(unavailable)?;
    Ok(stream)
}
