//! `WebSocket`s whose request came through hyper: behind another request on the same connection.

use std::{net::SocketAddr, sync::Arc};

use axum::{
    body::Body,
    extract::{ConnectInfo, Extension, Request, State},
    response::{IntoResponse, Response},
};
use longwire::{Subprotocol, server::AcceptError};
use tracing::debug;

use super::answer::Problem;
use crate::{app::App, listener::BehindHttp, upgrade};

/// `GET /v1/connect`
pub(super) async fn connect(
    State(app): State<Arc<App>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    Extension(behind): Extension<BehindHttp>,
    request: Request,
) -> Response {
    open(app, peer, &behind, request).await
}

/// `GET /v1/channels/{channel}/socket`
pub(super) async fn content(
    State(app): State<Arc<App>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    Extension(behind): Extension<BehindHttp>,
    request: Request,
) -> Response {
    open(app, peer, &behind, request).await
}

async fn open(
    app: Arc<App>,
    peer: SocketAddr,
    behind: &BehindHttp,
    mut request: Request,
) -> Response {
    let offered = offered(&request);
    let plan = upgrade::plan(&app, request.uri(), request.headers(), &offered).await;
    let plan = match plan {
        Ok(plan) => plan,
        Err(refusal) => return Problem(refusal).into_response(),
    };
    let acceptor = &behind.acceptor;
    let upgraded =
        acceptor.upgrade_with(&mut request, |opening| plan.answer(acceptor.answer(opening)));
    let (response, upgrade) = match upgraded {
        Ok(upgraded) => upgraded,
        Err(error) => return refused(&error),
    };
    behind.follow(async move {
        let attended =
            upgrade.from_peer(peer).serve(move |socket| plan.attend(app, socket, peer.ip()));
        if let Err(error) = attended.await {
            debug!(%peer, %error, "a WebSocket did not open");
        }
    });
    response.map(|()| Body::empty())
}

fn offered(request: &Request) -> Vec<Subprotocol> {
    let values = request.headers().get_all(http::header::SEC_WEBSOCKET_PROTOCOL);
    let names = values.iter().filter_map(|value| value.to_str().ok()).flat_map(|it| it.split(','));
    names.filter_map(|name| Subprotocol::new(name.trim()).ok()).collect()
}

fn refused(error: &AcceptError) -> Response {
    error.response().map(Body::from)
}
