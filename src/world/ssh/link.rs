//! One authenticated connection: opens channels within a deadline and knows whether it is still there.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use russh::client::{Handle, Msg};
use russh::{Channel, ChannelOpenFailure, Disconnect, Error};
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::model::finding::Finding;
use crate::world::ssh::client::{Client, Ending, Learned};
use crate::world::ssh::wire::Gauge;
use crate::world::timeouts::Timeouts;

/// The word for everything that follows from a connection that is gone.
pub(crate) const CONNECTION_LOST: &str = "connection-lost";

/// An authenticated connection.
pub(crate) struct Link {
    handle: Handle<Client>,
    gauge: Arc<Gauge>,
    learned: Arc<Learned>,
    pub(crate) timeouts: Timeouts,
}

/// What a channel leads to.
#[derive(Debug, Clone)]
pub(crate) enum Target {
    Session,
    Tcp { address: String, port: u16 },
    Socket { path: String },
}

/// Why there is no channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum OpenFault {
    /// The server said no.
    Refused(ChannelOpenFailure),
    /// The server said nothing in time.
    TimedOut,
    /// The connection is gone.
    Lost,
}

impl fmt::Display for OpenFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(reason) => write!(f, "the server refused the channel: {}", reason.description().to_lowercase()),
            Self::TimedOut => f.write_str("the server did not answer the request for a channel"),
            Self::Lost => f.write_str("the connection is lost"),
        }
    }
}

impl Link {
    pub(crate) fn new(handle: Handle<Client>, gauge: Arc<Gauge>, learned: Arc<Learned>, timeouts: Timeouts) -> Self {
        Self { handle, gauge, learned, timeouts }
    }

    /// Why the connection is gone, once it is.
    pub(crate) fn lost(&self) -> Option<String> {
        self.handle.is_closed().then(|| self.learned.ended().unwrap_or("the connection was closed").to_owned())
    }

    /// The class of the fault that ended the connection.
    pub(crate) fn lost_by(&self) -> &'static str {
        self.learned.ending().map_or(CONNECTION_LOST, Ending::word)
    }

    /// Acknowledgements need not be quick any more.
    pub(crate) fn settle(&self) {
        self.gauge.settle();
    }

    /// Closes the socket and ends the task behind it, whatever state they are in.
    pub(crate) fn cut(&self) {
        self.gauge.cut.cancel();
    }

    /// What is at the other end is not believed: the connection ends, and no other one is made in this run.
    pub(crate) fn bar(&self, finding: &Finding) {
        self.learned.leave_alone(finding);
        self.cut();
    }

    /// Opens a channel, or says why not.
    pub(crate) async fn open(self: &Arc<Self>, target: Target) -> Result<Channel<Msg>, OpenFault> {
        let (give, take) = oneshot::channel();
        let link = Arc::clone(self);
        // a task of its own: a channel that is confirmed too late must still be closed, or it is leaked on the server
        tokio::spawn(async move {
            let opened = link.request(target).await;
            if let Err(Ok(late)) = give.send(opened) {
                // the connection may be gone by now, and the channel with it
                let _ = late.close().await;
            }
        });
        match timeout(self.timeouts.channel, take).await {
            Err(_) => Err(OpenFault::TimedOut),
            Ok(Err(_)) => Err(OpenFault::Lost),
            Ok(Ok(Ok(channel))) => Ok(channel),
            Ok(Ok(Err(Error::ChannelOpenFailure(reason)))) => Err(OpenFault::Refused(reason)),
            Ok(Ok(Err(_))) => Err(OpenFault::Lost),
        }
    }

    async fn request(&self, target: Target) -> Result<Channel<Msg>, Error> {
        match target {
            Target::Session => self.handle.channel_open_session().await,
            Target::Tcp { address, port } => {
                self.handle.channel_open_direct_tcpip(address, u32::from(port), "127.0.0.1", 0).await
            }
            Target::Socket { path } => self.handle.channel_open_direct_streamlocal(path).await,
        }
    }

    /// Says goodbye and closes the socket.
    pub(crate) async fn close(&self) {
        let goodbye = self.handle.disconnect(Disconnect::ByApplication, "", "");
        if let Ok(Ok(())) = timeout(Duration::from_secs(1), goodbye).await {
            // the goodbye leaves with the task's last flush; the task then closes the queue it reads from
            let gone = async {
                while !self.handle.is_closed() {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            };
            let _ = timeout(Duration::from_secs(1), gone).await;
        }
        self.cut();
    }
}
