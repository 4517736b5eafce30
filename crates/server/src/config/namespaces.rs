//! What the channels of a namespace are like.

use serde::Deserialize;

use super::{ConfigError, Size, Span};

/// A section `[namespaces.NAME]`. What it leaves out is as in `[namespaces.default]`, which is also what holds for
/// channels of every namespace that has no section.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct NamespaceConfig {
    /// Whether its records outlive the process. Default: on disk.
    pub durability: Option<Durability>,
    /// How much of a stream is kept.
    pub retention: RetentionConfig,
    /// Bytes of a publication's content. Default: 64 KiB.
    pub message_bytes: Option<Size>,
    /// What happens to a subscription that is too slow, where it does not say itself. Default: all.
    pub policy: Option<PolicyName>,
    /// Which policies a subscription may ask for. Default: each.
    pub policies: Option<Vec<PolicyName>>,
    /// Where a subscription begins that does not say itself. Default: now.
    pub start: Option<StartName>,
    /// Whether it may be published to without keeping. Default: true.
    pub ephemeral: Option<bool>,
    /// How long an idempotency key is known. Default: 10 min.
    pub idempotency_window: Option<Span>,
    /// Records of one answer of history. Default: 1,000.
    pub history_limit: Option<u32>,
    /// Publications a second of one session to these channels together. Beyond it they wait in their order, and so does
    /// what the session publishes behind them. Over HTTP it does not count. Default: as many as the session may.
    pub publish_rate: Option<u32>,
    /// Who may do what without a token that says so.
    pub access: AccessConfig,
}

/// How much of a stream is kept: whatever is reached first counts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct RetentionConfig {
    /// Records. Default: 100,000 on disk, 1,000 in memory.
    pub count: Option<u64>,
    /// Bytes. Default: 64 MiB on disk, 1 MiB in memory.
    pub bytes: Option<Size>,
    /// Time. Default: 7 days on disk, 1 h in memory.
    pub age: Option<Span>,
}

/// Who may do something: whoever holds a token that names it, every user with a token, or everybody.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct AccessConfig {
    /// Subscribe. Default: token.
    pub subscribe: Option<WhoName>,
    /// Publish. Default: token.
    pub publish: Option<WhoName>,
    /// Read history. Default: token.
    pub history: Option<WhoName>,
}

/// Whether records outlive the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Durability {
    /// They do not; nothing waits for a disk.
    Memory,
    /// They do: nobody sees a record that a crash could take.
    Disk,
}

/// The name of a policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum PolicyName {
    /// Every record; who is slow reads them from the stream.
    All,
    /// The latest alone.
    Latest,
    /// Every record, gathered into pages.
    Rollup,
    /// What comes meanwhile is dropped.
    Drop,
    /// The client is disconnected.
    Disconnect,
}

/// Where a subscription begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum StartName {
    /// With what comes.
    Now,
    /// With the first record that is kept.
    Beginning,
    /// With the last record.
    Latest,
}

/// Who may do something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum WhoName {
    /// Whoever has a token that allows it.
    Token,
    /// Whoever has a token that names a user.
    User,
    /// Everybody.
    Anyone,
}

impl NamespaceConfig {
    /// Itself, and what it leaves out from `default`.
    #[must_use]
    pub fn or(self, default: &Self) -> Self {
        let durability = self.durability.or(default.durability);
        // Retention follows durability where nothing is said, so another durability takes no numbers over.
        let inherited = if durability == default.durability {
            default.retention.clone()
        } else {
            RetentionConfig::default()
        };
        Self {
            durability,
            retention: RetentionConfig {
                count: self.retention.count.or(inherited.count),
                bytes: self.retention.bytes.or(inherited.bytes),
                age: self.retention.age.or(inherited.age),
            },
            message_bytes: self.message_bytes.or(default.message_bytes),
            policy: self.policy.or(default.policy),
            policies: self.policies.or_else(|| default.policies.clone()),
            start: self.start.or(default.start),
            ephemeral: self.ephemeral.or(default.ephemeral),
            idempotency_window: self.idempotency_window.or(default.idempotency_window),
            history_limit: self.history_limit.or(default.history_limit),
            publish_rate: self.publish_rate.or(default.publish_rate),
            access: AccessConfig {
                subscribe: self.access.subscribe.or(default.access.subscribe),
                publish: self.access.publish.or(default.access.publish),
                history: self.access.history.or(default.access.history),
            },
        }
    }

    pub(super) fn check(&self, name: &str, message_bytes: Size) -> Result<(), ConfigError> {
        let invalid = |key: &str, words: String| {
            Err(ConfigError::invalid(format!("namespaces.{name}.{key}"), words))
        };
        if self.retention.count == Some(0) {
            return invalid("retention.count", "a stream keeps at least 1 record".to_owned());
        }
        if self.history_limit == Some(0) {
            return invalid("history_limit", "an answer needs at least 1 record".to_owned());
        }
        if self.publish_rate == Some(0) {
            let words = "0 would hold every publication for ever: write 1 or more, or let nobody \
                         publish by `access` and the rights of tokens";
            return invalid("publish_rate", words.to_owned());
        }
        if let Some(bytes) = self.message_bytes.filter(|bytes| *bytes > message_bytes) {
            let words = format!(
                "{bytes} is more than a client may send, `limits.message_bytes` = {message_bytes}: \
                 make this smaller, or that larger"
            );
            return invalid("message_bytes", words);
        }
        if let (Some(policy), Some(allowed)) = (self.policy, &self.policies)
            && !allowed.contains(&policy)
        {
            let words = "the default is not among `policies`: add it there".to_owned();
            return invalid("policy", words);
        }
        Ok(())
    }
}
