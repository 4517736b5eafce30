//! Namespaces: what holds for all channels whose names begin alike.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use longwire_channel::{ChannelName, Policy, Start};

/// What holds for the channels of one namespace.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Namespace {
    /// Where its streams are kept. Default: memory.
    pub durability: Durability,
    /// How much of each stream is kept. Default: that of the durability, [`Retention::MEMORY`] or [`Retention::DISK`].
    pub retention: Retention,
    /// Bytes of the largest content that may be published. Default: 64 KiB. Beyond it: `too_large`.
    pub max_message_bytes: usize,
    /// The policy of a subscription that asks for none. Default: all.
    pub policy: Policy,
    /// The policies that may be asked for. Default: every one. Beyond them: `forbidden`.
    pub policies: Policies,
    /// Where a subscription begins that does not say. Default: now.
    pub start: Start,
    /// Whether ephemeral publications are allowed. Default: yes. If not: `forbidden`.
    pub ephemeral: bool,
    /// How long an idempotency key is remembered. Default: 10 minutes. Behind it the key is new again.
    pub idempotency_window: Duration,
    /// Who may do what without a permission in the token. Default: nobody.
    pub access: Access,
    /// The most records of one answer to `history`. Default: 1,000. A larger limit counts as this one.
    pub history_limit: u32,
    /// Publications a second that one session may make to all channels of the namespace together, over two seconds.
    /// Default: `None`, as many as the session may make at all. Beyond it they are held, and whatever the session
    /// publishes behind them, to other namespaces too.
    pub publish_rate: Option<u32>,
}

impl Namespace {
    /// The defaults for streams that are kept there.
    pub fn new(durability: Durability) -> Self {
        Self {
            durability,
            retention: match durability {
                Durability::Memory => Retention::MEMORY,
                Durability::Disk => Retention::DISK,
            },
            max_message_bytes: 64 << 10,
            policy: Policy::All,
            policies: Policies::ALL,
            start: Start::Now,
            ephemeral: true,
            idempotency_window: Duration::from_mins(10),
            access: Access::default(),
            history_limit: 1_000,
            publish_rate: None,
        }
    }
}

impl Default for Namespace {
    fn default() -> Self {
        Self::new(Durability::Memory)
    }
}

/// Where a stream is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(clippy::exhaustive_enums, reason = "a stream outlives the process or not")]
pub enum Durability {
    /// In memory: gone with the process.
    Memory,
    /// On disk: a publication is acknowledged and delivered once it is there for good.
    Disk,
}

/// How much of a stream is kept. What is older than any of these is dropped, oldest first; the last record stays
/// whatever its size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Records.
    pub count: u64,
    /// Bytes of their contents, with what belongs to them.
    pub bytes: u64,
    /// Time since they were published.
    pub age: Duration,
}

impl Retention {
    /// 1,000 records, 1 MiB, an hour.
    pub const MEMORY: Self = Self { count: 1_000, bytes: 1 << 20, age: Duration::from_hours(1) };

    /// 100,000 records, 64 MiB, seven days.
    pub const DISK: Self =
        Self { count: 100_000, bytes: 64 << 20, age: Duration::from_hours(7 * 24) };
}

/// A set of policies, whatever their intervals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policies(u8);

impl Policies {
    /// Every policy.
    pub const ALL: Self = Self(u8::MAX);

    /// Whether `policy` is in it.
    pub fn has(self, policy: Policy) -> bool {
        self.0 & bit(policy) != 0
    }
}

impl FromIterator<Policy> for Policies {
    fn from_iter<I: IntoIterator<Item = Policy>>(policies: I) -> Self {
        Self(policies.into_iter().fold(0, |bits, policy| bits | bit(policy)))
    }
}

/// Who may do what on a namespace's channels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Access {
    /// To subscribe.
    pub subscribe: Who,
    /// To publish.
    pub publish: Who,
    /// To read history.
    pub history: Who,
}

impl Access {
    /// Everyone may do everything: for development.
    pub const OPEN: Self =
        Self { subscribe: Who::Anyone, publish: Who::Anyone, history: Who::Anyone };
}

/// Who may do something.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Who {
    /// Whose token says so.
    #[default]
    Token,
    /// Whose token says so, and everybody whose token names a user.
    User,
    /// Everybody who is connected.
    Anyone,
}

/// All namespaces. Cloning is cheap.
#[derive(Clone, Debug, Default)]
pub struct Namespaces(Arc<Table>);

#[derive(Debug, Default)]
struct Table {
    default: Arc<Namespace>,
    others: BTreeMap<String, Arc<Namespace>>,
}

impl Namespaces {
    /// `default` holds for channels whose namespace is not among `others`.
    pub fn new(default: Namespace, others: impl IntoIterator<Item = (String, Namespace)>) -> Self {
        let others = others.into_iter().map(|(name, it)| (name, Arc::new(it))).collect();
        Self(Arc::new(Table { default: Arc::new(default), others }))
    }

    /// The namespace of a channel.
    pub fn of(&self, channel: &ChannelName) -> &Arc<Namespace> {
        self.0.others.get(channel.namespace()).unwrap_or(&self.0.default)
    }

    /// The names, with what they name; the default has the empty name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Arc<Namespace>)> {
        let others = self.0.others.iter().map(|(name, it)| (name.as_str(), it));
        std::iter::once(("", &self.0.default)).chain(others)
    }
}

fn bit(policy: Policy) -> u8 {
    match policy {
        Policy::All => 1,
        Policy::Latest { .. } => 1 << 1,
        Policy::Rollup { .. } => 1 << 2,
        Policy::Drop => 1 << 3,
        Policy::Disconnect => 1 << 4,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_channel_without_a_namespace_of_its_own_has_the_default() {
        let durable = Namespace::new(Durability::Disk);
        let namespaces =
            Namespaces::new(Namespace::default(), [("chat".to_owned(), durable.clone())]);
        let of = |name| namespaces.of(&ChannelName::new(name).expect("valid")).durability;
        assert_eq!(of("chat:1"), Durability::Disk);
        assert_eq!(of("chat"), Durability::Memory);
        assert_eq!(of("news:1"), Durability::Memory);
        assert_eq!(namespaces.iter().map(|(name, _)| name).collect::<Vec<_>>(), ["", "chat"]);
    }

    #[test]
    fn a_policy_is_allowed_whatever_its_interval() {
        let some: Policies = [Policy::All, Policy::Latest { interval_ms: 0 }].into_iter().collect();
        assert!(some.has(Policy::Latest { interval_ms: 50 }));
        assert!(!some.has(Policy::Drop));
        assert!(Policies::ALL.has(Policy::Rollup { interval_ms: 1 }));
    }
}
