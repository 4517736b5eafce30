//! What development mode adds to the API: the means to see that nothing is lost.

use std::{sync::Arc, time::Duration};

use axum::{body::Body, extract::State};
use bytes::Bytes;
use http::{HeaderMap, StatusCode, Uri};
use longwire_channel::{ChannelName, ErrorCode, Payload, Publication, Refusal, Token};
use longwire_hub::{Identity, Operation, Permissions, SessionId};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tokio::time::{MissedTickBehavior, interval};
use tracing::{info, warn};

use super::{
    answer::{Json, Problem, bad_request},
    body, query,
};
use crate::{app::App, config::Size, development::Development, origins::Origins, settings};

/// `GET /dev/info`: which process this is.
pub(super) async fn info(State(app): State<Arc<App>>) -> Result<Json, Problem> {
    let namespaces = settings::hub(&app.config).namespaces;
    let namespaces: Map<String, Value> = namespaces
        .iter()
        .map(|(name, namespace)| {
            let durability = match namespace.durability {
                longwire_hub::Durability::Memory => "memory",
                longwire_hub::Durability::Disk => "disk",
            };
            (name.to_owned(), json!({ "durability": durability }))
        })
        .collect();
    Ok(Json(json!({
        "version": env!("CARGO_PKG_VERSION"),
        "pid": std::process::id(),
        "started_ms": development(&app)?.started_ms,
        "data": app.config.data.display().to_string(),
        "listen": app.config.listen,
        "namespaces": namespaces,
    })))
}

/// `POST /dev/kill`: ends the process as `kill -9` does, with nothing flushed and nobody told.
pub(super) async fn kill(uri: Uri, headers: HeaderMap) -> Result<StatusCode, Problem> {
    own_page(&uri, &headers)?;
    info!("killed by its console");
    tokio::spawn(async {
        // For the answer to go out.
        tokio::time::sleep(Duration::from_millis(20)).await;
        end_process();
    });
    Ok(StatusCode::ACCEPTED)
}

/// `POST /dev/cut?session=`: drops the session's transport without a word.
pub(super) async fn cut(
    State(app): State<Arc<App>>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<StatusCode, Problem> {
    #[derive(Deserialize)]
    struct Wanted {
        session: String,
    }
    own_page(&uri, &headers)?;
    let Wanted { session } = query(&uri)?;
    let session: SessionId = session.parse().map_err(|error| bad_request(format!("{error}")))?;
    if development(&app)?.cut(session) {
        return Ok(StatusCode::NO_CONTENT);
    }
    let words = format!(
        "there is no session {session}: `connected` names it, and so does GET /v1/connections"
    );
    Err(Problem(Refusal::new(ErrorCode::NotFound, words)))
}

/// An answer that is typed piece by piece, as a language model does.
#[derive(Deserialize)]
struct Typing {
    #[serde(default)]
    from: usize,
    interval_ms: u64,
    pieces: Vec<String>,
}

/// `POST /dev/answer?channel=`: publishes the pieces one by one, then ends the stream.
pub(super) async fn answer(
    State(app): State<Arc<App>>,
    uri: Uri,
    headers: HeaderMap,
    request: Body,
) -> Result<(StatusCode, Json), Problem> {
    #[derive(Deserialize)]
    struct Wanted {
        channel: String,
    }
    own_page(&uri, &headers)?;
    let Wanted { channel } = query(&uri)?;
    let channel = ChannelName::new(&channel).map_err(|error| bad_request(error.to_string()))?;
    if channel.namespace() != ANSWERS {
        return Err(bad_request(format!("{channel} is not in the namespace {ANSWERS}")));
    }
    let request = body::read(request, ANSWER_BYTES, &app.config.limits).await?;
    let typing: Typing = body::json(&request)?;
    if typing.pieces.len() > PIECES_MAX {
        return Err(bad_request(format!("{PIECES_MAX} pieces are the most")));
    }
    let running = !development(&app)?.begin_answer(&channel);
    if !running {
        let app = app.clone();
        tokio::spawn(async move {
            if let Err(refusal) = type_out(&app, &channel, typing).await {
                warn!(%channel, %refusal, "an answer was not completed");
            }
            if let Some(development) = &app.development {
                development.end_answer(&channel);
            }
        });
    }
    Ok((StatusCode::ACCEPTED, Json(json!({ "running": running }))))
}

async fn type_out(app: &App, channel: &ChannelName, typing: Typing) -> Result<(), Refusal> {
    let ask = |operation| app.node().request(Identity::nameless(Permissions::all()), operation);
    let mut ticks = interval(Duration::from_millis(typing.interval_ms.clamp(5, 1000)));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for (number, piece) in typing.pieces.iter().enumerate().skip(typing.from) {
        ticks.tick().await;
        let content = json!({ "n": number, "text": piece }).to_string();
        let mut publication = Publication::new(Payload::Json(Bytes::from(content)));
        publication.event = Token::new("token").ok();
        publication.key = Token::new(&format!("answer:{number}")).ok();
        ask(Operation::Publish { channel: channel.clone(), publication }).await?;
    }
    ask(Operation::End { channel: channel.clone() }).await.map(|_| ())
}

/// Refuses pages of other origins, those of this machine included: what is here breaks things.
fn own_page(uri: &Uri, headers: &HeaderMap) -> Result<(), Problem> {
    if Origins::is_own(uri, headers) {
        return Ok(());
    }
    let words = "only this server's own pages, and programs, may do this";
    Err(Problem(Refusal::new(ErrorCode::Forbidden, words)))
}

fn development(app: &App) -> Result<&Development, Problem> {
    let words = "this is there in development mode only";
    app.development.as_ref().ok_or_else(|| Problem(Refusal::new(ErrorCode::NotFound, words)))
}

#[cfg(unix)]
fn end_process() {
    use rustix::process::{Signal, getpid, kill_process};
    // A process may always send itself signals.
    let _ = kill_process(getpid(), Signal::KILL);
}

#[cfg(not(unix))]
fn end_process() {
    std::process::abort();
}

/// The namespace of answers.
const ANSWERS: &str = "answers";

/// Bytes of one answer: more than a page would show.
const ANSWER_BYTES: Size = Size(256 << 10);

/// Pieces of one answer: minutes of typing.
const PIECES_MAX: usize = 5000;
