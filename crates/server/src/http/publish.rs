//! Publishing: one, several, one to several channels.

use std::sync::Arc;

use axum::{body::Body, extract::State};
use http::HeaderMap;
use longwire_channel::ChannelName;
use longwire_hub::{Answer, Operation};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{
    answer::{Json, Problem, bad_request},
    body::{self, Envelope, Few},
    caller::{Caller, Channel, unexpected},
    json,
};
use crate::app::App;

/// `POST /v1/channels/{channel}/messages`: answered once the namespace's durability is reached.
pub(super) async fn publish(
    State(app): State<Arc<App>>,
    Channel(channel): Channel,
    caller: Caller,
    headers: HeaderMap,
    body: Body,
) -> Result<Json, Problem> {
    let limits = &app.config.limits;
    let body = body::read(body, limits.message_bytes, limits).await?;
    let publication = body::publication(&headers, body)?;
    caller.admit(1)?;
    match caller.ask(Operation::Publish { channel, publication }).await? {
        Answer::Published(published) => Ok(Json(json::published(&published))),
        _ => Err(unexpected()),
    }
}

/// `POST /v1/batch`: each publication succeeds or fails by itself.
pub(super) async fn batch(
    State(app): State<Arc<App>>,
    caller: Caller,
    body: Body,
) -> Result<Json, Problem> {
    #[derive(Deserialize)]
    struct Batch {
        publications: Few<Box<RawValue>>,
    }
    let limits = &app.config.limits;
    let body = body::read(body, limits.body_bytes, limits).await?;
    let Batch { publications } = body::json(&body)?;
    let publications = publications.all("publications")?;
    let mut batch = Vec::with_capacity(publications.len());
    for (number, publication) in publications.iter().enumerate() {
        batch.push(body::addressed(publication.get()).map_err(|Problem(mut refusal)| {
            refusal.message = format!("publications[{number}]: {}", refusal.message);
            Problem(refusal)
        })?);
    }
    caller.admit(batch.len())?;
    answer(caller, Operation::Batch(batch)).await
}

/// `POST /v1/broadcast`: each channel succeeds or fails by itself.
pub(super) async fn broadcast(
    State(app): State<Arc<App>>,
    caller: Caller,
    body: Body,
) -> Result<Json, Problem> {
    #[derive(Deserialize)]
    struct Channels {
        channels: Few<String>,
    }
    let limits = &app.config.limits;
    let body = body::read(body, limits.body_bytes, limits).await?;
    let Channels { channels } = body::json(&body)?;
    let channels = channels.all("channels")?;
    let channels = channels.iter().map(|name| {
        ChannelName::new(name).map_err(|error| bad_request(format!("{name:?}: {error}")))
    });
    let channels = channels.collect::<Result<Vec<_>, _>>()?;
    let publication = body::json::<Envelope>(&body)?.publication()?;
    caller.admit(channels.len())?;
    answer(caller, Operation::Broadcast { channels, publication }).await
}

async fn answer(caller: Caller, operation: Operation) -> Result<Json, Problem> {
    match caller.ask(operation).await? {
        Answer::Batch(results) => Ok(Json(json::results(&results))),
        _ => Err(unexpected()),
    }
}
