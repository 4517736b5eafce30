//! Connections: who is there, and sending them away.

use http::Uri;
use longwire_channel::Token;
use longwire_hub::{Answer, Operation, SessionId, Whom};
use serde::Deserialize;
use serde_json::json;

use super::{
    answer::{Json, Problem, bad_request},
    caller::{Caller, Named, unexpected},
    json, query,
};

/// `GET /v1/connections`
pub(super) async fn list(caller: Caller, uri: Uri) -> Result<Json, Problem> {
    #[derive(Deserialize)]
    struct Wanted {
        after: Option<String>,
        user: Option<String>,
        limit: Option<u32>,
    }
    let wanted: Wanted = query(&uri)?;
    let after = wanted.after.map(|name| session(&name)).transpose()?;
    let user = wanted.user.map(|name| token(&name)).transpose()?;
    let limit = wanted.limit.unwrap_or(LIMIT);
    match caller.ask(Operation::Connections { after, user, limit }).await? {
        Answer::Connections { connections, more } => {
            let next = connections.last().filter(|_| more).map(|last| last.session.to_string());
            let connections: Vec<_> = connections.iter().map(json::connection).collect();
            let mut answer = json!({ "connections": connections });
            if let Some(next) = next {
                answer["next"] = next.into();
            }
            Ok(Json(answer))
        }
        _ => Err(unexpected()),
    }
}

/// `DELETE /v1/connections/{session}`
pub(super) async fn disconnect(
    Named(name): Named,
    caller: Caller,
    uri: Uri,
) -> Result<Json, Problem> {
    end(caller, Whom::Session(session(&name)?), &uri).await
}

/// `DELETE /v1/users/{user}/connections`
pub(super) async fn disconnect_user(
    Named(name): Named,
    caller: Caller,
    uri: Uri,
) -> Result<Json, Problem> {
    end(caller, Whom::User(token(&name)?), &uri).await
}

async fn end(caller: Caller, whom: Whom, uri: &Uri) -> Result<Json, Problem> {
    #[derive(Deserialize)]
    struct Wanted {
        #[serde(default)]
        reconnect: bool,
    }
    let Wanted { reconnect: come_back } = query(uri)?;
    match caller.ask(Operation::Disconnect { whom, come_back }).await? {
        Answer::Disconnected(count) => Ok(Json(json!({ "disconnected": count }))),
        _ => Err(unexpected()),
    }
}

fn session(name: &str) -> Result<SessionId, Problem> {
    name.parse().map_err(|error| bad_request(format!("`{name}`: {error}")))
}

fn token(name: &str) -> Result<Token, Problem> {
    Token::new(name).map_err(|error| bad_request(format!("the user: {error}")))
}

/// Connections of one answer, where the request does not say.
const LIMIT: u32 = 100;
