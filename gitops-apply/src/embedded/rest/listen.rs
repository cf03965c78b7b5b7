//! The REST API on a loopback address.

use std::{convert::Infallible, io, net::SocketAddr};

use futures::{FutureExt as _, StreamExt as _, future, stream::FuturesUnordered};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tower::Service as _;

use crate::embedded::EmbeddedCluster;

/// A listener that serves an embedded cluster over plain HTTP/1.1.
///
/// ```no_run
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// use gitops_apply::embedded::{EmbeddedCluster, rest::RestServer};
/// let cluster = EmbeddedCluster::builder().build()?;
/// let server = RestServer::bind(&cluster, "127.0.0.1:0".parse()?).await?;
/// let url = server.url(); // kubectl --server=URL get pods
/// server.run().await;
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct RestServer {
    listener: TcpListener,
    address: SocketAddr,
    cluster: EmbeddedCluster,
}

impl RestServer {
    /// Listens on an address, which must be a loopback one: the API knows no credentials.
    pub async fn bind(cluster: &EmbeddedCluster, address: SocketAddr) -> io::Result<Self> {
        if !address.ip().is_loopback() {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                format!(
                    "{address} is not a loopback address; the embedded cluster has no authentication"
                ),
            ));
        }
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        Ok(Self {
            listener,
            address,
            cluster: cluster.clone(),
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The URL for clients.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Serves until it is dropped. All connections run in this future; nothing is spawned.
    pub async fn run(self) {
        let mut connections = FuturesUnordered::new();
        loop {
            let next = if connections.is_empty() {
                future::pending().left_future()
            } else {
                connections.next().right_future()
            };
            tokio::select! {
                accepted = self.listener.accept() => {
                    let Ok((stream, _)) = accepted else { continue };
                    let service = self.cluster.rest().with_timers();
                    let connection = hyper::server::conn::http1::Builder::new().serve_connection(
                        TokioIo::new(stream),
                        service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
                            let mut service = service.clone();
                            async move { service.call(request).await as Result<_, Infallible> }
                        }),
                    );
                    connections.push(connection);
                }
                finished = next => {
                    if let Some(Err(error)) = finished {
                        tracing::debug!(%error, "a connection to the embedded cluster ended");
                    }
                }
            }
        }
    }
}
