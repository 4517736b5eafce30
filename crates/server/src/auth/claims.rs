//! What a token says: the user, the times, and what may be done in which channels.

use std::collections::BTreeMap;

use longwire_channel::{ChannelPattern, InvalidChannelPattern};
use longwire_hub::{Actions, Permissions};
use serde::{Deserialize, Serialize};

use crate::config::Action;

/// The claims of a token. Others are ignored.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// The user.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sub: Option<String>,
    /// When it ends: seconds since 1970.
    pub exp: u64,
    /// From when on it counts: seconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nbf: Option<u64>,
    /// What it allows, by patterns of channels.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub channels: BTreeMap<String, Vec<Action>>,
}

/// What these patterns allow.
pub(super) fn permissions(
    channels: &BTreeMap<String, Vec<Action>>,
) -> Result<Permissions, InvalidChannelPattern> {
    let entries = channels.iter().map(|(pattern, actions)| {
        let actions: Actions = actions.iter().map(|action| hub_action(*action)).collect();
        Ok((ChannelPattern::new(pattern)?, actions))
    });
    Ok(Permissions::new(entries.collect::<Result<Vec<_>, _>>()?))
}

fn hub_action(action: Action) -> longwire_hub::Action {
    match action {
        Action::Subscribe => longwire_hub::Action::Subscribe,
        Action::Publish => longwire_hub::Action::Publish,
        Action::History => longwire_hub::Action::History,
        Action::Manage => longwire_hub::Action::Manage,
    }
}
