//! Why two rows of a file cannot both stand, and how that is said.

use crate::issue::{Code, Problem};

/// Why a row cannot stand beside an earlier one, whose number comes with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clash {
    /// The same end user, service environment and authentication name.
    Authentication(u32),
    /// The same slot of the same instance.
    Slot(u32),
    /// The same instance, enabled or not otherwise than here.
    Enabled(u32, bool),
    /// The same config slot, by its mark, of the same instance with another value.
    Config(u32, u32),
}

impl Clash {
    /// It in words. `slot` tells the External ID of a config slot by its mark.
    pub fn problem<'n>(self, slot: impl Fn(u32) -> &'n str) -> Problem {
        match self {
            Clash::Authentication(first) => Problem::new(
                "authName",
                Code::DuplicateAuthentication,
                format!(
                    "row {first} has the same end user, service environment and authentication name; remove one, or give each a name of its own"
                ),
            ),
            Clash::Slot(first) => Problem::new(
                "authExternalId",
                Code::DuplicateSlot,
                format!(
                    "row {first} fills the same slot of the same instance; give the instances different names, or remove one"
                ),
            ),
            Clash::Enabled(first, enabled) => Problem::new(
                "enabled",
                Code::ConflictingEnabled,
                format!(
                    "row {first} of the same instance says {enabled}; all rows of an instance must agree (absent means true)"
                ),
            ),
            Clash::Config(first, mark) => Problem::new(
                format!("config.{}", slot(mark)),
                Code::ConflictingConfig,
                format!("row {first} of the same instance gives this slot another value"),
            ),
        }
    }
}
