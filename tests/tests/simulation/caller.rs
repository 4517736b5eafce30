//! Callers of the HTTP API: publishers with keys or with numbers of their own, who ask again when they have no answer.

use std::{collections::BTreeMap, time::Duration};

use longwire_channel::{ErrorCode, Position, Producer, Publication, Published, Refusal, Token};
use longwire_hub::{Answer, Operation, SessionId, Whom};

use crate::{
    client::{ask, check_mismatch, shape},
    invariant::Invariant,
    server::Server,
    stage::{Mail, Stage},
    swarm::MAX_CONTENT,
    truth::Asked,
};

/// Somebody who makes one call at a time.
pub(crate) struct Caller {
    number: usize,
    /// Whether it numbers its publications; else each has a key.
    is_producer: bool,
    /// Publications that it still makes.
    left: u32,
    call: Option<Call>,
    /// What others want it to ask for.
    pub(crate) wanted: Vec<What>,
    next_act: Duration,
    /// Its life and its next number in each channel.
    producing: BTreeMap<usize, (u64, u64)>,
    /// The last answer to a request for history.
    page: Page,
}

/// Where to go on reading.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Page {
    pub(crate) next: Option<Position>,
    pub(crate) more: bool,
}

/// A call, over all attempts.
#[derive(Debug)]
struct Call {
    what: What,
    /// The attempt that is under way.
    attempt: u64,
    /// When the request comes to the server.
    arrives_at: Option<Duration>,
    /// When the next attempt begins, or this one is given up.
    until: Duration,
    is_waiting: bool,
}

/// What is asked for.
#[derive(Clone, Debug)]
pub(crate) enum What {
    /// One publication, or a batch.
    Publish(Vec<Item>),
    History(Asked),
    Info {
        channel: usize,
        floor: Option<(u64, u64)>,
    },
    Channels,
    End {
        channel: usize,
    },
    Delete {
        channel: usize,
    },
    Disconnect {
        session: SessionId,
        come_back: bool,
    },
}

/// A publication of a call.
#[derive(Clone, Debug)]
pub(crate) struct Item {
    tag: u32,
    channel: usize,
    /// Life and number.
    producer: Option<(u64, u64)>,
    /// It may have come to the server, and its answer did not come back.
    is_in_doubt: bool,
    is_done: bool,
}

impl Caller {
    pub(crate) fn new(number: usize, stage: &mut Stage) -> Self {
        Self {
            number,
            is_producer: stage.chance.percent(50),
            left: u32::try_from(stage.chance.scaled(1, stage.swarm.publications)).expect("small"),
            call: None,
            wanted: Vec::new(),
            next_act: Duration::ZERO,
            producing: BTreeMap::new(),
            page: Page::default(),
        }
    }

    /// Somebody who asks for what others want, and for nothing else.
    pub(crate) fn administrator() -> Self {
        Self {
            number: usize::MAX,
            is_producer: false,
            left: 0,
            call: None,
            wanted: Vec::new(),
            next_act: Duration::ZERO,
            producing: BTreeMap::new(),
            page: Page::default(),
        }
    }

    /// Whether it waits for nothing.
    pub(crate) fn is_at_rest(&self) -> bool {
        self.call.is_none() && self.wanted.is_empty()
    }

    /// Publishes one to a channel, as soon as it can.
    pub(crate) fn want_publication(&mut self, channel: usize, stage: &mut Stage) {
        let item = self.item(channel, stage);
        self.wanted.push(What::Publish(vec![item]));
    }

    /// Reads history, as soon as it can.
    pub(crate) fn want_history(&mut self, asked: Asked) {
        self.wanted.push(What::History(asked));
    }

    /// What the last request for history came to.
    pub(crate) fn take_page(&mut self) -> Page {
        std::mem::take(&mut self.page)
    }

    /// Whether it waits for this answer.
    pub(crate) fn awaits(&self, attempt: u64) -> bool {
        self.call.as_ref().is_some_and(|call| call.attempt == attempt && !call.is_waiting)
    }

