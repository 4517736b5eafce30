//! Who may come in: tokens and tickets that say who somebody is, and until when.

use longwire_channel::{CloseCode, ErrorCode, Refusal, Token};
use longwire_hub::{Credentials, Denied, Identity, Permissions};

use crate::stage::Stage;

/// A token for a user that holds until then.
pub(crate) fn token(user: usize, expires_at_ms: u64) -> String {
    format!("token {user} {expires_at_ms}")
}

/// The user that a client's token names.
pub(crate) fn user(number: usize) -> Token {
    Token::new(&format!("user-{number}")).expect("valid")
}

/// Who it is. A ticket is good at the server that signed it alone.
pub(super) fn decide(
    credentials: &Credentials,
    secret: u64,
    unix_ms: u64,
    stage: &mut Stage,
) -> Result<Identity, Denied> {
    let denied = |close, code, words: &str| Denied { close, refusal: Refusal::new(code, words) };
    let shown = match (&credentials.ticket, &credentials.token) {
        (Some(ticket), _) => {
            if let Some(shown) = ticket.strip_prefix(&format!("ticket {secret} ")) {
                shown.to_owned()
            } else {
                stage.tally.foreign_tickets += 1;
                let words = "the ticket is of another server";
                return Err(denied(CloseCode::TOKEN_EXPIRED, ErrorCode::TokenExpired, words));
            }
        }
        (None, Some(token)) => token.clone(),
        (None, None) => return Ok(Identity::nameless(Permissions::all())),
    };
    let mut words = shown.split(' ').skip(1).map(str::parse::<u64>);
    let (Some(Ok(number)), Some(Ok(expires_at_ms))) = (words.next(), words.next()) else {
        let words = "there is no such token";
        return Err(denied(CloseCode::UNAUTHENTICATED, ErrorCode::Unauthenticated, words));
    };
    if expires_at_ms <= unix_ms {
        stage.tally.expired_tokens += 1;
        let words = "the token has expired";
        return Err(denied(CloseCode::TOKEN_EXPIRED, ErrorCode::TokenExpired, words));
    }
    Ok(Identity {
        user: Some(user(usize::try_from(number).expect("small"))),
        permissions: Permissions::all(),
        expires_at_ms: Some(expires_at_ms),
        ticket: Some(format!("ticket {secret} {shown}")),
    })
}
