//! A model of a client's subscription: it follows `seq` and `prev`, and finds every fault.

use std::{fmt, sync::Arc};

use longwire_channel::{Epoch, Gap, Outcome, Position, Pushed, Record, Start, Subscribed};

/// What a client knows of a channel that it reads, across connections.
#[derive(Clone, Debug, Default)]
pub struct Reader {
    /// Whether records are left out by its policy.
    pub skips: bool,
    /// Where it stands.
    pub position: Option<Position>,
    /// What it was given since it began, with the epoch of each.
    pub records: Vec<(Epoch, Arc<Record>)>,
    /// Ephemeral records that it was given.
    pub ephemeral: Vec<Arc<Record>>,
    /// What it was told is lost.
    pub lost: Vec<(Epoch, Gap)>,
    /// How often it was told that the stream began anew, or that its place is not kept.
    pub resets: usize,
    /// Records that were left out, as it was told.
    pub skipped: u64,
    /// How the last subscription began.
    pub outcome: Option<Outcome>,
    /// The position that the last `subscribed` named: what the recovery reaches at least.
    pub promised: u64,
    /// Whether the stream has ended.
    pub ended: bool,
}

/// What must not happen to a subscription.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// Something came before the subscription began.
    Early,
    /// Something came behind the stream's end.
    Late,
    /// A push follows another `seq` than the last that was given.
    Gap {
        /// Where the client stands.
        at: u64,
        /// What the push follows.
        prev: u64,
    },
    /// Records within a page do not follow each other, or one comes again.
    Order {
        /// Where the client stands.
        at: u64,
        /// What came.
        seq: u64,
    },
    /// `skipped` is not what lies between.
    Skipped {
        /// What was told.
        told: u64,
        /// What lies between.
        between: u64,
    },
    /// Time went back.
    Time,
    /// What `subscribed` says does not fit together.
    Begin(Outcome),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

impl Reader {
    /// Where to begin again.
    pub fn start(&self, first: Start) -> Start {
        self.position.map_or(first, Start::After)
    }

    /// A subscription began.
    pub fn subscribed(&mut self, start: Start, subscribed: Subscribed) -> Result<(), Fault> {
        let Position { epoch, seq: tail } = subscribed.position;
        let fault = Err(Fault::Begin(subscribed.outcome));
        let asked = match start {
            Start::After(position) => Some(position),
            _ => None,
        };
        let same_epoch = asked.is_some_and(|position| position.epoch == epoch);
        let after = match subscribed.outcome {
            // With a position it may only be said where nothing was missed.
            Outcome::Live if asked.is_some_and(|it| it != subscribed.position) => return fault,
            Outcome::Live => tail,
            Outcome::Deltas { after } => {
                if asked.is_some_and(|it| !same_epoch || it.seq != after) || after >= tail {
                    return fault;
                }
                after
            }
            Outcome::Snapshot { after } if after < tail => after,
            Outcome::Truncated { after } if after <= tail && asked.is_some() => {
                self.resets += 1;
                after
            }
            _ => return fault,
        };
        self.position = Some(Position { epoch, seq: after });
        self.outcome = Some(subscribed.outcome);
        self.promised = tail;
        Ok(())
    }

    /// Something was pushed.
    pub fn pushed(&mut self, pushed: &Pushed) -> Result<(), Fault> {
        let Some(position) = &mut self.position else { return Err(Fault::Early) };
        if self.ended {
            return Err(Fault::Late);
        }
        let at = position.seq;
        match pushed {
            Pushed::Message { record, .. } if record.seq == 0 => {
                self.ephemeral.push(Arc::clone(record));
                Ok(())
            }
            Pushed::Message { prev, skipped, record } => {
                if *prev != at {
                    return Err(Fault::Gap { at, prev: *prev });
                }
                if record.seq <= at {
                    return Err(Fault::Order { at, seq: record.seq });
                }
                let between = record.seq - at - 1;
                if *skipped != between || between > 0 && !self.skips {
                    return Err(Fault::Skipped { told: *skipped, between });
                }
                self.skipped += between;
                self.take(record)
            }
            Pushed::Page { prev, records, .. } => {
                if *prev != at {
                    return Err(Fault::Gap { at, prev: *prev });
                }
                for record in records {
                    let at = self.position.map_or(0, |position| position.seq);
                    if record.seq != at + 1 {
                        return Err(Fault::Order { at, seq: record.seq });
                    }
                    self.take(record)?;
                }
                Ok(())
            }
            Pushed::Lost(gap) => {
                if gap.from != at || gap.to <= gap.from {
                    return Err(Fault::Gap { at, prev: gap.from });
                }
                self.lost.push((position.epoch, *gap));
                position.seq = gap.to;
                Ok(())
            }
            Pushed::Reset { position: new } => {
                *position = *new;
                self.resets += 1;
                Ok(())
            }
            Pushed::Ended { seq } => {
                self.ended = true;
                if *seq != at && !self.skips {
                    return Err(Fault::Gap { at, prev: *seq });
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn take(&mut self, record: &Arc<Record>) -> Result<(), Fault> {
        let Some(position) = &mut self.position else { return Err(Fault::Early) };
        if let Some((epoch, last)) = self.records.last()
            && *epoch == position.epoch
            && last.time > record.time
        {
            return Err(Fault::Time);
        }
        position.seq = record.seq;
        self.records.push((position.epoch, Arc::clone(record)));
        Ok(())
    }
}