    /// What it waits for, in words.
    pub(crate) fn describe(&self) -> String {
        format!("{:?}, then {:?}", self.call, self.wanted)
    }

    pub(crate) fn next_due(&self, stage: &Stage) -> Option<Duration> {
        match &self.call {
            Some(call) => Some(call.arrives_at.unwrap_or(call.until)),
            None if !self.wanted.is_empty() => Some(stage.now),
            None => (self.left > 0 && !stage.is_calm).then_some(self.next_act),
        }
    }

    /// The server's process is gone: who waits for an answer learns it sooner or later.
    pub(crate) fn server_lost(&mut self, stage: &mut Stage) {
        if let Some(call) = &mut self.call
            && call.arrives_at.is_none()
            && !call.is_waiting
            && stage.chance.percent(70)
        {
            call.until = stage.now + stage.chance.millis(0, 100);
        }
    }

    /// Its time has come.
    pub(crate) fn step(&mut self, server: Option<&mut Server>, stage: &mut Stage) {
        let Some(call) = &mut self.call else {
            return self.begin(stage);
        };
        if call.arrives_at.take().is_some() {
            match server {
                Some(server) => {
                    let operation = operation(&call.what, self.number, stage);
                    server.request(call.attempt, operation);
                }
                None => self.try_again(None, stage),
            }
        } else if call.is_waiting {
            let what = call.what.clone();
            self.attempt(what, stage);
        } else {
            // Nobody answers: what came of it is not known.
            if let What::Publish(items) = &mut call.what {
                items.iter_mut().filter(|it| !it.is_done).for_each(|it| it.is_in_doubt = true);
            }
            stage.tally.unknown += 1;
            self.try_again(None, stage);
        }
    }

    fn begin(&mut self, stage: &mut Stage) {
        let pause = stage.swarm.pause_ms;
        self.next_act = stage.now + stage.chance.millis(0, pause);
        let what = if self.wanted.is_empty() { self.draw(stage) } else { self.wanted.remove(0) };
        self.attempt(what, stage);
    }

    fn draw(&mut self, stage: &mut Stage) -> What {
        let channel = stage.chance.index(stage.truth.channels.len());
        match stage.chance.below(12) {
            0 => What::History(ask(stage)),
            1 => What::Info { channel, floor: stage.truth.last_acked(channel) },
            2 => What::Channels,
            _ => {
                let most = if stage.chance.percent(20) { 5 } else { 1 };
                let count = stage.chance.between(1, most).min(self.left.max(1).into());
                self.left = self.left.saturating_sub(u32::try_from(count).expect("small"));
                What::Publish((0..count).map(|_| self.item(channel, stage)).collect())
            }
        }
    }

    fn item(&mut self, channel: usize, stage: &mut Stage) -> Item {
        let shape = shape(stage);
        let tag = stage.truth.publish(channel, shape, false, None);
        stage.truth.publications[tag as usize].is_produced = self.is_producer;
        let producer = self.is_producer.then(|| {
            let (life, next) = self.producing.entry(channel).or_insert((1, 1));
            *next += 1;
            (*life, *next - 1)
        });
        Item { tag, channel, producer, is_in_doubt: false, is_done: false }
    }

    fn attempt(&mut self, what: What, stage: &mut Stage) {
        match what {
            What::End { channel } => stage.truth.channels[channel].ends += 1,
            What::Delete { channel } => stage.truth.channels[channel].deletes += 1,
            _ => {}
        }
        let is_lost = !stage.is_calm && !stage.swarm.faults.is_empty() && stage.chance.percent(3);
        let latency = stage.latency();
        self.call = Some(Call {
            what,
            attempt: stage.number(),
            arrives_at: (!is_lost).then_some(stage.now + latency),
            until: stage.now + latency + stage.chance.millis(500, 10_000),
            is_waiting: false,
        });
    }

    /// Tries again after a while: what the server says, or by chance.
    fn try_again(&mut self, retry_after_ms: Option<u64>, stage: &mut Stage) {
        if let Some(call) = &mut self.call {
            call.is_waiting = true;
            call.attempt = 0;
            let told = retry_after_ms.map(Duration::from_millis);
            let drawn = stage.chance.millis(10, 2_000);
            call.until = stage.now + told.unwrap_or(drawn);
        }
    }

