//! `GET /v1/channels/{channel}/events`: one channel as server-sent events.

use std::{net::SocketAddr, sync::Arc};

use axum::{
    body::Body,
    extract::{ConnectInfo, State},
    response::{IntoResponse, Response},
};
use http::{HeaderMap, StatusCode, Uri, header};
use longwire_channel::{ChannelName, ClientMessage, Start, Subscribe, Subscribed};
use longwire_hub::{Answer, Identity, Input, Operation, Permissions, PipeInfo, Transport};
use tokio::time::timeout;

use super::{
    answer::{Problem, bad_request},
    body::text_header,
    caller::{Caller, Channel, no_answer},
    query,
};
use crate::{
    app::App,
    faces::{events, socket::SUB, start::StartQuery},
    node::Visitor,
};

pub(super) async fn events(
    State(app): State<Arc<App>>,
    Channel(channel): Channel,
    caller: Caller,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let last_event_id = text_header(&headers, "last-event-id")?;
    let start = query::<StartQuery>(&uri)?.start(last_event_id).map_err(bad_request)?;
    let limits = &app.config.limits;
    let limit = limits.request_timeout.0;
    let begun = timeout(limit, begin(&app, channel, start, peer, caller.identity)).await;
    let Some(begun) = begun.map_err(|_| Problem(no_answer(limit)))?? else {
        // What tells a browser to come back no more.
        return Ok(StatusCode::NO_CONTENT.into_response());
    };
    let Begun { events, subscribed, visitor } = begun;
    app.note_session(visitor.session());
    let first = events::preamble(&start, &subscribed);
    let stream = events.stream(first, limits.events_interval.0, visitor);
    let headers = [
        (header::CONTENT_TYPE.as_str(), "text/event-stream"),
        (header::CACHE_CONTROL.as_str(), "no-store, no-transform"),
        ("x-accel-buffering", "no"),
    ];
    Ok((headers, Body::from_stream(stream)).into_response())
}

/// A stream of events that has begun.
struct Begun {
    events: events::Events,
    subscribed: Subscribed,
    visitor: Visitor,
}

/// Begins to read, unless the reader has seen all that there is and ever will be.
async fn begin(
    app: &App,
    channel: ChannelName,
    start: Start,
    peer: SocketAddr,
    identity: Identity,
) -> Result<Option<Begun>, Problem> {
    if is_over(app, &channel, &start).await {
        return Ok(None);
    }
    let (pipe, mut events) = events::pipe(app.config.limits.queue_bytes.bytes() / 2);
    let info = PipeInfo { transport: Transport::Events, address: Some(peer.ip()) };
    let visitor = app.node().open(Box::new(pipe), info, Some(identity)).await;
    let subscribe = Subscribe { sub: SUB, channel, start, policy: None };
    let message = ClientMessage::Subscribe { id: 0, subscribe };
    app.node().input(Input::Received { session: visitor.session(), message, bytes: 0 }).await;
    let subscribed = events.begin().await.map_err(Problem)?;
    Ok(Some(Begun { events, subscribed, visitor }))
}

/// Whether the reader saw the stream's last record, and the stream has ended.
async fn is_over(app: &App, channel: &ChannelName, start: &Start) -> bool {
    let Start::After(position) = start else { return false };
    let whole = Identity::nameless(Permissions::all());
    let info = Operation::Info { channel: channel.clone() };
    match app.node().request(whole, info).await {
        Ok(Answer::Info(info)) => info.ended && info.position == *position,
        _ => false,
    }
}
