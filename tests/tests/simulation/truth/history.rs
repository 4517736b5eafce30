//! History: what an answer must have.

use longwire_channel::{HistoryPage, Order, Position};

use super::Truth;
use crate::invariant::Invariant;

/// A request for history, with what was true when it was made.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) channel: usize,
    pub(crate) from: Option<Position>,
    pub(crate) since: Option<u64>,
    pub(crate) order: Order,
    pub(crate) limit: u32,
    /// What had been acknowledged.
    pub(crate) floor: Option<(u64, u64)>,
}

impl Asked {
    pub(crate) fn history(&self, truth: &Truth) -> longwire_channel::History {
        longwire_channel::History {
            channel: truth.channels[self.channel].plan.name.clone(),
            order: self.order,
            from: self.from,
            since: self.since,
            limit: Some(self.limit),
        }
    }
}

impl Truth {
    /// An answer to a request for history.
    pub(crate) fn answered(&mut self, asked: &Asked, page: &HistoryPage) {
        let epoch = page.epoch.get();
        let words = |what: &str| format!("{what}: {asked:?} is answered by {page:?}");
        let check = |holds: bool, what: &str| Invariant::History.check(holds, || words(what));
        check(asked.from.is_none_or(|it| it.epoch == page.epoch), "it is of another epoch");
        check(page.records.len() <= asked.limit as usize, "it has more than was asked for");
        check(page.last <= self.last(epoch), "there is no such record");
        if let Some((of, floor)) = asked.floor {
            check(of != epoch || floor <= page.last, "what was acknowledged is missing");
        }
        let mut at = match (asked.from, asked.order) {
            (Some(from), _) => from.seq,
            (None, Order::Forwards) => 0,
            (None, Order::Backwards) => page.last + 1,
        };
        for record in &page.records {
            let seq = record.seq;
            self.seen(asked.channel, epoch, record);
            let (low, high) = match asked.order {
                Order::Forwards => (at + 1, seq),
                Order::Backwards => (seq + 1, at),
            };
            check(seq != at && low <= high, "its order is not what was asked for");
            let is_wanted = asked.since.is_none_or(|since| record.time >= since);
            check(is_wanted, "a record is older than was asked for");
            let left_out = (low..high).find(|seq| !self.may_be_left_out(epoch, *seq, asked.since));
            check(left_out.is_none(), &format!("{left_out:?} is left out"));
            at = seq;
        }
        let (low, high) = match asked.order {
            Order::Forwards => (at + 1, page.last + 1),
            Order::Backwards => (1, at),
        };
        if !page.more {
            let left_out = (low..high).find(|seq| !self.may_be_left_out(epoch, *seq, asked.since));
            check(left_out.is_none(), &format!("{left_out:?} is left out at its end"));
        }
    }

    /// Whether an answer may be without a record that was there.
    fn may_be_left_out(&self, epoch: u64, seq: u64, since: Option<u64>) -> bool {
        let entry = self.lives.get(&epoch).and_then(|life| life.get(seq));
        let is_older = since.is_some_and(|since| entry.is_some_and(|it| it.time_ms < since));
        is_older || self.is_gone(epoch, seq)
    }
}
