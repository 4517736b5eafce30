//! The application of a client: what it asks for, and what it makes of the answers.

use std::collections::VecDeque;

use longwire_channel::{ErrorCode, HistoryPage, Order, Position, Publish, Published, Start, Token};
use longwire_client::{
    HistoryError, PublishError,
    machine::{PublicationId, RequestId},
};

use super::{Client, Sent};
use crate::{
    content::Kind,
    invariant::Invariant,
    server::{
        authority,
        pipes::{HISTORY_MAX, SUBSCRIPTIONS_MAX},
    },
    stage::Stage,
    swarm,
    truth::{Asked, Shape},
    watch::Watch,
};

/// What an application was told and has not dealt with.
#[derive(Debug)]
pub(super) struct Inbox {
    /// Where the application stands behind each event.
    events: VecDeque<Option<Position>>,
    dealt: Option<Position>,
    is_paused: bool,
    most: usize,
}

impl Inbox {
    fn new(most: usize, dealt: Option<Position>) -> Self {
        Self { events: VecDeque::new(), dealt, is_paused: false, most }
    }

    /// Where the application stands.
    pub(super) fn dealt(&self) -> Option<Position> {
        self.dealt
    }

    pub(super) fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    pub(super) fn put(&mut self, position: Option<Position>) {
        self.events.push_back(position);
    }

    /// Whether it is full, and its subscription not paused.
    pub(super) fn is_to_pause(&mut self) -> bool {
        self.events.len() >= self.most && !std::mem::replace(&mut self.is_paused, true)
    }

    /// Deals with an event; says whether the subscription may go on.
    fn take(&mut self) -> bool {
        if let Some(position) = self.events.pop_front() {
            self.dealt = position;
        }
        self.events.len() <= self.most / 2 && std::mem::take(&mut self.is_paused)
    }
}

impl Client {
    /// The application does something.
    pub(super) fn act(&mut self, stage: &mut Stage) {
        let pause = stage.swarm.pause_ms;
        self.next_act = stage.now + stage.chance.millis(0, pause);
        match stage.chance.below(20) {
            0 => self.subscribe(stage),
            1 => self.unsubscribe(stage),
            2 => self.ask_history(stage),
            _ => {
                let burst = if stage.chance.percent(10) { stage.chance.between(2, 20) } else { 1 };
                for _ in 0..burst.min(self.left.into()) {
                    self.publish(stage);
                }
            }
        }
    }

    pub(super) fn subscribe(&mut self, stage: &mut Stage) {
        if self.subscriptions.len() >= SUBSCRIPTIONS_MAX as usize {
            return;
        }
        let channel = stage.chance.index(stage.truth.channels.len());
        let start = match stage.chance.below(6) {
            0 | 1 => Start::Now,
            2 => Start::Last(u32::try_from(stage.chance.below(5)).expect("small")),
            3 => Start::Time(stage.truth.unix_ms.saturating_sub(stage.chance.below(20_000))),
            _ => Start::Beginning,
        };
        let policy = stage.chance.percent(40).then(|| swarm::policy(&mut stage.chance));
        let watch = Watch::new(channel, start, policy, &stage.truth);
        self.watch(watch, start, stage);
    }

    pub(super) fn watch(&mut self, watch: Watch, start: Start, stage: &mut Stage) {
        let name = stage.truth.channels[watch.channel].plan.name.clone();
        let Ok(id) = self.machine.subscribe(name, start, watch.asked) else { return };
        let most = usize::try_from(stage.chance.scaled(2, 1_024)).expect("small");
        let inbox = Inbox::new(most, watch.position);
        self.subscriptions.insert(id, (watch, inbox));
    }

    fn unsubscribe(&mut self, stage: &mut Stage) {
        let index = stage.chance.index(self.subscriptions.len().max(1));
        if let Some(&id) = self.subscriptions.keys().nth(index)
            && self.subscriptions.len() > 1
        {
            self.machine.unsubscribe(id);
            self.subscriptions.remove(&id);
        }
    }

