//! What must hold in every run, each with its name.

/// What the checkers look for. Each is checked as soon as it can be, by the part that its doc names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Invariant {
    /// What a subscription is told has no gap: each record has the `seq` behind the last one, but for what was told as
    /// lost, as skipped where its policy skips, or by a reset. (`watch.rs`)
    NoGap,
    /// No record is given to a handler twice. (`watch.rs`)
    NoDouble,
    /// Whoever sees a record sees the same one: what was published, by whom, and when. (`truth.rs`)
    OneContent,
    /// The times of a stream never go back. (`truth.rs`)
    TimeForwards,
    /// What is told as lost cannot be had any more: retention took it, it is damaged, or its stream is gone. So where
    /// enough is kept, nothing is ever lost. (`watch.rs`)
    LostIsGone,
    /// A reset is told where the stream began anew, and nowhere else. (`watch.rs`)
    ResetIsTrue,
    /// A subscription ends where its stream has ended, behind its last record; it fails where its client is closed.
    /// (`watch.rs`)
    EndIsTrue,
    /// A subscription begins where it was asked to. (`watch.rs`)
    BeginsRight,
    /// On durable channels nothing is acknowledged or delivered before it is on disk. (`server.rs`)
    OnDisk,
    /// What was acknowledged lies at the position of the answer, and a repetition is answered with the position of the
    /// first. (`truth.rs`)
    AckedIsThere,
    /// A publication lies in a stream once at most, however often it was sent. (`truth.rs`)
    StoredOnce,
    /// What is refused, or told as not sent, is not stored. (`truth.rs`)
    NotStored,
    /// What was published behind an acknowledgement lies behind it, and publications of one client to one channel lie in
    /// the order of its calls, unless one was refused for a time, or its stream began anew. (`truth.rs`, `client/application.rs`)
    InOrder,
    /// Each command, publication and request is answered once. (`client.rs`, `client/socket.rs`, `server.rs`)
    AnsweredOnce,
    /// A refusal has a reason that is there. (`client.rs`, `caller.rs`)
    RefusedRightly,
    /// A stream that has ended, or was deleted, gets nothing more. (`truth.rs`)
    OverIsOver,
    /// Retention takes only what it must. (`truth.rs`)
    Kept,
    /// History gives what is kept, all of it, in the order that was asked for. (`truth.rs`)
    History,
    /// Queues, tables and memory keep to the documented bounds, at all times. (`server.rs`, `server/pipes.rs`)
    Bounded,
    /// Nothing is sent to a session behind its last word, nor of a subscription before its beginning and behind its
    /// end. (`server/pipes.rs`, `client/socket.rs`)
    LastWord,
    /// Once faults stop, everything comes to rest within a bounded time: publications are answered, clients are open,
    /// subscriptions are at the ends of their streams. (`world.rs`)
    Converges,
}

impl Invariant {
    /// Ends the run.
    #[track_caller]
    pub(crate) fn broken(self, words: impl std::fmt::Display) -> ! {
        panic!("the invariant {self:?} does not hold: {words}")
    }

    /// Ends the run unless `holds`.
    #[track_caller]
    pub(crate) fn check(self, holds: bool, words: impl FnOnce() -> String) {
        if !holds {
            self.broken(words());
        }
    }
}
