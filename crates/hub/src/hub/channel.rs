//! A channel that has subscriptions, and who they are.

use std::{collections::HashMap, sync::Arc};

use longwire_channel::{ChannelName, Epoch, Policy, Position, Record};
use slab::Slab;
use smallvec::SmallVec;

use super::state::State;
use crate::SessionId;

/// A channel that has subscriptions.
#[derive(Debug)]
pub(super) struct Channel {
    pub(super) name: ChannelName,
    pub(super) stream: Stream,
    /// The `seq` of the last record that was told: what is behind it comes live.
    pub(super) tail: u64,
    pub(super) ended: bool,
    /// Publications that were told, ephemeral ones too.
    pub(super) turn: u64,
    /// Many channels never have a second one.
    members: SmallVec<[Member; 1]>,
    /// Invariant: `members` has so many that are `Live`, ...
    live: u32,
    /// ... behind them those that are `Poised`, up to here; the rest behind them.
    poised: u32,
    /// What it has nothing of while it rests, unless a policy needs it.
    extras: Option<Box<Extras>>,
}

/// What a channel has for those who do not take every record as it comes.
#[derive(Debug, Default)]
struct Extras {
    /// The latest publication, if there are subscriptions that want no other.
    latest: Option<Arc<Record>>,
    /// Subscriptions with the policy `latest`.
    conflated: u32,
    /// Subscriptions with the policy `rollup`.
    rollups: u32,
    /// Pages on their way: behind which `seq` they begin, and the token of the request.
    reads: Vec<(u64, u64)>,
}

/// Whether the broker tells what happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stream {
    /// `Attach` was submitted with this token.
    Attaching(u64),
    Attached(Epoch),
}

/// A subscription, as the fan-out needs it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Member {
    pub(super) session: SessionId,
    pub(super) sub: u32,
    pub(super) key: u32,
}

impl Channel {
    fn new(name: ChannelName, token: u64) -> Self {
        Self {
            name,
            stream: Stream::Attaching(token),
            tail: 0,
            ended: false,
            turn: 0,
            members: SmallVec::new(),
            live: 0,
            poised: 0,
            extras: None,
        }
    }

    pub(super) fn epoch(&self) -> Option<Epoch> {
        match self.stream {
            Stream::Attached(epoch) => Some(epoch),
            Stream::Attaching(_) => None,
        }
    }

    /// Where its stream stands, once it is attached.
    pub(super) fn position(&self) -> Option<Position> {
        self.epoch().map(|epoch| Position { epoch, seq: self.tail })
    }

    pub(super) fn members(&self) -> &[Member] {
        &self.members
    }

    /// Those that get the next record as it comes, all alike.
    pub(super) fn live(&self) -> &[Member] {
        &self.members[..self.live as usize]
    }

    /// Those that get the next record each by itself.
    pub(super) fn poised(&self) -> &[Member] {
        &self.members[self.live as usize..self.poised as usize]
    }

    /// The latest publication, if there are subscriptions that want no other.
    pub(super) fn latest(&self) -> Option<&Arc<Record>> {
        self.extras.as_ref()?.latest.as_ref()
    }

    /// Keeps a publication as the latest, if anybody wants it.
    pub(super) fn keep(&mut self, record: &Arc<Record>) {
        if let Some(extras) = self.extras.as_mut().filter(|it| it.conflated > 0) {
            extras.latest = Some(Arc::clone(record));
        }
    }

    /// Whether there are subscriptions with the policy `rollup`.
    pub(super) fn has_rollups(&self) -> bool {
        self.extras.as_ref().is_some_and(|it| it.rollups > 0)
    }

    /// The token of the latest request for the page behind this `seq`, if it is on its way.
    pub(super) fn read_behind(&self, seq: u64) -> Option<u64> {
        let reads = &self.extras.as_ref()?.reads;
        reads.iter().rfind(|(behind, _)| *behind == seq).map(|(_, token)| *token)
    }

    pub(super) fn begin_read(&mut self, behind: u64, token: u64) {
        self.extras.get_or_insert_default().reads.push((behind, token));
    }

    pub(super) fn end_read(&mut self, token: u64) {
        self.change_extras(|it| it.reads.retain(|(_, read)| *read != token));
    }

    /// Its stream begins anew: what was read and kept is of the life before.
    pub(super) fn forget_life(&mut self) {
        self.change_extras(|it| {
            it.latest = None;
            it.reads.clear();
        });
    }

    /// Counts one more with this policy.
    pub(super) fn count_in(&mut self, policy: Policy) {
        match policy {
            Policy::Latest { .. } => self.extras.get_or_insert_default().conflated += 1,
            Policy::Rollup { .. } => self.extras.get_or_insert_default().rollups += 1,
            _ => {}
        }
    }

    /// Counts one less.
    pub(super) fn count_out(&mut self, policy: Policy) {
        self.change_extras(|it| match policy {
            Policy::Latest { .. } => {
                it.conflated -= 1;
                it.latest.take_if(|_| it.conflated == 0);
            }
            Policy::Rollup { .. } => it.rollups -= 1,
            _ => {}
        });
    }

    /// Takes something away, and gives the memory back where nothing is left.
    fn change_extras(&mut self, change: impl FnOnce(&mut Extras)) {
        if let Some(extras) = &mut self.extras {
            change(extras);
            self.extras.take_if(|it| it.conflated == 0 && it.rollups == 0 && it.reads.is_empty());
        }
    }

    /// Takes a member in, as one of the rest, and gives its index.
    pub(super) fn join(&mut self, member: Member) -> u32 {
        self.members.push(member);
        index_of(self.members.len() - 1)
    }

