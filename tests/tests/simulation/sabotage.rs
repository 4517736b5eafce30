//! Planted bugs, each of which some checker must find: the canaries.

use longwire_channel::{Gap, Position, Published, Push, Pushed, ServerMessage};
use longwire_client::Event;
use longwire_hub::{SessionId, broker::Request};

use crate::stage::Stage;

/// A bug, and how far it has come.
#[derive(Clone, Debug)]
pub(crate) struct Sabotage {
    pub(crate) bug: Bug,
    /// The subscription that was robbed, and where it stood.
    robbed: Option<(SessionId, u32, u64)>,
}

/// A bug of a kind that somebody might write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bug {
    /// A live record is not sent, and the next one claims to follow what was sent.
    Drops,
    /// The last record of a page is not sent, and nothing tells it.
    CutsPages,
    /// What is told as lost is not told, and the next record claims to follow what was sent.
    HidesLoss,
    /// More is told as lost than is.
    LosesMore,
    /// A record is given to its handler twice.
    Doubles,
    /// A publication is answered twice.
    AnswersTwice,
    /// A publication is answered with the place of its neighbour.
    Misplaces,
    /// A publication is acknowledged before it is on disk.
    AcksBeforeSync,
    /// The disk loses what it has synced when the process ends.
    LosesSynced,
    /// Publications of one client are submitted in another order, and answered in theirs.
    Reorders,
    /// Keys of publications are lost on the way to the broker.
    ForgetsKeys,
    /// A stream keeps half of what it should.
    KeepsLess,
    /// Nobody is told that a pipe is congested.
    HidesCongestion,
    /// Nobody is told that a stream has ended.
    HidesEnds,
}

impl Sabotage {
    pub(crate) fn new(bug: Bug) -> Self {
        Self { bug, robbed: None }
    }
}

fn bug(stage: &Stage) -> Option<Bug> {
    stage.sabotage.as_ref().map(|it| it.bug)
}

/// Whether this bug is planted.
pub(crate) fn is_planted(stage: &Stage, planted: Bug) -> bool {
    bug(stage) == Some(planted)
}

/// What is pushed in place of a push, if that is something else.
pub(crate) fn push(stage: &mut Stage, session: SessionId, push: &Push) -> Option<Vec<Push>> {
    let strikes = stage.chance.percent(10);
    let sabotage = stage.sabotage.as_mut()?;
    let Push { sub, pushed } = push;
    if let Some((robbed, number, at)) = sabotage.robbed
        && (robbed, number) == (session, *sub)
    {
        sabotage.robbed = None;
        let pushed = match pushed.clone() {
            Pushed::Message { skipped, record, .. } => {
                Pushed::Message { prev: at, skipped, record }
            }
            Pushed::Page { records, more, .. } => Pushed::Page { prev: at, records, more },
            other => other,
        };
        return Some(vec![Push { sub: *sub, pushed }]);
    }
    match (sabotage.bug, pushed) {
        (Bug::Drops, Pushed::Message { prev, record, .. }) if strikes && record.seq > 0 => {
            sabotage.robbed = Some((session, *sub, *prev));
            Some(Vec::new())
        }
        (Bug::HidesLoss, Pushed::Lost(gap)) => {
            sabotage.robbed = Some((session, *sub, gap.from));
            Some(Vec::new())
        }
        (Bug::LosesMore, Pushed::Message { record, .. }) if strikes && record.seq > 0 => {
            let gap = Gap { from: record.seq - 1, to: record.seq };
            Some(vec![Push { sub: *sub, pushed: Pushed::Lost(gap) }])
        }
        (Bug::HidesEnds, Pushed::Ended { .. }) => Some(Vec::new()),
        (Bug::CutsPages, Pushed::Page { prev, records, more: false }) if records.len() > 1 => {
            let mut records = records.clone();
            records.pop();
            let pushed = Pushed::Page { prev: *prev, records, more: false };
            Some(vec![Push { sub: *sub, pushed }])
        }
        _ => None,
    }
}

/// Whether an event is told twice.
pub(crate) fn doubles(stage: &mut Stage, event: &Event) -> bool {
    is_planted(stage, Bug::Doubles)
        && matches!(event, Event::Message(_))
        && stage.chance.percent(10)
}

/// Whether a publication is answered twice.
pub(crate) fn answers_twice(stage: &mut Stage) -> bool {
    is_planted(stage, Bug::AnswersTwice) && stage.chance.percent(10)
}

/// The answer to a publication, and where that says that it lies.
pub(crate) fn answer(stage: &mut Stage, message: &ServerMessage) -> Option<ServerMessage> {
    let ServerMessage::Published { id, published } = message else { return None };
    let position =
        published.position.filter(|it| it.seq > 1 && is_planted(stage, Bug::Misplaces))?;
    let position = Some(Position { seq: position.seq - 1, ..position });
    Some(ServerMessage::Published { id: *id, published: Published { position, ..*published } })
}

/// Whether two publications change their places on the way to the log.
pub(crate) fn reorders(stage: &mut Stage) -> bool {
    is_planted(stage, Bug::Reorders) && stage.chance.percent(20)
}

/// A request, on its way to the broker.
pub(crate) fn request(stage: &Stage, mut request: Request) -> Request {
    if let Request::Append { publication, retention, .. } = &mut request {
        if is_planted(stage, Bug::ForgetsKeys) {
            publication.key = None;
            publication.producer = None;
        }
        if is_planted(stage, Bug::KeepsLess) {
            retention.count = (retention.count / 2).max(1);
        }
    }
    request
}
