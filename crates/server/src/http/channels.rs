//! Channels: what they keep, their end, their state.

use axum::response::Response;
use http::{StatusCode, Uri};
use longwire_channel::{ChannelName, History, Order};
use longwire_hub::{Answer, Operation};
use serde::Deserialize;
use serde_json::json;

use super::{
    answer::{Json, Problem, bad_request, json_response},
    caller::{Caller, Channel, unexpected},
    json, query,
};
use crate::faces::start;

/// `GET /v1/channels/{channel}/messages`
pub(super) async fn history(
    Channel(channel): Channel,
    caller: Caller,
    uri: Uri,
) -> Result<Response, Problem> {
    #[derive(Deserialize)]
    struct Wanted {
        from: Option<String>,
        since: Option<u64>,
        limit: Option<u32>,
        order: Option<String>,
    }
    let wanted: Wanted = query(&uri)?;
    let order = match wanted.order.as_deref() {
        None | Some("forwards") => Order::Forwards,
        Some("backwards") => Order::Backwards,
        Some(other) => {
            return Err(bad_request(format!(
                "`order={other}` is not possible: write forwards or backwards"
            )));
        }
    };
    let from = wanted.from.as_deref().map(start::position).transpose().map_err(bad_request)?;
    let history = History { channel, order, from, since: wanted.since, limit: wanted.limit };
    match caller.ask(Operation::History(history)).await? {
        Answer::History(page) => Ok(json_response(json::history(&page))),
        _ => Err(unexpected()),
    }
}

/// `POST /v1/channels/{channel}/end`
pub(super) async fn end(Channel(channel): Channel, caller: Caller) -> Result<Json, Problem> {
    match caller.ask(Operation::End { channel }).await? {
        Answer::Ended(position) => Ok(Json(json::position(position))),
        _ => Err(unexpected()),
    }
}

/// `DELETE /v1/channels/{channel}`
pub(super) async fn remove(
    Channel(channel): Channel,
    caller: Caller,
) -> Result<StatusCode, Problem> {
    match caller.ask(Operation::Delete { channel }).await? {
        Answer::Deleted => Ok(StatusCode::NO_CONTENT),
        _ => Err(unexpected()),
    }
}

/// `GET /v1/channels/{channel}`
pub(super) async fn info(Channel(channel): Channel, caller: Caller) -> Result<Json, Problem> {
    match caller.ask(Operation::Info { channel }).await? {
        Answer::Info(info) => Ok(Json(json::channel(&info))),
        _ => Err(unexpected()),
    }
}

/// `GET /v1/channels`
pub(super) async fn list(caller: Caller, uri: Uri) -> Result<Json, Problem> {
    #[derive(Deserialize)]
    struct Wanted {
        after: Option<String>,
        limit: Option<u32>,
    }
    let wanted: Wanted = query(&uri)?;
    let after = wanted.after.as_deref().map(ChannelName::new).transpose();
    let after = after.map_err(|error| bad_request(format!("after: {error}")))?;
    let limit = wanted.limit.unwrap_or(LIMIT);
    match caller.ask(Operation::Channels { after, limit }).await? {
        Answer::Channels { channels, next } => {
            let channels: Vec<_> = channels.iter().map(json::channel).collect();
            let mut answer = json!({ "channels": channels });
            if let Some(next) = next {
                answer["next"] = next.as_str().into();
            }
            Ok(Json(answer))
        }
        _ => Err(unexpected()),
    }
}

/// Channels of one answer, where the request does not say.
const LIMIT: u32 = 100;
