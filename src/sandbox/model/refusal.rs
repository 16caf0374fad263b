//! Why Tray would refuse an operation.
//!
//! Only the rate limit's text is published; the others are ours, in the style of the published one.

use std::fmt;

use crate::secret::SecretText;

/// A refused operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The token is unknown, expired, or of the wrong kind for the operation.
    Forbidden,
    /// The `externalUserId` is taken.
    ExternalUserIdTaken,
    /// The name is taken.
    NameTaken,
    /// There is no such object: its kind, its id.
    NotFound(&'static str, String),
    /// The service environment belongs to another service.
    ServiceMismatch,
    /// The external id is not a slot of the solution.
    UnknownSlot(String),
    /// The external id stands twice in one list.
    RepeatedSlot(String),
    /// The value of this field is not a string that holds the JSON it should.
    NotJson(&'static str),
    /// The credentials do not match the environment's schema.
    Credentials(String),
    /// Auth slots without a value: their external ids.
    MissingValues(Vec<String>),
    /// The instance is too young to be enabled.
    TooSoon,
    /// Something depends on it: an authentication of an enabled instance, an instance that runs, a user with things.
    InUse,
    /// The paging arguments make no sense.
    Paging,
    /// A refusal whose message quotes the credentials that came in.
    Echoing(Box<Refusal>, SecretText),
}

impl Refusal {
    /// The error's `extensions.code`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Forbidden => "access_not_allowed",
            Self::NotFound(..) => "not_found",
            Self::ExternalUserIdTaken | Self::NameTaken => "already_exists",
            Self::MissingValues(_) | Self::TooSoon | Self::InUse => "precondition_failed",
            Self::Echoing(refusal, _) => refusal.code(),
            _ => "invalid_input",
        }
    }

    /// The error's `extensions.name`.
    pub fn name(&self) -> &'static str {
        match self.code() {
            "not_found" => "NotFoundError",
            "invalid_input" => "InvalidInputError",
            _ => "PreconditionError",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Forbidden => {
                f.write_str("User is not authorized to access this resource with an explicit deny")
            }
            Self::ExternalUserIdTaken => {
                f.write_str("A user with this externalUserId already exists")
            }
            Self::NameTaken => f.write_str("The name is already in use"),
            Self::NotFound(kind, id) => write!(f, "{kind} not found: {id}"),
            Self::ServiceMismatch => {
                f.write_str("The service environment does not belong to the service")
            }
            Self::UnknownSlot(slot) => write!(f, "Unknown external id: {slot}"),
            Self::RepeatedSlot(slot) => write!(f, "External id given twice: {slot}"),
            Self::NotJson(field) => write!(f, "Invalid JSON in {field}"),
            Self::Credentials(why) => write!(f, "Schema validation errors: [ {why} ]"),
            Self::MissingValues(slots) => {
                write!(f, "Cannot enable with missing values: {}", slots.join(", "))
            }
            Self::TooSoon => f.write_str("The solution instance is not ready to be enabled"),
            Self::InUse => f.write_str("It is in use"),
            Self::Paging => f.write_str("Invalid paging arguments"),
            Self::Echoing(refusal, data) => write!(f, "{refusal}; received: {}", data.expose()),
        }
    }
}

impl std::error::Error for Refusal {}
