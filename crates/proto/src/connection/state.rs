//! The closing handshake as declared transitions (RFC 6455 §7).

/// Where a connection stands in the closing handshake, seen from this end.
///
/// ```text
///             send Close                   receive Close
///   Open ────────────────► CloseSent ────────────────────► CloseExchanged
///     │                                                      ▲        │
///     └── receive Close ─► CloseReceived ─── send Close ─────┘        │ transport closed
///                                                                     ▼
///   any state ──────────────── transport closed ─────────────────► Closed
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[allow(clippy::exhaustive_enums, reason = "the RFC's closing handshake has these states")]
pub enum State {
    /// Messages flow in both directions.
    #[default]
    Open,
    /// We sent a Close frame; the peer's is awaited, and its messages still arrive.
    CloseSent,
    /// The peer sent a Close frame; ours is owed.
    CloseReceived,
    /// Both ends sent a Close frame; the transport is to end, by the server first.
    CloseExchanged,
    /// The transport is closed.
    Closed,
}

/// What moves a connection through the closing handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    SendClose,
    ReceiveClose,
    CloseTransport,
}

impl State {
    /// The state after `step`; `None` if the step is not possible here.
    pub(crate) const fn after(self, step: Step) -> Option<Self> {
        use {State as S, Step as T};
        Some(match (self, step) {
            (S::Open, T::SendClose) => S::CloseSent,
            (S::Open, T::ReceiveClose) => S::CloseReceived,
            (S::CloseSent, T::ReceiveClose) | (S::CloseReceived, T::SendClose) => S::CloseExchanged,
            (S::Closed, _)
            | (S::CloseSent | S::CloseExchanged, T::SendClose)
            | (S::CloseReceived | S::CloseExchanged, T::ReceiveClose) => return None,
            (_, T::CloseTransport) => S::Closed,
        })
    }

    /// Whether messages may still be sent (§5.5.1).
    pub const fn may_send(self) -> bool {
        matches!(self, Self::Open | Self::CloseReceived)
    }
}

#[cfg(test)]
mod tests {
    use super::{State::*, Step::*};

    #[test]
    fn every_pair_of_state_and_step() {
        let table = [
            (Open, [Some(CloseSent), Some(CloseReceived), Some(Closed)]),
            (CloseSent, [None, Some(CloseExchanged), Some(Closed)]),
            (CloseReceived, [Some(CloseExchanged), None, Some(Closed)]),
            (CloseExchanged, [None, None, Some(Closed)]),
            (Closed, [None, None, None]),
        ];
        for (state, expected) in table {
            let actual = [SendClose, ReceiveClose, CloseTransport].map(|step| state.after(step));
            assert_eq!(actual, expected, "{state:?}");
        }
    }
}
