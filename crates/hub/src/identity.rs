//! Who somebody is, and what that allows.

use std::{
    fmt,
    ops::BitOr,
    sync::{Arc, LazyLock},
};

use longwire_channel::{ChannelName, ChannelPattern, Token};

/// Somebody who is known. Cloning is cheap.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The user that the token names.
    pub user: Option<Token>,
    /// What it may do.
    pub permissions: Permissions,
    /// When the token expires: milliseconds since 1970. `None` is never.
    pub expires_at_ms: Option<u64>,
    /// A resume ticket, to be handed on to the client.
    pub ticket: Option<String>,
}

impl Identity {
    /// Somebody without a name who may do this, for ever.
    pub fn nameless(permissions: Permissions) -> Self {
        Self { user: None, permissions, expires_at_ms: None, ticket: None }
    }
}

/// What somebody may do on which channels. Nothing is allowed that no entry allows. Cloning is cheap.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Permissions(Arc<[(ChannelPattern, Actions)]>);

impl Permissions {
    /// These. Several entries may match one channel: each adds to what is allowed.
    pub fn new(entries: impl IntoIterator<Item = (ChannelPattern, Actions)>) -> Self {
        Self(entries.into_iter().collect())
    }

    /// Everything on every channel.
    pub fn all() -> Self {
        // Every session of a server without credentials has them, and so they are shared.
        static ALL: LazyLock<Permissions> = LazyLock::new(|| {
            let every = ChannelPattern::new(EVERY_CHANNEL).expect("a star is a pattern");
            Permissions::new([(every, Actions::ALL)])
        });
        ALL.clone()
    }

    /// Nothing.
    pub fn none() -> Self {
        Self::default()
    }

    /// Whether `action` is allowed on `channel`.
    pub fn allow(&self, channel: &ChannelName, action: Action) -> bool {
        self.0.iter().any(|(pattern, actions)| actions.has(action) && pattern.matches(channel))
    }

    /// Whether anything may be managed.
    pub(crate) fn manage_some(&self) -> bool {
        self.0.iter().any(|(_, actions)| actions.has(Action::Manage))
    }

    /// Whether everything may be managed: what the list of connections and the end of one need.
    pub fn administer(&self) -> bool {
        self.0.iter().any(|(pattern, actions)| {
            actions.has(Action::Manage) && pattern.as_str() == EVERY_CHANNEL
        })
    }
}

/// Something to do with a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Action {
    /// To receive what is published.
    Subscribe,
    /// To publish.
    Publish,
    /// To read what is kept.
    History,
    /// To end and to delete, and to see who is there.
    Manage,
}

impl Action {
    /// Every action.
    pub const ALL: &'static [Self] = &[Self::Subscribe, Self::Publish, Self::History, Self::Manage];

    /// The name in tokens and configuration.
    pub fn name(self) -> &'static str {
        match self {
            Self::Subscribe => "subscribe",
            Self::Publish => "publish",
            Self::History => "history",
            Self::Manage => "manage",
        }
    }

    /// The action of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|action| action.name() == name)
    }

    fn bit(self) -> u8 {
        match self {
            Self::Subscribe => 1,
            Self::Publish => 1 << 1,
            Self::History => 1 << 2,
            Self::Manage => 1 << 3,
        }
    }
}

/// A set of actions.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Actions(u8);

impl Actions {
    /// Every action.
    pub const ALL: Self = Self(0b1111);

    /// Whether `action` is in it.
    pub fn has(self, action: Action) -> bool {
        self.0 & action.bit() != 0
    }
}

impl From<Action> for Actions {
    fn from(action: Action) -> Self {
        Self(action.bit())
    }
}

impl FromIterator<Action> for Actions {
    fn from_iter<I: IntoIterator<Item = Action>>(actions: I) -> Self {
        actions.into_iter().fold(Self::default(), |set, action| set | action.into())
    }
}

impl BitOr for Actions {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl fmt::Debug for Actions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = Action::ALL.iter().filter(|action| self.has(**action)).map(|it| it.name());
        f.debug_set().entries(names).finish()
    }
}

/// The pattern that matches all names.
const EVERY_CHANNEL: &str = "*";

#[cfg(test)]
mod tests {
    use super::*;

    fn channel(name: &str) -> ChannelName {
        ChannelName::new(name).expect("valid")
    }

    fn permissions(entries: &[(&str, &[Action])]) -> Permissions {
        Permissions::new(entries.iter().map(|(pattern, actions)| {
            (ChannelPattern::new(pattern).expect("valid"), actions.iter().copied().collect())
        }))
    }

    #[test]
    fn entries_add_up_and_nothing_else_is_allowed() {
        let some = permissions(&[
            ("chat:*", &[Action::Subscribe]),
            ("chat:1", &[Action::Publish, Action::History]),
        ]);
        assert!(some.allow(&channel("chat:1"), Action::Subscribe));
        assert!(some.allow(&channel("chat:1"), Action::Publish));
        assert!(!some.allow(&channel("chat:2"), Action::Publish));
        assert!(!some.allow(&channel("news"), Action::Subscribe));
        assert!(!some.allow(&channel("chat:1"), Action::Manage));
        assert!(!Permissions::none().allow(&channel("chat:1"), Action::Subscribe));
    }

    #[test]
    fn only_who_manages_every_channel_administers() {
        assert!(Permissions::all().administer());
        assert!(!permissions(&[("chat:*", &[Action::Manage])]).administer());
        assert!(!permissions(&[("*", &[Action::Subscribe, Action::Publish])]).administer());
    }

    #[test]
    fn every_action_is_found_by_its_name() {
        for &action in Action::ALL {
            assert_eq!(Action::from_name(action.name()), Some(action));
            assert!(Actions::ALL.has(action));
        }
        assert_eq!(Action::from_name("other"), None);
    }
}