    /// Puts the member at `index` where members of this state belong. Those who moved are told to `moved`: key and
    /// new index.
    pub(super) fn place(&mut self, mut index: u32, state: State, mut moved: impl FnMut(u32, u32)) {
        let mut swap = |members: &mut [Member], a: u32, b: u32| {
            members.swap(a as usize, b as usize);
            moved(members[a as usize].key, a);
            moved(members[b as usize].key, b);
        };
        // Out of where it is, to the rest, ...
        if index < self.live {
            self.live -= 1;
            swap(&mut self.members, index, self.live);
            index = self.live;
        }
        if index < self.poised {
            self.poised -= 1;
            swap(&mut self.members, index, self.poised);
            index = self.poised;
        }
        // ... and from there to where it belongs.
        if matches!(state, State::Live | State::Poised) {
            swap(&mut self.members, index, self.poised);
            index = self.poised;
            self.poised += 1;
        }
        if state == State::Live {
            swap(&mut self.members, index, self.live);
            self.live += 1;
        }
    }

    /// Lets the member at `index` go.
    pub(super) fn leave(&mut self, index: u32, mut moved: impl FnMut(u32, u32)) {
        let key = self.members[index as usize].key;
        let mut last = index;
        self.place(index, State::Waiting, |key_moved, to| {
            moved(key_moved, to);
            if key_moved == key {
                last = to;
            }
        });
        self.members.swap_remove(last as usize);
        if let Some(member) = self.members.get(last as usize) {
            moved(member.key, last);
        }
        if self.members.capacity() > 4 * self.members.len().max(4) {
            // Despite its name it takes away as well.
            self.members.grow(2 * self.members.len());
        }
    }
}

/// Channels by key and by name.
#[derive(Debug, Default)]
pub(super) struct Channels {
    slab: Slab<Channel>,
    names: HashMap<ChannelName, u32>,
}

impl Channels {
    pub(super) fn find(&self, name: &ChannelName) -> Option<u32> {
        self.names.get(name).copied()
    }

    /// A new channel, whose `Attach` has this token.
    pub(super) fn insert(&mut self, name: &ChannelName, token: u64) -> u32 {
        let key = index_of(self.slab.insert(Channel::new(name.clone(), token)));
        self.names.insert(name.clone(), key);
        key
    }

    pub(super) fn remove(&mut self, key: u32) -> Channel {
        let channel = self.slab.remove(key as usize);
        self.names.remove(&channel.name);
        channel
    }

    pub(super) fn get(&self, key: u32) -> Option<&Channel> {
        self.slab.get(key as usize)
    }

    pub(super) fn get_mut(&mut self, key: u32) -> Option<&mut Channel> {
        self.slab.get_mut(key as usize)
    }

    pub(super) fn len(&self) -> usize {
        self.slab.len()
    }

    /// Records that they keep.
    #[cfg(feature = "simulation")]
    pub(super) fn held(&self) -> usize {
        self.slab.iter().filter(|(_, channel)| channel.latest().is_some()).count()
    }
}

impl std::ops::Index<u32> for Channels {
    type Output = Channel;

    fn index(&self, key: u32) -> &Channel {
        &self.slab[key as usize]
    }
}

impl std::ops::IndexMut<u32> for Channels {
    fn index_mut(&mut self, key: u32) -> &mut Channel {
        &mut self.slab[key as usize]
    }
}

/// An index into a table of this process; four thousand million entries do not fit into its memory.
pub(super) fn index_of(index: usize) -> u32 {
    u32::try_from(index).expect("tables have less than 2^32 entries")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    fn any(random: &mut Random, length: usize) -> usize {
        usize::try_from(random.below(length as u64)).expect("it is below a usize")
    }

    #[test]
    fn members_stay_in_their_parts_whatever_moves() {
        let mut random = Random::new(7);
        let mut channel = Channel::new(ChannelName::new("a").expect("valid"), 0);
        let mut states: HashMap<u32, (State, u32)> = HashMap::new();
        for key in 0..2_000u32 {
            if random.below(3) > 0 {
                let member = Member { session: SessionId(u64::from(key)), sub: key, key };
                let index = channel.join(member);
                states.insert(key, (State::Waiting, index));
            }
            let keys: Vec<u32> = states.keys().copied().collect();
            let Some(&key) = keys.get(any(&mut random, keys.len())) else { continue };
            let index = states[&key].1;
            if random.below(3) == 0 {
                states.remove(&key);
                channel.leave(index, |key, to| {
                    if let Some((_, index)) = states.get_mut(&key) {
                        *index = to;
                    }
                });
            } else {
                let state = [State::Live, State::Poised, State::Resting][any(&mut random, 3)];
                channel.place(index, state, |key, to| {
                    states.get_mut(&key).expect("a member").1 = to;
                });
                states.get_mut(&key).expect("a member").0 = state;
            }
            for (key, (_, index)) in &states {
                assert_eq!(channel.members()[*index as usize].key, *key);
            }
            let count = |wanted| states.values().filter(|(state, _)| *state == wanted).count();
            assert_eq!(channel.live().len(), count(State::Live));
            assert_eq!(channel.poised().len(), count(State::Poised));
            assert!(channel.live().iter().all(|it| states[&it.key].0 == State::Live));
            assert!(channel.poised().iter().all(|it| states[&it.key].0 == State::Poised));
            assert_eq!(channel.members().len(), states.len());
        }
        assert!(states.len() > 100);
    }
}
