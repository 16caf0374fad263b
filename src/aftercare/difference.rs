//! The differences between Tray and the results, and what cannot be told.

/// What is different, and of what kind of object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum What {
    /// The end user is gone.
    UserMissing,
    /// An authentication is gone.
    AuthenticationMissing,
    /// An instance is gone.
    InstanceMissing,
    /// An authentication has another name.
    AuthNameChanged,
    /// An authentication is in another service environment.
    EnvironmentChanged,
    /// An instance has another name.
    InstanceNameChanged,
    /// An auth slot holds something else, or nothing.
    SlotChanged,
    /// A config slot holds another value, or none.
    ConfigChanged,
    /// An instance is disabled that was enabled.
    Disabled,
    /// An instance is enabled that was not to be.
    Enabled,
    /// An authentication that the results know nothing of.
    AuthenticationExtra,
    /// An instance that the results know nothing of.
    InstanceExtra,
}

impl What {
    /// Every kind of difference.
    pub const ALL: [What; 12] = [
        What::UserMissing,
        What::AuthenticationMissing,
        What::InstanceMissing,
        What::AuthNameChanged,
        What::EnvironmentChanged,
        What::InstanceNameChanged,
        What::SlotChanged,
        What::ConfigChanged,
        What::Disabled,
        What::Enabled,
        What::AuthenticationExtra,
        What::InstanceExtra,
    ];

    /// `missing`, `changed` or `extra`, and what is.
    pub fn names(self) -> (&'static str, &'static str) {
        match self {
            What::UserMissing => ("missing", "user"),
            What::AuthenticationMissing => ("missing", "authentication"),
            What::InstanceMissing => ("missing", "instance"),
            What::AuthNameChanged => ("changed", "authName"),
            What::EnvironmentChanged => ("changed", "environment"),
            What::InstanceNameChanged => ("changed", "instanceName"),
            What::SlotChanged => ("changed", "slot"),
            What::ConfigChanged => ("changed", "config"),
            What::Disabled | What::Enabled => ("changed", "enabled"),
            What::AuthenticationExtra => ("extra", "authentication"),
            What::InstanceExtra => ("extra", "instance"),
        }
    }
}

/// One difference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// What is different.
    pub what: What,
    /// The numbers of the rows that it is about; none for what the results know nothing of.
    pub rows: Vec<u64>,
    /// The end user.
    pub external_user_id: String,
    /// The id of the user, authentication or instance.
    pub id: String,
    /// The slot, where it is about one.
    pub slot: Option<String>,
    /// What the results say; a config value is never shown.
    pub expected: Option<String>,
    /// What Tray has.
    pub found: Option<String>,
}

/// What cannot be told, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Doubt {
    /// Tray's list of the end user's authentications is cut short.
    Truncated,
    /// The authentication is hidden, or the results do not say whether it is, and Tray was not seen to list
    /// hidden ones.
    Hidden,
    /// The checks of config values were made with another master token.
    OtherKey,
}