    fn ask_history(&mut self, stage: &mut Stage) {
        let asked = ask(stage);
        if let Ok(id) = self.machine.history(asked.history(&stage.truth)) {
            self.histories.insert(id, asked);
        }
    }

    fn publish(&mut self, stage: &mut Stage) {
        self.left -= 1;
        let channel = stage.chance.index(stage.truth.channels.len());
        let publisher = self.has_tokens.then(|| authority::user(self.number));
        let shape = shape(stage);
        let is_ephemeral = stage.chance.percent(5);
        let tag = stage.truth.publish(channel, shape, is_ephemeral, publisher);
        let has_own_key = !is_ephemeral && stage.chance.percent(30);
        self.send(tag, has_own_key, stage);
    }

    /// Publishes, for the first time or again.
    fn send(&mut self, tag: u32, has_own_key: bool, stage: &mut Stage) {
        let known = &stage.truth.publications[tag as usize];
        let mut publication = known.publication();
        publication.key = has_own_key.then(|| Token::new(&format!("own {tag}")).expect("valid"));
        let channel = stage.truth.channels[known.channel].plan.name.clone();
        let timeout = if !has_own_key || stage.is_calm || stage.chance.percent(50) {
            None
        } else {
            Some(stage.chance.millis(1, 5_000))
        };
        let publish = Publish { channel, publication };
        match self.machine.publish(publish, timeout, stage.instant()) {
            Ok(id) => {
                let sent = Sent { tag, links: self.links, has_own_key };
                self.publications.insert(id, sent);
            }
            Err(PublishError::Closed(_)) => {}
            Err(error) => Invariant::RefusedRightly.broken(format!("#{tag}: {error}")),
        }
    }

    /// A publication is answered.
    pub(super) fn published(
        &mut self,
        id: PublicationId,
        result: Result<Published, PublishError>,
        stage: &mut Stage,
    ) {
        let Some(Sent { tag, links, has_own_key }) = self.publications.remove(&id) else {
            Invariant::AnsweredOnce.broken(format!("{id:?} is answered again: {result:?}"));
        };
        match result {
            Ok(published) => {
                stage.tally.acked += 1;
                stage.truth.acked(tag, published.position);
                if let Some(position) = published.position.filter(|_| !has_own_key) {
                    self.check_order(id, tag, position, stage);
                }
            }
            Err(PublishError::Refused { refusal, .. }) => {
                let channel = stage.truth.publications[tag as usize].channel;
                let is_right = match refusal.code {
                    ErrorCode::StreamEnded => stage.truth.channels[channel].ends > 0,
                    ErrorCode::StorageFailed => stage.tally.failed_syncs > 0,
                    _ => false,
                };
                Invariant::RefusedRightly.check(is_right, || format!("#{tag}: {refusal}"));
                if refusal.code == ErrorCode::StreamEnded && links == self.links && !has_own_key {
                    stage.truth.not_stored(tag);
                }
            }
            Err(PublishError::NotSent(_)) if !has_own_key => stage.truth.not_stored(tag),
            Err(PublishError::TooLarge { size, limit }) => {
                Invariant::RefusedRightly.check(size > limit, || format!("#{tag} is small"));
                stage.truth.not_stored(tag);
            }
            Err(PublishError::NotSent(_) | PublishError::Unknown { .. }) => {
                stage.tally.unknown += 1;
                if has_own_key && stage.chance.percent(70) {
                    self.send(tag, true, stage);
                }
            }
            Err(error) => Invariant::RefusedRightly.broken(format!("#{tag}: {error}")),
        }
    }