    /// The answer has come that it waits for.
    pub(crate) fn answered(&mut self, mail: Mail, stage: &mut Stage) {
        let Some(call) = &mut self.call else { return };
        let what = call.what.clone();
        let outcome = mail.outcome;
        match (what, outcome) {
            (What::Publish(items), Ok(Answer::Published(published))) => {
                self.published(items, vec![Ok(published)], stage);
            }
            (What::Publish(items), Ok(Answer::Batch(results))) => {
                self.published(items, results, stage);
            }
            (What::Publish(items), Err(refusal)) => {
                let count = items.iter().filter(|it| !it.is_done).count();
                self.published(items, vec![Err(refusal); count], stage);
            }
            (_, Err(refusal)) if refusal.code.is_temporary() => {
                self.try_again(refusal.retry_after_ms, stage);
            }
            (what, outcome) => {
                check_answer(&what, &outcome, stage);
                if let Ok(Answer::History(page)) = &outcome {
                    let last = page.records.last();
                    let next = last.map(|it| Position { epoch: page.epoch, seq: it.seq });
                    self.page = Page { next, more: page.more };
                }
                self.call = None;
            }
        }
    }

    fn published(
        &mut self,
        mut items: Vec<Item>,
        results: Vec<Result<Published, Refusal>>,
        stage: &mut Stage,
    ) {
        let mut retry_after_ms = None;
        let mut begins_anew = false;
        let mut is_behind = false;
        let mut results = results.into_iter();
        for item in items.iter_mut().filter(|it| !it.is_done) {
            let Some(result) = results.next() else {
                Invariant::AnsweredOnce.broken(format!("#{} of a batch has no answer", item.tag));
            };
            match result {
                Ok(published) => {
                    stage.tally.acked += 1;
                    stage.truth.acked(item.tag, published.position);
                    item.is_done = true;
                }
                Err(refusal) => {
                    retry_after_ms = retry_after_ms.max(refusal.retry_after_ms);
                    // Of those that follow one that was refused the numbers leave a gap.
                    let follows = is_behind && refusal.code == ErrorCode::ProducerGap;
                    begins_anew |= !follows && refused(item, &refusal, stage);
                    is_behind = true;
                }
            }
        }
        Invariant::AnsweredOnce
            .check(results.next().is_none(), || "more answers than asked".into());
        if begins_anew {
            self.begin_life(&mut items);
        }
        let is_over = items.iter().all(|item| item.is_done);
        if let Some(call) = &mut self.call {
            call.what = What::Publish(items);
        }
        if is_over {
            self.call = None;
        } else {
            self.try_again(retry_after_ms, stage);
        }
    }

    /// The stream does not know this producer any more, or a number of it will never come: its next life begins.
    fn begin_life(&mut self, items: &mut [Item]) {
        let Some(channel) = items.first().map(|item| item.channel) else { return };
        let (life, next) = self.producing.entry(channel).or_insert((1, 1));
        (*life, *next) = (*life + 1, 1);
        for item in items.iter_mut().filter(|it| !it.is_done && it.producer.is_some()) {
            item.producer = Some((*life, *next));
            *next += 1;
        }
    }
}

/// A publication was refused. Whether its producer has to begin a new life.
fn refused(item: &mut Item, refusal: &Refusal, stage: &mut Stage) -> bool {
    let tag = item.tag;
    let channel = &stage.truth.channels[item.channel];
    let length = stage.truth.publications[tag as usize].payload().len();
    let is_right = match refusal.code {
        ErrorCode::StreamEnded => channel.ends > 0,
        ErrorCode::StorageFailed => stage.tally.failed_syncs > 0,
        ErrorCode::StorageFull => stage.tally.full_disks > 0,
        ErrorCode::TooLarge => length > MAX_CONTENT,
        ErrorCode::ProducerGap => stage.truth.may_begin_anew(item.channel),
        ErrorCode::RateLimited | ErrorCode::Unavailable => true,
        _ => false,
    };
    Invariant::RefusedRightly.check(is_right, || format!("{item:?}: {refusal}"));
    match refusal.code {
        // It may come to light when the server is started again.
        ErrorCode::StorageFailed => item.is_in_doubt = true,
        _ if !item.is_in_doubt => stage.truth.not_stored(tag),
        _ => {}
    }
    item.is_done = matches!(refusal.code, ErrorCode::StreamEnded | ErrorCode::TooLarge);
    stage.tally.refusals += 1;
    refusal.code == ErrorCode::ProducerGap || item.is_done && item.producer.is_some()
}

