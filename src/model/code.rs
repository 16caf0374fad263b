//! Codes of failed rows. Part of the contract: scripts match on them.

/// Tray said no.
pub const REFUSED: &str = "refused";
/// The end user's token was refused again right after it was renewed.
pub const UNAUTHORIZED: &str = "unauthorized";
/// No connection, or no usable answer, in all attempts.
pub const NO_ANSWER: &str = "no_answer";
/// Tray has two of what should be one.
pub const AMBIGUOUS: &str = "ambiguous";
/// A creation may have happened and Tray cannot be asked in a way that tells.
pub const UNSETTLED: &str = "unsettled";
/// Tray's list of what exists is cut short.
pub const LISTING_TRUNCATED: &str = "listing_truncated";
/// An instance of that name exists with another authentication in the slot.
pub const INSTANCE_CONFLICT: &str = "instance_conflict";
/// Tray accepted the call but the instance is not enabled.
pub const NOT_ENABLED: &str = "not_enabled";

/// Every code.
pub const ALL: [&str; 8] = [
    REFUSED,
    UNAUTHORIZED,
    NO_ANSWER,
    AMBIGUOUS,
    UNSETTLED,
    LISTING_TRUNCATED,
    INSTANCE_CONFLICT,
    NOT_ENABLED,
];
