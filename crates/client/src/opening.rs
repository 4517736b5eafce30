//! How a client opens its connections: by dialling, or over a stream of the caller's.

use std::{
    fmt,
    future::{Future, IntoFuture},
    io,
    pin::Pin,
    sync::Arc,
};

use longwire::{Connect, ConnectError, WebSocket};
use longwire_channel::Codec;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::machine::TransportEnd;

/// Opens one WebSocket after the other.
#[derive(Clone)]
pub(crate) struct Opening {
    connect: Connect,
    dial: Option<Arc<Dial>>,
}

/// A WebSocket in the making.
pub(crate) type Attempt = Pin<Box<dyn Future<Output = Result<WebSocket, TransportEnd>> + Send>>;

type Dial = dyn Fn(Connect) -> Attempt + Send + Sync;

impl Opening {
    pub(crate) fn new(connect: Connect) -> Self {
        Self { connect, dial: None }
    }

    pub(crate) fn change(&mut self, change: impl FnOnce(Connect) -> Connect) {
        self.connect = change(self.connect.clone());
    }

    /// From now on streams come from `dial`.
    pub(crate) fn over<F, R, T>(&mut self, dial: F)
    where
        F: Fn() -> R + Send + Sync + 'static,
        R: Future<Output = io::Result<T>> + Send + 'static,
        T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        self.dial = Some(Arc::new(move |connect: Connect| {
            let stream = dial();
            Box::pin(async move {
                let stream = stream.await.map_err(|error| TransportEnd::Lost(error.to_string()))?;
                connect.over(stream).await.map_err(|error| unopened(&error))
            })
        }));
    }

    /// Begins an attempt.
    pub(crate) fn attempt(&self, codec: Codec) -> Attempt {
        let connect =
            self.connect.clone().subprotocols([codec.subprotocol()]).require_subprotocol(true);
        if let Some(dial) = &self.dial {
            return dial(connect);
        }
        let connecting = connect.into_future();
        Box::pin(async move { connecting.await.map_err(|error| unopened(&error)) })
    }
}

impl fmt::Debug for Opening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.connect.fmt(f)
    }
}

/// Why no WebSocket was opened, and whether another attempt may do better.
fn unopened(error: &ConnectError) -> TransportEnd {
    match error {
        ConnectError::Url(_) | ConnectError::Request(_) | ConnectError::ProxyUrl(_) => {
            TransportEnd::Impossible(error.to_string())
        }
        _ => TransportEnd::Lost(error.to_string()),
    }
}