fn operation(what: &What, number: usize, stage: &Stage) -> Operation {
    let name = |channel: usize| stage.truth.channels[channel].plan.name.clone();
    match what {
        What::Publish(items) => {
            let mut items = items.iter().filter(|it| !it.is_done);
            let each = |item: &Item| (name(item.channel), publication(item, number, stage));
            match (items.next(), items.next()) {
                (Some(item), None) => {
                    let (channel, publication) = each(item);
                    Operation::Publish { channel, publication }
                }
                (first, second) => Operation::Batch(
                    first.into_iter().chain(second).chain(items).map(each).collect(),
                ),
            }
        }
        What::History(asked) => Operation::History(asked.history(&stage.truth)),
        What::Info { channel, .. } => Operation::Info { channel: name(*channel) },
        What::Channels => Operation::Channels { after: None, limit: 100 },
        What::End { channel } => Operation::End { channel: name(*channel) },
        What::Delete { channel } => Operation::Delete { channel: name(*channel) },
        What::Disconnect { session, come_back } => {
            Operation::Disconnect { whom: Whom::Session(*session), come_back: *come_back }
        }
    }
}

fn publication(item: &Item, number: usize, stage: &Stage) -> Publication {
    let token = |text: String| Token::new(&text).expect("valid");
    let mut publication = stage.truth.publications[item.tag as usize].publication();
    match item.producer {
        Some((epoch, seq)) => {
            let id = token(format!("caller {number}"));
            publication.producer = Some(Producer { id, epoch, seq });
        }
        None => publication.key = Some(token(format!("caller {number} {}", item.tag))),
    }
    publication
}

/// An answer to anything but a publication.
fn check_answer(what: &What, outcome: &Result<Answer, Refusal>, stage: &mut Stage) {
    let is_right = match (what, outcome) {
        (What::History(asked), Ok(Answer::History(page))) => {
            stage.tally.histories += 1;
            stage.truth.answered(asked, page);
            true
        }
        (What::History(asked), Err(refusal)) => {
            check_mismatch(asked, refusal, stage);
            true
        }
        (What::Info { floor, .. }, Ok(Answer::Info(info))) => floor
            .is_none_or(|(of, last)| of != info.position.epoch.get() || last <= info.position.seq),
        (What::Info { channel, floor }, Err(refusal)) => {
            let may_be_gone =
                floor.is_none_or(|(of, _)| stage.truth.may_have_begun_anew(*channel, of));
            refusal.code == ErrorCode::NotFound && may_be_gone
        }
        (What::Channels, Ok(Answer::Channels { channels, next })) => {
            next.is_none() && channels.is_sorted_by(|one, other| one.channel < other.channel)
        }
        (What::Delete { channel }, Ok(Answer::Deleted)) => {
            stage.truth.deletion_acked(*channel);
            true
        }
        (What::End { .. }, Ok(Answer::Ended(_)))
        | (What::Disconnect { .. }, Ok(Answer::Disconnected(1))) => true,
        (What::Disconnect { .. }, Err(refusal)) => refusal.code == ErrorCode::NotFound,
        (What::End { .. } | What::Delete { .. }, Err(refusal)) => {
            refusal.code == ErrorCode::StorageFailed && stage.tally.failed_syncs > 0
        }
        _ => false,
    };
    Invariant::RefusedRightly.check(is_right, || format!("{what:?} is answered by {outcome:?}"));
}
