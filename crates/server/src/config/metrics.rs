//! Who may see what is measured.

use serde::Deserialize;

/// The section `[metrics]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct MetricsConfig {
    /// Whether `/metrics` is answered to whoever reaches the port. Default: only to who shows an API key, whatever that may
    /// do otherwise; in development mode, to everybody.
    pub open: bool,
}