    /// Publications of one channel lie in the order of their calls, unless one was refused for a time.
    fn check_order(&mut self, id: PublicationId, tag: u32, position: Position, stage: &Stage) {
        let channel = stage.truth.publications[tag as usize].channel;
        let Position { epoch, seq } = position;
        let answered = self.answered.entry((channel, epoch.get())).or_default();
        let before = answered.range(..id).next_back().map(|(_, seq)| *seq);
        let behind = answered.range(id..).next().map(|(_, seq)| *seq);
        let is_in_order =
            before.is_none_or(|before| before < seq) && behind.is_none_or(|behind| seq < behind);
        // One that lay in an earlier life, or whose key is forgotten, is stored behind others when it is sent again.
        let may_lie_twice = stage.truth.channels[channel].plan.forgets_keys()
            || stage.truth.may_begin_anew(channel);
        Invariant::InOrder.check(is_in_order || stage.was_put_off || may_lie_twice, || {
            format!("#{tag} lies at {seq} of {epoch}, between {before:?} and {behind:?}")
        });
        answered.insert(id, seq);
    }

    /// A request for history is answered.
    pub(super) fn answered(
        &mut self,
        id: RequestId,
        result: Result<HistoryPage, HistoryError>,
        stage: &mut Stage,
    ) {
        let Some(asked) = self.histories.remove(&id) else {
            Invariant::AnsweredOnce.broken(format!("{id:?} is answered again: {result:?}"));
        };
        match result {
            Ok(page) => {
                stage.tally.histories += 1;
                stage.truth.answered(&asked, &page);
            }
            Err(HistoryError::Closed(_)) => {}
            Err(HistoryError::Refused(refusal)) => check_mismatch(&asked, &refusal, stage),
            Err(error) => Invariant::RefusedRightly.broken(format!("{asked:?}: {error}")),
        }
    }

    /// The application deals with some of what it was told.
    pub(super) fn take(&mut self, stage: &mut Stage) {
        let is_lazy = self.lazy_until > stage.now && !stage.is_calm;
        if is_lazy {
            self.next_take = stage.now + stage.chance.millis(1, 500);
        }
        for (id, (_, inbox)) in &mut self.subscriptions {
            let count = if is_lazy { 1 } else { usize::MAX };
            for _ in 0..count.min(inbox.events.len()) {
                if inbox.take() {
                    self.machine.resume(*id);
                }
            }
        }
    }
}

/// A request for history, of any kind.
pub(crate) fn ask(stage: &mut Stage) -> Asked {
    let channel = stage.chance.index(stage.truth.channels.len());
    let current = stage.truth.channels[channel].current;
    let from = current.filter(|_| stage.chance.percent(50)).map(|epoch| Position {
        epoch: longwire_channel::Epoch::from_random(epoch),
        seq: stage.chance.below(stage.truth.last(epoch) + 1),
    });
    let since = stage.chance.percent(30);
    let ago = stage.chance.below(20_000);
    Asked {
        channel,
        from,
        since: since.then(|| stage.truth.unix_ms.saturating_sub(ago)),
        order: if stage.chance.percent(50) { Order::Forwards } else { Order::Backwards },
        limit: u32::try_from(stage.chance.between(1, HISTORY_MAX.into())).expect("small"),
        floor: stage.truth.last_acked(channel),
    }
}

/// A position is of another epoch where the stream began anew.
pub(crate) fn check_mismatch(asked: &Asked, refusal: &longwire_channel::Refusal, stage: &Stage) {
    let former = asked.from.map(|from| from.epoch.get());
    let is_right = refusal.code == ErrorCode::EpochMismatch
        && former.is_some_and(|it| stage.truth.may_have_begun_anew(asked.channel, it));
    Invariant::RefusedRightly.check(is_right, || format!("{asked:?}: {refusal}"));
}

/// Of any form, up to the largest of this run.
pub(crate) fn shape(stage: &mut Stage) -> Shape {
    let kind = stage.chance.pick(&[Kind::Text, Kind::Json, Kind::Binary]);
    let most = stage.swarm.content as u64;
    let padding = usize::try_from(stage.chance.scaled(1, most)).expect("small");
    Shape { kind, padding }
}
