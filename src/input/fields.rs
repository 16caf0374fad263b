//! The names of the contract's input fields, and what a column or key of that name fills.

use strum::VariantArray as _;

use crate::issue::{Code, Problem, nearest};

/// A field of a row that is a single text or flag, in the contract's order.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    Hash,
    strum::EnumCount,
    strum::EnumString,
    strum::IntoStaticStr,
    strum::VariantArray,
)]
#[strum(serialize_all = "camelCase")]
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
    /// The contract's name of the field.
    pub fn name(self) -> &'static str {
        self.into()
    }
}

/// One of a row's two objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// `data`: the credentials.
    Data,
    /// `formData`: the fields of Tray's authentication form.
    FormData,
}

impl Part {
    /// The contract's name.
    pub fn name(self) -> &'static str {
        match self {
            Part::Data => "data",
            Part::FormData => "formData",
        }
    }
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
        if let Ok(field) = name.parse() {
            return Some(Target::Field(field));
        }
        match name {
            "data" => return Some(Target::Data(String::new())),
            "formData" => return Some(Target::FormData(String::new())),
            _ => {}
        }
        let (prefix, rest) = name.split_once('.').filter(|(_, rest)| !rest.is_empty())?;
        let target = match prefix {
            "data" => Target::Data,
            "formData" => Target::FormData,
            "config" => Target::Config,
            "configJson" => Target::ConfigJson,
            _ => return None,
        };
        Some(target(rest.to_owned()))
    }

    /// The contract's name of this target.
    pub fn name(&self) -> String {
        let (prefix, path) = match self {
            Target::Field(field) => return field.name().to_owned(),
            Target::Data(path) => ("data", path),
            Target::FormData(path) => ("formData", path),
            Target::Config(slot) => ("config", slot),
            Target::ConfigJson(slot) => ("configJson", slot),
        };
        match path.as_str() {
            "" => prefix.to_owned(),
            path => format!("{prefix}.{path}"),
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
    let fields = Field::VARIANTS.iter().map(|field| field.name());
    nearest(name, fields.chain(["data", "formData"])).map(str::to_owned)
}

/// The problem of a column or key that is not one of the contract's names.
pub(super) fn unknown_field(name: &str, of: &str) -> Problem {
    let hint = suggest(name).map_or_else(
        || "; rename it, or list it under `ignore` in a mapping file".to_owned(),
        |near| format!("; did you mean \"{near}\"?"),
    );
    let message = format!("is not a {of} that this tool knows{hint}");
    Problem::new(name.to_owned(), Code::UnknownField, message)
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
