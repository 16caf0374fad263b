//! The names of the contract's input fields, and what a column or key of that name fills.

use crate::issue::nearest;

/// A field of a row that is a single text or flag.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Field {
    /// The customer's own id for the end user.
    ExternalUserId,
    /// Display name of the Tray end user.
    UserName,
    /// The connector that the credentials belong to.
    Connector,
    /// The version of that connector.
    ConnectorVersion,
    /// Service environment, by id or by title.
    Environment,
    /// Name of the authentication.
    AuthName,
    /// OAuth scopes.
    Scopes,
    /// Whether the authentication is hidden in Tray's UI.
    Hidden,
    /// The solution to instantiate.
    SolutionId,
    /// Name of the solution instance.
    InstanceName,
    /// External ID of the auth slot that the authentication fills.
    AuthExternalId,
    /// Whether to enable the instance once it is complete.
    Enabled,
}

impl Field {
    /// Every field, in the contract's order.
    pub const ALL: [Field; 12] = [
        Field::ExternalUserId,
        Field::UserName,
        Field::Connector,
        Field::ConnectorVersion,
        Field::Environment,
        Field::AuthName,
        Field::Scopes,
        Field::Hidden,
        Field::SolutionId,
        Field::InstanceName,
        Field::AuthExternalId,
        Field::Enabled,
    ];

    /// The contract's name of the field.
    pub fn name(self) -> &'static str {
        match self {
            Field::ExternalUserId => "externalUserId",
            Field::UserName => "userName",
            Field::Connector => "connector",
            Field::ConnectorVersion => "connectorVersion",
            Field::Environment => "environment",
            Field::AuthName => "authName",
            Field::Scopes => "scopes",
            Field::Hidden => "hidden",
            Field::SolutionId => "solutionId",
            Field::InstanceName => "instanceName",
            Field::AuthExternalId => "authExternalId",
            Field::Enabled => "enabled",
        }
    }
}

/// A row, as far as its plain fields go, however it is kept.
pub trait Texts {
    /// The text of a plain field; `None` where it is absent or empty.
    fn text(&self, field: Field) -> Option<&str>;
}

/// What a column or key fills.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Target {
    /// One of the plain fields.
    Field(Field),
    /// `data.<key>`: a credential field, by its dotted path; an empty path is the whole object.
    Data(String),
    /// `formData.<key>`: a field of Tray's authentication form; an empty path is the whole object.
    FormData(String),
    /// `config.<externalId>`: a config slot's value as text.
    Config(String),
    /// `configJson.<externalId>`: a config slot's value as JSON.
    ConfigJson(String),
}

impl Target {
    /// What `name` fills, if it is one of the contract's names.
    pub fn parse(name: &str) -> Option<Target> {
        if let Some(field) = Field::ALL.into_iter().find(|f| f.name() == name) {
            return Some(Target::Field(field));
        }
        match name {
            "data" => return Some(Target::Data(String::new())),
            "formData" => return Some(Target::FormData(String::new())),
            _ => {}
        }
        let (prefix, rest) = name.split_once('.')?;
        if rest.is_empty() {
            return None;
        }
        let rest = rest.to_owned();
        match prefix {
            "data" => Some(Target::Data(rest)),
            "formData" => Some(Target::FormData(rest)),
            "config" => Some(Target::Config(rest)),
            "configJson" => Some(Target::ConfigJson(rest)),
            _ => None,
        }
    }

    /// The contract's name of this target.
    pub fn name(&self) -> String {
        let dotted = |prefix: &str, path: &str| {
            if path.is_empty() {
                prefix.to_owned()
            } else {
                format!("{prefix}.{path}")
            }
        };
        match self {
            Target::Field(field) => field.name().to_owned(),
            Target::Data(path) => dotted("data", path),
            Target::FormData(path) => dotted("formData", path),
            Target::Config(slot) => dotted("config", slot),
            Target::ConfigJson(slot) => dotted("configJson", slot),
        }
    }

    /// Whether what it holds may be a credential, so that it must not end up in a name.
    pub fn is_secret(&self) -> bool {
        matches!(self, Target::Data(_) | Target::FormData(_))
    }
}

/// The contract's name that `name` was probably meant to be: `Data.api_key`, `usrName`, `api key`.
pub fn suggest(name: &str) -> Option<String> {
    if let Some((prefix, rest)) = name.split_once('.')
        && !rest.is_empty()
        && let Some(known) = nearest(prefix, ["data", "formData", "config", "configJson"])
    {
        return Some(format!("{known}.{rest}"));
    }
    nearest(
        name,
        Field::ALL
            .iter()
            .map(|f| f.name())
            .chain(["data", "formData"]),
    )
    .map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_go_there_and_back() {
        for name in [
            "externalUserId",
            "enabled",
            "data",
            "data.a.b",
            "formData.subdomain",
            "config.external_x",
            "configJson.external_x",
        ] {
            assert_eq!(Target::parse(name).map(|t| t.name()).as_deref(), Some(name));
        }
        for name in ["", "data.", "Config.x", "externaluserid", "config"] {
            assert_eq!(Target::parse(name), None, "{name}");
        }
    }

    #[test]
    fn near_misses_are_named() {
        assert_eq!(suggest("externaluserid").as_deref(), Some("externalUserId"));
        assert_eq!(suggest("Data.key").as_deref(), Some("data.key"));
        assert_eq!(suggest("telephone"), None);
    }
}
