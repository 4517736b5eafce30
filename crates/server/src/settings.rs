//! The configuration in the hub's terms.

use longwire_channel::{Policy, Start};
use longwire_hub::{Access, Durability, HubConfig, Namespace, Namespaces, Retention, Who};

use crate::{
    config::{self, Config, DEFAULT_NAMESPACE, NamespaceConfig, PolicyName, StartName, WhoName},
    http::BATCH_MAX,
};

/// The hub's settings.
pub(crate) fn hub(config: &Config) -> HubConfig {
    let limits = &config.limits;
    let mut hub = HubConfig::default();
    hub.namespaces = namespaces(config);
    hub.max_sessions = limits.connections;
    hub.max_subscriptions = limits.subscriptions;
    hub.max_message_bytes = limits.message_bytes.0;
    hub.max_batch = BATCH_MAX;
    hub.publish_rate = limits.publish_rate;
    hub.connect_timeout = limits.connect_timeout.0;
    hub.ping_interval = limits.ping_interval.0;
    hub.pong_timeout = limits.pong_timeout.0;
    hub.stall_timeout = limits.stall_timeout.0;
    hub.reconnect_window = limits.reconnect_window.0;
    hub
}

fn namespaces(config: &Config) -> Namespaces {
    let others = config.namespaces.keys().filter(|name| *name != DEFAULT_NAMESPACE);
    Namespaces::new(
        namespace(&config.namespace(DEFAULT_NAMESPACE)),
        others.map(|name| (name.clone(), namespace(&config.namespace(name)))),
    )
}

fn namespace(config: &NamespaceConfig) -> Namespace {
    let mut namespace = Namespace::new(match config.durability {
        Some(config::Durability::Memory) => Durability::Memory,
        Some(config::Durability::Disk) | None => Durability::Disk,
    });
    let kept = namespace.retention;
    namespace.retention = Retention {
        count: config.retention.count.unwrap_or(kept.count),
        bytes: config.retention.bytes.map_or(kept.bytes, |bytes| bytes.0),
        age: config.retention.age.map_or(kept.age, |age| age.0),
    };
    if let Some(bytes) = config.message_bytes {
        namespace.max_message_bytes = bytes.bytes();
    }
    if let Some(name) = config.policy {
        namespace.policy = policy(name);
    }
    if let Some(names) = &config.policies {
        namespace.policies = names.iter().map(|name| policy(*name)).collect();
    }
    namespace.start = match config.start {
        Some(StartName::Beginning) => Start::Beginning,
        Some(StartName::Latest) => Start::Last(1),
        Some(StartName::Now) | None => Start::Now,
    };
    namespace.ephemeral = config.ephemeral.unwrap_or(namespace.ephemeral);
    if let Some(window) = config.idempotency_window {
        namespace.idempotency_window = window.0;
    }
    namespace.history_limit = config.history_limit.unwrap_or(namespace.history_limit);
    namespace.publish_rate = config.publish_rate.or(namespace.publish_rate);
    namespace.access = Access {
        subscribe: who(config.access.subscribe),
        publish: who(config.access.publish),
        history: who(config.access.history),
    };
    namespace
}

fn policy(name: PolicyName) -> Policy {
    match name {
        PolicyName::All => Policy::All,
        PolicyName::Latest => Policy::Latest { interval_ms: 0 },
        PolicyName::Rollup => Policy::Rollup { interval_ms: ROLLUP_MS },
        PolicyName::Drop => Policy::Drop,
        PolicyName::Disconnect => Policy::Disconnect,
    }
}

fn who(name: Option<WhoName>) -> Who {
    match name {
        Some(WhoName::Anyone) => Who::Anyone,
        Some(WhoName::User) => Who::User,
        Some(WhoName::Token) | None => Who::Token,
    }
}

/// How long a rollup gathers where a namespace names the policy alone: ten pages a second are smooth to the eye.
const ROLLUP_MS: u32 = 100;
